//! The circuit breaker: a vendor that fails five times in a row is left alone for a minute, then asked once (requirement RA3.1).

use crate::base::clock::{Clock, Timestamp};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Failures in a row that open a breaker.
pub const FAILURES_TO_OPEN: u32 = 5;
/// How long a breaker stays open.
pub const OPEN_FOR: Duration = Duration::from_mins(1);
/// What a caller is told to wait while somebody else's probe is under way.
const PROBE_WAIT: Duration = Duration::from_secs(5);

/// What a breaker watches: one kind of operation of one account at one vendor, so that a dead label service does not stop tracking, nor one
/// account another.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct BreakerKey {
    /// The vendor.
    pub target: &'static str,
    /// The account at the vendor, empty where there is one only.
    pub account: String,
    /// The operation class.
    pub class: &'static str,
}

/// How a call ended, as far as the vendor's health goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// The vendor answered, be it with a refusal.
    Healthy,
    /// Transport error or 5xx.
    Failed,
    /// Says nothing about the vendor.
    Nothing,
}

#[derive(Default)]
struct State {
    failures: u32,
    open_until: Option<Duration>,
    probing: bool,
}

/// All breakers of the process. Holds entries for failing vendors only.
pub(super) struct Breakers {
    clock: Arc<dyn Clock>,
    failing: Mutex<HashMap<BreakerKey, State>>,
}

/// Leave to make one call. Dropped without a verdict, as when the caller gives up, it says nothing and frees the probe.
pub(super) struct Permit<'a> {
    breakers: &'a Breakers,
    key: Option<BreakerKey>,
    probe: bool,
}

impl Breakers {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, failing: Mutex::new(HashMap::new()) }
    }

    /// Leave to call, or when to ask again.
    pub(super) fn admit(&self, key: BreakerKey) -> Result<Permit<'_>, Timestamp> {
        let now = self.clock.monotonic();
        let mut failing = self.failing.lock();
        let probe = match failing.get_mut(&key) {
            Some(state) => match state.open_until {
                Some(until) if now < until => return Err(self.clock.now().plus(until.saturating_sub(now))),
                Some(_) if state.probing => return Err(self.clock.now().plus(PROBE_WAIT)),
                Some(_) => {
                    state.probing = true;
                    true
                }
                None => false,
            },
            None => false,
        };
        drop(failing);
        Ok(Permit { breakers: self, key: Some(key), probe })
    }

    /// The open breakers and when each lets a probe through.
    pub(super) fn open(&self) -> Vec<(BreakerKey, Timestamp)> {
        let (now, wall) = (self.clock.monotonic(), self.clock.now());
        let failing = self.failing.lock();
        let open = failing.iter().filter_map(|(key, state)| Some((key.clone(), state.open_until?)));
        open.map(|(key, until)| (key, wall.plus(until.saturating_sub(now)))).collect()
    }

    fn settle(&self, key: &BreakerKey, probe: bool, verdict: Verdict) {
        let now = self.clock.monotonic();
        let mut failing = self.failing.lock();
        match verdict {
            Verdict::Healthy => {
                failing.remove(key);
            }
            Verdict::Failed => {
                let state = failing.entry(key.clone()).or_default();
                state.failures = state.failures.saturating_add(1);
                // A call that was under way when the breaker opened does not make it stay open longer.
                if probe || (state.open_until.is_none() && state.failures >= FAILURES_TO_OPEN) {
                    state.open_until = Some(now.saturating_add(OPEN_FOR));
                    state.probing = false;
                }
            }
            Verdict::Nothing => {
                if let Some(state) = failing.get_mut(key).filter(|_| probe) {
                    state.probing = false;
                }
            }
        }
    }
}

impl Permit<'_> {
    /// Says how the call ended.
    pub(super) fn settle(mut self, verdict: Verdict) {
        if let Some(key) = self.key.take() {
            self.breakers.settle(&key, self.probe, verdict);
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.breakers.settle(&key, self.probe, Verdict::Nothing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::ManualClock;

    fn key(class: &'static str) -> BreakerKey {
        BreakerKey { target: "carrier", account: "1".to_owned(), class }
    }

    fn fixture() -> (Arc<ManualClock>, Breakers) {
        let clock = Arc::new(ManualClock::at(Timestamp(1_763_690_000_000)));
        let breakers = Breakers::new(Arc::<ManualClock>::clone(&clock));
        (clock, breakers)
    }

    fn fail(breakers: &Breakers, times: u32) {
        for _ in 0..times {
            breakers.admit(key("label")).ok().unwrap().settle(Verdict::Failed);
        }
    }

    /// RA3.1
    #[test]
    fn five_failures_in_a_row_open_it_for_sixty_seconds_and_then_one_probe_goes_out() {
        let (clock, breakers) = fixture();
        fail(&breakers, 5);
        let until = breakers.admit(key("label")).err().unwrap();
        assert_eq!(until, clock.now().plus(OPEN_FOR));
        assert!(breakers.admit(key("track")).is_ok(), "another operation class goes on");
        let other = BreakerKey { account: "2".to_owned(), ..key("label") };
        assert!(breakers.admit(other).is_ok(), "another account goes on");
        clock.advance(Duration::from_millis(59_999));
        assert!(breakers.admit(key("label")).is_err());
        clock.advance(Duration::from_millis(1));
        let probe = breakers.admit(key("label")).ok().unwrap();
        assert!(breakers.admit(key("label")).is_err(), "one probe at a time");
        probe.settle(Verdict::Failed);
        assert_eq!(breakers.admit(key("label")).err().unwrap(), clock.now().plus(OPEN_FOR));
        clock.advance(OPEN_FOR);
        breakers.admit(key("label")).ok().unwrap().settle(Verdict::Healthy);
        fail(&breakers, 4);
        assert!(breakers.admit(key("label")).is_ok(), "a good answer starts the count anew");
    }

    #[test]
    fn an_answer_between_failures_starts_the_count_anew() {
        let (_, breakers) = fixture();
        fail(&breakers, 4);
        breakers.admit(key("label")).ok().unwrap().settle(Verdict::Healthy);
        fail(&breakers, 4);
        assert!(breakers.admit(key("label")).is_ok() && breakers.open().is_empty());
    }

    #[test]
    fn a_wall_clock_that_is_set_back_does_not_keep_it_open() {
        let (clock, breakers) = fixture();
        fail(&breakers, 5);
        clock.advance(OPEN_FOR);
        clock.set(Timestamp(1_000_000_000_000));
        assert!(breakers.admit(key("label")).is_ok());
    }

    #[test]
    fn a_probe_that_is_given_up_makes_room_for_the_next() {
        let (clock, breakers) = fixture();
        fail(&breakers, 5);
        clock.advance(OPEN_FOR);
        drop(breakers.admit(key("label")).ok().unwrap());
        assert!(breakers.admit(key("label")).is_ok());
    }
}
