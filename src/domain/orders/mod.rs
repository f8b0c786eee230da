//! Orders: what was sold, to whom, for how much, and whether it is there.
//!
//! **Words.** *line*: a number of pieces of one variant at one price. *unmapped*: a line whose SKU nobody here knows yet. *short*: pieces of an
//! order that are not there. *difference*: what a channel's total and ours differ by; such an order is taken in, flagged, reserved, and its
//! fulfilment is held (D32).
//!
//! **Commands.** `orders.place`, `orders.cancel`; in the transactions of others: [`service::place_in`], [`follow::follow_in`],
//! [`service::cancel_in`], [`service::map_lines_in`].
//!
//! **Events.** `order.created`, `order.updated`, `order.cancelled`, `order.payment_cancelled`, `order.lines_mapped`.
//!
//! **Invariants.** One order per channel and external id (RA2.1). An order of a channel is what the newest state that came says (RA2.2).
//! Amounts are stored as they were sold or told and never computed again. An order, its lines, its reservations and its payment attempt stand together or not at all.
//!
//! **What it does not do.** It reads no vendor's payload and ships nothing.

pub mod follow;
pub mod http;
pub mod model;
pub mod own;
pub mod queries;
pub mod service;
pub mod store;
pub mod timeline;

use crate::base::error::{FieldFault, Kind, Place, Problem};
use crate::base::money::Currency;
use crate::infra::db::DbError;

/// Tables of this module.
pub const OWNS: &[&str] = &["sales_order", "sales_order_line"];

/// Why an order cannot be placed or changed.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// No such order.
    #[error("There is no such order.")]
    Missing,
    /// A line names something that the store does not sell.
    #[error("Line {}: there is no variant `{wanted}`.", .position.saturating_add(1))]
    NoVariant {
        /// Counted from zero.
        position: usize,
        /// What was asked for.
        wanted: String,
    },
    /// The external id is taken.
    #[error("There is already an order with the external id `{0}`.")]
    ExternalTaken(String),
    /// Only where it was sold can it be cancelled.
    #[error("The order was sold by a channel. Cancel it there; it is cancelled here when the channel tells of it.")]
    OfChannel,
    /// It is cancelled already.
    #[error("The order is cancelled already.")]
    Cancelled,
    /// A channel tells of the order in another currency than before.
    #[error("The order was placed in {}, and is told in {} now.", .from.code(), .to.code())]
    CurrencyChanged {
        /// As it was placed.
        from: Currency,
        /// As it is told.
        to: Currency,
    },
    /// A sum is larger than the store can hold.
    #[error("The order's total is larger than the store can hold.")]
    TooLarge,
    /// The file.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Problem for OrderError {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing => Kind::Missing,
            Self::NoVariant { .. } | Self::TooLarge | Self::CurrencyChanged { .. } => Kind::Refused,
            Self::ExternalTaken(_) | Self::OfChannel | Self::Cancelled => Kind::Conflict,
            Self::Db(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Missing => "order_not_found",
            Self::NoVariant { .. } => "variant_not_found",
            Self::TooLarge => "amount_too_large",
            Self::OfChannel => "order_of_channel",
            Self::Cancelled => "order_cancelled",
            Self::CurrencyChanged { .. } => "currency_changed",
            Self::ExternalTaken(_) => "external_id_taken",
            Self::Db(error) => error.code(),
        }
    }

    fn fields(&self) -> Vec<FieldFault> {
        match self {
            Self::NoVariant { position, .. } => vec![FieldFault {
                place: Place::Pointer(format!("/lines/{position}")),
                code: "variant_not_found",
                detail: self.to_string(),
            }],
            _ => Vec::new(),
        }
    }
}
