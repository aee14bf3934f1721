//! The durable facts of a tenant. Everything that had to be decided is inside: place, time, outcome.

use homeroom_protocol::{
    EventBody, IdempotencyKey, Position, RoomId, RoomNumber, TimelineEvent, Timestamp, UserId,
};

/// Something happened in a room and took the next place of its timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The room.
    pub room: RoomNumber,
    /// Its place; the epoch is that of the room.
    pub position: Position,
    /// When; never lower than that of any event of the tenant before it.
    pub time: Timestamp,
    /// Who did it.
    pub author: UserId,
    /// What.
    pub body: Body,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// The room was made, its author is its first member, unless it is a service. Always
    /// seq 1.
    RoomCreated {
        /// The app's id for it.
        id: RoomId,
        /// A name for people.
        title: Option<String>,
        /// Makes a retry give the same answer.
        key: IdempotencyKey,
    },
    /// The author became a member.
    MemberJoined,
    /// The author's membership ended.
    MemberLeft,
    /// The author made somebody a member.
    MemberAdded {
        /// Whom.
        member: UserId,
    },
    /// The author ended somebody's membership.
    MemberRemoved {
        /// Whose.
        member: UserId,
    },
    /// The author said something.
    MessageSent {
        /// What.
        text: String,
        /// Makes a retry give the same answer.
        key: IdempotencyKey,
    },
}

impl Event {
    /// Whom the making of a room makes a member: its author, if that is a person.
    pub(super) fn first_member(&self) -> Option<&UserId> {
        (!self.author.is_service()).then_some(&self.author)
    }

    /// How clients see it.
    #[must_use]
    pub fn to_timeline(&self) -> TimelineEvent {
        TimelineEvent {
            seq: self.position.seq,
            time: self.time,
            author: self.author.clone(),
            body: match &self.body {
                Body::RoomCreated { title, .. } => EventBody::RoomCreated {
                    title: title.clone(),
                },
                Body::MemberJoined => EventBody::MemberJoined,
                Body::MemberLeft => EventBody::MemberLeft,
                Body::MemberAdded { member } => EventBody::MemberAdded {
                    member: member.clone(),
                },
                Body::MemberRemoved { member } => EventBody::MemberRemoved {
                    member: member.clone(),
                },
                Body::MessageSent { text, .. } => EventBody::Message { text: text.clone() },
            },
        }
    }
}

/// How much of a page's bytes an event takes.
pub(super) fn body_bytes(event: &TimelineEvent) -> usize {
    match &event.body {
        EventBody::RoomCreated { title } => title.as_ref().map_or(0, String::len),
        EventBody::MemberAdded { member } | EventBody::MemberRemoved { member } => {
            member.as_str().len()
        }
        EventBody::MemberJoined | EventBody::MemberLeft | EventBody::Unknown { .. } => 0,
        EventBody::Message { text } => text.len(),
    }
}
