//! All that a client may say and all that a server may say. Names are seen from the server:
//! a request comes in, a push goes out.

use crate::{
    ConnectionId, DeviceId, Draft, Emoji, Epoch, IdempotencyKey, Mark, Measure, Message,
    NotificationLevel, Overwrite, OverwriteTarget, Permission, Permissions, PlaceChange,
    PlacedMark, Position, Reaction, Reason, RequestId, Role, RoleId, RoomChange, RoomEntry, RoomId,
    RoomInfo, RoomNumber, Seq, SignalName, Status, TenantName, ThreadSummary, Timestamp, UserId,
    UserPresence,
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

/// What a client asks for. Each variant names its reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Makes a room, the asker its first member. Reply: [`ServerFrame::Created`].
    Create {
        /// Makes the request safe to retry.
        key: IdempotencyKey,
        /// Its id, chosen by the app.
        room: RoomId,
        /// What it is like.
        info: RoomInfo,
        /// Who is a member from the start, besides the asker: direct rooms need them, of others only
        /// [`Permission::Add`](crate::Permission::Add) may name any. At most
        /// [`FIRST_MEMBERS_MAX`](crate::limit::FIRST_MEMBERS_MAX).
        members: Vec<UserId>,
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
        draft: Draft,
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
        /// Only the replies of the thread with this root.
        thread: Option<Seq>,
    },
    /// Says that the user types, or stopped; expires by itself. Reply: [`ServerFrame::Done`].
    Typing {
        /// The room.
        room: RoomNumber,
        /// Whether the user types now.
        active: bool,
        /// In which thread; `None`: in the room itself.
        thread: Option<Seq>,
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
    /// Puts other content in the place of a message of one's own; earlier versions are kept.
    /// Reply: [`ServerFrame::Sent`], as to all requests with a key but a create.
    Edit {
        /// Makes the request safe to retry.
        key: IdempotencyKey,
        /// The room.
        room: RoomNumber,
        /// The message.
        target: Seq,
        /// The new content; its thread, what it answers and whether it is quiet stay as they were.
        draft: Draft,
    },
    /// Takes back a message: of one's own, or anybody's with
    /// [`Permission::DeleteAny`](crate::Permission::DeleteAny). Its seq stays.
    Delete {
        /// Makes the request safe to retry.
        key: IdempotencyKey,
        /// The room.
        room: RoomNumber,
        /// The message.
        target: Seq,
    },
    /// Adds or takes back the asker's reaction to a message; asking for what is so already changes nothing,
    /// and is answered with the place of the message.
    React {
        /// Makes the request safe to retry.
        key: IdempotencyKey,
        /// The room.
        room: RoomNumber,
        /// The message.
        target: Seq,
        /// With what.
        emoji: Emoji,
        /// Whether it is there from now on.
        on: bool,
    },
    /// Pins a message, or takes the pin away.
    Pin {
        /// Makes the request safe to retry.
        key: IdempotencyKey,
        /// The room.
        room: RoomNumber,
        /// The message.
        target: Seq,
        /// Whether it is pinned from now on.
        on: bool,
    },
    /// Reads the versions of a message of one's own, or anybody's with
    /// [`Permission::DeleteAny`](crate::Permission::DeleteAny). Reply: [`ServerFrame::Page`]: the message as
    /// it was sent, then its edits. What was deleted has none.
    Versions {
        /// The room.
        room: RoomNumber,
        /// The message.
        target: Seq,
    },
    /// Says how far the user has read; merged by maximum. Reply: [`ServerFrame::Marked`].
    Mark(PlacedMark),
    /// Marks rooms as read up to their heads, in one write. Reply: [`ServerFrame::Done`].
    MarkAll {
        /// These, at most [`MARKED_ROOMS_MAX`](crate::limit::MARKED_ROOMS_MAX); `None`: all of the user's.
        rooms: Option<Vec<RoomNumber>>,
    },
    /// Who has read up to an event, of those who show it. Reply: [`ServerFrame::Readers`].
    Readers {
        /// The room.
        room: RoomNumber,
        /// The event.
        seq: Seq,
        /// Only users above this one, in the order of their bytes.
        after: Option<UserId>,
        /// Most users wanted, 1 ..= [`MEMBERS_PAGE_MAX`](crate::limit::MEMBERS_PAGE_MAX).
        limit: u32,
    },
    /// Follows a thread, or does so no more. Reply: [`ServerFrame::Done`].
    Follow {
        /// The room.
        room: RoomNumber,
        /// The root of the thread.
        thread: Seq,
        /// Whether it is followed from now on.
        on: bool,
    },
    /// Lists the user's rooms, by number, with heads and counts: those they are a member of, and those they
    /// are invited to. Reply: [`ServerFrame::Rooms`].
    Rooms {
        /// Only rooms above this one.
        after: Option<RoomNumber>,
        /// Most rooms wanted, 1 ..= [`ROOMS_PAGE_MAX`](crate::limit::ROOMS_PAGE_MAX).
        limit: u32,
    },
    /// Changes what a room is like.
    ChangeRoom {
        /// Makes the request safe to retry.
        key: IdempotencyKey,
        /// The room.
        room: RoomNumber,
        /// 1 ..= [`ROOM_CHANGES_MAX`](crate::limit::ROOM_CHANGES_MAX).
        changes: Vec<RoomChange>,
    },
    /// Does something about somebody's place in a room; what is so already changes nothing, and is answered
    /// with the room's newest position.
    Moderate {
        /// Makes the request safe to retry.
        key: IdempotencyKey,
        /// The room.
        room: RoomNumber,
        /// Whose.
        user: UserId,
        /// What.
        measure: Measure,
        /// When a ban or mute ends by itself; `None`: it does not.
        until: Option<Timestamp>,
        /// Why, for those who read it later, at most
        /// [`REASON_BYTES_MAX`](crate::limit::REASON_BYTES_MAX) bytes.
        reason: Option<String>,
    },
    /// Sets what differs in one room for a role or a user; both sets empty: nothing.
    Overwrite {
        /// Makes the request safe to retry.
        key: IdempotencyKey,
        /// The room.
        room: RoomNumber,
        /// Whom it is for.
        target: OverwriteTarget,
        /// What differs.
        overwrite: Overwrite,
    },
    /// Lists a room's overwrites. Reply: [`ServerFrame::Overwrites`].
    Overwrites {
        /// The room.
        room: RoomNumber,
    },
    /// Sets how loud a room is for the user. Reply: [`ServerFrame::Done`].
    Level {
        /// The room.
        room: RoomNumber,
        /// How loud.
        level: NotificationLevel,
    },
    /// Shows a message to those who moderate, as it is now: deleting it later does not take that back.
    Report {
        /// Makes the request safe to retry.
        key: IdempotencyKey,
        /// The room.
        room: RoomNumber,
        /// The message.
        target: Seq,
        /// What is wrong with it, at most [`REASON_BYTES_MAX`](crate::limit::REASON_BYTES_MAX) bytes.
        reason: String,
    },
    /// Starts the pushes of a timeline that has no id of its own. Reply: [`ServerFrame::Joined`].
    Stream {
        /// Which.
        stream: Stream,
        /// As in a join.
        resume: Option<Position>,
    },
    /// What the tenant knows of the user. Reply: [`ServerFrame::Me`].
    Me,
    /// Sets what others see of the user. Reply: [`ServerFrame::Done`].
    Status(Status),
    /// Blocks a user, or does so no more. Reply: [`ServerFrame::Done`].
    Block {
        /// Whom.
        user: UserId,
        /// Whether they are blocked from now on.
        on: bool,
    },
    /// Makes a role, or changes it. Reply: [`ServerFrame::Done`].
    SetRole(Role),
    /// Takes a role away, from all who have it. Reply: [`ServerFrame::Done`].
    RemoveRole {
        /// Which; not everyone.
        role: RoleId,
    },
    /// Sets the roles of a user, besides everyone. Reply: [`ServerFrame::Done`].
    GiveRoles {
        /// Whose.
        user: UserId,
        /// At most [`ROLES_PER_USER_MAX`](crate::limit::ROLES_PER_USER_MAX).
        roles: Vec<RoleId>,
    },
    /// Lists the tenant's roles. Reply: [`ServerFrame::Roles`].
    Roles,
    /// Sets who may not write to whom in direct rooms, and not invite them. Reply: [`ServerFrame::Done`].
    Policy {
        /// Who has the first role may not write to who has the second; at most
        /// [`POLICY_PAIRS_MAX`](crate::limit::POLICY_PAIRS_MAX).
        apart: Vec<(RoleId, RoleId)>,
    },
    /// Why somebody may or may not do something. Reply: [`ServerFrame::Explained`].
    Explain {
        /// Where; `None`: in the tenant.
        room: Option<RoomNumber>,
        /// Who; `None`: the asker. Asking about others needs
        /// [`Permission::ManageOverwrites`](crate::Permission::ManageOverwrites) there, or
        /// [`Permission::ManageRoles`](crate::Permission::ManageRoles).
        user: Option<UserId>,
        /// What.
        permission: Permission,
    },
    /// Says what this connection shows now: typing, signals and occupancy come of that alone. Before it is
    /// first said, a connection shows every room it joined. Reply: [`ServerFrame::Done`].
    View {
        /// The room; `None`: none.
        room: Option<RoomNumber>,
        /// A thread that is shown beside it.
        thread: Option<Seq>,
    },
}

/// A timeline that is found without an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// The user's own: marks, settings, invitations, removals.
    Personal,
    /// What was reported, for those with [`Permission::Moderate`](crate::Permission::Moderate).
    Reports,
}

/// Which way a history page goes. Events in a page are always in the order of their `seq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The events just below the anchor.
    Before,
    /// The events just above the anchor.
    After,
    /// The anchor and those on both sides of it, about half of the limit below.
    Around,
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
    /// The user said that they are away.
    Away,
    /// The user said that they are not to be disturbed.
    Busy,
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

/// What a tenant knows of a user, for that user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Me {
    /// What others see.
    pub status: Status,
    /// Their roles, besides everyone.
    pub roles: Vec<RoleId>,
    /// What they may do in the tenant.
    pub permissions: Permissions,
    /// Whom they blocked.
    pub blocked: Vec<UserId>,
    /// The threads they follow.
    pub threads: Vec<FollowedThread>,
    /// The newest position of their stream, none when it never began.
    pub stream: Option<Position>,
}

/// A followed thread, and how far it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowedThread {
    /// The room.
    pub room: RoomNumber,
    /// The root.
    pub thread: Seq,
    /// How far it was read.
    pub mark: Mark,
    /// Countable replies above the mark.
    pub unread: u32,
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
        /// Its id; `None` from a server that does not say it.
        id: Option<RoomId>,
        /// What it is like.
        info: RoomInfo,
        /// Who else is a member from the start.
        members: Vec<UserId>,
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
    /// The author changed what the room is like.
    RoomChanged {
        /// How.
        changes: Vec<RoomChange>,
    },
    /// The author invited somebody.
    MemberInvited {
        /// Whom.
        user: UserId,
    },
    /// An invitation is over: taken back, or declined by the author.
    MemberUninvited {
        /// Whose.
        user: UserId,
    },
    /// The author banned somebody; a membership, if there was one, ended with it.
    MemberBanned {
        /// Whom.
        user: UserId,
        /// Until when; `None`: for ever.
        until: Option<Timestamp>,
        /// Why.
        reason: Option<String>,
    },
    /// The author lifted a ban.
    MemberUnbanned {
        /// Whose.
        user: UserId,
    },
    /// The author muted somebody.
    MemberMuted {
        /// Whom.
        user: UserId,
        /// Until when; `None`: for ever.
        until: Option<Timestamp>,
        /// Why.
        reason: Option<String>,
    },
    /// The author lifted a mute.
    MemberUnmuted {
        /// Whose.
        user: UserId,
    },
    /// The author set what differs in this room for a role or a user.
    OverwriteSet {
        /// For whom.
        target: OverwriteTarget,
        /// What.
        overwrite: Overwrite,
    },
    /// The author said something.
    Message(Message),
    /// The author put other content in the place of their message.
    MessageEdited {
        /// Which.
        target: Seq,
        /// The whole content as it is now.
        message: Message,
        /// How often it has been edited.
        version: u32,
    },
    /// A message was taken back: only its seq stays.
    MessageDeleted {
        /// Which.
        target: Seq,
        /// Whether by a moderator, not by who had said it.
        by_moderator: bool,
    },
    /// The author reacted, or took a reaction back.
    ReactionSet {
        /// To which message.
        target: Seq,
        /// All reactions with this emoji as they are now; a count of 0: none is left.
        reaction: Reaction,
        /// Whether the author's is there now.
        on: bool,
    },
    /// A message was pinned, or is so no more.
    PinSet {
        /// Which.
        target: Seq,
        /// Whether it is pinned now.
        on: bool,
    },
    /// Stands in pages in the place of a message that was deleted; the author is who had said it.
    Tombstone {
        /// The root of the thread it was in.
        thread: Option<Seq>,
        /// The thread that it is the root of.
        summary: Option<ThreadSummary>,
        /// Whether a moderator deleted it.
        by_moderator: bool,
    },
    /// The author showed a message to those who moderate.
    Reported(Box<Reported>),
    /// A user stream began.
    StreamOpened,
    /// The user's place in a room changed.
    PlaceChanged {
        /// Which room.
        room: RoomNumber,
        /// Its id.
        id: RoomId,
        /// How.
        change: PlaceChange,
        /// Who did it.
        by: UserId,
    },
    /// The user has read rooms up to these marks.
    Marked {
        /// The marks after merging.
        marks: Vec<PlacedMark>,
    },
    /// The user set what others see.
    StatusSet {
        /// What.
        status: Status,
    },
    /// The user set how loud a room is.
    LevelSet {
        /// Which.
        room: RoomNumber,
        /// How loud.
        level: NotificationLevel,
    },
    /// The user blocked somebody, or does so no more.
    BlockSet {
        /// Whom.
        user: UserId,
        /// Whether they are blocked now.
        on: bool,
    },
    /// The user was given roles.
    RolesGiven {
        /// All they have now.
        roles: Vec<RoleId>,
    },
    /// The user follows a thread, or does so no more.
    ThreadFollowed {
        /// In which room.
        room: RoomNumber,
        /// Its root.
        thread: Seq,
        /// Whether it is followed now.
        on: bool,
    },
    /// An event of a later version: keep its seq, show nothing.
    Unknown {
        /// Its number.
        kind: u32,
    },
}

/// A message as it was when it was reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// The room.
    pub room: RoomNumber,
    /// Its id.
    pub id: RoomId,
    /// The message's place.
    pub target: Seq,
    /// Who had said it.
    pub author: UserId,
    /// When.
    pub time: Timestamp,
    /// What.
    pub message: Message,
    /// What is wrong with it.
    pub reason: String,
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
