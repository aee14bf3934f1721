//! How many sealed segments are held open by logs that nobody reads just now: counted by the handles that a disk
//! gave out and that still are.
#![cfg(test)]

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, Weak},
};

use bytes::Bytes;
use homeroom_engine::log::{
    Commit, CommitId, Log, LogPosition, OpenReport, OpenSegments, SegmentLog, SegmentOptions,
    TenantId,
    disk::{Disk, DiskFile, OpenMode, RealDisk},
};

/// The system's disk, which remembers the handles that it gave out to read: those that are gone, too.
#[derive(Debug, Clone, Default)]
struct CountingDisk {
    handles: Arc<Mutex<Vec<Weak<dyn DiskFile>>>>,
}

impl CountingDisk {
    fn out(&self) -> usize {
        let handles = self.handles.lock().unwrap();
        (handles.iter().filter(|handle| handle.strong_count() > 0)).count()
    }

    fn asked(&self) -> usize {
        self.handles.lock().unwrap().len()
    }
}

impl Disk for CountingDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let file = RealDisk.open(path, mode)?;
        if mode == OpenMode::Read {
            self.handles.lock().unwrap().push(Arc::downgrade(&file));
        }
        Ok(file)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        RealDisk.create_folder(folder)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        RealDisk.sync_folder(folder)
    }
}

/// A log of eight records, two in each segment.
fn log(disk: &CountingDisk, folder: &Path, all: &Arc<OpenSegments>) -> SegmentLog {
    let options = SegmentOptions {
        segment_bytes: 2048,
        open_segments: Arc::clone(all),
        ..SegmentOptions::new(TenantId([7; 16]), Arc::new(|| [9; 16]))
    };
    let disk = Arc::new(disk.clone());
    let (log, report): (SegmentLog, OpenReport) =
        SegmentLog::open(disk, &folder.join("log"), &folder.join("mark"), options).unwrap();
    for number in 0..8 {
        let commit = Commit {
            id: CommitId([number; 16]),
            expected: LogPosition(number.into()),
            writer: report.writer,
            records: vec![Bytes::from(vec![number; 1000])],
        };
        log.append(&commit).unwrap();
    }
    log
}

fn reads(log: &SegmentLog, at: u64) {
    let records = log.read(LogPosition(at), 1).unwrap();
    assert_eq!(records[0].position, LogPosition(at));
}

#[test]
fn many_logs_that_were_read_hold_no_more_segments_open_than_the_bound() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, all) = (CountingDisk::default(), OpenSegments::new(5));
    let logs: Vec<_> = (0..40)
        .map(|number| log(&disk, &folder.path().join(number.to_string()), &all))
        .collect();
    for (read, log) in (1..).zip(&logs) {
        reads(log, 1);
        assert_eq!((disk.out(), all.open_count()), (read.min(5), read.min(5)));
    }
    // Whoever is read again and again is not the one that goes.
    let before = disk.asked();
    for other in &logs[..35] {
        reads(&logs[39], 1);
        reads(other, 1);
    }
    assert_eq!(disk.asked() - before, 35);
    assert_eq!(disk.out(), 5);
    drop(logs);
    assert_eq!(
        (disk.out(), all.open_count()),
        (0, 0),
        "gone with their logs"
    );
}

#[test]
fn a_log_holds_only_the_segment_that_it_read_last_and_not_one_that_was_trimmed() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, all) = (CountingDisk::default(), OpenSegments::new(5));
    let log = log(&disk, folder.path(), &all);
    for at in 1..=6 {
        reads(&log, at);
        assert_eq!(disk.out(), 1);
    }
    reads(&log, 1);
    assert!(log.trim(LogPosition(4)).unwrap() > LogPosition(1));
    assert_eq!(disk.out(), 0, "it would keep its space");
    reads(&log, 6);
    assert_eq!((disk.out(), all.open_count()), (1, 1));
}
