//! Feeds: keeping a store's products and local stock correct at the places that show them.
//!
//! Words: an *item* is what one variant looks like at the vendor; a *product push* replaces its attributes, a *stock push* its quantity in one store.

pub mod model;
pub mod port;
