//! Commands on stock. Each has a face for callers with a scope and one for those who are in a transaction already.

use super::InventoryError;
use super::model::{
    Adjustment, Allocation, Demand, Level, Movement, MovementKind, Pick, Plan, ReservationState, Warehouse, WhenShort,
    plan,
};
use super::store::{self, MovementInsert, OpenReservation};
use crate::base::error::Fault;
use crate::base::id::{Id, LineId, MovementId, VariantId, WarehouseId};
use crate::base::quantity::{QUANTITY_MAX, Quantity};
use crate::infra::db::ReadTx;
use crate::kernel::command::{Command, Cx};
use crate::kernel::journal::{Entity, Fact};
use crate::kernel::outbox::NewJob;
use crate::kernel::permit::Permission;
use crate::kernel::scope::Scope;
use serde::Serialize;

/// Makes a warehouse.
pub const CREATE_WAREHOUSE: Command = Command::new("inventory.create_warehouse", Permission::InventoryWrite);
/// Moves `on_hand` by hand.
pub const ADJUST: Command = Command::new("inventory.adjust", Permission::InventoryWrite);
/// Gives arrived stock to those who wait for it.
pub const FILL: Command = Command::background("inventory.fill_shortfalls", Permission::InventoryWrite);

/// Shortfalls that are filled in the transaction of the receipt; the rest follows as a job (D32).
pub const FILL_AT_ONCE: u32 = 50;

/// The kind of the job that fills what a receipt left over.
pub const FILL_JOB: &str = "inventory.fill_shortfalls";

// --- warehouses

/// A warehouse that is to be made.
#[derive(Clone, Debug)]
pub struct NewWarehouse {
    /// Short name, unique.
    pub code: String,
    /// Name for people.
    pub name: String,
    /// The code under which Google knows the store, if it is one.
    pub store_code: Option<String>,
    /// Lower is asked first.
    pub priority: i64,
}

/// Makes a warehouse in a store.
pub async fn create_warehouse(scope: &Scope, new: NewWarehouse) -> Result<Warehouse, Fault> {
    scope.write(&CREATE_WAREHOUSE, move |cx| create_warehouse_in(cx, new)).await
}

/// Makes a warehouse.
pub fn create_warehouse_in(cx: &mut Cx<'_>, new: NewWarehouse) -> Result<Warehouse, Fault> {
    let NewWarehouse { code, name, store_code, priority } = new;
    let row = Warehouse { id: cx.id(), code, name, store_code, priority };
    store::warehouse_insert(cx.tx(), &row, cx.now()).map_err(|error| {
        if error.is_unique_violation() { InventoryError::CodeTaken(row.code.clone()) } else { error.into() }
    })?;
    let after = serde_json::json!({
        "code": row.code, "name": row.name, "store_code": row.store_code, "priority": row.priority,
    });
    let body = serde_json::json!({ "after": after });
    cx.record(Fact::new("warehouse.created", Entity::Warehouse, row.id, &body)?)?;
    Ok(row)
}

// --- movements

/// Moves `on_hand` in a store.
pub async fn adjust(scope: &Scope, adjustment: Adjustment) -> Result<Movement, Fault> {
    scope.write(&ADJUST, move |cx| adjust_in(cx, &adjustment)).await
}

/// Moves `on_hand`. What is promised stays covered; what arrives goes first to those who wait for it.
pub fn adjust_in(cx: &mut Cx<'_>, adjustment: &Adjustment) -> Result<Movement, Fault> {
    let Adjustment { variant, warehouse, delta, .. } = *adjustment;
    let place = warehouse_code(cx.read(), warehouse)?;
    if store::sku_of(cx.read(), variant)?.is_none() {
        return Err(InventoryError::NoVariant.into());
    }
    if delta > 0 {
        store::level_ensure(cx.tx(), variant, warehouse, cx.now())?;
    }
    let before = store::level_get(cx.read(), variant, warehouse)?;
    let on_hand = before.map_or(0, |level| level.on_hand);
    if on_hand.saturating_add(delta) > QUANTITY_MAX {
        return Err(InventoryError::TooMany(QUANTITY_MAX).into());
    }
    let Some(after) = store::level_move(cx.tx(), variant, warehouse, delta, cx.now())? else {
        let left = before.map_or(0, |level| level.available().get());
        return Err(InventoryError::Insufficient { left, place }.into());
    };
    let movement = write_movement(cx, adjustment, after)?;
    let body = Adjusted {
        warehouse: &place,
        kind: adjustment.kind.name(),
        delta,
        reason: &adjustment.reason,
        before: OnHand { on_hand },
        after: OnHand { on_hand: after },
    };
    cx.record(Fact::new("inventory.adjusted", Entity::Variant, variant, &body)?.touching([variant.into()]))?;
    if delta > 0 && store::is_short(cx.read(), variant)? {
        fill_in(cx, variant, FILL_AT_ONCE)?;
    }
    Ok(movement)
}

#[derive(Serialize)]
struct Adjusted<'a> {
    warehouse: &'a str,
    kind: &'a str,
    delta: i64,
    reason: &'a str,
    before: OnHand,
    after: OnHand,
}

#[derive(Serialize)]
struct OnHand {
    on_hand: i64,
}

/// Whether the store has this warehouse.
pub fn has_warehouse(tx: &ReadTx<'_>, id: WarehouseId) -> Result<bool, Fault> {
    Ok(store::warehouses(tx)?.iter().any(|row| row.id == id))
}

fn warehouse_code(tx: &ReadTx<'_>, id: WarehouseId) -> Result<String, Fault> {
    let all = store::warehouses(tx)?;
    let found = all.into_iter().find(|warehouse| warehouse.id == id);
    found.map(|warehouse| warehouse.code).ok_or_else(|| InventoryError::NoWarehouse.into())
}

fn write_movement(cx: &Cx<'_>, adjustment: &Adjustment, on_hand_after: i64) -> Result<Movement, Fault> {
    let id: MovementId = cx.id();
    let row = MovementInsert {
        id,
        variant: adjustment.variant,
        warehouse: adjustment.warehouse,
        kind: adjustment.kind.name(),
        quantity: adjustment.delta,
        on_hand_after,
        reason: &adjustment.reason,
        note: &adjustment.note,
        actor: (cx.actor().kind_number(), cx.actor().id_bytes()),
        at: cx.now(),
    };
    let seq = store::movement_insert(cx.tx(), &row)?;
    Ok(Movement {
        seq,
        id,
        variant: adjustment.variant,
        warehouse: adjustment.warehouse,
        kind: adjustment.kind.name().to_owned(),
        quantity: adjustment.delta,
        on_hand_after,
        reason: adjustment.reason.clone(),
        note: adjustment.note.clone(),
        actor: (cx.actor().kind_number(), cx.actor().id_bytes()),
        at: cx.now(),
    })
}

// --- promises

/// Promises stock to an owner's lines. `order` says which warehouses are asked, first to last; all by their priority when it is empty.
///
/// With [`WhenShort::Refuse`] nothing is promised unless everything is there. With [`WhenShort::Record`] what is missing becomes a shortfall.
pub fn reserve_in(
    cx: &mut Cx<'_>,
    owner: Id,
    demands: &[Demand],
    order: &[WarehouseId],
    when_short: WhenShort,
) -> Result<Vec<Allocation>, Fault> {
    let all;
    let order = if order.is_empty() {
        all = store::warehouses(cx.read())?.into_iter().map(|warehouse| warehouse.id).collect::<Vec<_>>();
        &all
    } else {
        order
    };
    let may_expire = store::has_expiring(cx.read())?;
    let mut allocations = Vec::with_capacity(demands.len());
    for demand in demands {
        if may_expire {
            release_expired(cx, demand.variant)?;
        }
        let allocation = reserve_line(cx, owner, demand, order)?;
        if !allocation.short.is_zero() && when_short == WhenShort::Refuse {
            return Err(insufficient(cx.read(), demand, &allocation)?.into());
        }
        allocations.push(allocation);
    }
    record_promises(cx, owner, &allocations)?;
    Ok(allocations)
}

#[derive(Serialize)]
struct LinePieces {
    line: LineId,
    variant: VariantId,
    quantity: i64,
}

#[derive(Serialize)]
struct Pieces {
    lines: Vec<LinePieces>,
}

/// One fact for what was promised, one for what is missing.
fn record_promises(cx: &mut Cx<'_>, owner: Id, allocations: &[Allocation]) -> Result<(), Fault> {
    let pieces = |of: fn(&Allocation) -> i64| -> Vec<LinePieces> {
        let lines = allocations.iter().filter(|allocation| of(allocation) > 0);
        lines.map(|a| LinePieces { line: a.line, variant: a.variant, quantity: of(a) }).collect()
    };
    record_pieces(cx, "inventory.reserved", owner, pieces(|a| a.picks.iter().map(|pick| pick.quantity.get()).sum()))?;
    record_pieces(cx, "inventory.shortfall", owner, pieces(|a| a.short.get()))
}

/// One fact for what became of an owner's lines, if anything did.
fn record_pieces(cx: &mut Cx<'_>, kind: &'static str, owner: Id, lines: Vec<LinePieces>) -> Result<(), Fault> {
    if lines.is_empty() {
        return Ok(());
    }
    let touched: Vec<Id> = lines.iter().map(|line| line.variant.into()).collect();
    cx.record(Fact::new(kind, Entity::Order, owner, &Pieces { lines })?.touching(touched))?;
    Ok(())
}

/// Adds pieces of a reservation to what is told of its line.
fn add_pieces(lines: &mut Vec<LinePieces>, of: &OpenReservation, pieces: Quantity) {
    match lines.iter_mut().find(|line| (line.line, line.variant) == (of.line, of.variant)) {
        Some(line) => line.quantity = line.quantity.saturating_add(pieces.get()),
        None => lines.push(LinePieces { line: of.line, variant: of.variant, quantity: pieces.get() }),
    }
}

fn reserve_line(cx: &mut Cx<'_>, owner: Id, demand: &Demand, order: &[WarehouseId]) -> Result<Allocation, Fault> {
    let Demand { line, variant, quantity } = *demand;
    // What the plan would choose, without reading the levels: nearly always the first warehouse has the line whole.
    if let Some(first) = order.first() {
        let pick = Pick { warehouse: *first, quantity };
        if promise(cx, owner, line, variant, pick)? {
            return Ok(Allocation { line, variant, picks: vec![pick], short: Quantity::ZERO });
        }
    }
    let levels = store::levels_of(cx.read(), variant)?;
    let Plan { picks, short } = plan(quantity, &levels, order);
    let allocation = Allocation { line, variant, picks, short };
    for pick in &allocation.picks {
        if !promise(cx, owner, line, variant, *pick)? {
            // The plan was made from this transaction's own snapshot, so the guard can only fail when an invariant is broken.
            return Err(Fault::broken(format!(
                "the level of {variant} at {} changed within a command",
                pick.warehouse
            )));
        }
    }
    if !short.is_zero() {
        store::shortfall_insert(cx.tx(), owner, &allocation, cx.now())?;
    }
    Ok(allocation)
}

/// Promises pieces of one level, if it has them.
fn promise(cx: &Cx<'_>, owner: Id, line: LineId, variant: VariantId, pick: Pick) -> Result<bool, Fault> {
    let has_them = store::level_reserve(cx.tx(), variant, pick, cx.now())?;
    if has_them {
        store::reservation_insert(cx.tx(), cx.id(), owner, (line, variant, pick), None, cx.now())?;
    }
    Ok(has_them)
}

/// The sentence for a refused line: the warehouse with the most, or the SKU when several have some.
fn insufficient(tx: &ReadTx<'_>, demand: &Demand, allocation: &Allocation) -> Result<InventoryError, Fault> {
    let left: i64 = allocation.picks.iter().map(|pick| pick.quantity.get()).sum();
    let place = match allocation.picks.as_slice() {
        [only] => warehouse_code(tx, only.warehouse)?,
        _ => store::sku_of(tx, demand.variant)?.unwrap_or_else(|| demand.variant.to_string()),
    };
    Ok(InventoryError::Insufficient { left, place })
}

/// Gives back what was promised until a time that has passed, so that no sweep has to be awaited.
fn release_expired(cx: &Cx<'_>, variant: VariantId) -> Result<(), Fault> {
    for reservation in store::reservations_expired(cx.read(), variant, cx.now())? {
        store::level_release(cx.tx(), variant, reservation.pick, cx.now())?;
        store::reservation_close(cx.tx(), reservation.seq, ReservationState::Expired, cx.now())?;
    }
    Ok(())
}

/// Takes back all that an owner was promised and no longer waits for. Gives the variants whose availability moved.
pub fn release_in(cx: &mut Cx<'_>, owner: Id) -> Result<Vec<VariantId>, Fault> {
    let mut released = Vec::new();
    for reservation in store::reservations_open(cx.read(), owner)? {
        store::level_release(cx.tx(), reservation.variant, reservation.pick, cx.now())?;
        store::reservation_close(cx.tx(), reservation.seq, ReservationState::Released, cx.now())?;
        add_pieces(&mut released, &reservation, reservation.pick.quantity);
    }
    store::shortfalls_cancel(cx.tx(), owner)?;
    let touched = variants_of(&released);
    record_pieces(cx, "inventory.released", owner, released)?;
    pass_on(cx, &touched)?;
    Ok(touched)
}

fn variants_of(lines: &[LinePieces]) -> Vec<VariantId> {
    let mut variants = Vec::new();
    for line in lines {
        note_once(&mut variants, line.variant);
    }
    variants
}

/// Takes back up to `pieces` of one line: what is missing first, then what is promised. Gives how many pieces that were.
pub fn release_line_in(cx: &mut Cx<'_>, owner: Id, line: LineId, pieces: Quantity) -> Result<Quantity, Fault> {
    let mut left = pieces;
    for shortfall in store::shortfalls_of_line(cx.read(), owner, line)? {
        let part = shortfall.missing.min(left);
        if !part.is_zero() {
            store::shortfall_cancel(cx.tx(), shortfall.seq, part)?;
            left = left.less(part);
        }
    }
    let mut released = Vec::new();
    for reservation in store::reservations_open(cx.read(), owner)?.into_iter().filter(|open| open.line == line).rev() {
        let part = reservation.pick.quantity.min(left);
        if part.is_zero() {
            break;
        }
        shrink(cx, &reservation, part, ReservationState::Released)?;
        let pick = Pick { quantity: part, ..reservation.pick };
        store::level_release(cx.tx(), reservation.variant, pick, cx.now())?;
        left = left.less(part);
        add_pieces(&mut released, &reservation, part);
    }
    let touched = variants_of(&released);
    record_pieces(cx, "inventory.released", owner, released)?;
    pass_on(cx, &touched)?;
    Ok(pieces.less(left))
}

fn shrink(cx: &Cx<'_>, open: &OpenReservation, by: Quantity, state: ReservationState) -> Result<(), Fault> {
    let rest = open.pick.quantity.less(by);
    if rest.is_zero() {
        store::reservation_close(cx.tx(), open.seq, state, cx.now())?;
    } else {
        store::reservation_shrink(cx.tx(), open.seq, rest)?;
    }
    Ok(())
}

/// What an owner was promised leaves the house: one movement of `kind` for each reservation. Gives the pieces that left.
pub fn consume_in(cx: &mut Cx<'_>, owner: Id, kind: MovementKind, reason: &str) -> Result<Quantity, Fault> {
    let mut pieces = 0_i64;
    let mut consumed = Vec::new();
    for reservation in store::reservations_open(cx.read(), owner)? {
        add_pieces(&mut consumed, &reservation, reservation.pick.quantity);
        let after = store::level_consume(cx.tx(), reservation.variant, reservation.pick, cx.now())?;
        let after = after.ok_or_else(|| Fault::broken(format!("no level of {}", reservation.variant)))?;
        store::reservation_close(cx.tx(), reservation.seq, ReservationState::Consumed, cx.now())?;
        let quantity = reservation.pick.quantity.get();
        let sale = Adjustment {
            variant: reservation.variant,
            warehouse: reservation.pick.warehouse,
            delta: quantity.saturating_neg(),
            kind,
            reason: reason.to_owned(),
            note: String::new(),
        };
        write_movement(cx, &sale, after)?;
        pieces = pieces.saturating_add(quantity);
    }
    record_pieces(cx, "inventory.consumed", owner, consumed)?;
    Quantity::new(pieces).ok_or_else(|| InventoryError::TooMany(QUANTITY_MAX).into())
}

fn note_once(list: &mut Vec<VariantId>, variant: VariantId) {
    if !list.contains(&variant) {
        list.push(variant);
    }
}

/// Pieces that became free go to those who wait for them.
fn pass_on(cx: &mut Cx<'_>, variants: &[VariantId]) -> Result<(), Fault> {
    for variant in variants {
        if store::is_short(cx.read(), *variant)? {
            fill_in(cx, *variant, FILL_AT_ONCE)?;
        }
    }
    Ok(())
}

// --- shortfalls

#[derive(Serialize)]
struct Filled {
    variant: VariantId,
    line: LineId,
    quantity: i64,
    still_missing: i64,
}

/// Gives what is available of a variant to those who wait for it, first in, first out, at most `limit` lines; a job takes the rest.
/// Gives the lines that got something.
pub fn fill_in(cx: &mut Cx<'_>, variant: VariantId, limit: u32) -> Result<u32, Fault> {
    let order: Vec<WarehouseId> = store::warehouses(cx.read())?.into_iter().map(|warehouse| warehouse.id).collect();
    let waiting = store::shortfalls_open(cx.read(), variant, limit)?;
    let is_more = u32::try_from(waiting.len()).is_ok_and(|count| count == limit);
    let mut filled = 0_u32;
    for shortfall in waiting {
        let levels = store::levels_of(cx.read(), variant)?;
        let Plan { picks, short } = plan(shortfall.missing, &levels, &order);
        if picks.is_empty() {
            return Ok(filled);
        }
        for pick in &picks {
            promise(cx, shortfall.owner, shortfall.line, variant, *pick)?;
        }
        let got = shortfall.missing.less(short);
        store::shortfall_fill(cx.tx(), shortfall.seq, got)?;
        let body = Filled { variant, line: shortfall.line, quantity: got.get(), still_missing: short.get() };
        let fact = Fact::new("inventory.filled", Entity::Order, shortfall.owner, &body)?.touching([variant.into()]);
        cx.record(fact)?;
        filled = filled.saturating_add(1);
    }
    if is_more && is_available(cx.read(), variant)? {
        cx.enqueue(&fill_job(cx.read(), variant)?)?;
    }
    Ok(filled)
}

fn is_available(tx: &ReadTx<'_>, variant: VariantId) -> Result<bool, Fault> {
    Ok(store::levels_of(tx, variant)?.iter().any(|level: &Level| !level.available().is_zero()))
}

fn fill_job(tx: &ReadTx<'_>, variant: VariantId) -> Result<NewJob, Fault> {
    let label = store::sku_of(tx, variant)?.unwrap_or_default();
    NewJob::new(FILL_JOB, variant.to_string(), label, &serde_json::json!({ "variant_id": variant }))
}
