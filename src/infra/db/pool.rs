//! The few threads that run all files' writers, and the fewer that fold logs in.

use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

type Turn = Box<dyn FnOnce() + Send>;

/// A fixed set of threads with one run queue. A file has at most one turn in it.
///
/// Of several idle threads the one that was busy last is woken: its caches are warm, and a single busy store then stays on one thread.
pub struct Threads {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Turn>,
    /// Idle threads, the one that was busy last at the end.
    idle: Vec<Arc<Seat>>,
    is_closed: bool,
}

/// Where an idle thread waits for its next turn.
#[derive(Default)]
struct Seat {
    next: Mutex<Next>,
    filled: Condvar,
}

#[derive(Default)]
enum Next {
    #[default]
    Nothing,
    Turn(Turn),
    Closed,
}

impl Threads {
    /// `threads` writers, or max(8, 4 × cores) when zero (D8): enough that stuck disks of a few stores leave threads for the others.
    pub fn for_writers(threads: usize) -> Result<Arc<Self>, std::io::Error> {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let count = if threads == 0 { cores.saturating_mul(4).max(8) } else { threads };
        Self::start("writer", count)
    }

    /// `count` threads, named after what they do.
    pub(super) fn start(name: &str, count: usize) -> Result<Arc<Self>, std::io::Error> {
        let shared = Arc::new(Shared { state: Mutex::new(State::default()) });
        let pool = Arc::new(Self { shared: Arc::clone(&shared) });
        for number in 0..count {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name(format!("{name}-{number}")).spawn(move || work(&shared))?;
        }
        Ok(pool)
    }

    /// Whether a file waits for a thread.
    pub(super) fn has_waiting(&self) -> bool {
        !self.shared.state.lock().waiting.is_empty()
    }

    pub(super) fn run(&self, turn: Turn) {
        let mut state = self.shared.state.lock();
        let Some(seat) = state.idle.pop() else {
            state.waiting.push_back(turn);
            return;
        };
        drop(state);
        *seat.next.lock() = Next::Turn(turn);
        seat.filled.notify_one();
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.is_closed = true;
        for seat in state.idle.drain(..) {
            *seat.next.lock() = Next::Closed;
            seat.filled.notify_one();
        }
    }
}

fn work(shared: &Shared) {
    let seat = Arc::new(Seat::default());
    while let Some(turn) = next(shared, &seat) {
        if catch_unwind(AssertUnwindSafe(turn)).is_err() {
            tracing::error!("a turn panicked outside of its batch");
        }
    }
}

/// The turn that has waited longest, or the next one that comes. None when the pool is gone and nothing waits.
fn next(shared: &Shared, seat: &Arc<Seat>) -> Option<Turn> {
    let mut state = shared.state.lock();
    if let Some(turn) = state.waiting.pop_front() {
        return Some(turn);
    }
    if state.is_closed {
        return None;
    }
    state.idle.push(Arc::clone(seat));
    drop(state);
    let mut place = seat.next.lock();
    loop {
        match std::mem::take(&mut *place) {
            Next::Turn(turn) => return Some(turn),
            Next::Closed => return None,
            Next::Nothing => seat.filled.wait(&mut place),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn every_turn_is_run_once_and_a_blocked_thread_holds_up_no_other() {
        let pool = Threads::start("test", 2).unwrap();
        let (block, blocked) = mpsc::channel::<()>();
        pool.run(Box::new(move || blocked.recv().unwrap_err().to_string().clear()));
        let (done, results) = mpsc::channel();
        for number in 0..1000 {
            let done = done.clone();
            pool.run(Box::new(move || done.send(number).unwrap()));
        }
        let mut seen: Vec<i32> = results.iter().take(1000).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..1000).collect::<Vec<_>>());
        drop(block);
    }

    #[test]
    fn a_turn_that_panics_costs_no_thread() {
        let pool = Threads::start("test", 1).unwrap();
        pool.run(Box::new(|| panic!("on purpose")));
        let (done, result) = mpsc::channel();
        pool.run(Box::new(move || done.send(()).unwrap()));
        result.recv().unwrap();
    }
}
