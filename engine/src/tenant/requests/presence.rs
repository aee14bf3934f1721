//! Who is there.

use std::collections::BTreeSet;

use homeroom_protocol::{
    DeviceState, ServerFrame, Status, UserId, UserPresence, limit::WATCHED_USERS_MAX,
};

use super::{Asked, Reply, said};
use crate::{
    domain::Outcome,
    hub::Delivery,
    identity::Identity,
    tenant::{decide, refusal::Refusal, state::Tenant},
};

impl Tenant {
    pub(super) fn show(&mut self, asked: &Asked, state: DeviceState, out: &mut Outcome<Self>) -> Reply {
        self.ground_of(asked).may_read()?;
        let Identity { user, device, .. } = &asked.asker;
        let before = self.people.presence(user);
        self.people.set(user, device, state);
        self.announce(user, before, out);
        let id = asked.id;
        said(ServerFrame::Done { id })
    }

    /// Users who share no room with the asker are left out, as if they did not exist.
    pub(super) fn watch(&mut self, asked: &Asked, users: Vec<UserId>, out: &mut Outcome<Self>) -> Reply {
        self.ground_of(asked).may_read()?;
        decide::check_field("users", users.len(), WATCHED_USERS_MAX)?;
        let watcher = &asked.asker.user;
        let users: BTreeSet<UserId> = users
            .into_iter()
            .filter(|user| self.may_watch(watcher, user))
            .collect();
        let states = users
            .iter()
            .map(|user| self.presence_of(user))
            .collect();
        // First the audience, then the snapshot: what changes between the two is told again behind it.
        out.held.push(Delivery::Watch {
            connection: asked.connection,
            users: users.iter().cloned().collect(),
        });
        self.sessions.watch(asked.connection, users, self.applied);
        let id = asked.id;
        said(ServerFrame::Watching { id, users: states })
    }

    /// How a user is, as others see it.
    pub(in crate::tenant) fn presence_of(&self, user: &UserId) -> UserPresence {
        UserPresence {
            user: user.clone(),
            presence: self.people.presence(user),
            last_seen: None,
            status: None,
        }
    }

    #[expect(clippy::needless_pass_by_value, clippy::unused_self, reason = "its rules are still to be written")]
    pub(super) fn status(&mut self, _asked: &Asked, _status: Status, _out: &mut Outcome<Self>) -> Reply {
        Err(Refusal::NotHere)
    }
}
