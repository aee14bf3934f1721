//! One thing said to many: built once, encoded at most once, shared by every listener.

use std::sync::OnceLock;

use bytes::Bytes;
use homeroom_protocol::{
    ErrorCode, EventBody, RequestId, RoomNumber, Seq, ServerFrame, TimelineEvent, UserId, limit,
    websocket::{WireMessage, wire_message},
};

use super::bounds::PAUSED_RETRY_MS;

/// What any push weighs: the frame's fixed part and its ids, in both forms, and what refers to it.
const WEIGHT_MIN: usize = 512;
/// What one user in a list weighs.
const USER_WEIGHT: usize = size_of::<UserId>() + limit::USER_ID_BYTES_MAX;

/// A frame, and its bytes as soon as the first socket needs them.
#[derive(Debug)]
pub struct Push {
    frame: ServerFrame,
    wire: OnceLock<WireMessage>,
}

impl Push {
    /// Wraps a frame; encodes nothing yet.
    #[must_use]
    pub const fn new(frame: ServerFrame) -> Self {
        Self {
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
            | ServerFrame::Members { id, .. } => Some(*id),
            ServerFrame::Welcome(_)
            | ServerFrame::Pong { .. }
            | ServerFrame::Event { .. }
            | ServerFrame::Typing { .. }
            | ServerFrame::Presence { .. }
            | ServerFrame::Reset { .. }
            | ServerFrame::Removed { .. }
            | ServerFrame::Dropped { .. }
            | ServerFrame::Bye { .. } => None,
        }
    }

    /// The request and the room of a reply that shows what is in the room.
    pub(super) const fn shows(&self) -> Option<(RequestId, RoomNumber)> {
        match &self.frame {
            ServerFrame::Page { id, room, .. } | ServerFrame::Members { id, room, .. } => {
                Some((*id, *room))
            }
            ServerFrame::Welcome(_)
            | ServerFrame::Pong { .. }
            | ServerFrame::Done { .. }
            | ServerFrame::Error { .. }
            | ServerFrame::Created { .. }
            | ServerFrame::Joined { .. }
            | ServerFrame::Sent { .. }
            | ServerFrame::Watching { .. }
            | ServerFrame::Event { .. }
            | ServerFrame::Typing { .. }
            | ServerFrame::Presence { .. }
            | ServerFrame::Reset { .. }
            | ServerFrame::Removed { .. }
            | ServerFrame::Dropped { .. }
            | ServerFrame::Bye { .. } => None,
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

    /// The reply that takes the place of one which [shows](Self::shows) a room that is being looked at:
    /// asked again, it is answered.
    pub(super) fn paused_room(id: RequestId) -> Self {
        Self::new(ServerFrame::Error {
            id: Some(id),
            code: ErrorCode::Overloaded.number(),
            retry_after_ms: Some(PAUSED_RETRY_MS),
            explanation: "Who may see this room has just changed.".to_owned(),
        })
    }

    /// The place of an event, or the first of those that it passes.
    pub(crate) const fn first_place(&self) -> Option<Seq> {
        first_place(&self.frame)
    }

    /// The room of a push to a room's audience.
    pub(crate) const fn room(&self) -> Option<RoomNumber> {
        match &self.frame {
            ServerFrame::Event { room, .. } | ServerFrame::Typing { room, .. } => Some(*room),
            _ => None,
        }
    }

    /// Says that these places of a timeline have no events of their own.
    pub(super) const fn passed(
        _room: RoomNumber,
        _epoch: homeroom_protocol::Epoch,
        _from: Seq,
        _to: Seq,
        members: u32,
    ) -> Self {
        let _ = members;
        Self::new(ServerFrame::Dropped { signals: 0 })
    }

    /// The last place that it passes, if it stands for places without events of their own.
    pub(super) const fn last_passed(&self) -> Option<Seq> {
        None
    }

    /// What it passes from `next` on; `None` if it is an event.
    pub(super) const fn passed_from(&self, _next: Seq) -> Option<Self> {
        None
    }

    /// About how many bytes of memory it takes, both forms together; for bounds, so rather too many.
    #[must_use]
    pub fn weight(&self) -> usize {
        WEIGHT_MIN + 2 * content_bytes(&self.frame)
    }

    /// The complete WebSocket frame, header and payload. Encoded by the first call.
    pub fn wire(&self) -> &Bytes {
        &self.encoded().bytes
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

/// The place of an event, or the first of those that it passes.
pub(super) const fn first_place(frame: &ServerFrame) -> Option<Seq> {
    match frame {
        ServerFrame::Event { event, .. } => Some(event.seq),
        _ => None,
    }
}

/// The bytes of what has no fixed size.
fn content_bytes(frame: &ServerFrame) -> usize {
    match frame {
        ServerFrame::Event { event, .. } => event_bytes(event),
        ServerFrame::Page { events, .. } => {
            let each = |event| size_of::<TimelineEvent>() + USER_WEIGHT + event_bytes(event);
            events.iter().map(each).sum()
        }
        ServerFrame::Watching { users, .. } | ServerFrame::Presence { users } => {
            users.len() * USER_WEIGHT
        }
        ServerFrame::Members { users, .. } | ServerFrame::Typing { users, .. } => {
            users.len() * USER_WEIGHT
        }
        ServerFrame::Error { explanation, .. } | ServerFrame::Bye { explanation, .. } => {
            explanation.len()
        }
        ServerFrame::Welcome(_)
        | ServerFrame::Pong { .. }
        | ServerFrame::Done { .. }
        | ServerFrame::Created { .. }
        | ServerFrame::Joined { .. }
        | ServerFrame::Sent { .. }
        | ServerFrame::Reset { .. }
        | ServerFrame::Removed { .. }
        | ServerFrame::Dropped { .. } => 0,
    }
}

fn event_bytes(event: &TimelineEvent) -> usize {
    match &event.body {
        EventBody::RoomCreated { title } => title.as_ref().map_or(0, String::len),
        EventBody::Message { text } => text.len(),
        EventBody::MemberAdded { member } | EventBody::MemberRemoved { member } => {
            member.as_str().len()
        }
        EventBody::MemberJoined | EventBody::MemberLeft | EventBody::Unknown { .. } => 0,
    }
}
