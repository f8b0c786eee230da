//! The scope of everything that happens: who, in which store, with which rights, in which request. And the one funnel for reads and writes.

use crate::base::clock::Clock;
use crate::base::error::{Fault, Kind};
use crate::base::id::{Id, IdMaker, RequestId};
use crate::infra::db::{Batch, DbError, ReadTx};
use crate::kernel::actor::Actor;
use crate::kernel::command::{Command, Cx, Reaction, Surroundings};
use crate::kernel::journal::Origin;
use crate::kernel::ledger::{Hub, Ledger};
use crate::kernel::once::{self, Key, Reply, Running};
use crate::kernel::permit::{Permission, Rights};
use crate::kernel::store::{self, OnceRow};
use crate::kernel::tenants::{StoreFile, Tenant, Tenants};
use crate::kernel::web::problem;
use std::sync::Arc;
use std::time::Duration;
use tracing::Instrument as _;

/// What all scopes share.
pub struct Shared {
    /// All stores.
    pub tenants: Tenants,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids and secrets.
    pub ids: IdMaker,
    /// Where commits are announced.
    pub hub: Arc<Hub>,
    /// Facts to jobs.
    pub reaction: Reaction,
    /// Idempotency keys whose first request runs.
    pub running: Running,
}

/// The request, or the run of a job, that a scope belongs to.
#[derive(Clone, Debug)]
pub struct RequestMeta {
    /// Its id, made here or taken over.
    pub id: RequestId,
    /// What the caller sent as `X-Request-Id`, or the id's text.
    pub rid: Arc<str>,
    /// W3C trace id, 32 hex digits.
    pub trace: Arc<str>,
}

/// Who, where, with which rights.
#[derive(Clone)]
pub struct Scope {
    shared: Arc<Shared>,
    tenant: Arc<Tenant>,
    file: Arc<StoreFile>,
    actor: Actor,
    rights: Rights,
    request: RequestMeta,
    key: Option<Key>,
}

impl Scope {
    /// A scope over an open file.
    pub fn new(
        shared: Arc<Shared>,
        tenant: Arc<Tenant>,
        file: Arc<StoreFile>,
        actor: Actor,
        rights: Rights,
        request: RequestMeta,
    ) -> Self {
        Self { shared, tenant, file, actor, rights, request, key: None }
    }

    /// A scope of the product itself, for jobs, sweeps and start-up.
    pub async fn system(shared: &Arc<Shared>, tenant: &Arc<Tenant>, request: RequestMeta) -> Result<Self, Fault> {
        let file = shared.tenants.file_async(tenant.id).await?;
        Ok(Self::new(Arc::clone(shared), Arc::clone(tenant), file, Actor::System, Rights::all(), request))
    }

    /// The same scope, with the idempotency key of its request.
    #[must_use]
    pub fn with_key(mut self, key: Option<Key>) -> Self {
        self.key = key;
        self
    }

    /// The store.
    pub const fn tenant(&self) -> &Arc<Tenant> {
        &self.tenant
    }

    /// Who.
    pub const fn actor(&self) -> Actor {
        self.actor
    }

    /// With which rights.
    pub const fn rights(&self) -> Rights {
        self.rights
    }

    /// In which request.
    pub const fn request(&self) -> &RequestMeta {
        &self.request
    }

    /// What all scopes share.
    pub const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.clock
    }

    /// The store's file, for its figures.
    pub const fn file(&self) -> &Arc<StoreFile> {
        &self.file
    }

    /// Refuses without the right, naming it.
    pub fn allow(&self, permission: Permission) -> Result<(), Fault> {
        if self.rights.has(permission) {
            return Ok(());
        }
        Err(Fault::new(Kind::Denied, "permission_missing", format!("You need the permission `{permission}` for this.")))
    }

    fn surroundings(&self) -> Surroundings {
        Surroundings {
            now: self.shared.clock.now(),
            ids: self.shared.ids.clone(),
            origin: Origin { actor: self.actor, request: Id::from(self.request.id) },
            routing: self.tenant.routing,
            key: self.tenant.key.clone(),
            reaction: self.shared.reaction,
        }
    }

    fn span(&self, name: &'static str) -> tracing::Span {
        tracing::debug_span!("command", command = name, rid = %self.request.rid, tenant_id = %self.tenant.id)
    }

    /// Reads on one snapshot.
    pub async fn read<T>(
        &self,
        permission: Permission,
        act: impl FnOnce(&ReadTx<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.allow(permission)?;
        self.file.read(act).await
    }

    #[expect(clippy::disallowed_methods, reason = "bounded by the read connections of the store")]
    /// Reads on one snapshot on the blocking pool, for what may take longer than a millisecond.
    pub async fn read_slow<T: Send + 'static>(
        &self,
        permission: Permission,
        act: impl FnOnce(&ReadTx<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        self.allow(permission)?;
        let file = Arc::clone(&self.file);
        let read = tokio::task::spawn_blocking(move || file.read_now(act)).await;
        read.unwrap_or_else(|error| Err(Fault::broken(error.to_string())))
    }

    /// Runs a command: right, span, one transaction, metric. What `act` wrote stands if and only if this gives Ok.
    pub async fn write<T: Send + 'static>(
        &self,
        command: &'static Command,
        act: impl FnOnce(&mut Cx<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        self.allow(command.permission)?;
        let surroundings = self.surroundings();
        let started = self.shared.clock.monotonic();
        let outcome = self
            .file
            .write(command.lane, move |batch| in_savepoint(batch, &surroundings, command, act))
            .instrument(self.span(command.name))
            .await;
        self.measure(command, started, outcome.as_ref().err());
        outcome
    }

    /// Runs a command whose answer is kept under the request's idempotency key, if it has one.
    pub async fn reply(
        &self,
        command: &'static Command,
        act: impl FnOnce(&mut Cx<'_>) -> Result<Reply, Fault> + Send + 'static,
    ) -> Result<Reply, Fault> {
        let Some(key) = self.key else { return self.write(command, act).await };
        self.allow(command.permission)?;
        let _running = self.shared.running.enter(self.tenant.id, &key)?;
        let surroundings = self.surroundings();
        let rid = Arc::clone(&self.request.rid);
        let started = self.shared.clock.monotonic();
        let outcome = self
            .file
            .write(command.lane, move |batch| once_in_batch(batch, &surroundings, command, key, &rid, act))
            .instrument(self.span(command.name))
            .await;
        self.measure(command, started, outcome.as_ref().err());
        outcome
    }

    fn measure(&self, command: &'static Command, started: Duration, fault: Option<&Fault>) {
        let seconds = self.shared.clock.monotonic().saturating_sub(started).as_secs_f64();
        let outcome = fault.map_or("ok", |fault| fault.code);
        metrics::histogram!("bodega_command_duration_seconds", "command" => command.name).record(seconds);
        metrics::counter!("bodega_commands_total", "command" => command.name, "outcome" => outcome).increment(1);
    }
}

fn in_savepoint<T>(
    batch: &mut Batch<'_, Ledger>,
    surroundings: &Surroundings,
    command: &'static Command,
    act: impl FnOnce(&mut Cx<'_>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    batch.atomic(|tx, ledger| act(&mut Cx::new(tx, ledger, surroundings, command)))
}

/// The command under its key: a recorded answer is given again; a new one is recorded in the same savepoint as its effect, and a refusal after
/// the effect was rolled back (D6).
fn once_in_batch(
    batch: &mut Batch<'_, Ledger>,
    surroundings: &Surroundings,
    command: &'static Command,
    key: Key,
    rid: &str,
    act: impl FnOnce(&mut Cx<'_>) -> Result<Reply, Fault>,
) -> Result<Reply, Fault> {
    let found = batch.look(|tx| store::once_find(tx, &key.scope))?;
    if let Some(row) = found {
        return replay(&row, &key, surroundings);
    }
    let outcome = batch.atomic(|tx, ledger| {
        let reply = act(&mut Cx::new(tx, ledger, surroundings, command))?;
        store::once_insert(tx, &key.scope, &sealed(&reply, &key, surroundings)?, surroundings.now)?;
        Ok::<_, Fault>(reply)
    });
    if let Err(fault) = &outcome
        && once::is_recorded(fault.kind)
    {
        let reply = problem::render(fault, rid);
        let row = sealed(&reply, &key, surroundings)?;
        batch.atomic(|tx, _ledger| {
            store::once_insert(tx, &key.scope, &row, surroundings.now)?;
            Ok::<_, DbError>(())
        })?;
    }
    outcome
}

fn sealed(reply: &Reply, key: &Key, surroundings: &Surroundings) -> Result<OnceRow, Fault> {
    let kept = reply.recorded.as_ref().unwrap_or(&reply.body);
    let packed = lz4_flex::compress_prepend_size(kept);
    let body = surroundings.key.seal(&key.scope, &packed).map_err(|error| Fault::broken(error.to_string()))?;
    let headers = serde_json::to_string(&reply.headers).map_err(|error| Fault::broken(error.to_string()))?;
    Ok(OnceRow { fingerprint: key.fingerprint, status: reply.status, headers, body })
}

fn replay(row: &OnceRow, key: &Key, surroundings: &Surroundings) -> Result<Reply, Fault> {
    if row.fingerprint != key.fingerprint {
        return Err(once::reused());
    }
    let packed = surroundings.key.open(&key.scope, &row.body).map_err(|error| Fault::broken(error.to_string()))?;
    let body = lz4_flex::decompress_size_prepended(&packed).map_err(|error| Fault::broken(error.to_string()))?;
    let headers = serde_json::from_str(&row.headers).map_err(|error| Fault::broken(error.to_string()))?;
    Ok(Reply { status: row.status, headers, body: body.into(), recorded: None, is_replay: true })
}
