//! What a server may say.

use super::TimelineEvent;
use crate::{
    ConnectionId, Epoch, Mark, Me, Overwrite, OverwriteTarget, Permissions, Position, Reason,
    RequestId, Role, RoomEntry, RoomInfo, RoomNumber, Seq, SignalName, TenantName, Timestamp,
    UserId, UserPresence,
};

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
        /// What it is like.
        info: RoomInfo,
        /// What the asker may do there.
        permissions: Permissions,
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
        /// Whether there are more in that direction; around an anchor: below.
        more: bool,
        /// Whether there are more above, around an anchor; else `false`.
        more_above: bool,
    },
    /// Answers a watch: the state of each user that may be seen, at this moment.
    Watching {
        /// The request.
        id: RequestId,
        /// How they are.
        users: Vec<UserPresence>,
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
    /// Answers a mark: how far it is now.
    Marked {
        /// The request.
        id: RequestId,
        /// The mark after merging.
        mark: Mark,
    },
    /// Answers a request for readers.
    Readers {
        /// The request.
        id: RequestId,
        /// The room.
        room: RoomNumber,
        /// In the order of their bytes.
        users: Vec<UserId>,
        /// Whether to ask again, above the last of them, or above `after` when there are none.
        more: bool,
        /// What to ask again above; users who do not show their marks are passed over.
        after: Option<UserId>,
    },
    /// Answers a request for rooms.
    Rooms {
        /// The request.
        id: RequestId,
        /// In the order of their numbers.
        rooms: Vec<RoomEntry>,
        /// Whether there are more.
        more: bool,
    },
    /// Answers a request for overwrites.
    Overwrites {
        /// The request.
        id: RequestId,
        /// The room.
        room: RoomNumber,
        /// All of them.
        overwrites: Vec<(OverwriteTarget, Overwrite)>,
    },
    /// Answers a request for what the tenant knows of the user.
    Me {
        /// The request.
        id: RequestId,
        /// What.
        me: Box<Me>,
    },
    /// Answers a request for roles.
    Roles {
        /// The request.
        id: RequestId,
        /// In the order of their numbers, everyone first.
        roles: Vec<Role>,
    },
    /// Answers a request for an explanation.
    Explained {
        /// The request.
        id: RequestId,
        /// Whether it is allowed.
        allowed: bool,
        /// Why; the last one decides.
        reasons: Vec<Reason>,
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
        /// In which thread; `None`: in the room itself.
        thread: Option<Seq>,
    },
    /// Watched users changed.
    Presence {
        /// How they are now.
        users: Vec<UserPresence>,
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
    /// Changes of membership in a large room, which are not told one by one: they took these places of the
    /// timeline, and the next event push has the seq after `to`.
    Passed {
        /// The room.
        room: RoomNumber,
        /// The life of the timeline.
        epoch: Epoch,
        /// The first of them.
        from: Seq,
        /// The last of them.
        to: Seq,
        /// How many members the room has now.
        members: u32,
    },
    /// What was signalled in a room since the last time: the newest of each sender and name.
    Signals {
        /// The room.
        room: RoomNumber,
        /// At most [`SIGNALS_PER_PUSH_MAX`](crate::limit::SIGNALS_PER_PUSH_MAX).
        signals: Vec<Signal>,
    },
    /// Who is there in a room, of those who show it.
    Occupancy {
        /// The room.
        room: RoomNumber,
        /// How many users are there.
        count: u32,
        /// What changed; `None` in rooms where too many are to name them.
        change: Option<OccupancyChange>,
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

/// One signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// Who.
    pub user: UserId,
    /// What the app calls it.
    pub name: SignalName,
    /// Opaque.
    pub body: Vec<u8>,
}

/// How the users of a room changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OccupancyChange {
    /// Whether `came` is everybody: what was known before is to be forgotten.
    pub all: bool,
    /// Who is there now.
    pub came: Vec<UserId>,
    /// Who is no more.
    pub went: Vec<UserId>,
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
    /// The room keeps nothing, so what was missed is lost.
    NotKept,
}

/// Why a connection no longer receives a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovedReason {
    /// The user left, perhaps on another device.
    Left,
    /// Somebody else ended the user's membership.
    Removed,
    /// The user was banned.
    Banned,
    /// The user may see the room no more.
    Hidden,
}
