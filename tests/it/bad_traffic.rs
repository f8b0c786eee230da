//! Deliveries, keys, limits and broken HTTP: what a client can do wrongly with more than one request, or with less than one.

use crate::harness::http::{Ask, Row, Served, UNLIMITED, check, exchange, get, post};
use axum::Router;
use bodega::base::error::Fault;
use bodega::base::id::ChannelId;
use bodega::domain::auth::http::Keeper;
use bodega::kernel::web::call::{Answer, Call, no_content};
use bodega::kernel::web::limits::Limits;
use bodega::kernel::web::{Access, Gate, Route, WebConfig, server};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// RA4.1, D23: nothing of an unsigned delivery is stored, and nobody learns which channels there are.
#[tokio::test]
async fn every_unsigned_delivery_is_refused_and_leaves_nothing() {
    let served = Served::start(UNLIMITED).await;
    let store = served.store("main").await;
    let channel = store.channel().await;
    let unknown = ChannelId::from_array([7; 16]);
    let hook = |channel: ChannelId| Ask::new("POST", &format!("/hooks/shopify/{channel}"));
    let too_large = vec![b' '; 2 * 1024 * 1024 + 1];
    let altered = |(): ()| hook(channel).delivery("{}", "d1").bytes("{ }");
    let rows: Vec<Row> = vec![
        ("no signature", hook(channel).json("{}"), 401, "bad_signature", String::new()),
        (
            "a wrong one",
            hook(channel).json("{}").header("x-shopify-hmac-sha256", "AAAA"),
            401,
            "bad_signature",
            String::new(),
        ),
        (
            "not base64",
            hook(channel).json("{}").header("x-shopify-hmac-sha256", "!"),
            401,
            "bad_signature",
            String::new(),
        ),
        ("an altered body", altered(()), 401, "bad_signature", String::new()),
        ("an unknown channel", hook(unknown).delivery("{}", "d2"), 401, "bad_signature", String::new()),
        (
            "a garbage channel",
            Ask::new("POST", "/hooks/shopify/x").delivery("{}", "d3"),
            401,
            "bad_signature",
            String::new(),
        ),
        (
            "another vendor",
            Ask::new("POST", &format!("/hooks/stripe/{channel}")).delivery("{}", "d4"),
            401,
            "bad_signature",
            String::new(),
        ),
        ("too long", hook(channel).delivery(too_large.clone(), "d5"), 413, "body_too_large", String::new()),
        ("too long in chunks", hook(channel).delivery(too_large, "d6").chunked(), 413, "body_too_large", String::new()),
    ];
    check(&served, rows).await;
    let inbox = served.send(&get(&store, &format!("/api/v1/channels/{channel}/inbox"))).await;
    assert_eq!(inbox.json()["data"], json!([]));
}

/// RA2.2: a signed delivery that cannot be understood is kept, answered 200 and held for a person; the others flow.
#[tokio::test]
async fn every_signed_delivery_that_cannot_be_understood_waits_in_quarantine() {
    let plain = include_str!("../fixtures/shopify/plain.json");
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let odd: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("not JSON", b"order".to_vec()),
        ("deep", deep.into_bytes()),
        (
            "not UTF-8",
            plain
                .replace("Rua", "R\u{fffd}")
                .into_bytes()
                .into_iter()
                .map(|b| if b == 0xbf { 0xff } else { b })
                .collect(),
        ),
        ("a key twice", plain.replacen("{\"id\":", "{\"id\":1,\"id\":", 1).into_bytes()),
        ("a negative quantity", plain.replacen("\"quantity\":2", "\"quantity\":-2", 1).into_bytes()),
        ("a huge quantity", plain.replacen("\"quantity\":2", "\"quantity\":99999999999999999999", 1).into_bytes()),
        ("an unknown currency", plain.replace("\"EUR\"", "\"ZZZ\"").into_bytes()),
        (
            "mixed currencies",
            plain
                .replacen(
                    "{\"amount\":\"57.30\",\"currency_code\":\"EUR\"}",
                    "{\"amount\":\"57.30\",\"currency_code\":\"USD\"}",
                    1,
                )
                .into_bytes(),
        ),
        ("year 0", plain.replace("2026-10-03T18:02:1", "0000-10-03T18:02:1").into_bytes()),
        ("year 9999", plain.replace("2026-10-03T18:02:1", "9999-12-31T18:02:1").into_bytes()),
    ];
    let served = Served::start(UNLIMITED).await;
    let store = served.store("main").await;
    let channel = store.channel().await;
    let hook = Ask::new("POST", &format!("/hooks/shopify/{channel}"));
    for (name, body) in &odd {
        let got = served.send(&hook.clone().delivery(body.clone(), &name.replace(' ', "-"))).await;
        assert_eq!(got.status, 200, "{name}: {got:?}");
    }
    assert_eq!(served.send(&hook.delivery(plain, "good")).await.status, 200);
    let listed = loop {
        let inbox = served.send(&get(&store, &format!("/api/v1/channels/{channel}/inbox?limit=100"))).await.json();
        let rows = inbox["data"].as_array().unwrap().clone();
        if rows.iter().all(|row| row["state"] != "received") {
            break rows;
        }
        tokio::task::yield_now().await;
    };
    // Newest first.
    let states: Vec<(&str, &Value)> =
        listed.iter().rev().map(|row| (row["state"].as_str().unwrap(), &row["error"])).collect();
    for ((name, _), (state, error)) in odd.iter().zip(&states) {
        assert!(
            *state == "quarantined" && error.as_str().is_some_and(|text| text.len() > 10),
            "{name}: {state} {error}"
        );
    }
    assert_eq!(states.last().unwrap().0, "done", "{states:?}");
}

/// D6: a key stands for one request.
#[tokio::test]
async fn a_key_that_was_used_for_another_body_is_refused() {
    let served = Served::start(UNLIMITED).await;
    let store = served.store("main").await;
    let make = |name: &str| {
        let body = json!({ "code": "MAIN", "name": name }).to_string();
        post(&store, "/api/v1/warehouses", body).header("idempotency-key", "\"w-1\"")
    };
    let first = served.send(&make("Main")).await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (201, ""));
    let again = served.send(&make("Main")).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, "true"));
    assert_eq!(again.body, first.body);
    let reused = served.send(&make("Other")).await;
    assert_eq!((reused.status, reused.complaint().0.as_str()), (422, "idempotency_key_reused"));
}

/// RA7.2: who asks too often learns when to come back.
#[tokio::test]
async fn a_limit_says_what_is_left_and_when_to_come_back() {
    let served = Served::start(Limits { api: 3, ..UNLIMITED }).await;
    let store = served.store("main").await;
    for left in [2, 1, 0] {
        let got = served.send(&get(&store, "/api/v1/orders")).await;
        assert_eq!(got.status, 200);
        assert_eq!(got.header("ratelimit-policy"), "\"api\";q=3;w=60");
        assert!(got.header("ratelimit").starts_with(&format!("\"api\";r={left};t=")), "{}", got.header("ratelimit"));
    }
    let refused = served.send(&get(&store, "/api/v1/orders")).await;
    assert_eq!((refused.status, refused.complaint().0.as_str()), (429, "rate_limited"));
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait));
    assert!(refused.header("ratelimit").starts_with("\"api\";r=0;t="), "{}", refused.header("ratelimit"));
    served.clock.advance(Duration::from_secs(wait + 60));
    assert_eq!(served.send(&get(&store, "/api/v1/orders")).await.status, 200);
}

/// RV14: what is not HTTP, or too much of it, ends the connection and nothing else.
#[tokio::test]
async fn broken_http_and_endless_headers_are_answered_or_closed() {
    let served = Served::start(UNLIMITED).await;
    let many: String =
        (0..150).map(|n| n.to_string()).flat_map(|n| ["x-".to_owned(), n, ": 1\r\n".to_owned()]).collect();
    let long = format!("x-long: {}\r\n", "a".repeat(300_000));
    for (name, head, statuses) in [
        ("many headers", many.as_str(), [431, 431]),
        ("a long header", long.as_str(), [431, 431]),
        ("a header without a name", ": x\r\n", [400, 400]),
        ("a broken length", "content-length: many\r\n", [400, 400]),
        ("two lengths", "content-length: 1\r\ncontent-length: 2\r\n", [400, 400]),
        ("a broken coding", "transfer-encoding: zip\r\n", [400, 501]),
    ] {
        let bytes = format!("POST /api/v1/session HTTP/1.1\r\nhost: a\r\n{head}\r\n");
        if let Some(got) = served.send_bytes(bytes.as_bytes()).await {
            assert!(statuses.contains(&got.status), "{name}: {got:?}");
        }
    }
    let _closed_or_refused = served.send_bytes(b"\x16\x03\x01 hello\r\n\r\n").await;
    assert_eq!(served.send(&Ask::new("GET", "/healthz")).await.status, 200);
}

async fn never_called(_call: Call) -> Result<Answer, Fault> {
    Ok(no_content())
}

/// RV14: who sends a body slower than it may take is refused, and holds nothing up.
#[tokio::test]
async fn a_slow_body_is_given_up() {
    let served = Served::start(UNLIMITED).await;
    let keeper = Arc::new(Keeper::new(TaskTracker::new()));
    let gate = Gate::new(Arc::clone(&served.shared), keeper, &WebConfig { limits: UNLIMITED });
    let mut route = Route::post("/slow", "slow", Access::Public, never_called).raw_body(100);
    route.body_time = Duration::from_millis(50);
    let router: Router = gate.router(&[route]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(server::serve(listener, router, stop.clone()));
    let got = exchange(address, b"POST /slow HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
    assert_eq!((got.status, got.complaint().0.as_str()), (400, "body_too_slow"));
    stop.cancel();
}
