//! What a back end changes: rooms, people's places in them, and what was said.

use homeroom_protocol::{
    Draft, IdempotencyKey, Measure, Request, RoomChange, RoomId, RoomInfo, RoomNumber, Seq,
    Timestamp, UserId,
};

use super::{ServiceAnswer, Serving};
use crate::{
    domain::Outcome,
    tenant::{
        decide::{self, Ground, Keyed, Verdict},
        history::LookedMessage,
        refusal::Refusal,
        requests::Answer,
        rooms::room::Room,
        state::Tenant,
    },
};

/// Something about somebody's place in a room. It says what is so from then on, and so needs no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moderation {
    /// Whose.
    pub user: UserId,
    /// What.
    pub measure: Measure,
    /// When a ban or mute ends by itself; `None`: it does not.
    pub until: Option<Timestamp>,
    /// Why, for those who read it later, at most
    /// [`REASON_BYTES_MAX`](homeroom_protocol::limit::REASON_BYTES_MAX) bytes.
    pub reason: Option<String>,
}

impl Moderation {
    /// A measure that does not end by itself, and of which no reason is told.
    #[must_use]
    pub const fn new(user: UserId, measure: Measure) -> Self {
        Self {
            user,
            measure,
            until: None,
            reason: None,
        }
    }

    /// Whether somebody may lose something by it: then it waits behind nothing.
    #[must_use]
    pub const fn may_revoke(&self) -> bool {
        match self.measure {
            Measure::Remove | Measure::Ban | Measure::Mute | Measure::Uninvite => true,
            Measure::Invite | Measure::Add | Measure::Unban | Measure::Unmute => false,
        }
    }
}

/// Where a message is.
type At = (RoomNumber, Seq);

impl Tenant {
    pub(super) fn serve_create(
        &mut self,
        served: &Serving,
        (key, room): (IdempotencyKey, RoomId),
        (info, members): (RoomInfo, Vec<UserId>),
        (answer, out): (Answer, &mut Outcome<Self>),
    ) -> Result<ServiceAnswer, Refusal> {
        let request = Request::Create {
            key,
            room,
            info,
            members,
        };
        let keyed = self.keyed_as(served, &answer, &request)?;
        let Request::Create {
            room,
            info,
            members,
            ..
        } = request
        else {
            unreachable!("it was made above");
        };
        let (ground, like) = (served.ground(self), (info, members));
        let verdict = decide::rooms::create(ground, keyed, &room, like, served.moment)?;
        Ok(self.placed(served, verdict, out))
    }

    pub(super) fn serve_change_room(
        &mut self,
        served: &Serving,
        (key, room): (IdempotencyKey, &RoomId),
        changes: Vec<RoomChange>,
        (answer, out): (Answer, &mut Outcome<Self>),
    ) -> Result<ServiceAnswer, Refusal> {
        let room = self.number_of(room)?;
        let request = Request::ChangeRoom {
            key,
            room,
            changes: changes.clone(),
        };
        let keyed = self.keyed_as(served, &answer, &request)?;
        let verdict = decide::rooms::change(served.ground(self), keyed, room, changes)?;
        Ok(self.placed(served, verdict, out))
    }

    pub(super) fn serve_moderation(
        &mut self,
        served: &Serving,
        room: &RoomId,
        moderation: Moderation,
        out: &mut Outcome<Self>,
    ) -> Result<ServiceAnswer, Refusal> {
        let Moderation {
            user,
            measure,
            until,
            reason,
        } = moderation;
        let asked = decide::members::Asked {
            room: self.number_of(room)?,
            user,
            measure,
            until,
            reason,
        };
        let event = decide::members::of_back_end(served.ground(self), asked)?;
        let placed =
            event.map(|event| self.settle_placed(served.moment, Verdict::Happened(event), out));
        Ok(ServiceAnswer::Membership(placed))
    }

    pub(super) fn serve_edit(
        &mut self,
        served: &Serving,
        (key, room, target): (IdempotencyKey, &RoomId, Seq),
        draft: Draft,
        heard: (Answer, &mut Outcome<Self>),
    ) -> Result<ServiceAnswer, Refusal> {
        let room = self.number_of(room)?;
        let request = Request::Edit {
            key,
            room,
            target,
            draft: draft.clone(),
        };
        self.serve_change(
            served,
            ((room, target), &request),
            heard,
            |ground, keyed, at, looked| decide::messages::edit(ground, keyed, at, (looked, draft)),
        )
    }

    pub(super) fn serve_delete(
        &mut self,
        served: &Serving,
        (key, room, target): (IdempotencyKey, &RoomId, Seq),
        heard: (Answer, &mut Outcome<Self>),
    ) -> Result<ServiceAnswer, Refusal> {
        let room = self.number_of(room)?;
        let request = Request::Delete { key, room, target };
        self.serve_change(
            served,
            ((room, target), &request),
            heard,
            |ground, keyed, at, looked| decide::messages::delete(ground, keyed, at, &looked),
        )
    }

    /// Changes a message, of what a client would ask for in this way.
    fn serve_change(
        &mut self,
        served: &Serving,
        (at, request): (At, &Request),
        (answer, out): (Answer, &mut Outcome<Self>),
        decide: impl FnOnce(Ground<'_>, Keyed, (&Room, Seq), LookedMessage) -> Result<Verdict, Refusal>,
    ) -> Result<ServiceAnswer, Refusal> {
        let keyed = self.keyed_as(served, &answer, request)?;
        let verdict = match keyed.already()? {
            Some(record) => Verdict::Already(record),
            None => {
                let ground = served.ground(self);
                let room = decide::messages::with_message(ground, at)?;
                let looked = self.looked(&served.asker.user, at, answer)?;
                decide(ground, keyed, (room, at.1), looked)?
            }
        };
        Ok(self.placed(served, verdict, out))
    }

    fn number_of(&self, room: &RoomId) -> Result<RoomNumber, Refusal> {
        let room = self.rooms.by_id(room).ok_or(Refusal::RoomNotFound)?;
        Ok(room.number())
    }

    fn placed(
        &mut self,
        served: &Serving,
        verdict: Verdict,
        out: &mut Outcome<Self>,
    ) -> ServiceAnswer {
        ServiceAnswer::Placed(self.settle_placed(served.moment, verdict, out))
    }
}
