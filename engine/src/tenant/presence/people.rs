//! Who is there: a user is the sum of their live devices. Never stored, so never stale: after a
//! restart everybody is offline until they are back.

use std::{collections::BTreeMap, mem, ops::Bound, slice};

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

/// The live devices of one user, by id.
#[derive(Debug)]
enum Devices {
    /// As most have.
    One(Device),
    /// Any other number.
    Several(Vec<Device>),
}

impl Default for Devices {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl Devices {
    fn all(&self) -> &[Device] {
        match self {
            Self::One(device) => slice::from_ref(device),
            Self::Several(devices) => devices,
        }
    }

    fn all_mut(&mut self) -> &mut [Device] {
        match self {
            Self::One(device) => slice::from_mut(device),
            Self::Several(devices) => devices,
        }
    }

    fn insert(&mut self, at: usize, device: Device) {
        let mut devices = match mem::take(self) {
            Self::One(first) => vec![first],
            Self::Several(devices) => devices,
        };
        *self = if devices.is_empty() {
            Self::One(device)
        } else {
            devices.reserve_exact(1);
            devices.insert(at, device);
            Self::Several(devices)
        };
    }

    fn remove(&mut self, at: usize) {
        let Self::Several(mut devices) = mem::take(self) else {
            return;
        };
        devices.remove(at);
        *self = match devices.pop() {
            Some(last) if devices.is_empty() => Self::One(last),
            last => {
                devices.extend(last);
                Self::Several(devices)
            }
        };
    }
}

#[derive(Debug)]
struct Device {
    id: DeviceId,
    state: DeviceState,
    life: Life,
}

const _: () = assert!(size_of::<Devices>() == 32);

/// What a device lives by.
#[derive(Debug)]
enum Life {
    /// Almost always.
    Connection(ConnectionId),
    /// At least two.
    #[expect(
        clippy::box_collection,
        reason = "few devices have several, and all others need one word for it"
    )]
    Connections(Box<Vec<ConnectionId>>),
    /// The last one vanished: it lives until then.
    Grace(Timestamp),
}

impl Life {
    fn connections(&self) -> &[ConnectionId] {
        match self {
            Self::Connection(connection) => slice::from_ref(connection),
            Self::Connections(connections) => connections,
            Self::Grace(_) => &[],
        }
    }

    const fn grace(&self) -> Option<Timestamp> {
        match self {
            Self::Grace(until) => Some(*until),
            Self::Connection(_) | Self::Connections(_) => None,
        }
    }

    /// One more connection, if it is not there yet; the grace that this ends.
    fn add(&mut self, connection: ConnectionId) -> Option<Timestamp> {
        let grace = self.grace();
        if grace.is_some() {
            *self = Self::Connection(connection);
        } else if !self.connections().contains(&connection) {
            match self {
                Self::Connections(connections) => connections.push(connection),
                Self::Connection(first) => {
                    *self = Self::Connections(Box::new(vec![*first, connection]));
                }
                Self::Grace(_) => {}
            }
        }
        grace
    }

    /// Takes out one of several connections; `false`: it is the only one.
    fn remove(&mut self, connection: ConnectionId) -> bool {
        let Self::Connections(connections) = self else {
            return false;
        };
        connections.retain(|other| *other != connection);
        if let [last] = connections[..] {
            *self = Self::Connection(last);
        }
        true
    }
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
        if devices.all().iter().any(is_active) {
            Presence::Active
        } else {
            Presence::Idle
        }
    }

    /// The next users who are there, above one, in the order of their ids.
    pub(crate) fn page(&self, after: Option<&UserId>, limit: usize) -> Vec<UserId> {
        let above = after.map_or(Bound::Unbounded, Bound::Excluded);
        let users = self.users.range::<UserId, _>((above, Bound::Unbounded));
        users.take(limit).map(|(user, _)| user.clone()).collect()
    }

    /// A user's connections, all or those of one device.
    pub(crate) fn connections(
        &self,
        user: &UserId,
        device: Option<&DeviceId>,
    ) -> Vec<ConnectionId> {
        let devices = self.users.get(user).into_iter().flat_map(Devices::all);
        devices
            .filter(|found| device.is_none_or(|device| *device == found.id))
            .flat_map(|found| found.life.connections().iter().copied())
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
        let at = place_of(devices.all(), device).unwrap_or_else(|at| {
            let new = Device {
                id: device.clone(),
                state: DeviceState::Active,
                life: Life::Connection(connection),
            };
            devices.insert(at, new);
            at
        });
        let found = &mut devices.all_mut()[at];
        if let Some(at) = found.life.add(connection) {
            self.lingering -= 1;
            deadlines.clear(at, Due::Grace(user.clone(), device.clone()));
        }
        found.state = DeviceState::Active;
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
        let is_its = found.life.connections().contains(&connection);
        if !is_its || found.life.remove(connection) {
            return;
        }
        let lingers = match how {
            Disconnection::Clean => false,
            Disconnection::Vanished => lingering < grace.devices_max,
        };
        if lingers {
            let at = now.plus_ms(grace.ms);
            found.life = Life::Grace(at);
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
        let devices = self.users.get(user).into_iter().flat_map(Devices::all);
        let vanished: Vec<_> = devices
            .filter(|found| device.is_none_or(|device| *device == found.id))
            .filter_map(|found| Some((found.id.clone(), found.life.grace()?)))
            .collect();
        for (device, at) in vanished {
            deadlines.clear(at, Due::Grace(user.clone(), device.clone()));
            self.expire(user, &device);
        }
    }

    fn device(&mut self, user: &UserId, device: &DeviceId) -> Option<&mut Device> {
        let devices = self.users.get_mut(user)?;
        let at = place_of(devices.all(), device).ok()?;
        devices.all_mut().get_mut(at)
    }

    fn remove(&mut self, user: &UserId, device: &DeviceId) {
        if let Some(devices) = self.users.get_mut(user) {
            if let Ok(at) = place_of(devices.all(), device) {
                devices.remove(at);
            }
            if devices.all().is_empty() {
                self.users.remove(user);
            }
        }
    }
}

/// Where a device is in a user's list, or where it belongs.
fn place_of(devices: &[Device], device: &DeviceId) -> Result<usize, usize> {
    devices.binary_search_by(|found| found.id.cmp(device))
}
