//! The durable facts of a tenant. Everything that had to be decided is inside: place, time, outcome.
//!
//! Outcomes are absolute: a reaction carries the count it came to, an edit the whole content and its
//! version. So an event that is taken in twice, or over a newer state, changes nothing further.

use homeroom_protocol::{
    EventBody, IdempotencyKey, Position, Role, RoleId, RoomNumber, TimelineEvent, Timestamp, UserId,
};

use super::{concern::Concern, hashing::Digest};

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
    /// What, in the words of the protocol; what differs from reader to reader (`me`, the state of a
    /// message) is not in it.
    pub body: EventBody,
    /// What makes a retry of it give the same answer; `None` for what needs no key.
    pub keyed: Option<KeyedBy>,
}

/// The key of a write, and what was asked for under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyedBy {
    /// Chosen by whoever asked.
    pub key: IdempotencyKey,
    /// What was asked; `None` in records of before it was stored: it follows from the body.
    pub digest: Option<Digest>,
}

/// Something happened in the tenant and in none of its rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantEvent {
    /// When; never lower than that of any event of the tenant before it.
    pub time: Timestamp,
    /// Who did it; `None`: nobody, it happened by itself.
    pub author: Option<UserId>,
    /// What.
    pub change: TenantChange,
}

/// What can happen to a tenant as a whole. Each sets a whole value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantChange {
    /// A role was made or changed.
    RoleSet(Role),
    /// A role was taken away, from all who had it.
    RoleRemoved {
        /// Which.
        role: RoleId,
    },
    /// A user was given roles.
    RolesGiven {
        /// Who.
        user: UserId,
        /// All they have now, besides everyone.
        roles: Vec<RoleId>,
    },
    /// It was set who may not write to whom.
    PolicySet {
        /// Who has the first role may not write to who has the second.
        apart: Vec<(RoleId, RoleId)>,
    },
    /// Users were last there.
    Seen {
        /// Who, and when.
        users: Vec<(UserId, Timestamp)>,
    },
}

impl Event {
    /// What it is about.
    pub(crate) const fn concern(&self) -> Concern<'_> {
        Concern::of(&self.author, &self.body)
    }

    /// Whom the making of a room makes members: its author, if that is a person, and who was named.
    pub(crate) fn first_members<'a>(
        &'a self,
        named: &'a [UserId],
    ) -> impl Iterator<Item = &'a UserId> {
        let author = (!self.author.is_service()).then_some(&self.author);
        author.into_iter().chain(named)
    }

    /// How clients see it.
    #[must_use]
    pub fn to_timeline(&self) -> TimelineEvent {
        self.clone().into_timeline()
    }

    /// The same, of an event that is not needed any more.
    #[must_use]
    pub fn into_timeline(self) -> TimelineEvent {
        TimelineEvent {
            seq: self.position.seq,
            time: self.time,
            author: self.author,
            body: self.body,
        }
    }
}
