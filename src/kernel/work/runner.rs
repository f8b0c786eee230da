//! Leases jobs to their handlers and records what came of them, in SQLite first and in the queue after (D2, D3).

use super::handler::{Handler, JobRun, Outcome, Policy};
use crate::base::clock::Timestamp;
use crate::base::error::Fault;
use crate::base::id::{Id, RequestId, TenantId, TypedId as _};
use crate::infra::queue::{Entry, Lane, Lease, Queue, Settle, Ticket};
use crate::kernel::command::{Command, Cx};
use crate::kernel::journal::{Entity, Fact};
use crate::kernel::ledger::Ready;
use crate::kernel::outbox::store as outbox;
use crate::kernel::outbox::{AttemptRow, JobRow, JobState, LEASE_LOSSES_MAX};
use crate::kernel::permit::Permission;
use crate::kernel::scope::{RequestMeta, Scope, Shared};
use futures_util::FutureExt as _;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

const START: Command = Command::background("jobs.start", Permission::JobWrite);
const FINISH: Command = Command::background("jobs.finish", Permission::JobWrite);
const RECOVER: Command = Command::background("jobs.recover", Permission::JobWrite);

/// How long a parked line waits before it is tried again, when nobody knows better.
const PROBE_AFTER: Duration = Duration::from_secs(30);
/// Added to a kind's own limit: the time that starting and recording may take.
const HOLD_SLACK: Duration = Duration::from_secs(60);
/// Rows that one step of recovery takes.
const RECOVERY_STEP: u32 = 500;

/// Runs jobs.
pub struct Runner {
    shared: Arc<Shared>,
    queue: Queue,
    handlers: BTreeMap<&'static str, Arc<dyn Handler>>,
    boot: i64,
    stop: CancellationToken,
    tasks: TaskTracker,
    settled: Notify,
    /// Held during the run of a job that one more loss would bury.
    suspects: Mutex<()>,
}

impl Runner {
    /// A runner over the given handlers. `boot` is higher than in any run of the process before.
    pub fn new(shared: Arc<Shared>, queue: Queue, handlers: Vec<Arc<dyn Handler>>, boot: i64) -> Arc<Self> {
        let handlers = handlers.into_iter().map(|handler| (handler.policy().kind, handler)).collect();
        let runner = Arc::new(Self {
            shared,
            queue,
            handlers,
            boot,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            settled: Notify::new(),
            suspects: Mutex::new(()),
        });
        let relay = Arc::downgrade(&runner);
        runner.shared.hub.set_relay(move |tenant, ready| {
            if let Some(runner) = relay.upgrade() {
                runner.relay(tenant, ready);
            }
        });
        runner
    }

    /// The kinds that are run, with their policies.
    pub fn policies(&self) -> impl Iterator<Item = Policy> {
        self.handlers.values().map(|handler| handler.policy())
    }

    /// The policy of a kind.
    pub fn policy(&self, kind: &str) -> Option<Policy> {
        self.handlers.get(kind).map(|handler| handler.policy())
    }

    /// The queue.
    pub const fn queue(&self) -> &Queue {
        &self.queue
    }

    fn relay(&self, tenant: TenantId, ready: Vec<Ready>) {
        let entries: Vec<Entry> = ready
            .into_iter()
            .filter_map(|job| {
                let lane = self.policy(&job.kind)?.lane;
                Some(Entry { ticket: Ticket { lane, tenant, seq: job.seq }, due: job.due })
            })
            .collect();
        self.queue.put(entries);
    }

    /// Starts leasing.
    pub fn start(self: &Arc<Self>) {
        for handler in self.handlers.values() {
            let (runner, handler) = (Arc::clone(self), Arc::clone(handler));
            self.tasks.spawn(async move { runner.lane(handler).await });
        }
        let runner = Arc::clone(self);
        self.tasks.spawn(async move { runner.refill().await });
    }

    /// Fills the queue from the outboxes whenever it says that it lost them.
    async fn refill(self: Arc<Self>) {
        let mut losses = self.queue.losses();
        loop {
            let loss = tokio::select! {
                loss = losses.next() => loss,
                () = self.stop.cancelled() => return,
            };
            let Some(loss) = loss else { return };
            tracing::info!(reason = ?loss.reason, detail = %loss.detail, "the queue is filled from the outboxes");
            for tenant in self.shared.tenants.all() {
                if let Err(fault) = self.put_open_jobs(tenant.id).await {
                    tracing::error!(tenant_id = %tenant.id, %fault, "the outbox cannot be read");
                }
            }
        }
    }

    async fn put_open_jobs(&self, tenant: TenantId) -> Result<(), Fault> {
        let file = self.shared.tenants.file_async(tenant).await?;
        let mut after = 0;
        loop {
            let jobs = file.read(|tx| outbox::jobs_open(tx, after, RECOVERY_STEP)).await.map_err(Fault::from)?;
            let Some((last, ..)) = jobs.last() else { return Ok(()) };
            after = *last;
            self.relay(tenant, jobs.into_iter().map(|(seq, kind, due)| Ready { kind, seq, due }).collect());
        }
    }

    /// After an unclean stop: jobs that were running are lost leases, and those that took the process down too often are dead (D3).
    pub async fn recover(&self) -> Result<(), Fault> {
        for tenant in self.shared.tenants.all() {
            let scope = Scope::system(&self.shared, &tenant, self.request()).await?;
            let boot = self.boot;
            while scope.write(&RECOVER, move |cx| recover_step(cx, boot)).await? == RECOVERY_STEP {}
        }
        Ok(())
    }

    fn request(&self) -> RequestMeta {
        let id: RequestId = self.shared.ids.make();
        let trace = data_encoding::HEXLOWER.encode(&id.bytes());
        RequestMeta { id, rid: Arc::from(id.to_string()), trace: Arc::from(trace) }
    }

    async fn lane(self: Arc<Self>, handler: Arc<dyn Handler>) {
        let policy = handler.policy();
        let mut signal = self.queue.signal(policy.lane);
        let places = Arc::new(Semaphore::new(policy.concurrency));
        let hold = policy.time_max.saturating_add(HOLD_SLACK);
        loop {
            let place = tokio::select! {
                place = Arc::clone(&places).acquire_owned() => place,
                () = self.stop.cancelled() => return,
            };
            let Ok(first) = place else { return };
            let wanted = places.available_permits().saturating_add(1);
            let leases = self.queue.lease(policy.lane, wanted, hold).await;
            let is_full = leases.len() == wanted;
            let mut place = Some(first);
            for lease in leases {
                let place = place.take().or_else(|| Arc::clone(&places).try_acquire_owned().ok());
                let (runner, handler) = (Arc::clone(&self), Arc::clone(&handler));
                self.tasks.spawn(async move {
                    runner.run(&handler, &policy, lease).await;
                    drop(place);
                    runner.settled.notify_waiters();
                });
            }
            drop(place);
            if !is_full {
                tokio::select! {
                    open = signal.wait() => if !open { return },
                    () = self.stop.cancelled() => return,
                }
            }
        }
    }

    async fn run(&self, handler: &Arc<dyn Handler>, policy: &Policy, lease: Lease) {
        let settle = match self.attempt(handler, policy, &lease).await {
            Ok(settle) => settle,
            Err(fault) => {
                // The store's file cannot be read or written now: the row stands, and so does its entry.
                tracing::warn!(tenant_id = %lease.ticket.tenant, job = lease.ticket.seq, %fault, "job could not be run");
                Settle::Again(self.shared.clock.now().plus(Duration::from_secs(1)))
            }
        };
        self.queue.settle(lease, settle).await;
    }

    async fn attempt(&self, handler: &Arc<dyn Handler>, policy: &Policy, lease: &Lease) -> Result<Settle, Fault> {
        let ticket = lease.ticket;
        let Some(tenant) = self.shared.tenants.get(ticket.tenant) else { return Ok(Settle::Forget) };
        let scope = Scope::system(&self.shared, &tenant, self.request()).await?;
        let boot = self.boot;
        let begin = |is_alone| scope.write(&START, move |cx| start(cx, ticket.seq, boot, is_alone));
        let mut started = begin(false).await?;
        let mut _alone = None;
        if matches!(started, Start::Suspect) {
            tokio::select! {
                alone = self.suspects.lock() => _alone = Some(alone),
                () = self.stop.cancelled() => return Ok(Settle::Again(self.shared.clock.now())),
            }
            started = begin(true).await?;
        }
        let job = match started {
            Start::Closed | Start::Suspect => return Ok(Settle::Forget),
            Start::NotDue(due) => return Ok(Settle::Again(due)),
            Start::Run(job) => *job,
        };
        let rid = Id::from(scope.request().id);
        let origin = job.request;
        let span = tracing::info_span!(
            "job", kind = policy.kind, job = %job.id, rid = ?rid, from = ?origin, tenant_id = %tenant.id
        );
        let run = JobRun::new(scope, job);
        let outcome = {
            let running = AssertUnwindSafe(handler.run(&run)).catch_unwind();
            tokio::select! {
                ended = tokio::time::timeout(policy.time_max, running.instrument(span)) => match ended {
                    Ok(Ok(outcome)) => Some(outcome),
                    Ok(Err(_panic)) => Some(Outcome::Retry("the handler panicked".to_owned())),
                    Err(_elapsed) => Some(Outcome::Retry(format!("no end after {} s", policy.time_max.as_secs()))),
                },
                () = self.stopping_hard() => None,
            }
        };
        let Some(outcome) = outcome else {
            // Stopping burns no attempt: row and entry go back as they were, for the next start.
            let later = Outcome::Later { reason: String::new(), due: self.shared.clock.now() };
            return self.finish(&run, policy, later).await;
        };
        self.line(ticket.lane, ticket.tenant, &outcome, lease.probe);
        self.finish(&run, policy, outcome).await
    }

    /// Pauses the line of a store's kind, or opens it again.
    fn line(&self, lane: Lane, tenant: TenantId, outcome: &Outcome, is_probe: bool) {
        match outcome {
            Outcome::Park { until, .. } => {
                let until = until.unwrap_or_else(|| self.shared.clock.now().plus(PROBE_AFTER));
                self.queue.pause(lane, tenant, until);
            }
            Outcome::Done | Outcome::Retry(_) | Outcome::Later { .. } | Outcome::Dead(_) if is_probe => {
                self.queue.resume(lane, tenant);
            }
            Outcome::Done | Outcome::Retry(_) | Outcome::Later { .. } | Outcome::Dead(_) => {}
        }
    }

    async fn finish(&self, run: &JobRun, policy: &Policy, outcome: Outcome) -> Result<Settle, Fault> {
        let name = outcome_name(&outcome);
        metrics::counter!("bodega_jobs_total", "kind" => policy.kind, "outcome" => name).increment(1);
        if run.is_completed() && outcome == Outcome::Done {
            return Ok(Settle::Forget);
        }
        let (job, policy) = (run.job.clone(), *policy);
        run.scope.write(&FINISH, move |cx| finish(cx, &job, &policy, outcome)).await
    }

    async fn stopping_hard(&self) {
        self.stop.cancelled().await;
        // Runs get this long to end by themselves once the process is to stop.
        tokio::time::sleep(Duration::from_secs(3)).await;
    }

    /// Stops leasing, gives runs a moment to end and puts the rest back. False when something did not end.
    pub async fn stop(&self, deadline: Duration) -> bool {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(deadline, self.tasks.wait()).await.is_ok()
    }
}

const fn outcome_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Retry(_) => "retry",
        Outcome::Park { .. } => "parked",
        Outcome::Later { .. } => "later",
        Outcome::Dead(_) => "dead",
    }
}

enum Start {
    Closed,
    /// It may be the one that takes the process down: it has to run alone among its like, so that it takes no innocent with it (D3).
    Suspect,
    NotDue(Timestamp),
    Run(Box<JobRow>),
}

fn start(cx: &mut Cx<'_>, seq: i64, boot: i64, is_alone: bool) -> Result<Start, Fault> {
    let Some(job) = outbox::job_get(cx.read(), seq)? else { return Ok(Start::Closed) };
    if !job.state.is_open() {
        return Ok(Start::Closed);
    }
    // A parked job is due when its line is tried; that is the queue's decision.
    if job.due > cx.now() && job.waiting_since.is_none() {
        return Ok(Start::NotDue(job.due));
    }
    if !is_alone && job.lease_losses >= LEASE_LOSSES_MAX.saturating_sub(1) {
        return Ok(Start::Suspect);
    }
    let now = cx.now();
    outbox::job_start(cx.tx(), seq, boot, now)?;
    Ok(Start::Run(Box::new(JobRow { state: JobState::Running, started: Some(now), updated: now, ..job })))
}

fn finish(cx: &mut Cx<'_>, job: &JobRow, policy: &Policy, outcome: Outcome) -> Result<Settle, Fault> {
    let now = cx.now();
    let name = outcome_name(&outcome);
    match outcome {
        Outcome::Done => {
            let closed = outbox::job_done(cx.tx(), job.seq, job.version, now)?;
            Ok(if closed { Settle::Forget } else { Settle::Again(now) })
        }
        Outcome::Retry(error) => match policy.wait_after(job.attempts.saturating_add(1)) {
            Some(wait) => {
                let due = now.plus(wait);
                again(cx, job.seq, due, true, None, &error)?;
                attempt(cx, job, 1, name, Some(error))?;
                Ok(Settle::Again(due))
            }
            None => bury(cx, job, &error),
        },
        Outcome::Park { reason, .. } => {
            let since = job.waiting_since.unwrap_or(now);
            if job.waiting_since.is_none() {
                attempt(cx, job, 0, name, Some(reason.clone()))?;
            }
            again(cx, job.seq, job.due, false, Some(since), &reason)?;
            Ok(Settle::Again(job.due))
        }
        Outcome::Later { reason, due } => {
            again(cx, job.seq, due, false, None, &reason)?;
            Ok(Settle::Again(due))
        }
        Outcome::Dead(error) => bury(cx, job, &error),
    }
}

/// Puts a job back.
fn again(
    cx: &Cx<'_>,
    seq: i64,
    due: Timestamp,
    is_burned: bool,
    waiting_since: Option<Timestamp>,
    error: &str,
) -> Result<(), Fault> {
    let back = outbox::JobBack { seq, due, is_burned, waiting_since, error };
    Ok(outbox::job_again(cx.tx(), &back, cx.now())?)
}

fn attempt(cx: &Cx<'_>, job: &JobRow, burned: i64, outcome: &str, error: Option<String>) -> Result<(), Fault> {
    let row = AttemptRow {
        attempt: if burned == 0 { 0 } else { job.attempts.saturating_add(burned) },
        started: job.started.unwrap_or(job.created),
        finished: cx.now(),
        outcome: outcome.to_owned(),
        error,
    };
    outbox::attempt_insert(cx.tx(), job.seq, &row)?;
    Ok(())
}

fn bury(cx: &mut Cx<'_>, job: &JobRow, error: &str) -> Result<Settle, Fault> {
    if !outbox::job_dead(cx.tx(), job.seq, job.version, error, cx.now())? {
        attempt(cx, job, 1, "retry", Some(error.to_owned()))?;
        return Ok(Settle::Again(cx.now()));
    }
    attempt(cx, job, 1, "dead", Some(error.to_owned()))?;
    let body = serde_json::json!({ "kind": job.kind, "subject": job.subject, "label": job.label, "error": error });
    cx.record(Fact::new("job.dead_lettered", Entity::Job, job.id, &body)?)?;
    Ok(Settle::Forget)
}

fn recover_step(cx: &mut Cx<'_>, boot: i64) -> Result<u32, Fault> {
    let lost = outbox::jobs_lost(cx.tx(), boot, cx.now(), RECOVERY_STEP)?;
    let count = u32::try_from(lost.len()).unwrap_or(RECOVERY_STEP);
    for job in lost {
        let error = "the process ended during the run".to_owned();
        attempt(cx, &job, 0, "lost", Some(error.clone()))?;
        if job.lease_losses.saturating_add(1) >= LEASE_LOSSES_MAX {
            bury(cx, &job, &format!("{error}, {LEASE_LOSSES_MAX} times"))?;
        }
    }
    Ok(count)
}
