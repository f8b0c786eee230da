#![doc = "bodega: a store's whole back office in one binary. `ARCHITECTURE.md` is the map of this source."]

pub mod base;
pub mod surface;
