//! Who is there: a user is the sum of their live devices. Never stored, so never stale: after a
//! restart everybody is offline until they are back.

use std::collections::BTreeMap;

use homeroom_protocol::{ConnectionId, DeviceId, DeviceState, Presence, Timestamp, UserId};

use crate::tenant::{
    deadline::{Deadlines, Due},
    input::Disconnection,
};

/// Every user with a live device. A device lives while it has a connection, and for a grace after its
/// last one vanished.
#[derive(Debug, Default)]
pub(crate) struct People {
    users: BTreeMap<UserId, Devices>,
    lingering: usize,
}

/// The live devices of one user, by id. A list, as most have one or two and a tree has room for eleven.
type Devices = Vec<Device>;

#[derive(Debug)]
struct Device {
    id: DeviceId,
    state: DeviceState,
    connections: Vec<ConnectionId>,
    /// Set exactly while there is no connection.
    gone_at: Option<Timestamp>,
}

/// How long a vanished device counts, and how many of them may.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grace {
    pub(crate) ms: u64,
    pub(crate) devices_max: usize,
}

impl People {
    /// The sum of a user's devices.
    pub(crate) fn presence(&self, user: &UserId) -> Presence {
        let Some(devices) = self.users.get(user) else {
            return Presence::Offline;
        };
        let is_active = |device: &Device| match device.state {
            DeviceState::Active => true,
            DeviceState::Idle => false,
        };
        if devices.iter().any(is_active) {
            Presence::Active
        } else {
            Presence::Idle
        }
    }

    /// A user's connections, all or those of one device.
    pub(crate) fn connections(
        &self,
        user: &UserId,
        device: Option<&DeviceId>,
    ) -> Vec<ConnectionId> {
        let devices = self.users.get(user).into_iter().flatten();
        devices
            .filter(|found| device.is_none_or(|device| *device == found.id))
            .flat_map(|found| found.connections.iter().copied())
            .collect()
    }

    /// A connection is there: its device is active, also one that was idle when it vanished, until it
    /// says otherwise.
    pub(crate) fn arrive(
        &mut self,
        user: &UserId,
        device: &DeviceId,
        connection: ConnectionId,
        deadlines: &mut Deadlines,
    ) {
        let devices = self.users.entry(user.clone()).or_default();
        let at = place_of(devices, device).unwrap_or_else(|at| {
            let new = Device {
                id: device.clone(),
                state: DeviceState::Active,
                // As most devices have one, and most users one device: a list that grows by itself begins
                // with room for four.
                connections: Vec::with_capacity(1),
                gone_at: None,
            };
            devices.reserve_exact(1);
            devices.insert(at, new);
            at
        });
        let found = &mut devices[at];
        if let Some(at) = found.gone_at.take() {
            self.lingering -= 1;
            deadlines.clear(at, Due::Grace(user.clone(), device.clone()));
        }
        found.state = DeviceState::Active;
        if !found.connections.contains(&connection) {
            found.connections.push(connection);
        }
    }

    /// A connection is gone. The last one of a device takes it along, at once when it left cleanly or
    /// too many linger already, else after the grace.
    pub(crate) fn depart(
        &mut self,
        (user, device, connection): (&UserId, &DeviceId, ConnectionId),
        how: Disconnection,
        now: Timestamp,
        grace: Grace,
        deadlines: &mut Deadlines,
    ) {
        let lingering = self.lingering;
        let Some(found) = self.device(user, device) else {
            return;
        };
        let place = found.connections.iter().position(|&it| it == connection);
        let Some(place) = place else {
            return;
        };
        found.connections.remove(place);
        if !found.connections.is_empty() {
            return;
        }
        let lingers = match how {
            Disconnection::Clean => false,
            Disconnection::Vanished => lingering < grace.devices_max,
        };
        if lingers {
            let at = now.plus_ms(grace.ms);
            found.gone_at = Some(at);
            self.lingering += 1;
            deadlines.set(at, Due::Grace(user.clone(), device.clone()));
        } else {
            self.remove(user, device);
        }
    }

    /// A device says how its user is.
    pub(crate) fn set(&mut self, user: &UserId, device: &DeviceId, state: DeviceState) {
        if let Some(device) = self.device(user, device) {
            device.state = state;
        }
    }

    /// A vanished device's grace is over: its deadline has been taken out.
    pub(crate) fn expire(&mut self, user: &UserId, device: &DeviceId) {
        self.lingering -= 1;
        self.remove(user, device);
    }

    /// Ends the grace of a user's vanished devices, all or one.
    pub(crate) fn forget_vanished(
        &mut self,
        user: &UserId,
        device: Option<&DeviceId>,
        deadlines: &mut Deadlines,
    ) {
        let devices = self.users.get(user).into_iter().flatten();
        let vanished: Vec<_> = devices
            .filter(|found| device.is_none_or(|device| *device == found.id))
            .filter_map(|found| Some((found.id.clone(), found.gone_at?)))
            .collect();
        for (device, at) in vanished {
            deadlines.clear(at, Due::Grace(user.clone(), device.clone()));
            self.expire(user, &device);
        }
    }

    fn device(&mut self, user: &UserId, device: &DeviceId) -> Option<&mut Device> {
        let devices = self.users.get_mut(user)?;
        let at = place_of(devices, device).ok()?;
        devices.get_mut(at)
    }

    fn remove(&mut self, user: &UserId, device: &DeviceId) {
        if let Some(devices) = self.users.get_mut(user) {
            if let Ok(at) = place_of(devices, device) {
                devices.remove(at);
            }
            if devices.is_empty() {
                self.users.remove(user);
            }
        }
    }
}

/// Where a device is in a user's list, or where it belongs.
fn place_of(devices: &[Device], device: &DeviceId) -> Result<usize, usize> {
    devices.binary_search_by(|found| found.id.cmp(device))
}
