//! Schema steps: each in one transaction, up and down, tried on a copy before they touch a store that holds data (D19).

use super::DbError;
use ring::digest::{SHA256, digest};
use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// One step of a schema.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Counts from 1 without gaps; stored as `user_version`.
    pub version: u32,
    /// The file's name without number and ending.
    pub name: &'static str,
    /// SQL that takes the schema from the version before to this one.
    pub up: &'static str,
    /// SQL that takes it back.
    pub down: &'static str,
}

/// Why a schema cannot be brought to the wanted version.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The file was written by a newer release.
    #[error(
        "the file has schema version {found}, this release knows versions up to {known}: use a newer release, or step the schema back with it"
    )]
    TooNew {
        /// In the file.
        found: u32,
        /// In this binary.
        known: u32,
    },
    /// An applied step is not the one in this binary.
    #[error("step {version} ({name}) was applied with other contents than this release has")]
    Changed {
        /// Its number.
        version: u32,
        /// Its name.
        name: String,
    },
    /// A step failed; the file is as it was before it.
    #[error("step {version} ({name}) failed: {source}")]
    Failed {
        /// Its number.
        version: u32,
        /// Its name.
        name: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A step left rows that point nowhere.
    #[error("step {version} ({name}) leaves rows with broken references in {table}")]
    Dangling {
        /// Its number.
        version: u32,
        /// Its name.
        name: &'static str,
        /// The table.
        table: String,
    },
}

impl From<MigrationError> for DbError {
    fn from(error: MigrationError) -> Self {
        Self::WrongFile(error.to_string())
    }
}

/// The schema version of a file.
pub fn current_version(connection: &Connection) -> Result<u32, DbError> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// Brings the schema up to the newest step. A file that holds data is copied first (`data.db.v<N>` stays as the way back),
/// and the steps are tried on another copy.
pub fn migrate_up(connection: &mut Connection, path: &Path, steps: &[Migration]) -> Result<(), DbError> {
    let found = current_version(connection)?;
    let known = steps.last().map_or(0, |step| step.version);
    if found > known {
        return Err(MigrationError::TooNew { found, known }.into());
    }
    check_applied(connection, steps)?;
    let missing: Vec<&Migration> = steps.iter().filter(|step| step.version > found).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if found > 0 {
        rehearse(connection, path, found, &missing)?;
    }
    for step in missing {
        apply(connection, step, Direction::Up)?;
    }
    Ok(())
}

/// Steps the schema back to `target`.
pub fn migrate_down(connection: &mut Connection, steps: &[Migration], target: u32) -> Result<(), DbError> {
    let found = current_version(connection)?;
    for step in steps.iter().rev().filter(|step| step.version <= found && step.version > target) {
        apply(connection, step, Direction::Down)?;
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

fn apply(connection: &mut Connection, step: &Migration, direction: Direction) -> Result<(), DbError> {
    // Rebuilding a table needs foreign keys off; what is wrong afterwards is found by the check before COMMIT.
    connection.execute_batch("PRAGMA foreign_keys=OFF;")?;
    let outcome = apply_in_transaction(connection, step, direction);
    connection.execute_batch("PRAGMA foreign_keys=ON;")?;
    outcome
}

fn apply_in_transaction(connection: &mut Connection, step: &Migration, direction: Direction) -> Result<(), DbError> {
    let failed = |source| MigrationError::Failed { version: step.version, name: step.name, source };
    let tx = connection.transaction().map_err(failed)?;
    tx.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_step (
            version INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 BLOB NOT NULL CHECK (length(sha256) = 32)
        ) STRICT;",
    )
    .map_err(failed)?;
    let version = match direction {
        Direction::Up => {
            tx.execute_batch(step.up).map_err(failed)?;
            tx.execute(
                "INSERT INTO schema_step (version, name, sha256) VALUES (?1, ?2, ?3)",
                (step.version, step.name, hash(step)),
            )
            .map_err(failed)?;
            step.version
        }
        Direction::Down => {
            tx.execute_batch(step.down).map_err(failed)?;
            tx.execute("DELETE FROM schema_step WHERE version = ?1", [step.version]).map_err(failed)?;
            step.version.saturating_sub(1)
        }
    };
    let dangling: Option<String> = tx
        .prepare("PRAGMA foreign_key_check")
        .and_then(|mut check| check.query([])?.next()?.map(|row| row.get(0)).transpose())
        .map_err(failed)?;
    if let Some(table) = dangling {
        return Err(MigrationError::Dangling { version: step.version, name: step.name, table }.into());
    }
    tx.execute_batch(&format!("PRAGMA user_version={version};")).map_err(failed)?;
    tx.commit().map_err(failed)?;
    Ok(())
}

fn hash(step: &Migration) -> Vec<u8> {
    digest(&SHA256, step.up.as_bytes()).as_ref().to_vec()
}

fn check_applied(connection: &Connection, steps: &[Migration]) -> Result<(), DbError> {
    if !connection.table_exists(None, "schema_step")? {
        return Ok(());
    }
    let mut statement = connection.prepare("SELECT version, name, sha256 FROM schema_step ORDER BY version")?;
    let applied = statement
        .query_map([], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?, row.get::<_, Vec<u8>>(2)?)))?
        .collect::<Result<Vec<_>, _>>()?;
    for (version, name, sha256) in applied {
        let same = steps.iter().find(|step| step.version == version).is_some_and(|step| hash(step) == sha256);
        if !same {
            return Err(MigrationError::Changed { version, name }.into());
        }
    }
    Ok(())
}

fn sibling(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Copies the store, tries the steps on a second copy, and keeps the first as the way back.
fn rehearse(connection: &Connection, path: &Path, found: u32, missing: &[&Migration]) -> Result<(), DbError> {
    let snapshot = sibling(path, &format!(".v{found}"));
    let trial = sibling(path, ".trial");
    for stale in [&snapshot, &trial] {
        match std::fs::remove_file(stale) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    let target = snapshot.to_str().ok_or_else(|| DbError::WrongFile("the path is not UTF-8".to_owned()))?;
    connection.execute("VACUUM INTO ?1", [target])?;
    std::fs::File::open(&snapshot)?.sync_all()?;
    std::fs::copy(&snapshot, &trial)?;
    let outcome = try_on(&trial, missing);
    std::fs::remove_file(&trial)?;
    outcome
}

#[expect(clippy::disallowed_methods, reason = "a throw-away copy that no other connection can know of")]
fn try_on(trial: &Path, missing: &[&Migration]) -> Result<(), DbError> {
    let mut copy = Connection::open(trial)?;
    for step in missing {
        apply(&mut copy, step, Direction::Up)?;
    }
    Ok(())
}
