//! The port to a sales channel: how its deliveries are verified and read, and the order that comes out. No vendor's word is in it.

/// The order's own word: channels differ in their vocabulary, not in what can be true of an order.
pub use crate::domain::orders::model::PaymentStatus;

use crate::base::clock::Timestamp;
use crate::base::error::{Kind, Problem};
use crate::base::money::{Currency, Money};

/// Looks a header up by its lower-case name, whatever case it was sent in.
pub type HeaderLookup<'a> = dyn Fn(&str) -> Option<&'a str> + 'a;

/// What a sales channel must be able to do. All of it is pure: no clock, no disk, no network.
pub trait ChannelPort: Send + Sync {
    /// Checks the signature over the raw bytes against each live secret, in constant time. Two secrets are live during a rotation.
    fn verify(&self, secrets: &[&[u8]], headers: &HeaderLookup<'_>, body: &[u8]) -> Verdict;

    /// Reads what the headers say of a delivery. Call it after [`ChannelPort::verify`].
    fn envelope(&self, headers: &HeaderLookup<'_>) -> Result<Envelope, EnvelopeError>;

    /// Why nothing follows from a delivery of this topic, in a sentence for the inbox. None when its body must be read.
    fn ignores(&self, topic: &str) -> Option<String>;

    /// Reads a verified body. An error sends the delivery to quarantine, where it waits for a person.
    fn read(&self, topic: &str, body: &[u8]) -> Result<IncomingEvent, Unreadable>;
}

/// The outcome of a signature check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Signed with the secret at this position of the list that was given.
    Good {
        /// 0 is the first secret.
        secret: usize,
    },
    /// Not signed by anybody we know.
    Bad(BadSignature),
}

impl Verdict {
    /// Whether the delivery may be stored.
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Good { .. })
    }
}

/// Why a signature was refused. For the alarm on our side; the sender learns only that it was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadSignature {
    /// No signature header.
    Missing,
    /// The header is not what the channel's scheme writes.
    Malformed,
    /// Well formed, but no live secret made it for this body.
    Mismatch,
    /// The channel has no secret to check against.
    NoSecret,
}

/// What the headers say of one delivery.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// The kind of event, in the channel's own words, lower case.
    pub topic: String,
    /// One per delivery, the same over its retries.
    pub delivery_id: String,
    /// One per event, the same over all its deliveries.
    pub event_id: Option<String>,
    /// The shop at the channel that it came from.
    pub shop: Option<String>,
    /// The version of the channel's API that wrote the body.
    pub api_version: Option<String>,
    /// When the event happened.
    pub triggered_at: Option<Timestamp>,
}

/// Why the headers of a delivery cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// A header that every delivery carries is absent or empty.
    #[error("the header `{0}` is missing")]
    Missing(&'static str),
    /// A header holds what no delivery carries there.
    #[error("the header `{0}` is longer than 255 characters or holds other than visible ASCII")]
    Malformed(&'static str),
}

impl Problem for EnvelopeError {
    fn kind(&self) -> Kind {
        Kind::Malformed
    }
    fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "header_missing",
            Self::Malformed(_) => "header_malformed",
        }
    }
}

/// Why a verified body cannot be read: the place and a sentence for the person who looks after the quarantine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreadable {
    /// JSON pointer; empty for the body as a whole.
    pub pointer: String,
    /// A sentence without a full stop.
    pub reason: String,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.pointer.is_empty() {
            return f.write_str(&self.reason);
        }
        write!(f, "{}: {}", self.pointer, self.reason)
    }
}

impl std::error::Error for Unreadable {}

impl Problem for Unreadable {
    fn kind(&self) -> Kind {
        Kind::Refused
    }
    fn code(&self) -> &'static str {
        "unreadable_payload"
    }
}

/// What a delivery turned out to be.
#[derive(Clone, PartialEq, Debug)]
pub enum IncomingEvent {
    /// The whole state of one order at [`IncomingOrder::version`].
    Order(Box<IncomingOrder>),
    /// Nothing that this store acts on.
    Ignored {
        /// A sentence for the inbox.
        reason: String,
    },
}

/// An order as the channel tells it. Amounts are of [`IncomingOrder::currency`], which is the shop's own.
#[derive(Clone, PartialEq, Debug)]
pub struct IncomingOrder {
    /// The channel's key of the order.
    pub external_id: String,
    /// What the shopper calls it, as in `#1001`.
    pub external_number: Option<String>,
    /// When the order last changed. An earlier one is never applied over a later one.
    pub version: Timestamp,
    /// When it was bought.
    pub placed_at: Timestamp,
    /// Of all amounts.
    pub currency: Currency,
    /// Whether prices hold the tax already. Tax is added to the total only when they do not.
    pub tax_inclusive: bool,
    /// Goods and services, in the channel's order, removed ones too.
    pub lines: Vec<IncomingLine>,
    /// Ways of shipping, removed ones too.
    pub shipping: Vec<IncomingShipping>,
    /// Tax that the channel states for the order only. It counts when no line and no shipping states any.
    pub order_tax: Money,
    /// Given on top.
    pub tip: Money,
    /// Customs duties that are charged on top of prices.
    pub duties: Charge,
    /// Fees of the order as a whole.
    pub fees: Charge,
    /// What rounding to the smallest coin adds to what is paid, of either sign. No part of the total.
    pub cash_rounding: Money,
    /// The channel's sums for what was ordered.
    pub stated: StatedTotals,
    /// The channel's sums after removals, where it states them.
    pub stated_now: Option<StatedTotals>,
    /// Who bought.
    pub customer: Option<IncomingCustomer>,
    /// Where it goes.
    pub shipping_address: Option<Address>,
    /// How far it is paid.
    pub payment_status: PaymentStatus,
    /// How it is paid.
    pub payments: PaymentHint,
    /// Set when the channel cancelled it.
    pub cancelled_at: Option<Timestamp>,
    /// The shopper's words.
    pub note: Option<String>,
    /// A trial order: no goods leave for it.
    pub is_test: bool,
}

/// One line of an order.
#[derive(Clone, PartialEq, Debug)]
pub struct IncomingLine {
    /// The channel's key of the line.
    pub external_id: String,
    /// The channel's key of the variant, where it still has one.
    pub external_variant_id: Option<String>,
    /// What finds the variant here. Trimmed, never empty.
    pub sku: Option<String>,
    /// As the shopper saw it.
    pub title: String,
    /// Pieces ordered.
    pub quantity: i64,
    /// Pieces after removals and refunds: what is reserved. Never more than [`IncomingLine::quantity`].
    pub current_quantity: i64,
    /// Of one piece, before discounts.
    pub unit_price: Money,
    /// Sum of all discounts that fall on the line, for the ordered pieces.
    pub discount: Money,
    /// Sum of the taxes of the line, for the ordered pieces.
    pub tax: Money,
    /// The taxes one by one.
    pub tax_lines: Vec<IncomingTax>,
    /// Whether it is goods that travel.
    pub requires_shipping: bool,
    /// What the channel took off for removed pieces, where it says so.
    pub removed: Option<Removed>,
}

/// What a channel took off a line for pieces that were removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Removed {
    /// Pieces.
    pub quantity: i64,
    /// Their price after discounts.
    pub subtotal: Money,
    /// Their tax.
    pub tax: Money,
}

/// One tax of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IncomingTax {
    /// As in `MwSt`.
    pub title: String,
    /// Parts per million: 70,000 is 7 %.
    pub rate_ppm: i64,
    /// The tax.
    pub amount: Money,
}

/// One way of shipping.
#[derive(Clone, PartialEq, Debug)]
pub struct IncomingShipping {
    /// As in `DHL Paket`.
    pub title: String,
    /// Before discounts.
    pub price: Money,
    /// Sum of its discounts.
    pub discount: Money,
    /// Sum of its taxes.
    pub tax: Money,
    /// What is left of the discounted price, where the channel says so; zero when it was removed.
    pub now: Option<Money>,
}

/// An amount of the order as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Charge {
    /// When it was ordered.
    pub ordered: Money,
    /// After removals.
    pub now: Money,
}

/// Sums as the channel states them. They are compared with ours, never used instead of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatedTotals {
    /// Lines after discounts.
    pub subtotal: Option<Money>,
    /// All discounts.
    pub discount: Option<Money>,
    /// Shipping.
    pub shipping: Option<Money>,
    /// All taxes.
    pub tax: Option<Money>,
    /// What is asked for.
    pub total: Money,
}

/// What the channel says of the payment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PaymentHint {
    /// Providers, in the channel's own words.
    pub providers: Vec<String>,
    /// What is still to come.
    pub outstanding: Option<Money>,
}

/// Who bought.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IncomingCustomer {
    /// The channel's key, when the buyer has an account.
    pub external_id: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Given and family name.
    pub name: Option<String>,
    /// Telephone number as typed.
    pub phone: Option<String>,
}

/// A postal address.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Address {
    /// Who lives there.
    pub name: Option<String>,
    /// Company.
    pub company: Option<String>,
    /// Street and number.
    pub address1: Option<String>,
    /// Floor, care of.
    pub address2: Option<String>,
    /// Post code.
    pub zip: Option<String>,
    /// Town.
    pub city: Option<String>,
    /// State or province code.
    pub province_code: Option<String>,
    /// ISO 3166-1, two upper-case letters.
    pub country_code: Option<String>,
    /// Telephone number as typed.
    pub phone: Option<String>,
}
