//! A bound on how many sealed segments are held open to be read, across logs. The next read of a log is often of
//! the same segment, so each keeps the one it read last; but hundreds of tenants are awake who read their past
//! once a day, and each would keep a file open for ever.
//!
//! Lock order: a log's view first, then this list, which is a leaf.

use std::sync::{Arc, atomic::Ordering};

use super::{LogPosition, disk::DiskFile, view::locked};
use crate::sync::{AtomicU64, Mutex};

/// Sealed segments held open at once unless said otherwise, of all logs that share them.
pub const SEGMENTS_OPEN_DEFAULT: usize = 64;

/// Lets go of the segment that was read longest ago when one more than `open_max` would be held. A read under way
/// keeps its file until it is done.
#[derive(Debug)]
pub struct OpenSegments {
    open_max: usize,
    next_log: AtomicU64,
    /// The one read longest ago first; at most one of each log.
    open: Mutex<Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    log: u64,
    /// Its first position names a segment within its log.
    first: LogPosition,
    file: Arc<dyn DiskFile>,
}

/// One log's place among them; gone with it.
#[derive(Debug)]
pub(super) struct Opened {
    log: u64,
    all: Arc<OpenSegments>,
}

impl OpenSegments {
    /// At most `open_max` (at least 1) held at a time.
    #[must_use]
    pub fn new(open_max: usize) -> Arc<Self> {
        Arc::new(Self {
            open_max: open_max.max(1),
            next_log: AtomicU64::new(0),
            open: Mutex::default(),
        })
    }

    /// How many are held.
    #[must_use]
    pub fn open_count(&self) -> usize {
        locked(&self.open).len()
    }
}

impl Opened {
    pub(super) fn among(all: &Arc<OpenSegments>) -> Self {
        Self {
            log: all.next_log.fetch_add(1, Ordering::Relaxed),
            all: Arc::clone(all),
        }
    }

    /// For a log that shares with none.
    pub(super) fn alone() -> Self {
        Self::among(&OpenSegments::new(1))
    }

    /// The file of the segment that begins there, if it is held.
    pub(super) fn get(&self, first: LogPosition) -> Option<Arc<dyn DiskFile>> {
        let mut open = locked(&self.all.open);
        let at = (open.iter()).position(|entry| entry.log == self.log && entry.first == first)?;
        open[at..].rotate_left(1);
        open.last().map(|newest| Arc::clone(&newest.file))
    }

    /// Holds this one instead of the one before.
    pub(super) fn hold(&self, first: LogPosition, file: Arc<dyn DiskFile>) {
        let mut open = locked(&self.all.open);
        let is_full = open.len() >= self.all.open_max;
        let own = open.iter().position(|entry| entry.log == self.log);
        let least = own.or_else(|| is_full.then_some(0));
        let gone = least.map(|at| open.remove(at));
        let log = self.log;
        open.push(Entry { log, first, file });
        // A file is closed when nobody waits for the list.
        drop(open);
        drop(gone);
    }

    /// Lets go of a segment, if it is the one that is held.
    pub(super) fn forget(&self, first: LogPosition) {
        self.forget_if(|held| held == first);
    }

    fn forget_if(&self, is_it: impl Fn(LogPosition) -> bool) {
        let mut open = locked(&self.all.open);
        let at = (open.iter()).position(|entry| entry.log == self.log && is_it(entry.first));
        let gone = at.map(|at| open.remove(at));
        drop(open);
        drop(gone);
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.forget_if(|_| true);
    }
}
