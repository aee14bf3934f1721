//! What an app's own back end asks for: the same rules as for clients, without a connection.
//!
//! A service speaks for itself or as a user. It has no presence and hears nothing; rooms are named by
//! the app's ids, as it never joined one and knows no numbers. Its answers are held like every reply:
//! until all they depend on is durable.

pub(crate) mod changes;
pub(crate) mod roles;

use std::{fmt, sync::Arc};

use homeroom_protocol::{
    DeviceId, Direction, Draft, Epoch, ErrorCode, IdempotencyKey, Measure, Position, Request,
    RoomChange, RoomId, RoomInfo, Seq, TimelineEvent, Timestamp, UserId, UserPresence,
    limit::{INTEGER_MAX, MEMBERS_PAGE_MAX, PAGE_EVENTS_MAX, WATCHED_USERS_MAX},
};

use super::{
    decide::{self, Ground, Keyed, Standing, Verdict},
    history::Question,
    refusal::Refusal,
    requests::{Answer, By},
    rooms::room::Room,
    service::{
        changes::Moderation,
        roles::{RoleAnswer, RoleRequest},
    },
    state::Tenant,
};
use crate::{
    domain::{Moment, Outcome},
    hub::{Deferred, Delivery, body_bytes},
    identity::{Actor, Identity},
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
        /// What it is like.
        info: RoomInfo,
        /// Who is a member from the start, besides a user who makes it; a direct room is made for them.
        members: Vec<UserId>,
    },
    /// Changes what a room is like.
    ChangeRoom {
        /// Makes a retry safe; scoped to the actor.
        key: IdempotencyKey,
        /// Which.
        room: RoomId,
        /// 1 to [`ROOM_CHANGES_MAX`](homeroom_protocol::limit::ROOM_CHANGES_MAX).
        changes: Vec<RoomChange>,
    },
    /// Does something about somebody's place in a room; nothing happens when it is so already.
    Moderate {
        /// Where.
        room: RoomId,
        /// What, and to whom.
        moderation: Moderation,
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
    /// Puts other content in the place of a message of the actor's own.
    Edit {
        /// Makes a retry safe; scoped to the actor.
        key: IdempotencyKey,
        /// Where.
        room: RoomId,
        /// The message.
        target: Seq,
        /// The new content; its thread, what it answers and whether it is quiet stay as they were.
        draft: Draft,
    },
    /// Takes back a message: the actor's own, or anybody's as one who moderates, which the event says.
    Delete {
        /// Makes a retry safe; scoped to the actor.
        key: IdempotencyKey,
        /// Where.
        room: RoomId,
        /// The message.
        target: Seq,
    },
    /// A page of a room's timeline.
    History {
        /// Which room's.
        room: RoomId,
        /// Which way from the anchor.
        direction: Direction,
        /// Not itself in the page; `None`: the end that the direction comes from.
        anchor: Option<Seq>,
        /// Most events, 1 to [`PAGE_EVENTS_MAX`].
        limit: u32,
    },
    /// A page of a room's members, in the order of their bytes.
    Members {
        /// Which room's.
        room: RoomId,
        /// The last one of the page before.
        after: Option<UserId>,
        /// Most users, 1 to [`MEMBERS_PAGE_MAX`].
        limit: u32,
    },
    /// How users are: for a service all that are asked for, for a user those they may see.
    Presence {
        /// At most [`WATCHED_USERS_MAX`].
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
    /// To [`ServiceRequest::CreateRoom`], [`ServiceRequest::Publish`] and all others with a key.
    Placed(Placed),
    /// To [`ServiceRequest::AddMember`], [`ServiceRequest::RemoveMember`] and
    /// [`ServiceRequest::Moderate`]: the event, or `None` when it was so already.
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
    /// What it is like.
    pub info: RoomInfo,
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
struct Reply {
    asker: Arc<dyn Asker>,
    answer: Answered,
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
            Ok(ServiceAnswer::Placed(_) | ServiceAnswer::Membership(_)) => 0,
            Ok(ServiceAnswer::Room(room)) => {
                let RoomInfo {
                    title,
                    topic,
                    metadata,
                    ..
                } = &room.info;
                let texts = [title, topic].map(|text| text.as_ref().map_or(0, String::len));
                texts.iter().sum::<usize>() + metadata.len()
            }
            Ok(ServiceAnswer::Roles(answer)) => answer.weight(),
            Err(refused) => refused.explanation.len(),
        };
        size_of::<Self>() + content
    }
}

impl Tenant {
    /// What must be looked up before a service's request can be decided.
    pub(crate) fn service_needs(&self, call: &ServiceCall) -> Option<Question> {
        match &call.request {
            ServiceRequest::CreateRoom { key, .. }
            | ServiceRequest::ChangeRoom { key, .. }
            | ServiceRequest::Publish { key, .. } => self.key_needs(&call.actor.user_id(), *key),
            ServiceRequest::Edit {
                key, room, target, ..
            }
            | ServiceRequest::Delete { key, room, target } => {
                let room = self.rooms.by_id(room)?;
                let standing = match &call.actor {
                    Actor::Service(_) => Standing::Service,
                    Actor::User(_) => Standing::Member,
                };
                let by = (&call.actor.user_id(), standing);
                self.change_needs(by, *key, (room.number, *target))
            }
            ServiceRequest::History {
                room,
                direction,
                anchor,
                limit,
            } => {
                let room = self.rooms.by_id(room)?;
                let may_read = match &call.actor {
                    Actor::Service(_) => true,
                    Actor::User(user) => room.has(user),
                };
                let reader = call.actor.user_id();
                let part = (None, *direction);
                let place = (anchor_of(*direction, *anchor), *limit);
                let reads = may_read && room.keeps_messages();
                reads.then(|| self.page_question(room, part, place, &reader))
            }
            ServiceRequest::Moderate { .. }
            | ServiceRequest::AddMember { .. }
            | ServiceRequest::RemoveMember { .. }
            | ServiceRequest::Members { .. }
            | ServiceRequest::Presence { .. }
            | ServiceRequest::Room { .. }
            | ServiceRequest::Roles(_) => None,
        }
    }

    /// Decides, applies and answers a service's request.
    pub(crate) fn serve(
        &mut self,
        moment: Moment,
        call: ServiceCall,
        answer: Answer,
        out: &mut Outcome<Self>,
    ) {
        let ServiceCall {
            actor,
            request,
            asker,
        } = call;
        let answer = match &actor {
            Actor::User(user) if user.is_service() => Err(Refusal::NoPerson),
            Actor::User(_) | Actor::Service(_) => {
                let served = Serving {
                    asker: actor.identity(),
                    actor,
                    moment,
                };
                self.serve_request(&served, request, (answer, &mut *out))
            }
        };
        let answer = answer.map_err(Refused::from);
        out.held
            .push(Delivery::Answer(Arc::new(Reply { asker, answer })));
    }

    fn serve_request(
        &mut self,
        served: &Serving,
        request: ServiceRequest,
        (answer, out): (Answer, &mut Outcome<Self>),
    ) -> Result<ServiceAnswer, Refusal> {
        match request {
            ServiceRequest::CreateRoom {
                key,
                room,
                info,
                members,
            } => self.serve_create(served, (key, room), (info, members), (answer, out)),
            ServiceRequest::ChangeRoom { key, room, changes } => {
                self.serve_change_room(served, (key, &room), changes, (answer, out))
            }
            ServiceRequest::Moderate { room, moderation } => {
                self.serve_moderation(served, &room, moderation, out)
            }
            ServiceRequest::Edit {
                key,
                room,
                target,
                draft,
            } => self.serve_edit(served, (key, &room, target), draft, (answer, out)),
            ServiceRequest::Delete { key, room, target } => {
                self.serve_delete(served, (key, &room, target), (answer, out))
            }
            ServiceRequest::Publish { key, room, draft } => {
                self.serve_publish(served, (key, room, draft), (answer, out))
            }
            ServiceRequest::AddMember { room, member } => {
                let moderation = Moderation::new(member, Measure::Add);
                self.serve_moderation(served, &room, moderation, out)
            }
            ServiceRequest::RemoveMember { room, member } => {
                let moderation = Moderation::new(member, Measure::Remove);
                self.serve_moderation(served, &room, moderation, out)
            }
            ServiceRequest::History {
                room,
                direction,
                anchor,
                limit,
            } => self.serve_history(served, &room, (direction, anchor, limit), answer),
            ServiceRequest::Members { room, after, limit } => {
                self.serve_members(served, &room, after, limit)
            }
            ServiceRequest::Presence { users } => self.serve_presence(served, users),
            ServiceRequest::Room { room } => self.serve_room(served, &room),
            ServiceRequest::Roles(request) => {
                let answer = self.serve_roles(served.as_by(), request, out)?;
                Ok(ServiceAnswer::Roles(answer))
            }
        }
    }

    fn serve_publish(
        &mut self,
        served: &Serving,
        (key, room, draft): (IdempotencyKey, RoomId, Draft),
        (answer, out): (Answer, &mut Outcome<Self>),
    ) -> Result<ServiceAnswer, Refusal> {
        let number = self
            .rooms
            .by_id(&room)
            .ok_or(Refusal::RoomNotFound)?
            .number();
        let keyed = self.keyed_as(
            served,
            &answer,
            &Request::Send {
                key,
                room: number,
                draft: draft.clone(),
            },
        )?;
        let verdict = decide::messages::send(served.ground(self), keyed, number, draft)?;
        let thread = verdict.spoken_in();
        let placed = self.settle_placed(served.moment, verdict, out);
        self.follow_where_spoken((&served.asker, served.moment), thread, out);
        Ok(ServiceAnswer::Placed(placed))
    }

    /// What a key was used for, of what a client would ask for in this way.
    fn keyed_as(
        &self,
        served: &Serving,
        answer: &Answer,
        request: &Request,
    ) -> Result<Keyed, Refusal> {
        let write = self.hashing.of_request(request);
        let write = write.expect("only asked of requests that have a key");
        self.keyed(served.by(), write, answer)
    }

    fn serve_history(
        &self,
        served: &Serving,
        room: &RoomId,
        (direction, anchor, limit): (Direction, Option<Seq>, u32),
        answer: Answer,
    ) -> Result<ServiceAnswer, Refusal> {
        let room = served.room(self, room)?;
        decide::check_limit(limit, PAGE_EVENTS_MAX)?;
        let part = (direction, served.moment.now);
        let page = self.timeline_of(room, part, answer)?;
        let reader = &served.asker.user;
        let place = (direction, anchor_of(direction, anchor));
        let page = self.page_now((room.number, reader), place, page);
        Ok(ServiceAnswer::Page(HistoryPage {
            epoch: room.epoch,
            events: page.events,
            more: page.more,
            more_above: page.more_above,
        }))
    }

    fn serve_members(
        &self,
        served: &Serving,
        room: &RoomId,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<ServiceAnswer, Refusal> {
        let room = served.room(self, room)?;
        let limit = decide::check_limit(limit, MEMBERS_PAGE_MAX)?;
        let (users, more) = room.members_page(after, limit);
        Ok(ServiceAnswer::Members(MembersPage { users, more }))
    }

    fn serve_presence(
        &self,
        served: &Serving,
        users: Vec<UserId>,
    ) -> Result<ServiceAnswer, Refusal> {
        decide::check_field("users", users.len(), WATCHED_USERS_MAX)?;
        let may_see = |user: &UserId| match &served.actor {
            Actor::Service(_) => true,
            Actor::User(watcher) => self.may_watch(watcher, user),
        };
        let users = users.into_iter().filter(may_see);
        let states = users.map(|user| match &served.actor {
            Actor::Service(_) => self.presence_of(&user),
            Actor::User(watcher) => self.presence_for(watcher, &user),
        });
        Ok(ServiceAnswer::Presence(states.collect()))
    }

    fn serve_room(&self, served: &Serving, room: &RoomId) -> Result<ServiceAnswer, Refusal> {
        let room = served.room(self, room)?;
        Ok(ServiceAnswer::Room(RoomSummary {
            info: room.info.clone(),
            head: room.head(),
            time: room.time(),
            members: room.members_count(),
        }))
    }

    fn settle_placed(
        &mut self,
        moment: Moment,
        verdict: Verdict,
        out: &mut Outcome<Self>,
    ) -> Placed {
        let already = matches!(verdict, Verdict::Already(_));
        let (_, position, time) = self.settle_place(moment, verdict, out);
        Placed {
            position,
            time,
            already,
        }
    }
}

/// Without an anchor a page begins at the end that its direction comes from.
fn anchor_of(direction: Direction, anchor: Option<Seq>) -> Seq {
    anchor.unwrap_or(match direction {
        Direction::Before | Direction::Around => Seq(INTEGER_MAX),
        Direction::After => Seq(0),
    })
}

/// Who asks, and when.
struct Serving {
    actor: Actor,
    asker: Identity,
    moment: Moment,
}

impl Serving {
    const fn as_by(&self) -> By<'_> {
        By {
            asker: &self.asker,
            standing: match self.actor {
                Actor::Service(_) => Standing::Service,
                Actor::User(_) => Standing::Member,
            },
            moment: self.moment,
        }
    }

    fn by(&self) -> (&UserId, Timestamp) {
        (&self.asker.user, self.moment.now)
    }

    fn ground<'a>(&'a self, tenant: &'a Tenant) -> Ground<'a> {
        let ground = tenant.ground(&self.asker, self.moment);
        match self.actor {
            Actor::Service(_) => ground.of_service(),
            Actor::User(_) => ground,
        }
    }

    /// The room of this id, if the actor may do something in it.
    fn room<'a>(&'a self, tenant: &'a Tenant, id: &RoomId) -> Result<&'a Room, Refusal> {
        self.ground(tenant).joined_by_id(id)
    }
}

impl Actor {
    fn identity(&self) -> Identity {
        let device = DeviceId::new("service").expect("a valid id");
        Identity::new(self.user_id(), device)
    }
}
