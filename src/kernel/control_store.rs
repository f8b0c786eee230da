//! Every SQL text of `control.db`'s own tables.

use crate::base::clock::Timestamp;
use crate::base::id::TenantId;
use crate::infra::db::{DbError, ReadTx, WriteTx};

/// A store's row.
pub struct TenantRow {
    /// Its id.
    pub id: TenantId,
    /// Its routing number.
    pub routing: u32,
    /// Its handle.
    pub handle: String,
    /// Its name.
    pub name: String,
    /// Whether it takes requests.
    pub is_active: bool,
    /// Its key, sealed with the box key.
    pub wrapped_key: Vec<u8>,
}

/// All stores.
pub fn tenants_list(tx: &ReadTx<'_>) -> Result<Vec<TenantRow>, DbError> {
    tx.all("SELECT id, routing, handle, name, state, wrapped_key FROM tenant ORDER BY id", [], |row| {
        Ok(TenantRow {
            id: row.get(0)?,
            routing: row.get(1)?,
            handle: row.get(2)?,
            name: row.get(3)?,
            is_active: row.get::<_, String>(4)? == "active",
            wrapped_key: row.get(5)?,
        })
    })
}

/// Adds a store.
pub fn tenant_insert(tx: &WriteTx<'_>, row: &TenantRow, now: Timestamp) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO tenant (id, routing, handle, name, state, wrapped_key, created_ms)
         VALUES (?1, ?2, ?3, ?4, 'active', ?5, ?6)",
        (row.id, row.routing, &row.handle, &row.name, &row.wrapped_key, now),
    )?;
    Ok(())
}

/// Notes where an e-mail address signs in.
pub fn route_email(tx: &WriteTx<'_>, email: &str, tenant: TenantId) -> Result<(), DbError> {
    tx.run("INSERT OR IGNORE INTO route_email (email, tenant_id) VALUES (?1, ?2)", (email, tenant))?;
    Ok(())
}

/// The stores in which an e-mail address has a user.
pub fn tenants_of_email(tx: &ReadTx<'_>, email: &str) -> Result<Vec<TenantId>, DbError> {
    tx.all("SELECT tenant_id FROM route_email WHERE email = ?1", [email], |row| row.get(0))
}
