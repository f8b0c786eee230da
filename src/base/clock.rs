//! Time as the product sees it: a clock that is passed in, and instants in milliseconds shown as RFC 3339 UTC.
//!
//! This is the only file that reads the system's clock (decision D18).

use parking_lot::Mutex;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(pub i64);

/// 2200-01-01T00:00:00Z: a later instant in a request is a mistake, not a date.
const LATEST_MS: i64 = 7_258_118_400_000;

/// Why a text is not an instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not RFC 3339 with a zone.
    #[error("`{0}` is not an RFC 3339 time with a zone, as in 2026-11-21T09:30:00Z")]
    Format(String),
    /// Outside of 1970 to 2199.
    #[error("`{0}` lies outside of the years 1970 to 2199")]
    Range(String),
}

impl Timestamp {
    /// Reads RFC 3339 with any offset. Years outside of 1970 to 2199 are refused.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let shown = || text.chars().take(40).collect::<String>();
        let Ok(parsed) = text.parse::<jiff::Timestamp>() else {
            // The last day of the year 9999 is a date, but past what an instant can be.
            let civil = text.get(..19).and_then(|local| local.parse::<jiff::civil::DateTime>().ok());
            let is_date = civil.is_some_and(|at| at.year() == 9999);
            return Err(if is_date { TimeError::Range } else { TimeError::Format }(shown()));
        };
        let ms = parsed.as_millisecond();
        if (0..LATEST_MS).contains(&ms) { Ok(Self(ms)) } else { Err(TimeError::Range(shown())) }
    }

    /// This instant and a span.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This instant less a span.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Whole seconds since 1970.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => write!(f, "{instant:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "date-time"})
    }
}

impl rusqlite::ToSql for Timestamp {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

impl rusqlite::types::FromSql for Timestamp {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        i64::column_result(value).map(Self)
    }
}

/// Where time comes from.
pub trait Clock: Send + Sync {
    /// The wall time. Never earlier than a time it gave before.
    fn now(&self) -> Timestamp;
    /// Time that only passes: for leases, time-outs and rates.
    fn monotonic(&self) -> Duration;
}

/// The machine's clock, held to its high-water mark: a clock that is set back stands still until it has caught up.
pub struct SystemClock {
    high_water_ms: AtomicI64,
    started: Instant,
}

impl SystemClock {
    /// A clock that never shows a time before `floor`, the last time that was stored.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
    pub fn starting_at(floor: Timestamp) -> Self {
        Self { high_water_ms: AtomicI64::new(floor.0), started: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
    fn now(&self) -> Timestamp {
        let system = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |span| i64::try_from(span.as_millis()).unwrap_or(i64::MAX));
        Timestamp(self.high_water_ms.fetch_max(system, Ordering::Relaxed).max(system))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock that a test, or the demo, moves by hand.
pub struct ManualClock {
    state: Mutex<(Timestamp, Duration)>,
}

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self { state: Mutex::new((now, Duration::ZERO)) }
    }

    /// Lets time pass.
    pub fn advance(&self, span: Duration) {
        let mut state = self.state.lock();
        *state = (state.0.plus(span), state.1.saturating_add(span));
    }

    /// Sets the wall time only, as an operator who corrects the clock does.
    pub fn set(&self, now: Timestamp) {
        self.state.lock().0 = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.state.lock().0
    }
    fn monotonic(&self) -> Duration {
        self.state.lock().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_with_an_offset_is_shown_in_utc() {
        let at = Timestamp::parse("2026-11-21T03:14:07+01:00").unwrap();
        assert_eq!(at.to_string(), "2026-11-21T02:14:07.000Z");
    }

    #[test]
    fn years_that_nobody_means_are_refused() {
        assert!(matches!(Timestamp::parse("0000-01-01T00:00:00Z"), Err(TimeError::Range(_))));
        assert!(matches!(Timestamp::parse("9999-12-31T23:59:59Z"), Err(TimeError::Range(_))));
        assert!(matches!(Timestamp::parse("2026-11-21"), Err(TimeError::Format(_))));
    }

    #[test]
    fn the_system_clock_never_shows_less_than_its_floor() {
        let floor = Timestamp(LATEST_MS);
        assert_eq!(SystemClock::starting_at(floor).now(), floor);
    }
}
