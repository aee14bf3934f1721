//! Connections come and go: welcome, presence, expiry, revocation.

pub(crate) mod budget;
pub(crate) mod held;
pub(crate) mod listening;
pub(crate) mod paging;
pub(crate) mod places;
pub(crate) mod session;
pub(crate) mod strangers;
mod watchers;

use homeroom_protocol::{
    CloseCode, ConnectionId, RoomNumber, ServerFrame, Timestamp, UserId, Welcome,
    limit::CLIENT_MESSAGE_BYTES_MAX,
};

use super::{
    deadline::Due,
    effects,
    input::{Disconnection, Whom},
    presence::typing::Place,
    state::Tenant,
};
use crate::{
    domain::{Moment, Outcome},
    hub::{Delivery, turn_to_return_ms},
    identity::Identity,
    planted::{Fault, fault},
};

/// The version of the protocol this tenant speaks.
const PROTOCOL_VERSION: u32 = 1;

impl Tenant {
    pub(crate) fn connect(
        &mut self,
        moment: Moment,
        connection: ConnectionId,
        mut identity: Identity,
        out: &mut Outcome<Self>,
    ) {
        if self.sessions.get(connection).is_some() {
            return;
        }
        if identity.has_expired(moment.now) {
            out.now.push(session_expired(connection));
            return;
        }
        // A name that only back ends speak under: nobody may pose as one.
        if identity.user.is_service() {
            out.now
                .push(effects::close(connection, CloseCode::Unauthenticated, None));
            return;
        }
        // One copy of a name for all that is known of its owner.
        identity.user = self.rooms.known(identity.user);
        self.make_place(moment, &identity, out);
        if self.sessions.count() >= self.settings.connections_max {
            // Who is turned away together comes back one by one.
            let turn = turn_to_return_ms(connection, self.sessions.count() as u64);
            let after = self.settings.retry_after_ms.saturating_add(turn);
            out.now.push(effects::close(
                connection,
                CloseCode::Overloaded,
                Some(after),
            ));
            return;
        }
        // What was interrupted goes on.
        self.clear_lists_soon(moment);
        let Identity { user, device, .. } = &identity;
        let before = self.presence_of(user);
        self.people
            .arrive(user, device, connection, &mut self.deadlines);
        self.announce(&before, out);
        self.plan_rounds();
        self.plan_status_end(user);
        if let Some(at) = identity.expires {
            self.deadlines.set(at, Due::Session(connection));
        }
        let welcome = Welcome {
            version: PROTOCOL_VERSION,
            capabilities: Vec::new(),
            tenant: self.name.clone(),
            user: user.clone(),
            connection,
            time: moment.now,
            heartbeat_ms: self.settings.heartbeat_ms,
            message_bytes_max: CLIENT_MESSAGE_BYTES_MAX as u64,
            requests_in_flight_max: self.settings.requests_in_flight_max,
            expires: identity.expires,
        };
        self.sessions.open(connection, identity);
        out.held
            .push(effects::direct(connection, ServerFrame::Welcome(welcome)));
    }

    /// Closes the oldest connections of a user or a device that has as many as it may.
    fn make_place(&mut self, moment: Moment, identity: &Identity, out: &mut Outcome<Self>) {
        let Identity { user, device, .. } = identity;
        let bounds = [
            (Some(device), self.settings.connections_per_device_max),
            (None, self.settings.connections_per_user_max),
        ];
        for (device, most) in bounds {
            let mut connections = self.people.connections(user, device);
            // Their numbers rise.
            connections.sort_unstable();
            let excess = (connections.len() + 1).saturating_sub(most.max(1));
            for &oldest in connections.iter().take(excess) {
                out.now
                    .push(effects::close(oldest, CloseCode::Replaced, None));
                // What comes takes its place: its user is not seen to go.
                self.end(moment, oldest, Disconnection::Vanished, out);
            }
        }
    }

    /// A connection is gone, whoever ended it.
    pub(crate) fn end(
        &mut self,
        moment: Moment,
        connection: ConnectionId,
        how: Disconnection,
        out: &mut Outcome<Self>,
    ) {
        let Some(session) = self.sessions.end(connection) else {
            return;
        };
        if let Some(at) = session.identity.expires {
            self.deadlines.clear(at, Due::Session(connection));
        }
        let Identity { user, device, .. } = &session.identity;
        let before = self.presence_of(user);
        self.people.depart(
            (user, device, connection),
            how,
            moment.now,
            self.grace(),
            &mut self.deadlines,
        );
        for &room in session.listening().keys() {
            if self.typing.has(room, user)
                && !self.listens(user, room)
                && !fault(Fault::TypingNotCleared)
            {
                self.stop_typing_in(room, user, out);
            }
        }
        self.end_view(&session, how);
        if !fault(Fault::PresenceNotCleared) {
            self.announce(&before, out);
        }
    }

    pub(crate) fn renew(
        &mut self,
        moment: Moment,
        connection: ConnectionId,
        expires: Option<Timestamp>,
        out: &mut Outcome<Self>,
    ) {
        let Some(session) = self.sessions.get_mut(connection) else {
            return;
        };
        // What is over stays over, also when its deadline was not yet seen to.
        if session.identity.has_expired(moment.now) {
            self.expire_session(moment, connection, out);
            return;
        }
        let before = std::mem::replace(&mut session.identity.expires, expires);
        let ended = session.identity.has_expired(moment.now);
        if let Some(at) = before {
            self.deadlines.clear(at, Due::Session(connection));
        }
        if let Some(at) = expires {
            self.deadlines.set(at, Due::Session(connection));
        }
        if ended {
            self.expire_session(moment, connection, out);
        }
    }

    /// Ends a session whose time is over. Its device is expected back, with a new proof.
    pub(crate) fn expire_session(
        &mut self,
        moment: Moment,
        connection: ConnectionId,
        out: &mut Outcome<Self>,
    ) {
        out.now.push(session_expired(connection));
        self.end(moment, connection, Disconnection::Vanished, out);
    }

    pub(crate) fn revoke(
        &mut self,
        moment: Moment,
        whom: &Whom,
        before: ConnectionId,
        out: &mut Outcome<Self>,
    ) {
        let (user, device) = match whom {
            Whom::Connection(connection) => {
                if self.sessions.get(*connection).is_some() {
                    self.revoke_connection(moment, *connection, out);
                }
                return;
            }
            Whom::Device { user, device } => (user, Some(device)),
            Whom::User(user) => (user, None),
        };
        for connection in self.people.connections(user, device) {
            if connection < before {
                self.revoke_connection(moment, connection, out);
            }
        }
        let before = self.presence_of(user);
        self.people
            .forget_vanished(user, device, &mut self.deadlines);
        self.forget_vanished_viewer(user);
        self.announce(&before, out);
    }

    fn revoke_connection(
        &mut self,
        moment: Moment,
        connection: ConnectionId,
        out: &mut Outcome<Self>,
    ) {
        if !fault(Fault::RevocationLost) {
            out.now
                .push(effects::close(connection, CloseCode::Revoked, None));
        }
        self.end(moment, connection, Disconnection::Clean, out);
    }

    /// Whether any connection of a user hears a room.
    pub(crate) fn listens(&self, user: &UserId, room: RoomNumber) -> bool {
        let connections = self.people.connections(user, None);
        connections.into_iter().any(|connection| {
            let session = self.sessions.get(connection);
            session.is_some_and(|session| session.listening().contains_key(&room))
        })
    }

    /// Takes a user off the list of those who type in one place.
    pub(crate) fn stop_typing(&mut self, place: Place, user: &UserId, out: &mut Outcome<Self>) {
        if self.typing.stop(place, user, &mut self.deadlines) {
            out.now
                .push(effects::typing(place, self.typing.list(place)));
        }
    }

    /// The same in a room and all its threads.
    pub(crate) fn stop_typing_in(
        &mut self,
        room: RoomNumber,
        user: &UserId,
        out: &mut Outcome<Self>,
    ) {
        for place in self.typing.stop_all(room, user, &mut self.deadlines) {
            out.now
                .push(effects::typing(place, self.typing.list(place)));
        }
    }
}

/// The client may be back as soon as it has a new proof.
const fn session_expired(connection: ConnectionId) -> Delivery {
    effects::close(connection, CloseCode::SessionExpired, Some(0))
}
