//! What a session hears, with rooms by name.

use std::sync::Arc;

use homeroom_protocol::{
    CloseCode, OccupancyChange, Position, RemovedReason, ResetReason, Seq, ServerFrame, Signal,
    TimelineEvent, UserId, UserPresence,
};

use super::{Room, queue::Entry, sink::Pending};
use crate::hub::Push;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A durable event of a room: every one, once, in the order of its seq.
    Timeline {
        /// The room.
        room: Room,
        /// Where it stands.
        position: Position,
        /// What happened.
        event: TimelineEvent,
    },
    /// Who types in a room now; replaces what was said before.
    Typing {
        /// The room.
        room: Room,
        /// Some of them.
        users: Vec<UserId>,
        /// How many type, named or not.
        count: u32,
        /// In which thread; `None`: in the room itself.
        thread: Option<Seq>,
    },
    /// Watched users changed.
    Presence {
        /// How they are now.
        users: Vec<UserPresence>,
    },
    /// Changes of membership in a large room, which are not told one by one: they took the places up to
    /// this one.
    Passed {
        /// The room.
        room: Room,
        /// The last of them: the next event has the seq after this one.
        position: Position,
        /// How many members the room has now.
        members: u32,
    },
    /// What was signalled in a room since the last time: the newest of each sender and name.
    Signals {
        /// The room.
        room: Room,
        /// What.
        signals: Vec<Signal>,
    },
    /// Who is there in a room, of those who show it.
    Occupancy {
        /// The room.
        room: Room,
        /// How many users are there.
        count: u32,
        /// What changed; `None` in rooms where too many are to name them.
        change: Option<OccupancyChange>,
    },
    /// A room's stream broke off: drop what you have of it, and go on after `position`.
    Reset {
        /// The room.
        room: Room,
        /// The next event has the seq after this one.
        position: Position,
        /// Why.
        reason: ResetReason,
    },
    /// This session hears no more of a room.
    Removed {
        /// The room.
        room: Room,
        /// Why.
        reason: RemovedReason,
    },
    /// Signals (typing, who is there, what apps signal) did not fit the queue, or waited in it for too long.
    Dropped {
        /// How many since the last time.
        signals: u64,
    },
    /// The session ended; nothing follows.
    Ended {
        /// Why; its range says whether to connect again.
        code: CloseCode,
        /// How long to wait before that.
        reconnect_after_ms: Option<u64>,
    },
}

/// The event in a queue entry; `None` for frames that only matter on a wire, and for a room that was
/// left this instant.
pub(super) fn of(entry: Entry, pending: &Pending) -> Option<Event> {
    match entry {
        Entry::Shared(push) | Entry::Direct(push) | Entry::Signal(push, _) => {
            of_frame(&push, pending)
        }
        Entry::Expired { signals } => Some(Event::Dropped { signals }),
        Entry::Removed { room, reason } => Some(Event::Removed { room, reason }),
        Entry::Ended {
            code,
            reconnect_after_ms,
        } => Some(Event::Ended {
            code,
            reconnect_after_ms,
        }),
    }
}

fn of_frame(push: &Arc<Push>, pending: &Pending) -> Option<Event> {
    match push.frame() {
        ServerFrame::Event { room, epoch, event } => Some(Event::Timeline {
            room: pending.room(*room)?,
            position: Position {
                epoch: *epoch,
                seq: event.seq,
            },
            event: event.clone(),
        }),
        ServerFrame::Typing {
            room,
            users,
            count,
            thread,
        } => Some(Event::Typing {
            room: pending.room(*room)?,
            users: users.clone(),
            count: *count,
            thread: *thread,
        }),
        ServerFrame::Passed {
            room,
            epoch,
            to,
            members,
            ..
        } => Some(Event::Passed {
            room: pending.room(*room)?,
            position: Position {
                epoch: *epoch,
                seq: *to,
            },
            members: *members,
        }),
        ServerFrame::Signals { room, signals } => Some(Event::Signals {
            room: pending.room(*room)?,
            signals: signals.clone(),
        }),
        ServerFrame::Occupancy {
            room,
            count,
            change,
        } => Some(Event::Occupancy {
            room: pending.room(*room)?,
            count: *count,
            change: change.clone(),
        }),
        ServerFrame::Presence { users } => Some(Event::Presence {
            users: users.clone(),
        }),
        ServerFrame::Reset {
            room,
            position,
            reason,
        } => Some(Event::Reset {
            room: pending.room(*room)?,
            position: *position,
            reason: *reason,
        }),
        ServerFrame::Dropped { signals } => Some(Event::Dropped { signals: *signals }),
        // Answers go to whoever asked; a removal and a bye are entries of their own.
        ServerFrame::Removed { .. }
        | ServerFrame::Welcome(_)
        | ServerFrame::Pong { .. }
        | ServerFrame::Done { .. }
        | ServerFrame::Error { .. }
        | ServerFrame::Created { .. }
        | ServerFrame::Joined { .. }
        | ServerFrame::Sent { .. }
        | ServerFrame::Page { .. }
        | ServerFrame::Watching { .. }
        | ServerFrame::Members { .. }
        | ServerFrame::Marked { .. }
        | ServerFrame::Readers { .. }
        | ServerFrame::Rooms { .. }
        | ServerFrame::Overwrites { .. }
        | ServerFrame::Me { .. }
        | ServerFrame::Roles { .. }
        | ServerFrame::Explained { .. }
        | ServerFrame::Bye { .. } => None,
    }
}
