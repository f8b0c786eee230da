//! The journal: one append-only, hash-chained row per fact. It is the audit log, the event log and the log that is synced.

use crate::base::clock::Timestamp;
use crate::base::error::{Fault, Kind, Problem};
use crate::base::id::Id;
use crate::infra::db::{DbError, ReadTx};
use crate::infra::vault::sha256;
use crate::kernel::actor::Actor;
use crate::kernel::cache::Tag;
use crate::kernel::store;
use serde::Serialize;

/// The largest body a row keeps. A larger one is replaced by its hash and length (D13).
pub const BODY_MAX: usize = 16 * 1024;

/// What a fact is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entity {
    /// The store itself.
    Tenant,
    /// A user.
    User,
    /// An API token.
    Token,
    /// A product.
    Product,
    /// A variant: its attributes, or its stock.
    Variant,
    /// A warehouse.
    Warehouse,
    /// A customer.
    Customer,
    /// An order.
    Order,
    /// A channel.
    Channel,
    /// A received message.
    Message,
    /// A background job.
    Job,
    /// The connection to Google.
    Feed,
}

impl Entity {
    /// The stored name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::User => "user",
            Self::Token => "token",
            Self::Product => "product",
            Self::Variant => "variant",
            Self::Warehouse => "warehouse",
            Self::Customer => "customer",
            Self::Order => "order",
            Self::Channel => "channel",
            Self::Message => "message",
            Self::Job => "job",
            Self::Feed => "feed",
        }
    }

    /// The prefix of ids of this entity.
    pub fn prefix(name: &str) -> &'static str {
        match name {
            "tenant" => "ten",
            "user" => "usr",
            "token" => "tok",
            "product" => "prd",
            "variant" => "var",
            "warehouse" => "whs",
            "customer" => "cus",
            "order" => "ord",
            "channel" => "chn",
            "message" => "msg",
            "job" => "job",
            _ => "evt",
        }
    }

    /// The text form of an id of the named entity.
    pub fn show_id(name: &str, id: [u8; 16]) -> String {
        format!("{}_{:?}", Self::prefix(name), Id::from_bytes(id))
    }

    /// The cached answers that a fact about this entity makes stale.
    const fn tag(self) -> Option<Tag> {
        match self {
            Self::Product => Some(Tag::Product),
            Self::Variant => Some(Tag::Inventory),
            Self::Warehouse => Some(Tag::Warehouse),
            Self::Order => Some(Tag::Order),
            Self::User | Self::Token => Some(Tag::Auth),
            Self::Channel => Some(Tag::Channel),
            Self::Tenant | Self::Customer | Self::Message | Self::Job | Self::Feed => None,
        }
    }
}

/// Something that became true, as a module records it.
#[derive(Debug)]
pub struct Fact {
    /// Past tense, dotted: `order.created`.
    pub kind: &'static str,
    /// What it is about.
    pub entity: Entity,
    /// Of which id.
    pub id: Id,
    /// JSON: before and after, field by field.
    pub body: String,
    /// Ids that reactions need, such as the variants whose stock moved.
    pub touched: Vec<Id>,
}

impl Fact {
    /// A fact with a body. A body that cannot be written as JSON is a fault of ours.
    pub fn new(kind: &'static str, entity: Entity, id: impl Into<Id>, body: &impl Serialize) -> Result<Self, Fault> {
        let body = serde_json::to_string(body).map_err(|error| Fault::broken(format!("{kind}: {error}")))?;
        Ok(Self { kind, entity, id: id.into(), body, touched: Vec::new() })
    }

    /// The cached answers that this fact makes stale: those about its entity, and those about stock when it moved some, whatever it is about.
    pub fn tags(&self) -> impl Iterator<Item = Tag> + use<> {
        let moves_stock = self.kind.starts_with("inventory.");
        self.entity.tag().into_iter().chain(moves_stock.then_some(Tag::Inventory))
    }

    /// With the ids that reactions need.
    #[must_use]
    pub fn touching(mut self, ids: impl IntoIterator<Item = Id>) -> Self {
        self.touched.extend(ids);
        self
    }
}

/// The last row's number and hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// 0 when the journal is empty.
    pub seq: i64,
    /// Zeros when the journal is empty.
    pub hash: [u8; 32],
}

/// What the chain covers of a row.
#[derive(Debug, Clone)]
pub struct Header<'a> {
    /// Position, from 1 without gaps.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// What became true.
    pub kind: &'a str,
    /// Shape of the body.
    pub schema_version: u16,
    /// By which command.
    pub command: &'a str,
    /// Stored number of the actor's kind.
    pub actor_kind: u8,
    /// Stored id of the actor.
    pub actor_id: [u8; 16],
    /// Name of the entity.
    pub entity: &'a str,
    /// Its id.
    pub entity_id: [u8; 16],
    /// In which request.
    pub request_id: [u8; 16],
    /// SHA-256 of the body's text.
    pub body_hash: [u8; 32],
}

impl Header<'_> {
    /// SHA-256 over the hash before and this header's fixed layout: numbers big-endian, texts with a 16-bit length before them.
    pub fn chain(&self, before: &[u8; 32]) -> [u8; 32] {
        let text_len = |text: &str| u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes();
        sha256(&[
            before,
            &[1],
            &self.seq.to_be_bytes(),
            &self.at.0.to_be_bytes(),
            &text_len(self.kind),
            self.kind.as_bytes(),
            &self.schema_version.to_be_bytes(),
            &text_len(self.command),
            self.command.as_bytes(),
            &[self.actor_kind],
            &self.actor_id,
            &text_len(self.entity),
            self.entity.as_bytes(),
            &self.entity_id,
            &self.request_id,
            &self.body_hash,
        ])
    }
}

/// The first place at which a journal is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainBreak {
    /// A row is missing.
    #[error("row {expected} is missing: the next row is {found}")]
    Gap {
        /// The number that should follow.
        expected: i64,
        /// The number that does.
        found: i64,
    },
    /// A header was changed.
    #[error("row {seq} is broken: its hash does not follow from its contents and the row before")]
    Header {
        /// Its number.
        seq: i64,
    },
    /// A body was changed.
    #[error("row {seq} is broken: its body is not the one that was written")]
    Body {
        /// Its number.
        seq: i64,
    },
}

impl Problem for ChainBreak {
    fn kind(&self) -> Kind {
        Kind::Broken
    }
    fn code(&self) -> &'static str {
        "journal_broken"
    }
}

/// What a check of the whole journal found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainReport {
    /// Rows that were read.
    pub rows: i64,
    /// Bodies that were erased.
    pub erased: i64,
    /// The first broken row, if any.
    pub broken: Option<ChainBreak>,
}

/// Walks the whole chain in the order it was written and names the first broken row (`SC6a`).
pub fn verify(tx: &ReadTx<'_>) -> Result<ChainReport, DbError> {
    let mut report = ChainReport { rows: 0, erased: 0, broken: None };
    let mut head = Head { seq: 0, hash: [0; 32] };
    store::journal_walk(tx, |seq, row| {
        if report.broken.is_some() {
            return;
        }
        report.rows = report.rows.saturating_add(1);
        let expected = head.seq.saturating_add(1);
        let Some((header, hash, body)) = row else {
            report.broken = Some(ChainBreak::Header { seq });
            return;
        };
        let body_fits = if let Some(text) = body {
            sha256(&[text.as_bytes()]) == header.body_hash
        } else {
            report.erased = report.erased.saturating_add(1);
            true
        };
        report.broken = if header.seq != expected {
            Some(ChainBreak::Gap { expected, found: header.seq })
        } else if header.chain(&head.hash) != hash {
            Some(ChainBreak::Header { seq: header.seq })
        } else if body_fits {
            None
        } else {
            Some(ChainBreak::Body { seq: header.seq })
        };
        head = Head { seq: header.seq, hash };
    })?;
    Ok(report)
}

/// A body as it is stored: itself, or its hash and length when it is too large.
pub(super) fn stored_body(body: String) -> String {
    if body.len() <= BODY_MAX {
        return body;
    }
    let hash = data_encoding::HEXLOWER.encode(&sha256(&[body.as_bytes()]));
    format!(r#"{{"sha256":"{hash}","bytes":{}}}"#, body.len())
}

/// A row as readers see it.
#[derive(Debug, Clone)]
pub struct JournalRow {
    /// Position.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// What became true.
    pub kind: String,
    /// By which command.
    pub command: String,
    /// Who.
    pub actor: (u8, [u8; 16]),
    /// Name of the entity.
    pub entity: String,
    /// Its id.
    pub entity_id: [u8; 16],
    /// In which request.
    pub request_id: [u8; 16],
    /// The chain's hash at this row.
    pub hash: [u8; 32],
    /// JSON, unless it was erased.
    pub body: Option<String>,
}

/// Who and in which request: what a scope adds to each fact.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// Who.
    pub actor: Actor,
    /// In which request.
    pub request: Id,
}
