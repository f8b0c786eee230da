//! The domain: each module owns its tables and its rules, and calls only those below it in the declared line.

pub mod audit;
pub mod auth;
pub mod catalog;
pub mod channels;
pub mod customers;
pub mod feeds;
pub mod inventory;
pub mod orders;
pub mod payments;
