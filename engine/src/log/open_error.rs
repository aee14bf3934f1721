//! Why a log does not open: what is wrong, where, and the way out.
//!
//! None of these is repaired silently: whatever looks like lost acknowledged writes is for an operator
//! to see and decide.

use super::{LogEpoch, LogFailure, LogPosition, TenantId};

/// A log that cannot be served.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenError {
    /// The storage failed.
    #[error(transparent)]
    Disk(#[from] LogFailure),
    /// There are segments but no high-water mark: it was removed, or the folder is not this tenant's.
    #[error(
        "{folder} holds a log, but its high-water mark {mark} is missing; stop the host and restore both from one copy"
    )]
    MarkMissing {
        /// The log's folder.
        folder: String,
        /// Where the mark should be.
        mark: String,
    },
    /// Neither copy in the mark's file can be read.
    #[error(
        "the high-water mark {mark} of {folder} is damaged; stop the host and restore both from one copy"
    )]
    MarkDamaged {
        /// The log's folder.
        folder: String,
        /// The mark's file.
        mark: String,
    },
    /// The folder holds no log any more.
    #[error(
        "{folder} holds no log, but one that reached at least {mark_end} was there; stop the host and restore the folder and its high-water mark from one copy; `homeroom check` shows the damage"
    )]
    Emptied {
        /// The log's folder.
        folder: String,
        /// What it had reached.
        mark_end: LogPosition,
    },
    /// The log once reached further than what the folder holds: an older copy was put in its place, or
    /// files were cut.
    #[error(
        "{folder} ends at {end}, but reached at least {mark_end}; records are lost: stop the host and restore the folder and its high-water mark from one copy; `homeroom check` shows the damage"
    )]
    Behind {
        /// The log's folder.
        folder: String,
        /// Where it ends now.
        end: LogPosition,
        /// What it had reached.
        mark_end: LogPosition,
    },
    /// A file is another tenant's.
    #[error(
        "{place} belongs to tenant {found:?}, not {expected:?}; put the right folder back, or restore a backup"
    )]
    WrongTenant {
        /// The file.
        place: String,
        /// Whose it is.
        found: TenantId,
        /// Whose it should be.
        expected: TenantId,
    },
    /// A file is of another life of this log.
    #[error(
        "{place} is of log epoch {found:?}, not {expected:?}; stop the host and restore the folder and its high-water mark from one copy; `homeroom check` shows the damage"
    )]
    WrongEpoch {
        /// The file.
        place: String,
        /// Its epoch.
        found: LogEpoch,
        /// The log's epoch.
        expected: LogEpoch,
    },
    /// Segments do not join.
    #[error(
        "{folder} misses the records after {after}, up to {next}; stop the host and restore the folder and its high-water mark from one copy; `homeroom check` shows the damage"
    )]
    Gap {
        /// The log's folder.
        folder: String,
        /// The last position before the gap.
        after: LogPosition,
        /// The first position after it.
        next: LogPosition,
    },
    /// Bytes that were durable are damaged.
    #[error(
        "{place} is damaged at position {at} ({damage}); stop the host and restore the folder and its high-water mark from one copy; `homeroom check` shows the damage"
    )]
    Corrupt {
        /// The file.
        place: String,
        /// The first position that cannot be relied on.
        at: LogPosition,
        /// What is wrong.
        damage: Damage,
    },
    /// Written by a later version.
    #[error(
        "{place} has format {found} at position {at}, which this version does not know; run a newer version"
    )]
    UnknownFormat {
        /// The file.
        place: String,
        /// Where.
        at: LogPosition,
        /// Its format.
        found: u16,
    },
    /// Sealed with a key this version does not know.
    #[error(
        "{place} is sealed with key {key} at position {at}, which this version does not know; run a newer version"
    )]
    UnknownKey {
        /// The file.
        place: String,
        /// Where.
        at: LogPosition,
        /// The key's id.
        key: u32,
    },
}

/// What is wrong with a damaged file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The segment's header is unreadable or is not the one the file's name promises.
    #[error("segment header")]
    SegmentHeader,
    /// A commit that was durable.
    #[error("commit")]
    Commit,
    /// A segment that was sealed has no whole footer, or one that does not fit it.
    #[error("segment footer")]
    Footer,
    /// More bytes after the last whole commit than one torn write can leave.
    #[error("trailing bytes")]
    Trailing,
    /// The file changed after the log was closed in order.
    #[error("changed after a clean close")]
    ChangedAfterClose,
    /// The log has commits, but its mark says that it was never finished.
    #[error("commits in a log that was never finished")]
    NeverFinished,
}
