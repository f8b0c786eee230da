//! An emulator of a Shopify shop, served over real HTTP on loopback: it keeps orders, delivers them as signed webhooks, and misbehaves on
//! request. For the demo, for training and for tests.
//!
//! Control: `GET /_control` · `GET|POST /_control/orders` · `POST /_control/orders/{id}/redeliver` · `POST /_control/orders/{id}/edit` ·
//! `POST /_control/orders/{id}/cancel` · `POST /_control/retries` · `PUT /_control/faults` · `PUT /_control/subscription`.

mod control;
mod delivery;
mod order;
mod render;

pub use delivery::{Delivery, Sample, sample_order};
pub use order::{Article, Dice, SandboxLine, SandboxOrder, Wish, make_up};
pub use render::render;

use crate::base::clock::Clock;
use crate::base::id::Entropy;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Failures in a row after which Shopify deletes a subscription.
pub const FAILURES_MAX: u32 = 8;
/// Orders that are kept; the oldest go first.
const ORDERS_KEPT: usize = 10_000;
/// Failed deliveries that wait for a retry; the oldest go first.
const RETRIES_KEPT: usize = 1_000;
/// How long Shopify waits for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Deliveries under way at once.
const AT_ONCE: usize = 8;
const ANSWER_MAX: usize = 64 * 1024;

/// How the emulated shop is set up.
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    /// As in `haus.myshopify.com`.
    pub shop_domain: String,
    /// What deliveries are signed with.
    pub client_secret: String,
    /// What is sold.
    pub catalog: Vec<Article>,
    /// Where deliveries go: plain HTTP to a loopback address. None yet is fine.
    pub target: Option<String>,
}

/// How the emulator misbehaves. All off at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, each turned by itself")]
pub struct Faults {
    /// Each delivery is sent a second time: same event id, other delivery id.
    pub duplicate: bool,
    /// Each new order is changed at once, and the change arrives before the creation.
    pub reorder: bool,
    /// Deliveries are lost: nothing is sent, nothing is retried.
    pub drop: bool,
    /// Deliveries come this much later than the event.
    pub late_ms: u64,
    /// The body is changed after it was signed.
    pub tampered: bool,
    /// Deliveries are signed with a secret that nobody knows.
    pub wrong_secret: bool,
    /// The merchant has rotated the secret: this one signs from now on.
    pub rotated_secret: Option<String>,
}

/// What became of deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// Answered, whatever the status.
    pub delivered: u64,
    /// Answered with 2xx.
    pub accepted: u64,
    /// Answered with anything else.
    pub rejected: u64,
    /// Not answered in time, or nobody listens.
    pub unanswered: u64,
    /// Lost on purpose.
    pub dropped: u64,
    /// To be sent later.
    pub late: u64,
    /// Not sent because there is no subscription.
    pub unsubscribed: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.delivered += other.delivered;
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        self.unanswered += other.unanswered;
        self.dropped += other.dropped;
        self.late += other.late;
        self.unsubscribed += other.unsubscribed;
    }
}

/// Why the emulator cannot do something.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The target is not one that an emulator may call.
    #[error("`{0}` is not plain HTTP to a loopback address, as in http://127.0.0.1:8080/hooks/shopify/chn_…")]
    Target(String),
    /// It cannot listen.
    #[error("the Shopify emulator cannot listen on loopback")]
    Listen(#[from] std::io::Error),
}

struct State {
    dice: Dice,
    next_number: u64,
    orders: BTreeMap<u64, (SandboxOrder, Delivery)>,
    subscription: Option<hyper::Uri>,
    failures: u32,
    deleted: u64,
    faults: Faults,
    tally: Tally,
    retries: VecDeque<Delivery>,
}

struct Shared {
    config: SandboxConfig,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// A running emulator. It stops when this is dropped.
pub struct ShopifySandbox {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for ShopifySandbox {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl ShopifySandbox {
    /// Starts an emulator on a free port of 127.0.0.1. Must be called inside a tokio runtime.
    pub async fn start(
        config: SandboxConfig,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
    ) -> Result<Self, SandboxError> {
        let subscription = config.target.as_deref().map(loopback).transpose()?;
        let mut seed = [0; 8];
        entropy.fill(&mut seed);
        let state = State {
            dice: Dice::seeded(u64::from_be_bytes(seed)),
            next_number: 1,
            orders: BTreeMap::new(),
            subscription,
            failures: 0,
            deleted: 0,
            faults: Faults::default(),
            tally: Tally::default(),
            retries: VecDeque::new(),
        };
        let client = Client::builder(TokioExecutor::new()).build_http();
        let shared = Arc::new(Shared { config, clock, state: Mutex::new(state), client });
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let routes = control::routes(Arc::clone(&shared));
        #[expect(clippy::disallowed_methods, reason = "the emulator is a server of its own; it stops with its handle")]
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::error!(%error, "the Shopify emulator stopped");
            }
        });
        Ok(Self { address, shared, server })
    }

    /// As in `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Subscribes, as an app does after installation or when it finds its subscription gone. Failures count from zero again.
    pub fn subscribe(&self, target: &str) -> Result<(), SandboxError> {
        self.shared.subscribe(target)
    }

    /// Changes how it misbehaves.
    pub fn set_faults(&self, faults: Faults) {
        self.shared.state.lock().faults = faults;
    }

    /// Makes orders up and delivers them. Returns when all that is not late was answered.
    pub async fn create_orders(&self, count: u64, wish: OwnedWish) -> Tally {
        self.shared.create_orders(count, wish).await.0
    }
}

/// What orders to be made up are about; see [`Wish`].
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct OwnedWish {
    /// Number of lines.
    pub lines: Option<usize>,
    /// This article only.
    pub sku: Option<String>,
    /// Pieces per line.
    pub quantity: Option<i64>,
}

/// Refuses all but plain HTTP to a literal loopback address.
fn loopback(target: &str) -> Result<hyper::Uri, SandboxError> {
    let refused = || SandboxError::Target(crate::base::text::cut(target, 200));
    let uri: hyper::Uri = target.parse().map_err(|_unparsable| refused())?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if uri.scheme_str() == Some("http") && is_loopback { Ok(uri) } else { Err(refused()) }
}

impl Shared {
    fn subscribe(&self, target: &str) -> Result<(), SandboxError> {
        let uri = loopback(target)?;
        let mut state = self.state.lock();
        state.subscription = Some(uri);
        state.failures = 0;
        Ok(())
    }

    /// Makes orders up, keeps them and delivers them; gives back their ids too.
    async fn create_orders(self: &Arc<Self>, count: u64, wish: OwnedWish) -> (Tally, Vec<u64>) {
        use futures_util::StreamExt as _;
        let events: Vec<Vec<Delivery>> = (0..count).map(|_| self.new_order(&wish)).collect();
        let ids = events.iter().filter_map(|events| events.first()).map(|delivery| delivery.order).collect();
        let sending = events.into_iter().map(|events| async move {
            let mut tally = Tally::default();
            for delivery in events {
                tally.add(self.deliver(delivery).await);
            }
            tally
        });
        let mut total = Tally::default();
        let mut answers = futures_util::stream::iter(sending).buffer_unordered(AT_ONCE);
        while let Some(tally) = answers.next().await {
            total.add(tally);
        }
        (total, ids)
    }

    /// The deliveries of a new order, in the order in which they are sent.
    fn new_order(&self, wish: &OwnedWish) -> Vec<Delivery> {
        let now = self.clock.now();
        let shop = self.config.shop_domain.as_str();
        let mut state = self.state.lock();
        let state = &mut *state;
        let number = state.next_number;
        state.next_number = number.saturating_add(1);
        let wish = Wish {
            catalog: &self.config.catalog,
            lines: wish.lines,
            sku: wish.sku.as_deref(),
            quantity: wish.quantity,
        };
        let mut order = make_up(&mut state.dice, number, now, wish);
        let create = Delivery::of(&order, "orders/create", shop, now, &mut state.dice);
        let mut events = vec![create.clone()];
        let mut last = create;
        if state.faults.reorder {
            order.touch(now);
            last = Delivery::of(&order, "orders/updated", shop, now, &mut state.dice);
            events.insert(0, last.clone());
        }
        state.orders.insert(order.id, (order, last));
        if state.orders.len() > ORDERS_KEPT {
            state.orders.pop_first();
        }
        events
    }

    /// Changes a kept order; the delivery that tells of it, or `None` when there is no such order or the change does not fit.
    fn change(&self, id: u64, topic: &'static str, change: impl FnOnce(&mut SandboxOrder) -> bool) -> Option<Delivery> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let state = &mut *state;
        let (order, last) = state.orders.get_mut(&id)?;
        if !change(order) {
            return None;
        }
        let delivery = Delivery::of(order, topic, &self.config.shop_domain, now, &mut state.dice);
        *last = delivery.clone();
        Some(delivery)
    }

    /// Sends a delivery with the faults that are on.
    async fn deliver(self: &Arc<Self>, delivery: Delivery) -> Tally {
        let faults = self.state.lock().faults.clone();
        let mut tally = Tally::default();
        if faults.drop {
            tally.dropped = 1;
            self.state.lock().tally.add(tally);
            return tally;
        }
        let mut copies = vec![delivery];
        if faults.duplicate
            && let Some(mut copy) = copies.first().cloned()
        {
            copy.delivery_id = self.state.lock().dice.uuid();
            copies.push(copy);
        }
        for copy in copies {
            if faults.late_ms == 0 {
                tally.add(self.send(copy, &faults).await);
                continue;
            }
            tally.late += 1;
            let (shared, faults) = (Arc::clone(self), faults.clone());
            #[expect(clippy::disallowed_methods, reason = "what is late must not hold up the others")]
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(faults.late_ms)).await;
                shared.send(copy, &faults).await;
            });
        }
        tally
    }

    /// One HTTP request, and the book-keeping of its answer.
    async fn send(&self, delivery: Delivery, faults: &Faults) -> Tally {
        let target = self.state.lock().subscription.clone();
        let mut tally = Tally::default();
        match target {
            None => tally.unsubscribed = 1,
            Some(target) => match self.request(target, &delivery, faults).await {
                Some(status) if status.is_success() => (tally.delivered, tally.accepted) = (1, 1),
                Some(_) => (tally.delivered, tally.rejected) = (1, 1),
                None => tally.unanswered = 1,
            },
        }
        let mut state = self.state.lock();
        state.tally.add(tally);
        if tally.accepted == 1 {
            state.failures = 0;
        } else if tally.unsubscribed == 0 {
            state.failures += 1;
            state.retries.push_back(delivery);
            if state.retries.len() > RETRIES_KEPT {
                state.retries.pop_front();
            }
            if state.failures >= FAILURES_MAX && state.subscription.take().is_some() {
                state.deleted += 1;
            }
        }
        tally
    }

    async fn request(&self, target: hyper::Uri, delivery: &Delivery, faults: &Faults) -> Option<hyper::StatusCode> {
        let secret = match &faults.rotated_secret {
            _ if faults.wrong_secret => "not-the-secret-of-this-app",
            Some(rotated) => rotated,
            None => &self.config.client_secret,
        };
        let mut request = hyper::Request::post(target);
        for (name, value) in delivery.headers(&self.config.shop_domain, secret.as_bytes()) {
            request = request.header(name, value);
        }
        let mut body = delivery.body.clone();
        if faults.tampered {
            // A space at the end reads the same and signs differently.
            body.push(b' ');
        }
        let request = request.body(Full::new(Bytes::from(body))).ok()?;
        let answer = async {
            let response = self.client.request(request).await.ok()?;
            let status = response.status();
            // The answer is read so that the connection can be used again.
            drop(Limited::new(response.into_body(), ANSWER_MAX).collect().await);
            Some(status)
        };
        tokio::time::timeout(ANSWER_WITHIN, answer).await.ok().flatten()
    }
}

#[cfg(test)]
mod tests;
