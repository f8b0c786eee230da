//! The domain: each module owns its tables and its rules.

pub mod catalog;
pub mod channels;
pub mod customers;
