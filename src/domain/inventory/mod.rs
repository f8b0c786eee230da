//! Stock: how much there is of a variant in a warehouse, to whom it is promised, and every movement that led there.
//!
//! **Words.** *`on_hand`*: pieces that lie there. *reserved*: pieces of them that are promised. *available*: the rest, what can still be sold.
//! *movement*: a change of `on_hand`, never of reserved. *reservation*: a promise of pieces of one warehouse to an owner's line.
//! *shortfall*: pieces that were sold elsewhere and are not there; filled first in, first out when stock arrives.
//!
//! **Commands.** `inventory.create_warehouse`, `inventory.adjust`, `inventory.fill_shortfalls`, `inventory.reconcile`; in the transactions of others:
//! [`service::reserve_in`], [`service::release_in`], [`service::consume_in`].
//!
//! **Events.** `warehouse.created`, `inventory.adjusted`, `inventory.reserved`, `inventory.shortfall`, `inventory.filled`,
//! `inventory.released`, `inventory.consumed`: all of them name the variants whose availability moved. `inventory.reconciled`.
//!
//! **Invariants.** `on_hand` = Σ movements; reserved = Σ open reservations; 0 ≤ reserved ≤ `on_hand` (in the schema). A shortfall never touches a
//! level. Reserving is one guarded UPDATE a warehouse, so that the last piece is promised once (RA1.2).
//!
//! **What it does not do.** It knows no order: an owner is an id. It decides no price and tells no channel.

pub mod http;
pub mod jobs;
pub mod model;
pub mod queries;
pub mod reconcile;
pub mod service;
pub mod store;

use crate::base::error::{Kind, Problem};
use crate::infra::db::DbError;

/// Tables of this module.
pub const OWNS: &[&str] = &[
    "inventory_warehouse",
    "inventory_level",
    "inventory_movement",
    "inventory_reservation",
    "inventory_shortfall",
    "inventory_reconciliation",
];

/// Why stock cannot be moved or promised.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// Less is available than is asked for.
    #[error("Insufficient stock: {left} left at {place}")]
    Insufficient {
        /// What is available there.
        left: i64,
        /// The warehouse's code, or the variant's SKU when it is about all warehouses.
        place: String,
    },
    /// No such warehouse.
    #[error("There is no such warehouse.")]
    NoWarehouse,
    /// No such variant.
    #[error("There is no such variant.")]
    NoVariant,
    /// The code is taken.
    #[error("There is already a warehouse with the code `{0}`.")]
    CodeTaken(String),
    /// A level would pass what the store can count.
    #[error("The stock would pass {0} pieces.")]
    TooMany(i64),
    /// The file.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Problem for InventoryError {
    fn kind(&self) -> Kind {
        match self {
            Self::Insufficient { .. } | Self::CodeTaken(_) => Kind::Conflict,
            Self::NoWarehouse | Self::NoVariant => Kind::Missing,
            Self::TooMany(_) => Kind::Refused,
            Self::Db(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Insufficient { .. } => "insufficient_stock",
            Self::NoWarehouse => "warehouse_not_found",
            Self::NoVariant => "variant_not_found",
            Self::CodeTaken(_) => "warehouse_code_taken",
            Self::TooMany(_) => "stock_limit",
            Self::Db(error) => error.code(),
        }
    }
}
