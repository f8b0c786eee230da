//! Every SQL text of the kernel's tables: journal, outbox, idempotency, meta.

use crate::base::clock::Timestamp;
use crate::base::id::{Id, JobId};
use crate::infra::db::{DbError, ReadTx, WriteTx};
use crate::kernel::journal::{Head, Header, JournalRow};
use crate::kernel::outbox::{ATTEMPTS_KEPT, AttemptRow, JobRow, JobState};
use rusqlite::{OptionalExtension as _, Row, named_params};

// --- journal

/// The last row.
pub fn journal_head(tx: &ReadTx<'_>) -> Result<Head, DbError> {
    let row = tx.one("SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1", [], |row| {
        Ok(Head { seq: row.get(0)?, hash: row.get(1)? })
    })?;
    Ok(row.unwrap_or(Head { seq: 0, hash: [0; 32] }))
}

/// Adds a row and its body.
pub fn journal_insert(tx: &WriteTx<'_>, header: &Header<'_>, hash: &[u8; 32], body: &str) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO journal (seq, at_ms, kind, schema_version, command, actor_kind, actor_id, entity, entity_id,
                              request_id, body_hash, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        rusqlite::params![
            header.seq,
            header.at,
            header.kind,
            header.schema_version,
            header.command,
            header.actor_kind,
            header.actor_id,
            header.entity,
            header.entity_id,
            header.request_id,
            header.body_hash,
            hash
        ],
    )?;
    tx.run("INSERT INTO journal_body (seq, body) VALUES (?1, ?2)", (header.seq, body))?;
    Ok(())
}

/// A row of the journal as a check sees it: header, hash and body.
pub type Walked<'r> = (Header<'r>, [u8; 32], Option<&'r str>);

/// Calls `each` with the number of every row in order, and with the row itself unless its columns hold what none of them can hold.
pub fn journal_walk(tx: &ReadTx<'_>, mut each: impl FnMut(i64, Option<Walked<'_>>)) -> Result<(), DbError> {
    tx.each(
        "SELECT j.seq, j.at_ms, j.kind, j.schema_version, j.command, j.actor_kind, j.actor_id, j.entity, j.entity_id,
                j.request_id, j.body_hash, j.hash, CASE WHEN b.seq IS NULL THEN '' ELSE b.body END
         FROM journal j LEFT JOIN journal_body b ON b.seq = j.seq ORDER BY j.seq",
        [],
        |row| {
            let seq = row.get(0)?;
            each(seq, walked(row).ok());
            Ok(())
        },
    )
}

fn walked<'r>(row: &'r Row<'_>) -> rusqlite::Result<Walked<'r>> {
    let text = |index| row.get_ref(index)?.as_str().map_err(rusqlite::Error::from);
    let header = Header {
        seq: row.get(0)?,
        at: row.get(1)?,
        kind: text(2)?,
        schema_version: row.get(3)?,
        command: text(4)?,
        actor_kind: row.get(5)?,
        actor_id: row.get(6)?,
        entity: text(7)?,
        entity_id: row.get(8)?,
        request_id: row.get(9)?,
        body_hash: row.get(10)?,
    };
    let body = row.get_ref(12)?.as_str_or_null().map_err(rusqlite::Error::from)?;
    Ok((header, row.get(11)?, body))
}

const JOURNAL_COLUMNS: &str = "j.seq, j.at_ms, j.kind, j.command, j.actor_kind, j.actor_id, j.entity, j.entity_id,
     j.request_id, j.hash, b.body FROM journal j JOIN journal_body b ON b.seq = j.seq";

fn journal_row(row: &Row<'_>) -> rusqlite::Result<JournalRow> {
    Ok(JournalRow {
        seq: row.get(0)?,
        at: row.get(1)?,
        kind: row.get(2)?,
        command: row.get(3)?,
        actor: (row.get(4)?, row.get(5)?),
        entity: row.get(6)?,
        entity_id: row.get(7)?,
        request_id: row.get(8)?,
        hash: row.get(9)?,
        body: row.get(10)?,
    })
}

/// Rows after `seq`, oldest first.
pub fn journal_after(tx: &ReadTx<'_>, seq: i64, limit: u32) -> Result<Vec<JournalRow>, DbError> {
    let sql = format!("SELECT {JOURNAL_COLUMNS} WHERE j.seq > ?1 ORDER BY j.seq LIMIT ?2");
    tx.all(&sql, (seq, limit), journal_row)
}

/// Rows before `seq`, newest first; of one entity if given.
pub fn journal_before(tx: &ReadTx<'_>, seq: i64, entity: Option<Id>, limit: u32) -> Result<Vec<JournalRow>, DbError> {
    if let Some(id) = entity {
        let sql =
            format!("SELECT {JOURNAL_COLUMNS} WHERE j.entity_id = ?1 AND j.seq < ?2 ORDER BY j.seq DESC LIMIT ?3");
        tx.all(&sql, (id.as_bytes(), seq, limit), journal_row)
    } else {
        let sql = format!("SELECT {JOURNAL_COLUMNS} WHERE j.seq < ?1 ORDER BY j.seq DESC LIMIT ?2");
        tx.all(&sql, (seq, limit), journal_row)
    }
}

/// Rows before `seq` whose kind begins with `prefix`, newest first; of one entity if given. No index helps without an entity: for the
/// blocking pool.
pub fn journal_search(
    tx: &ReadTx<'_>,
    seq: i64,
    entity: Option<Id>,
    prefix: &str,
    limit: u32,
) -> Result<Vec<JournalRow>, DbError> {
    let narrow = if entity.is_some() { "j.entity_id = ?1" } else { "?1 IS NULL" };
    let sql = format!(
        "SELECT {JOURNAL_COLUMNS} WHERE {narrow} AND j.seq < ?2 AND substr(j.kind, 1, length(?3)) = ?3
         ORDER BY j.seq DESC LIMIT ?4"
    );
    tx.all(&sql, (entity.as_ref().map(Id::as_bytes), seq, prefix, limit), journal_row)
}

/// The first row of `kind` about `entity` after `seq`.
pub fn journal_next_of(tx: &ReadTx<'_>, entity: Id, kind: &str, seq: i64) -> Result<Option<JournalRow>, DbError> {
    let sql = format!(
        "SELECT {JOURNAL_COLUMNS} WHERE j.entity_id = ?1 AND j.kind = ?2 AND j.seq > ?3 ORDER BY j.seq LIMIT 1"
    );
    tx.one(&sql, (entity.as_bytes(), kind, seq), journal_row)
}

// --- outbox

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
}

/// Adds a job, or merges it into the open one of the same subject: its version goes up, and a job that is backing off stays so.
/// Gives the row's number, when it is due, and whether the queue must hear of it: one that waits there already, and is not due earlier now, need
/// not be told again. A worker that takes it reads the row as it is then.
///
/// Merging comes first: among many changes of one subject all but the first end here, and an update touches no index.
pub fn outbox_put(tx: &WriteTx<'_>, job: &JobInsert<'_>) -> Result<(i64, Timestamp, bool), DbError> {
    let place = |row: &Row<'_>| {
        let (due, is_ready) = (row.get::<_, Timestamp>(1)?, row.get::<_, String>(2)? == "ready");
        Ok((row.get(0)?, due, is_ready && due == job.due))
    };
    let merged = tx.one(
        "UPDATE outbox SET version = version + 1, payload = :payload, updated_ms = :now,
                due_ms = CASE WHEN state = 'ready' AND attempts = 0 THEN min(due_ms, :due) ELSE due_ms END
         WHERE kind = :kind AND subject = :subject AND state IN ('ready', 'running', 'waiting')
         RETURNING seq, due_ms, state",
        named_params! {
            ":kind": job.kind, ":subject": job.subject, ":payload": job.payload, ":due": job.due, ":now": job.now,
        },
        place,
    )?;
    if let Some(merged) = merged {
        return Ok(merged);
    }
    let seq = tx.insert(
        "INSERT INTO outbox (id, kind, subject, label, payload, request_id, due_ms, created_ms, updated_ms)
         VALUES (:id, :kind, :subject, :label, :payload, :request, :due, :now, :now)",
        named_params! {
            ":id": job.id, ":kind": job.kind, ":subject": job.subject, ":label": job.label, ":payload": job.payload,
            ":request": job.request.as_bytes(), ":due": job.due, ":now": job.now,
        },
    )?;
    Ok((seq, job.due, true))
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
    let open =
        format!("SELECT {JOB_COLUMNS} WHERE kind = ?1 AND subject = ?2 AND state IN ('ready', 'running', 'waiting')");
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
             AND o.state IN ('ready', 'running', 'waiting'))
         ORDER BY seq LIMIT ?2"
    );
    tx.all(&sql, (kind, limit), job_row)
}

/// Jobs that are open: seq, kind, due, in order.
pub fn jobs_open(tx: &ReadTx<'_>, after: i64, limit: u32) -> Result<Vec<(i64, String, Timestamp)>, DbError> {
    tx.all(
        "SELECT seq, kind, due_ms FROM outbox
         WHERE state IN ('ready', 'running', 'waiting') AND seq > ?1 ORDER BY seq LIMIT ?2",
        (after, limit),
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}

/// How many jobs are in each state and kind, open and dead ones only.
pub fn jobs_count(tx: &ReadTx<'_>) -> Result<Vec<(String, String, i64)>, DbError> {
    tx.all(
        "SELECT kind, state, count(*) FROM outbox WHERE state IN ('ready', 'running', 'waiting') GROUP BY kind, state
         UNION ALL SELECT kind, state, count(*) FROM outbox WHERE state = 'dead' GROUP BY kind, state",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}

/// Whether there is an open job about a subject.
pub fn job_is_open(tx: &ReadTx<'_>, kind: &str, subject: &str) -> Result<bool, DbError> {
    tx.exists(
        "SELECT 1 FROM outbox WHERE kind = ?1 AND subject = ?2 AND state IN ('ready', 'running', 'waiting')",
        (kind, subject),
    )
}

/// When the oldest open job of a kind was asked for.
pub fn jobs_oldest(tx: &ReadTx<'_>, kind: &str) -> Result<Option<Timestamp>, DbError> {
    tx.value("SELECT min(created_ms) FROM outbox WHERE kind = ?1 AND state IN ('ready', 'running', 'waiting')", [kind])
}

/// A worker takes the job. False when it is closed.
pub fn job_start(tx: &WriteTx<'_>, seq: i64, boot: i64, now: Timestamp) -> Result<bool, DbError> {
    let changed = tx.run(
        "UPDATE outbox SET state = 'running', boot = ?2, started_ms = ?3, updated_ms = ?3, waiting_since_ms = NULL
         WHERE seq = ?1 AND state IN ('ready', 'running', 'waiting')",
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
         WHERE seq = ?1 AND version = ?2 AND state IN ('ready', 'running', 'waiting')",
        (seq, version, error, now),
    )?;
    if closed == 1 {
        return Ok(true);
    }
    tx.run(
        "UPDATE outbox SET state = 'ready', attempts = 0, lease_losses = 0, boot = NULL, due_ms = ?2, updated_ms = ?2,
                waiting_since_ms = NULL, last_error = ?3
         WHERE seq = ?1 AND state IN ('ready', 'running', 'waiting')",
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
             AND o.state IN ('ready', 'running', 'waiting'))",
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

// --- idempotency

/// A recorded answer.
#[derive(Debug)]
pub struct OnceRow {
    /// Of which request body.
    pub fingerprint: [u8; 16],
    /// The status that was answered.
    pub status: u16,
    /// Headers that belong to the answer, as a JSON object.
    pub headers: String,
    /// Sealed body.
    pub body: Vec<u8>,
}

/// The recorded answer of a key.
pub fn once_find(tx: &ReadTx<'_>, scope: &[u8; 16]) -> Result<Option<OnceRow>, DbError> {
    tx.one("SELECT fingerprint, status, headers, body FROM idempotency WHERE scope = ?1", [scope], |row| {
        Ok(OnceRow { fingerprint: row.get(0)?, status: row.get(1)?, headers: row.get(2)?, body: row.get(3)? })
    })
}

/// Records an answer.
pub fn once_insert(tx: &WriteTx<'_>, scope: &[u8; 16], row: &OnceRow, now: Timestamp) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO idempotency (scope, fingerprint, status, headers, body, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (scope, row.fingerprint, row.status, &row.headers, &row.body, now),
    )?;
    Ok(())
}

/// Forgets answers recorded before `before`. Gives how many.
pub fn once_purge(tx: &WriteTx<'_>, before: Timestamp, limit: u32) -> Result<usize, DbError> {
    tx.run(
        "DELETE FROM idempotency WHERE seq IN (
             SELECT seq FROM idempotency WHERE created_ms < ?1 ORDER BY seq LIMIT ?2)",
        (before, limit),
    )
}

// --- meta

/// A setting of the file.
pub fn meta_get<T: rusqlite::types::FromSql>(tx: &ReadTx<'_>, key: &str) -> Result<Option<T>, DbError> {
    let found = tx.value("SELECT value FROM meta WHERE key = ?1", [key]);
    match found {
        Err(DbError::Sqlite(error)) => Err(error).optional().map_err(DbError::from),
        other => other.map(Some),
    }
}

/// Keeps a setting of the file.
pub fn meta_put(tx: &WriteTx<'_>, key: &str, value: impl rusqlite::ToSql) -> Result<(), DbError> {
    tx.run(
        "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, value),
    )?;
    Ok(())
}
