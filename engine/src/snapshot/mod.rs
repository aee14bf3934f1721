//! What a tenant holds in memory, kept in a folder, so that waking it replays little of its log.
//!
//! A snapshot is a set of sections. Only those that changed are written again: each snapshot adds one
//! file with the changed ones, and a manifest that names, for every section, the file it is in. A
//! manifest appears whole or not at all, and nothing it names is ever written again; so whatever moment
//! a crash picks, the newest complete snapshot is there. The log stays the truth: a snapshot that fails
//! any check is passed over for an older one.

#[cfg(test)]
mod crash_tests;
mod files;
mod manifest;
mod store;

use bytes::Bytes;

pub use self::store::SnapshotStore;
use crate::{
    domain::SectionId,
    log::{LogEpoch, LogPosition, TenantId},
};

/// Largest section in bytes.
pub const SECTION_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most sections of one snapshot.
pub const SECTIONS_MAX: usize = 256 * 1024;
/// Most bytes of sections in one file, that is in one call of [`SnapshotStore::write`].
pub const FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Most files the sections of one snapshot may be spread over.
pub const FILES_MAX: usize = 128;

/// Whose snapshots a folder holds: any others are passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotIdentity {
    /// The tenant.
    pub tenant: TenantId,
    /// The life of the log that replay goes on from.
    pub epoch: LogEpoch,
}

/// What [`SnapshotStore::open`] or [`SnapshotStore::load_older`] found.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The newest snapshot that is whole; none in a new folder.
    pub snapshot: Option<Snapshot>,
    /// What was passed over on the way, newest first. To be logged.
    pub skipped: Vec<Skipped>,
}

/// All sections as they were when the log ended at `position`, or later: each says for itself how far
/// it was applied. Replay starts after `position`.
#[derive(Debug)]
pub struct Snapshot {
    /// Replay starts after this.
    pub position: LogPosition,
    /// Ascending by id. Slices of the files as they were read: dropping all of them frees the memory.
    pub sections: Vec<(SectionId, Bytes)>,
}

/// A snapshot that was not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Which.
    pub position: LogPosition,
    /// Why.
    pub cause: SkipCause,
}

/// Why a snapshot was not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SkipCause {
    /// It fails a check.
    #[error("{file} is damaged: {what}")]
    Damaged {
        /// The file.
        file: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// It cannot be read.
    #[error("{file} cannot be read: {cause}")]
    Unreadable {
        /// The file.
        file: String,
        /// The system's own words.
        cause: String,
    },
    /// It was written by a later release.
    #[error("its format {format} is of a later release")]
    Later {
        /// The format it has.
        format: u16,
    },
    /// It is sealed with a key this store does not have.
    #[error("it is sealed with key {key}")]
    Sealed {
        /// The key id.
        key: u32,
    },
    /// It belongs to another tenant or another life of the log.
    #[error("it belongs to another tenant or another life of the log")]
    Foreign,
    /// It is newer than the log: its events are lost, so what it holds never happened. It is removed,
    /// lest the log grow past it with other events.
    #[error("it is ahead of the log")]
    Ahead,
}

/// Why a snapshot was not written, or none could be looked for. What was there before still is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The storage failed; try again later.
    #[error("{action} failed in {place}: {cause}; the snapshot is tried again later")]
    Failed {
        /// What was being done.
        action: &'static str,
        /// The file or folder.
        place: String,
        /// The system's own words.
        cause: String,
    },
    /// There is one at this position or a later one already.
    #[error("the newest snapshot is already at {newest}")]
    NotNewer {
        /// Where the newest one is.
        newest: LogPosition,
    },
    /// A section over [`SECTION_BYTES_MAX`].
    #[error("section {section:?} has {bytes} bytes, the limit is {SECTION_BYTES_MAX}")]
    SectionTooLarge {
        /// Which.
        section: SectionId,
        /// Its size.
        bytes: usize,
    },
    /// More than [`SECTIONS_MAX`] sections.
    #[error("{sections} sections, the limit is {SECTIONS_MAX}")]
    TooManySections {
        /// How many there would be.
        sections: usize,
    },
    /// More than [`FILE_BYTES_MAX`] in one write.
    #[error("{bytes} bytes of changed sections, the limit is {FILE_BYTES_MAX}")]
    TooLarge {
        /// How many.
        bytes: u64,
    },
    /// The sections lie in too many files: write all of them ([`SnapshotStore::needs_all`]).
    #[error("the snapshot is spread over {FILES_MAX} files; all sections must be written")]
    NeedsAll,
}
