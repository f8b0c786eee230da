//! Orders of a channel follow what it tells (RA2.2): more reserves more, less and removed give back, and whatever the order, repetition and loss of
//! deliveries, the newest state that came is what stands.

use crate::harness::endurance::{figure, rounds, seed};
use crate::harness::shop::{SHOP, SOON, Shop, order};
use bodega::integrations::shopify::sandbox::Dice;
use bodega::integrations::shopify::verify;
use futures_util::future::join_all;
use serde_json::{Value, json};

/// A state of an order as it is delivered: the body, and when Shopify sent it.
struct Told {
    body: Value,
    sent: String,
}

/// The state `number` of an order: every second state falls into the same second as the one before.
fn told(id: u64, number: u64, lines: &[(&str, i64, i64)], paid: &str) -> Told {
    let (second, part) = (number / 2, number % 2);
    let mut body = order(id, lines);
    body["updated_at"] = json!(format!("2026-11-21T10:00:{second:02}+01:00"));
    body["financial_status"] = json!(paid);
    // A line that was taken out is still told of, with nothing left of it.
    for line in body["line_items"].as_array_mut().unwrap() {
        line["current_quantity"] = line["quantity"].clone();
        line["quantity"] = json!(line["quantity"].as_i64().unwrap().max(1));
    }
    for name in ["total_price", "subtotal_price"] {
        body[format!("current_{name}")] = body[name].take();
    }
    let gross: i64 = lines.iter().map(|(_, pieces, price)| pieces.max(&1) * price).sum();
    let money = format!("{}.{:02}", gross / 100, gross % 100);
    (body["total_price"], body["subtotal_price"]) = (json!(money), json!(money));
    Told { body, sent: format!("2026-11-21T09:00:{second:02}.{part}00Z") }
}

/// Delivers a state and gives the message when it was worked on.
async fn deliver(shop: &Shop, told: &Told, delivery: &str) -> Value {
    let body = told.body.to_string();
    let signature = verify::sign(shop.demo.channels.shopify.secret.as_bytes(), body.as_bytes());
    let headers = [
        ("X-Shopify-Topic", "orders/updated"),
        ("X-Shopify-Shop-Domain", SHOP),
        ("X-Shopify-Webhook-Id", delivery),
        ("X-Shopify-Event-Id", delivery),
        ("X-Shopify-Triggered-At", &told.sent),
        ("X-Shopify-Hmac-Sha256", &signature),
    ];
    let receipt = shop.webhook(body, &headers).await.expect(200);
    shop.message_done(receipt["message_id"].as_str().unwrap()).await
}

/// What stands of an order: per SKU the pieces, those that are held or missed for it, and their price; and the head.
fn standing(order: &Value) -> Value {
    let lines = order["lines"].as_array().unwrap().iter();
    let line = |line: &Value| {
        let held = line["reserved"].as_i64().unwrap() + line["short"].as_i64().unwrap();
        json!([line["sku"], line["quantity"], held, line["unit_price"], line["total"]])
    };
    let whole: Vec<Value> = lines.map(line).collect();
    let payments: Vec<_> =
        order["payments"].as_array().unwrap().iter().map(|p| json!([p["status"], p["amount"]])).collect();
    let short = order["short_quantity"].as_i64().unwrap();
    json!([
        whole,
        order["totals"],
        order["difference"],
        order["payment_status"],
        order["status"],
        order["quantity"],
        order["line_count"],
        payments,
        short >= 0
    ])
}

/// RA2.2
#[tokio::test(flavor = "multi_thread")]
async fn more_reserves_more_and_less_and_removed_give_back() {
    let shop = Shop::open_at_rest().await;
    let (one, two) = (shop.article("ONE", "5.00", 4, 10).await, shop.article("TWO", "7.50", 3, 0).await);
    let held = async || {
        let levels = [shop.level(one, "MAIN").await, shop.level(one, "DEPOT").await, shop.level(two, "MAIN").await];
        levels.map(|(_, reserved)| reserved)
    };
    let placed = deliver(&shop, &told(9001, 0, &[("ONE", 2, 500)], "pending"), "a").await;
    assert_eq!(held().await, [2, 0, 0]);
    deliver(&shop, &told(9001, 1, &[("ONE", 6, 500), ("TWO", 5, 750)], "paid"), "b").await;
    assert_eq!(held().await, [2, 4, 3], "what was held stays where it is; the rest comes from where there is enough");
    let order = shop.order_of(&placed).await;
    assert_eq!(
        (&order["short_quantity"], &order["quantity"], &order["line_count"]),
        (&json!(2), &json!(11), &json!(2))
    );
    assert_eq!((&order["payment_status"], &order["payments"][0]["status"]), (&json!("paid"), &json!("captured")));
    assert_eq!((&order["total"]["amount"], &order["flagged"]), (&json!("67.50"), &json!(false)));

    deliver(&shop, &told(9001, 2, &[("ONE", 1, 500), ("TWO", 4, 750)], "paid"), "c").await;
    assert_eq!(
        held().await,
        [1, 0, 3],
        "what is missing is given up first, and what was taken last is given back first"
    );
    assert_eq!(shop.order_of(&placed).await["short_quantity"], 1);
    deliver(&shop, &told(9001, 3, &[("ONE", 0, 500), ("TWO", 1, 750)], "partially_refunded"), "d").await;
    assert_eq!(held().await, [0, 0, 1]);

    let late = deliver(&shop, &told(9001, 1, &[("ONE", 6, 500), ("TWO", 5, 750)], "paid"), "late").await;
    assert_eq!((&late["state"], held().await), (&json!("ignored"), [0, 0, 1]), "{late}");
    let again =
        deliver(&shop, &told(9001, 3, &[("ONE", 0, 500), ("TWO", 1, 750)], "partially_refunded"), "again").await;
    assert_eq!(again["error"], "This state of the order is known already.");

    let path = format!("/api/v1/orders/{}/timeline", order["id"].as_str().unwrap());
    let steps = shop.list(&path).await;
    let said: Vec<&str> = steps.iter().map(|step| step["summary"].as_str().unwrap()).collect();
    assert!(said.iter().any(|said| said.starts_with("Updated: ONE 2 → 6, TWO 0 → 5")), "{said:?}");

    let mut gone = told(9001, 4, &[("TWO", 1, 750)], "refunded");
    gone.body["cancelled_at"] = json!("2026-11-21T10:00:02+01:00");
    deliver(&shop, &gone, "e").await;
    assert_eq!((shop.order_of(&placed).await["status"].as_str(), held().await), (Some("cancelled"), [0, 0, 0]));
    shop.assert_sound().await;
}

/// RA2.2: an order in another currency than before is no state of the same order; a person looks.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_changes_its_currency_waits_for_a_person() {
    let shop = Shop::open_at_rest().await;
    let one = shop.article("ONE", "5.00", 4, 0).await;
    deliver(&shop, &told(9002, 0, &[("ONE", 2, 500)], "paid"), "a").await;
    let mut other = told(9002, 2, &[("ONE", 3, 500)], "paid");
    other.body["currency"] = json!("USD");
    let set_aside = deliver(&shop, &other, "b").await;
    assert_eq!(set_aside["state"], "quarantined");
    assert_eq!(set_aside["error"], "The order was placed in EUR, and is told in USD now.");
    assert_eq!(shop.level(one, "MAIN").await, (4, 2));
}

/// RA2.1, RA2.2: shuffled, repeated and lost deliveries end where one clean delivery of the last state ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_order_repetition_and_loss_of_deliveries_ends_in_the_same_state() {
    const SKUS: [&str; 4] = ["P-1", "P-2", "P-3", "P-4"];
    const PAID: [&str; 5] = ["pending", "authorized", "paid", "partially_refunded", "refunded"];
    let (rounds, seed) = (rounds("BODEGA_SHUFFLES", 40, 1000), seed());
    figure(&format!("order states: {rounds} rounds, BODEGA_SEED={seed}"));
    let mut dice = Dice::seeded(seed);
    let shop = Shop::open_at_rest().await;
    for (sku, pieces) in SKUS.iter().zip([3, 40, 200, 0]) {
        shop.article(sku, "5.00", pieces, pieces / 2).await;
    }
    for round in 0..rounds {
        let id = 50_000 + round * 2;
        let count = 2 + dice.below(8);
        let mut states = Vec::new();
        for number in 0..count {
            let width = 1 + usize::try_from(dice.below(4)).unwrap();
            let pieces: Vec<i64> = (0..width).map(|_| i64::try_from(dice.below(4)).unwrap()).collect();
            let paid = PAID[usize::try_from(dice.below(5)).unwrap()];
            let lines: Vec<_> = SKUS.iter().zip(&pieces).map(|(sku, pieces)| (*sku, *pieces, 500)).collect();
            states.push((number, lines, paid));
        }
        let last = states.pop().unwrap();
        let cancelled = dice.below(8) == 0;
        let last_told = |id: u64| {
            let mut told = told(id, last.0, &last.1, last.2);
            if cancelled {
                told.body["cancelled_at"] = json!("2026-11-21T10:00:09+01:00");
            }
            told
        };
        let mut deliveries: Vec<Told> = Vec::new();
        for (number, lines, paid) in &states {
            // Lost, once, or twice.
            for _ in 0..dice.below(3) {
                deliveries.push(told(id, *number, lines, paid));
            }
        }
        for _ in 0..=dice.below(2) {
            deliveries.push(last_told(id));
        }
        for place in (1..deliveries.len()).rev() {
            deliveries.swap(place, usize::try_from(dice.below(u64::try_from(place + 1).unwrap())).unwrap());
        }
        let names: Vec<String> = (0..deliveries.len()).map(|number| format!("{round}-{number}")).collect();
        let shop = &shop;
        let sent = deliveries.iter().zip(&names).map(|(told, name)| async move { deliver(shop, told, name).await });
        let messages = join_all(sent).await;
        assert!(messages.iter().all(|message| message["state"] != "quarantined"), "round {round}: {messages:?}");

        let clean = deliver(shop, &last_told(id + 1), &format!("{round}-clean")).await;
        let known = messages.iter().find(|message| message["order_id"].is_string()).unwrap();
        let (followed, clean) = (shop.order_of(known).await, shop.order_of(&clean).await);
        // Lines that the last state does not tell of any more are empty.
        let mut followed = followed;
        let told = clean["lines"].as_array().unwrap().len();
        let lines = followed["lines"].as_array_mut().unwrap();
        assert!(lines[told..].iter().all(|line| line["quantity"] == 0 && line["reserved"] == 0 && line["short"] == 0));
        lines.truncate(told);
        assert_eq!(standing(&followed), standing(&clean), "round {round}");
    }
    shop.until_count("SELECT count(*) FROM outbox WHERE kind = 'channels.intake' AND finished_ms IS NULL", 0, SOON)
        .await;
    shop.assert_sound().await;
}
