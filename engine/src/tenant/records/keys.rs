//! Idempotency keys: the same key of the same user gives the same answer for 24 hours of log time.
//!
//! The newest keys are in memory, older ones only in the index. Memory alone is enough as long as
//! nothing that could still count was forgotten; [`KeyWindow::find`] says when it is not.

use std::collections::{BTreeMap, VecDeque};

use homeroom_protocol::{Position, RoomNumber, Timestamp};

use super::{
    event::Event,
    hashing::{Digest, Hashing, Lookup},
};
use crate::log::LogPosition;

/// What a keyed write led to: enough to give its answer again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRecord {
    /// The room it wrote to.
    pub room: RoomNumber,
    /// Where.
    pub position: Position,
    /// When.
    pub time: Timestamp,
    /// What was asked.
    pub digest: Digest,
}

impl KeyRecord {
    /// From when on the key is free again.
    pub(crate) const fn expires(&self, ttl_ms: u64) -> Timestamp {
        self.time.plus_ms(ttl_ms)
    }
}

/// The record an event leaves, when it carries a key.
pub(crate) fn record_of(hashing: &Hashing, event: &Event) -> Option<(Lookup, KeyRecord)> {
    let (key, digest) = hashing.of_event(event)?;
    let record = KeyRecord {
        room: event.room,
        position: event.position,
        time: event.time,
        digest,
    };
    Some((hashing.lookup(&event.author, key), record))
}

/// The newest keys. Bounded; written only by `apply`.
#[derive(Debug, Default)]
pub(crate) struct KeyWindow {
    records: BTreeMap<Lookup, Kept>,
    /// Oldest first. May name a lookup twice when a key was used again after its time.
    order: VecDeque<(LogPosition, Lookup)>,
    forgotten: Option<Forgotten>,
    applied: LogPosition,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) at: LogPosition,
    pub(crate) record: KeyRecord,
}

/// The newest key that was dropped for lack of space: all before it may be missing, all after it are
/// here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forgotten {
    pub(crate) at: LogPosition,
    pub(crate) time: Timestamp,
}

/// What memory alone knows of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    /// It was used for this, and still counts.
    Used(KeyRecord),
    /// It was not used, or its time is over.
    Free,
    /// It may have been used before what is here begins: events up to this position must be looked up.
    Unsure(LogPosition),
}

/// How long and how many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyBounds {
    pub(crate) ttl_ms: u64,
    pub(crate) max: usize,
}

impl KeyWindow {
    /// What memory knows of a key at a log time.
    pub(crate) fn find(&self, lookup: &Lookup, time: Timestamp, ttl_ms: u64) -> Memory {
        if let Some(Kept { record, .. }) = self.records.get(lookup) {
            return if time < record.expires(ttl_ms) {
                Memory::Used(*record)
            } else {
                Memory::Free
            };
        }
        match self.forgotten {
            Some(forgotten) if !self.is_complete(time, ttl_ms) => Memory::Unsure(forgotten.at),
            Some(_) | None => Memory::Free,
        }
    }

    /// Whether memory alone knows of every key that counts at a log time.
    pub(crate) fn is_complete(&self, time: Timestamp, ttl_ms: u64) -> bool {
        (self.forgotten).is_none_or(|forgotten| time >= forgotten.time.plus_ms(ttl_ms))
    }

    /// Takes in a record; whether it was new.
    pub(crate) fn apply(
        &mut self,
        at: LogPosition,
        lookup: Lookup,
        record: KeyRecord,
        bounds: KeyBounds,
    ) -> bool {
        if at <= self.applied {
            return false;
        }
        self.applied = at;
        self.keep(at, lookup, record);
        self.shrink(record.time, bounds);
        true
    }

    /// Takes in a record that holds no key; whether it was new.
    pub(crate) fn pass(&mut self, at: LogPosition) -> bool {
        let new = at > self.applied;
        self.applied = self.applied.max(at);
        new
    }

    pub(crate) const fn applied(&self) -> LogPosition {
        self.applied
    }

    pub(crate) const fn forgotten(&self) -> Option<Forgotten> {
        self.forgotten
    }

    /// What is kept, oldest first.
    pub(crate) fn kept(&self) -> impl Iterator<Item = (Lookup, Kept)> + '_ {
        self.order.iter().filter_map(|&(at, lookup)| {
            let kept = *self.records.get(&lookup)?;
            (kept.at == at).then_some((lookup, kept))
        })
    }

    /// A window as it was saved, oldest first.
    pub(crate) fn restore(
        applied: LogPosition,
        forgotten: Option<Forgotten>,
        kept: impl Iterator<Item = (Lookup, Kept)>,
        bounds: KeyBounds,
    ) -> Self {
        let mut window = Self {
            applied,
            forgotten,
            ..Self::default()
        };
        let mut newest = Timestamp(0);
        for (lookup, Kept { at, record }) in kept {
            newest = record.time;
            window.keep(at, lookup, record);
        }
        window.shrink(newest, bounds);
        window
    }

    fn keep(&mut self, at: LogPosition, lookup: Lookup, record: KeyRecord) {
        self.records.insert(lookup, Kept { at, record });
        self.order.push_back((at, lookup));
    }

    /// Drops what no longer counts, and then what is too much.
    fn shrink(&mut self, time: Timestamp, bounds: KeyBounds) {
        while let Some(&(at, lookup)) = self.order.front() {
            let kept = self
                .records
                .get(&lookup)
                .filter(|kept| kept.at == at)
                .copied();
            let over = kept.is_none_or(|kept| kept.record.expires(bounds.ttl_ms) <= time);
            if !over && self.order.len() <= bounds.max {
                return;
            }
            self.order.pop_front();
            if let Some(kept) = kept {
                self.records.remove(&lookup);
                if !over {
                    self.forgotten = Some(Forgotten {
                        at,
                        time: kept.record.time,
                    });
                }
            }
        }
    }
}
