//! Rooms that keep nothing: what is said in them passes by.
//!
//! Their messages take a place in the timeline and reach whoever listens, and are in no log. So each time
//! the tenant wakes their timeline begins a new epoch: no position of before can be mistaken for one of now.
//! Who is in such a room, and what it is like, is kept as everywhere.

use std::collections::VecDeque;

use homeroom_protocol::{Epoch, RoomInfo, Seq, Timestamp, UserId};

use super::pace::Pace;
use crate::{
    numbered::NumberedMap,
    tenant::records::{event::Event, hashing::Lookup, keys::KeyRecord},
};

/// Most keys that are remembered of what passed by, for all rooms together: enough for the retries of a
/// moment. What has passed can be said again after a restart as well.
const KEYS_MAX: usize = 4096;

/// What a room that keeps nothing has beside its durable state, for as long as the tenant is awake.
#[derive(Debug)]
pub(crate) struct Passing {
    /// The epoch, newest event and its time, as the log has them.
    pub(crate) kept: (Epoch, Seq, Timestamp),
    pace: Pace,
}

impl Passing {
    pub(crate) fn new(kept: (Epoch, Seq, Timestamp)) -> Self {
        Self {
            kept,
            pace: Pace::default(),
        }
    }

    /// Takes in a message that passes by.
    pub(crate) fn pass(&mut self, event: &Event, info: &RoomInfo) {
        self.pace.apply(event, info);
    }

    /// How long a user has to wait before their next message, in ms; `None`: not at all.
    pub(crate) fn wait_ms(&self, user: &UserId, info: &RoomInfo, time: Timestamp) -> Option<u64> {
        self.pace.wait_ms(user, info, time)
    }
}

/// The newest keys of what passed by.
#[derive(Debug, Default)]
pub(crate) struct PassingKeys {
    records: NumberedMap<Lookup, KeyRecord>,
    /// Oldest first.
    order: VecDeque<Lookup>,
}

impl PassingKeys {
    /// What a key was used for, if that still counts at a time.
    pub(crate) fn find(&self, lookup: &Lookup, time: Timestamp, ttl_ms: u64) -> Option<KeyRecord> {
        let record = self.records.get(lookup)?;
        (time < record.expires(ttl_ms)).then_some(*record)
    }

    pub(crate) fn keep(&mut self, lookup: Lookup, record: KeyRecord) {
        if self.records.insert(lookup, record).is_none() {
            self.order.push_back(lookup);
        }
        if self.order.len() > KEYS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.records.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use homeroom_protocol::{Position, RoomNumber};

    use super::*;
    use crate::tenant::records::hashing::Digest;

    #[test]
    fn the_newest_keys_are_remembered() {
        let mut keys = PassingKeys::default();
        let record = |seq: u64| KeyRecord {
            room: RoomNumber(1),
            position: Position {
                epoch: Epoch::new(1).unwrap(),
                seq: Seq(seq),
            },
            time: Timestamp(seq),
            digest: Digest([0; 16]),
        };
        let lookup = |seq: u64| Lookup(u128::from(seq).to_be_bytes());
        let most = KEYS_MAX as u64;
        for seq in 0..most + 5 {
            keys.keep(lookup(seq), record(seq));
            keys.keep(lookup(seq), record(seq));
        }
        assert_eq!((keys.records.len(), keys.order.len()), (KEYS_MAX, KEYS_MAX));
        let find = |seq, time| keys.find(&lookup(seq), Timestamp(time), 10);
        assert_eq!(find(4, 5), None, "forgotten");
        assert_eq!(find(5, 14), Some(record(5)));
        assert_eq!(find(5, 15), None, "its time is over");
    }
}
