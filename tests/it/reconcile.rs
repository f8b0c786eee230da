//! Stock is compared with its movements and reservations, each night and when somebody asks (SC5, CX7, D33).

use crate::harness::shop::{Shop, order};
use bodega::app::sweeps;
use bodega::kernel::command::Command;
use bodega::kernel::permit::Permission;
use serde_json::json;
use std::time::Duration;

static BREAK: Command = Command::new("test.break", Permission::InventoryWrite);

const PATH: &str = "/api/v1/inventory/reconciliations";

/// SC5, D33: a difference is told, with what the level says and what made it.
#[tokio::test(flavor = "multi_thread")]
async fn each_difference_is_named_and_explained_and_nothing_is_corrected() {
    let shop = Shop::open_at_rest().await;
    let variant = shop.article("DRIFTS", "5.00", 7, 4).await;
    shop.sell(&order(9201, &[("DRIFTS", 2, 500)])).await;
    let levels = shop.count("SELECT count(*) FROM inventory_level").await;
    let clean = shop.call("POST", PATH, &[], None).await.expect(201);
    assert_eq!((&clean["levels"], &clean["drifted"], &clean["differences"]), (&json!(levels), &json!(0), &json!([])));

    let (main, depot) = (shop.warehouse("MAIN").await, shop.warehouse("DEPOT").await);
    let scope = shop.scope().await;
    let spoil = scope.write(&BREAK, move |cx| {
        let more = "UPDATE inventory_level SET on_hand = on_hand + 3 WHERE variant_id = ?1 AND warehouse_id = ?2";
        let held = "UPDATE inventory_level SET reserved = 1 WHERE variant_id = ?1 AND warehouse_id = ?2";
        Ok((cx.tx().run(more, (variant, main))?, cx.tx().run(held, (variant, depot))?))
    });
    assert_eq!(spoil.await.unwrap(), (1, 1));
    let key = [("idempotency-key", "look-1")];
    let found = shop.call("POST", PATH, &key, None).await.expect(201);
    let mut said: Vec<_> = found["differences"].as_array().unwrap().iter().collect();
    said.sort_by_key(|row| row["warehouse_code"].to_string());
    let said: Vec<_> =
        said.iter().map(|row| (row["sku"].as_str().unwrap(), row["explanation"].as_str().unwrap())).collect();
    assert_eq!(
        said,
        [
            ("DRIFTS", "1 reserved, but the open reservations make 0"),
            ("DRIFTS", "10 on hand, but the movements make 7"),
        ]
    );
    assert_eq!(shop.level(variant, "MAIN").await, (10, 2), "nothing is corrected");
    let again = shop.call("POST", PATH, &key, None).await;
    assert_eq!((again.status, &again.body), (201, &found), "a repeat finds what was found");
    let listed = shop.list(PATH).await;
    assert_eq!(listed.iter().map(|row| row["drifted"].as_i64().unwrap()).collect::<Vec<_>>(), [2, 0]);
    let facts = shop.count("SELECT count(*) FROM journal WHERE kind = 'inventory.reconciled'").await;
    assert_eq!(facts, 2);
}

/// CX7
#[tokio::test(flavor = "multi_thread")]
async fn stock_is_compared_once_a_night() {
    let shop = Shop::open_at_rest().await;
    let round = async || {
        sweeps::round(&shop.shared, &shop.tenant()).await.unwrap();
        shop.count("SELECT count(*) FROM inventory_reconciliation").await
    };
    // The clock stands at midnight: the night before has not been compared yet.
    assert_eq!((round().await, round().await), (1, 1));
    shop.advance(Duration::from_mins(2 * 60 + 59)).await;
    assert_eq!(round().await, 1);
    shop.advance(Duration::from_mins(1)).await;
    assert_eq!((round().await, round().await), (2, 2));
    let last = &shop.list(PATH).await[0];
    assert_eq!((&last["drifted"], &last["actor"]["kind"]), (&json!(0), &json!("system")));
}
