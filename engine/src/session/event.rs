//! What a session hears, with rooms by name.

use std::sync::Arc;

use homeroom_protocol::{
    CloseCode, Position, Presence, RemovedReason, ResetReason, ServerFrame, TimelineEvent, UserId,
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
    },
    /// Watched users changed.
    Presence {
        /// User and new state.
        users: Vec<(UserId, Presence)>,
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
    /// Signals (typing, presence) did not fit the queue.
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
        Entry::Shared(push) | Entry::Direct(push) => of_frame(&push, pending),
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
        ServerFrame::Typing { room, users, count } => Some(Event::Typing {
            room: pending.room(*room)?,
            users: users.clone(),
            count: *count,
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
        | ServerFrame::Bye { .. } => None,
    }
}
