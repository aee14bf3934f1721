//! Why a request was refused: an ordinary reply, never logged as an error, never remembered.

use homeroom_protocol::{ErrorCode, Permission};

/// What the asker is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The connection lacks the scope to read or to write.
    Forbidden { scope: &'static str },
    /// No role and no overwrite gives this permission, or one takes it.
    Lacks { permission: Permission },
    /// The other, or a role, ranks too high for the asker.
    Outranked,
    /// The room is such that this cannot be done in it.
    NotHere,
    /// No such message, or it was deleted.
    MessageNotFound,
    /// A message without text, attachment or anything else.
    Empty,
    /// Only who said something may change it.
    NotAuthor,
    /// A thread begins at a message that is itself in none.
    InThread,
    /// No such role.
    RoleNotFound,
    /// The asker is banned from the room.
    Banned,
    /// The asker is muted in the room.
    Muted,
    /// The room can only be read.
    Archived,
    /// The asker and somebody else are kept apart.
    Apart,
    /// Too soon after the last time.
    TooFast { retry_after_ms: u64 },
    /// Not a member of the room with this number, or there is no such room: which of the two is not
    /// told, or numbers could be tried out.
    NotMember,
    /// No room has this id. Anyone may join any room, so ids are no secret.
    RoomNotFound,
    /// Another write made a room with this id.
    RoomExists,
    /// The key was used for something else.
    KeyConflict,
    /// The connection must join the room before it may do this.
    NotListening,
    /// A service is meant where a person is needed.
    NoPerson,
    /// A field is out of its range.
    InvalidField { field: &'static str, max: usize },
    /// A count is at its limit.
    TooMany { what: &'static str, max: usize },
    /// The disk is full.
    StorageFull { retry_after_ms: u64 },
    /// The history that this needs could not be read.
    Unreadable { retry_after_ms: u64 },
    /// The history that this needs is damaged.
    Damaged { retry_after_ms: u64 },
    /// So much was written while the key was looked up that the answer is not sure any more.
    Overtaken { retry_after_ms: u64 },
}

impl Refusal {
    /// Its number.
    pub(crate) const fn code(self) -> ErrorCode {
        match self {
            Self::Forbidden { .. } | Self::Lacks { .. } | Self::NotAuthor | Self::Outranked => {
                ErrorCode::Forbidden
            }
            Self::NotHere => ErrorCode::NotHere,
            Self::MessageNotFound => ErrorCode::MessageNotFound,
            Self::RoleNotFound => ErrorCode::RoleNotFound,
            Self::Banned => ErrorCode::Banned,
            Self::Muted => ErrorCode::Muted,
            Self::Archived => ErrorCode::Archived,
            Self::Apart => ErrorCode::Apart,
            Self::TooFast { .. } => ErrorCode::TooFast,
            Self::NotMember => ErrorCode::NotMember,
            Self::RoomNotFound => ErrorCode::RoomNotFound,
            Self::RoomExists => ErrorCode::RoomExists,
            Self::KeyConflict => ErrorCode::KeyConflict,
            Self::NotListening => ErrorCode::UnexpectedFrame,
            Self::InvalidField { .. } | Self::NoPerson | Self::Empty | Self::InThread => {
                ErrorCode::InvalidField
            }
            Self::TooMany { .. } => ErrorCode::TooMany,
            Self::StorageFull { .. } => ErrorCode::StorageFull,
            Self::Unreadable { .. } | Self::Damaged { .. } => ErrorCode::StorageFailed,
            Self::Overtaken { .. } => ErrorCode::Overloaded,
        }
    }

    /// When to try again, for those that say to.
    pub(crate) const fn retry_after_ms(self) -> Option<u64> {
        match self {
            Self::StorageFull { retry_after_ms }
            | Self::Unreadable { retry_after_ms }
            | Self::Damaged { retry_after_ms }
            | Self::Overtaken { retry_after_ms }
            | Self::TooFast { retry_after_ms } => Some(retry_after_ms),
            Self::Forbidden { .. }
            | Self::Lacks { .. }
            | Self::Outranked
            | Self::NotHere
            | Self::MessageNotFound
            | Self::Empty
            | Self::NotAuthor
            | Self::InThread
            | Self::RoleNotFound
            | Self::Banned
            | Self::Muted
            | Self::Archived
            | Self::Apart
            | Self::NotMember
            | Self::RoomNotFound
            | Self::RoomExists
            | Self::KeyConflict
            | Self::NotListening
            | Self::NoPerson
            | Self::InvalidField { .. }
            | Self::TooMany { .. } => None,
        }
    }

    /// For the developer.
    pub(crate) fn explanation(self) -> String {
        match self {
            Self::Forbidden { scope } => format!("this needs the scope to {scope}"),
            Self::Lacks { permission } => format!("this needs the permission {permission:?}"),
            Self::Empty => "a message needs a text, a custom part or an attachment".into(),
            Self::NotAuthor => "only who said it may do this".into(),
            Self::InThread => "the root of a thread is a message that is itself in none".into(),
            Self::Outranked => "somebody or a role ranks too high for this".into(),
            Self::NotListening => "join the room on this connection first".into(),
            Self::NoPerson => "an id of a service stands where that of a person is needed".into(),
            Self::InvalidField { field, max } => {
                format!("{field} is out of its range, the most is {max}")
            }
            Self::Damaged { .. } => "this part of the past cannot be read until an operator restores or repairs the tenant".into(),
            Self::TooMany { what, max } => format!("{what}: the limit is {max}"),
            Self::NotMember
            | Self::NotHere
            | Self::MessageNotFound
            | Self::RoleNotFound
            | Self::Banned
            | Self::Muted
            | Self::Archived
            | Self::Apart
            | Self::TooFast { .. }
            | Self::RoomNotFound
            | Self::RoomExists
            | Self::KeyConflict
            | Self::StorageFull { .. }
            | Self::Unreadable { .. }
            | Self::Overtaken { .. } => self.code().meaning().into(),
        }
    }
}
