//! Comparing, and remembering what was found. Nothing is corrected: what lies on the shelf is for a person to say.

use crate::base::clock::Timestamp;
use crate::base::error::Fault;
use crate::base::id::TenantId;
use crate::domain::inventory::model::{Difference, Drift, Found, Reconciliation, Warehouse};
use crate::domain::inventory::store;
use crate::infra::db::ReadTx;
use crate::kernel::command::{Command, Cx};
use crate::kernel::journal::{Entity, Fact};
use crate::kernel::permit::Permission;
use crate::kernel::scope::Scope;
use std::time::Duration;

/// Writes down what a comparison found.
pub const RECONCILE: Command = Command::background("inventory.reconcile", Permission::InventoryWrite);

/// Comparisons that are kept: a year of nights.
const KEPT: u32 = 400;
/// The hour of the day (UTC) from which the nightly comparison is due.
const HOUR: Duration = Duration::from_hours(3);
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Compares all levels with their movements and open reservations, on one snapshot beside the running writer.
pub async fn compare(scope: &Scope) -> Result<Found, Fault> {
    let started = scope.clock().monotonic();
    let at = scope.clock().now();
    let (levels, differences) = scope.read_slow(Permission::InventoryRead, look).await?;
    let took = scope.clock().monotonic().saturating_sub(started);
    Ok(Found { at, took, levels, differences })
}

/// How many levels there are, and those that differ. Of one snapshot.
pub fn look(tx: &ReadTx<'_>) -> Result<(i64, Vec<Difference>), Fault> {
    let warehouses = store::warehouses(tx)?;
    let drifts = store::drift(tx)?;
    let told = drifts.into_iter().map(|drift| difference(tx, &drift, &warehouses));
    Ok((store::levels_count(tx)?, told.collect::<Result<_, Fault>>()?))
}

fn difference(tx: &ReadTx<'_>, drift: &Drift, warehouses: &[Warehouse]) -> Result<Difference, Fault> {
    let Drift { variant, warehouse, on_hand, moved, reserved, promised } = *drift;
    let code = warehouses.iter().find(|row| row.id == warehouse).map(|row| row.code.clone()).unwrap_or_default();
    let mut parts = Vec::new();
    if on_hand != moved {
        parts.push(format!("{on_hand} on hand, but the movements make {moved}"));
    }
    if reserved != promised {
        parts.push(format!("{reserved} reserved, but the open reservations make {promised}"));
    }
    Ok(Difference {
        variant_id: variant,
        sku: store::sku_of(tx, variant)?.unwrap_or_default(),
        warehouse_code: code,
        on_hand,
        moved,
        reserved,
        promised,
        explanation: parts.join("; "),
    })
}

/// Writes down what was found. A difference is an alarm, however small (D33).
pub fn note_in(cx: &mut Cx<'_>, store_id: TenantId, found: &Found) -> Result<Reconciliation, Fault> {
    let drifted = i64::try_from(found.differences.len()).unwrap_or(i64::MAX);
    let differences = serde_json::to_string(&found.differences).map_err(|error| Fault::broken(error.to_string()))?;
    let row = Reconciliation {
        seq: 0,
        at: found.at,
        took_ms: i64::try_from(found.took.as_millis()).unwrap_or(i64::MAX),
        levels: found.levels.max(drifted),
        drifted,
        differences,
        actor: (cx.actor().kind_number(), cx.actor().id_bytes()),
    };
    let seq = store::reconciliation_insert(cx.tx(), &row)?;
    store::reconciliations_trim(cx.tx(), seq, KEPT)?;
    let outcome = if drifted == 0 { "equal" } else { "drift" };
    metrics::counter!("bodega_inventory_reconciliations_total", "outcome" => outcome).increment(1);
    if drifted > 0 {
        tracing::error!(drifted, levels = row.levels, differences = %row.differences, "stock differs from its movements");
    }
    let body = serde_json::json!({ "levels": row.levels, "drifted": drifted, "differences": found.differences });
    cx.record(Fact::new("inventory.reconciled", Entity::Tenant, store_id, &body)?)?;
    Ok(Reconciliation { seq, ..row })
}

/// Compares if the night's comparison has not been made yet. Gives whether it was due.
pub async fn nightly(scope: &Scope) -> Result<bool, Fault> {
    let last = scope.read(Permission::InventoryRead, |tx| Ok(store::reconciliation_last(tx)?)).await?;
    if last.is_some_and(|last| last >= due_since(scope.clock().now())) {
        return Ok(false);
    }
    let found = compare(scope).await?;
    let id = scope.tenant().id;
    scope.write(&RECONCILE, move |cx| note_in(cx, id, &found)).await?;
    Ok(true)
}

/// The last time of night before `now`.
fn due_since(now: Timestamp) -> Timestamp {
    let hour = i64::try_from(HOUR.as_millis()).unwrap_or(0);
    let since = now.0.saturating_sub(hour).div_euclid(DAY_MS).saturating_mul(DAY_MS);
    Timestamp(since.saturating_add(hour))
}

/// What was found before a position, newest first.
pub async fn reconciliations(scope: &Scope, before: i64, limit: u32) -> Result<Vec<Reconciliation>, Fault> {
    scope.read(Permission::InventoryRead, |tx| Ok(store::reconciliations_list(tx, before, limit)?)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_begins_at_three() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        for (now, since) in [
            ("2026-11-21T02:59:59Z", "2026-11-20T03:00:00Z"),
            ("2026-11-21T03:00:00Z", "2026-11-21T03:00:00Z"),
            ("2026-11-21T23:00:00Z", "2026-11-21T03:00:00Z"),
        ] {
            assert_eq!(due_since(at(now)), at(since), "{now}");
        }
    }
}
