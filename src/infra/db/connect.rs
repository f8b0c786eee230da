//! Opening a connection: the VFS, the pragmas and the version floor.

use super::DbError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// The first SQLite without the WAL-reset corruption (sqlite.org/wal.html, "the WAL-reset bug").
pub const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// Marks a file as ours: "bdga".
const APPLICATION_ID: i32 = 0x6264_6761;

/// Prepared statements kept per connection; the default of 16 would recompile the order path on each command.
const STATEMENTS_KEPT: usize = 256;

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The one connection that writes.
    Writer,
    /// A pooled connection that cannot write.
    Reader,
    /// The connection that moves WAL frames into the file beside the writer.
    Checkpointer,
}

/// Opens `path` for `role`, making the file when the writer opens one that does not exist.
///
/// `unix-excl` keeps strangers out and needs no `-shm` file, so that reading works on a full disk.
#[expect(clippy::disallowed_methods, reason = "the one door to files")]
pub fn open_connection(path: &Path, role: Role) -> Result<Connection, DbError> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(DbError::WrongFile(format!(
            "SQLite {} is linked, but 3.51.3 or later is needed: earlier versions can corrupt a WAL file",
            rusqlite::version()
        )));
    }
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    if role == Role::Writer {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let connection = Connection::open_with_flags(uri(path)?, flags)?;
    apply(&connection, role)?;
    Ok(connection)
}

/// The URI of a path, with the characters that end a URI's path escaped.
fn uri(path: &Path) -> Result<String, DbError> {
    let text = path.to_str().ok_or_else(|| DbError::WrongFile(format!("{} is not a UTF-8 path", path.display())))?;
    let mut out = String::from("file:");
    for byte in text.bytes() {
        match byte {
            b'%' | b'?' | b'#' => write!(out, "%{byte:02X}").map_err(|_infallible| DbError::Reopening)?,
            _ => out.push(char::from(byte)),
        }
    }
    if !text.is_ascii() {
        out = format!("file:{}", text.replace('%', "%25").replace('?', "%3F").replace('#', "%23"));
    }
    out.push_str("?vfs=unix-excl");
    Ok(out)
}

fn apply(connection: &Connection, role: Role) -> Result<(), DbError> {
    // Only for the moments of a start in which a dying process still holds the lock.
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    if role == Role::Writer {
        prepare_file(connection)?;
    }
    let cache_kib = match role {
        Role::Writer => 16_384,
        Role::Reader => 2_048,
        Role::Checkpointer => 256,
    };
    connection.execute_batch(&format!(
        "PRAGMA synchronous=FULL;
         PRAGMA foreign_keys=ON;
         PRAGMA trusted_schema=OFF;
         PRAGMA cell_size_check=ON;
         PRAGMA temp_store=MEMORY;
         PRAGMA mmap_size=0;
         PRAGMA secure_delete=FAST;
         PRAGMA cache_size=-{cache_kib};
         PRAGMA wal_autocheckpoint=0;"
    ))?;
    if role == Role::Reader {
        connection.execute_batch("PRAGMA query_only=ON;")?;
    }
    Ok(())
}

/// Marks a new file as ours and refuses one that is not.
fn prepare_file(connection: &Connection) -> Result<(), DbError> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let owner: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if tables == 0 {
        connection.execute_batch("PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL;")?;
    } else if owner != APPLICATION_ID {
        return Err(DbError::WrongFile(format!("the file's application id is {owner:#x}: it is not a bodega store")));
    }
    let mode: String = connection.query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(DbError::WrongFile(format!("the file cannot be put into WAL mode, it stays in {mode}")));
    }
    if owner != APPLICATION_ID {
        connection.execute_batch(&format!("PRAGMA application_id={APPLICATION_ID};"))?;
    }
    Ok(())
}

/// The settings in force on a connection, for the test and for `doctor`.
pub fn read_pragmas(connection: &Connection) -> Result<Vec<(&'static str, String)>, DbError> {
    const NAMES: [&str; 14] = [
        "journal_mode",
        "synchronous",
        "foreign_keys",
        "trusted_schema",
        "cell_size_check",
        "temp_store",
        "mmap_size",
        "secure_delete",
        "cache_size",
        "wal_autocheckpoint",
        "query_only",
        "page_size",
        "auto_vacuum",
        "application_id",
    ];
    let mut found = Vec::with_capacity(NAMES.len());
    for name in NAMES {
        let value = connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get_ref(0).map(show))?;
        found.push((name, value));
    }
    Ok(found)
}

fn show(value: rusqlite::types::ValueRef<'_>) -> String {
    match value {
        rusqlite::types::ValueRef::Integer(number) => number.to_string(),
        rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The settings that the architecture promises, read back from the connection (edge reference 2.2).
    #[test]
    fn every_connection_runs_with_the_promised_pragmas() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a?b#c%d ü.db");
        for (role, query_only) in [(Role::Writer, "0"), (Role::Reader, "1"), (Role::Checkpointer, "0")] {
            let connection = open_connection(&path, role).unwrap();
            let found: std::collections::BTreeMap<_, _> = read_pragmas(&connection).unwrap().into_iter().collect();
            for (name, expected) in [
                ("journal_mode", "wal"),
                ("synchronous", "2"),
                ("foreign_keys", "1"),
                ("trusted_schema", "0"),
                ("cell_size_check", "1"),
                ("temp_store", "2"),
                ("mmap_size", "0"),
                ("secure_delete", "2"),
                ("wal_autocheckpoint", "0"),
                ("query_only", query_only),
                ("page_size", "4096"),
                ("auto_vacuum", "2"),
                ("application_id", "1650747233"),
            ] {
                assert_eq!(found.get(name).map(String::as_str), Some(expected), "{name} of {role:?}");
            }
        }
        assert!(path.exists(), "the URI names the file that was asked for");
        assert!(!folder.path().join("a?b#c%d ü.db-shm").exists(), "unix-excl keeps the WAL index in memory");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "another program does not ask us")]
    fn a_file_of_another_program_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t(x)").unwrap();
        let error = open_connection(&path, Role::Writer).unwrap_err();
        assert!(error.to_string().contains("not a bodega store"), "{error}");
    }
}
