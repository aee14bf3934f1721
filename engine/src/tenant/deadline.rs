//! What will be due, and when: one ordered set for all timers of a tenant.

use std::collections::BTreeSet;

use homeroom_protocol::{ConnectionId, DeviceId, RoomNumber, Timestamp, UserId};

/// Something that happens by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A session ends.
    Session(ConnectionId),
    /// A vanished device counts no more.
    Grace(UserId, DeviceId),
    /// The next members of paused rooms are looked at.
    Recheck,
    /// Somebody has not typed for a while.
    Typing(RoomNumber, UserId),
}

/// At most one entry for each session, vanished device and typist, whose owner sets and clears it.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BTreeSet<(Timestamp, Due)>);

impl Deadlines {
    pub(super) fn set(&mut self, at: Timestamp, due: Due) {
        self.0.insert((at, due));
    }

    pub(super) fn clear(&mut self, at: Timestamp, due: Due) {
        self.0.remove(&(at, due));
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.0.first().map(|&(at, _)| at)
    }

    /// Takes out what has been due longest; `None` when nothing is due at `now`.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<Due> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, due)| due)
    }
}
