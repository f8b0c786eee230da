//! Pooled read connections of one file. They cannot write, and they are opened only when somebody reads.

use super::DbError;
use super::connect::{Role, open_connection};
use super::tx::ReadTx;
use rusqlite::Connection;
use scheduled_thread_pool::ScheduledThreadPool;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Read connections per file at most.
pub(super) const READERS_MAX: u32 = 4;
/// How long a read waits for a connection before the store counts as busy.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// How long one read may run.
const READ_MAX: Duration = Duration::from_secs(5);
/// Virtual machine steps between two looks at the time.
const STEPS_BETWEEN_LOOKS: i32 = 20_000;

/// Opens read connections for r2d2. `r2d2_sqlite`'s own manager knows no VFS, pragmas by role or deadline.
struct Opener {
    path: PathBuf,
}

impl r2d2::ManageConnection for Opener {
    type Connection = Connection;
    type Error = DbError;

    fn connect(&self) -> Result<Connection, DbError> {
        open_connection(&self.path, Role::Reader)
    }
    fn is_valid(&self, _connection: &mut Connection) -> Result<(), DbError> {
        Ok(())
    }
    fn has_broken(&self, connection: &mut Connection) -> bool {
        !connection.is_autocommit()
    }
}

/// The read side of one file.
pub(super) struct Readers {
    pool: r2d2::Pool<Opener>,
    permits: Arc<Semaphore>,
}

impl Readers {
    /// A pool without connections. `maintenance` is shared by all files: r2d2's default is three threads a pool.
    pub(super) fn new(path: &Path, maintenance: &Arc<ScheduledThreadPool>) -> Self {
        let pool = r2d2::Pool::builder()
            .max_size(READERS_MAX)
            .min_idle(Some(0))
            .test_on_check_out(false)
            .max_lifetime(None)
            .idle_timeout(Some(Duration::from_secs(120)))
            .connection_timeout(WAIT_MAX)
            .thread_pool(Arc::clone(maintenance))
            .build_unchecked(Opener { path: path.to_owned() });
        let permits = Arc::new(Semaphore::new(usize::try_from(READERS_MAX).unwrap_or(1)));
        Self { pool, permits }
    }

    /// Waits for a connection without blocking the thread, then reads on it. For reads that take well under a millisecond.
    pub(super) async fn read<T, E: From<DbError>>(
        &self,
        act: impl FnOnce(&ReadTx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let permit = tokio::time::timeout(WAIT_MAX, self.permits.acquire()).await;
        let Ok(Ok(_permit)) = permit else { return Err(DbError::Overloaded.into()) };
        self.read_now(act)
    }

    /// Reads on the calling thread, which may block for a connection.
    #[expect(clippy::disallowed_methods, reason = "the limit of a read is a span, not a time")]
    pub(super) fn read_now<T, E: From<DbError>>(&self, act: impl FnOnce(&ReadTx<'_>) -> Result<T, E>) -> Result<T, E> {
        let mut connection = self.pool.get().map_err(|_timeout| DbError::Overloaded)?;
        let deadline = Instant::now().checked_add(READ_MAX);
        connection
            .progress_handler(STEPS_BETWEEN_LOOKS, Some(move || deadline.is_some_and(|end| Instant::now() > end)))
            .map_err(DbError::from)?;
        // Deferred and never committed: it only holds the snapshot, and it ends with the scope whatever happens.
        let snapshot = connection.transaction().map_err(DbError::from)?;
        act(&ReadTx::new(&snapshot))
    }
}
