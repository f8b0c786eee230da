//! Customers: who buys.
//!
//! Purpose: knows a buyer again by e-mail address, so that orders of all channels meet at one customer.
//!
//! Words: to *link* is to find the customer that a channel's order names, or to make it.
//!
//! Commands: none of its own; `link_in` joins the transaction of an order.
//! Facts: `customer.created` and `customer.updated`. Their bodies hold no personal data: they are empty, or name the fields that were filled.
//!
//! Invariants: an e-mail address belongs to one customer, whatever its letter case. What is known is never replaced by less or by other words.
//!
//! It does not refuse: an order must not fail over a buyer's odd name, so what cannot be kept is cut or left out.

pub mod model;
pub mod service;
pub mod store;

/// Tables that `store.rs` owns.
pub const OWNS: &[&str] = &["customer"];
