//! A trim beside an append.

use loom::thread;

use super::*;
use crate::{
    log::{CommitId, WriterEpoch},
    sync::explore,
};

/// Counts its bytes, and forgets half of them when it is trimmed.
#[derive(Debug)]
struct Counting(Arc<AtomicU64>);

const BEFORE: u64 = 10;
const COMMITTED: u64 = 40;

impl Log for Counting {
    fn append(&self, _: &Commit) -> Result<Appended, AppendError> {
        self.0.fetch_add(COMMITTED, Ordering::SeqCst);
        Ok(Appended {
            first: LogPosition(1),
            last: LogPosition(1),
            space: Space::Reserved,
        })
    }

    fn read(&self, _: LogPosition, _: usize) -> Result<Vec<Record>, ReadError> {
        Ok(Vec::new())
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            first: LogPosition(1),
            last: LogPosition(0),
        }
    }

    fn subscribe(&self, _: DurableListener) {}

    fn trim(&self, below: LogPosition) -> Result<LogPosition, LogFailure> {
        self.0.fetch_sub(BEFORE, Ordering::SeqCst);
        Ok(below)
    }

    fn checkpoint(&self) -> Result<Space, LogFailure> {
        Ok(Space::Reserved)
    }

    fn close(&self) -> Result<(), LogFailure> {
        Ok(())
    }
}

#[test]
fn what_is_appended_while_a_trim_measures_is_counted_once() {
    explore(|| {
        let bytes = Arc::new(AtomicU64::new(BEFORE));
        let measured = Arc::clone(&bytes);
        let measure = Box::new(move || measured.load(Ordering::SeqCst));
        let log = QuotaLog::new(Arc::new(Counting(Arc::clone(&bytes))), 1_000, measure);
        let log = Arc::new(log);
        let appending = {
            let log = Arc::clone(&log);
            thread::spawn(move || {
                let commit = Commit {
                    id: CommitId([1; 16]),
                    expected: LogPosition(0),
                    writer: WriterEpoch(1),
                    records: vec![vec![0; 40].into()],
                };
                log.append(&commit).unwrap();
            })
        };
        log.trim(LogPosition(1)).unwrap();
        appending.join().unwrap();
        assert_eq!(log.stored.load(Ordering::SeqCst), COMMITTED);
    });
}
