//! What an app asks of the machine, and what it gets back. Rooms go by their ids here: the numbers of
//! the wire belong to a connection, the app to many of them.

use homeroom_protocol::{
    DeviceState, Direction, Epoch, IdempotencyKey, Position, Presence, Request, ResetReason,
    RoomId, RoomNumber, Seq, TimelineEvent, Timestamp, UserId, limit,
};

use crate::event::StopReason;

/// Something to be done; exactly one [`Outcome`] follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Makes a room, the asker its first member; does not join it.
    Create {
        /// Makes it safe to retry.
        key: IdempotencyKey,
        /// Its id.
        room: RoomId,
        /// A name for people.
        title: Option<String>,
    },
    /// Becomes a member and receives the room's events, until [`Command::Leave`].
    Join {
        /// The room.
        room: RoomId,
        /// The last position the app has; `None` to start with what happens next.
        resume: Option<Position>,
    },
    /// Ends the membership.
    Leave {
        /// A joined room.
        room: RoomId,
    },
    /// Adds a message to the timeline.
    Send {
        /// Makes it safe to retry.
        key: IdempotencyKey,
        /// A joined room.
        room: RoomId,
        /// The message.
        text: String,
    },
    /// Reads a page of the timeline.
    History {
        /// A joined room.
        room: RoomId,
        /// Which way to go from `anchor`.
        direction: Direction,
        /// Not itself in the page.
        anchor: Seq,
        /// Most events wanted, 1 ..= [`limit::PAGE_EVENTS_MAX`].
        limit: u32,
    },
    /// Says that the user types, or stopped. Refused while there is no connection.
    Typing {
        /// A joined room.
        room: RoomId,
        /// Whether the user types now.
        active: bool,
    },
    /// Sets the state of this device; kept up across reconnects.
    Presence {
        /// Its state.
        state: DeviceState,
    },
    /// Replaces the watched users; kept up across reconnects.
    Watch {
        /// At most [`limit::WATCHED_USERS_MAX`].
        users: Vec<UserId>,
    },
    /// Lists the members of a room.
    Members {
        /// A joined room.
        room: RoomId,
        /// Only users above this one.
        after: Option<UserId>,
        /// Most users wanted, 1 ..= [`limit::MEMBERS_PAGE_MAX`].
        limit: u32,
    },
}

/// How a command ended.
pub type Outcome = Result<Answer, RequestError>;

/// What the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was done; there is nothing more to say.
    Done,
    /// The room was made.
    Created(Sent),
    /// The room is joined.
    Joined(Joined),
    /// The message is on disk.
    Sent(Sent),
    /// A page of the timeline.
    Page(Page),
    /// The state of each watched user that may be seen.
    Watching(Vec<(UserId, Presence)>),
    /// A page of members.
    Members(MembersPage),
}

/// Where and when a write was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Its place.
    pub position: Position,
    /// Its time, by the server's clock.
    pub time: Timestamp,
}

/// A joined room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joined {
    /// The first event to come has the seq after this one.
    pub position: Position,
    /// The newest event at that moment.
    pub head: Seq,
    /// Present when the position to resume from was gone: drop what you have.
    pub reset: Option<ResetReason>,
    /// How many members the room has.
    pub members: u32,
}

/// A page of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The life of the timeline.
    pub epoch: Epoch,
    /// In the order of their seq.
    pub events: Vec<TimelineEvent>,
    /// Whether there are more in that direction.
    pub more: bool,
}

/// A page of members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembersPage {
    /// In the order of their bytes.
    pub users: Vec<UserId>,
    /// Whether there are more.
    pub more: bool,
}

/// Why a command was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The server refused: asking the same again is pointless.
    #[error("refused: {explanation} ({code})")]
    Refused {
        /// An [`ErrorCode`](homeroom_protocol::ErrorCode) by number.
        code: u16,
        /// For the developer.
        explanation: String,
    },
    /// Too many commands wait already: await some of them first.
    #[error("{max} requests wait already")]
    QueueFull {
        /// The limit.
        max: usize,
    },
    /// Too many rooms are joined already.
    #[error("{max} rooms are joined already")]
    TooManyRooms {
        /// The limit.
        max: usize,
    },
    /// The room is not joined: join it first.
    #[error("room {room} is not joined")]
    NotJoined {
        /// Which.
        room: RoomId,
    },
    /// The room is joined, or about to be.
    #[error("room {room} is joined already")]
    AlreadyJoined {
        /// Which.
        room: RoomId,
    },
    /// A field is longer than the protocol allows.
    #[error("{field} has a length of {actual}, the limit is {max}")]
    TooLong {
        /// Which.
        field: &'static str,
        /// Its length, in bytes of a text or elements of a list.
        actual: usize,
        /// The limit.
        max: usize,
    },
    /// There is no connection, and this command makes no sense later.
    #[error("there is no connection")]
    Disconnected,
    /// The reply could not be read: whether the request was done is not known.
    #[error("the reply cannot be read")]
    Unreadable,
    /// The client ended first: whether the request was done is not known.
    #[error("the client ended: {0}")]
    Stopped(StopReason),
}

/// A number that will be filled in when the request is written.
const UNKNOWN: RoomNumber = RoomNumber(0);

impl Command {
    /// The joined room this is about, and the request without its number. Joins are the rooms' own.
    pub(crate) fn into_request(self) -> (Option<RoomId>, Request) {
        match self {
            Self::Create { key, room, title } => (None, Request::Create { key, room, title }),
            Self::Join { room, resume } => (None, Request::Join { room, resume }),
            Self::Leave { room } => (Some(room), Request::Leave { room: UNKNOWN }),
            Self::Send { key, room, text } => (
                Some(room),
                Request::Send {
                    key,
                    room: UNKNOWN,
                    text,
                },
            ),
            Self::History {
                room,
                direction,
                anchor,
                limit,
            } => (
                Some(room),
                Request::History {
                    room: UNKNOWN,
                    direction,
                    anchor,
                    limit,
                },
            ),
            Self::Typing { room, active } => (
                Some(room),
                Request::Typing {
                    room: UNKNOWN,
                    active,
                },
            ),
            Self::Presence { state } => (None, Request::Presence { state }),
            Self::Watch { users } => (None, Request::Watch { users }),
            Self::Members { room, after, limit } => (
                Some(room),
                Request::Members {
                    room: UNKNOWN,
                    after,
                    limit,
                },
            ),
        }
    }

    /// Refuses what no server would take, before it could cost the connection.
    pub(crate) fn check(&self) -> Result<(), RequestError> {
        let (field, actual, max) = match self {
            Self::Create { title, .. } => (
                "title",
                title.as_ref().map_or(0, String::len),
                limit::ROOM_TITLE_BYTES_MAX,
            ),
            Self::Send { text, .. } => ("text", text.len(), limit::MESSAGE_TEXT_BYTES_MAX),
            Self::Watch { users } => ("users", users.len(), limit::WATCHED_USERS_MAX),
            Self::Join { .. }
            | Self::Leave { .. }
            | Self::History { .. }
            | Self::Typing { .. }
            | Self::Presence { .. }
            | Self::Members { .. } => return Ok(()),
        };
        if actual > max {
            return Err(RequestError::TooLong { field, actual, max });
        }
        Ok(())
    }
}

/// Names the room of a request by its number on this connection.
pub(crate) const fn address(request: &mut Request, number: RoomNumber) {
    match request {
        Request::Leave { room }
        | Request::Send { room, .. }
        | Request::History { room, .. }
        | Request::Typing { room, .. }
        | Request::Members { room, .. } => *room = number,
        Request::Create { .. }
        | Request::Join { .. }
        | Request::Presence { .. }
        | Request::Watch { .. } => {}
    }
}
