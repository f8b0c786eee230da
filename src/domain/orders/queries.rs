//! What is read of orders.

use super::OrderError;
use super::model::{LineAllocation, OrderFilter, OrderSummary, WholeLine, WholeOrder};
use super::store;
use super::timeline::{Step, timeline};
use crate::base::error::Fault;
use crate::base::id::OrderId;
use crate::domain::catalog::service as catalog;
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
