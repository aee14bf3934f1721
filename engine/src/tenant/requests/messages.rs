//! What is said, and what becomes of it.

use homeroom_protocol::{
    Draft, Emoji, IdempotencyKey, Request, RoomNumber, Seq, ServerFrame, TimelineEvent, UserId,
};

use super::{Answer, Asked, Reply, said};
use crate::{
    domain::{HistoryError, Outcome},
    tenant::{
        decide::{self, Ground, Keyed, Standing, Verdict},
        history::{Fact, LookedMessage, Question, Target},
        records::keys::Memory,
        refusal::Refusal,
        rooms::room::Room,
        state::Tenant,
    },
};

/// A message that somebody wants to change.
type At = (RoomNumber, Seq);

impl Tenant {
    /// What must be looked up before a message can be changed: the message, unless the answer is clear
    /// without it.
    pub(super) fn message_needs(&self, user: &UserId, request: &Request) -> Option<Question> {
        let (key, room, target) = match request {
            Request::Edit {
                key, room, target, ..
            }
            | Request::Delete { key, room, target }
            | Request::React {
                key, room, target, ..
            }
            | Request::Report {
                key, room, target, ..
            } => (*key, *room, *target),
            Request::Pin {
                key,
                room,
                target,
                on,
            } => {
                let known = self.rooms.get(*room);
                if known.is_none_or(|room| room.pins.has(*target) != *on) {
                    return self.key_needs(user, *key);
                }
                (*key, *room, *target)
            }
            _ => return None,
        };
        self.change_needs((user, Standing::Member), key, (room, target))
    }

    /// What must be looked up before a message can be changed by somebody.
    pub(crate) fn change_needs(
        &self,
        (user, standing): (&UserId, Standing),
        key: IdempotencyKey,
        (room, target): At,
    ) -> Option<Question> {
        let lookup = self.hashing.lookup(user, key);
        // There is no clock here; an earlier time can only ask once too often.
        let memory = self
            .keys
            .find(&lookup, self.rooms.last_time(), self.settings.key_ttl_ms);
        let old_key = match memory {
            Memory::Used(_) => return None,
            Memory::Free => None,
            Memory::Unsure(unsure) => Some(self.old_key(lookup, unsure)),
        };
        let in_room = self.rooms.get(room).filter(|room| match standing {
            Standing::Member => room.has(user),
            Standing::Service => true,
        });
        if !in_room.is_some_and(|room| room.counting.is_live(target)) {
            return self.key_needs(user, key);
        }
        Some(Question::Look {
            key: old_key,
            target: Some(Target {
                room,
                seq: target,
                reader: user.clone(),
            }),
            complete_to: self.durable,
        })
    }

    /// What must be looked up for the versions of a message.
    pub(super) fn versions_needs(&self, user: &UserId, (room, target): At) -> Option<Question> {
        let known = self.rooms.get(room)?;
        (known.has(user) && known.counting.is_live(target)).then_some(Question::Versions {
            room,
            target,
            complete_to: self.durable,
        })
    }

    pub(super) fn send(
        &mut self,
        asked: &Asked,
        room: RoomNumber,
        draft: Draft,
        (answer, out): (Answer, &mut Outcome<Self>),
    ) -> Reply {
        let ground = self.ground_of(asked);
        ground.may_write()?;
        let keyed = self.keyed_by(asked, &answer)?;
        let verdict = decide::messages::send(ground, keyed, room, draft)?;
        let thread = verdict.spoken_in();
        let reply = self.sent(asked, verdict, out);
        self.follow_where_spoken((&asked.asker, asked.moment), thread, out);
        reply
    }

    pub(super) fn edit(
        &mut self,
        asked: &Asked,
        at: At,
        draft: Draft,
        heard: (Answer, &mut Outcome<Self>),
    ) -> Reply {
        self.change(asked, at, heard, |ground, keyed, room, looked| {
            decide::messages::edit(ground, keyed, (room, at.1), (looked?, draft))
        })
    }

    pub(super) fn delete(
        &mut self,
        asked: &Asked,
        at: At,
        heard: (Answer, &mut Outcome<Self>),
    ) -> Reply {
        self.change(asked, at, heard, |ground, keyed, room, looked| {
            decide::messages::delete(ground, keyed, (room, at.1), &looked?)
        })
    }

    pub(super) fn react(
        &mut self,
        asked: &Asked,
        at: At,
        (emoji, on): (Emoji, bool),
        heard: (Answer, &mut Outcome<Self>),
    ) -> Reply {
        self.change(asked, at, heard, |ground, keyed, room, looked| {
            decide::messages::react(ground, keyed, (room, at.1), (&looked?, emoji, on))
        })
    }

    pub(super) fn pin(
        &mut self,
        asked: &Asked,
        at: At,
        on: bool,
        heard: (Answer, &mut Outcome<Self>),
    ) -> Reply {
        self.change(asked, at, heard, |ground, keyed, room, looked| {
            decide::messages::pin(ground, keyed, (room, at.1), (looked, on))
        })
    }

    /// Changes a message: a retry is answered as before, else it is decided about the message as it is now,
    /// as far as it could be looked up.
    fn change(
        &mut self,
        asked: &Asked,
        at: At,
        (answer, out): (Answer, &mut Outcome<Self>),
        decide: impl FnOnce(
            Ground<'_>,
            Keyed,
            &Room,
            Result<LookedMessage, Refusal>,
        ) -> Result<Verdict, Refusal>,
    ) -> Reply {
        let ground = self.ground_of(asked);
        ground.may_write()?;
        let keyed = self.keyed_by(asked, &answer)?;
        let verdict = match keyed.already()? {
            Some(record) => Verdict::Already(record),
            None => {
                let room = decide::messages::with_message(ground, at)?;
                let looked = self.looked(asked.user(), at, answer);
                decide(ground, keyed, room, looked)?
            }
        };
        self.sent(asked, verdict, out)
    }

    pub(super) fn versions(&self, asked: &Asked, at: At, answer: Answer) -> Reply {
        let ground = self.ground_of(asked);
        ground.may_read()?;
        let room = decide::messages::with_message(ground, at)?;
        let page = self.timeline(answer)?;
        let Some(TimelineEvent { author, .. }) = page.events.first() else {
            return Err(self.overtaken());
        };
        decide::messages::read_versions(ground, room, author)?;
        said(ServerFrame::Page {
            id: asked.id,
            room: room.number,
            epoch: room.epoch,
            events: page.events,
            more: page.more,
            more_above: false,
        })
    }

    /// A message as it is now: what was looked up, and what happened since over it.
    pub(crate) fn looked(
        &self,
        reader: &UserId,
        at: At,
        answer: Answer,
    ) -> Result<LookedMessage, Refusal> {
        match answer {
            Some(Ok(Fact::Looked {
                message: Some(message),
                complete_to,
                ..
            })) if self.recent.completes(complete_to) => {
                let mut message = *message;
                self.recent.over(at, reader, &mut message);
                Ok(message)
            }
            // Said after the look-up began, or so much happened since that it is not sure any more.
            Some(Ok(Fact::Looked { .. } | Fact::Timeline { .. })) | None => Err(self.overtaken()),
            Some(Err(HistoryError::Trimmed)) => Err(Refusal::MessageNotFound),
            Some(Err(HistoryError::Unreadable)) => Err(self.unreadable()),
            Some(Err(HistoryError::Damaged)) => Err(self.damaged()),
        }
    }

    /// Makes a verdict true, and answers with its place.
    pub(super) fn sent(
        &mut self,
        asked: &Asked,
        verdict: Verdict,
        out: &mut Outcome<Self>,
    ) -> Reply {
        let (_, position, time) = self.settle(verdict, out);
        let id = asked.id;
        said(ServerFrame::Sent { id, position, time })
    }
}
