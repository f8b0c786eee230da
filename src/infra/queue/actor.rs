//! The one thread that owns the index and the leases, and what it can be told.

use super::front::Front;
use super::guard::{describe, reason_of};
use super::rooms::Rooms;
use super::service::Shared;
use super::{Depth, Entry, Fence, Health, IndexError, Lane, Lease, Loss, Paused, Reason, Settle, Ticket};
use crate::base::clock::{Clock, Timestamp};
use crate::base::id::TenantId;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Messages that are worked on before due times are looked at again.
const TURN: usize = 1024;
/// Entries that are put in one go: some tens of milliseconds of the backend's time.
pub(super) const BATCH: usize = 4096;
/// Expired leases that are remembered until somebody asks for them.
const MAX_EXPIRED: usize = 10_000;
/// Wall time may jump (a machine that starts in 1970): no wait for it is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// What the actor can be told.
pub(super) enum Message {
    Put(Vec<Entry>),
    Remove(Vec<Ticket>),
    Lease { lane: Lane, max: usize, hold: Duration, reply: oneshot::Sender<Vec<Lease>> },
    Settle { lease: Lease, how: Settle, reply: oneshot::Sender<bool> },
    Pause { lane: Lane, tenant: TenantId, until: Timestamp },
    Resume { lane: Lane, tenant: TenantId },
    Overflowed,
    NextDue { lane: Lane, reply: oneshot::Sender<Option<Timestamp>> },
    Depth(oneshot::Sender<Vec<Depth>>),
    Paused(oneshot::Sender<Vec<Paused>>),
    Expired(oneshot::Sender<Vec<Lease>>),
    Poke(oneshot::Sender<()>),
    Close(oneshot::Sender<bool>),
}

struct Held {
    lease: Lease,
    expires: Duration,
    /// It was put while it was leased: due then.
    again: Option<Timestamp>,
}

#[derive(Clone, Copy)]
enum Alarm {
    Lease(Ticket),
    Probe(Lane, TenantId),
}

/// An answer that nobody waits for is no fault.
fn answer<T>(reply: oneshot::Sender<T>, value: T) {
    if reply.send(value).is_err() {
        tracing::trace!("nobody waits for the answer");
    }
}

/// The state of the queue.
pub(super) struct Actor {
    clock: Arc<dyn Clock>,
    front: Front,
    shared: Arc<Shared>,
    rooms: Rooms,
    leases: HashMap<Ticket, Held>,
    /// By monotonic time and a number of their own.
    alarms: BTreeMap<(Duration, u64), Alarm>,
    counter: u64,
    staged: Vec<Entry>,
    expired: Vec<Lease>,
    poked: Vec<oneshot::Sender<()>>,
    losses: u64,
}

impl Actor {
    /// Opens the index, which may take two deadlines.
    pub(super) fn begin(
        clock: Arc<dyn Clock>,
        shared: Arc<Shared>,
        near_max: usize,
        open: impl FnOnce() -> super::guard::Begun,
    ) -> Self {
        let begun = open();
        let far = begun.rooms.iter().map(|room| room.entries).sum();
        let mut actor = Self {
            clock,
            front: Front::new(begun.guard, near_max, far),
            shared,
            rooms: Rooms::default(),
            leases: HashMap::new(),
            alarms: BTreeMap::new(),
            counter: 0,
            staged: Vec::new(),
            expired: Vec::new(),
            poked: Vec::new(),
            losses: 0,
        };
        let now = actor.clock.now();
        for room in &begun.rooms {
            actor.rooms.found(room, now);
        }
        match begun.lost {
            Some((reason, detail)) => actor.report(reason, detail),
            None => actor.show_health(),
        }
        actor.end_of_turn();
        actor
    }

    /// Works until it is closed or all handles are gone. A panic in here costs the index, not the thread.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        loop {
            match catch_unwind(AssertUnwindSafe(|| self.turn(messages))) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => break,
                Err(_) => self.lose(&IndexError::Panicked),
            }
        }
    }

    fn turn(&mut self, messages: &Receiver<Message>) -> ControlFlow<()> {
        let first = match self.wait() {
            None => messages.recv().map_err(|_closed| RecvTimeoutError::Disconnected),
            Some(span) => messages.recv_timeout(span),
        };
        match first {
            Ok(message) => self.handle(message)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                self.close();
                return ControlFlow::Break(());
            }
        }
        for message in messages.try_iter().take(TURN) {
            self.handle(message)?;
        }
        self.end_of_turn();
        ControlFlow::Continue(())
    }

    /// How long nothing happens by itself.
    fn wait(&self) -> Option<Duration> {
        let gate = self.rooms.next_wake().map(|gate| gate.since(self.clock.now()));
        let alarm = self.alarms.first_key_value();
        let alarm = alarm.map(|((at, _), _)| at.saturating_sub(self.clock.monotonic()));
        let soonest = gate.into_iter().chain(alarm).min()?;
        Some(soonest.clamp(SHORTEST_WAIT, LONGEST_WAIT))
    }

    fn handle(&mut self, message: Message) -> ControlFlow<()> {
        match message {
            Message::Put(entries) => self.put(entries),
            Message::Remove(tickets) => self.remove(tickets),
            Message::Lease { lane, max, hold, reply } => {
                let leases = self.lease(lane, max, hold);
                if let Err(unwanted) = reply.send(leases) {
                    self.take_back(unwanted);
                }
            }
            Message::Settle { lease, how, reply } => answer(reply, self.settle(lease, how)),
            Message::Pause { lane, tenant, until } => self.rooms.pause(lane, tenant, until, self.clock.now()),
            Message::Resume { lane, tenant } => self.rooms.resume(lane, tenant, self.clock.now()),
            Message::Overflowed => {
                self.shared.overflow_seen();
                self.report(Reason::Overflowed, "more was put than is taken in at a time".to_owned());
            }
            Message::NextDue { lane, reply } => {
                self.refresh();
                answer(reply, self.rooms.next_due(lane));
            }
            Message::Depth(reply) => {
                self.refresh();
                answer(reply, self.depth());
            }
            Message::Paused(reply) => answer(reply, self.rooms.paused()),
            Message::Expired(reply) => {
                self.refresh();
                answer(reply, std::mem::take(&mut self.expired));
            }
            Message::Poke(reply) => self.poked.push(reply),
            Message::Close(reply) => {
                answer(reply, self.close());
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn put(&mut self, entries: Vec<Entry>) {
        self.shared.taken_in(entries.len());
        for entry in entries {
            match self.leases.get_mut(&entry.ticket) {
                Some(held) => held.again = Some(entry.due),
                None => self.staged.push(entry),
            }
        }
        if self.staged.len() >= BATCH {
            self.flush();
        }
    }

    fn remove(&mut self, tickets: Vec<Ticket>) {
        self.flush();
        for ticket in &tickets {
            if let Some(held) = self.leases.get_mut(ticket) {
                held.again = None;
            }
        }
        match self.front.remove(tickets) {
            Ok(removed) => {
                let now = self.clock.now();
                for ticket in removed {
                    self.rooms.shrunk(ticket.lane, ticket.tenant, now);
                }
            }
            Err(error) => self.lose(&error),
        }
    }

    /// Hands what was staged to the index.
    fn flush(&mut self) {
        let mut staged = std::mem::take(&mut self.staged);
        while !staged.is_empty() {
            let rest = staged.split_off(staged.len().min(BATCH));
            let batch = std::mem::replace(&mut staged, rest);
            match self.front.put(&batch) {
                Ok(new) => {
                    let now = self.clock.now();
                    for Ticket { lane, tenant, .. } in new {
                        self.rooms.grown(lane, tenant, now);
                    }
                    for Entry { ticket, due } in batch {
                        self.rooms.put(ticket.lane, ticket.tenant, due, now);
                    }
                }
                Err(error) => return self.lose(&error),
            }
        }
    }

    fn lease(&mut self, lane: Lane, max: usize, hold: Duration) -> Vec<Lease> {
        self.refresh();
        self.rooms.asked(lane);
        let (now, expires) = (self.clock.now(), self.clock.monotonic().saturating_add(hold));
        let mut leases = Vec::new();
        // Every round ends with fewer places left or with fewer rooms ready.
        loop {
            let plan = self.rooms.plan(lane, max.saturating_sub(leases.len()));
            if plan.is_empty() {
                return leases;
            }
            let taken = match self.front.take(lane, &plan, now) {
                Ok(taken) => taken,
                Err(error) => {
                    self.lose(&error);
                    return Vec::new();
                }
            };
            for ((tenant, _), taken) in plan.into_iter().zip(taken) {
                self.rooms.took(lane, tenant, &taken, now);
                let probe = self.rooms.is_paused(lane, tenant);
                for entry in taken.entries {
                    leases.extend(self.grant(entry, expires, probe));
                }
            }
        }
    }

    fn grant(&mut self, entry: Entry, expires: Duration, probe: bool) -> Option<Lease> {
        let Entry { ticket, due } = entry;
        if let Some(held) = self.leases.get_mut(&ticket) {
            held.again = Some(due);
            return None;
        }
        let token = Fence { boot: self.front.guard().boot(), n: self.number() };
        let lease = Lease { ticket, due, token, probe };
        self.alarms.insert((expires, token.n), Alarm::Lease(ticket));
        self.leases.insert(ticket, Held { lease, expires, again: None });
        if probe {
            // If nobody says what came of the probe, the line is tried again after the hold.
            let number = self.number();
            self.alarms.insert((expires, number), Alarm::Probe(ticket.lane, ticket.tenant));
            self.rooms.probe_out(ticket.lane, ticket.tenant, number, self.clock.now());
        }
        Some(lease)
    }

    const fn number(&mut self) -> u64 {
        self.counter = self.counter.saturating_add(1);
        self.counter
    }

    fn settle(&mut self, lease: Lease, how: Settle) -> bool {
        let Some(held) = self.end(lease) else { return false };
        let due = match how {
            Settle::Forget => held.again,
            Settle::Again(due) => Some(held.again.map_or(due, |again| again.min(due))),
        };
        self.staged.extend(due.map(|due| Entry { ticket: lease.ticket, due }));
        true
    }

    /// Ends a lease if it is the current one.
    fn end(&mut self, lease: Lease) -> Option<Held> {
        self.leases.get(&lease.ticket).filter(|held| held.lease.token == lease.token)?;
        let held = self.leases.remove(&lease.ticket)?;
        self.alarms.remove(&(held.expires, held.lease.token.n));
        Some(held)
    }

    /// Leases that never reached anybody.
    fn take_back(&mut self, leases: Vec<Lease>) {
        for lease in leases {
            self.settle(lease, Settle::Again(lease.due));
            if lease.probe {
                let Ticket { lane, tenant, .. } = lease.ticket;
                self.rooms.probe_undone(lane, tenant, self.clock.now());
            }
        }
    }

    /// Expires leases, hands staged entries over and wakes rooms.
    fn refresh(&mut self) {
        let elapsed = self.clock.monotonic();
        while let Some(alarm) = self.alarms.first_entry().filter(|alarm| alarm.key().0 <= elapsed) {
            let ((_, number), alarm) = alarm.remove_entry();
            match alarm {
                Alarm::Probe(lane, tenant) => self.rooms.probe_over(lane, tenant, number, self.clock.now()),
                Alarm::Lease(ticket) => self.expire(ticket, number),
            }
        }
        self.flush();
        self.rooms.wake(self.clock.now());
    }

    fn expire(&mut self, ticket: Ticket, number: u64) {
        let current = self.leases.get(&ticket).is_some_and(|held| held.lease.token.n == number);
        let Some(held) = current.then(|| self.leases.remove(&ticket)).flatten() else { return };
        let due = held.again.map_or(held.lease.due, |again| again.min(held.lease.due));
        self.staged.push(Entry { ticket, due });
        if self.expired.len() < MAX_EXPIRED {
            self.expired.push(held.lease);
        }
        metrics::counter!("bodega_queue_lease_expired_total").increment(1);
    }

    fn end_of_turn(&mut self) {
        self.refresh();
        for lane in self.rooms.untold() {
            self.shared.tell(lane);
        }
        for (lane, waiting) in self.rooms.recounted() {
            let waiting = f64::from(u32::try_from(waiting).unwrap_or(u32::MAX));
            metrics::gauge!("bodega_queue_depth", "lane" => lane.to_string()).set(waiting);
        }
        for reply in self.poked.drain(..) {
            answer(reply, ());
        }
    }

    fn depth(&self) -> Vec<Depth> {
        let mut counts: BTreeMap<(Lane, TenantId), (usize, usize)> = BTreeMap::new();
        for (lane, tenant, waiting) in self.rooms.waiting() {
            counts.entry((lane, tenant)).or_default().0 = waiting;
        }
        for ticket in self.leases.keys() {
            let (_, leased) = counts.entry((ticket.lane, ticket.tenant)).or_default();
            *leased = leased.saturating_add(1);
        }
        let depths =
            counts.into_iter().map(|((lane, tenant), (waiting, leased))| Depth { lane, tenant, waiting, leased });
        depths.filter(|depth| depth.waiting > 0 || depth.leased > 0).collect()
    }

    /// The index is gone, and with it all leases. What is put from here on goes into an empty one.
    fn lose(&mut self, error: &IndexError) {
        let reason = reason_of(error);
        self.front.replace(reason);
        self.rooms.forget();
        self.leases.clear();
        self.alarms.clear();
        self.staged.clear();
        self.report(reason, describe(error));
    }

    fn report(&mut self, reason: Reason, detail: String) {
        self.losses = self.losses.saturating_add(1);
        if reason == Reason::New {
            tracing::info!(%detail, "the queue's index begins empty");
        } else {
            tracing::warn!(?reason, %detail, "the queue's index has to be filled again");
            metrics::counter!("bodega_queue_rebuilds_total").increment(1);
        }
        self.show_health();
        let (number, at, boot) = (self.losses, self.clock.now(), self.front.guard().boot());
        self.shared.lost(Loss { number, reason, detail, at, boot });
    }

    fn show_health(&self) {
        let (backend, degraded) = (self.front.guard().backend(), self.front.guard().degraded.clone());
        self.shared.set_health(Health { backend, degraded, boot: self.front.guard().boot(), losses: self.losses });
    }

    /// Work in progress goes back into the index, so that the next run has it.
    fn close(&mut self) -> bool {
        let held: Vec<Held> = self.leases.drain().map(|(_, held)| held).collect();
        for Held { lease, again, .. } in held {
            let due = again.map_or(lease.due, |again| again.min(lease.due));
            self.staged.push(Entry { ticket: lease.ticket, due });
        }
        self.alarms.clear();
        let before = self.losses;
        self.flush();
        if let Err(error) = self.front.hand_over() {
            self.lose(&error);
        }
        self.front.close() && before == self.losses
    }
}
