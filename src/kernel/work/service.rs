//! What an operator does with jobs: look, retry, discard.

use crate::base::error::{Fault, Kind};
use crate::base::id::JobId;
use crate::infra::db::ReadTx;
use crate::kernel::command::{Command, Cx};
use crate::kernel::journal::{Entity, Fact};
use crate::kernel::outbox::store as outbox;
use crate::kernel::outbox::{JobRow, JobState};
use crate::kernel::permit::Permission;

/// Gives a dead job a fresh budget of runs.
pub const RETRY: Command = Command::new("jobs.retry", Permission::JobWrite);
/// Gives all dead jobs of a kind a fresh budget.
pub const RETRY_ALL: Command = Command::new("jobs.retry_all", Permission::JobWrite);
/// Gives a job up.
pub const DISCARD: Command = Command::new("jobs.discard", Permission::JobWrite);

/// Dead jobs that one command retries at most.
pub const RETRY_ALL_MAX: u32 = 500;

fn found(cx: &Cx<'_>, id: JobId) -> Result<JobRow, Fault> {
    outbox::job_find(cx.read(), id)?.ok_or_else(|| Fault::new(Kind::Missing, "not_found", "There is no such job."))
}

/// Retries a dead job. History stays, the budget is fresh.
pub fn retry_in(cx: &mut Cx<'_>, id: JobId) -> Result<JobRow, Fault> {
    let job = found(cx, id)?;
    if job.state != JobState::Dead {
        let detail = format!("The job is {}, only dead letters are retried.", job.state.name());
        return Err(Fault::new(Kind::Conflict, "job_not_dead", detail));
    }
    if !outbox::job_retry(cx.tx(), job.seq, cx.now())? {
        let detail = "A newer job for the same thing is open already. Discard this one.";
        return Err(Fault::new(Kind::Conflict, "job_superseded", detail));
    }
    cx.announce(&job.kind, job.seq, cx.now());
    record_retried(cx, &job)?;
    found(cx, id)
}

/// Retries the oldest dead jobs, of one kind if given. Gives how many.
pub fn retry_all_in(cx: &mut Cx<'_>, kind: Option<&str>) -> Result<u32, Fault> {
    let mut retried = 0_u32;
    for job in outbox::jobs_dead(cx.read(), kind, RETRY_ALL_MAX)? {
        if outbox::job_retry(cx.tx(), job.seq, cx.now())? {
            cx.announce(&job.kind, job.seq, cx.now());
            record_retried(cx, &job)?;
            retried = retried.saturating_add(1);
        }
    }
    Ok(retried)
}

fn record_retried(cx: &mut Cx<'_>, job: &JobRow) -> Result<(), Fault> {
    let body = serde_json::json!({ "kind": job.kind, "subject": job.subject });
    cx.record(Fact::new("job.retried", Entity::Job, job.id, &body)?).map(drop)
}

/// Gives a job up that is not running.
pub fn discard_in(cx: &mut Cx<'_>, id: JobId, reason: &str) -> Result<JobRow, Fault> {
    let job = found(cx, id)?;
    if !outbox::job_discard(cx.tx(), job.seq, reason, cx.now())? {
        let detail = format!("The job is {}, it cannot be discarded.", job.state.name());
        return Err(Fault::new(Kind::Conflict, "job_not_open", detail));
    }
    let body = serde_json::json!({ "kind": job.kind, "before": job.state.name(), "reason": reason });
    cx.record(Fact::new("job.discarded", Entity::Job, job.id, &body)?)?;
    found(cx, id)
}

/// One job with its runs.
pub fn job_get(tx: &ReadTx<'_>, id: JobId) -> Result<Option<(JobRow, Vec<crate::kernel::outbox::AttemptRow>)>, Fault> {
    let Some(job) = outbox::job_find(tx, id)? else { return Ok(None) };
    let attempts = outbox::attempts_of(tx, job.seq)?;
    Ok(Some((job, attempts)))
}
