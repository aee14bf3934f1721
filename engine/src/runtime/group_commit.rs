//! Group commit: whatever was decided while one commit is being synced shares the next.
//!
//! Sans-IO: it hands out a commit when none is in flight, and never waits for company, so one sender
//! alone is not delayed. The events of one decision stay together in one commit.

use std::collections::VecDeque;

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
    queue: VecDeque<Vec<Bytes>>,
    queue_bytes: usize,
    in_flight: Option<Commit>,
}

impl GroupCommit {
    /// Starts behind what the log holds.
    #[must_use]
    pub const fn new(durable: LogPosition, writer: WriterEpoch) -> Self {
        Self {
            writer,
            durable,
            tail: durable,
            queue: VecDeque::new(),
            queue_bytes: 0,
            in_flight: None,
        }
    }

    /// Queues the records of one decision; they take the positions after [`tail`](Self::tail).
    pub fn push(&mut self, records: Vec<Bytes>) {
        if records.is_empty() {
            return;
        }
        self.tail = LogPosition(self.tail.0 + records.len() as u64);
        self.queue_bytes += bytes_of(&records);
        self.queue.push_back(records);
    }

    /// The next commit to append, unless one is in flight or nothing is queued.
    pub fn start(&mut self, id: CommitId) -> Option<Commit> {
        if self.in_flight.is_some() {
            return None;
        }
        let mut records = self.queue.pop_front()?;
        let mut bytes = bytes_of(&records);
        while let Some(next) = self.queue.front() {
            let next_bytes = bytes_of(next);
            if bytes + next_bytes > COMMIT_BYTES_MAX
                || records.len() + next.len() > COMMIT_RECORDS_MAX
            {
                break;
            }
            bytes += next_bytes;
            records.extend(self.queue.pop_front().expect("just seen at the front"));
        }
        self.queue_bytes -= bytes;
        let commit = Commit {
            id,
            expected: self.durable,
            writer: self.writer,
            records,
        };
        self.in_flight = Some(commit.clone());
        Some(commit)
    }

    /// The commit in flight again, for a retry after an unknown outcome.
    #[must_use]
    pub const fn in_flight(&self) -> Option<&Commit> {
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
        self.queue_bytes >= QUEUE_BYTES_MAX
    }

    /// Whether everything decided is durable.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.tail.0 == self.durable.0
    }
}

fn bytes_of(records: &[Bytes]) -> usize {
    records.iter().map(Bytes::len).sum()
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
