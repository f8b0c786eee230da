//! Feeds: keeping a store's products and local stock correct at the places that show them.
//!
//! **Words.** *item*: what one variant looks like at the vendor. *product push*: replaces its attributes. *stock push*: replaces its quantity and
//! price in one store. *store code*: the vendor's name of a warehouse; a warehouse without one is shown nowhere. *epoch*: goes up when the store
//! connects another account, so that nothing that the old one was told counts for the new one.
//!
//! **Tables.** `feed_account` (one row: the connection), `feed_product` (what was last accepted or refused of an item), `feed_stock` (what each
//! store was last told).
//!
//! **Commands.** `feeds.connect`, `feeds.disconnect`, `feeds.push_now`, `feeds.fill`, `feeds.refresh`; in the transactions of others:
//! [`service::enqueue_stock_in`], [`service::enqueue_product_in`]; by the jobs: `feeds.record_product`, `feeds.record_stock`, `feeds.reject`,
//! `feeds.note_error`.
//!
//! **Events.** `feed.connected`, `feed.disconnected`, `feed.product_pushed`, `feed.stock_pushed`, `feed.item_rejected`.
//!
//! **Invariants.** A row says what the vendor accepted, never what was meant: it is written after the answer, in the transaction that closes the
//! job. What does not differ from it is not sent again (no effect stands twice). Versions of an item only grow. Changes of one variant within
//! [`service::COALESCE_WINDOW`] are one push (decision D34). An item is pushed at most twice a day and before it would expire.
//!
//! **What it does not do.** It decides no price and moves no stock. It speaks no vendor's language: that is the port's ([`port::FeedPort`]). It
//! removes nothing from the vendor: a product that is no longer sold is told to be out of stock, and expires there.

pub mod http;
pub mod jobs;
pub mod model;
pub mod pace;
pub mod port;
pub mod service;
pub mod store;
pub mod told;

use crate::base::error::{Kind, Problem};
use crate::infra::db::DbError;

/// Tables of this module.
pub const OWNS: &[&str] = &["feed_account", "feed_product", "feed_stock"];

/// The kind of jobs that push one product.
pub const PUSH_PRODUCT: &str = "feeds.push_product";
/// The kind of jobs that push one variant's stock.
pub const PUSH_STOCK: &str = "feeds.push_stock";
/// The queue's number of [`PUSH_PRODUCT`].
pub const PRODUCT_LANE: u8 = 2;
/// The queue's number of [`PUSH_STOCK`].
pub const STOCK_LANE: u8 = 3;

/// Why a feed command cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum FeedsError {
    /// There is no connection, or it is switched off.
    #[error("Google is not connected.")]
    NotConnected,
    /// No such variant.
    #[error("There is no such variant.")]
    NoVariant,
    /// The sealed credentials cannot be read back.
    #[error("The stored credentials cannot be opened. Connect again.")]
    Credentials,
    /// The file.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Problem for FeedsError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotConnected | Self::Credentials => Kind::Conflict,
            Self::NoVariant => Kind::Missing,
            Self::Db(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotConnected => "feed_not_connected",
            Self::NoVariant => "variant_not_found",
            Self::Credentials => "feed_credentials",
            Self::Db(error) => error.code(),
        }
    }
}
