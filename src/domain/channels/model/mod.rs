//! Rules about orders from channels: whether the sums that a channel states follow from the parts that it states.

mod rows;

pub use rows::{ChannelFigures, ChannelRow, MappingRow, MessageRow};

use crate::base::money::{Money, MoneyError};
use crate::domain::channels::port::{IncomingLine, IncomingOrder, IncomingShipping, StatedTotals};

/// Sums that follow from the parts of an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Totals {
    /// Lines after discounts.
    pub subtotal: Money,
    /// Discounts on lines and shipping.
    pub discount: Money,
    /// Shipping after discounts.
    pub shipping: Money,
    /// Taxes, held in the prices or added to them.
    pub tax: Money,
    /// Duties, fees and tip.
    pub extras: Money,
    /// Subtotal, shipping and extras, and the tax when prices do not hold it.
    pub total: Money,
    /// What is paid: the total and the rounding to the smallest coin.
    pub payable: Money,
}

/// The channel's sums less ours, part by part; zero where they agree or the channel states none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Lines after discounts.
    pub subtotal: Money,
    /// Discounts. Channels differ in whether shipping discounts count: either reading agrees.
    pub discount: Money,
    /// Shipping. Channels differ in whether it is stated before or after discounts: either reading agrees.
    pub shipping: Money,
    /// Taxes.
    pub tax: Money,
    /// The total.
    pub total: Money,
}

/// Our sums beside the channel's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Compared {
    /// Ours.
    pub totals: Totals,
    /// The channel's less ours.
    pub difference: Difference,
}

/// An order's sums, recomputed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reconciled {
    /// For what was ordered.
    pub ordered: Compared,
    /// For what is left of it after removals.
    pub now: Compared,
}

impl Reconciled {
    /// The difference that flags the order: the channel's total less ours, of what is left if that differs, else of what was ordered.
    /// Totals that agree over subtotals that do not (two errors that cancel out) flag it too. `None` when all of these agree.
    /// Stated taxes and discounts do not flag by themselves: a tax held in the prices changes nothing that is paid.
    pub fn flag(&self) -> Option<Money> {
        let (now, ordered) = (&self.now.difference, &self.ordered.difference);
        [now.total, ordered.total, now.subtotal, ordered.subtotal].into_iter().find(|amount| amount.minor != 0)
    }
}

/// Recomputes the sums of an order from its parts, in whole minor units, and compares them with those that the channel states.
/// Fails only when a sum passes what the store can hold.
pub fn reconcile_totals(order: &IncomingOrder) -> Result<Reconciled, MoneyError> {
    let ordered = sums(order, Moment::Ordered)?;
    let now = sums(order, Moment::Now)?;
    // Channels differ in what they still state for a cancelled order, and nothing leaves for it.
    let stated_now = order.stated_now.as_ref().filter(|_| order.cancelled_at.is_none());
    Ok(Reconciled { ordered: compare(order, &ordered, Some(&order.stated))?, now: compare(order, &now, stated_now)? })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    Ordered,
    Now,
}

/// Price after discounts, discount and tax of a line or of shipping.
#[derive(Clone, Copy)]
struct Part {
    net: Money,
    discount: Money,
    tax: Money,
}

/// Our sums, and shipping before its discounts.
struct Sums {
    totals: Totals,
    shipping_gross: Money,
    shipping_discount: Money,
}

fn sums(order: &IncomingOrder, moment: Moment) -> Result<Sums, MoneyError> {
    let zero = Money::zero(order.currency);
    let (mut subtotal, mut discount, mut tax) = (zero, zero, zero);
    for line in &order.lines {
        let part = line_part(line, moment)?;
        subtotal = subtotal.plus(part.net)?;
        discount = discount.plus(part.discount)?;
        tax = tax.plus(part.tax)?;
    }
    let (mut shipping, mut shipping_discount) = (zero, zero);
    for way in &order.shipping {
        let part = shipping_part(way, moment)?;
        shipping = shipping.plus(part.net)?;
        shipping_discount = shipping_discount.plus(part.discount)?;
        tax = tax.plus(part.tax)?;
    }
    if !states_tax_by_part(order) {
        tax = match moment {
            Moment::Ordered => order.order_tax,
            // Nothing says which part of it fell away, so the channel's own figure is all there is.
            Moment::Now => order.stated_now.and_then(|stated| stated.tax).unwrap_or(order.order_tax),
        };
    }
    let (duties, fees) = match moment {
        Moment::Ordered => (order.duties.ordered, order.fees.ordered),
        Moment::Now => (order.duties.now, order.fees.now),
    };
    let extras = duties.plus(fees)?.plus(order.tip)?;
    let before_tax = subtotal.plus(shipping)?.plus(extras)?;
    let total = if order.tax_inclusive { before_tax } else { before_tax.plus(tax)? };
    let payable = total.plus(order.cash_rounding)?;
    let totals =
        Totals { subtotal, discount: discount.plus(shipping_discount)?, shipping, tax, extras, total, payable };
    Ok(Sums { totals, shipping_gross: shipping.plus(shipping_discount)?, shipping_discount })
}

fn states_tax_by_part(order: &IncomingOrder) -> bool {
    order.lines.iter().any(|line| line.tax.minor != 0) || order.shipping.iter().any(|way| way.tax.minor != 0)
}

fn line_part(line: &IncomingLine, moment: Moment) -> Result<Part, MoneyError> {
    let net = line.unit_price.times(line.quantity)?.minus(line.discount)?;
    let whole = Part { net, discount: line.discount, tax: line.tax };
    if moment == Moment::Ordered || line.current_quantity == line.quantity {
        return Ok(whole);
    }
    let gross = line.unit_price.times(line.current_quantity)?;
    let gone = line.quantity.saturating_sub(line.current_quantity);
    if let Some(removed) = line.removed.filter(|removed| removed.quantity == gone) {
        let net = whole.net.minus(removed.subtotal)?;
        return Ok(Part { net, discount: gross.minus(net)?, tax: whole.tax.minus(removed.tax)? });
    }
    let discount = share(line.discount, line.current_quantity, line.quantity);
    Ok(Part { net: gross.minus(discount)?, discount, tax: share(line.tax, line.current_quantity, line.quantity) })
}

fn shipping_part(way: &IncomingShipping, moment: Moment) -> Result<Part, MoneyError> {
    let net = way.price.minus(way.discount)?;
    let whole = Part { net, discount: way.discount, tax: way.tax };
    match way.now {
        Some(left) if moment == Moment::Now && left != net => {
            let tax = share(way.tax, left.minor, net.minor);
            let discount = share(way.discount, left.minor, net.minor);
            Ok(Part { net: left, discount, tax })
        }
        _ => Ok(whole),
    }
}

/// `part` of `whole` of an amount, half a minor unit rounded away from zero. Nothing of nothing is nothing.
fn share(amount: Money, part: i64, whole: i64) -> Money {
    if whole <= 0 {
        return Money::zero(amount.currency);
    }
    let (part, whole) = (i128::from(part), i128::from(whole));
    let doubled = i128::from(amount.minor.abs()) * part * 2 + whole;
    let minor = i64::try_from(doubled.div_euclid(whole * 2)).unwrap_or(amount.minor.abs());
    Money { minor: minor * amount.minor.signum(), currency: amount.currency }
}

fn compare(order: &IncomingOrder, ours: &Sums, stated: Option<&StatedTotals>) -> Result<Compared, MoneyError> {
    let Sums { totals, shipping_gross, shipping_discount } = *ours;
    let zero = Money::zero(order.currency);
    let Some(stated) = stated else {
        let difference = Difference { subtotal: zero, discount: zero, shipping: zero, tax: zero, total: zero };
        return Ok(Compared { totals, difference });
    };
    let line_discount = totals.discount.minus(shipping_discount)?;
    let difference = Difference {
        subtotal: gap(stated.subtotal, totals.subtotal, totals.subtotal.plus(order.tip)?)?,
        discount: gap(stated.discount, totals.discount, line_discount)?,
        shipping: gap(stated.shipping, totals.shipping, shipping_gross)?,
        tax: gap(stated.tax, totals.tax, totals.tax)?,
        // A channel that has put the rounding into its total has still added up correctly.
        total: gap(Some(stated.total), totals.total, totals.payable)?,
    };
    Ok(Compared { totals, difference })
}

/// What is stated less what was computed; zero when it agrees with either of the two readings.
fn gap(stated: Option<Money>, computed: Money, other_reading: Money) -> Result<Money, MoneyError> {
    match stated {
        Some(stated) if stated != other_reading => stated.minus(computed),
        _ => Ok(Money::zero(computed.currency)),
    }
}

#[cfg(test)]
mod tests;
