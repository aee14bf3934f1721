//! What is said, and what becomes of it.

use homeroom_protocol::{Draft, Emoji, RoomNumber, Seq, ServerFrame};

use super::{Answer, Asked, Reply, said};
use crate::{
    domain::Outcome,
    tenant::{decide, refusal::Refusal, state::Tenant},
};

impl Tenant {
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
        let (_, position, time) = self.settle(verdict, out);
        let id = asked.id;
        said(ServerFrame::Sent { id, position, time })
    }

    pub(super) fn edit(
        &mut self,
        _asked: &Asked,
        _target: (RoomNumber, Seq),
        _draft: Draft,
        _answer_out: (Answer, &mut Outcome<Self>),
    ) -> Reply {
        Err(Refusal::NotHere)
    }

    pub(super) fn delete(
        &mut self,
        _asked: &Asked,
        _target: (RoomNumber, Seq),
        _answer_out: (Answer, &mut Outcome<Self>),
    ) -> Reply {
        Err(Refusal::NotHere)
    }

    pub(super) fn react(
        &mut self,
        _asked: &Asked,
        _target: (RoomNumber, Seq),
        _with: (Emoji, bool),
        _answer_out: (Answer, &mut Outcome<Self>),
    ) -> Reply {
        Err(Refusal::NotHere)
    }

    pub(super) fn pin(
        &mut self,
        _asked: &Asked,
        _target: (RoomNumber, Seq),
        _on: bool,
        _answer_out: (Answer, &mut Outcome<Self>),
    ) -> Reply {
        Err(Refusal::NotHere)
    }

    pub(super) fn versions(
        &self,
        _asked: &Asked,
        _target: (RoomNumber, Seq),
        _answer: Answer,
    ) -> Reply {
        Err(Refusal::NotHere)
    }
}
