//! A mixed load from outside: signed deliveries, orders and adjustments. What was answered is noted; what was not is repeated with its key.

use super::process::{Answered, Http, Store};
use bodega::base::clock::{Clock as _, SystemClock, Timestamp};
use bodega::integrations::shopify::sandbox::{Article, Dice, Sample, Wish, sample_order};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const SHOP: &str = "haus-kaffee.myshopify.com";
/// Articles that the load is about: few, so that orders meet.
const ARTICLES: usize = 12;

/// What was acknowledged, by the key that finds it in the store.
#[derive(Default, Clone)]
pub(crate) struct Acks {
    /// Delivery id, with the order's id at the shop.
    pub(crate) deliveries: BTreeMap<String, String>,
    /// Note of the order, with its id.
    pub(crate) orders: BTreeMap<String, String>,
    /// Note of the movement, with its id.
    pub(crate) movements: BTreeMap<String, String>,
    /// Notes of orders that were refused for want of stock.
    pub(crate) refused: BTreeSet<String>,
    /// When each key was acknowledged.
    pub(crate) at: BTreeMap<String, Instant>,
    /// Answers by status.
    pub(crate) statuses: BTreeMap<u16, u64>,
}

impl Acks {
    /// Everything that was acknowledged.
    pub(crate) fn count(&self) -> usize {
        self.deliveries.len() + self.orders.len() + self.movements.len()
    }

    /// Answers with this status.
    pub(crate) fn answers(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or(0)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    Delivery,
    Order,
    Adjustment,
}

/// One request, the same bytes each time that it is sent.
#[derive(Clone)]
pub(crate) struct Op {
    what: What,
    key: String,
    external: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

struct Item {
    variant: String,
    warehouse: String,
    article: Article,
}

/// The load, over as many processes as the test starts.
pub(crate) struct Load {
    items: Vec<Item>,
    secret: String,
    /// One caller through all restarts: an idempotency key belongs to its caller, and each start of a demo makes a further token.
    bearer: (String, String),
    hook: String,
    next: AtomicU64,
    pending: Mutex<Vec<Op>>,
    acks: Mutex<Acks>,
}

impl Load {
    /// A load for the catalog of a store.
    pub(crate) async fn new(store: &Store) -> Arc<Self> {
        let levels = store.http().get("/api/v1/inventory/levels?limit=100").await;
        let rows = levels.body["data"].as_array().unwrap_or_else(|| panic!("{levels:?}"));
        let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
        let items = rows.iter().filter(|row| row["warehouse_code"] == "MAIN").take(ARTICLES).map(|row| Item {
            variant: text(row, "variant_id"),
            warehouse: text(row, "warehouse_id"),
            article: Article { sku: text(row, "sku"), title: text(row, "title"), price: 1250 },
        });
        let id = store.told("/channels/shopify/id");
        Arc::new(Self {
            items: items.collect(),
            secret: store.told("/channels/shopify/secret"),
            bearer: store.http().bearer(),
            hook: format!("/hooks/shopify/{id}"),
            next: AtomicU64::new(1),
            pending: Mutex::default(),
            acks: Mutex::default(),
        })
    }

    /// What was acknowledged until now.
    pub(crate) fn acks(&self) -> Acks {
        self.acks.lock().clone()
    }

    /// Takes back what counted as acknowledged.
    pub(crate) fn forget(&self, keys: &[String]) {
        let mut acks = self.acks.lock();
        for key in keys {
            acks.deliveries.remove(key);
            acks.orders.remove(key);
            acks.movements.remove(key);
        }
    }

    /// SKUs that it is about.
    pub(crate) fn skus(&self) -> Vec<String> {
        self.items.iter().map(|item| item.article.sku.clone()).collect()
    }

    /// The next delivery.
    pub(crate) fn delivery(&self) -> Op {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let catalog: Vec<Article> = self.items.iter().map(|item| item.article.clone()).collect();
        let (headers, body) = sample_order(&Sample {
            seed: 7,
            number,
            shop_domain: SHOP,
            secret: self.secret.as_bytes(),
            now: SystemClock::starting_at(Timestamp(0)).now(),
            wish: Wish { catalog: &catalog, lines: None, sku: None, quantity: Some(1) },
        });
        let headers: Vec<_> = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let key = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-shopify-webhook-id")).unwrap().1.clone();
        let order: Value = serde_json::from_slice(&body).unwrap();
        Op { what: What::Delivery, key, external: order["id"].to_string(), path: self.hook.clone(), headers, body }
    }

    /// The next order.
    pub(crate) fn order(&self) -> Op {
        let (number, item) = self.draw();
        let line =
            json!({ "sku": item.article.sku, "quantity": 1, "unit_price": { "amount": "12.50", "currency": "EUR" } });
        Self::api(What::Order, number, "/api/v1/orders", json!({ "currency": "EUR", "lines": [line] }))
    }

    /// The next adjustment.
    pub(crate) fn adjustment(&self) -> Op {
        let (number, item) = self.draw();
        let body = json!({
            "variant_id": item.variant, "warehouse_id": item.warehouse, "delta": 4, "kind": "receipt", "reason": "load",
        });
        Self::api(What::Adjustment, number, "/api/v1/inventory/adjustments", body)
    }

    fn draw(&self) -> (u64, &Item) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number, &self.items[usize::try_from(number).unwrap() % self.items.len()])
    }

    fn api(what: What, number: u64, path: &str, mut body: Value) -> Op {
        let key = format!("{what:?}-{number}");
        body["note"] = json!(key);
        let headers = [("idempotency-key", key.as_str()), ("content-type", "application/json")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Op { what, key, external: String::new(), path: path.to_owned(), headers, body: body.to_string().into_bytes() }
    }

    fn make(&self) -> Op {
        match Dice::seeded(self.next.load(Ordering::Relaxed)).below(4) {
            0 | 1 => self.delivery(),
            2 => self.order(),
            _ => self.adjustment(),
        }
    }

    /// Sends one request and notes its answer; without a final answer it is kept to be repeated.
    pub(crate) async fn send(&self, http: &Http, op: Op) -> Option<Answered> {
        let mut headers = op.headers.clone();
        if op.what != What::Delivery {
            headers.push(self.bearer.clone());
        }
        let answered = http.send("POST", &op.path, &headers, op.body.clone()).await;
        let Some(answer) = answered else {
            self.pending.lock().push(op);
            return None;
        };
        let mut acks = self.acks.lock();
        *acks.statuses.entry(answer.status).or_default() += 1;
        if (200..300).contains(&answer.status) {
            acks.at.insert(op.key.clone(), Instant::now());
        }
        let id = || answer.body["id"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned();
        match (op.what, answer.status, answer.body["code"].as_str().unwrap_or_default()) {
            (What::Delivery, 200, _) => drop(acks.deliveries.insert(op.key, op.external)),
            (What::Order, 201, _) => drop(acks.orders.insert(op.key, id())),
            (What::Adjustment, 201, _) => drop(acks.movements.insert(op.key, id())),
            (What::Order, 409, "insufficient_stock") => drop(acks.refused.insert(op.key)),
            (_, 503 | 507, _) => self.pending.lock().push(op),
            other => panic!("an answer that nothing here causes: {other:?} {answer:?}"),
        }
        drop(acks);
        Some(answer)
    }

    /// Sends from `workers` at a time until it is stopped or nobody answers. What is pending goes first.
    pub(crate) async fn run(self: &Arc<Self>, http: &Http, workers: usize, stop: &CancellationToken) {
        let mut tasks = JoinSet::new();
        for _ in 0..workers {
            let (load, http, stop) = (Arc::clone(self), http.clone(), stop.clone());
            tasks.spawn(async move {
                while !stop.is_cancelled() {
                    let pending = load.pending.lock().pop();
                    let op = pending.unwrap_or_else(|| load.make());
                    if load.send(&http, op).await.is_none() {
                        return;
                    }
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    }

    /// Repeats everything that has no final answer yet. All must get one.
    pub(crate) async fn settle(&self, http: &Http) {
        let pending = std::mem::take(&mut *self.pending.lock());
        for op in pending {
            let key = op.key.clone();
            assert!(self.send(http, op).await.is_some(), "{key} is not answered");
        }
        assert!(self.pending.lock().is_empty(), "what was repeated has no final answer");
    }
}
