//! What can go wrong on the way out, told apart by whether the vendor can have seen the request.

use crate::base::clock::Timestamp;
use crate::base::error::{Kind, Problem};
use std::net::IpAddr;
use std::time::Duration;

/// What stood between this machine and the vendor. Nothing was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OfflineCause {
    /// The name could not be resolved.
    Dns,
    /// No route, or nobody listens.
    Connect,
    /// Nobody answered in time while connecting.
    ConnectTimeout,
    /// The encrypted connection could not be made.
    Tls,
}

/// Why a call has no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EgressError {
    /// Nothing was sent: the request can be repeated as it is. Burns no attempt (decision D1).
    #[error("The vendor cannot be reached: {reason}")]
    Offline {
        /// What stood in the way.
        cause: OfflineCause,
        /// In words.
        reason: String,
    },
    /// Sent, but the answer did not arrive whole: the vendor may have acted.
    #[error("The vendor's answer did not arrive: {reason}")]
    Unknown {
        /// In words.
        reason: String,
    },
    /// The vendor answered with more than is read. It has acted.
    #[error("The vendor answered with status {status} and more than {limit} bytes")]
    TooLarge {
        /// The status of the answer.
        status: u16,
        /// The most bytes that are read.
        limit: usize,
    },
    /// The address guard refused the address. Nothing was sent.
    #[error("`{host}` leads to {address}, which is refused ({why})")]
    Blocked {
        /// The host as asked for.
        host: String,
        /// What it resolved to.
        address: IpAddr,
        /// Which rule refused it.
        why: &'static str,
    },
    /// The vendor failed several times in a row and is left alone. Nothing was sent.
    #[error("The vendor failed repeatedly and is tried again at {until}")]
    BreakerOpen {
        /// When the next call may go out.
        until: Timestamp,
    },
    /// The request cannot be put on the wire: a fault of ours.
    #[error("The request cannot be sent: {0}")]
    Malformed(String),
}

impl EgressError {
    /// The word for logs and metrics.
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Offline { .. } => "offline",
            Self::Unknown { .. } => "unknown",
            Self::TooLarge { .. } => "too_large",
            Self::Blocked { .. } => "blocked",
            Self::BreakerOpen { .. } => "breaker_open",
            Self::Malformed(_) => "malformed",
        }
    }
}

impl Problem for EgressError {
    fn kind(&self) -> Kind {
        match self {
            Self::Offline { .. } | Self::BreakerOpen { .. } | Self::TooLarge { .. } => Kind::Unavailable,
            Self::Unknown { .. } => Kind::UnknownOutcome,
            Self::Blocked { .. } => Kind::Refused,
            Self::Malformed(_) => Kind::Broken,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Offline { .. } => "vendor_offline",
            Self::Unknown { .. } => "vendor_outcome_unknown",
            Self::TooLarge { .. } => "vendor_answer_too_large",
            Self::Blocked { .. } => "vendor_address_blocked",
            Self::BreakerOpen { .. } => "vendor_breaker_open",
            Self::Malformed(_) => "internal_error",
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::BreakerOpen { .. }).then_some(super::breaker::OPEN_FOR)
    }
}
