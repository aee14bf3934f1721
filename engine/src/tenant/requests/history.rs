//! Pages of a room's past.

use homeroom_protocol::{Request, ServerFrame, TimelineEvent, UserId, limit::PAGE_EVENTS_MAX};

use super::{Answer, Asked, Reply, said};
use crate::{
    domain::HistoryError,
    tenant::{
        decide,
        history::{Fact, Question},
        refusal::Refusal,
        state::Tenant,
    },
};

impl Tenant {
    /// What must be read for a page.
    pub(super) fn history_needs(&self, user: &UserId, request: &Request) -> Option<Question> {
        let Request::History {
            room,
            direction,
            anchor,
            limit,
            ..
        } = request
        else {
            return None;
        };
        self.rooms.get(*room)?.has(user).then_some({
            Question::Timeline {
                room: *room,
                direction: *direction,
                anchor: *anchor,
                limit: *limit,
            }
        })
    }

    pub(super) fn history(&self, asked: &Asked, request: &Request, answer: Answer) -> Reply {
        let Request::History { room, limit, .. } = *request else {
            return Err(Refusal::NotHere);
        };
        let ground = self.ground_of(asked);
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
            more_above: false,
        })
    }

    /// The page of a timeline that was looked up.
    pub(in crate::tenant) fn timeline(
        &self,
        answer: Answer,
    ) -> Result<(Vec<TimelineEvent>, bool), Refusal> {
        match answer {
            Some(Ok(Fact::Timeline { events, more })) => Ok((events, more)),
            // What is no longer kept is no longer there to be read.
            Some(Err(HistoryError::Trimmed)) => Ok((Vec::new(), false)),
            Some(Err(HistoryError::Unreadable)) => Err(self.unreadable()),
            Some(Err(HistoryError::Damaged)) => Err(self.damaged()),
            Some(Ok(Fact::Looked { .. })) | None => Err(self.overtaken()),
        }
    }
}
