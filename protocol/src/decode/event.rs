//! The fields of events. An event that cannot be understood as a whole, because it is of a later version,
//! is unknown: its place in the timeline is all that counts then.

use super::{
    error::FrameProblem,
    fields::{FieldResult, Fields},
    message, people, room,
};
use crate::{
    EventBody, NotificationLevel, Reported, RoomId, ScanError, TimelineEvent, Timestamp, kind,
    limit,
    scan::{Sender, scan},
    token::Tokens,
};

/// Why bytes are not the body of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventBodyError {
    /// They are no MessagePack arrays within the limits.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// They are several arrays.
    #[error("there are {values} values where one should be")]
    NotOne {
        /// How many.
        values: usize,
    },
    /// A field is wrong.
    #[error(transparent)]
    Field(#[from] FrameProblem),
}

/// The body of an event from its bytes, as [`encode_event_body`](crate::encode_event_body) wrote them.
/// The limits on what clients send are not checked again.
///
/// # Errors
/// [`EventBodyError`] says what is wrong.
pub fn decode_event_body(bytes: &[u8]) -> Result<EventBody, EventBodyError> {
    let values = scan(bytes, limit::SERVER_MESSAGE_BYTES_MAX, Sender::Server)?.len();
    if values != 1 {
        return Err(EventBodyError::NotOne { values });
    }
    let mut tokens = Tokens::new(bytes);
    Ok(body(&mut Fields::of_frame(&mut tokens, Sender::Server)?)?)
}

pub(super) fn event(fields: &mut Fields<'_, '_>) -> FieldResult<TimelineEvent> {
    Ok(TimelineEvent {
        seq: fields.seq("event.seq")?,
        time: fields.unsigned("event.time").map(Timestamp)?,
        author: fields.user("event.author")?,
        body: fields.nested("event.body", body)?,
    })
}

fn body(fields: &mut Fields<'_, '_>) -> FieldResult<EventBody> {
    let kind = fields.unsigned_32("event.body.kind")?;
    Ok(match kind {
        kind::body::ROOM_CREATED => EventBody::RoomCreated {
            info: room::info(fields)?,
            id: fields.optional(|fields| fields.id("id", RoomId::new))?,
            members: fields.list_or_none("members", limit::FIRST_MEMBERS_MAX, |members| {
                members.user("members.user")
            })?,
        },
        kind::body::MEMBER_JOINED..=kind::body::OVERWRITE_SET => of_room(kind, fields)?,
        kind::body::MESSAGE..=kind::body::REPORTED => of_message(kind, fields)?,
        _ => of_person(kind, fields)?,
    })
}

/// How a room and those in it changed.
fn of_room(kind: u32, fields: &mut Fields<'_, '_>) -> FieldResult<EventBody> {
    Ok(match kind {
        kind::body::MEMBER_JOINED => EventBody::MemberJoined,
        kind::body::MEMBER_LEFT => EventBody::MemberLeft,
        kind::body::MEMBER_ADDED => EventBody::MemberAdded {
            member: fields.user("event.body.member")?,
        },
        kind::body::MEMBER_REMOVED => EventBody::MemberRemoved {
            member: fields.user("event.body.member")?,
        },
        kind::body::ROOM_CHANGED => EventBody::RoomChanged {
            changes: room::changes(fields)?,
        },
        kind::body::MEMBER_INVITED => EventBody::MemberInvited {
            user: fields.user("event.body.user")?,
        },
        kind::body::MEMBER_UNINVITED => EventBody::MemberUninvited {
            user: fields.user("event.body.user")?,
        },
        kind::body::MEMBER_BANNED => EventBody::MemberBanned {
            user: fields.user("event.body.user")?,
            until: fields.optional_time("event.body.until")?,
            reason: fields.optional_text("event.body.reason", limit::REASON_BYTES_MAX)?,
        },
        kind::body::MEMBER_UNBANNED => EventBody::MemberUnbanned {
            user: fields.user("event.body.user")?,
        },
        kind::body::MEMBER_MUTED => EventBody::MemberMuted {
            user: fields.user("event.body.user")?,
            until: fields.optional_time("event.body.until")?,
            reason: fields.optional_text("event.body.reason", limit::REASON_BYTES_MAX)?,
        },
        kind::body::MEMBER_UNMUTED => EventBody::MemberUnmuted {
            user: fields.user("event.body.user")?,
        },
        kind::body::OVERWRITE_SET => {
            let target = fields.nested("target", people::target)?;
            let overwrite = people::overwrite(fields)?;
            target.map_or(EventBody::Unknown { kind }, |target| {
                EventBody::OverwriteSet { target, overwrite }
            })
        }
        kind => EventBody::Unknown { kind },
    })
}

/// What people said, and what became of it.
fn of_message(kind: u32, fields: &mut Fields<'_, '_>) -> FieldResult<EventBody> {
    Ok(match kind {
        kind::body::MESSAGE => EventBody::Message(message::message(fields)?),
        kind::body::MESSAGE_EDITED => EventBody::MessageEdited {
            target: fields.seq("event.body.target")?,
            version: fields.unsigned_32("event.body.version")?,
            message: message::message(fields)?,
        },
        kind::body::MESSAGE_DELETED => EventBody::MessageDeleted {
            target: fields.seq("event.body.target")?,
            by_moderator: fields.flag("event.body.by_moderator")?,
        },
        kind::body::REACTION_SET => EventBody::ReactionSet {
            target: fields.seq("event.body.target")?,
            reaction: fields.nested("event.body.reaction", message::reaction)?,
            on: fields.boolean("event.body.on")?,
        },
        kind::body::PIN_SET => EventBody::PinSet {
            target: fields.seq("event.body.target")?,
            on: fields.boolean("event.body.on")?,
        },
        kind::body::TOMBSTONE => EventBody::Tombstone {
            thread: fields.optional_seq("event.body.thread")?,
            summary: message::summary(fields, "event.body.summary")?,
            by_moderator: fields.flag("event.body.by_moderator")?,
        },
        kind::body::REPORTED => EventBody::Reported(Box::new(Reported {
            room: room::number(fields, "event.body.room")?,
            id: fields.id("event.body.id", RoomId::new)?,
            target: fields.seq("event.body.target")?,
            author: fields.user("event.body.author")?,
            time: fields.unsigned("event.body.time").map(Timestamp)?,
            reason: fields
                .text("event.body.reason", limit::REASON_BYTES_MAX)?
                .to_owned(),
            message: message::message(fields)?,
        })),
        kind => EventBody::Unknown { kind },
    })
}

/// What concerns one person.
fn of_person(kind: u32, fields: &mut Fields<'_, '_>) -> FieldResult<EventBody> {
    Ok(match kind {
        kind::body::STREAM_OPENED => EventBody::StreamOpened,
        kind::body::PLACE_CHANGED => {
            let room = room::number(fields, "event.body.room")?;
            let id = fields.id("event.body.id", RoomId::new)?;
            let change = fields.known_choice("event.body.change")?;
            let by = fields.user("event.body.by")?;
            change.map_or(EventBody::Unknown { kind }, |change| {
                EventBody::PlaceChanged {
                    room,
                    id,
                    change,
                    by,
                }
            })
        }
        kind::body::MARKED => EventBody::Marked {
            marks: fields.list("event.body.marks", usize::MAX, |marks| {
                marks.nested("event.body.mark", room::placed_mark)
            })?,
        },
        kind::body::STATUS_SET => EventBody::StatusSet {
            status: people::status(fields)?,
        },
        kind::body::LEVEL_SET => EventBody::LevelSet {
            room: room::number(fields, "event.body.room")?,
            level: fields.choice_or("event.body.level", NotificationLevel::All)?,
        },
        kind::body::BLOCK_SET => EventBody::BlockSet {
            user: fields.user("event.body.user")?,
            on: fields.boolean("event.body.on")?,
        },
        kind::body::ROLES_GIVEN => EventBody::RolesGiven {
            roles: people::roles(fields, limit::ROLES_PER_USER_MAX)?,
        },
        kind::body::THREAD_FOLLOWED => EventBody::ThreadFollowed {
            room: room::number(fields, "event.body.room")?,
            thread: fields.seq("event.body.thread")?,
            on: fields.boolean("event.body.on")?,
        },
        kind => EventBody::Unknown { kind },
    })
}
