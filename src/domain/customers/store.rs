//! Every SQL text of customers.

use super::model::{Customer, NewCustomer};
use crate::base::clock::Timestamp;
use crate::base::id::CustomerId;
use crate::infra::db::{DbError, ReadTx, WriteTx};
use rusqlite::Row;

const CUSTOMER_COLUMNS: &str = "id, email, name, phone FROM customer";

fn customer_row(row: &Row<'_>) -> rusqlite::Result<Customer> {
    Ok(Customer { id: row.get(0)?, email: row.get(1)?, name: row.get(2)?, phone: row.get(3)? })
}

/// One customer.
pub fn customer_get(tx: &ReadTx<'_>, id: CustomerId) -> Result<Option<Customer>, DbError> {
    tx.one(&format!("SELECT {CUSTOMER_COLUMNS} WHERE id = ?1"), [id], customer_row)
}

/// The customer with this e-mail address. The column ignores letter case.
pub fn customer_by_email(tx: &ReadTx<'_>, email: &str) -> Result<Option<Customer>, DbError> {
    tx.one(&format!("SELECT {CUSTOMER_COLUMNS} WHERE email = ?1"), [email], customer_row)
}

/// Adds a customer.
pub fn customer_insert(tx: &WriteTx<'_>, id: CustomerId, new: &NewCustomer, now: Timestamp) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO customer (id, email, name, phone, created_ms, updated_ms) VALUES (?1, ?2, coalesce(?3, ''), ?4, ?5, ?5)",
        (id, &new.email, &new.name, &new.phone, now),
    )?;
    Ok(())
}

/// Fills in name and telephone number where there is none.
pub fn customer_fill(tx: &WriteTx<'_>, id: CustomerId, new: &NewCustomer, now: Timestamp) -> Result<(), DbError> {
    tx.run(
        "UPDATE customer SET name = CASE WHEN name = '' THEN coalesce(?2, '') ELSE name END, phone = coalesce(phone, ?3),
                updated_ms = ?4
         WHERE id = ?1",
        (id, &new.name, &new.phone, now),
    )?;
    Ok(())
}
