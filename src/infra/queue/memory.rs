//! The index in memory: what the queue falls back to when no file can be written, and the plainest reading of the trait.

use super::{Entry, Index, IndexError, Lane, Room, Taken, Ticket};
use crate::base::clock::Timestamp;
use crate::base::id::TenantId;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Entries in ordinary collections. No operation fails.
#[derive(Default)]
pub struct MemoryIndex {
    due_of: HashMap<Ticket, Timestamp>,
    order: BTreeMap<(Lane, TenantId), BTreeSet<(Timestamp, i64)>>,
}

impl MemoryIndex {
    /// Entries that are there.
    pub(super) fn len(&self) -> usize {
        self.due_of.len()
    }

    /// Takes out the `count` entries of the last rooms that have longest to wait.
    pub(super) fn take_last(&mut self, count: usize) -> Vec<Entry> {
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count {
            let Some(mut room) = self.order.last_entry() else { break };
            let (lane, tenant) = *room.key();
            match room.get_mut().pop_last() {
                Some((due, seq)) => {
                    let ticket = Ticket { lane, tenant, seq };
                    self.due_of.remove(&ticket);
                    taken.push(Entry { ticket, due });
                }
                None => drop(room.remove()),
            }
        }
        taken
    }

    fn unlink(&mut self, ticket: Ticket, due: Timestamp) {
        let room = (ticket.lane, ticket.tenant);
        if let Some(queued) = self.order.get_mut(&room) {
            queued.remove(&(due, ticket.seq));
            if queued.is_empty() {
                self.order.remove(&room);
            }
        }
    }
}

impl Index for MemoryIndex {
    fn put(&mut self, entries: &[Entry]) -> Result<Vec<Ticket>, IndexError> {
        let mut new = Vec::new();
        for Entry { ticket, due } in entries.iter().copied() {
            match self.due_of.insert(ticket, due) {
                Some(before) => self.unlink(ticket, before),
                None => new.push(ticket),
            }
            self.order.entry((ticket.lane, ticket.tenant)).or_default().insert((due, ticket.seq));
        }
        Ok(new)
    }

    fn remove(&mut self, tickets: &[Ticket]) -> Result<Vec<Ticket>, IndexError> {
        let mut removed = Vec::new();
        for ticket in tickets.iter().copied() {
            if let Some(due) = self.due_of.remove(&ticket) {
                self.unlink(ticket, due);
                removed.push(ticket);
            }
        }
        Ok(removed)
    }

    fn take(&mut self, lane: Lane, tenant: TenantId, now: Timestamp, max: usize) -> Result<Taken, IndexError> {
        let mut taken = Taken::default();
        let Some(queued) = self.order.get_mut(&(lane, tenant)) else {
            return Ok(taken);
        };
        while let Some((due, seq)) = queued.first().copied() {
            if taken.entries.len() >= max || due > now {
                taken.next = Some(due);
                return Ok(taken);
            }
            queued.pop_first();
            let ticket = Ticket { lane, tenant, seq };
            self.due_of.remove(&ticket);
            taken.entries.push(Entry { ticket, due });
        }
        self.order.remove(&(lane, tenant));
        Ok(taken)
    }

    fn rooms(&mut self) -> Result<Vec<Room>, IndexError> {
        let rooms = self.order.iter().filter_map(|((lane, tenant), queued)| {
            let (earliest, _) = queued.first().copied()?;
            Some(Room { lane: *lane, tenant: *tenant, entries: queued.len(), earliest })
        });
        Ok(rooms.collect())
    }

    fn close(self: Box<Self>) -> Result<(), IndexError> {
        Ok(())
    }
}
