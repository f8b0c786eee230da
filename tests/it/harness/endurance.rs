//! What the tests have in common that end a store many times over: their length and seed, starting it again, and what must be true at the end.

use super::evidence::examine;
use super::load::Load;
use super::process::Store;
use bodega::base::id::Entropy as _;
use bodega::infra::vault::SystemEntropy;
use bodega::integrations::google::sandbox::GoogleSandbox;
use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

/// Rounds: as asked for, else `short`, or `long` with `BODEGA_LONG=1`.
pub(crate) fn rounds(variable: &str, short: u64, long: u64) -> u64 {
    let asked = std::env::var(variable).ok().map(|text| text.parse().expect("a number of rounds"));
    let is_long = std::env::var("BODEGA_LONG").is_ok_and(|value| value == "1");
    asked.unwrap_or(if is_long { long } else { short })
}

/// Says a figure where it is seen also when the test passes.
pub(crate) fn figure(text: &str) {
    std::io::stderr().write_all(format!("FIGURE {text}\n").as_bytes()).unwrap();
}

/// The seed of this run: as asked for, else by chance.
pub(crate) fn seed() -> u64 {
    let asked = std::env::var("BODEGA_SEED").ok().map(|text| text.parse().expect("a seed"));
    asked.unwrap_or_else(|| {
        let mut bytes = [0; 8];
        SystemEntropy.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    })
}

/// Middle and worst of some spans.
pub(crate) fn spread(spans: &[Duration]) -> String {
    let mut spans = spans.to_vec();
    spans.sort();
    let (middle, worst) = (spans[spans.len() / 2], spans[spans.len() - 1]);
    format!("p50 {} ms, max {} ms", middle.as_millis(), worst.as_millis())
}

/// How long the starts took.
#[derive(Default)]
pub(crate) struct Starts {
    ups: Vec<Duration>,
    first_ingests: Vec<Duration>,
}

impl Starts {
    /// Starts the store once more, until its first delivery is durable.
    pub(crate) async fn again(&mut self, data: &Path, log: &Path, google: &GoogleSandbox, load: &Load) -> Store {
        let store = Store::start(data, log, Some(&google.url));
        let first = load.send(&store.http(), load.delivery()).await.expect("an answer");
        assert_eq!(first.status, 200, "{first:?}");
        self.ups.push(store.start_took);
        self.first_ingests.push(store.started.elapsed());
        store
    }

    /// The longest time from a start to its first durable delivery.
    pub(crate) fn worst_first_ingest(&self) -> Duration {
        self.first_ingests.iter().max().copied().unwrap_or_default()
    }
}

impl fmt::Display for Starts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "start {}; start to first durable ingest {}", spread(&self.ups), spread(&self.first_ingests))
    }
}

/// Google's record equals what the store has to sell, and no push had its effect twice.
pub(crate) async fn assert_google_agrees(google: &GoogleSandbox, store: &Store, skus: &[String]) {
    let http = store.http();
    for sku in skus {
        let levels = http.get(&format!("/api/v1/inventory/levels?q={sku}&limit=50")).await;
        let main = levels.body["data"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["sku"] == **sku && row["warehouse_code"] == "MAIN");
        let available = main.unwrap_or_else(|| panic!("no level of {sku}"))["available"].as_i64();
        let record = google.inventory(sku, "BONN-01").unwrap_or_else(|| panic!("Google was not told of {sku}"));
        assert_eq!(record.quantity, available, "{sku}: {record:?}");
        for pair in record.effects.windows(2) {
            assert!(
                pair[0].quantity != pair[1].quantity || pair[0].availability != pair[1].availability,
                "{sku}: {pair:?}"
            );
        }
    }
}

/// Lets the work end, stops the store, and asserts that nothing acknowledged is missing and nothing stands twice. Gives the figures.
pub(crate) async fn whole_at_the_end(
    mut store: Store,
    load: &Load,
    google: &GoogleSandbox,
    data: &Path,
    desk: &Path,
) -> String {
    load.settle(&store.http()).await;
    let dead = finish(&store).await;
    assert_google_agrees(google, &store, &load.skus()).await;
    store.terminate();
    assert!(store.ended(Duration::from_secs(10)).success());
    let acks = load.acks();
    let found = examine(data, desk, &acks);
    found.assert_finished(&acks);
    format!(
        "{} acknowledged, answers {:?}; {} journal rows; {dead} jobs lost three leases and were retried by hand",
        acks.count(),
        acks.statuses,
        found.journal
    )
}

/// Waits until all work is done. A job that ran while three kills came is a dead letter by rule (D3), and an operator retries it.
pub(crate) async fn finish(store: &Store) -> u64 {
    let http = store.http();
    let mut retried = 0;
    loop {
        let dead = http.drained(Duration::from_secs(180)).await;
        if dead == 0 {
            return retried;
        }
        let letters = http.get("/api/v1/jobs/dead-letters?limit=100").await;
        for letter in letters.body["data"].as_array().unwrap() {
            assert_eq!(letter["lease_losses"], 3, "{letter}");
        }
        retried += dead;
        let answered = http.post("/api/v1/jobs/dead-letters/retry", &serde_json::json!({})).await;
        assert_eq!(answered.status, 200, "{answered:?}");
    }
}

/// The end of a log, for a failing test.
pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
