//! What will be due, and when: one ordered set for all timers of a tenant.

use std::collections::BTreeSet;

use homeroom_protocol::{ConnectionId, DeviceId, RoomNumber, Seq, Timestamp, UserId};

/// Something that happens by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A session ends.
    Session(ConnectionId),
    /// A vanished device counts no more.
    Grace(UserId, DeviceId),
    /// The next members of paused rooms are looked at.
    Recheck,
    /// Somebody has not typed for a while, in a room or in a thread of it.
    Typing(RoomNumber, Option<Seq>, UserId),
    /// What somebody said of themselves is over.
    Status(UserId),
    /// Who went is written down.
    Seen,
    /// The next of those who are there are written down as seen.
    Round,
    /// What was signalled in a room is told.
    Signals(RoomNumber),
    /// Viewers whose membership was not on disk are looked at again.
    Arrivals,
    /// Who came to and went from a room is told.
    Occupancy(RoomNumber),
    /// Somebody whose connection vanished is in a room no more.
    Absence(RoomNumber, UserId),
}

/// At most one entry for each thing that can be due, whose owner sets and clears it.
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

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}
