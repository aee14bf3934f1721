//! What a client reads: welcome, replies, pushes and bye. Built to outlive its version: numbers it
//! does not know get a meaning that is safe to act on, and no limit is checked that a later server
//! might raise.

use super::{
    error::{FrameError, FrameProblem},
    event::event,
    fields::{FieldResult, Fields},
    people, room,
};
use crate::{
    ConnectionId, OccupancyChange, Permissions, RemovedReason, RequestId, ResetReason, RoomNumber,
    ServerFrame, Signal, SignalName, TenantName, Timestamp, UserId, Welcome, kind, scan::Sender,
    token::Tokens,
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
    let mut fields = Fields::of_frame(&mut tokens, Sender::Server)?;
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

#[expect(clippy::too_many_lines, reason = "one table, an arm for each reply")]
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
                more_above: fields.flag("more_above")?,
            })
        },
        kind::WATCHING => |id, fields| {
            Ok(ServerFrame::Watching {
                id,
                users: people::presences(fields)?,
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
        kind::MARKED => |id, fields| {
            Ok(ServerFrame::Marked {
                id,
                mark: room::mark(fields)?,
            })
        },
        kind::READERS => |id, fields| {
            Ok(ServerFrame::Readers {
                id,
                room: room(fields)?,
                users: users(fields)?,
                more: fields.boolean("more")?,
                after: fields.optional(|fields| fields.user("after"))?,
            })
        },
        kind::ROOMS => |id, fields| {
            Ok(ServerFrame::Rooms {
                id,
                rooms: fields.list("rooms", UNLIMITED, |rooms| {
                    rooms.nested("rooms.entry", room::entry)
                })?,
                more: fields.boolean("more")?,
            })
        },
        kind::OVERWRITES => |id, fields| {
            Ok(ServerFrame::Overwrites {
                id,
                room: room(fields)?,
                overwrites: people::overwrites(fields)?,
            })
        },
        kind::ME => |id, fields| {
            Ok(ServerFrame::Me {
                id,
                me: Box::new(people::me(fields)?),
            })
        },
        kind::ROLES => |id, fields| {
            Ok(ServerFrame::Roles {
                id,
                roles: fields.list("roles", UNLIMITED, |roles| {
                    roles.nested("roles.entry", people::role)
                })?,
            })
        },
        kind::EXPLAINED => |id, fields| {
            Ok(ServerFrame::Explained {
                id,
                allowed: fields.boolean("allowed")?,
                reasons: people::reasons(fields)?,
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
            thread: fields.optional_seq("thread")?,
        }),
        kind::PRESENCE => Ok(ServerFrame::Presence {
            users: people::presences(fields)?,
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
        kind::PASSED => Ok(ServerFrame::Passed {
            room: room(fields)?,
            epoch: fields.epoch("epoch")?,
            from: fields.seq("from")?,
            to: fields.seq("to")?,
            members: fields.unsigned_32("members")?,
        }),
        kind::SIGNALS => Ok(ServerFrame::Signals {
            room: room(fields)?,
            signals: fields.list("signals", UNLIMITED, |signals| {
                signals.nested("signals.entry", signal)
            })?,
        }),
        kind::OCCUPANCY => Ok(ServerFrame::Occupancy {
            room: room(fields)?,
            count: fields.unsigned_32("count")?,
            change: fields.optional(|fields| fields.nested("change", occupancy_change))?,
        }),
        kind => Err(FrameProblem::UnknownKind { kind }),
    }
}

fn joined(id: RequestId, fields: &mut Fields<'_, '_>) -> FieldResult<ServerFrame> {
    Ok(ServerFrame::Joined {
        id,
        room: room(fields)?,
        position: fields.position(POSITION)?,
        head: fields.seq("head")?,
        members: fields.unsigned_32("members")?,
        reset: fields.optional(|fields| reset_reason(fields, "reset"))?,
        info: fields.nested_or_default("info", room::info)?,
        permissions: fields
            .optional(|fields| fields.unsigned("permissions").map(Permissions))?
            .unwrap_or_default(),
    })
}

fn signal(fields: &mut Fields<'_, '_>) -> FieldResult<Signal> {
    Ok(Signal {
        user: fields.user("signals.user")?,
        name: fields.id("signals.name", SignalName::new)?,
        body: fields.bytes("signals.body", UNLIMITED)?,
    })
}

fn occupancy_change(fields: &mut Fields<'_, '_>) -> FieldResult<OccupancyChange> {
    Ok(OccupancyChange {
        all: fields.boolean("change.all")?,
        came: fields.users(["change.came", "change.user"], UNLIMITED)?,
        went: fields.users(["change.went", "change.user"], UNLIMITED)?,
    })
}

const POSITION: [&str; 3] = ["position", "position.epoch", "position.seq"];

fn room(fields: &mut Fields<'_, '_>) -> FieldResult<RoomNumber> {
    room::number(fields, "room")
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
    fields.users(["users", "users.user"], UNLIMITED)
}
