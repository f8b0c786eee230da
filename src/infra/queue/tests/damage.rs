//! What becomes of the queue when its files are damaged between two runs.

use super::super::seal;
use super::*;
use std::path::PathBuf;

/// A plain generator: the rounds are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn generation(queue: &Path) -> String {
    let names = std::fs::read_dir(queue).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.into_iter().find(|name| name.contains('-')).unwrap()
}

/// Flips bits, zeroes a sector, cuts or empties a file.
fn hurt(path: &Path, dice: &mut Dice) {
    let mut bytes = std::fs::read(path).unwrap();
    // Most of a file is empty space in which damage does nothing.
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
    let at = dice.below(used);
    match dice.below(4) {
        0 => bytes[at..].iter_mut().take(1).for_each(|byte| *byte ^= 1 << dice.below(8)),
        1 => bytes.iter_mut().skip(at).take(512).for_each(|byte| *byte = 0),
        2 => bytes.truncate(at),
        _ => (0..32).for_each(|_| {
            let at = dice.below(used);
            bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = !*byte);
        }),
    }
    std::fs::write(path, bytes).unwrap();
}

fn work() -> Vec<Entry> {
    (1..=200).map(|seq| entry(0, u8::try_from(seq % 7).unwrap(), seq, -seq)).collect()
}

async fn run_and_close(root: &Path, backend: Backend) {
    let queue = Queue::start(settings(root, backend), Arc::new(ManualClock::at(NOON))).unwrap();
    queue.put(work());
    let leases = queue.lease(0, 20, HOLD).await;
    assert_eq!(leases.len(), 20);
    assert!(queue.close().await, "an undamaged index is closed in order");
}

#[tokio::test]
async fn an_index_closed_in_order_is_there_at_the_next_start_with_its_leased_entries() {
    for backend in [Backend::Sled, Backend::Sqlite] {
        let root = tempfile::tempdir().unwrap();
        for _ in 0..5 {
            run_and_close(root.path(), backend).await;
            let queue = Queue::start(settings(root.path(), backend), Arc::new(ManualClock::at(NOON))).unwrap();
            queue.poke().await;
            assert_eq!(queue.health().losses, 0, "{backend:?}");
            assert_each_once(&queue, &work()).await;
            assert!(queue.close().await);
        }
    }
}

#[tokio::test]
async fn an_index_that_was_not_closed_is_not_relied_on() {
    for backend in [Backend::Sled, Backend::Sqlite] {
        let root = tempfile::tempdir().unwrap();
        run_and_close(root.path(), backend).await;
        let queue = root.path().join("queue");
        assert!(matches!(seal::take(&queue, backend.name()).unwrap(), seal::Found::Sealed(_)));
        let queue = Queue::start(settings(root.path(), backend), Arc::new(ManualClock::at(NOON))).unwrap();
        assert_eq!(soon(queue.losses().next()).await.unwrap().reason, Reason::Unsealed);
        assert!(queue.lease(0, 10, HOLD).await.is_empty());
        queue.put(work());
        assert_each_once(&queue, &work()).await;
    }
}

#[tokio::test]
async fn another_backend_begins_anew() {
    let root = tempfile::tempdir().unwrap();
    run_and_close(root.path(), Backend::Sled).await;
    run_and_close(root.path(), Backend::Sqlite).await;
    let queue = Queue::start(settings(root.path(), Backend::Sled), Arc::new(ManualClock::at(NOON))).unwrap();
    assert_eq!(soon(queue.losses().next()).await.unwrap().reason, Reason::Unsealed);
}

/// Jobs lost, effects doubled with the index deleted, flipped or truncated: none.
#[tokio::test]
async fn whatever_happens_to_the_files_every_entry_is_leased_once_after_it_is_put_again() {
    let mut dice = Dice(7);
    for round in 0..60 {
        let backend = if round % 3 == 0 { Backend::Sqlite } else { Backend::Sled };
        let root = tempfile::tempdir().unwrap();
        run_and_close(root.path(), backend).await;
        let folder = root.path().join("queue");
        let expected = match round % 10 {
            8 => {
                std::fs::remove_dir_all(&folder).unwrap();
                Reason::New
            }
            9 => {
                std::fs::remove_dir_all(folder.join(generation(&folder))).unwrap();
                Reason::Damaged
            }
            _ => {
                let files = files(&folder.join(generation(&folder)));
                let before: Vec<_> = files.iter().map(|path| std::fs::read(path).unwrap()).collect();
                while files.iter().map(|path| std::fs::read(path).unwrap()).collect::<Vec<_>>() == before {
                    hurt(&files[dice.below(files.len())], &mut dice);
                }
                Reason::Damaged
            }
        };
        let queue = Queue::start(settings(root.path(), backend), Arc::new(ManualClock::at(NOON))).unwrap();
        assert_eq!(soon(queue.losses().next()).await.unwrap().reason, expected, "round {round}");
        queue.put(work());
        assert_each_once(&queue, &work()).await;
        assert!(queue.close().await);
    }
}

/// Runs in a process of its own, because what it does to sled stays: threads that hang, a pool that counts as broken.
#[tokio::test]
#[ignore = "started by the test that follows"]
async fn damage_behind_the_seal_in_a_process_of_its_own() {
    let mut dice = Dice(11);
    for round in 0..30 {
        let backend = if round % 3 == 0 { Backend::Sqlite } else { Backend::Sled };
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("queue");
        let start = || {
            let settings = Settings { deadline: Duration::from_millis(700), ..settings(root.path(), backend) };
            Queue::start(settings, Arc::new(ManualClock::at(NOON))).unwrap()
        };
        let queue = start();
        queue.put(work());
        if !queue.close().await {
            eprintln!("round {round}: {backend:?} is no longer usable in this process");
            continue;
        }
        let generation = generation(&folder);
        let files = files(&folder.join(&generation));
        hurt(&files[dice.below(files.len())], &mut dice);
        seal::write(&folder, &generation).unwrap();

        let queue = start();
        queue.poke().await;
        eprintln!("round {round}: {:?}", queue.health());
        // Damage may show when entries are put or leased: then all are put again, as the owner of the queue does.
        let mut losses = queue.losses();
        let known = futures_util::poll!(std::pin::pin!(losses.next())).is_ready();
        assert_eq!(known, queue.health().losses > 0);
        let mut leased = std::collections::BTreeSet::new();
        queue.put(work());
        loop {
            let leases = queue.lease(0, 64, HOLD).await;
            queue.poke().await;
            let lost = futures_util::poll!(std::pin::pin!(losses.next())).is_ready();
            if lost {
                leased.clear();
                queue.put(work());
            } else if leases.is_empty() {
                break;
            }
            for lease in leases.into_iter().filter(|_| !lost) {
                assert!(leased.insert(lease.ticket), "round {round}: leased twice");
                queue.settle(lease, Settle::Forget).await;
            }
        }
        assert!(work().iter().all(|entry| leased.contains(&entry.ticket)), "round {round}: something was lost");
        queue.close().await;
    }
}

#[test]
fn damage_that_reaches_a_backend_does_not_end_the_process() {
    let name = "infra::queue::tests::damage::damage_behind_the_seal_in_a_process_of_its_own";
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let output = child.args(["--exact", name, "--ignored", "--nocapture"]).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
