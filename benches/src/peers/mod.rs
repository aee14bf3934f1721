//! The servers that `compare` sets beside Homeroom: how each is installed, how it is started, how one
//! speaks with it, and in what it is not Homeroom's equal.
//!
//! Their programs and settings are in `benches/peers/`, small enough to be read whole, and are compiled in, so that
//! what runs is what was committed. Versions are pinned there too.

mod comparison;
mod install;
mod nats;
mod part;
mod socket_io;
mod sockudo;
mod table;
#[cfg(test)]
mod tests;
mod uwebsockets;

use std::{fmt, path::Path, str::FromStr};

use crate::load::{Dialect, Entry, Seat};

pub use self::{
    comparison::{Comparison, Contest, Entrant, Outcome, Summary},
    install::{Installed, NotInstalled},
    part::Part,
};

/// A server that others made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// uWebSockets, which Bun carries as its WebSocket server.
    UWebSockets,
    /// Socket.IO on Node.
    SocketIo,
    /// Socket.IO's protocol in Rust, on axum.
    Socketioxide,
    /// NATS over its WebSocket.
    Nats,
    /// Sockudo, Pusher's protocol in Rust.
    Sockudo,
}

impl Peer {
    /// All of them, in the order they are shown.
    pub const ALL: [Self; 5] = [
        Self::UWebSockets,
        Self::SocketIo,
        Self::Socketioxide,
        Self::Nats,
        Self::Sockudo,
    ];

    /// What it is called, in tables and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UWebSockets => "uwebsockets",
            Self::SocketIo => "socketio",
            Self::Socketioxide => "socketioxide",
            Self::Nats => "nats",
            Self::Sockudo => "sockudo",
        }
    }

    /// Whether it runs only when asked for: its build takes half an hour.
    #[must_use]
    pub fn is_slow_to_install(self) -> bool {
        match self {
            Self::Sockudo => true,
            Self::UWebSockets | Self::SocketIo | Self::Socketioxide | Self::Nats => false,
        }
    }

    /// What about it is not Homeroom's equal, as footnotes: with this in mind its figures can be compared.
    #[must_use]
    pub fn unequal(self) -> &'static [&'static str] {
        match self {
            Self::UWebSockets => &[
                "keeps nothing and acknowledges nothing",
                "no authentication and no members: whoever names a room is in it",
                "messages are not parsed, and passed on as they came, with 4 bytes around them",
                "heartbeats off (idle connections are closed after 16 minutes); up to 64 MiB may wait for a socket",
            ],
            Self::SocketIo => &[
                "keeps nothing and acknowledges nothing",
                "no authentication and no members: whoever names a room is in it",
                "messages are JSON; compression off; heartbeats 10 minutes apart",
            ],
            Self::Socketioxide => &[
                "keeps nothing and acknowledges nothing",
                "no authentication and no members: whoever names a room is in it",
                "messages are JSON; heartbeats 10 minutes apart; drops messages to a listener that is 128 behind",
            ],
            Self::Nats => &[
                "keeps nothing and acknowledges nothing",
                "no authentication and no members: a room is a subject, its speaker only publishes to it",
                "several messages may share one WebSocket frame; pings 10 minutes apart",
            ],
            Self::Sockudo => &[
                "keeps nothing and acknowledges nothing",
                "members are vouched for by a signature, checked when they subscribe",
                "messages are JSON within JSON; rate limits and metrics off",
            ],
        }
    }

    /// How one speaks with it.
    #[must_use]
    pub fn dialect(self) -> &'static dyn Dialect {
        match self {
            Self::UWebSockets => &uwebsockets::UWebSockets,
            Self::SocketIo => &socket_io::SocketIo { name: "Socket.IO" },
            Self::Socketioxide => &socket_io::SocketIo {
                name: "socketioxide",
            },
            Self::Nats => &nats::Nats,
            Self::Sockudo => &sockudo::Sockudo,
        }
    }

    /// Makes it ready to run, in its own folder within `cache`. What was installed once is found again, also
    /// without a network.
    ///
    /// # Errors
    /// When a tool is missing, or a registry cannot be reached.
    pub fn install(self, cache: &Path) -> Result<Installed, NotInstalled> {
        Installed::in_cache(self, cache)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let peer = Self::ALL.into_iter().find(|peer| peer.name() == name);
        peer.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("no peer is called {name}; there are {names}")
        })
    }
}

/// The rooms that a seat is in: none, its own, or the two after it as well.
fn rooms(seat: &Seat) -> impl Iterator<Item = u32> + use<> {
    let (own, count, all) = match seat.entry {
        Entry::Bare => (seat.room, 0, 1),
        Entry::Room => (seat.room, 1, u32::MAX),
        Entry::ThreeRooms { rooms } => (seat.room, rooms.min(3), rooms.max(1)),
    };
    (0..count).map(move |next| (own + next) % all)
}
