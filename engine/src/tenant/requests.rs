//! Requests of clients: look up, decide, apply, answer. Every reply is held, refusals included, so
//! that nobody is told of what may yet be lost.

use std::collections::BTreeSet;

use homeroom_protocol::{
    ConnectionId, DeviceState, IdempotencyKey, Position, RemovedReason, Request, RequestId, RoomId,
    RoomNumber, ServerFrame, TimelineEvent, Timestamp, UserId,
    limit::{MEMBERS_PAGE_MAX, PAGE_EVENTS_MAX, WATCHED_USERS_MAX},
};

use super::{
    decide::{self, Keyed, Verdict},
    effects,
    hashing::Digest,
    history::{Fact, Question},
    keys::{KeyRecord, Memory},
    listening::Start,
    refusal::Refusal,
    state::Tenant,
};
use crate::{
    domain::{HistoryError, Moment, Outcome},
    hub::Delivery,
    identity::Identity,
};

/// The answer to what a request needed, if it needed anything.
pub(super) type Answer = Option<Result<Fact, HistoryError>>;

/// Who asks, and when.
struct Asked {
    connection: ConnectionId,
    id: RequestId,
    asker: Identity,
    moment: Moment,
}

impl Asked {
    const fn by(&self) -> (&UserId, Timestamp) {
        (&self.asker.user, self.moment.now)
    }
}

impl Tenant {
    /// What must be looked up before a request can be decided.
    pub(super) fn request_needs(
        &self,
        connection: ConnectionId,
        request: &Request,
    ) -> Option<Question> {
        let user = &self.sessions.get(connection)?.identity.user;
        match request {
            Request::Create { key, .. } | Request::Send { key, .. } => self.key_needs(user, *key),
            Request::History {
                room,
                direction,
                anchor,
                limit,
            } => self.rooms.get(*room)?.has(user).then_some({
                Question::Timeline {
                    room: *room,
                    direction: *direction,
                    anchor: *anchor,
                    limit: *limit,
                }
            }),
            Request::Join { .. }
            | Request::Leave { .. }
            | Request::Typing { .. }
            | Request::Presence { .. }
            | Request::Watch { .. }
            | Request::Members { .. } => None,
        }
    }

    /// What must be looked up of a user's key.
    pub(super) fn key_needs(&self, user: &UserId, key: IdempotencyKey) -> Option<Question> {
        let lookup = self.hashing.lookup(user, key);
        // There is no clock here; an earlier time can only ask once too often.
        let time = self.rooms.last_time();
        match self.keys.find(&lookup, time, self.settings.key_ttl_ms) {
            Memory::Used(_) | Memory::Free => None,
            Memory::Unsure(_) => Some(Question::Key {
                lookup,
                complete_to: self.durable,
            }),
        }
    }

    pub(super) fn request(
        &mut self,
        moment: Moment,
        (connection, id): (ConnectionId, RequestId),
        request: Request,
        answer: Answer,
        out: &mut Outcome<Self>,
    ) {
        let Some(session) = self.sessions.get(connection) else {
            return;
        };
        if session.identity.has_expired(moment.now) {
            self.expire_session(moment, connection, out);
            return;
        }
        let asked = Asked {
            connection,
            id,
            asker: session.identity.clone(),
            moment,
        };
        let reply = match request {
            Request::Create { key, room, title } => {
                self.create(&asked, key, &room, title, (answer, out))
            }
            Request::Join { room, resume } => self.join(&asked, &room, resume, out),
            Request::Leave { room } => self.leave(&asked, room, out),
            Request::Send { key, room, text } => self.send(&asked, key, room, text, (answer, out)),
            Request::History { room, limit, .. } => self.history(&asked, room, limit, answer),
            Request::Typing { room, active } => self.type_in(&asked, room, active, out),
            Request::Presence { state } => self.show(&asked, state, out),
            Request::Watch { users } => self.watch(&asked, users, out),
            Request::Members { room, after, limit } => self.members(&asked, room, after, limit),
        };
        match reply {
            Ok(Some(frame)) => out.held.push(effects::direct(connection, frame)),
            Ok(None) => {}
            Err(refusal) => out.held.push(effects::refused(connection, id, refusal)),
        }
    }

    fn create(
        &mut self,
        asked: &Asked,
        key: IdempotencyKey,
        room: &RoomId,
        title: Option<String>,
        (answer, out): (Answer, &mut Outcome<Self>),
    ) -> Reply {
        let ground = self.ground(&asked.asker, asked.moment);
        ground.may_write()?;
        let digest = self.hashing.create(room, title.as_deref());
        let keyed = self.keyed(asked.by(), (key, digest), answer)?;
        let entropy = asked.moment.entropy_64();
        let verdict = decide::create(ground, keyed, room, title, entropy)?;
        let (room, position, time) = self.settle(verdict, out);
        let id = asked.id;
        said(ServerFrame::Created {
            id,
            room,
            position,
            time,
        })
    }

    fn send(
        &mut self,
        asked: &Asked,
        key: IdempotencyKey,
        room: RoomNumber,
        text: String,
        (answer, out): (Answer, &mut Outcome<Self>),
    ) -> Reply {
        let ground = self.ground(&asked.asker, asked.moment);
        ground.may_write()?;
        let digest = self.hashing.send(room, &text);
        let keyed = self.keyed(asked.by(), (key, digest), answer)?;
        let verdict = decide::send(ground, keyed, room, text)?;
        if let Verdict::Happened(_) = verdict {
            self.stop_typing(room, &asked.asker.user, out);
        }
        let (_, position, time) = self.settle(verdict, out);
        let id = asked.id;
        said(ServerFrame::Sent { id, position, time })
    }

    fn join(
        &mut self,
        asked: &Asked,
        room: &RoomId,
        resume: Option<Position>,
        out: &mut Outcome<Self>,
    ) -> Reply {
        let Asked { connection, id, .. } = *asked;
        let ground = self.ground(&asked.asker, asked.moment);
        let (number, event) = decide::join(ground, room, resume, |room| {
            self.listening_to(connection, room)
        })?;
        let reset = self.reset_reason(number, resume);
        if let Some(event) = event {
            self.commit(event, out);
        }
        let Some(room) = self.rooms.get(number) else {
            return Err(Refusal::RoomNotFound);
        };
        let Position { epoch, seq: head } = room.head();
        let members = u32::try_from(room.members_count()).unwrap_or(u32::MAX);
        let position = match (resume, reset) {
            (Some(resume), None) => resume,
            (Some(_), Some(_)) | (None, _) => Position { epoch, seq: head },
        };
        let joined = ServerFrame::Joined {
            id,
            room: number,
            position,
            head,
            reset,
            members,
        };
        out.held.push(effects::direct(connection, joined));
        let start = Start {
            room: number,
            epoch,
            next: position.seq.next(),
            head,
        };
        self.listen(connection, start, out);
        Ok(None)
    }

    fn leave(&mut self, asked: &Asked, room: RoomNumber, out: &mut Outcome<Self>) -> Reply {
        let event = decide::leave(self.ground(&asked.asker, asked.moment), room)?;
        self.end_membership(event, &asked.asker.user, RemovedReason::Left, out);
        let id = asked.id;
        said(ServerFrame::Done { id })
    }

    fn history(&self, asked: &Asked, room: RoomNumber, limit: u32, answer: Answer) -> Reply {
        let ground = self.ground(&asked.asker, asked.moment);
        ground.may_read()?;
        let epoch = ground.joined(room)?.epoch;
        decide::check_limit(limit, PAGE_EVENTS_MAX)?;
        let (events, more) = self.timeline(answer)?;
        let id = asked.id;
        said(ServerFrame::Page {
            id,
            room,
            epoch,
            events,
            more,
        })
    }

    /// The page of a timeline that was looked up.
    pub(super) fn timeline(&self, answer: Answer) -> Result<(Vec<TimelineEvent>, bool), Refusal> {
        match answer {
            Some(Ok(Fact::Timeline { events, more })) => Ok((events, more)),
            // What is no longer kept is no longer there to be read.
            Some(Err(HistoryError::Trimmed)) => Ok((Vec::new(), false)),
            Some(Err(HistoryError::Unreadable)) => Err(self.unreadable()),
            Some(Err(HistoryError::Damaged)) => Err(self.damaged()),
            Some(Ok(Fact::Key { .. })) | None => Err(self.overtaken()),
        }
    }

    fn type_in(
        &mut self,
        asked: &Asked,
        number: RoomNumber,
        active: bool,
        out: &mut Outcome<Self>,
    ) -> Reply {
        let user = &asked.asker.user;
        let ground = self.ground(&asked.asker, asked.moment);
        ground.may_write()?;
        let counts = ground.joined(number)?.has_durably(user, self.durable);
        let session = self.sessions.get(asked.connection);
        if !session.is_some_and(|session| session.listening.contains_key(&number)) {
            return Err(Refusal::NotListening);
        }
        if !active {
            self.stop_typing(number, user, out);
        } else if counts {
            let until = asked.moment.now.plus_ms(self.settings.typing_ttl_ms);
            if self.typing.start(number, user, until, &mut self.deadlines) {
                out.now
                    .push(effects::typing(number, self.typing.list(number)));
            }
        }
        let id = asked.id;
        said(ServerFrame::Done { id })
    }

    fn show(&mut self, asked: &Asked, state: DeviceState, out: &mut Outcome<Self>) -> Reply {
        self.ground(&asked.asker, asked.moment).may_read()?;
        let Identity { user, device, .. } = &asked.asker;
        let before = self.people.presence(user);
        self.people.set(user, device, state);
        self.announce(user, before, out);
        let id = asked.id;
        said(ServerFrame::Done { id })
    }

    /// Users who share no room with the asker are left out, as if they did not exist.
    fn watch(&mut self, asked: &Asked, users: Vec<UserId>, out: &mut Outcome<Self>) -> Reply {
        self.ground(&asked.asker, asked.moment).may_read()?;
        decide::check_field("users", users.len(), WATCHED_USERS_MAX)?;
        let watcher = &asked.asker.user;
        let users: BTreeSet<UserId> = users
            .into_iter()
            .filter(|user| self.may_watch(watcher, user))
            .collect();
        let states = users
            .iter()
            .map(|user| (user.clone(), self.people.presence(user)))
            .collect();
        // First the audience, then the snapshot: what changes between the two is told again behind it.
        out.held.push(Delivery::Watch {
            connection: asked.connection,
            users: users.iter().cloned().collect(),
        });
        self.sessions.watch(asked.connection, users, self.applied);
        let id = asked.id;
        said(ServerFrame::Watching { id, users: states })
    }

    fn members(&self, asked: &Asked, room: RoomNumber, after: Option<UserId>, limit: u32) -> Reply {
        let ground = self.ground(&asked.asker, asked.moment);
        ground.may_read()?;
        let members = ground.joined(room)?;
        let limit = decide::check_limit(limit, MEMBERS_PAGE_MAX)?;
        let (users, more) = members.members_page(after, limit);
        let id = asked.id;
        said(ServerFrame::Members {
            id,
            room,
            users,
            more,
        })
    }

    /// What a key was used for: memory first, it is newer than any answer.
    pub(super) fn keyed(
        &self,
        (user, now): (&UserId, Timestamp),
        (key, digest): (IdempotencyKey, Digest),
        answer: Answer,
    ) -> Result<Keyed, Refusal> {
        let lookup = self.hashing.lookup(user, key);
        let time = self.log_time(now);
        let ttl_ms = self.settings.key_ttl_ms;
        let used = match self.keys.find(&lookup, time, ttl_ms) {
            Memory::Used(record) => Some(record),
            Memory::Free => None,
            Memory::Unsure(up_to) => match answer {
                Some(Ok(Fact::Key {
                    record,
                    complete_to,
                })) if up_to <= complete_to => {
                    record.filter(|record| time < record.expires(ttl_ms))
                }
                Some(Err(HistoryError::Trimmed | HistoryError::Unreadable)) => {
                    return Err(self.unreadable());
                }
                Some(Err(HistoryError::Damaged)) => return Err(self.damaged()),
                Some(Ok(Fact::Key { .. } | Fact::Timeline { .. })) | None => {
                    return Err(self.overtaken());
                }
            },
        };
        Ok(Keyed { key, digest, used })
    }

    /// Makes a verdict true; the place and time to answer with.
    pub(super) fn settle(
        &mut self,
        verdict: Verdict,
        out: &mut Outcome<Self>,
    ) -> (RoomNumber, Position, Timestamp) {
        match verdict {
            Verdict::Already(KeyRecord {
                room,
                mut position,
                time,
                ..
            }) => {
                // The timeline may have begun a new life since: the place is the same.
                position.epoch = (self.rooms.get(room)).map_or(position.epoch, |room| room.epoch);
                (room, position, time)
            }
            Verdict::Happened(event) => {
                let answer = (event.room, event.position, event.time);
                self.commit(event, out);
                answer
            }
        }
    }

    const fn unreadable(&self) -> Refusal {
        Refusal::Unreadable {
            retry_after_ms: self.settings.retry_after_ms,
        }
    }

    const fn damaged(&self) -> Refusal {
        Refusal::Damaged {
            retry_after_ms: self.settings.damaged_retry_after_ms,
        }
    }

    const fn overtaken(&self) -> Refusal {
        Refusal::Overtaken {
            retry_after_ms: self.settings.retry_after_ms,
        }
    }
}

/// One frame, none when all has been said, or a refusal.
type Reply = Result<Option<ServerFrame>, Refusal>;

#[expect(clippy::unnecessary_wraps, reason = "every request ends in a reply")]
const fn said(frame: ServerFrame) -> Reply {
    Ok(Some(frame))
}
