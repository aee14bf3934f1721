//! The past of a tenant as one question reads it: rows from the index, events from the log.

use std::cell::RefCell;

use bytes::Bytes;

use super::{
    Found, IndexError, Order,
    damage::{Damage, unread},
    guard::{Guarded, RESERVED, is_reserved},
};
use crate::{
    domain::{History, HistoryError},
    log::{Log, LogPosition, Record},
};

/// How much is read from the log at once, at most.
const READ_BYTES: usize = 64 * 1024;
/// A question that did not say what it reads, and walks backwards, is served from a read that begins this
/// many positions earlier.
const READ_BEHIND: u64 = 64;
/// Events no farther apart than this are read together: what lies between is read faster than a second
/// place is found.
const TOGETHER: u64 = 8;
/// About as long as a record is, to read no more than is wanted.
const RECORD_BYTES: u64 = 256;

/// Reads after the first one, when it was too short to come up to what is wanted.
const READS_MORE: usize = 4;

/// Lives as long as one question, so that nothing erased from the log is remembered beyond it.
pub(super) struct Past<'a> {
    index: &'a Guarded,
    log: &'a dyn Log,
    damage: &'a Damage,
    /// The records of the last read, adjacent and ascending.
    window: RefCell<Vec<Record>>,
    /// What the question said it reads, ascending.
    wanted: RefCell<Vec<LogPosition>>,
    failed: RefCell<Option<IndexError>>,
}

impl<'a> Past<'a> {
    pub(super) fn new(index: &'a Guarded, log: &'a dyn Log, damage: &'a Damage) -> Self {
        Self {
            index,
            log,
            damage,
            window: RefCell::default(),
            wanted: RefCell::default(),
            failed: RefCell::default(),
        }
    }

    /// The index's failure that made an answer impossible, if there was one.
    pub(super) fn into_failure(self) -> Option<IndexError> {
        self.failed.into_inner()
    }

    fn note<T>(&self, result: Result<T, IndexError>) -> Result<T, HistoryError> {
        result.map_err(|error| {
            self.failed.borrow_mut().get_or_insert(error);
            HistoryError::Unreadable
        })
    }

    fn remembered(&self, at: LogPosition) -> Option<Bytes> {
        let window = self.window.borrow();
        let first = window.first()?.position;
        let offset = usize::try_from(at.0.checked_sub(first.0)?).ok()?;
        let record = window.get(offset)?;
        (record.position == at).then(|| record.bytes.clone())
    }

    /// Reads what lies below `at`, and it. Where that begins and how long it is are only guesses, so an
    /// error is none.
    fn read_up_to(&self, at: LogPosition, (from, bytes_max): (LogPosition, usize)) {
        let mut records = Vec::new();
        let (mut next, mut bytes) = (from, bytes_max);
        for _ in 0..=READS_MORE {
            let Ok(more) = self.damage.read(self.log, next, bytes) else {
                return;
            };
            let Some(last) = more.last().map(|last| last.position) else {
                return;
            };
            records.extend(more);
            if last >= at {
                *self.window.borrow_mut() = records;
                return;
            }
            (next, bytes) = (last.next(), READ_BYTES);
        }
    }

    /// From where to read what stands at `at`, and how much.
    fn plan(&self, at: LogPosition) -> (LogPosition, usize) {
        let wanted = self.wanted.borrow();
        if let Ok(place) = wanted.binary_search(&at) {
            let (first, last) = run(&wanted, place);
            let bytes = (last.0 - first.0).saturating_mul(RECORD_BYTES);
            let bytes = usize::try_from(bytes).unwrap_or(READ_BYTES);
            return (first, bytes.clamp(1, READ_BYTES));
        }
        let window = self.window.borrow();
        let (Some(first), Some(last)) = (window.first(), window.last()) else {
            return (at, 1);
        };
        let (first, last) = (first.position, last.position);
        if at < first && first.0 - at.0 <= READ_BEHIND {
            let from = LogPosition((at.0 + 1).saturating_sub(READ_BEHIND));
            (from.max(self.log.bounds().first).min(at), READ_BYTES)
        } else if at > last && at.0 - last.0 <= READ_BEHIND {
            (at, READ_BYTES)
        } else {
            (at, 1)
        }
    }
}

/// The first and last of those wanted that lie together with the one in this place.
fn run(wanted: &[LogPosition], place: usize) -> (LogPosition, LogPosition) {
    let apart = |pair: &[LogPosition]| pair[1].0 - pair[0].0 > TOGETHER;
    let below = wanted[..=place].windows(2).rposition(apart);
    let above = wanted[place..].windows(2).position(apart);
    let first = below.map_or(0, |gap| gap + 1);
    let last = above.map_or(wanted.len() - 1, |gap| place + gap);
    (wanted[first], wanted[last])
}

impl History for Past<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, HistoryError> {
        if is_reserved(key) {
            return Ok(None);
        }
        self.note(self.index.get(key))
    }

    fn range(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        rows_max: usize,
    ) -> Result<Vec<Found>, HistoryError> {
        let to = to.min(&[RESERVED]);
        self.note(self.index.range(from, to, order, rows_max))
    }

    fn will_read(&self, at: &[LogPosition]) {
        *self.wanted.borrow_mut() = at.to_vec();
    }

    fn event(&self, at: LogPosition) -> Result<Bytes, HistoryError> {
        if let Some(bytes) = self.remembered(at) {
            return Ok(bytes);
        }
        let (from, bytes_max) = self.plan(at);
        if from < at {
            self.read_up_to(at, (from, bytes_max));
            if let Some(bytes) = self.remembered(at) {
                return Ok(bytes);
            }
        }
        *self.window.borrow_mut() = self
            .damage
            .read(self.log, at, bytes_max)
            .map_err(|error| unread(&error))?;
        self.remembered(at)
            .ok_or_else(|| self.damage.useless(at, "the log has no such record"))
    }
}
