//! Stores without a server: files, writers, journal and cache, under a clock that stands still.

use bodega::base::clock::{Clock, ManualClock, Timestamp};
use bodega::base::id::{Entropy, IdMaker};
use bodega::infra::vault::SystemEntropy;
use bodega::kernel::command::Reaction;
use bodega::kernel::ledger::Hub;
use bodega::kernel::once::Running;
use bodega::kernel::scope::{RequestMeta, Scope, Shared};
use bodega::kernel::tenants::{Tenant, Tenants, TenantsConfig};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Where the clock begins: 2026-11-21T00:00:00Z.
const START: Timestamp = Timestamp(1_795_219_200_000);

/// The engine over a folder of its own.
pub(crate) struct Machine {
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: Arc<ManualClock>,
    folder: Arc<tempfile::TempDir>,
}

impl Machine {
    /// An engine that keeps at most that many files open.
    pub(crate) fn open(open_max: usize) -> Self {
        Self::on(Arc::new(tempfile::tempdir().unwrap()), open_max, |_, _| Ok(()))
    }

    fn on(folder: Arc<tempfile::TempDir>, open_max: usize, reaction: Reaction) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let as_clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let hub = Arc::new(Hub::default());
        let config = TenantsConfig { folder: folder.path().join("data"), open_max, may_create_key: true };
        let tenants = Tenants::open(&config, &as_clock, &entropy, &hub).unwrap();
        let ids = IdMaker::new(Arc::clone(&as_clock), entropy);
        let running = Running::default();
        let shared = Arc::new(Shared { tenants, clock: as_clock, ids, hub, reaction, running });
        Self { shared, clock, folder }
    }

    /// The same data, opened anew.
    pub(crate) fn reopen(self) -> Self {
        self.reopen_after(|_folder| {})
    }

    /// The same data, opened anew after `act` was done to its folder.
    pub(crate) fn reopen_after(self, act: impl FnOnce(&Path)) -> Self {
        assert!(self.shared.tenants.close(Duration::from_secs(10)), "all writers came to rest");
        let Self { folder, .. } = self;
        act(folder.path());
        Self::on(folder, 8, |_, _| Ok(()))
    }

    /// The data folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A new store.
    pub(crate) async fn store(&self, handle: &str) -> (Arc<Tenant>, Scope) {
        let tenant = self.shared.tenants.create(&self.shared.ids, START, handle, handle).await.unwrap();
        let scope = self.scope(&tenant).await;
        (tenant, scope)
    }

    /// A scope of the product itself.
    pub(crate) async fn scope(&self, tenant: &Arc<Tenant>) -> Scope {
        let request = RequestMeta { id: self.shared.ids.make(), rid: Arc::from("test"), trace: Arc::from("test") };
        Scope::system(&self.shared, tenant, request).await.unwrap()
    }
}

/// A writer that is held up, as by a disk that does not answer. It goes on when this is dropped.
pub(crate) struct Stuck {
    _go: mpsc::Sender<()>,
    held: tokio::task::JoinHandle<()>,
}

impl Stuck {
    /// Holds the writer of a store up. Returns once it stands.
    pub(crate) async fn hold(scope: &Scope) -> Self {
        use bodega::kernel::command::Command;
        use bodega::kernel::permit::Permission;
        static HOLD: Command = Command::new("test.hold", Permission::OrderWrite);
        let (go, wait) = mpsc::channel::<()>();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let scope = scope.clone();
        let held = tokio::spawn(async move {
            let holding = scope.write(&HOLD, move |_cx| {
                begun.send(()).unwrap();
                // It ends when the other side is dropped: nothing is ever sent.
                assert!(wait.recv().is_err());
                Ok(())
            });
            // What becomes of it is its batch's affair.
            drop(holding.await);
        });
        has_begun.await.unwrap();
        Self { _go: go, held }
    }

    /// Lets it go on.
    pub(crate) fn let_go(self) {
        drop(self);
    }

    /// Lets it go on, and waits until it has.
    pub(crate) async fn release(self) {
        let Self { _go: go, held } = self;
        drop(go);
        held.await.unwrap();
    }
}
