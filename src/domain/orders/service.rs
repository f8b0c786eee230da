//! Commands on orders.

use super::OrderError;
use super::model::{KnownOrder, NewLine, NewOrder, PaymentStatus};
use super::store::{self, Counters};
use crate::base::error::Fault;
use crate::base::id::{ChannelId, LineId, OrderId, PaymentId, VariantId, WarehouseId};
use crate::base::quantity::Quantity;
use crate::domain::inventory::model::{Allocation, Demand, MovementKind, WhenShort};
use crate::domain::inventory::service as inventory;
use crate::domain::payments::model::NewAttempt;
use crate::domain::payments::service as payments;
use crate::infra::db::ReadTx;
use crate::kernel::command::{Command, Cx};
use crate::kernel::journal::{Entity, Fact};
use crate::kernel::permit::Permission;
use serde::Serialize;

/// Places an order of the store's own.
pub const PLACE: Command = Command::new("orders.place", Permission::OrderWrite);
/// Cancels an order of the store's own.
pub const CANCEL: Command = Command::new("orders.cancel", Permission::OrderWrite);

/// What became of a new order.
#[derive(Debug)]
pub struct Placed {
    /// Its id.
    pub id: OrderId,
    /// Its number.
    pub number: i64,
    /// Its lines, in their order.
    pub lines: Vec<LineId>,
    /// What its lines got.
    pub allocations: Vec<Allocation>,
    /// Its payment attempt.
    pub payment: Option<PaymentId>,
    /// Pieces that are not there.
    pub short: i64,
}

#[derive(Serialize)]
struct Created<'a> {
    after: After<'a>,
}

#[derive(Serialize)]
struct After<'a> {
    number: i64,
    external_number: Option<&'a str>,
    channel: Option<ChannelId>,
    currency: &'a str,
    total: String,
    difference: String,
    lines: Vec<AfterLine<'a>>,
}

#[derive(Serialize)]
struct AfterLine<'a> {
    sku: Option<&'a str>,
    quantity: i64,
    unit_price: String,
    total: String,
    mapped: bool,
}

/// The order that a channel knows under its key, if it has told of it before.
pub fn find_external(tx: &ReadTx<'_>, channel: ChannelId, external_id: &str) -> Result<Option<KnownOrder>, Fault> {
    Ok(store::find_external(tx, channel, external_id)?)
}

/// Places an order: order, lines, reservations, payment attempt and facts, all or nothing (SC1).
pub fn place_in(
    cx: &mut Cx<'_>,
    new: &NewOrder,
    attempt: Option<&NewAttempt>,
    when_short: WhenShort,
) -> Result<Placed, Fault> {
    let id: OrderId = cx.id();
    let ids: Vec<LineId> = new.lines.iter().map(|_| cx.id()).collect();
    let demands: Vec<Demand> = ids.iter().zip(&new.lines).filter_map(|(id, line)| demand(*id, line)).collect();
    let number =
        store::order_insert(cx.tx(), id, new, Counters::of(new.lines.iter()), cx.now()).map_err(|error| {
            match (&new.origin.external_id, error.is_unique_violation()) {
                (Some(external), true) => OrderError::ExternalTaken(external.clone()),
                _ => error.into(),
            }
        })?;
    for (position, (line_id, line)) in (1_i64..).zip(ids.iter().zip(&new.lines)) {
        store::line_insert(cx.tx(), id, *line_id, position, line)?;
    }
    cx.record(Fact::new("order.created", Entity::Order, id, &created(number, new))?)?;
    let payment = attempt.map(|attempt| payments::record_in(cx, id, attempt)).transpose()?;
    let allocations = inventory::reserve_in(cx, id.into(), &demands, &new.origin.warehouses, when_short)?;
    let short: i64 = allocations.iter().map(|allocation| allocation.short.get()).sum();
    if short > 0 {
        store::order_refresh_short(cx.tx(), id, cx.now())?;
    }
    Ok(Placed { id, number, lines: ids, allocations, payment, short })
}

pub(super) fn demand(id: LineId, line: &NewLine) -> Option<Demand> {
    let variant = line.variant?;
    (!line.quantity.is_zero()).then_some(Demand { line: id, variant, quantity: line.quantity })
}

fn created(number: i64, new: &NewOrder) -> Created<'_> {
    let line = |line: &'_ NewLine| (line.quantity.get(), line.unit_price.amount(), line.total.amount());
    let lines = new.lines.iter().map(|row| {
        let (quantity, unit_price, total) = line(row);
        AfterLine { sku: row.sku.as_deref(), quantity, unit_price, total, mapped: row.variant.is_some() }
    });
    Created {
        after: After {
            number,
            external_number: new.origin.external_number.as_deref(),
            channel: new.origin.channel,
            currency: new.currency.code(),
            total: new.totals.total.amount(),
            difference: new.difference.amount(),
            lines: lines.collect(),
        },
    }
}

/// Cancels an order and gives its stock back. False when it was cancelled already.
pub fn cancel_in(cx: &mut Cx<'_>, id: OrderId, reason: &str) -> Result<bool, Fault> {
    let is_open = close_in(cx, id, reason)?;
    if is_open {
        inventory::release_in(cx, id.into())?;
    }
    Ok(is_open)
}

fn close_in(cx: &mut Cx<'_>, id: OrderId, reason: &str) -> Result<bool, Fault> {
    if !store::order_cancel(cx.tx(), id, cx.now())? {
        return Ok(false);
    }
    let body =
        serde_json::json!({ "before": { "status": "open" }, "after": { "status": "cancelled" }, "reason": reason });
    cx.record(Fact::new("order.cancelled", Entity::Order, id, &body)?)?;
    Ok(true)
}

/// What becomes of the pieces that a cancelled order held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Restock {
    /// They are for sale again.
    Yes,
    /// They are written off as damaged.
    No,
}

/// Cancels an order of the store's own, as a person asks: its stock goes back or is written off, and a payment that has not come is given up.
pub fn cancel_own_in(cx: &mut Cx<'_>, id: OrderId, reason: &str, restock: Restock) -> Result<(), Fault> {
    let order = store::order_get(cx.read(), id)?.ok_or(OrderError::Missing)?;
    if order.channel.is_some() {
        return Err(OrderError::OfChannel.into());
    }
    if !close_in(cx, id, reason)? {
        return Err(OrderError::Cancelled.into());
    }
    if restock == Restock::No {
        let why = format!("order {} cancelled", order.number);
        inventory::consume_in(cx, id.into(), MovementKind::Damage, &why)?;
    }
    inventory::release_in(cx, id.into())?;
    if payments::cancel_in(cx, id)? && store::order_void(cx.tx(), id)? {
        let body = serde_json::json!({
            "before": { "payment_status": order.payment_status }, "after": { "payment_status": PaymentStatus::Voided.name() },
        });
        cx.record(Fact::new("order.payment_cancelled", Entity::Order, id, &body)?)?;
    }
    Ok(())
}

/// Lines that one command maps at most; the caller repeats until none is left.
pub const MAP_STEP: u32 = 100;

/// A SKU of a channel is known now: lines of open orders that waited for it get their variant and their stock. Gives how many.
pub fn map_lines_in(
    cx: &mut Cx<'_>,
    channel: ChannelId,
    sku: &str,
    variant: VariantId,
    warehouses: &[WarehouseId],
) -> Result<u32, Fault> {
    let waiting = store::lines_waiting_for(cx.read(), channel, sku, MAP_STEP)?;
    let mut mapped = 0_u32;
    for (order, line, pieces) in waiting {
        store::line_map(cx.tx(), line, order, variant)?;
        let body = serde_json::json!({ "sku": sku, "variant": variant });
        cx.record(Fact::new("order.lines_mapped", Entity::Order, order, &body)?)?;
        if let Some(quantity) = Quantity::new(pieces).filter(|quantity| !quantity.is_zero()) {
            let demand = Demand { line, variant, quantity };
            inventory::reserve_in(cx, order.into(), &[demand], warehouses, WhenShort::Record)?;
            refresh_short_in(cx, order)?;
        }
        mapped = mapped.saturating_add(1);
    }
    Ok(mapped)
}

/// Stock came for an order: its count of missing pieces follows.
pub fn refresh_short_in(cx: &Cx<'_>, order: OrderId) -> Result<(), Fault> {
    Ok(store::order_refresh_short(cx.tx(), order, cx.now())?)
}
