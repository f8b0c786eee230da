//! What a kind of job is: its policy, and what a run of it may say.

use crate::base::clock::Timestamp;
use crate::base::error::{Fault, Kind};
use crate::infra::queue::Lane;
use crate::kernel::command::{Command, Cx};
use crate::kernel::outbox::JobRow;
use crate::kernel::outbox::store as outbox;
use crate::kernel::scope::Scope;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Five runs: at once, then 1, 5, 15 and 60 minutes after the end of the run before (RV2).
pub const FEED_LADDER: &[Duration] =
    &[Duration::ZERO, Duration::from_mins(1), Duration::from_mins(5), Duration::from_mins(15), Duration::from_hours(1)];

/// Three runs for received messages: at once, then 1 and 5 minutes after (RA4.2).
pub const INTAKE_LADDER: &[Duration] = &[Duration::ZERO, Duration::from_mins(1), Duration::from_mins(5)];

/// How jobs of a kind are run.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// The kind.
    pub kind: &'static str,
    /// Its number in the queue.
    pub lane: Lane,
    /// The wait before each run, the first included; its length is the number of runs.
    pub ladder: &'static [Duration],
    /// Runs at a time.
    pub concurrency: usize,
    /// Longest run.
    pub time_max: Duration,
}

impl Policy {
    /// Runs that a job has.
    pub fn attempts_max(&self) -> i64 {
        i64::try_from(self.ladder.len()).unwrap_or(i64::MAX)
    }

    /// The wait after `attempts` runs, or none when they are used up.
    pub fn wait_after(&self, attempts: i64) -> Option<Duration> {
        self.ladder.get(usize::try_from(attempts).ok()?).copied()
    }
}

/// What a run came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is done.
    Done,
    /// It failed and counts as a run.
    Retry(String),
    /// The line is down or a quota is used up: the whole kind waits for this store, and nothing is burned (D1).
    Park {
        /// Why.
        reason: String,
        /// When the line is tried again; the runner's own spacing if none.
        until: Option<Timestamp>,
    },
    /// Too early; only this job waits, and nothing is burned.
    Later {
        /// Why.
        reason: String,
        /// Until when.
        due: Timestamp,
    },
    /// No repeat will help.
    Dead(String),
}

impl From<Fault> for Outcome {
    /// What the moment caused is tried again later and burns nothing; everything else counts as a run.
    fn from(fault: Fault) -> Self {
        match fault.kind {
            Kind::Unavailable | Kind::UnknownOutcome | Kind::DiskFull | Kind::Limited => {
                Self::Park { reason: fault.to_string(), until: None }
            }
            _ => Self::Retry(fault.to_string()),
        }
    }
}

/// A run in flight.
pub type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Handles one kind of job.
pub trait Handler: Send + Sync {
    /// How it is run.
    fn policy(&self) -> Policy;
    /// One run. Effects inside stand once if they are written through [`JobRun::complete`].
    fn run<'a>(&'a self, run: &'a JobRun) -> Running<'a>;
}

/// One run of one job.
pub struct JobRun {
    /// The store, as the system.
    pub scope: Scope,
    /// The row as it was when the run began.
    pub job: JobRow,
    completed: AtomicBool,
}

impl JobRun {
    /// A run of a job that was started.
    pub const fn new(scope: Scope, job: JobRow) -> Self {
        Self { scope, job, completed: AtomicBool::new(false) }
    }

    /// The payload.
    pub fn payload<T: serde::de::DeserializeOwned>(&self) -> Result<T, Fault> {
        serde_json::from_str(&self.job.payload).map_err(|error| Fault::broken(format!("payload: {error}")))
    }

    /// Runs a command and closes the job in the same transaction: exactly once inside (D4).
    pub async fn complete<T: Send + 'static>(
        &self,
        command: &'static Command,
        act: impl FnOnce(&mut Cx<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let (seq, version, kind) = (self.job.seq, self.job.version, self.job.kind.clone());
        let outcome = self
            .scope
            .write(command, move |cx| {
                let value = act(cx)?;
                if !outbox::job_done(cx.tx(), seq, version, cx.now())? {
                    // Something was merged in meanwhile: the job stays, and runs again.
                    cx.announce(&kind, seq, cx.now());
                }
                Ok(value)
            })
            .await?;
        self.completed.store(true, Ordering::Release);
        Ok(outcome)
    }

    pub(super) fn is_completed(&self) -> bool {
        self.completed.load(Ordering::Acquire)
    }
}
