//! The funnel that every command goes through, and the two engines above it: the web and background work. Knows no table of a domain.

pub mod actor;
pub mod cache;
pub mod command;
pub mod control_store;
pub mod journal;
pub mod ledger;
pub mod once;
pub mod outbox;
pub mod permit;
pub mod scope;
pub mod store;
pub mod tenants;
pub mod web;
pub mod work;

/// Tables that `kernel/store.rs` owns.
pub const OWNS: &[&str] = &["meta", "journal", "journal_body", "outbox", "outbox_attempt", "idempotency"];
