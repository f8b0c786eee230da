//! The body of a new order: its shape, and what of it holds without looking anything up.

use crate::base::complaints::Complaints;
use crate::base::error::{Fault, Place};
use crate::base::id::VariantId;
use crate::base::money::{Currency, Money, MoneyWire};
use crate::base::quantity::{QUANTITY_MAX, Quantity};
use crate::base::text::is_clean;
use crate::domain::customers::model::NewCustomer;
use crate::domain::orders::model::{LINES_MAX, OwnLine, OwnOrder};
use crate::domain::orders::service::Restock;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderBody {
    /// ISO 4217.
    #[schemars(regex(pattern = "^[A-Z]{3}$"))]
    currency: String,
    /// 1 to 200 lines.
    #[schemars(length(min = 1, max = 200))]
    lines: Vec<OrderBodyLine>,
    /// Who buys.
    customer: Option<OrderBodyCustomer>,
    /// The shopper's words.
    #[schemars(length(max = 5000))]
    note: Option<String>,
    /// The caller's key of the order, unique in the store.
    #[schemars(length(min = 1, max = 100))]
    external_id: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OrderBodyLine {
    /// What. Either this or `sku`.
    variant_id: Option<VariantId>,
    /// What. Either this or `variant_id`.
    #[schemars(length(min = 1, max = 100))]
    sku: Option<String>,
    /// Pieces.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    quantity: i64,
    /// Of one piece, tax included, in the order's currency.
    unit_price: MoneyWire,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OrderBodyCustomer {
    /// E-mail address.
    #[schemars(length(max = 254))]
    email: Option<String>,
    /// Name.
    #[schemars(length(max = 300))]
    name: Option<String>,
}

/// Why an order is cancelled, and what becomes of its stock.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "OrderCancellation")]
pub(super) struct CancelBody {
    /// For the timeline.
    #[serde(default)]
    #[schemars(length(max = 200))]
    reason: String,
    /// Whether its pieces are for sale again; else they are written off as damaged. True when it is not said.
    restock: Option<bool>,
}

/// The reason, and what becomes of the stock.
pub(super) fn check_cancel(body: &CancelBody) -> Result<(String, Restock), Fault> {
    let mut faults = Complaints::default();
    faults.text("/reason", &body.reason, 0, 200);
    faults.end()?;
    let restock = if body.restock.unwrap_or(true) { Restock::Yes } else { Restock::No };
    Ok((body.reason.trim().to_owned(), restock))
}

/// A body whose fields hold by themselves; what they name is looked up in the transaction.
pub(super) fn check(body: OrderBody) -> Result<OwnOrder, Fault> {
    let currency = Currency::parse(&body.currency)
        .map_err(|error| Fault::field(Place::Pointer("/currency".to_owned()), "unknown_currency", error.to_string()))?;
    let mut faults = Complaints::default();
    if body.lines.is_empty() || body.lines.len() > LINES_MAX {
        faults.add("/lines", "out_of_range", format!("An order has 1 to {LINES_MAX} lines."));
    }
    let mut lines = Vec::with_capacity(body.lines.len());
    for (index, line) in body.lines.into_iter().enumerate() {
        lines.extend(check_line(&mut faults, index, line, currency));
    }
    let note = body.note.unwrap_or_default();
    faults.text("/note", &note, 0, 5000);
    let external_id = body.external_id;
    if let Some(id) = &external_id {
        faults.text("/external_id", id, 1, 100);
    }
    let customer = body.customer.map(|customer| check_customer(&mut faults, customer));
    faults.end()?;
    Ok(OwnOrder { currency, lines, customer, note, external_id })
}

fn check_line(faults: &mut Complaints, index: usize, line: OrderBodyLine, currency: Currency) -> Option<OwnLine> {
    let at = |field: &str| format!("/lines/{index}/{field}");
    let before = faults.count();
    let quantity = Quantity::new(line.quantity).filter(|quantity| !quantity.is_zero());
    if quantity.is_none() {
        let detail = format!("`quantity` lies between 1 and {QUANTITY_MAX}.");
        faults.add(at("quantity"), "out_of_range", detail);
    }
    if line.variant_id.is_some() == line.sku.is_some() {
        let detail = "A line names either `variant_id` or `sku`.";
        faults.add(format!("/lines/{index}"), "variant_or_sku", detail);
    }
    let price = Money::try_from(&line.unit_price);
    match &price {
        Ok(price) if price.currency != currency => {
            let detail = format!("The price is in {}, the order in {currency}.", price.currency);
            faults.add(at("unit_price/currency"), "mixed_currencies", detail);
        }
        Ok(price) if price.minor < 0 => {
            faults.add(at("unit_price/amount"), "out_of_range", "A price is not below zero.");
        }
        Ok(_) => {}
        Err(error) => faults.add(at("unit_price"), "invalid_money", format!("{error}.")),
    }
    if faults.count() > before {
        return None;
    }
    Some(OwnLine { variant: line.variant_id, sku: line.sku, quantity: quantity?, unit_price: price.ok()? })
}

fn check_customer(faults: &mut Complaints, customer: OrderBodyCustomer) -> NewCustomer {
    let OrderBodyCustomer { email, name } = customer;
    if let Some(email) = &email {
        let is_address = email.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
        if !is_address || email.chars().count() > 254 || !is_clean(email) {
            faults.add("/customer/email", "invalid_email", "`email` is not an e-mail address.");
        }
    }
    if let Some(name) = &name {
        faults.text("/customer/name", name, 0, 300);
    }
    NewCustomer { email, name, phone: None }
}
