//! One thing said to many: built once, encoded at most once, shared by every listener.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use homeroom_protocol::{
    ErrorCode, RequestId, RoomNumber, ServerFrame, UserId,
    websocket::{WireMessage, append_wire_message, wire_message},
};

use super::{bounds::PAUSED_RETRY_MS, content::frame_bytes};

/// What any push weighs: the frame's fixed part and its ids, in both forms, and what refers to it.
const WEIGHT_MIN: usize = 512;

/// A frame, and its bytes as soon as the first socket needs them.
#[derive(Debug)]
pub struct Push {
    frame: ServerFrame,
    /// See [`weight`](Self::weight): asked wherever it waits.
    weight: usize,
    wire: OnceLock<WireMessage>,
}

/// What one connection is told of a room that nobody else is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Who types and who is there, for whoever begins to show it.
    Shown(RoomNumber),
    /// That its stream starts anew. Whoever goes on to hear the room must hear of it.
    Reset(RoomNumber),
}

impl Told {
    /// Whether it is of such a room, and void when that is paused.
    pub(super) fn is_void_in_pause(self, paused: &dyn Fn(RoomNumber) -> bool) -> bool {
        match self {
            Self::Shown(room) => paused(room),
            Self::Reset(_) => false,
        }
    }

    /// Whether it is of such a room.
    pub(super) fn is_of(self, left: &dyn Fn(RoomNumber) -> bool) -> bool {
        match self {
            Self::Shown(room) | Self::Reset(room) => left(room),
        }
    }
}

/// The request of a reply that shows what is in rooms, and in which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// In this one.
    Room(RequestId, RoomNumber),
    /// In several: the list is void as soon as any of them may be.
    Several(RequestId),
}

impl Shown {
    /// What takes the place of the reply when such rooms are closed; `None` when it shows none of them.
    pub(super) fn refused(
        self,
        closed: &dyn Fn(RoomNumber) -> bool,
        refusal: fn(RequestId) -> Push,
    ) -> Option<Push> {
        match self {
            Self::Room(request, room) => closed(room).then(|| refusal(request)),
            Self::Several(request) => Some(Push::paused_room(request)),
        }
    }
}

/// What is left of a push when some users may not be told of any more.
#[derive(Debug)]
pub(super) enum Thinned {
    /// All: it tells of none of them.
    Same,
    /// It tells of the others.
    Less(Arc<Push>),
    /// It tells of nobody, and answers nothing.
    Nothing,
}

impl Push {
    /// Wraps a frame; encodes nothing yet.
    #[must_use]
    pub fn new(frame: ServerFrame) -> Self {
        Self {
            weight: WEIGHT_MIN + 2 * frame_bytes(&frame),
            frame,
            wire: OnceLock::new(),
        }
    }

    /// The typed frame, for in-process listeners.
    #[must_use]
    pub const fn frame(&self) -> &ServerFrame {
        &self.frame
    }

    /// Whether it is the one reply to a request.
    #[must_use]
    pub const fn is_reply(&self) -> bool {
        self.answered().is_some()
    }

    /// The request it is the reply to, if it is one.
    #[must_use]
    pub const fn answered(&self) -> Option<RequestId> {
        match &self.frame {
            ServerFrame::Error { id, .. } => *id,
            ServerFrame::Done { id }
            | ServerFrame::Created { id, .. }
            | ServerFrame::Joined { id, .. }
            | ServerFrame::Sent { id, .. }
            | ServerFrame::Page { id, .. }
            | ServerFrame::Watching { id, .. }
            | ServerFrame::Members { id, .. }
            | ServerFrame::Marked { id, .. }
            | ServerFrame::Readers { id, .. }
            | ServerFrame::Rooms { id, .. }
            | ServerFrame::Overwrites { id, .. }
            | ServerFrame::Me { id, .. }
            | ServerFrame::Roles { id, .. }
            | ServerFrame::Explained { id, .. } => Some(*id),
            ServerFrame::Welcome(_)
            | ServerFrame::Pong { .. }
            | ServerFrame::Event { .. }
            | ServerFrame::Typing { .. }
            | ServerFrame::Presence { .. }
            | ServerFrame::Reset { .. }
            | ServerFrame::Removed { .. }
            | ServerFrame::Dropped { .. }
            | ServerFrame::Passed { .. }
            | ServerFrame::Signals { .. }
            | ServerFrame::Occupancy { .. }
            | ServerFrame::Bye { .. } => None,
        }
    }

    /// The request and the room of a reply that lets its connection in. It stands in a pause: whoever goes
    /// on to hear the room must know that they do.
    pub(super) const fn lets_in(&self) -> Option<(RequestId, RoomNumber)> {
        match &self.frame {
            ServerFrame::Joined { id, room, .. } => Some((*id, *room)),
            _ => None,
        }
    }

    /// The room that a push tells of which is no reply, although it may be for one connection alone.
    pub(super) const fn tells_of(&self) -> Option<Told> {
        if let ServerFrame::Reset { room, .. } = &self.frame {
            return Some(Told::Reset(*room));
        }
        match self.of_room() {
            Some((room, _)) => Some(Told::Shown(room)),
            None => None,
        }
    }

    /// What a reply shows of rooms, if anything.
    pub(super) fn shows(&self) -> Option<Shown> {
        match &self.frame {
            ServerFrame::Rooms { id, rooms, .. } if !rooms.is_empty() => Some(Shown::Several(*id)),
            ServerFrame::Me { id, me } if !me.threads.is_empty() => Some(Shown::Several(*id)),
            ServerFrame::Page { id, room, .. }
            | ServerFrame::Members { id, room, .. }
            | ServerFrame::Readers { id, room, .. }
            | ServerFrame::Overwrites { id, room, .. } => Some(Shown::Room(*id, *room)),
            ServerFrame::Welcome(_)
            | ServerFrame::Pong { .. }
            | ServerFrame::Done { .. }
            | ServerFrame::Error { .. }
            | ServerFrame::Created { .. }
            | ServerFrame::Joined { .. }
            | ServerFrame::Sent { .. }
            | ServerFrame::Watching { .. }
            | ServerFrame::Marked { .. }
            | ServerFrame::Rooms { .. }
            | ServerFrame::Me { .. }
            | ServerFrame::Roles { .. }
            | ServerFrame::Explained { .. }
            | ServerFrame::Event { .. }
            | ServerFrame::Typing { .. }
            | ServerFrame::Presence { .. }
            | ServerFrame::Reset { .. }
            | ServerFrame::Removed { .. }
            | ServerFrame::Dropped { .. }
            | ServerFrame::Passed { .. }
            | ServerFrame::Signals { .. }
            | ServerFrame::Occupancy { .. }
            | ServerFrame::Bye { .. } => None,
        }
    }

    /// Whether it says how users are.
    pub(super) const fn tells_of_users(&self) -> bool {
        matches!(
            &self.frame,
            ServerFrame::Watching { .. } | ServerFrame::Presence { .. }
        )
    }

    /// The same without such users.
    pub(super) fn without_users(&self, is_hidden: &dyn Fn(&UserId) -> bool) -> Thinned {
        let (ServerFrame::Watching { users, .. } | ServerFrame::Presence { users }) = &self.frame
        else {
            return Thinned::Same;
        };
        let others: Vec<_> = (users.iter())
            .filter(|shown| !is_hidden(&shown.user))
            .cloned()
            .collect();
        if others.len() == users.len() {
            return Thinned::Same;
        }
        let less = |frame| Thinned::Less(Arc::new(Self::new(frame)));
        match self.answered() {
            Some(id) => less(ServerFrame::Watching { id, users: others }),
            None if others.is_empty() => Thinned::Nothing,
            None => less(ServerFrame::Presence { users: others }),
        }
    }

    /// The reply that takes the place of one which [shows](Self::shows) a room to whom it has been closed.
    pub(super) fn closed_room(id: RequestId) -> Self {
        let code = ErrorCode::NotMember;
        Self::new(ServerFrame::Error {
            id: Some(id),
            code: code.number(),
            retry_after_ms: None,
            explanation: code.meaning().into(),
        })
    }

    /// The reply that takes the place of one which [shows](Self::shows) a room that is being looked at, or
    /// several: asked again, it is answered.
    pub(super) fn paused_room(id: RequestId) -> Self {
        Self::new(ServerFrame::Error {
            id: Some(id),
            code: ErrorCode::Overloaded.number(),
            retry_after_ms: Some(PAUSED_RETRY_MS),
            explanation: "Who may see this room has just changed.".to_owned(),
        })
    }

    /// About how many bytes of memory it takes, both forms together; for bounds, so rather too many.
    #[must_use]
    pub const fn weight(&self) -> usize {
        self.weight
    }

    /// The complete WebSocket frame, header and payload. Encoded by the first call.
    pub fn wire(&self) -> &Bytes {
        &self.encoded().bytes
    }

    /// Adds the same to `out`. What was not encoded before is encoded there, and not kept: for what nobody else
    /// takes.
    pub(super) fn append_wire(&self, out: &mut Vec<u8>) {
        match self.wire.get() {
            Some(encoded) => out.extend_from_slice(&encoded.bytes),
            None => append_wire_message(&self.frame, out),
        }
    }

    /// The payload alone, for WebSocket stacks that write their own headers: a slice of
    /// [`wire`](Self::wire), not a copy.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        self.encoded().payload()
    }

    fn encoded(&self) -> &WireMessage {
        self.wire.get_or_init(|| wire_message(&self.frame))
    }
}
