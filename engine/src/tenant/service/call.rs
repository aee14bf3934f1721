//! One call of a service: what it asks, what it is answered, and who waits for that.

use std::{fmt, sync::Arc};

use homeroom_protocol::{
    Direction, Draft, Epoch, ErrorCode, IdempotencyKey, Position, RoomId, Seq, TimelineEvent,
    Timestamp, UserId, UserPresence,
};

use super::roles::{RoleAnswer, RoleRequest};
use crate::{
    hub::{Deferred, Delivery, body_bytes},
    identity::Actor,
    tenant::refusal::Refusal,
};

/// What a service asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceRequest {
    /// Makes a room. A user who makes one is its first member; a service makes an empty one.
    CreateRoom {
        /// Makes a retry safe; scoped to the actor.
        key: IdempotencyKey,
        /// The app's id for it.
        room: RoomId,
        /// A name for people, at most [`ROOM_TITLE_BYTES_MAX`](homeroom_protocol::limit) bytes.
        title: Option<String>,
    },
    /// Makes somebody a member; nothing happens when they are one.
    AddMember {
        /// Where.
        room: RoomId,
        /// Whom.
        member: UserId,
    },
    /// Ends somebody's membership at once, on all their connections; nothing happens when they have
    /// none. They may join again.
    RemoveMember {
        /// Where.
        room: RoomId,
        /// Whose.
        member: UserId,
    },
    /// Says something in a room.
    Publish {
        /// Makes a retry safe; scoped to the actor.
        key: IdempotencyKey,
        /// Where.
        room: RoomId,
        /// What.
        draft: Draft,
    },
    /// A page of a room's timeline.
    History {
        /// Which room's.
        room: RoomId,
        /// Which way from the anchor.
        direction: Direction,
        /// Not itself in the page; `None`: the end that the direction comes from.
        anchor: Option<Seq>,
        /// Most events, 1 to [`PAGE_EVENTS_MAX`](homeroom_protocol::limit::PAGE_EVENTS_MAX).
        limit: u32,
    },
    /// A page of a room's members, in the order of their bytes.
    Members {
        /// Which room's.
        room: RoomId,
        /// The last one of the page before.
        after: Option<UserId>,
        /// Most users, 1 to [`MEMBERS_PAGE_MAX`](homeroom_protocol::limit::MEMBERS_PAGE_MAX).
        limit: u32,
    },
    /// How users are: for a service all that are asked for, for a user those they may see.
    Presence {
        /// At most [`WATCHED_USERS_MAX`](homeroom_protocol::limit::WATCHED_USERS_MAX).
        users: Vec<UserId>,
    },
    /// How far a room has come.
    Room {
        /// Which.
        room: RoomId,
    },
    /// Something about roles and what differs in rooms.
    Roles(RoleRequest),
}

/// Where and when something took its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Its place in the room's timeline.
    pub position: Position,
    /// When.
    pub time: Timestamp,
    /// It was there already: the key was used for the same before.
    pub already: bool,
}

/// What a service is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceAnswer {
    /// To [`ServiceRequest::CreateRoom`] and [`ServiceRequest::Publish`].
    Placed(Placed),
    /// To [`ServiceRequest::AddMember`] and [`ServiceRequest::RemoveMember`]: the event, or `None` when
    /// it was so already.
    Membership(Option<Placed>),
    /// To [`ServiceRequest::History`].
    Page(HistoryPage),
    /// To [`ServiceRequest::Members`].
    Members(MembersPage),
    /// To [`ServiceRequest::Presence`].
    Presence(Vec<UserPresence>),
    /// To [`ServiceRequest::Room`].
    Room(RoomSummary),
    /// To [`ServiceRequest::Roles`]; which one, its variants say.
    Roles(RoleAnswer),
}

/// A part of a timeline, in the order of seq.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPage {
    /// The room's epoch.
    pub epoch: Epoch,
    /// The events.
    pub events: Vec<TimelineEvent>,
    /// Whether there are more in the direction asked for; around an anchor: below.
    pub more: bool,
    /// Whether there are more above, around an anchor.
    pub more_above: bool,
}

/// A part of a room's members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembersPage {
    /// Who.
    pub users: Vec<UserId>,
    /// Whether there are more after the last of them.
    pub more: bool,
}

/// A room at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomSummary {
    /// Its newest event.
    pub head: Position,
    /// When that happened.
    pub time: Timestamp,
    /// How many members it has.
    pub members: usize,
}

/// Why a service's request was refused: an ordinary answer, never remembered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{explanation}")]
pub struct Refused {
    /// Its number says what to do.
    pub code: ErrorCode,
    /// When to try again, for the codes that say to.
    pub retry_after_ms: Option<u64>,
    /// For the developer.
    pub explanation: String,
}

/// What a service is told in the end.
pub type Answered = Result<ServiceAnswer, Refused>;

/// Who waits for an answer. Dropped without one, the tenant ended first: what was asked may have
/// happened or not.
pub trait Asker: fmt::Debug + Send + Sync + 'static {
    /// The answer; called at most once.
    fn answer(&self, answer: Answered);
}

/// One request of a service, and who waits for its answer.
#[derive(Debug, Clone)]
pub struct ServiceCall {
    /// In whose name.
    pub actor: Actor,
    /// What is asked.
    pub request: ServiceRequest,
    /// Who waits.
    pub asker: Arc<dyn Asker>,
}

impl ServiceCall {
    /// The answer that says no.
    pub(crate) fn refused(&self, refusal: Refusal) -> Delivery {
        let (asker, answer) = (Arc::clone(&self.asker), Err(refusal.into()));
        Delivery::Answer(Arc::new(Reply { asker, answer }))
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            code: refusal.code(),
            retry_after_ms: refusal.retry_after_ms(),
            explanation: refusal.explanation(),
        }
    }
}

/// An answer on its way, held until it may leave.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) asker: Arc<dyn Asker>,
    pub(super) answer: Answered,
}

impl Deferred for Reply {
    fn leave(self: Arc<Self>) {
        let Self { asker, answer } = Arc::unwrap_or_clone(self);
        asker.answer(answer);
    }

    fn weight(&self) -> usize {
        const USER: usize = size_of::<UserId>() + homeroom_protocol::limit::USER_ID_BYTES_MAX;
        let content = match &self.answer {
            Ok(ServiceAnswer::Page(page)) => page
                .events
                .iter()
                .map(|event| size_of::<TimelineEvent>() + USER + body_bytes(&event.body))
                .sum(),
            Ok(ServiceAnswer::Members(page)) => page.users.len() * USER,
            Ok(ServiceAnswer::Presence(users)) => {
                users.len() * (USER + 32 + homeroom_protocol::limit::STATUS_BYTES_MAX)
            }
            Ok(
                ServiceAnswer::Placed(_) | ServiceAnswer::Membership(_) | ServiceAnswer::Room(_),
            ) => 0,
            Ok(ServiceAnswer::Roles(answer)) => answer.weight(),
            Err(refused) => refused.explanation.len(),
        };
        size_of::<Self>() + content
    }
}
