//! Every SQL text of the outbox.

use super::{ATTEMPTS_KEPT, AttemptRow, JobRow, JobState};
use crate::base::clock::Timestamp;
use crate::base::id::{Id, JobId};
use crate::infra::db::{DbError, ReadTx, WriteTx};
use rusqlite::Row;

const JOB_COLUMNS: &str = "seq, id, kind, subject, label, payload, request_id, version, state, attempts, lease_losses,
     due_ms, created_ms, updated_ms, started_ms, waiting_since_ms, finished_ms, last_error FROM outbox";

fn job_row(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    let state: String = row.get(8)?;
    Ok(JobRow {
        seq: row.get(0)?,
        id: row.get(1)?,
        kind: row.get(2)?,
        subject: row.get(3)?,
        label: row.get(4)?,
        payload: row.get(5)?,
        request: Id::from_bytes(row.get(6)?),
        version: row.get(7)?,
        state: JobState::parse(&state)
            .ok_or_else(|| rusqlite::Error::FromSqlConversionFailure(8, rusqlite::types::Type::Text, state.into()))?,
        attempts: row.get(9)?,
        lease_losses: row.get(10)?,
        due: row.get(11)?,
        created: row.get(12)?,
        updated: row.get(13)?,
        started: row.get(14)?,
        waiting_since: row.get(15)?,
        finished: row.get(16)?,
        last_error: row.get(17)?,
    })
}

/// What `outbox_put` needs of a job.
pub struct JobInsert<'a> {
    /// Used when the job is new.
    pub id: JobId,
    /// Which handler.
    pub kind: &'a str,
    /// What it is about.
    pub subject: &'a str,
    /// What a person reads.
    pub label: &'a str,
    /// JSON.
    pub payload: &'a str,
    /// In which request.
    pub request: Id,
    /// When it may run.
    pub due: Timestamp,
    /// Now.
    pub now: Timestamp,
    /// Whether no open job can be about its subject.
    pub is_first: bool,
}

/// Adds a job, or merges it into the open one of the same subject: its version goes up, and a job that is backing off stays so.
/// Gives the row's number, when it is due, and whether the queue must hear of it: one that waits there already, and is not due earlier now, need
/// not be told again. A worker that takes it reads the row as it is then.
///
/// A job that nobody has in hand and that would ask for the same is left as it is: whoever takes it sees what is true then, so many changes of one
/// subject cost one row and no page of the log.
pub fn outbox_put(tx: &WriteTx<'_>, job: &JobInsert<'_>) -> Result<(i64, Timestamp, bool), DbError> {
    if job.is_first {
        match job_insert(tx, job) {
            Err(error) if error.is_unique_violation() => {}
            inserted => return Ok((inserted?, job.due, true)),
        }
    }
    let open = tx.one(
        "SELECT seq, due_ms, state, attempts, payload FROM outbox
         WHERE kind = ?1 AND subject = ?2 AND finished_ms IS NULL",
        (job.kind, job.subject),
        |row| Ok((open_job(row)?, row.get_ref(4)?.as_bytes()? == job.payload.as_bytes())),
    )?;
    let Some((open, is_same)) = open else {
        return Ok((job_insert(tx, job)?, job.due, true));
    };
    let is_sooner = open.comes_sooner(job.due);
    let due = if is_sooner { job.due } else { open.due };
    if !(is_same && open.waits_until(job.due)) {
        tx.run(
            "UPDATE outbox SET version = version + 1, payload = ?2, due_ms = ?3, updated_ms = ?4 WHERE seq = ?1",
            (open.seq, job.payload, due, job.now),
        )?;
    }
    Ok((open.seq, due, is_sooner))
}

fn job_insert(tx: &WriteTx<'_>, job: &JobInsert<'_>) -> Result<i64, DbError> {
    tx.insert(
        "INSERT INTO outbox (id, kind, subject, label, payload, request_id, due_ms, created_ms, updated_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)",
        (job.id, job.kind, job.subject, job.label, job.payload, job.request.as_bytes(), job.due, job.now),
    )
}

/// An open job, as far as one that would be merged into it is concerned.
struct OpenJob {
    seq: i64,
    due: Timestamp,
    is_ready: bool,
    is_running: bool,
    attempts: i64,
}

impl OpenJob {
    /// Whether a merge makes it due earlier: not when it is backing off, or waits for a line.
    fn comes_sooner(&self, due: Timestamp) -> bool {
        self.is_ready && self.attempts == 0 && due < self.due
    }

    /// Whether nobody has it in hand, and it runs no later than it could after a merge.
    fn waits_until(&self, due: Timestamp) -> bool {
        !self.is_running && !self.comes_sooner(due)
    }
}

fn open_job(row: &Row<'_>) -> rusqlite::Result<OpenJob> {
    let state = row.get_ref(2)?.as_bytes()?;
    let (is_ready, is_running) = (state == b"ready", state == b"running");
    Ok(OpenJob { seq: row.get(0)?, due: row.get(1)?, is_ready, is_running, attempts: row.get(3)? })
}

/// Whether a job waits that would do what another one, due at `due`, is wanted for.
pub fn job_waits(tx: &ReadTx<'_>, kind: &str, subject: &str, due: Timestamp) -> Result<bool, DbError> {
    let open = tx.one(
        "SELECT seq, due_ms, state, attempts FROM outbox
         WHERE kind = ?1 AND subject = ?2 AND finished_ms IS NULL",
        (kind, subject),
        open_job,
    )?;
    Ok(open.is_some_and(|open| open.waits_until(due)))
}

/// One job.
pub fn job_get(tx: &ReadTx<'_>, seq: i64) -> Result<Option<JobRow>, DbError> {
    tx.one(&format!("SELECT {JOB_COLUMNS} WHERE seq = ?1"), [seq], job_row)
}

/// One job by its public id.
pub fn job_find(tx: &ReadTx<'_>, id: JobId) -> Result<Option<JobRow>, DbError> {
    tx.one(&format!("SELECT {JOB_COLUMNS} WHERE id = ?1"), [id], job_row)
}

/// The newest job about a subject: an open one, or else the last dead one.
pub fn job_of_subject(tx: &ReadTx<'_>, kind: &str, subject: &str) -> Result<Option<JobRow>, DbError> {
    let open = format!("SELECT {JOB_COLUMNS} WHERE kind = ?1 AND subject = ?2 AND finished_ms IS NULL");
    if let Some(job) = tx.one(&open, (kind, subject), job_row)? {
        return Ok(Some(job));
    }
    let dead =
        format!("SELECT {JOB_COLUMNS} WHERE state = 'dead' AND kind = ?1 AND subject = ?2 ORDER BY seq DESC LIMIT 1");
    tx.one(&dead, (kind, subject), job_row)
}

/// Which jobs a list shows.
#[derive(Debug, Default, Clone)]
pub struct JobFilter {
    /// Only in this state.
    pub state: Option<JobState>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only before this row.
    pub before: Option<i64>,
}

/// Jobs, newest first.
pub fn jobs_list(tx: &ReadTx<'_>, filter: &JobFilter, limit: u32) -> Result<Vec<JobRow>, DbError> {
    let state = filter.state.map(JobState::name);
    let before = filter.before.unwrap_or(i64::MAX);
    // The dead are few among many: their own index finds them.
    let hint = if filter.state == Some(JobState::Dead) { "AND state = 'dead'" } else { "" };
    let sql = format!(
        "SELECT {JOB_COLUMNS} WHERE seq < ?1 {hint} AND (?2 IS NULL OR state = ?2) AND (?3 IS NULL OR kind = ?3)
         ORDER BY seq DESC LIMIT ?4"
    );
    tx.all(&sql, (before, state, filter.kind.as_deref(), limit), job_row)
}

/// Dead jobs whose subject is not open again, oldest first, of one kind if given.
pub fn jobs_dead(tx: &ReadTx<'_>, kind: Option<&str>, limit: u32) -> Result<Vec<JobRow>, DbError> {
    let sql = format!(
        "SELECT {JOB_COLUMNS} WHERE state = 'dead' AND (?1 IS NULL OR kind = ?1) AND NOT EXISTS (
             SELECT 1 FROM outbox o WHERE o.kind = outbox.kind AND o.subject = outbox.subject
             AND o.finished_ms IS NULL)
         ORDER BY seq LIMIT ?2"
    );
    tx.all(&sql, (kind, limit), job_row)
}

/// Jobs that are open: seq, kind, due, in order.
pub fn jobs_open(tx: &ReadTx<'_>, after: i64, limit: u32) -> Result<Vec<(i64, String, Timestamp)>, DbError> {
    tx.all(
        "SELECT seq, kind, due_ms FROM outbox
         WHERE finished_ms IS NULL AND seq > ?1 ORDER BY seq LIMIT ?2",
        (after, limit),
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}

/// How many jobs are in each state and kind, open and dead ones only.
pub fn jobs_count(tx: &ReadTx<'_>) -> Result<Vec<(String, String, i64)>, DbError> {
    tx.all(
        "SELECT kind, state, count(*) FROM outbox WHERE finished_ms IS NULL GROUP BY kind, state
         UNION ALL SELECT kind, state, count(*) FROM outbox WHERE state = 'dead' GROUP BY kind, state",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}

/// Whether there is an open job about a subject.
pub fn job_is_open(tx: &ReadTx<'_>, kind: &str, subject: &str) -> Result<bool, DbError> {
    tx.exists("SELECT 1 FROM outbox WHERE kind = ?1 AND subject = ?2 AND finished_ms IS NULL", (kind, subject))
}

/// When the oldest open job of a kind was asked for.
pub fn jobs_oldest(tx: &ReadTx<'_>, kind: &str) -> Result<Option<Timestamp>, DbError> {
    tx.value("SELECT min(created_ms) FROM outbox WHERE kind = ?1 AND finished_ms IS NULL", [kind])
}

/// A worker takes the job. False when it is closed.
pub fn job_start(tx: &WriteTx<'_>, seq: i64, boot: i64, now: Timestamp) -> Result<bool, DbError> {
    let changed = tx.run(
        "UPDATE outbox SET state = 'running', boot = ?2, started_ms = ?3, updated_ms = ?3, waiting_since_ms = NULL
         WHERE seq = ?1 AND finished_ms IS NULL",
        (seq, boot, now),
    )?;
    Ok(changed == 1)
}

/// The job is done, if nothing was merged into it since `version`; else it is ready again (D2). Gives whether it is closed.
pub fn job_done(tx: &WriteTx<'_>, seq: i64, version: i64, now: Timestamp) -> Result<bool, DbError> {
    let closed = tx.run(
        "UPDATE outbox SET state = 'done', attempts = attempts + 1, boot = NULL, finished_ms = ?3, updated_ms = ?3,
                last_error = NULL
         WHERE seq = ?1 AND version = ?2 AND state = 'running'",
        (seq, version, now),
    )?;
    if closed == 1 {
        return Ok(true);
    }
    tx.run(
        "UPDATE outbox SET state = 'ready', attempts = 0, boot = NULL, due_ms = ?2, updated_ms = ?2, last_error = NULL
         WHERE seq = ?1 AND state = 'running'",
        (seq, now),
    )?;
    Ok(false)
}

/// A job that comes back.
pub struct JobBack<'a> {
    /// Its row.
    pub seq: i64,
    /// When it may run.
    pub due: Timestamp,
    /// Whether the run counts.
    pub is_burned: bool,
    /// Set when it is parked.
    pub waiting_since: Option<Timestamp>,
    /// Why; empty when nothing went wrong.
    pub error: &'a str,
}

/// Puts a job back.
pub fn job_again(tx: &WriteTx<'_>, back: &JobBack<'_>, now: Timestamp) -> Result<(), DbError> {
    tx.run(
        "UPDATE outbox SET state = CASE WHEN ?4 IS NULL THEN 'ready' ELSE 'waiting' END, attempts = attempts + ?3,
                boot = NULL, due_ms = ?2, updated_ms = ?6, last_error = nullif(?5, ''), waiting_since_ms = ?4
         WHERE seq = ?1 AND state = 'running'",
        (back.seq, back.due, back.is_burned, back.waiting_since, back.error, now),
    )?;
    Ok(())
}

/// The job gives up, if nothing was merged into it since `version`; else it is ready again with a fresh budget, for what was merged in was never
/// tried (D2). Gives whether it is dead.
pub fn job_dead(tx: &WriteTx<'_>, seq: i64, version: i64, error: &str, now: Timestamp) -> Result<bool, DbError> {
    let closed = tx.run(
        "UPDATE outbox SET state = 'dead', attempts = attempts + 1, boot = NULL, finished_ms = ?4, updated_ms = ?4,
                waiting_since_ms = NULL, last_error = ?3
         WHERE seq = ?1 AND version = ?2 AND finished_ms IS NULL",
        (seq, version, error, now),
    )?;
    if closed == 1 {
        return Ok(true);
    }
    tx.run(
        "UPDATE outbox SET state = 'ready', attempts = 0, lease_losses = 0, boot = NULL, due_ms = ?2, updated_ms = ?2,
                waiting_since_ms = NULL, last_error = ?3
         WHERE seq = ?1 AND finished_ms IS NULL",
        (seq, now, error),
    )?;
    Ok(false)
}

/// A person gives a fresh budget to a dead job. False when it is not dead, or its subject is open again.
pub fn job_retry(tx: &WriteTx<'_>, seq: i64, now: Timestamp) -> Result<bool, DbError> {
    let changed = tx.run(
        "UPDATE outbox SET state = 'ready', attempts = 0, lease_losses = 0, finished_ms = NULL, due_ms = ?2,
                updated_ms = ?2, version = version + 1
         WHERE seq = ?1 AND state = 'dead' AND NOT EXISTS (
             SELECT 1 FROM outbox o WHERE o.kind = outbox.kind AND o.subject = outbox.subject
             AND o.finished_ms IS NULL)",
        (seq, now),
    )?;
    Ok(changed == 1)
}

/// A person gives the job up. False when it is closed already, unless it is dead.
pub fn job_discard(tx: &WriteTx<'_>, seq: i64, reason: &str, now: Timestamp) -> Result<bool, DbError> {
    let changed = tx.run(
        "UPDATE outbox SET state = 'discarded', finished_ms = ?3, updated_ms = ?3, waiting_since_ms = NULL,
                last_error = coalesce(nullif(?2, ''), last_error)
         WHERE seq = ?1 AND state IN ('ready', 'waiting', 'dead')",
        (seq, reason, now),
    )?;
    Ok(changed == 1)
}

/// Jobs that another run of the process had started: each is one lease loss (D3). Gives those that now have too many.
pub fn jobs_lost(tx: &WriteTx<'_>, boot: i64, now: Timestamp, limit: u32) -> Result<Vec<JobRow>, DbError> {
    let sql = format!("SELECT {JOB_COLUMNS} WHERE state = 'running' AND boot <> ?1 ORDER BY seq LIMIT ?2");
    let lost = tx.all(&sql, (boot, limit), job_row)?;
    for job in &lost {
        tx.run(
            "UPDATE outbox SET state = 'ready', lease_losses = min(lease_losses + 1, 3), boot = NULL, updated_ms = ?2
             WHERE seq = ?1",
            (job.seq, now),
        )?;
    }
    Ok(lost)
}

/// Writes down a run that did not simply succeed, and forgets those beyond the last twenty.
pub fn attempt_insert(tx: &WriteTx<'_>, job: i64, row: &AttemptRow) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO outbox_attempt (job_seq, number, attempt, started_ms, finished_ms, outcome, error)
         SELECT ?1, coalesce(max(number), 0) + 1, ?2, ?3, ?4, ?5, ?6 FROM outbox_attempt WHERE job_seq = ?1",
        (job, row.attempt, row.started, row.finished, &row.outcome, &row.error),
    )?;
    tx.run(
        "DELETE FROM outbox_attempt WHERE job_seq = ?1 AND number <=
             (SELECT max(number) FROM outbox_attempt WHERE job_seq = ?1) - ?2",
        (job, ATTEMPTS_KEPT),
    )?;
    Ok(())
}

/// The runs of a job that did not simply succeed, oldest first.
pub fn attempts_of(tx: &ReadTx<'_>, job: i64) -> Result<Vec<AttemptRow>, DbError> {
    tx.all(
        "SELECT attempt, started_ms, finished_ms, outcome, error FROM outbox_attempt WHERE job_seq = ?1 ORDER BY number",
        [job],
        |row| {
            Ok(AttemptRow {
                attempt: row.get(0)?,
                started: row.get(1)?,
                finished: row.get(2)?,
                outcome: row.get(3)?,
                error: row.get(4)?,
            })
        },
    )
}

/// Forgets done jobs that finished before `before`. Gives how many.
pub fn jobs_purge(tx: &WriteTx<'_>, before: Timestamp, limit: u32) -> Result<usize, DbError> {
    tx.run(
        "DELETE FROM outbox WHERE seq IN (
             SELECT seq FROM outbox WHERE finished_ms < ?1 AND state IN ('done', 'discarded') LIMIT ?2)",
        (before, limit),
    )
}
