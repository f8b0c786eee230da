//! Every SQL text of the payment tables.

use super::model::{Attempt, NewAttempt};
use crate::base::clock::Timestamp;
use crate::base::id::{OrderId, PaymentId};
use crate::base::money::{Currency, Money};
use crate::infra::db::{DbError, ReadTx, WriteTx};

/// Writes an attempt down.
pub fn attempt_insert(
    tx: &WriteTx<'_>,
    id: PaymentId,
    order: OrderId,
    new: &NewAttempt,
    now: Timestamp,
) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO payment_attempt (id, order_id, provider, state, amount_minor, currency, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (id, order, &new.provider, new.state.name(), new.amount.minor, new.amount.currency.code(), now),
    )?;
    Ok(())
}

/// Writes what is told of an attempt over what was known.
pub fn attempt_follow(tx: &WriteTx<'_>, order: OrderId, id: PaymentId, told: &NewAttempt) -> Result<(), DbError> {
    tx.run(
        "UPDATE payment_attempt SET provider = ?3, state = ?4, amount_minor = ?5 WHERE order_id = ?1 AND id = ?2",
        (order, id, &told.provider, told.state.name(), told.amount.minor),
    )?;
    Ok(())
}

/// Gives up the attempts of an order that are pending or authorized. Gives how many.
pub fn attempts_cancel(tx: &WriteTx<'_>, order: OrderId) -> Result<usize, DbError> {
    tx.run(
        "UPDATE payment_attempt SET state = 'cancelled' WHERE order_id = ?1 AND state IN ('pending', 'authorized')",
        [order],
    )
}

/// The attempts of an order, oldest first.
pub fn attempts_of(tx: &ReadTx<'_>, order: OrderId) -> Result<Vec<Attempt>, DbError> {
    let rows = tx.all(
        "SELECT id, provider, state, amount_minor, currency, created_ms FROM payment_attempt
         WHERE order_id = ?1 ORDER BY seq",
        [order],
        |row| {
            let currency: String = row.get(4)?;
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, i64>(3)?, currency, row.get(5)?))
        },
    )?;
    let attempt = |(id, provider, state, minor, code, created): (_, _, _, i64, String, _)| {
        let currency = Currency::parse(&code).map_err(|error| DbError::BadRow {
            table: "payment_attempt",
            column: "currency",
            detail: error.to_string(),
        })?;
        Ok(Attempt { id, provider, state, amount: Money { minor, currency }, created })
    };
    rows.into_iter().map(attempt).collect()
}
