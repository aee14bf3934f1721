//! A log copied record by record into a new one: what backup, restore and repair have in common.
//!
//! The copy begins a new life: it has its own epoch, its own salts and its own high-water mark, and
//! knows nothing of the files it came from. It is closed in order, so that any later change of it is
//! noticed, and it is read once more before it counts.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    AppendError, COMMIT_RECORDS_MAX, Commit, CommitId, LastEnd, Log, LogFailure, LogPosition,
    LogReader, OpenError, ReadError, Record, SegmentLog, SegmentOptions, TenantId, WriterEpoch,
    disk::Disk, segments::Entropy,
};

/// Most bytes of records in one commit of a copy: what a single damaged byte of it can cost. Small, as
/// people may have to live with the loss; not smaller, as each commit is an fsync.
pub const COPIED_COMMIT_BYTES_MAX: usize = 32 * 1024;

/// How many records there are, how long and which: equal for a log and its copy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Number of records.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// CRC-32C over the length (8 bytes, little-endian) and the bytes of each, in order.
    pub checksum: u32,
}

impl Tally {
    /// Counts one more.
    pub fn add(&mut self, record: &[u8]) {
        self.records += 1;
        self.bytes += record.len() as u64;
        let length = (record.len() as u64).to_le_bytes();
        self.checksum = crc32c::crc32c_append(self.checksum, &length);
        self.checksum = crc32c::crc32c_append(self.checksum, record);
    }
}

/// Why a log was not copied. The copy is of no use then.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CopyError {
    /// The copy's place cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The copy cannot be written.
    #[error("the copy in {place} cannot be written: {cause}")]
    Write {
        /// The copy.
        place: String,
        /// Why.
        cause: AppendError,
    },
    /// The copy's storage failed.
    #[error(transparent)]
    Storage(#[from] LogFailure),
    /// There is a log already.
    #[error("{place} holds a log already")]
    Occupied {
        /// Where.
        place: String,
    },
    /// The records do not follow each other.
    #[error("record {found} came where {expected} belongs")]
    Gap {
        /// The next position.
        expected: LogPosition,
        /// What came.
        found: LogPosition,
    },
    /// Read again, the copy is not what was written.
    #[error("the copy in {place} does not read back as it was written; try another disk")]
    Different {
        /// The copy.
        place: String,
    },
    /// The copy cannot be read again.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A copy in the making.
pub struct LogCopy {
    log: SegmentLog,
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    mark_path: PathBuf,
    tenant: TenantId,
    entropy: Entropy,
    writer: WriterEpoch,
    tally: Tally,
    pending: Vec<Bytes>,
    pending_bytes: usize,
}

impl LogCopy {
    /// Begins an empty log in `folder`, which must hold none.
    ///
    /// # Errors
    /// [`CopyError`].
    pub fn create(
        disk: Arc<dyn Disk>,
        folder: &Path,
        mark_path: &Path,
        options: SegmentOptions,
    ) -> Result<Self, CopyError> {
        let (tenant, entropy) = (options.tenant, Arc::clone(&options.entropy));
        let (log, report) = SegmentLog::open(Arc::clone(&disk), folder, mark_path, options)?;
        if report.end != LastEnd::Never {
            return Err(CopyError::Occupied {
                place: folder.display().to_string(),
            });
        }
        Ok(Self {
            log,
            disk,
            folder: folder.to_owned(),
            mark_path: mark_path.to_owned(),
            tenant,
            entropy,
            writer: report.writer,
            tally: Tally::default(),
            pending: Vec::new(),
            pending_bytes: 0,
        })
    }

    /// Adds the next record. It is written together with those that follow.
    ///
    /// # Errors
    /// [`CopyError`].
    pub fn add(&mut self, record: &Record) -> Result<(), CopyError> {
        let expected = LogPosition(self.tally.records).next();
        if record.position != expected {
            let found = record.position;
            return Err(CopyError::Gap { expected, found });
        }
        self.push(record.bytes.clone())
    }

    fn push(&mut self, record: Bytes) -> Result<(), CopyError> {
        let full = self.pending.len() >= COMMIT_RECORDS_MAX
            || self.pending_bytes + record.len() > COPIED_COMMIT_BYTES_MAX;
        if full {
            self.flush()?;
        }
        self.tally.add(&record);
        self.pending_bytes += record.len();
        self.pending.push(record);
        Ok(())
    }

    /// What was added so far.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// Adds records of its own, if any, seals the log and lets go of it. To be read once more by
    /// [`CopyCheck`].
    ///
    /// # Errors
    /// [`CopyError`].
    pub fn seal(mut self, last: Option<Bytes>) -> Result<CopyCheck, CopyError> {
        if let Some(last) = last {
            self.push(last)?;
        }
        self.flush()?;
        self.log.close()?;
        let reader = LogReader::open(self.disk, &self.folder, &self.mark_path, self.tenant)?;
        Ok(CopyCheck {
            place: self.folder,
            reader,
            written: self.tally,
            read: Tally::default(),
        })
    }

    fn flush(&mut self) -> Result<(), CopyError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.pending_bytes = 0;
        let commit = Commit {
            id: CommitId((self.entropy)()),
            expected: self.log.bounds().last,
            writer: self.writer,
            records: std::mem::take(&mut self.pending),
        };
        let appended = self.log.append(&commit);
        appended.map_err(|cause| CopyError::Write {
            place: self.folder.display().to_string(),
            cause,
        })?;
        Ok(())
    }
}

impl fmt::Debug for LogCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogCopy")
            .field("folder", &self.folder)
            .field("tally", &self.tally)
            .finish_non_exhaustive()
    }
}

/// A sealed copy on its second reading, from the disk.
#[derive(Debug)]
pub struct CopyCheck {
    place: PathBuf,
    reader: LogReader,
    written: Tally,
    read: Tally,
}

impl CopyCheck {
    /// Reads on, at most about `bytes_max`; `true` when all is read and found equal.
    ///
    /// # Errors
    /// [`CopyError`].
    pub fn read_on(&mut self, bytes_max: usize) -> Result<bool, CopyError> {
        let next = LogPosition(self.read.records).next();
        let records = self.reader.read(next, bytes_max)?;
        for record in &records {
            self.read.add(&record.bytes);
        }
        let ends = self.reader.bounds().last == LogPosition(self.read.records);
        if self.read.records < self.written.records && !records.is_empty() {
            return Ok(false);
        }
        if ends && self.read == self.written {
            return Ok(true);
        }
        Err(CopyError::Different {
            place: self.place.display().to_string(),
        })
    }

    /// How many records were read, of how many.
    #[must_use]
    pub const fn progress(&self) -> (u64, u64) {
        (self.read.records, self.written.records)
    }
}
