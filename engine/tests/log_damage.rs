//! Breaks a log's files on purpose: what a crash can leave is cut, whatever else may be lost data is
//! refused with its name, and nothing wrong is ever shown.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use homeroom_engine::log::{
    AppendError, Damage, LastEnd, Log, LogPosition, OpenError, OpenReport, ReadError, SegmentLog,
    SegmentOptions, TenantId, Verified, disk::RealDisk, verify,
};
use support::tenant_log::{Promise, TENANT, options};

/// A tenant's folder on a real disk.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join("log")
    }

    fn mark(&self) -> PathBuf {
        self.0.path().join("log.mark")
    }

    fn open(&self, options: SegmentOptions) -> Result<(SegmentLog, OpenReport), OpenError> {
        SegmentLog::open(Arc::new(RealDisk), &self.folder(), &self.mark(), options)
    }

    fn verify(&self) -> Result<Verified, OpenError> {
        verify(&RealDisk, &self.folder(), &self.mark(), TENANT)
    }

    /// The segment files, oldest first.
    fn segments(&self) -> Vec<PathBuf> {
        let mut paths: Vec<_> = fs::read_dir(self.folder())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        paths
    }

    fn tail(&self) -> PathBuf {
        self.segments().pop().unwrap()
    }

    /// Another home with the same files.
    fn copy(&self) -> Self {
        let copy = Self::new();
        copy_folder(&self.folder(), &copy.folder());
        fs::copy(self.mark(), copy.mark()).unwrap();
        copy
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

const LARGE: u64 = 1 << 20;
const SMALL: u64 = 700;

/// A log with some commits of three records; what it must hold, and how long its tail was before the
/// last commit.
fn written(home: &Home, segment_bytes: u64, commits: usize) -> (SegmentLog, Promise, u64) {
    let (log, report) = home.open(options(segment_bytes, false)).unwrap();
    let mut promise = Promise::default();
    let mut before_last = 0;
    for n in 0..commits {
        before_last = fs::metadata(home.tail()).unwrap().len();
        let records = (0..3).map(|record| Bytes::from(format!("commit {n} record {record}")));
        let commit = promise.commit(report.writer, records.collect());
        promise.append(&log, &commit).unwrap();
    }
    (log, promise, before_last)
}

fn flip(path: &Path, byte: u64) {
    let mut bytes = fs::read(path).unwrap();
    bytes[usize::try_from(byte).unwrap()] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

fn cut(path: &Path, bytes: u64) {
    fs::OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(bytes)
        .unwrap();
}

fn append_bytes(path: &Path, more: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    bytes.extend_from_slice(more);
    fs::write(path, bytes).unwrap();
}

/// Reads everything; `None` when damage was told.
fn shown(log: &SegmentLog) -> Option<Vec<Bytes>> {
    match log.read(log.bounds().first, usize::MAX) {
        Ok(records) => Some(records.into_iter().map(|record| record.bytes).collect()),
        Err(ReadError::Corrupt { .. }) => None,
        Err(other) => panic!("{other}"),
    }
}

fn is_corrupt(opened: Result<(SegmentLog, OpenReport), OpenError>, wanted: Damage) {
    match opened {
        Err(OpenError::Corrupt { damage, .. }) if damage == wanted => {}
        Err(other) => panic!("{other}"),
        Ok((log, _)) => panic!("opened: {log:?}"),
    }
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_written_on() {
    let home = Home::new();
    let (log, promise, before_last) = written(&home, LARGE, 4);
    drop(log);
    let whole = fs::metadata(home.tail()).unwrap().len();
    for bytes in before_last..whole {
        let torn = home.copy();
        cut(&torn.tail(), bytes);
        assert_eq!(
            torn.verify().unwrap().last,
            LogPosition(9),
            "told without changing anything"
        );
        assert_eq!(fs::metadata(torn.tail()).unwrap().len(), bytes);
        let (log, report) = torn.open(options(LARGE, false)).unwrap();
        assert_eq!(
            (report.end, report.cut_bytes),
            (LastEnd::Crashed, bytes - before_last)
        );
        assert_eq!(shown(&log).unwrap(), promise.kept[..9]);
        let mut rest = Promise::default();
        rest.kept = promise.kept[..9].to_vec();
        let commit = rest.commit(report.writer, vec![Bytes::from_static(b"goes on")]);
        rest.append(&log, &commit).unwrap();
        drop(log);
        rest.hold(&torn.open(options(LARGE, false)).unwrap().0);
    }
}

#[test]
fn any_flipped_byte_of_the_last_commit_cuts_it_and_of_an_earlier_one_is_refused() {
    let home = Home::new();
    let (log, promise, before_last) = written(&home, LARGE, 4);
    drop(log);
    let whole = fs::metadata(home.tail()).unwrap().len();
    for byte in 0..whole {
        let broken = home.copy();
        flip(&broken.tail(), byte);
        let opened = broken.open(options(LARGE, false));
        if byte < 64 {
            is_corrupt(opened, Damage::SegmentHeader);
        } else if byte < before_last {
            is_corrupt(opened, Damage::Commit);
            assert!(broken.verify().is_err());
        } else {
            let (log, _) = opened.unwrap();
            assert_eq!(shown(&log).unwrap(), promise.kept[..9]);
        }
    }
}

#[test]
fn the_last_commit_is_not_torn_once_the_mark_knows_of_it() {
    let home = Home::new();
    let (log, _, before_last) = written(&home, LARGE, 4);
    log.checkpoint().unwrap();
    drop(log);
    let broken = home.copy();
    flip(&broken.tail(), before_last + 30);
    is_corrupt(broken.open(options(LARGE, false)), Damage::Commit);
    cut(&home.tail(), before_last);
    let error = home.open(options(LARGE, false)).unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::Behind {
                end: LogPosition(9),
                mark_end: LogPosition(12),
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn any_flipped_byte_of_the_mark_is_refused_or_harmless() {
    let home = Home::new();
    let (log, promise, _) = written(&home, LARGE, 3);
    log.checkpoint().unwrap();
    let open_home = home.copy();
    log.close().unwrap();
    for home in [open_home, home] {
        let bytes = fs::metadata(home.mark()).unwrap().len();
        for byte in (0..96).chain(4096..bytes) {
            let broken = home.copy();
            flip(&broken.mark(), byte);
            match broken.open(options(LARGE, false)) {
                Ok((log, _)) => assert_eq!(shown(&log).unwrap(), promise.kept),
                Err(OpenError::Corrupt {
                    damage: Damage::NeverFinished,
                    ..
                }) => {}
                Err(other) => panic!("{other}"),
            }
        }
        fs::write(home.mark(), b"").unwrap();
        assert!(matches!(
            home.open(options(LARGE, false)),
            Err(OpenError::MarkDamaged { .. })
        ));
        fs::remove_file(home.mark()).unwrap();
        assert!(matches!(
            home.open(options(LARGE, false)),
            Err(OpenError::MarkMissing { .. })
        ));
        assert!(matches!(home.verify(), Err(OpenError::MarkMissing { .. })));
    }
}

#[test]
fn any_damage_after_a_clean_close_is_told_and_never_cut() {
    let home = Home::new();
    let (log, _, _) = written(&home, LARGE, 4);
    log.close().unwrap();
    drop(log);
    let whole = fs::metadata(home.tail()).unwrap().len();
    for byte in 0..whole {
        let broken = home.copy();
        flip(&broken.tail(), byte);
        assert!(broken.verify().is_err(), "byte {byte}");
        match broken.open(options(LARGE, false)) {
            Err(OpenError::Corrupt { .. }) => {}
            Err(other) => panic!("{other}"),
            Ok((log, report)) => {
                assert_eq!(report.end, LastEnd::Clean);
                assert_eq!(shown(&log), None, "byte {byte}");
            }
        }
        assert_eq!(fs::metadata(broken.tail()).unwrap().len(), whole);
    }
    for bytes in 0..whole {
        let broken = home.copy();
        cut(&broken.tail(), bytes);
        assert!(matches!(
            broken.open(options(LARGE, false)),
            Err(OpenError::Corrupt { .. })
        ));
    }
    append_bytes(&home.tail(), b"x");
    is_corrupt(home.open(options(LARGE, false)), Damage::Footer);
}

#[test]
fn a_segment_replaced_after_a_clean_close_is_noticed_even_if_it_is_whole() {
    let home = Home::new();
    let (log, mut promise, _) = written(&home, LARGE, 4);
    log.close().unwrap();
    drop(log);
    let older = home.copy();
    let (log, report) = home.open(options(LARGE, false)).unwrap();
    let commit = promise.commit(report.writer, vec![Bytes::from_static(b"later")]);
    promise.append(&log, &commit).unwrap();
    log.close().unwrap();
    drop(log);
    fs::copy(older.tail(), home.tail()).unwrap();
    let error = home.open(options(LARGE, false)).unwrap_err();
    assert!(matches!(error, OpenError::Behind { .. }), "{error}");
    // The newer file under the older mark.
    let (log, _) = older.open(options(LARGE, false)).unwrap();
    drop(log);
    append_bytes(&older.tail(), &[0; 200]);
    is_corrupt(older.open(options(LARGE, false)), Damage::Footer);
}

#[test]
fn a_sealed_segment_is_never_torn() {
    let home = Home::new();
    let (log, promise, _) = written(&home, SMALL, 12);
    drop(log);
    let sealed = home.segments()[1].clone();
    let whole = fs::metadata(&sealed).unwrap().len();
    for byte in 0..whole {
        let broken = home.copy();
        let path = broken.folder().join(sealed.file_name().unwrap());
        flip(&path, byte);
        assert!(broken.verify().is_err(), "byte {byte}");
        match broken.open(options(SMALL, false)) {
            Ok((log, _)) => assert_eq!(shown(&log), None, "byte {byte}"),
            Err(OpenError::Corrupt { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    for bytes in (0..whole).step_by(7) {
        let broken = home.copy();
        cut(&broken.folder().join(sealed.file_name().unwrap()), bytes);
        assert!(matches!(
            broken.open(options(SMALL, false)),
            Err(OpenError::Corrupt { .. })
        ));
    }
    let verified = home.verify().unwrap();
    assert_eq!(
        (verified.first, verified.last),
        (LogPosition(1), LogPosition(36))
    );
    assert_eq!(verified.segments, home.segments().len());
    assert_eq!(
        shown(&home.open(options(SMALL, false)).unwrap().0).unwrap(),
        promise.kept
    );
}

#[test]
fn a_read_beside_the_damage_still_works() {
    let home = Home::new();
    let (log, promise, _) = written(&home, SMALL, 12);
    drop(log);
    flip(&home.segments()[0], 200);
    let (log, _) = home.open(options(SMALL, false)).unwrap();
    let error = log.read(LogPosition(1), 10).unwrap_err();
    assert!(
        matches!(
            &error,
            ReadError::Corrupt {
                at: LogPosition(1),
                ..
            }
        ),
        "{error}"
    );
    let last = log.read(LogPosition(36), 10).unwrap();
    assert_eq!(last[0].bytes, promise.kept[35]);
}

#[test]
fn a_missing_segment_in_the_middle_is_a_gap() {
    let home = Home::new();
    let (log, _, _) = written(&home, SMALL, 12);
    drop(log);
    fs::remove_file(&home.segments()[1]).unwrap();
    let error = home.open(options(SMALL, false)).unwrap_err();
    assert!(matches!(error, OpenError::Gap { .. }), "{error}");
    assert!(
        error.to_string().contains("homeroom repair"),
        "the way out is named: {error}"
    );
}

#[test]
fn an_emptied_folder_is_noticed_however_little_the_mark_knows() {
    for checkpoint in [false, true] {
        let home = Home::new();
        let (log, _, _) = written(&home, LARGE, 1);
        if checkpoint {
            log.checkpoint().unwrap();
        }
        drop(log);
        fs::remove_dir_all(home.folder()).unwrap();
        let error = home.open(options(LARGE, false)).unwrap_err();
        assert!(matches!(error, OpenError::Emptied { .. }), "{error}");
    }
}

#[test]
fn an_older_copy_of_the_folder_is_noticed() {
    let home = Home::new();
    let (log, mut promise, _) = written(&home, SMALL, 3);
    let old = home.copy();
    let writer = homeroom_engine::log::WriterEpoch(1);
    for _ in 0..6 {
        let commit = promise.commit(writer, vec![Bytes::from_static(b"newer"); 3]);
        promise.append(&log, &commit).unwrap();
    }
    log.checkpoint().unwrap();
    drop(log);
    fs::remove_dir_all(home.folder()).unwrap();
    copy_folder(&old.folder(), &home.folder());
    let error = home.open(options(SMALL, false)).unwrap_err();
    assert!(matches!(error, OpenError::Behind { .. }), "{error}");
}

#[test]
fn folders_and_marks_of_two_tenants_cannot_be_swapped() {
    let other = TenantId([8; 16]);
    let (home, foreign) = (Home::new(), Home::new());
    drop(written(&home, LARGE, 2));
    let of_other = || SegmentOptions {
        tenant: other,
        ..options(LARGE, false)
    };
    drop(foreign.open(of_other()).unwrap());
    let error = foreign.open(options(LARGE, false)).unwrap_err();
    assert!(
        matches!(&error, OpenError::WrongTenant { place, found, .. } if *found == other && place.ends_with("mark")),
        "{error}"
    );
    fs::remove_dir_all(foreign.folder()).unwrap();
    copy_folder(&home.folder(), &foreign.folder());
    let error = foreign.open(of_other()).unwrap_err();
    assert!(
        matches!(&error, OpenError::WrongTenant { found, .. } if *found == TENANT),
        "{error}"
    );
}

#[test]
fn a_folder_of_another_life_of_the_same_log_is_refused() {
    let (home, other) = (Home::new(), Home::new());
    drop(written(&home, LARGE, 2));
    drop(written(&other, LARGE, 3));
    fs::remove_dir_all(home.folder()).unwrap();
    copy_folder(&other.folder(), &home.folder());
    let error = home.open(options(LARGE, false)).unwrap_err();
    assert!(matches!(error, OpenError::WrongEpoch { .. }), "{error}");
}

#[test]
fn garbage_after_the_end_is_cut_after_a_crash_unless_it_is_more_than_a_torn_write() {
    let home = Home::new();
    let (log, promise, _) = written(&home, LARGE, 2);
    drop(log);
    let much = home.copy();
    append_bytes(&home.tail(), &vec![0xAB; 100_000]);
    let (log, report) = home.open(options(LARGE, false)).unwrap();
    assert_eq!(
        (report.cut_bytes, shown(&log).unwrap()),
        (100_000, promise.kept)
    );
    append_bytes(&much.tail(), &vec![0xAB; 1_200_000]);
    is_corrupt(much.open(options(LARGE, false)), Damage::Trailing);
}

#[test]
fn a_commit_in_the_bytes_of_a_user_is_only_bytes() {
    let home = Home::new();
    let (log, mut promise, before_last) = written(&home, LARGE, 2);
    let file = fs::read(home.tail()).unwrap();
    let commit_bytes = &file[usize::try_from(before_last).unwrap()..];
    let writer = homeroom_engine::log::WriterEpoch(1);
    // A user cannot know the salt, so their copy of a commit has another one.
    let mut forged = commit_bytes.to_vec();
    forged[..8].copy_from_slice(b"guessed!");
    let commit = promise.commit(writer, vec![Bytes::from(forged)]);
    promise.append(&log, &commit).unwrap();
    drop(log);
    // The commit that carries it is torn at its beginning: what it carries is not found behind.
    flip(&home.tail(), file.len() as u64 + 20);
    let (log, _) = home.open(options(LARGE, false)).unwrap();
    assert_eq!(shown(&log).unwrap(), promise.kept[..6]);
}

#[test]
fn a_half_made_segment_and_strangers_in_the_folder_do_no_harm() {
    let home = Home::new();
    let (log, promise, _) = written(&home, LARGE, 2);
    drop(log);
    let unfinished = home.folder().join("00000000000000000007.tmp");
    fs::write(&unfinished, b"half").unwrap();
    let stranger = home.folder().join("notes.txt");
    fs::write(&stranger, b"mine").unwrap();
    let (log, _) = home.open(options(LARGE, false)).unwrap();
    assert_eq!(shown(&log).unwrap(), promise.kept);
    assert!(!unfinished.exists() && stranger.exists());
}

#[test]
fn a_log_that_was_only_ever_read_is_left_as_it_was() {
    let home = Home::new();
    let (log, promise, _) = written(&home, SMALL, 5);
    log.close().unwrap();
    drop(log);
    let before = home.copy();
    for _ in 0..2 {
        let (log, report) = home.open(options(SMALL, false)).unwrap();
        assert_eq!(report.end, LastEnd::Clean);
        assert_eq!(shown(&log).unwrap(), promise.kept);
        log.close().unwrap();
    }
    assert_eq!(
        fs::read(home.mark()).unwrap(),
        fs::read(before.mark()).unwrap()
    );
    for (now, then) in home.segments().iter().zip(before.segments()) {
        assert_eq!(fs::read(now).unwrap(), fs::read(then).unwrap());
    }
}

#[test]
fn short_lives_share_a_segment() {
    let home = Home::new();
    let mut promise = Promise::default();
    for life in 0..10_u8 {
        let (log, report) = home.open(options(LARGE, false)).unwrap();
        let commit = promise.commit(report.writer, vec![Bytes::from(vec![life; 10])]);
        promise.append(&log, &commit).unwrap();
        assert!(matches!(
            log.append(&homeroom_engine::log::Commit {
                writer: homeroom_engine::log::WriterEpoch(report.writer.0 - 1),
                id: homeroom_engine::log::CommitId([0xEE; 16]),
                ..commit.clone()
            }),
            Err(AppendError::Fenced { .. })
        ));
        log.close().unwrap();
    }
    assert_eq!(home.segments().len(), 1);
    assert_eq!(home.verify().unwrap().last, LogPosition(10));
    promise.hold(&home.open(options(LARGE, false)).unwrap().0);
}
