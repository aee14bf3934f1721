//! A log on a test's disk together with what it has promised.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use homeroom_engine::log::{
    AppendError, Commit, CommitId, Log, LogFailure, LogPosition, OpenError, OpenReport, ReadError,
    SegmentLog, SegmentOptions, TenantId, WriterEpoch, disk::Disk,
};

pub const TENANT: TenantId = TenantId([7; 16]);
pub const FOLDER: &str = "/tenant/log";
pub const MARK: &str = "/tenant/log.mark";

/// Options for small segments, with salts that differ all the time.
pub fn options(segment_bytes: u64, suspect: bool) -> SegmentOptions {
    static CALLS: AtomicU64 = AtomicU64::new(1);
    let entropy = Arc::new(|| {
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        let mut dice = super::Dice(call);
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&dice.roll().to_le_bytes());
        bytes[8..].copy_from_slice(&dice.roll().to_le_bytes());
        bytes
    });
    SegmentOptions {
        segment_bytes,
        suspect,
        ..SegmentOptions::new(TENANT, entropy)
    }
}

/// Opens the log of the test's tenant.
pub fn open(
    disk: Arc<dyn Disk>,
    options: SegmentOptions,
) -> Result<(SegmentLog, OpenReport), OpenError> {
    SegmentLog::open(disk, Path::new(FOLDER), Path::new(MARK), options)
}

/// What a log must hold: every acknowledged record, then perhaps one commit of unknown outcome.
#[derive(Debug, Default, Clone)]
pub struct Promise {
    pub kept: Vec<Bytes>,
    pub unknown: Vec<Bytes>,
    /// Records below this position may be gone.
    pub trimmed_below: u64,
    commits: u64,
}

impl Promise {
    /// The next commit to be tried.
    pub fn commit(&mut self, writer: WriterEpoch, records: Vec<Bytes>) -> Commit {
        self.commits += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.commits.to_le_bytes());
        let expected = LogPosition(self.kept.len() as u64);
        Commit {
            id: CommitId(id),
            expected,
            writer,
            records,
        }
    }

    /// Appends a commit and notes what that promises.
    pub fn append(&mut self, log: &SegmentLog, commit: &Commit) -> Result<(), AppendError> {
        match log.append(commit) {
            Ok(appended) => {
                self.kept.extend(commit.records.iter().cloned());
                assert_eq!(appended.last.0, self.kept.len() as u64);
                Ok(())
            }
            Err(AppendError::Full) => Err(AppendError::Full),
            Err(error) => {
                self.unknown.clone_from(&commit.records);
                Err(error)
            }
        }
    }

    /// Holds a log that was opened again to the promise. What it shows is promised from here on.
    pub fn hold(&mut self, log: &SegmentLog) {
        self.try_hold(log).unwrap();
    }

    /// The same, on a disk that may fail meanwhile.
    pub fn try_hold(&mut self, log: &SegmentLog) -> Result<(), LogFailure> {
        let bounds = log.bounds();
        assert!(
            bounds.first.0 <= self.trimmed_below.max(1),
            "{bounds:?} {}",
            self.trimmed_below
        );
        let records = match log.read(bounds.first, usize::MAX) {
            Ok(records) => records,
            Err(ReadError::Failed(failure)) => return Err(failure),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(records.len() as u64, bounds.last.next().0 - bounds.first.0);
        for (record, position) in records.iter().zip(bounds.first.0..) {
            assert_eq!(record.position.0, position);
        }
        let skipped = usize::try_from(bounds.first.0 - 1).unwrap();
        let shown: Vec<_> = records.into_iter().map(|record| record.bytes).collect();
        let with_unknown: Vec<_> = self.kept.iter().chain(&self.unknown).cloned().collect();
        let whole = shown == self.kept[skipped..] || shown == with_unknown[skipped..];
        assert!(
            whole,
            "{} shown, {} kept",
            skipped + shown.len(),
            self.kept.len()
        );
        if skipped + shown.len() > self.kept.len() {
            self.kept = with_unknown;
        }
        self.unknown.clear();
        Ok(())
    }
}
