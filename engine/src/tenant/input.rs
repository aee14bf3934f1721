//! All that can happen to a tenant.

use homeroom_protocol::{
    ConnectionId, DeviceId, Request, RequestId, RoomNumber, Seq, SignalName, Timestamp, UserId,
};

use super::service::ServiceCall;
use crate::{domain::Lane, hub::Generation, identity::Identity};

/// What the runtime tells a tenant. What concerns a connection the tenant does not know (any more)
/// has no effect.
#[derive(Debug, Clone)]
pub enum Input {
    /// A connection is there and its write half is known to the hub. Answered by a
    /// [`Welcome`](homeroom_protocol::ServerFrame::Welcome), or a close.
    Connect {
        /// Unique while the engine runs.
        connection: ConnectionId,
        /// Who is on it.
        identity: Identity,
    },
    /// A client asks; exactly one reply follows, unless the connection ends first.
    Request {
        /// On which connection.
        connection: ConnectionId,
        /// Chosen by the client, comes back in the reply.
        id: RequestId,
        /// What it asks.
        request: Request,
    },
    /// A client signals: told to whoever shows the room, never stored, not answered unless it is refused.
    Signal {
        /// On which connection.
        connection: ConnectionId,
        /// The room.
        room: RoomNumber,
        /// What the app calls it.
        name: SignalName,
        /// Opaque, at most [`SIGNAL_BYTES_MAX`](homeroom_protocol::limit::SIGNAL_BYTES_MAX) bytes.
        body: Vec<u8>,
    },
    /// A connection is gone. Also comes after the tenant itself closed one, and then changes nothing.
    Disconnect {
        /// Which.
        connection: ConnectionId,
        /// How.
        how: Disconnection,
    },
    /// The host extends or shortens a session.
    Renew {
        /// On which connection.
        connection: ConnectionId,
        /// When it now ends; `None`: not by itself. A moment that has passed ends it now.
        expires: Option<Timestamp>,
    },
    /// The host ends sessions: their connections are closed at once.
    Revoke {
        /// Whose.
        whom: Whom,
        /// Of those only the ones below this, which is the next id when the host says so: who comes later has
        /// been let in again. No bound to [one connection](Whom::Connection).
        before: ConnectionId,
    },
    /// An app's back end asks; exactly one answer follows. Never from the wire of clients.
    Service(ServiceCall),
    /// The hub wants the past of a room for a listener that is behind
    /// ([`Need::Page`](crate::hub::Need::Page)).
    Page {
        /// The listener.
        connection: ConnectionId,
        /// The room.
        room: RoomNumber,
        /// The generation to answer under.
        generation: Generation,
        /// The first event wanted.
        from: Seq,
    },
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disconnection {
    /// The client said goodbye: its device is gone.
    Clean,
    /// The socket broke or fell silent: its device may be back in a moment.
    Vanished,
}

/// Whose sessions are revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// One connection.
    Connection(ConnectionId),
    /// All connections of one installation.
    Device {
        /// Whose.
        user: UserId,
        /// Which.
        device: DeviceId,
    },
    /// All connections of a user.
    User(UserId),
}

impl Input {
    /// What one client does happens in its order; what the host or the hub does is not waited for.
    pub(super) const fn lane(&self) -> Option<Lane> {
        match self {
            Self::Connect { connection, .. }
            | Self::Request { connection, .. }
            | Self::Signal { connection, .. }
            | Self::Disconnect { connection, .. }
            | Self::Renew { connection, .. } => Some(Lane(connection.0)),
            // A service that wants an order waits for its answers.
            Self::Revoke { .. } | Self::Service(_) | Self::Page { .. } => None,
        }
    }
}
