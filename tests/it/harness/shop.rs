//! A whole store in this process: real files, real emulators, real HTTP on loopback.

use bodega::app::demo::{self, Announcement, Demo, DemoSetup, Sandboxes};
use bodega::app::own_request;
use bodega::base::clock::{Clock, ManualClock, SystemClock, Timestamp};
use bodega::base::error::Fault;
use bodega::base::id::{Entropy, TypedId as _, VariantId, WarehouseId};
use bodega::domain::inventory::store as inventory;
use bodega::infra::db::ReadTx;
use bodega::infra::queue::Backend;
use bodega::infra::vault::SystemEntropy;
use bodega::integrations::google::sandbox::GoogleSandbox;
use bodega::integrations::shopify::verify;
use bodega::kernel::permit::Permission;
use bodega::kernel::scope::{Scope, Shared};
use bodega::kernel::tenants::Tenant;
use bodega::kernel::web::limits::Limits;
use bodega::kernel::work::Runner;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Where the hand-moved clock begins: 2026-11-21T00:00:00Z.
pub(crate) const START: Timestamp = Timestamp(1_795_219_200_000);
/// How long most things may take on a machine that does other things too.
pub(crate) const SOON: Duration = Duration::from_secs(40);
/// Between two looks at a condition.
const GLANCE: Duration = Duration::from_millis(10);
/// The demo's shop.
pub(crate) const SHOP: &str = "haus-kaffee.myshopify.com";

const MANY: u32 = 100_000_000;
const NO_LIMITS: Limits = Limits { public: MANY, sign_in: MANY, api: MANY, channel: MANY, bad_signature: MANY };

/// An answer as a client sees it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The body, if the status is the expected one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// A header's text; empty when it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Which time a shop lives in.
#[derive(Clone)]
enum Time {
    Real,
    Manual(Arc<ManualClock>),
}

/// A store that serves.
pub(crate) struct Shop {
    pub(crate) demo: Announcement,
    pub(crate) shared: Arc<Shared>,
    pub(crate) runner: Arc<Runner>,
    sandboxes: Arc<OnceLock<Sandboxes>>,
    stop: CancellationToken,
    serving: JoinHandle<bool>,
    time: Time,
    client: Client<HttpConnector, Full<Bytes>>,
    folder: Arc<tempfile::TempDir>,
}

impl Shop {
    /// A store in real time: Google is told, jobs come due.
    pub(crate) async fn open() -> Self {
        Self::start(Arc::new(tempfile::tempdir().unwrap()), Time::Real).await
    }

    /// A store whose time stands still until it is moved. Jobs without delay run all the same.
    pub(crate) async fn open_at_rest() -> Self {
        let time = Time::Manual(Arc::new(ManualClock::at(START)));
        Self::start(Arc::new(tempfile::tempdir().unwrap()), time).await
    }

    async fn start(folder: Arc<tempfile::TempDir>, time: Time) -> Self {
        let end = Instant::now() + SOON;
        let demo = loop {
            let clock: Arc<dyn Clock> = match &time {
                Time::Real => Arc::new(SystemClock::starting_at(Timestamp(0))),
                Time::Manual(clock) => Arc::<ManualClock>::clone(clock),
            };
            let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
            let setup = DemoSetup {
                data: folder.path().join("data"),
                listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                seed: 7,
                clock,
                entropy,
                limits: NO_LIMITS,
                backend: Backend::Sled,
                google_sandbox: None,
            };
            match demo::open(setup).await {
                Ok(demo) => break demo,
                // The emulator's port of the last run may take a moment to be free.
                Err(fault) => assert!(Instant::now() < end, "the store does not open: {fault}"),
            }
            tokio::time::sleep(GLANCE).await;
        };
        let Demo { app, listener, sandboxes, announcement } = demo;
        let (shared, runner, stop) = (Arc::clone(app.shared()), Arc::clone(app.runner()), app.stop_token().clone());
        app.start_work();
        let serving = tokio::spawn(app.serve(listener));
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { demo: announcement, shared, runner, sandboxes, stop, serving, time, client, folder }
    }

    /// Google's emulator.
    pub(crate) fn google(&self) -> &GoogleSandbox {
        self.sandboxes().google.as_ref().expect("the demo brings its own")
    }

    /// The emulators.
    pub(crate) fn sandboxes(&self) -> &Sandboxes {
        self.sandboxes.get().unwrap()
    }

    /// The data folder.
    pub(crate) fn data(&self) -> &Path {
        &self.demo.data
    }

    /// Asks the instance to stop, as SIGTERM does. It finishes what it is at.
    pub(crate) fn ask_to_stop(&self) {
        self.stop.cancel();
    }

    /// Stops, and gives whether everything came to rest.
    pub(crate) async fn stop(self) -> bool {
        self.stop.cancel();
        tokio::time::timeout(SOON, self.serving).await.expect("it stops in time").unwrap()
    }

    /// Stops, and gives the folder that the data lies in.
    pub(crate) async fn into_folder(self) -> Arc<tempfile::TempDir> {
        let folder = Arc::clone(&self.folder);
        assert!(self.stop().await, "everything came to rest");
        folder
    }

    /// Stops and starts again on the same data.
    pub(crate) async fn reopen(self) -> Self {
        let (folder, time) = (Arc::clone(&self.folder), self.time.clone());
        assert!(self.stop().await, "everything came to rest");
        Self::start(folder, time).await
    }

    /// Lets time pass in a store at rest, and jobs that became due begin.
    pub(crate) async fn advance(&self, span: Duration) {
        let Time::Manual(clock) = &self.time else { panic!("this store lives in real time") };
        clock.advance(span);
        self.runner.queue().poke().await;
    }

    /// The demo's store.
    pub(crate) fn tenant(&self) -> Arc<Tenant> {
        self.shared.tenants.all().into_iter().find(|tenant| tenant.handle == "demo").unwrap()
    }

    /// A scope of the product itself.
    pub(crate) async fn scope(&self) -> Scope {
        self.scope_of(&self.tenant()).await
    }

    /// A scope of the product itself in another store.
    pub(crate) async fn scope_of(&self, tenant: &Arc<Tenant>) -> Scope {
        Scope::system(&self.shared, tenant, own_request(&self.shared)).await.unwrap()
    }

    /// A query on the demo's file.
    pub(crate) async fn read<T>(&self, act: impl FnOnce(&ReadTx<'_>) -> Result<T, Fault>) -> T {
        self.scope().await.read(Permission::OrderRead, act).await.unwrap()
    }

    /// The number that a query gives.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.read(|tx| Ok(tx.value(sql, [])?)).await
    }

    // --- HTTP

    /// A request as it is.
    pub(crate) async fn send(&self, method: &str, url: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
        self.try_send(method, url, headers, body).await.unwrap_or_else(|error| panic!("{method} {url}: {error}"))
    }

    /// A request that may find nobody.
    pub(crate) async fn try_send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, String> {
        let url = if url.starts_with('/') { format!("{}{url}", self.demo.url) } else { url.to_owned() };
        let mut request = hyper::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).unwrap();
        let response = self.client.request(request).await.map_err(|error| error.to_string())?;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
    }

    /// A request with the demo's token.
    pub(crate) async fn call(&self, method: &str, path: &str, more: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let token = format!("Bearer {}", self.demo.api_token);
        let mut headers = vec![("authorization", token.as_str())];
        headers.extend_from_slice(more);
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let bytes = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        self.send(method, path, &headers, bytes).await
    }

    /// Reads something that is there.
    pub(crate) async fn get(&self, path: &str) -> Value {
        self.call("GET", path, &[], None).await.expect(200)
    }

    /// The rows of a list.
    pub(crate) async fn list(&self, path: &str) -> Vec<Value> {
        self.get(path).await["data"].as_array().unwrap().clone()
    }

    /// A command.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, &[], Some(body)).await
    }

    /// A replacement.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.call("PUT", path, &[], Some(body)).await
    }

    /// A delivery to the Shopify channel, as it is.
    pub(crate) async fn webhook(&self, body: impl Into<Bytes>, headers: &[(&str, &str)]) -> Answer {
        self.send("POST", &self.demo.channels.shopify.webhook_url, headers, body.into()).await
    }

    /// An `orders/create` that is signed as Shopify signs it.
    pub(crate) async fn deliver(&self, body: &[u8], delivery: &str, event: &str) -> Answer {
        let signature = verify::sign(self.demo.channels.shopify.secret.as_bytes(), body);
        let headers = hook_headers(delivery, event);
        let mut headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.push(("X-Shopify-Hmac-Sha256", &signature));
        self.webhook(body.to_vec(), &headers).await
    }

    /// Delivers an order of its own and waits until it was worked on. Gives the message.
    pub(crate) async fn sell(&self, order: &Value) -> Value {
        let id = order["id"].to_string();
        let body = order.to_string();
        let receipt = self.deliver(body.as_bytes(), &format!("d-{id}"), &format!("e-{id}")).await.expect(200);
        self.message_done(receipt["message_id"].as_str().unwrap()).await
    }

    /// Waits until a message was worked on.
    pub(crate) async fn message_done(&self, message: &str) -> Value {
        let path = format!("{}/inbox/{message}", self.channel_path());
        self.until("the message is worked on", SOON, async || {
            let message = self.get(&path).await;
            if message["state"] == "received" { Err(message["id"].clone()) } else { Ok(message) }
        })
        .await
    }

    /// The order that a message became.
    pub(crate) async fn order_of(&self, message: &Value) -> Value {
        let id = message["order_id"].as_str().unwrap_or_else(|| panic!("no order came of {message}"));
        self.get(&format!("/api/v1/orders/{id}")).await
    }

    /// The Shopify channel.
    pub(crate) fn channel_path(&self) -> String {
        format!("/api/v1/channels/{}", self.demo.channels.shopify.id)
    }

    /// Looks until there is something to see. Fails with what was seen last when there is not in time.
    pub(crate) async fn until<T, E: std::fmt::Debug>(
        &self,
        what: &str,
        limit: Duration,
        mut look: impl AsyncFnMut() -> Result<T, E>,
    ) -> T {
        let end = Instant::now() + limit;
        loop {
            match look().await {
                Ok(seen) => return seen,
                Err(last) if Instant::now() > end => panic!("waited {limit:?} in vain: {what}; last: {last:?}"),
                Err(_) => tokio::time::sleep(GLANCE).await,
            }
        }
    }

    /// Waits until a query gives a number.
    pub(crate) async fn until_count(&self, sql: &str, expected: i64, limit: Duration) {
        self.until(sql, limit, async || {
            let count = self.count(sql).await;
            if count == expected { Ok(()) } else { Err(count) }
        })
        .await;
    }

    // --- stock

    /// A warehouse by its code.
    pub(crate) async fn warehouse(&self, code: &str) -> WarehouseId {
        let rows = self.list("/api/v1/warehouses").await;
        let row = rows.iter().find(|row| row["code"] == code).unwrap();
        WarehouseId::parse(row["id"].as_str().unwrap()).unwrap()
    }

    /// A product of its own with one variant, in stock as told. Gives the variant.
    pub(crate) async fn article(&self, sku: &str, price: &str, main: i64, depot: i64) -> VariantId {
        let variant = json!({ "sku": sku, "price": { "amount": price, "currency": "EUR" } });
        let product = json!({ "title": format!("Article {sku}"), "variants": [variant], "status": "active" });
        let made = self.post("/api/v1/products", &product).await.expect(201);
        let id = made["variants"][0]["id"].as_str().unwrap();
        for (code, pieces) in [("MAIN", main), ("DEPOT", depot)] {
            if pieces > 0 {
                self.receive(id, code, pieces).await;
            }
        }
        VariantId::parse(id).unwrap()
    }

    /// Pieces arrive.
    pub(crate) async fn receive(&self, variant: &str, code: &str, pieces: i64) {
        let warehouse = self.warehouse(code).await;
        let body = json!({ "variant_id": variant, "warehouse_id": warehouse, "delta": pieces, "kind": "receipt", "reason": "Delivery" });
        self.post("/api/v1/inventory/adjustments", &body).await.expect(201);
    }

    /// What a warehouse has of a variant: on hand and reserved.
    pub(crate) async fn level(&self, variant: VariantId, code: &str) -> (i64, i64) {
        let warehouse = self.warehouse(code).await;
        let levels = self.read(|tx| Ok(inventory::levels_of(tx, variant)?)).await;
        levels.iter().find(|level| level.warehouse == warehouse).map_or((0, 0), |level| (level.on_hand, level.reserved))
    }

    /// Levels agree with their movements and reservations, every reservation and shortfall has its order, every line of a known article has one
    /// of the two, and the journal is whole.
    pub(crate) async fn assert_sound(&self) {
        let (drift, report) = self.read(|tx| Ok((inventory::drift(tx)?, bodega::kernel::journal::verify(tx)?))).await;
        assert!(drift.is_empty(), "{drift:?}");
        assert_eq!(report.broken, None);
        for orphan in [
            "SELECT count(*) FROM inventory_reservation WHERE owner_id NOT IN (SELECT id FROM sales_order)",
            "SELECT count(*) FROM inventory_shortfall WHERE owner_id NOT IN (SELECT id FROM sales_order)",
            "SELECT count(*) FROM sales_order_line l WHERE l.quantity > 0 AND l.variant_id IS NOT NULL
             AND NOT EXISTS (SELECT 1 FROM inventory_reservation r WHERE r.line_id = l.id)
             AND NOT EXISTS (SELECT 1 FROM inventory_shortfall s WHERE s.line_id = l.id)",
            "SELECT count(*) FROM sales_order o WHERE o.status = 'open' AND o.short <>
             (SELECT coalesce(sum(s.quantity - s.filled - s.cancelled), 0) FROM inventory_shortfall s WHERE s.owner_id = o.id)",
        ] {
            assert_eq!(self.count(orphan).await, 0, "{orphan}");
        }
    }
}

/// The headers of an `orders/create`, without the signature.
pub(crate) fn hook_headers(delivery: &str, event: &str) -> Vec<(&'static str, String)> {
    vec![
        ("Content-Type", "application/json".to_owned()),
        ("User-Agent", "Shopify-Captain-Hook".to_owned()),
        ("X-Shopify-Topic", "orders/create".to_owned()),
        ("X-Shopify-Shop-Domain", SHOP.to_owned()),
        ("X-Shopify-API-Version", "2026-10".to_owned()),
        ("X-Shopify-Webhook-Id", delivery.to_owned()),
        ("X-Shopify-Event-Id", event.to_owned()),
        ("X-Shopify-Triggered-At", "2026-11-21T08:15:30.123456789Z".to_owned()),
    ]
}

/// A plain paid order, prices with tax in them: SKU, pieces, cents of one piece.
pub(crate) fn order(id: u64, lines: &[(&str, i64, i64)]) -> Value {
    let money = |cents: i64| format!("{}.{:02}", cents / 100, cents % 100);
    let total: i64 = lines.iter().map(|(_, pieces, price)| pieces * price).sum();
    let items = lines.iter().zip(1_u64..).map(|((sku, pieces, price), position)| {
        json!({ "id": id * 1000 + position, "sku": sku, "title": format!("Article {sku}"), "quantity": pieces, "price": money(*price) })
    });
    json!({
        "id": id, "name": format!("#{id}"), "currency": "EUR", "taxes_included": true, "financial_status": "paid",
        "created_at": "2026-11-21T09:15:30+01:00", "updated_at": "2026-11-21T09:15:30+01:00",
        "line_items": items.collect::<Vec<_>>(), "total_price": money(total), "subtotal_price": money(total),
        "customer": { "id": 7, "email": "maria@example.com", "first_name": "Maria", "last_name": "Weiß" },
    })
}
