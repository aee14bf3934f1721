//! What a client reads: welcome, replies, pushes and bye. Built to outlive its version: numbers it
//! does not know get a meaning that is safe to act on, and no limit is checked that a later server
//! might raise.

use super::{
    error::{FrameError, FrameProblem},
    fields::{FieldResult, Fields},
};
use crate::{
    ConnectionId, EventBody, Presence, RemovedReason, RequestId, ResetReason, RoomNumber, Seq,
    ServerFrame, TenantName, TimelineEvent, Timestamp, UserId, Welcome, kind, token::Tokens,
};

/// The scan bounds what a server may make a client hold; see `SPEC.md`.
const UNLIMITED: usize = usize::MAX;

/// Decodes one frame that passed the scan.
pub(super) fn decode(frame: &[u8]) -> Result<ServerFrame, FrameError> {
    let mut id = None;
    decode_with(frame, &mut id).map_err(|problem| FrameError { id, problem })
}

/// Leaves the request id in `id` as soon as it is known, so that the request can be given up.
fn decode_with(frame: &[u8], id: &mut Option<RequestId>) -> FieldResult<ServerFrame> {
    let mut tokens = Tokens::new(frame);
    let mut fields = Fields::of_frame(&mut tokens)?;
    let kind = fields.unsigned("kind").map_err(|_| FrameProblem::NoKind)?;
    if kind == kind::ERROR {
        *id = fields
            .optional(|fields| fields.unsigned("id"))?
            .map(RequestId);
        return error(*id, &mut fields);
    }
    if kind::is_reply(kind) {
        let read_id = fields.unsigned("id").map(RequestId);
        *id = read_id.ok();
        return reply(kind, read_id, &mut fields);
    }
    match kind {
        kind::WELCOME => Ok(ServerFrame::Welcome(welcome(&mut fields)?)),
        kind::PONG => Ok(ServerFrame::Pong {
            nonce: fields.unsigned("nonce")?,
            time: time(&mut fields)?,
        }),
        kind::BYE => bye(&mut fields),
        kind => push(kind, &mut fields),
    }
}

fn welcome(fields: &mut Fields<'_, '_>) -> FieldResult<Welcome> {
    Ok(Welcome {
        version: fields.unsigned_32("version")?,
        tenant: fields.id("tenant", TenantName::new)?,
        user: fields.id("user", UserId::new)?,
        connection: ConnectionId(fields.unsigned("connection")?),
        time: time(fields)?,
        heartbeat_ms: fields.unsigned("heartbeat_ms")?,
        message_bytes_max: fields.unsigned("message_bytes_max")?,
        requests_in_flight_max: fields.unsigned_32("requests_in_flight_max")?,
        capabilities: fields
            .optional(|fields| {
                fields.list("capabilities", UNLIMITED, |names| {
                    Ok(names.text("capabilities.name", UNLIMITED)?.to_owned())
                })
            })?
            .unwrap_or_default(),
        expires: fields
            .optional(|fields| fields.unsigned("expires"))?
            .map(Timestamp),
    })
}

fn bye(fields: &mut Fields<'_, '_>) -> FieldResult<ServerFrame> {
    Ok(ServerFrame::Bye {
        code: fields.unsigned_16("code")?,
        reconnect_after_ms: fields.optional(|fields| fields.unsigned("reconnect_after_ms"))?,
        explanation: explanation(fields)?,
    })
}

fn error(id: Option<RequestId>, fields: &mut Fields<'_, '_>) -> FieldResult<ServerFrame> {
    Ok(ServerFrame::Error {
        id,
        code: fields.unsigned_16("code")?,
        retry_after_ms: fields.optional(|fields| fields.unsigned("retry_after_ms"))?,
        explanation: explanation(fields)?,
    })
}

fn reply(
    kind: u64,
    id: FieldResult<RequestId>,
    fields: &mut Fields<'_, '_>,
) -> FieldResult<ServerFrame> {
    let read: fn(RequestId, &mut Fields<'_, '_>) -> FieldResult<ServerFrame> = match kind {
        kind::DONE => |id, _| Ok(ServerFrame::Done { id }),
        kind::CREATED => |id, fields| {
            Ok(ServerFrame::Created {
                id,
                room: room(fields)?,
                position: fields.position(POSITION)?,
                time: time(fields)?,
            })
        },
        kind::JOINED => joined,
        kind::SENT => |id, fields| {
            Ok(ServerFrame::Sent {
                id,
                position: fields.position(POSITION)?,
                time: time(fields)?,
            })
        },
        kind::PAGE => |id, fields| {
            Ok(ServerFrame::Page {
                id,
                room: room(fields)?,
                epoch: fields.epoch("epoch")?,
                more: fields.boolean("more")?,
                events: fields.list("events", UNLIMITED, |events| {
                    events.nested("events.event", event)
                })?,
            })
        },
        kind::WATCHING => |id, fields| {
            Ok(ServerFrame::Watching {
                id,
                users: presences(fields)?,
            })
        },
        kind::MEMBERS => |id, fields| {
            Ok(ServerFrame::Members {
                id,
                room: room(fields)?,
                more: fields.boolean("more")?,
                users: users(fields)?,
            })
        },
        kind => return Err(FrameProblem::UnknownKind { kind }),
    };
    read(id?, fields)
}

fn push(kind: u64, fields: &mut Fields<'_, '_>) -> FieldResult<ServerFrame> {
    match kind {
        kind::EVENT => Ok(ServerFrame::Event {
            room: room(fields)?,
            epoch: fields.epoch("epoch")?,
            event: fields.nested("event", event)?,
        }),
        kind::TYPING => Ok(ServerFrame::Typing {
            room: room(fields)?,
            count: fields.unsigned_32("count")?,
            users: users(fields)?,
        }),
        kind::PRESENCE => Ok(ServerFrame::Presence {
            users: presences(fields)?,
        }),
        kind::RESET => Ok(ServerFrame::Reset {
            room: room(fields)?,
            position: fields.position(POSITION)?,
            reason: reset_reason(fields, "reason")?,
        }),
        kind::REMOVED => Ok(ServerFrame::Removed {
            room: room(fields)?,
            reason: fields.choice_or("reason", RemovedReason::Left)?,
        }),
        kind::DROPPED => Ok(ServerFrame::Dropped {
            signals: fields.unsigned("signals")?,
        }),
        kind => Err(FrameProblem::UnknownKind { kind }),
    }
}

fn joined(id: RequestId, fields: &mut Fields<'_, '_>) -> FieldResult<ServerFrame> {
    Ok(ServerFrame::Joined {
        id,
        room: room(fields)?,
        position: fields.position(POSITION)?,
        head: Seq(fields.unsigned("head")?),
        members: fields.unsigned_32("members")?,
        reset: fields.optional(|fields| reset_reason(fields, "reset"))?,
    })
}

fn event(fields: &mut Fields<'_, '_>) -> FieldResult<TimelineEvent> {
    Ok(TimelineEvent {
        seq: Seq(fields.unsigned("event.seq")?),
        time: Timestamp(fields.unsigned("event.time")?),
        author: fields.id("event.author", UserId::new)?,
        body: fields.nested("event.body", body)?,
    })
}

fn body(fields: &mut Fields<'_, '_>) -> FieldResult<EventBody> {
    Ok(match fields.unsigned_32("event.body.kind")? {
        kind::body::ROOM_CREATED => EventBody::RoomCreated {
            title: fields
                .optional(|fields| Ok(fields.text("event.body.title", UNLIMITED)?.to_owned()))?,
        },
        kind::body::MEMBER_JOINED => EventBody::MemberJoined,
        kind::body::MEMBER_LEFT => EventBody::MemberLeft,
        kind::body::MEMBER_ADDED => EventBody::MemberAdded {
            member: fields.id("event.body.member", UserId::new)?,
        },
        kind::body::MEMBER_REMOVED => EventBody::MemberRemoved {
            member: fields.id("event.body.member", UserId::new)?,
        },
        kind::body::MESSAGE => EventBody::Message {
            text: fields.text("event.body.text", UNLIMITED)?.to_owned(),
        },
        kind => EventBody::Unknown { kind },
    })
}

const POSITION: [&str; 3] = ["position", "position.epoch", "position.seq"];

fn room(fields: &mut Fields<'_, '_>) -> FieldResult<RoomNumber> {
    fields.unsigned_32("room").map(RoomNumber)
}

fn time(fields: &mut Fields<'_, '_>) -> FieldResult<Timestamp> {
    fields.unsigned("time").map(Timestamp)
}

/// Every reason says the same to a client, drop what you have: an unknown one too.
fn reset_reason(fields: &mut Fields<'_, '_>, name: &'static str) -> FieldResult<ResetReason> {
    fields.choice_or(name, ResetReason::EpochChanged)
}

fn explanation(fields: &mut Fields<'_, '_>) -> FieldResult<String> {
    let text = fields.optional(|fields| fields.text("explanation", UNLIMITED))?;
    Ok(text.unwrap_or_default().to_owned())
}

fn users(fields: &mut Fields<'_, '_>) -> FieldResult<Vec<UserId>> {
    fields.list("users", UNLIMITED, |users| {
        users.id("users.user", UserId::new)
    })
}

fn presences(fields: &mut Fields<'_, '_>) -> FieldResult<Vec<(UserId, Presence)>> {
    fields.list("users", UNLIMITED, |users| {
        users.nested("users.entry", |entry| {
            let user = entry.id("users.user", UserId::new)?;
            // Whatever a later state means, only offline means that no device is there.
            Ok((user, entry.choice_or("users.presence", Presence::Idle)?))
        })
    })
}
