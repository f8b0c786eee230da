//! The power is cut under load: what was acknowledged is there when it comes back.

use crate::harness::evidence::examine;
use crate::harness::load::Load;
use crate::harness::powercut::Disk;
use crate::harness::process::{Store, desk, google};
use crate::kill::{assert_google_agrees, figure, finish, rounds, seed, spread};
use bodega::integrations::shopify::sandbox::Dice;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Longest time between two cuts, in milliseconds.
const LIFE_MAX: u64 = 400;

/// Reliability target RV3: a loss of power costs nothing that was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_under_load_takes_nothing_that_was_acknowledged() {
    let cuts = rounds("BODEGA_CUTS", 5, 50);
    let Some(mut disk) = Disk::for_test(512) else { return };
    let seed = seed();
    let mut dice = Dice::seeded(seed);
    figure(&format!("power: {cuts} cuts, BODEGA_SEED={seed}"));
    let (desk, log) = desk();
    let data = disk.path().join("data");
    let google = google().await;
    let mut store = Store::start(&data, &log, Some(&google.url));
    let load = Load::new(&store).await;
    let (mut ups, mut first_ingests) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    for cut in 0..cuts {
        let http = store.http();
        let stop = CancellationToken::new();
        let before = load.acks().count();
        let cutting = async {
            // The moment is the test's stimulus, not something that it waits for.
            tokio::time::sleep(Duration::from_millis(dice.below(LIFE_MAX))).await;
            disk.cut();
            // What the process says while its disk is dead is under test too: it must not acknowledge anything.
            tokio::time::sleep(Duration::from_millis(dice.below(40))).await;
            store.kill();
            stop.cancel();
        };
        tokio::join!(load.run(&http, 8, &stop), cutting);
        disk.restore();
        let acks = load.acks();
        examine(&data, desk.path(), &acks);
        assert!(cut == 0 || acks.count() > before, "nothing was acknowledged between two cuts");
        store = Store::start(&data, &log, Some(&google.url));
        let first = load.send(&store.http(), load.delivery()).await.expect("an answer");
        assert_eq!(first.status, 200, "{first:?}");
        ups.push(store.start_took);
        first_ingests.push(store.started.elapsed());
    }
    let per_cut = begun.elapsed() / u32::try_from(cuts.max(1)).unwrap();
    load.settle(&store.http()).await;
    let dead = finish(&store).await;
    assert_google_agrees(&google, &store, &load.skus()).await;
    store.terminate();
    assert!(store.ended(Duration::from_secs(10)).success());
    let acks = load.acks();
    let found = examine(&data, desk.path(), &acks);
    found.assert_finished(&acks);
    figure(&format!(
        "power: {} ms a cut, {} acknowledged, none lost, {} journal rows; start {}; start to first durable ingest {}; {dead} jobs \
         retried by hand; answers {:?}",
        per_cut.as_millis(),
        acks.count(),
        found.journal,
        spread(&mut ups),
        spread(&mut first_ingests),
        acks.statuses,
    ));
}
