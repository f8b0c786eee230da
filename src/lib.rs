#![doc = "bodega: a store's whole back office in one binary. `ARCHITECTURE.md` is the map of this source."]

/// In the library, so that tests and benches run on the same one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub mod app;
pub mod base;
pub mod domain;
pub mod infra;
pub mod integrations;
pub mod kernel;
pub mod surface;
