//! What an app's own back end asks for: the same rules as for clients, without a connection.
//!
//! A service speaks for itself or as a user. It has no presence and hears nothing; rooms are named by
//! the app's ids, as it never joined one and knows no numbers. Its answers are held like every reply:
//! until all they depend on is durable.

mod call;
pub(crate) mod roles;

use std::sync::Arc;

use call::Reply;
pub use call::{
    Answered, Asker, HistoryPage, MembersPage, Placed, Refused, RoomSummary, ServiceAnswer,
    ServiceCall, ServiceRequest,
};
use homeroom_protocol::{
    DeviceId, Direction, Draft, IdempotencyKey, Request, RoomId, RoomInfo, Seq, Timestamp, UserId,
    limit::{INTEGER_MAX, MEMBERS_PAGE_MAX, PAGE_EVENTS_MAX, WATCHED_USERS_MAX},
};

use super::{
    decide::{self, Ground, Keyed, Standing, Verdict},
    history::Question,
    records::event::Event,
    refusal::Refusal,
    requests::{Answer, By},
    rooms::room::Room,
    state::Tenant,
};
use crate::{
    domain::{Moment, Outcome},
    hub::Delivery,
    identity::{Actor, Identity},
};

impl Tenant {
    /// What must be looked up before a service's request can be decided.
    pub(crate) fn service_needs(&self, call: &ServiceCall) -> Option<Question> {
        match &call.request {
            ServiceRequest::CreateRoom { key, .. } | ServiceRequest::Publish { key, .. } => {
                self.key_needs(&call.actor.user_id(), *key)
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
            ServiceRequest::AddMember { .. }
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
            ServiceRequest::CreateRoom { key, room, title } => {
                self.serve_create(served, (key, room, title), (answer, out))
            }
            ServiceRequest::Publish { key, room, draft } => {
                self.serve_publish(served, (key, room, draft), (answer, out))
            }
            ServiceRequest::AddMember { room, member } => {
                self.serve_add(served, &room, &member, out)
            }
            ServiceRequest::RemoveMember { room, member } => {
                self.serve_remove(served, &room, &member, out)
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

    fn serve_create(
        &mut self,
        served: &Serving,
        (key, room, title): (IdempotencyKey, RoomId, Option<String>),
        (answer, out): (Answer, &mut Outcome<Self>),
    ) -> Result<ServiceAnswer, Refusal> {
        let info = RoomInfo {
            title,
            ..RoomInfo::default()
        };
        let keyed = self.keyed_as(
            served,
            &answer,
            &Request::Create {
                key,
                room: room.clone(),
                info: info.clone(),
                members: Vec::new(),
            },
        )?;
        let ground = served.ground(self);
        let like = (info, Vec::new());
        let verdict = decide::rooms::create(ground, keyed, &room, like, served.moment)?;
        Ok(ServiceAnswer::Placed(self.settle_placed(
            served.moment,
            verdict,
            out,
        )))
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

    fn serve_add(
        &mut self,
        served: &Serving,
        room: &RoomId,
        member: &UserId,
        out: &mut Outcome<Self>,
    ) -> Result<ServiceAnswer, Refusal> {
        let event = decide::members::add(served.ground(self), room, member)?;
        Ok(self.membership(served.moment, event, out))
    }

    fn serve_remove(
        &mut self,
        served: &Serving,
        room: &RoomId,
        member: &UserId,
        out: &mut Outcome<Self>,
    ) -> Result<ServiceAnswer, Refusal> {
        let event = decide::members::remove(served.ground(self), room, member)?;
        Ok(self.membership(served.moment, event, out))
    }

    fn membership(
        &mut self,
        moment: Moment,
        event: Option<Event>,
        out: &mut Outcome<Self>,
    ) -> ServiceAnswer {
        let placed = event.map(|event| self.settle_placed(moment, Verdict::Happened(event), out));
        ServiceAnswer::Membership(placed)
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
