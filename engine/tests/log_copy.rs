//! A log is copied whole while its writer goes on; what a failure or a power cut leaves of a copy is
//! never taken for one; what can still be read of a damaged log is found.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod support;

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use homeroom_engine::log::{
    COPIED_COMMIT_BYTES_MAX, Commit, CommitId, CopyError, Log, LogCopy, LogPosition, LogReader,
    OpenError, ReadError, Record, Salvage, SegmentLog, Tally, Unreadable, WriterEpoch,
    disk::{Disk, OpenMode},
    verify,
};
use support::{
    Dice,
    faulty_disk::{Fault, FaultyDisk, Plan},
    model_disk::ModelDisk,
    tenant_log::{FOLDER, MARK, TENANT, open, options},
};

const SEGMENT_BYTES: u64 = 2000;
const COPY: &str = "/copy/log";
const COPY_MARK: &str = "/copy/log.mark";

fn record(n: u64) -> Bytes {
    Bytes::from(format!(
        "{n:06}{}",
        "x".repeat(usize::try_from(n % 11 * 13).unwrap())
    ))
}

/// Appends the records that follow, three to a commit.
fn grow(log: &SegmentLog, writer: WriterEpoch, to: u64) {
    while log.bounds().last.0 < to {
        let expected = log.bounds().last;
        let records = (expected.0 + 1..=(expected.0 + 3).min(to)).map(record);
        let mut id = [0; 16];
        id[..8].copy_from_slice(&expected.0.to_le_bytes());
        let commit = Commit {
            id: CommitId(id),
            expected,
            writer,
            records: records.collect(),
        };
        log.append(&commit).unwrap();
    }
}

fn reader(disk: &ModelDisk, folder: &str, mark: &str) -> Result<LogReader, OpenError> {
    let disk = Arc::new(disk.clone());
    LogReader::open(disk, Path::new(folder), Path::new(mark), TENANT)
}

/// Everything that can be read up to a position.
fn all(read: impl Fn(LogPosition) -> Result<Vec<Record>, ReadError>, upto: u64) -> Vec<Bytes> {
    let mut found = Vec::new();
    while (found.len() as u64) < upto {
        let records = read(LogPosition(found.len() as u64 + 1)).unwrap();
        assert!(!records.is_empty(), "nothing after {}", found.len());
        found.extend(records.into_iter().map(|record| record.bytes));
    }
    found.truncate(usize::try_from(upto).unwrap());
    found
}

fn wanted(count: u64) -> Vec<Bytes> {
    (1..=count).map(record).collect()
}

fn copy(disk: Arc<dyn Disk>, count: u64) -> Result<Tally, CopyError> {
    copy_into_segments_of(SEGMENT_BYTES, disk, count)
}

fn copy_into_segments_of(
    segment_bytes: u64,
    disk: Arc<dyn Disk>,
    count: u64,
) -> Result<Tally, CopyError> {
    let options = options(segment_bytes, false);
    let mut copy = LogCopy::create(disk, Path::new(COPY), Path::new(COPY_MARK), options)?;
    for n in 1..=count {
        let (position, bytes) = (LogPosition(n), record(n));
        copy.add(&Record { position, bytes })?;
    }
    let mut check = copy.seal(Some(Bytes::from_static(b"the end")))?;
    while !check.read_on(500)? {}
    let mut tally = Tally::default();
    wanted(count).iter().for_each(|record| tally.add(record));
    tally.add(b"the end");
    Ok(tally)
}

#[test]
fn a_reader_of_a_closed_log_reads_on_while_it_is_opened_written_and_closed_again() {
    let disk = ModelDisk::default();
    let (log, report) = open(Arc::new(disk.clone()), options(SEGMENT_BYTES, false)).unwrap();
    grow(&log, report.writer, 100);
    log.close().unwrap();
    let reader = reader(&disk, FOLDER, MARK).unwrap();
    assert_eq!(reader.bounds().last, LogPosition(100));
    let read = |from| reader.read(from, 700);
    assert_eq!(all(read, 10), wanted(10));
    for end in [150, 200] {
        let (log, report) = open(Arc::new(disk.clone()), options(SEGMENT_BYTES, false)).unwrap();
        grow(&log, report.writer, end);
        assert_eq!(all(read, 100), wanted(100));
        assert!(reader.read(LogPosition(101), 700).unwrap().is_empty());
        log.close().unwrap();
        assert_eq!(all(read, 100), wanted(100));
    }
}

#[test]
fn a_reader_after_a_kill_shows_nothing_that_a_power_cut_then_takes() {
    let mut unacknowledged = 0;
    for seed in 0..120 {
        let disk = ModelDisk::default();
        let faulty = FaultyDisk::new(disk.clone(), None);
        let (log, report) = open(Arc::new(faulty.clone()), options(100_000, false)).unwrap();
        grow(&log, report.writer, 40);
        // The process dies on its way through the next commit.
        let at = faulty.operations() + seed % 4;
        let (fault, lasting) = (Fault::Killed, true);
        faulty.plan(Some(Plan { at, fault, lasting }));
        let commit = Commit {
            id: CommitId([9; 16]),
            expected: LogPosition(40),
            writer: report.writer,
            records: vec![record(41)],
        };
        let appended = log.append(&commit);
        drop(log);
        let seen = reader(&disk, FOLDER, MARK).unwrap().bounds().last;
        unacknowledged += u64::from(appended.is_err() && seen.0 == 41);
        disk.cut_power(&mut Dice(seed));
        let (log, _) = open(Arc::new(disk), options(100_000, false)).unwrap();
        assert!(log.bounds().last >= seen, "seed {seed}");
    }
    assert!(unacknowledged > 0, "nothing was at stake");
}

#[test]
fn a_copy_holds_every_record_under_another_epoch_and_is_closed_in_order() {
    let disk = ModelDisk::default();
    let tally = copy(Arc::new(disk.clone()), 500).unwrap();
    assert_eq!(tally.records, 501);
    let reader = reader(&disk, COPY, COPY_MARK).unwrap();
    assert_eq!(all(|from| reader.read(from, 900), 500), wanted(500));
    let (folder, mark) = (Path::new(COPY), Path::new(COPY_MARK));
    assert_eq!(verify(&disk, folder, mark, TENANT).unwrap().last.0, 501);
    // Nothing is added to what is there already, and no record is left out.
    let again = copy(Arc::new(disk), 1);
    assert!(
        matches!(again, Err(CopyError::Occupied { .. })),
        "{again:?}"
    );
    let disk = Arc::new(ModelDisk::default());
    let options = options(SEGMENT_BYTES, false);
    let mut copy = LogCopy::create(disk, folder, mark, options).unwrap();
    let (position, bytes) = (LogPosition(2), record(2));
    let gap = copy.add(&Record { position, bytes });
    assert!(matches!(gap, Err(CopyError::Gap { .. })), "{gap:?}");
}

#[test]
fn a_copy_that_was_called_done_outlives_a_power_cut_at_that_moment() {
    for seed in 0..50 {
        let disk = ModelDisk::default();
        copy(Arc::new(disk.clone()), 60).unwrap();
        disk.cut_power(&mut Dice(seed));
        let reader = reader(&disk, COPY, COPY_MARK).unwrap();
        assert_eq!(
            all(|from| reader.read(from, 900), 60),
            wanted(60),
            "seed {seed}"
        );
    }
}

#[test]
fn a_copy_that_met_any_failure_is_not_called_done() {
    let healthy = FaultyDisk::new(ModelDisk::default(), None);
    copy(Arc::new(healthy.clone()), 60).unwrap();
    for fault in [Fault::Broken, Fault::Short, Fault::Full] {
        for at in 0..healthy.operations() {
            let lasting = true;
            let disk = FaultyDisk::new(ModelDisk::default(), Some(Plan { at, fault, lasting }));
            if let Ok(tally) = copy(Arc::new(disk.clone()), 60) {
                // Only what was not asked for: more space to come.
                assert!(
                    fault == Fault::Full || disk.failed() == 0,
                    "{fault:?} at {at}"
                );
                assert_eq!(tally.records, 61);
            }
        }
    }
}

#[test]
fn a_copy_that_reads_back_differently_is_not_called_done() {
    let disk = ModelDisk::default();
    let options = options(SEGMENT_BYTES, false);
    let (folder, mark) = (Path::new(COPY), Path::new(COPY_MARK));
    let mut copy = LogCopy::create(Arc::new(disk.clone()), folder, mark, options).unwrap();
    for n in 1..=20 {
        let (position, bytes) = (LogPosition(n), record(n));
        copy.add(&Record { position, bytes }).unwrap();
    }
    let mut check = copy.seal(None).unwrap();
    let name = disk.list(folder).unwrap().into_iter().min().unwrap();
    let file = disk.open(&folder.join(name), OpenMode::Write).unwrap();
    let mut byte = [0];
    file.read_at(&mut byte, 400).unwrap();
    file.write_at(&[!byte[0]], 400).unwrap();
    let read = (0..100).find_map(|_| check.read_on(300).err());
    assert!(matches!(read, Some(CopyError::Read(_))), "{read:?}");
}

fn salvage(disk: &ModelDisk) -> (Vec<Record>, Vec<Unreadable>) {
    salvage_in(disk, FOLDER, MARK)
}

fn salvage_in(disk: &ModelDisk, folder: &str, mark: &str) -> (Vec<Record>, Vec<Unreadable>) {
    let disk = Arc::new(disk.clone());
    let mut salvage = Salvage::open(disk, Path::new(folder), Path::new(mark), TENANT).unwrap();
    let (mut records, mut unreadable) = (Vec::new(), Vec::new());
    while let Some(found) = salvage.read_on(400) {
        records.extend(found.records);
        unreadable.extend(found.unreadable);
    }
    (records, unreadable)
}

/// A log of 60 records in several segments, closed in order.
fn closed_log() -> ModelDisk {
    let disk = ModelDisk::default();
    let (log, report) = open(Arc::new(disk.clone()), options(SEGMENT_BYTES, false)).unwrap();
    grow(&log, report.writer, 60);
    log.close().unwrap();
    disk
}

#[test]
fn behind_any_damaged_byte_all_other_commits_are_found() {
    let names = |disk: &ModelDisk| {
        let mut names = disk.list(Path::new(FOLDER)).unwrap();
        names.sort();
        names
    };
    assert!(names(&closed_log()).len() > 2);
    for segment in 0..names(&closed_log()).len() {
        for at in (64..1500).step_by(7) {
            let disk = closed_log();
            let path = Path::new(FOLDER).join(&names(&disk)[segment]);
            let file = disk.open(&path, OpenMode::Write).unwrap();
            if at >= file.size().unwrap() {
                continue;
            }
            let mut byte = [0];
            file.read_at(&mut byte, at).unwrap();
            file.write_at(&[byte[0] ^ 0x10], at).unwrap();
            let (records, unreadable) = salvage(&disk);
            for found in &records {
                assert_eq!(found.bytes, record(found.position.0));
            }
            let lost = 60 - records.len();
            assert!(
                lost <= 3,
                "one commit, not {lost}: segment {segment} at {at}"
            );
            let told = unreadable.iter().any(|it| (it.from..it.to).contains(&at));
            assert!(
                lost == 0 || told,
                "segment {segment} at {at}: {unreadable:?}"
            );
        }
    }
}

/// However few commits its source was written in, or many records at once: a copy has small ones.
#[test]
fn a_damaged_byte_of_a_copy_costs_no_more_than_one_small_commit() {
    const RECORDS: u64 = 3000;
    let disk = ModelDisk::default();
    copy_into_segments_of(1 << 20, Arc::new(disk.clone()), RECORDS).unwrap();
    let names = disk.list(Path::new(COPY)).unwrap();
    assert_eq!(names.len(), 1, "{names:?}");
    let file = disk.open(&Path::new(COPY).join(&names[0]), OpenMode::Write);
    let file = file.unwrap();
    let middle = file.size().unwrap() / 2;
    let mut byte = [0];
    file.read_at(&mut byte, middle).unwrap();
    file.write_at(&[byte[0] ^ 0x10], middle).unwrap();

    let (found, _) = salvage_in(&disk, COPY, COPY_MARK);
    let is_found = |n: u64| found.iter().any(|record| record.position.0 == n);
    let lost: Vec<u64> = (1..=RECORDS).filter(|&n| !is_found(n)).collect();
    let lost_bytes: usize = lost.iter().map(|&n| record(n).len()).sum();
    assert!(!lost.is_empty(), "the damage fell on no record");
    assert!(
        lost_bytes <= COPIED_COMMIT_BYTES_MAX,
        "{lost_bytes} bytes are lost"
    );
}

#[test]
fn a_log_without_its_mark_or_a_whole_segment_is_read_as_far_as_it_goes() {
    let disk = closed_log();
    disk.remove(Path::new(MARK)).unwrap();
    assert_eq!(salvage(&disk).0.len(), 60);
    let mut names = disk.list(Path::new(FOLDER)).unwrap();
    names.sort();
    disk.remove(&Path::new(FOLDER).join(&names[1])).unwrap();
    let (records, _) = salvage(&disk);
    assert!(records.len() < 60 && records.last().unwrap().position.0 == 60);
    // A header that is gone takes its segment with it, and no other.
    let file = disk
        .open(&Path::new(FOLDER).join(&names[0]), OpenMode::Write)
        .unwrap();
    file.write_at(b"X", 0).unwrap();
    let (rest, unreadable) = salvage(&disk);
    assert!(!rest.is_empty() && rest.len() < records.len());
    assert_eq!((unreadable.len(), unreadable[0].from), (1, 0));
    assert!(salvage(&ModelDisk::default()).0.is_empty());
}
