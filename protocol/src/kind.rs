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
}

/// First elements of the auth field of a hello: [`Auth`](crate::Auth).
pub mod auth {
    /// [`Auth::Guest`](crate::Auth::Guest).
    pub const GUEST: u64 = 1;
    /// [`Auth::Token`](crate::Auth::Token).
    pub const TOKEN: u64 = 2;
}

/// Whether the second element of a client's frame of this kind is a request id, known kind or not.
pub(crate) const fn is_request(kind: u64) -> bool {
    kind >= 16 && kind <= 63
}

/// Whether the second element of a reply of this kind is a request id, known kind or not.
pub(crate) const fn is_reply(kind: u64) -> bool {
    kind >= 64 && kind <= 95
}
