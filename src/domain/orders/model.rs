//! What an order is, without a database.

use crate::base::clock::Timestamp;
use crate::base::id::{ChannelId, CustomerId, LineId, OrderId, ProductId, VariantId, WarehouseId};
use crate::base::money::{Currency, Money, MoneyError};
use crate::base::quantity::Quantity;
use crate::domain::customers::model::NewCustomer;
use crate::domain::payments::model::Attempt;

/// Lines that one order may have: with its reservations well below the rows that one command may touch (D7).
pub const LINES_MAX: usize = 200;

/// How far an order is paid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PaymentStatus {
    /// Nothing came.
    Pending,
    /// Promised.
    Authorized,
    /// A part came.
    PartiallyPaid,
    /// All came.
    Paid,
    /// A part went back.
    PartiallyRefunded,
    /// All went back.
    Refunded,
    /// The promise lapsed.
    Voided,
}

impl PaymentStatus {
    /// The stored name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Authorized => "authorized",
            Self::PartiallyPaid => "partially_paid",
            Self::Paid => "paid",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Refunded => "refunded",
            Self::Voided => "voided",
        }
    }
}

/// Which state of an order a channel told: of two, the one that is not older is true.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExternalVersion {
    /// When the order last changed at the channel, by its own clock. Often in whole seconds.
    pub changed: Timestamp,
    /// When the channel sent this state; none when it was fetched.
    pub told: Option<Timestamp>,
}

impl ExternalVersion {
    /// Whether this state was true before `known`. Two of the same second are told apart by when they were sent.
    pub fn is_older_than(&self, known: &Self) -> bool {
        let was_sent_before = self.told.zip(known.told).is_some_and(|(own, known)| own < known);
        self.changed < known.changed || (self.changed == known.changed && was_sent_before)
    }
}

/// From where an order comes.
#[derive(Clone, Debug, Default)]
pub struct OrderOrigin {
    /// The channel that sold it; none for the store's own.
    pub channel: Option<ChannelId>,
    /// The seller's key of the order.
    pub external_id: Option<String>,
    /// What the shopper calls it.
    pub external_number: Option<String>,
    /// Its version at the channel.
    pub external_version: Option<ExternalVersion>,
    /// Which warehouses serve it, first to last; all by their priority when empty.
    pub warehouses: Vec<WarehouseId>,
}

/// A line that is to be written.
#[derive(Clone, Debug)]
pub struct NewLine {
    /// The channel's key of the line.
    pub external_id: Option<String>,
    /// What is sold; none when its SKU is not known here.
    pub variant: Option<VariantId>,
    /// Of which product.
    pub product: Option<ProductId>,
    /// SKU as it was sold.
    pub sku: Option<String>,
    /// As the shopper saw it.
    pub title: String,
    /// Pieces.
    pub quantity: Quantity,
    /// Of one piece, before discounts.
    pub unit_price: Money,
    /// For all pieces.
    pub discount: Money,
    /// For all pieces.
    pub tax: Money,
    /// Price less discount, for all pieces.
    pub total: Money,
}

/// Sums of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Lines after discounts.
    pub subtotal: Money,
    /// All discounts.
    pub discount: Money,
    /// Shipping.
    pub shipping: Money,
    /// All taxes.
    pub tax: Money,
    /// What is asked for.
    pub total: Money,
}

/// An order that is to be written.
#[derive(Clone, Debug)]
pub struct NewOrder {
    /// From where.
    pub origin: OrderOrigin,
    /// When it was bought.
    pub placed: Timestamp,
    /// Of all amounts.
    pub currency: Currency,
    /// Whether prices hold the tax.
    pub tax_inclusive: bool,
    /// What.
    pub lines: Vec<NewLine>,
    /// Sums.
    pub totals: Totals,
    /// The channel's total less ours; zero when they agree.
    pub difference: Money,
    /// Who bought.
    pub customer: Option<CustomerId>,
    /// How far it is paid.
    pub payment_status: PaymentStatus,
    /// The shopper's words.
    pub note: String,
    /// JSON of the shipping address.
    pub address: Option<String>,
}

/// The total of lines whose prices hold their tax.
pub fn sum_lines(currency: Currency, lines: &[NewLine]) -> Result<Totals, MoneyError> {
    let zero = Money::zero(currency);
    let mut totals = Totals { subtotal: zero, discount: zero, shipping: zero, tax: zero, total: zero };
    for line in lines {
        totals.subtotal = totals.subtotal.plus(line.total)?;
        totals.discount = totals.discount.plus(line.discount)?;
        totals.tax = totals.tax.plus(line.tax)?;
    }
    totals.total = totals.subtotal;
    Ok(totals)
}

/// What a list shows of an order.
#[derive(Clone, Debug)]
pub struct OrderSummary {
    /// Number, counted per store.
    pub number: i64,
    /// Id.
    pub id: OrderId,
    /// The channel that sold it.
    pub channel: Option<ChannelId>,
    /// Its key there.
    pub external_id: Option<String>,
    /// What the shopper calls it.
    pub external_number: Option<String>,
    /// Who bought: id, e-mail, name.
    pub customer: Option<(CustomerId, Option<String>, String)>,
    /// `open` or `cancelled`.
    pub status: String,
    /// Stored name.
    pub payment_status: String,
    /// Sums.
    pub totals: Totals,
    /// The channel's total less ours.
    pub difference: Money,
    /// Whether prices hold the tax.
    pub tax_inclusive: bool,
    /// Lines of which pieces are left.
    pub line_count: i64,
    /// Pieces.
    pub quantity: i64,
    /// Pieces that are not there.
    pub short: i64,
    /// Lines whose SKU is not known.
    pub unmapped: i64,
    /// The shopper's words.
    pub note: String,
    /// JSON of the shipping address.
    pub address: Option<String>,
    /// When it was bought.
    pub placed: Timestamp,
    /// When it came.
    pub created: Timestamp,
    /// Raised by each change.
    pub version: i64,
}

impl OrderSummary {
    /// Whether its stock is there.
    pub fn stock_status(&self) -> &'static str {
        if self.status == "cancelled" {
            "none"
        } else if self.unmapped > 0 {
            "unmapped"
        } else if self.short > 0 {
            "short"
        } else if self.quantity == 0 {
            "none"
        } else {
            "reserved"
        }
    }

    /// Whether somebody must look at its sums.
    pub const fn is_flagged(&self) -> bool {
        self.difference.minor != 0
    }
}

/// A line as it is stored.
#[derive(Clone, Debug)]
pub struct OrderLine {
    /// Id.
    pub id: LineId,
    /// Counted from one.
    pub position: i64,
    /// The channel's key of the line.
    pub external_id: Option<String>,
    /// What, if it is known.
    pub variant: Option<VariantId>,
    /// SKU as it was sold.
    pub sku: Option<String>,
    /// As the shopper saw it.
    pub title: String,
    /// Pieces.
    pub quantity: i64,
    /// Of one piece.
    pub unit_price: Money,
    /// For all pieces.
    pub discount: Money,
    /// For all pieces.
    pub tax: Money,
    /// Price less discount.
    pub total: Money,
}

/// An order that a channel has told of before.
#[derive(Clone, Copy, Debug)]
pub struct KnownOrder {
    /// Its id.
    pub id: OrderId,
    /// The channel's version of it.
    pub version: Option<ExternalVersion>,
    /// Whether it is not cancelled.
    pub is_open: bool,
}

impl KnownOrder {
    /// Whether a state that the channel tells was true before the known one.
    pub fn is_newer_than(&self, told: &ExternalVersion) -> bool {
        self.version.is_some_and(|known| told.is_older_than(&known))
    }
}

/// Which orders a list shows.
#[derive(Debug, Default, Clone)]
pub struct OrderFilter {
    /// Number, external number, customer's name or e-mail.
    pub q: Option<String>,
    /// Stored name.
    pub status: Option<String>,
    /// `reserved`, `short` or `unmapped`.
    pub stock: Option<String>,
    /// Sold there.
    pub channel: Option<ChannelId>,
    /// Only those whose sums somebody must look at.
    pub is_flagged: bool,
    /// Only before this number.
    pub before: Option<i64>,
}

/// Pieces of a line that one warehouse gives.
#[derive(Clone, Debug)]
pub struct LineAllocation {
    /// Where.
    pub warehouse: WarehouseId,
    /// Its code.
    pub code: String,
    /// Pieces.
    pub quantity: i64,
}

/// A line with its stock.
#[derive(Clone, Debug)]
pub struct WholeLine {
    /// The line.
    pub line: OrderLine,
    /// Of which product, if the variant is known.
    pub product: Option<ProductId>,
    /// From where.
    pub allocations: Vec<LineAllocation>,
    /// Pieces that are not there.
    pub short: i64,
}

/// An order as its page shows it.
#[derive(Clone, Debug)]
pub struct WholeOrder {
    /// What a list shows.
    pub summary: OrderSummary,
    /// Its lines.
    pub lines: Vec<WholeLine>,
    /// Its payment attempts.
    pub payments: Vec<Attempt>,
}

/// A line of an order of the store's own, before what it names was looked up.
#[derive(Clone, Debug)]
pub struct OwnLine {
    /// What, by id.
    pub variant: Option<VariantId>,
    /// What, by SKU, when there is no id.
    pub sku: Option<String>,
    /// At least one.
    pub quantity: Quantity,
    /// Of one piece, tax included.
    pub unit_price: Money,
}

/// An order of the store's own, before what it names was looked up.
#[derive(Clone, Debug)]
pub struct OwnOrder {
    /// Of all amounts.
    pub currency: Currency,
    /// 1 to [`LINES_MAX`].
    pub lines: Vec<OwnLine>,
    /// Who buys.
    pub customer: Option<NewCustomer>,
    /// The shopper's words.
    pub note: String,
    /// The caller's key of the order.
    pub external_id: Option<String>,
}
