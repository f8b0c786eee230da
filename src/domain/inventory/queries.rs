//! What is read of stock.

use super::model::{LevelFilter, LevelRow, Movement, ReservationRow, Warehouse};
use super::store;
use crate::base::error::Fault;
use crate::base::id::{OrderId, VariantId, WarehouseId};
use crate::infra::db::ReadTx;
use crate::kernel::cache::Tag;
use crate::kernel::permit::Permission;
use crate::kernel::scope::Scope;
use std::sync::Arc;

/// All warehouses, the one that is asked first at the top.
pub async fn warehouses(scope: &Scope) -> Result<Vec<Warehouse>, Fault> {
    scope.read(Permission::InventoryRead, |tx| store::warehouses(tx).map_err(Fault::from)).await
}

/// All warehouses, in a transaction that stands already.
pub fn warehouses_in(tx: &ReadTx<'_>) -> Result<Vec<Warehouse>, Fault> {
    Ok(store::warehouses(tx)?)
}

/// All warehouses, the one that is asked first at the top, for a command that is about to be queued. `permission` is that command's.
pub async fn warehouses_known(scope: &Scope, permission: Permission) -> Result<Arc<Vec<Warehouse>>, Fault> {
    scope.allow(permission)?;
    let (tenant, cache) = (scope.tenant().id, &scope.shared().hub.cache);
    let fill = match cache.get::<Vec<Warehouse>>(tenant, &"inventory.warehouses", &[Tag::Warehouse]) {
        Ok(found) => return Ok(found),
        Err(fill) => fill,
    };
    let found = Arc::new(scope.read(permission, warehouses_in).await?);
    cache.put(fill, Arc::clone(&found));
    Ok(found)
}

/// Levels in the order of the catalog.
pub async fn levels(scope: &Scope, filter: &LevelFilter, limit: u32) -> Result<Vec<LevelRow>, Fault> {
    scope.read(Permission::InventoryRead, |tx| store::levels_list(tx, filter, limit).map_err(Fault::from)).await
}

/// Movements before a position, newest first, each with SKU and warehouse code.
pub async fn movements(
    scope: &Scope,
    variant: Option<VariantId>,
    warehouse: Option<WarehouseId>,
    before: i64,
    limit: u32,
) -> Result<Vec<(Movement, String, String)>, Fault> {
    let list = |tx: &ReadTx<'_>| store::movements_list(tx, variant, warehouse, before, limit).map_err(Fault::from);
    scope.read(Permission::InventoryRead, list).await
}

/// SKU and warehouse code of a movement.
pub fn names_of(tx: &ReadTx<'_>, movement: &Movement) -> Result<(String, String), Fault> {
    let sku = store::sku_of(tx, movement.variant)?.unwrap_or_default();
    let warehouses = store::warehouses(tx)?;
    let code = warehouses.into_iter().find(|row| row.id == movement.warehouse).map(|row| row.code);
    Ok((sku, code.unwrap_or_default()))
}

/// Reservations before a position, newest first.
pub async fn reservations(
    scope: &Scope,
    variant: Option<VariantId>,
    owner: Option<OrderId>,
    before: i64,
    limit: u32,
) -> Result<Vec<ReservationRow>, Fault> {
    let list = |tx: &ReadTx<'_>| store::reservations_list(tx, variant, owner, before, limit).map_err(Fault::from);
    scope.read(Permission::InventoryRead, list).await
}
