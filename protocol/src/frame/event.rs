//! What a timeline may hold.

use crate::{
    Message, NotificationLevel, Overwrite, OverwriteTarget, PlaceChange, PlacedMark, Reaction,
    RoleId, RoomChange, RoomId, RoomInfo, RoomNumber, Seq, Status, ThreadSummary, Timestamp,
    UserId,
};

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
