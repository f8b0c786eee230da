//! The store's business, one module per owned area. They call down a declared line only (decision D31).

pub mod feeds;
