//! Sales channels: what an order from outside is, in words that belong to no vendor.

pub mod model;
pub mod port;
