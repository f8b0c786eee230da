//! The engine without HTTP: orders, received messages, the queue, reads. Prints one JSON line per figure.
//!
//! `cargo bench --bench engine`, with `-- orders 64 5` for one part at 64 callers for 5 seconds. Each run prints what an fdatasync costs on
//! its disk: figures are compared within a run only.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark that cannot go on fails")]
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark measures real time and prints")]
#![expect(clippy::float_arithmetic, clippy::as_conversions, reason = "figures for people")]
#![expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as above")]

use bodega::app::{App, Setup, own_request};
use bodega::base::clock::{Clock, SystemClock, Timestamp};
use bodega::base::id::{ChannelId, Entropy, TypedId as _, VariantId};
use bodega::base::money::{Currency, Money};
use bodega::base::quantity::Quantity;
use bodega::domain::catalog::demo::parse_demo;
use bodega::domain::catalog::service as catalog;
use bodega::domain::channels::port::Envelope;
use bodega::domain::channels::service::{self as channels, Delivery};
use bodega::domain::feeds::service as feeds;
use bodega::domain::inventory::model::{Adjustment, MovementKind, WhenShort};
use bodega::domain::inventory::service as inventory;
use bodega::domain::orders::model::{OrderFilter, OwnLine, OwnOrder};
use bodega::domain::orders::{own, queries, service as orders};
use bodega::infra::queue::{Backend, Entry, Queue, Settings, Settle, Ticket};
use bodega::infra::vault::SystemEntropy;
use bodega::integrations::google::GoogleEndpoints;
use bodega::kernel::actor::Actor;
use bodega::kernel::command::{Command, Cx};
use bodega::kernel::once::{Key, Reply};
use bodega::kernel::permit::Permission;
use bodega::kernel::scope::Scope;
use bodega::kernel::web::limits::Limits;
use std::future::Future;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const PREPARE: Command = Command::new("bench.prepare", Permission::ProductWrite);
const CATALOG: &str = include_str!("../assets/demo/catalog.json");

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let only = words.next();
    let callers: Vec<usize> = words.next().map_or(vec![1, 16, 64, 256], |n| vec![n.parse().unwrap()]);
    let seconds: f64 = words.next().map_or(4.0, |n| n.parse().unwrap());
    let wants = |part: &str| only.as_deref().is_none_or(|only| only == part);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let folder = tempfile::Builder::new().prefix("bodega-bench").tempdir_in(".").unwrap();
    println!("{}", fdatasync(folder.path()));
    runtime.block_on(async {
        let bench = Bench::open(folder.path()).await;
        let span = Duration::from_secs_f64(seconds);
        for callers in callers {
            if wants("orders") {
                bench.orders(callers, span).await;
            }
            if wants("ingest") {
                bench.ingest(callers, span).await;
            }
            if wants("reads") {
                bench.reads(callers, span).await;
            }
        }
        if wants("queue") {
            queue(folder.path(), Backend::Sled).await;
            queue(folder.path(), Backend::Sqlite).await;
        }
        bench.app.close().await;
    });
}

/// What the disk takes for one durable write of a page.
fn fdatasync(folder: &Path) -> serde_json::Value {
    let mut file = std::fs::File::create(folder.join("probe")).unwrap();
    let page = [0_u8; 4096];
    let mut spans: Vec<Duration> = (0..200)
        .map(|_| {
            let began = Instant::now();
            file.write_all(&page).unwrap();
            file.sync_data().unwrap();
            began.elapsed()
        })
        .collect();
    spans.sort_unstable();
    serde_json::json!({ "what": "fdatasync", "p50_us": spans[100].as_micros(), "p95_us": spans[190].as_micros() })
}

struct Bench {
    app: App,
    scope: Scope,
    channel: ChannelId,
    variants: Vec<VariantId>,
    counter: Arc<AtomicU64>,
}

impl Bench {
    async fn open(folder: &Path) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::starting_at(Timestamp(0)));
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let setup = Setup {
            data: folder.join("data"),
            clock,
            entropy,
            limits: Limits::default(),
            backend: Backend::Memory,
            open_files: 8,
            may_create_key: true,
            google: GoogleEndpoints::live().unwrap(),
            is_demo: false,
        };
        let app = App::open(setup, |_shared| Vec::new()).await.unwrap();
        let shared = app.shared();
        let tenant = shared.tenants.create(&shared.ids, shared.clock.now(), "bench", "Bench").await.unwrap();
        let scope = Scope::system(shared, &tenant, own_request(shared)).await.unwrap();
        let (channel, variants) = prepare(&scope).await;
        Self { app, scope, channel, variants, counter: Arc::new(AtomicU64::new(1)) }
    }

    /// Order, three lines, three reservations, payment attempt, facts, outbox rows and the idempotency record, durable.
    async fn orders(&self, callers: usize, span: Duration) {
        let act = || {
            let number = self.counter.fetch_add(1, Ordering::Relaxed);
            let key = Key::new(Actor::System, "POST", "/api/v1/orders", &number.to_string(), b"{}");
            let scope = self.scope.clone().with_key(Some(key));
            let order = self.order(number);
            async move {
                let known = own::look_up(&scope, &order).await.unwrap();
                scope
                    .reply(&orders::PLACE, move |cx| {
                        let (order, attempt) = own::build_in(cx, &order, &known)?;
                        let placed = orders::place_in(cx, &order, Some(&attempt), WhenShort::Refuse)?;
                        let body = placed.id.to_string();
                        Ok(Reply { status: 201, headers: vec![], body: body.into(), is_replay: false, recorded: None })
                    })
                    .await
                    .map(drop)
                    .unwrap();
            }
        };
        closed_loop("orders", callers, span, act).await;
    }

    fn order(&self, number: u64) -> OwnOrder {
        let euro = Currency::parse("EUR").unwrap();
        let count = self.variants.len() as u64;
        let line = |at: u64| OwnLine {
            variant: Some(self.variants[usize::try_from((number * 7 + at * 101) % count).unwrap()]),
            sku: None,
            quantity: Quantity::new(1).unwrap(),
            unit_price: Money::new(1290, euro).unwrap(),
        };
        let lines = vec![line(0), line(1), line(2)];
        OwnOrder { currency: euro, lines, customer: None, note: String::new(), external_id: None }
    }

    /// A verified delivery of 8 KB, kept with its job, durable.
    async fn ingest(&self, callers: usize, span: Duration) {
        let body: Arc<[u8]> = vec![b'x'; 8 * 1024].into();
        let act = || {
            let number = self.counter.fetch_add(1, Ordering::Relaxed);
            let (scope, channel, body) = (self.scope.clone(), self.channel, Arc::clone(&body));
            async move {
                let envelope = Envelope {
                    topic: "orders/create".to_owned(),
                    delivery_id: format!("delivery-{number}"),
                    event_id: Some(format!("event-{number}")),
                    shop: None,
                    api_version: None,
                    triggered_at: None,
                };
                let keep = move |cx: &mut Cx<'_>| {
                    let delivery = Delivery { envelope: &envelope, headers: "{}", body: &body, ignored: None };
                    channels::receive_in(cx, channel, &delivery)
                };
                scope.write(&channels::RECEIVE, keep).await.map(drop).unwrap();
            }
        };
        closed_loop("ingest", callers, span, act).await;
    }

    /// A page of 25 orders.
    async fn reads(&self, callers: usize, span: Duration) {
        let act = || {
            let scope = self.scope.clone();
            async move {
                queries::orders(&scope, &OrderFilter::default(), 25).await.map(drop).unwrap();
            }
        };
        closed_loop("reads", callers, span, act).await;
    }
}

async fn prepare(scope: &Scope) -> (ChannelId, Vec<VariantId>) {
    let warehouse = {
        let new = inventory::NewWarehouse {
            code: "MAIN".to_owned(),
            name: "Main".to_owned(),
            store_code: Some("MAIN-01".to_owned()),
            priority: 1,
        };
        inventory::create_warehouse(scope, new).await.unwrap().id
    };
    let mut variants = Vec::new();
    for product in parse_demo(CATALOG).unwrap() {
        let made = scope
            .write(&PREPARE, move |cx| {
                let detail = catalog::create_product_in(cx, product)?;
                let ids: Vec<VariantId> = detail.variants.iter().map(|variant| variant.id).collect();
                for variant in &ids {
                    inventory::adjust_in(
                        cx,
                        &Adjustment {
                            variant: *variant,
                            warehouse,
                            delta: 900_000_000,
                            kind: MovementKind::Receipt,
                            reason: "bench".to_owned(),
                            note: String::new(),
                        },
                    )?;
                }
                Ok(ids)
            })
            .await;
        variants.extend(made.unwrap());
    }
    let channel = scope
        .write(&PREPARE, |cx| {
            feeds::connect_in(
                cx,
                feeds::NewFeedAccount {
                    account_id: "1".to_owned(),
                    data_source: "1".to_owned(),
                    content_language: "de".to_owned(),
                    feed_label: "DE".to_owned(),
                    endpoint: "https://merchantapi.googleapis.com".to_owned(),
                    credentials: "{}".to_owned(),
                },
            )?;
            channels::create_in(
                cx,
                &channels::NewChannel {
                    provider: "shopify".to_owned(),
                    name: "Bench".to_owned(),
                    external_shop: "bench.myshopify.com".to_owned(),
                    secret: "bench-secret-0123456789".to_owned(),
                    warehouses: Vec::new(),
                },
            )
        })
        .await;
    (channel.unwrap(), variants)
}

/// `callers` callers, each with one call at a time.
async fn closed_loop<F, R>(what: &str, callers: usize, span: Duration, act: F)
where
    F: Fn() -> R,
    R: Future<Output = ()>,
{
    let until = Instant::now() + span;
    let caller = || async {
        let mut spans = Vec::new();
        while Instant::now() < until {
            let began = Instant::now();
            act().await;
            spans.push(began.elapsed());
        }
        spans
    };
    let began = Instant::now();
    let all = futures_util::future::join_all((0..callers).map(|_| caller())).await;
    let elapsed = began.elapsed().as_secs_f64();
    let mut spans: Vec<Duration> = all.into_iter().flatten().collect();
    spans.sort_unstable();
    let at = |share: f64| spans[((spans.len() - 1) as f64 * share) as usize].as_micros();
    println!(
        "{}",
        serde_json::json!({
            "what": what, "callers": callers, "per_second": (spans.len() as f64 / elapsed).round(),
            "p50_us": at(0.5), "p95_us": at(0.95), "p99_us": at(0.99), "max_us": at(1.0),
        })
    );
}

/// Enqueue and process 100,000 entries of 50 stores with no work in them.
async fn queue(folder: &Path, backend: Backend) {
    const ENTRIES: i64 = 100_000;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::starting_at(Timestamp(0)));
    let settings = Settings { backend, ..Settings::in_folder(folder.join(format!("queue-{}", backend.name()))) };
    let queue = Queue::start(settings, clock).unwrap();
    let entry = |seq: i64| {
        let store = u8::try_from(seq % 50).unwrap();
        let tenant = bodega::base::id::TenantId::from([store; 16]);
        debug_assert_eq!(tenant.bytes()[0], store);
        Entry { ticket: Ticket { lane: 1, tenant, seq }, due: Timestamp(1) }
    };
    let began = Instant::now();
    queue.put((1..=ENTRIES).map(entry).collect());
    queue.poke().await;
    let put = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let mut done = 0;
    while done < ENTRIES {
        for lease in queue.lease(1, 64, Duration::from_secs(60)).await {
            assert!(queue.settle(lease, Settle::Forget).await);
            done += 1;
        }
    }
    let processed = began.elapsed().as_secs_f64();
    println!(
        "{}",
        serde_json::json!({
            "what": "queue", "backend": backend.name(), "enqueued_per_second": (ENTRIES as f64 / put).round(),
            "processed_per_second": (ENTRIES as f64 / processed).round(),
        })
    );
    queue.close().await;
}
