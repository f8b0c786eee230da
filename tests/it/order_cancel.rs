//! Orders of the store's own are cancelled by a person: what they held goes back or is written off, and those who wait get it.

use crate::harness::shop::{Shop, order};
use serde_json::{Value, json};

async fn place(shop: &Shop, sku: &str, pieces: i64) -> Value {
    let line = json!({ "sku": sku, "quantity": pieces, "unit_price": { "amount": "5.00", "currency": "EUR" } });
    shop.post("/api/v1/orders", &json!({ "currency": "EUR", "lines": [line] })).await.expect(201)
}

fn cancel_path(order: &Value) -> String {
    format!("/api/v1/orders/{}/cancel", order["id"].as_str().unwrap())
}

/// SC1, RA1.2
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_gives_its_stock_to_those_who_wait_for_it() {
    let shop = Shop::open_at_rest().await;
    let variant = shop.article("GONE", "5.00", 3, 0).await;
    let own = place(&shop, "GONE", 3).await;
    let waits = shop.sell(&order(9101, &[("GONE", 2, 500)])).await;
    assert_eq!(shop.order_of(&waits).await["short_quantity"], 2);

    let body = json!({ "reason": "Bought twice" });
    let key = [("idempotency-key", "cancel-1")];
    let cancelled = shop.call("POST", &cancel_path(&own), &key, Some(&body)).await.expect(200);
    assert_eq!((&cancelled["status"], &cancelled["payment_status"]), (&json!("cancelled"), &json!("voided")));
    assert_eq!(cancelled["payments"][0]["status"], "cancelled");
    assert_eq!(shop.level(variant, "MAIN").await, (3, 2), "the one that waited has its pieces");
    assert_eq!(shop.order_of(&waits).await["short_quantity"], 0);
    let again = shop.call("POST", &cancel_path(&own), &key, Some(&body)).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, "true"));
    let twice = shop.post(&cancel_path(&own), &body).await;
    assert_eq!((twice.status, twice.body["code"].as_str()), (409, Some("order_cancelled")));

    let steps = shop.list(&format!("/api/v1/orders/{}/timeline", own["id"].as_str().unwrap())).await;
    let said: Vec<&str> = steps.iter().map(|step| step["summary"].as_str().unwrap()).collect();
    let expected =
        ["Placed", "Reserved 3 × GONE", "Cancelled: Bought twice", "Gave back 3 × GONE", "Payment no longer awaited"];
    assert_eq!(said, expected);
    shop.assert_sound().await;
}

/// RA1.2: pieces that are not for sale again leave with a movement that says why.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_whose_pieces_are_written_off_takes_them_out_of_the_stock() {
    let shop = Shop::open_at_rest().await;
    let variant = shop.article("BROKEN", "5.00", 2, 4).await;
    let own = place(&shop, "BROKEN", 3).await;
    shop.post(&cancel_path(&own), &json!({ "restock": false })).await.expect(200);
    let levels = (shop.level(variant, "MAIN").await, shop.level(variant, "DEPOT").await);
    assert_eq!(levels, ((2, 0), (1, 0)), "they were held where all three were");
    let movements = shop.list(&format!("/api/v1/inventory/movements?variant_id={variant}")).await;
    let last = &movements[0];
    assert_eq!((&last["kind"], &last["quantity"]), (&json!("damage"), &json!(-3)), "{last}");
    assert_eq!(last["reason"], format!("order {} cancelled", own["number"]));
    shop.assert_sound().await;
}

/// What cannot be cancelled here says why, and nothing of it changes.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_cannot_be_cancelled_says_why() {
    let shop = Shop::open_at_rest().await;
    let variant = shop.article("KEPT", "5.00", 3, 0).await;
    let sold = shop.order_of(&shop.sell(&order(9102, &[("KEPT", 2, 500)])).await).await;
    let refused = shop.post(&cancel_path(&sold), &json!({})).await;
    assert_eq!((refused.status, refused.body["code"].as_str()), (409, Some("order_of_channel")));
    let own = place(&shop, "KEPT", 1).await;
    for (body, pointer) in [(json!({ "reason": "x".repeat(201) }), "/reason"), (json!({ "refund": true }), "/refund")] {
        let refused = shop.post(&cancel_path(&own), &body).await;
        assert_eq!((refused.status, refused.body["errors"][0]["pointer"].as_str()), (422, Some(pointer)), "{body}");
    }
    let nobody = shop.post("/api/v1/orders/ord_01m7z264g4e00r33pr00vcmxxz/cancel", &json!({})).await;
    assert_eq!((nobody.status, nobody.body["code"].as_str()), (404, Some("order_not_found")));
    assert_eq!(shop.level(variant, "MAIN").await, (3, 3));
}
