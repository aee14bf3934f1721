//! Rooms: what kind they are, what they keep, how they are changed and who is kept in or out.

use crate::{Permissions, Position, RoomId, RoomNumber, Seq, Timestamp, UserId};

/// Who gets in and who talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RoomKind {
    /// Anyone with the permission to join may.
    #[default]
    Open,
    /// By invitation; others are told that there is no such room.
    Private,
    /// Between the people it was made for; nobody else ever gets in.
    Direct,
    /// Like open, but only who may manage the room talks; all may answer in threads.
    Announcement,
    /// What concerns one person: their user stream.
    Personal,
    /// What was reported: for those who may moderate.
    Moderation,
}

/// How long a room keeps its past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Retention {
    /// For ever.
    #[default]
    All,
    /// That many days, 1 ..= 36 500.
    Days(u32),
    /// The newest messages, that many, 1 ..= 10 000 000.
    Messages(u32),
}

/// What an acknowledgement means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Durability {
    /// On disk.
    #[default]
    Synced,
    /// Nothing: the room keeps no messages. Every wake begins a new epoch.
    None,
}

/// What a room is like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomInfo {
    /// Who gets in and who talks.
    pub kind: RoomKind,
    /// A name for people, at most [`ROOM_TITLE_BYTES_MAX`](crate::limit::ROOM_TITLE_BYTES_MAX) bytes.
    pub title: Option<String>,
    /// What it is about, at most [`ROOM_TOPIC_BYTES_MAX`](crate::limit::ROOM_TOPIC_BYTES_MAX) bytes.
    pub topic: Option<String>,
    /// The app's own, opaque here, at most
    /// [`ROOM_METADATA_BYTES_MAX`](crate::limit::ROOM_METADATA_BYTES_MAX) bytes.
    pub metadata: Vec<u8>,
    /// How long it keeps its past.
    pub retention: Retention,
    /// What an acknowledgement means here; fixed when the room is made.
    pub durability: Durability,
    /// How long one must wait between two messages, in ms; 0: not at all. At most a day.
    pub slow_mode_ms: u32,
    /// Whether it is closed for everything but reading.
    pub archived: bool,
}

/// One change of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomChange {
    /// Its kind; among open, private and announcement.
    Kind(RoomKind),
    /// Its title.
    Title(Option<String>),
    /// Its topic.
    Topic(Option<String>),
    /// The app's own.
    Metadata(Vec<u8>),
    /// How long it keeps its past.
    Retention(Retention),
    /// Its slow mode, in ms.
    SlowMode(u32),
    /// Whether it is archived.
    Archived(bool),
}

/// What is done about one person's place in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Measure {
    /// They may join a private room.
    Invite,
    /// They may no more; also how one declines, of oneself.
    Uninvite,
    /// They become a member, unasked.
    Add,
    /// Their membership ends.
    Remove,
    /// Their membership ends and they may not come back before the time is over.
    Ban,
    /// They may come back.
    Unban,
    /// They may not say, react or signal anything before the time is over.
    Mute,
    /// They may.
    Unmute,
}

/// How loud a room is for one user; stored for apps and push services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NotificationLevel {
    /// Everything.
    #[default]
    All,
    /// Mentions only.
    Mentions,
    /// Nothing.
    Nothing,
}

/// How far somebody has read a room or a thread. Merged by maximum, generation first, so from any
/// number of devices in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mark {
    /// Counted up by "mark unread from here", which sets the mark back.
    pub generation: u32,
    /// The newest event that was read.
    pub seq: Seq,
}

/// A mark, and what it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlacedMark {
    /// The room.
    pub room: RoomNumber,
    /// The root of the thread; `None`: the room itself.
    pub thread: Option<Seq>,
    /// How far.
    pub mark: Mark,
    /// Whether others may see it.
    pub public: bool,
}

/// How somebody stands to a room in their list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// A member.
    Member,
    /// Invited.
    Invited,
}

/// A room in the list of one's rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomEntry {
    /// Its number.
    pub room: RoomNumber,
    /// Its id.
    pub id: RoomId,
    /// Whether one is a member of it or invited.
    pub standing: Standing,
    /// What it is like; without the app's metadata.
    pub info: RoomInfo,
    /// Its newest event.
    pub head: Position,
    /// When that happened.
    pub time: Timestamp,
    /// How many members it has.
    pub members: u32,
    /// What one may do there.
    pub permissions: Permissions,
    /// How far one has read it.
    pub mark: Mark,
    /// Countable messages above the mark.
    pub unread: u32,
    /// Those of them that mention one.
    pub mentions: u32,
    /// How loud it is.
    pub level: NotificationLevel,
}

/// How a user's place in a room changed, as their user stream tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlaceChange {
    /// They joined or made it.
    Joined,
    /// They left.
    Left,
    /// Somebody added them.
    Added,
    /// Somebody ended their membership.
    Removed,
    /// Somebody invited them.
    Invited,
    /// The invitation is over.
    Uninvited,
    /// They were banned.
    Banned,
    /// The ban is over.
    Unbanned,
}

/// What a user says about being there, whatever their devices say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Availability {
    /// What the devices say.
    #[default]
    Automatic,
    /// Away.
    Away,
    /// Not to be disturbed.
    Busy,
    /// Shown as offline.
    Invisible,
}

/// What a user wants others to see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Whether they are there.
    pub availability: Availability,
    /// A few words, at most [`STATUS_BYTES_MAX`](crate::limit::STATUS_BYTES_MAX) bytes.
    pub text: Option<String>,
    /// When it ends by itself; `None`: it does not.
    pub expires: Option<Timestamp>,
}

/// How one user is, as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserPresence {
    /// Who.
    pub user: UserId,
    /// The sum of their devices, under their own word.
    pub presence: crate::Presence,
    /// When a device of theirs was last there, rounded down to a minute; only while they are offline.
    pub last_seen: Option<Timestamp>,
    /// What they say of themselves.
    pub status: Option<String>,
}
