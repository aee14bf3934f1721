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
        _asked: &Asked,
        _request: Request,
        _answer_out: (Answer, &mut Outcome<Self>),
    ) -> Reply {
        Err(Refusal::NotHere)
    }
}
