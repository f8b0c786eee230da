//! Stock over HTTP.

use super::model::{Adjustment, LOW_STOCK, LevelFilter, LevelRow, Movement, MovementKind, Warehouse};
use super::queries;
use super::service::{self, NewWarehouse};
use crate::base::clock::Timestamp;
use crate::base::complaints::Complaints;
use crate::base::error::{Fault, Place};
use crate::base::id::{MovementId, OrderId, ProductId, ReservationId, VariantId, WarehouseId};
use crate::base::page::{Page, PageRequest};
use crate::base::quantity::QUANTITY_MAX;
use crate::kernel::actor::Actor;
use crate::kernel::permit::Permission;
use crate::kernel::web::call::{Answer, Call, PageQuery, json, json_reply, page, page_number, page_of_few};
use crate::kernel::web::route::{Access, Route};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A warehouse or shop floor.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Warehouse")]
struct WarehouseWire {
    /// Id.
    id: WarehouseId,
    /// Short name.
    code: String,
    /// Name for people.
    name: String,
    /// The code under which Google knows the store.
    store_code: Option<String>,
    /// Lower is asked first.
    priority: i64,
}

/// What one warehouse has of a variant.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Level")]
struct LevelWire {
    /// Of what.
    variant_id: VariantId,
    /// Of which product.
    product_id: ProductId,
    /// SKU.
    sku: String,
    /// Product and variant.
    title: String,
    /// Where.
    warehouse_id: WarehouseId,
    /// Its code.
    warehouse_code: String,
    /// Pieces that lie there.
    on_hand: i64,
    /// Pieces of them that are promised.
    reserved: i64,
    /// Pieces that can still be sold.
    available: i64,
    /// Pieces of the variant that orders wait for, in all warehouses.
    short: i64,
    /// Last change.
    updated_at: Timestamp,
}

/// A change of `on_hand`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Movement")]
struct MovementWire {
    /// Id.
    id: MovementId,
    /// Position.
    seq: i64,
    /// When.
    at: Timestamp,
    /// `receipt`, `sale`, `return`, `adjustment`, `transfer`, `count` or `damage`.
    kind: String,
    /// Pieces, signed.
    quantity: i64,
    /// `on_hand` after it.
    on_hand_after: i64,
    /// Why.
    reason: String,
    /// Anything else.
    note: String,
    /// Who.
    actor: ActorWire,
    /// Of what.
    variant_id: VariantId,
    /// SKU.
    sku: String,
    /// Where.
    warehouse_id: WarehouseId,
    /// Its code.
    warehouse_code: String,
}

/// Who did something.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MovementActor")]
pub(super) struct ActorWire {
    /// `system`, `user`, `token`, `channel` or `operator`.
    kind: &'static str,
    /// Id, where the kind has one.
    name: Option<String>,
}

impl From<(u8, [u8; 16])> for ActorWire {
    fn from((kind, id): (u8, [u8; 16])) -> Self {
        Self { kind: Actor::kind_name(kind), name: Actor::show(kind, id) }
    }
}

/// A promise of pieces.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Reservation")]
struct ReservationWire {
    /// Id.
    id: ReservationId,
    /// Of what.
    variant_id: VariantId,
    /// SKU.
    sku: String,
    /// Where.
    warehouse_id: WarehouseId,
    /// Its code.
    warehouse_code: String,
    /// To whom.
    order_id: OrderId,
    /// Pieces.
    quantity: i64,
    /// `open`, `released`, `consumed` or `expired`.
    state: String,
    /// When it was made.
    created_at: Timestamp,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LevelsQuery {
    /// Part of SKU, barcode or title.
    q: Option<String>,
    /// Only there.
    warehouse_id: Option<WarehouseId>,
    /// Only of it.
    variant_id: Option<VariantId>,
    /// `short`, `out` or `low`.
    state: Option<LevelState>,
    /// Rows, 1 to 250.
    #[schemars(range(min = 1, max = 250))]
    limit: Option<u32>,
    /// Where to read on.
    cursor: Option<String>,
}

#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum LevelState {
    Short,
    Out,
    Low,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MovementsQuery {
    /// Only of it.
    variant_id: Option<VariantId>,
    /// Only there.
    warehouse_id: Option<WarehouseId>,
    /// Rows, 1 to 250.
    #[schemars(range(min = 1, max = 250))]
    limit: Option<u32>,
    /// Where to read on.
    cursor: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReservationsQuery {
    /// Only of it.
    variant_id: Option<VariantId>,
    /// Only for it.
    order_id: Option<OrderId>,
    /// Rows, 1 to 250.
    #[schemars(range(min = 1, max = 250))]
    limit: Option<u32>,
    /// Where to read on.
    cursor: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WarehouseBody {
    /// 1 to 40 of A-Z, a-z, 0-9, `-` and `_`.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{1,40}$"))]
    code: String,
    /// Name for people.
    #[schemars(length(min = 1, max = 200))]
    name: String,
    /// The code under which Google knows the store.
    #[schemars(length(min = 1, max = 64))]
    store_code: Option<String>,
    /// Lower is asked first; 100 if absent.
    #[schemars(range(min = 0, max = 1000))]
    priority: Option<i64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AdjustmentBody {
    /// Of what.
    variant_id: VariantId,
    /// Where.
    warehouse_id: WarehouseId,
    /// Pieces that come or go; not zero.
    #[schemars(range(min = -1_000_000_000, max = 1_000_000_000))]
    delta: i64,
    /// Why.
    kind: AdjustmentKind,
    /// Why, in words.
    #[schemars(length(min = 1, max = 200))]
    reason: String,
    /// Anything else.
    #[schemars(length(max = 2000))]
    note: Option<String>,
}

#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum AdjustmentKind {
    Receipt,
    Adjustment,
    Damage,
    Return,
}

impl From<AdjustmentKind> for MovementKind {
    fn from(kind: AdjustmentKind) -> Self {
        match kind {
            AdjustmentKind::Receipt => Self::Receipt,
            AdjustmentKind::Adjustment => Self::Adjustment,
            AdjustmentKind::Damage => Self::Damage,
            AdjustmentKind::Return => Self::Return,
        }
    }
}

/// The routes of stock.
pub fn routes() -> Vec<Route> {
    let read = Access::Needs(Permission::InventoryRead);
    let write = Access::Needs(Permission::InventoryWrite);
    vec![
        Route::get("/api/v1/warehouses", "warehouses_list", read, warehouses_list)
            .summary("Warehouses, the one that is asked first at the top.")
            .query::<PageQuery>()
            .answers::<Page<WarehouseWire>>(200, "All warehouses."),
        Route::post("/api/v1/warehouses", "warehouse_create", write, warehouse_create)
            .summary("Makes a warehouse.")
            .body::<WarehouseBody>()
            .answers::<WarehouseWire>(201, "The warehouse."),
        Route::get("/api/v1/inventory/levels", "inventory_levels_list", read, levels_list)
            .summary("Stock per variant and warehouse, in the order of the catalog.")
            .query::<LevelsQuery>()
            .answers::<Page<LevelWire>>(200, "The levels."),
        Route::get("/api/v1/inventory/movements", "inventory_movements_list", read, movements_list)
            .summary("Movements of stock, newest first.")
            .query::<MovementsQuery>()
            .answers::<Page<MovementWire>>(200, "The movements."),
        Route::get("/api/v1/inventory/reservations", "inventory_reservations_list", read, reservations_list)
            .summary("Reservations, newest first.")
            .query::<ReservationsQuery>()
            .answers::<Page<ReservationWire>>(200, "The reservations."),
        Route::post("/api/v1/inventory/adjustments", "inventory_adjust", write, adjust)
            .summary("Moves stock by hand. What is promised stays covered.")
            .body::<AdjustmentBody>()
            .answers::<MovementWire>(201, "The movement.")
            .refuses(&[404]),
    ]
}

fn warehouse_wire(row: Warehouse) -> WarehouseWire {
    let Warehouse { id, code, name, store_code, priority } = row;
    WarehouseWire { id, code, name, store_code, priority }
}

async fn warehouses_list(call: Call) -> Result<Answer, Fault> {
    let query: PageQuery = call.query()?;
    let rows = queries::warehouses(call.scope()?).await?;
    json(200, &page_of_few(&query, rows)?.map(warehouse_wire))
}

async fn warehouse_create(call: Call) -> Result<Answer, Fault> {
    let body: WarehouseBody = call.json()?;
    let mut faults = Complaints::default();
    let is_code = body.code.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if !is_code || !(1..=40).contains(&body.code.len()) {
        faults.add("/code", "invalid_code", "`code` needs 1 to 40 of A-Z, a-z, 0-9, - and _.");
    }
    faults.text("/name", &body.name, 1, 200);
    if let Some(code) = &body.store_code {
        faults.text("/store_code", code, 1, 64);
    }
    let priority = body.priority.unwrap_or(100);
    if !(0..=1000).contains(&priority) {
        faults.add("/priority", "out_of_range", "`priority` lies between 0 and 1000.");
    }
    faults.end()?;
    let new = NewWarehouse { code: body.code, name: body.name, store_code: body.store_code, priority };
    let reply = call.scope()?.reply(&service::CREATE_WAREHOUSE, move |cx| {
        let row = service::create_warehouse_in(cx, new)?;
        json_reply(201, &warehouse_wire(row))
    });
    reply.await.map(Answer::Reply)
}

async fn levels_list(call: Call) -> Result<Answer, Fault> {
    let query: LevelsQuery = call.query()?;
    let wanted = page(query.limit, query.cursor.as_deref())?;
    let filter = LevelFilter {
        q: query.q.filter(|q| !q.trim().is_empty()),
        warehouse: query.warehouse_id,
        variant: query.variant_id,
        is_out: query.state == Some(LevelState::Out),
        low: (query.state == Some(LevelState::Low)).then_some(LOW_STOCK),
        is_short: query.state == Some(LevelState::Short),
        after: level_cursor(&wanted)?,
    };
    let limit = wanted.limit.saturating_add(1);
    let rows = queries::levels(call.scope()?, &filter, limit).await?;
    let key = |row: &LevelRow| {
        let mut key = row.seq.to_be_bytes().to_vec();
        key.extend_from_slice(&crate::base::id::TypedId::bytes(row.warehouse));
        key
    };
    let page = Page::cut(rows, wanted.limit, key).map(|row| LevelWire {
        variant_id: row.variant,
        product_id: row.product,
        sku: row.sku,
        title: row.title,
        warehouse_id: row.warehouse,
        warehouse_code: row.warehouse_code,
        on_hand: row.on_hand,
        reserved: row.reserved,
        available: row.on_hand.saturating_sub(row.reserved),
        short: row.short,
        updated_at: row.updated,
    });
    json(200, &page)
}

fn level_cursor(page: &PageRequest) -> Result<Option<(i64, WarehouseId)>, Fault> {
    let Some(bytes) = &page.after else { return Ok(None) };
    let parsed = bytes.split_first_chunk::<8>().and_then(|(seq, warehouse)| {
        let warehouse: [u8; 16] = warehouse.try_into().ok()?;
        Some((i64::from_be_bytes(*seq), WarehouseId::from(warehouse)))
    });
    parsed.map(Some).ok_or_else(|| {
        Fault::field(Place::Parameter("cursor".into()), "invalid_cursor", "`cursor` is not one that was given out.")
    })
}

fn movement_wire(row: Movement, sku: String, warehouse_code: String) -> MovementWire {
    MovementWire {
        id: row.id,
        seq: row.seq,
        at: row.at,
        kind: row.kind,
        quantity: row.quantity,
        on_hand_after: row.on_hand_after,
        reason: row.reason,
        note: row.note,
        actor: row.actor.into(),
        variant_id: row.variant,
        sku,
        warehouse_id: row.warehouse,
        warehouse_code,
    }
}

async fn movements_list(call: Call) -> Result<Answer, Fault> {
    let query: MovementsQuery = call.query()?;
    let wanted = page(query.limit, query.cursor.as_deref())?;
    let before = page_number(&wanted)?.unwrap_or(i64::MAX);
    let limit = wanted.limit.saturating_add(1);
    let rows = queries::movements(call.scope()?, query.variant_id, query.warehouse_id, before, limit).await?;
    let page = Page::cut(rows, wanted.limit, |(row, ..)| row.seq.to_be_bytes().to_vec())
        .map(|(row, sku, code)| movement_wire(row, sku, code));
    json(200, &page)
}

async fn reservations_list(call: Call) -> Result<Answer, Fault> {
    let query: ReservationsQuery = call.query()?;
    let wanted = page(query.limit, query.cursor.as_deref())?;
    let before = page_number(&wanted)?.unwrap_or(i64::MAX);
    let limit = wanted.limit.saturating_add(1);
    let rows = queries::reservations(call.scope()?, query.variant_id, query.order_id, before, limit).await?;
    let page = Page::cut(rows, wanted.limit, |row| row.seq.to_be_bytes().to_vec()).map(|row| ReservationWire {
        id: row.id,
        variant_id: row.variant,
        sku: row.sku,
        warehouse_id: row.warehouse,
        warehouse_code: row.warehouse_code,
        order_id: row.owner,
        quantity: row.quantity,
        state: row.state,
        created_at: row.created,
    });
    json(200, &page)
}

async fn adjust(call: Call) -> Result<Answer, Fault> {
    let body: AdjustmentBody = call.json()?;
    let mut faults = Complaints::default();
    if body.delta == 0 || body.delta.unsigned_abs() > QUANTITY_MAX.unsigned_abs() {
        let detail = format!("`delta` is a whole number up to {QUANTITY_MAX} either way, and not 0.");
        faults.add("/delta", "out_of_range", detail);
    }
    faults.text("/reason", &body.reason, 1, 200);
    let note = body.note.unwrap_or_default();
    faults.text("/note", &note, 0, 2000);
    faults.end()?;
    let adjustment = Adjustment {
        variant: body.variant_id,
        warehouse: body.warehouse_id,
        delta: body.delta,
        kind: body.kind.into(),
        reason: body.reason,
        note,
    };
    let reply = call.scope()?.reply(&service::ADJUST, move |cx| {
        let movement = service::adjust_in(cx, &adjustment)?;
        let (sku, code) = queries::names_of(cx.read(), &movement)?;
        json_reply(201, &movement_wire(movement, sku, code))
    });
    reply.await.map(Answer::Reply)
}
