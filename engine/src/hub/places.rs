//! The places of a room's timeline that a push takes: one for an event, many for a run of changes that are
//! not told one by one, none for a signal.

use homeroom_protocol::{Epoch, RoomNumber, Seq, ServerFrame};

use super::Push;

impl Push {
    /// Says that these places of a timeline have no events of their own.
    pub(crate) fn passed(
        room: RoomNumber,
        epoch: Epoch,
        (from, to): (Seq, Seq),
        members: u32,
    ) -> Self {
        Self::new(ServerFrame::Passed {
            room,
            epoch,
            from,
            to,
            members,
        })
    }

    /// What it passes from `next` on; `None` if it is an event, or passes nothing there.
    pub(super) fn passed_from(&self, next: Seq) -> Option<Self> {
        match *self.frame() {
            ServerFrame::Passed {
                room,
                epoch,
                to,
                members,
                ..
            } if next <= to => Some(Self::passed(room, epoch, (next, to), members)),
            _ => None,
        }
    }

    /// The room of a push to a room's audience, and the first and last place that it takes.
    pub(crate) const fn of_room(&self) -> Option<(RoomNumber, Option<(Seq, Seq)>)> {
        of_room(self.frame())
    }
}

/// See [`Push::of_room`].
pub(super) const fn of_room(frame: &ServerFrame) -> Option<(RoomNumber, Option<(Seq, Seq)>)> {
    match frame {
        ServerFrame::Event { room, event, .. } => Some((*room, Some((event.seq, event.seq)))),
        ServerFrame::Passed { room, from, to, .. } => Some((*room, Some((*from, *to)))),
        ServerFrame::Typing { room, .. }
        | ServerFrame::Signals { room, .. }
        | ServerFrame::Occupancy { room, .. } => Some((*room, None)),
        ServerFrame::Welcome(_)
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
        | ServerFrame::Presence { .. }
        | ServerFrame::Reset { .. }
        | ServerFrame::Removed { .. }
        | ServerFrame::Dropped { .. }
        | ServerFrame::Bye { .. } => None,
    }
}
