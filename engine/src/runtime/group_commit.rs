//! Group commit: whatever was decided while one commit is being synced shares the next.
//!
//! Sans-IO: it hands out a commit when none is in flight, and never waits for company, so one sender
//! alone is not delayed. The events of one decision stay together in one commit.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

use crate::log::{
    Appended, COMMIT_BYTES_MAX, COMMIT_RECORDS_MAX, Commit, CommitId, LogPosition, WriterEpoch,
};

/// Bytes of queued records at which no further input is taken until a commit has finished. With the
/// commit in flight this stays within the space the log has reserved.
pub const QUEUE_BYTES_MAX: usize = COMMIT_BYTES_MAX / 2;

/// The queue in front of one log.
#[derive(Debug)]
pub struct GroupCommit {
    writer: WriterEpoch,
    durable: LogPosition,
    tail: LogPosition,
    /// The records that are queued, one behind the other.
    queue: Vec<u8>,
    /// How long each of them is.
    lengths: VecDeque<usize>,
    /// What each decision has in the queue, in their order.
    decisions: VecDeque<Decision>,
    /// What the last commit held: the next one will hardly take more.
    usual_bytes: usize,
    in_flight: Option<Arc<Commit>>,
}

/// What one decision led to.
#[derive(Debug, Clone, Copy)]
struct Decision {
    records: usize,
    bytes: usize,
}

impl GroupCommit {
    /// Starts behind what the log holds.
    #[must_use]
    pub const fn new(durable: LogPosition, writer: WriterEpoch) -> Self {
        Self {
            writer,
            durable,
            tail: durable,
            queue: Vec::new(),
            lengths: VecDeque::new(),
            decisions: VecDeque::new(),
            usual_bytes: 0,
            in_flight: None,
        }
    }

    /// Queues the records of one decision; they take the positions after [`tail`](Self::tail).
    pub fn push(&mut self, records: impl IntoIterator<Item = Bytes>) {
        self.push_with(records, |record, out| out.extend_from_slice(&record));
    }

    /// The same of what `write` adds to the queue for each.
    pub fn push_with<T>(
        &mut self,
        records: impl IntoIterator<Item = T>,
        write: impl Fn(T, &mut Vec<u8>),
    ) {
        let (before, lengths) = (self.queue.len(), self.lengths.len());
        for record in records {
            if self.queue.capacity() == 0 {
                self.queue.reserve(self.usual_bytes + self.usual_bytes / 4);
            }
            let begin = self.queue.len();
            write(record, &mut self.queue);
            self.lengths.push_back(self.queue.len() - begin);
        }
        let records = self.lengths.len() - lengths;
        if records > 0 {
            self.tail = LogPosition(self.tail.0 + records as u64);
            let bytes = self.queue.len() - before;
            self.decisions.push_back(Decision { records, bytes });
        }
    }

    /// The next commit to append, unless one is in flight or nothing is queued.
    pub fn start(&mut self, id: CommitId) -> Option<Arc<Commit>> {
        if self.in_flight.is_some() {
            return None;
        }
        let Decision {
            mut records,
            mut bytes,
        } = self.decisions.pop_front()?;
        while let Some(next) = self.decisions.front() {
            if bytes + next.bytes > COMMIT_BYTES_MAX || records + next.records > COMMIT_RECORDS_MAX
            {
                break;
            }
            bytes += next.bytes;
            records += next.records;
            self.decisions.pop_front();
        }
        let later = self.queue.split_off(bytes);
        let mut queued = std::mem::replace(&mut self.queue, later);
        // A log in memory keeps all of it.
        if queued.capacity() > 2 * bytes {
            queued.shrink_to_fit();
        }
        self.usual_bytes = bytes;
        // All records of a commit share their memory.
        let mut queued = Bytes::from(queued);
        let lengths = self.lengths.drain(..records);
        let commit = Arc::new(Commit {
            id,
            expected: self.durable,
            writer: self.writer,
            records: lengths.map(|length| queued.split_to(length)).collect(),
        });
        self.in_flight = Some(Arc::clone(&commit));
        Some(commit)
    }

    /// The commit in flight again, for a retry after an unknown outcome.
    #[must_use]
    pub const fn in_flight(&self) -> Option<&Arc<Commit>> {
        self.in_flight.as_ref()
    }

    /// The commit in flight is durable.
    ///
    /// # Errors
    /// The log put it elsewhere than the positions its events were given: the state in memory is not
    /// the log's, and must be dropped.
    pub fn finish(&mut self, appended: Appended) -> Result<LogPosition, Misplaced> {
        let commit = self.in_flight.take().ok_or(Misplaced {
            expected: self.durable,
            appended,
        })?;
        let last = LogPosition(commit.expected.0 + commit.records.len() as u64);
        if appended.first != commit.expected.next() || appended.last != last {
            return Err(Misplaced {
                expected: commit.expected,
                appended,
            });
        }
        self.durable = last;
        Ok(last)
    }

    /// Everything up to here is durable.
    #[must_use]
    pub const fn durable(&self) -> LogPosition {
        self.durable
    }

    /// Everything up to here has been decided and applied.
    #[must_use]
    pub const fn tail(&self) -> LogPosition {
        self.tail
    }

    /// Whether the queue is at its bound.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.queue.len() >= QUEUE_BYTES_MAX
    }

    /// Whether everything decided is durable.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.tail.0 == self.durable.0
    }
}

/// A commit ended up at other positions than its events were given.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the log put a commit at {appended:?} that was to follow {expected}")]
pub struct Misplaced {
    /// The position it was to follow.
    pub expected: LogPosition,
    /// Where it is.
    pub appended: Appended,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Space;

    fn queue() -> GroupCommit {
        GroupCommit::new(LogPosition(10), WriterEpoch(1))
    }

    fn record(bytes: usize) -> Vec<Bytes> {
        vec![Bytes::from(vec![7; bytes])]
    }

    fn done(commit: &Commit) -> Appended {
        Appended {
            first: commit.expected.next(),
            last: LogPosition(commit.expected.0 + commit.records.len() as u64),
            space: Space::Reserved,
        }
    }

    #[test]
    fn one_sender_alone_is_committed_at_once() {
        let mut group = queue();
        group.push(record(1));
        let commit = group.start(CommitId([1; 16])).expect("nothing to wait for");
        assert_eq!(commit.expected, LogPosition(10));
        assert_eq!(commit.records.len(), 1);
    }

    #[test]
    fn all_that_arrives_meanwhile_shares_the_next_commit() {
        let mut group = queue();
        group.push(record(1));
        let first = group.start(CommitId([1; 16])).unwrap();
        for _ in 0..100 {
            group.push(record(1));
        }
        assert!(
            group.start(CommitId([2; 16])).is_none(),
            "one commit at a time"
        );
        assert_eq!(group.finish(done(&first)).unwrap(), LogPosition(11));
        let second = group.start(CommitId([2; 16])).unwrap();
        assert_eq!(
            (second.expected, second.records.len()),
            (LogPosition(11), 100)
        );
        assert_eq!(group.finish(done(&second)).unwrap(), group.tail());
        assert!(group.is_idle());
    }

    #[test]
    fn the_events_of_one_decision_stay_together() {
        let mut group = queue();
        group.push(vec![Bytes::from(vec![0; COMMIT_BYTES_MAX - 10])]);
        group.push(vec![
            Bytes::from_static(b"123456"),
            Bytes::from_static(b"123456"),
        ]);
        let first = group.start(CommitId([1; 16])).unwrap();
        assert_eq!(
            first.records.len(),
            1,
            "the pair does not fit whole, so none of it goes"
        );
        group.finish(done(&first)).unwrap();
        assert_eq!(group.start(CommitId([2; 16])).unwrap().records.len(), 2);
    }

    #[test]
    fn a_commit_holds_no_more_records_than_its_limit() {
        let mut group = queue();
        for _ in 0..=COMMIT_RECORDS_MAX {
            group.push(record(1));
        }
        let first = group.start(CommitId([1; 16])).unwrap();
        assert_eq!(first.records.len(), COMMIT_RECORDS_MAX);
        group.finish(done(&first)).unwrap();
        assert_eq!(group.start(CommitId([2; 16])).unwrap().records.len(), 1);
    }

    #[test]
    fn the_queue_reports_its_bound() {
        let mut group = queue();
        group.push(record(QUEUE_BYTES_MAX - 1));
        assert!(!group.is_full());
        group.push(record(1));
        assert!(group.is_full());
        group.start(CommitId([1; 16])).unwrap();
        assert!(!group.is_full());
    }

    #[test]
    fn a_commit_at_other_positions_is_not_taken_for_durable() {
        let mut group = queue();
        group.push(record(1));
        let commit = group.start(CommitId([1; 16])).unwrap();
        let elsewhere = Appended {
            first: LogPosition(12),
            last: LogPosition(12),
            ..done(&commit)
        };
        assert!(group.finish(elsewhere).is_err());
        assert_eq!(group.durable(), LogPosition(10));
    }
}
