//! What a client may ask for.

use crate::{
    Draft, Emoji, IdempotencyKey, Measure, NotificationLevel, Overwrite, OverwriteTarget,
    Permission, PlacedMark, Position, Role, RoleId, RoomChange, RoomId, RoomInfo, RoomNumber, Seq,
    Status, Timestamp, UserId,
};

/// What a client asks for. Each variant names its reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Makes a room, the asker its first member. Reply: [`ServerFrame::Created`](crate::ServerFrame::Created).
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
    /// Reply: [`ServerFrame::Joined`](crate::ServerFrame::Joined).
    Join {
        /// The room.
        room: RoomId,
        /// The last position this client has; `None` to start with what happens next. Only members
        /// resume: others are refused with [`NotMember`](crate::ErrorCode::NotMember).
        resume: Option<Position>,
    },
    /// Ends the membership, on all of the user's connections. Reply: [`ServerFrame::Done`](crate::ServerFrame::Done).
    Leave {
        /// The room.
        room: RoomNumber,
    },
    /// Adds a message to the timeline. Reply: [`ServerFrame::Sent`](crate::ServerFrame::Sent), after the message is on disk.
    Send {
        /// Makes the request safe to retry.
        key: IdempotencyKey,
        /// The room.
        room: RoomNumber,
        /// The message.
        draft: Draft,
    },
    /// Reads a page of the timeline. Reply: [`ServerFrame::Page`](crate::ServerFrame::Page).
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
    /// Says that the user types, or stopped; expires by itself. Reply: [`ServerFrame::Done`](crate::ServerFrame::Done).
    Typing {
        /// The room.
        room: RoomNumber,
        /// Whether the user types now.
        active: bool,
        /// In which thread; `None`: in the room itself.
        thread: Option<Seq>,
    },
    /// Sets the state of this device. Reply: [`ServerFrame::Done`](crate::ServerFrame::Done).
    Presence {
        /// Its state.
        state: DeviceState,
    },
    /// Replaces the set of users whose presence this connection is told.
    /// Reply: [`ServerFrame::Watching`](crate::ServerFrame::Watching).
    Watch {
        /// At most [`WATCHED_USERS_MAX`](crate::limit::WATCHED_USERS_MAX); empty to stop.
        users: Vec<UserId>,
    },
    /// Lists the members of a room, by user id. Reply: [`ServerFrame::Members`](crate::ServerFrame::Members).
    Members {
        /// The room.
        room: RoomNumber,
        /// Only users above this one, in the order of their bytes.
        after: Option<UserId>,
        /// Most users wanted, 1 ..= [`MEMBERS_PAGE_MAX`](crate::limit::MEMBERS_PAGE_MAX).
        limit: u32,
    },
    /// Puts other content in the place of a message of one's own; earlier versions are kept.
    /// Reply: [`ServerFrame::Sent`](crate::ServerFrame::Sent), as to all requests with a key but a create.
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
    /// [`Permission::DeleteAny`](crate::Permission::DeleteAny). Reply: [`ServerFrame::Page`](crate::ServerFrame::Page): the message as
    /// it was sent, then its edits. What was deleted has none.
    Versions {
        /// The room.
        room: RoomNumber,
        /// The message.
        target: Seq,
    },
    /// Says how far the user has read; merged by maximum. Reply: [`ServerFrame::Marked`](crate::ServerFrame::Marked).
    Mark(PlacedMark),
    /// Marks rooms as read up to their heads, in one write. Reply: [`ServerFrame::Done`](crate::ServerFrame::Done).
    MarkAll {
        /// These, at most [`MARKED_ROOMS_MAX`](crate::limit::MARKED_ROOMS_MAX); `None`: all of the user's.
        rooms: Option<Vec<RoomNumber>>,
    },
    /// Who has read up to an event, of those who show it. Reply: [`ServerFrame::Readers`](crate::ServerFrame::Readers).
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
    /// Follows a thread, or does so no more. Reply: [`ServerFrame::Done`](crate::ServerFrame::Done).
    Follow {
        /// The room.
        room: RoomNumber,
        /// The root of the thread.
        thread: Seq,
        /// Whether it is followed from now on.
        on: bool,
    },
    /// Lists the user's rooms, by number, with heads and counts: those they are a member of, and those they
    /// are invited to. Reply: [`ServerFrame::Rooms`](crate::ServerFrame::Rooms).
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
    /// Lists a room's overwrites. Reply: [`ServerFrame::Overwrites`](crate::ServerFrame::Overwrites).
    Overwrites {
        /// The room.
        room: RoomNumber,
    },
    /// Sets how loud a room is for the user. Reply: [`ServerFrame::Done`](crate::ServerFrame::Done).
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
    /// Starts the pushes of a timeline that has no id of its own. Reply: [`ServerFrame::Joined`](crate::ServerFrame::Joined).
    Stream {
        /// Which.
        stream: Stream,
        /// As in a join.
        resume: Option<Position>,
    },
    /// What the tenant knows of the user. Reply: [`ServerFrame::Me`](crate::ServerFrame::Me).
    Me,
    /// Sets what others see of the user. Reply: [`ServerFrame::Done`](crate::ServerFrame::Done).
    Status(Status),
    /// Blocks a user, or does so no more. Reply: [`ServerFrame::Done`](crate::ServerFrame::Done).
    Block {
        /// Whom.
        user: UserId,
        /// Whether they are blocked from now on.
        on: bool,
    },
    /// Makes a role, or changes it. Reply: [`ServerFrame::Done`](crate::ServerFrame::Done).
    SetRole(Role),
    /// Takes a role away, from all who have it. Reply: [`ServerFrame::Done`](crate::ServerFrame::Done).
    RemoveRole {
        /// Which; not everyone.
        role: RoleId,
    },
    /// Sets the roles of a user, besides everyone. Reply: [`ServerFrame::Done`](crate::ServerFrame::Done).
    GiveRoles {
        /// Whose.
        user: UserId,
        /// At most [`ROLES_PER_USER_MAX`](crate::limit::ROLES_PER_USER_MAX).
        roles: Vec<RoleId>,
    },
    /// Lists the tenant's roles. Reply: [`ServerFrame::Roles`](crate::ServerFrame::Roles).
    Roles,
    /// Sets who may not write to whom in direct rooms, and not invite them. Reply: [`ServerFrame::Done`](crate::ServerFrame::Done).
    Policy {
        /// Who has the first role may not write to who has the second; at most
        /// [`POLICY_PAIRS_MAX`](crate::limit::POLICY_PAIRS_MAX).
        apart: Vec<(RoleId, RoleId)>,
    },
    /// Why somebody may or may not do something. Reply: [`ServerFrame::Explained`](crate::ServerFrame::Explained).
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
    /// first said, a connection shows every room it joined. Reply: [`ServerFrame::Done`](crate::ServerFrame::Done).
    View {
        /// The room; `None`: none.
        room: Option<RoomNumber>,
        /// A thread that is shown beside it.
        thread: Option<Seq>,
    },
}

/// A timeline that is found without an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
