//! The index in a plain `SQLite` file: the oracle that the other backends are held against, and a choice in the settings.

use super::{Entry, Index, IndexError, Lane, Room, Taken, Ticket};
use crate::base::clock::Timestamp;
use crate::base::id::TenantId;
use rusqlite::{Connection, OpenFlags, params};
use std::path::Path;

const FILE: &str = "queue.db";

/// `synchronous=NORMAL` is enough for what can be rebuilt.
const SETUP: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS entry (
        lane INTEGER NOT NULL,
        tenant BLOB NOT NULL,
        seq INTEGER NOT NULL,
        due INTEGER NOT NULL,
        PRIMARY KEY (lane, tenant, seq)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS entry_order ON entry (lane, tenant, due, seq);
";

/// Entries in `queue.db`.
pub struct SqliteIndex {
    db: Connection,
}

impl SqliteIndex {
    /// Opens or makes `queue.db` in the folder.
    pub fn open(folder: &Path) -> Result<Self, IndexError> {
        std::fs::create_dir_all(folder)?;
        // Keeps its write-ahead index on the heap: works on a full disk and keeps strangers out.
        let db = Connection::open_with_flags_and_vfs(folder.join(FILE), OpenFlags::default(), c"unix-excl")?;
        db.execute_batch(SETUP)?;
        let check: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if check == "ok" { Ok(Self { db }) } else { Err(IndexError::Damaged(check)) }
    }
}

impl Index for SqliteIndex {
    fn put(&mut self, entries: &[Entry]) -> Result<Vec<Ticket>, IndexError> {
        let mut new = Vec::new();
        let transaction = self.db.transaction()?;
        {
            let mut insert = transaction
                .prepare_cached("INSERT OR IGNORE INTO entry (lane, tenant, seq, due) VALUES (?1, ?2, ?3, ?4)")?;
            let mut update =
                transaction.prepare_cached("UPDATE entry SET due = ?4 WHERE lane = ?1 AND tenant = ?2 AND seq = ?3")?;
            for Entry { ticket, due } in entries.iter().copied() {
                let row = params![ticket.lane, ticket.tenant, ticket.seq, due];
                if insert.execute(row)? == 0 {
                    update.execute(row)?;
                } else {
                    new.push(ticket);
                }
            }
        }
        transaction.commit()?;
        Ok(new)
    }

    fn remove(&mut self, tickets: &[Ticket]) -> Result<Vec<Ticket>, IndexError> {
        let mut removed = Vec::new();
        let transaction = self.db.transaction()?;
        {
            let mut delete =
                transaction.prepare_cached("DELETE FROM entry WHERE lane = ?1 AND tenant = ?2 AND seq = ?3")?;
            for ticket in tickets.iter().copied() {
                if delete.execute(params![ticket.lane, ticket.tenant, ticket.seq])? > 0 {
                    removed.push(ticket);
                }
            }
        }
        transaction.commit()?;
        Ok(removed)
    }

    fn take(&mut self, lane: Lane, tenant: TenantId, now: Timestamp, max: usize) -> Result<Taken, IndexError> {
        let mut taken = Taken::default();
        let transaction = self.db.transaction()?;
        {
            let mut select = transaction.prepare_cached(
                "SELECT seq, due FROM entry WHERE lane = ?1 AND tenant = ?2 ORDER BY due, seq LIMIT ?3",
            )?;
            let mut delete =
                transaction.prepare_cached("DELETE FROM entry WHERE lane = ?1 AND tenant = ?2 AND seq = ?3")?;
            let limit = i64::try_from(max).unwrap_or(i64::MAX).saturating_add(1);
            let mut rows = select.query(params![lane, tenant, limit])?;
            while let Some(row) = rows.next()? {
                let (seq, due): (i64, Timestamp) = (row.get(0)?, row.get(1)?);
                if taken.entries.len() >= max || due > now {
                    taken.next = Some(due);
                    break;
                }
                taken.entries.push(Entry { ticket: Ticket { lane, tenant, seq }, due });
            }
            drop(rows);
            for entry in &taken.entries {
                delete.execute(params![lane, tenant, entry.ticket.seq])?;
            }
        }
        transaction.commit()?;
        Ok(taken)
    }

    fn rooms(&mut self) -> Result<Vec<Room>, IndexError> {
        let mut select = self.db.prepare_cached(
            "SELECT lane, tenant, count(*), min(due) FROM entry GROUP BY lane, tenant ORDER BY lane, tenant",
        )?;
        let rooms = select.query_map([], |row| {
            let entries: u32 = row.get(2)?;
            let entries = usize::try_from(entries).unwrap_or(usize::MAX);
            Ok(Room { lane: row.get(0)?, tenant: row.get(1)?, entries, earliest: row.get(3)? })
        })?;
        Ok(rooms.collect::<Result<_, _>>()?)
    }

    fn close(self: Box<Self>) -> Result<(), IndexError> {
        self.db.close().map_err(|(_, error)| error.into())
    }
}
