//! Once and not less than once: idempotency keys, and a stop in the middle of everything.

use crate::harness::shop::{Answer, SOON, Shop, hook_headers, order};
use bodega::base::money::{Currency, Money};
use bodega::domain::catalog::model::{Attributes, NewProduct, NewVariant};
use bodega::domain::catalog::service as catalog;
use bodega::domain::inventory::model::{Adjustment, MovementKind};
use bodega::domain::inventory::service::{self as inventory, NewWarehouse};
use bodega::integrations::shopify::verify;
use bodega::kernel::command::Command;
use bodega::kernel::outbox::NewJob;
use bodega::kernel::permit::Permission;
use futures_util::future::join_all;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

fn wish(sku: &str, pieces: i64) -> Value {
    json!({ "currency": "EUR", "lines": [{ "sku": sku, "quantity": pieces, "unit_price": { "amount": "10.00", "currency": "EUR" } }] })
}

async fn place(shop: &Shop, key: &str, body: &Value) -> Answer {
    shop.call("POST", "/api/v1/orders", &[("Idempotency-Key", key)], Some(body)).await
}

/// RA3.1, D6: a repeated request has one effect and the same answer; the same key with another body is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_repeated_with_its_key_has_one_effect_and_one_answer() {
    let shop = Shop::open_at_rest().await;
    shop.article("THING", "10.00", 5, 0).await;
    let first = place(&shop, "key-1", &wish("THING", 2)).await;
    let again = place(&shop, "key-1", &wish("THING", 2)).await;
    assert_eq!((first.status, again.status), (201, 201), "{}", first.body);
    assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), ("", "true"));
    assert_eq!((&again.body, again.header("location")), (&first.body, first.header("location")));
    let other = place(&shop, "key-1", &wish("THING", 1)).await;
    assert_eq!((other.status, other.body["code"].as_str()), (422, Some("idempotency_key_reused")));
    let quoted = place(&shop, "\"key-1\"", &wish("THING", 2)).await;
    assert_eq!(quoted.header("idempotent-replayed"), "true", "quoted as the draft writes it");
    assert_eq!(shop.count("SELECT count(*) FROM sales_order").await, 1);
    assert_eq!(shop.count("SELECT sum(reserved) FROM inventory_level").await, 2);
}

/// D6: a refusal by a rule is kept too, so that a repeat does not succeed by chance later; a complaint about the request is not an answer of the command.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_kept_under_its_key() {
    let shop = Shop::open_at_rest().await;
    let variant = shop.article("NONE", "10.00", 0, 0).await;
    let refused = place(&shop, "key-2", &wish("NONE", 1)).await;
    assert_eq!((refused.status, refused.body["code"].as_str()), (409, Some("insufficient_stock")));
    shop.receive(&variant.to_string(), "MAIN", 5).await;
    let again = place(&shop, "key-2", &wish("NONE", 1)).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (409, "true"));
    assert_eq!(again.body["code"], "insufficient_stock");
    assert_eq!(again.header("content-type"), "application/problem+json");
    place(&shop, "key-3", &wish("NONE", 1)).await.expect(201);
    assert_eq!(shop.count("SELECT count(*) FROM sales_order").await, 1);
    shop.assert_sound().await;
}

/// D6: the same request many times at once has one effect; whoever comes while it runs is told to come back.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_many_times_at_once_has_one_effect() {
    let shop = Shop::open_at_rest().await;
    shop.article("THING", "10.00", 50, 0).await;
    let body = wish("THING", 1);
    let answers = join_all((0..40).map(|_| place(&shop, "key-4", &body))).await;
    let fresh = answers.iter().filter(|answer| answer.status == 201 && answer.header("idempotent-replayed").is_empty());
    assert_eq!(fresh.count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!((answer.status, answer.body["code"].as_str()), (409, Some("request_in_progress")));
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert_eq!(shop.count("SELECT count(*) FROM sales_order").await, 1);
    assert_eq!(place(&shop, "key-4", &body).await.header("idempotent-replayed"), "true");
    shop.assert_sound().await;
}

/// What clients were told, in the thick of it.
#[derive(Default)]
struct Told {
    orders: Mutex<Vec<String>>,
    messages: Mutex<Vec<String>>,
    next: AtomicU64,
}

async fn buyer(shop: &Shop, told: &Told) {
    let token = format!("Bearer {}", shop.demo.api_token);
    loop {
        let key = told.next.fetch_add(1, Ordering::Relaxed).to_string();
        let headers = [
            ("authorization", token.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", key.as_str()),
        ];
        match shop.try_send("POST", "/api/v1/orders", &headers, wish("PLENTY", 1).to_string().into()).await {
            Ok(answer) if answer.status == 201 => {
                told.orders.lock().push(answer.body["id"].as_str().unwrap().to_owned());
            }
            Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.body),
            Err(_gone) => return,
        }
    }
}

async fn channel(shop: &Shop, told: &Told) {
    loop {
        let number = 10_000 + told.next.fetch_add(1, Ordering::Relaxed);
        let body = order(number, &[("PLENTY", 1, 1_000)]).to_string();
        let headers = hook_headers(&number.to_string(), &number.to_string());
        let signature = verify::sign(shop.demo.channels.shopify.secret.as_bytes(), body.as_bytes());
        let mut headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.push(("X-Shopify-Hmac-Sha256", &signature));
        match shop.try_send("POST", &shop.demo.channels.shopify.webhook_url, &headers, body.into()).await {
            Ok(answer) if answer.status == 200 => {
                told.messages.lock().push(answer.body["message_id"].as_str().unwrap().to_owned());
            }
            Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.body),
            Err(_gone) => return,
        }
    }
}

/// A stop as SIGTERM asks for it: within ten seconds, with nothing lost that was acknowledged, and nothing done twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_middle_of_everything_loses_nothing_that_was_acknowledged() {
    let shop = Shop::open_at_rest().await;
    let variant = shop.article("PLENTY", "10.00", 1_000_000, 0).await;
    let told = Told::default();
    let stopping = async {
        shop.until("the store is busy", SOON, async || {
            let (orders, messages) = (told.orders.lock().len(), told.messages.lock().len());
            if orders >= 100 && messages >= 100 { Ok(()) } else { Err((orders, messages)) }
        })
        .await;
        shop.ask_to_stop();
    };
    let buyers = join_all((0..6).map(|_| buyer(&shop, &told)));
    let channels = join_all((0..6).map(|_| channel(&shop, &told)));
    tokio::join!(stopping, buyers, channels);
    let started = Instant::now();
    let shop = shop.reopen().await;
    assert!(started.elapsed().as_secs() < 10, "stopped and started in {:?}", started.elapsed());

    let (orders, messages) = (told.orders.into_inner(), told.messages.into_inner());
    for id in &orders {
        shop.get(&format!("/api/v1/orders/{id}")).await;
    }
    for id in &messages {
        let message = shop.message_done(id).await;
        assert_eq!(message["state"], "done", "{message}");
    }
    shop.until_count("SELECT count(*) FROM channel_message WHERE state = 'received'", 0, SOON).await;
    let sold = shop.count("SELECT count(*) FROM sales_order").await;
    assert!(sold >= i64::try_from(orders.len() + messages.len()).unwrap());
    assert_eq!(shop.level(variant, "MAIN").await, (1_000_000, sold));
    assert_eq!(
        shop.count("SELECT count(*) FROM sales_order WHERE channel_id IS NOT NULL").await,
        shop.count("SELECT count(*) FROM channel_message").await
    );
    shop.assert_sound().await;
}

static ASK: Command = Command::background("test.ask", Permission::JobWrite);

/// D17: what the last commits ask for is in the index that the next start goes on from.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_are_asked_for_until_the_very_end_are_done_after_the_next_start() {
    let shop = Shop::open_at_rest().await;
    let variant = shop.article("THING", "10.00", 1, 0).await;
    let scope = shop.scope().await;
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    let asking = tokio::spawn(async move {
        loop {
            let number = counter.load(Ordering::Relaxed);
            let payload = json!({ "variant_id": variant });
            let job =
                NewJob::new("inventory.fill_shortfalls", format!("last-{number}"), String::new(), &payload).unwrap();
            if scope.write(&ASK, move |cx| cx.enqueue(&job)).await.is_err() {
                return;
            }
            counter.store(number + 1, Ordering::Relaxed);
        }
    });
    shop.until("jobs are asked for", SOON, async || if asked.load(Ordering::Relaxed) > 50 { Ok(()) } else { Err(()) })
        .await;
    let shop = shop.reopen().await;
    asking.await.unwrap();
    let done = "SELECT count(*) FROM outbox WHERE subject LIKE 'last-%' AND state = 'done'";
    shop.until_count(done, i64::try_from(asked.load(Ordering::Relaxed)).unwrap(), SOON).await;
}

/// A store that tells no Google has no work for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_google_asks_for_no_pushes() {
    let shop = Shop::open_at_rest().await;
    let tenant = shop.shared.tenants.create(&shop.shared.ids, shop.shared.clock.now(), "other", "Other").await.unwrap();
    let other = shop.scope_of(&tenant).await;
    let main = NewWarehouse { code: "A".to_owned(), name: "A".to_owned(), store_code: None, priority: 1 };
    let warehouse = inventory::create_warehouse(&other, main).await.unwrap().id;
    let made = other.write(&ASK, move |cx| {
        let price = Money { minor: 100, currency: Currency::parse("EUR").unwrap() };
        let variants = vec![NewVariant { sku: "ONE".to_owned(), barcode: None, title: None, price, weight_g: None }];
        let attributes = Attributes { title: "Thing".to_owned(), ..Attributes::default() };
        let variant = catalog::create_product_in(cx, NewProduct { handle: None, attributes, variants })?.variants[0].id;
        let (kind, reason, note) = (MovementKind::Receipt, "test".to_owned(), String::new());
        inventory::adjust_in(cx, &Adjustment { variant, warehouse, delta: 5, kind, reason, note })
    });
    made.await.unwrap();
    let jobs: i64 =
        other.read(Permission::JobRead, |tx| Ok(tx.value("SELECT count(*) FROM outbox", [])?)).await.unwrap();
    assert_eq!(jobs, 0);
    let told = shop.count("SELECT count(*) FROM outbox WHERE kind = 'feeds.push_stock'").await;
    assert!(told > 300, "the demo tells Google of {told} articles");
}
