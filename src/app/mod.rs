//! The only place that sees everything: wiring, routes, reactions, schedules, life cycle, and the demo.

pub mod demo;
pub mod demo_http;
pub mod folder;
pub mod reactions;
pub mod routes;
pub mod run;
pub mod seed;
pub mod sweeps;

use crate::base::clock::Clock;
use crate::base::error::Fault;
use crate::base::id::{Entropy, IdMaker, RequestId, TypedId as _};
use crate::domain::auth::http::Keeper;
use crate::domain::channels::jobs::Intake;
use crate::domain::channels::port::ChannelPort;
use crate::domain::channels::service::Ports;
use crate::domain::feeds;
use crate::domain::inventory::jobs::FillShortfalls;
use crate::infra::db::{DbError, Lane};
use crate::infra::egress::Egress;
use crate::infra::queue::{Backend, Queue, Settings};
use crate::integrations::google::{GoogleClients, GoogleEndpoints};
use crate::integrations::shopify::Shopify;
use crate::kernel::ledger::Hub;
use crate::kernel::once::Running;
use crate::kernel::scope::{RequestMeta, Shared};
use crate::kernel::store as kernel_store;
use crate::kernel::tenants::{Tenants, TenantsConfig};
use crate::kernel::web::limits::Limits;
use crate::kernel::web::{Gate, Route, WebConfig};
use crate::kernel::work::{Handler, Runner};
use axum::Router;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long background work has to end once the process stops. Requests drain meanwhile.
const WORK_DRAIN: Duration = Duration::from_secs(5);
/// How long the other tasks have after that.
const TASK_DRAIN: Duration = Duration::from_secs(1);
/// How long writers have to come to rest at last. All bounds together stay below ten seconds (CX4).
const WRITER_DRAIN: Duration = Duration::from_secs(2);

/// What an instance is made of.
pub struct Setup {
    /// The data folder.
    pub data: PathBuf,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Requests per minute.
    pub limits: Limits,
    /// What keeps the queue's index.
    pub backend: Backend,
    /// Files that are open at a time.
    pub open_files: usize,
    /// Whether a box key may be made.
    pub may_create_key: bool,
    /// Where Google is: the real one, or an emulator.
    pub google: GoogleEndpoints,
    /// Whether this is the demo: marks the data folder and shows in sessions.
    pub is_demo: bool,
}

/// A running instance.
pub struct App {
    shared: Arc<Shared>,
    runner: Arc<Runner>,
    router: Router,
    stop: CancellationToken,
    tasks: TaskTracker,
    table: Vec<Route>,
    boot: Boot,
    /// Held for as long as the instance lives: one process owns a data folder.
    _lock: File,
}

impl App {
    /// Opens the data folder and wires everything. Nothing is served and no job runs yet.
    pub async fn open(setup: Setup, more: impl FnOnce(&Arc<Shared>) -> Vec<Route>) -> Result<Self, Fault> {
        let lock = folder::lock(&setup.data, setup.is_demo)?;
        let hub = Arc::new(Hub::default());
        let config = TenantsConfig {
            folder: setup.data.clone(),
            open_max: setup.open_files,
            may_create_key: setup.may_create_key,
        };
        let tenants = Tenants::open(&config, &setup.clock, &setup.entropy, &hub)?;
        let Boot { number: boot, is_clean } = next_boot(&tenants).await?;
        let shared = Arc::new(Shared {
            tenants,
            clock: Arc::clone(&setup.clock),
            ids: IdMaker::new(Arc::clone(&setup.clock), Arc::clone(&setup.entropy)),
            hub,
            reaction: reactions::react,
            running: Running::default(),
        });
        let queue_settings = Settings {
            backend: setup.backend,
            boot: u64::try_from(boot).unwrap_or(0),
            ..Settings::in_folder(setup.data.join("queue"))
        };
        let queue = Queue::start(queue_settings, Arc::clone(&setup.clock))?;
        let ports = channel_ports();
        let egress = Egress::new(Arc::clone(&setup.clock))?;
        let google = setup.google.clone();
        let clients: Arc<dyn feeds::port::FeedPorts> =
            Arc::new(GoogleClients::new(egress, google.clone(), Arc::clone(&setup.clock)));
        let mut handlers: Vec<Arc<dyn Handler>> =
            vec![Arc::new(Intake { ports: Arc::clone(&ports) }), Arc::new(FillShortfalls)];
        handlers.extend(feeds::jobs::handlers(Arc::clone(&clients)));
        let runner = Runner::new(Arc::clone(&shared), queue, handlers, boot);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let parts = routes::Parts {
            shared: &shared,
            runner: &runner,
            ports: &ports,
            stop: &stop,
            is_demo: setup.is_demo,
            google_endpoint: google.api_url(),
            google: &clients,
        };
        let (mut table, gate_slot) = routes::table(&parts);
        table.extend(more(&shared));
        let keeper = Arc::new(Keeper::new(tasks.clone()));
        let gate = Gate::new(Arc::clone(&shared), keeper, &WebConfig { limits: setup.limits });
        // The hook counts against the gate's limits, and the gate is made from a table that holds the hook.
        drop(gate_slot.set(Arc::clone(&gate)));
        let router = routes::router(&gate, &table);
        Ok(Self { shared, runner, router, stop, tasks, table, boot: Boot { number: boot, is_clean }, _lock: lock })
    }

    /// What all scopes share.
    pub const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The runner of background work.
    pub const fn runner(&self) -> &Arc<Runner> {
        &self.runner
    }

    /// The router, for tests that need no socket.
    pub const fn router(&self) -> &Router {
        &self.router
    }

    /// The route table.
    pub fn table(&self) -> &[Route] {
        &self.table
    }

    /// The OpenAPI document of the route table.
    pub fn openapi(&self) -> serde_json::Value {
        routes::openapi_document(&self.table)
    }

    /// Cancelled when the instance is to stop.
    pub const fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    /// Starts background work: what an unclean stop left is put right first.
    pub fn start_work(&self) {
        let (runner, is_clean) = (Arc::clone(&self.runner), self.boot.is_clean);
        self.tasks.spawn(async move {
            if !is_clean && let Err(fault) = runner.recover().await {
                tracing::error!(%fault, "jobs of the last run could not be put right");
            }
            runner.start();
        });
        let (shared, stop) = (Arc::clone(&self.shared), self.stop.clone());
        self.tasks.spawn(async move { sweeps::run(&shared, &stop).await });
    }

    /// Serves until the stop token is cancelled, then lets requests, jobs and writers finish. Gives whether all did.
    pub async fn serve(self, listener: TcpListener) -> bool {
        let work = async {
            self.stop.cancelled().await;
            self.runner.stop(WORK_DRAIN).await
        };
        let requests = crate::kernel::web::server::serve(listener, self.router.clone(), self.stop.clone());
        let (served, _) = tokio::join!(requests, work);
        self.close().await && served
    }

    /// Ends everything in order: jobs, writers, queue, files.
    #[expect(clippy::disallowed_methods, reason = "the last thing that this process does")]
    pub async fn close(self) -> bool {
        self.stop.cancel();
        let worked = self.runner.stop(WORK_DRAIN).await;
        self.tasks.close();
        let idle = tokio::time::timeout(TASK_DRAIN, self.tasks.wait()).await.is_ok();
        let sealed = self.runner.queue().close().await;
        if worked && let Err(error) = note_end(&self.shared.tenants, self.boot.number).await {
            tracing::warn!(%error, "the end could not be noted; the next start looks for jobs that were left running");
        }
        let shared = Arc::clone(&self.shared);
        let closed = tokio::task::spawn_blocking(move || shared.tenants.close(WRITER_DRAIN)).await.unwrap_or(false);
        tracing::info!(worked, idle, sealed, closed, "stopped");
        worked && idle && closed
    }
}

fn channel_ports() -> Ports {
    let shopify: Arc<dyn ChannelPort> = Arc::new(Shopify);
    Arc::new(BTreeMap::from([("shopify", shopify)]))
}

/// A start of a data folder.
#[derive(Clone, Copy)]
struct Boot {
    /// Counts the starts: the epoch of leases (D3).
    number: i64,
    /// Whether the run before ended in order, so that no job was left running.
    is_clean: bool,
}

async fn next_boot(tenants: &Tenants) -> Result<Boot, Fault> {
    let control = Arc::clone(tenants.control());
    let boot = control.write(Lane::Interactive, |batch| {
        batch.atomic(|tx, _ledger| {
            let before = kernel_store::meta_get::<i64>(tx, "boot")?.unwrap_or(0);
            let ended = kernel_store::meta_get::<i64>(tx, "ended")?.unwrap_or(0);
            let number = before.saturating_add(1);
            kernel_store::meta_put(tx, "boot", number)?;
            Ok::<_, DbError>(Boot { number, is_clean: ended == before })
        })
    });
    Ok(boot.await?)
}

/// Notes that this run ended in order.
async fn note_end(tenants: &Tenants, boot: i64) -> Result<(), DbError> {
    let control = Arc::clone(tenants.control());
    control
        .write(Lane::Interactive, move |batch| batch.atomic(|tx, _ledger| kernel_store::meta_put(tx, "ended", boot)))
        .await
}

/// A request of the product's own, for what it does at start.
pub fn own_request(shared: &Shared) -> RequestMeta {
    let id: RequestId = shared.ids.make();
    let trace = data_encoding::HEXLOWER.encode(&id.bytes());
    RequestMeta { id, rid: Arc::from(id.to_string()), trace: Arc::from(trace) }
}
