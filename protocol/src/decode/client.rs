//! What a server reads: hello, ping and requests.

use super::{
    error::{FrameError, FrameProblem},
    fields::{FieldResult, Fields},
};
use crate::{
    Auth, ClientFrame, DeviceId, Hello, Request, RequestId, RoomId, RoomNumber, Seq, TenantName,
    UserId, kind, limit, token::Tokens,
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
    let mut fields = Fields::of_frame(&mut tokens)?;
    let kind = fields.unsigned("kind").map_err(|_| FrameProblem::NoKind)?;
    match kind {
        kind::HELLO => Ok(ClientFrame::Hello(hello(&mut fields)?)),
        kind::PING => Ok(ClientFrame::Ping {
            nonce: fields.unsigned("nonce")?,
        }),
        kind if kind::is_request(kind) => {
            let read_id = fields.unsigned("id").map(RequestId);
            *id = read_id.ok();
            request(kind, read_id, &mut fields)
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
        capabilities: fields
            .optional(|fields| {
                fields.list("capabilities", limit::CAPABILITIES_MAX, |names| {
                    let name = names.text("capabilities.name", limit::CAPABILITY_BYTES_MAX)?;
                    Ok(name.to_owned())
                })
            })?
            .unwrap_or_default(),
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

fn request(
    kind: u64,
    id: FieldResult<RequestId>,
    fields: &mut Fields<'_, '_>,
) -> FieldResult<ClientFrame> {
    let read: fn(&mut Fields<'_, '_>) -> FieldResult<Request> = match kind {
        kind::CREATE => create,
        kind::JOIN => join,
        kind::LEAVE => |fields| {
            Ok(Request::Leave {
                room: room(fields)?,
            })
        },
        kind::SEND => send,
        kind::HISTORY => history,
        kind::SET_TYPING => |fields| {
            Ok(Request::Typing {
                room: room(fields)?,
                active: fields.boolean("active")?,
            })
        },
        kind::SET_PRESENCE => |fields| {
            Ok(Request::Presence {
                state: fields.choice("state")?,
            })
        },
        kind::WATCH => |fields| {
            Ok(Request::Watch {
                users: fields.list("users", limit::WATCHED_USERS_MAX, |users| {
                    users.id("users.user", UserId::new)
                })?,
            })
        },
        kind::LIST_MEMBERS => members,
        kind => return Err(FrameProblem::UnknownKind { kind }),
    };
    Ok(ClientFrame::Request {
        id: id?,
        request: read(fields)?,
    })
}

fn room(fields: &mut Fields<'_, '_>) -> FieldResult<RoomNumber> {
    fields.unsigned_32("room").map(RoomNumber)
}

fn create(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::Create {
        key: fields.key("key")?,
        room: fields.id("room", RoomId::new)?,
        title: fields.optional(|fields| {
            let title = fields.text("title", limit::ROOM_TITLE_BYTES_MAX)?;
            Ok(title.to_owned())
        })?,
    })
}

fn join(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::Join {
        room: fields.id("room", RoomId::new)?,
        resume: fields
            .optional(|fields| fields.position(["resume", "resume.epoch", "resume.seq"]))?,
    })
}

fn send(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::Send {
        key: fields.key("key")?,
        room: room(fields)?,
        text: fields
            .text("text", limit::MESSAGE_TEXT_BYTES_MAX)?
            .to_owned(),
    })
}

fn history(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::History {
        room: room(fields)?,
        direction: fields.choice("direction")?,
        anchor: Seq(fields.unsigned("anchor")?),
        limit: page_limit(fields, limit::PAGE_EVENTS_MAX)?,
    })
}

fn members(fields: &mut Fields<'_, '_>) -> FieldResult<Request> {
    Ok(Request::Members {
        room: room(fields)?,
        limit: page_limit(fields, limit::MEMBERS_PAGE_MAX)?,
        after: fields.optional(|fields| fields.id("after", UserId::new))?,
    })
}

fn page_limit(fields: &mut Fields<'_, '_>, max: usize) -> FieldResult<u32> {
    let limit = fields.unsigned_in("limit", 1, max as u64)?;
    Ok(u32::try_from(limit).expect("page limits are far below the range of u32"))
}
