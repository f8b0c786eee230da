//! A disk without room: reading goes on, writes say so, and all is well again once there is room.

use crate::harness::endurance::{assert_google_agrees, figure, finish, tail};
use crate::harness::evidence::examine;
use crate::harness::load::Load;
use crate::harness::powercut::Disk;
use crate::harness::process::{Store, desk, google};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Writes must stand again within this time after there is room.
const HEAL_MAX: Duration = Duration::from_secs(5);
/// Until then the disk must have been noticed to be full.
const NOTICE_MAX: Duration = Duration::from_secs(60);

/// Takes all the room that is left.
fn fill(file: &mut File) {
    for size in [1 << 20, 4096, 512] {
        let block = vec![1; size];
        while file.write_all(&block).is_ok() {}
    }
    file.sync_all().unwrap_or(());
}

/// What a reader sees while nothing can be written.
async fn assert_readable(store: &Store) {
    let http = store.http();
    for path in [
        "/api/v1/orders?limit=5",
        "/api/v1/products?limit=5",
        "/api/v1/inventory/levels?limit=5",
        "/api/v1/inventory/movements?limit=5",
        "/api/v1/jobs?limit=5",
        "/api/v1/channels",
        "/api/v1/audit?limit=5",
        "/healthz",
    ] {
        let answered = http.get(path).await;
        assert_eq!(answered.status, 200, "{path}: {answered:?}");
    }
}

async fn assert_refused(store: &Store, load: &Load) {
    let http = store.http();
    for op in [load.order(), load.adjustment(), load.delivery()] {
        let answered = load.send(&http, op).await.expect("an answer");
        assert_eq!(answered.code(), (507, "disk_full"), "{answered:?}");
    }
}

/// Fills the disk under load until every kind of write is refused. The room that a log still has inside may serve some for a while.
async fn fill_up(load: &Load, ballast: &mut File, loaded: &CancellationToken) {
    let end = Instant::now() + NOTICE_MAX;
    let mut before = load.acks();
    loop {
        fill(ballast);
        // A round of the load, not a time: so many answers that each kind of request is among them.
        let answered = |acks: &crate::harness::load::Acks| acks.statuses.values().sum::<u64>();
        let mut now = load.acks();
        while answered(&now) < answered(&before) + 200 {
            assert!(Instant::now() < end, "the disk is not noticed to be full: {:?}", now.statuses);
            tokio::task::yield_now().await;
            now = load.acks();
        }
        if now.count() == before.count() {
            loaded.cancel();
            return;
        }
        before = now;
    }
}

async fn through_a_full_disk(data: &Path) {
    let (desk, log) = desk();
    let google = google().await;
    let mut store = Store::start(data, &log, Some(&google.url));
    let load = Load::new(&store).await;
    let http = store.http();
    let full = data.with_file_name("ballast");
    let mut ballast = File::create(&full).unwrap();
    for round in 0..2 {
        let stop = CancellationToken::new();
        tokio::join!(load.run(&http, 8, &stop), fill_up(&load, &mut ballast, &stop));
        assert_readable(&store).await;
        assert_refused(&store, &load).await;
        let ready = http.get("/readyz").await;
        assert_eq!(ready.status, 503, "{ready:?}");

        ballast.set_len(0).unwrap();
        ballast = File::create(&full).unwrap();
        ballast.sync_all().unwrap();
        let freed = Instant::now();
        loop {
            let answered = load.send(&http, load.order()).await.expect("an answer");
            if matches!(answered.status, 201 | 409) {
                break;
            }
            assert!(freed.elapsed() < HEAL_MAX, "{answered:?}\n{}", tail(&log));
        }
        let healed = freed.elapsed();
        let ready = http.get("/readyz").await;
        assert_eq!(ready.status, 200, "{ready:?}");
        load.settle(&http).await;
        let acks = load.acks();
        figure(&format!(
            "full disk, round {round}: healed after {} ms, answers {:?}",
            healed.as_millis(),
            acks.statuses
        ));
        assert!(acks.answers(507) > 0);
    }
    finish(&store).await;
    assert_google_agrees(&google, &store, &load.skus()).await;
    store.terminate();
    let status = store.ended(Duration::from_secs(10));
    assert!(status.success(), "{status:?}\n{}", tail(&log));
    let acks = load.acks();
    examine(data, desk.path(), &acks).assert_finished(&acks);
}

/// A disk that fills up during the main job. Jobs that met it are tried again after the spacing of a parked line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_reading_goes_on_writes_are_refused_and_all_heals_without_a_restart() {
    let Some(disk) = Disk::for_test(48) else { return };
    through_a_full_disk(&disk.path().join("data")).await;
}
