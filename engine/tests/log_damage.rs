//! Breaks a log's files on purpose: what a crash can leave is cut, whatever else may be lost data is
//! refused with its name, and nothing wrong is ever shown.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod support;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use homeroom_engine::log::{
    AppendError, Commit, CommitId, Damage, LastEnd, Log, LogPosition, OpenError, OpenReport,
    ReadError, SegmentLog, SegmentOptions, TenantId, Verified, WriterEpoch,
    disk::{Disk, OpenMode},
    verify,
};
use support::{
    model_disk::ModelDisk,
    tenant_log::{FOLDER, MARK, Promise, TENANT, open, options},
};

/// A tenant's files.
struct Home(ModelDisk);

impl Home {
    fn new() -> Self {
        Self(ModelDisk::default())
    }

    fn open(&self, options: SegmentOptions) -> Result<(SegmentLog, OpenReport), OpenError> {
        open(Arc::new(self.0.clone()), options)
    }

    fn verify(&self) -> Result<Verified, OpenError> {
        verify(&self.0, FOLDER.as_ref(), MARK.as_ref(), TENANT)
    }

    /// The segment files, oldest first.
    fn segments(&self) -> Vec<PathBuf> {
        let mut names = self.0.list(FOLDER.as_ref()).unwrap();
        names.sort();
        names
            .iter()
            .map(|name| Path::new(FOLDER).join(name))
            .collect()
    }

    fn tail(&self) -> PathBuf {
        self.segments().pop().unwrap()
    }

    fn read(&self, path: &Path) -> Vec<u8> {
        self.0.content(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) {
        let file = self.0.open(path, OpenMode::Create).unwrap();
        file.write_at(bytes, 0).unwrap();
    }

    fn flip(&self, path: &Path, byte: usize) {
        let mut bytes = self.read(path);
        bytes[byte] ^= 0x10;
        self.write(path, &bytes);
    }

    fn cut(&self, path: &Path, bytes: usize) {
        self.write(path, &self.read(path)[..bytes]);
    }

    fn add(&self, path: &Path, more: &[u8]) {
        self.write(path, &[&self.read(path), more].concat());
    }

    fn empty_folder(&self) {
        for path in self.segments() {
            self.0.remove(&path).unwrap();
        }
    }

    /// Puts another home's segments in the place of these.
    fn take_folder(&self, from: &Self) {
        self.empty_folder();
        for path in from.segments() {
            self.write(&path, &from.read(&path));
        }
    }

    /// Another home with the same files.
    fn copy(&self) -> Self {
        let copy = Self::new();
        copy.take_folder(self);
        copy.write(MARK.as_ref(), &self.read(MARK.as_ref()));
        copy
    }
}

const LARGE: u64 = 1 << 20;
const SMALL: u64 = 700;

/// A log with some commits of three records; what it must hold, and how long its tail was before the
/// last commit.
fn written(home: &Home, segment_bytes: u64, commits: usize) -> (SegmentLog, Promise, usize) {
    let (log, report) = home.open(options(segment_bytes, false)).unwrap();
    let mut promise = Promise::default();
    let mut before_last = 0;
    for n in 0..commits {
        before_last = home.read(&home.tail()).len();
        let records = (0..3).map(|record| Bytes::from(format!("commit {n} record {record}")));
        let commit = promise.commit(report.writer, records.collect());
        promise.append(&log, &commit).unwrap();
    }
    (log, promise, before_last)
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
    let whole = home.read(&home.tail()).len();
    for bytes in before_last..whole {
        let torn = home.copy();
        torn.cut(&torn.tail(), bytes);
        assert_eq!(
            torn.verify().unwrap().last,
            LogPosition(9),
            "told without changing anything"
        );
        assert_eq!(torn.read(&torn.tail()).len(), bytes);
        let (log, report) = torn.open(options(LARGE, false)).unwrap();
        assert_eq!(
            (report.end, report.cut_bytes),
            (LastEnd::Crashed, (bytes - before_last) as u64)
        );
        assert_eq!(torn.read(&torn.tail()).len(), before_last);
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
    let whole = home.read(&home.tail()).len();
    for byte in 0..whole {
        let broken = home.copy();
        broken.flip(&broken.tail(), byte);
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
    broken.flip(&broken.tail(), before_last + 30);
    is_corrupt(broken.open(options(LARGE, false)), Damage::Commit);
    home.cut(&home.tail(), before_last);
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
        let bytes = home.read(MARK.as_ref()).len();
        for byte in (0..96).chain(4096..bytes) {
            let broken = home.copy();
            broken.flip(MARK.as_ref(), byte);
            match broken.open(options(LARGE, false)) {
                Ok((log, _)) => assert_eq!(shown(&log).unwrap(), promise.kept),
                Err(OpenError::Corrupt {
                    damage: Damage::NeverFinished,
                    ..
                }) => {}
                Err(other) => panic!("{other}"),
            }
        }
        home.write(MARK.as_ref(), b"");
        assert!(matches!(
            home.open(options(LARGE, false)),
            Err(OpenError::MarkDamaged { .. })
        ));
        home.0.remove(MARK.as_ref()).unwrap();
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
    let whole = home.read(&home.tail()).len();
    for byte in 0..whole {
        let broken = home.copy();
        broken.flip(&broken.tail(), byte);
        assert!(broken.verify().is_err(), "byte {byte}");
        match broken.open(options(LARGE, false)) {
            Err(OpenError::Corrupt { .. }) => {}
            Err(other) => panic!("{other}"),
            Ok((log, report)) => {
                assert_eq!(report.end, LastEnd::Clean);
                assert_eq!(shown(&log), None, "byte {byte}");
            }
        }
        assert_eq!(broken.read(&broken.tail()).len(), whole);
    }
    for bytes in 0..whole {
        let broken = home.copy();
        broken.cut(&broken.tail(), bytes);
        assert!(matches!(
            broken.open(options(LARGE, false)),
            Err(OpenError::Corrupt { .. })
        ));
    }
    home.add(&home.tail(), b"x");
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
    let later = home.read(&home.tail());
    home.write(&home.tail(), &older.read(&older.tail()));
    let error = home.open(options(LARGE, false)).unwrap_err();
    assert!(matches!(error, OpenError::Behind { .. }), "{error}");
    // The newer file under the older mark.
    let newer = older.copy();
    newer.write(&newer.tail(), &later);
    is_corrupt(newer.open(options(LARGE, false)), Damage::ChangedAfterClose);
    let (log, _) = older.open(options(LARGE, false)).unwrap();
    drop(log);
    older.add(&older.tail(), &[0; 200]);
    is_corrupt(older.open(options(LARGE, false)), Damage::Footer);
}

#[test]
fn a_sealed_segment_is_never_torn() {
    let home = Home::new();
    let (log, promise, _) = written(&home, SMALL, 12);
    drop(log);
    let sealed = home.segments()[1].clone();
    let whole = home.read(&sealed).len();
    for byte in 0..whole {
        let broken = home.copy();
        broken.flip(&sealed, byte);
        assert!(broken.verify().is_err(), "byte {byte}");
        match broken.open(options(SMALL, false)) {
            Ok((log, _)) => assert_eq!(shown(&log), None, "byte {byte}"),
            Err(OpenError::Corrupt { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    for bytes in (0..whole).step_by(7) {
        let broken = home.copy();
        broken.cut(&sealed, bytes);
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
    home.flip(&home.segments()[0], 200);
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
    home.0.remove(&home.segments()[1]).unwrap();
    let error = home.open(options(SMALL, false)).unwrap_err();
    assert!(matches!(error, OpenError::Gap { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("restore the folder and its high-water mark from one copy"),
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
        home.empty_folder();
        let error = home.open(options(LARGE, false)).unwrap_err();
        assert!(matches!(error, OpenError::Emptied { .. }), "{error}");
    }
}

#[test]
fn an_older_copy_of_the_folder_is_noticed() {
    // The mark also moves when a segment is full.
    an_older_copy(false);
    an_older_copy(true);
}

fn an_older_copy(checkpoint: bool) {
    let home = Home::new();
    let (log, mut promise, _) = written(&home, SMALL, 3);
    let old = home.copy();
    let writer = WriterEpoch(1);
    for _ in 0..6 {
        let commit = promise.commit(writer, vec![Bytes::from_static(b"newer"); 3]);
        promise.append(&log, &commit).unwrap();
    }
    if checkpoint {
        log.checkpoint().unwrap();
    }
    drop(log);
    home.take_folder(&old);
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
    foreign.take_folder(&home);
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
    home.take_folder(&other);
    let error = home.open(options(LARGE, false)).unwrap_err();
    assert!(matches!(error, OpenError::WrongEpoch { .. }), "{error}");
}

#[test]
fn garbage_after_the_end_is_cut_after_a_crash_unless_it_is_more_than_a_torn_write() {
    let home = Home::new();
    let (log, promise, _) = written(&home, LARGE, 2);
    drop(log);
    let much = home.copy();
    home.add(&home.tail(), &vec![0xAB; 100_000]);
    let (log, report) = home.open(options(LARGE, false)).unwrap();
    assert_eq!(
        (report.cut_bytes, shown(&log).unwrap()),
        (100_000, promise.kept)
    );
    much.add(&much.tail(), &vec![0xAB; 1_200_000]);
    is_corrupt(much.open(options(LARGE, false)), Damage::Trailing);
}

#[test]
fn a_whole_commit_out_of_its_place_is_refused() {
    let home = Home::new();
    let (log, _, before_last) = written(&home, LARGE, 3);
    drop(log);
    let again = home.read(&home.tail())[before_last..].to_vec();
    home.add(&home.tail(), &again);
    is_corrupt(home.open(options(LARGE, false)), Damage::Commit);
}

#[test]
fn a_footer_torn_by_a_crash_is_written_again() {
    let home = Home::new();
    let (log, mut promise, _) = written(&home, LARGE, 3);
    let commits_end = home.read(&home.tail()).len();
    let open_mark = home.read(MARK.as_ref());
    log.close().unwrap();
    drop(log);
    let whole = home.read(&home.tail()).len();
    for byte in commits_end..whole {
        let torn = home.copy();
        torn.write(MARK.as_ref(), &open_mark);
        torn.flip(&torn.tail(), byte);
        let (log, report) = torn.open(options(LARGE, false)).unwrap();
        assert_eq!(report.cut_bytes, (whole - commits_end) as u64);
        promise.hold(&log);
        log.close().unwrap();
        assert_eq!(torn.verify().unwrap().last, LogPosition(9));
    }
}

#[test]
fn a_commit_in_the_bytes_of_a_user_is_only_bytes() {
    let home = Home::new();
    let (log, mut promise, before_last) = written(&home, LARGE, 2);
    let file = home.read(&home.tail());
    let commit_bytes = &file[before_last..];
    let writer = WriterEpoch(1);
    // A user cannot know the salt, so their copy of a commit has another one.
    let mut forged = commit_bytes.to_vec();
    forged[..8].copy_from_slice(b"guessed!");
    let commit = promise.commit(writer, vec![Bytes::from(forged)]);
    promise.append(&log, &commit).unwrap();
    drop(log);
    // The commit that carries it is torn at its beginning: what it carries is not found behind.
    home.flip(&home.tail(), file.len() + 20);
    let (log, _) = home.open(options(LARGE, false)).unwrap();
    assert_eq!(shown(&log).unwrap(), promise.kept[..6]);
}

#[test]
fn a_half_made_segment_and_strangers_in_the_folder_do_no_harm() {
    let home = Home::new();
    let (log, promise, _) = written(&home, LARGE, 2);
    drop(log);
    let unfinished = Path::new(FOLDER).join("00000000000000000007.tmp");
    home.write(&unfinished, b"half");
    let stranger = Path::new(FOLDER).join("notes.txt");
    home.write(&stranger, b"mine");
    let (log, _) = home.open(options(LARGE, false)).unwrap();
    assert_eq!(shown(&log).unwrap(), promise.kept);
    let left = home.segments();
    assert!(!left.contains(&unfinished) && left.contains(&stranger));
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
    assert_eq!(home.read(MARK.as_ref()), before.read(MARK.as_ref()));
    for (now, then) in home.segments().iter().zip(before.segments()) {
        assert_eq!(home.read(now), before.read(&then));
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
            log.append(&Commit {
                writer: WriterEpoch(report.writer.0 - 1),
                id: CommitId([0xEE; 16]),
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
