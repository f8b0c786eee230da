//! What waits in memory, in front of the backend's files.
//!
//! Nearly every entry is taken within moments of being put, and the files only have to hold what memory should not: what waits beyond a bound,
//! and what is left at a stop. Nothing is lost by that, for after any other end the index is made anew from the outboxes anyway.

use super::actor::BATCH;
use super::guard::Guard;
use super::{Entry, Index as _, IndexError, Lane, MemoryIndex, Reason, Taken, Ticket};
use crate::base::clock::Timestamp;
use crate::base::id::TenantId;
use std::collections::HashSet;

/// The index as the actor sees it: entries in memory first, the rest behind a guard.
pub(super) struct Front {
    near: MemoryIndex,
    near_max: usize,
    /// Entries that the backend holds. While there are none it is not asked.
    far: usize,
    guard: Guard,
}

impl Front {
    /// In front of `guard`, whose backend holds `far` entries already. At most `near_max` are kept in memory.
    pub(super) fn new(guard: Guard, near_max: usize, far: usize) -> Self {
        Self { near: MemoryIndex::default(), near_max, far, guard }
    }

    /// What stands behind.
    pub(super) const fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Puts entries, as [`super::Index::put`] does.
    pub(super) fn put(&mut self, entries: &[Entry]) -> Result<Vec<Ticket>, IndexError> {
        let moved = self.call_in(entries.iter().map(|entry| entry.ticket).collect())?;
        let mut new = self.near.put(entries)?;
        if !moved.is_empty() {
            new.retain(|ticket| !moved.contains(ticket));
        }
        self.spill(self.near_max)?;
        Ok(new)
    }

    /// Takes tickets out, as [`super::Index::remove`] does.
    pub(super) fn remove(&mut self, tickets: Vec<Ticket>) -> Result<Vec<Ticket>, IndexError> {
        let mut removed = self.near.remove(&tickets)?;
        removed.extend(self.call_in(tickets)?);
        Ok(removed)
    }

    /// Takes tickets out of the backend. Gives those that were there.
    fn call_in(&mut self, tickets: Vec<Ticket>) -> Result<HashSet<Ticket>, IndexError> {
        if self.far == 0 {
            return Ok(HashSet::new());
        }
        let found = self.guard.run(move |index| index.remove(&tickets))?;
        self.far = self.far.saturating_sub(found.len());
        Ok(found.into_iter().collect())
    }

    /// Takes what is due of several stores, as [`super::Index::take`] does of one.
    pub(super) fn take(
        &mut self,
        lane: Lane,
        plan: &[(TenantId, usize)],
        now: Timestamp,
    ) -> Result<Vec<Taken>, IndexError> {
        let mut near = Vec::with_capacity(plan.len());
        for (tenant, share) in plan {
            near.push(self.near.take(lane, *tenant, now, *share)?);
        }
        if self.far == 0 {
            return Ok(near);
        }
        let asked = plan.to_vec();
        let far = self.guard.run(move |index| {
            let taken = asked.into_iter().map(|(tenant, share)| index.take(lane, tenant, now, share));
            taken.collect::<Result<Vec<Taken>, _>>()
        })?;
        let pairs = near.into_iter().zip(far).zip(plan);
        pairs.map(|((near, far), (_, share))| self.merge(near, far, *share)).collect()
    }

    /// The first `max` of what both gave. The others wait in memory again.
    fn merge(&mut self, near: Taken, far: Taken, max: usize) -> Result<Taken, IndexError> {
        self.far = self.far.saturating_sub(far.entries.len());
        let mut next = near.next.into_iter().chain(far.next).min();
        let mut entries = near.entries;
        entries.extend(far.entries);
        entries.sort_unstable_by_key(|entry| (entry.due, entry.ticket.seq));
        let rest = entries.split_off(entries.len().min(max));
        if let Some(first) = rest.first() {
            next = Some(next.map_or(first.due, |next| next.min(first.due)));
            self.near.put(&rest)?;
        }
        Ok(Taken { entries, next })
    }

    /// Hands all but `kept` entries to the backend, those that have longest to wait first.
    fn spill(&mut self, kept: usize) -> Result<(), IndexError> {
        while self.near.len() > kept {
            let batch = self.near.take_last(BATCH.min(self.near.len().saturating_sub(kept)));
            self.far = self.far.saturating_add(batch.len());
            self.guard.run(move |index| index.put(&batch).map(drop))?;
        }
        Ok(())
    }

    /// Everything is gone: an empty backend takes the place of the one that failed.
    pub(super) fn replace(&mut self, reason: Reason) {
        self.near = MemoryIndex::default();
        self.far = 0;
        self.guard.replace(reason);
    }

    /// Hands everything to the backend, for the last time. An error means that it has to be replaced.
    pub(super) fn hand_over(&mut self) -> Result<(), IndexError> {
        self.spill(0)
    }

    /// Closes and seals the files. False when the next run will have to begin anew.
    pub(super) fn close(&mut self) -> bool {
        self.guard.close()
    }
}
