//! The fields of events: the same on the wire as in a store.

use super::{message, people, room, writer::Record};
use crate::{EventBody, Reported, TimelineEvent, UserId, kind};

pub(super) fn event(event: &TimelineEvent, fields: &mut Record<'_, '_>) {
    fields
        .unsigned(event.seq.0)
        .unsigned(event.time.0)
        .text(event.author.as_str())
        .record(|fields| body(&event.body, fields));
}

/// What is written behind the last `keep` of an arm is left out where it holds its default.
#[expect(clippy::too_many_lines, reason = "one table, an arm for each event")]
pub(super) fn body(body: &EventBody, fields: &mut Record<'_, '_>) {
    fields.unsigned(kind(body)).keep();
    match body {
        EventBody::RoomCreated { id, info, members } => {
            fields.optional_text(info.title.as_deref()).keep();
            room::info_behind_title(info, fields);
            fields
                .optional_text(id.as_ref().map(crate::RoomId::as_str))
                .texts(members.iter().map(UserId::as_str));
        }
        EventBody::MemberJoined
        | EventBody::MemberLeft
        | EventBody::StreamOpened
        | EventBody::Unknown { kind: _ } => {}
        EventBody::MemberAdded { member: user }
        | EventBody::MemberRemoved { member: user }
        | EventBody::MemberInvited { user }
        | EventBody::MemberUninvited { user }
        | EventBody::MemberUnbanned { user }
        | EventBody::MemberUnmuted { user } => fields.text(user.as_str()).keep(),
        EventBody::RoomChanged { changes } => room::changes(changes, fields),
        EventBody::MemberBanned {
            user,
            until,
            reason,
        }
        | EventBody::MemberMuted {
            user,
            until,
            reason,
        } => {
            fields.text(user.as_str()).keep();
            fields
                .optional_unsigned(until.map(|until| until.0))
                .optional_text(reason.as_deref());
        }
        EventBody::OverwriteSet { target, overwrite } => {
            people::overwrite(target, *overwrite, fields);
        }
        EventBody::Message(said) => message::message(said, fields),
        EventBody::MessageEdited {
            target,
            message: said,
            version,
        } => {
            fields.unsigned(target.0).unsigned(*version);
            message::message(said, fields);
        }
        EventBody::MessageDeleted {
            target,
            by_moderator,
        } => {
            fields.unsigned(target.0).keep();
            fields.boolean(*by_moderator);
        }
        EventBody::ReactionSet {
            target,
            reaction,
            on,
        } => {
            fields.unsigned(target.0);
            fields
                .record(|fields| message::reaction(reaction, fields))
                .boolean(*on)
                .keep();
        }
        EventBody::PinSet { target, on } => fields.unsigned(target.0).boolean(*on).keep(),
        EventBody::Tombstone {
            thread,
            summary,
            by_moderator,
        } => {
            fields
                .optional_unsigned(thread.map(|root| root.0))
                .optional_record(summary.as_ref(), message::summary)
                .boolean(*by_moderator);
        }
        EventBody::Reported(reported) => report(reported, fields),
        EventBody::PlaceChanged {
            room,
            id,
            change,
            by,
        } => {
            fields.unsigned(room.0).text(id.as_str()).choice(*change);
            fields.text(by.as_str()).keep();
        }
        EventBody::Marked { marks } => fields
            .list(marks, |mark, out| {
                out.record(|fields| room::placed_mark(mark, fields));
            })
            .keep(),
        EventBody::StatusSet { status } => people::status(status, fields),
        EventBody::LevelSet { room, level } => {
            fields.unsigned(room.0).choice(*level);
        }
        EventBody::BlockSet { user, on } => fields.text(user.as_str()).boolean(*on).keep(),
        EventBody::RolesGiven { roles } => {
            fields.list(roles, |role, out| out.unsigned(role.0)).keep();
        }
        EventBody::ThreadFollowed { room, thread, on } => {
            fields
                .unsigned(room.0)
                .unsigned(thread.0)
                .boolean(*on)
                .keep();
        }
    }
}

fn report(reported: &Reported, fields: &mut Record<'_, '_>) {
    fields
        .unsigned(reported.room.0)
        .text(reported.id.as_str())
        .unsigned(reported.target.0)
        .text(reported.author.as_str())
        .unsigned(reported.time.0)
        .text(&reported.reason);
    message::message(&reported.message, fields);
}

const fn kind(body: &EventBody) -> u32 {
    match body {
        EventBody::RoomCreated { .. } => kind::body::ROOM_CREATED,
        EventBody::MemberJoined => kind::body::MEMBER_JOINED,
        EventBody::MemberLeft => kind::body::MEMBER_LEFT,
        EventBody::MemberAdded { .. } => kind::body::MEMBER_ADDED,
        EventBody::MemberRemoved { .. } => kind::body::MEMBER_REMOVED,
        EventBody::RoomChanged { .. } => kind::body::ROOM_CHANGED,
        EventBody::MemberInvited { .. } => kind::body::MEMBER_INVITED,
        EventBody::MemberUninvited { .. } => kind::body::MEMBER_UNINVITED,
        EventBody::MemberBanned { .. } => kind::body::MEMBER_BANNED,
        EventBody::MemberUnbanned { .. } => kind::body::MEMBER_UNBANNED,
        EventBody::MemberMuted { .. } => kind::body::MEMBER_MUTED,
        EventBody::MemberUnmuted { .. } => kind::body::MEMBER_UNMUTED,
        EventBody::OverwriteSet { .. } => kind::body::OVERWRITE_SET,
        EventBody::Message(_) => kind::body::MESSAGE,
        EventBody::MessageEdited { .. } => kind::body::MESSAGE_EDITED,
        EventBody::MessageDeleted { .. } => kind::body::MESSAGE_DELETED,
        EventBody::ReactionSet { .. } => kind::body::REACTION_SET,
        EventBody::PinSet { .. } => kind::body::PIN_SET,
        EventBody::Tombstone { .. } => kind::body::TOMBSTONE,
        EventBody::Reported(_) => kind::body::REPORTED,
        EventBody::StreamOpened => kind::body::STREAM_OPENED,
        EventBody::PlaceChanged { .. } => kind::body::PLACE_CHANGED,
        EventBody::Marked { .. } => kind::body::MARKED,
        EventBody::StatusSet { .. } => kind::body::STATUS_SET,
        EventBody::LevelSet { .. } => kind::body::LEVEL_SET,
        EventBody::BlockSet { .. } => kind::body::BLOCK_SET,
        EventBody::RolesGiven { .. } => kind::body::ROLES_GIVEN,
        EventBody::ThreadFollowed { .. } => kind::body::THREAD_FOLLOWED,
        EventBody::Unknown { kind } => *kind,
    }
}
