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
mod harness;
mod openapi;
mod powercut;
mod tenancy;
mod tidy;
mod tidy_data;
mod tidy_tree;
