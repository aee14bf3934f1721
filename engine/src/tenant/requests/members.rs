//! Who is in a room, and what is done about that.

use homeroom_protocol::{Request, RoomNumber, ServerFrame, UserId, limit::MEMBERS_PAGE_MAX};

use super::{Answer, Asked, Reply, said};
use crate::{
    domain::Outcome,
    tenant::{decide, refusal::Refusal, state::Tenant},
};

impl Tenant {
    pub(super) fn members(
        &self,
        asked: &Asked,
        room: RoomNumber,
        after: Option<UserId>,
        limit: u32,
    ) -> Reply {
        let ground = self.ground_of(asked);
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

    pub(super) fn moderate(
        &mut self,
        asked: &Asked,
        request: Request,
        (answer, out): (Answer, &mut Outcome<Self>),
    ) -> Reply {
        let Request::Moderate {
            room,
            user,
            measure,
            until,
            reason,
            ..
        } = request
        else {
            return Err(Refusal::NotHere);
        };
        let ground = self.ground_of(asked);
        ground.may_write()?;
        let keyed = self.keyed_by(asked, &answer)?;
        let measure = decide::members::Asked {
            room,
            user,
            measure,
            until,
            reason,
        };
        let verdict = decide::members::moderate(ground, keyed, measure)?;
        let (_, position, time) = self.settle_place(asked.moment, verdict, out);
        let id = asked.id;
        said(ServerFrame::Sent { id, position, time })
    }
}
