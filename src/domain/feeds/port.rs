//! What feeds need of a place that shows products: implemented by integrations, without a word of any vendor.

use super::model::{Availability, FeedItem};
use crate::base::clock::Timestamp;
use crate::base::error::{Kind, Problem};
use crate::base::money::Money;
use crate::base::quantity::Quantity;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// The answer of a port, some time.
pub type PushFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, PushError>> + Send + 'a>>;

/// Who asks: put on the wire and into the log.
#[derive(Clone, Debug, Default)]
pub struct PushContext {
    /// The request or job id.
    pub request_id: String,
    /// W3C trace context.
    pub traceparent: Option<String>,
}

/// The store's account at the vendor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeedAccount {
    /// The account number.
    pub account_id: String,
    /// The source that products are put into.
    pub data_source: String,
    /// The language of titles and descriptions, two letters.
    pub content_language: String,
    /// The label under which products are listed, usually the country.
    pub feed_label: String,
}

/// A product as it shall stand at the vendor, whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProductInput {
    /// The attributes.
    pub item: FeedItem,
    /// Availability over all stores.
    pub availability: Availability,
}

/// A product that the vendor took in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PushedProduct {
    /// The vendor's name for it.
    pub remote_name: String,
    /// The version that stands there now.
    pub version: i64,
}

/// How an item can be picked up in a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pickup {
    /// Bought online, picked up the same day.
    BuySameDay,
    /// Reserved online, picked up and paid the same day.
    ReserveSameDay,
}

/// The stock of one item in one store as it shall stand at the vendor, whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StockPush {
    /// Our name for the item.
    pub offer_id: String,
    /// The vendor's code of the store, letter for letter.
    pub store_code: String,
    /// Pieces that can be sold.
    pub quantity: Quantity,
    /// What the quantity means.
    pub availability: Availability,
    /// The price in this store.
    pub price: Option<Money>,
    /// How it can be picked up.
    pub pickup: Option<Pickup>,
    /// Where it stands in the store, at most 20 bytes.
    pub shelf: Option<String>,
    /// When the product was pushed for the first time. The vendor may not know it for a while after that.
    pub first_pushed_at: Option<Timestamp>,
}

/// A limit on calls, as the vendor reports it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quota {
    /// The vendor's name of the group of calls.
    pub group: String,
    /// Calls made since the last daily reset.
    pub used: i64,
    /// Calls per day.
    pub per_day: i64,
    /// Calls per minute.
    pub per_minute: i64,
    /// The calls that share it.
    pub methods: Vec<String>,
}

/// What a failed push means for the job that made it. Only [`PushError::Server`], [`PushError::Unknown`] and [`PushError::Invalid`] burn an attempt
/// (decision D1).
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PushError {
    /// The vendor was not reached and has seen nothing: park.
    #[error("{reason}")]
    Offline {
        /// In words.
        reason: String,
        /// When a call may go out again, if it is known.
        until: Option<Timestamp>,
    },
    /// Too many calls: park.
    #[error("The vendor asks for fewer calls; the next goes out in {} s", retry_after.as_secs())]
    RateLimited {
        /// How long.
        retry_after: Duration,
    },
    /// The day's calls are used up: park.
    #[error("The vendor's daily limit is used up until {until}")]
    DailyQuota {
        /// When the next day begins for the vendor.
        until: Timestamp,
    },
    /// The product was pushed and is not known yet: later.
    #[error("The vendor does not show `{offer_id}` yet; asked again until {give_up_at}")]
    NotYetVisible {
        /// Which product.
        offer_id: String,
        /// From when on a repeat answers [`PushError::Invalid`].
        give_up_at: Timestamp,
    },
    /// The vendor has a newer version: drop, the newer one wins.
    #[error("The vendor already has a newer version")]
    StaleVersion,
    /// Nothing gets through until a person changes the set-up: pause the feed and say so.
    #[error("{0}")]
    Configuration(String),
    /// The vendor refuses this item as it is: no repeat helps.
    #[error("{0}")]
    Invalid(String),
    /// A fault of the vendor: repeat by the ladder.
    #[error("{0}")]
    Server(String),
    /// Sent, and no answer: the push may stand. Every push replaces a whole record, so it is repeated.
    #[error("{0}")]
    Unknown(String),
}

impl Problem for PushError {
    fn kind(&self) -> Kind {
        match self {
            Self::Offline { .. } | Self::NotYetVisible { .. } | Self::Server(_) => Kind::Unavailable,
            Self::RateLimited { .. } | Self::DailyQuota { .. } => Kind::Limited,
            Self::StaleVersion => Kind::Conflict,
            Self::Configuration(_) | Self::Invalid(_) => Kind::Refused,
            Self::Unknown(_) => Kind::UnknownOutcome,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Offline { .. } => "feed_offline",
            Self::RateLimited { .. } => "feed_rate_limited",
            Self::DailyQuota { .. } => "feed_daily_quota",
            Self::NotYetVisible { .. } => "feed_product_not_visible",
            Self::StaleVersion => "feed_stale_version",
            Self::Configuration(_) => "feed_configuration",
            Self::Invalid(_) => "feed_item_refused",
            Self::Server(_) => "feed_vendor_failed",
            Self::Unknown(_) => "feed_outcome_unknown",
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => Some(*retry_after),
            _ => None,
        }
    }
}

/// A place that shows products. Every push replaces a whole record, so that a repeat changes nothing (decision D4).
pub trait FeedPort: Send + Sync {
    /// Puts a product. `version` only grows: a push with an older one than the vendor has is [`PushError::StaleVersion`].
    fn push_product<'a>(
        &'a self,
        account: &'a FeedAccount,
        product: &'a ProductInput,
        version: i64,
        context: &'a PushContext,
    ) -> PushFuture<'a, PushedProduct>;

    /// Puts the stock of one item in one store.
    fn push_stock<'a>(
        &'a self,
        account: &'a FeedAccount,
        stock: &'a StockPush,
        context: &'a PushContext,
    ) -> PushFuture<'a, ()>;

    /// Reads how many calls are left.
    fn quotas<'a>(&'a self, account: &'a FeedAccount, context: &'a PushContext) -> PushFuture<'a, Vec<Quota>>;
}

/// Makes ports: the wiring knows which vendor stands behind an endpoint.
pub trait FeedPorts: Send + Sync {
    /// The port at `endpoint` that signs with `credentials_json`, or a sentence that says why there can be none. Makes no call. The port keeps its
    /// token, so that callers keep the port.
    fn port(&self, endpoint: &str, credentials_json: &str) -> Result<Arc<dyn FeedPort>, String>;
}
