//! Rooms are made, joined, left and changed.

use homeroom_protocol::{
    Position, RemovedReason, RoomChange, RoomId, RoomInfo, RoomNumber, ServerFrame, UserId,
};

use super::{Answer, Asked, Reply, said};
use crate::{
    domain::Outcome,
    tenant::{decide, effects, listening::Start, refusal::Refusal, state::Tenant},
};

impl Tenant {
    pub(super) fn create(
        &mut self,
        asked: &Asked,
        room: &RoomId,
        (info, _members): (RoomInfo, Vec<UserId>),
        (answer, out): (Answer, &mut Outcome<Self>),
    ) -> Reply {
        let ground = self.ground_of(asked);
        ground.may_write()?;
        let keyed = self.keyed_by(asked, &answer)?;
        let verdict = decide::rooms::create(ground, keyed, room, info, asked.moment)?;
        let (room, position, time) = self.settle(verdict, out);
        let id = asked.id;
        said(ServerFrame::Created {
            id,
            room,
            position,
            time,
        })
    }

    pub(super) fn join(
        &mut self,
        asked: &Asked,
        room: &RoomId,
        resume: Option<Position>,
        out: &mut Outcome<Self>,
    ) -> Reply {
        let Asked { connection, id, .. } = *asked;
        let ground = self.ground_of(asked);
        let (number, event) = decide::rooms::join(ground, room, resume, |room| {
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
            info: room.info.clone(),
            permissions: self.ground_of(asked).permissions(room),
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

    pub(super) fn leave(
        &mut self,
        asked: &Asked,
        room: RoomNumber,
        out: &mut Outcome<Self>,
    ) -> Reply {
        let event = decide::rooms::leave(self.ground_of(asked), room)?;
        self.end_membership(event, asked.user(), RemovedReason::Left, out);
        let id = asked.id;
        said(ServerFrame::Done { id })
    }

    pub(super) fn change_room(
        &mut self,
        _asked: &Asked,
        _room: RoomNumber,
        _changes: Vec<RoomChange>,
        _answer_out: (Answer, &mut Outcome<Self>),
    ) -> Reply {
        Err(Refusal::NotHere)
    }
}
