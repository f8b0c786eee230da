//! Checkpoints: WAL frames are moved into the files while the writers go on (D10). One thread looks at all files; the moving is done by a few others, so
//! that a store on a disk that does not answer holds up nobody else's. They are not the writers': such a store would hold two of those.
//!
//! A checkpoint beside a busy writer never reaches the end of the log, and only a log that was moved whole is overwritten from its start.
//! So the bulk is moved first, then what came meanwhile, which is less each time, and in the end the writer is asked to move the few frames that
//! are left: for what the writer moves and syncs itself, everybody waits.

use super::DbError;
use super::connect::{Role, open_connection};
use super::files::{Files, TenantFile, wal_bytes};
use super::pool::Threads;
use super::writer::{Companion, Writer};
use crate::base::id::TenantId;
use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often the logs are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Frames (of 4 KiB) that are folded in also while the store is busy: the more, the more pages are written once for several changes, and the less
/// often everybody waits; the fewer, the less a start after a crash has to read.
const BUSY_FRAMES: i64 = 16_000;
/// Frames that are folded in once the store has been at rest between two looks.
const IDLE_FRAMES: i64 = 32;
/// Frames that the writer may be left with.
const REST_FRAMES: i64 = 256;
/// Passes over the log of a busy store before the writer is asked, however much is left: a slow disk never gets below [`REST_FRAMES`].
const PASSES_MAX: u32 = 4;
/// A page, about.
const FRAME_BYTES: u64 = 4096;
/// A log file that has grown to this many bytes is cut once the store is at rest, so that a burst does not hold the disk for ever. Below it the file
/// is kept and overwritten from its start, which halves what a sync costs.
const TRUNCATE_BYTES: u64 = 64 * 1024 * 1024;
/// Looks at a store at rest before its log is cut: a pause in the traffic is no end of it.
const LOOKS_BEFORE_CUT: u32 = 50;

/// Threads that fold logs in: so many stores on disks that do not answer leave none for the others.
const FOLDERS: usize = 4;

/// The threads that keep the logs short, and their switch.
pub(super) struct Maintenance {
    folders: Arc<Threads>,
    stopped: Arc<(Mutex<bool>, Condvar)>,
}

impl Maintenance {
    /// Starts the threads that fold.
    pub(super) fn new() -> Result<Self, DbError> {
        Ok(Self { folders: Threads::start("checkpoint", FOLDERS)?, stopped: Arc::default() })
    }

    /// Starts the thread that looks. It ends with `files` or on `stop`.
    pub(super) fn start<C: Companion>(files: &Arc<Files<C>>) -> Result<(), DbError> {
        let weak = Arc::downgrade(files);
        let stopped = Arc::clone(&files.maintenance().stopped);
        std::thread::Builder::new().name("checkpoints".to_owned()).spawn(move || run(&weak, &stopped))?;
        Ok(())
    }

    /// Ends the thread that looks. A log that is being folded in is folded in to its end.
    pub(super) fn stop(&self) {
        *self.stopped.0.lock() = true;
        self.stopped.1.notify_all();
    }
}

/// What is remembered of a file between two looks.
#[derive(Default)]
struct Seen {
    batches: u64,
    /// Looks since the last batch.
    at_rest: u32,
    is_folded: bool,
}

/// A file's memory, and whether somebody folds its log now.
#[derive(Default)]
struct Watch {
    is_busy: AtomicBool,
    seen: Mutex<Seen>,
}

/// Ends the folding of a file, however it ends.
struct Busy(Arc<Watch>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.is_busy.store(false, Ordering::Release);
    }
}

/// What is to be done with a log.
#[derive(Clone, Copy)]
enum Due {
    /// Fold it in, if it has at least so many frames that are not.
    Fold { frames: i64 },
    /// Cut the file.
    Cut,
}

fn run<C: Companion>(files: &Weak<Files<C>>, stopped: &(Mutex<bool>, Condvar)) {
    let mut watched: HashMap<TenantId, Arc<Watch>> = HashMap::new();
    loop {
        let mut stop = stopped.0.lock();
        if !*stop {
            stopped.1.wait_for(&mut stop, LOOK_EVERY);
        }
        if *stop {
            return;
        }
        drop(stop);
        let Some(files) = files.upgrade() else { return };
        // Held one at a time: a file that is held cannot be closed to make room.
        let open: Vec<_> = files.all_open().iter().map(|file| (file.id(), Arc::downgrade(file))).collect();
        watched.retain(|id, _| open.iter().any(|(open, _)| open == id));
        for file in open.iter().filter_map(|(_, file)| file.upgrade()) {
            let watch = watched.entry(file.id()).or_default();
            if watch.is_busy.load(Ordering::Acquire) {
                continue;
            }
            let due = look(&file, &mut watch.seen.lock());
            let Some(due) = due else { continue };
            watch.is_busy.store(true, Ordering::Release);
            let busy = Busy(Arc::clone(watch));
            files.maintenance().folders.run(Box::new(move || {
                if let Err(error) = act(&file, due, &mut busy.0.seen.lock()) {
                    tracing::warn!(tenant_id = %file.id(), %error, "checkpoint failed");
                }
            }));
        }
    }
}

/// Whether the log of a file is to be folded in or cut, as far as its size tells.
fn look<C: Companion>(file: &TenantFile<C>, seen: &mut Seen) -> Option<Due> {
    let batches = file.writer().batches();
    if batches == seen.batches {
        seen.at_rest = seen.at_rest.saturating_add(1);
    } else {
        *seen = Seen { batches, at_rest: 0, is_folded: false };
    }
    let bytes = wal_bytes(file.path());
    if seen.at_rest == LOOKS_BEFORE_CUT && bytes >= TRUNCATE_BYTES {
        return Some(Due::Cut);
    }
    let frames = if seen.at_rest > 0 { IDLE_FRAMES } else { BUSY_FRAMES };
    // The file's size bounds the frames in it, and is had without a connection.
    let may_hold_enough = i64::try_from(bytes / FRAME_BYTES).unwrap_or(i64::MAX) >= frames;
    (!seen.is_folded && may_hold_enough).then_some(Due::Fold { frames })
}

/// Folds the log of one file in, or cuts it.
fn act<C: Companion>(file: &TenantFile<C>, due: Due, seen: &mut Seen) -> Result<(), DbError> {
    let mut slot = file.checkpointer().lock();
    let connection = match slot.take() {
        Some(connection) => connection,
        None => open_connection(file.path(), Role::Checkpointer)?,
    };
    // An error drops the connection: the next look opens a new one.
    match due {
        Due::Cut => drop(checkpoint(&connection, "TRUNCATE")?),
        Due::Fold { frames } => {
            let (log, moved) = checkpoint(&connection, "NOOP")?;
            if log.saturating_sub(moved) >= frames {
                fold(&connection, file.writer())?;
                metrics::counter!("bodega_db_checkpoints_total").increment(1);
            }
        }
    }
    seen.is_folded = seen.at_rest > 0;
    *slot = Some(connection);
    Ok(())
}

/// Moves the log into the file, and asks the writer for the end of it if that is out of reach from here.
fn fold<C: Companion>(connection: &Connection, writer: &Writer<C>) -> Result<(), DbError> {
    for _ in 0..PASSES_MAX {
        checkpoint(connection, "PASSIVE")?;
        // What the pass says of itself ends where it began; the writer has gone on meanwhile.
        let (log, moved) = checkpoint(connection, "NOOP")?;
        let rest = log.saturating_sub(moved);
        // A batch at hand has begun on a log that was not moved whole, and goes on at its end.
        if rest == 0 && writer.is_idle() {
            return Ok(());
        }
        if rest <= REST_FRAMES {
            break;
        }
    }
    writer.request_checkpoint_end();
    Ok(())
}

/// Frames in the log, and frames of it that are in the file.
fn checkpoint(connection: &Connection, mode: &str) -> Result<(i64, i64), DbError> {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    Ok(connection.query_row(&sql, [], |row| Ok((row.get(1)?, row.get(2)?)))?)
}
