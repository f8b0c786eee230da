//! The domain: each module owns its tables and its rules.

pub mod audit;
pub mod auth;
pub mod channels;
