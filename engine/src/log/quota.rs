//! A bound on what one tenant stores: at it, the tenant takes no more writes, and reads and signals go on.
//!
//! It stands in front of a log and counts what goes in, so that no log has to know of it.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
};

use super::{
    AppendError, Appended, Bounds, Commit, DurableListener, Log, LogFailure, LogPosition,
    ReadError, Record, Space, view::locked,
};
use crate::sync::{AtomicU64, Mutex};

/// Counts the bytes that a log takes.
pub type Measure = Box<dyn Fn() -> u64 + Send + Sync>;

/// A log that says [`Space::Spent`] once it holds so many bytes. What was accepted before still goes in, so
/// it may come to hold a few commits more.
pub struct QuotaLog {
    log: Arc<dyn Log>,
    bytes_max: u64,
    stored: AtomicU64,
    /// Up to where it was counted: a commit that is tried again is counted once. Held over whatever changes what
    /// is stored, so that a commit is either in what a trim measures or added to it.
    counted: Mutex<LogPosition>,
    measure: Measure,
}

impl fmt::Debug for QuotaLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuotaLog")
            .field("log", &self.log)
            .field("bytes_max", &self.bytes_max)
            .field("stored", &self.stored)
            .finish_non_exhaustive()
    }
}

impl QuotaLog {
    /// A log that may hold so many bytes; `measure` says how many it takes, asked now and after a trim.
    #[must_use]
    pub fn new(log: Arc<dyn Log>, bytes_max: u64, measure: Measure) -> Self {
        Self {
            bytes_max,
            stored: AtomicU64::new(measure()),
            counted: Mutex::new(log.bounds().last),
            log,
            measure,
        }
    }

    fn space(&self, of_log: Space) -> Space {
        match of_log {
            Space::Reserved if self.stored.load(Ordering::Relaxed) >= self.bytes_max => {
                Space::Spent
            }
            Space::Reserved | Space::Low | Space::Spent => of_log,
        }
    }
}

impl Log for QuotaLog {
    fn append(&self, commit: &Commit) -> Result<Appended, AppendError> {
        let mut counted = locked(&self.counted);
        let appended = self.log.append(commit)?;
        if *counted < appended.last {
            *counted = appended.last;
            let bytes: usize = commit.records.iter().map(bytes::Bytes::len).sum();
            self.stored.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        Ok(Appended {
            space: self.space(appended.space),
            ..appended
        })
    }

    fn read(&self, from: LogPosition, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        self.log.read(from, bytes_max)
    }

    fn bounds(&self) -> Bounds {
        self.log.bounds()
    }

    fn subscribe(&self, listener: DurableListener) {
        self.log.subscribe(listener);
    }

    fn trim(&self, below: LogPosition) -> Result<LogPosition, LogFailure> {
        let _counted = locked(&self.counted);
        let trimmed = self.log.trim(below)?;
        self.stored.store((self.measure)(), Ordering::Relaxed);
        Ok(trimmed)
    }

    fn checkpoint(&self) -> Result<Space, LogFailure> {
        Ok(self.space(self.log.checkpoint()?))
    }

    fn close(&self) -> Result<(), LogFailure> {
        self.log.close()
    }
}

#[cfg(test)]
#[cfg(feature = "models")]
mod models;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{CommitId, MemoryLog};

    fn commit(expected: u64, id: u8, writer: crate::log::WriterEpoch) -> Commit {
        Commit {
            id: CommitId([id; 16]),
            expected: LogPosition(expected),
            writer,
            records: vec![vec![0; 40].into()],
        }
    }

    #[test]
    fn at_its_bound_the_space_is_spent_until_some_of_it_is_trimmed() {
        let log = MemoryLog::new();
        let writer = log.reopen();
        let taken = Arc::new(AtomicU64::new(10));
        let measured = Arc::clone(&taken);
        let measure = Box::new(move || measured.load(Ordering::Relaxed));
        let log = QuotaLog::new(Arc::new(log), 100, measure);
        let space = |expected, id| {
            let appended = log.append(&commit(expected, id, writer)).unwrap();
            appended.space
        };
        assert_eq!(space(0, 1), Space::Reserved);
        assert_eq!(space(0, 1), Space::Reserved, "once more: counted once");
        assert_eq!(space(1, 2), Space::Reserved);
        assert_eq!(space(2, 3), Space::Spent);
        assert_eq!(log.checkpoint().unwrap(), Space::Spent);
        assert_eq!(
            log.bounds().last,
            LogPosition(3),
            "it was taken all the same"
        );
        taken.store(50, Ordering::Relaxed);
        log.trim(LogPosition(2)).unwrap();
        assert_eq!(log.checkpoint().unwrap(), Space::Reserved);
    }
}
