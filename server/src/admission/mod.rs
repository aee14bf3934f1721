//! Who may come in: a seat for each connection, not too many from one place, none while memory is short.
//!
//! Everything here is asked once per connection, before a byte of it is read. What is refused costs
//! the client a moment and the host nearly nothing; what is let in holds a [`Seat`] until it is gone.

mod descriptors;
mod memory;
mod prefix;

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use homeroom_engine::described;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

pub(crate) use descriptors::Descriptors;
pub(crate) use memory::Memory;
pub use memory::MemorySettings;
use prefix::{Crowd, Place};
pub use prefix::{InvalidPrefix, Prefix};

/// Most connections that are at once being told that there is no seat; more are dropped unanswered.
const TURNED_AWAY_MAX: u32 = 64;

described! {
    /// How many come in. Every default has its reason on its field.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub struct AdmissionSettings {
        /// Sockets served at once; further ones are told to come back. Default 100,000: what a small
        /// machine's memory holds. Fewer count where the system grants fewer open files.
        pub connections_max: u32,
        /// Sockets served at once from one address prefix. Default 10,000: a large school behind one
        /// address has that many devices, a single attacker then holds a tenth of the house.
        pub connections_per_prefix_max: u32,
        /// Leading bits of an IPv4 address that make one place. Default 32: neighbours in a /24 are
        /// strangers.
        pub prefix_v4_bits: u8,
        /// Leading bits of an IPv6 address that make one place. Default 56: what one customer is given.
        pub prefix_v6_bits: u8,
        /// Prefixes that are not counted. Default loopback: there it is the proxy, which stands for
        /// everybody, or the machine's own programs.
        pub uncounted_prefixes: Vec<Prefix>,
        /// Open files kept for the data folder and for answering operators; connections do not take them.
        /// Default 256: an awake tenant holds about four, an open index about three. At most half of what
        /// the system grants.
        pub descriptors_reserved: u32,
    }
}

impl Default for AdmissionSettings {
    fn default() -> Self {
        Self {
            connections_max: 100_000,
            connections_per_prefix_max: 10_000,
            prefix_v4_bits: 32,
            prefix_v6_bits: 56,
            uncounted_prefixes: vec![Prefix::LOOPBACK_V4, Prefix::LOOPBACK_V6],
            descriptors_reserved: 256,
        }
    }
}

/// Why a connection is not let in. All of them pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Refused {
    /// Every seat is taken.
    Full,
    /// Its address prefix has all the seats it may have.
    Crowded,
    /// Memory is short.
    MemoryShort,
}

/// The door. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    seats: Semaphore,
    count: u32,
    /// For those who are turned away.
    spare: Arc<Semaphore>,
    settings: AdmissionSettings,
    crowd: Mutex<Crowd>,
    memory: Memory,
    refusals: Refusals,
}

/// How many were refused since the start.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    full: AtomicU64,
    crowded: AtomicU64,
    memory_short: AtomicU64,
}

impl Refusals {
    const fn of(&self, cause: Refused) -> &AtomicU64 {
        match cause {
            Refused::Full => &self.full,
            Refused::Crowded => &self.crowded,
            Refused::MemoryShort => &self.memory_short,
        }
    }

    /// For this cause.
    pub(crate) fn count(&self, cause: Refused) -> u64 {
        self.of(cause).load(Ordering::Relaxed)
    }
}

/// A place in the house, given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    shared: Arc<Shared>,
    /// Where it came from, if that is counted.
    from: Option<Place>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(from) = self.from {
            self.shared.crowd().leave(from);
        }
        self.shared.seats.add_permits(1);
    }
}

impl Admission {
    /// A house with as many seats as the settings say and `descriptors` allow.
    pub(crate) fn new(
        settings: AdmissionSettings,
        descriptors: Descriptors,
        memory: Memory,
    ) -> Self {
        let shares = descriptors.share_out(settings.descriptors_reserved);
        let count = shares.connections.min(settings.connections_max);
        let spare = shares.turned_away.min(TURNED_AWAY_MAX) as usize;
        Self {
            shared: Arc::new(Shared {
                seats: Semaphore::new(count as usize),
                spare: Arc::new(Semaphore::new(spare)),
                count,
                settings,
                crowd: Mutex::default(),
                memory,
                refusals: Refusals::default(),
            }),
        }
    }

    /// So many seats, for anybody: a door whose visitors the operator has chosen.
    pub(crate) fn counting(connections_max: u32) -> Self {
        let settings = AdmissionSettings {
            connections_max,
            connections_per_prefix_max: u32::MAX,
            ..AdmissionSettings::default()
        };
        Self::new(
            settings,
            Descriptors::granted(u64::MAX),
            Memory::boundless(),
        )
    }

    /// A seat for a connection from `address`.
    pub(crate) fn ask(&self, address: IpAddr) -> Result<Seat, Refused> {
        let seat = self.find(address);
        if let Err(refused) = &seat {
            let count = self.shared.refusals.of(*refused);
            count.fetch_add(1, Ordering::Relaxed);
        }
        seat
    }

    fn find(&self, address: IpAddr) -> Result<Seat, Refused> {
        let shared = &self.shared;
        if shared.memory.is_short() {
            return Err(Refused::MemoryShort);
        }
        let permit = shared.seats.try_acquire().map_err(|_| Refused::Full)?;
        let from = shared.settings.place(address);
        if let Some(from) = from
            && !(shared.crowd()).enter(from, shared.settings.connections_per_prefix_max)
        {
            return Err(Refused::Crowded);
        }
        // The seat gives it back: ten thousand of them hold no second way to the same place.
        permit.forget();
        Ok(Seat {
            shared: Arc::clone(shared),
            from,
        })
    }

    /// A place to be told at the door that there is no seat; `None`: be dropped unanswered.
    pub(crate) fn ask_to_be_told(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.shared.spare).try_acquire_owned().ok()
    }

    /// Who was not let in.
    pub(crate) fn refusals(&self) -> &Refusals {
        &self.shared.refusals
    }

    /// How many seats there are.
    #[cfg(test)]
    fn seats(&self) -> u32 {
        self.shared.count
    }

    /// Resolves when all seats are free; whether that was within `time`.
    pub(crate) async fn empty_within(&self, time: Duration) -> bool {
        let all = self.shared.seats.acquire_many(self.shared.count);
        timeout(time, all).await.is_ok()
    }
}

impl Shared {
    fn crowd(&self) -> std::sync::MutexGuard<'_, Crowd> {
        // A count is changed in one step: a panic elsewhere leaves it right.
        self.crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AdmissionSettings {
    /// The place an address counts for; `None` when it is not counted.
    fn place(&self, address: IpAddr) -> Option<Place> {
        // An IPv4 client of a socket that listens on both is an IPv4 client.
        let address = address.to_canonical();
        let uncounted = |prefix: &Prefix| prefix.contains(address);
        let bits = match address {
            IpAddr::V4(_) => self.prefix_v4_bits,
            IpAddr::V6(_) => self.prefix_v6_bits,
        };
        (!self.uncounted_prefixes.iter().any(uncounted)).then(|| Place::of(address, bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(settings: AdmissionSettings) -> Admission {
        Admission::new(
            settings,
            Descriptors::granted(1_000_000),
            Memory::boundless(),
        )
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_seat_is_given_back_when_its_connection_is_gone() {
        let house = admission(AdmissionSettings {
            connections_max: 2,
            ..AdmissionSettings::default()
        });
        let here = address("192.0.2.1");
        let first = house.ask(here).unwrap();
        let second = house.ask(here).unwrap();
        assert_eq!(house.ask(here).unwrap_err(), Refused::Full);
        assert!(!house.empty_within(Duration::ZERO).await);
        drop(first);
        let third = house.ask(here).unwrap();
        drop((second, third));
        assert!(house.empty_within(Duration::ZERO).await);
    }

    #[test]
    fn one_place_does_not_take_the_seats_of_the_others() {
        let house = admission(AdmissionSettings {
            connections_per_prefix_max: 2,
            ..AdmissionSettings::default()
        });
        let network = ["2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:0:3::1"].map(address);
        let first = house.ask(network[0]).unwrap();
        let _second = house.ask(network[1]).unwrap();
        assert_eq!(house.ask(network[2]).unwrap_err(), Refused::Crowded);
        let _elsewhere = house.ask(address("2001:db8:0:100::1")).unwrap();
        drop(first);
        let _third = house.ask(network[2]).unwrap();
        let held = house.shared.crowd().len();
        assert_eq!(held, 2, "places of which anybody is in");
    }

    #[test]
    fn a_refused_place_keeps_no_seat() {
        let house = admission(AdmissionSettings {
            connections_max: 2,
            connections_per_prefix_max: 1,
            ..AdmissionSettings::default()
        });
        let _seat = house.ask(address("192.0.2.1")).unwrap();
        for _ in 0..10 {
            let again = house.ask(address("192.0.2.1")).unwrap_err();
            assert_eq!(again, Refused::Crowded);
        }
        house.ask(address("192.0.2.2")).unwrap();
    }

    #[test]
    fn a_mapped_address_is_the_address_it_stands_for() {
        let house = admission(AdmissionSettings {
            connections_per_prefix_max: 1,
            ..AdmissionSettings::default()
        });
        let _seat = house.ask(address("192.0.2.1")).unwrap();
        let mapped = house.ask(address("::ffff:192.0.2.1")).unwrap_err();
        assert_eq!(mapped, Refused::Crowded);
        for _ in 0..3 {
            std::mem::forget(house.ask(address("::ffff:127.0.0.1")).unwrap());
        }
    }

    #[test]
    fn connections_leave_the_data_folder_its_files() {
        let house = |granted| {
            let granted = Descriptors::granted(granted);
            let settings = AdmissionSettings::default();
            let house = Admission::new(settings, granted, Memory::boundless());
            let told: Vec<_> = std::iter::from_fn(|| house.ask_to_be_told()).collect();
            (house.seats(), told.len())
        };
        assert_eq!(house(1024), (768, 64));
        assert_eq!(house(100), (50, 12), "never more than half is kept back");
        assert_eq!(house(1_000_000), (100_000, 64));
    }

    #[test]
    fn nobody_comes_in_while_memory_is_short() {
        let (memory, headroom) = Memory::scripted(100);
        let settings = AdmissionSettings::default();
        let house = Admission::new(settings, Descriptors::granted(1024), memory);
        let here = address("192.0.2.1");
        house.ask(here).unwrap();
        headroom.set(99);
        assert_eq!(house.ask(here).unwrap_err(), Refused::MemoryShort);
        assert_eq!(house.refusals().count(Refused::MemoryShort), 1);
        assert_eq!(house.refusals().count(Refused::Full), 0);
        headroom.set(100);
        house.ask(here).unwrap();
    }
}
