//! Whose turn it is: pure arithmetic over stores and lanes, without files, threads or clocks.
//!
//! A room is one store in one lane. It sits among the ready ones, or asleep until its gate opens, or nowhere when it has nothing
//! to give. The gate is the due time of its first entry, and not before its pause is over. That due time may be early (an entry
//! was moved or removed), never late: asking the backend then gives nothing and the true time.

use super::{Lane, Paused, Room, Taken};
use crate::base::clock::Timestamp;
use crate::base::id::TenantId;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Seat {
    #[default]
    Nowhere,
    Ready,
    Asleep(Timestamp),
}

struct Pause {
    until: Timestamp,
    probe: Option<u64>,
}

#[derive(Default)]
struct State {
    waiting: usize,
    earliest: Option<Timestamp>,
    pause: Option<Pause>,
    seat: Seat,
}

impl State {
    fn gate(&self) -> Option<Timestamp> {
        match &self.pause {
            Some(Pause { probe: Some(_), .. }) => None,
            Some(Pause { until, probe: None }) => self.earliest.map(|due| due.max(*until)),
            None => self.earliest,
        }
    }
}

#[derive(Default)]
struct LaneRooms {
    rooms: HashMap<TenantId, State>,
    ready: BTreeSet<TenantId>,
    asleep: BTreeSet<(Timestamp, TenantId)>,
    /// The store that was served last.
    cursor: Option<TenantId>,
    /// Somebody was told that there is work, and has not asked for it since.
    told: bool,
    waiting: usize,
    recounted: bool,
}

impl LaneRooms {
    fn change(&mut self, tenant: TenantId, now: Timestamp, how: impl FnOnce(&mut State)) {
        let state = self.rooms.entry(tenant).or_default();
        let before = state.waiting;
        how(state);
        if state.waiting != before {
            self.waiting = self.waiting.saturating_sub(before).saturating_add(state.waiting);
            self.recounted = true;
        }
        let seat = match state.gate() {
            None => Seat::Nowhere,
            Some(gate) if gate <= now => Seat::Ready,
            Some(gate) => Seat::Asleep(gate),
        };
        let left = std::mem::replace(&mut state.seat, seat);
        let empty = state.waiting == 0 && state.earliest.is_none() && state.pause.is_none();
        if left != seat {
            match left {
                Seat::Nowhere => {}
                Seat::Ready => drop(self.ready.remove(&tenant)),
                Seat::Asleep(gate) => drop(self.asleep.remove(&(gate, tenant))),
            }
            match seat {
                Seat::Nowhere => {}
                Seat::Ready => drop(self.ready.insert(tenant)),
                Seat::Asleep(gate) => drop(self.asleep.insert((gate, tenant))),
            }
        }
        if empty {
            self.rooms.remove(&tenant);
        }
    }

    /// The ready stores in turn, beginning after the one that was served last.
    fn in_turn(&self) -> impl Iterator<Item = TenantId> {
        let from = self.cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let to = self.cursor.map_or(Bound::Excluded(TenantId::from([0; 16])), Bound::Included);
        let later = self.ready.range((from, Bound::Unbounded));
        let earlier = self.ready.range((Bound::Unbounded, to));
        later.chain(earlier).copied()
    }

    fn plan(&mut self, max: usize) -> Vec<(TenantId, usize)> {
        let count = self.ready.len().min(max);
        let (Some(share), Some(extra)) = (max.checked_div(count), max.checked_rem(count)) else {
            return Vec::new();
        };
        let turn: Vec<TenantId> = self.in_turn().take(count).collect();
        // Who got one more than the others was served last, so that the next one gets it next time.
        let last = if extra > 0 { extra } else { count }.saturating_sub(1);
        self.cursor = turn.get(last).copied();
        let shares = turn.into_iter().enumerate().map(|(place, tenant)| {
            let paused = self.rooms.get(&tenant).is_some_and(|state| state.pause.is_some());
            (tenant, if paused { 1 } else { share.saturating_add(usize::from(place < extra)) })
        });
        shares.collect()
    }
}

/// All rooms of all lanes.
#[derive(Default)]
pub(super) struct Rooms {
    lanes: BTreeMap<Lane, LaneRooms>,
}

impl Rooms {
    /// What an index held when it was opened.
    pub(super) fn found(&mut self, room: &Room, now: Timestamp) {
        self.lanes.entry(room.lane).or_default().change(room.tenant, now, |state| {
            state.waiting = room.entries;
            state.earliest = Some(room.earliest);
        });
    }

    /// An entry is in the index now. Whether it is one more is told by [`Self::grown`].
    pub(super) fn put(&mut self, lane: Lane, tenant: TenantId, due: Timestamp, now: Timestamp) {
        self.lanes.entry(lane).or_default().change(tenant, now, |state| {
            state.earliest = Some(state.earliest.map_or(due, |earliest| earliest.min(due)));
        });
    }

    /// The index holds one entry more.
    pub(super) fn grown(&mut self, lane: Lane, tenant: TenantId, now: Timestamp) {
        let lane = self.lanes.entry(lane).or_default();
        lane.change(tenant, now, |state| state.waiting = state.waiting.saturating_add(1));
    }

    /// The index holds one entry less.
    pub(super) fn shrunk(&mut self, lane: Lane, tenant: TenantId, now: Timestamp) {
        self.lanes.entry(lane).or_default().change(tenant, now, |state| {
            state.waiting = state.waiting.saturating_sub(1);
            if state.waiting == 0 {
                state.earliest = None;
            }
        });
    }

    /// What was taken of a room.
    pub(super) fn took(&mut self, lane: Lane, tenant: TenantId, taken: &Taken, now: Timestamp) {
        self.lanes.entry(lane).or_default().change(tenant, now, |state| {
            let stayed = state.waiting.saturating_sub(taken.entries.len());
            state.waiting = if taken.next.is_some() { stayed.max(1) } else { 0 };
            state.earliest = taken.next;
        });
    }

    /// Nothing of the room is ready before `until`, and then one entry only.
    pub(super) fn pause(&mut self, lane: Lane, tenant: TenantId, until: Timestamp, now: Timestamp) {
        let lane = self.lanes.entry(lane).or_default();
        lane.change(tenant, now, |state| state.pause = Some(Pause { until, probe: None }));
    }

    /// Ends a pause.
    pub(super) fn resume(&mut self, lane: Lane, tenant: TenantId, now: Timestamp) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.change(tenant, now, |state| state.pause = None);
        }
    }

    /// Whether what is taken of the room is a probe.
    pub(super) fn is_paused(&self, lane: Lane, tenant: TenantId) -> bool {
        self.lanes.get(&lane).and_then(|lane| lane.rooms.get(&tenant)).is_some_and(|state| state.pause.is_some())
    }

    /// Takes back that a probe is out.
    pub(super) fn probe_undone(&mut self, lane: Lane, tenant: TenantId, now: Timestamp) {
        let Some(lane) = self.lanes.get_mut(&lane) else { return };
        lane.change(tenant, now, |state| {
            if let Some(pause) = &mut state.pause {
                pause.probe = None;
            }
        });
    }

    /// The probe is out: nothing more is ready until the room is resumed or the probe is over.
    pub(super) fn probe_out(&mut self, lane: Lane, tenant: TenantId, number: u64, now: Timestamp) {
        self.lanes.entry(lane).or_default().change(tenant, now, |state| {
            if let Some(pause) = &mut state.pause {
                pause.probe = Some(number);
            }
        });
    }

    /// Nothing came of that probe: another one may go out.
    pub(super) fn probe_over(&mut self, lane: Lane, tenant: TenantId, number: u64, now: Timestamp) {
        let Some(lane) = self.lanes.get_mut(&lane) else { return };
        lane.change(tenant, now, |state| {
            if let Some(pause) = state.pause.as_mut().filter(|pause| pause.probe == Some(number)) {
                pause.probe = None;
            }
        });
    }

    /// Forgets all entries. Pauses stand, their probes are void.
    pub(super) fn forget(&mut self) {
        for lane in self.lanes.values_mut() {
            lane.rooms.retain(|_, state| {
                let pause = state.pause.take().map(|pause| Pause { until: pause.until, probe: None });
                *state = State { pause, ..State::default() };
                state.pause.is_some()
            });
            lane.ready.clear();
            lane.asleep.clear();
            lane.waiting = 0;
            lane.recounted = true;
        }
    }

    /// Wakes the rooms whose gate is open at `now`.
    pub(super) fn wake(&mut self, now: Timestamp) {
        for lane in self.lanes.values_mut() {
            while let Some((_, tenant)) = lane.asleep.first().copied().filter(|(gate, _)| *gate <= now) {
                lane.asleep.pop_first();
                lane.change(tenant, now, |_| {});
            }
        }
    }

    /// Whom to ask for how many entries, so that at most `max` come back and every ready store gets its share.
    pub(super) fn plan(&mut self, lane: Lane, max: usize) -> Vec<(TenantId, usize)> {
        self.lanes.get_mut(&lane).map(|lane| lane.plan(max)).unwrap_or_default()
    }

    /// Somebody asked for work of this lane, so they may be told again.
    pub(super) fn asked(&mut self, lane: Lane) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.told = false;
        }
    }

    /// The lanes that have work nobody was told of. They count as told from here on.
    pub(super) fn untold(&mut self) -> Vec<Lane> {
        let mut lanes = Vec::new();
        for (number, lane) in &mut self.lanes {
            if !lane.told && !lane.ready.is_empty() {
                lane.told = true;
                lanes.push(*number);
            }
        }
        lanes
    }

    /// The lanes whose number of entries changed since the last call, and that number.
    pub(super) fn recounted(&mut self) -> Vec<(Lane, usize)> {
        let mut changed = Vec::new();
        for (number, lane) in &mut self.lanes {
            if std::mem::take(&mut lane.recounted) {
                changed.push((*number, lane.waiting));
            }
        }
        changed
    }

    /// When the next sleeping room wakes.
    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        self.lanes.values().filter_map(|lane| lane.asleep.first()).map(|(gate, _)| *gate).min()
    }

    /// When something of the lane may be leased next; not after now when something may be leased already.
    pub(super) fn next_due(&self, lane: Lane) -> Option<Timestamp> {
        self.lanes.get(&lane)?.rooms.values().filter_map(State::gate).min()
    }

    /// How many entries wait in each room.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (Lane, TenantId, usize)> {
        self.lanes
            .iter()
            .flat_map(|(number, lane)| lane.rooms.iter().map(move |(tenant, state)| (*number, *tenant, state.waiting)))
    }

    /// All pauses, by lane, then store.
    pub(super) fn paused(&self) -> Vec<Paused> {
        let of_lane = |(number, lane): (&Lane, &LaneRooms)| {
            let pauses = lane.rooms.iter().filter_map(|(tenant, state)| {
                let pause = state.pause.as_ref()?;
                Some(Paused { lane: *number, tenant: *tenant, until: pause.until, probing: pause.probe.is_some() })
            });
            pauses.collect::<Vec<_>>()
        };
        let mut paused: Vec<Paused> = self.lanes.iter().flat_map(of_lane).collect();
        paused.sort_unstable_by_key(|pause| (pause.lane, pause.tenant));
        paused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(n: u8) -> TenantId {
        TenantId::from([n; 16])
    }

    fn ready(count: u8) -> Rooms {
        let mut rooms = Rooms::default();
        for n in 1..=count {
            rooms.found(&Room { lane: 0, tenant: tenant(n), entries: 1000, earliest: Timestamp(0) }, Timestamp(1));
        }
        rooms
    }

    #[test]
    fn the_odd_one_goes_to_another_store_each_time() {
        let mut rooms = ready(3);
        let mut total = [0_usize; 4];
        for _ in 0..6 {
            for (tenant, share) in rooms.plan(0, 4) {
                total[usize::from(tenant.bytes()[0])] += share;
            }
        }
        assert_eq!(total, [0, 8, 8, 8]);
    }

    #[test]
    fn more_stores_than_places_are_served_in_turn() {
        let mut rooms = ready(5);
        let served: Vec<u8> = (0..5).flat_map(|_| rooms.plan(0, 2)).map(|(tenant, _)| tenant.bytes()[0]).collect();
        assert_eq!(served, [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_room_without_entries_and_pause_takes_no_memory() {
        let mut rooms = ready(2);
        rooms.took(0, tenant(1), &Taken::default(), Timestamp(1));
        rooms.pause(0, tenant(2), Timestamp(5), Timestamp(1));
        rooms.forget();
        assert_eq!(rooms.lanes[&0].rooms.len(), 1);
        rooms.resume(0, tenant(2), Timestamp(1));
        assert!(rooms.lanes[&0].rooms.is_empty());
    }

    use crate::base::id::TypedId;
}
