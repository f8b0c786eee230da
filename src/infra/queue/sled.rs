//! The index on sled 0.34.
//!
//! One tree holds two kinds of keys, so that a change of an entry is one atomic batch:
//! `0 | lane | tenant | due | seq` with no value, in which the order of work of one store is a range, and
//! `1 | lane | tenant | seq` with the due time as its value, which is the authority: a key of the first kind that it does not
//! confirm is left over from damage and is dropped when it is met.
//!
//! `flush_async` is never called (it can deadlock), and flushing is left to the flusher, since nothing here has to be durable.

use super::{Entry, Index, IndexError, Lane, Room, Taken, Ticket};
use crate::base::clock::Timestamp;
use crate::base::id::{TenantId, TypedId};
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// sled's own default is 1 GB.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;
const FLUSH_EVERY_MS: u64 = 500;
/// The name that sled gives its file.
const DATA: &str = "db";
const ORDER: u8 = 0;
const TICKET: u8 = 1;

/// Entries in a sled folder.
pub struct SledIndex {
    db: ::sled::Db,
    folder: PathBuf,
}

impl SledIndex {
    /// Opens or makes the folder. sled may panic or hang on damaged files: call it where that does no harm.
    pub fn open(folder: &Path) -> Result<Self, IndexError> {
        let config =
            ::sled::Config::new().path(folder).cache_capacity(CACHE_BYTES).flush_every_ms(Some(FLUSH_EVERY_MS));
        Ok(Self { db: config.open()?, folder: folder.to_owned() })
    }

    fn due_of(&self, ticket: Ticket) -> Result<Option<Timestamp>, IndexError> {
        let Some(value) = self.db.get(ticket_key(ticket))? else {
            return Ok(None);
        };
        let bytes: [u8; 8] = value.as_ref().try_into().map_err(|_length| odd("a due time"))?;
        Ok(Some(Timestamp(unsortable(bytes))))
    }
}

impl Index for SledIndex {
    fn put(&mut self, entries: &[Entry]) -> Result<Vec<Ticket>, IndexError> {
        // A batch sees the tree as it was before, so a ticket may occur in it once only.
        let last: HashMap<Ticket, Timestamp> = entries.iter().map(|entry| (entry.ticket, entry.due)).collect();
        let mut batch = ::sled::Batch::default();
        let mut new = Vec::new();
        for (ticket, due) in last {
            match self.due_of(ticket)? {
                Some(before) if before != due => batch.remove(order_key(Entry { ticket, due: before })),
                Some(_) => {}
                None => new.push(ticket),
            }
            batch.insert(order_key(Entry { ticket, due }), &[]);
            batch.insert(ticket_key(ticket), &sortable(due.0));
        }
        self.db.apply_batch(batch)?;
        Ok(new)
    }

    fn remove(&mut self, tickets: &[Ticket]) -> Result<Vec<Ticket>, IndexError> {
        let mut found = HashMap::new();
        for ticket in tickets {
            if let Some(due) = self.due_of(*ticket)? {
                found.insert(*ticket, due);
            }
        }
        let mut batch = ::sled::Batch::default();
        for (ticket, due) in &found {
            batch.remove(order_key(Entry { ticket: *ticket, due: *due }));
            batch.remove(ticket_key(*ticket));
        }
        self.db.apply_batch(batch)?;
        Ok(found.into_keys().collect())
    }

    fn take(&mut self, lane: Lane, tenant: TenantId, now: Timestamp, max: usize) -> Result<Taken, IndexError> {
        let mut taken = Taken::default();
        let mut batch = ::sled::Batch::default();
        for item in self.db.scan_prefix(room_key(lane, tenant)) {
            let (key, _) = item?;
            let entry = read_order_key(&key).ok_or_else(|| odd("a key"))?;
            if taken.entries.len() >= max || entry.due > now {
                taken.next = Some(entry.due);
                break;
            }
            batch.remove(key);
            if self.due_of(entry.ticket)? == Some(entry.due) {
                batch.remove(ticket_key(entry.ticket));
                taken.entries.push(entry);
            }
        }
        self.db.apply_batch(batch)?;
        Ok(taken)
    }

    fn rooms(&mut self) -> Result<Vec<Room>, IndexError> {
        let mut rooms: Vec<Room> = Vec::new();
        for item in self.db.scan_prefix([ORDER]) {
            let (key, _) = item?;
            let Entry { ticket: Ticket { lane, tenant, .. }, due } =
                read_order_key(&key).ok_or_else(|| odd("a key"))?;
            match rooms.last_mut() {
                Some(room) if room.lane == lane && room.tenant == tenant => {
                    room.entries = room.entries.saturating_add(1);
                }
                _ => rooms.push(Room { lane, tenant, entries: 1, earliest: due }),
            }
        }
        Ok(rooms)
    }

    fn close(self: Box<Self>) -> Result<(), IndexError> {
        let Self { db, folder } = *self;
        db.flush()?;
        drop(db);
        // Threads of sled may hold on to the file for a moment. It is at rest when its lock can be had.
        File::open(folder.join(DATA))?.lock()?;
        Ok(())
    }
}

fn odd(what: &str) -> IndexError {
    IndexError::Damaged(format!("{what} has another shape than is written here"))
}

/// Bytes that sort as the number does: the sign is turned round.
const fn sortable(number: i64) -> [u8; 8] {
    (number ^ i64::MIN).to_be_bytes()
}

const fn unsortable(bytes: [u8; 8]) -> i64 {
    i64::from_be_bytes(bytes) ^ i64::MIN
}

fn room_key(lane: Lane, tenant: TenantId) -> Vec<u8> {
    let mut key = Vec::with_capacity(34);
    key.extend([ORDER, lane]);
    key.extend(tenant.bytes());
    key
}

fn order_key(entry: Entry) -> Vec<u8> {
    let mut key = room_key(entry.ticket.lane, entry.ticket.tenant);
    key.extend(sortable(entry.due.0));
    key.extend(sortable(entry.ticket.seq));
    key
}

fn ticket_key(ticket: Ticket) -> Vec<u8> {
    let mut key = Vec::with_capacity(26);
    key.extend([TICKET, ticket.lane]);
    key.extend(ticket.tenant.bytes());
    key.extend(sortable(ticket.seq));
    key
}

fn read_order_key(key: &[u8]) -> Option<Entry> {
    let [ORDER, lane, rest @ ..] = key else {
        return None;
    };
    let (tenant, rest) = rest.split_first_chunk::<16>()?;
    let (due, rest) = rest.split_first_chunk::<8>()?;
    let seq: [u8; 8] = rest.try_into().ok()?;
    let ticket = Ticket { lane: *lane, tenant: TenantId::from(*tenant), seq: unsortable(seq) };
    Some(Entry { ticket, due: Timestamp(unsortable(*due)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_numbers_do_and_read_back() {
        let tenant = TenantId::from([7; 16]);
        let numbers = [i64::MIN, -1, 0, 1, 255, 256, i64::MAX];
        let entries: Vec<Entry> = numbers
            .into_iter()
            .flat_map(|due| numbers.map(|seq| (due, seq)))
            .map(|(due, seq)| Entry { ticket: Ticket { lane: 3, tenant, seq }, due: Timestamp(due) })
            .collect();
        let keys: Vec<Vec<u8>> = entries.iter().copied().map(order_key).collect();
        assert!(keys.is_sorted());
        let read: Vec<Entry> = keys.iter().filter_map(|key| read_order_key(key)).collect();
        assert_eq!(read, entries);
    }

    #[test]
    fn a_key_of_another_shape_is_not_read() {
        assert_eq!(read_order_key(&[]), None);
        assert_eq!(read_order_key(&[ORDER; 33]), None);
        assert_eq!(read_order_key(&[ORDER; 35]), None);
        assert_eq!(read_order_key(&[TICKET; 34]), None);
    }

    #[test]
    fn an_order_key_that_its_ticket_does_not_confirm_is_never_leased() {
        let folder = tempfile::tempdir().unwrap();
        let mut index = SledIndex::open(folder.path()).unwrap();
        let tenant = TenantId::from([1; 16]);
        let ticket = Ticket { lane: 0, tenant, seq: 5 };
        index.put(&[Entry { ticket, due: Timestamp(20) }]).unwrap();
        index.db.insert(order_key(Entry { ticket, due: Timestamp(10) }), &[]).unwrap();
        let taken = index.take(0, tenant, Timestamp(100), 10).unwrap();
        assert_eq!(taken, Taken { entries: vec![Entry { ticket, due: Timestamp(20) }], next: None });
        assert!(index.rooms().unwrap().is_empty());
    }
}
