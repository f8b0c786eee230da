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

/// Brings the attempt of an order that a channel was paid for to what the channel tells. False when it says so already.
pub fn follow_in(cx: &mut Cx<'_>, order: OrderId, told: &NewAttempt) -> Result<bool, Fault> {
    let Some(known) = store::attempts_of(cx.read(), order)?.pop() else {
        record_in(cx, order, told)?;
        return Ok(true);
    };
    let is_same = (known.provider.as_str(), known.state.as_str(), known.amount)
        == (told.provider.as_str(), told.state.name(), told.amount);
    if !is_same {
        store::attempt_follow(cx.tx(), order, known.id, told)?;
    }
    Ok(!is_same)
}

/// Gives up the attempts of an order of which no money has come. False when there is none.
pub fn cancel_in(cx: &mut Cx<'_>, order: OrderId) -> Result<bool, Fault> {
    Ok(store::attempts_cancel(cx.tx(), order)? > 0)
}

/// The attempts of an order, oldest first.
pub fn attempts_of(tx: &ReadTx<'_>, order: OrderId) -> Result<Vec<Attempt>, Fault> {
    Ok(store::attempts_of(tx, order)?)
}
