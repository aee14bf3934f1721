//! What failing storage, kills and power cuts leave of a log: every acknowledged commit, others whole
//! or not at all, and nothing that was once shown is lost afterwards.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod support;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use homeroom_engine::log::{
    AppendError, COMMIT_BYTES_MAX, COMMIT_RECORDS_MAX, Commit, LastEnd, Log, LogPosition,
    ReadError, SegmentLog, Space, WriterEpoch, disk::Disk,
};
use proptest::prelude::*;
use support::{
    Dice,
    faulty_disk::{Fault, FaultyDisk, Plan},
    model_disk::ModelDisk,
    tenant_log::{MARK, Promise, open, options},
};

const SEGMENT_BYTES: u64 = 900;

fn text(of: usize, bytes: usize) -> Bytes {
    Bytes::from(
        format!("{of:04}-")
            .into_bytes()
            .into_iter()
            .chain(vec![b'x'; bytes])
            .collect::<Vec<_>>(),
    )
}

/// One step of a script; `Err` when the storage failed and the log is to be opened anew.
struct Stopped;

fn append(
    log: &SegmentLog,
    writer: WriterEpoch,
    promise: &mut Promise,
    n: usize,
) -> Result<(), Stopped> {
    let records = (0..=n % 3)
        .map(|record| text(n * 10 + record, n % 7 * 20))
        .collect();
    let commit = promise.commit(writer, records);
    // A full disk may have room a little later; nothing was added meanwhile.
    for _ in 0..3 {
        match promise.append(log, &commit) {
            Ok(()) => return Ok(()),
            Err(AppendError::Full) => {
                assert_eq!(log.bounds().last.0, promise.kept.len() as u64);
            }
            Err(AppendError::Failed(_)) => return Err(Stopped),
            Err(other) => panic!("{other}"),
        }
    }
    Ok(())
}

/// A whole life: creation, appends over several segments, a trim, a clean close, a crash.
fn life(disk: &FaultyDisk, promise: &mut Promise) -> Result<(), Stopped> {
    let open_again = |suspect| {
        open(Arc::new(disk.clone()), options(SEGMENT_BYTES, suspect)).map_err(|_| Stopped)
    };
    let (log, report) = open_again(false)?;
    for n in 0..14 {
        append(&log, report.writer, promise, n)?;
        if n == 6 {
            log.checkpoint().map_err(|_| Stopped)?;
        }
    }
    promise.trimmed_below = 8;
    log.trim(LogPosition(8)).map_err(|_| Stopped)?;
    let closed = log.close();
    drop(log);
    if let Err(failure) = closed
        && failure.action != "seal"
    {
        return Err(Stopped);
    }
    let (log, report) = open_again(false)?;
    promise.try_hold(&log).map_err(|_| Stopped)?;
    append(&log, report.writer, promise, 20)?;
    append(&log, report.writer, promise, 21)?;
    drop(log);
    let (log, report) = open_again(false)?;
    promise.try_hold(&log).map_err(|_| Stopped)?;
    append(&log, report.writer, promise, 22)?;
    Ok(())
}

fn operations_of_a_life() -> u64 {
    let disk = FaultyDisk::new(ModelDisk::default(), None);
    let mut promise = Promise::default();
    assert!(life(&disk, &mut promise).is_ok());
    assert!(disk.count("rename") > 4, "several segments");
    disk.operations()
}

/// Fails every single operation in turn, then opens on a healthy disk, reads, cuts the power, and reads
/// again.
fn every_operation_fails(fault: Fault, lasting: bool, suspect: bool) {
    for at in 0..operations_of_a_life() {
        let disk = FaultyDisk::new(ModelDisk::default(), Some(Plan { at, fault, lasting }));
        let mut promise = Promise::default();
        let _ = life(&disk, &mut promise);
        assert!(
            disk.failed() > 0 || fault == Fault::Full,
            "operation {at} was reached"
        );
        let healthy = disk.inner.clone();
        let reopen = |suspect| {
            let opened = open(Arc::new(healthy.clone()), options(SEGMENT_BYTES, suspect));
            opened.unwrap_or_else(|error| panic!("operation {at}: {error}"))
        };
        let (log, report) = reopen(suspect);
        promise.hold(&log);
        let commit = promise.commit(report.writer, vec![text(1, 1)]);
        promise.append(&log, &commit).unwrap();
        drop(log);
        let knows = suspect || !lasting;
        if knows {
            healthy.cut_power(&mut Dice(at));
            promise.hold(&reopen(false).0);
        }
    }
}

#[test]
fn a_broken_operation_loses_nothing_acknowledged() {
    every_operation_fails(Fault::Broken, false, false);
}

#[test]
fn a_short_write_loses_nothing_acknowledged() {
    every_operation_fails(Fault::Short, false, false);
}

#[test]
fn a_disk_that_stays_broken_loses_nothing_acknowledged() {
    every_operation_fails(Fault::Broken, true, false);
}

#[test]
fn a_disk_that_stays_broken_is_remembered_by_the_process() {
    every_operation_fails(Fault::Broken, true, true);
}

#[test]
fn a_moment_without_space_loses_nothing() {
    every_operation_fails(Fault::Full, false, false);
}

#[test]
fn a_disk_that_stays_full_loses_nothing() {
    every_operation_fails(Fault::Full, true, false);
}

#[test]
fn a_process_killed_at_any_operation_leaves_what_it_acknowledged() {
    every_operation_fails(Fault::Killed, true, false);
}

/// Several lives in a row, each ended by a kill or a failure at some operation, a close, or a power cut.
fn lives_and_power_cuts(seed: u64) {
    let mut dice = Dice(seed);
    let model = ModelDisk::default();
    let mut promise = Promise::default();
    for _ in 0..6 {
        let at = dice.below(120) as u64;
        let killed = dice.below(3) > 0;
        let fault = if killed { Fault::Killed } else { Fault::Broken };
        let plan = Plan {
            at,
            fault,
            lasting: killed,
        };
        let disk = FaultyDisk::new(model.clone(), Some(plan));
        if let Ok((log, report)) = open(Arc::new(disk), options(SEGMENT_BYTES, false)) {
            let readable = promise.try_hold(&log).is_ok();
            for _ in 0..if readable { dice.below(12) } else { 0 } {
                let step = match dice.below(12) {
                    0 => log.checkpoint().map(|_| ()).map_err(|_| Stopped),
                    1 => {
                        promise.trimmed_below =
                            promise.trimmed_below.max(promise.kept.len() as u64 / 2);
                        log.trim(LogPosition(promise.trimmed_below))
                            .map(|_| ())
                            .map_err(|_| Stopped)
                    }
                    _ => append(&log, report.writer, &mut promise, dice.below(40)),
                };
                if step.is_err() {
                    break;
                }
            }
            if dice.below(3) == 0 {
                let _ = log.close();
            }
        }
        match dice.below(5) {
            0 | 1 => model.cut_power(&mut dice),
            // The next life meets what this one left.
            2 => continue,
            _ => {}
        }
        let (log, report) = open(Arc::new(model.clone()), options(SEGMENT_BYTES, false))
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        promise.hold(&log);
        for n in 0..dice.below(4) {
            assert!(append(&log, report.writer, &mut promise, n).is_ok());
        }
        drop(log);
        model.cut_power(&mut dice);
        let (log, _) = open(Arc::new(model.clone()), options(SEGMENT_BYTES, false))
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        promise.hold(&log);
    }
}

#[test]
fn acknowledged_means_kept_and_shown_means_kept_through_kills_and_power_cuts() {
    for seed in 0..400 {
        lives_and_power_cuts(seed);
    }
}

#[test]
fn a_failed_fsync_refuses_everything_until_the_segment_is_copied() {
    let model = ModelDisk::default();
    let disk = FaultyDisk::new(model.clone(), None);
    let mut promise = Promise::default();
    let (log, report) = open(Arc::new(disk.clone()), options(1 << 20, false)).unwrap();
    let first = promise.commit(report.writer, vec![text(1, 10)]);
    promise.append(&log, &first).unwrap();
    // The write of the next commit works, its fsync does not.
    disk.plan(Some(Plan {
        at: disk.operations() + 1,
        fault: Fault::Broken,
        lasting: false,
    }));
    let second = promise.commit(report.writer, vec![text(2, 10)]);
    let refusal = promise.append(&log, &second).unwrap_err();
    assert!(
        refusal
            .to_string()
            .contains("sync commit failed in /tenant/log/"),
        "{refusal}"
    );
    assert_eq!(log.bounds().last, LogPosition(1));
    assert!(matches!(log.append(&second), Err(AppendError::Failed(_))));
    assert!(matches!(
        log.read(LogPosition(1), 10),
        Err(ReadError::Failed(_))
    ));
    log.checkpoint().unwrap_err();
    log.trim(LogPosition(1)).unwrap_err();
    log.close().unwrap_err();
    drop(log);
    let (log, report) = open(Arc::new(model.clone()), options(1 << 20, false)).unwrap();
    assert_eq!(
        report.end,
        LastEnd::Failed,
        "the mark says so to a new process too"
    );
    promise.hold(&log);
    drop(log);
    model.cut_power(&mut Dice(1));
    let (log, report) = open(Arc::new(model), options(1 << 20, false)).unwrap();
    assert_eq!(report.end, LastEnd::Crashed);
    promise.hold(&log);
}

/// As large as a commit can be.
fn largest(promise: &mut Promise, writer: WriterEpoch) -> Commit {
    let mut records = vec![Bytes::from_static(b"0123456789abcdef"); COMMIT_RECORDS_MAX - 1];
    records.push(Bytes::from(vec![
        b'x';
        COMMIT_BYTES_MAX
            - 16 * (COMMIT_RECORDS_MAX - 1)
    ]));
    promise.commit(writer, records)
}

#[test]
fn a_writer_that_hears_low_has_space_for_what_it_may_have_in_flight() {
    for segment_bytes in [1 << 30, 2 << 20] {
        let model = ModelDisk::default();
        model.set_free(Some(16 << 20));
        let reopen = || open(Arc::new(model.clone()), options(segment_bytes, false)).unwrap();
        let (log, report) = reopen();
        let mut promise = Promise::default();
        let append = |promise: &mut Promise| {
            let commit = largest(promise, report.writer);
            let appended = log.append(&commit);
            if appended.is_ok() {
                promise.kept.extend(commit.records.iter().cloned());
            }
            appended.map(|appended| appended.space)
        };
        let mut before_low = 0;
        while append(&mut promise).unwrap() == Space::Reserved {
            before_low += 1;
        }
        assert!(before_low >= 4, "{before_low} before the disk was full");
        assert_eq!(append(&mut promise).unwrap(), Space::Low);
        assert_eq!(append(&mut promise).unwrap(), Space::Low);
        assert_eq!(log.checkpoint().unwrap(), Space::Low);
        // Who goes on all the same is refused in the end, and nothing is lost by it.
        let refusal = (0..4).find_map(|_| append(&mut promise).err());
        assert!(matches!(refusal, Some(AppendError::Full)), "{refusal:?}");
        promise.try_hold(&log).unwrap();
        model.set_free(Some(64 << 20));
        assert_eq!(log.checkpoint().unwrap(), Space::Reserved);
        assert_eq!(append(&mut promise).unwrap(), Space::Reserved);
        drop(log);
        promise.hold(&reopen().0);
    }
}

#[test]
fn a_write_that_found_no_space_leaves_nothing_behind() {
    let disk = FaultyDisk::new(ModelDisk::default(), None);
    let (log, report) = open(Arc::new(disk.clone()), options(1 << 20, false)).unwrap();
    let mut promise = Promise::default();
    let file = || {
        disk.inner
            .content("/tenant/log/00000000000000000001.log".as_ref())
    };
    let before = file();
    disk.plan(Some(Plan {
        at: disk.operations(),
        fault: Fault::Full,
        lasting: false,
    }));
    let commit = promise.commit(report.writer, vec![text(1, 100)]);
    let refusal = promise.append(&log, &commit).unwrap_err();
    assert!(matches!(refusal, AppendError::Full), "{refusal}");
    assert_eq!(file(), before);
    promise.append(&log, &commit).unwrap();
}

#[test]
fn a_small_commit_asks_for_space_only_now_and_then() {
    let disk = FaultyDisk::new(ModelDisk::default(), None);
    let (log, report) = open(Arc::new(disk.clone()), options(1 << 30, false)).unwrap();
    let mut promise = Promise::default();
    let (reserves, syncs) = (disk.count("reserve"), disk.count("sync"));
    for n in 0..100 {
        let commit = promise.commit(report.writer, vec![text(n, 1000)]);
        promise.append(&log, &commit).unwrap();
    }
    assert_eq!(disk.count("reserve"), reserves);
    assert_eq!(disk.count("sync"), syncs + 100, "one fsync for each commit");
}

#[test]
fn opening_costs_two_reads_for_each_sealed_segment() {
    let reads_to_open = |segments: u64| {
        let model = ModelDisk::default();
        let (log, report) = open(Arc::new(model.clone()), options(3000, false)).unwrap();
        let mut promise = Promise::default();
        for n in 0..segments {
            for part in 0..10 {
                let number = usize::try_from(n).unwrap() * 10 + part;
                let commit = promise.commit(report.writer, vec![text(number, 300)]);
                promise.append(&log, &commit).unwrap();
            }
        }
        drop(log);
        let disk = FaultyDisk::new(model, None);
        open(Arc::new(disk.clone()), options(3000, false)).unwrap();
        (
            disk.inner.list("/tenant/log".as_ref()).unwrap().len() as u64,
            disk.count("read"),
        )
    };
    let (few, reads_of_few) = reads_to_open(3);
    let (many, reads_of_many) = reads_to_open(40);
    assert!(many > few + 30);
    assert!(
        reads_of_many - reads_of_few <= 2 * (many - few) + 2,
        "{reads_of_few} for {few}, {reads_of_many} for {many}"
    );
}

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<u16>),
    Read(u64, usize),
    Trim(u64),
    Checkpoint,
    Close,
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec(0..300_u16, 1..6).prop_map(Step::Append),
        4 => (0..120_u64, 0..2000_usize).prop_map(|(from, room)| Step::Read(from, room)),
        1 => (0..60_u64).prop_map(Step::Trim),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Close),
        1 => Just(Step::Kill),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_is_a_vec_that_survives(steps in prop::collection::vec(step(), 1..60)) {
        let disk: Arc<dyn Disk> = Arc::new(ModelDisk::default());
        let reopen = || open(Arc::clone(&disk), options(2000, false)).unwrap();
        let (mut log, mut report) = reopen();
        let mut promise = Promise::default();
        for step in steps {
            match step {
                Step::Append(lengths) => {
                    let records = lengths.iter().enumerate().map(|(n, &bytes)| text(n, bytes.into()));
                    let commit = promise.commit(report.writer, records.collect());
                    promise.append(&log, &commit).unwrap();
                }
                Step::Read(from, room) => {
                    let first = log.bounds().first.0;
                    let read = log.read(LogPosition(from), room);
                    if from.max(1) < first {
                        let trimmed = matches!(read, Err(ReadError::Trimmed { .. }));
                        prop_assert!(trimmed);
                        continue;
                    }
                    let mut left = room;
                    let skipped = usize::try_from(from.max(1) - 1).unwrap();
                    let expected = promise.kept.iter().skip(skipped).enumerate().take_while(|(n, bytes)| {
                        let fits = *n == 0 || bytes.len() <= left;
                        left = left.saturating_sub(bytes.len());
                        fits
                    });
                    let expected: Vec<_> = expected.map(|(_, bytes)| bytes.clone()).collect();
                    let read: Vec<_> = read.unwrap().into_iter().map(|record| record.bytes).collect();
                    prop_assert_eq!(read, expected);
                }
                Step::Trim(below) => {
                    promise.trimmed_below = promise.trimmed_below.max(below);
                    log.trim(LogPosition(below)).unwrap();
                }
                Step::Checkpoint => {
                    log.checkpoint().unwrap();
                }
                Step::Close | Step::Kill => {
                    if matches!(step, Step::Close) {
                        log.close().unwrap();
                    }
                    drop(log);
                    (log, report) = reopen();
                    promise.hold(&log);
                }
            }
        }
    }
}

/// Runs `during` in a thread of its own the next time `path` is synced, and waits for it there.
fn while_syncing(disk: &FaultyDisk, path: &str, during: impl FnOnce() + Send + 'static) {
    let wanted = PathBuf::from(path);
    let during = Mutex::new(Some(during));
    disk.before_sync(move |path| {
        if path != wanted {
            return;
        }
        let Some(during) = during.lock().unwrap().take() else {
            return;
        };
        let (done, finished) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            during();
            done.send(()).unwrap();
        });
        finished
            .recv_timeout(Duration::from_secs(20))
            .expect("it waits for the fsync");
    });
}

#[test]
fn a_read_sees_what_is_durable_and_does_not_wait_for_a_running_fsync() {
    let disk = FaultyDisk::new(ModelDisk::default(), None);
    let (log, report) = open(Arc::new(disk.clone()), options(1 << 20, false)).unwrap();
    let log = Arc::new(log);
    let mut promise = Promise::default();
    let first = promise.commit(report.writer, vec![text(1, 10)]);
    promise.append(&log, &first).unwrap();
    let (reader, ran) = (Arc::clone(&log), Arc::new(AtomicBool::new(false)));
    let flag = Arc::clone(&ran);
    while_syncing(&disk, "/tenant/log/00000000000000000001.log", move || {
        assert_eq!(reader.read(LogPosition(1), usize::MAX).unwrap().len(), 1);
        assert_eq!(reader.bounds().last, LogPosition(1));
        flag.store(true, Ordering::SeqCst);
    });
    let second = promise.commit(report.writer, vec![text(2, 10)]);
    promise.append(&log, &second).unwrap();
    assert!(ran.load(Ordering::SeqCst));
    assert_eq!(log.read(LogPosition(1), usize::MAX).unwrap().len(), 2);
}

#[test]
fn an_append_does_not_wait_for_a_checkpoint() {
    let disk = FaultyDisk::new(ModelDisk::default(), None);
    let (log, report) = open(Arc::new(disk.clone()), options(1 << 20, false)).unwrap();
    let log = Arc::new(log);
    let mut promise = Promise::default();
    let first = promise.commit(report.writer, vec![text(1, 10)]);
    promise.append(&log, &first).unwrap();
    let second = promise.commit(report.writer, vec![text(2, 10)]);
    let appender = Arc::clone(&log);
    while_syncing(&disk, MARK, move || {
        appender.append(&second).unwrap();
    });
    log.checkpoint().unwrap();
    assert_eq!(log.bounds().last, LogPosition(2));
}

#[test]
fn a_failure_while_opening_is_remembered_too() {
    for at in 0..40 {
        let model = ModelDisk::default();
        let disk = FaultyDisk::new(model.clone(), None);
        let (log, report) = open(Arc::new(disk.clone()), options(1 << 20, false)).unwrap();
        let mut promise = Promise::default();
        // Killed between the write and its fsync.
        disk.plan(Some(Plan {
            at: disk.operations() + 1,
            fault: Fault::Killed,
            lasting: true,
        }));
        let commit = promise.commit(report.writer, vec![text(1, 100)]);
        promise.append(&log, &commit).unwrap_err();
        drop(log);
        let plan = Plan {
            at,
            fault: Fault::Broken,
            lasting: false,
        };
        let failing = FaultyDisk::new(model.clone(), Some(plan));
        drop(open(Arc::new(failing), options(1 << 20, false)));
        promise.hold(
            &open(Arc::new(model.clone()), options(1 << 20, false))
                .unwrap()
                .0,
        );
        model.cut_power(&mut Dice(at));
        promise.hold(&open(Arc::new(model), options(1 << 20, false)).unwrap().0);
    }
}
