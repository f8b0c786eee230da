#![doc = "bodega: a store's whole back office in one binary. `ARCHITECTURE.md` is the map of this source."]

// Linked, and that is all: it takes the place of the C library's `malloc`, on which Rust's own allocator stands. Named as `#[global_allocator]` it would
// cost 23 MB, because the compiler then no longer sees that memory which is asked for and zeroed can be had zeroed, untouched.
extern crate mimalloc as _;

pub mod app;
pub mod base;
pub mod domain;
pub mod infra;
pub mod integrations;
pub mod kernel;
pub mod surface;
