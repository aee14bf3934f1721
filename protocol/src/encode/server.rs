//! What a server writes.

use super::{
    event, people, room,
    writer::{Record, Writer},
};
use crate::{OccupancyChange, ServerFrame, UserId, Welcome, kind};

/// What is written behind the last `keep` of an arm is left out where it holds its default.
#[expect(clippy::too_many_lines, reason = "one table, an arm for each frame")]
pub(super) fn encode(frame: &ServerFrame, out: &mut Writer<'_>) {
    out.record(|fields| match frame {
        ServerFrame::Welcome(welcome) => encode_welcome(welcome, fields),
        ServerFrame::Pong { nonce, time } => {
            begin(kind::PONG, *nonce, fields).unsigned(time.0).keep();
        }
        ServerFrame::Bye {
            code,
            reconnect_after_ms,
            explanation,
        } => begin(kind::BYE, *code, fields)
            .optional_unsigned(*reconnect_after_ms)
            .text(explanation)
            .keep(),
        ServerFrame::Done { id } => begin(kind::DONE, id.0, fields).keep(),
        ServerFrame::Error {
            id,
            code,
            retry_after_ms,
            explanation,
        } => fields
            .unsigned(kind::ERROR)
            .optional_unsigned(id.map(|id| id.0))
            .unsigned(*code)
            .optional_unsigned(*retry_after_ms)
            .text(explanation)
            .keep(),
        ServerFrame::Created {
            id,
            room,
            position,
            time,
        } => begin(kind::CREATED, id.0, fields)
            .unsigned(room.0)
            .position(*position)
            .unsigned(time.0)
            .keep(),
        ServerFrame::Joined {
            id,
            room,
            position,
            head,
            reset,
            members,
            info,
            permissions,
        } => {
            begin(kind::JOINED, id.0, fields)
                .unsigned(room.0)
                .position(*position)
                .unsigned(head.0)
                .unsigned(*members)
                .optional_choice(*reset)
                .keep();
            room::optional_info(info, fields);
            fields.unsigned(permissions.0);
        }
        ServerFrame::Sent { id, position, time } => begin(kind::SENT, id.0, fields)
            .position(*position)
            .unsigned(time.0)
            .keep(),
        ServerFrame::Page {
            id,
            room,
            epoch,
            events,
            more,
            more_above,
        } => {
            begin(kind::PAGE, id.0, fields)
                .unsigned(room.0)
                .unsigned(epoch.get())
                .boolean(*more)
                .list(events, |item, out| {
                    out.record(|fields| event::event(item, fields));
                })
                .keep();
            fields.boolean(*more_above);
        }
        ServerFrame::Watching { id, users } => {
            people::presences(users, begin(kind::WATCHING, id.0, fields));
        }
        ServerFrame::Members {
            id,
            room,
            users,
            more,
        } => begin(kind::MEMBERS, id.0, fields)
            .unsigned(room.0)
            .boolean(*more)
            .texts(users.iter().map(UserId::as_str))
            .keep(),
        ServerFrame::Marked { id, mark } => begin(kind::MARKED, id.0, fields)
            .unsigned(mark.generation)
            .unsigned(mark.seq.0)
            .keep(),
        ServerFrame::Readers {
            id,
            room,
            users,
            more,
            after,
        } => {
            begin(kind::READERS, id.0, fields)
                .unsigned(room.0)
                .texts(users.iter().map(UserId::as_str))
                .boolean(*more)
                .keep();
            fields.optional_text(after.as_ref().map(UserId::as_str));
        }
        ServerFrame::Rooms { id, rooms, more } => begin(kind::ROOMS, id.0, fields)
            .list(rooms, |entry, out| {
                out.record(|fields| room::entry(entry, fields));
            })
            .boolean(*more)
            .keep(),
        ServerFrame::Overwrites {
            id,
            room,
            overwrites,
        } => begin(kind::OVERWRITES, id.0, fields)
            .unsigned(room.0)
            .list(overwrites, |(target, overwrite), out| {
                out.record(|fields| people::overwrite(target, *overwrite, fields));
            })
            .keep(),
        ServerFrame::Me { id, me } => people::me(me, begin(kind::ME, id.0, fields)),
        ServerFrame::Roles { id, roles } => begin(kind::ROLES, id.0, fields)
            .list(roles, |role, out| {
                out.record(|fields| people::role(role, fields));
            })
            .keep(),
        ServerFrame::Explained {
            id,
            allowed,
            reasons,
        } => begin(kind::EXPLAINED, id.0, fields)
            .boolean(*allowed)
            .list(reasons, |reason, out| {
                out.record(|fields| people::reason(reason, fields));
            })
            .keep(),
        ServerFrame::Event { room, epoch, event } => begin(kind::EVENT, room.0, fields)
            .unsigned(epoch.get())
            .record(|fields| event::event(event, fields))
            .keep(),
        ServerFrame::Typing {
            room,
            users,
            count,
            thread,
        } => {
            begin(kind::TYPING, room.0, fields)
                .unsigned(*count)
                .texts(users.iter().map(UserId::as_str))
                .keep();
            fields.optional_unsigned(thread.map(|root| root.0));
        }
        ServerFrame::Presence { users } => {
            people::presences(users, fields.unsigned(kind::PRESENCE));
        }
        ServerFrame::Reset {
            room,
            position,
            reason,
        } => begin(kind::RESET, room.0, fields)
            .position(*position)
            .choice(*reason)
            .keep(),
        ServerFrame::Removed { room, reason } => {
            begin(kind::REMOVED, room.0, fields).choice(*reason).keep();
        }
        ServerFrame::Dropped { signals } => begin(kind::DROPPED, *signals, fields).keep(),
        ServerFrame::Passed {
            room,
            epoch,
            from,
            to,
            members,
        } => begin(kind::PASSED, room.0, fields)
            .unsigned(epoch.get())
            .unsigned(from.0)
            .unsigned(to.0)
            .unsigned(*members)
            .keep(),
        ServerFrame::Signals { room, signals } => begin(kind::SIGNALS, room.0, fields)
            .list(signals, |signal, out| {
                out.record(|fields| {
                    fields
                        .text(signal.user.as_str())
                        .text(signal.name.as_str())
                        .bytes(&signal.body)
                        .keep();
                });
            })
            .keep(),
        ServerFrame::Occupancy {
            room,
            count,
            change,
        } => {
            begin(kind::OCCUPANCY, room.0, fields)
                .unsigned(*count)
                .keep();
            fields.optional_record(change.as_ref(), encode_occupancy_change);
        }
    });
}

/// The kind of a frame and its first field, where that is a number.
fn begin<'r, 'w, 'o>(
    kind: u64,
    first: impl Into<u64>,
    fields: &'r mut Record<'w, 'o>,
) -> &'r mut Record<'w, 'o> {
    fields.unsigned(kind).unsigned(first)
}

fn encode_welcome(welcome: &Welcome, fields: &mut Record<'_, '_>) {
    begin(kind::WELCOME, welcome.version, fields)
        .text(welcome.tenant.as_str())
        .text(welcome.user.as_str())
        .unsigned(welcome.connection.0)
        .unsigned(welcome.time.0)
        .unsigned(welcome.heartbeat_ms)
        .unsigned(welcome.message_bytes_max)
        .unsigned(welcome.requests_in_flight_max)
        .texts(welcome.capabilities.iter().map(String::as_str))
        .optional_unsigned(welcome.expires.map(|expires| expires.0))
        .keep();
}

fn encode_occupancy_change(change: &OccupancyChange, fields: &mut Record<'_, '_>) {
    fields
        .boolean(change.all)
        .texts(change.came.iter().map(UserId::as_str))
        .texts(change.went.iter().map(UserId::as_str))
        .keep();
}
