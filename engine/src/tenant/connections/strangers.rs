//! Who may see how somebody is: whoever sees a room that they are in. When the last such room is gone, the
//! two are strangers, and nothing more is told.

use homeroom_protocol::{ConnectionId, UserId};

use crate::{domain::Outcome, few::FewSet, hub::Delivery, tenant::state::Tenant};

impl Tenant {
    /// Whether one may see how the other is: oneself, and whoever is in a room that one sees.
    pub(crate) fn may_watch(&self, watcher: &UserId, user: &UserId) -> bool {
        watcher == user || (self.rooms.shared(watcher, user)).any(|room| self.sees(watcher, room))
    }

    /// After a user left a room: they and those who were there may have become strangers.
    pub(crate) fn unwatch_strangers(&mut self, user: &UserId, out: &mut Outcome<Self>) {
        let own = self.people.connections(user, None);
        for connection in self.sessions.around(user, own) {
            self.unwatch(connection, user, out);
        }
    }

    /// After a user lost the sight of a room: who is in it may have become a stranger to them, though not
    /// they to those.
    pub(crate) fn unwatch_unseen(&mut self, user: &UserId, out: &mut Outcome<Self>) {
        for connection in self.people.connections(user, None) {
            self.unwatch(connection, user, out);
        }
    }

    /// A connection watches strangers no more. Only pairs with this user can have changed.
    pub(crate) fn unwatch(
        &mut self,
        connection: ConnectionId,
        user: &UserId,
        out: &mut Outcome<Self>,
    ) {
        let Some(session) = self.sessions.get(connection) else {
            return;
        };
        let watcher = &session.identity.user;
        let is_kept = |watched: &&UserId| {
            (watcher != user && *watched != user) || self.may_watch(watcher, watched)
        };
        let kept: FewSet<UserId> = session.watching.iter().filter(is_kept).cloned().collect();
        let unseen: FewSet<UserId> = session.unseen.iter().filter(is_kept).cloned().collect();
        if kept.len() == session.watching.len() {
            if unseen.len() < session.unseen.len() {
                self.sessions.watch_less(connection, (kept, unseen));
            }
            return;
        }
        // A watch that is still held would bring the strangers back.
        if session.watch_settles > self.durable {
            out.held.push(Delivery::Watch {
                connection,
                users: kept.iter().cloned().collect(),
            });
        }
        out.now.push(Delivery::Unwatch {
            connection,
            users: (session.watching.iter())
                .filter(|user| !kept.contains(*user))
                .cloned()
                .collect(),
        });
        self.sessions.watch_less(connection, (kept, unseen));
    }
}
