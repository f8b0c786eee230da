//! Every SQL text of the journal, of recorded answers and of single values. The outbox has its own store.

use crate::base::clock::Timestamp;
use crate::base::id::Id;
use crate::infra::db::{DbError, ReadTx, WriteTx};
use crate::kernel::journal::{Head, Header, JournalRow};
use rusqlite::{OptionalExtension as _, Row};

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
    /// Body, packed (LZ4 block after its length) and sealed.
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
