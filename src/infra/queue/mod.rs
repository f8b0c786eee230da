//! The due-time and lease index over the outboxes. It knows no kind of job, only entries: a lane, a store, a sequence and a due time.
//!
//! The truth about work stands in the outboxes. This index may be lost at any time; it then says so ([`Queue::losses`]) and is
//! filled again by putting every open outbox row. Nothing here is made durable with care, and whoever leases an entry reads its
//! outbox row before acting on it.
//!
//! From the bottom up: an [`Index`] is a backend (`sled`, `sqlite`, `memory`). `seal` decides whether files left by an earlier run
//! may be opened at all. `guard` runs a backend on a thread of its own under a deadline and replaces it when it panics, fails or
//! hangs. `rooms` is the pure arithmetic of whose turn it is. `actor` is the one thread that owns all of it and the leases.
//! `service` is the handle for everybody else.

mod actor;
mod front;
mod guard;
mod memory;
mod rooms;
mod seal;
mod service;
mod sled;
mod sqlite;

pub use memory::MemoryIndex;
pub use service::{Losses, Queue, Settings, Signal};
pub use sled::SledIndex;
pub use sqlite::SqliteIndex;

use crate::base::clock::Timestamp;
use crate::base::error::{Kind, Problem};
use crate::base::id::TenantId;
use std::time::Duration;

/// A kind of job as a small number. Each lane is leased on its own.
pub type Lane = u8;

/// Names one outbox row: which lane, whose store, which row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Ticket {
    /// The kind of job.
    pub lane: Lane,
    /// The store.
    pub tenant: TenantId,
    /// The sequence of the outbox row, above zero.
    pub seq: i64,
}

/// A ticket and the time from which it may be worked on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Entry {
    /// The row.
    pub ticket: Ticket,
    /// Not before this time.
    pub due: Timestamp,
}

/// A fencing token: later leases compare greater, also over a restart or a loss of the index (decision D3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Fence {
    /// Rises with every start of the queue and with every loss of its index.
    pub boot: u64,
    /// Rises with every lease.
    pub n: u64,
}

/// The right to work on one ticket until the hold has passed or the lease is settled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Lease {
    /// The row.
    pub ticket: Ticket,
    /// When it was due.
    pub due: Timestamp,
    /// Proves that this lease is the current one.
    pub token: Fence,
    /// The line is paused and this lease tries whether it is back (decision D1).
    pub probe: bool,
}

/// What becomes of a ticket when its lease ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settle {
    /// It is done with, unless it was put again while it was leased: then it is due as put.
    Forget,
    /// It is due again at this time, or earlier when it was put again for an earlier time.
    Again(Timestamp),
}

/// What a backend holds for one store in one lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// The kind of job.
    pub lane: Lane,
    /// The store.
    pub tenant: TenantId,
    /// How many entries.
    pub entries: usize,
    /// The due time of the first of them.
    pub earliest: Timestamp,
}

/// What [`Index::take`] took.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Taken {
    /// The entries, by due time, then sequence. They are no longer in the index.
    pub entries: Vec<Entry>,
    /// No entry that stayed is due before this time; none at all stayed when absent.
    pub next: Option<Timestamp>,
}

/// A backend: a set of entries, at most one per ticket, read in order of due time. Owned by one thread, blocking, without leases.
pub trait Index: Send {
    /// Puts entries. A ticket that is there moves to the new due time; of several entries for one ticket the last counts.
    /// Returns the tickets that were not there before, in no particular order.
    fn put(&mut self, entries: &[Entry]) -> Result<Vec<Ticket>, IndexError>;
    /// Takes tickets out whatever their due time. Returns those that were there, in no particular order.
    fn remove(&mut self, tickets: &[Ticket]) -> Result<Vec<Ticket>, IndexError>;
    /// Takes up to `max` entries of one store out of one lane that are due at `now`, by due time, then sequence.
    fn take(&mut self, lane: Lane, tenant: TenantId, now: Timestamp, max: usize) -> Result<Taken, IndexError>;
    /// What is there, by lane, then store.
    fn rooms(&mut self) -> Result<Vec<Room>, IndexError>;
    /// Writes everything to its files and lets go of them.
    fn close(self: Box<Self>) -> Result<(), IndexError>;
}

/// Which backend keeps the index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Backend {
    /// sled 0.34.
    Sled,
    /// A plain `SQLite` file.
    Sqlite,
    /// Nothing on disk: every start begins with a rebuild.
    Memory,
}

impl Backend {
    /// The word in settings, in file names and in [`Health`].
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Sqlite => "sqlite",
            Self::Memory => "memory",
        }
    }

    /// The backend of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Sled, Self::Sqlite, Self::Memory].into_iter().find(|backend| backend.name() == name)
    }
}

/// Why a backend did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The files could not be read or written.
    #[error("the queue's files cannot be used")]
    Io(#[from] std::io::Error),
    /// sled said no.
    #[error("the sled index failed")]
    Sled(#[from] ::sled::Error),
    /// `SQLite` said no.
    #[error("the SQLite index failed")]
    Sqlite(#[from] rusqlite::Error),
    /// The files hold what this product does not write.
    #[error("the queue's files are damaged: {0}")]
    Damaged(String),
    /// The backend panicked.
    #[error("the queue's index panicked")]
    Panicked,
    /// The backend did not answer in time.
    #[error("the queue's index did not answer within {0:?}")]
    TimedOut(Duration),
}

impl Problem for IndexError {
    fn kind(&self) -> Kind {
        Kind::Broken
    }
    fn code(&self) -> &'static str {
        "queue_index_failed"
    }
}

/// Why the index has to be filled again from the outboxes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// There was none.
    New,
    /// The last run did not close it, or another backend did: what it holds cannot be relied on.
    Unsealed,
    /// Its files are not those that the last run left.
    Damaged,
    /// It panicked.
    Panicked,
    /// It did not answer within the deadline.
    TimedOut,
    /// It answered with an error.
    Failed,
    /// More was put than the queue takes in while it is busy. Index and leases stand, some entries were not taken in.
    Overflowed,
}

/// A loss of the index, or of entries on their way into it. The answer is always the same: put every open outbox row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loss {
    /// Counts from one in each run.
    pub number: u64,
    /// Why.
    pub reason: Reason,
    /// For the log.
    pub detail: String,
    /// When.
    pub at: Timestamp,
    /// The epoch of leases from here on. Except after [`Reason::Overflowed`], leases of earlier epochs are void.
    pub boot: u64,
}

/// How the queue is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Health {
    /// The backend in use: `opening` at first, then `sled`, `sqlite` or `memory`.
    pub backend: &'static str,
    /// Why the index is kept in memory although files were asked for. Everything works; the next start begins with a rebuild.
    pub degraded: Option<String>,
    /// The current epoch of leases.
    pub boot: u64,
    /// Losses in this run, the first fill included.
    pub losses: u64,
}

/// What is known of one store in one lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Depth {
    /// The kind of job.
    pub lane: Lane,
    /// The store.
    pub tenant: TenantId,
    /// Entries that wait, due or not.
    pub waiting: usize,
    /// Entries that are leased.
    pub leased: usize,
}

/// A paused line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Paused {
    /// The kind of job.
    pub lane: Lane,
    /// The store.
    pub tenant: TenantId,
    /// From then on one probe is leased.
    pub until: Timestamp,
    /// The probe is out.
    pub probing: bool,
}

#[cfg(test)]
mod tests;
