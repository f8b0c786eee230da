//! Checkpoints: a thread of its own moves WAL frames into the files while the writers go on (D10).
//!
//! A checkpoint beside a busy writer never reaches the end of the log, and only a log that was moved whole is overwritten from its start.
//! So this thread moves the bulk, and then asks the writer to move the few frames that came meanwhile.

use super::DbError;
use super::connect::{Role, open_connection};
use super::files::{Files, TenantFile, wal_bytes};
use super::writer::Companion;
use parking_lot::{Condvar, Mutex};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often the logs are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A log beyond this many bytes is folded in also while the store is busy.
const BUSY_BYTES: u64 = 16 * 1024 * 1024;
/// A log beyond this many bytes is folded in once the store is idle.
const IDLE_BYTES: u64 = 256 * 1024;
/// A log that is kept at this size or above is cut when the store is idle, so that a burst does not hold the disk for ever.
const TRUNCATE_BYTES: u64 = 64 * 1024 * 1024;

/// The switch of the checkpoint thread.
#[derive(Default)]
pub(super) struct Maintenance {
    stopped: Arc<(Mutex<bool>, Condvar)>,
}

impl Maintenance {
    /// Starts the thread. It ends with `files` or on `stop`.
    pub(super) fn start<C: Companion>(files: &Arc<Files<C>>) -> Result<(), DbError> {
        let weak = Arc::downgrade(files);
        let stopped = Arc::clone(&files.maintenance().stopped);
        std::thread::Builder::new().name("checkpoint".to_owned()).spawn(move || run(&weak, &stopped))?;
        Ok(())
    }

    /// Ends the thread after the checkpoint at hand.
    pub(super) fn stop(&self) {
        *self.stopped.0.lock() = true;
        self.stopped.1.notify_all();
    }
}

fn run<C: Companion>(files: &Weak<Files<C>>, stopped: &(Mutex<bool>, Condvar)) {
    let mut moved_to: std::collections::HashMap<crate::base::id::TenantId, u64> = std::collections::HashMap::new();
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
        for file in files.all_open() {
            let done = moved_to.entry(file.id()).or_default();
            let batches = file.writer().batches();
            if *done == batches {
                continue;
            }
            match look(&file) {
                Ok(true) => *done = batches,
                Ok(false) => {}
                Err(error) => tracing::warn!(tenant_id = %file.id(), %error, "checkpoint failed"),
            }
        }
    }
}

/// Folds the log of one file in if it is time to. True when the whole log was moved.
fn look<C: Companion>(file: &TenantFile<C>) -> Result<bool, DbError> {
    let bytes = wal_bytes(file.path());
    let idle = file.writer().is_idle();
    if bytes < if idle { IDLE_BYTES } else { BUSY_BYTES } {
        return Ok(false);
    }
    let connection = open_connection(file.path(), Role::Checkpointer)?;
    let mode = if idle && bytes >= TRUNCATE_BYTES { "TRUNCATE" } else { "PASSIVE" };
    let (log, moved): (i64, i64) =
        connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| Ok((row.get(1)?, row.get(2)?)))?;
    metrics::counter!("bodega_db_checkpoints_total").increment(1);
    if moved < log {
        file.writer().request_checkpoint_end();
    }
    Ok(moved == log)
}
