//! What a client may say.

use super::Request;
use crate::{DeviceId, RequestId, RoomNumber, SignalName, TenantName, UserId};

/// What a client sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientFrame {
    /// The first frame: who is there and what it speaks.
    Hello(Hello),
    /// Asks for a pong with the same number; also keeps the connection alive.
    Ping {
        /// Comes back in the pong.
        nonce: u64,
    },
    /// A signal to whoever shows a room now: a cursor, a slider. Not answered, never stored; the newest of
    /// a sender and name wins.
    Signal {
        /// The room.
        room: RoomNumber,
        /// What the app calls it.
        name: SignalName,
        /// Opaque, at most [`SIGNAL_BYTES_MAX`](crate::limit::SIGNAL_BYTES_MAX) bytes.
        body: Vec<u8>,
    },
    /// Something to be done; exactly one reply or error with the same id follows.
    Request {
        /// Chosen by the client.
        id: RequestId,
        /// What is asked.
        request: Request,
    },
}

/// The first frame of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Highest version of the protocol the client speaks.
    pub version: u32,
    /// Optional parts of the protocol the client understands.
    pub capabilities: Vec<String>,
    /// The tenant to enter.
    pub tenant: TenantName,
    /// Who it is.
    pub auth: Auth,
    /// Which installation it is; the same across reconnects.
    pub device: DeviceId,
}

/// How a client says who it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Auth {
    /// A name without a proof; refused unless the host allows guests.
    Guest {
        /// Becomes the user id.
        name: UserId,
    },
    /// A token whose meaning is the host's; opaque here.
    Token(String),
}

impl std::fmt::Debug for Auth {
    /// Tokens are secrets: they never reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Guest { name } => f.debug_struct("Guest").field("name", name).finish(),
            Self::Token(_) => f.write_str("Token(…)"),
        }
    }
}
