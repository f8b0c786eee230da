//! What a client can send wrongly, with the exact answer to each.

use crate::harness::http::{Ask, Served, Tenanted, UNLIMITED, exchange};
use axum::Router;
use bodega::base::clock::{Clock as _, Timestamp};
use bodega::base::error::Fault;
use bodega::base::id::{ChannelId, OrderId, TypedId as _};
use bodega::domain::auth::http::Keeper;
use bodega::kernel::permit::{Permission, Rights};
use bodega::kernel::web::call::{Answer, Call, no_content};
use bodega::kernel::web::limits::Limits;
use bodega::kernel::web::{Access, Gate, Route, WebConfig, server};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A request, and the status, code and place of complaint that answer it.
type Row = (&'static str, Ask, u16, &'static str, &'static str);

fn get(store: &Tenanted, path: &str) -> Ask {
    Ask::new("GET", path).token(&store.token)
}

fn post(store: &Tenanted, path: &str, body: impl Into<Vec<u8>>) -> Ask {
    Ask::new("POST", path).token(&store.token).json(body)
}

fn order(change: impl FnOnce(&mut Value)) -> String {
    let price = json!({ "amount": "9.90", "currency": "EUR" });
    let mut body = json!({ "currency": "EUR", "lines": [{ "sku": "TEE-7", "quantity": 1, "unit_price": price }] });
    change(&mut body);
    body.to_string()
}

async fn check(served: &Served, rows: Vec<Row>) {
    let mut wrong = Vec::new();
    for (name, ask, status, code, place) in rows {
        let got = served.send(&ask).await;
        let seen = (got.status, got.complaint());
        if seen != (status, (code.to_owned(), place.to_owned())) {
            wrong.push(format!(
                "{name}: {seen:?}, not {status} {code} {place}\n    {}",
                String::from_utf8_lossy(&got.body)
            ));
        }
        let body = got.json();
        let is_problem = got.header("content-type") == "application/problem+json"
            && body["status"] == json!(got.status)
            && body["request_id"] == got.header("x-request-id")
            && body["title"].as_str().is_some_and(|title| !title.is_empty())
            && body["detail"]
                .as_str()
                .is_some_and(|detail| !detail.is_empty() && (got.status == 400 || !detail.contains("at line")));
        if !is_problem {
            wrong.push(format!("{name} is no problem document: {body}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// RV14: a wrong body is refused at its place and never a fault of ours.
#[tokio::test]
async fn every_wrong_body_is_refused_at_its_place() {
    let served = Served::start(UNLIMITED).await;
    let store = served.store("main").await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_field = format!("{{\"service_account\":{{\"a\":{deep}}}}}");
    let with = |change: fn(&mut Value)| post(&store, "/api/v1/orders", order(change));
    let raw = |body: &[u8]| post(&store, "/api/v1/orders", body);
    let twice = order(|_| {}).replacen("{\"currency\"", "{\"currency\":\"EUR\",\"currency\"", 1);
    let rows: Vec<Row> = vec![
        ("not JSON", raw(b"{"), 400, "malformed_json", ""),
        ("nothing", raw(b""), 400, "malformed_json", ""),
        ("more than one value", raw(format!("{} {{}}", order(|_| {})).as_bytes()), 400, "malformed_json", ""),
        ("not an object", raw(b"7"), 422, "validation_failed", "pointer "),
        ("10,000 levels", raw(deep.as_bytes()), 422, "validation_failed", "pointer "),
        (
            "10,000 levels in a free field",
            Ask::new("PUT", "/api/v1/integrations/google").token(&store.token).json(deep_field),
            400,
            "malformed_json",
            "",
        ),
        ("invalid UTF-8", raw(b"{\"currency\":\"\xff\xfe\"}"), 400, "malformed_json", ""),
        ("half a surrogate pair", raw(br#"{"currency":"\ud800"}"#), 400, "malformed_json", ""),
        ("a key twice", raw(twice.as_bytes()), 422, "validation_failed", "pointer /currency"),
        ("an unknown field", with(|b| b["colour"] = json!(1)), 422, "validation_failed", "pointer /colour"),
        (
            "an unknown field within",
            with(|b| b["lines"][0]["a/b"] = json!(1)),
            422,
            "validation_failed",
            "pointer /lines/0/a~1b",
        ),
        (
            "a missing field",
            with(|b| drop(b["lines"][0].as_object_mut().unwrap().remove("quantity"))),
            422,
            "validation_failed",
            "pointer /lines/0/quantity",
        ),
        ("a wrong type", with(|b| b["lines"] = json!("all")), 422, "validation_failed", "pointer /lines"),
        ("null", with(|b| b["currency"] = Value::Null), 422, "validation_failed", "pointer /currency"),
        ("no lines", with(|b| b["lines"] = json!([])), 422, "validation_failed", "pointer /lines"),
        (
            "201 lines",
            with(|b| b["lines"] = json!(vec![b["lines"][0].clone(); 201])),
            422,
            "validation_failed",
            "pointer /lines",
        ),
        (
            "a quantity of 0",
            with(|b| b["lines"][0]["quantity"] = json!(0)),
            422,
            "validation_failed",
            "pointer /lines/0/quantity",
        ),
        (
            "a negative quantity",
            with(|b| b["lines"][0]["quantity"] = json!(-1)),
            422,
            "validation_failed",
            "pointer /lines/0/quantity",
        ),
        (
            "a huge quantity",
            with(|b| b["lines"][0]["quantity"] = json!(1_000_000_001)),
            422,
            "validation_failed",
            "pointer /lines/0/quantity",
        ),
        (
            "beyond 64 bits",
            with(|b| b["lines"][0]["quantity"] = json!(u64::MAX)),
            422,
            "validation_failed",
            "pointer /lines/0/quantity",
        ),
        (
            "a fraction",
            with(|b| b["lines"][0]["quantity"] = json!(1.5)),
            422,
            "validation_failed",
            "pointer /lines/0/quantity",
        ),
        (
            "an exponent",
            raw(order(|_| {}).replace("\"quantity\":1", "\"quantity\":1e999").as_bytes()),
            400,
            "malformed_json",
            "",
        ),
        ("an unknown currency", with(|b| b["currency"] = json!("ZZZ")), 422, "validation_failed", "pointer /currency"),
        (
            "a currency in small letters",
            with(|b| b["currency"] = json!("eur")),
            422,
            "validation_failed",
            "pointer /currency",
        ),
        (
            "mixed currencies",
            with(|b| b["lines"][0]["unit_price"]["currency"] = json!("USD")),
            422,
            "validation_failed",
            "pointer /lines/0/unit_price/currency",
        ),
        (
            "money as a number",
            with(|b| b["lines"][0]["unit_price"]["amount"] = json!(9.9)),
            422,
            "validation_failed",
            "pointer /lines/0/unit_price/amount",
        ),
        (
            "a third decimal",
            with(|b| b["lines"][0]["unit_price"]["amount"] = json!("9.905")),
            422,
            "validation_failed",
            "pointer /lines/0/unit_price",
        ),
        (
            "a negative price",
            with(|b| b["lines"][0]["unit_price"]["amount"] = json!("-1.00")),
            422,
            "validation_failed",
            "pointer /lines/0/unit_price/amount",
        ),
        (
            "a price of nines",
            with(|b| b["lines"][0]["unit_price"]["amount"] = json!("9".repeat(400))),
            422,
            "validation_failed",
            "pointer /lines/0/unit_price",
        ),
        ("a NUL in a text", with(|b| b["note"] = json!("a\0b")), 422, "validation_failed", "pointer /note"),
        ("a NUL in a key", with(|b| b["external_id"] = json!("\0")), 422, "validation_failed", "pointer /external_id"),
        ("a SKU that nobody knows", with(|_| {}), 422, "variant_not_found", "pointer /lines/0"),
        (
            "neither SKU nor variant",
            with(|b| b["lines"][0]["sku"] = Value::Null),
            422,
            "validation_failed",
            "pointer /lines/0",
        ),
        (
            "an id of another type",
            with(|b| b["lines"][0]["variant_id"] = json!("ord_00000000000000000000000000")),
            422,
            "validation_failed",
            "pointer /lines/0/variant_id",
        ),
        (
            "year 0",
            post(
                &store,
                "/api/v1/tokens",
                json!({ "name": "a", "permissions": ["order.read"], "expires_at": "0000-01-01T00:00:00Z" }).to_string(),
            ),
            422,
            "validation_failed",
            "pointer /expires_at",
        ),
        (
            "year 9999",
            post(
                &store,
                "/api/v1/tokens",
                json!({ "name": "a", "permissions": ["order.read"], "expires_at": "9999-12-31T23:59:59Z" }).to_string(),
            ),
            422,
            "validation_failed",
            "pointer /expires_at",
        ),
        (
            "a time without a zone",
            post(
                &store,
                "/api/v1/tokens",
                json!({ "name": "a", "permissions": ["order.read"], "expires_at": "2027-01-01T00:00:00" }).to_string(),
            ),
            422,
            "validation_failed",
            "pointer /expires_at",
        ),
        (
            "an unknown permission",
            post(&store, "/api/v1/tokens", json!({ "name": "a", "permissions": ["order.read", "root"] }).to_string()),
            422,
            "validation_failed",
            "pointer /permissions/1",
        ),
    ];
    check(&served, rows).await;
}

/// RV14: what surrounds a body is checked before it is read.
#[tokio::test]
async fn every_wrong_request_line_and_header_is_refused() {
    let served = Served::start(UNLIMITED).await;
    let (store, other) = (served.store("main").await, served.store("other").await);
    let foreign = other.channel().await;
    let body = order(|_| {});
    let orders = || Ask::new("POST", "/api/v1/orders").token(&store.token);
    let keyed = |key: &str| orders().json(body.as_str()).header("idempotency-key", key);
    let far: OrderId = served.shared.ids.make();
    let rows: Vec<Row> = vec![
        ("no content type", orders().bytes(body.as_str()), 415, "unsupported_content_type", ""),
        (
            "a form",
            orders().header("content-type", "application/x-www-form-urlencoded").bytes("a=1"),
            415,
            "unsupported_content_type",
            "",
        ),
        (
            "XML",
            orders().header("content-type", "text/xml; charset=utf-8").bytes("<a/>"),
            415,
            "unsupported_content_type",
            "",
        ),
        ("too long, said", orders().json("").header("content-length", "1048577"), 413, "body_too_large", ""),
        ("too long, and sent", orders().json(vec![b' '; 1_048_577]), 413, "body_too_large", ""),
        ("too long, in chunks", orders().json(vec![b' '; 1_048_577]).chunked(), 413, "body_too_large", ""),
        ("an unknown address", get(&store, "/api/v1/nothing"), 404, "no_such_route", ""),
        ("an address outside", get(&store, "/nothing"), 404, "no_such_route", ""),
        ("an address that is not UTF-8", get(&store, "/api/v1/orders/%ff%fe"), 422, "invalid_path", ""),
        ("an address with a NUL", get(&store, "/api/v1/orders/%00"), 422, "validation_failed", "parameter id"),
        (
            "a wrong prefix",
            get(&store, "/api/v1/orders/prd_00000000000000000000000000"),
            422,
            "validation_failed",
            "parameter id",
        ),
        ("an id that is too short", get(&store, "/api/v1/orders/ord_1"), 422, "validation_failed", "parameter id"),
        ("an id of nobody", get(&store, &format!("/api/v1/orders/{far}")), 404, "not_found", ""),
        ("an id of another store", get(&store, &format!("/api/v1/channels/{foreign}")), 404, "channel_not_found", ""),
        (
            "an unknown parameter",
            get(&store, "/api/v1/orders?colour=red"),
            422,
            "validation_failed",
            "parameter colour",
        ),
        (
            "a parameter where there is none",
            get(&store, &format!("/api/v1/orders/{far}?q=1")),
            422,
            "validation_failed",
            "parameter q",
        ),
        ("a parameter twice", get(&store, "/api/v1/orders?q=1&q=2"), 422, "validation_failed", "parameter q"),
        ("a NUL in a search", get(&store, "/api/v1/orders?q=a%00b"), 422, "validation_failed", "parameter q"),
        (
            "an endless search",
            get(&store, &format!("/api/v1/inventory/levels?q={}", "a".repeat(20_000))),
            422,
            "validation_failed",
            "parameter q",
        ),
        ("a wrong word", get(&store, "/api/v1/orders?status=lost"), 422, "validation_failed", "parameter status"),
        ("a cursor of nobody", get(&store, "/api/v1/orders?cursor=!"), 422, "validation_failed", "parameter cursor"),
        (
            "a cursor of another list",
            get(&store, "/api/v1/orders?cursor=AAAA"),
            422,
            "validation_failed",
            "parameter cursor",
        ),
        ("a limit of 0", get(&store, "/api/v1/orders?limit=0"), 422, "validation_failed", "parameter limit"),
        ("a limit of 251", get(&store, "/api/v1/orders?limit=251"), 422, "validation_failed", "parameter limit"),
        ("a limit below zero", get(&store, "/api/v1/orders?limit=-1"), 422, "validation_failed", "parameter limit"),
        ("a limit in words", get(&store, "/api/v1/orders?limit=all"), 422, "validation_failed", "parameter limit"),
        ("an empty key", keyed(""), 422, "validation_failed", "header Idempotency-Key"),
        ("an empty key in quotes", keyed("\"\""), 422, "validation_failed", "header Idempotency-Key"),
        ("a key of 256", keyed(&"k".repeat(256)), 422, "validation_failed", "header Idempotency-Key"),
        ("a key beyond ASCII", keyed("schlüssel"), 422, "validation_failed", "header Idempotency-Key"),
        (
            "a position that is none",
            get(&store, "/api/v1/events").header("last-event-id", "first"),
            422,
            "validation_failed",
            "header Last-Event-ID",
        ),
    ];
    check(&served, rows).await;
    let refused = served.send(&Ask::new("DELETE", "/api/v1/orders").token(&store.token)).await;
    assert_eq!((refused.status, refused.complaint().0.as_str()), (405, "method_not_allowed"));
    assert_eq!(refused.header("allow"), "GET,HEAD,POST");
    for (method, path) in
        [("TRACE", "/api/v1/orders"), ("POST", "/admin/"), ("PUT", "/healthz"), ("BREW", "/openapi.json")]
    {
        let refused = served.send(&Ask::new(method, path)).await;
        assert_eq!((refused.status, refused.complaint().0.as_str()), (405, "method_not_allowed"), "{method} {path}");
        assert!(refused.header("allow").contains("GET"), "{method} {path}");
    }
}

/// RA7.1: what is not a token of this store that counts now is 401, and says why.
#[tokio::test]
async fn every_wrong_credential_is_unauthenticated() {
    let served = Served::start(UNLIMITED).await;
    let store = served.store("main").await;
    let soon = served.clock.now().plus(Duration::from_secs(60));
    let (_, expired) = store.token(Rights::all(), Some(soon)).await;
    let (revoked_id, revoked) = store.token(Rights::all(), None).await;
    let ended = Ask::new("DELETE", &format!("/api/v1/tokens/{revoked_id}")).token(&store.token);
    assert_eq!(served.send(&ended).await.status, 204);
    served.clock.set(soon);
    let (_, poor) = store.token([Permission::OrderRead].into_iter().collect(), None).await;
    let orders = || Ask::new("GET", "/api/v1/orders");
    let other_secret = format!("{}x", &store.token[..store.token.len() - 1]);
    let with = |value: &str| orders().header("authorization", value);
    let rows: Vec<Row> = vec![
        ("nothing", orders(), 401, "not_signed_in", ""),
        ("expired", orders().token(&expired), 401, "token_expired", ""),
        ("revoked", orders().token(&revoked), 401, "token_revoked", ""),
        ("garbage", orders().token("garbage"), 401, "token_invalid", ""),
        ("an endless one", orders().token(&"a".repeat(20_000)), 401, "token_invalid", ""),
        ("a wrong secret", orders().token(&other_secret), 401, "token_invalid", ""),
        ("no token", with("Bearer"), 401, "unknown_auth_scheme", ""),
        ("another scheme", with("Basic dTpw"), 401, "unknown_auth_scheme", ""),
        ("not text", with("Bearer \u{fe}"), 401, "unknown_auth_scheme", ""),
        ("a cookie of nobody", orders().header("cookie", "bodega_session=x"), 401, "session_ended", ""),
        ("without the right", Ask::new("GET", "/api/v1/audit").token(&poor), 403, "permission_missing", ""),
    ];
    check(&served, rows).await;
}

/// RA4.1, D23: nothing of an unsigned delivery is stored, and nobody learns which channels there are.
#[tokio::test]
async fn every_unsigned_delivery_is_refused_and_leaves_nothing() {
    let served = Served::start(UNLIMITED).await;
    let store = served.store("main").await;
    let channel = store.channel().await;
    let unknown = ChannelId::from_array([7; 16]);
    let hook = |channel: ChannelId| Ask::new("POST", &format!("/hooks/shopify/{channel}"));
    let too_large = vec![b' '; 2 * 1024 * 1024 + 1];
    let altered = |_: ()| hook(channel).delivery("{}", "d1").bytes("{ }");
    let rows: Vec<Row> = vec![
        ("no signature", hook(channel).json("{}"), 401, "bad_signature", ""),
        ("a wrong one", hook(channel).json("{}").header("x-shopify-hmac-sha256", "AAAA"), 401, "bad_signature", ""),
        ("not base64", hook(channel).json("{}").header("x-shopify-hmac-sha256", "!"), 401, "bad_signature", ""),
        ("an altered body", altered(()), 401, "bad_signature", ""),
        ("an unknown channel", hook(unknown).delivery("{}", "d2"), 401, "bad_signature", ""),
        ("a garbage channel", Ask::new("POST", "/hooks/shopify/x").delivery("{}", "d3"), 401, "bad_signature", ""),
        (
            "another vendor",
            Ask::new("POST", &format!("/hooks/stripe/{channel}")).delivery("{}", "d4"),
            401,
            "bad_signature",
            "",
        ),
        ("too long", hook(channel).delivery(too_large.clone(), "d5"), 413, "body_too_large", ""),
        ("too long in chunks", hook(channel).delivery(too_large, "d6").chunked(), 413, "body_too_large", ""),
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
    let many: String = (0..150).map(|n| format!("x-{n}: 1\r\n")).collect();
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

/// The largest instant that the clock of a test may be set to is far beyond any token.
#[test]
fn instants_of_the_far_ends_are_not_times() {
    for text in ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z", "2026-02-30T00:00:00Z"] {
        assert!(Timestamp::parse(text).is_err(), "{text}");
    }
}
