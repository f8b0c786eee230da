//! The outbox: work that a transaction leaves to be done. Written with the business change, closed when the work is recorded as done.

pub mod store;

use crate::base::clock::Timestamp;
use crate::base::error::Fault;
use crate::base::id::{Id, JobId};
use serde::Serialize;
use std::time::Duration;

/// Lease losses after which a job is dead: it takes the process down with it (D3).
pub const LEASE_LOSSES_MAX: i64 = 3;

/// Finished runs that a job keeps.
pub const ATTEMPTS_KEPT: i64 = 20;

/// A job as a module asks for it.
#[derive(Debug)]
pub struct NewJob {
    /// Which handler.
    pub kind: &'static str,
    /// What it is about. Among open jobs of a kind there is one per subject: a second one is merged into it.
    pub subject: String,
    /// What a person reads.
    pub label: String,
    /// JSON for the handler: ids, never copies of what may change.
    pub payload: String,
    /// How long to wait, so that more changes of the same subject can join.
    pub delay: Duration,
    /// Whether its subject was only just made, so that no open job can be about it: none is looked for.
    pub is_first: bool,
}

impl NewJob {
    /// A job that may run at once.
    pub fn new(kind: &'static str, subject: String, label: String, payload: &impl Serialize) -> Result<Self, Fault> {
        let payload = serde_json::to_string(payload).map_err(|error| Fault::broken(format!("{kind}: {error}")))?;
        Ok(Self { kind, subject, label, payload, delay: Duration::ZERO, is_first: false })
    }

    /// The same job, about something that was only just made.
    #[must_use]
    pub const fn first(mut self) -> Self {
        self.is_first = true;
        self
    }

    /// The same job, later.
    #[must_use]
    pub const fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// Where a job stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JobState {
    /// Due now or later.
    Ready,
    /// A worker has it.
    Running,
    /// Parked: the line is down or a quota is used up. Burns nothing (D1).
    Waiting,
    /// Done.
    Done,
    /// Gave up; a person must look.
    Dead,
    /// A person gave it up.
    Discarded,
}

impl JobState {
    /// The stored name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Discarded => "discarded",
        }
    }

    /// Reads a stored name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Ready, Self::Running, Self::Waiting, Self::Done, Self::Dead, Self::Discarded]
            .into_iter()
            .find(|state| state.name() == name)
    }

    /// Whether there is still work to do.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Ready | Self::Running | Self::Waiting)
    }
}

/// An outbox row.
#[derive(Clone, Debug)]
pub struct JobRow {
    /// Private order.
    pub seq: i64,
    /// Public id.
    pub id: JobId,
    /// Which handler.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// What a person reads.
    pub label: String,
    /// JSON for the handler.
    pub payload: String,
    /// The request that asked for it first.
    pub request: Id,
    /// Raised by each merge (D2).
    pub version: i64,
    /// Where it stands.
    pub state: JobState,
    /// Runs that ended, since it was created or retried by hand.
    pub attempts: i64,
    /// Runs that ended with the process.
    pub lease_losses: i64,
    /// When it may run.
    pub due: Timestamp,
    /// When it was asked for.
    pub created: Timestamp,
    /// When anything of it changed.
    pub updated: Timestamp,
    /// Begin of the last run.
    pub started: Option<Timestamp>,
    /// Parked since.
    pub waiting_since: Option<Timestamp>,
    /// End of the last run of a closed job.
    pub finished: Option<Timestamp>,
    /// Why the last run did not succeed.
    pub last_error: Option<String>,
}

/// A run that did not simply succeed.
#[derive(Clone, Debug)]
pub struct AttemptRow {
    /// Which attempt it was; 0 for one that burned none.
    pub attempt: i64,
    /// Begin.
    pub started: Timestamp,
    /// End.
    pub finished: Timestamp,
    /// `done`, `retry`, `parked`, `later`, `dead`, `lost`.
    pub outcome: String,
    /// Why.
    pub error: Option<String>,
}
