//! What differs between the servers that are measured, and nothing else.
//!
//! Every server here speaks WebSocket, so the generator does the upgrade, the headers and the masks itself, and a
//! dialect deals in whole messages: what to say to be let in and to join, when that is done, and how one publishes.
//! How to count is not part of it: the generator looks for the [`MARKER`](super::MARKER) that begins the text of each
//! message, which every server passes on as it is, wherever in its frames. A dialect has no state: what one
//! connection must remember is in its [`Seat`].
//!
//! Speakers and listeners are different connections. A room has one speaker, who is in before the first listener
//! knocks (so that it can make the room), publishes, and is not sent its own messages if the server
//! can do so. Only what listeners receive is a delivery.

use std::time::Duration;

use serde::Serialize;

use super::{Act, Note, Outgoing, Seating};

/// How to speak with one kind of server.
pub trait Dialect {
    /// What the server is called in tables.
    fn name(&self) -> &str;

    /// Where its WebSocket is; at the root if nothing else is said.
    fn door(&self) -> Door {
        Door {
            path: "/".to_owned(),
            subprotocol: None,
        }
    }

    /// One step of entering: `heard` is `None` right after the upgrade, then each whole message the server
    /// sends (its payload), until this returns [`Entered::Ready`]. Whatever is put into `say` is sent.
    /// Messages that do not matter are to be passed over. Never called for [`Entry::Bare`].
    ///
    /// # Errors
    /// What the server refused, for people: the run ends with it.
    fn enter(
        &self,
        seat: &mut Seat,
        heard: Option<&[u8]>,
        say: &mut Outgoing,
    ) -> Result<Entered, String>;

    /// Publishes `text`, which begins with the marker, in the room of a speaker's seat. `number` is another one for
    /// each message of the seat, counted from 0.
    fn publish(&self, seat: &Seat, number: u64, text: &str, say: &mut Outgoing);

    /// How many publishes this message of the server acknowledges; called with each message (its payload) that a
    /// speaker receives once it is in. Answers may be put into `say`.
    ///
    /// # Errors
    /// A refusal, for people: the run ends with it, as it would otherwise wait for ever.
    fn acknowledged(&self, message: &[u8], say: &mut Outgoing) -> Result<u64, String> {
        let _ = (message, say);
        Ok(0)
    }

    /// Whether a connection can run this errand. Those that cannot are spared it.
    fn knows(&self, errand: Errand) -> bool {
        let _ = errand;
        false
    }

    /// One step of an errand of somebody who is in, like [`enter`](Self::enter): `heard` is `None` at its
    /// beginning. Only called with what the dialect [knows](Self::knows).
    ///
    /// # Errors
    /// What the server refused, for people: the run ends with it.
    fn run_errand(
        &self,
        errand: Errand,
        seat: &mut Seat,
        heard: Option<&[u8]>,
        say: &mut Outgoing,
    ) -> Result<Entered, String> {
        let _ = (seat, heard, say);
        Err(format!("{} knows no {errand:?}", self.name()))
    }

    /// Does this in the room of a seat. The answer carries `id`, another one for each call.
    ///
    /// # Errors
    /// That there is no such thing here, for people.
    fn act(
        &self,
        seat: &Seat,
        act: Act,
        id: u64,
        text: &str,
        say: &mut Outgoing,
    ) -> Result<(), String> {
        let _ = (seat, id, text, say);
        Err(format!("{} knows no {act:?}", self.name()))
    }

    /// Notes what a message (its payload) means to one who does such things, of whom the seat is.
    ///
    /// # Errors
    /// A refusal, for people: the run ends with it.
    fn note(&self, message: &[u8], seat: &mut Seat, notes: &mut Vec<Note>) -> Result<(), String> {
        let _ = (message, seat, notes);
        Ok(())
    }

    /// What every connection says from time to time so that the server does not take it for dead. `None` where the
    /// server asks for nothing.
    fn keep_alive(&self) -> Option<KeepAlive> {
        None
    }
}

/// Where a server's WebSocket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// The target of the request, as `/v1/connect`.
    pub path: String,
    /// The subprotocol to offer.
    pub subprotocol: Option<&'static str>,
}

/// One connection, as its dialect knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// Counts all connections of a run, so it makes a name of its own.
    pub number: u32,
    /// The room, from 0.
    pub room: u32,
    /// What it is there for.
    pub role: Role,
    /// How far it goes in.
    pub entry: Entry,
    /// Whether what is published must be on disk before it is acknowledged.
    pub durable: bool,
    /// The dialect's own, 0 at first: a step of entering, a number the server gave.
    pub step: u32,
    /// The dialect's own, 0 at first: what the server calls the room.
    pub address: u64,
}

/// What a connection is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Publishes; the only one of its room, and the first in it.
    Speaker,
    /// Is delivered to.
    Listener,
}

/// How far a connection goes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// To the upgrade and no further.
    Bare,
    /// Authenticated, in its room.
    Room,
    /// Authenticated, in its room and the two after it (of `rooms` in all, going round), and told who is there.
    ThreeRooms {
        /// Rooms of the run.
        rooms: u32,
    },
}

/// What a connection does once it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    /// Asks to be told the presence of all in its own room.
    Watch(Seating),
    /// Sends one message of [`LARGE_BYTES`], which means nothing, and is answered.
    Large,
}

/// Bytes of a large message, nearly: the most that servers here take is 64 KiB.
pub const LARGE_BYTES: usize = 60_000;

/// Whether a connection is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// Show me the next message.
    More,
    /// It is in: what it publishes is delivered, what is published is delivered to it.
    Ready,
}

/// What keeps a connection alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeepAlive {
    /// How often.
    pub every: Duration,
    /// What to say.
    pub say: Outgoing,
}
