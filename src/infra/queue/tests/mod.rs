//! Tests of the queue as a whole, and what they share.

mod backends;
mod damage;
mod guarding;
mod leasing;

use super::guard::Opener;
use super::*;
use crate::base::clock::{Clock, ManualClock};
use std::path::Path;
use std::sync::Arc;

const NOON: Timestamp = Timestamp(1_800_000_000_000);
const HOLD: Duration = Duration::from_secs(60);

fn tenant(n: u8) -> TenantId {
    TenantId::from([n; 16])
}

fn ticket(lane: Lane, store: u8, seq: i64) -> Ticket {
    Ticket { lane, tenant: tenant(store), seq }
}

/// Due `late` milliseconds after noon.
fn entry(lane: Lane, store: u8, seq: i64, late: i64) -> Entry {
    Entry { ticket: ticket(lane, store, seq), due: Timestamp(NOON.0 + late) }
}

fn settings(folder: &Path, backend: Backend) -> Settings {
    // Short enough that a hang ends the test, long enough for a slow machine.
    // Nothing waits in front of the backend, which is what these tests are about.
    Settings { backend, deadline: Duration::from_secs(30), near_max: 0, ..Settings::in_folder(folder.join("queue")) }
}

struct Bench {
    queue: Queue,
    clock: Arc<ManualClock>,
    root: tempfile::TempDir,
}

impl Bench {
    fn new(backend: Backend) -> Self {
        let root = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(NOON));
        let queue = Queue::start(settings(root.path(), backend), Arc::<ManualClock>::clone(&clock)).unwrap();
        Self { queue, clock, root }
    }

    fn with(opener: Opener, deadline: Duration) -> Self {
        let root = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(NOON));
        let settings = Settings { deadline, ..settings(root.path(), Backend::Sled) };
        let queue = Queue::start_with(settings, Some(opener), Arc::<ManualClock>::clone(&clock)).unwrap();
        Self { queue, clock, root }
    }

    async fn pass(&self, span: Duration) {
        self.clock.advance(span);
        self.queue.poke().await;
    }

    async fn lease(&self, max: usize) -> Vec<Lease> {
        self.queue.lease(0, max, HOLD).await
    }

    async fn sequences(&self, max: usize) -> Vec<i64> {
        self.lease(max).await.iter().map(|lease| lease.ticket.seq).collect()
    }
}

/// Waits for something that another thread does.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what).await.expect("it should have happened by now")
}

/// Leases everything and checks that each ticket is leased once, also after all were settled.
async fn assert_each_once(queue: &Queue, expected: &[Entry]) {
    let mut leased: Vec<Ticket> = Vec::new();
    loop {
        let leases = queue.lease(0, 64, HOLD).await;
        if leases.is_empty() {
            break;
        }
        for lease in leases {
            leased.push(lease.ticket);
            assert!(queue.settle(lease, Settle::Forget).await);
        }
    }
    leased.sort_unstable();
    let mut tickets: Vec<Ticket> = expected.iter().map(|entry| entry.ticket).collect();
    tickets.sort_unstable();
    assert_eq!(leased, tickets);
}
