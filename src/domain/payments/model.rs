//! What a payment attempt is.

use crate::base::clock::Timestamp;
use crate::base::id::PaymentId;
use crate::base::money::Money;

/// Where an attempt stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttemptState {
    /// Asked for.
    Pending,
    /// Promised by the payer's bank.
    Authorized,
    /// The money came.
    Captured,
    /// Refused.
    Failed,
    /// Given up.
    Cancelled,
}

impl AttemptState {
    /// The stored name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Authorized => "authorized",
            Self::Captured => "captured",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// An attempt that is to be written down.
#[derive(Clone, Debug)]
pub struct NewAttempt {
    /// Who was asked, in lower case: `manual`, `shopify_payments`.
    pub provider: String,
    /// Where it stands.
    pub state: AttemptState,
    /// How much.
    pub amount: Money,
}

/// An attempt as it is stored.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Id.
    pub id: PaymentId,
    /// Who was asked.
    pub provider: String,
    /// Stored name of the state.
    pub state: String,
    /// How much.
    pub amount: Money,
    /// When.
    pub created: Timestamp,
}
