//! Payment attempts of orders: who was asked for how much, and what came of it.
//!
//! **Words.** *attempt*: one try to get an amount from one provider. It is written in the order's own transaction (SC3).
//!
//! **Commands.** In the transactions of others: [`service::record_in`].
//!
//! **Invariants.** An attempt has an amount of at least zero in the order's currency and a state from a closed set.
//!
//! **What it does not do.** It talks to no provider: a channel's payments were made there, and are written down as they are.

pub mod model;
pub mod service;
pub mod store;

/// Tables of this module.
pub const OWNS: &[&str] = &["payment_attempt"];
