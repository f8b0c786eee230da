//! Work that would hold up an async worker, on the blocking pool and never more of it at a time than a bound says.

use crate::base::error::{Kind, Problem};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Why bounded work was not done.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// All places stayed taken for as long as the caller may wait.
    #[error("Too much of this is going on right now. Try again in a moment.")]
    Busy,
    /// The work panicked, or the process is ending.
    #[error("blocking work did not finish: {0}")]
    Lost(String),
}

impl Problem for TaskError {
    fn kind(&self) -> Kind {
        match self {
            Self::Busy => Kind::Unavailable,
            Self::Lost(_) => Kind::Broken,
        }
    }
    fn code(&self) -> &'static str {
        match self {
            Self::Busy => "too_busy",
            Self::Lost(_) => "internal_error",
        }
    }
    fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::Busy).then(|| Duration::from_secs(2))
    }
}

/// A bound on work that is dear in memory or time, such as hashing a password.
pub struct Bounded {
    places: Semaphore,
    wait_max: Duration,
}

impl Bounded {
    /// At most `places` pieces of work at a time; a caller waits `wait_max` for a place.
    pub const fn new(places: usize, wait_max: Duration) -> Self {
        Self { places: Semaphore::const_new(places), wait_max }
    }

    /// Runs `act` on the blocking pool once there is a place. The place is held until `act` ends, also when the caller goes away.
    #[expect(clippy::disallowed_methods, reason = "this is the bounded door to the blocking pool")]
    pub async fn run<T: Send + 'static>(
        &'static self,
        act: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, TaskError> {
        let place = tokio::time::timeout(self.wait_max, self.places.acquire()).await;
        let Ok(Ok(place)) = place else { return Err(TaskError::Busy) };
        let done = tokio::task::spawn_blocking(move || {
            let outcome = act();
            drop(place);
            outcome
        });
        done.await.map_err(|error| TaskError::Lost(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    static ONE: Bounded = Bounded::new(1, Duration::from_millis(20));

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[expect(clippy::disallowed_methods, reason = "two callers at a time")]
    async fn one_more_than_the_bound_is_told_to_come_back() {
        let (go, wait) = mpsc::channel::<()>();
        let (began, has_begun) = tokio::sync::oneshot::channel();
        let first = tokio::spawn(ONE.run(move || {
            began.send(()).unwrap();
            wait.recv().unwrap();
            1
        }));
        has_begun.await.unwrap();
        assert!(matches!(ONE.run(|| 2).await, Err(TaskError::Busy)));
        go.send(()).unwrap();
        assert_eq!(first.await.unwrap().unwrap(), 1);
        assert_eq!(ONE.run(|| 3).await.unwrap(), 3);
    }
}
