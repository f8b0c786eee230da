//! Sales channels: what they deliver is verified, stored, answered, and worked on after; what cannot be understood waits for a person.
//!
//! **Words.** *message*: one delivery, kept as its raw bytes and headers. *intake*: turning a message into an order. *quarantine*: messages that
//! could not be understood; orders behind them flow. *mapping*: which variant a channel's SKU means, when it is not simply the same.
//!
//! **Commands.** `channels.create`, `channels.rotate_secret`, `channels.receive`, `channels.intake`, `channels.replay`, `channels.discard`,
//! `channels.map`.
//!
//! **Events.** `channel.created`, `channel.secret_rotated`, `channel.signature_failed`, `message.quarantined`, `message.replayed`,
//! `message.discarded`, `channel.sku_mapped`. A received message is its own record: its row is never changed but for its state, so it has no
//! fact of its own.
//!
//! **Reacts to** `job.dead_lettered` of its own jobs: the message goes to quarantine with the reason.
//!
//! **Invariants.** A delivery and an event are stored once per channel (D5). Nothing of a body with a wrong signature is stored (D23).
//!
//! **What it does not do.** It knows no vendor: [`port::ChannelPort`] is implemented by integrations.

pub mod hook;
pub mod http;
pub mod jobs;
pub mod model;
pub mod port;
pub mod queries;
pub mod service;
pub mod store;

use crate::base::error::{Kind, Problem};
use crate::infra::db::DbError;

/// Tables of this module.
pub const OWNS: &[&str] = &["channel", "channel_message", "channel_mapping"];

/// Why a channel or a message cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// No such channel.
    #[error("There is no such channel.")]
    NoChannel,
    /// No such message.
    #[error("There is no such message in this channel.")]
    NoMessage,
    /// No such variant.
    #[error("There is no such variant.")]
    NoVariant,
    /// Only quarantined messages are replayed or discarded.
    #[error("The message is {0}, not in quarantine.")]
    NotQuarantined(String),
    /// The signature, or the channel itself, is not known.
    #[error("The signature does not belong to this channel.")]
    BadSignature,
    /// A sealed secret cannot be opened.
    #[error("the secret of channel {0} cannot be opened")]
    Secret(String),
    /// The file.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Problem for ChannelError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoChannel | Self::NoMessage | Self::NoVariant => Kind::Missing,
            Self::NotQuarantined(_) => Kind::Conflict,
            Self::BadSignature => Kind::Unauthenticated,
            Self::Secret(_) => Kind::Broken,
            Self::Db(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoChannel => "channel_not_found",
            Self::NoMessage => "message_not_found",
            Self::NoVariant => "variant_not_found",
            Self::NotQuarantined(_) => "message_not_quarantined",
            Self::BadSignature => "bad_signature",
            Self::Secret(_) => "internal_error",
            Self::Db(error) => error.code(),
        }
    }
}
