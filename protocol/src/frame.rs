//! All that a client may say and all that a server may say. Names are seen from the server:
//! a request comes in, a push goes out.

use crate::{
    ConnectionId, DeviceId, Epoch, IdempotencyKey, Position, RequestId, RoomId, RoomNumber, Seq,
    TenantName, Timestamp, UserId,
};

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

/// What a client asks for. Each variant names its reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Makes a room, the asker its first member. Reply: [`ServerFrame::Created`].
    Create {
        /// Makes the request safe to retry.
        key: IdempotencyKey,
        /// Its id, chosen by the app.
        room: RoomId,
        /// A name for people.
        title: Option<String>,
    },
    /// Becomes a member, if not yet one, and starts to receive the room's pushes on this connection.
    /// Reply: [`ServerFrame::Joined`].
    Join {
        /// The room.
        room: RoomId,
        /// The last position this client has; `None` to start with what happens next. Only members
        /// resume: others are refused with [`NotMember`](crate::ErrorCode::NotMember).
        resume: Option<Position>,
    },
    /// Ends the membership, on all of the user's connections. Reply: [`ServerFrame::Done`].
    Leave {
        /// The room.
        room: RoomNumber,
    },
    /// Adds a message to the timeline. Reply: [`ServerFrame::Sent`], after the message is on disk.
    Send {
        /// Makes the request safe to retry.
        key: IdempotencyKey,
        /// The room.
        room: RoomNumber,
        /// The message.
        text: String,
    },
    /// Reads a page of the timeline. Reply: [`ServerFrame::Page`].
    History {
        /// The room.
        room: RoomNumber,
        /// Which way to go from `anchor`.
        direction: Direction,
        /// Not itself in the page. With [`Direction::Before`] a number above the head means "from the
        /// newest"; with [`Direction::After`] 0 means "from the oldest".
        anchor: Seq,
        /// Most events wanted, 1 ..= [`PAGE_EVENTS_MAX`](crate::limit::PAGE_EVENTS_MAX).
        limit: u32,
    },
    /// Says that the user types, or stopped; expires by itself. Reply: [`ServerFrame::Done`].
    Typing {
        /// The room.
        room: RoomNumber,
        /// Whether the user types now.
        active: bool,
    },
    /// Sets the state of this device. Reply: [`ServerFrame::Done`].
    Presence {
        /// Its state.
        state: DeviceState,
    },
    /// Replaces the set of users whose presence this connection is told.
    /// Reply: [`ServerFrame::Watching`].
    Watch {
        /// At most [`WATCHED_USERS_MAX`](crate::limit::WATCHED_USERS_MAX); empty to stop.
        users: Vec<UserId>,
    },
    /// Lists the members of a room, by user id. Reply: [`ServerFrame::Members`].
    Members {
        /// The room.
        room: RoomNumber,
        /// Only users above this one, in the order of their bytes.
        after: Option<UserId>,
        /// Most users wanted, 1 ..= [`MEMBERS_PAGE_MAX`](crate::limit::MEMBERS_PAGE_MAX).
        limit: u32,
    },
}

/// Which way a history page goes. Events in a page are always in the order of their `seq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The events just below the anchor.
    Before,
    /// The events just above the anchor.
    After,
}

/// What a device says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceState {
    /// Its user is there.
    Active,
    /// Connected, but its user is elsewhere.
    Idle,
}

/// The sum over a user's live devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// No live device.
    Offline,
    /// At least one device is active.
    Active,
    /// All live devices are idle.
    Idle,
}

/// What a server sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerFrame {
    /// Answers a hello.
    Welcome(Welcome),
    /// Answers a ping.
    Pong {
        /// The ping's number.
        nonce: u64,
        /// The server's clock.
        time: Timestamp,
    },
    /// The request was done; there is nothing more to say.
    Done {
        /// The request.
        id: RequestId,
    },
    /// The request was refused, or, without an id, a frame that was no request.
    Error {
        /// The request; `None` when the frame carried no readable id.
        id: Option<RequestId>,
        /// An [`ErrorCode`](crate::ErrorCode) by number: later versions may send unknown ones.
        code: u16,
        /// When to try again, for codes that say to.
        retry_after_ms: Option<u64>,
        /// For the developer; not for the user, not to be parsed.
        explanation: String,
    },
    /// Answers a create.
    Created {
        /// The request.
        id: RequestId,
        /// The room's number.
        room: RoomNumber,
        /// Where its creation stands: always seq 1.
        position: Position,
        /// When.
        time: Timestamp,
    },
    /// Answers a join; the room's events after `position` follow as pushes, without a gap.
    Joined {
        /// The request.
        id: RequestId,
        /// The room's number: pushes name it by this.
        room: RoomNumber,
        /// The first push has the seq after this one.
        position: Position,
        /// The newest event at this moment.
        head: Seq,
        /// Present when `resume` could not be honoured: drop what you have and start at `position`.
        reset: Option<ResetReason>,
        /// How many members the room has.
        members: u32,
    },
    /// Answers a send: the message is on disk.
    Sent {
        /// The request.
        id: RequestId,
        /// Its place.
        position: Position,
        /// Its time; never lower than that of the event before it.
        time: Timestamp,
    },
    /// Answers a history request.
    Page {
        /// The request.
        id: RequestId,
        /// The room.
        room: RoomNumber,
        /// The life of the timeline.
        epoch: Epoch,
        /// In the order of their seq.
        events: Vec<TimelineEvent>,
        /// Whether there are more in that direction.
        more: bool,
    },
    /// Answers a watch: the state of each user that may be seen, at this moment.
    Watching {
        /// The request.
        id: RequestId,
        /// User and state.
        users: Vec<(UserId, Presence)>,
    },
    /// Answers a members request.
    Members {
        /// The request.
        id: RequestId,
        /// The room.
        room: RoomNumber,
        /// In the order of their bytes.
        users: Vec<UserId>,
        /// Whether there are more.
        more: bool,
    },
    /// Something happened in a room.
    Event {
        /// The room.
        room: RoomNumber,
        /// The life of the timeline.
        epoch: Epoch,
        /// What happened.
        event: TimelineEvent,
    },
    /// Who types in a room now: replaces what was said before.
    Typing {
        /// The room.
        room: RoomNumber,
        /// At most [`TYPING_USERS_MAX`](crate::limit::TYPING_USERS_MAX).
        users: Vec<UserId>,
        /// How many type, named or not.
        count: u32,
    },
    /// Watched users changed.
    Presence {
        /// User and new state.
        users: Vec<(UserId, Presence)>,
    },
    /// The stream of a room broke off and starts anew: drop what you have.
    Reset {
        /// The room.
        room: RoomNumber,
        /// The next push has the seq after this one.
        position: Position,
        /// Why.
        reason: ResetReason,
    },
    /// This connection receives no more pushes of a room.
    Removed {
        /// The room.
        room: RoomNumber,
        /// Why.
        reason: RemovedReason,
    },
    /// Signals were not delivered because this client reads too slowly.
    Dropped {
        /// How many since the last time.
        signals: u64,
    },
    /// The last frame of a connection.
    Bye {
        /// A [`CloseCode`](crate::CloseCode) by number.
        code: u16,
        /// How long to wait before reconnecting, where the code's range says to; `None`: no time is named.
        reconnect_after_ms: Option<u64>,
        /// For the developer.
        explanation: String,
    },
}

/// Answers a hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// The version both will speak.
    pub version: u32,
    /// The capabilities both know.
    pub capabilities: Vec<String>,
    /// The tenant entered.
    pub tenant: TenantName,
    /// Who the server takes the client for.
    pub user: UserId,
    /// This connection.
    pub connection: ConnectionId,
    /// The server's clock.
    pub time: Timestamp,
    /// Say something at least this often, in ms; anything counts.
    pub heartbeat_ms: u64,
    /// Largest WebSocket message the server takes, in bytes.
    pub message_bytes_max: u64,
    /// Most requests that may wait for their reply at once.
    pub requests_in_flight_max: u32,
    /// When the session ends unless renewed.
    pub expires: Option<Timestamp>,
}

/// A durable fact of a room's timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEvent {
    /// Its place.
    pub seq: Seq,
    /// When; never decreases in a room.
    pub time: Timestamp,
    /// Who did it.
    pub author: UserId,
    /// What it is.
    pub body: EventBody,
}

/// What happened in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventBody {
    /// The room was made; its author is its first member, unless it is a service.
    RoomCreated {
        /// A name for people.
        title: Option<String>,
    },
    /// The author became a member.
    MemberJoined,
    /// The author's membership ended.
    MemberLeft,
    /// The author made somebody a member.
    MemberAdded {
        /// Whom.
        member: UserId,
    },
    /// The author ended somebody's membership.
    MemberRemoved {
        /// Whose.
        member: UserId,
    },
    /// The author said something.
    Message {
        /// What.
        text: String,
    },
    /// An event of a later version: keep its seq, show nothing.
    Unknown {
        /// Its number.
        kind: u32,
    },
}

/// Why a resume could not be honoured or a stream broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetReason {
    /// The room lives a new life: the client's epoch is gone.
    EpochChanged,
    /// The position is older than what is kept.
    Trimmed,
    /// The position is above the newest event: it was never given out by this timeline.
    Ahead,
    /// The stored events between could not be read.
    Unreadable,
}

/// Why a connection no longer receives a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovedReason {
    /// The user left, perhaps on another device.
    Left,
    /// Somebody else ended the user's membership.
    Removed,
}
