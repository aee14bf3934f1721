//! Idempotency keys: the same key of the same user gives the same answer for 24 hours of log time.
//!
//! The newest keys are in memory, of those before them where they were used, and still older ones only in
//! the index. Memory alone is enough for a key that was never used, as long as nothing that could still
//! count was forgotten; [`KeyWindow::find`] says when it is not.

use std::{cell::Cell, collections::VecDeque};

use homeroom_protocol::{Position, RoomNumber, Timestamp};

use super::{
    event::Event,
    hashing::{Digest, Hashing, Lookup},
    old_keys::{OldKeys, RUN_KEYS, Run},
};
use crate::{
    log::LogPosition,
    numbered::NumberedMap,
    planted::{Fault, fault},
};

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
    records: NumberedMap<Lookup, Kept>,
    /// Oldest first. May name a lookup twice when a key was used again after its time.
    order: VecDeque<(LogPosition, Lookup)>,
    old: OldKeys,
    /// The newest key that was dropped for lack of space: all before it may be missing, all after it are
    /// here.
    forgotten: Option<LastUse>,
    applied: LogPosition,
    /// Which was the oldest that is whole when that was last looked at, and when its time is over.
    oldest: Option<(LogPosition, Timestamp)>,
    /// The key that was last found to be free, and from when on: each write asks twice, whether it has to be
    /// looked up and when it is decided, and in between nothing was used.
    free: Cell<Option<(Lookup, Timestamp)>>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) at: LogPosition,
    pub(crate) record: KeyRecord,
}

/// Where and when the newest of several keys was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastUse {
    pub(crate) at: LogPosition,
    pub(crate) time: Timestamp,
}

/// What memory alone knows of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Memory {
    /// It was used for this, and still counts.
    Used(KeyRecord),
    /// It was not used, or its time is over.
    Free,
    /// It may have been used, and that must be looked up.
    Unsure(Unsure),
}

/// Where a key may have been used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unsure {
    /// At these positions; oldest first.
    pub(crate) places: Vec<LogPosition>,
    /// And before what is here begins: up to this position.
    pub(crate) upto: Option<LogPosition>,
}

impl Unsure {
    /// Whether an answer that knows everything up to a position knows of all of it.
    pub(crate) fn is_answered_by(&self, complete_to: LogPosition) -> bool {
        self.places
            .iter()
            .chain(&self.upto)
            .all(|at| *at <= complete_to)
    }
}

/// Most keys that are kept whole beside runs: they are saved at once, in a part of a section.
const WHOLE_KEYS_MAX: usize = 16 * RUN_KEYS;
/// Most runs: what a key that is looked for is compared with, and sections of a snapshot.
const RUNS_MAX: usize = 4_096;

/// How long and how many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyBounds {
    pub(crate) ttl_ms: u64,
    pub(crate) max: usize,
    /// Keys that are kept whole when older ones are kept in runs.
    whole_max: usize,
    /// Keys in a run.
    run_keys: usize,
    /// Runs of older keys, beside those that are kept whole.
    runs_max: usize,
}

impl KeyBounds {
    /// At most `max` keys, of which up to `whole_max` are kept whole beside runs.
    pub(crate) fn new(ttl_ms: u64, max: usize, whole_max: usize) -> Self {
        let whole_max = whole_max.clamp(2, WHOLE_KEYS_MAX);
        let run_keys = (whole_max / 2).min(RUN_KEYS);
        Self {
            ttl_ms,
            max,
            whole_max,
            run_keys,
            runs_max: (max.saturating_sub(whole_max) / run_keys).min(RUNS_MAX),
        }
    }
}

impl KeyWindow {
    /// What memory knows of a key at a log time.
    pub(crate) fn find(&self, lookup: &Lookup, time: Timestamp, ttl_ms: u64) -> Memory {
        if fault(Fault::RetryDoubled) {
            return Memory::Free;
        }
        // Time alone makes no key used.
        if let Some((free, since)) = self.free.get()
            && free == *lookup
            && since <= time
        {
            return Memory::Free;
        }
        let found = self.look_for(lookup, time, ttl_ms);
        if found == Memory::Free {
            self.free.set(Some((*lookup, time)));
        }
        found
    }

    fn look_for(&self, lookup: &Lookup, time: Timestamp, ttl_ms: u64) -> Memory {
        if let Some(Kept { record, .. }) = self.records.get(lookup) {
            return if time < record.expires(ttl_ms) {
                Memory::Used(*record)
            } else {
                Memory::Free
            };
        }
        let places = self.old.find(lookup, time, ttl_ms);
        let counts = |it: &LastUse| time < it.time.plus_ms(ttl_ms);
        let upto = self.forgotten.filter(counts).map(|it| it.at);
        if places.is_empty() && upto.is_none() {
            return Memory::Free;
        }
        Memory::Unsure(Unsure { places, upto })
    }

    /// Whether it holds every key whole that counts at a log time, so that [`find`](Self::find) is never unsure.
    pub(crate) fn is_complete(&self, time: Timestamp, ttl_ms: u64) -> bool {
        let is_over = |forgotten: LastUse| time >= forgotten.time.plus_ms(ttl_ms);
        self.old.runs().len() == 0 && self.forgotten.is_none_or(is_over)
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

    pub(crate) const fn forgotten(&self) -> Option<LastUse> {
        self.forgotten
    }

    /// What is kept, oldest first.
    pub(crate) fn kept(&self) -> impl Iterator<Item = (Lookup, Kept)> + '_ {
        self.order.iter().filter_map(|&(at, lookup)| {
            let kept = *self.records.get(&lookup)?;
            (kept.at == at).then_some((lookup, kept))
        })
    }

    /// The runs of older keys.
    pub(crate) const fn old(&self) -> &OldKeys {
        &self.old
    }

    /// The same, for what is done to them by snapshots.
    pub(crate) fn old_mut(&mut self) -> &mut OldKeys {
        self.free.set(None);
        &mut self.old
    }

    /// A window as it was saved, oldest first. No run is made of it: as it is, it is in a snapshot.
    pub(crate) fn restore(
        applied: LogPosition,
        forgotten: Option<LastUse>,
        (old, kept): (OldKeys, impl Iterator<Item = (Lookup, Kept)>),
        bounds: KeyBounds,
    ) -> Self {
        let mut window = Self {
            applied,
            forgotten,
            old,
            ..Self::default()
        };
        let mut newest = Timestamp(0);
        for (lookup, Kept { at, record }) in kept {
            newest = record.time;
            window.keep(at, lookup, record);
        }
        window.forget(newest, bounds);
        window
    }

    /// Of the oldest keys only where they were used stays.
    fn make_run(&mut self, time: Timestamp, bounds: KeyBounds) {
        let ttl_ms = bounds.ttl_ms;
        let count = bounds.run_keys.min(self.order.len());
        let mut keys = Vec::with_capacity(count);
        let mut newest = None;
        for (at, lookup) in self.order.drain(..count) {
            // Used again after its time: what counts is the later one.
            let Some(kept) = self.records.get(&lookup).filter(|kept| kept.at == at) else {
                continue;
            };
            let (counts, time) = (time < kept.record.expires(ttl_ms), kept.record.time);
            self.records.remove(&lookup);
            if counts {
                keys.push((at, lookup));
                newest = Some(LastUse { at, time });
            }
        }
        let Some(newest) = newest else { return };
        match Run::of(&keys, newest) {
            Some(run) => self.old.push(run),
            None => {
                while self.old.drop_oldest().is_some() {}
                self.forgotten = Some(newest);
            }
        }
    }

    fn keep(&mut self, at: LogPosition, lookup: Lookup, record: KeyRecord) {
        self.free.set(None);
        self.records.insert(lookup, Kept { at, record });
        self.order.push_back((at, lookup));
    }

    /// Makes runs of what is too much, and forgets the rest of that.
    fn shrink(&mut self, time: Timestamp, bounds: KeyBounds) {
        while bounds.runs_max > 0 && self.order.len() > bounds.whole_max {
            self.make_run(time, bounds);
        }
        self.forget(time, bounds);
    }

    /// Drops what no longer counts, and then what is too much and of which no run can be made.
    fn forget(&mut self, time: Timestamp, bounds: KeyBounds) {
        self.old.expire(time, bounds.ttl_ms);
        let runs_max = bounds.runs_max;
        let whole_max = if runs_max == 0 {
            bounds.max
        } else {
            usize::MAX
        };
        while self.old.runs().len() > runs_max {
            self.forgotten = self.old.drop_oldest();
        }
        let oldest = self.order.front().map(|(at, _)| *at);
        if self.order.len() <= whole_max
            && self
                .oldest
                .is_some_and(|(at, expires)| oldest == Some(at) && time < expires)
        {
            return;
        }
        while let Some(&(at, lookup)) = self.order.front() {
            let kept = self
                .records
                .get(&lookup)
                .filter(|kept| kept.at == at)
                .copied();
            let over = kept.is_none_or(|kept| kept.record.expires(bounds.ttl_ms) <= time);
            if !over && self.order.len() <= whole_max {
                self.oldest = kept.map(|kept| (at, kept.record.expires(bounds.ttl_ms)));
                return;
            }
            self.order.pop_front();
            if let Some(kept) = kept {
                self.records.remove(&lookup);
                if !over {
                    self.forgotten = Some(LastUse {
                        at,
                        time: kept.record.time,
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use homeroom_protocol::{Epoch, Seq};

    use super::*;
    use crate::tenant::records::sections;

    const TTL_MS: u64 = 1_000_000;

    /// One key a millisecond, each at every third position.
    fn used(window: &mut KeyWindow, number: u64, bounds: KeyBounds) {
        let record = KeyRecord {
            room: RoomNumber(1),
            position: Position {
                epoch: Epoch::new(1).unwrap(),
                seq: Seq(number),
            },
            time: Timestamp(number),
            digest: Digest([0; 16]),
        };
        window.apply(LogPosition(3 * number), lookup(number), record, bounds);
    }

    fn lookup(number: u64) -> Lookup {
        let mut bytes = [0; 16];
        // Two keys of each print.
        let print = u32::try_from(number / 2).unwrap().wrapping_mul(0x9e37_79b9);
        bytes[..4].copy_from_slice(&print.to_be_bytes());
        bytes[8..].copy_from_slice(&number.to_be_bytes());
        Lookup(bytes)
    }

    #[test]
    fn a_key_that_was_found_free_is_found_again_once_it_is_used() {
        let bounds = KeyBounds::new(TTL_MS, 100, 10);
        let mut window = KeyWindow::default();
        let find = |window: &KeyWindow, time| window.find(&lookup(1), Timestamp(time), TTL_MS);
        assert_eq!(find(&window, 1), Memory::Free);
        assert_eq!(find(&window, 2), Memory::Free);
        used(&mut window, 1, bounds);
        let Memory::Used(record) = find(&window, 2) else {
            panic!("it was used");
        };
        let over = record.expires(TTL_MS);
        assert_eq!(find(&window, over.0), Memory::Free);
        assert_eq!(find(&window, over.0 - 1), Memory::Used(record));
    }

    #[test]
    fn every_key_is_whole_or_in_its_place_until_there_are_too_many() {
        let keys = |count: usize| u64::try_from(count).unwrap();
        let whole_max = 2 * RUN_KEYS;
        let bounds = KeyBounds::new(TTL_MS, whole_max + RUN_KEYS, whole_max);
        let mut window = KeyWindow::default();
        let most = keys(bounds.max);
        for number in 1..=most {
            used(&mut window, number, bounds);
        }
        let now = Timestamp(most);
        assert_eq!(window.forgotten(), None);
        assert_eq!(window.old().runs().len(), 1);
        // As it comes back from a snapshot.
        let saved = sections::save_keys(&window);
        let mut window = sections::load_keys(&saved, bounds).unwrap();
        assert_eq!(sections::save_keys(&window), saved);
        for number in 1..=most {
            match window.find(&lookup(number), now, TTL_MS) {
                Memory::Used(record) => assert_eq!(record.position.seq, Seq(number)),
                Memory::Unsure(Unsure { places, upto }) => {
                    assert!(places.contains(&LogPosition(3 * number)) && upto.is_none());
                    assert!(places.len() <= 2 && number <= keys(RUN_KEYS));
                }
                Memory::Free => panic!("key {number} is gone"),
            }
        }
        assert_eq!(window.find(&lookup(most + 2), now, TTL_MS), Memory::Free);
        // Over time the oldest go, first those that are too many.
        let more = most + keys(RUN_KEYS);
        for number in most + 1..=more {
            used(&mut window, number, bounds);
        }
        let forgotten = LogPosition(3 * keys(RUN_KEYS));
        assert_eq!(window.forgotten().map(|it| it.at), Some(forgotten));
        let unsure = window.find(&lookup(1), Timestamp(more), TTL_MS);
        let upto = Some(forgotten);
        let places = Vec::new();
        assert_eq!(unsure, Memory::Unsure(Unsure { places, upto }));
        let last = Timestamp(more + TTL_MS);
        assert_eq!(window.find(&lookup(1), last, TTL_MS), Memory::Free);
        assert_eq!(window.find(&lookup(more), last, TTL_MS), Memory::Free);
    }
}
