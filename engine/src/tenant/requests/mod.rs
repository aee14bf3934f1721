//! Requests of clients: look up, decide, apply, answer. Every reply is held, refusals included, so
//! that nobody is told of what may yet be lost.

pub(super) mod history;
mod members;
mod messages;
mod presence;
mod read;
mod report;
mod roles;
mod rooms;
mod streams;
pub(super) mod typing;

pub(super) use roles::By;

use homeroom_protocol::{
    ConnectionId, IdempotencyKey, Position, Request, RequestId, RoomNumber, ServerFrame, Timestamp,
    UserId,
};

use super::{
    decide::{Ground, Keyed, Verdict},
    effects,
    history::{Fact, OldKey, Question},
    records::{
        hashing::{Digest, Lookup},
        keys::{KeyRecord, Memory, Unsure},
    },
    refusal::Refusal,
    state::Tenant,
};
use crate::{
    domain::{HistoryError, Late, Moment, Outcome},
    identity::Identity,
};

/// The answer to what a request needed, if it needed anything.
pub(super) type Answer = Option<Result<Fact, HistoryError>>;

/// Who asks, and when.
pub(super) struct Asked {
    pub(super) connection: ConnectionId,
    pub(super) id: RequestId,
    pub(super) asker: Identity,
    pub(super) moment: Moment,
    /// The key of what is asked, and what that is; `None` for what needs no key.
    pub(super) write: Option<(IdempotencyKey, Digest)>,
}

impl Asked {
    const fn user(&self) -> &UserId {
        &self.asker.user
    }

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
            Request::History { .. } => self.history_needs(user, request),
            Request::Create { key, .. }
            | Request::Send { key, .. }
            | Request::ChangeRoom { key, .. }
            | Request::Moderate { key, .. }
            | Request::Overwrite { key, .. } => self.key_needs(user, *key),
            Request::Edit { .. }
            | Request::Delete { .. }
            | Request::React { .. }
            | Request::Pin { .. }
            | Request::Report { .. } => self.message_needs(user, request),
            Request::Versions { room, target } => self.versions_needs(user, (*room, *target)),
            Request::Join { .. }
            | Request::Leave { .. }
            | Request::Typing { .. }
            | Request::Presence { .. }
            | Request::Watch { .. }
            | Request::Members { .. }
            | Request::Mark(_)
            | Request::MarkAll { .. }
            | Request::Readers { .. }
            | Request::Follow { .. }
            | Request::Rooms { .. }
            | Request::Overwrites { .. }
            | Request::Level { .. }
            | Request::Stream { .. }
            | Request::Me
            | Request::Status(_)
            | Request::Block { .. }
            | Request::SetRole(_)
            | Request::RemoveRole { .. }
            | Request::GiveRoles { .. }
            | Request::Roles
            | Request::Policy { .. }
            | Request::Explain { .. }
            | Request::View { .. } => None,
        }
    }

    /// What must be looked up of a user's key.
    pub(super) fn key_needs(&self, user: &UserId, key: IdempotencyKey) -> Option<Question> {
        // There is no clock here; an earlier time can only ask once too often.
        let time = self.rooms.last_time();
        let ttl_ms = self.settings.key_ttl_ms;
        if self.keys.is_complete(time, ttl_ms) {
            return None;
        }
        let lookup = self.hashing.lookup(user, key);
        if self.passing_keys.find(&lookup, time, ttl_ms).is_some() {
            return None;
        }
        match self.keys.find(&lookup, time, ttl_ms) {
            Memory::Used(_) | Memory::Free => None,
            Memory::Unsure(unsure) => Some(Question::Look {
                key: Some(self.old_key(lookup, unsure)),
                target: None,
                complete_to: self.durable,
            }),
        }
    }

    /// A key to look up where it may have been used.
    pub(super) fn old_key(&self, lookup: Lookup, unsure: Unsure) -> OldKey {
        let Unsure { places, upto } = unsure;
        let ttl_ms = self.settings.key_ttl_ms;
        let since = Timestamp(self.rooms.last_time().0.saturating_sub(ttl_ms));
        let forgotten = upto.map(|upto| Late { upto, since });
        OldKey {
            lookup,
            places,
            forgotten,
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
            write: self.hashing.of_request(&request),
        };
        let reply = self.dispatch(&asked, request, (answer, &mut *out));
        match reply {
            Ok(Some(frame)) => out.held.push(effects::direct(connection, frame)),
            Ok(None) => {}
            Err(refusal) => out.held.push(effects::refused(connection, id, refusal)),
        }
    }

    /// To each request the file of its concern.
    fn dispatch(
        &mut self,
        asked: &Asked,
        request: Request,
        (answer, out): (Answer, &mut Outcome<Self>),
    ) -> Reply {
        match request {
            Request::Create {
                room,
                info,
                members,
                ..
            } => self.create(asked, &room, (info, members), (answer, out)),
            Request::Join { room, resume } => self.join(asked, &room, resume, out),
            Request::Leave { room } => self.leave(asked, room, out),
            Request::ChangeRoom { room, changes, .. } => {
                self.change_room(asked, room, changes, (answer, out))
            }
            Request::Members { room, after, limit } => self.members(asked, room, after, limit),
            Request::Moderate { .. } => self.moderate(asked, request, (answer, out)),

            Request::Send { room, draft, .. } => self.send(asked, room, draft, (answer, out)),
            Request::Edit {
                room,
                target,
                draft,
                ..
            } => self.edit(asked, (room, target), draft, (answer, out)),
            Request::Delete { room, target, .. } => {
                self.delete(asked, (room, target), (answer, out))
            }
            Request::React {
                room,
                target,
                emoji,
                on,
                ..
            } => self.react(asked, (room, target), (emoji, on), (answer, out)),
            Request::Pin {
                room, target, on, ..
            } => self.pin(asked, (room, target), on, (answer, out)),
            Request::Versions { room, target } => self.versions(asked, (room, target), answer),
            Request::History { .. } => self.history(asked, &request, answer),

            Request::Mark(mark) => self.mark(asked, mark, out),
            Request::MarkAll { rooms } => self.mark_all(asked, rooms, out),
            Request::Readers {
                room,
                seq,
                after,
                limit,
            } => self.readers(asked, (room, seq), after, limit),
            Request::Follow { room, thread, on } => self.follow(asked, (room, thread), on, out),
            Request::Rooms { after, limit } => self.list_rooms(asked, after, limit),
            Request::Level { room, level } => self.level(asked, room, level, out),

            Request::Stream { stream, resume } => self.stream(asked, stream, resume, out),
            Request::Me => self.me(asked),
            Request::Block { user, on } => self.block(asked, &user, on, out),
            Request::Report {
                room,
                target,
                reason,
                ..
            } => self.report(asked, (room, target), reason, (answer, out)),

            Request::Presence { state } => self.show(asked, state, out),
            Request::Watch { users } => self.watch(asked, users, out),
            Request::Status(status) => self.status(asked, status, out),
            Request::Typing {
                room,
                active,
                thread,
            } => self.type_in(asked, (room, thread), active, out),
            Request::View { room, thread } => self.view(asked, room, thread, out),

            Request::Overwrite {
                room,
                target,
                overwrite,
                ..
            } => self.set_overwrite(asked, room, (target, overwrite), (answer, out)),
            Request::Overwrites { room } => self.list_overwrites(asked, room),
            Request::SetRole(role) => self.set_role(asked, role, out),
            Request::RemoveRole { role } => self.remove_role(asked, role, out),
            Request::GiveRoles { user, roles } => self.give_roles(asked, user, roles, out),
            Request::Roles => self.list_roles(asked),
            Request::Policy { apart } => self.set_policy(asked, apart, out),
            Request::Explain {
                room,
                user,
                permission,
            } => self.explain(asked, room, user, permission),
        }
    }

    /// What the rules look at for a request.
    pub(super) fn ground_of<'a>(&'a self, asked: &'a Asked) -> Ground<'a> {
        self.ground(&asked.asker, asked.moment)
    }

    /// What the key of a request was used for before.
    fn keyed_by(&self, asked: &Asked, answer: &Answer) -> Result<Keyed, Refusal> {
        let write = asked.write.expect("only asked of requests that have a key");
        self.keyed(asked.by(), write, answer)
    }

    /// What a key was used for: memory first, it is newer than any answer.
    pub(super) fn keyed(
        &self,
        (user, now): (&UserId, Timestamp),
        (key, digest): (IdempotencyKey, Digest),
        answer: &Answer,
    ) -> Result<Keyed, Refusal> {
        let lookup = self.hashing.lookup(user, key);
        let time = self.log_time(now);
        let ttl_ms = self.settings.key_ttl_ms;
        if let used @ Some(_) = self.passing_keys.find(&lookup, time, ttl_ms) {
            return Ok(Keyed { key, digest, used });
        }
        let used = match self.keys.find(&lookup, time, ttl_ms) {
            Memory::Used(record) => Some(record),
            Memory::Free => None,
            Memory::Unsure(unsure) => match answer {
                Some(Ok(Fact::Looked {
                    record,
                    complete_to,
                    ..
                })) if unsure.is_answered_by(*complete_to) => {
                    record.filter(|record| time < record.expires(ttl_ms))
                }
                Some(Err(HistoryError::Trimmed | HistoryError::Unreadable)) => {
                    return Err(self.unreadable());
                }
                Some(Err(HistoryError::Damaged)) => return Err(self.damaged()),
                Some(Ok(Fact::Looked { .. } | Fact::Timeline { .. })) | None => {
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

    pub(super) const fn unreadable(&self) -> Refusal {
        Refusal::Unreadable {
            retry_after_ms: self.settings.retry_after_ms,
        }
    }

    pub(super) const fn damaged(&self) -> Refusal {
        Refusal::Damaged {
            retry_after_ms: self.settings.damaged_retry_after_ms,
        }
    }

    pub(super) const fn overtaken(&self) -> Refusal {
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
