//! The few threads that run all files' writers.

use crossbeam_channel::{Receiver, Sender};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

type Turn = Box<dyn FnOnce() + Send>;

/// A fixed set of threads with one run queue. A file has at most one turn in it.
pub struct WriterPool {
    turns: Sender<Turn>,
}

impl WriterPool {
    /// `threads` writers, or max(8, 4 × cores) when zero (D8): enough that stuck disks of a few stores leave threads for the others.
    pub fn start(threads: usize) -> Result<Arc<Self>, std::io::Error> {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let count = if threads == 0 { cores.saturating_mul(4).max(8) } else { threads };
        let (turns, queue) = crossbeam_channel::unbounded();
        for number in 0..count {
            let queue = queue.clone();
            std::thread::Builder::new().name(format!("writer-{number}")).spawn(move || work(&queue))?;
        }
        Ok(Arc::new(Self { turns }))
    }

    /// Whether a file waits for a thread.
    pub(super) fn has_waiting(&self) -> bool {
        !self.turns.is_empty()
    }

    pub(super) fn run(&self, turn: Turn) {
        // The threads live as long as this sender, so the queue cannot be closed here.
        drop(self.turns.send(turn));
    }
}

fn work(queue: &Receiver<Turn>) {
    while let Ok(turn) = queue.recv() {
        if catch_unwind(AssertUnwindSafe(turn)).is_err() {
            tracing::error!("a writer's turn panicked outside of its batch");
        }
    }
}
