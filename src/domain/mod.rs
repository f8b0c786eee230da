//! The domain: each module owns its tables and its rules.

pub mod channels;
