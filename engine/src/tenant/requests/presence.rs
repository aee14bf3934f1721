//! Who is there, and what they say of themselves.

use homeroom_protocol::{
    DeviceState, EventBody, ServerFrame, Status, UserId,
    limit::{INTEGER_MAX, STATUS_BYTES_MAX, WATCHED_USERS_MAX},
};

use super::{Asked, Reply, said};
use crate::{
    domain::Outcome,
    hub::Delivery,
    identity::Identity,
    tenant::{decide, state::Tenant},
};

impl Tenant {
    pub(super) fn show(
        &mut self,
        asked: &Asked,
        state: DeviceState,
        out: &mut Outcome<Self>,
    ) -> Reply {
        self.ground_of(asked).may_read()?;
        let Identity { user, device, .. } = &asked.asker;
        let before = self.presence_of(user);
        self.people.set(user, device, state);
        self.announce(&before, out);
        let id = asked.id;
        said(ServerFrame::Done { id })
    }

    /// Users who share no room with the asker are left out, as if they did not exist.
    pub(super) fn watch(
        &mut self,
        asked: &Asked,
        users: Vec<UserId>,
        out: &mut Outcome<Self>,
    ) -> Reply {
        self.ground_of(asked).may_read()?;
        decide::check_field("users", users.len(), WATCHED_USERS_MAX)?;
        let watcher = asked.user();
        let mut users: Vec<UserId> = users
            .into_iter()
            .filter(|user| self.may_watch(watcher, user))
            .map(|user| self.rooms.known(user))
            .collect();
        users.sort_unstable();
        users.dedup();
        let states = users
            .iter()
            .map(|user| self.presence_for(watcher, user))
            .collect();
        for user in &users {
            self.plan_status_end(user);
        }
        let (unseen, watching) = users
            .into_iter()
            .partition::<Vec<_>, _>(|user| self.hides_from(user, watcher));
        // First the audience, then the snapshot: what changes between the two is told again behind it.
        out.held.push(Delivery::Watch {
            connection: asked.connection,
            users: watching.clone(),
        });
        let watched = (watching.into_iter().collect(), unseen.into_iter().collect());
        self.sessions
            .watch(asked.connection, watched, self.applied, self.durable);
        let id = asked.id;
        said(ServerFrame::Watching { id, users: states })
    }

    pub(super) fn status(
        &mut self,
        asked: &Asked,
        status: Status,
        out: &mut Outcome<Self>,
    ) -> Reply {
        let ground = self.ground_of(asked);
        ground.may_write()?;
        let text_bytes = status.text.as_ref().map_or(0, String::len);
        decide::check_field("text", text_bytes, STATUS_BYTES_MAX)?;
        if let Some(end) = status.expires {
            let latest = usize::try_from(INTEGER_MAX).unwrap_or(usize::MAX);
            let end = usize::try_from(end.0).unwrap_or(usize::MAX);
            decide::check_field("expires", end, latest)?;
        }
        ground.can_set()?;
        let user = asked.user();
        let before = self.presence_of(user);
        self.commit_personal(asked.moment, user, EventBody::StatusSet { status }, out);
        self.status_changed(Some(&before), user, out);
        let id = asked.id;
        said(ServerFrame::Done { id })
    }
}
