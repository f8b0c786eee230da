//! What is read from whole payloads: golden sums, headers and topics.

mod malformed;

use super::*;
use crate::domain::channels::model::{Totals, reconcile_totals};
use crate::domain::channels::port::{IncomingOrder, PaymentStatus};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/shopify/", $name, ".json"))
    };
}

pub(super) const PLAIN: &str = fixture!("plain");

fn read(topic: &str, body: &str) -> IncomingOrder {
    match Shopify.read(topic, body.as_bytes()) {
        Ok(IncomingEvent::Order(order)) => *order,
        other => panic!("{topic}: {other:?}"),
    }
}

/// subtotal, discount, shipping, tax, extras, total, payable
fn minor(totals: &Totals) -> [i64; 7] {
    let Totals { subtotal, discount, shipping, tax, extras, total, payable } = totals;
    [subtotal, discount, shipping, tax, extras, total, payable].map(|money| money.minor)
}

/// RA2.1
#[test]
fn the_sums_of_every_fixture_are_reproduced_to_the_cent() {
    let golden = [
        ("plain", fixture!("plain"), [5730, 0, 490, 922, 0, 6220, 6220], None),
        ("discounts", fixture!("discounts"), [11814, 3275, 0, 1886, 0, 11814, 11814], None),
        ("us_tax_exclusive", fixture!("us_tax_exclusive"), [6522, 0, 700, 517, 0, 7739, 7739], None),
        ("jpy", fixture!("jpy"), [3882, 98, 550, 403, 0, 4432, 4432], None),
        ("extras", fixture!("extras"), [35745, 0, 7800, 8709, 6750, 50295, 50300], None),
        (
            "edited",
            fixture!("edited"),
            [6015, 575, 490, 959, 0, 6505, 6505],
            Some([1965, 125, 490, 313, 0, 2455, 2455]),
        ),
        ("till_tip", fixture!("till_tip"), [1600, 0, 0, 96, 300, 1996, 1996], None),
    ];
    for (name, body, ordered, now) in golden {
        let order = read("orders/updated", body);
        let sums = reconcile_totals(&order).unwrap();
        assert_eq!(minor(&sums.ordered.totals), ordered, "{name}, ordered");
        assert_eq!(minor(&sums.now.totals), now.unwrap_or(ordered), "{name}, now");
        assert_eq!(sums.flag(), None, "{name}");
        for side in [sums.ordered.difference, sums.now.difference] {
            let parts = [side.subtotal, side.discount, side.shipping, side.tax, side.total];
            assert!(parts.iter().all(|part| part.minor == 0), "{name}: {side:?}");
        }
    }
}

/// RA2.1
#[test]
fn a_plain_order_is_read_whole() {
    let order = read("orders/create", PLAIN);
    assert_eq!(order.external_id, "6200000000001");
    assert_eq!(order.external_number.as_deref(), Some("#2001"));
    assert_eq!(order.version.to_string(), "2026-10-04T07:00:00.000Z");
    assert_eq!(order.placed_at.to_string(), "2026-10-03T16:02:10.000Z");
    assert!(order.tax_inclusive && !order.is_test);
    assert_eq!(order.payment_status, PaymentStatus::Paid);
    assert_eq!(order.payments.providers, ["paypal"]);
    assert_eq!(order.note.as_deref(), Some("Vorn & hinten klingeln"));
    assert_eq!(order.cancelled_at, None);
    let customer = order.customer.unwrap();
    assert_eq!(customer.external_id.as_deref(), Some("7100200300"));
    assert_eq!(customer.name.as_deref(), Some("Inês Köhler & Söhne"));
    let address = order.shipping_address.unwrap();
    assert_eq!((address.address1.as_deref(), address.address2), (Some("Rua/Gasse 4"), None));
    assert_eq!(address.country_code.as_deref(), Some("DE"));
    let line = order.lines.first().unwrap();
    assert_eq!(line.title, "Teekanne <blau> 1/2 l");
    assert_eq!(line.sku.as_deref(), Some("KANNE-1"));
    assert_eq!((line.quantity, line.current_quantity, line.unit_price.minor), (2, 2, 2490));
    assert_eq!(line.tax_lines.first().map(|tax| tax.rate_ppm), Some(190_000));
}

/// RA2.2
#[test]
fn what_is_left_of_an_edited_order_is_what_current_quantity_says() {
    let order = read("orders/updated", fixture!("edited"));
    let left: Vec<_> = order.lines.iter().map(|line| (line.quantity, line.current_quantity)).collect();
    assert_eq!(left, [(3, 1), (1, 0), (2, 2)]);
}

/// RA2.2
#[test]
fn a_cancellation_is_read_from_the_topic_even_when_the_body_forgets_it() {
    let order = read("orders/cancelled", PLAIN);
    assert_eq!(order.cancelled_at, Some(order.version));
    let told = PLAIN.replace(r#""cancelled_at":null"#, r#""cancelled_at":"2026-10-04T08:59:58+02:00""#);
    let order = read("orders/updated", &told);
    assert_eq!(order.cancelled_at.unwrap().to_string(), "2026-10-04T06:59:58.000Z");
}

/// D32
#[test]
fn a_total_that_does_not_follow_from_its_parts_is_flagged_with_the_difference() {
    let dearer = PLAIN.replace(r#"price":"62.20""#, r#"price":"62.25""#);
    let dearer = dearer.replace(r#""amount":"62.20""#, r#""amount":"62.25""#);
    let sums = reconcile_totals(&read("orders/create", &dearer)).unwrap();
    assert_eq!(sums.flag().map(|money| money.to_string()), Some("0.05 EUR".to_owned()));
    let dearer_before_removals = PLAIN.replace(
        r#""total_price":"62.20","total_price_set":{"shop_money":{"amount":"62.20""#,
        r#""total_price":"61.00","total_price_set":{"shop_money":{"amount":"61.00""#,
    );
    let sums = reconcile_totals(&read("orders/create", &dearer_before_removals)).unwrap();
    assert_eq!(sums.flag().map(|money| money.to_string()), Some("-1.20 EUR".to_owned()));
}

/// RA2.1
#[test]
fn an_older_payload_with_fewer_keys_is_read_too() {
    let body = r#"{"id":450,"currency":"USD","created_at":"2020-01-10T11:00:00-05:00","updated_at":"2020-01-10T11:00:00-05:00",
        "subtotal_price":"30.00","total_price":31.8,"total_tax":"1.80","taxes_included":false,"name":null,"order_number":1009,
        "tax_lines":[{"price":"1.80","rate":0.06,"title":"State Tax"}],"customer":null,"email":"bo@example.com","refunds":null,
        "line_items":[{"id":1,"price":"10.00","quantity":3,"sku":" A-1 ","title":"Pen","product_exists":true}],
        "shipping_lines":[{"price":"0.00","title":"Free"}]}"#;
    let order = read("orders/create", body);
    assert_eq!(order.external_number.as_deref(), Some("#1009"));
    assert_eq!(order.lines.first().and_then(|line| line.sku.as_deref()), Some("A-1"));
    assert_eq!(order.customer.as_ref().and_then(|who| who.email.as_deref()), Some("bo@example.com"));
    assert_eq!(order.payment_status, PaymentStatus::Pending);
    assert_eq!(reconcile_totals(&order).unwrap().flag(), None);
}

/// RA4.1
#[test]
fn texts_that_are_shown_lose_control_characters_and_turned_writing() {
    let body =
        PLAIN.replace("Grüner Tee", "\\u0000Grüner\\u001b\\n\u{202e}Tee\\u2066 ").replace("Vorn", "a\\nb\\u0007");
    let body = body.replace(r#""country_code":"DE""#, r#""country_code":"de""#);
    let order = read("orders/create", &body);
    assert_eq!(order.lines.get(1).map(|line| line.title.as_str()), Some("Grüner Tee"));
    assert_eq!(order.note.as_deref(), Some("a\nb & hinten klingeln"));
    assert_eq!(order.shipping_address.and_then(|address| address.country_code).as_deref(), Some("DE"));
}

/// RA4.2
#[test]
fn what_is_not_read_may_be_as_deep_and_as_doubled_as_it_likes() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let body = PLAIN.replacen('{', &format!(r#"{{"x":{deep},"x":{deep},"#), 1);
    assert_eq!(read("orders/create", &body), read("orders/create", PLAIN));
}

fn envelope(pairs: &[(&str, &str)]) -> Result<Envelope, EnvelopeError> {
    let pairs: Vec<(String, String)> = pairs.iter().map(|(k, v)| (k.to_ascii_lowercase(), (*v).to_owned())).collect();
    Shopify.envelope(&|name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()))
}

/// D5
#[test]
fn the_envelope_is_read_under_either_family_of_names() {
    for prefix in ["X-Shopify-", "shopify-"] {
        let name = |rest: &str| format!("{prefix}{rest}");
        let read = envelope(&[
            (&name("Topic"), "orders/Create"),
            (&name("Webhook-Id"), "b54557e4"),
            (&name("Event-Id"), "98880550"),
            (&name("Shop-Domain"), "Haus.myshopify.com"),
            (&name("API-Version"), "2026-10"),
            (&name("Triggered-At"), "2026-11-21T02:14:08.123456789Z"),
        ])
        .unwrap();
        assert_eq!((read.topic.as_str(), read.delivery_id.as_str()), ("orders/create", "b54557e4"));
        assert_eq!((read.event_id.as_deref(), read.shop.as_deref()), (Some("98880550"), Some("haus.myshopify.com")));
        assert_eq!(read.triggered_at.map(|at| at.to_string()).as_deref(), Some("2026-11-21T02:14:08.123Z"));
    }
}

/// D5
#[test]
fn an_envelope_without_topic_or_delivery_id_is_refused() {
    let told = |pairs: &[(&str, &str)]| envelope(pairs).unwrap_err().to_string();
    assert_eq!(told(&[("x-shopify-webhook-id", "1")]), "the header `x-shopify-topic` is missing");
    assert_eq!(told(&[("x-shopify-topic", "t")]), "the header `x-shopify-webhook-id` is missing");
    let long = "9".repeat(256);
    for value in ["a b", "é", long.as_str()] {
        let error = told(&[("x-shopify-topic", "t"), ("x-shopify-webhook-id", value)]);
        assert!(error.starts_with("the header `x-shopify-webhook-id` is longer"), "{error}");
    }
}

/// RA2.2
#[test]
fn other_topics_are_left_alone_without_reading_the_body() {
    let ignored = |topic: &str| match Shopify.read(topic, b"\xff not json") {
        Ok(IncomingEvent::Ignored { reason }) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(ignored("products/update"), "the topic `products/update` is not acted on");
    assert!(ignored(&"x".repeat(9_999)).len() < 200);
}

/// RA2.1, RA4.1
#[test]
fn the_shared_contract_files_verify_and_add_up() {
    let Ok(root) = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/contracts/data").canonicalize()
    else {
        return;
    };
    let text = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let vectors: serde_json::Value = serde_json::from_str(&text("vectors/signatures.json")).unwrap();
    let mut verified = 0;
    for vector in vectors["vectors"].as_array().unwrap() {
        let word = |key: &str| vector[key].as_str().unwrap_or_default();
        let path = root.join(word("body_file"));
        if word("id").starts_with("shopify_webhook_") && path.is_file() {
            assert_eq!(verify::sign(word("secret").as_bytes(), &std::fs::read(path).unwrap()), word("expected"));
            verified += 1;
        }
    }
    assert!(verified >= 3);
    for name in ["create", "cancelled"] {
        let order = read("orders/updated", &text(&format!("shopify/fixtures/webhook_orders_{name}.body.json")));
        let sums = reconcile_totals(&order).unwrap();
        assert_eq!(sums.flag(), None);
        assert_eq!(sums.now.totals.total.amount(), "42.88");
        assert_eq!(order.cancelled_at.is_some(), name == "cancelled");
    }
    // This one states a subtotal of two of its three lines: it is taken in and flagged.
    let wrapped: serde_json::Value =
        serde_json::from_str(&text("shopify/fixtures/shopify_python_api_mit/order.json")).unwrap();
    let order = read("orders/create", &wrapped["order"].to_string());
    assert_eq!(order.lines.len(), 3);
    assert_eq!(reconcile_totals(&order).unwrap().flag().map(|money| money.to_string()), Some("-199.00 USD".to_owned()));
}
