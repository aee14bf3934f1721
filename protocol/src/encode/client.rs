//! What a client writes.

use super::{message, people, room, writer::Record, writer::Writer};
use crate::{Auth, ClientFrame, Hello, Request, RequestId, UserId, kind};

pub(super) fn encode(frame: &ClientFrame, out: &mut Writer<'_>) {
    out.record(|fields| match frame {
        ClientFrame::Hello(hello) => encode_hello(hello, fields),
        ClientFrame::Ping { nonce } => fields.unsigned(kind::PING).unsigned(*nonce).keep(),
        ClientFrame::Signal { room, name, body } => fields
            .unsigned(kind::SIGNAL)
            .unsigned(room.0)
            .text(name.as_str())
            .bytes(body)
            .keep(),
        ClientFrame::Request { id, request } => encode_request(*id, request, fields),
    });
}

fn encode_hello(hello: &Hello, fields: &mut Record<'_, '_>) {
    fields
        .unsigned(kind::HELLO)
        .unsigned(hello.version)
        .text(hello.tenant.as_str())
        .record(|auth| match &hello.auth {
            Auth::Guest { name } => auth.unsigned(kind::auth::GUEST).text(name.as_str()).keep(),
            Auth::Token(token) => auth.unsigned(kind::auth::TOKEN).text(token).keep(),
        })
        .text(hello.device.as_str())
        .texts(hello.capabilities.iter().map(String::as_str))
        .keep();
}

/// What is written behind the last `keep` of an arm is left out where it holds its default.
#[expect(clippy::too_many_lines, reason = "one table, an arm for each request")]
fn encode_request(id: RequestId, request: &Request, fields: &mut Record<'_, '_>) {
    fields.unsigned(kind(request)).unsigned(id.0).keep();
    match request {
        Request::Create {
            key,
            room,
            info,
            members,
        } => {
            fields.key(key).text(room.as_str());
            fields.optional_text(info.title.as_deref()).keep();
            room::info_behind_title(info, fields);
            fields.texts(members.iter().map(UserId::as_str));
        }
        Request::Join { room, resume } => {
            fields.text(room.as_str()).optional_position(*resume).keep();
        }
        Request::Leave { room } | Request::Overwrites { room } => {
            fields.unsigned(room.0).keep();
        }
        Request::Send { key, room, draft } => {
            fields.key(key).unsigned(room.0);
            message::draft(draft, fields);
        }
        Request::History {
            room,
            direction,
            anchor,
            limit,
            thread,
        } => {
            fields.unsigned(room.0).choice(*direction);
            fields.unsigned(anchor.0).unsigned(*limit).keep();
            fields.optional_unsigned(thread.map(|root| root.0));
        }
        Request::Typing {
            room,
            active,
            thread,
        } => {
            fields.unsigned(room.0).boolean(*active).keep();
            fields.optional_unsigned(thread.map(|root| root.0));
        }
        Request::Presence { state } => {
            fields.choice(*state);
        }
        Request::Watch { users } => fields.texts(users.iter().map(UserId::as_str)).keep(),
        Request::Members { room, after, limit } => {
            fields.unsigned(room.0).unsigned(*limit);
            fields
                .optional_text(after.as_ref().map(UserId::as_str))
                .keep();
        }
        Request::Edit {
            key,
            room,
            target,
            draft,
        } => {
            fields.key(key).unsigned(room.0).unsigned(target.0);
            message::draft(draft, fields);
        }
        Request::Delete { key, room, target } => {
            fields.key(key).unsigned(room.0).unsigned(target.0).keep();
        }
        Request::React {
            key,
            room,
            target,
            emoji,
            on,
        } => {
            fields.key(key).unsigned(room.0).unsigned(target.0);
            fields.text(emoji.as_str()).boolean(*on).keep();
        }
        Request::Pin {
            key,
            room,
            target,
            on,
        } => {
            fields.key(key).unsigned(room.0).unsigned(target.0);
            fields.boolean(*on).keep();
        }
        Request::Versions { room, target } => {
            fields.unsigned(room.0).unsigned(target.0).keep();
        }
        Request::Mark(mark) => room::placed_mark(mark, fields),
        Request::MarkAll { rooms } => {
            fields.optional_list(rooms.as_ref(), |room, out| out.unsigned(room.0));
        }
        Request::Readers {
            room,
            seq,
            after,
            limit,
        } => {
            fields
                .unsigned(room.0)
                .unsigned(seq.0)
                .unsigned(*limit)
                .keep();
            fields.optional_text(after.as_ref().map(UserId::as_str));
        }
        Request::Follow { room, thread, on } => {
            fields
                .unsigned(room.0)
                .unsigned(thread.0)
                .boolean(*on)
                .keep();
        }
        Request::Rooms { after, limit } => {
            fields.unsigned(*limit).keep();
            fields.optional_unsigned(after.map(|room| room.0));
        }
        Request::ChangeRoom { key, room, changes } => {
            fields.key(key).unsigned(room.0);
            room::changes(changes, fields);
        }
        Request::Moderate {
            key,
            room,
            user,
            measure,
            until,
            reason,
        } => {
            fields
                .key(key)
                .unsigned(room.0)
                .text(user.as_str())
                .choice(*measure);
            fields.optional_unsigned(until.map(|until| until.0));
            fields.optional_text(reason.as_deref());
        }
        Request::Overwrite {
            key,
            room,
            target,
            overwrite,
        } => {
            fields.key(key).unsigned(room.0);
            people::overwrite(target, *overwrite, fields);
        }
        Request::Level { room, level } => {
            fields.unsigned(room.0).choice(*level);
        }
        Request::Report {
            key,
            room,
            target,
            reason,
        } => {
            fields
                .key(key)
                .unsigned(room.0)
                .unsigned(target.0)
                .text(reason)
                .keep();
        }
        Request::Stream { stream, resume } => {
            fields.choice(*stream).optional_position(*resume);
        }
        Request::Me | Request::Roles => {}
        Request::Status(status) => people::status(status, fields),
        Request::Block { user, on } => fields.text(user.as_str()).boolean(*on).keep(),
        Request::SetRole(role) => people::role(role, fields),
        Request::RemoveRole { role } => fields.unsigned(role.0).keep(),
        Request::GiveRoles { user, roles } => {
            fields.text(user.as_str());
            fields.list(roles, |role, out| out.unsigned(role.0)).keep();
        }
        Request::Policy { apart } => fields
            .list(apart, |(from, to), out| {
                out.record(|pair| pair.unsigned(from.0).unsigned(to.0).keep());
            })
            .keep(),
        Request::Explain {
            room,
            user,
            permission,
        } => {
            fields.optional_unsigned(room.map(|room| room.0));
            fields.optional_text(user.as_ref().map(UserId::as_str));
            fields.choice(*permission);
        }
        Request::View { room, thread } => {
            fields.optional_unsigned(room.map(|room| room.0));
            fields.optional_unsigned(thread.map(|root| root.0));
        }
    }
}

const fn kind(request: &Request) -> u64 {
    match request {
        Request::Create { .. } => kind::CREATE,
        Request::Join { .. } => kind::JOIN,
        Request::Leave { .. } => kind::LEAVE,
        Request::Send { .. } => kind::SEND,
        Request::History { .. } => kind::HISTORY,
        Request::Typing { .. } => kind::SET_TYPING,
        Request::Presence { .. } => kind::SET_PRESENCE,
        Request::Watch { .. } => kind::WATCH,
        Request::Members { .. } => kind::LIST_MEMBERS,
        Request::Edit { .. } => kind::EDIT,
        Request::Delete { .. } => kind::DELETE,
        Request::React { .. } => kind::REACT,
        Request::Pin { .. } => kind::PIN,
        Request::Versions { .. } => kind::VERSIONS,
        Request::Mark(_) => kind::MARK,
        Request::MarkAll { .. } => kind::MARK_ALL,
        Request::Readers { .. } => kind::LIST_READERS,
        Request::Follow { .. } => kind::FOLLOW,
        Request::Rooms { .. } => kind::LIST_ROOMS,
        Request::ChangeRoom { .. } => kind::CHANGE_ROOM,
        Request::Moderate { .. } => kind::MODERATE,
        Request::Overwrite { .. } => kind::SET_OVERWRITE,
        Request::Overwrites { .. } => kind::LIST_OVERWRITES,
        Request::Level { .. } => kind::SET_LEVEL,
        Request::Report { .. } => kind::REPORT,
        Request::Stream { .. } => kind::OPEN_STREAM,
        Request::Me => kind::GET_ME,
        Request::Status(_) => kind::SET_STATUS,
        Request::Block { .. } => kind::BLOCK,
        Request::SetRole(_) => kind::SET_ROLE,
        Request::RemoveRole { .. } => kind::REMOVE_ROLE,
        Request::GiveRoles { .. } => kind::GIVE_ROLES,
        Request::Roles => kind::LIST_ROLES,
        Request::Policy { .. } => kind::SET_POLICY,
        Request::Explain { .. } => kind::EXPLAIN,
        Request::View { .. } => kind::VIEW,
    }
}
