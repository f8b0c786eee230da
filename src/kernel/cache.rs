//! Cached answers with tags. A stale answer cannot be kept and cannot be served (D14).
//!
//! Each tag has an epoch that moves after COMMIT and before the reply. An entry remembers the epochs that its filler read before it took its
//! snapshot, and is only served while they are still the same.

use crate::base::id::TenantId;
use quick_cache::sync::Cache;
use std::any::Any;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Epoch slots. Tags that share a slot invalidate each other, which costs a refill and never a stale answer.
const SLOTS: usize = 8192;
/// Entries kept.
const ENTRIES_MAX: usize = 10_000;

/// What a cached answer depends on.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Tag {
    /// Any product, variant or their lists.
    Product,
    /// Any stock level.
    Inventory,
    /// The store's warehouses.
    Warehouse,
    /// Any order.
    Order,
    /// Users, tokens, sessions of the store.
    Auth,
    /// The store's channels.
    Channel,
}

struct Entry {
    seen: Vec<(usize, u64)>,
    value: Arc<dyn Any + Send + Sync>,
}

/// The cache and its epochs.
pub struct TagCache {
    epochs: Vec<AtomicU64>,
    hasher: std::hash::RandomState,
    entries: Cache<(TenantId, u64), Arc<Entry>>,
}

/// The epochs before a snapshot was taken.
pub struct Fill {
    key: (TenantId, u64),
    seen: Vec<(usize, u64)>,
}

impl Default for TagCache {
    fn default() -> Self {
        Self {
            epochs: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            hasher: std::hash::RandomState::new(),
            entries: Cache::new(ENTRIES_MAX),
        }
    }
}

impl TagCache {
    fn slot(&self, tenant: TenantId, tag: &Tag) -> usize {
        let hash = self.hasher.hash_one((tenant, tag));
        usize::try_from(hash % u64::try_from(SLOTS).unwrap_or(1)).unwrap_or(0)
    }

    fn epoch(&self, slot: usize) -> u64 {
        self.epochs.get(slot).map_or(0, |epoch| epoch.load(Ordering::SeqCst))
    }

    /// Makes all answers that depend on `tags` unusable. Called after COMMIT, before the reply.
    pub fn drop_tags(&self, tenant: TenantId, tags: &[Tag]) {
        for tag in tags {
            if let Some(epoch) = self.epochs.get(self.slot(tenant, tag)) {
                epoch.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    /// The answer for `key`, if there is one that still holds; else what is needed to fill it.
    pub fn get<T: Send + Sync + 'static>(
        &self,
        tenant: TenantId,
        key: &impl Hash,
        tags: &[Tag],
    ) -> Result<Arc<T>, Fill> {
        let key = (tenant, self.hasher.hash_one((std::any::type_name::<T>(), key)));
        if let Some(entry) = self.entries.get(&key)
            && entry.seen.iter().all(|(slot, epoch)| self.epoch(*slot) == *epoch)
            && let Ok(value) = Arc::downcast::<T>(Arc::clone(&entry.value))
        {
            metrics::counter!("bodega_cache_hits_total").increment(1);
            return Ok(value);
        }
        metrics::counter!("bodega_cache_misses_total").increment(1);
        let slots = tags.iter().map(|tag| self.slot(tenant, tag));
        Err(Fill { key, seen: slots.map(|slot| (slot, self.epoch(slot))).collect() })
    }

    /// Keeps an answer that was read after `fill` was taken. One that was overtaken by a commit is not kept.
    pub fn put<T: Send + Sync + 'static>(&self, fill: Fill, value: Arc<T>) -> bool {
        if fill.seen.iter().any(|(slot, epoch)| self.epoch(*slot) != *epoch) {
            metrics::counter!("bodega_cache_overtaken_total").increment(1);
            return false;
        }
        self.entries.insert(fill.key, Arc::new(Entry { seen: fill.seen, value }));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: TenantId = TenantId::from_array([1; 16]);

    /// SC12: never a stale read after an acknowledged write.
    #[test]
    fn a_fill_that_a_commit_overtook_is_refused() {
        let cache = TagCache::default();
        let fill = cache.get::<u32>(STORE, &"list", &[Tag::Product]).err().unwrap();
        cache.drop_tags(STORE, &[Tag::Product]);
        assert!(!cache.put(fill, Arc::new(1_u32)));
        assert!(cache.get::<u32>(STORE, &"list", &[Tag::Product]).is_err());
    }

    #[test]
    fn an_answer_lives_until_one_of_its_tags_moves() {
        let cache = TagCache::default();
        let tags = [Tag::Product, Tag::Inventory];
        let fill = cache.get::<u32>(STORE, &"list", &tags).err().unwrap();
        assert!(cache.put(fill, Arc::new(1_u32)));
        assert_eq!(cache.get::<u32>(STORE, &"list", &tags).ok(), Some(Arc::new(1)));
        cache.drop_tags(STORE, &[Tag::Inventory]);
        assert!(cache.get::<u32>(STORE, &"list", &tags).is_err());
    }
}
