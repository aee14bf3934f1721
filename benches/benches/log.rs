//! The log on this machine's disk: appends with their fsync, and reads of what is in the page cache.
//!
//! An append is mostly one `fdatasync`, so these figures say as much about the disk as about the log.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use homeroom_engine::log::{
    Commit, CommitId, Log, LogPosition, SegmentLog, SegmentOptions, TenantId, WriterEpoch,
    disk::RealDisk,
};

const RECORD_BYTES: usize = 300;
const PAGE_RECORDS: usize = 50;
/// Records in the log that is read.
const READ_FROM_RECORDS: u64 = 100_000;

fn open(folder: &Path) -> (SegmentLog, WriterEpoch) {
    static CALLS: AtomicU64 = AtomicU64::new(1);
    let entropy = || {
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        u128::from(call)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .to_le_bytes()
    };
    let options = SegmentOptions::new(TenantId([7; 16]), Arc::new(entropy));
    let (log, report) = SegmentLog::open(
        Arc::new(RealDisk),
        &folder.join("log"),
        &folder.join("mark"),
        options,
    )
    .expect("a log in an empty folder opens");
    (log, report.writer)
}

/// Appends commits one after another, as a tenant's writer does.
struct Appending {
    log: SegmentLog,
    writer: WriterEpoch,
    last: LogPosition,
    records: Vec<Bytes>,
}

impl Appending {
    fn new(folder: &Path, records: usize) -> Self {
        let (log, writer) = open(folder);
        let record = Bytes::from(vec![0x5a; RECORD_BYTES]);
        Self {
            log,
            writer,
            last: LogPosition::START,
            records: vec![record; records],
        }
    }

    fn append(&mut self) {
        let commit = Commit {
            id: CommitId(u128::from(self.last.0).to_le_bytes()),
            expected: self.last,
            writer: self.writer,
            records: self.records.clone(),
        };
        self.last = self.log.append(&commit).expect("the disk takes it").last;
    }
}

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("log/append and fsync");
    group.sample_size(20);
    for records in [1, 16, 256] {
        group.throughput(Throughput::Elements(records as u64));
        group.bench_function(format!("{records} a commit"), |bencher| {
            let folder = tempfile::tempdir().expect("a place for temporary files");
            let mut appending = Appending::new(folder.path(), records);
            bencher.iter(|| appending.append());
        });
    }
    group.finish();
}

fn read(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a place for temporary files");
    let mut appending = Appending::new(folder.path(), 100);
    while appending.last.0 < READ_FROM_RECORDS {
        appending.append();
    }
    let mut group = criterion.benchmark_group("log/read");
    group.throughput(Throughput::Elements(PAGE_RECORDS as u64));
    group.bench_function("50 adjacent records", |bencher| {
        let mut from = 1;
        bencher.iter(|| {
            // A step that visits pages far apart, each as likely as any.
            from = (from + 61_803) % (READ_FROM_RECORDS - PAGE_RECORDS as u64);
            let read = appending
                .log
                .read(LogPosition(from + 1), PAGE_RECORDS * RECORD_BYTES);
            let records = read.expect("what was appended can be read");
            assert_eq!(records.len(), PAGE_RECORDS);
            records
        });
    });
    group.finish();
}

criterion_group!(log, append, read);
criterion_main!(log);
