//! Which commits a log lets in: the same few checks, in the same order, for every implementation.
//!
//! A log needs to remember only its end, its writer and its newest commit to decide.

use super::{
    AppendError, COMMIT_BYTES_MAX, COMMIT_RECORDS_MAX, Commit, CommitId, LogPosition, WriterEpoch,
};

/// The newest commit of a log: all that an answer to its retry needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Newest {
    pub(super) id: CommitId,
    pub(super) first: LogPosition,
    pub(super) last: LogPosition,
    pub(super) writer: WriterEpoch,
}

/// Where a log ends, and who may go on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) last: LogPosition,
    pub(super) writer: WriterEpoch,
    pub(super) newest: Option<Newest>,
}

/// What to do with a commit that was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is already there: give the same answer again.
    Repeat(Newest),
    /// Write it at these positions.
    New(Newest),
}

impl Head {
    /// Checks a commit. A retry is recognised before writer and position are compared: what is
    /// durable stays so, whoever asks.
    pub(super) fn admit(&self, commit: &Commit) -> Result<Admission, AppendError> {
        if commit.records.is_empty() {
            return Err(AppendError::Empty);
        }
        let bytes: usize = commit.records.iter().map(bytes::Bytes::len).sum();
        if commit.records.len() > COMMIT_RECORDS_MAX || bytes > COMMIT_BYTES_MAX {
            return Err(AppendError::TooLarge);
        }
        if let Some(newest) = self.newest
            && newest.id == commit.id
        {
            return Ok(Admission::Repeat(newest));
        }
        if commit.writer < self.writer {
            return Err(AppendError::Fenced { newer: self.writer });
        }
        if commit.expected != self.last {
            return Err(AppendError::WrongPosition { actual: self.last });
        }
        Ok(Admission::New(Newest {
            id: commit.id,
            first: self.last.next(),
            last: LogPosition(self.last.0 + commit.records.len() as u64),
            writer: commit.writer,
        }))
    }

    /// Notes that an admitted commit is durable.
    pub(super) fn advance(&mut self, newest: Newest) {
        self.last = newest.last;
        self.writer = newest.writer;
        self.newest = Some(newest);
    }
}
