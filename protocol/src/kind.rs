//! The first element of every frame: its kind. Both directions share one number space, so a frame
//! says what it is even out of context, and every kind of version 1 fits one byte.
//!
//! | range | what | second element |
//! |---|---|---|
//! | 1–15 | the connection itself | no id |
//! | 16–63 | requests | the request id |
//! | 64–95 | replies | the request id |
//! | 96–127 | pushes | no id |

/// Client: [`Hello`](crate::Hello).
pub const HELLO: u64 = 1;
/// Client: [`ClientFrame::Ping`](crate::ClientFrame::Ping).
pub const PING: u64 = 2;
/// Server: [`Welcome`](crate::Welcome).
pub const WELCOME: u64 = 3;
/// Server: [`ServerFrame::Pong`](crate::ServerFrame::Pong).
pub const PONG: u64 = 4;
/// Server: [`ServerFrame::Bye`](crate::ServerFrame::Bye).
pub const BYE: u64 = 5;

/// Client: [`ClientFrame::Signal`](crate::ClientFrame::Signal).
pub const SIGNAL: u64 = 6;

/// Client: [`Request::Create`](crate::Request::Create).
pub const CREATE: u64 = 16;
/// Client: [`Request::Join`](crate::Request::Join).
pub const JOIN: u64 = 17;
/// Client: [`Request::Leave`](crate::Request::Leave).
pub const LEAVE: u64 = 18;
/// Client: [`Request::Send`](crate::Request::Send).
pub const SEND: u64 = 19;
/// Client: [`Request::History`](crate::Request::History).
pub const HISTORY: u64 = 20;
/// Client: [`Request::Typing`](crate::Request::Typing).
pub const SET_TYPING: u64 = 21;
/// Client: [`Request::Presence`](crate::Request::Presence).
pub const SET_PRESENCE: u64 = 22;
/// Client: [`Request::Watch`](crate::Request::Watch).
pub const WATCH: u64 = 23;
/// Client: [`Request::Members`](crate::Request::Members).
pub const LIST_MEMBERS: u64 = 24;
/// Client: [`Request::Edit`](crate::Request::Edit).
pub const EDIT: u64 = 25;
/// Client: [`Request::Delete`](crate::Request::Delete).
pub const DELETE: u64 = 26;
/// Client: [`Request::React`](crate::Request::React).
pub const REACT: u64 = 27;
/// Client: [`Request::Pin`](crate::Request::Pin).
pub const PIN: u64 = 28;
/// Client: [`Request::Versions`](crate::Request::Versions).
pub const VERSIONS: u64 = 29;
/// Client: [`Request::Mark`](crate::Request::Mark).
pub const MARK: u64 = 30;
/// Client: [`Request::MarkAll`](crate::Request::MarkAll).
pub const MARK_ALL: u64 = 31;
/// Client: [`Request::Readers`](crate::Request::Readers).
pub const LIST_READERS: u64 = 32;
/// Client: [`Request::Follow`](crate::Request::Follow).
pub const FOLLOW: u64 = 33;
/// Client: [`Request::Rooms`](crate::Request::Rooms).
pub const LIST_ROOMS: u64 = 34;
/// Client: [`Request::ChangeRoom`](crate::Request::ChangeRoom).
pub const CHANGE_ROOM: u64 = 35;
/// Client: [`Request::Moderate`](crate::Request::Moderate).
pub const MODERATE: u64 = 36;
/// Client: [`Request::Overwrite`](crate::Request::Overwrite).
pub const SET_OVERWRITE: u64 = 37;
/// Client: [`Request::Overwrites`](crate::Request::Overwrites).
pub const LIST_OVERWRITES: u64 = 38;
/// Client: [`Request::Level`](crate::Request::Level).
pub const SET_LEVEL: u64 = 39;
/// Client: [`Request::Report`](crate::Request::Report).
pub const REPORT: u64 = 40;
/// Client: [`Request::Stream`](crate::Request::Stream).
pub const OPEN_STREAM: u64 = 41;
/// Client: [`Request::Me`](crate::Request::Me).
pub const GET_ME: u64 = 42;
/// Client: [`Request::Status`](crate::Request::Status).
pub const SET_STATUS: u64 = 43;
/// Client: [`Request::Block`](crate::Request::Block).
pub const BLOCK: u64 = 44;
/// Client: [`Request::SetRole`](crate::Request::SetRole).
pub const SET_ROLE: u64 = 45;
/// Client: [`Request::RemoveRole`](crate::Request::RemoveRole).
pub const REMOVE_ROLE: u64 = 46;
/// Client: [`Request::GiveRoles`](crate::Request::GiveRoles).
pub const GIVE_ROLES: u64 = 47;
/// Client: [`Request::Roles`](crate::Request::Roles).
pub const LIST_ROLES: u64 = 48;
/// Client: [`Request::Policy`](crate::Request::Policy).
pub const SET_POLICY: u64 = 49;
/// Client: [`Request::Explain`](crate::Request::Explain).
pub const EXPLAIN: u64 = 50;
/// Client: [`Request::View`](crate::Request::View).
pub const VIEW: u64 = 51;

/// Server: [`ServerFrame::Done`](crate::ServerFrame::Done).
pub const DONE: u64 = 64;
/// Server: [`ServerFrame::Error`](crate::ServerFrame::Error).
pub const ERROR: u64 = 65;
/// Server: [`ServerFrame::Created`](crate::ServerFrame::Created).
pub const CREATED: u64 = 66;
/// Server: [`ServerFrame::Joined`](crate::ServerFrame::Joined).
pub const JOINED: u64 = 67;
/// Server: [`ServerFrame::Sent`](crate::ServerFrame::Sent).
pub const SENT: u64 = 68;
/// Server: [`ServerFrame::Page`](crate::ServerFrame::Page).
pub const PAGE: u64 = 69;
/// Server: [`ServerFrame::Watching`](crate::ServerFrame::Watching).
pub const WATCHING: u64 = 70;
/// Server: [`ServerFrame::Members`](crate::ServerFrame::Members).
pub const MEMBERS: u64 = 71;
/// Server: [`ServerFrame::Marked`](crate::ServerFrame::Marked).
pub const MARKED: u64 = 72;
/// Server: [`ServerFrame::Readers`](crate::ServerFrame::Readers).
pub const READERS: u64 = 73;
/// Server: [`ServerFrame::Rooms`](crate::ServerFrame::Rooms).
pub const ROOMS: u64 = 74;
/// Server: [`ServerFrame::Overwrites`](crate::ServerFrame::Overwrites).
pub const OVERWRITES: u64 = 75;
/// Server: [`ServerFrame::Me`](crate::ServerFrame::Me).
pub const ME: u64 = 76;
/// Server: [`ServerFrame::Roles`](crate::ServerFrame::Roles).
pub const ROLES: u64 = 77;
/// Server: [`ServerFrame::Explained`](crate::ServerFrame::Explained).
pub const EXPLAINED: u64 = 78;

/// Server: [`ServerFrame::Event`](crate::ServerFrame::Event).
pub const EVENT: u64 = 96;
/// Server: [`ServerFrame::Typing`](crate::ServerFrame::Typing).
pub const TYPING: u64 = 97;
/// Server: [`ServerFrame::Presence`](crate::ServerFrame::Presence).
pub const PRESENCE: u64 = 98;
/// Server: [`ServerFrame::Reset`](crate::ServerFrame::Reset).
pub const RESET: u64 = 99;
/// Server: [`ServerFrame::Removed`](crate::ServerFrame::Removed).
pub const REMOVED: u64 = 100;
/// Server: [`ServerFrame::Dropped`](crate::ServerFrame::Dropped).
pub const DROPPED: u64 = 101;
/// Server: [`ServerFrame::Passed`](crate::ServerFrame::Passed).
pub const PASSED: u64 = 102;
/// Server: [`ServerFrame::Signals`](crate::ServerFrame::Signals).
pub const SIGNALS: u64 = 103;
/// Server: [`ServerFrame::Occupancy`](crate::ServerFrame::Occupancy).
pub const OCCUPANCY: u64 = 104;

/// First elements of an event body: [`EventBody`](crate::EventBody).
pub mod body {
    /// [`EventBody::RoomCreated`](crate::EventBody::RoomCreated).
    pub const ROOM_CREATED: u32 = 1;
    /// [`EventBody::MemberJoined`](crate::EventBody::MemberJoined).
    pub const MEMBER_JOINED: u32 = 2;
    /// [`EventBody::MemberLeft`](crate::EventBody::MemberLeft).
    pub const MEMBER_LEFT: u32 = 3;
    /// [`EventBody::MemberAdded`](crate::EventBody::MemberAdded).
    pub const MEMBER_ADDED: u32 = 4;
    /// [`EventBody::MemberRemoved`](crate::EventBody::MemberRemoved).
    pub const MEMBER_REMOVED: u32 = 5;
    /// [`EventBody::Message`](crate::EventBody::Message).
    pub const MESSAGE: u32 = 16;
    /// [`EventBody::RoomChanged`](crate::EventBody::RoomChanged).
    pub const ROOM_CHANGED: u32 = 6;
    /// [`EventBody::MemberInvited`](crate::EventBody::MemberInvited).
    pub const MEMBER_INVITED: u32 = 7;
    /// [`EventBody::MemberUninvited`](crate::EventBody::MemberUninvited).
    pub const MEMBER_UNINVITED: u32 = 8;
    /// [`EventBody::MemberBanned`](crate::EventBody::MemberBanned).
    pub const MEMBER_BANNED: u32 = 9;
    /// [`EventBody::MemberUnbanned`](crate::EventBody::MemberUnbanned).
    pub const MEMBER_UNBANNED: u32 = 10;
    /// [`EventBody::MemberMuted`](crate::EventBody::MemberMuted).
    pub const MEMBER_MUTED: u32 = 11;
    /// [`EventBody::MemberUnmuted`](crate::EventBody::MemberUnmuted).
    pub const MEMBER_UNMUTED: u32 = 12;
    /// [`EventBody::OverwriteSet`](crate::EventBody::OverwriteSet).
    pub const OVERWRITE_SET: u32 = 13;
    /// [`EventBody::MessageEdited`](crate::EventBody::MessageEdited).
    pub const MESSAGE_EDITED: u32 = 17;
    /// [`EventBody::MessageDeleted`](crate::EventBody::MessageDeleted).
    pub const MESSAGE_DELETED: u32 = 18;
    /// [`EventBody::ReactionSet`](crate::EventBody::ReactionSet).
    pub const REACTION_SET: u32 = 19;
    /// [`EventBody::PinSet`](crate::EventBody::PinSet).
    pub const PIN_SET: u32 = 20;
    /// [`EventBody::Tombstone`](crate::EventBody::Tombstone).
    pub const TOMBSTONE: u32 = 21;
    /// [`EventBody::Reported`](crate::EventBody::Reported).
    pub const REPORTED: u32 = 22;
    /// [`EventBody::StreamOpened`](crate::EventBody::StreamOpened).
    pub const STREAM_OPENED: u32 = 32;
    /// [`EventBody::PlaceChanged`](crate::EventBody::PlaceChanged).
    pub const PLACE_CHANGED: u32 = 33;
    /// [`EventBody::Marked`](crate::EventBody::Marked).
    pub const MARKED: u32 = 34;
    /// [`EventBody::StatusSet`](crate::EventBody::StatusSet).
    pub const STATUS_SET: u32 = 35;
    /// [`EventBody::LevelSet`](crate::EventBody::LevelSet).
    pub const LEVEL_SET: u32 = 36;
    /// [`EventBody::BlockSet`](crate::EventBody::BlockSet).
    pub const BLOCK_SET: u32 = 37;
    /// [`EventBody::RolesGiven`](crate::EventBody::RolesGiven).
    pub const ROLES_GIVEN: u32 = 38;
    /// [`EventBody::ThreadFollowed`](crate::EventBody::ThreadFollowed).
    pub const THREAD_FOLLOWED: u32 = 39;
}

/// First elements of the auth field of a hello: [`Auth`](crate::Auth).
pub mod auth {
    /// [`Auth::Guest`](crate::Auth::Guest).
    pub const GUEST: u64 = 1;
    /// [`Auth::Token`](crate::Auth::Token).
    pub const TOKEN: u64 = 2;
}

/// First elements of a retention: [`Retention`](crate::Retention).
pub mod retention {
    /// [`Retention::All`](crate::Retention::All).
    pub const ALL: u64 = 1;
    /// [`Retention::Days`](crate::Retention::Days).
    pub const DAYS: u64 = 2;
    /// [`Retention::Messages`](crate::Retention::Messages).
    pub const MESSAGES: u64 = 3;
}

/// First elements of the target of an overwrite: [`OverwriteTarget`](crate::OverwriteTarget).
pub mod target {
    /// [`OverwriteTarget::Role`](crate::OverwriteTarget::Role).
    pub const ROLE: u64 = 1;
    /// [`OverwriteTarget::User`](crate::OverwriteTarget::User).
    pub const USER: u64 = 2;
}

/// First elements of a change of a room: [`RoomChange`](crate::RoomChange).
pub mod change {
    /// [`RoomChange::Kind`](crate::RoomChange::Kind).
    pub const KIND: u64 = 1;
    /// [`RoomChange::Title`](crate::RoomChange::Title).
    pub const TITLE: u64 = 2;
    /// [`RoomChange::Topic`](crate::RoomChange::Topic).
    pub const TOPIC: u64 = 3;
    /// [`RoomChange::Metadata`](crate::RoomChange::Metadata).
    pub const METADATA: u64 = 4;
    /// [`RoomChange::Retention`](crate::RoomChange::Retention).
    pub const RETENTION: u64 = 5;
    /// [`RoomChange::SlowMode`](crate::RoomChange::SlowMode).
    pub const SLOW_MODE: u64 = 6;
    /// [`RoomChange::Archived`](crate::RoomChange::Archived).
    pub const ARCHIVED: u64 = 7;
}

/// Whether the second element of a client's frame of this kind is a request id, known kind or not.
pub(crate) const fn is_request(kind: u64) -> bool {
    kind >= 16 && kind <= 63
}

/// Whether the second element of a reply of this kind is a request id, known kind or not.
pub(crate) const fn is_reply(kind: u64) -> bool {
    kind >= 64 && kind <= 95
}
