//! The past of a tenant as one question reads it: rows from the index, events from the log.

use std::cell::RefCell;

use bytes::Bytes;

use super::{
    Found, IndexError, Order,
    damage::{Damage, unread},
    guard::Guarded,
};
use crate::{
    domain::{History, HistoryError},
    log::{Log, LogPosition, Record},
};

/// How much is read from the log at once; the events around the one asked for come along.
const READ_BYTES: usize = 64 * 1024;
/// A question that walks backwards is served from a read that begins this many positions earlier.
const READ_BEHIND: u64 = 64;

/// Lives as long as one question, so that nothing erased from the log is remembered beyond it.
pub(super) struct Past<'a> {
    index: &'a Guarded,
    log: &'a dyn Log,
    damage: &'a Damage,
    /// The records of the last read, adjacent and ascending.
    window: RefCell<Vec<Record>>,
    failed: RefCell<Option<IndexError>>,
}

impl<'a> Past<'a> {
    pub(super) fn new(index: &'a Guarded, log: &'a dyn Log, damage: &'a Damage) -> Self {
        Self {
            index,
            log,
            damage,
            window: RefCell::default(),
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

    /// Reads a window that ends behind `at` when the question walks backwards. It is only a guess, so
    /// an error in it is none.
    fn read_behind(&self, at: LogPosition) -> Option<Bytes> {
        let first = self.window.borrow().first()?.position;
        if at >= first || first.0 - at.0 > READ_BEHIND {
            return None;
        }
        let from = LogPosition((at.0 + 1).saturating_sub(READ_BEHIND)).max(self.log.bounds().first);
        let records = self.damage.read(self.log, from, READ_BYTES).ok()?;
        let reaches = records.last().is_some_and(|last| last.position >= at);
        if !reaches {
            return None;
        }
        *self.window.borrow_mut() = records;
        self.remembered(at)
    }
}

impl History for Past<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, HistoryError> {
        self.note(self.index.get(key))
    }

    fn range(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        rows_max: usize,
    ) -> Result<Vec<Found>, HistoryError> {
        self.note(self.index.range(from, to, order, rows_max))
    }

    fn event(&self, at: LogPosition) -> Result<Bytes, HistoryError> {
        if let Some(bytes) = self.remembered(at).or_else(|| self.read_behind(at)) {
            return Ok(bytes);
        }
        *self.window.borrow_mut() = self
            .damage
            .read(self.log, at, READ_BYTES)
            .map_err(|error| unread(&error))?;
        self.remembered(at)
            .ok_or_else(|| self.damage.useless(at, "the log has no such record"))
    }
}
