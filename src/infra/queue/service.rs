//! The handle to the queue: what the runner and the relay call. Nothing here blocks and nothing here panics.

use super::actor::{Actor, BATCH, Message};
use super::guard::{Guard, Opener};
use super::{
    Backend, Depth, Entry, Health, IndexError, Lane, Lease, Loss, Paused, Settle, SledIndex, SqliteIndex, Ticket,
};
use crate::base::clock::{Clock, Timestamp};
use crate::base::id::TenantId;
use crossbeam_channel::{Sender, unbounded};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// Entries on their way to the actor. Beyond that they are dropped and a rebuild is asked for.
const MAX_ON_THE_WAY: usize = 1_000_000;

/// Entries that wait in memory, unless somebody says otherwise: an hour's orders of a busy store, in some 10 MB.
const NEAR_MAX: usize = 65_536;

/// How a queue is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its folder, used by nobody else. Damaged ones are kept beside it as `<folder>.bad-<unix ms>`.
    pub folder: PathBuf,
    /// What keeps the index.
    pub backend: Backend,
    /// How long the backend may take for one step before it is given up.
    pub deadline: Duration,
    /// Entries that wait in memory at most; more are kept by the backend.
    pub near_max: usize,
    /// The highest epoch of leases that was used before. Zero will do while the clock runs forward.
    pub boot: u64,
}

impl Settings {
    /// The usual settings: sled, ten seconds, some 10 MB in memory.
    pub const fn in_folder(folder: PathBuf) -> Self {
        Self { folder, backend: Backend::Sled, deadline: Duration::from_secs(10), near_max: NEAR_MAX, boot: 0 }
    }
}

struct Watched {
    lanes: BTreeMap<Lane, watch::Sender<()>>,
    loss: watch::Sender<Option<Loss>>,
}

/// What actor and handles share.
pub(super) struct Shared {
    /// Absent when the queue is closed.
    watched: Mutex<Option<Watched>>,
    health: Mutex<Health>,
    on_the_way: AtomicUsize,
    overflowed: AtomicBool,
}

impl Shared {
    pub(super) fn tell(&self, lane: Lane) {
        if let Some(signal) = self.watched.lock().as_ref().and_then(|watched| watched.lanes.get(&lane)) {
            signal.send_replace(());
        }
    }

    pub(super) fn lost(&self, loss: Loss) {
        if let Some(watched) = self.watched.lock().as_ref() {
            watched.loss.send_replace(Some(loss));
        }
    }

    pub(super) fn set_health(&self, health: Health) {
        *self.health.lock() = health;
    }

    pub(super) fn taken_in(&self, entries: usize) {
        self.on_the_way.fetch_sub(entries, Ordering::Relaxed);
    }

    pub(super) fn overflow_seen(&self) {
        self.overflowed.store(false, Ordering::Relaxed);
    }
}

/// However the actor ends, listeners hear of it.
struct CloseAtEnd(Arc<Shared>);

impl Drop for CloseAtEnd {
    fn drop(&mut self) {
        *self.0.watched.lock() = None;
    }
}

/// The queue. Clones are handles to the same one; when the last is dropped, it is closed.
#[derive(Clone)]
pub struct Queue {
    messages: Sender<Message>,
    shared: Arc<Shared>,
}

impl Queue {
    /// Starts the queue's thread, which opens the index. Returns at once; what is asked meanwhile waits, two deadlines at most.
    /// Fails only when no thread can be started.
    pub fn start(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, IndexError> {
        let opener: Option<Opener> = match settings.backend {
            Backend::Sled => Some(Arc::new(|folder| Ok(Box::new(SledIndex::open(folder)?)))),
            Backend::Sqlite => Some(Arc::new(|folder| Ok(Box::new(SqliteIndex::open(folder)?)))),
            Backend::Memory => None,
        };
        Self::start_with(settings, opener, clock)
    }

    pub(super) fn start_with(
        settings: Settings,
        opener: Option<Opener>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, IndexError> {
        let (messages, receiver) = unbounded();
        let shared = Arc::new(Shared {
            watched: Mutex::new(Some(Watched { lanes: BTreeMap::new(), loss: watch::Sender::new(None) })),
            health: Mutex::new(Health { backend: "opening", degraded: None, boot: settings.boot, losses: 0 }),
            on_the_way: AtomicUsize::new(0),
            overflowed: AtomicBool::new(false),
        });
        let for_actor = Arc::clone(&shared);
        let ended = CloseAtEnd(Arc::clone(&shared));
        std::thread::Builder::new().name("queue".to_owned()).spawn(move || {
            let _ended = ended;
            let Settings { folder, backend, deadline, near_max, boot } = settings;
            let for_guard = Arc::clone(&clock);
            let open = move || Guard::open(folder, backend.name(), opener, deadline, boot, for_guard);
            Actor::begin(clock, for_actor, near_max, open).run(&receiver);
        })?;
        Ok(Self { messages, shared })
    }

    /// Puts entries; returns at once. A ticket that waits moves to the new due time. One that is leased is remembered, so that it
    /// is due again after its lease, however that ends.
    pub fn put(&self, mut entries: Vec<Entry>) {
        while !entries.is_empty() {
            let rest = entries.split_off(entries.len().min(BATCH));
            let batch = std::mem::replace(&mut entries, rest);
            let count = batch.len();
            if self.shared.on_the_way.fetch_add(count, Ordering::Relaxed) >= MAX_ON_THE_WAY {
                self.shared.taken_in(count);
                if !self.shared.overflowed.swap(true, Ordering::Relaxed) {
                    self.tell(Message::Overflowed);
                }
                return;
            }
            self.tell(Message::Put(batch));
        }
    }

    /// Takes tickets out, and forgets that they were put while leased. A lease that is out stays good.
    pub fn remove(&self, tickets: Vec<Ticket>) {
        self.tell(Message::Remove(tickets));
    }

    /// Leases up to `max` due entries of a lane: each store that has some gets its share in turn; within a store by due time, then
    /// sequence. They come back by themselves when they are not settled before `hold` has passed.
    ///
    /// After an answer that is shorter than `max`, wait on [`Self::signal`]; after a full one, ask again.
    pub async fn lease(&self, lane: Lane, max: usize, hold: Duration) -> Vec<Lease> {
        self.ask(|reply| Message::Lease { lane, max, hold, reply }).await.unwrap_or_default()
    }

    /// Ends a lease. False, and nothing changes, when it is no longer the current one: it expired, or the index was lost.
    pub async fn settle(&self, lease: Lease, how: Settle) -> bool {
        self.ask(|reply| Message::Settle { lease, how, reply }).await.unwrap_or(false)
    }

    /// Leases nothing of this store in this lane until then; after that exactly one entry, as a probe, until the line is resumed
    /// or paused anew (decision D1). If neither happens while the probe's hold lasts, another probe goes out.
    pub fn pause(&self, lane: Lane, tenant: TenantId, until: Timestamp) {
        self.tell(Message::Pause { lane, tenant, until });
    }

    /// Ends a pause.
    pub fn resume(&self, lane: Lane, tenant: TenantId) {
        self.tell(Message::Resume { lane, tenant });
    }

    /// The lines that are paused.
    pub async fn paused(&self) -> Vec<Paused> {
        self.ask(Message::Paused).await.unwrap_or_default()
    }

    /// When something of the lane may be leased next: not after now when something may be leased already, nothing when only a put,
    /// a settlement or a resumption can bring work. May be too early, never too late.
    pub async fn next_due(&self, lane: Lane) -> Option<Timestamp> {
        self.ask(|reply| Message::NextDue { lane, reply }).await.flatten()
    }

    /// How much is known of each store in each lane, by lane, then store.
    pub async fn depth(&self) -> Vec<Depth> {
        self.ask(Message::Depth).await.unwrap_or_default()
    }

    /// The leases that expired since the last call. Their tickets may be leased again. The first ten thousand are remembered.
    pub async fn take_expired(&self) -> Vec<Lease> {
        self.ask(Message::Expired).await.unwrap_or_default()
    }

    /// Fires when something of the lane may be leased.
    pub fn signal(&self, lane: Lane) -> Signal {
        let mut watched = self.shared.watched.lock();
        let changes = watched.as_mut().map(|watched| {
            let mut changes = watched.lanes.entry(lane).or_insert_with(|| watch::Sender::new(())).subscribe();
            changes.mark_changed();
            changes
        });
        Signal { changes }
    }

    /// Fires when the index has to be filled again from the outboxes. The first fill of an empty index is announced here too.
    pub fn losses(&self) -> Losses {
        let watched = self.shared.watched.lock();
        Losses { changes: watched.as_ref().map(|watched| watched.loss.subscribe()), seen: 0 }
    }

    /// How the queue is.
    pub fn health(&self) -> Health {
        self.shared.health.lock().clone()
    }

    /// Looks at the clock again. Returns when everything that this handle told the queue before has taken effect.
    pub async fn poke(&self) {
        self.ask(Message::Poke).await.unwrap_or_default();
    }

    /// Closes the queue. Leased entries go back into the index. True when the next start can go on from it, false when that will
    /// ask for a rebuild. Afterwards every handle answers as if there was no work.
    pub async fn close(&self) -> bool {
        self.ask(Message::Close).await.unwrap_or(false)
    }

    /// A queue that is closed has nobody to tell.
    fn tell(&self, message: Message) {
        drop(self.messages.send(message));
    }

    async fn ask<R>(&self, message: impl FnOnce(oneshot::Sender<R>) -> Message) -> Option<R> {
        let (reply, answer) = oneshot::channel();
        self.messages.send(message(reply)).ok()?;
        answer.await.ok()
    }
}

/// Tells one listener that a lane may have work. No call is missed between two waits.
pub struct Signal {
    changes: Option<watch::Receiver<()>>,
}

impl Signal {
    /// Waits until something may be leased; the first wait returns at once. Ask [`Queue::lease`] before waiting again. False when
    /// the queue is closed.
    pub async fn wait(&mut self) -> bool {
        match &mut self.changes {
            Some(changes) => changes.changed().await.is_ok(),
            None => false,
        }
    }
}

/// Tells one listener of losses of the index. Several in a row are told as the last of them: one rebuild is enough.
pub struct Losses {
    changes: Option<watch::Receiver<Option<Loss>>>,
    seen: u64,
}

impl Losses {
    /// Waits for the next loss, beginning with one that happened before this listener came. Nothing when the queue is closed.
    pub async fn next(&mut self) -> Option<Loss> {
        let changes = self.changes.as_mut()?;
        loop {
            let last = changes.borrow_and_update().clone();
            if let Some(loss) = last.filter(|loss| loss.number > self.seen) {
                self.seen = loss.number;
                return Some(loss);
            }
            changes.changed().await.ok()?;
        }
    }
}
