//! From Shopify's order to the order of the port. Pure; every refusal names the place and says why.

use super::read::{At, Purse, Sign};
use super::wire::{Customer, DiscountAllocation, LineItem, List, Node, Order, PostalAddress, ShippingLine, TaxLine};
use crate::base::clock::Timestamp;
use crate::base::money::{Currency, Money};
use crate::domain::channels::model::reconcile_totals;
use crate::domain::channels::port::{
    Address, Charge, IncomingCustomer, IncomingLine, IncomingOrder, IncomingShipping, IncomingTax, PaymentHint,
    PaymentStatus, Removed, StatedTotals, Unreadable,
};
use std::collections::{HashMap, HashSet};

const TITLE_MAX: usize = 500;
const NOTE_MAX: usize = 5_000;
const SKU_MAX: usize = 255;
const FIELD_MAX: usize = 320;

/// Maps a parsed order. `cancelled` says that the topic itself tells of a cancellation, whatever the body's own field says.
pub(super) fn order(body: &Node<Order<'_>>, cancelled: bool) -> Result<IncomingOrder, Unreadable> {
    let at = At::ROOT;
    let order = match body {
        Node::Object(order) => order,
        Node::Absent | Node::Other => return Err(at.wrong("the body is not a JSON object")),
    };
    let id_at = at.key("id");
    let external_id = id_at.required(id_at.id(&order.id)?)?.to_string();
    let purse = Purse(currency(order, &at)?);
    let version_at = at.key("updated_at");
    let version = version_at.required(version_at.time(&order.updated_at)?)?;
    let cancelled_at = at.key("cancelled_at").time(&order.cancelled_at)?.or(cancelled.then_some(version));
    let removed = removals(order, &at, purse)?;
    let (lines, line_tips) = lines(order, &at, purse, &removed)?;
    let tip = purse.plain(&at.key("total_tip_received"), &order.total_tip_received, Sign::Positive)?;
    let rounding_at = at.key("total_cash_rounding_payment_adjustment_set");
    let rounding = purse.set(&rounding_at, &order.total_cash_rounding_payment_adjustment_set, Sign::Any)?;
    let read = IncomingOrder {
        external_id,
        external_number: number(order, &at)?,
        version,
        placed_at: placed_at(order, &at)?,
        currency: purse.0,
        tax_inclusive: at.key("taxes_included").flag(&order.taxes_included, false)?,
        lines,
        shipping: shipping(order, &at, purse)?,
        order_tax: total_of(&taxes(&at.key("tax_lines"), &order.tax_lines, purse)?, purse, &at.key("tax_lines"))?,
        tip: tip.filter(|tip| tip.minor != 0).unwrap_or(line_tips),
        duties: duties(order, &at, purse)?,
        fees: fees(order, &at, purse)?,
        cash_rounding: rounding.unwrap_or(purse.zero()),
        stated: stated(order, &at, purse)?,
        stated_now: stated_now(order, &at, purse)?,
        customer: customer(order, &at)?,
        shipping_address: address(&at.key("shipping_address"), &order.shipping_address)?,
        payment_status: payment_status(at.key("financial_status").prose(&order.financial_status, 40)?.as_deref()),
        payments: payments(order, &at, purse)?,
        cancelled_at,
        note: at.key("note").paragraphs(&order.note, NOTE_MAX)?,
        is_test: at.key("test").flag(&order.test, false)?,
    };
    match reconcile_totals(&read) {
        Ok(_) => Ok(read),
        Err(error) => Err(at.wrong(format!("the sums of the order cannot be made: {error}"))),
    }
}

fn currency(order: &Order<'_>, at: &At<'_>) -> Result<Currency, Unreadable> {
    let at = at.key("currency");
    let code = at.required(at.key_text(&order.currency, FIELD_MAX)?)?;
    Currency::parse(&code).map_err(|error| at.wrong(error.to_string()))
}

fn number(order: &Order<'_>, at: &At<'_>) -> Result<Option<String>, Unreadable> {
    match at.key("name").prose(&order.name, 100)? {
        Some(name) => Ok(Some(name)),
        None => Ok(at.key("order_number").id(&order.number)?.map(|number| format!("#{number}"))),
    }
}

/// When the shopper bought; imported orders were created at Shopify later than that.
fn placed_at(order: &Order<'_>, at: &At<'_>) -> Result<Timestamp, Unreadable> {
    let created_at = at.key("created_at");
    match at.key("processed_at").time(&order.processed_at)? {
        Some(processed) => Ok(processed),
        None => created_at.required(created_at.time(&order.created_at)?),
    }
}

fn payment_status(word: Option<&str>) -> PaymentStatus {
    match word {
        Some("authorized") => PaymentStatus::Authorized,
        Some("partially_paid") => PaymentStatus::PartiallyPaid,
        Some("paid") => PaymentStatus::Paid,
        Some("partially_refunded") => PaymentStatus::PartiallyRefunded,
        Some("refunded") => PaymentStatus::Refunded,
        Some("voided" | "expired") => PaymentStatus::Voided,
        // A word that Shopify adds later must not stop the order: it counts as unpaid until a person looks.
        _ => PaymentStatus::Pending,
    }
}

fn payments(order: &Order<'_>, at: &At<'_>, purse: Purse) -> Result<PaymentHint, Unreadable> {
    let names_at = at.key("payment_gateway_names");
    let mut providers = Vec::new();
    for (index, name) in names_at.list(&order.payment_gateway_names)?.iter().enumerate() {
        providers.extend(names_at.index(index).prose(name, FIELD_MAX)?);
    }
    let outstanding = purse.plain(&at.key("total_outstanding"), &order.total_outstanding, Sign::Any)?;
    Ok(PaymentHint { providers, outstanding })
}

/// What refunds took off each line, by line id.
fn removals(order: &Order<'_>, at: &At<'_>, purse: Purse) -> Result<HashMap<u64, Removed>, Unreadable> {
    let mut removed: HashMap<u64, Removed> = HashMap::new();
    let refunds_at = at.key("refunds");
    for (index, refund) in refunds_at.list(&order.refunds)?.iter().enumerate() {
        let here = refunds_at.index(index);
        let Some(refund) = here.object(refund)? else { continue };
        let items_at = here.key("refund_line_items");
        for (index, item) in items_at.list(&refund.refund_line_items)?.iter().enumerate() {
            let at = items_at.index(index);
            let Some(item) = at.object(item)? else { continue };
            let line_at = at.key("line_item_id");
            let line = line_at.required(line_at.id(&item.line_item_id)?)?;
            let quantity = at.key("quantity").quantity(&item.quantity)?.unwrap_or(0);
            let subtotal = purse
                .either(&at, ("subtotal", &item.subtotal), ("subtotal_set", &item.subtotal_set))?
                .unwrap_or(purse.zero());
            let tax = purse
                .either(&at, ("total_tax", &item.total_tax), ("total_tax_set", &item.total_tax_set))?
                .unwrap_or(purse.zero());
            let zero = Removed { quantity: 0, subtotal: purse.zero(), tax: purse.zero() };
            let sum = removed.entry(line).or_insert(zero);
            sum.quantity = sum.quantity.saturating_add(quantity);
            sum.subtotal = sum.subtotal.plus(subtotal).map_err(|error| at.wrong(error.to_string()))?;
            sum.tax = sum.tax.plus(tax).map_err(|error| at.wrong(error.to_string()))?;
        }
    }
    Ok(removed)
}

/// The lines, and the sum of those that are tips: Shopify writes a tip at the till as a line, which is no goods.
fn lines(
    order: &Order<'_>,
    at: &At<'_>,
    purse: Purse,
    removed: &HashMap<u64, Removed>,
) -> Result<(Vec<IncomingLine>, Money), Unreadable> {
    let list_at = at.key("line_items");
    let items = list_at.list(&order.line_items)?;
    let (mut lines, mut tips) = (Vec::with_capacity(items.len()), purse.zero());
    let mut seen = HashSet::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let at = list_at.index(index);
        let item = at.required(at.object(item)?)?;
        let id_at = at.key("id");
        let id = id_at.required(id_at.id(&item.id)?)?;
        if !seen.insert(id) {
            return Err(id_at.wrong(format!("the line {id} appears twice")));
        }
        let line = line(item, id, &at, purse, removed.get(&id).copied())?;
        if at.key("tip").object(&item.tip)?.is_some() {
            let amount = line.unit_price.times(line.quantity).and_then(|amount| amount.minus(line.discount));
            tips = amount.and_then(|amount| tips.plus(amount)).map_err(|error| at.wrong(error.to_string()))?;
        } else {
            lines.push(line);
        }
    }
    Ok((lines, tips))
}

fn line(
    item: &LineItem<'_>,
    id: u64,
    at: &At<'_>,
    purse: Purse,
    removed: Option<Removed>,
) -> Result<IncomingLine, Unreadable> {
    let (quantity_at, current_at) = (at.key("quantity"), at.key("current_quantity"));
    let quantity = quantity_at.required(quantity_at.quantity(&item.quantity)?)?;
    let current_quantity = current_at.quantity(&item.current_quantity)?.unwrap_or(quantity);
    if current_quantity > quantity {
        return Err(
            current_at.wrong(format!("{current_quantity} pieces are more than the {quantity} that were ordered"))
        );
    }
    let price_at = at.key("price");
    let unit_price = price_at.required(purse.either(at, ("price", &item.price), ("price_set", &item.price_set))?)?;
    let gross = unit_price.times(quantity).map_err(|error| price_at.wrong(error.to_string()))?;
    let discount = match allocations(at, &item.discount_allocations, purse)? {
        Some(discount) => discount,
        None => purse
            .either(at, ("total_discount", &item.total_discount), ("total_discount_set", &item.total_discount_set))?
            .unwrap_or(purse.zero()),
    };
    if discount.minor > gross.minor {
        return Err(at.wrong(format!(
            "discounts of {} are more than the line's {}",
            discount.amount(),
            gross.amount()
        )));
    }
    let mut tax_lines = taxes(&at.key("tax_lines"), &item.tax_lines, purse)?;
    let duties_at = at.key("duties");
    for (index, duty) in duties_at.list(&item.duties)?.iter().enumerate() {
        let duty_at = duties_at.index(index);
        if let Some(duty) = duty_at.object(duty)? {
            tax_lines.extend(taxes(&duty_at.key("tax_lines"), &duty.tax_lines, purse)?);
        }
    }
    let title = match at.key("title").prose(&item.title, TITLE_MAX)? {
        Some(title) => title,
        None => at.key("name").prose(&item.name, TITLE_MAX)?.unwrap_or_default(),
    };
    Ok(IncomingLine {
        external_id: id.to_string(),
        external_variant_id: at.key("variant_id").id(&item.variant_id)?.map(|id| id.to_string()),
        sku: at.key("sku").key_text(&item.sku, SKU_MAX)?,
        title,
        quantity,
        current_quantity,
        unit_price,
        discount,
        tax: total_of(&tax_lines, purse, at)?,
        tax_lines,
        requires_shipping: at.key("requires_shipping").flag(&item.requires_shipping, true)?,
        removed,
    })
}

/// The sum of the discounts' parts on a line; `None` when the payload does not list parts, as older ones do not.
fn allocations(
    at: &At<'_>,
    list: &List<Node<DiscountAllocation<'_>>>,
    purse: Purse,
) -> Result<Option<Money>, Unreadable> {
    let at = at.key("discount_allocations");
    let items = at.list(list)?;
    if matches!(list, List::Absent) {
        return Ok(None);
    }
    let mut sum = purse.zero();
    for (index, item) in items.iter().enumerate() {
        let at = at.index(index);
        let Some(item) = at.object(item)? else { continue };
        let part_at = at.key("amount");
        let part =
            part_at.required(purse.either(&at, ("amount", &item.amount), ("amount_set", &item.amount_set))?)?;
        sum = sum.plus(part).map_err(|error| part_at.wrong(error.to_string()))?;
    }
    Ok(Some(sum))
}

fn taxes(at: &At<'_>, list: &List<Node<TaxLine<'_>>>, purse: Purse) -> Result<Vec<IncomingTax>, Unreadable> {
    let items = at.list(list)?;
    let mut taxes = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let at = at.index(index);
        let Some(item) = at.object(item)? else { continue };
        let amount = purse.either(&at, ("price", &item.price), ("price_set", &item.price_set))?;
        taxes.push(IncomingTax {
            title: at.key("title").prose(&item.title, TITLE_MAX)?.unwrap_or_default(),
            rate_ppm: at.key("rate").rate_ppm(&item.rate)?,
            amount: amount.unwrap_or(purse.zero()),
        });
    }
    Ok(taxes)
}

fn total_of(taxes: &[IncomingTax], purse: Purse, at: &At<'_>) -> Result<Money, Unreadable> {
    let sum = taxes.iter().try_fold(purse.zero(), |sum, tax| sum.plus(tax.amount));
    sum.map_err(|error| at.wrong(error.to_string()))
}

fn shipping(order: &Order<'_>, at: &At<'_>, purse: Purse) -> Result<Vec<IncomingShipping>, Unreadable> {
    let list_at = at.key("shipping_lines");
    let mut shipping = Vec::new();
    for (index, way) in list_at.list(&order.shipping_lines)?.iter().enumerate() {
        let at = list_at.index(index);
        if let Some(way) = at.object(way)? {
            shipping.push(shipping_line(way, &at, purse)?);
        }
    }
    Ok(shipping)
}

fn shipping_line(way: &ShippingLine<'_>, at: &At<'_>, purse: Purse) -> Result<IncomingShipping, Unreadable> {
    let price = purse.either(at, ("price", &way.price), ("price_set", &way.price_set))?.unwrap_or(purse.zero());
    let parts = allocations(at, &way.discount_allocations, purse)?.filter(|sum| sum.minor != 0);
    let discounted = purse.either(
        at,
        ("discounted_price", &way.discounted_price),
        ("discounted_price_set", &way.discounted_price_set),
    )?;
    let discount = match (parts, discounted) {
        (Some(sum), _) => sum,
        (None, Some(left)) => price.minus(left).map_err(|error| at.wrong(error.to_string()))?,
        (None, None) => purse.zero(),
    };
    if discount.minor > price.minor || discount.minor < 0 {
        let (discount, price) = (discount.amount(), price.amount());
        return Err(at.wrong(format!("a discount of {discount} does not fit the shipping's {price}")));
    }
    let current_at = at.key("current_discounted_price_set");
    let left = purse.set(&current_at, &way.current_discounted_price_set, Sign::Positive)?;
    let is_removed = at.key("is_removed").flag(&way.is_removed, false)?;
    Ok(IncomingShipping {
        title: at.key("title").prose(&way.title, TITLE_MAX)?.unwrap_or_default(),
        price,
        discount,
        tax: total_of(&taxes(&at.key("tax_lines"), &way.tax_lines, purse)?, purse, at)?,
        now: if is_removed { Some(purse.zero()) } else { left },
    })
}

/// Duties on top of prices. Where prices hold them (`duties_included`), there is nothing to add.
fn duties(order: &Order<'_>, at: &At<'_>, purse: Purse) -> Result<Charge, Unreadable> {
    let original_at = at.key("original_total_duties_set");
    let ordered = purse.set(&original_at, &order.original_total_duties_set, Sign::Positive)?;
    let now = purse.set(&at.key("current_total_duties_set"), &order.current_total_duties_set, Sign::Positive)?;
    if at.key("duties_included").flag(&order.duties_included, false)? {
        return Ok(Charge { ordered: purse.zero(), now: purse.zero() });
    }
    Ok(charge(ordered, now, purse))
}

fn fees(order: &Order<'_>, at: &At<'_>, purse: Purse) -> Result<Charge, Unreadable> {
    let (original, current) = (&order.original_total_additional_fees_set, &order.current_total_additional_fees_set);
    let ordered = purse.set(&at.key("original_total_additional_fees_set"), original, Sign::Positive)?;
    let now = purse.set(&at.key("current_total_additional_fees_set"), current, Sign::Positive)?;
    Ok(charge(ordered, now, purse))
}

/// An older payload states one of the two only.
fn charge(ordered: Option<Money>, now: Option<Money>, purse: Purse) -> Charge {
    let ordered_or_now = ordered.or(now).unwrap_or(purse.zero());
    Charge { ordered: ordered_or_now, now: now.unwrap_or(ordered_or_now) }
}

fn stated(order: &Order<'_>, at: &At<'_>, purse: Purse) -> Result<StatedTotals, Unreadable> {
    let total = purse.either(at, ("total_price", &order.total_price), ("total_price_set", &order.total_price_set))?;
    Ok(StatedTotals {
        subtotal: purse.either(
            at,
            ("subtotal_price", &order.subtotal_price),
            ("subtotal_price_set", &order.subtotal_price_set),
        )?,
        discount: purse.either(
            at,
            ("total_discounts", &order.total_discounts),
            ("total_discounts_set", &order.total_discounts_set),
        )?,
        shipping: purse.set(&at.key("total_shipping_price_set"), &order.total_shipping_price_set, Sign::Positive)?,
        tax: purse.either(at, ("total_tax", &order.total_tax), ("total_tax_set", &order.total_tax_set))?,
        total: at.key("total_price").required(total)?,
    })
}

fn stated_now(order: &Order<'_>, at: &At<'_>, purse: Purse) -> Result<Option<StatedTotals>, Unreadable> {
    let total = purse.either(
        at,
        ("current_total_price", &order.current_total_price),
        ("current_total_price_set", &order.current_total_price_set),
    )?;
    let subtotal = purse.either(
        at,
        ("current_subtotal_price", &order.current_subtotal_price),
        ("current_subtotal_price_set", &order.current_subtotal_price_set),
    )?;
    let discount = purse.either(
        at,
        ("current_total_discounts", &order.current_total_discounts),
        ("current_total_discounts_set", &order.current_total_discounts_set),
    )?;
    let tax = purse.either(
        at,
        ("current_total_tax", &order.current_total_tax),
        ("current_total_tax_set", &order.current_total_tax_set),
    )?;
    let shipping_at = at.key("current_shipping_price_set");
    let shipping = purse.set(&shipping_at, &order.current_shipping_price_set, Sign::Positive)?;
    Ok(total.map(|total| StatedTotals { subtotal, discount, shipping, tax, total }))
}

fn customer(order: &Order<'_>, at: &At<'_>) -> Result<Option<IncomingCustomer>, Unreadable> {
    let customer_at = at.key("customer");
    let none = Customer::default();
    let customer = customer_at.object(&order.customer)?.unwrap_or(&none);
    let own = customer_at.key("email").prose(&customer.email, FIELD_MAX)?;
    let of_order = at.key("email").prose(&order.email, FIELD_MAX)?;
    let contact = at.key("contact_email").prose(&order.contact_email, FIELD_MAX)?;
    let own_phone = customer_at.key("phone").prose(&customer.phone, FIELD_MAX)?;
    let phone = at.key("phone").prose(&order.phone, FIELD_MAX)?;
    let first = customer_at.key("first_name").prose(&customer.first_name, FIELD_MAX)?;
    let last = customer_at.key("last_name").prose(&customer.last_name, FIELD_MAX)?;
    let read = IncomingCustomer {
        external_id: customer_at.key("id").id(&customer.id)?.map(|id| id.to_string()),
        email: own.or(of_order).or(contact),
        name: full_name(first, last),
        phone: own_phone.or(phone),
    };
    Ok((read != IncomingCustomer::default()).then_some(read))
}

fn full_name(first: Option<String>, last: Option<String>) -> Option<String> {
    match (first, last) {
        (Some(first), Some(last)) => Some(format!("{first} {last}")),
        (first, last) => first.or(last),
    }
}

fn address(at: &At<'_>, node: &Node<PostalAddress<'_>>) -> Result<Option<Address>, Unreadable> {
    let Some(from) = at.object(node)? else { return Ok(None) };
    let first = at.key("first_name").prose(&from.first_name, FIELD_MAX)?;
    let last = at.key("last_name").prose(&from.last_name, FIELD_MAX)?;
    let country = at.key("country_code").prose(&from.country_code, 10)?.map(|code| code.to_ascii_uppercase());
    let is_code = |code: &String| code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase());
    let read = Address {
        name: at.key("name").prose(&from.name, FIELD_MAX)?.or_else(|| full_name(first, last)),
        company: at.key("company").prose(&from.company, FIELD_MAX)?,
        address1: at.key("address1").prose(&from.address1, FIELD_MAX)?,
        address2: at.key("address2").prose(&from.address2, FIELD_MAX)?,
        zip: at.key("zip").prose(&from.zip, 40)?,
        city: at.key("city").prose(&from.city, FIELD_MAX)?,
        province_code: at.key("province_code").prose(&from.province_code, 10)?,
        country_code: country.filter(is_code),
        phone: at.key("phone").prose(&from.phone, FIELD_MAX)?,
    };
    Ok((read != Address::default()).then_some(read))
}
