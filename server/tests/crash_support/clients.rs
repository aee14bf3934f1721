//! Clients of the load, and what becomes of what they are shown.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use super::ledger::{Ledger, Place, ROOMS};
use homeroom_client::{Auth, Client, Event, Events, Limits, Lost, Options, UserId};

/// The ledger, for all tasks.
pub(crate) type Shared = Arc<Mutex<Ledger>>;

pub(crate) fn locked(ledger: &Shared) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap()
}

/// A client that comes back fast.
pub(crate) fn client(address: SocketAddr, tenant: &str, user: &UserId) -> (Client, Events) {
    Client::connect(Options {
        url: format!("ws://{address}"),
        tenant: tenant.parse().unwrap(),
        auth: Auth::Guest { name: user.clone() },
        device: "test".parse().unwrap(),
        limits: Limits {
            backoff_base_ms: 20,
            backoff_max_ms: 100,
            ..Limits::default()
        },
    })
    .unwrap()
}

/// Writes down what a client is shown. With `listener`, it must hear every event of each room, once.
pub(crate) async fn follow(
    mut events: Events,
    ledger: Shared,
    tenant: &'static str,
    name: String,
    listener: bool,
) {
    while let Some(event) = events.next().await {
        let mut ledger = locked(&ledger);
        match event {
            Event::Timeline {
                room,
                position,
                event,
            } => {
                let room = ROOMS.into_iter().find(|known| *known == room.as_str());
                let place = Place {
                    tenant,
                    room: room.expect("there are no others"),
                };
                if listener {
                    ledger.heard(&name, place, position, &event);
                } else {
                    ledger.saw(place, position, &event, &name);
                }
            }
            Event::Disconnected {
                why: Lost::Protocol(violation),
                ..
            } => ledger.wrong(format!("{name} in {tenant}: {violation}")),
            Event::Disconnected {
                why: Lost::Closed { code, .. } | Lost::Refused { code, .. },
                ..
            } => *ledger.counts.byes.entry(code).or_default() += 1,
            broken @ (Event::Reset { .. } | Event::Removed { .. } | Event::Stopped { .. }) => {
                ledger.wrong(format!("{name} in {tenant}: {broken:?}"));
            }
            Event::Connected { .. }
            | Event::Disconnected { .. }
            | Event::AuthenticationNeeded { .. }
            | Event::Typing { .. }
            | Event::Presence { .. }
            | Event::Passed { .. }
            | Event::Signals { .. }
            | Event::Occupancy { .. }
            | Event::Stream { .. }
            | Event::StreamReset { .. }
            | Event::StreamEnded { .. }
            | Event::Dropped { .. } => {}
        }
    }
}
