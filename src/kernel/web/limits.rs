//! Request limits: a sliding window per class and caller (RA7.2, D22).

use crate::base::clock::Clock;
use crate::base::error::{Fault, Kind};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

/// Window of every limit.
const WINDOW: Duration = Duration::from_secs(60);
/// Callers that are remembered. Beyond it the ones that are idle for a window are forgotten, and if there are none, all.
const CALLERS_MAX: usize = 100_000;

/// Which limit a route falls under.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Class {
    /// Without sign-in, by address.
    Public,
    /// Signing in, by address.
    SignIn,
    /// With a token or session.
    Api,
    /// Verified deliveries, by channel.
    Channel,
    /// Failed signatures, by address.
    BadSignature,
    /// Health and figures: not limited.
    Free,
}

impl Class {
    /// The name in `RateLimit` headers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::SignIn => "sign-in",
            Self::Api => "api",
            Self::Channel => "channel",
            Self::BadSignature => "bad-signature",
            Self::Free => "free",
        }
    }
}

/// Requests per minute of each class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Without sign-in.
    pub public: u32,
    /// Signing in.
    pub sign_in: u32,
    /// With a token or session.
    pub api: u32,
    /// Verified deliveries.
    pub channel: u32,
    /// Failed signatures.
    pub bad_signature: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { public: 60, sign_in: 10, api: 1000, channel: 6000, bad_signature: 60 }
    }
}

impl Limits {
    const fn of(&self, class: Class) -> u32 {
        match class {
            Class::Public => self.public,
            Class::SignIn => self.sign_in,
            Class::Api => self.api,
            Class::Channel => self.channel,
            Class::BadSignature => self.bad_signature,
            Class::Free => u32::MAX,
        }
    }
}

/// Who is counted.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Counted {
    /// A network address.
    Address(std::net::IpAddr),
    /// A token, session or channel.
    Caller([u8; 16]),
}

#[derive(Clone, Copy)]
struct Window {
    number: u64,
    current: u32,
    before: u32,
}

/// What is left of a limit after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// The class.
    pub class: Class,
    /// Requests per minute.
    pub quota: u32,
    /// Requests that would still pass now.
    pub remaining: u32,
    /// Seconds until the window has moved on.
    pub reset_seconds: u64,
}

/// Counts requests.
pub struct Limiter {
    limits: Limits,
    clock: Arc<dyn Clock>,
    windows: Mutex<HashMap<(Class, Counted), Window>>,
}

impl Limiter {
    /// A limiter that has seen nobody.
    pub fn new(limits: Limits, clock: Arc<dyn Clock>) -> Self {
        Self { limits, clock, windows: Mutex::new(HashMap::new()) }
    }

    /// Requests per minute of a class.
    pub const fn quota(&self, class: Class) -> u32 {
        self.limits.of(class)
    }

    /// Counts a request, or refuses it with the time after which one passes again.
    pub fn take(&self, class: Class, counted: Counted) -> Result<Left, Fault> {
        let quota = self.limits.of(class);
        let elapsed = self.clock.monotonic();
        let width = WINDOW.as_millis();
        let number = u64::try_from(elapsed.as_millis() / width).unwrap_or(u64::MAX);
        let into = elapsed.as_millis() % width;
        let mut windows = self.windows.lock();
        if windows.len() >= CALLERS_MAX {
            windows.retain(|_, window| window.number.saturating_add(1) >= number);
            if windows.len() >= CALLERS_MAX {
                windows.clear();
            }
        }
        let window = windows.entry((class, counted)).or_insert(Window { number, current: 0, before: 0 });
        if window.number != number {
            let is_next = window.number.saturating_add(1) == number;
            *window = Window { number, current: 0, before: if is_next { window.current } else { 0 } };
        }
        // The window before counts for the part of it that the last 60 seconds still cover.
        let covered = u128::from(window.before) * (width - into) / width;
        let used = u128::from(window.current) + covered;
        let reset_seconds = u64::try_from((width - into).div_ceil(1000)).unwrap_or(60);
        if used >= u128::from(quota) {
            let detail = format!("Only {quota} requests a minute are taken here. Try again in {reset_seconds} s.");
            return Err(Fault::new(Kind::Limited, "rate_limited", detail).retry_in(Duration::from_secs(reset_seconds)));
        }
        window.current = window.current.saturating_add(1);
        let remaining = u32::try_from(u128::from(quota) - used - 1).unwrap_or(0);
        Ok(Left { class, quota, remaining, reset_seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{ManualClock, Timestamp};

    /// RA7.2
    #[test]
    fn the_window_slides_and_says_when_to_come_back() {
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        let limits = Limits { public: 10, ..Limits::default() };
        let limiter = Limiter::new(limits, Arc::<ManualClock>::clone(&clock));
        let caller = Counted::Caller([1; 16]);
        for left in (0..10).rev() {
            assert_eq!(limiter.take(Class::Public, caller.clone()).unwrap().remaining, left);
        }
        let fault = limiter.take(Class::Public, caller.clone()).unwrap_err();
        assert_eq!(fault.retry_after, Some(Duration::from_secs(60)));
        assert!(limiter.take(Class::Public, Counted::Caller([2; 16])).is_ok(), "others are not affected");
        clock.advance(Duration::from_secs(90));
        for _ in 0..5 {
            assert!(limiter.take(Class::Public, caller.clone()).is_ok());
        }
        assert!(limiter.take(Class::Public, caller).is_err(), "half of the window before still counts");
    }
}
