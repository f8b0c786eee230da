//! The emulator against a receiver of our own, over real HTTP; its payloads against the reader.

#![expect(
    clippy::disallowed_methods,
    clippy::let_underscore_must_use,
    let_underscore_drop,
    reason = "the receiver runs beside the test"
)]

use super::*;
use crate::base::clock::{ManualClock, Timestamp};
use crate::domain::channels::model::reconcile_totals;
use crate::domain::channels::port::{ChannelPort as _, IncomingEvent, IncomingOrder};
use crate::integrations::shopify::Shopify;
use axum::http::{HeaderMap, StatusCode};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU16, Ordering};
use tokio::sync::mpsc;

const SECRET: &str = "hush";

struct Zeros;
impl Entropy for Zeros {
    fn fill(&self, out: &mut [u8]) {
        out.fill(7);
    }
}

struct Received {
    headers: HeaderMap,
    body: Bytes,
}

impl Received {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn is_good(&self, secrets: &[&[u8]]) -> bool {
        let look = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok());
        Shopify.verify(secrets, &look, &self.body).is_good()
    }

    fn order(&self) -> IncomingOrder {
        match Shopify.read(self.header("x-shopify-topic"), &self.body) {
            Ok(IncomingEvent::Order(order)) => *order,
            other => panic!("{other:?}"),
        }
    }
}

struct Stage {
    sandbox: ShopifySandbox,
    target: String,
    arrived: mpsc::UnboundedReceiver<Received>,
    status: Arc<AtomicU16>,
}

impl Stage {
    async fn next(&mut self) -> Received {
        tokio::time::timeout(Duration::from_secs(10), self.arrived.recv()).await.unwrap().unwrap()
    }

    async fn control(&self, method: &str, path: &str, body: &str) -> (StatusCode, serde_json::Value) {
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let request = hyper::Request::builder().method(method).uri(format!("{}/_control{path}", self.sandbox.url()));
        let response = client.request(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap())
    }
}

fn catalog() -> Vec<Article> {
    [("A-1", "Becher \"groß\"", 1299), ("B/2", "Öl & Essig", 450), ("C-3", "Stuhl", 8990)]
        .map(|(sku, title, price)| Article { sku: sku.to_owned(), title: title.to_owned(), price })
        .to_vec()
}

async fn stage() -> Stage {
    let (sender, arrived) = mpsc::unbounded_channel();
    let status = Arc::new(AtomicU16::new(200));
    let answer = Arc::clone(&status);
    let hook = move |headers: HeaderMap, body: Bytes| async move {
        let _ = sender.send(Received { headers, body });
        StatusCode::from_u16(answer.load(Ordering::SeqCst)).unwrap()
    };
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let target = format!("http://{}/hooks/shopify/chn_1", listener.local_addr().unwrap());
    let routes = axum::Router::new().route("/hooks/shopify/chn_1", axum::routing::post(hook));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let config = SandboxConfig {
        shop_domain: "haus.myshopify.com".to_owned(),
        client_secret: SECRET.to_owned(),
        catalog: catalog(),
        target: Some(target.clone()),
    };
    let clock = Arc::new(ManualClock::at(Timestamp(1_795_000_000_000)));
    let sandbox = ShopifySandbox::start(config, clock, &Zeros).await.unwrap();
    Stage { sandbox, target, arrived, status }
}

/// RA4.1
#[tokio::test]
async fn orders_arrive_signed_with_all_headers_and_add_up() {
    let mut stage = stage().await;
    let (status, told) = stage.control("POST", "/orders", r#"{"count":20}"#).await;
    assert_eq!((status, &told["delivered"], &told["accepted"]), (StatusCode::OK, &20.into(), &20.into()));
    let mut ids = HashSet::new();
    for _ in 0..20 {
        let got = stage.next().await;
        assert!(got.is_good(&[SECRET.as_bytes()]));
        assert!(ids.insert(got.header("x-shopify-webhook-id").to_owned()));
        assert!(ids.insert(got.header("x-shopify-event-id").to_owned()));
        assert_eq!(got.header("x-shopify-topic"), "orders/create");
        assert_eq!(got.header("x-shopify-shop-domain"), "haus.myshopify.com");
        assert_eq!(got.header("x-shopify-api-version"), "2026-10");
        assert_eq!(got.header("x-shopify-triggered-at").len(), "2026-11-21T02:14:08.123456789Z".len());
        assert_eq!(reconcile_totals(&got.order()).unwrap().flag(), None);
    }
    let (_, listed) = stage.control("GET", "/orders", "").await;
    assert_eq!(listed["total"], 20);
}

/// RA2.2
#[tokio::test]
async fn duplicate_reordered_and_lost_deliveries_are_as_the_contract_says() {
    let mut stage = stage().await;
    let (status, _) = stage.control("PUT", "/faults", r#"{"duplicate":true}"#).await;
    assert_eq!(status, StatusCode::OK);
    stage.sandbox.create_orders(1, OwnedWish::default()).await;
    let (one, two) = (stage.next().await, stage.next().await);
    assert_eq!(one.header("x-shopify-event-id"), two.header("x-shopify-event-id"));
    assert_ne!(one.header("x-shopify-webhook-id"), two.header("x-shopify-webhook-id"));
    assert_eq!(one.body, two.body);

    stage.sandbox.set_faults(Faults { reorder: true, ..Faults::default() });
    stage.sandbox.create_orders(1, OwnedWish::default()).await;
    let (one, two) = (stage.next().await, stage.next().await);
    assert_eq!((one.header("x-shopify-topic"), two.header("x-shopify-topic")), ("orders/updated", "orders/create"));
    assert_eq!(one.order().external_id, two.order().external_id);
    assert!(one.order().version > two.order().version);

    stage.sandbox.set_faults(Faults { drop: true, ..Faults::default() });
    let lost = stage.sandbox.create_orders(3, OwnedWish::default()).await;
    assert_eq!((lost.dropped, lost.delivered), (3, 0));

    stage.sandbox.set_faults(Faults { late_ms: 1, ..Faults::default() });
    let late = stage.sandbox.create_orders(1, OwnedWish::default()).await;
    assert_eq!((late.late, late.delivered), (1, 0));
    assert_eq!(stage.next().await.header("x-shopify-topic"), "orders/create");
}

/// RA4.1
#[tokio::test]
async fn tampered_and_wrongly_signed_deliveries_do_not_verify_and_a_rotated_one_does_with_the_new_secret() {
    let mut stage = stage().await;
    let secret: &[u8] = SECRET.as_bytes();
    for faults in [r#"{"tampered":true}"#, r#"{"wrong_secret":true}"#] {
        stage.control("PUT", "/faults", faults).await;
        stage.sandbox.create_orders(1, OwnedWish::default()).await;
        assert!(!stage.next().await.is_good(&[secret]), "{faults}");
    }
    stage.control("PUT", "/faults", r#"{"rotated_secret":"newer"}"#).await;
    stage.sandbox.create_orders(1, OwnedWish::default()).await;
    let got = stage.next().await;
    assert!(got.is_good(&[secret, b"newer"]) && !got.is_good(&[secret]));
    let (status, told) = stage.control("PUT", "/faults", r#"{"nonsense":true}"#).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{told}");
}

/// RA4.1
#[tokio::test]
async fn eight_failures_in_a_row_delete_the_subscription_and_a_success_between_does_not() {
    let stage = stage().await;
    stage.status.store(401, Ordering::SeqCst);
    stage.sandbox.create_orders(7, OwnedWish::default()).await;
    stage.status.store(200, Ordering::SeqCst);
    stage.sandbox.create_orders(1, OwnedWish::default()).await;
    stage.status.store(302, Ordering::SeqCst);
    let refused = stage.sandbox.create_orders(8, OwnedWish::default()).await;
    assert_eq!((refused.delivered, refused.rejected), (8, 8));
    let (_, now) = stage.control("GET", "", "").await;
    assert_eq!((&now["subscription"], &now["subscriptions_deleted"]), (&serde_json::Value::Null, &1.into()));
    assert_eq!(stage.sandbox.create_orders(1, OwnedWish::default()).await.unsubscribed, 1);

    stage.status.store(200, Ordering::SeqCst);
    let body = format!(r#"{{"target":"{}"}}"#, stage.target);
    assert_eq!(stage.control("PUT", "/subscription", &body).await.0, StatusCode::OK);
    let (_, retried) = stage.control("POST", "/retries", "").await;
    assert_eq!(retried["accepted"], 15);
}

/// RA2.2
#[tokio::test]
async fn edits_cancellations_and_retries_reach_the_store() {
    let mut stage = stage().await;
    let (_, told) = stage.control("POST", "/orders", r#"{"count":1,"sku":"B/2","quantity":3}"#).await;
    let id = told["order_ids"][0].as_str().unwrap().to_owned();
    let created = stage.next().await;
    let (_, again) = stage.control("POST", &format!("/orders/{id}/redeliver"), "").await;
    assert_eq!(again["accepted"], 1);
    let repeated = stage.next().await;
    assert_eq!(repeated.header("x-shopify-webhook-id"), created.header("x-shopify-webhook-id"));

    stage.control("POST", &format!("/orders/{id}/edit"), r#"{"line":0,"current_quantity":1}"#).await;
    let edited = stage.next().await.order();
    let line = edited.lines.first().unwrap();
    assert_eq!((line.sku.as_deref(), line.quantity, line.current_quantity), (Some("B/2"), 3, 1));
    assert!(edited.version > created.order().version);
    assert_eq!(reconcile_totals(&edited).unwrap().flag(), None);

    stage.control("POST", &format!("/orders/{id}/cancel"), "").await;
    let cancelled = stage.next().await;
    assert_eq!(cancelled.header("x-shopify-topic"), "orders/cancelled");
    assert_eq!(cancelled.order().cancelled_at, Some(cancelled.order().version));
    for (path, body) in [("/orders/1/cancel", ""), (&*format!("/orders/{id}/edit"), r#"{"current_quantity":4}"#)] {
        assert_eq!(stage.control("POST", path, body).await.0, StatusCode::NOT_FOUND);
    }
}

/// D25
#[test]
fn only_plain_http_to_a_literal_loopback_address_is_called() {
    for good in ["http://127.0.0.1:8080/hooks/shopify/chn_1", "http://[::1]/x", "http://127.8.8.8/"] {
        assert!(loopback(good).is_ok(), "{good}");
    }
    for bad in [
        "https://127.0.0.1/x",
        "http://localhost/x",
        "http://10.0.0.1/",
        "http://127.0.0.1.example.com/",
        "http://example.com/127.0.0.1",
        "http://127.0.0.1@example.com/",
        "/hooks",
        "",
        "no address",
    ] {
        assert!(loopback(bad).is_err(), "{bad}");
    }
}

/// RA2.1
#[test]
fn a_thousand_made_up_orders_add_up_before_and_after_edits() {
    let catalog = catalog();
    let wish = Wish { catalog: &catalog, lines: None, sku: None, quantity: None };
    let mut dice = Dice::seeded(11);
    let (mut discounted, mut net_priced) = (0, 0);
    for number in 1..=1_000 {
        let mut order = make_up(&mut dice, number, Timestamp(1_795_000_000_000), wish);
        discounted += u32::from(!order.applications.is_empty());
        net_priced += u32::from(!order.taxes_included);
        for step in 0..2 {
            let body = render(&order, "haus.myshopify.com");
            let Ok(IncomingEvent::Order(read)) = Shopify.read("orders/updated", &body) else {
                panic!("{}", String::from_utf8_lossy(&body));
            };
            let sums = reconcile_totals(&read).unwrap();
            assert_eq!((sums.flag(), sums.ordered.totals.total.minor), (None, order.total()));
            for side in [sums.ordered.difference, sums.now.difference] {
                let parts = [side.subtotal, side.discount, side.shipping, side.tax];
                assert!(parts.iter().all(|part| part.minor == 0), "{side:?}");
            }
            let pieces = i64::from(step) + i64::try_from(number % 2).unwrap();
            order.set_current_quantity(0, pieces.min(order.lines[0].quantity), Timestamp(1_795_000_000_000));
        }
    }
    assert!(discounted > 200 && net_priced > 50);
}

/// RA2.1
#[test]
fn the_payload_is_written_as_shopify_writes_json() {
    let catalog = [Article { sku: "X/1".to_owned(), title: "<b> & \"q\" \\ \u{2028} ü\u{1}".to_owned(), price: 100 }];
    let wish = Wish { catalog: &catalog, lines: Some(1), sku: Some("X/1"), quantity: Some(1) };
    let order = make_up(&mut Dice::seeded(1), 1, Timestamp(1_795_000_000_000), wish);
    let text = String::from_utf8(render(&order, "haus.myshopify.com")).unwrap();
    assert!(text.starts_with(
        r#"{"id":6100000000001,"admin_graphql_api_id":"gid:\/\/shopify\/Order\/6100000000001","app_id":"#
    ));
    assert!(text.contains(r#""title":"\u003cb\u003e \u0026 \"q\" \\ \u2028 ü\u0001","#));
    assert!(text.contains(r#""sku":"X\/1""#) && text.contains(r#""created_at":"2026-11-18T12:06:40+01:00""#));
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["line_items"][0]["title"], catalog[0].title.as_str());
}

/// RA2.1
#[test]
fn a_sample_depends_on_its_parameters_alone_and_verifies() {
    let catalog = catalog();
    let wish = Wish { catalog: &catalog, lines: None, sku: None, quantity: None };
    let sample = |number| {
        let now = Timestamp(1_795_000_000_000);
        sample_order(&Sample { seed: 3, number, shop_domain: "h.myshopify.com", secret: SECRET.as_bytes(), now, wish })
    };
    assert_eq!(sample(1), sample(1));
    let mut seen = HashSet::new();
    for number in 1..200 {
        let (headers, body) = sample(number);
        let look = |name: &str| {
            headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
        };
        assert!(Shopify.verify(&[SECRET.as_bytes()], &look, &body).is_good());
        let envelope = Shopify.envelope(&look).unwrap();
        assert!(seen.insert(envelope.delivery_id) && seen.insert(envelope.event_id.unwrap()));
    }
}
