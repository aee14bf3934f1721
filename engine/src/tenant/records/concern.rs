//! What an event is about. Each part of the state takes in the facts of one concern and need not know that
//! there are others.
//!
//! Here alone stands which kind of event belongs where: a new one does not compile before it has a concern,
//! and then not before each part that this concerns says what follows from it.

use homeroom_protocol::{
    EventBody, Message, NotificationLevel, Overwrite, OverwriteTarget, PlaceChange, PlacedMark,
    Reaction, RoomChange, RoomId, RoomInfo, RoomNumber, Seq, Status, Timestamp, UserId,
};

/// An event, by what it is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Concern<'a> {
    /// A room itself.
    Room(RoomFact<'a>),
    /// How somebody stands to a room.
    Member(&'a UserId, MemberFact),
    /// What is said in a room.
    Message(MessageFact<'a>),
    /// What is so of one person across rooms.
    Person(PersonFact<'a>),
    /// Itself alone: no state follows from a report; and what only pages say, or a later version, is in no
    /// log.
    Nothing,
}

/// That a room is there, and what it is like.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RoomFact<'a> {
    Created {
        id: Option<&'a RoomId>,
        info: &'a RoomInfo,
        members: &'a [UserId],
    },
    StreamOpened,
    Changed(&'a [RoomChange]),
    OverwriteSet(&'a OverwriteTarget, Overwrite),
}

/// That somebody is in a room, kept in, or kept out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum MemberFact {
    Joined,
    Left,
    Added,
    Removed,
    Invited,
    Uninvited,
    Banned { until: Option<Timestamp> },
    Unbanned,
    Muted { until: Option<Timestamp> },
    Unmuted,
}

/// How somebody's standing changes who is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turnover {
    /// They are a member from here on.
    Began,
    /// They are none any more.
    Ended,
}

/// That something was said, or became of what was said; `target` is where that stands.
#[derive(Debug, Clone, Copy)]
pub(crate) enum MessageFact<'a> {
    Said(&'a Message),
    Edited {
        target: Seq,
        message: &'a Message,
        version: u32,
    },
    Deleted {
        target: Seq,
        by_moderator: bool,
    },
    Reacted {
        target: Seq,
        reaction: &'a Reaction,
        on: bool,
    },
    Pinned {
        target: Seq,
        on: bool,
    },
}

/// That the user of a stream did or was something.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PersonFact<'a> {
    Placed(RoomNumber, PlaceChange),
    Marked(&'a [PlacedMark]),
    StatusSet(&'a Status),
    LevelSet(RoomNumber, NotificationLevel),
    Blocked { user: &'a UserId, on: bool },
    Followed { thread: (RoomNumber, Seq), on: bool },
    RolesGiven,
}

impl<'a> Concern<'a> {
    /// What is concerned when `author` does this.
    pub(crate) const fn of(author: &'a UserId, body: &'a EventBody) -> Self {
        match body {
            EventBody::RoomCreated { id, info, members } => Self::Room(RoomFact::Created {
                id: id.as_ref(),
                info,
                members: members.as_slice(),
            }),
            EventBody::StreamOpened => Self::Room(RoomFact::StreamOpened),
            EventBody::RoomChanged { changes } => Self::Room(RoomFact::Changed(changes.as_slice())),
            EventBody::OverwriteSet { target, overwrite } => {
                Self::Room(RoomFact::OverwriteSet(target, *overwrite))
            }

            EventBody::MemberJoined => Self::Member(author, MemberFact::Joined),
            EventBody::MemberLeft => Self::Member(author, MemberFact::Left),
            EventBody::MemberAdded { member } => Self::Member(member, MemberFact::Added),
            EventBody::MemberRemoved { member } => Self::Member(member, MemberFact::Removed),
            EventBody::MemberInvited { user } => Self::Member(user, MemberFact::Invited),
            EventBody::MemberUninvited { user } => Self::Member(user, MemberFact::Uninvited),
            EventBody::MemberBanned { user, until, .. } => {
                Self::Member(user, MemberFact::Banned { until: *until })
            }
            EventBody::MemberUnbanned { user } => Self::Member(user, MemberFact::Unbanned),
            EventBody::MemberMuted { user, until, .. } => {
                Self::Member(user, MemberFact::Muted { until: *until })
            }
            EventBody::MemberUnmuted { user } => Self::Member(user, MemberFact::Unmuted),

            EventBody::Message(message) => Self::Message(MessageFact::Said(message)),
            &EventBody::MessageEdited {
                target,
                ref message,
                version,
            } => Self::Message(MessageFact::Edited {
                target,
                message,
                version,
            }),
            &EventBody::MessageDeleted {
                target,
                by_moderator,
            } => Self::Message(MessageFact::Deleted {
                target,
                by_moderator,
            }),
            &EventBody::ReactionSet {
                target,
                ref reaction,
                on,
            } => Self::Message(MessageFact::Reacted {
                target,
                reaction,
                on,
            }),
            &EventBody::PinSet { target, on } => Self::Message(MessageFact::Pinned { target, on }),

            EventBody::PlaceChanged { room, change, .. } => {
                Self::Person(PersonFact::Placed(*room, *change))
            }
            EventBody::Marked { marks } => Self::Person(PersonFact::Marked(marks.as_slice())),
            EventBody::StatusSet { status } => Self::Person(PersonFact::StatusSet(status)),
            EventBody::LevelSet { room, level } => {
                Self::Person(PersonFact::LevelSet(*room, *level))
            }
            &EventBody::BlockSet { ref user, on } => Self::Person(PersonFact::Blocked { user, on }),
            &EventBody::ThreadFollowed { room, thread, on } => {
                let thread = (room, thread);
                Self::Person(PersonFact::Followed { thread, on })
            }
            EventBody::RolesGiven { .. } => Self::Person(PersonFact::RolesGiven),

            EventBody::Reported(_) | EventBody::Tombstone { .. } | EventBody::Unknown { .. } => {
                Self::Nothing
            }
        }
    }
}

impl MemberFact {
    /// How it changes who is in the room; `None`: not.
    pub(crate) const fn turnover(self) -> Option<Turnover> {
        match self {
            Self::Joined | Self::Added => Some(Turnover::Began),
            Self::Left | Self::Removed | Self::Banned { .. } => Some(Turnover::Ended),
            Self::Invited
            | Self::Uninvited
            | Self::Unbanned
            | Self::Muted { .. }
            | Self::Unmuted => None,
        }
    }
}
