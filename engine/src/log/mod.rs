//! The log remembers, and is the truth: one per tenant, dense positions, whole commits.
//!
//! A log sees ids and bytes only. Every call may block on the disk and is made off the async workers.
//! The contract below is held for every implementation by one suite, `engine/tests/log_contract.rs`.

mod admission;
mod appender;
mod commit;
mod copy;
pub mod disk;
mod examination;
mod high_water;
mod memory;
mod open_error;
mod opened;
mod opening;
mod quota;
mod reader;
mod recovery;
mod salvage;
mod scan;
mod segment;
mod segments;
mod tail;
mod verify;
mod view;
mod walk;

use std::{fmt, sync::Arc};

use bytes::Bytes;

pub use copy::{COPIED_COMMIT_BYTES_MAX, CopyCheck, CopyError, LogCopy, Tally};
pub use memory::MemoryLog;
pub use open_error::{Damage, OpenError};
pub use opened::{OpenSegments, SEGMENTS_OPEN_DEFAULT};
pub use opening::{LastEnd, OpenReport};
pub use quota::{Measure, QuotaLog};
pub use reader::LogReader;
pub use salvage::{Salvage, Salvaged, Unreadable};
pub use segments::{Entropy, SegmentLog, SegmentOptions};
pub use verify::{Verified, verify};

/// The place of a record in its tenant's log: 1, 2, 3 … without gaps. 0 means "before the first".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LogPosition(pub u64);

impl LogPosition {
    /// Before the first record.
    pub const START: Self = Self(0);

    /// The one after this.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Names one life of a log; a restore or repair starts a new one. Random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogEpoch(pub u64);

/// Grows with every new writer of a log; a commit of an older writer is fenced off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriterEpoch(pub u64);

/// Names one commit, so that an append of unknown outcome can be retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommitId(pub [u8; 16]);

/// The tenant a log belongs to (a UUIDv7): a folder of another tenant is refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TenantId(pub [u8; 16]);

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What one write and one fsync carry: kept whole or not at all.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The same for a retry.
    pub id: CommitId,
    /// The position the writer believes to be the last.
    pub expected: LogPosition,
    /// Who writes.
    pub writer: WriterEpoch,
    /// At least one record; together at most [`COMMIT_BYTES_MAX`] bytes.
    pub records: Vec<Bytes>,
}

/// Most bytes of records in one commit.
pub const COMMIT_BYTES_MAX: usize = 1024 * 1024;

/// Most records in one commit.
pub const COMMIT_RECORDS_MAX: usize = 4096;

/// A commit is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Position of its first record.
    pub first: LogPosition,
    /// Position of its last record.
    pub last: LogPosition,
    /// Whether further commits have their space.
    pub space: Space,
}

/// Whether the log has disk space set aside for what its writer may have in flight
/// ([`SPACE_RESERVED_BYTES`]). A writer that hears `Low` takes no new writes, and what it has already
/// accepted still fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// There is room.
    Reserved,
    /// The reserve could not be renewed: the disk is full.
    Low,
    /// There would be room, but the log holds as much as it may.
    Spent,
}

/// How much a log sets aside ahead of its end: two full commits and their headers.
pub const SPACE_RESERVED_BYTES: u64 = 2 * (COMMIT_BYTES_MAX as u64 + 256 * 1024);

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place.
    pub position: LogPosition,
    /// Its content.
    pub bytes: Bytes,
}

/// What a log holds durably. Empty when `last < first`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The oldest position still kept.
    pub first: LogPosition,
    /// The newest durable position.
    pub last: LogPosition,
}

/// Is told each new last durable position; called on the appending thread, must not block.
pub type DurableListener = Arc<dyn Fn(LogPosition) + Send + Sync>;

/// An ordered, durable sequence of records.
pub trait Log: Send + Sync + fmt::Debug {
    /// Adds a commit after `expected` and returns once it is durable. A retry of the newest commit
    /// (same id) gives the same answer again.
    ///
    /// # Errors
    /// [`AppendError`]; after anything but `WrongPosition`, `Full`, `TooLarge` and `Empty` this log
    /// refuses further appends until it is opened anew.
    fn append(&self, commit: &Commit) -> Result<Appended, AppendError>;

    /// Reads durable records from `from` on: as many as fit `bytes_max`, but at least one if there is
    /// one; none when `from` is after the last durable position.
    ///
    /// # Errors
    /// [`ReadError`].
    fn read(&self, from: LogPosition, bytes_max: usize) -> Result<Vec<Record>, ReadError>;

    /// What is held durably.
    fn bounds(&self) -> Bounds;

    /// Tells `listener` every later durable end, in order.
    fn subscribe(&self, listener: DurableListener);

    /// Drops records below `below`, as far as that is possible in whole segments; returns the oldest
    /// position still kept.
    ///
    /// # Errors
    /// [`LogFailure`] when the storage fails.
    fn trim(&self, below: LogPosition) -> Result<LogPosition, LogFailure>;

    /// Brings the high-water mark up to the durable end and renews the space reserve.
    ///
    /// # Errors
    /// [`LogFailure`] when the storage fails.
    fn checkpoint(&self) -> Result<Space, LogFailure>;

    /// Seals the end, so that any later damage is told from a torn write. Nothing is appended after.
    ///
    /// # Errors
    /// [`LogFailure`] when the storage fails.
    fn close(&self) -> Result<(), LogFailure>;
}

/// Why a commit was not added.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// Another commit came first: replay and decide anew.
    #[error("the log ends at {actual}, not where the writer expected")]
    WrongPosition {
        /// Where the log ends.
        actual: LogPosition,
    },
    /// A newer writer has taken over.
    #[error("fenced off by a newer writer, {newer:?}")]
    Fenced {
        /// The newer writer.
        newer: WriterEpoch,
    },
    /// It may or may not have been added: retry the same id.
    #[error("the outcome of the append is unknown")]
    Unknown,
    /// No space; nothing was added.
    #[error("the disk is full")]
    Full,
    /// More than [`COMMIT_BYTES_MAX`] or [`COMMIT_RECORDS_MAX`]; nothing was added.
    #[error("the commit is larger than the limit")]
    TooLarge,
    /// A commit without records; nothing was added.
    #[error("the commit holds no records")]
    Empty,
    /// The storage failed.
    #[error(transparent)]
    Failed(#[from] LogFailure),
}

/// Why records could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// They were dropped.
    #[error("positions below {first} are no longer kept")]
    Trimmed {
        /// The oldest position still kept.
        first: LogPosition,
    },
    /// They are damaged.
    #[error("the log is damaged at position {at} in {place}")]
    Corrupt {
        /// The position that cannot be read.
        at: LogPosition,
        /// The file.
        place: String,
    },
    /// The storage failed.
    #[error(transparent)]
    Failed(#[from] LogFailure),
}

/// The storage under a log failed: what it was doing, where, and the system's own words. The log
/// refuses everything afterwards.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "{action} failed in {place}: {cause}; free or replace the disk, then let the tenant reopen"
)]
pub struct LogFailure {
    /// What was being done.
    pub action: &'static str,
    /// The file or folder.
    pub place: String,
    /// The system's own words.
    pub cause: String,
}
