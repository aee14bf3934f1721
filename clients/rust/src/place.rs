//! What a client joins: rooms, by the ids that the app chose, and the streams that have none.

use std::fmt;

use homeroom_protocol::{RoomId, Stream};

/// A timeline that is joined.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// A room.
    Room(RoomId),
    /// A stream: the user's own, or what was reported.
    Stream(Stream),
}

impl From<RoomId> for Place {
    fn from(room: RoomId) -> Self {
        Self::Room(room)
    }
}

impl From<Stream> for Place {
    fn from(stream: Stream) -> Self {
        Self::Stream(stream)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Room(room) => write!(f, "room {room}"),
            Self::Stream(Stream::Personal) => f.write_str("the user's stream"),
            Self::Stream(Stream::Reports) => f.write_str("the stream of reports"),
        }
    }
}
