//! How a user is, as others see it: the sum of their devices, under what they say of themselves.
//!
//! Whoever is invisible looks in every respect like somebody who is offline: what they say of themselves
//! is not told either, and when they were last seen stands still. So the text of a status shows only while its user
//! does.

use homeroom_protocol::{
    Availability, ConnectionId, Presence, ServerFrame, Status, UserId, UserPresence,
};

use crate::{
    domain::Outcome,
    hub::Delivery,
    tenant::{deadline::Due, effects, state::Tenant},
};

/// What devices say, under what their user says.
const fn shown(devices: Presence, availability: Availability) -> Presence {
    match (devices, availability) {
        (Presence::Offline, _) | (_, Availability::Invisible) => Presence::Offline,
        (_, Availability::Automatic) => devices,
        (_, Availability::Away) => Presence::Away,
        (_, Availability::Busy) => Presence::Busy,
    }
}

impl Tenant {
    /// What a user says of themselves, if it is not over.
    pub(crate) fn status_of(&self, user: &UserId) -> Option<&Status> {
        let status = self.rooms.stream_of(user)?.personal.as_deref()?.status();
        let is_over = status.expires.is_some_and(|end| end <= self.clock);
        (!is_over).then_some(status)
    }

    /// How a user is, as others see it.
    pub(crate) fn presence_of(&self, user: &UserId) -> UserPresence {
        let status = self.status_of(user);
        let availability = status.map_or_else(Availability::default, |status| status.availability);
        let presence = shown(self.people.presence(user), availability);
        let (last_seen, status) = match presence {
            Presence::Offline => (self.seen.last(user), None),
            Presence::Active | Presence::Idle | Presence::Away | Presence::Busy => {
                (None, status.and_then(|status| status.text.clone()))
            }
        };
        UserPresence {
            user: user.clone(),
            presence,
            last_seen,
            status,
        }
    }

    /// How a user is, as one watcher sees it: to whom they blocked they are offline.
    pub(crate) fn presence_for(&self, watcher: &UserId, user: &UserId) -> UserPresence {
        if self.hides_from(user, watcher) {
            return UserPresence {
                user: user.clone(),
                presence: Presence::Offline,
                last_seen: None,
                status: None,
            };
        }
        self.presence_of(user)
    }

    /// Whether a user has blocked a watcher.
    pub(crate) fn hides_from(&self, user: &UserId, watcher: &UserId) -> bool {
        let stream = self.rooms.stream_of(user);
        let personal = stream.and_then(|stream| stream.personal.as_deref());
        personal.is_some_and(|personal| personal.has_blocked(watcher))
    }

    /// Whether nobody else is to know that a user is there.
    pub(crate) fn is_invisible(&self, user: &UserId) -> bool {
        let status = self.status_of(user);
        status.is_some_and(|status| status.availability == Availability::Invisible)
    }

    /// Tells a user's watchers, if how they are is not what it was.
    pub(crate) fn announce(&mut self, before: &UserPresence, out: &mut Outcome<Self>) {
        let user = &before.user;
        let mut presence = self.presence_of(user);
        if presence.presence == Presence::Offline && before.presence != Presence::Offline {
            self.seen.went(user, self.clock);
            self.plan_seen();
            presence = self.presence_of(user);
        }
        if presence != *before {
            self.tell_watchers(presence, out);
        }
    }

    /// What a user said of themselves changed, or is over.
    pub(crate) fn status_changed(
        &mut self,
        before: Option<&UserPresence>,
        user: &UserId,
        out: &mut Outcome<Self>,
    ) {
        self.plan_status_end(user);
        match before {
            Some(before) => self.announce(before, out),
            None => self.tell_watchers(self.presence_of(user), out),
        }
        self.hide_in_rooms(user, out);
    }

    /// A user's status will be over by itself. At most one deadline for each user with a status.
    pub(crate) fn plan_status_end(&mut self, user: &UserId) {
        let end = self.status_of(user).and_then(|status| status.expires);
        let planned = match end {
            Some(at) => self.status_ends.insert(user.clone(), at),
            None => self.status_ends.remove(user),
        };
        if planned == end {
            return;
        }
        if let Some(at) = planned {
            self.deadlines.clear(at, Due::Status(user.clone()));
        }
        if let Some(at) = end {
            self.deadlines.set(at, Due::Status(user.clone()));
        }
    }

    /// A status is over: its deadline has been taken out.
    pub(crate) fn end_status(&mut self, user: &UserId, out: &mut Outcome<Self>) {
        self.status_ends.remove(user);
        self.status_changed(None, user, out);
    }

    /// Somebody blocked somebody, who sees them as offline from now on; or did so no more.
    pub(crate) fn block_changed(
        &mut self,
        blocker: &UserId,
        blocked: &UserId,
        out: &mut Outcome<Self>,
    ) {
        let is_seen = !self.hides_from(blocker, blocked);
        for connection in self.people.connections(blocked, None) {
            let Some(session) = self.sessions.get_mut(connection) else {
                continue;
            };
            if !session.rewatch(blocker, is_seen) {
                continue;
            }
            self.watch_anew((connection, blocker), is_seen, out);
            let users = vec![self.presence_for(blocked, blocker)];
            let presence = ServerFrame::Presence { users };
            out.held.push(effects::direct(connection, presence));
        }
    }

    /// Says again to the hub whom a connection watches, after one user: less at once, more when it is durable.
    fn watch_anew(
        &mut self,
        (connection, user): (ConnectionId, &UserId),
        is_more: bool,
        out: &mut Outcome<Self>,
    ) {
        let Some(session) = self.sessions.get(connection) else {
            return;
        };
        let users: Vec<_> = session.watching.iter().cloned().collect();
        let watch = Delivery::Watch { connection, users };
        if !is_more {
            out.now.push(Delivery::Unwatch {
                connection,
                users: vec![user.clone()],
            });
        }
        // Also behind one that is still held, which would undo it.
        out.held.push(watch);
        self.sessions
            .tell_anew(connection, self.applied, self.durable);
    }

    fn tell_watchers(&mut self, presence: UserPresence, out: &mut Outcome<Self>) {
        let user = presence.user.clone();
        let push = effects::presence_push(presence);
        out.now.push(effects::presence(&user, push.clone()));
        // A snapshot that is still held is older than this: say it again, behind it.
        let unsettled = self
            .sessions
            .unsettled_watchers(&user, self.durable, self.applied);
        for connection in unsettled {
            let push = push.clone();
            out.held.push(Delivery::Direct { connection, push });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_says_stands_above_their_devices_and_nobody_is_there_without_one() {
        use Availability::{Automatic, Away, Busy, Invisible};
        for (devices, availability, expected) in [
            (Presence::Active, Automatic, Presence::Active),
            (Presence::Idle, Automatic, Presence::Idle),
            (Presence::Active, Away, Presence::Away),
            (Presence::Idle, Busy, Presence::Busy),
            (Presence::Active, Invisible, Presence::Offline),
            (Presence::Offline, Automatic, Presence::Offline),
            (Presence::Offline, Away, Presence::Offline),
            (Presence::Offline, Busy, Presence::Offline),
        ] {
            assert_eq!(shown(devices, availability), expected);
        }
    }
}
