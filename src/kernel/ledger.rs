//! What moves with a file's transaction: the journal's head, and what must happen once the batch is durable.

use crate::base::clock::Timestamp;
use crate::base::id::TenantId;
use crate::infra::db::{Companion, DbError, WriteTx};
use crate::kernel::cache::{Tag, TagCache};
use crate::kernel::journal::Head;
use crate::kernel::store;
use std::sync::{Arc, OnceLock};
use tokio::sync::broadcast;

/// A job that became due with a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Its kind.
    pub kind: String,
    /// Its outbox row.
    pub seq: i64,
    /// When it may run.
    pub due: Timestamp,
}

/// A commit, as live views see it.
#[derive(Clone, Copy, Debug)]
pub struct Committed {
    /// Whose.
    pub tenant: TenantId,
    /// The journal's last row.
    pub head: i64,
}

/// Commits that a slow listener may lag behind before it has to look for itself.
const LISTENER_LAG_MAX: usize = 1024;

type Relay = Box<dyn Fn(TenantId, Vec<Ready>) + Send + Sync>;

/// Where commits are announced: to the cache, to the relay, to live views. One for all files.
pub struct Hub {
    /// The cache whose tags move with commits.
    pub cache: TagCache,
    relay: OnceLock<Relay>,
    commits: broadcast::Sender<Committed>,
}

impl Default for Hub {
    fn default() -> Self {
        Self { cache: TagCache::default(), relay: OnceLock::new(), commits: broadcast::channel(LISTENER_LAG_MAX).0 }
    }
}

impl Hub {
    /// Names who takes jobs to the queue. The first call counts.
    pub fn set_relay(&self, relay: impl Fn(TenantId, Vec<Ready>) + Send + Sync + 'static) {
        // A second relay would mean two queues over the same outboxes.
        drop(self.relay.set(Box::new(relay)));
    }

    /// Commits from now on.
    pub fn listen(&self) -> broadcast::Receiver<Committed> {
        self.commits.subscribe()
    }
}

/// The companion of one file.
pub struct Ledger {
    tenant: TenantId,
    head: Option<Head>,
    ready: Vec<Ready>,
    tags: Vec<Tag>,
    hub: Arc<Hub>,
}

/// Where a ledger stood.
pub struct LedgerMark {
    head: Option<Head>,
    ready: usize,
    tags: usize,
}

impl Ledger {
    /// The companion of a tenant's file.
    pub const fn new(tenant: TenantId, hub: Arc<Hub>) -> Self {
        Self { tenant, head: None, ready: Vec::new(), tags: Vec::new(), hub }
    }

    pub(super) fn head(&self) -> Head {
        self.head.unwrap_or(Head { seq: 0, hash: [0; 32] })
    }

    pub(super) const fn advance(&mut self, head: Head) {
        self.head = Some(head);
    }

    pub(super) fn add_ready(&mut self, ready: Ready) {
        self.ready.push(ready);
    }

    pub(super) fn add_tag(&mut self, tag: Tag) {
        if !self.tags.contains(&tag) {
            self.tags.push(tag);
        }
    }
}

impl Companion for Ledger {
    type Mark = LedgerMark;

    fn begin(&mut self, tx: &WriteTx<'_>) -> Result<(), DbError> {
        if self.head.is_none() {
            self.head = Some(store::journal_head(tx)?);
        }
        Ok(())
    }

    fn mark(&self) -> LedgerMark {
        LedgerMark { head: self.head, ready: self.ready.len(), tags: self.tags.len() }
    }

    fn rewind(&mut self, mark: LedgerMark) {
        self.head = mark.head;
        self.ready.truncate(mark.ready);
        self.tags.truncate(mark.tags);
    }

    fn committed(&mut self) {
        self.hub.cache.drop_tags(self.tenant, &self.tags);
        self.tags.clear();
        if !self.ready.is_empty() {
            let ready = std::mem::take(&mut self.ready);
            if let Some(relay) = self.hub.relay.get() {
                relay(self.tenant, ready);
            }
        }
        // Nobody may be listening.
        drop(self.hub.commits.send(Committed { tenant: self.tenant, head: self.head().seq }));
    }

    fn abandoned(&mut self) {
        self.head = None;
        self.ready.clear();
        self.tags.clear();
    }
}
