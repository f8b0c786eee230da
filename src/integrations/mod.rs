//! Vendors: each module implements the domain's ports for one of them and brings an emulator of it.

pub mod google;
pub mod shopify;
