//! How far somebody has read, and what they set for themselves.

use homeroom_protocol::{
    EventBody, NotificationLevel, PlacedMark, RoomNumber, Seq, ServerFrame, UserId,
};

use super::{Asked, Reply, said};
use crate::{
    domain::{Moment, Outcome},
    identity::Identity,
    tenant::{
        decide::reading::{self, ReadersPage},
        state::Tenant,
    },
};

impl Tenant {
    pub(super) fn mark(
        &mut self,
        asked: &Asked,
        mark: PlacedMark,
        out: &mut Outcome<Self>,
    ) -> Reply {
        let (mark, event) = reading::mark(self.ground_of(asked), mark)?;
        self.set_own(asked, event, out);
        let id = asked.id;
        said(ServerFrame::Marked { id, mark })
    }

    pub(super) fn mark_all(
        &mut self,
        asked: &Asked,
        rooms: Option<Vec<RoomNumber>>,
        out: &mut Outcome<Self>,
    ) -> Reply {
        for event in reading::mark_all(self.ground_of(asked), rooms)? {
            self.set_own(asked, Some(event), out);
        }
        said(ServerFrame::Done { id: asked.id })
    }

    pub(super) fn readers(
        &self,
        asked: &Asked,
        at: (RoomNumber, Seq),
        after: Option<UserId>,
        limit: u32,
    ) -> Reply {
        let page = reading::readers(self.ground_of(asked), at, after, limit)?;
        let ReadersPage { users, more, after } = page;
        let id = asked.id;
        said(ServerFrame::Readers {
            id,
            room: at.0,
            users,
            more,
            after,
        })
    }

    pub(super) fn follow(
        &mut self,
        asked: &Asked,
        (room, thread): (RoomNumber, Seq),
        on: bool,
        out: &mut Outcome<Self>,
    ) -> Reply {
        let event = reading::follow(self.ground_of(asked), room, thread, on)?;
        self.set_and_say_done(asked, event, out)
    }

    pub(super) fn level(
        &mut self,
        asked: &Asked,
        room: RoomNumber,
        level: NotificationLevel,
        out: &mut Outcome<Self>,
    ) -> Reply {
        let event = reading::level(self.ground_of(asked), room, level)?;
        self.set_and_say_done(asked, event, out)
    }

    pub(super) fn block(
        &mut self,
        asked: &Asked,
        user: &UserId,
        on: bool,
        out: &mut Outcome<Self>,
    ) -> Reply {
        let event = reading::block(self.ground_of(asked), user, on)?;
        self.set_and_say_done(asked, event, out)
    }

    /// Whoever speaks in a thread follows it from then on, if they may follow one more.
    pub(crate) fn follow_where_spoken(
        &mut self,
        (asker, moment): (&Identity, Moment),
        thread: Option<(RoomNumber, Seq)>,
        out: &mut Outcome<Self>,
    ) {
        let Some((room, root)) = thread.filter(|_| !asker.user.is_service()) else {
            return;
        };
        if let Ok(Some(body)) = reading::follow(self.ground(asker, moment), room, root, true) {
            self.commit_personal(moment, &asker.user, body, out);
        }
    }

    fn set_and_say_done(
        &mut self,
        asked: &Asked,
        event: Option<EventBody>,
        out: &mut Outcome<Self>,
    ) -> Reply {
        self.set_own(asked, event, out);
        let id = asked.id;
        said(ServerFrame::Done { id })
    }

    /// Says on the asker's own stream what they set, unless it was so already.
    fn set_own(&mut self, asked: &Asked, event: Option<EventBody>, out: &mut Outcome<Self>) {
        if let Some(body) = event {
            self.commit_personal(asked.moment, asked.user(), body, out);
        }
    }
}
