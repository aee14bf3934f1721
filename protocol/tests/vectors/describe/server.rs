//! What a frame of a server says.

use homeroom_protocol::{
    FollowedThread, Me, OccupancyChange, Reason, RoomInfo, ServerFrame, Signal, Welcome,
};

use super::{
    choice, event,
    json::{always, fields, hex, list, number, object, optional, text, unless},
    noun,
};

/// The name of its kind in `SPEC.md`, then its fields in the order of the wire.
#[expect(clippy::too_many_lines, reason = "one table, an arm for each frame")]
pub(crate) fn server(frame: &ServerFrame) -> String {
    match frame {
        ServerFrame::Welcome(welcome) => self::welcome(welcome),
        ServerFrame::Pong { nonce, time } => object(
            "pong",
            vec![
                always("nonce", number(*nonce)),
                always("time", number(time.0)),
            ],
        ),
        ServerFrame::Bye {
            code,
            reconnect_after_ms,
            explanation,
        } => object(
            "bye",
            vec![
                always("code", number(*code)),
                always(
                    "reconnect_after_ms",
                    optional(reconnect_after_ms.as_ref(), |ms| number(*ms)),
                ),
                always("explanation", text(explanation)),
            ],
        ),
        ServerFrame::Done { id } => object("done", vec![always("id", number(id.0))]),
        ServerFrame::Error {
            id,
            code,
            retry_after_ms,
            explanation,
        } => object(
            "error",
            vec![
                always("id", optional(id.as_ref(), |id| number(id.0))),
                always("code", number(*code)),
                always(
                    "retry_after_ms",
                    optional(retry_after_ms.as_ref(), |ms| number(*ms)),
                ),
                always("explanation", text(explanation)),
            ],
        ),
        ServerFrame::Created {
            id,
            room,
            position,
            time,
        } => object(
            "created",
            vec![
                always("id", number(id.0)),
                always("room", number(room.0)),
                always("position", noun::position(position)),
                always("time", number(time.0)),
            ],
        ),
        ServerFrame::Joined {
            id,
            room,
            position,
            head,
            reset,
            members,
            info,
            permissions,
        } => object(
            "joined",
            vec![
                always("id", number(id.0)),
                always("room", number(room.0)),
                always("position", noun::position(position)),
                always("head", number(head.0)),
                always("members", number(*members)),
                always(
                    "reset",
                    optional(reset.as_ref(), |reason| choice::reset_reason(*reason)),
                ),
                unless(
                    "null",
                    "info",
                    optional(
                        Some(info).filter(|&info| *info != RoomInfo::default()),
                        |info| fields(noun::info(info)),
                    ),
                ),
                unless("0", "permissions", number(permissions.0)),
            ],
        ),
        ServerFrame::Sent { id, position, time } => object(
            "sent",
            vec![
                always("id", number(id.0)),
                always("position", noun::position(position)),
                always("time", number(time.0)),
            ],
        ),
        ServerFrame::Page {
            id,
            room,
            epoch,
            events,
            more,
            more_above,
        } => object(
            "page",
            vec![
                always("id", number(id.0)),
                always("room", number(room.0)),
                always("epoch", number(epoch.get())),
                always("more", more.to_string()),
                always("events", list(events, event::event)),
                unless("false", "more_above", more_above.to_string()),
            ],
        ),
        ServerFrame::Watching { id, users } => object(
            "watching",
            vec![
                always("id", number(id.0)),
                always("users", noun::presences(users)),
            ],
        ),
        ServerFrame::Members {
            id,
            room,
            users,
            more,
        } => object(
            "members",
            vec![
                always("id", number(id.0)),
                always("room", number(room.0)),
                always("more", more.to_string()),
                always("users", noun::users(users)),
            ],
        ),
        ServerFrame::Event { room, epoch, event } => object(
            "event",
            vec![
                always("room", number(room.0)),
                always("epoch", number(epoch.get())),
                always("event", event::event(event)),
            ],
        ),
        ServerFrame::Typing {
            room,
            users,
            count,
            thread,
        } => object(
            "typing",
            vec![
                always("room", number(room.0)),
                always("count", number(*count)),
                always("users", noun::users(users)),
                unless("null", "thread", noun::seq(*thread)),
            ],
        ),
        ServerFrame::Presence { users } => {
            object("presence", vec![always("users", noun::presences(users))])
        }
        ServerFrame::Reset {
            room,
            position,
            reason,
        } => object(
            "reset",
            vec![
                always("room", number(room.0)),
                always("position", noun::position(position)),
                always("reason", choice::reset_reason(*reason)),
            ],
        ),
        ServerFrame::Removed { room, reason } => object(
            "removed",
            vec![
                always("room", number(room.0)),
                always("reason", choice::removed_reason(*reason)),
            ],
        ),
        ServerFrame::Dropped { signals } => {
            object("dropped", vec![always("signals", number(*signals))])
        }
        ServerFrame::Marked { id, mark } => object(
            "marked",
            [vec![always("id", number(id.0))], noun::mark(*mark)].concat(),
        ),
        ServerFrame::Readers {
            id,
            room,
            users,
            more,
            after,
        } => object(
            "readers",
            vec![
                always("id", number(id.0)),
                always("room", number(room.0)),
                always("users", noun::users(users)),
                always("more", more.to_string()),
                unless("null", "after", noun::user(after.as_ref())),
            ],
        ),
        ServerFrame::Rooms { id, rooms, more } => object(
            "rooms",
            vec![
                always("id", number(id.0)),
                always("rooms", list(rooms, noun::entry)),
                always("more", more.to_string()),
            ],
        ),
        ServerFrame::Overwrites {
            id,
            room,
            overwrites,
        } => object(
            "overwrites",
            vec![
                always("id", number(id.0)),
                always("room", number(room.0)),
                always(
                    "overwrites",
                    list(overwrites, |(target, overwrite)| {
                        fields(noun::overwrite(target, *overwrite))
                    }),
                ),
            ],
        ),
        ServerFrame::Me { id, me } => self::me(id.0, me),
        ServerFrame::Roles { id, roles } => object(
            "roles",
            vec![
                always("id", number(id.0)),
                always("roles", list(roles, |role| fields(noun::role(role)))),
            ],
        ),
        ServerFrame::Explained {
            id,
            allowed,
            reasons,
        } => object(
            "explained",
            vec![
                always("id", number(id.0)),
                always("allowed", allowed.to_string()),
                always("reasons", list(reasons, reason)),
            ],
        ),
        ServerFrame::Passed {
            room,
            epoch,
            from,
            to,
            members,
        } => object(
            "passed",
            vec![
                always("room", number(room.0)),
                always("epoch", number(epoch.get())),
                always("from", number(from.0)),
                always("to", number(to.0)),
                always("members", number(*members)),
            ],
        ),
        ServerFrame::Signals { room, signals } => object(
            "signals",
            vec![
                always("room", number(room.0)),
                always("signals", list(signals, signal)),
            ],
        ),
        ServerFrame::Occupancy {
            room,
            count,
            change,
        } => object(
            "occupancy",
            vec![
                always("room", number(room.0)),
                always("count", number(*count)),
                unless(
                    "null",
                    "change",
                    optional(change.as_ref(), occupancy_change),
                ),
            ],
        ),
    }
}

fn welcome(welcome: &Welcome) -> String {
    object(
        "welcome",
        vec![
            always("version", number(welcome.version)),
            always("tenant", text(welcome.tenant.as_str())),
            always("user", text(welcome.user.as_str())),
            always("connection", number(welcome.connection.0)),
            always("time", number(welcome.time.0)),
            always("heartbeat_ms", number(welcome.heartbeat_ms)),
            always("message_bytes_max", number(welcome.message_bytes_max)),
            always(
                "requests_in_flight_max",
                number(welcome.requests_in_flight_max),
            ),
            always("capabilities", list(&welcome.capabilities, text)),
            always(
                "expires",
                optional(welcome.expires.as_ref(), |time| number(time.0)),
            ),
        ],
    )
}

fn me(id: u64, me: &Me) -> String {
    object(
        "me",
        vec![
            always("id", number(id)),
            always("status", fields(noun::status(&me.status))),
            always("roles", noun::roles(&me.roles)),
            always("permissions", number(me.permissions.0)),
            always("blocked", noun::users(&me.blocked)),
            always("threads", list(&me.threads, followed)),
            unless(
                "null",
                "stream",
                optional(me.stream.as_ref(), noun::position),
            ),
        ],
    )
}

fn followed(thread: &FollowedThread) -> String {
    let place = vec![
        always("room", number(thread.room.0)),
        always("thread", number(thread.thread.0)),
    ];
    let unread = vec![always("unread", number(thread.unread))];
    fields([place, noun::mark(thread.mark), unread].concat())
}

fn reason(reason: &Reason) -> String {
    fields(vec![
        always("cause", choice::cause(reason.cause)),
        always(
            "role",
            optional(reason.role.as_ref(), |role| number(role.0)),
        ),
        always("allows", reason.allows.to_string()),
    ])
}

fn signal(signal: &Signal) -> String {
    fields(vec![
        always("user", text(signal.user.as_str())),
        always("name", text(signal.name.as_str())),
        always("body", hex(&signal.body)),
    ])
}

fn occupancy_change(change: &OccupancyChange) -> String {
    fields(vec![
        always("all", change.all.to_string()),
        always("came", noun::users(&change.came)),
        always("went", noun::users(&change.went)),
    ])
}
