//! Tenant files: one SQLite file a store, one writer a file with group commit, pooled readers beside it.
//!
//! The settings and their reasons stand in `connect.rs`, the write path in `writer.rs`. Nothing outside of this folder opens a connection.

mod connect;
mod files;
mod maintain;
mod migrate;
mod migrations;
mod pool;
mod readers;
mod tx;
mod writer;

pub use connect::{Role, SQLITE_VERSION_MIN, open_connection, read_pragmas};
pub use files::{Files, FilesConfig, TenantFile, Vitals};
pub use migrate::{Migration, MigrationError, current_version, migrate_down, migrate_up};
pub use migrations::{CONTROL, TENANT};
pub use pool::Threads;
pub use tx::{ReadTx, WriteTx};
pub use writer::{Batch, Companion, Lane, QUEUE_MAX, Work, Writer};

use crate::base::error::{Kind, Problem};
use std::time::Duration;

/// Reads on a connection of a stopped store, for the verbs of the command line.
pub fn read_on<T, E: From<DbError>>(
    connection: &rusqlite::Connection,
    act: impl FnOnce(&ReadTx<'_>) -> Result<T, E>,
) -> Result<T, E> {
    act(&ReadTx::new(connection))
}

/// What can go wrong between a command and its file.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The writer's queue is full.
    #[error("The store is busy. Try again in a moment.")]
    Overloaded,
    /// The file is being closed or replaced.
    #[error("The store's file is being reopened. Try again in a moment.")]
    Reopening,
    /// No room left on the device.
    #[error("The disk is full: reading goes on, nothing can be written until space is freed.")]
    DiskFull,
    /// The device under the file does not read or write.
    #[error("The disk does not work. Nothing was changed. Try again when it does.")]
    DiskFailed,
    /// COMMIT failed in a way that leaves open whether it happened (D12).
    #[error("The disk did not confirm the write. Repeat the request with the same Idempotency-Key.")]
    UnknownOutcome,
    /// Another command of the same batch lost the transaction; nothing of this one stands.
    #[error("The write was rolled back together with its batch. Try again.")]
    Lost,
    /// A read ran into its time limit.
    #[error("This read takes too long. Ask for less: a narrower filter, a smaller page.")]
    TooSlow,
    /// A command panicked. Its savepoint was rolled back.
    #[error("a command panicked: {0}")]
    Panicked(String),
    /// The file belongs to another tenant, another product or a newer version.
    #[error("{0}")]
    WrongFile(String),
    /// A row holds what its column must not hold.
    #[error("{table}.{column} holds a value that it must not: {detail}")]
    BadRow {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// What it held.
        detail: String,
    },
    /// Everything else that SQLite says.
    #[error("database: {0}")]
    Sqlite(rusqlite::Error),
    /// The file system said no.
    #[error("file system: {0}")]
    Io(#[from] std::io::Error),
}

impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::DiskFull,
            Some(rusqlite::ErrorCode::OperationInterrupted) => Self::TooSlow,
            Some(rusqlite::ErrorCode::SystemIoFailure) => {
                tracing::error!(%error, "the disk under a store's file does not work");
                Self::DiskFailed
            }
            _ => Self::Sqlite(error),
        }
    }
}

impl DbError {
    /// Whether a UNIQUE or PRIMARY KEY constraint refused the row.
    pub fn is_unique_violation(&self) -> bool {
        let Self::Sqlite(rusqlite::Error::SqliteFailure(failure, _)) = self else { return false };
        matches!(
            failure.extended_code,
            rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        )
    }
}

impl Problem for DbError {
    fn kind(&self) -> Kind {
        match self {
            Self::Overloaded | Self::Reopening | Self::Lost | Self::TooSlow | Self::DiskFailed => Kind::Unavailable,
            Self::DiskFull => Kind::DiskFull,
            Self::UnknownOutcome => Kind::UnknownOutcome,
            Self::Panicked(_) | Self::WrongFile(_) | Self::BadRow { .. } | Self::Sqlite(_) | Self::Io(_) => {
                Kind::Broken
            }
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Overloaded => "store_busy",
            Self::Reopening | Self::Lost => "try_again",
            Self::DiskFull => "disk_full",
            Self::DiskFailed => "disk_failed",
            Self::TooSlow => "read_too_slow",
            Self::UnknownOutcome => "outcome_unknown",
            Self::Panicked(_) | Self::WrongFile(_) | Self::BadRow { .. } | Self::Sqlite(_) | Self::Io(_) => {
                "internal_error"
            }
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Overloaded | Self::Reopening | Self::Lost | Self::UnknownOutcome => Some(Duration::from_secs(1)),
            Self::DiskFull | Self::DiskFailed | Self::TooSlow => Some(Duration::from_secs(30)),
            Self::Panicked(_) | Self::WrongFile(_) | Self::BadRow { .. } | Self::Sqlite(_) | Self::Io(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_does_not_read_is_no_fault_of_the_caller_and_none_of_ours() {
        let failure = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_READ);
        let error = DbError::from(rusqlite::Error::SqliteFailure(failure, None));
        assert_eq!((error.kind(), error.code()), (Kind::Unavailable, "disk_failed"));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(30)));
    }
}
