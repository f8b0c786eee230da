//! Bodies that must not become orders, each with the exact place and sentence.

#![expect(
    clippy::string_slice,
    clippy::let_underscore_must_use,
    let_underscore_drop,
    reason = "what is not there fails the test"
)]

use super::super::*;
use super::PLAIN;

fn refusal(body: &[u8]) -> String {
    match Shopify.read("orders/create", body) {
        Err(unreadable) => unreadable.to_string(),
        Ok(other) => panic!("read as {other:?}"),
    }
}

/// RA4.2
#[test]
fn a_body_that_is_no_json_object_is_refused_with_its_reason() {
    let half = &PLAIN[..PLAIN.len() / 2];
    let cases: [(&[u8], &str); 14] = [
        (b"", "the body is empty"),
        (b" ", "the JSON breaks off (line 1, column 1)"),
        (b"{", "the JSON breaks off (line 1, column 1)"),
        (half.as_bytes(), ""),
        (b"[]", "the body is not a JSON object"),
        (b"null", "the body is not a JSON object"),
        (b"\"text\"", "the body is not a JSON object"),
        (b"7", "the body is not a JSON object"),
        (b"{}x", "the body is not JSON (line 1, column 3)"),
        (b"\xef\xbb\xbf{}", "the body is not JSON (line 1, column 1)"),
        (b"{\"id\":1,}", "the body is not JSON (line 1, column 9)"),
        (b"{'id':1}", "the body is not JSON (line 1, column 2)"),
        (b"{\"note\":\"\xff\"}", "the body is not JSON (line 1, column 10)"),
        (br#"{"note":"\ud800"}"#, "the body is not JSON (line 1, column 16)"),
    ];
    for (body, told) in cases {
        let refused = refusal(body);
        if told.is_empty() {
            assert!(refused.starts_with("the JSON breaks off (line 1, column "), "{refused}");
        } else {
            assert_eq!(refused, told, "{}", String::from_utf8_lossy(body));
        }
    }
}

/// RA4.2
#[test]
fn a_key_that_appears_twice_is_refused() {
    assert_eq!(refusal(br#"{"id":1,"id":2}"#), "the key `id` appears twice in one object (line 1, column 12)");
    let body = br#"{"line_items":[{"quantity":1,"quantity":9}]}"#;
    assert_eq!(refusal(body), "the key `quantity` appears twice in one object (line 1, column 39)");
}

/// Replaces text of the plain order, where it appears first.
const REPLACED: [(&str, &str, &str); 42] = [
    ("\"id\":6200000000001", "\"id\":null", "/id: is missing"),
    ("\"id\":6200000000001", "\"id\":-1", "/id: is not an id, a whole number above 0 that fits 64 bits"),
    ("\"id\":6200000000001", "\"id\":0", "/id: is not an id, a whole number above 0 that fits 64 bits"),
    ("\"id\":6200000000001", "\"id\":1.5", "/id: is not an id, a whole number above 0 that fits 64 bits"),
    (
        "\"id\":6200000000001",
        "\"id\":18446744073709551616",
        "/id: is not an id, a whole number above 0 that fits 64 bits",
    ),
    ("\"id\":6200000000001", "\"id\":\"gid:1\"", "/id: is not an id, a whole number above 0 that fits 64 bits"),
    ("\"currency\":\"EUR\"", "\"currency\":\"EURO\"", "/currency: `EURO` is not a currency code of ISO 4217"),
    ("\"currency\":\"EUR\"", "\"currency\":\"XXX\"", "/currency: `XXX` is not a currency code of ISO 4217"),
    ("\"currency\":\"EUR\"", "\"currency\":null", "/currency: is missing"),
    ("\"currency\":\"EUR\"", "\"currency\":978", "/currency: is not a text"),
    (
        "\"currency_code\":\"EUR\"",
        "\"currency_code\":\"CHF\"",
        "/current_shipping_price_set/shop_money/currency_code: `CHF` is not EUR, the order's currency",
    ),
    (
        "2026-10-04T09:00:00+02:00",
        "0000-01-01T00:00:00Z",
        "/updated_at: `0000-01-01T00:00:00Z` lies outside of the years 1970 to 2199",
    ),
    (
        "2026-10-04T09:00:00+02:00",
        "9999-12-31T23:59:59Z",
        "/updated_at: `9999-12-31T23:59:59Z` lies outside of the years 1970 to 2199",
    ),
    (
        "2026-10-04T09:00:00+02:00",
        "yesterday",
        "/updated_at: `yesterday` is not an RFC 3339 time with a zone, as in 2026-11-21T09:30:00Z",
    ),
    ("\"updated_at\":\"2026-10-04T09:00:00+02:00\"", "\"updated_at\":1790000000", "/updated_at: is not a text"),
    ("\"updated_at\":\"2026-10-04T09:00:00+02:00\"", "\"x\":1", "/updated_at: is missing"),
    (
        "\"processed_at\":\"2026-10-03T18:02:10+02:00\"",
        "\"processed_at\":\"9999-01-01T00:00:00Z\"",
        "/processed_at: `9999-01-01T00:00:00Z` lies outside of the years 1970 to 2199",
    ),
    ("\"cancelled_at\":null", "\"cancelled_at\":true", "/cancelled_at: is not a text"),
    ("\"taxes_included\":true", "\"taxes_included\":\"yes\"", "/taxes_included: is neither true nor false"),
    ("\"line_items\":[", "\"line_items\":{\"a\":1},\"x\":[", "/line_items: is not a list"),
    ("\"line_items\":[", "\"line_items\":\"none\",\"x\":[", "/line_items: is not a list"),
    ("\"line_items\":[", "\"line_items\":[null,", "/line_items/0: is missing"),
    ("\"line_items\":[", "\"line_items\":[[],", "/line_items/0: is not an object"),
    ("\"id\":620000000000101", "\"id\":620000000000100", "/line_items/1/id: the line 620000000000100 appears twice"),
    ("\"sku\":\"TEE-7\"", "\"sku\":\"TEE\\u0000-7\"", "/line_items/1/sku: holds a control character"),
    ("\"sku\":\"TEE-7\"", "\"sku\":7", "/line_items/1/sku: is not a text"),
    (
        "\"price\":\"24.90\",\"price_set\"",
        "\"price\":\"24.90\",\"price_set\":7,\"x\"",
        "/line_items/0/price_set: is not an object",
    ),
    (
        "\"price\":\"24.90\",\"price_set\"",
        "\"price\":\"24,90\",\"x\"",
        "/line_items/0/price: `24,90` is not an amount, as in 12.90",
    ),
    (
        "\"price\":\"24.90\",\"price_set\"",
        "\"price\":\"NaN\",\"x\"",
        "/line_items/0/price: `NaN` is not an amount, as in 12.90",
    ),
    (
        "\"price\":\"24.90\",\"price_set\"",
        "\"price\":\"-24.90\",\"x\"",
        "/line_items/0/price: -24.90 is less than nothing",
    ),
    (
        "\"price\":\"24.90\",\"price_set\"",
        "\"price\":\"24.905\",\"x\"",
        "/line_items/0/price: `24.905` has more decimals than EUR has",
    ),
    (
        "\"price\":\"24.90\",\"price_set\"",
        "\"price\":\"99999999999999999\",\"x\"",
        "/line_items/0/price: the amount is larger than the store can hold",
    ),
    (
        "\"price\":\"24.90\",\"price_set\"",
        "\"price\":\"900000000000.00\",\"x\"",
        "/line_items/0/price: the amount is larger than the store can hold",
    ),
    ("\"price\":\"24.90\",\"price_set\"", "\"price\":[],\"x\"", "/line_items/0/price: is not an amount, as in 12.90"),
    ("\"price\":\"24.90\",\"price_set\"", "\"x\":1,\"y\"", "/line_items/0/price: is missing"),
    ("\"rate\":0.19", "\"rate\":\"much\"", "/line_items/0/tax_lines/0/rate: `much` is not a rate, as in 0.07"),
    ("\"rate\":0.19", "\"rate\":-0.19", "/line_items/0/tax_lines/0/rate: `-0.19` is not a rate, as in 0.07"),
    (
        "\"discount_allocations\":[]",
        "\"discount_allocations\":[{\"amount\":\"49.81\"}]",
        "/line_items/0: discounts of 49.81 are more than the line's 49.80",
    ),
    (
        "\"discount_allocations\":[]",
        "\"discount_allocations\":[{}]",
        "/line_items/0/discount_allocations/0/amount: is missing",
    ),
    ("\"customer\":{", "\"customer\":[],\"x\":{", "/customer: is not an object"),
    (
        "\"refunds\":[]",
        "\"refunds\":[{\"refund_line_items\":[{}]}]",
        "/refunds/0/refund_line_items/0/line_item_id: is missing",
    ),
    (
        "\"total_tip_received\":\"0.00\"",
        "\"total_tip_received\":\"-1\"",
        "/total_tip_received: -1.00 is less than nothing",
    ),
];

/// RA4.2
#[test]
fn a_mistake_in_a_field_is_told_with_its_pointer() {
    for (from, to, told) in REPLACED {
        assert!(PLAIN.contains(from), "{from}");
        assert_eq!(refusal(PLAIN.replacen(from, to, 1).as_bytes()), told, "{to}");
    }
}

/// RA4.2
#[test]
fn quantities_that_no_line_can_have_are_refused() {
    let with = |ordered: &str, current: &str| {
        let body = PLAIN.replacen("\"current_quantity\":2", &format!("\"current_quantity\":{current}"), 1);
        refusal(body.replacen(",\"quantity\":2", &format!(",\"quantity\":{ordered}"), 1).as_bytes())
    };
    assert_eq!(with("-2", "2"), "/line_items/0/quantity: -2 pieces are less than none");
    assert_eq!(with("2", "-1"), "/line_items/0/current_quantity: -1 pieces are less than none");
    assert_eq!(with("2", "3"), "/line_items/0/current_quantity: 3 pieces are more than the 2 that were ordered");
    assert_eq!(with("1.5", "1"), "/line_items/0/quantity: 1.5 is not a whole number of pieces");
    assert_eq!(with("\"2\"", "1"), "/line_items/0/quantity: is not a whole number of pieces");
    assert_eq!(with("null", "1"), "/line_items/0/quantity: is missing");
    let huge = "/line_items/0/quantity: 9000000000 pieces are more than the 1000000000 that a line can hold";
    assert_eq!(with("9000000000", "1"), huge);
    assert!(with("1e400", "1").starts_with("the body is not JSON (line 1, column "));
}

/// RA4.2
#[test]
fn more_lines_than_a_shop_sends_are_refused() {
    let line = r#"{"id":1,"price":"1.00","quantity":1},"#;
    let body = PLAIN.replacen("\"line_items\":[", &format!("\"line_items\":[{}", line.repeat(500)), 1);
    assert_eq!(refusal(body.as_bytes()), "/line_items: holds more than 500 items");
}

/// RA4.2
#[test]
fn an_order_that_is_larger_than_money_can_be_is_refused() {
    let lines: Vec<String> =
        (1..=3).map(|id| format!(r#"{{"id":{id},"price":"900000000000.00","quantity":1}}"#)).collect();
    let body = PLAIN.replacen("\"line_items\":[", &format!("\"line_items\":[{}],\"x\":[", lines.join(",")), 1);
    let told = "the sums of the order cannot be made: the amount is larger than the store can hold";
    assert_eq!(refusal(body.as_bytes()), told);
}

/// RA4.2
#[test]
fn no_prefix_and_no_flipped_byte_of_an_order_makes_the_reader_panic() {
    let bytes = PLAIN.as_bytes();
    for end in (0..bytes.len()).step_by(97) {
        assert!(Shopify.read("orders/create", &bytes[..end]).is_err());
    }
    for at in (0..bytes.len()).step_by(3) {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 0x15;
        let _ = Shopify.read("orders/create", &flipped);
    }
}
