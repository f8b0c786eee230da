//! Where vendors deliver to.

pub mod http;
