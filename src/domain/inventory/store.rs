//! Every SQL text of the stock tables.

use super::model::{
    Allocation, Drift, Level, LevelFilter, LevelRow, Movement, Pick, Reconciliation, ReservationRow, ReservationState,
    Shortfall, Warehouse,
};
use crate::base::clock::Timestamp;
use crate::base::id::{Id, LineId, MovementId, OrderId, ReservationId, VariantId, WarehouseId};
use crate::base::quantity::Quantity;
use crate::base::text::like_pattern;
use crate::infra::db::{DbError, ReadTx, WriteTx};
use rusqlite::{Row, named_params};

// --- warehouses

fn warehouse(row: &Row<'_>) -> rusqlite::Result<Warehouse> {
    Ok(Warehouse {
        id: row.get(0)?,
        code: row.get(1)?,
        name: row.get(2)?,
        store_code: row.get(3)?,
        priority: row.get(4)?,
    })
}

/// All warehouses, the one that is asked first at the top.
pub fn warehouses(tx: &ReadTx<'_>) -> Result<Vec<Warehouse>, DbError> {
    tx.all("SELECT id, code, name, store_code, priority FROM inventory_warehouse ORDER BY priority, id", [], warehouse)
}

/// Adds a warehouse.
pub fn warehouse_insert(tx: &WriteTx<'_>, row: &Warehouse, now: Timestamp) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO inventory_warehouse (id, code, name, store_code, priority, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (row.id, &row.code, &row.name, &row.store_code, row.priority, now),
    )?;
    Ok(())
}

// --- levels and movements

/// What each warehouse has of a variant.
pub fn levels_of(tx: &ReadTx<'_>, variant: VariantId) -> Result<Vec<Level>, DbError> {
    tx.all("SELECT warehouse_id, on_hand, reserved FROM inventory_level WHERE variant_id = ?1", [variant], |row| {
        Ok(Level { warehouse: row.get(0)?, on_hand: row.get(1)?, reserved: row.get(2)? })
    })
}

/// What one warehouse has of a variant.
pub fn level_get(tx: &ReadTx<'_>, variant: VariantId, warehouse: WarehouseId) -> Result<Option<Level>, DbError> {
    tx.one(
        "SELECT warehouse_id, on_hand, reserved FROM inventory_level WHERE variant_id = ?1 AND warehouse_id = ?2",
        (variant, warehouse),
        |row| Ok(Level { warehouse: row.get(0)?, on_hand: row.get(1)?, reserved: row.get(2)? }),
    )
}

/// Makes the level if there is none.
pub fn level_ensure(
    tx: &WriteTx<'_>,
    variant: VariantId,
    warehouse: WarehouseId,
    now: Timestamp,
) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO inventory_level (variant_id, warehouse_id, on_hand, reserved, updated_ms) VALUES (?1, ?2, 0, 0, ?3)
         ON CONFLICT (variant_id, warehouse_id) DO NOTHING",
        (variant, warehouse, now),
    )?;
    Ok(())
}

/// Moves `on_hand` if what is promised stays covered. Gives `on_hand` after it, or none when it does not.
pub fn level_move(
    tx: &WriteTx<'_>,
    variant: VariantId,
    warehouse: WarehouseId,
    delta: i64,
    now: Timestamp,
) -> Result<Option<i64>, DbError> {
    tx.one(
        "UPDATE inventory_level SET on_hand = on_hand + ?3, updated_ms = ?4
         WHERE variant_id = ?1 AND warehouse_id = ?2 AND on_hand + ?3 >= reserved RETURNING on_hand",
        (variant, warehouse, delta, now),
        |row| row.get(0),
    )
}

/// Promises pieces if they are available. The guard and the change are one statement (RA1.2).
pub fn level_reserve(tx: &WriteTx<'_>, variant: VariantId, pick: Pick, now: Timestamp) -> Result<bool, DbError> {
    let changed = tx.run(
        "UPDATE inventory_level SET reserved = reserved + ?3, updated_ms = ?4
         WHERE variant_id = ?1 AND warehouse_id = ?2 AND on_hand - reserved >= ?3",
        (variant, pick.warehouse, pick.quantity, now),
    )?;
    Ok(changed == 1)
}

/// Takes promised pieces back.
pub fn level_release(tx: &WriteTx<'_>, variant: VariantId, pick: Pick, now: Timestamp) -> Result<(), DbError> {
    tx.run(
        "UPDATE inventory_level SET reserved = reserved - ?3, updated_ms = ?4 WHERE variant_id = ?1 AND warehouse_id = ?2",
        (variant, pick.warehouse, pick.quantity, now),
    )?;
    Ok(())
}

/// Promised pieces leave. Gives `on_hand` after it.
pub fn level_consume(tx: &WriteTx<'_>, variant: VariantId, pick: Pick, now: Timestamp) -> Result<Option<i64>, DbError> {
    tx.one(
        "UPDATE inventory_level SET reserved = reserved - ?3, on_hand = on_hand - ?3, updated_ms = ?4
         WHERE variant_id = ?1 AND warehouse_id = ?2 RETURNING on_hand",
        (variant, pick.warehouse, pick.quantity, now),
        |row| row.get(0),
    )
}

/// A movement that is being written.
pub struct MovementInsert<'a> {
    /// Id.
    pub id: MovementId,
    /// Of what.
    pub variant: VariantId,
    /// Where.
    pub warehouse: WarehouseId,
    /// Stored name of the kind.
    pub kind: &'a str,
    /// Pieces, signed.
    pub quantity: i64,
    /// `on_hand` after it.
    pub on_hand_after: i64,
    /// Why.
    pub reason: &'a str,
    /// Anything else.
    pub note: &'a str,
    /// Stored kind and id of who did it.
    pub actor: (u8, [u8; 16]),
    /// When.
    pub at: Timestamp,
}

/// Writes a movement.
pub fn movement_insert(tx: &WriteTx<'_>, row: &MovementInsert<'_>) -> Result<i64, DbError> {
    tx.insert(
        "INSERT INTO inventory_movement (id, variant_id, warehouse_id, kind, quantity, on_hand_after, reason, note,
                                         actor_kind, actor_id, at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        rusqlite::params![
            row.id,
            row.variant,
            row.warehouse,
            row.kind,
            row.quantity,
            row.on_hand_after,
            row.reason,
            row.note,
            row.actor.0,
            row.actor.1,
            row.at
        ],
    )
}

// --- reservations

/// Writes a reservation.
pub fn reservation_insert(
    tx: &WriteTx<'_>,
    id: ReservationId,
    owner: Id,
    allocation: (LineId, VariantId, Pick),
    expires: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), DbError> {
    let (line, variant, pick) = allocation;
    tx.run(
        "INSERT INTO inventory_reservation (id, owner_id, line_id, variant_id, warehouse_id, quantity, expires_ms,
                                            created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (id, owner.as_bytes(), line, variant, pick.warehouse, pick.quantity, expires, now),
    )?;
    Ok(())
}

/// A reservation that holds stock.
#[derive(Clone, Copy, Debug)]
pub struct OpenReservation {
    /// Row.
    pub seq: i64,
    /// For which line.
    pub line: LineId,
    /// Of what.
    pub variant: VariantId,
    /// Where and how many.
    pub pick: Pick,
}

fn open_reservation(row: &Row<'_>) -> rusqlite::Result<OpenReservation> {
    Ok(OpenReservation {
        seq: row.get(0)?,
        line: row.get(1)?,
        variant: row.get(2)?,
        pick: Pick { warehouse: row.get(3)?, quantity: row.get(4)? },
    })
}

/// The open reservations of an owner, oldest first.
pub fn reservations_open(tx: &ReadTx<'_>, owner: Id) -> Result<Vec<OpenReservation>, DbError> {
    tx.all(
        "SELECT seq, line_id, variant_id, warehouse_id, quantity FROM inventory_reservation
         WHERE owner_id = ?1 AND state = 'open' ORDER BY seq",
        [owner.as_bytes()],
        open_reservation,
    )
}

/// Whether any open reservation has an end.
pub fn has_expiring(tx: &ReadTx<'_>) -> Result<bool, DbError> {
    tx.exists("SELECT 1 FROM inventory_reservation WHERE state = 'open' AND expires_ms IS NOT NULL LIMIT 1", [])
}

/// Open reservations of a variant whose time is up.
pub fn reservations_expired(
    tx: &ReadTx<'_>,
    variant: VariantId,
    now: Timestamp,
) -> Result<Vec<OpenReservation>, DbError> {
    tx.all(
        "SELECT seq, line_id, variant_id, warehouse_id, quantity FROM inventory_reservation
         WHERE variant_id = ?1 AND state = 'open' AND expires_ms IS NOT NULL AND expires_ms <= ?2 ORDER BY seq LIMIT 100",
        (variant, now),
        open_reservation,
    )
}

/// Closes a reservation.
pub fn reservation_close(tx: &WriteTx<'_>, seq: i64, state: ReservationState, now: Timestamp) -> Result<(), DbError> {
    tx.run(
        "UPDATE inventory_reservation SET state = ?2, closed_ms = ?3 WHERE seq = ?1 AND state = 'open'",
        (seq, state.name(), now),
    )?;
    Ok(())
}

/// Makes a reservation smaller.
pub fn reservation_shrink(tx: &WriteTx<'_>, seq: i64, left: Quantity) -> Result<(), DbError> {
    tx.run("UPDATE inventory_reservation SET quantity = ?2 WHERE seq = ?1 AND state = 'open'", (seq, left))?;
    Ok(())
}

// --- shortfalls

/// Writes what is missing.
pub fn shortfall_insert(tx: &WriteTx<'_>, owner: Id, allocation: &Allocation, now: Timestamp) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO inventory_shortfall (owner_id, line_id, variant_id, quantity, created_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        (owner.as_bytes(), allocation.line, allocation.variant, allocation.short, now),
    )?;
    Ok(())
}

fn shortfall(row: &Row<'_>) -> rusqlite::Result<Shortfall> {
    Ok(Shortfall { seq: row.get(0)?, owner: Id::from_bytes(row.get(1)?), line: row.get(2)?, missing: row.get(3)? })
}

/// The open shortfalls of a variant, oldest first.
pub fn shortfalls_open(tx: &ReadTx<'_>, variant: VariantId, limit: u32) -> Result<Vec<Shortfall>, DbError> {
    tx.all(
        "SELECT seq, owner_id, line_id, quantity - filled - cancelled FROM inventory_shortfall
         WHERE variant_id = ?1 AND filled + cancelled < quantity ORDER BY seq LIMIT ?2",
        (variant, limit),
        shortfall,
    )
}

/// The open shortfalls of an owner's line, newest first.
pub fn shortfalls_of_line(tx: &ReadTx<'_>, owner: Id, line: LineId) -> Result<Vec<Shortfall>, DbError> {
    tx.all(
        "SELECT seq, owner_id, line_id, quantity - filled - cancelled FROM inventory_shortfall
         WHERE owner_id = ?1 AND line_id = ?2 AND filled + cancelled < quantity ORDER BY seq DESC",
        (owner.as_bytes(), line),
        shortfall,
    )
}

/// Counts pieces of a shortfall as filled.
pub fn shortfall_fill(tx: &WriteTx<'_>, seq: i64, pieces: Quantity) -> Result<(), DbError> {
    tx.run("UPDATE inventory_shortfall SET filled = filled + ?2 WHERE seq = ?1", (seq, pieces))?;
    Ok(())
}

/// Counts pieces of a shortfall as no longer wanted.
pub fn shortfall_cancel(tx: &WriteTx<'_>, seq: i64, pieces: Quantity) -> Result<(), DbError> {
    tx.run("UPDATE inventory_shortfall SET cancelled = cancelled + ?2 WHERE seq = ?1", (seq, pieces))?;
    Ok(())
}

/// Counts all that an owner still waits for as no longer wanted.
pub fn shortfalls_cancel(tx: &WriteTx<'_>, owner: Id) -> Result<(), DbError> {
    tx.run(
        "UPDATE inventory_shortfall SET cancelled = quantity - filled
         WHERE owner_id = ?1 AND filled + cancelled < quantity",
        [owner.as_bytes()],
    )?;
    Ok(())
}

/// Whether anybody waits for the variant.
pub fn is_short(tx: &ReadTx<'_>, variant: VariantId) -> Result<bool, DbError> {
    tx.exists(
        "SELECT 1 FROM inventory_shortfall WHERE variant_id = ?1 AND filled + cancelled < quantity LIMIT 1",
        [variant],
    )
}

// --- lists

/// Levels in the order of the catalog.
pub fn levels_list(tx: &ReadTx<'_>, filter: &LevelFilter, limit: u32) -> Result<Vec<LevelRow>, DbError> {
    let pattern = filter.q.as_deref().map(like_pattern);
    let (after_seq, after_warehouse) = match filter.after {
        Some((seq, warehouse)) => (seq, Some(warehouse)),
        None => (i64::MIN, None),
    };
    tx.all(
        r"SELECT v.seq, v.variant_id, v.product_id, v.sku,
                 CASE WHEN v.variant_title = v.product_title THEN v.product_title
                      ELSE v.product_title || ' · ' || v.variant_title END,
                 l.warehouse_id, w.code, l.on_hand, l.reserved,
                 (SELECT coalesce(sum(s.quantity - s.filled - s.cancelled), 0) FROM inventory_shortfall s
                  WHERE s.variant_id = v.variant_id AND s.filled + s.cancelled < s.quantity), l.updated_ms
          FROM v_catalog_variant v
          JOIN inventory_level l ON l.variant_id = v.variant_id
          JOIN inventory_warehouse w ON w.id = l.warehouse_id
          WHERE (v.seq > :seq OR (v.seq = :seq AND l.warehouse_id > :after))
            AND (:warehouse IS NULL OR l.warehouse_id = :warehouse)
            AND (:variant IS NULL OR l.variant_id = :variant)
            AND (:out = 0 OR l.on_hand = l.reserved)
            AND (:low IS NULL OR l.on_hand - l.reserved BETWEEN 1 AND :low)
            AND (:short = 0 OR EXISTS (SELECT 1 FROM inventory_shortfall s
                 WHERE s.variant_id = v.variant_id AND s.filled + s.cancelled < s.quantity))
            AND (:q IS NULL OR v.sku LIKE :q ESCAPE '\' OR v.barcode LIKE :q ESCAPE '\'
                 OR v.product_title LIKE :q ESCAPE '\' OR v.variant_title LIKE :q ESCAPE '\')
          ORDER BY v.seq, l.warehouse_id LIMIT :limit",
        named_params! {
            ":seq": after_seq, ":after": after_warehouse, ":warehouse": filter.warehouse, ":variant": filter.variant,
            ":out": filter.is_out, ":low": filter.low, ":short": filter.is_short, ":q": pattern, ":limit": limit,
        },
        |row| {
            Ok(LevelRow {
                seq: row.get(0)?,
                variant: row.get(1)?,
                product: row.get(2)?,
                sku: row.get(3)?,
                title: row.get(4)?,
                warehouse: row.get(5)?,
                warehouse_code: row.get(6)?,
                on_hand: row.get(7)?,
                reserved: row.get(8)?,
                short: row.get(9)?,
                updated: row.get(10)?,
            })
        },
    )
}

/// Movements, newest first, each with SKU and warehouse code.
pub fn movements_list(
    tx: &ReadTx<'_>,
    variant: Option<VariantId>,
    warehouse: Option<WarehouseId>,
    before: i64,
    limit: u32,
) -> Result<Vec<(Movement, String, String)>, DbError> {
    // With a variant the index of its level is used, else the newest rows are read off the end.
    let by_variant = if variant.is_some() { "m.variant_id = :variant AND" } else { ":variant IS NULL AND" };
    let sql = format!(
        "SELECT m.seq, m.id, m.variant_id, m.warehouse_id, m.kind, m.quantity, m.on_hand_after, m.reason, m.note,
                m.actor_kind, m.actor_id, m.at_ms, v.sku, w.code
         FROM inventory_movement m
         JOIN v_catalog_variant v ON v.variant_id = m.variant_id
         JOIN inventory_warehouse w ON w.id = m.warehouse_id
         WHERE {by_variant} (:warehouse IS NULL OR m.warehouse_id = :warehouse) AND m.seq < :before
         ORDER BY m.seq DESC LIMIT :limit"
    );
    let params = named_params! { ":variant": variant, ":warehouse": warehouse, ":before": before, ":limit": limit };
    tx.all(&sql, params, |row| Ok((movement(row)?, row.get(12)?, row.get(13)?)))
}

fn movement(row: &Row<'_>) -> rusqlite::Result<Movement> {
    Ok(Movement {
        seq: row.get(0)?,
        id: row.get(1)?,
        variant: row.get(2)?,
        warehouse: row.get(3)?,
        kind: row.get(4)?,
        quantity: row.get(5)?,
        on_hand_after: row.get(6)?,
        reason: row.get(7)?,
        note: row.get(8)?,
        actor: (row.get(9)?, row.get(10)?),
        at: row.get(11)?,
    })
}

/// Reservations, newest first.
pub fn reservations_list(
    tx: &ReadTx<'_>,
    variant: Option<VariantId>,
    owner: Option<OrderId>,
    before: i64,
    limit: u32,
) -> Result<Vec<ReservationRow>, DbError> {
    tx.all(
        "SELECT r.seq, r.id, r.owner_id, r.variant_id, v.sku, r.warehouse_id, w.code, r.quantity, r.state, r.created_ms
         FROM inventory_reservation r
         JOIN v_catalog_variant v ON v.variant_id = r.variant_id
         JOIN inventory_warehouse w ON w.id = r.warehouse_id
         WHERE (?1 IS NULL OR r.variant_id = ?1) AND (?2 IS NULL OR r.owner_id = ?2) AND r.seq < ?3
         ORDER BY r.seq DESC LIMIT ?4",
        (variant, owner, before, limit),
        |row| {
            Ok(ReservationRow {
                seq: row.get(0)?,
                id: row.get(1)?,
                owner: row.get(2)?,
                variant: row.get(3)?,
                sku: row.get(4)?,
                warehouse: row.get(5)?,
                warehouse_code: row.get(6)?,
                quantity: row.get(7)?,
                state: row.get(8)?,
                created: row.get(9)?,
            })
        },
    )
}

/// The SKU of a variant, if there is such a variant.
pub fn sku_of(tx: &ReadTx<'_>, variant: VariantId) -> Result<Option<String>, DbError> {
    tx.one("SELECT sku FROM v_catalog_variant WHERE variant_id = ?1", [variant], |row| row.get(0))
}

/// Levels that differ from their movements or reservations (SC5).
pub fn drift(tx: &ReadTx<'_>) -> Result<Vec<Drift>, DbError> {
    tx.all(
        "SELECT l.variant_id, l.warehouse_id, l.on_hand, coalesce(m.total, 0), l.reserved, coalesce(r.total, 0)
         FROM inventory_level l
         LEFT JOIN (SELECT variant_id, warehouse_id, sum(quantity) AS total FROM inventory_movement
                    GROUP BY variant_id, warehouse_id) m
                ON m.variant_id = l.variant_id AND m.warehouse_id = l.warehouse_id
         LEFT JOIN (SELECT variant_id, warehouse_id, sum(quantity) AS total FROM inventory_reservation
                    WHERE state = 'open' GROUP BY variant_id, warehouse_id) r
                ON r.variant_id = l.variant_id AND r.warehouse_id = l.warehouse_id
         WHERE l.on_hand <> coalesce(m.total, 0) OR l.reserved <> coalesce(r.total, 0) LIMIT 1000",
        [],
        |row| {
            Ok(Drift {
                variant: row.get(0)?,
                warehouse: row.get(1)?,
                on_hand: row.get(2)?,
                moved: row.get(3)?,
                reserved: row.get(4)?,
                promised: row.get(5)?,
            })
        },
    )
}

/// How many levels there are.
pub fn levels_count(tx: &ReadTx<'_>) -> Result<i64, DbError> {
    tx.value("SELECT count(*) FROM inventory_level", [])
}

/// Keeps what a comparison found. Gives its position.
pub fn reconciliation_insert(tx: &WriteTx<'_>, row: &Reconciliation) -> Result<i64, DbError> {
    tx.insert(
        "INSERT INTO inventory_reconciliation (at_ms, took_ms, levels, drifted, differences, actor_kind, actor_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (row.at, row.took_ms, row.levels, row.drifted, &row.differences, row.actor.0, row.actor.1),
    )
}

/// Forgets comparisons before the last `kept`.
pub fn reconciliations_trim(tx: &WriteTx<'_>, last: i64, kept: u32) -> Result<(), DbError> {
    tx.run("DELETE FROM inventory_reconciliation WHERE seq <= ?1", [last.saturating_sub(i64::from(kept))])?;
    Ok(())
}

/// When stock was compared last.
pub fn reconciliation_last(tx: &ReadTx<'_>) -> Result<Option<Timestamp>, DbError> {
    tx.one("SELECT at_ms FROM inventory_reconciliation ORDER BY seq DESC LIMIT 1", [], |row| row.get(0))
}

/// Comparisons before a position, newest first.
pub fn reconciliations_list(tx: &ReadTx<'_>, before: i64, limit: u32) -> Result<Vec<Reconciliation>, DbError> {
    tx.all(
        "SELECT seq, at_ms, took_ms, levels, drifted, differences, actor_kind, actor_id FROM inventory_reconciliation
         WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2",
        (before, limit),
        |row| {
            Ok(Reconciliation {
                seq: row.get(0)?,
                at: row.get(1)?,
                took_ms: row.get(2)?,
                levels: row.get(3)?,
                drifted: row.get(4)?,
                differences: row.get(5)?,
                actor: (row.get(6)?, row.get(7)?),
            })
        },
    )
}
