//! A store with a warehouse that is a shop, a sandbox of Google's, and the jobs of feeds under a clock that the tests move.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use bodega::base::clock::{Clock, ManualClock, Timestamp};
use bodega::base::error::Fault;
use bodega::base::id::{Entropy, IdMaker, ProductId, RequestId, VariantId, WarehouseId};
use bodega::domain::feeds::http::{FeedsWiring, paused_by, routes};
use bodega::domain::feeds::port::{
    FeedAccount, FeedPort, FeedPorts, ProductInput, PushContext, PushFuture, PushedProduct, Quota, StockPush,
};
use bodega::domain::feeds::service::{self, Health, ItemView, NewFeedAccount};
use bodega::domain::feeds::told::ItemFilter;
use bodega::domain::feeds::{PUSH_PRODUCT, PUSH_STOCK, STOCK_LANE, jobs};
use bodega::domain::inventory::model::{Adjustment, MovementKind};
use bodega::domain::inventory::service as inventory;
use bodega::infra::db::{DbError, Lane, WriteTx};
use bodega::infra::egress::Egress;
use bodega::infra::queue::{Backend, Queue, Settings};
use bodega::infra::vault::SystemEntropy;
use bodega::integrations::google::sandbox::{Faults, GoogleSandbox, SandboxConfig};
use bodega::integrations::google::{GoogleClient, GoogleEndpoints};
use bodega::kernel::actor::Actor;
use bodega::kernel::command::Cx;
use bodega::kernel::journal::{Fact, JournalRow};
use bodega::kernel::ledger::Hub;
use bodega::kernel::once::Running;
use bodega::kernel::outbox::store::{self as outbox, JobFilter};
use bodega::kernel::outbox::{AttemptRow, JobRow, JobState};
use bodega::kernel::permit::Rights;
use bodega::kernel::scope::{RequestMeta, Scope, Shared};
use bodega::kernel::store as kernel_store;
use bodega::kernel::tenants::{Tenant, Tenants, TenantsConfig};
use bodega::kernel::web::gate::{Admission, Admitting, Gate, Gatekeeper, WebConfig};
use bodega::kernel::work::Runner;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tower::ServiceExt as _;

const START: &str = "2026-11-21T09:00:00Z";
/// The window in which changes join.
pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// Until then everything that a test waits for has happened, on a slow machine too.
const DEADLINE: Duration = Duration::from_secs(20);

fn react(cx: &mut Cx<'_>, fact: &Fact) -> Result<(), Fault> {
    if fact.kind == "inventory.adjusted" && service::is_connected(cx.read())? {
        service::enqueue_stock_in(cx, fact.touched.iter().map(|id| VariantId::from(*id)))?;
    }
    Ok(())
}

struct Ports {
    egress: Egress,
    clock: Arc<ManualClock>,
}

impl FeedPorts for Ports {
    fn port(&self, endpoint: &str, credentials_json: &str) -> Result<Arc<dyn FeedPort>, String> {
        let endpoints = GoogleEndpoints::sandbox(endpoint).map_err(|error| error.to_string())?;
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.clock);
        let client = GoogleClient::new(self.egress.clone(), endpoints, credentials_json, clock);
        Ok(Arc::new(client.map_err(|error| error.to_string())?))
    }
}

/// One store with a warehouse that is a shop, and a sandbox. Jobs run once it is started.
pub(crate) struct Rig {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) sandbox: GoogleSandbox,
    pub(crate) ports: Arc<dyn FeedPorts>,
    pub(crate) shared: Arc<Shared>,
    tenant: Arc<Tenant>,
    pub(crate) scope: Scope,
    pub(crate) queue: Queue,
    warehouse: WarehouseId,
    runner: Option<Arc<Runner>>,
    _folder: tempfile::TempDir,
}

fn request(ids: &IdMaker) -> RequestMeta {
    let id: RequestId = ids.make();
    RequestMeta { id, rid: Arc::from(id.to_string()), trace: Arc::from("0af7651916cd43dd8448eb211c80319c") }
}

impl Rig {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let manual = Arc::new(ManualClock::at(Timestamp::parse(START).unwrap()));
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&manual);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let hub = Arc::new(Hub::default());
        let config = TenantsConfig { folder: folder.path().to_owned(), open_max: 8, may_create_key: true };
        let tenants = Tenants::open(&config, &clock, &entropy, &hub).unwrap();
        let ids = IdMaker::new(Arc::clone(&clock), Arc::clone(&entropy));
        let tenant = tenants.create(&ids, clock.now(), "tea", "Tea House").await.unwrap();
        let shared = Arc::new(Shared {
            tenants,
            clock: Arc::clone(&clock),
            ids,
            hub,
            reaction: react,
            running: Running::default(),
        });
        let scope = Scope::system(&shared, &tenant, request(&shared.ids)).await.unwrap();
        let sandbox = GoogleSandbox::start(SandboxConfig::new(Arc::clone(&clock), entropy)).await.unwrap();
        let new = inventory::NewWarehouse {
            code: "MAIN".to_owned(),
            name: "Main street".to_owned(),
            store_code: Some("MAIN-1".to_owned()),
            priority: 1,
        };
        let warehouse = inventory::create_warehouse(&scope, new).await.unwrap().id;
        let settings = Settings { backend: Backend::Memory, ..Settings::in_folder(folder.path().join("queue")) };
        let queue = Queue::start(settings, Arc::clone(&clock)).unwrap();
        let egress = Egress::new(clock).unwrap();
        let ports: Arc<dyn FeedPorts> = Arc::new(Ports { egress, clock: Arc::clone(&manual) });
        Self { clock: manual, sandbox, ports, shared, tenant, scope, queue, warehouse, runner: None, _folder: folder }
    }

    /// A connected rig whose jobs run.
    pub(crate) async fn running() -> Self {
        let mut rig = Self::new().await;
        rig.connect().await;
        rig.start().await;
        rig
    }

    pub(crate) async fn start(&mut self) {
        let handlers = jobs::handlers(Arc::clone(&self.ports));
        let runner = Runner::new(Arc::clone(&self.shared), self.queue.clone(), handlers, 2);
        runner.recover().await.unwrap();
        runner.start();
        self.runner = Some(runner);
    }

    pub(crate) fn account(&self) -> NewFeedAccount {
        NewFeedAccount {
            account_id: self.sandbox.account_id().to_owned(),
            data_source: self.sandbox.data_source().to_owned(),
            content_language: "en".to_owned(),
            feed_label: "US".to_owned(),
            endpoint: self.sandbox.url.clone(),
            credentials: self.sandbox.key_json(),
        }
    }

    pub(crate) async fn connect(&self) {
        let account = self.account();
        self.scope.write(&service::CONNECT, move |cx| service::connect_in(cx, account)).await.unwrap();
    }

    pub(crate) async fn faults(&self, faults: Faults) {
        self.sandbox.set_faults(faults).await;
    }

    pub(crate) async fn sql(&self, act: impl FnOnce(&WriteTx<'_>) + Send + 'static) {
        let written = self.scope.file().write(Lane::Interactive, move |batch| {
            batch.atomic(|tx, _ledger| {
                act(tx);
                Ok::<_, DbError>(())
            })
        });
        written.await.unwrap();
    }

    /// A product with one variant.
    pub(crate) async fn variant(&self, sku: &'static str) -> VariantId {
        let (product, variant): (ProductId, VariantId) = (self.shared.ids.make(), self.shared.ids.make());
        self.sql(move |tx| {
            tx.run(
                "INSERT INTO catalog_product (id, handle, title, description, vendor, category, link, status, created_ms,
                                              updated_ms)
                 VALUES (?1, ?2, 'Sencha', 'Green tea', 'Tea House', 'Tea', 'https://tea.example.com/p', 'active', 1, 1)",
                (product, sku),
            )
            .unwrap();
            tx.run(
                "INSERT INTO catalog_variant (id, product_id, sku, title, price_minor, currency, created_ms, updated_ms)
                 VALUES (?1, ?2, ?3, '100 g', 1290, 'EUR', 1, 1)",
                (variant, product, sku),
            )
            .unwrap();
        })
        .await;
        variant
    }

    pub(crate) async fn title(&self, title: &'static str) {
        self.sql(move |tx| assert!(tx.run("UPDATE catalog_product SET title = ?1", [title]).unwrap() > 0)).await;
    }

    pub(crate) async fn adjust(&self, variant: VariantId, delta: i64) {
        let adjustment = Adjustment {
            variant,
            warehouse: self.warehouse,
            delta,
            kind: if delta > 0 { MovementKind::Receipt } else { MovementKind::Damage },
            reason: "test".to_owned(),
            note: String::new(),
        };
        inventory::adjust(&self.scope, adjustment).await.unwrap();
    }

    pub(crate) async fn advance(&self, span: Duration) {
        self.clock.advance(span);
        self.queue.poke().await;
    }

    pub(crate) fn jobs(&self, kind: &str) -> Vec<JobRow> {
        let filter = JobFilter { state: None, kind: Some(kind.to_owned()), before: None };
        let read = self.scope.file().read_now(|tx| outbox::jobs_list(tx, &filter, 250));
        let mut jobs = read.unwrap();
        jobs.reverse();
        jobs
    }

    pub(crate) fn job(&self) -> JobRow {
        self.jobs(PUSH_STOCK).pop().unwrap()
    }

    pub(crate) fn attempts(&self) -> Vec<AttemptRow> {
        let seq = self.job().seq;
        self.scope.file().read_now(|tx| outbox::attempts_of(tx, seq)).unwrap()
    }

    pub(crate) fn facts(&self, kind: &str) -> Vec<JournalRow> {
        let mut rows = self.scope.file().read_now(|tx| kernel_store::journal_after(tx, 0, 1_000)).unwrap();
        rows.retain(|row| row.kind == kind);
        rows
    }

    pub(crate) fn health(&self) -> Health {
        let now = self.clock.now();
        self.scope.file().read_now(|tx| service::health(tx, now)).unwrap()
    }

    pub(crate) fn items(&self) -> Vec<ItemView> {
        self.scope.file().read_now(|tx| service::items(tx, &ItemFilter::default(), 250)).unwrap()
    }

    /// Waits for something that comes true with a commit.
    pub(crate) async fn until(&self, what: &str, is_true: impl Fn(&Self) -> bool) {
        let waiting = async {
            loop {
                let mut commits = self.shared.hub.listen();
                if is_true(self) {
                    return;
                }
                commits.recv().await.unwrap();
            }
        };
        let ended = tokio::time::timeout(DEADLINE, waiting).await;
        let calls = &self.sandbox.snapshot()["counters"];
        assert!(ended.is_ok(), "{what}: {calls} {:?}", self.jobs(PUSH_STOCK));
    }

    pub(crate) async fn until_done(&self) {
        let is_closed = |job: &JobRow| job.state == JobState::Done;
        self.until("all jobs done", |rig| {
            rig.jobs(PUSH_STOCK).iter().all(is_closed) && rig.jobs(PUSH_PRODUCT).iter().all(is_closed)
        })
        .await;
    }

    /// A variant whose first push is through, with this many pieces.
    pub(crate) async fn pushed(&self, sku: &'static str, pieces: i64) -> VariantId {
        let variant = self.variant(sku).await;
        self.adjust(variant, pieces).await;
        self.advance(SECOND).await;
        self.until_done().await;
        variant
    }

    pub(crate) fn quantity(&self, sku: &str) -> Option<i64> {
        self.sandbox.inventory(sku, "MAIN-1")?.quantity
    }

    pub(crate) async fn paused_until(&self) -> Option<Timestamp> {
        let lines = self.queue.paused().await;
        lines.iter().find(|line| line.lane == STOCK_LANE && line.tenant == self.tenant.id).map(|line| line.until)
    }
}

/// Everybody is the owner of the one store.
struct Owner(Arc<Tenant>);

impl Gatekeeper for Owner {
    fn admit<'a>(&'a self, _shared: &'a Arc<Shared>, _headers: &'a HeaderMap) -> Admitting<'a> {
        let tenant = Arc::clone(&self.0);
        let admission = Admission { tenant, actor: Actor::System, rights: Rights::all(), csrf: None };
        Box::pin(std::future::ready(Ok(Some(admission))))
    }
}

/// The routes of feeds, without a network.
pub(crate) struct Web(Router);

impl Web {
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = Request::builder().method(method).uri(path);
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let response = self.0.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }
}

impl Rig {
    /// The routes, wired to the started runner.
    pub(crate) fn web(&self) -> Web {
        let wiring = FeedsWiring {
            ports: Arc::clone(&self.ports),
            endpoint_default: self.sandbox.url.clone(),
            paused_until: paused_by(self.runner.as_ref().unwrap()),
        };
        let keeper = Arc::new(Owner(Arc::clone(&self.tenant)));
        Web(Gate::new(Arc::clone(&self.shared), keeper, &WebConfig::default()).router(&routes(&wiring)))
    }
}

/// Works stock at the vendor and never comes back, as when the process ends.
struct Stuck {
    inner: Arc<dyn FeedPort>,
    worked: Arc<Notify>,
}

impl FeedPort for Stuck {
    fn push_product<'a>(
        &'a self,
        account: &'a FeedAccount,
        product: &'a ProductInput,
        version: i64,
        context: &'a PushContext,
    ) -> PushFuture<'a, PushedProduct> {
        self.inner.push_product(account, product, version, context)
    }

    fn push_stock<'a>(
        &'a self,
        account: &'a FeedAccount,
        stock: &'a StockPush,
        context: &'a PushContext,
    ) -> PushFuture<'a, ()> {
        Box::pin(async move {
            self.inner.push_stock(account, stock, context).await?;
            self.worked.notify_one();
            std::future::pending().await
        })
    }

    fn quotas<'a>(&'a self, account: &'a FeedAccount, context: &'a PushContext) -> PushFuture<'a, Vec<Quota>> {
        self.inner.quotas(account, context)
    }
}

/// Makes ports that get stuck after each stock push, and tell so.
pub(crate) struct StuckPorts {
    pub(crate) ports: Arc<dyn FeedPorts>,
    pub(crate) worked: Arc<Notify>,
}

impl FeedPorts for StuckPorts {
    fn port(&self, endpoint: &str, credentials_json: &str) -> Result<Arc<dyn FeedPort>, String> {
        let inner = self.ports.port(endpoint, credentials_json)?;
        Ok(Arc::new(Stuck { inner, worked: Arc::clone(&self.worked) }))
    }
}
