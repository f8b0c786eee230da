//! Channels, messages and mappings as they are stored.

use crate::base::clock::Timestamp;
use crate::base::id::{ChannelId, MessageId, OrderId, VariantId};

/// A channel as it is stored.
#[derive(Clone, Debug)]
pub struct ChannelRow {
    /// Id.
    pub id: ChannelId,
    /// Which vendor.
    pub provider: String,
    /// Name for people.
    pub name: String,
    /// The shop at the vendor.
    pub external_shop: String,
    /// Whether it takes deliveries.
    pub is_active: bool,
    /// Sealed.
    pub secret: Vec<u8>,
    /// The secret before, sealed, and until when it counts.
    pub secret_before: Option<(Vec<u8>, Timestamp)>,
    /// JSON list of warehouse ids, asked first to last.
    pub warehouses: String,
    /// Deliveries that nobody signed.
    pub signature_failures: i64,
    /// The last of them.
    pub signature_failed: Option<Timestamp>,
}

/// A message without its body.
#[derive(Clone, Debug)]
pub struct MessageRow {
    /// Position.
    pub seq: i64,
    /// Id.
    pub id: MessageId,
    /// From where.
    pub channel: ChannelId,
    /// What about.
    pub topic: String,
    /// The order's key at the channel, once it is read.
    pub external_id: Option<String>,
    /// `received`, `done`, `quarantined`, `ignored` or `discarded`.
    pub state: String,
    /// Times that it was worked on.
    pub attempts: i64,
    /// Why it is in quarantine, or was ignored.
    pub reason: Option<String>,
    /// The order that it became.
    pub order: Option<OrderId>,
    /// When it came.
    pub received: Timestamp,
    /// Bytes of the body.
    pub size: i64,
}

/// A SKU on the list.
#[derive(Clone, Debug)]
pub struct MappingRow {
    /// As the channel writes it.
    pub external_sku: String,
    /// What it was sold as.
    pub title: String,
    /// Lines that wait.
    pub lines: i64,
    /// What it means.
    pub variant: Option<VariantId>,
    /// Its SKU here.
    pub sku: Option<String>,
    /// When it came first.
    pub first_seen: Timestamp,
}

/// Figures of a channel.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChannelFigures {
    /// Messages so far.
    pub received: i64,
    /// The last of them.
    pub last_received: Option<Timestamp>,
    /// Messages that wait for a person.
    pub quarantined: i64,
    /// SKUs that nobody here knows.
    pub unmapped: i64,
}
