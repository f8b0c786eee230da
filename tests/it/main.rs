//! The one integration target: it links once. One file per subject, what they share lies in `harness`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]
#![expect(clippy::indexing_slicing, clippy::string_slice, reason = "what is not there fails the test")]
#![expect(clippy::disallowed_methods, reason = "the harness has real deadlines, settings and tasks")]

mod auth;
mod bad_input;
mod bad_traffic;
mod browser;
mod catalog;
mod diskfull;
mod engine;
mod feeds;
mod harness;
mod jobs;
mod kill;
mod ledger;
mod lifecycle;
mod main_job;
mod once;
mod openapi;
mod order_cancel;
mod order_states;
mod oversell;
mod powercut;
mod powercut_store;
mod quarantine;
mod reconcile;
mod screens;
mod syncfail;
mod tenancy;
mod tidy;
mod tidy_data;
mod tidy_tree;
