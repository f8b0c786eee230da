//! Runs a backend where it can do no harm: on a thread of its own, under a deadline, behind a catch for panics.
//!
//! A backend that panics, fails or does not answer is left alone for good; its folder is moved aside and an empty one takes its
//! place. When no file can be written, or that happened too often, the index is kept in memory. No call here takes longer than two
//! deadlines.

use super::seal::{self, Found};
use super::{Index, IndexError, MemoryIndex, Reason, Room};
use crate::base::clock::Clock;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A backend that was lost so often in one run is not made a further time.
const MAX_LOSSES: u32 = 5;

/// Opens or makes a backend in a folder.
pub(super) type Opener = Arc<dyn Fn(&Path) -> Result<Box<dyn Index>, IndexError> + Send + Sync>;

type Task = Box<dyn FnOnce(&mut dyn Index) -> bool + Send>;

enum Job {
    /// Says false when the backend must not be used any more.
    Run(Task),
    Close(Sender<Result<(), IndexError>>),
}

enum Mode {
    Thread(Sender<Job>),
    Memory(MemoryIndex),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// With what an earlier run left.
    Kept,
    /// Empty; what was there is of no use.
    Cleared,
    /// Empty; what was there is kept to be looked at.
    MovedAside,
}

enum Opened {
    Ready(Box<dyn Index>, Vec<Room>, String),
    Unusable(Reason, String),
}

#[derive(Clone)]
struct Place {
    queue: PathBuf,
    backend: &'static str,
    opener: Option<Opener>,
}

/// A backend that is always there.
pub(super) struct Guard {
    place: Place,
    deadline: Duration,
    clock: Arc<dyn Clock>,
    mode: Mode,
    boot: u64,
    losses: u32,
    /// Why the index is in memory although files were asked for.
    pub(super) degraded: Option<String>,
}

/// What a start found.
pub(super) struct Begun {
    /// The guard.
    pub(super) guard: Guard,
    /// What the index holds.
    pub(super) rooms: Vec<Room>,
    /// Why it holds nothing.
    pub(super) lost: Option<(Reason, String)>,
}

impl Guard {
    /// Opens what an earlier run closed in order, else begins anew. Without an opener the index is kept in memory.
    pub(super) fn open(
        queue: PathBuf,
        backend: &'static str,
        opener: Option<Opener>,
        deadline: Duration,
        boot: u64,
        clock: Arc<dyn Clock>,
    ) -> Begun {
        let place = Place { queue, backend, opener };
        let mode = Mode::Memory(MemoryIndex::default());
        let mut guard = Self { place, deadline, clock, mode, boot, losses: 0, degraded: None };
        guard.raise_boot();
        if guard.place.opener.is_none() {
            let lost = Some((Reason::New, "the index is kept in memory".to_owned()));
            return Begun { guard, rooms: Vec::new(), lost };
        }
        let lost = match guard.start(Start::Kept) {
            Ok(Ok(rooms)) => return Begun { guard, rooms, lost: None },
            Ok(Err((reason, detail))) => (reason, detail),
            Err(error) => (reason_of(&error), describe(&error)),
        };
        guard.begin_anew(lost.0);
        Begun { guard, rooms: Vec::new(), lost: Some(lost) }
    }

    /// The epoch of leases.
    pub(super) const fn boot(&self) -> u64 {
        self.boot
    }

    /// The backend in use.
    pub(super) const fn backend(&self) -> &'static str {
        match self.mode {
            Mode::Thread(_) => self.place.backend,
            Mode::Memory(_) => "memory",
        }
    }

    /// Asks the backend. After an error it must be replaced ([`Self::replace`]) before it is asked again.
    pub(super) fn run<R, F>(&mut self, task: F) -> Result<R, IndexError>
    where
        R: Send + 'static,
        F: FnOnce(&mut dyn Index) -> Result<R, IndexError> + Send + 'static,
    {
        let jobs = match &mut self.mode {
            Mode::Memory(index) => return task(index),
            Mode::Thread(jobs) => jobs,
        };
        let (sender, receiver) = bounded(1);
        let job = Job::Run(Box::new(move |index| {
            let answer = task(index);
            let usable = answer.is_ok();
            // Nobody waits any more when the deadline has passed.
            sender.send(answer).is_ok() && usable
        }));
        if jobs.send(job).is_err() {
            return Err(IndexError::Panicked);
        }
        self.await_answer(&receiver)?
    }

    /// Puts an empty backend in the place of one that failed. All leases of the epoch before are void.
    pub(super) fn replace(&mut self, reason: Reason) {
        self.begin_anew(reason);
    }

    /// Closes and seals the files, so that the next run can open them. False when it will have to begin anew.
    pub(super) fn close(&mut self) -> bool {
        let mode = std::mem::replace(&mut self.mode, Mode::Memory(MemoryIndex::default()));
        let Mode::Thread(jobs) = mode else { return false };
        let (sender, receiver) = bounded(1);
        if jobs.send(Job::Close(sender)).is_err() {
            return false;
        }
        match self.await_answer(&receiver) {
            Ok(Ok(())) => true,
            Ok(Err(error)) | Err(error) => {
                tracing::warn!(error = %describe(&error), "the queue's index was not closed in order");
                false
            }
        }
    }

    /// Later epochs are greater, also than those of earlier runs as long as the clock does not fall behind them.
    fn raise_boot(&mut self) {
        let now = u64::try_from(self.clock.now().0).unwrap_or(0);
        self.boot = now.max(self.boot.saturating_add(1));
    }

    fn begin_anew(&mut self, reason: Reason) {
        self.raise_boot();
        self.losses = self.losses.saturating_add(1);
        self.mode = Mode::Memory(MemoryIndex::default());
        if self.place.opener.is_none() {
            return;
        }
        if self.losses > MAX_LOSSES {
            self.degraded = Some(format!("the {} index was lost {MAX_LOSSES} times", self.place.backend));
            return;
        }
        let start = if matches!(reason, Reason::New | Reason::Unsealed) { Start::Cleared } else { Start::MovedAside };
        let why = match self.start(start) {
            Ok(Ok(_)) => None,
            Ok(Err((_, detail))) => Some(detail),
            Err(error) => Some(describe(&error)),
        };
        if let Some(why) = &why {
            tracing::error!(backend = self.place.backend, %why, "the queue's index is kept in memory");
        }
        self.degraded = why;
    }

    /// Starts a thread that opens the backend and then serves it.
    fn start(&mut self, start: Start) -> Result<Result<Vec<Room>, (Reason, String)>, IndexError> {
        let (opened, answer) = bounded(1);
        let (jobs, queue) = bounded(1);
        let place = self.place.clone();
        let (boot, unix_ms) = (self.boot, self.clock.now().0);
        let thread = std::thread::Builder::new().name("queue-index".to_owned());
        thread.spawn(move || serve(&place, || open(&place, start, boot, unix_ms), &opened, &queue))?;
        match self.await_answer(&answer)?? {
            Ok(rooms) => {
                self.mode = Mode::Thread(jobs);
                Ok(Ok(rooms))
            }
            Err(unusable) => Ok(Err(unusable)),
        }
    }

    fn await_answer<R>(&self, answer: &Receiver<R>) -> Result<R, IndexError> {
        answer.recv_timeout(self.deadline).map_err(|error| match error {
            RecvTimeoutError::Timeout => IndexError::TimedOut(self.deadline),
            RecvTimeoutError::Disconnected => IndexError::Panicked,
        })
    }
}

/// Which loss an error is.
pub(super) const fn reason_of(error: &IndexError) -> Reason {
    match error {
        IndexError::Panicked => Reason::Panicked,
        IndexError::TimedOut(_) => Reason::TimedOut,
        IndexError::Damaged(_) => Reason::Damaged,
        IndexError::Io(_) | IndexError::Sled(_) | IndexError::Sqlite(_) => Reason::Failed,
    }
}

/// An error with its causes, for the log.
pub(super) fn describe(error: &IndexError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

fn open(place: &Place, start: Start, boot: u64, unix_ms: i64) -> Result<Opened, IndexError> {
    let Some(opener) = &place.opener else {
        return Ok(Opened::Unusable(Reason::New, "there is no opener".to_owned()));
    };
    let generation = match start {
        Start::Kept => match seal::take(&place.queue, place.backend)? {
            Found::Sealed(generation) => {
                seal::clear(&place.queue, Some(&generation))?;
                generation
            }
            Found::Nothing => return Ok(Opened::Unusable(Reason::New, "there was no index".to_owned())),
            Found::Unsealed => {
                let why = "the last run did not close the index".to_owned();
                return Ok(Opened::Unusable(Reason::Unsealed, why));
            }
            Found::Damaged(why) => return Ok(Opened::Unusable(Reason::Damaged, why)),
        },
        Start::Cleared => {
            seal::clear(&place.queue, None)?;
            seal::generation(place.backend, boot)
        }
        Start::MovedAside => {
            seal::move_aside(&place.queue, unix_ms)?;
            seal::generation(place.backend, boot)
        }
    };
    let folder = place.queue.join(&generation);
    std::fs::create_dir_all(&folder)?;
    let mut index = opener(&folder)?;
    let rooms = index.rooms()?;
    Ok(Opened::Ready(index, rooms, generation))
}

type Answer = Result<Result<Vec<Room>, (Reason, String)>, IndexError>;

fn serve(
    place: &Place,
    open: impl FnOnce() -> Result<Opened, IndexError>,
    opened: &Sender<Answer>,
    jobs: &Receiver<Job>,
) {
    let result = catch_unwind(AssertUnwindSafe(open)).unwrap_or(Err(IndexError::Panicked));
    let (index, generation) = match result {
        Ok(Opened::Ready(index, rooms, generation)) => {
            if opened.send(Ok(Ok(rooms))).is_err() {
                return let_go(index);
            }
            (index, generation)
        }
        Ok(Opened::Unusable(reason, detail)) => return drop(opened.send(Ok(Err((reason, detail))))),
        Err(error) => return drop(opened.send(Err(error))),
    };
    let mut index = index;
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Run(task) => match catch_unwind(AssertUnwindSafe(|| task(index.as_mut()))) {
                Ok(true) => {}
                Ok(false) => break,
                // Its own clean-up could panic a second time, which would end the process. It is leaked instead.
                Err(_) => return std::mem::forget(index),
            },
            Job::Close(answer) => {
                let closed = catch_unwind(AssertUnwindSafe(|| index.close())).unwrap_or(Err(IndexError::Panicked));
                let sealed = closed.and_then(|()| Ok(seal::write(&place.queue, &generation)?));
                return drop(answer.send(sealed));
            }
        }
    }
    let_go(index);
}

/// Drops a backend that nobody waits for.
fn let_go(index: Box<dyn Index>) {
    if catch_unwind(AssertUnwindSafe(|| drop(index))).is_err() {
        tracing::warn!("an abandoned queue index panicked when it was dropped");
    }
}
