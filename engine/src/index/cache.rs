//! A bound on how many indexes are open at once, across tenants. An open one holds files and a cache;
//! a closed one opens again when it is next needed.
//!
//! Lock order: an index's own lock first, then the list of this cache, which is a leaf: nothing else is
//! locked under it. Nobody waits for an index's lock while holding another's: the cache only *tries*
//! it, and an index that is busy just now is passed over. Whoever is last to finish with one closes
//! what is too many, so the bound holds whenever nobody is at work.

use std::{
    fmt,
    sync::{Arc, PoisonError, TryLockError, Weak, atomic::Ordering},
};

use super::{IndexError, guard::Guarded};
use crate::sync::{AtomicU64, Mutex, MutexGuard};

/// Indexes open at once unless configured otherwise.
pub const INDEXES_OPEN_DEFAULT: usize = 64;

/// Closes the least recently used index when one more than `open_max` is open.
#[derive(Debug)]
pub struct IndexCache {
    open_max: usize,
    next_id: AtomicU64,
    /// Least recently used first.
    open: Mutex<Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    slot: Weak<Slot>,
}

impl IndexCache {
    /// At most `open_max` (at least 1) open at a time; those in use at this moment come on top.
    #[must_use]
    pub fn new(open_max: usize) -> Arc<Self> {
        Arc::new(Self {
            open_max: open_max.max(1),
            next_id: AtomicU64::new(0),
            open: Mutex::default(),
        })
    }

    /// How many are open.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.list().len()
    }

    fn list(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn used(&self, id: u64, slot: &Weak<Slot>) {
        let mut list = self.list();
        let known = list.iter().position(|entry| entry.id == id);
        let entry = known.map_or_else(
            || Entry {
                id,
                slot: slot.clone(),
            },
            |at| list.remove(at),
        );
        list.push(entry);
    }

    fn closed(&self, id: u64) {
        self.list().retain(|entry| entry.id != id);
    }

    /// Closes what is too many. Called without any index's lock.
    fn close_surplus(&self) {
        let surplus: Vec<_> = {
            let list = self.list();
            let too_many = list.len().saturating_sub(self.open_max);
            if too_many == 0 {
                return;
            }
            list.iter().map(|entry| entry.slot.clone()).collect()
        };
        for slot in surplus.iter().filter_map(Weak::upgrade) {
            if self.open_count() <= self.open_max {
                return;
            }
            slot.close_if_idle();
        }
    }
}

/// The place of one index that may be open.
pub(super) struct Slot {
    id: u64,
    cache: Option<Arc<IndexCache>>,
    this: Weak<Self>,
    index: Mutex<Option<Guarded>>,
}

impl Slot {
    /// Without a cache the index stays open until it is told otherwise.
    pub(super) fn new(cache: Option<Arc<IndexCache>>) -> Arc<Self> {
        let id = cache
            .as_ref()
            .map_or(0, |cache| cache.next_id.fetch_add(1, Ordering::Relaxed));
        Arc::new_cyclic(|this| Self {
            id,
            cache,
            this: this.clone(),
            index: Mutex::new(None),
        })
    }

    /// Does `work` while nobody else uses the index; then closes what is too many elsewhere.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Held<'_>) -> T) -> T {
        let result = {
            let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut Held { slot: self, index })
        };
        if let Some(cache) = &self.cache {
            cache.close_surplus();
        }
        result
    }

    fn close_if_idle(&self) {
        let index = match self.index.try_lock() {
            Ok(index) => index,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        Held { slot: self, index }.close();
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A slot that is locked.
pub(super) struct Held<'a> {
    slot: &'a Slot,
    index: MutexGuard<'a, Option<Guarded>>,
}

impl Held<'_> {
    /// The open index, or the one that `open` gives, and whether it was opened now.
    pub(super) fn open_with(
        &mut self,
        open: impl FnOnce() -> Result<Guarded, IndexError>,
    ) -> Result<&Guarded, IndexError> {
        let index = match self.index.take() {
            Some(index) => index,
            None => open()?,
        };
        if let Some(cache) = &self.slot.cache {
            cache.used(self.slot.id, &self.slot.this);
        }
        Ok(self.index.insert(index))
    }

    /// Closes the index, if it is open.
    pub(super) fn close(&mut self) {
        if let Some(index) = self.index.take() {
            index.close();
        }
        if let Some(cache) = &self.slot.cache {
            cache.closed(self.slot.id);
        }
    }
}

#[cfg(test)]
#[cfg(feature = "models")]
mod models;
