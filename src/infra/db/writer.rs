//! The write path of one file: queued commands share a transaction, each in its savepoint, one COMMIT, then all are answered.
//!
//! Batches form by themselves: what is queued while the last commit runs is the next batch. There is no added delay.

use super::connect::{Role, open_connection};
use super::tx::{ReadTx, WriteTx};
use super::{DbError, pool::Threads};
use crate::base::clock::Clock;
use parking_lot::Mutex;
use rusqlite::Connection;
use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Commands that may wait in each lane of a file. One more is answered with 503.
pub const QUEUE_MAX: usize = 1024;
/// Commands in one transaction at most.
const BATCH_MAX: usize = 256;
/// Time that a batch may take before its COMMIT.
const BATCH_TIME: Duration = Duration::from_millis(5);
/// In a full batch every fifth slot belongs to background commands (D8).
const BACKGROUND_SLOT: usize = 5;

/// Which queue a command waits in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lane {
    /// Somebody waits for the answer.
    Interactive,
    /// Jobs, sweeps, imports.
    Background,
}

/// State beside the connection that must move with the transaction: what a savepoint that is rolled back has added is taken back.
pub trait Companion: Send + 'static {
    /// Where the state stood when a savepoint began.
    type Mark;
    /// Called after BEGIN.
    fn begin(&mut self, tx: &WriteTx<'_>) -> Result<(), DbError>;
    /// Remembers where the state stands.
    fn mark(&self) -> Self::Mark;
    /// Goes back to where it stood.
    fn rewind(&mut self, mark: Self::Mark);
    /// The transaction is durable. Runs before any command is answered.
    fn committed(&mut self);
    /// Nothing of the transaction stands, or nobody knows: forget everything and read it anew in the next `begin`.
    fn abandoned(&mut self);
}

/// One queued command.
pub trait Work<C: Companion>: Send {
    /// Does it, inside the batch's transaction.
    fn run(&mut self, batch: &mut Batch<'_, C>);
    /// The transaction is over: answer.
    fn settle(self: Box<Self>, outcome: Result<(), DbError>);
}

/// The transaction that a command joins.
pub struct Batch<'b, C: Companion> {
    tx: WriteTx<'b>,
    companion: &'b mut C,
    trouble: Option<Trouble>,
}

/// Why a whole batch failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Trouble {
    DiskFull,
    Lost,
    Unknown,
}

impl Trouble {
    const fn error(self) -> DbError {
        match self {
            Self::DiskFull => DbError::DiskFull,
            Self::Lost => DbError::Lost,
            Self::Unknown => DbError::UnknownOutcome,
        }
    }
}

impl<C: Companion> Batch<'_, C> {
    /// Reads what the batch has written so far. Needs no savepoint, for there is nothing to take back.
    pub fn look<T, E: From<DbError>>(&self, act: impl FnOnce(&ReadTx<'_>) -> Result<T, E>) -> Result<T, E> {
        match self.trouble {
            Some(trouble) => Err(trouble.error().into()),
            None => act(&self.tx),
        }
    }

    /// Runs `act` in a savepoint of its own. An error or a panic takes back all that it wrote and leaves its neighbours alone.
    pub fn atomic<T, E: From<DbError>>(
        &mut self,
        act: impl FnOnce(&WriteTx<'_>, &mut C) -> Result<T, E>,
    ) -> Result<T, E> {
        if let Some(trouble) = self.trouble {
            return Err(trouble.error().into());
        }
        self.tx.run("SAVEPOINT command", [])?;
        let mark = self.companion.mark();
        let outcome = catch_unwind(AssertUnwindSafe(|| act(&self.tx, self.companion)));
        let failure = match outcome {
            Ok(Ok(value)) if !self.tx.is_lost() => {
                self.tx.run("RELEASE command", [])?;
                return Ok(value);
            }
            Ok(Ok(_)) => DbError::Lost.into(),
            Ok(Err(error)) => error,
            Err(panic) => DbError::Panicked(panic_text(panic.as_ref())).into(),
        };
        self.companion.rewind(mark);
        let undone = |tx: &WriteTx<'_>| tx.run("ROLLBACK TO command", []).and_then(|_| tx.run("RELEASE command", []));
        if self.tx.is_lost() || undone(&self.tx).is_err() {
            self.trouble = Some(Trouble::Lost);
        }
        Err(failure)
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

struct Queues<C: Companion> {
    interactive: VecDeque<Box<dyn Work<C>>>,
    background: VecDeque<Box<dyn Work<C>>>,
    /// Whether a pool thread has this writer in hand or in its run queue.
    scheduled: bool,
    closed: bool,
}

struct Core<C: Companion> {
    connection: Option<Connection>,
    companion: C,
}

/// The writer of one file.
pub struct Writer<C: Companion> {
    path: PathBuf,
    queues: Mutex<Queues<C>>,
    core: Mutex<Core<C>>,
    pool: Arc<Threads>,
    clock: Arc<dyn Clock>,
    /// Set when COMMIT left the outcome open; cleared when the file was reopened.
    degraded: AtomicBool,
    disk_full: AtomicBool,
    finish_checkpoint: AtomicBool,
    batches: AtomicU64,
}

impl<C: Companion> Writer<C> {
    pub(super) fn new(
        path: PathBuf,
        connection: Connection,
        companion: C,
        pool: Arc<Threads>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let queues =
            Queues { interactive: VecDeque::new(), background: VecDeque::new(), scheduled: false, closed: false };
        Arc::new(Self {
            path,
            queues: Mutex::new(queues),
            core: Mutex::new(Core { connection: Some(connection), companion }),
            pool,
            clock,
            degraded: AtomicBool::new(false),
            disk_full: AtomicBool::new(false),
            finish_checkpoint: AtomicBool::new(false),
            batches: AtomicU64::new(0),
        })
    }

    /// Queues a command. Its `settle` is called once, unless this returns an error.
    pub fn submit(self: &Arc<Self>, lane: Lane, work: Box<dyn Work<C>>) -> Result<(), DbError> {
        let mut queues = self.queues.lock();
        if queues.closed {
            return Err(DbError::Reopening);
        }
        let queue = match lane {
            Lane::Interactive => &mut queues.interactive,
            Lane::Background => &mut queues.background,
        };
        if queue.len() >= QUEUE_MAX {
            return Err(DbError::Overloaded);
        }
        queue.push_back(work);
        let wake = !std::mem::replace(&mut queues.scheduled, true);
        drop(queues);
        if wake {
            self.enqueue();
        }
        Ok(())
    }

    fn enqueue(self: &Arc<Self>) {
        let writer = Arc::clone(self);
        self.pool.run(Box::new(move || writer.turn()));
    }

    /// One batch, then to the tail of the pool's run queue, so that a busy store does not starve the others (D8). When nobody else waits, this
    /// thread goes on: handing the file to another one would cost more than it is worth.
    fn turn(self: Arc<Self>) {
        loop {
            self.batch();
            let mut queues = self.queues.lock();
            if queues.interactive.is_empty() && queues.background.is_empty() {
                queues.scheduled = false;
                return;
            }
            drop(queues);
            if self.pool.has_waiting() {
                return self.enqueue();
            }
        }
    }

    fn next(&self, taken: usize) -> Option<Box<dyn Work<C>>> {
        let mut queues = self.queues.lock();
        let background_turn = taken % BACKGROUND_SLOT == BACKGROUND_SLOT - 1;
        if background_turn && let Some(work) = queues.background.pop_front() {
            return Some(work);
        }
        let next = queues.interactive.pop_front();
        next.or_else(|| queues.background.pop_front())
    }

    fn batch(&self) {
        let mut core = self.core.lock();
        let started = self.clock.monotonic();
        let mut done: Vec<Box<dyn Work<C>>> = Vec::new();
        let outcome = self.transact(&mut core, started, &mut done);
        self.batches.fetch_add(1, Ordering::Relaxed);
        metrics::histogram!("bodega_db_batch_commands").record(u32::try_from(done.len()).unwrap_or(u32::MAX));
        match outcome {
            Ok(()) => {
                self.disk_full.store(false, Ordering::Relaxed);
                core.companion.committed();
                if self.finish_checkpoint.swap(false, Ordering::Relaxed) {
                    Self::checkpoint_rest(&core);
                }
                drop(core);
                for work in done {
                    work.settle(Ok(()));
                }
            }
            Err(trouble) => {
                core.companion.abandoned();
                self.disk_full.store(trouble == Trouble::DiskFull, Ordering::Relaxed);
                if trouble == Trouble::Unknown {
                    // A failed fsync is never retried: the file is read anew before the next write.
                    self.degraded.store(true, Ordering::Relaxed);
                    core.connection = None;
                }
                drop(core);
                for work in done {
                    work.settle(Err(trouble.error()));
                }
            }
        }
    }

    fn transact(&self, core: &mut Core<C>, started: Duration, done: &mut Vec<Box<dyn Work<C>>>) -> Result<(), Trouble> {
        let Core { connection, companion } = core;
        let connection = match connection {
            Some(connection) => connection,
            None => match self.reopen() {
                Ok(opened) => connection.insert(opened),
                Err(trouble) => {
                    while let Some(work) = self.next(done.len()) {
                        done.push(work);
                    }
                    return Err(trouble);
                }
            },
        };
        let begun = connection.execute_batch("BEGIN IMMEDIATE").map_err(DbError::from);
        let tx = WriteTx::new(connection);
        let begun = begun.and_then(|()| companion.begin(&tx));
        let mut batch = Batch { tx, companion, trouble: begun.err().as_ref().map(judge) };
        while done.len() < BATCH_MAX {
            let Some(mut work) = self.next(done.len()) else { break };
            // A panic outside of a savepoint leaves the transaction in an unknown state, so it costs the batch.
            if catch_unwind(AssertUnwindSafe(|| work.run(&mut batch))).is_err() {
                batch.trouble = Some(Trouble::Lost);
            }
            done.push(work);
            if batch.tx.is_lost() {
                batch.trouble = batch.trouble.or(Some(Trouble::Lost));
            }
            if batch.trouble.is_none() && self.clock.monotonic().saturating_sub(started) > BATCH_TIME {
                break;
            }
        }
        let trouble = batch.trouble;
        if let Some(trouble) = trouble {
            roll_back(connection);
            return Err(trouble);
        }
        connection.execute_batch("COMMIT").map_err(|error| {
            let trouble = judge_commit(&error);
            tracing::error!(path = %self.path.display(), %error, ?trouble, "a batch could not be committed");
            roll_back(connection);
            trouble
        })
    }

    fn reopen(&self) -> Result<Connection, Trouble> {
        let opened = open_connection(&self.path, Role::Writer).map_err(|error| {
            tracing::error!(path = %self.path.display(), %error, "the store's file cannot be reopened");
            judge(&error)
        })?;
        tracing::info!(path = %self.path.display(), "the store's file was reopened");
        self.degraded.store(false, Ordering::Relaxed);
        Ok(opened)
    }

    /// The frames that were written while the checkpointer worked: few, and only the writer can catch up with itself.
    fn checkpoint_rest(core: &Core<C>) {
        if let Some(connection) = core.connection.as_ref() {
            let moved = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, i64>(0));
            if let Err(error) = moved {
                tracing::warn!(%error, "checkpoint by the writer failed");
            }
        }
    }

    /// Asks the writer to finish a checkpoint after its next batch.
    pub(super) fn request_checkpoint_end(&self) {
        self.finish_checkpoint.store(true, Ordering::Relaxed);
    }

    /// Whether nothing waits and nothing runs.
    pub fn is_idle(&self) -> bool {
        let queues = self.queues.lock();
        !queues.scheduled && queues.interactive.is_empty() && queues.background.is_empty()
    }

    /// Commands that wait.
    pub fn depth(&self) -> usize {
        let queues = self.queues.lock();
        queues.interactive.len().saturating_add(queues.background.len())
    }

    /// Transactions so far.
    pub fn batches(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
    }

    /// Whether the last COMMIT left its outcome open and the file has not been reopened.
    pub fn is_degraded(&self) -> bool {
        self.degraded.load(Ordering::Relaxed)
    }

    /// Whether the last batch found the disk full.
    pub fn is_disk_full(&self) -> bool {
        self.disk_full.load(Ordering::Relaxed)
    }

    /// Takes no more commands, moves the WAL into the file and closes the connection. Waits for the batch at hand.
    pub(super) fn close(&self) -> bool {
        let mut queues = self.queues.lock();
        if queues.scheduled {
            return false;
        }
        queues.closed = true;
        drop(queues);
        let mut core = self.core.lock();
        if let Some(connection) = core.connection.take() {
            let moved = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
            if let Err(error) = moved {
                tracing::warn!(%error, "the WAL could not be folded into the file on closing; the next start does it");
            }
        }
        true
    }
}

fn roll_back(connection: &Connection) {
    if !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::warn!(%error, "rollback failed; SQLite rolls back when the connection closes");
    }
}

fn judge(error: &DbError) -> Trouble {
    match error {
        DbError::DiskFull => Trouble::DiskFull,
        _ => Trouble::Lost,
    }
}

/// A full disk is known not to have committed: the commit frame is what could not be written. Any other failure leaves it open.
fn judge_commit(error: &rusqlite::Error) -> Trouble {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => Trouble::DiskFull,
        Some(rusqlite::ErrorCode::ConstraintViolation) => Trouble::Lost,
        _ => Trouble::Unknown,
    }
}
