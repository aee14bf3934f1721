//! What a server writes.

use super::writer::Writer;
use crate::{
    EventBody, Position, Presence, RequestId, RoomNumber, ServerFrame, TimelineEvent, Timestamp,
    UserId, Welcome, kind,
};

#[expect(clippy::too_many_lines, reason = "one table, an arm for each frame")]
pub(super) fn encode(frame: &ServerFrame, out: &mut Writer<'_>) {
    match frame {
        ServerFrame::Welcome(welcome) => encode_welcome(welcome, out),
        ServerFrame::Pong { nonce, time } => {
            begin(3, kind::PONG, *nonce, out);
            out.unsigned(time.0);
        }
        ServerFrame::Bye {
            code,
            reconnect_after_ms,
            explanation,
        } => {
            begin(4, kind::BYE, *code, out);
            out.optional_unsigned(*reconnect_after_ms);
            out.text(explanation);
        }
        ServerFrame::Done { id } => begin_reply(2, kind::DONE, *id, out),
        ServerFrame::Error {
            id,
            code,
            retry_after_ms,
            explanation,
        } => {
            out.array(5);
            out.unsigned(kind::ERROR);
            out.optional_unsigned(id.map(|id| id.0));
            out.unsigned(*code);
            out.optional_unsigned(*retry_after_ms);
            out.text(explanation);
        }
        ServerFrame::Created {
            id,
            room,
            position,
            time,
        } => {
            begin_reply(5, kind::CREATED, *id, out);
            out.unsigned(room.0);
            place(*position, *time, out);
        }
        ServerFrame::Joined {
            id,
            room,
            position,
            head,
            reset,
            members,
        } => {
            begin_reply(7, kind::JOINED, *id, out);
            out.unsigned(room.0);
            out.position(*position);
            out.unsigned(head.0);
            out.unsigned(*members);
            match reset {
                Some(reason) => out.choice(*reason),
                None => out.nil(),
            }
        }
        ServerFrame::Sent { id, position, time } => {
            begin_reply(4, kind::SENT, *id, out);
            place(*position, *time, out);
        }
        ServerFrame::Page {
            id,
            room,
            epoch,
            events,
            more,
        } => {
            begin_reply(6, kind::PAGE, *id, out);
            out.unsigned(room.0);
            out.unsigned(epoch.get());
            out.boolean(*more);
            out.array(events.len());
            events.iter().for_each(|event| encode_event(event, out));
        }
        ServerFrame::Watching { id, users } => {
            begin_reply(3, kind::WATCHING, *id, out);
            presences(users, out);
        }
        ServerFrame::Members {
            id,
            room,
            users,
            more,
        } => {
            begin_reply(5, kind::MEMBERS, *id, out);
            out.unsigned(room.0);
            out.boolean(*more);
            out.texts(users.iter().map(UserId::as_str));
        }
        ServerFrame::Event { room, epoch, event } => {
            begin_push(4, kind::EVENT, *room, out);
            out.unsigned(epoch.get());
            encode_event(event, out);
        }
        ServerFrame::Typing { room, users, count } => {
            begin_push(4, kind::TYPING, *room, out);
            out.unsigned(*count);
            out.texts(users.iter().map(UserId::as_str));
        }
        ServerFrame::Presence { users } => {
            out.array(2);
            out.unsigned(kind::PRESENCE);
            presences(users, out);
        }
        ServerFrame::Reset {
            room,
            position,
            reason,
        } => {
            begin_push(4, kind::RESET, *room, out);
            out.position(*position);
            out.choice(*reason);
        }
        ServerFrame::Removed { room, reason } => {
            begin_push(3, kind::REMOVED, *room, out);
            out.choice(*reason);
        }
        ServerFrame::Dropped { signals } => begin(2, kind::DROPPED, *signals, out),
    }
}

/// The array of a frame whose first field after the kind is a number.
fn begin(count: usize, kind: u64, first: impl Into<u64>, out: &mut Writer<'_>) {
    out.array(count);
    out.unsigned(kind);
    out.unsigned(first);
}

fn begin_reply(count: usize, kind: u64, id: RequestId, out: &mut Writer<'_>) {
    begin(count, kind, id.0, out);
}

fn begin_push(count: usize, kind: u64, room: RoomNumber, out: &mut Writer<'_>) {
    begin(count, kind, room.0, out);
}

fn place(position: Position, time: Timestamp, out: &mut Writer<'_>) {
    out.position(position);
    out.unsigned(time.0);
}

fn encode_welcome(welcome: &Welcome, out: &mut Writer<'_>) {
    begin(11, kind::WELCOME, welcome.version, out);
    out.text(welcome.tenant.as_str());
    out.text(welcome.user.as_str());
    out.unsigned(welcome.connection.0);
    out.unsigned(welcome.time.0);
    out.unsigned(welcome.heartbeat_ms);
    out.unsigned(welcome.message_bytes_max);
    out.unsigned(welcome.requests_in_flight_max);
    out.texts(welcome.capabilities.iter().map(String::as_str));
    out.optional_unsigned(welcome.expires.map(|expires| expires.0));
}

fn encode_event(event: &TimelineEvent, out: &mut Writer<'_>) {
    out.array(4);
    out.unsigned(event.seq.0);
    out.unsigned(event.time.0);
    out.text(event.author.as_str());
    match &event.body {
        EventBody::RoomCreated { title } => {
            out.array(2);
            out.unsigned(kind::body::ROOM_CREATED);
            out.optional_text(title.as_deref());
        }
        EventBody::MemberJoined => {
            out.array(1);
            out.unsigned(kind::body::MEMBER_JOINED);
        }
        EventBody::MemberLeft => {
            out.array(1);
            out.unsigned(kind::body::MEMBER_LEFT);
        }
        EventBody::MemberAdded { member } => {
            out.array(2);
            out.unsigned(kind::body::MEMBER_ADDED);
            out.text(member.as_str());
        }
        EventBody::MemberRemoved { member } => {
            out.array(2);
            out.unsigned(kind::body::MEMBER_REMOVED);
            out.text(member.as_str());
        }
        EventBody::Message { text } => {
            out.array(2);
            out.unsigned(kind::body::MESSAGE);
            out.text(text);
        }
        EventBody::Unknown { kind } => {
            out.array(1);
            out.unsigned(*kind);
        }
    }
}

fn presences(users: &[(UserId, Presence)], out: &mut Writer<'_>) {
    out.array(users.len());
    for (user, presence) in users {
        out.array(2);
        out.text(user.as_str());
        out.choice(*presence);
    }
}
