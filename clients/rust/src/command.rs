//! What an app asks of the machine, and what it gets back. Rooms go by their ids here: the numbers of
//! the wire belong to a connection, the app to many of them.

use homeroom_protocol::{
    DeviceState, Direction, Draft, Epoch, IdempotencyKey, Mark, Me, Overwrite, OverwriteTarget,
    Permissions, PlacedMark, Position, Reason, Request, ResetReason, Role, RoomEntry, RoomId,
    RoomInfo, RoomNumber, Seq, SignalName, Stream, TimelineEvent, Timestamp, UserId, UserPresence,
    limit,
};

use crate::{event::StopReason, place::Place};

/// Something to be done; exactly one [`Outcome`] follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Makes a room, the asker its first member; does not join it.
    Create {
        /// Makes it safe to retry.
        key: IdempotencyKey,
        /// Its id.
        room: RoomId,
        /// What it is like.
        info: RoomInfo,
        /// Who is a member from the start, besides the asker.
        members: Vec<UserId>,
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
        draft: Draft,
    },
    /// Reads a page of the timeline.
    History {
        /// A joined room.
        room: RoomId,
        /// Which way to go from `anchor`.
        direction: Direction,
        /// Itself in the page only with [`Direction::Around`].
        anchor: Seq,
        /// Most events wanted, 1 ..= [`limit::PAGE_EVENTS_MAX`].
        limit: u32,
        /// Only the replies of the thread with this root.
        thread: Option<Seq>,
    },
    /// Says that the user types, or stopped. Refused while there is no connection.
    Typing {
        /// A joined room.
        room: RoomId,
        /// Whether the user types now.
        active: bool,
        /// In which thread; `None`: in the room itself.
        thread: Option<Seq>,
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
    /// Starts a stream and receives its events.
    OpenStream {
        /// Which.
        stream: Stream,
        /// The last position the app has; `None` to start with what happens next.
        resume: Option<Position>,
    },
    /// Signals something to whoever shows a room now. Done once it is on its way: the server answers
    /// nothing, and the newest of a name wins. Refused while there is no connection.
    Signal {
        /// A joined room.
        room: RoomId,
        /// What the app calls it.
        name: SignalName,
        /// Opaque, at most [`limit::SIGNAL_BYTES_MAX`] bytes.
        body: Vec<u8>,
    },
    /// Any other request of the protocol.
    Ask {
        /// What is joined and the request is about: it goes out in the order of all that is asked of that,
        /// and its number is filled in. `None`: the request is as it is, with the numbers that it has.
        place: Option<Place>,
        /// What is asked.
        request: Request,
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
    Watching(Vec<UserPresence>),
    /// A page of members.
    Members(MembersPage),
    /// How far the user has read.
    Marked(Mark),
    /// A page of readers.
    Readers(ReadersPage),
    /// A page of the user's rooms.
    Rooms(RoomsPage),
    /// What differs in a room.
    Overwrites(Vec<(OverwriteTarget, Overwrite)>),
    /// What the tenant knows of the user.
    Me(Box<Me>),
    /// The tenant's roles.
    Roles(Vec<Role>),
    /// Why somebody may or may not do something.
    Explained(Explanation),
}

/// Where and when a write was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Its place.
    pub position: Position,
    /// Its time, by the server's clock.
    pub time: Timestamp,
}

/// A joined room or stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Its number, by which lists and streams name it: the same for everyone, for ever.
    pub number: RoomNumber,
    /// The first event to come has the seq after this one.
    pub position: Position,
    /// The newest event at that moment.
    pub head: Seq,
    /// Present when the position to resume from was gone: drop what you have.
    pub reset: Option<ResetReason>,
    /// How many members the room has.
    pub members: u32,
    /// What it is like.
    pub info: RoomInfo,
    /// What the user may do there.
    pub permissions: Permissions,
}

/// A page of a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The life of the timeline.
    pub epoch: Epoch,
    /// In the order of their seq.
    pub events: Vec<TimelineEvent>,
    /// Whether there are more in that direction; around an anchor: below.
    pub more: bool,
    /// Whether there are more above, around an anchor.
    pub more_above: bool,
}

/// A page of members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembersPage {
    /// In the order of their bytes.
    pub users: Vec<UserId>,
    /// Whether there are more.
    pub more: bool,
}

/// A page of readers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadersPage {
    /// In the order of their bytes.
    pub users: Vec<UserId>,
    /// Above whom to ask again; `None` when there are no more.
    pub next: Option<UserId>,
}

/// A page of the user's rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomsPage {
    /// In the order of their numbers.
    pub rooms: Vec<RoomEntry>,
    /// Whether there are more.
    pub more: bool,
}

/// Why somebody may or may not do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Whether it is allowed.
    pub allowed: bool,
    /// What counted; the last one decides.
    pub reasons: Vec<Reason>,
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
    #[error("{place} is not joined")]
    NotJoined {
        /// Which.
        place: Place,
    },
    /// The room is joined, or about to be.
    #[error("{place} is joined already")]
    AlreadyJoined {
        /// Which.
        place: Place,
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
pub(crate) const UNKNOWN: RoomNumber = RoomNumber(0);

/// What the machine does about a command.
pub(crate) enum Task {
    /// Joins, and stays joined.
    Join {
        place: Place,
        resume: Option<Position>,
    },
    /// Says something that is not answered.
    Signal {
        room: RoomId,
        name: SignalName,
        body: Vec<u8>,
    },
    /// Asks, and waits for the answer.
    Ask {
        place: Option<Place>,
        request: Request,
    },
}

impl Command {
    /// What is to be done; the number of the room is not yet in the request.
    pub(crate) fn into_task(self) -> Task {
        let of_room = |room: RoomId, request| Task::Ask {
            place: Some(room.into()),
            request,
        };
        let of_connection = |request| Task::Ask {
            place: None,
            request,
        };
        match self {
            Self::Create {
                key,
                room,
                info,
                members,
            } => of_connection(Request::Create {
                key,
                room,
                info,
                members,
            }),
            Self::Join { room, resume }
            | Self::Ask {
                request: Request::Join { room, resume },
                ..
            } => Task::Join {
                place: room.into(),
                resume,
            },
            Self::OpenStream { stream, resume }
            | Self::Ask {
                request: Request::Stream { stream, resume },
                ..
            } => Task::Join {
                place: stream.into(),
                resume,
            },
            Self::Leave { room } => of_room(room, Request::Leave { room: UNKNOWN }),
            Self::Send { key, room, draft } => of_room(
                room,
                Request::Send {
                    key,
                    room: UNKNOWN,
                    draft,
                },
            ),
            Self::History {
                room,
                direction,
                anchor,
                limit,
                thread,
            } => of_room(
                room,
                Request::History {
                    room: UNKNOWN,
                    direction,
                    anchor,
                    limit,
                    thread,
                },
            ),
            Self::Typing {
                room,
                active,
                thread,
            } => of_room(
                room,
                Request::Typing {
                    room: UNKNOWN,
                    active,
                    thread,
                },
            ),
            Self::Signal { room, name, body } => Task::Signal { room, name, body },
            Self::Presence { state } => of_connection(Request::Presence { state }),
            Self::Watch { users } => of_connection(Request::Watch { users }),
            Self::Members { room, after, limit } => of_room(
                room,
                Request::Members {
                    room: UNKNOWN,
                    after,
                    limit,
                },
            ),
            Self::Ask { place, request } => Task::Ask { place, request },
        }
    }

    /// Refuses what no server would take, before it could cost the connection. Of what is asked in the
    /// words of the protocol the server refuses a wrong field, and the machine what is too large.
    pub(crate) fn check(&self) -> Result<(), RequestError> {
        let (field, actual, max) = match self {
            Self::Create { info, .. } => (
                "title",
                info.title.as_ref().map_or(0, String::len),
                limit::ROOM_TITLE_BYTES_MAX,
            ),
            Self::Send { draft, .. } => ("text", draft.text.len(), limit::MESSAGE_TEXT_BYTES_MAX),
            Self::Watch { users } => ("users", users.len(), limit::WATCHED_USERS_MAX),
            Self::Signal { body, .. } => ("body", body.len(), limit::SIGNAL_BYTES_MAX),
            Self::Join { .. }
            | Self::Leave { .. }
            | Self::History { .. }
            | Self::Typing { .. }
            | Self::Presence { .. }
            | Self::OpenStream { .. }
            | Self::Ask { .. }
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
        | Request::Members { room, .. }
        | Request::Edit { room, .. }
        | Request::Delete { room, .. }
        | Request::React { room, .. }
        | Request::Pin { room, .. }
        | Request::Versions { room, .. }
        | Request::Mark(PlacedMark { room, .. })
        | Request::Readers { room, .. }
        | Request::Follow { room, .. }
        | Request::ChangeRoom { room, .. }
        | Request::Moderate { room, .. }
        | Request::Overwrite { room, .. }
        | Request::Overwrites { room }
        | Request::Level { room, .. }
        | Request::Report { room, .. } => *room = number,
        Request::Explain { room, .. } | Request::View { room, .. } => *room = Some(number),
        Request::Create { .. }
        | Request::Join { .. }
        | Request::Presence { .. }
        | Request::Watch { .. }
        | Request::MarkAll { .. }
        | Request::Rooms { .. }
        | Request::Stream { .. }
        | Request::Me
        | Request::Status(_)
        | Request::Block { .. }
        | Request::SetRole(_)
        | Request::RemoveRole { .. }
        | Request::GiveRoles { .. }
        | Request::Roles
        | Request::Policy { .. } => {}
    }
}
