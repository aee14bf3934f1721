//! What a server reads: hello, ping, signals and requests.

use super::{
    error::{FrameError, FrameProblem},
    fields::{FieldResult, Fields},
    message, people, room,
};
use crate::{
    Auth, ClientFrame, DeviceId, Emoji, Hello, Request, RequestId, RoomId, RoomNumber, SignalName,
    TenantName, UserId, kind, limit, scan::Sender, token::Tokens,
};

/// Decodes one frame that passed the scan.
pub(super) fn decode(frame: &[u8]) -> Result<ClientFrame, FrameError> {
    let mut id = None;
    decode_with(frame, &mut id).map_err(|problem| FrameError { id, problem })
}

/// Leaves the request id in `id` as soon as it is known, so that an error can carry it. Outside the
/// range of requests the second element is something else, and its echo could fail another request.
fn decode_with(frame: &[u8], id: &mut Option<RequestId>) -> FieldResult<ClientFrame> {
    let mut tokens = Tokens::new(frame);
    let mut fields = Fields::of_frame(&mut tokens, Sender::Client)?;
    let kind = fields.unsigned("kind").map_err(|_| FrameProblem::NoKind)?;
    match kind {
        kind::HELLO => Ok(ClientFrame::Hello(hello(&mut fields)?)),
        kind::PING => Ok(ClientFrame::Ping {
            nonce: fields.unsigned("nonce")?,
        }),
        kind::SIGNAL => Ok(ClientFrame::Signal {
            room: room(&mut fields)?,
            name: fields.id("name", SignalName::new)?,
            body: fields.bytes("body", limit::SIGNAL_BYTES_MAX)?,
        }),
        kind if kind::is_request(kind) => {
            let read_id = fields.unsigned("id").map(RequestId);
            *id = read_id.ok();
            let read = request(kind).ok_or(FrameProblem::UnknownKind { kind })?;
            Ok(ClientFrame::Request {
                id: read_id?,
                request: read(&mut fields)?,
            })
        }
        kind => Err(FrameProblem::UnknownKind { kind }),
    }
}

fn hello(fields: &mut Fields<'_, '_>) -> FieldResult<Hello> {
    Ok(Hello {
        version: fields.unsigned_32("version")?,
        tenant: fields.id("tenant", TenantName::new)?,
        auth: fields.nested("auth", auth)?,
        device: fields.id("device", DeviceId::new)?,
        capabilities: fields.list_or_none("capabilities", limit::CAPABILITIES_MAX, |names| {
            let name = names.text("capabilities.name", limit::CAPABILITY_BYTES_MAX)?;
            Ok(name.to_owned())
        })?,
    })
}

fn auth(fields: &mut Fields<'_, '_>) -> FieldResult<Auth> {
    match fields.unsigned_in("auth.kind", kind::auth::GUEST, kind::auth::TOKEN)? {
        kind::auth::GUEST => Ok(Auth::Guest {
            name: fields.id("auth.name", UserId::new)?,
        }),
        _token => Ok(Auth::Token(
            fields
                .text("auth.token", limit::TOKEN_BYTES_MAX)?
                .to_owned(),
        )),
    }
}

type ReadRequest = fn(&mut Fields<'_, '_>) -> FieldResult<Request>;

/// How a request of this kind is read.
fn request(kind: u64) -> Option<ReadRequest> {
    Some(match kind {
        kind::CREATE => create,
        kind::JOIN => join,
        kind::LEAVE => |fields| room(fields).map(|room| Request::Leave { room }),
        kind::SEND => send,
        kind::HISTORY => history,
        kind::SET_TYPING => typing,
        kind::SET_PRESENCE => |fields| {
            fields
                .choice("state")
                .map(|state| Request::Presence { state })
        },
        kind::WATCH => |fields| {
            let users = fields.users(["users", "users.user"], limit::WATCHED_USERS_MAX)?;
            Ok(Request::Watch { users })
        },
        kind::LIST_MEMBERS => members,
        kind::EDIT => edit,
        kind::DELETE => delete,
        kind::REACT => react,
        kind::PIN => pin,
        kind::VERSIONS => versions,
        kind::MARK => |fields| room::placed_mark(fields).map(Request::Mark),
        kind::MARK_ALL => mark_all,
        kind::LIST_READERS => readers,
        kind::FOLLOW => follow,
        kind::LIST_ROOMS => rooms,
        kind::CHANGE_ROOM => change_room,
        kind::MODERATE => moderate,
        kind::SET_OVERWRITE => overwrite,
        kind::LIST_OVERWRITES => |fields| room(fields).map(|room| Request::Overwrites { room }),
        kind::SET_LEVEL => level,
        kind::REPORT => report,
        kind::OPEN_STREAM => stream,
        kind::GET_ME => |_| Ok(Request::Me),
        kind::SET_STATUS => |fields| people::status(fields).map(Request::Status),
        kind::BLOCK => block,
        kind::SET_ROLE => |fields| people::role(fields).map(Request::SetRole),
        kind::REMOVE_ROLE => {
            |fields| people::role_id(fields, "role").map(|role| Request::RemoveRole { role })
        }
        kind::GIVE_ROLES => give_roles,
        kind::LIST_ROLES => |_| Ok(Request::Roles),
        kind::SET_POLICY => policy,
        kind::EXPLAIN => explain,
        kind::VIEW => view,
        _ => return None,
    })
}

fn room(fields: &mut Fields<'_, '_>) -> FieldResult<RoomNumber> {
    room::number(fields, "room")
}

fn create(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::Create {
        key: fields.key("key")?,
        room: fields.id("room", RoomId::new)?,
        info: room::info(fields)?,
        members: fields
            .optional(|fields| fields.users(["members", "members.user"], limit::FIRST_MEMBERS_MAX))?
            .unwrap_or_default(),
    })
}

fn join(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::Join {
        room: fields.id("room", RoomId::new)?,
        resume: fields.optional(|fields| fields.position(RESUME))?,
    })
}

const RESUME: [&str; 3] = ["resume", "resume.epoch", "resume.seq"];

fn send(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::Send {
        key: fields.key("key")?,
        room: room(fields)?,
        draft: message::draft(fields)?,
    })
}

fn history(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::History {
        room: room(fields)?,
        direction: fields.choice("direction")?,
        anchor: fields.seq("anchor")?,
        limit: page_limit(fields, limit::PAGE_EVENTS_MAX)?,
        thread: fields.optional_seq("thread")?,
    })
}

fn typing(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::Typing {
        room: room(fields)?,
        active: fields.boolean("active")?,
        thread: fields.optional_seq("thread")?,
    })
}

fn members(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::Members {
        room: room(fields)?,
        limit: page_limit(fields, limit::MEMBERS_PAGE_MAX)?,
        after: fields.optional(|fields| fields.user("after"))?,
    })
}

fn edit(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::Edit {
        key: fields.key("key")?,
        room: room(fields)?,
        target: fields.seq("target")?,
        draft: message::draft(fields)?,
    })
}

fn delete(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::Delete {
        key: fields.key("key")?,
        room: room(fields)?,
        target: fields.seq("target")?,
    })
}

fn react(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::React {
        key: fields.key("key")?,
        room: room(fields)?,
        target: fields.seq("target")?,
        emoji: fields.id("emoji", Emoji::new)?,
        on: fields.boolean("on")?,
    })
}

fn pin(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::Pin {
        key: fields.key("key")?,
        room: room(fields)?,
        target: fields.seq("target")?,
        on: fields.boolean("on")?,
    })
}

fn versions(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::Versions {
        room: room(fields)?,
        target: fields.seq("target")?,
    })
}

fn mark_all(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::MarkAll {
        rooms: fields.optional(|fields| {
            fields.list("rooms", limit::MARKED_ROOMS_MAX, |rooms| {
                room::number(rooms, "rooms.room")
            })
        })?,
    })
}

fn readers(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::Readers {
        room: room(fields)?,
        seq: fields.seq("seq")?,
        limit: page_limit(fields, limit::MEMBERS_PAGE_MAX)?,
        after: fields.optional(|fields| fields.user("after"))?,
    })
}

fn follow(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::Follow {
        room: room(fields)?,
        thread: fields.seq("thread")?,
        on: fields.boolean("on")?,
    })
}

fn rooms(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::Rooms {
        limit: page_limit(fields, limit::ROOMS_PAGE_MAX)?,
        after: fields.optional(|fields| room::number(fields, "after"))?,
    })
}

fn change_room(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::ChangeRoom {
        key: fields.key("key")?,
        room: room(fields)?,
        changes: room::changes(fields)?,
    })
}

fn moderate(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::Moderate {
        key: fields.key("key")?,
        room: room(fields)?,
        user: fields.user("user")?,
        measure: fields.choice("measure")?,
        until: fields.optional_time("until")?,
        reason: fields.optional_text("reason", limit::REASON_BYTES_MAX)?,
    })
}

fn overwrite(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    let (key, room) = (fields.key("key")?, room(fields)?);
    let target = fields.nested("target", people::target)?;
    Ok(Request::Overwrite {
        key,
        room,
        target: target.expect("an unknown target of a client is an error"),
        overwrite: people::overwrite(fields)?,
    })
}

fn level(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::Level {
        room: room(fields)?,
        level: fields.choice("level")?,
    })
}

fn report(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::Report {
        key: fields.key("key")?,
        room: room(fields)?,
        target: fields.seq("target")?,
        reason: fields.text("reason", limit::REASON_BYTES_MAX)?.to_owned(),
    })
}

fn stream(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::Stream {
        stream: fields.choice("stream")?,
        resume: fields.optional(|fields| fields.position(RESUME))?,
    })
}

fn block(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::Block {
        user: fields.user("user")?,
        on: fields.boolean("on")?,
    })
}

fn give_roles(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::GiveRoles {
        user: fields.user("user")?,
        roles: people::roles(fields, limit::ROLES_PER_USER_MAX)?,
    })
}

fn policy(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::Policy {
        apart: fields.list("apart", limit::POLICY_PAIRS_MAX, |pairs| {
            pairs.nested("apart.pair", |pair| {
                Ok((
                    people::role_id(pair, "apart.from")?,
                    people::role_id(pair, "apart.to")?,
                ))
            })
        })?,
    })
}

fn explain(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::Explain {
        room: fields.optional(room)?,
        user: fields.optional(|fields| fields.user("user"))?,
        permission: fields.choice("permission")?,
    })
}

fn view(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::View {
        room: fields.optional(room)?,
        thread: fields.optional_seq("thread")?,
    })
}

fn page_limit(fields: &mut Fields<'_, '_>, max: usize) -> FieldResult<u32> {
    let limit = fields.unsigned_in("limit", 1, max as u64)?;
    Ok(u32::try_from(limit).expect("page limits are far below the range of u32"))
}
