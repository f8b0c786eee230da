//! The open files: found by tenant, opened when needed, the least recently used closed when too many are open.

use super::DbError;
use super::connect::{Role, open_connection};
use super::maintain::Maintenance;
use super::migrate::{Migration, migrate_up};
use super::pool::Threads;
use super::readers::Readers;
use super::tx::ReadTx;
use super::writer::{Batch, Companion, Lane, Work, Writer};
use crate::base::clock::Clock;
use crate::base::id::{Id, TenantId};
use parking_lot::Mutex;
use rusqlite::Connection;
use scheduled_thread_pool::ScheduledThreadPool;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::oneshot;

/// How files are kept.
#[derive(Clone, Debug)]
pub struct FilesConfig {
    /// The folder that holds the files.
    pub folder: PathBuf,
    /// Files that are open at a time.
    pub open_max: usize,
    /// Writer threads; 0 takes the default of D8.
    pub writer_threads: usize,
}

/// What a file says of its health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vitals {
    /// Commands that wait.
    pub queued: usize,
    /// Whether the last COMMIT left its outcome open.
    pub is_degraded: bool,
    /// Whether the last batch found no room.
    pub is_disk_full: bool,
    /// Bytes in the write-ahead log.
    pub wal_bytes: u64,
}

/// One open file: its writer and its readers.
pub struct TenantFile<C: Companion> {
    id: TenantId,
    path: PathBuf,
    writer: Arc<Writer<C>>,
    readers: Readers,
    /// Belongs to the checkpoint thread, and goes with the file.
    checkpointer: Mutex<Option<Connection>>,
}

impl<C: Companion> TenantFile<C> {
    /// Opens the file at `path`, brings its schema up to date and starts nothing: threads come from the pool.
    fn open(id: TenantId, path: &Path, schema: &[Migration], companion: C, parts: &Parts) -> Result<Self, DbError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut connection = open_connection(path, Role::Writer)?;
        migrate_up(&mut connection, path, schema)?;
        let writer =
            Writer::new(path.to_owned(), connection, companion, Arc::clone(&parts.pool), Arc::clone(&parts.clock));
        let readers = Readers::new(path, &parts.reader_upkeep);
        Ok(Self { id, path: path.to_owned(), writer, readers, checkpointer: Mutex::new(None) })
    }

    /// Whose file it is.
    pub const fn id(&self) -> TenantId {
        self.id
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads on a snapshot, waiting for a connection if all are busy.
    pub async fn read<T, E: From<DbError>>(&self, act: impl FnOnce(&ReadTx<'_>) -> Result<T, E>) -> Result<T, E> {
        self.readers.read(act).await
    }

    /// Bytes that can still be written on the disk of this file by somebody who is not root.
    pub fn room_left(&self) -> Result<u64, DbError> {
        let disk = rustix::fs::statvfs(self.path()).map_err(std::io::Error::from)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Reads on the calling thread.
    pub fn read_now<T, E: From<DbError>>(&self, act: impl FnOnce(&ReadTx<'_>) -> Result<T, E>) -> Result<T, E> {
        self.readers.read_now(act)
    }

    /// Queues `act` for the writer and waits until its batch is durable.
    pub async fn write<T, E>(
        &self,
        lane: Lane,
        act: impl FnOnce(&mut Batch<'_, C>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.writer.submit(lane, Box::new(Command { act: Some(act), result: None, reply }))?;
        answer.await.unwrap_or_else(|_dropped| Err(DbError::UnknownOutcome.into()))
    }

    /// The writer, for its figures.
    pub fn vitals(&self) -> Vitals {
        Vitals {
            queued: self.writer.depth(),
            is_degraded: self.writer.is_degraded(),
            is_disk_full: self.writer.is_disk_full(),
            wal_bytes: wal_bytes(&self.path),
        }
    }

    pub(super) const fn checkpointer(&self) -> &Mutex<Option<Connection>> {
        &self.checkpointer
    }

    pub(super) const fn writer(&self) -> &Arc<Writer<C>> {
        &self.writer
    }
}

pub(super) fn wal_bytes(path: &Path) -> u64 {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    std::fs::metadata(PathBuf::from(name)).map_or(0, |meta| meta.len())
}

struct Command<F, T, E> {
    act: Option<F>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<C, F, T, E> Work<C> for Command<F, T, E>
where
    C: Companion,
    F: FnOnce(&mut Batch<'_, C>) -> Result<T, E> + Send,
    T: Send,
    E: From<DbError> + Send,
{
    fn run(&mut self, batch: &mut Batch<'_, C>) {
        if let Some(act) = self.act.take() {
            self.result = Some(act(batch));
        }
    }

    fn settle(self: Box<Self>, outcome: Result<(), DbError>) {
        let answer = match (outcome, self.result) {
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(DbError::Lost.into()),
            (Err(error), _) => Err(error.into()),
        };
        // Whoever asked may have gone; the write stands all the same.
        drop(self.reply.send(answer));
    }
}

/// What all files share.
struct Parts {
    pool: Arc<Threads>,
    clock: Arc<dyn Clock>,
    reader_upkeep: Arc<ScheduledThreadPool>,
}

struct Slot<C: Companion> {
    file: Mutex<Option<Arc<TenantFile<C>>>>,
    used: AtomicU64,
}

/// All files of a kind.
pub struct Files<C: Companion> {
    config: FilesConfig,
    schema: &'static [Migration],
    make_companion: Box<dyn Fn(TenantId) -> C + Send + Sync>,
    parts: Parts,
    slots: Mutex<HashMap<TenantId, Arc<Slot<C>>>>,
    ticks: AtomicU64,
    maintenance: Maintenance,
}

impl<C: Companion> Files<C> {
    /// A set of files under `config.folder`, none of them open.
    pub fn new(
        config: FilesConfig,
        schema: &'static [Migration],
        pool: Arc<Threads>,
        clock: Arc<dyn Clock>,
        make_companion: impl Fn(TenantId) -> C + Send + Sync + 'static,
    ) -> Result<Arc<Self>, DbError> {
        std::fs::create_dir_all(&config.folder)?;
        let reader_upkeep =
            Arc::new(ScheduledThreadPool::builder().num_threads(1).thread_name_pattern("readers-{}").build());
        let files = Arc::new(Self {
            config,
            schema,
            make_companion: Box::new(make_companion),
            parts: Parts { pool, clock, reader_upkeep },
            slots: Mutex::new(HashMap::new()),
            ticks: AtomicU64::new(0),
            maintenance: Maintenance::new()?,
        });
        Maintenance::start(&files)?;
        Ok(files)
    }

    /// The folder of a tenant: `<2 hex>/<id>`, so that no folder grows to thousands of entries. The hex is the id's last byte, which is random.
    pub fn folder_of(&self, id: TenantId) -> PathBuf {
        let raw: Id = id.into();
        let shard = raw.as_bytes().last().copied().unwrap_or(0);
        self.config.folder.join(format!("{shard:02x}")).join(id.to_string())
    }

    /// Where a tenant's file lies.
    pub fn path_of(&self, id: TenantId) -> PathBuf {
        self.folder_of(id).join("data.db")
    }

    /// The tenant's file. Opens it when it is not open, which blocks for some milliseconds.
    pub fn open(&self, id: TenantId) -> Result<Arc<TenantFile<C>>, DbError> {
        let slot = Arc::clone(
            self.slots
                .lock()
                .entry(id)
                .or_insert_with(|| Arc::new(Slot { file: Mutex::new(None), used: AtomicU64::new(0) })),
        );
        slot.used.store(self.ticks.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        let mut place = slot.file.lock();
        if let Some(file) = place.as_ref() {
            return Ok(Arc::clone(file));
        }
        self.make_room();
        let companion = (self.make_companion)(id);
        let file = Arc::new(TenantFile::open(id, &self.path_of(id), self.schema, companion, &self.parts)?);
        *place = Some(Arc::clone(&file));
        Ok(file)
    }

    /// Opens a file at a path of its own and keeps it among the others for as long as the caller holds it. For `control.db`.
    pub fn adopt(
        &self,
        id: TenantId,
        path: &Path,
        schema: &'static [Migration],
    ) -> Result<Arc<TenantFile<C>>, DbError> {
        let file = Arc::new(TenantFile::open(id, path, schema, (self.make_companion)(id), &self.parts)?);
        let slot = Slot { file: Mutex::new(Some(Arc::clone(&file))), used: AtomicU64::new(u64::MAX) };
        self.slots.lock().insert(id, Arc::new(slot));
        Ok(file)
    }

    /// The tenant's file if it is open: never blocks on the disk.
    pub fn opened(&self, id: TenantId) -> Option<Arc<TenantFile<C>>> {
        let slot = self.slots.lock().get(&id).map(Arc::clone)?;
        slot.used.store(self.ticks.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        let place = slot.file.try_lock()?;
        place.as_ref().map(Arc::clone)
    }

    /// All open files.
    pub fn all_open(&self) -> Vec<Arc<TenantFile<C>>> {
        let slots: Vec<_> = self.slots.lock().values().map(Arc::clone).collect();
        slots.iter().filter_map(|slot| slot.file.try_lock()?.as_ref().map(Arc::clone)).collect()
    }

    /// Closes the least recently used files that nobody holds until one more may be opened.
    fn make_room(&self) {
        let mut candidates: Vec<(u64, Arc<Slot<C>>)> =
            self.slots.lock().values().map(|slot| (slot.used.load(Ordering::Relaxed), Arc::clone(slot))).collect();
        let mut open = candidates.iter().filter(|(_, slot)| slot.file.try_lock().is_some_and(|f| f.is_some())).count();
        candidates.sort_by_key(|(used, _)| *used);
        for (_, slot) in candidates {
            if open < self.config.open_max {
                return;
            }
            if Self::close_if_unused(&slot) {
                open = open.saturating_sub(1);
            }
        }
    }

    fn close_if_unused(slot: &Slot<C>) -> bool {
        let Some(mut place) = slot.file.try_lock() else { return false };
        let Some(file) = place.as_ref() else { return false };
        if Arc::strong_count(file) > 1 || !file.writer.close() {
            return false;
        }
        *place = None;
        true
    }

    /// Waits until every writer is idle, then closes all files. For shutting down.
    pub fn close_all(&self, deadline: std::time::Duration) -> bool {
        self.maintenance.stop();
        let until = self.parts.clock.monotonic().saturating_add(deadline);
        let slots: Vec<_> = self.slots.lock().values().map(Arc::clone).collect();
        let mut all = true;
        for slot in slots {
            let Some(file) = slot.file.lock().take() else { continue };
            while !file.writer.close() {
                if self.parts.clock.monotonic() > until {
                    all = false;
                    break;
                }
                std::thread::yield_now();
            }
        }
        all
    }

    pub(super) const fn maintenance(&self) -> &Maintenance {
        &self.maintenance
    }
}
