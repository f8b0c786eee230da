//! An order of a channel follows the state that the channel tells: states are compared, deltas never replayed (RA2.2).

use super::OrderError;
use super::model::{KnownOrder, NewLine, NewOrder, OrderLine, OrderSummary};
use super::service::demand;
use super::store::{self, Counters};
use crate::base::error::Fault;
use crate::base::id::LineId;
use crate::base::money::Money;
use crate::base::quantity::Quantity;
use crate::domain::inventory::model::{Demand, WhenShort};
use crate::domain::inventory::service as inventory;
use crate::domain::payments::model::NewAttempt;
use crate::domain::payments::service as payments;
use crate::kernel::command::Cx;
use crate::kernel::journal::{Entity, Fact};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// What one line comes to.
struct Step<'a> {
    /// What is known of it.
    before: Option<&'a OrderLine>,
    id: LineId,
    position: i64,
    /// What is true of it now.
    after: NewLine,
}

impl Step<'_> {
    fn is_change(&self) -> bool {
        let Some(before) = self.before else { return true };
        let after = &self.after;
        (before.position, before.variant, before.quantity) != (self.position, after.variant, after.quantity.get())
            || (&before.sku, &before.title) != (&after.sku, &after.title)
            || (before.unit_price, before.discount) != (after.unit_price, after.discount)
            || (before.tax, before.total) != (after.tax, after.total)
    }

    /// Pieces that are held or missed for it: none as long as nobody knows its SKU.
    fn held(&self) -> i64 {
        self.before.filter(|line| line.variant.is_some()).map_or(0, |line| line.quantity)
    }
}

/// Brings an order to the state that its channel tells: more of a line reserves more, less or removed gives back, new lines are added, and amounts
/// are taken as told. A cancelled order gets no stock. False when nothing was different.
///
/// The caller has made sure that the state is not older than the known one.
pub fn follow_in(
    cx: &mut Cx<'_>,
    known: &KnownOrder,
    told: &NewOrder,
    attempt: Option<&NewAttempt>,
) -> Result<bool, Fault> {
    let id = known.id;
    let before = store::order_get(cx.read(), id)?.ok_or(OrderError::Missing)?;
    let currency = before.difference.currency;
    if told.currency != currency {
        return Err(OrderError::CurrencyChanged { from: currency, to: told.currency }.into());
    }
    let lines = store::lines_of(cx.read(), id, currency)?;
    let mut steps = steps(cx, told, &lines);
    let counters = Counters::of(steps.iter().take(told.lines.len()).map(|step| &step.after));
    steps.retain(Step::is_change);
    let head = head_change(&before, told);
    let is_paid_otherwise = attempt.map(|attempt| payments::follow_in(cx, id, attempt)).transpose()?.unwrap_or(false);
    if let Some(version) = told.origin.external_version {
        store::order_version(cx.tx(), id, version)?;
    }
    if steps.is_empty() && head.is_empty() && !is_paid_otherwise {
        return Ok(false);
    }
    let changes: Vec<LineChange<'_>> = steps.iter().map(LineChange::of).collect();
    store::order_follow(cx.tx(), id, told, counters, cx.now())?;
    cx.record(Fact::new("order.updated", Entity::Order, id, &Updated { head, lines: changes })?)?;
    for step in &steps {
        match step.before {
            Some(line) => store::line_follow(cx.tx(), id, line.id, step.position, &step.after)?,
            None => store::line_insert(cx.tx(), id, step.id, step.position, &step.after)?,
        }
    }
    move_stock(cx, known, &steps, told)?;
    Ok(true)
}

/// What is given back comes first, so that one line's pieces can serve another one of the same order.
fn move_stock(cx: &mut Cx<'_>, known: &KnownOrder, steps: &[Step<'_>], told: &NewOrder) -> Result<(), Fault> {
    let mut more = Vec::new();
    for step in steps {
        let wanted = step.after.variant.map_or(0, |_| step.after.quantity.get());
        let change = wanted.saturating_sub(step.held());
        match (Quantity::new(change.saturating_neg()), Quantity::new(change)) {
            (Some(less), _) if !less.is_zero() => {
                inventory::release_line_in(cx, known.id.into(), step.id, less)?;
            }
            (_, Some(quantity)) => more.extend(demand(step.id, &step.after).map(|whole| Demand { quantity, ..whole })),
            _ => {}
        }
    }
    more.retain(|demand| !demand.quantity.is_zero());
    if known.is_open && !more.is_empty() {
        inventory::reserve_in(cx, known.id.into(), &more, &told.origin.warehouses, WhenShort::Record)?;
    }
    Ok(store::order_refresh_short(cx.tx(), known.id, cx.now())?)
}

/// The lines as told, then those that the channel no longer tells of, which are empty now.
fn steps<'a>(cx: &Cx<'_>, told: &NewOrder, known: &'a [OrderLine]) -> Vec<Step<'a>> {
    let find =
        |external: &Option<String>| known.iter().find(|line| external.is_some() && line.external_id == *external);
    let as_told = told.lines.iter().map(|line| {
        let before = find(&line.external_id);
        // A line that was matched to a variant keeps it, whatever its SKU would find today.
        let variant = before.and_then(|line| line.variant).or(line.variant);
        (before, NewLine { variant, ..line.clone() })
    });
    let is_gone = |line: &&OrderLine| !told.lines.iter().any(|told| told.external_id == line.external_id);
    let gone = known.iter().filter(is_gone).map(|line| (Some(line), emptied(line)));
    let numbered = (1_i64..).zip(as_told.chain(gone));
    let step = |(position, (before, after)): (_, (Option<&'a OrderLine>, _))| Step {
        before,
        id: before.map_or_else(|| cx.id(), |line| line.id),
        position,
        after,
    };
    numbered.map(step).collect()
}

fn emptied(line: &OrderLine) -> NewLine {
    let nothing = Money::zero(line.total.currency);
    NewLine {
        external_id: line.external_id.clone(),
        variant: line.variant,
        product: None,
        sku: line.sku.clone(),
        title: line.title.clone(),
        quantity: Quantity::ZERO,
        unit_price: line.unit_price,
        discount: nothing,
        tax: nothing,
        total: nothing,
    }
}

// --- the fact

#[derive(Serialize)]
struct Updated<'a> {
    #[serde(flatten)]
    head: Map<String, Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<LineChange<'a>>,
}

#[derive(Serialize)]
struct LineChange<'a> {
    line: LineId,
    sku: Option<&'a str>,
    before: Option<LineView>,
    after: LineView,
}

#[derive(Serialize)]
struct LineView {
    quantity: i64,
    unit_price: String,
    total: String,
}

impl<'a> LineChange<'a> {
    fn of(step: &'a Step<'_>) -> Self {
        let before = step.before.map(|line| LineView {
            quantity: line.quantity,
            unit_price: line.unit_price.amount(),
            total: line.total.amount(),
        });
        let Step { id, after, .. } = step;
        let view = LineView {
            quantity: after.quantity.get(),
            unit_price: after.unit_price.amount(),
            total: after.total.amount(),
        };
        Self { line: *id, sku: after.sku.as_deref(), before, after: view }
    }
}

/// What differs in the head of the order: `before` and `after` of figures and states, and the names of what a person wrote, without its content.
fn head_change(before: &OrderSummary, told: &NewOrder) -> Map<String, Value> {
    let (mut old, mut new) = (Map::new(), Map::new());
    let (was, is) = (&before.totals, &told.totals);
    let amounts = [
        ("subtotal", was.subtotal, is.subtotal),
        ("discount", was.discount, is.discount),
        ("shipping", was.shipping, is.shipping),
        ("tax", was.tax, is.tax),
        ("total", was.total, is.total),
        ("difference", before.difference, told.difference),
    ];
    for (name, was, is) in amounts.into_iter().filter(|(_, was, is)| was != is) {
        old.insert(name.to_owned(), json!(was.amount()));
        new.insert(name.to_owned(), json!(is.amount()));
    }
    if before.payment_status != told.payment_status.name() {
        old.insert("payment_status".to_owned(), json!(before.payment_status));
        new.insert("payment_status".to_owned(), json!(told.payment_status.name()));
    }
    if before.tax_inclusive != told.tax_inclusive {
        old.insert("tax_inclusive".to_owned(), json!(before.tax_inclusive));
        new.insert("tax_inclusive".to_owned(), json!(told.tax_inclusive));
    }
    let customer = before.customer.as_ref().map(|(id, ..)| *id);
    let written = [
        ("external_number", before.external_number != told.origin.external_number),
        ("note", before.note != told.note),
        ("shipping_address", before.address != told.address),
        ("customer", told.customer.is_some() && told.customer != customer),
    ];
    let written: Vec<&str> = written.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
    let mut change = Map::new();
    if !new.is_empty() {
        change.insert("before".to_owned(), old.into());
        change.insert("after".to_owned(), new.into());
    }
    if !written.is_empty() {
        change.insert("written".to_owned(), json!(written));
    }
    change
}
