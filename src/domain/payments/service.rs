//! Commands on payment attempts.

use super::model::{Attempt, NewAttempt};
use super::store;
use crate::base::error::Fault;
use crate::base::id::{OrderId, PaymentId};
use crate::infra::db::ReadTx;
use crate::kernel::command::Cx;

/// Writes an attempt down in the transaction of its order. The order's own fact tells of it.
pub fn record_in(cx: &mut Cx<'_>, order: OrderId, new: &NewAttempt) -> Result<PaymentId, Fault> {
    let id: PaymentId = cx.id();
    store::attempt_insert(cx.tx(), id, order, new, cx.now())?;
    Ok(id)
}

/// The attempts of an order, oldest first.
pub fn attempts_of(tx: &ReadTx<'_>, order: OrderId) -> Result<Vec<Attempt>, Fault> {
    Ok(store::attempts_of(tx, order)?)
}
