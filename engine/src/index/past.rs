//! The past of a tenant as one question reads it: rows from the index, events from the log.

use std::cell::{Cell, RefCell};

use bytes::Bytes;

use super::{
    Found, IndexError, Order,
    damage::{Damage, unread},
    guard::{Guarded, RESERVED, is_reserved},
};
use crate::{
    domain::{History, HistoryError},
    log::{Log, LogPosition, ReadError, Record},
};

/// How much is read from the log at once, at most.
const READ_BYTES: usize = 64 * 1024;
/// A question that did not say what it reads, and walks backwards, is served from a read that begins this
/// many positions earlier.
const READ_BEHIND: u64 = 64;
/// Events no farther apart than this are read together: what lies between is read faster than a second
/// place is found.
const TOGETHER: u64 = 8;
/// About as long as a record is, as long as none was read: to read no more than is wanted.
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
    /// How long the records of the last read were, on average.
    record_bytes: Cell<u64>,
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
            record_bytes: Cell::new(RECORD_BYTES),
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

    /// Reads as the log does, and learns how long its records are.
    fn read(&self, from: LogPosition, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        let records = self.damage.read(self.log, from, bytes_max)?;
        let bytes: usize = records.iter().map(|record| record.bytes.len()).sum();
        if !records.is_empty() {
            let each = bytes.div_ceil(records.len()).max(1);
            self.record_bytes.set(each as u64);
        }
        Ok(records)
    }

    /// Reads what lies below `at`, and it, unless that turns out to be far. Where it begins and how long it is
    /// are only guesses, so an error is none.
    fn read_up_to(&self, at: LogPosition, (from, bytes_max): (LogPosition, usize)) {
        let mut records = Vec::new();
        let (mut next, mut bytes) = (from, bytes_max);
        for _ in 0..=READS_MORE {
            let Ok(more) = self.read(next, bytes) else {
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
            if at.0 - last.0 > self.records_per_read() {
                return;
            }
            (next, bytes) = (last.next(), self.bytes_of(at.0 - last.0));
        }
    }

    /// From where to read what stands at `at`, and how much.
    fn plan(&self, at: LogPosition) -> (LogPosition, usize) {
        let wanted = self.wanted.borrow();
        let window = self.window.borrow();
        let ends = window.first().zip(window.last());
        let ends = ends.map(|(first, last)| (first.position, last.position));
        // The lowest from which one read comes up to it.
        let lowest = LogPosition(at.0.saturating_sub(self.records_per_read() - 1));
        if let Ok(place) = wanted.binary_search(&at) {
            let (first, last) = run(&wanted, place);
            let (from, to) = match ends {
                // Going up: what was read is not read again.
                Some((_, read)) if read < at && at.0 - read.0 <= TOGETHER => (read.next(), last),
                // Going down.
                Some((read, _)) if at < read && read <= last => {
                    (first.max(lowest), LogPosition(read.0 - 1))
                }
                Some(_) | None => (first.max(lowest), last),
            };
            let count = to.0 - from.0 + 1;
            return (from, if count == 1 { 1 } else { self.bytes_of(count) });
        }
        let Some((first, last)) = ends else {
            return (at, 1);
        };
        if at < first && first.0 - at.0 <= READ_BEHIND {
            let from = LogPosition((at.0 + 1).saturating_sub(READ_BEHIND)).max(lowest);
            (from.max(self.log.bounds().first).min(at), READ_BYTES)
        } else if at > last && at.0 - last.0 <= READ_BEHIND {
            (at, READ_BYTES)
        } else {
            (at, 1)
        }
    }

    /// As long as so many records are, by those read last; at most one read.
    fn bytes_of(&self, records: u64) -> usize {
        let bytes = records.saturating_mul(self.record_bytes.get());
        usize::try_from(bytes).map_or(READ_BYTES, |bytes| bytes.min(READ_BYTES))
    }

    /// How many such records one read brings, at most.
    fn records_per_read(&self) -> u64 {
        (READ_BYTES as u64 / self.record_bytes.get()).max(1)
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
        let mut bytes_max = 1;
        // Again when the first read has shown that the records are longer than was thought.
        for _ in 0..2 {
            let planned = self.plan(at);
            bytes_max = planned.1;
            if planned.0 >= at {
                break;
            }
            self.read_up_to(at, planned);
            if let Some(bytes) = self.remembered(at) {
                return Ok(bytes);
            }
        }
        let records = self.read(at, bytes_max).map_err(|error| unread(&error))?;
        *self.window.borrow_mut() = records;
        self.remembered(at)
            .ok_or_else(|| self.damage.useless(at, "the log has no such record"))
    }
}
