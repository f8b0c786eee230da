//! The body of a new order: its shape, and what of it holds without looking anything up.

use crate::base::error::{Fault, FieldFault, Place};
use crate::base::id::VariantId;
use crate::base::money::{Currency, Money, MoneyWire};
use crate::base::quantity::{QUANTITY_MAX, Quantity};
use crate::base::text::is_clean;
use crate::domain::customers::model::NewCustomer;
use crate::domain::orders::model::{LINES_MAX, OwnLine, OwnOrder};
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

fn complain(faults: &mut Vec<FieldFault>, pointer: String, code: &'static str, detail: impl Into<String>) {
    faults.push(FieldFault { place: Place::Pointer(pointer), code, detail: detail.into() });
}

/// A body whose fields hold by themselves; what they name is looked up in the transaction.
pub(super) fn check(body: OrderBody) -> Result<OwnOrder, Fault> {
    let currency = Currency::parse(&body.currency)
        .map_err(|error| Fault::field(Place::Pointer("/currency".to_owned()), "unknown_currency", error.to_string()))?;
    let mut faults = Vec::new();
    if body.lines.is_empty() || body.lines.len() > LINES_MAX {
        complain(&mut faults, "/lines".to_owned(), "out_of_range", format!("An order has 1 to {LINES_MAX} lines."));
    }
    let mut lines = Vec::with_capacity(body.lines.len());
    for (index, line) in body.lines.into_iter().enumerate() {
        lines.extend(check_line(&mut faults, index, line, currency));
    }
    let note = body.note.unwrap_or_default();
    if note.chars().count() > 5000 || !is_clean(&note) {
        let detail = "`note` has at most 5000 characters and no control characters.";
        complain(&mut faults, "/note".to_owned(), "invalid_text", detail);
    }
    let external_id = body.external_id;
    if let Some(id) = &external_id
        && (!(1..=100).contains(&id.chars().count()) || !is_clean(id))
    {
        let detail = "`external_id` has 1 to 100 characters and no control characters.";
        complain(&mut faults, "/external_id".to_owned(), "invalid_text", detail);
    }
    let customer = body.customer.map(|customer| check_customer(&mut faults, customer));
    if !faults.is_empty() {
        return Err(Fault::fields(faults));
    }
    Ok(OwnOrder { currency, lines, customer, note, external_id })
}

fn check_line(faults: &mut Vec<FieldFault>, index: usize, line: OrderBodyLine, currency: Currency) -> Option<OwnLine> {
    let at = |field: &str| format!("/lines/{index}/{field}");
    let before = faults.len();
    let quantity = Quantity::new(line.quantity).filter(|quantity| !quantity.is_zero());
    if quantity.is_none() {
        let detail = format!("`quantity` lies between 1 and {QUANTITY_MAX}.");
        complain(faults, at("quantity"), "out_of_range", detail);
    }
    if line.variant_id.is_some() == line.sku.is_some() {
        let detail = "A line names either `variant_id` or `sku`.";
        complain(faults, format!("/lines/{index}"), "variant_or_sku", detail);
    }
    let price = Money::try_from(&line.unit_price);
    match &price {
        Ok(price) if price.currency != currency => {
            let detail = format!("The price is in {}, the order in {currency}.", price.currency);
            complain(faults, at("unit_price/currency"), "mixed_currencies", detail);
        }
        Ok(price) if price.minor < 0 => {
            complain(faults, at("unit_price/amount"), "out_of_range", "A price is not below zero.");
        }
        Ok(_) => {}
        Err(error) => complain(faults, at("unit_price"), "invalid_money", format!("{error}.")),
    }
    if faults.len() > before {
        return None;
    }
    Some(OwnLine { variant: line.variant_id, sku: line.sku, quantity: quantity?, unit_price: price.ok()? })
}

fn check_customer(faults: &mut Vec<FieldFault>, customer: OrderBodyCustomer) -> NewCustomer {
    let OrderBodyCustomer { email, name } = customer;
    if let Some(email) = &email {
        let is_address = email.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
        if !is_address || email.chars().count() > 254 || !is_clean(email) {
            complain(faults, "/customer/email".to_owned(), "invalid_email", "`email` is not an e-mail address.");
        }
    }
    if name.as_ref().is_some_and(|name| name.chars().count() > 300 || !is_clean(name)) {
        let detail = "`name` has at most 300 characters and no control characters.";
        complain(faults, "/customer/name".to_owned(), "invalid_text", detail);
    }
    NewCustomer { email, name, phone: None }
}
