//! The last piece is sold once: two hundred buyers at a time, and any sequence of movements.

use crate::harness::machine::Machine;
use crate::harness::shop::{SOON, Shop, order};
use bodega::base::error::{Fault, Kind};
use bodega::base::id::{Id, LineId, VariantId, WarehouseId};
use bodega::base::money::{Currency, Money};
use bodega::base::quantity::Quantity;
use bodega::domain::catalog::model::{Attributes, NewProduct, NewVariant};
use bodega::domain::catalog::service as catalog;
use bodega::domain::inventory::model::{Adjustment, Demand, MovementKind, WhenShort};
use bodega::domain::inventory::service::{self as inventory, NewWarehouse};
use bodega::domain::inventory::store as inventory_store;
use bodega::infra::db::ReadTx;
use bodega::kernel::command::{Command, Cx};
use bodega::kernel::permit::Permission;
use bodega::kernel::scope::Scope;
use futures_util::future::join_all;
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;

/// RA1.2, SC1, SC5: one piece, two hundred orders at once over both doors.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_piece_is_sold_once_to_two_hundred_buyers_at_the_api_and_the_channel() {
    let shop = Shop::open_at_rest().await;
    let variant = shop.article("LAST", "10.00", 1, 0).await;
    let body = json!({
        "currency": "EUR",
        "lines": [{ "variant_id": variant, "quantity": 1, "unit_price": { "amount": "10.00", "currency": "EUR" } }],
    });
    let at_the_api = join_all((0..100).map(|_| shop.post("/api/v1/orders", &body)));
    let at_the_channel = join_all((0..100_u64).map(|number| {
        let shop = &shop;
        async move {
            let body = order(1_000 + number, &[("LAST", 1, 1_000)]).to_string();
            shop.deliver(body.as_bytes(), &format!("d{number}"), &format!("e{number}")).await
        }
    }));
    let (placed, delivered) = tokio::join!(at_the_api, at_the_channel);
    assert!(delivered.iter().all(|answer| answer.status == 200));
    shop.until_count("SELECT count(*) FROM channel_message WHERE state = 'done'", 100, SOON).await;

    let sold_at_the_api = placed.iter().filter(|answer| answer.status == 201).count();
    for refused in placed.iter().filter(|answer| answer.status != 201) {
        assert_eq!((refused.status, refused.body["code"].as_str()), (409, Some("insufficient_stock")), "{refused:?}");
        assert_eq!(refused.body["detail"], "Insufficient stock: 0 left at LAST");
    }
    let reserved = shop.list("/api/v1/orders?stock_status=reserved&limit=250").await;
    let short = shop.list("/api/v1/orders?stock_status=short&limit=250").await;
    assert_eq!(reserved.len(), 1, "one has it");
    assert_eq!(
        (sold_at_the_api + short.len(), sold_at_the_api <= 1),
        (if sold_at_the_api == 1 { 101 } else { 99 }, true)
    );
    assert_eq!(shop.count("SELECT count(*) FROM sales_order").await, if sold_at_the_api == 1 { 101 } else { 100 });
    assert_eq!(shop.level(variant, "MAIN").await, (1, 1));
    assert_eq!(shop.count("SELECT count(*) FROM inventory_reservation").await, 1);
    assert_eq!(
        shop.count("SELECT sum(quantity) FROM inventory_shortfall").await,
        if sold_at_the_api == 1 { 100 } else { 99 }
    );
    shop.assert_sound().await;
}

/// SC12, D14: a page that shows stock follows an order at once, however often it was asked for before.
#[tokio::test]
async fn an_answered_order_is_seen_in_the_list_of_products() {
    let shop = Shop::open_at_rest().await;
    let variant = shop.article("SEEN", "10.00", 5, 0).await;
    let newest = async || shop.list("/api/v1/products?limit=1").await.remove(0)["available"].clone();
    assert_eq!(newest().await, 5);
    let body = json!({
        "currency": "EUR",
        "lines": [{ "variant_id": variant, "quantity": 2, "unit_price": { "amount": "10.00", "currency": "EUR" } }],
    });
    shop.post("/api/v1/orders", &body).await.expect(201);
    assert_eq!(newest().await, 3);
}

/// D32: more lines wait than one receipt serves at once; the rest follows by itself, in their order.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_serves_everybody_who_waits_however_many_they_are() {
    const WAITING: u64 = 330;
    let shop = Shop::open_at_rest().await;
    let variant = shop.article("LONGED-FOR", "10.00", 0, 0).await;
    for chunk in (0..WAITING).collect::<Vec<_>>().chunks(30) {
        let sent = chunk.iter().map(|number| {
            let shop = &shop;
            async move {
                let body = order(2_000 + number, &[("LONGED-FOR", 1, 1_000)]).to_string();
                shop.deliver(body.as_bytes(), &format!("d{number}"), &format!("e{number}")).await.expect(200)
            }
        });
        join_all(sent).await;
    }
    let waiting = i64::try_from(WAITING).unwrap();
    shop.until_count("SELECT count(*) FROM sales_order WHERE short = 1", waiting, SOON).await;
    shop.receive(&variant.to_string(), "MAIN", waiting - 10).await;
    shop.until_count("SELECT count(*) FROM sales_order WHERE short = 1", 10, SOON).await;
    shop.until_count(
        "SELECT count(*) FROM outbox WHERE kind = 'inventory.fill_shortfalls' AND state = 'done'",
        1,
        SOON,
    )
    .await;
    let last: i64 = shop.count("SELECT min(seq) FROM inventory_shortfall WHERE filled = 0").await;
    assert_eq!(last, waiting - 9, "those who came last still wait");
    assert_eq!(shop.level(variant, "MAIN").await, (waiting - 10, waiting - 10));
    shop.assert_sound().await;
}

// --- any sequence

static STEP: Command = Command::new("test.step", Permission::InventoryWrite);

/// What can happen to stock. Numbers pick a variant, a warehouse, an owner and a line.
#[derive(Clone, Debug)]
enum Step {
    Receive { variant: usize, warehouse: usize, pieces: i64 },
    TakeAway { variant: usize, warehouse: usize, pieces: i64 },
    Reserve { owner: u8, lines: Vec<(usize, i64)>, refuse: bool, backwards: bool },
    Release { owner: u8 },
    ReleaseLine { owner: u8, line: usize, pieces: i64 },
    Consume { owner: u8 },
    Fill { variant: usize },
}

const OWNERS: u8 = 12;
const LINES: usize = 3;

fn step() -> impl Strategy<Value = Step> {
    let lines = proptest::collection::vec((0..2_usize, 1..7_i64), 1..=LINES);
    prop_oneof![
        3 => (0..2_usize, 0..2_usize, 1..9_i64)
            .prop_map(|(variant, warehouse, pieces)| Step::Receive { variant, warehouse, pieces }),
        2 => (0..2_usize, 0..2_usize, 1..9_i64)
            .prop_map(|(variant, warehouse, pieces)| Step::TakeAway { variant, warehouse, pieces }),
        5 => (0..OWNERS, lines, any::<bool>(), any::<bool>())
            .prop_map(|(owner, lines, refuse, backwards)| Step::Reserve { owner, lines, refuse, backwards }),
        2 => (0..OWNERS).prop_map(|owner| Step::Release { owner }),
        3 => (0..OWNERS, 0..LINES, 1..7_i64).prop_map(|(owner, line, pieces)| Step::ReleaseLine { owner, line, pieces }),
        2 => (0..OWNERS).prop_map(|owner| Step::Consume { owner }),
        1 => (0..2_usize).prop_map(|variant| Step::Fill { variant }),
    ]
}

struct Ground {
    variants: Vec<VariantId>,
    warehouses: Vec<WarehouseId>,
}

fn owner_id(owner: u8) -> Id {
    Id::from_bytes([owner + 1; 16])
}

fn line_id(owner: u8, line: usize) -> LineId {
    let mut bytes = [owner + 1; 16];
    bytes[0] = u8::try_from(line).unwrap();
    LineId::from_array(bytes)
}

impl Ground {
    fn act(&self, cx: &mut Cx<'_>, step: &Step) -> Result<(), Fault> {
        let adjust = |cx: &mut Cx<'_>, variant: usize, warehouse: usize, delta, kind| {
            let (variant, warehouse) = (self.variants[variant], self.warehouses[warehouse]);
            let adjustment =
                Adjustment { variant, warehouse, delta, kind, reason: "test".to_owned(), note: String::new() };
            inventory::adjust_in(cx, &adjustment).map(drop)
        };
        match step {
            Step::Receive { variant, warehouse, pieces } => {
                adjust(cx, *variant, *warehouse, *pieces, MovementKind::Receipt)
            }
            Step::TakeAway { variant, warehouse, pieces } => {
                adjust(cx, *variant, *warehouse, -pieces, MovementKind::Adjustment)
            }
            Step::Reserve { owner, lines, refuse, backwards } => {
                let demand = |(line, (variant, pieces)): (usize, &(usize, i64))| Demand {
                    line: line_id(*owner, line),
                    variant: self.variants[*variant],
                    quantity: Quantity::new(*pieces).unwrap(),
                };
                let demands: Vec<Demand> = lines.iter().enumerate().map(demand).collect();
                let order: Vec<WarehouseId> =
                    if *backwards { self.warehouses.iter().rev().copied().collect() } else { Vec::new() };
                let when_short = if *refuse { WhenShort::Refuse } else { WhenShort::Record };
                inventory::reserve_in(cx, owner_id(*owner), &demands, &order, when_short).map(drop)
            }
            Step::Release { owner } => inventory::release_in(cx, owner_id(*owner)).map(drop),
            Step::ReleaseLine { owner, line, pieces } => {
                let pieces = Quantity::new(*pieces).unwrap();
                inventory::release_line_in(cx, owner_id(*owner), line_id(*owner, *line), pieces).map(drop)
            }
            Step::Consume { owner } => {
                inventory::consume_in(cx, owner_id(*owner), MovementKind::Sale, "sold").map(drop)
            }
            Step::Fill { variant } => inventory::fill_in(cx, self.variants[*variant], 50).map(drop),
        }
    }
}

/// What must hold after each step, asked of the rows themselves.
const NEVER: [&str; 7] = [
    "SELECT count(*) FROM inventory_level WHERE on_hand < 0 OR reserved < 0 OR reserved > on_hand",
    "SELECT count(*) FROM inventory_shortfall WHERE filled < 0 OR cancelled < 0 OR filled + cancelled > quantity",
    "SELECT count(*) FROM inventory_movement m WHERE on_hand_after <> (SELECT sum(b.quantity) FROM inventory_movement b
     WHERE b.variant_id = m.variant_id AND b.warehouse_id = m.warehouse_id AND b.seq <= m.seq)",
    "SELECT count(*) FROM inventory_reservation WHERE quantity <= 0 OR (state = 'open') <> (closed_ms IS NULL)",
    // Nobody waits while there is something to give.
    "SELECT count(*) FROM inventory_shortfall s JOIN inventory_level l ON l.variant_id = s.variant_id
     WHERE s.filled + s.cancelled < s.quantity AND l.on_hand > l.reserved",
    // A later one is never served while an earlier one gets nothing.
    "SELECT count(*) FROM inventory_shortfall early JOIN inventory_shortfall late ON late.variant_id = early.variant_id AND late.seq > early.seq
     WHERE early.filled = 0 AND early.cancelled = 0 AND late.filled > 0 AND late.cancelled = 0",
    "SELECT count(*) FROM inventory_reservation r WHERE r.state = 'open' AND NOT EXISTS
     (SELECT 1 FROM inventory_level l WHERE l.variant_id = r.variant_id AND l.warehouse_id = r.warehouse_id)",
];

fn check(tx: &ReadTx<'_>) -> Result<(), Fault> {
    let drift = inventory_store::drift(tx)?;
    assert!(drift.is_empty(), "a level differs from its movements or reservations: {drift:?}");
    for wrong in NEVER {
        let rows: i64 = tx.value(wrong, [])?;
        assert_eq!(rows, 0, "{wrong}");
    }
    Ok(())
}

async fn ground(scope: &Scope) -> Ground {
    let mut warehouses = Vec::new();
    for (code, priority) in [("A", 1), ("B", 2)] {
        let new = NewWarehouse { code: code.to_owned(), name: code.to_owned(), store_code: None, priority };
        warehouses.push(inventory::create_warehouse(scope, new).await.unwrap().id);
    }
    let made = scope.write(&STEP, |cx| {
        let price = Money { minor: 100, currency: Currency::parse("EUR").unwrap() };
        let variant = |sku: &str| NewVariant { sku: sku.to_owned(), barcode: None, title: None, price, weight_g: None };
        let attributes = Attributes { title: "Thing".to_owned(), ..Attributes::default() };
        let new = NewProduct { handle: None, attributes, variants: vec![variant("ONE"), variant("TWO")] };
        Ok(catalog::create_product_in(cx, new)?.variants.iter().map(|variant| variant.id).collect::<Vec<_>>())
    });
    Ground { variants: made.await.unwrap(), warehouses }
}

async fn run(steps: Vec<Step>) {
    let machine = Machine::open(4);
    let (_tenant, scope) = machine.store("haus").await;
    let ground = Arc::new(ground(&scope).await);
    for step in steps {
        let (ground, shown) = (Arc::clone(&ground), format!("{step:?}"));
        let done = scope.write(&STEP, move |cx| ground.act(cx, &step)).await;
        if let Err(fault) = done {
            assert_eq!((fault.kind, fault.code), (Kind::Conflict, "insufficient_stock"), "{shown}: {fault}");
        }
        scope.read(Permission::InventoryRead, check).await.unwrap();
    }
    drop(scope);
    assert!(machine.shared.tenants.close(std::time::Duration::from_secs(5)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// SC5: levels are what movements and open reservations say, nothing is negative, and whoever waits is served in turn.
    #[test]
    fn any_sequence_of_movements_and_promises_keeps_the_books(steps in proptest::collection::vec(step(), 40..150)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}

/// Sequences; many in the long form.
fn cases() -> u32 {
    if std::env::var("BODEGA_LONG").is_ok_and(|value| value == "1") { 200 } else { 8 }
}
