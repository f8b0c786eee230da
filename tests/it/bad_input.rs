//! What a client can send wrongly, with the exact answer to each.

use crate::harness::http::{Ask, Row, Served, UNLIMITED, check, get, post};
use bodega::base::clock::{Clock as _, Timestamp};
use bodega::base::id::OrderId;
use bodega::kernel::permit::{Permission, Rights};
use serde_json::{Value, json};
use std::time::Duration;

const ORDER: &str =
    r#"{"currency":"EUR","lines":[{"sku":"TEE-7","quantity":1,"unit_price":{"amount":"9.90","currency":"EUR"}}]}"#;
const NO_ORDER: &str = "ord_00000000000000000000000000";

/// A body with one value put in at a pointer whose last part may be new.
fn changed(pointer: &str, value: &Value) -> String {
    let mut body: Value = serde_json::from_str(ORDER).unwrap();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[key] = value.clone();
    body.to_string()
}

/// What is put where, and the place that is complained of.
fn wrong_values() -> Vec<(&'static str, &'static str, Value, &'static str)> {
    let line = json!({ "sku": "TEE-7", "quantity": 1, "unit_price": { "amount": "9.90", "currency": "EUR" } });
    let (quantity, price) = ("/lines/0/quantity", "/lines/0/unit_price");
    let (amount, currency) = ("/lines/0/unit_price/amount", "/lines/0/unit_price/currency");
    vec![
        ("an unknown field", "/colour", json!(1), "/colour"),
        ("an unknown field within", "/lines/0/a/b", json!(1), "/lines/0/a~1b"),
        ("a wrong type", "/lines", json!("all"), "/lines"),
        ("null", "/currency", Value::Null, "/currency"),
        ("no lines", "/lines", json!([]), "/lines"),
        ("201 lines", "/lines", json!(vec![line; 201]), "/lines"),
        ("a quantity of 0", quantity, json!(0), quantity),
        ("a negative quantity", quantity, json!(-1), quantity),
        ("a huge quantity", quantity, json!(1_000_000_001), quantity),
        ("a quantity beyond 64 bits", quantity, json!(u64::MAX), quantity),
        ("a fraction", quantity, json!(1.5), quantity),
        ("an unknown currency", "/currency", json!("ZZZ"), "/currency"),
        ("a currency in small letters", "/currency", json!("eur"), "/currency"),
        ("mixed currencies", currency, json!("USD"), currency),
        ("money as a number", amount, json!(9.9), amount),
        ("a third decimal", amount, json!("9.905"), price),
        ("a negative price", amount, json!("-1.00"), amount),
        ("a price of nines", amount, json!("9".repeat(400)), price),
        ("a NUL in a text", "/note", json!("a\0b"), "/note"),
        ("a NUL in a key", "/external_id", json!("\0"), "/external_id"),
        ("neither SKU nor variant", "/lines/0/sku", Value::Null, "/lines/0"),
        ("an id of another type", "/lines/0/variant_id", json!(NO_ORDER), "/lines/0/variant_id"),
    ]
}

/// RV14: a wrong value is refused at its place.
#[tokio::test]
async fn every_wrong_value_in_a_body_is_refused_at_its_place() {
    let served = Served::start(UNLIMITED).await;
    let store = served.store("main").await;
    let mut rows: Vec<Row> = Vec::new();
    for (name, pointer, value, place) in wrong_values() {
        // The one key with a slash in it.
        let body = match pointer {
            "/lines/0/a/b" => ORDER.replace("\"sku\"", "\"a/b\":1,\"sku\""),
            _ => changed(pointer, &value),
        };
        rows.push((name, post(&store, "/api/v1/orders", body), 422, "validation_failed", format!("pointer {place}")));
    }
    for at in ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2027-01-01T00:00:00", "1999-01-01T00:00:00Z", "soon"] {
        let body = json!({ "name": "a", "permissions": ["order.read"], "expires_at": at }).to_string();
        rows.push((at, post(&store, "/api/v1/tokens", body), 422, "validation_failed", "pointer /expires_at".into()));
    }
    let body = json!({ "name": "a", "permissions": ["order.read", "root"] }).to_string();
    let unknown = post(&store, "/api/v1/tokens", body);
    rows.push(("an unknown permission", unknown, 422, "validation_failed", "pointer /permissions/1".into()));
    check(&served, rows).await;
}

/// RV14: bytes that are no JSON are 400, JSON of another shape is 422, and neither is ever a fault of ours.
#[tokio::test]
async fn every_body_of_another_form_is_refused() {
    let served = Served::start(UNLIMITED).await;
    let store = served.store("main").await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let twice = ORDER.replacen("{\"currency\"", "{\"currency\":\"EUR\",\"currency\"", 1);
    let missing = ORDER.replacen("\"quantity\":1,", "", 1);
    let endless = ORDER.replacen("\"quantity\":1,", "\"quantity\":1e999,", 1);
    let two = format!("{ORDER} {{}}");
    let raw = |body: &[u8]| post(&store, "/api/v1/orders", body);
    let malformed = |name, body: &[u8]| (name, raw(body), 400, "malformed_json", String::new());
    let refused = |name, body: &str, place: &str| {
        (name, raw(body.as_bytes()), 422, "validation_failed", format!("pointer {place}"))
    };
    let free = format!("{{\"service_account\":{{\"a\":{deep}}}}}");
    let free = Ask::new("PUT", "/api/v1/integrations/google").token(&store.token).json(free);
    let rows: Vec<Row> = vec![
        malformed("not JSON", b"{"),
        malformed("nothing", b""),
        malformed("more than one value", two.as_bytes()),
        malformed("invalid UTF-8", b"{\"currency\":\"\xff\xfe\"}"),
        malformed("half a surrogate pair", br#"{"currency":"\ud800"}"#),
        malformed("an exponent", endless.as_bytes()),
        ("10,000 levels in a free field", free, 400, "malformed_json", String::new()),
        refused("10,000 levels", &deep, ""),
        refused("not an object", "7", ""),
        refused("an array", "[\"EUR\",[]]", ""),
        refused("a key twice", &twice, "/currency"),
        refused("a missing field", &missing, "/lines/0/quantity"),
        ("a SKU that nobody knows", raw(ORDER.as_bytes()), 422, "variant_not_found", "pointer /lines/0".into()),
    ];
    check(&served, rows).await;
}

/// RV14: addresses and parameters that are nobody's are refused by name.
#[tokio::test]
async fn every_wrong_address_and_parameter_is_refused_by_name() {
    let served = Served::start(UNLIMITED).await;
    let (store, other) = (served.store("main").await, served.store("other").await);
    let foreign = format!("/api/v1/channels/{}", other.channel().await);
    let far: OrderId = served.shared.ids.make();
    let (one, stray) = (format!("/api/v1/orders/{far}"), format!("/api/v1/orders/{far}?q=1"));
    let endless = format!("/api/v1/inventory/levels?q={}", "a".repeat(20_000));
    let absent = |name, path: &str, code| (name, get(&store, path), 404, code, String::new());
    let refused = |name, path: &str, parameter: &str| {
        (name, get(&store, path), 422, "validation_failed", format!("parameter {parameter}"))
    };
    let rows: Vec<Row> = vec![
        absent("an unknown address", "/api/v1/nothing", "no_such_route"),
        absent("an address outside", "/nothing", "no_such_route"),
        absent("an id of nobody", &one, "order_not_found"),
        absent("an id of another store", &foreign, "channel_not_found"),
        ("an address that is not UTF-8", get(&store, "/api/v1/orders/%ff%fe"), 422, "invalid_path", String::new()),
        refused("an address with a NUL", "/api/v1/orders/%00", "id"),
        refused("a wrong prefix", "/api/v1/orders/prd_00000000000000000000000000", "id"),
        refused("an id that is too short", "/api/v1/orders/ord_1", "id"),
        refused("an unknown parameter", "/api/v1/orders?colour=red", "colour"),
        refused("a parameter where there is none", &stray, "q"),
        refused("a parameter twice", "/api/v1/orders?q=1&q=2", "q"),
        refused("a NUL in a search", "/api/v1/orders?q=a%00b", "q"),
        refused("an endless search", &endless, "q"),
        refused("a wrong word", "/api/v1/orders?status=lost", "status"),
        refused("a wrong id", "/api/v1/orders?channel_id=ord_1", "channel_id"),
        refused("a cursor of nobody", "/api/v1/orders?cursor=!", "cursor"),
        refused("a cursor of another list", "/api/v1/orders?cursor=AAAA", "cursor"),
        refused("a limit of 0", "/api/v1/orders?limit=0", "limit"),
        refused("a limit of 251", "/api/v1/orders?limit=251", "limit"),
        refused("a limit below zero", "/api/v1/orders?limit=-1", "limit"),
        refused("a limit in words", "/api/v1/orders?limit=all", "limit"),
    ];
    check(&served, rows).await;
}

/// RV14: what surrounds a body is checked before the body is read.
#[tokio::test]
async fn every_wrong_header_is_refused() {
    let served = Served::start(UNLIMITED).await;
    let store = served.store("main").await;
    let orders = || Ask::new("POST", "/api/v1/orders").token(&store.token);
    let form = orders().header("content-type", "application/x-www-form-urlencoded").bytes("a=1");
    let xml = orders().header("content-type", "text/xml; charset=utf-8").bytes("<a/>");
    let long = vec![b' '; 1_048_577];
    let media = |name, ask| (name, ask, 415, "unsupported_content_type", String::new());
    let large = |name, ask| (name, ask, 413, "body_too_large", String::new());
    let keyed = |name, key: &str| {
        let ask = orders().json(ORDER).header("idempotency-key", key);
        (name, ask, 422, "validation_failed", "header Idempotency-Key".to_owned())
    };
    let position = get(&store, "/api/v1/events").header("last-event-id", "first");
    let rows: Vec<Row> = vec![
        media("no content type", orders().bytes(ORDER)),
        media("a form", form),
        media("XML", xml),
        large("too long, said", orders().json("").header("content-length", "1048577")),
        large("too long, and sent", orders().json(long.clone())),
        large("too long, in chunks", orders().json(long).chunked()),
        keyed("an empty key", ""),
        keyed("an empty key in quotes", "\"\""),
        keyed("a key of 256", &"k".repeat(256)),
        keyed("a key beyond ASCII", "schlüssel"),
        ("a position that is none", position, 422, "validation_failed", "header Last-Event-ID".into()),
    ];
    check(&served, rows).await;
}

/// RV14: a method that an address does not know is 405, with the ones that it knows; pages of the admin answer in the same way.
#[tokio::test]
async fn every_wrong_method_is_told_the_right_ones() {
    let served = Served::start(UNLIMITED).await;
    let store = served.store("main").await;
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
        ("nothing", orders(), 401, "not_signed_in", String::new()),
        ("expired", orders().token(&expired), 401, "token_expired", String::new()),
        ("revoked", orders().token(&revoked), 401, "token_revoked", String::new()),
        ("garbage", orders().token("garbage"), 401, "token_invalid", String::new()),
        ("an endless one", orders().token(&"a".repeat(20_000)), 401, "token_invalid", String::new()),
        ("a wrong secret", orders().token(&other_secret), 401, "token_invalid", String::new()),
        ("no token", with("Bearer"), 401, "unknown_auth_scheme", String::new()),
        ("another scheme", with("Basic dTpw"), 401, "unknown_auth_scheme", String::new()),
        ("not text", with("Bearer \u{fe}"), 401, "unknown_auth_scheme", String::new()),
        ("a cookie of nobody", orders().header("cookie", "bodega_session=x"), 401, "session_ended", String::new()),
        ("without the right", Ask::new("GET", "/api/v1/audit").token(&poor), 403, "permission_missing", String::new()),
    ];
    check(&served, rows).await;
}

/// The largest instant that the clock of a test may be set to is far beyond any token.
#[test]
fn instants_of_the_far_ends_are_not_times() {
    for text in ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z", "2026-02-30T00:00:00Z"] {
        assert!(Timestamp::parse(text).is_err(), "{text}");
    }
}
