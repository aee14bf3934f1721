//! Who is there and who types, as it follows from what the host was told: a model of a few lines.

use std::collections::{BTreeMap, BTreeSet};

use homeroom_engine::{
    identity::Identity,
    tenant::{Disconnection, Input},
};
use homeroom_protocol::{
    Availability, ConnectionId, DeviceId, DeviceState, Presence, Request, RoomNumber, Seq,
    Timestamp, UserId,
};

/// The people of one awake tenant.
#[derive(Debug, Default)]
pub(crate) struct People {
    connections: BTreeMap<ConnectionId, (UserId, DeviceId)>,
    devices: BTreeMap<(UserId, DeviceId), Device>,
    /// Since when and until when each types, if they say no more of it.
    typing: BTreeMap<(UserId, RoomNumber, Option<Seq>), (Timestamp, Timestamp)>,
}

#[derive(Debug)]
struct Device {
    connections: BTreeSet<ConnectionId>,
    state: DeviceState,
}

impl People {
    /// The host took this. Who types by it does so within `term`.
    pub(crate) fn take(&mut self, input: &Input, term: (Timestamp, Timestamp)) {
        match input {
            Input::Connect {
                connection,
                identity: Identity { user, device, .. },
            } => {
                let key = (user.clone(), device.clone());
                self.connections.insert(*connection, key.clone());
                let device = self.devices.entry(key).or_insert_with(|| Device {
                    connections: BTreeSet::new(),
                    state: DeviceState::Active,
                });
                device.state = DeviceState::Active;
                device.connections.insert(*connection);
            }
            Input::Disconnect { connection, .. } => self.gone(*connection),
            Input::Request {
                connection,
                request,
                ..
            } => self.asked(*connection, request, term),
            Input::Revoke { whom, before } => {
                if let homeroom_engine::tenant::Whom::User(user) = whom {
                    let theirs = self.connections_of(user).into_iter();
                    let theirs: Vec<_> = theirs.filter(|it| it < before).collect();
                    theirs.into_iter().for_each(|it| self.gone(it));
                }
            }
            Input::Signal { .. } | Input::Renew { .. } | Input::Service(_) | Input::Page { .. } => {
            }
        }
    }

    /// How a user is, for others.
    pub(crate) fn presence(&self, user: &UserId, availability: Availability) -> Presence {
        let devices = self.devices.iter().filter(|((of, _), _)| of == user);
        let states: Vec<_> = devices.map(|(_, device)| device.state).collect();
        if states.is_empty() || availability == Availability::Invisible {
            return Presence::Offline;
        }
        match availability {
            Availability::Away => Presence::Away,
            Availability::Busy => Presence::Busy,
            Availability::Automatic | Availability::Invisible => {
                if states.contains(&DeviceState::Active) {
                    Presence::Active
                } else {
                    Presence::Idle
                }
            }
        }
    }

    /// Whether a user may be shown as typing somewhere.
    pub(crate) fn may_type(
        &self,
        user: &UserId,
        (room, thread): (RoomNumber, Option<Seq>),
        now: Timestamp,
    ) -> bool {
        let until = self.typing.get(&(user.clone(), room, thread));
        until.is_some_and(|(_, until)| *until > now)
    }

    /// Somebody said something in a place, at a time: they may have begun anew since.
    pub(crate) fn spoke(
        &mut self,
        user: &UserId,
        (room, thread): (RoomNumber, Option<Seq>),
        time: Timestamp,
    ) {
        let place = (user.clone(), room, thread);
        if self
            .typing
            .get(&place)
            .is_some_and(|(since, _)| *since < time)
        {
            self.typing.remove(&place);
        }
    }

    /// Somebody is no longer in a room.
    pub(crate) fn left(&mut self, user: &UserId, room: RoomNumber) {
        self.typing
            .retain(|(typist, place, _), _| typist != user || *place != room);
    }

    pub(crate) fn connections_of(&self, user: &UserId) -> Vec<ConnectionId> {
        let connections = self.connections.iter();
        let theirs = connections.filter(|(_, (of, _))| of == user);
        theirs.map(|(connection, _)| *connection).collect()
    }

    fn gone(&mut self, connection: ConnectionId) {
        let Some(key) = self.connections.remove(&connection) else {
            return;
        };
        if let Some(device) = self.devices.get_mut(&key) {
            device.connections.remove(&connection);
            if device.connections.is_empty() {
                self.devices.remove(&key);
            }
        }
        if self.connections_of(&key.0).is_empty() {
            self.typing.retain(|(typist, ..), _| *typist != key.0);
        }
    }

    fn asked(&mut self, connection: ConnectionId, request: &Request, term: (Timestamp, Timestamp)) {
        let Some((user, device)) = self.connections.get(&connection).cloned() else {
            return;
        };
        match request {
            Request::Presence { state } => {
                if let Some(device) = self.devices.get_mut(&(user, device)) {
                    device.state = *state;
                }
            }
            Request::Typing {
                room,
                active,
                thread,
            } => {
                let place = (user, *room, *thread);
                if *active {
                    self.typing.insert(place, term);
                } else {
                    self.typing.remove(&place);
                }
            }
            _ => {}
        }
    }
}

/// How a connection ended, as an input says it.
pub(crate) const fn gone(connection: ConnectionId, clean: bool) -> Input {
    let how = if clean {
        Disconnection::Clean
    } else {
        Disconnection::Vanished
    };
    Input::Disconnect { connection, how }
}
