//! What the app is told, in the order in which it happened.

use homeroom_protocol::{
    FrameError, OccupancyChange, Position, ResetReason, RoomId, ScanError, Seq, Signal, Stream,
    TimelineEvent, UserId, UserPresence,
};

use crate::place::Place;

/// Something the app should know. The events of a room come in the order of their `seq`, each once,
/// across reconnects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The server knows this client. Joined rooms follow up by themselves.
    Connected {
        /// Whether this client was connected before.
        resumed: bool,
        /// Who the server takes it for.
        user: UserId,
    },
    /// The connection, or the attempt at one, ended.
    Disconnected {
        /// Why.
        why: Lost,
        /// When it is tried again; `None`: not by itself, another event says what is needed.
        retry_in_ms: Option<u64>,
    },
    /// The server wants another proof: nothing is tried until `authenticate` is called.
    AuthenticationNeeded {
        /// A close or error code of the protocol.
        code: u16,
        /// For the developer.
        explanation: String,
    },
    /// Something happened in a room, for ever.
    Timeline {
        /// The room.
        room: RoomId,
        /// Its place: what to keep, once it is handled, to resume after a restart of the app.
        position: Position,
        /// What happened.
        event: TimelineEvent,
    },
    /// Who types in a room now: replaces what was said before.
    Typing {
        /// The room.
        room: RoomId,
        /// Some of them.
        users: Vec<UserId>,
        /// How many they are, named or not.
        count: u32,
        /// In which thread; `None`: in the room itself.
        thread: Option<Seq>,
    },
    /// The state of watched users, at first and when it changes.
    Presence {
        /// How they are now.
        users: Vec<UserPresence>,
    },
    /// Changes of membership in a large room, which are not told one by one.
    Passed {
        /// The room.
        room: RoomId,
        /// Where the last of them stands: as with [`Self::Timeline`], what to keep.
        position: Position,
        /// How many members the room has now.
        members: u32,
    },
    /// What was signalled in a room since the last time: the newest of each sender and name.
    Signals {
        /// The room.
        room: RoomId,
        /// Who, what and how.
        signals: Vec<Signal>,
    },
    /// Who is there in a room, of those who show it.
    Occupancy {
        /// The room.
        room: RoomId,
        /// How many users are there.
        count: u32,
        /// What changed; `None` in rooms where too many are to name them.
        change: Option<OccupancyChange>,
    },
    /// Something happened on a stream, for ever.
    Stream {
        /// Which.
        stream: Stream,
        /// Its place: what to keep, once it is handled, to resume after a restart of the app.
        position: Position,
        /// What happened.
        event: TimelineEvent,
    },
    /// A stream broke off and starts anew: ask for the rooms and for what concerns the user again.
    StreamReset {
        /// Which.
        stream: Stream,
        /// The next event has the seq after this one.
        position: Position,
        /// Why.
        reason: ResetReason,
    },
    /// A stream is no longer open.
    StreamEnded {
        /// Which.
        stream: Stream,
        /// Why.
        why: Removal,
    },
    /// The stream of a room broke off and starts anew: drop what you have, and read the history.
    Reset {
        /// The room.
        room: RoomId,
        /// The next event has the seq after this one.
        position: Position,
        /// Why.
        reason: ResetReason,
    },
    /// The room is no longer joined.
    Removed {
        /// The room.
        room: RoomId,
        /// Why.
        why: Removal,
    },
    /// Signals (typing, presence, occupancy and those of apps) were lost because this client reads too slowly.
    Dropped {
        /// How many.
        signals: u64,
    },
    /// The last event: the client ended and does not come back.
    Stopped {
        /// Why.
        why: StopReason,
    },
}

/// Why a room is no longer joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// The user left, here or on another device.
    Left,
    /// Somebody else ended the membership.
    Removed,
    /// The user was banned.
    Banned,
    /// The user may see it no more.
    Hidden,
    /// The server refused to let the client back in after a reconnect.
    Refused {
        /// An error code of the protocol.
        code: u16,
        /// For the developer.
        explanation: String,
    },
}

/// Why a connection, or an attempt at one, ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// No connection could be made, or it broke.
    #[error("{0}")]
    Socket(String),
    /// No connection was made in time.
    #[error("no connection within {after_ms} ms")]
    ConnectTimedOut {
        /// How long it was tried.
        after_ms: u64,
    },
    /// The server did not welcome this client in time.
    #[error("no welcome within {after_ms} ms")]
    WelcomeTimedOut {
        /// How long it was waited for.
        after_ms: u64,
    },
    /// Nothing came from the server, not even the answer to a ping.
    #[error("nothing heard for {after_ms} ms")]
    Silent {
        /// For how long.
        after_ms: u64,
    },
    /// The server said goodbye, or closed the socket with a code.
    #[error("the server closed the connection: {explanation} ({code})")]
    Closed {
        /// A close code of the protocol, or one of WebSocket.
        code: u16,
        /// For the developer.
        explanation: String,
    },
    /// The server refused a frame that was no request, or the hello.
    #[error("the server refused: {explanation} ({code})")]
    Refused {
        /// An error code of the protocol.
        code: u16,
        /// For the developer.
        explanation: String,
    },
    /// The server broke the protocol.
    #[error("the server broke the protocol: {0}")]
    Protocol(Violation),
}

/// What a server must not do. The client reconnects and resumes, so that the app sees none of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A message is no sequence of frames.
    #[error("{0}")]
    Message(#[from] ScanError),
    /// A frame cannot be read.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// A text message; the protocol has none.
    #[error("a text message")]
    Text,
    /// An event of a room is not the next one: a gap or a repeat.
    #[error("{place}: seq {} came after {}", got.0, after.0)]
    NotDense {
        /// Of what.
        place: Place,
        /// The last one.
        after: Seq,
        /// The one that came.
        got: Seq,
    },
    /// An event of a room is of another life of the timeline, without a reset.
    #[error("{place}: the epoch changed without a reset")]
    EpochChanged {
        /// Of what.
        place: Place,
    },
    /// A resumed room does not continue where this client was.
    #[error("{place}: resumed at seq {} instead of {}", got.0, wanted.0)]
    ResumedElsewhere {
        /// Of what.
        place: Place,
        /// Where this client was.
        wanted: Seq,
        /// Where the server goes on.
        got: Seq,
    },
    /// Two rooms have the same number.
    #[error("{one} and {other} have the same number")]
    NumberShared {
        /// One.
        one: Place,
        /// The other.
        other: Place,
    },
    /// A frame that cannot come at this point: a second welcome, a reply of the wrong kind.
    #[error("an unexpected frame")]
    Unexpected,
}

/// Why a client ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StopReason {
    /// The app closed it.
    #[error("closed")]
    Closed,
    /// The server told it not to come back.
    #[error("the server said to stop: {explanation} ({code})")]
    Refused {
        /// A close or error code of the protocol.
        code: u16,
        /// For the developer.
        explanation: String,
    },
    /// What answers at the address is no Homeroom server.
    #[error("no Homeroom server: {explanation}")]
    NoServer {
        /// What it answered.
        explanation: String,
    },
    /// The server speaks another version.
    #[error("the server speaks version {version}")]
    UnsupportedVersion {
        /// Which.
        version: u32,
    },
    /// After a reconnect the server takes the client for someone else. Keys belong to their user, so
    /// going on could store a message twice.
    #[error("the server takes this client for {now} instead of {before}")]
    UserChanged {
        /// Who it was.
        before: UserId,
        /// Who it would be.
        now: UserId,
    },
}
