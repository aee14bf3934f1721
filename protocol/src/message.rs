//! What people say: drafts that go in, messages that come out, and what became of them.

use crate::{
    RoleId, Seq, Timestamp, UserId,
    id::{CustomKind, Emoji},
};

/// What somebody wants said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// The text, at most [`MESSAGE_TEXT_BYTES_MAX`](crate::limit::MESSAGE_TEXT_BYTES_MAX) bytes. May be
    /// empty only beside a custom part or an attachment.
    pub text: String,
    /// The root of the thread it belongs to: a message that is itself in no thread.
    pub thread: Option<Seq>,
    /// The event it answers; any earlier one of the room.
    pub reply_to: Option<Seq>,
    /// Whom its text may mention; `None`: all it names.
    pub allowed_mentions: Option<AllowedMentions>,
    /// A part whose meaning is the app's.
    pub custom: Option<Custom>,
    /// References to files, opaque here: at most
    /// [`ATTACHMENTS_MAX`](crate::limit::ATTACHMENTS_MAX), each of at most
    /// [`ATTACHMENT_BYTES_MAX`](crate::limit::ATTACHMENT_BYTES_MAX) bytes.
    pub attachments: Vec<String>,
    /// Whether it is left out of unread counts, as what a machine says often should be.
    pub quiet: bool,
}

impl From<&str> for Draft {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<&String> for Draft {
    fn from(text: &String) -> Self {
        text.clone().into()
    }
}

impl From<String> for Draft {
    fn from(text: String) -> Self {
        Self {
            text,
            ..Self::default()
        }
    }
}

/// Which of the mentions in a text count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedMentions {
    /// These users; `None`: all users named.
    pub users: Option<Vec<UserId>>,
    /// Whether roles may be mentioned.
    pub roles: bool,
    /// Whether the room may be mentioned.
    pub room: bool,
}

/// A part of a message whose meaning is the app's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Custom {
    /// What the app calls it.
    pub kind: CustomKind,
    /// One MessagePack value, by convention: it is not looked into. At most
    /// [`CUSTOM_BYTES_MAX`](crate::limit::CUSTOM_BYTES_MAX) bytes.
    pub body: Vec<u8>,
}

/// What was said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// The text.
    pub text: String,
    /// The root of its thread.
    pub thread: Option<Seq>,
    /// What it answers.
    pub reply_to: Option<Seq>,
    /// Whom it mentions, as the server read the text.
    pub mentions: Mentions,
    /// The app's part.
    pub custom: Option<Custom>,
    /// References to files.
    pub attachments: Vec<String>,
    /// Whether it is left out of unread counts.
    pub quiet: bool,
    /// What became of it since; `None` where nothing did, and in pushes of new messages.
    pub state: Option<Box<MessageState>>,
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self {
            text,
            ..Self::default()
        }
    }
}

/// Whom a message mentions. In a text `<@ID>` names a user, `<@&NUMBER>` a role, `<!room>` the room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mentions {
    /// Users, each once; at most [`MENTIONED_USERS_MAX`](crate::limit::MENTIONED_USERS_MAX).
    pub users: Vec<UserId>,
    /// Roles, each once; at most [`MENTIONED_ROLES_MAX`](crate::limit::MENTIONED_ROLES_MAX).
    pub roles: Vec<RoleId>,
    /// Everybody in the room.
    pub room: bool,
}

impl Mentions {
    /// Whether it mentions nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.roles.is_empty() && !self.room
    }
}

/// What became of a message, at the moment a page was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageState {
    /// How often it was edited: the text is that of this version.
    pub version: u32,
    /// When it was last edited.
    pub edited: Option<Timestamp>,
    /// Its reactions, in the order of their emoji.
    pub reactions: Vec<Reaction>,
    /// The thread that it is the root of, if it has one.
    pub thread: Option<ThreadSummary>,
    /// Whether it is pinned.
    pub pinned: bool,
}

/// All users' reactions with one emoji.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    /// Which.
    pub emoji: Emoji,
    /// How many users.
    pub count: u32,
    /// The first of them, at most [`REACTION_USERS_MAX`](crate::limit::REACTION_USERS_MAX).
    pub users: Vec<UserId>,
    /// Whether the asker is among them; always `false` in pushes, which are the same for all.
    pub me: bool,
}

/// A thread at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadSummary {
    /// How many replies it has; deleted ones do not count.
    pub replies: u32,
    /// The newest of them.
    pub newest: Seq,
}
