//! The power is cut under load: what was acknowledged is there when it comes back.

use crate::harness::endurance::{Starts, figure, rounds, seed, whole_at_the_end};
use crate::harness::evidence::survey;
use crate::harness::load::Load;
use crate::harness::powercut::Disk;
use crate::harness::process::{Store, desk, google};
use bodega::integrations::shopify::sandbox::Dice;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Longest time between two cuts, in milliseconds.
const LIFE_MAX: u64 = 400;

/// A loss of power costs nothing that was acknowledged.
///
/// Every other time the process is frozen before the cut, as a loss of power would have it, and everything that it ever acknowledged must be
/// there. The other times it lives on beside the dying disk. The kernel does not shut a file system down in one instant, and a sync that
/// overlaps with it may be confirmed for nothing: what was acknowledged after the cut began is counted there, what was before must be there.
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
    let (mut starts, mut too_late) = (Starts::default(), 0);
    let begun = Instant::now();
    for cut in 0..cuts {
        let http = store.http();
        let stop = CancellationToken::new();
        let is_frozen = cut % 2 == 0;
        let cutting = async {
            // The moment is the test's stimulus, not something that it waits for.
            tokio::time::sleep(Duration::from_millis(dice.below(LIFE_MAX))).await;
            if is_frozen {
                store.freeze();
            }
            let at = Instant::now();
            disk.cut();
            if !is_frozen {
                // The process lives on beside a dead disk for a moment.
                tokio::time::sleep(Duration::from_millis(dice.below(40))).await;
            }
            store.kill();
            stop.cancel();
            at
        };
        let ((), at) = tokio::join!(load.run(&http, 8, &stop), cutting);
        disk.restore();
        let acks = load.acks();
        let found = survey(&data, desk.path(), &acks);
        let early: Vec<_> = found.lost.iter().filter(|key| is_frozen || acks.at[*key] < at).collect();
        assert!(early.is_empty(), "cut {cut}: acknowledged before the cut, and not there: {early:?}");
        too_late += found.lost.len();
        load.forget(&found.lost);
        store = starts.again(&data, &log, &google, &load).await;
    }
    let per_cut = begun.elapsed() / u32::try_from(cuts.max(1)).unwrap();
    let end = whole_at_the_end(store, &load, &google, &data, desk.path()).await;
    figure(&format!(
        "power: {} ms a cut, {end}; {too_late} confirmed by a disk that was dying; {starts}",
        per_cut.as_millis()
    ));
}
