//! Backends that hang, panic or fail are replaced, and nothing of it reaches the caller.

use super::*;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

const SHORT: Duration = Duration::from_secs(1);

const WELL: u8 = 0;
const HANGS: u8 = 1;
const PANICS: u8 = 2;
const FAILS: u8 = 3;

/// A backend whose first copy misbehaves when it is told to. Later copies are well.
struct Moody {
    inner: MemoryIndex,
    first: bool,
    mood: Arc<AtomicU8>,
    release: Receiver<()>,
}

impl Moody {
    fn feel(&self) -> Result<(), IndexError> {
        match self.mood.load(Ordering::SeqCst) {
            HANGS if self.first => drop(self.release.recv()),
            PANICS if self.first => panic!("as asked for"),
            FAILS if self.first => return Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into()),
            _ => {}
        }
        Ok(())
    }
}

impl Index for Moody {
    fn put(&mut self, entries: &[Entry]) -> Result<Vec<Ticket>, IndexError> {
        self.inner.put(entries)
    }
    fn remove(&mut self, tickets: &[Ticket]) -> Result<Vec<Ticket>, IndexError> {
        self.inner.remove(tickets)
    }
    fn take(&mut self, lane: Lane, tenant: TenantId, now: Timestamp, max: usize) -> Result<Taken, IndexError> {
        self.feel()?;
        self.inner.take(lane, tenant, now, max)
    }
    fn rooms(&mut self) -> Result<Vec<Room>, IndexError> {
        self.inner.rooms()
    }
    fn close(self: Box<Self>) -> Result<(), IndexError> {
        Ok(())
    }
}

struct Nurse {
    mood: Arc<AtomicU8>,
    _release: Sender<()>,
    opened: Arc<AtomicUsize>,
}

fn moody() -> (Nurse, Opener) {
    let (release, released) = bounded(0);
    let nurse = Nurse { mood: Arc::default(), _release: release, opened: Arc::default() };
    let (mood, opened) = (Arc::clone(&nurse.mood), Arc::clone(&nurse.opened));
    let opener: Opener = Arc::new(move |_| {
        let first = opened.fetch_add(1, Ordering::SeqCst) == 0;
        let release = released.clone();
        Ok(Box::new(Moody { inner: MemoryIndex::default(), first, mood: Arc::clone(&mood), release }))
    });
    (nurse, opener)
}

async fn a_bad_backend_is_replaced(mood: u8, reason: Reason) {
    let (nurse, opener) = moody();
    let bench = Bench::with(opener, SHORT);
    let mut losses = bench.queue.losses();
    assert_eq!(soon(losses.next()).await.unwrap().reason, Reason::New);
    let all = [entry(0, 1, 1, 0), entry(0, 1, 2, 0), entry(0, 2, 3, 0)];
    bench.queue.put(all.to_vec());
    let before = bench.lease(1).await[0];
    bench.queue.pause(0, tenant(2), NOON.plus(HOLD));

    nurse.mood.store(mood, Ordering::SeqCst);
    assert!(bench.lease(1).await.is_empty());
    let loss = soon(losses.next()).await.unwrap();
    assert_eq!((loss.reason, loss.number), (reason, 2));
    assert!(loss.boot > before.token.boot);
    assert!(!bench.queue.settle(before, Settle::Forget).await);
    let health = bench.queue.health();
    assert_eq!((health.backend, health.degraded, health.boot), ("sled", None, loss.boot));
    let bad = bench.root.path().join(format!("queue.bad-{}", NOON.0));
    assert!(bad.is_dir(), "the folder is kept to be looked at");
    assert_eq!(bench.queue.paused().await.len(), 1, "a pause is not part of the index");

    bench.queue.resume(0, tenant(2));
    bench.queue.put(all.to_vec());
    assert_each_once(&bench.queue, &all).await;
    nurse.mood.store(WELL, Ordering::SeqCst);
}

#[tokio::test]
async fn a_backend_that_hangs_is_abandoned_and_replaced() {
    a_bad_backend_is_replaced(HANGS, Reason::TimedOut).await;
}

#[tokio::test]
async fn a_backend_that_panics_is_replaced() {
    a_bad_backend_is_replaced(PANICS, Reason::Panicked).await;
}

#[tokio::test]
async fn a_backend_that_fails_is_replaced() {
    a_bad_backend_is_replaced(FAILS, Reason::Failed).await;
}

async fn a_backend_that_cannot_be_opened_is_done_without(opener: Opener) {
    let bench = Bench::with(opener, SHORT);
    let mut losses = bench.queue.losses();
    soon(losses.next()).await.unwrap();
    let health = bench.queue.health();
    assert_eq!(health.backend, "memory");
    assert!(health.degraded.is_some());
    let all = [entry(0, 1, 1, 0), entry(0, 2, 2, 0)];
    bench.queue.put(all.to_vec());
    assert_each_once(&bench.queue, &all).await;
    assert!(!bench.queue.close().await);
}

#[tokio::test]
async fn without_a_disk_the_queue_works_in_memory() {
    a_backend_that_cannot_be_opened_is_done_without(Arc::new(|_| {
        Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into())
    }))
    .await;
}

#[tokio::test]
async fn an_open_that_panics_is_done_without() {
    a_backend_that_cannot_be_opened_is_done_without(Arc::new(|_| panic!("as asked for"))).await;
}

#[tokio::test]
async fn an_open_that_hangs_is_done_without() {
    let (release, released) = bounded::<()>(0);
    let opener: Opener = Arc::new(move |_| {
        assert!(released.recv().is_err());
        Ok(Box::new(MemoryIndex::default()))
    });
    a_backend_that_cannot_be_opened_is_done_without(opener).await;
    drop(release);
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_done_without() {
    for backend in [Backend::Sled, Backend::Sqlite] {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        std::fs::write(&file, b"not a folder").unwrap();
        let queue = Queue::start(settings(&file, backend), Arc::new(ManualClock::at(NOON))).unwrap();
        soon(queue.losses().next()).await.unwrap();
        assert_eq!(queue.health().backend, "memory");
        queue.put(vec![entry(0, 1, 1, 0)]);
        assert_eq!(queue.lease(0, 1, HOLD).await.len(), 1);
    }
}

#[tokio::test]
async fn a_backend_that_is_lost_again_and_again_ends_in_memory_with_three_folders_kept() {
    struct Hopeless;
    impl Index for Hopeless {
        fn put(&mut self, _: &[Entry]) -> Result<Vec<Ticket>, IndexError> {
            Err(IndexError::Damaged("always".to_owned()))
        }
        fn remove(&mut self, _: &[Ticket]) -> Result<Vec<Ticket>, IndexError> {
            Ok(Vec::new())
        }
        fn take(&mut self, _: Lane, _: TenantId, _: Timestamp, _: usize) -> Result<Taken, IndexError> {
            Ok(Taken::default())
        }
        fn rooms(&mut self) -> Result<Vec<Room>, IndexError> {
            Ok(Vec::new())
        }
        fn close(self: Box<Self>) -> Result<(), IndexError> {
            Ok(())
        }
    }
    let bench = Bench::with(Arc::new(|_| Ok(Box::new(Hopeless))), Duration::from_secs(30));
    let mut boots = vec![bench.queue.health().boot];
    for _ in 0..8 {
        bench.queue.put(vec![entry(0, 1, 1, 0)]);
        bench.queue.poke().await;
        boots.push(bench.queue.health().boot);
    }
    assert!(boots.is_sorted());
    assert_eq!(bench.queue.health().backend, "memory");
    assert_eq!(bench.sequences(1).await, [1]);
    let names = std::fs::read_dir(bench.root.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.filter(|name| name.to_string_lossy().starts_with("queue.bad-")).count(), 3);
}
