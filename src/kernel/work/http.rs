//! Jobs and dead letters over HTTP.

use super::runner::Runner;
use super::service;
use crate::base::clock::Timestamp;
use crate::base::error::{Fault, Place};
use crate::base::id::JobId;
use crate::base::page::Page;
use crate::base::text::is_clean;
use crate::kernel::outbox::store::{self as outbox, JobFilter};
use crate::kernel::outbox::{AttemptRow, JobRow, JobState};
use crate::kernel::permit::Permission;
use crate::kernel::web::call::{Answer, Call, json, json_reply, missing, page, page_number};
use crate::kernel::web::route::{Access, Route};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A background job.
#[derive(Serialize, JsonSchema)]
struct Job {
    /// Id.
    id: JobId,
    /// Kind.
    kind: String,
    /// `ready`, `running`, `waiting`, `done`, `dead` or `discarded`.
    state: &'static str,
    /// What it is about.
    subject: String,
    /// Runs that counted.
    attempts: i64,
    /// Runs that it has.
    attempts_max: i64,
    /// Runs that ended with the process.
    lease_losses: i64,
    /// Not before.
    due_at: Timestamp,
    /// Asked for.
    created_at: Timestamp,
    /// Last change.
    updated_at: Timestamp,
    /// Closed.
    finished_at: Option<Timestamp>,
    /// Why the last run did not succeed.
    last_error: Option<String>,
    /// Parked since.
    waiting_since: Option<Timestamp>,
    /// When its parked line is tried again.
    queue_paused_until: Option<Timestamp>,
}

/// A background job with its payload and runs.
#[derive(Serialize, JsonSchema)]
struct JobDetail {
    #[serde(flatten)]
    job: Job,
    /// What the handler gets.
    payload: serde_json::Value,
    /// Raised by each change that was merged in.
    version: i64,
    /// Runs that did not simply succeed, and the one that did.
    history: Vec<JobAttempt>,
}

/// One run.
#[derive(Serialize, JsonSchema)]
struct JobAttempt {
    /// Which attempt; 0 for a run that burned none.
    attempt: i64,
    /// Begin.
    started_at: Timestamp,
    /// End.
    finished_at: Timestamp,
    /// `done`, `retry`, `parked`, `later`, `dead` or `lost`.
    outcome: String,
    /// Why.
    error: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct JobsQuery {
    /// Only in this state.
    state: Option<StateWire>,
    /// Only of this kind.
    kind: Option<String>,
    /// Rows, 1 to 250.
    #[schemars(range(min = 1, max = 250))]
    limit: Option<u32>,
    /// Where to read on.
    cursor: Option<String>,
}

#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "JobState")]
enum StateWire {
    Ready,
    Running,
    Waiting,
    Done,
    Dead,
    Discarded,
}

impl From<StateWire> for JobState {
    fn from(wire: StateWire) -> Self {
        match wire {
            StateWire::Ready => Self::Ready,
            StateWire::Running => Self::Running,
            StateWire::Waiting => Self::Waiting,
            StateWire::Done => Self::Done,
            StateWire::Dead => Self::Dead,
            StateWire::Discarded => Self::Discarded,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DiscardBody {
    /// Why, at most 500 characters.
    #[schemars(length(max = 500))]
    reason: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RetryAllBody {
    /// Only this kind.
    kind: Option<String>,
}

/// How many jobs were retried.
#[derive(Serialize, JsonSchema)]
struct Retried {
    /// Jobs.
    retried: u32,
}

/// The routes of background work.
pub fn routes(runner: &Arc<Runner>) -> Vec<Route> {
    let read = Access::Needs(Permission::JobRead);
    let write = Access::Needs(Permission::JobWrite);
    let with = |runner: &Arc<Runner>| Arc::clone(runner);
    let (list_runner, dead_runner, get_runner) = (with(runner), with(runner), with(runner));
    let (retry_runner, discard_runner) = (with(runner), with(runner));
    vec![
        Route::get("/api/v1/jobs", "jobs_list", read, move |call| list(Arc::clone(&list_runner), call, None))
            .summary("Background jobs, newest first.")
            .query::<JobsQuery>()
            .answers::<Page<Job>>(200, "The jobs."),
        Route::get("/api/v1/jobs/dead-letters", "dead_letters_list", read, move |call| {
            list(Arc::clone(&dead_runner), call, Some(JobState::Dead))
        })
        .summary("Jobs that gave up and wait for a person.")
        .query::<JobsQuery>()
        .answers::<Page<Job>>(200, "The jobs."),
        Route::post("/api/v1/jobs/dead-letters/retry", "dead_letters_retry", write, retry_all)
            .summary("Gives dead letters a fresh budget of runs, at most 500 at a time.")
            .body::<RetryAllBody>()
            .answers::<Retried>(200, "How many."),
        Route::get("/api/v1/jobs/{id}", "job_get", read, move |call| get(Arc::clone(&get_runner), call))
            .path::<JobId>("id")
            .summary("One job with its runs.")
            .answers::<JobDetail>(200, "The job."),
        Route::post("/api/v1/jobs/{id}/retry", "job_retry", write, move |call| retry(Arc::clone(&retry_runner), call))
            .path::<JobId>("id")
            .summary("Gives a dead job a fresh budget of runs.")
            .answers::<Job>(200, "The job."),
        Route::post("/api/v1/jobs/{id}/discard", "job_discard", write, move |call| {
            discard(Arc::clone(&discard_runner), call)
        })
        .path::<JobId>("id")
        .summary("Gives a job up.")
        .body::<DiscardBody>()
        .answers::<Job>(200, "The job."),
    ]
}

fn wire(runner: &Runner, row: JobRow, paused: Option<Timestamp>) -> Job {
    Job {
        id: row.id,
        attempts_max: runner.policy(&row.kind).map_or(0, |policy| policy.attempts_max()),
        kind: row.kind,
        state: row.state.name(),
        subject: row.label,
        attempts: row.attempts,
        lease_losses: row.lease_losses,
        due_at: row.due,
        created_at: row.created,
        updated_at: row.updated,
        finished_at: row.finished,
        last_error: row.last_error,
        waiting_since: row.waiting_since,
        queue_paused_until: if row.state.is_open() { paused } else { None },
    }
}

async fn list(runner: Arc<Runner>, call: Call, only: Option<JobState>) -> Result<Answer, Fault> {
    let query: JobsQuery = call.query()?;
    let wanted = page(query.limit, query.cursor.as_deref())?;
    let state = only.or_else(|| query.state.map(JobState::from));
    let filter = JobFilter { state, kind: query.kind, before: page_number(&wanted)? };
    let scope = call.scope()?;
    let limit = wanted.limit.saturating_add(1);
    let rows = scope.read(Permission::JobRead, |tx| outbox::jobs_list(tx, &filter, limit).map_err(Fault::from)).await?;
    let tenant = scope.tenant().id;
    let paused = runner.queue().paused().await;
    let page = Page::cut(rows, wanted.limit, |row| row.seq.to_be_bytes().to_vec()).map(|row| {
        let lane = runner.policy(&row.kind).map(|policy| policy.lane);
        let line = paused.iter().find(|line| line.tenant == tenant && Some(line.lane) == lane);
        wire(&runner, row, line.map(|line| line.until))
    });
    json(200, &page)
}

async fn get(runner: Arc<Runner>, call: Call) -> Result<Answer, Fault> {
    let id: JobId = call.id("id")?;
    let found = call.scope()?.read(Permission::JobRead, |tx| service::job_get(tx, id)).await?;
    let (row, attempts) = found.ok_or_else(|| missing("job"))?;
    json(200, &detail(&runner, row, attempts))
}

fn detail(runner: &Runner, row: JobRow, attempts: Vec<AttemptRow>) -> JobDetail {
    let mut history: Vec<JobAttempt> = attempts
        .into_iter()
        .map(|run| JobAttempt {
            attempt: run.attempt,
            started_at: run.started,
            finished_at: run.finished,
            outcome: run.outcome,
            error: run.error,
        })
        .collect();
    if row.state == JobState::Done {
        history.push(JobAttempt {
            attempt: row.attempts,
            started_at: row.started.unwrap_or(row.created),
            finished_at: row.finished.unwrap_or(row.updated),
            outcome: "done".to_owned(),
            error: None,
        });
    }
    let payload = serde_json::from_str(&row.payload).unwrap_or(serde_json::Value::Null);
    JobDetail { payload, version: row.version, history, job: wire(runner, row, None) }
}

async fn retry(runner: Arc<Runner>, call: Call) -> Result<Answer, Fault> {
    let id: JobId = call.id("id")?;
    let reply = call.scope()?.reply(&service::RETRY, move |cx| {
        let job = service::retry_in(cx, id)?;
        json_reply(200, &wire(&runner, job, None))
    });
    reply.await.map(Answer::Reply)
}

async fn retry_all(call: Call) -> Result<Answer, Fault> {
    let body: RetryAllBody = call.json()?;
    let reply = call.scope()?.reply(&service::RETRY_ALL, move |cx| {
        let retried = service::retry_all_in(cx, body.kind.as_deref())?;
        json_reply(200, &Retried { retried })
    });
    reply.await.map(Answer::Reply)
}

async fn discard(runner: Arc<Runner>, call: Call) -> Result<Answer, Fault> {
    let id: JobId = call.id("id")?;
    let body: DiscardBody = call.json()?;
    let reason = body.reason.unwrap_or_default();
    if reason.chars().count() > 500 || !is_clean(&reason) {
        let detail = "`reason` has at most 500 characters and no control characters.";
        return Err(Fault::field(Place::Pointer("/reason".to_owned()), "invalid_text", detail));
    }
    let reply = call.scope()?.reply(&service::DISCARD, move |cx| {
        let job = service::discard_in(cx, id, &reason)?;
        json_reply(200, &wire(&runner, job, None))
    });
    reply.await.map(Answer::Reply)
}
