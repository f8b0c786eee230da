//! How fast calls go out: below the vendor's limits, so that they are not run into (decision D34).

use super::port::{FeedAccount, FeedPort, PushContext, Quota};
use crate::base::clock::Clock;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// Calls a minute when the vendor does not say.
const PER_MINUTE: i64 = 600;
/// How long limits are believed.
const LIMITS_FOR: Duration = Duration::from_mins(10);
/// The longest wait inside a run.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// The longest that a job is put off for want of a turn.
const PUT_OFF_MAX: Duration = Duration::from_mins(10);
const MINUTE: Duration = Duration::from_mins(1);

/// The kinds of calls that have limits of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Group {
    /// Product pushes.
    Product,
    /// Stock pushes.
    Stock,
}

/// When a call may go out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// After this short wait; the turn is taken.
    After(Duration),
    /// Not before this has passed; no turn is taken.
    Later(Duration),
}

/// A bucket of turns: a tenth of the limit at once, the rest spread over the minute, so that no minute ever sees more than the limit.
struct Bucket {
    interval: Duration,
    burst: Duration,
    next: Duration,
    put_off: Duration,
}

impl Bucket {
    fn new(per_minute: i64) -> Self {
        let mut bucket =
            Self { interval: MINUTE, burst: Duration::ZERO, next: Duration::ZERO, put_off: Duration::ZERO };
        bucket.limit(per_minute);
        bucket
    }

    fn limit(&mut self, per_minute: i64) {
        let limit = u32::try_from(per_minute.max(1)).unwrap_or(u32::MAX);
        let at_once = (limit / 10).max(1);
        let spread = limit.saturating_sub(at_once).max(1);
        self.interval = MINUTE.checked_div(spread).unwrap_or(MINUTE);
        self.burst = self.interval.saturating_mul(at_once.saturating_sub(1));
    }

    fn turn(&mut self, now: Duration) -> Turn {
        let next = self.next.max(now);
        let wait = next.saturating_sub(now).saturating_sub(self.burst);
        if wait <= WAIT_MAX {
            self.next = next.saturating_add(self.interval);
            return Turn::After(wait);
        }
        // Those that are put off get one place each: together they would come back at the same time, again and again.
        let place = self.put_off.max(now.saturating_add(wait)).min(now.saturating_add(PUT_OFF_MAX));
        self.put_off = place.saturating_add(self.interval);
        Turn::Later(place.saturating_sub(now))
    }
}

struct Buckets {
    product: Bucket,
    stock: Bucket,
    read_again: Option<Duration>,
    /// The last reading failed, and no push went well since.
    is_failing: bool,
}

/// The pace of one account.
pub struct Pace {
    clock: Arc<dyn Clock>,
    buckets: Mutex<Buckets>,
    reading: tokio::sync::Mutex<()>,
}

impl Pace {
    /// A pace that knows no limits yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let (product, stock) = (Bucket::new(PER_MINUTE), Bucket::new(PER_MINUTE));
        let buckets = Buckets { product, stock, read_again: None, is_failing: false };
        Self { clock, buckets: Mutex::new(buckets), reading: tokio::sync::Mutex::new(()) }
    }

    /// Whether limits are to be read.
    fn is_due(&self) -> bool {
        let buckets = self.buckets.lock();
        !buckets.is_failing && buckets.read_again.is_none_or(|at| at <= self.clock.monotonic())
    }

    /// Reads the limits when they are old. Limits that cannot be read are kept as they are known: the push itself will say what is wrong, and they
    /// are not asked for again before one went well, so that a vendor in trouble sees no call more than the schedule of retries gives it.
    pub async fn learn(&self, port: &dyn FeedPort, account: &FeedAccount, context: &PushContext) {
        if !self.is_due() {
            return;
        }
        let _one = self.reading.lock().await;
        if !self.is_due() {
            return;
        }
        let read = port.quotas(account, context).await;
        let now = self.clock.monotonic();
        let mut buckets = self.buckets.lock();
        match read {
            Ok(quotas) => {
                buckets.product.limit(limit_of(&quotas, "product"));
                buckets.stock.limit(limit_of(&quotas, "inventor"));
                buckets.read_again = Some(now.saturating_add(LIMITS_FOR));
            }
            Err(error) => {
                tracing::debug!(%error, "the vendor's limits cannot be read");
                buckets.is_failing = true;
            }
        }
    }

    /// A push went well.
    pub fn went_well(&self) {
        self.buckets.lock().is_failing = false;
    }

    /// The next turn of a group.
    pub fn turn(&self, group: Group) -> Turn {
        let now = self.clock.monotonic();
        let mut buckets = self.buckets.lock();
        match group {
            Group::Product => buckets.product.turn(now),
            Group::Stock => buckets.stock.turn(now),
        }
    }
}

/// The tightest limit over the groups that hold an insert of `what`.
fn limit_of(quotas: &[Quota], what: &str) -> i64 {
    let holds = |method: &String| {
        let method = method.to_ascii_lowercase();
        method.contains(what) && method.contains("insert")
    };
    let limits = quotas.iter().filter(|quota| quota.per_minute > 0 && quota.methods.iter().any(holds));
    limits.map(|quota| quota.per_minute).min().unwrap_or(PER_MINUTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// D34: whoever asks as often as he can stays within the limit in every minute.
    #[test]
    fn no_minute_sees_more_than_the_limit() {
        for limit in [2_i64, 5, 60, 1_200] {
            let mut bucket = Bucket::new(limit);
            let mut taken: Vec<Duration> = Vec::new();
            let mut now = Duration::ZERO;
            while now < Duration::from_mins(5) {
                match bucket.turn(now) {
                    Turn::After(wait) => taken.push(now + wait),
                    Turn::Later(_) => now += Duration::from_millis(20),
                }
            }
            for (at, start) in taken.iter().enumerate() {
                let within = taken[at..].iter().take_while(|end| **end < *start + MINUTE).count();
                assert!(
                    within <= usize::try_from(limit).unwrap(),
                    "{within} within a minute of {start:?}, limit {limit}"
                );
            }
            assert!(taken.len() >= usize::try_from(limit * 2).unwrap(), "{} turns of {limit} a minute", taken.len());
        }
    }

    #[test]
    fn those_that_are_put_off_get_a_place_each() {
        let mut bucket = Bucket::new(10);
        assert_eq!(bucket.turn(Duration::ZERO), Turn::After(Duration::ZERO));
        let places: Vec<Turn> = (0..200).map(|_| bucket.turn(Duration::ZERO)).collect();
        assert!(matches!((places[0], places[1]), (Turn::Later(a), Turn::Later(b)) if a < b));
        assert!(places.iter().all(|place| matches!(place, Turn::Later(span) if *span <= PUT_OFF_MAX)));
    }

    #[test]
    fn the_tightest_limit_of_the_right_group_counts() {
        let quota = |method: &str, per_minute| Quota {
            group: String::new(),
            used: 0,
            per_day: 0,
            per_minute,
            methods: vec![method.to_owned()],
        };
        let quotas =
            [quota("productInputs.insert", 100), quota("localInventories.insert", 50), quota("products.list", 5)];
        assert_eq!((limit_of(&quotas, "product"), limit_of(&quotas, "inventor")), (100, 50));
        assert_eq!(limit_of(&[], "product"), PER_MINUTE);
    }
}
