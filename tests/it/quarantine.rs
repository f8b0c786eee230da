//! What cannot be understood waits in quarantine, and comes out of it on both ways: as a message and as a dead letter.

use crate::harness::process::{Http, Store, desk};
use bodega::integrations::shopify::verify::sign;
use serde_json::json;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(60);

async fn deliver(store: &Store, number: u32, topic: &str, body: &[u8]) {
    let secret = store.told("/channels/shopify/secret");
    let headers = [
        ("x-shopify-topic", topic.to_owned()),
        ("x-shopify-webhook-id", format!("delivery-{number}")),
        ("x-shopify-hmac-sha256", sign(secret.as_bytes(), body)),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value));
    let path = format!("/hooks/shopify/{}", store.told("/channels/shopify/id"));
    let answered = store.http().send("POST", &path, &headers, body.to_vec()).await.unwrap();
    assert_eq!(answered.status, 200, "{answered:?}");
}

/// The dead letters, once nothing of the intake is open.
async fn dead(http: &Http) -> Vec<serde_json::Value> {
    http.drained(WITHIN).await;
    http.get("/api/v1/jobs/dead-letters").await.body["data"].as_array().unwrap().clone()
}

async fn in_state(http: &Http, channel: &str, state: &str) -> usize {
    let page = http.get(&format!("/api/v1/channels/{channel}/inbox?state={state}")).await;
    page.body["data"].as_array().unwrap().len()
}

/// D2: a dead letter that is retried is worked on, not just called done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retried_dead_letter_takes_its_message_out_of_quarantine_and_works_on_it() {
    let (desk, log) = desk();
    let google = crate::harness::process::google().await;
    let store = Store::start(&desk.path().join("data"), &log, Some(&google.url));
    let (http, channel) = (store.http(), store.told("/channels/shopify/id"));
    deliver(&store, 1, "orders/create", b"{\"id\":").await;
    let first = dead(&http).await;
    assert_eq!((first.len(), in_state(&http, &channel, "quarantined").await), (1, 1), "{first:?}");

    let one = format!("/api/v1/jobs/{}/retry", first[0]["id"].as_str().unwrap());
    for (path, body) in [(one.as_str(), json!({})), ("/api/v1/jobs/dead-letters/retry", json!({}))] {
        let answered = http.post(path, &body).await;
        assert_eq!(answered.status, 200, "{path}: {answered:?}");
        let again = dead(&http).await;
        assert_eq!(again.len(), 1, "after {path} the same body is refused again: {again:?}");
        assert_eq!(
            (in_state(&http, &channel, "quarantined").await, in_state(&http, &channel, "received").await),
            (1, 0)
        );
    }
}

/// RA2.2: what nothing can follow from is kept with its reason and makes no work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_of_a_topic_that_nobody_acts_on_is_kept_and_asks_for_no_job() {
    let (desk, log) = desk();
    let google = crate::harness::process::google().await;
    let store = Store::start(&desk.path().join("data"), &log, Some(&google.url));
    let (http, channel) = (store.http(), store.told("/channels/shopify/id"));
    for _ in 0..2 {
        deliver(&store, 1, "app/ping", b"\xff not json").await;
    }
    let page = http.get(&format!("/api/v1/channels/{channel}/inbox")).await;
    let kept = page.body["data"].as_array().unwrap();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(
        (kept[0]["state"].as_str(), kept[0]["error"].as_str()),
        (Some("ignored"), Some("the topic `app/ping` is not acted on"))
    );
    let jobs = http.get("/api/v1/jobs?kind=channels.intake").await;
    assert_eq!(jobs.body["data"].as_array().unwrap().len(), 0, "{jobs:?}");
}
