//! The vocabulary of the product: ids, money, quantities, time, faults and paging. Imports nothing of ours.

pub mod clock;
pub mod complaints;
pub mod error;
pub mod id;
pub mod money;
pub mod page;
pub mod quantity;
pub mod text;
