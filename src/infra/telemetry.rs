//! Logs and figures: JSON lines on standard error, and a Prometheus registry.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use parking_lot::Mutex;
use std::io::{BufWriter, IsTerminal as _};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Lines that may wait for a slow standard error. More are dropped and counted by the appender rather than holding up requests.
const LINES_MAX: usize = 64 * 1024;

/// Bucket bounds of durations, in seconds.
const SECONDS: &[f64] =
    &[0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Bucket bounds of batch sizes.
const COUNTS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 256.0];

static REGISTRY: Mutex<Option<PrometheusHandle>> = Mutex::new(None);

/// The process's registry, installed by the first call.
pub fn registry() -> Option<PrometheusHandle> {
    let mut slot = REGISTRY.lock();
    if slot.is_none() {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_commands".to_owned()), COUNTS));
        match builder.and_then(PrometheusBuilder::install_recorder) {
            Ok(handle) => {
                describe();
                *slot = Some(handle);
            }
            Err(error) => tracing::error!(%error, "no figures: the registry cannot be installed"),
        }
    }
    slot.clone()
}

fn describe() {
    metrics::describe_histogram!(
        "bodega_http_request_duration_seconds",
        "Time from a request's headers to its answer."
    );
    metrics::describe_counter!("bodega_http_requests_total", "Requests by operation and status class.");
    metrics::describe_histogram!(
        "bodega_command_duration_seconds",
        "Time from queueing a command to its durable commit."
    );
    metrics::describe_counter!("bodega_commands_total", "Commands by name and outcome.");
    metrics::describe_histogram!("bodega_db_batch_commands", "Commands that shared one commit.");
    metrics::describe_counter!("bodega_db_checkpoints_total", "Checkpoints of write-ahead logs.");
    metrics::describe_counter!("bodega_jobs_total", "Runs of background jobs by kind and outcome.");
    metrics::describe_counter!("bodega_hook_deliveries_total", "Deliveries of sales channels by outcome.");
    metrics::describe_counter!("bodega_cache_hits_total", "Cached answers that were served.");
    metrics::describe_counter!("bodega_cache_misses_total", "Answers that had to be read.");
    metrics::describe_counter!("bodega_cache_overtaken_total", "Answers that a commit overtook while they were read.");
    metrics::describe_gauge!("bodega_queue_depth", "Jobs in the queue by lane.");
    metrics::describe_counter!("bodega_queue_rebuilds_total", "Times that the queue was filled from the outboxes.");
    metrics::describe_counter!("bodega_queue_lease_expired_total", "Leases that were not settled in time.");
    metrics::describe_counter!("bodega_egress_requests_total", "Calls to vendors by target and outcome.");
    metrics::describe_histogram!("bodega_egress_duration_seconds", "Time of calls to vendors.");
}

/// Starts logging to standard error: JSON lines, or short ones on a terminal. Keep the guard: dropping it writes what is left.
///
/// `filter` is a `tracing` filter such as `info` or `info,bodega::kernel=debug`.
pub fn start_logs(filter: &str) -> Option<WorkerGuard> {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let is_terminal = std::io::stderr().is_terminal();
    // The appender flushes when no line waits: under load many go out in one write.
    let output = BufWriter::new(std::io::stderr());
    let (writer, guard) = NonBlockingBuilder::default().buffered_lines_limit(LINES_MAX).lossy(true).finish(output);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let installed = if is_terminal {
        builder.with_target(false).compact().try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(true).try_init()
    };
    installed.ok().map(|()| guard)
}
