//! What is read of orders.

use super::OrderError;
use super::model::{LineAllocation, NewLine, NewOrder, OrderFilter, OrderLine, OrderSummary, WholeLine, WholeOrder};
use super::own::Known;
use super::service::Placed;
use super::store;
use super::timeline::{Step, timeline};
use crate::base::clock::Timestamp;
use crate::base::error::Fault;
use crate::base::id::{LineId, OrderId};
use crate::domain::catalog::service as catalog;
use crate::domain::customers::service as customers;
use crate::domain::payments::model::{Attempt, NewAttempt};
use crate::domain::payments::service as payments;
use crate::infra::db::ReadTx;
use crate::kernel::permit::Permission;
use crate::kernel::scope::Scope;

/// Orders, newest first.
pub async fn orders(scope: &Scope, filter: &OrderFilter, limit: u32) -> Result<Vec<OrderSummary>, Fault> {
    scope.read(Permission::OrderRead, |tx| store::orders_list(tx, filter, limit).map_err(Fault::from)).await
}

/// An order with its lines, stock and payments, in a transaction that stands already.
pub fn order_in(tx: &ReadTx<'_>, id: OrderId) -> Result<WholeOrder, Fault> {
    let summary = store::order_get(tx, id)?.ok_or(OrderError::Missing)?;
    let allocations = store::allocations_of(tx, id)?;
    let missing = store::missing_of(tx, id)?;
    let mut lines = Vec::new();
    for line in store::lines_of(tx, id, summary.totals.total.currency)? {
        let product = match line.variant {
            Some(variant) => catalog::variant_get(tx, variant)?.map(|found| found.product_id),
            None => None,
        };
        let own = allocations.iter().filter(|(of, ..)| *of == line.id);
        let allocations = own.map(|(_, warehouse, code, quantity)| LineAllocation {
            warehouse: *warehouse,
            code: code.clone(),
            quantity: *quantity,
        });
        let short = missing.iter().filter(|(of, _)| *of == line.id).map(|(_, pieces)| *pieces).sum();
        lines.push(WholeLine { allocations: allocations.collect(), short, product, line });
    }
    Ok(WholeOrder { summary, lines, payments: payments::attempts_of(tx, id)? })
}

/// The order that this transaction has just placed, put together from what it wrote: reading it back would cost as much as placing it.
pub fn placed(
    tx: &ReadTx<'_>,
    new: &NewOrder,
    attempt: &NewAttempt,
    placed: &Placed,
    known: &Known,
    now: Timestamp,
) -> Result<WholeOrder, Fault> {
    let customer = match new.customer {
        Some(id) => customers::customer_get(tx, id)?.map(|customer| (id, customer.email, customer.name)),
        None => None,
    };
    let code_of = |id| known.warehouses.iter().find(|row| row.id == id).map(|row| row.code.clone()).unwrap_or_default();
    let line = |(position, (id, line)): (i64, (&LineId, &NewLine))| {
        let own = placed.allocations.iter().filter(|allocation| allocation.line == *id);
        let (mut allocations, mut short) = (Vec::new(), 0);
        for allocation in own {
            short += allocation.short.get();
            allocations.extend(allocation.picks.iter().map(|pick| LineAllocation {
                warehouse: pick.warehouse,
                code: code_of(pick.warehouse),
                quantity: pick.quantity.get(),
            }));
        }
        WholeLine { line: line_row(*id, position, line), product: line.product, allocations, short }
    };
    let lines: Vec<WholeLine> = (1..).zip(placed.lines.iter().zip(&new.lines)).map(line).collect();
    let payments = placed.payment.map(|id| Attempt {
        id,
        provider: attempt.provider.clone(),
        state: attempt.state.name().to_owned(),
        amount: attempt.amount,
        created: now,
    });
    let unmapped = new.lines.iter().filter(|line| line.variant.is_none() && !line.quantity.is_zero()).count();
    let summary = OrderSummary {
        number: placed.number,
        id: placed.id,
        channel: new.origin.channel,
        external_id: new.origin.external_id.clone(),
        external_number: new.origin.external_number.clone(),
        customer,
        status: "open".to_owned(),
        payment_status: new.payment_status.name().to_owned(),
        totals: new.totals,
        difference: new.difference,
        tax_inclusive: new.tax_inclusive,
        line_count: i64::try_from(new.lines.len()).unwrap_or(i64::MAX),
        quantity: new.lines.iter().map(|line| line.quantity.get()).sum(),
        short: placed.short,
        unmapped: i64::try_from(unmapped).unwrap_or(i64::MAX),
        note: new.note.clone(),
        address: new.address.clone(),
        placed: new.placed,
        created: now,
        version: if placed.short > 0 { 2 } else { 1 },
    };
    Ok(WholeOrder { summary, lines, payments: payments.into_iter().collect() })
}

fn line_row(id: LineId, position: i64, line: &NewLine) -> OrderLine {
    OrderLine {
        external_id: line.external_id.clone(),
        id,
        position,
        variant: line.variant,
        sku: line.sku.clone(),
        title: line.title.clone(),
        quantity: line.quantity.get(),
        unit_price: line.unit_price,
        discount: line.discount,
        tax: line.tax,
        total: line.total,
    }
}

/// An order with its lines, stock and payments.
pub async fn order(scope: &Scope, id: OrderId) -> Result<WholeOrder, Fault> {
    scope.read(Permission::OrderRead, |tx| order_in(tx, id)).await
}

/// What happened to an order, oldest first.
pub async fn story(scope: &Scope, id: OrderId) -> Result<Vec<Step>, Fault> {
    let tell = |tx: &ReadTx<'_>| {
        let order = store::order_get(tx, id)?.ok_or(OrderError::Missing)?;
        let lines = store::lines_of(tx, id, order.totals.total.currency)?;
        timeline(tx, id, &lines)
    };
    scope.read(Permission::OrderRead, tell).await
}
