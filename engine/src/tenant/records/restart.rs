//! A log that was restored or repaired goes on as another life: every room gets a new epoch, so that no
//! position from before is mistaken for one of the events that follow.
//!
//! It is said by a record of the log itself, so that every replay comes to the same epochs.

use std::hash::Hasher;

use homeroom_protocol::{Epoch, Timestamp};
use siphasher::sip::SipHasher24;

use super::event::{Event, TenantEvent};

/// One record of a tenant's log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are events, and a box would cost each message an allocation"
)]
pub enum Entry {
    /// Something happened in a room.
    Event(Event),
    /// Something happened in the tenant as a whole.
    Tenant(TenantEvent),
    /// What stands before was copied from elsewhere, and may have ended differently there.
    Restarted(Restarted),
}

/// A new life of every timeline begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restarted {
    /// When, by the clock of whoever restored or repaired. No room's time depends on it.
    pub time: Timestamp,
    /// Random: two copies of one log go on under different epochs.
    pub salt: [u8; 16],
}

impl Restarted {
    /// What a room's epoch becomes: another one, the same at every replay.
    #[must_use]
    pub fn epoch_after(&self, before: Epoch) -> Epoch {
        let mut hasher = SipHasher24::new_with_key(&self.salt);
        hasher.write(&before.get().to_be_bytes());
        let mixed = hasher.finish();
        let after = Epoch::from_random(mixed);
        if after == before {
            Epoch::from_random(!mixed)
        } else {
            after
        }
    }
}

impl From<Event> for Entry {
    fn from(event: Event) -> Self {
        Self::Event(event)
    }
}

impl From<TenantEvent> for Entry {
    fn from(event: TenantEvent) -> Self {
        Self::Tenant(event)
    }
}

impl From<Restarted> for Entry {
    fn from(restarted: Restarted) -> Self {
        Self::Restarted(restarted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_gives_each_room_another_epoch_and_each_restart_others() {
        let restart = |salt| Restarted {
            time: Timestamp(1),
            salt: [salt; 16],
        };
        let epochs = [1, 2, (1 << 53) - 1].map(|epoch| Epoch::new(epoch).unwrap());
        let mut seen = std::collections::BTreeSet::from(epochs.map(Epoch::get));
        for salt in 0..20 {
            for epoch in epochs {
                let after = restart(salt).epoch_after(epoch);
                assert_eq!(after, restart(salt).epoch_after(epoch));
                assert!(seen.insert(after.get()), "{salt} {epoch:?}");
            }
        }
        // Never edit: replays of logs out there come to this number.
        let frozen = restart(7).epoch_after(Epoch::new(0x1234_5678_9abc).unwrap());
        assert_eq!(frozen.get(), 5_511_555_672_443_850);
    }
}
