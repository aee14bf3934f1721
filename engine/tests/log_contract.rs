//! What every log does, held for each implementation by the same scenarios.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU8, Ordering},
};

use bytes::Bytes;
use homeroom_engine::log::{
    AppendError, Bounds, COMMIT_BYTES_MAX, COMMIT_RECORDS_MAX, Commit, CommitId, Entropy, Log,
    LogPosition, MemoryLog, ReadError, SegmentLog, SegmentOptions, Space, TenantId, WriterEpoch,
    disk::RealDisk,
};

/// A log that can be opened again.
trait Fixture {
    fn new() -> Self;
    /// Opens the log (again); an earlier handle is dropped by then.
    fn open(&mut self) -> (Arc<dyn Log>, WriterEpoch);
}

struct Memory(Arc<MemoryLog>);

impl Fixture for Memory {
    fn new() -> Self {
        Self(Arc::new(MemoryLog::new()))
    }

    fn open(&mut self) -> (Arc<dyn Log>, WriterEpoch) {
        let writer = self.0.reopen();
        (Arc::clone(&self.0) as Arc<dyn Log>, writer)
    }
}

struct Segments(tempfile::TempDir, u64);

impl Fixture for Segments {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap(), 1500)
    }

    fn open(&mut self) -> (Arc<dyn Log>, WriterEpoch) {
        let seed = Arc::new(AtomicU8::new(0));
        let entropy: Entropy = Arc::new(move || [seed.fetch_add(1, Ordering::Relaxed); 16]);
        let options = SegmentOptions {
            segment_bytes: self.1,
            ..SegmentOptions::new(TenantId([7; 16]), entropy)
        };
        let folder = self.0.path().join("log");
        let mark = self.0.path().join("log.mark");
        let (log, report) = SegmentLog::open(Arc::new(RealDisk), &folder, &mark, options).unwrap();
        (Arc::new(log), report.writer)
    }
}

/// As usual: everything in one segment.
struct OneSegment(Segments);

impl Fixture for OneSegment {
    fn new() -> Self {
        Self(Segments(
            tempfile::tempdir().unwrap(),
            SegmentOptions::SEGMENT_BYTES,
        ))
    }

    fn open(&mut self) -> (Arc<dyn Log>, WriterEpoch) {
        self.0.open()
    }
}

fn commit(id: u8, expected: u64, writer: WriterEpoch, records: &[&'static str]) -> Commit {
    Commit {
        id: CommitId([id; 16]),
        expected: LogPosition(expected),
        writer,
        records: records
            .iter()
            .map(|text| Bytes::from_static(text.as_bytes()))
            .collect(),
    }
}

fn texts(log: &dyn Log, from: u64, bytes_max: usize) -> Vec<(u64, String)> {
    log.read(LogPosition(from), bytes_max)
        .unwrap()
        .into_iter()
        .map(|record| {
            (
                record.position.0,
                String::from_utf8(record.bytes.to_vec()).unwrap(),
            )
        })
        .collect()
}

fn bounds(first: u64, last: u64) -> Bounds {
    Bounds {
        first: LogPosition(first),
        last: LogPosition(last),
    }
}

fn a_new_log_is_empty<F: Fixture>() {
    let mut fixture = F::new();
    let (log, _) = fixture.open();
    assert_eq!(log.bounds(), bounds(1, 0));
    assert!(texts(&*log, 0, 100).is_empty());
    assert!(texts(&*log, 1, 100).is_empty());
    assert!(texts(&*log, 99, 100).is_empty());
}

fn commits_take_dense_positions_and_are_read_back<F: Fixture>() {
    let mut fixture = F::new();
    let (log, writer) = fixture.open();
    let first = log.append(&commit(1, 0, writer, &["a", "", "c"])).unwrap();
    assert_eq!(
        (first.first.0, first.last.0, first.space),
        (1, 3, Space::Reserved)
    );
    let second = log.append(&commit(2, 3, writer, &["d"])).unwrap();
    assert_eq!((second.first.0, second.last.0), (4, 4));
    assert_eq!(log.bounds(), bounds(1, 4));
    let all = [
        (1, "a".into()),
        (2, String::new()),
        (3, "c".into()),
        (4, "d".into()),
    ];
    assert_eq!(texts(&*log, 1, 100), all);
    assert_eq!(
        texts(&*log, 0, 100),
        all,
        "before the first is from the first"
    );
    assert_eq!(texts(&*log, 3, 100), all[2..]);
    assert!(texts(&*log, 5, 100).is_empty());
}

fn a_read_is_bounded_and_never_empty_handed<F: Fixture>() {
    let mut fixture = F::new();
    let (log, writer) = fixture.open();
    log.append(&commit(1, 0, writer, &["aaaa", "bbbb"]))
        .unwrap();
    log.append(&commit(2, 2, writer, &["cccc"])).unwrap();
    assert_eq!(texts(&*log, 1, 0).len(), 1);
    assert_eq!(texts(&*log, 1, 7).len(), 1);
    assert_eq!(texts(&*log, 1, 8).len(), 2);
    assert_eq!(texts(&*log, 1, 12).len(), 3);
    assert_eq!(texts(&*log, 2, 8).len(), 2);
}

fn a_retry_of_the_newest_commit_is_answered_again<F: Fixture>() {
    let mut fixture = F::new();
    let (log, writer) = fixture.open();
    log.append(&commit(1, 0, writer, &["a"])).unwrap();
    let newest = commit(2, 1, writer, &["b", "c"]);
    let answer = log.append(&newest).unwrap();
    assert_eq!(log.append(&newest).unwrap(), answer);
    assert_eq!(log.bounds(), bounds(1, 3));
    let older = log.append(&commit(1, 0, writer, &["a"])).unwrap_err();
    assert!(
        matches!(
            older,
            AppendError::WrongPosition {
                actual: LogPosition(3)
            }
        ),
        "{older}"
    );
    drop(log);
    let (log, _) = fixture.open();
    let again = log.append(&newest).unwrap();
    assert_eq!(
        (again.first, again.last),
        (answer.first, answer.last),
        "also after a restart"
    );
    assert_eq!(log.bounds(), bounds(1, 3));
}

fn a_wrong_position_is_named_and_changes_nothing<F: Fixture>() {
    let mut fixture = F::new();
    let (log, writer) = fixture.open();
    log.append(&commit(1, 0, writer, &["a"])).unwrap();
    for expected in [0, 2, u64::MAX] {
        let refusal = log
            .append(&commit(2, expected, writer, &["b"]))
            .unwrap_err();
        assert!(matches!(
            refusal,
            AppendError::WrongPosition {
                actual: LogPosition(1)
            }
        ));
    }
    log.append(&commit(3, 1, writer, &["b"])).unwrap();
}

fn an_older_writer_is_fenced_off<F: Fixture>() {
    let mut fixture = F::new();
    let (log, old) = fixture.open();
    log.append(&commit(1, 0, old, &["a"])).unwrap();
    drop(log);
    let (log, new) = fixture.open();
    assert!(new > old);
    let refusal = log.append(&commit(2, 1, old, &["b"])).unwrap_err();
    assert!(
        matches!(refusal, AppendError::Fenced { newer } if newer == new),
        "{refusal}"
    );
    log.append(&commit(3, 1, new, &["b"])).unwrap();
    let newer = WriterEpoch(new.0 + 5);
    log.append(&commit(4, 2, newer, &["c"])).unwrap();
    let refusal = log.append(&commit(5, 3, new, &["d"])).unwrap_err();
    assert!(
        matches!(refusal, AppendError::Fenced { newer: by } if by == newer),
        "{refusal}"
    );
}

fn a_commit_beyond_its_limits_is_refused_and_one_at_them_kept<F: Fixture>() {
    let mut fixture = F::new();
    let (log, writer) = fixture.open();
    let of = |id: u8, expected: u64, records: Vec<Bytes>| Commit {
        id: CommitId([id; 16]),
        expected: LogPosition(expected),
        writer,
        records,
    };
    let half = Bytes::from(vec![b'x'; COMMIT_BYTES_MAX / 2]);
    assert!(matches!(
        log.append(&of(1, 0, vec![])),
        Err(AppendError::Empty)
    ));
    let long = vec![half.clone(), half.clone(), Bytes::from_static(b"y")];
    assert!(matches!(
        log.append(&of(2, 0, long)),
        Err(AppendError::TooLarge)
    ));
    let many = vec![Bytes::new(); COMMIT_RECORDS_MAX + 1];
    assert!(matches!(
        log.append(&of(3, 0, many)),
        Err(AppendError::TooLarge)
    ));
    log.append(&of(4, 0, vec![half.clone(), half])).unwrap();
    log.append(&of(5, 2, vec![Bytes::new(); COMMIT_RECORDS_MAX]))
        .unwrap();
    assert_eq!(log.bounds().last.0, 2 + COMMIT_RECORDS_MAX as u64);
    assert_eq!(
        log.read(LogPosition(1), usize::MAX).unwrap().len(),
        2 + COMMIT_RECORDS_MAX
    );
}

fn subscribers_hear_every_later_end_in_order<F: Fixture>() {
    let mut fixture = F::new();
    let (log, writer) = fixture.open();
    log.append(&commit(1, 0, writer, &["before"])).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&heard);
    log.subscribe(Arc::new(move |end| note.lock().unwrap().push(end.0)));
    log.append(&commit(2, 1, writer, &["a", "b"])).unwrap();
    let _ = log.append(&commit(3, 0, writer, &["refused"])).unwrap_err();
    log.append(&commit(2, 1, writer, &["a", "b"])).unwrap();
    log.append(&commit(4, 3, writer, &["c"])).unwrap();
    assert_eq!(*heard.lock().unwrap(), [3, 4]);
}

fn trimmed_records_are_gone_and_said_to_be<F: Fixture>() {
    let mut fixture = F::new();
    let (log, writer) = fixture.open();
    for n in 0..40_u8 {
        let long = Box::leak("x".repeat(100).into_boxed_str());
        log.append(&commit(n + 1, u64::from(n), writer, &[long]))
            .unwrap();
    }
    let first = log.trim(LogPosition(21)).unwrap();
    assert!(
        first > LogPosition(1) && first <= LogPosition(21),
        "{first}"
    );
    assert_eq!(log.bounds(), bounds(first.0, 40));
    let before = log.read(LogPosition(first.0 - 1), 100).unwrap_err();
    assert!(
        matches!(before, ReadError::Trimmed { first: kept } if kept == first),
        "{before}"
    );
    assert_eq!(texts(&*log, first.0, usize::MAX).len() as u64, 41 - first.0);
    assert_eq!(log.trim(LogPosition(5)).unwrap(), first, "never goes back");
    drop(log);
    let (log, writer) = fixture.open();
    assert_eq!(log.bounds(), bounds(first.0, 40), "also after a restart");
    let beyond = log.trim(LogPosition(1000)).unwrap();
    assert!(beyond <= LogPosition(41));
    log.append(&commit(99, 40, writer, &["goes on"])).unwrap();
    assert_eq!(texts(&*log, 41, 100), [(41, "goes on".into())]);
}

fn a_closed_log_takes_nothing_more_and_opens_again<F: Fixture>() {
    let mut fixture = F::new();
    let (log, writer) = fixture.open();
    log.append(&commit(1, 0, writer, &["a"])).unwrap();
    log.close().unwrap();
    log.close().unwrap();
    let refusal = log.append(&commit(2, 1, writer, &["b"])).unwrap_err();
    assert!(matches!(refusal, AppendError::Failed(_)), "{refusal}");
    log.checkpoint().unwrap_err();
    log.trim(LogPosition(1)).unwrap_err();
    assert_eq!(
        texts(&*log, 1, 100),
        [(1, "a".into())],
        "what is there can be read"
    );
    drop(log);
    let (log, writer) = fixture.open();
    assert_eq!(log.bounds(), bounds(1, 1));
    log.append(&commit(2, 1, writer, &["b"])).unwrap();
    assert_eq!(texts(&*log, 1, 100).len(), 2);
}

fn a_checkpoint_changes_nothing_that_can_be_seen<F: Fixture>() {
    let mut fixture = F::new();
    let (log, writer) = fixture.open();
    assert_eq!(log.checkpoint().unwrap(), Space::Reserved);
    log.append(&commit(1, 0, writer, &["a"])).unwrap();
    assert_eq!(log.checkpoint().unwrap(), Space::Reserved);
    assert_eq!(log.checkpoint().unwrap(), Space::Reserved);
    assert_eq!(texts(&*log, 1, 100), [(1, "a".into())]);
    drop(log);
    let (log, _) = fixture.open();
    assert_eq!(texts(&*log, 1, 100), [(1, "a".into())]);
}

macro_rules! contract {
    ($module:ident, $fixture:ty: $($scenario:ident),* $(,)?) => {
        mod $module {
            $(#[test] fn $scenario() { super::$scenario::<$fixture>(); })*
        }
    };
}

macro_rules! contract_of {
    ($module:ident, $fixture:ty $(, $more:ident)*) => {
        contract!($module, $fixture:
            $($more,)*
            a_new_log_is_empty,
            commits_take_dense_positions_and_are_read_back,
            a_read_is_bounded_and_never_empty_handed,
            a_retry_of_the_newest_commit_is_answered_again,
            a_wrong_position_is_named_and_changes_nothing,
            an_older_writer_is_fenced_off,
            a_commit_beyond_its_limits_is_refused_and_one_at_them_kept,
            subscribers_hear_every_later_end_in_order,
            a_closed_log_takes_nothing_more_and_opens_again,
            a_checkpoint_changes_nothing_that_can_be_seen,
        );
    };
}

contract_of!(
    memory,
    super::Memory,
    trimmed_records_are_gone_and_said_to_be
);
contract_of!(
    segments,
    super::Segments,
    trimmed_records_are_gone_and_said_to_be
);
contract_of!(one_segment, super::OneSegment);
