//! What Google is told, and when: the jobs of feeds against the sandbox over real HTTP, under a clock that the tests move.

use crate::harness::feeds::{Rig, SECOND, StuckPorts};
use bodega::base::clock::{Clock, Timestamp};
use bodega::base::id::Id;
use bodega::domain::feeds::service::{self, NewFeedAccount};
use bodega::domain::feeds::{PUSH_PRODUCT, PUSH_STOCK, jobs};
use bodega::integrations::google::sandbox::Faults;
use bodega::kernel::command::Command;
use bodega::kernel::outbox::store as outbox;
use bodega::kernel::outbox::{JobRow, JobState};
use bodega::kernel::permit::Permission;
use bodega::kernel::work::JobRun;
use bodega::kernel::work::service as work;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

const ASK: Command = Command::new("test.ask", Permission::FeedWrite);
const MINUTE: Duration = Duration::from_mins(1);

/// D34: the first push puts the product, and its stock as soon as Google shows the product. Waiting for that burns nothing.
#[tokio::test]
async fn a_first_push_makes_the_product_and_then_its_stock() {
    let rig = Rig::running().await;
    rig.faults(Faults { visible_after_ms: 1_200_000, ..Faults::default() }).await;
    let variant = rig.variant("SKU-1").await;
    rig.adjust(variant, 7).await;
    assert_eq!(rig.sandbox.snapshot()["counters"]["requests"], 0);
    rig.advance(SECOND).await;
    rig.until("the stock waits", |rig| rig.job().last_error.is_some()).await;
    let job = rig.job();
    assert_eq!((job.state, job.attempts, job.due), (JobState::Ready, 0, rig.clock.now().plus(Duration::from_secs(30))));
    assert_eq!(rig.items()[0].row.state.name(), "pending");
    rig.advance(Duration::from_mins(20)).await;
    rig.until_done().await;
    let record = rig.sandbox.inventory("SKU-1", "MAIN-1").unwrap();
    assert_eq!((record.quantity, record.inserts, record.effects.len()), (Some(7), 1, 1));
    assert_eq!(record.effects[0].request_id, rig.job().id.to_string(), "a repeat would carry the same key");
    let products = rig.sandbox.snapshot()["records"]["products"].clone();
    assert_eq!((products[0]["offer_id"].as_str(), products[0]["inserts"].as_u64()), (Some("SKU-1"), Some(1)));
    let items = rig.items();
    assert_eq!((items[0].row.state.name(), items[0].stock[0].told.as_ref().unwrap().quantity.get()), ("live", 7));
    let fact = &rig.facts("feed.stock_pushed")[0];
    let body: serde_json::Value = serde_json::from_str(fact.body.as_ref().unwrap()).unwrap();
    assert_eq!(body["stores"][0]["quantity"], serde_json::json!({"before": null, "after": 7}));
    assert_eq!((rig.health().told_24h, rig.health().oldest_waiting), (2, None));
}

/// D34: fifty changes within the window are one push, and a push of what Google knows is no call.
#[tokio::test]
async fn changes_of_one_variant_are_pushed_together() {
    let rig = Rig::running().await;
    let variant = rig.pushed("SKU-1", 100).await;
    for _ in 0..50 {
        rig.adjust(variant, -1).await;
    }
    assert_eq!(rig.jobs(PUSH_STOCK).iter().filter(|job| job.state.is_open()).count(), 1);
    rig.advance(SECOND).await;
    rig.until_done().await;
    let record = rig.sandbox.inventory("SKU-1", "MAIN-1").unwrap();
    assert_eq!((record.quantity, record.inserts), (Some(50), 2));
    let calls = rig.sandbox.snapshot()["counters"]["requests"].clone();
    rig.adjust(variant, 1).await;
    rig.adjust(variant, -1).await;
    rig.advance(SECOND).await;
    rig.until_done().await;
    assert_eq!(rig.sandbox.snapshot()["counters"]["requests"], calls);
}

/// RV2: a failing push is tried at once and 1, 5, 15 and 60 minutes after the run before, then it is a dead letter.
#[tokio::test]
async fn a_failing_push_keeps_to_its_schedule_and_becomes_a_dead_letter() {
    let rig = Rig::running().await;
    rig.faults(Faults { error_503: true, ..Faults::default() }).await;
    let variant = rig.variant("SKU-1").await;
    rig.adjust(variant, 7).await;
    rig.advance(SECOND).await;
    let begin = rig.clock.now();
    for (failed, wait) in (1..).zip([1, 5, 15, 60]) {
        rig.until("the run failed", |rig| rig.job().attempts == failed).await;
        let due = rig.clock.now().plus(MINUTE * wait);
        assert_eq!((rig.job().state, rig.job().due), (JobState::Ready, due));
        rig.advance((MINUTE * wait).saturating_sub(SECOND)).await;
        assert_eq!(rig.job().attempts, failed);
        rig.advance(SECOND).await;
    }
    rig.until("the job gave up", |rig| rig.job().state == JobState::Dead).await;
    let starts: Vec<u64> = rig.attempts().iter().map(|run| run.started.since(begin).as_secs()).collect();
    assert_eq!(starts, [0, 60, 360, 1_260, 4_860]);
    assert_eq!(rig.facts("job.dead_lettered").len(), 1);
    rig.faults(Faults::default()).await;
    let id = rig.job().id;
    rig.scope.write(&work::RETRY, move |cx| work::retry_in(cx, id)).await.unwrap();
    // Five failures have opened the breaker, and the retried job waits for it without burning a run.
    rig.until("the job was parked", |rig| rig.job().state != JobState::Ready).await;
    rig.advance(Duration::from_mins(2)).await;
    rig.until_done().await;
    assert_eq!(rig.quantity("SKU-1"), Some(7));
}

/// D1, RV2: two days without a line burn nothing, and everything is told when it is back, oldest first.
#[tokio::test]
async fn two_days_offline_burn_no_attempt() {
    let rig = Rig::running().await;
    rig.pushed("SKU-0", 1).await;
    rig.faults(Faults { offline: true, ..Faults::default() }).await;
    let skus = ["SKU-1", "SKU-2", "SKU-3", "SKU-4", "SKU-5", "SKU-6"];
    for sku in skus {
        let variant = rig.variant(sku).await;
        rig.adjust(variant, 5).await;
        rig.clock.advance(Duration::from_millis(10));
    }
    rig.advance(SECOND).await;
    rig.until("the line is parked", |rig| rig.jobs(PUSH_STOCK).iter().any(|job| job.state == JobState::Waiting)).await;
    for _ in 0..48 {
        rig.advance(Duration::from_hours(1)).await;
        let now = rig.clock.now();
        rig.until("the line was tried", |rig| {
            rig.jobs(PUSH_STOCK).iter().any(|job| job.updated >= now && job.state == JobState::Waiting)
        })
        .await;
    }
    let open: Vec<JobRow> = rig.jobs(PUSH_STOCK).into_iter().filter(|job| job.state.is_open()).collect();
    assert_eq!(open.len(), skus.len());
    assert!(open.iter().all(|job| job.attempts == 0 && job.lease_losses == 0));
    assert!(rig.health().oldest_waiting.unwrap() < rig.clock.now().minus(Duration::from_hours(47)));
    rig.faults(Faults::default()).await;
    rig.advance(Duration::from_hours(1)).await;
    rig.until_done().await;
    assert!(skus.iter().all(|sku| rig.quantity(sku) == Some(5)));
    let first = &rig.facts("feed.stock_pushed")[1];
    assert!(first.body.as_ref().unwrap().contains("SKU-1"), "{first:?}");
    assert!(rig.jobs(PUSH_STOCK).iter().all(|job| job.attempts == 1));
}

/// Offline is not failure, and neither is an older version: what Google has that is newer stands, and the stock goes on.
#[tokio::test]
async fn a_newer_version_at_google_wins() {
    let rig = Rig::running().await;
    let variant = rig.pushed("SKU-1", 3).await;
    rig.faults(Faults { abort_version: true, ..Faults::default() }).await;
    rig.title("Bancha").await;
    rig.scope.write(&ASK, move |cx| service::enqueue_product_in(cx, variant)).await.unwrap();
    rig.advance(SECOND).await;
    rig.until_done().await;
    assert_eq!(rig.jobs(PUSH_PRODUCT).len(), 1);
    rig.adjust(variant, 2).await;
    rig.advance(SECOND).await;
    rig.until_done().await;
    assert_eq!(rig.quantity("SKU-1"), Some(5));
    let title = |rig: &Rig| rig.sandbox.snapshot()["records"]["products"][0]["title"].as_str().unwrap().to_owned();
    assert_eq!(title(&rig), "Sencha · 100 g");
    rig.faults(Faults::default()).await;
    rig.adjust(variant, 1).await;
    rig.advance(SECOND).await;
    rig.until_done().await;
    assert_eq!(title(&rig), "Bancha · 100 g");
    assert_eq!(rig.facts("feed.product_pushed").len(), 2);
}

/// D1, D34: limits park the line until they end, a minute's and a day's, and burn nothing.
#[tokio::test]
async fn a_used_up_limit_parks_the_line_until_it_ends() {
    let rig = Rig::running().await;
    let variant = rig.pushed("SKU-1", 3).await;
    rig.faults(Faults { minute_limit: Some(1), ..Faults::default() }).await;
    rig.adjust(variant, 1).await;
    rig.advance(SECOND).await;
    rig.until("parked for a minute", |rig| rig.job().state == JobState::Waiting).await;
    assert_eq!(rig.paused_until().await, Some(rig.clock.now().plus(MINUTE)));
    rig.advance(MINUTE).await;
    rig.until_done().await;
    assert_eq!((rig.quantity("SKU-1"), rig.job().attempts), (Some(4), 1));

    rig.faults(Faults { daily_limit: Some(1), ..Faults::default() }).await;
    rig.adjust(variant, 1).await;
    rig.advance(SECOND).await;
    rig.until("parked for the day", |rig| rig.job().state == JobState::Waiting).await;
    let midday = Timestamp::parse("2026-11-21T12:00:00Z").unwrap();
    assert_eq!(rig.paused_until().await, Some(midday));
    rig.advance(midday.since(rig.clock.now()).saturating_sub(SECOND)).await;
    assert_eq!(rig.job().state, JobState::Waiting);
    rig.advance(SECOND).await;
    rig.until_done().await;
    assert_eq!((rig.quantity("SKU-1"), rig.job().attempts), (Some(5), 1));
}

/// D34: with the limits that Google states, the client's own pace keeps it from ever being told 429.
#[tokio::test]
async fn the_pace_stays_below_a_limit_that_google_states() {
    let rig = Rig::running().await;
    rig.faults(Faults { minute_limit: Some(2), ..Faults::default() }).await;
    let skus = ["SKU-1", "SKU-2", "SKU-3"];
    for sku in skus {
        let variant = rig.variant(sku).await;
        rig.adjust(variant, 5).await;
    }
    rig.advance(SECOND).await;
    for _ in 0..6 {
        rig.until("everything has its turn", |rig| {
            rig.jobs(PUSH_STOCK).iter().all(|job| match job.state {
                JobState::Ready => job.due > rig.clock.now(),
                state => state == JobState::Done,
            })
        })
        .await;
        rig.advance(MINUTE).await;
    }
    rig.until_done().await;
    assert!(skus.iter().all(|sku| rig.quantity(sku) == Some(5)));
    assert_eq!(rig.sandbox.snapshot()["counters"]["by_status"]["429"], serde_json::Value::Null);
    assert!(rig.jobs(PUSH_STOCK).iter().all(|job| job.attempts == 1));
}

/// A set-up that lets nothing through is shown with what to do about it, and work goes on by itself when it is right.
#[tokio::test]
async fn an_unregistered_project_parks_and_says_what_to_do() {
    let rig = Rig::running().await;
    rig.faults(Faults { not_registered: true, ..Faults::default() }).await;
    let variant = rig.variant("SKU-1").await;
    rig.adjust(variant, 3).await;
    rig.advance(SECOND).await;
    rig.until("parked", |rig| rig.job().state == JobState::Waiting).await;
    let shown = rig.health().connection.unwrap().last_error.unwrap();
    assert!(shown.contains("register it in the Merchant account"), "{shown}");
    assert!(rig.paused_until().await.is_some());
    rig.faults(Faults::default()).await;
    rig.advance(MINUTE).await;
    rig.until_done().await;
    assert_eq!((rig.quantity("SKU-1"), rig.job().attempts), (Some(3), 1));
    assert_eq!(rig.health().connection.unwrap().last_error, None);
}

/// What Google refuses is a dead letter once, with its reason at the item, until the item changes.
#[tokio::test]
async fn a_refused_item_is_one_dead_letter_until_it_changes() {
    let rig = Rig::running().await;
    let variant = rig.variant("SKU-1").await;
    rig.sql(|tx| assert_eq!(tx.run("UPDATE feed_account SET feed_label = 'us'", []).unwrap(), 1)).await;
    rig.adjust(variant, 3).await;
    rig.advance(SECOND).await;
    rig.until("dead", |rig| rig.job().state == JobState::Dead).await;
    assert_eq!(rig.items()[0].row.state.name(), "rejected");
    assert!(rig.items()[0].row.issue.as_ref().unwrap().contains("feed label"));
    for _ in 0..3 {
        rig.adjust(variant, 1).await;
        rig.advance(SECOND).await;
        rig.until("closed", |rig| !rig.job().state.is_open()).await;
    }
    let dead = rig.jobs(PUSH_STOCK).iter().filter(|job| job.state == JobState::Dead).count();
    assert_eq!((dead, rig.facts("feed.item_rejected").len()), (1, 1));
    rig.sql(|tx| assert_eq!(tx.run("UPDATE feed_account SET feed_label = 'US'", []).unwrap(), 1)).await;
    rig.scope.write(&service::PUSH_NOW, move |cx| service::push_now_in(cx, variant)).await.unwrap();
    rig.queue.poke().await;
    rig.until("told", |rig| rig.items()[0].row.state.name() == "live").await;
    assert_eq!(rig.quantity("SKU-1"), Some(6));
}

/// Without a connection nothing is asked for, what is open ends without a call, and another account begins with nothing told.
#[tokio::test]
async fn another_account_is_told_everything_anew() {
    let rig = Rig::running().await;
    let variant = rig.pushed("SKU-1", 3).await;
    rig.adjust(variant, 1).await;
    rig.scope.write(&service::DISCONNECT, service::disconnect_in).await.unwrap();
    rig.advance(SECOND).await;
    rig.until_done().await;
    assert_eq!(rig.quantity("SKU-1"), Some(3));
    rig.adjust(variant, 1).await;
    assert_eq!(rig.jobs(PUSH_STOCK).iter().filter(|job| job.state.is_open()).count(), 0);
    let account = NewFeedAccount { content_language: "de".to_owned(), ..rig.account() };
    rig.scope.write(&service::CONNECT, move |cx| service::connect_in(cx, account)).await.unwrap();
    assert_eq!(rig.items()[0].row.state.name(), "new");
    rig.until_done().await;
    let products = rig.sandbox.snapshot()["counters"]["products"].clone();
    assert_eq!(products, 2, "the same item in another language");
    assert_eq!(rig.items()[0].row.state.name(), "live");
    let facts = (rig.facts("feed.connected").len(), rig.facts("feed.disconnected").len());
    assert_eq!(facts, (2, 1));
    assert!(rig.facts("feed.connected").iter().all(|row| !row.body.as_ref().unwrap().contains("PRIVATE KEY")));
}

/// D34: an item is pushed again before Google drops it after 30 days.
#[tokio::test]
async fn a_product_is_refreshed_before_it_expires() {
    let rig = Rig::running().await;
    rig.pushed("SKU-1", 3).await;
    let refresh = || rig.scope.write(&service::REFRESH, |cx| service::refresh_due_in(cx, 100));
    rig.advance(Duration::from_hours(24 * 24)).await;
    assert_eq!(refresh().await.unwrap(), 0);
    rig.advance(Duration::from_hours(25)).await;
    rig.faults(Faults { offline: true, ..Faults::default() }).await;
    assert_eq!(refresh().await.unwrap(), 1);
    assert_eq!(refresh().await.unwrap(), 0, "its push is open");
    rig.faults(Faults::default()).await;
    rig.advance(MINUTE).await;
    rig.until_done().await;
    assert_eq!(rig.sandbox.snapshot()["records"]["products"][0]["inserts"], 2);
    assert_eq!(refresh().await.unwrap(), 0);
}

/// D34: a product is told at most twice a day; its price in the store is told at once all the same, and the rest when the day is over.
#[tokio::test]
async fn a_third_change_of_a_day_waits_while_stock_goes_on() {
    let rig = Rig::running().await;
    let variant = rig.pushed("SKU-1", 3).await;
    let title = |rig: &Rig| rig.sandbox.snapshot()["records"]["products"][0]["title"].as_str().unwrap().to_owned();
    for (name, delta) in [("Bancha", 1), ("Gyokuro", 1)] {
        rig.title(name).await;
        rig.adjust(variant, delta).await;
        rig.advance(SECOND).await;
        rig.until("stock told", |rig| !rig.job().state.is_open()).await;
    }
    assert_eq!((rig.quantity("SKU-1"), title(&rig)), (Some(5), "Bancha · 100 g".to_owned()));
    rig.advance(SECOND).await;
    rig.until("the product waits", |rig| rig.jobs(PUSH_PRODUCT).iter().any(|job| job.last_error.is_some())).await;
    let due = rig.jobs(PUSH_PRODUCT)[0].due;
    assert_eq!(due, Timestamp::parse("2026-11-22T09:00:01Z").unwrap());
    rig.advance(due.since(rig.clock.now())).await;
    rig.until_done().await;
    assert_eq!(title(&rig), "Gyokuro · 100 g");
    assert!(rig.jobs(PUSH_PRODUCT).iter().all(|job| job.attempts == 1));
}

/// What is no longer sold has none left in any store, and a price that changed is told in each store.
#[tokio::test]
async fn stores_hear_of_a_new_price_and_of_what_is_no_longer_sold() {
    let rig = Rig::running().await;
    let variant = rig.pushed("SKU-1", 3).await;
    let told = |rig: &Rig| rig.sandbox.inventory("SKU-1", "MAIN-1").unwrap();
    for sql in ["UPDATE catalog_variant SET price_minor = 1490", "UPDATE catalog_product SET status = 'archived'"] {
        rig.sql(move |tx| assert_eq!(tx.run(sql, []).unwrap(), 1)).await;
        rig.scope.write(&ASK, move |cx| service::enqueue_product_in(cx, variant)).await.unwrap();
        rig.advance(SECOND).await;
        rig.until("handed on", |rig| rig.jobs(PUSH_PRODUCT).iter().all(|job| !job.state.is_open())).await;
        rig.advance(SECOND).await;
        rig.until_done().await;
    }
    let amounts = &told(&rig).attributes["price"]["amountMicros"];
    assert_eq!((told(&rig).quantity, amounts.as_str()), (Some(0), Some("14900000")));
    assert_eq!(told(&rig).effects.len(), 3);
    assert_eq!(rig.sandbox.snapshot()["records"]["products"][0]["inserts"], 2);
}

/// The screen's way: connect, look, push, switch off. Credentials go in and never come out.
#[tokio::test]
async fn the_connection_is_driven_over_http() {
    let mut rig = Rig::new().await;
    rig.start().await;
    let variant = rig.variant("SKU-1").await;
    rig.adjust(variant, 3).await;
    let web = rig.web();
    let google = "/api/v1/integrations/google";
    let (status, body) = web.call("GET", google, None).await;
    assert_eq!((status, &body["connected"], &body["account_id"]), (200, &json!(false), &json!(null)));
    let account = |label: &str, key: serde_json::Value| {
        json!({
            "account_id": rig.sandbox.account_id(),
            "data_source": rig.sandbox.data_source(),
            "content_language": "en",
            "feed_label": label,
            "service_account": key,
        })
    };
    let key: serde_json::Value = serde_json::from_str(&rig.sandbox.key_json()).unwrap();
    let (status, body) = web.call("PUT", google, Some(account("us", key.clone()))).await;
    assert_eq!((status, &body["errors"][0]["pointer"]), (422, &json!("/feed_label")), "{body}");
    let (status, body) = web.call("PUT", google, Some(account("US", json!({"type": "service_account"})))).await;
    assert_eq!((status, &body["errors"][0]["pointer"]), (422, &json!("/service_account")), "{body}");
    let push = format!("/api/v1/feeds/items/{variant}/push");
    assert_eq!(web.call("POST", &push, None).await.0, 409);

    let (status, body) = web.call("PUT", google, Some(account("US", key))).await;
    assert_eq!((status, &body["connected"], &body["feed_label"]), (200, &json!(true), &json!("US")), "{body}");
    assert!(!body.to_string().contains("PRIVATE"));
    rig.queue.poke().await;
    rig.until("the first push", |rig| rig.quantity("SKU-1") == Some(3)).await;
    rig.until_done().await;
    let (_, body) = web.call("GET", "/api/v1/feeds/items?q=sku-1&state=live", None).await;
    let item = &body["data"][0];
    assert_eq!((&item["sku"], &item["title"]), (&json!("SKU-1"), &json!("Sencha · 100 g")), "{body}");
    assert_eq!(item["stock"][0]["pushed_quantity"], 3);
    assert_eq!((&item["stock"][0]["available"], &item["stock"][0]["stale"]), (&json!(3), &json!(false)));
    assert_eq!(web.call("GET", "/api/v1/feeds/items?state=rejected", None).await.1["data"], json!([]));

    assert_eq!(web.call("POST", &push, None).await.0, 202);
    rig.queue.poke().await;
    rig.until("told anew", |rig| rig.sandbox.inventory("SKU-1", "MAIN-1").unwrap().inserts == 2).await;
    rig.until_done().await;
    assert_eq!(rig.sandbox.inventory("SKU-1", "MAIN-1").unwrap().effects.len(), 1);
    assert_eq!(web.call("GET", google, None).await.1["pushed_24h"], 2);
    let (status, body) = web.call("DELETE", google, None).await;
    assert_eq!((status, &body["connected"]), (200, &json!(false)));
    assert_eq!(web.call("DELETE", google, None).await.0, 409);
}

/// D3, D4: the process ends between the vendor's work and our record of it. The run is repeated, and the effect stands once.
#[tokio::test]
async fn a_restart_between_a_push_and_its_record_has_no_second_effect() {
    let mut rig = Rig::new().await;
    rig.connect().await;
    let variant = rig.variant("SKU-1").await;
    rig.adjust(variant, 4).await;
    rig.clock.advance(SECOND);
    let (seq, now) = (rig.job().seq, rig.clock.now());
    rig.sql(move |tx| assert!(outbox::job_start(tx, seq, 1, now).unwrap())).await;

    let worked = Arc::new(Notify::new());
    let ports = StuckPorts { ports: Arc::clone(&rig.ports), worked: Arc::clone(&worked) };
    let handlers = jobs::handlers(Arc::new(ports));
    let handler = handlers.iter().find(|handler| handler.policy().kind == PUSH_STOCK).unwrap();
    let run = JobRun::new(rig.scope.clone(), rig.job());
    tokio::select! {
        ended = handler.run(&run) => panic!("the run ended: {ended:?}"),
        () = worked.notified() => {}
    }
    assert_eq!(rig.quantity("SKU-1"), Some(4));
    assert_eq!((rig.job().state, rig.facts("feed.stock_pushed").len()), (JobState::Running, 0));

    rig.start().await;
    rig.until_done().await;
    let record = rig.sandbox.inventory("SKU-1", "MAIN-1").unwrap();
    assert_eq!((record.quantity, record.inserts, record.effects.len()), (Some(4), 2, 1));
    assert_eq!((rig.job().lease_losses, rig.facts("feed.stock_pushed").len()), (1, 1));
    assert_eq!(rig.sandbox.snapshot()["records"]["products"][0]["inserts"], 1, "the product was recorded before");
    assert_eq!(rig.facts("feed.product_pushed")[0].entity_id, *Id::from(variant).as_bytes());
}

/// D4: an answer that is lost burns a run, and the repeat changes nothing.
#[tokio::test]
async fn a_lost_answer_is_repeated_and_has_no_second_effect() {
    let rig = Rig::running().await;
    let variant = rig.pushed("SKU-1", 3).await;
    rig.faults(Faults { lose_answers: true, ..Faults::default() }).await;
    rig.adjust(variant, 1).await;
    rig.advance(SECOND).await;
    rig.until("a run was burned", |rig| rig.job().attempts == 1).await;
    rig.faults(Faults::default()).await;
    rig.advance(MINUTE).await;
    rig.until_done().await;
    let record = rig.sandbox.inventory("SKU-1", "MAIN-1").unwrap();
    assert_eq!((record.quantity, record.inserts, record.effects.len()), (Some(4), 3, 2));
}
