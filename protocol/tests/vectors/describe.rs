//! What a frame says, as one line of JSON: the form in which clients of every language can compare.
//! Written by hand on purpose: neither the codec nor `Debug` can change what a vector promises.

use homeroom_protocol::{
    Auth, ClientFrame, DeviceState, Direction, EventBody, Hello, IdempotencyKey, Position,
    Presence, RemovedReason, Request, ResetReason, ServerFrame, TimelineEvent, UserId, Welcome,
};

/// The name of its kind in `SPEC.md`, then its fields in the order of the wire.
pub(crate) fn client(frame: &ClientFrame) -> String {
    match frame {
        ClientFrame::Hello(hello) => self::hello(hello),
        ClientFrame::Ping { nonce } => object("ping", &[("nonce", number(*nonce))]),
        ClientFrame::Request { id, request } => self::request(id.0, request),
    }
}

fn hello(hello: &Hello) -> String {
    let Hello {
        version,
        capabilities,
        tenant,
        auth,
        device,
    } = hello;
    let auth = match auth {
        Auth::Guest { name } => fields(&[("guest", text(name.as_str()))]),
        Auth::Token(token) => fields(&[("token", text(token))]),
    };
    object(
        "hello",
        &[
            ("version", number(*version)),
            ("tenant", text(tenant.as_str())),
            ("auth", auth),
            ("device", text(device.as_str())),
            ("capabilities", list(capabilities, |name| text(name))),
        ],
    )
}

fn request(id: u64, request: &Request) -> String {
    let id = ("id", number(id));
    match request {
        Request::Create { key, room, title } => object(
            "create",
            &[
                id,
                ("key", self::key(key)),
                ("room", text(room.as_str())),
                ("title", optional(title.as_ref(), |title| text(title))),
            ],
        ),
        Request::Join { room, resume } => object(
            "join",
            &[
                id,
                ("room", text(room.as_str())),
                ("resume", optional(resume.as_ref(), position)),
            ],
        ),
        Request::Leave { room } => object("leave", &[id, ("room", number(room.0))]),
        Request::Send { key, room, text } => object(
            "send",
            &[
                id,
                ("key", self::key(key)),
                ("room", number(room.0)),
                ("text", self::text(text)),
            ],
        ),
        Request::History {
            room,
            direction,
            anchor,
            limit,
        } => object(
            "history",
            &[
                id,
                ("room", number(room.0)),
                ("direction", self::direction(*direction)),
                ("anchor", number(anchor.0)),
                ("limit", number(*limit)),
            ],
        ),
        Request::Typing { room, active } => object(
            "set_typing",
            &[id, ("room", number(room.0)), ("active", active.to_string())],
        ),
        Request::Presence { state } => {
            object("set_presence", &[id, ("state", device_state(*state))])
        }
        Request::Watch { users } => object("watch", &[id, ("users", self::users(users))]),
        Request::Members { room, after, limit } => object(
            "list_members",
            &[
                id,
                ("room", number(room.0)),
                ("limit", number(*limit)),
                (
                    "after",
                    optional(after.as_ref(), |user| text(user.as_str())),
                ),
            ],
        ),
    }
}

/// The name of its kind in `SPEC.md`, then its fields in the order of the wire.
#[expect(clippy::too_many_lines, reason = "one table, an arm for each frame")]
pub(crate) fn server(frame: &ServerFrame) -> String {
    match frame {
        ServerFrame::Welcome(welcome) => self::welcome(welcome),
        ServerFrame::Pong { nonce, time } => object(
            "pong",
            &[("nonce", number(*nonce)), ("time", number(time.0))],
        ),
        ServerFrame::Bye {
            code,
            reconnect_after_ms,
            explanation,
        } => object(
            "bye",
            &[
                ("code", number(*code)),
                (
                    "reconnect_after_ms",
                    optional(reconnect_after_ms.as_ref(), |ms| number(*ms)),
                ),
                ("explanation", text(explanation)),
            ],
        ),
        ServerFrame::Done { id } => object("done", &[("id", number(id.0))]),
        ServerFrame::Error {
            id,
            code,
            retry_after_ms,
            explanation,
        } => object(
            "error",
            &[
                ("id", optional(id.as_ref(), |id| number(id.0))),
                ("code", number(*code)),
                (
                    "retry_after_ms",
                    optional(retry_after_ms.as_ref(), |ms| number(*ms)),
                ),
                ("explanation", text(explanation)),
            ],
        ),
        ServerFrame::Created {
            id,
            room,
            position,
            time,
        } => object(
            "created",
            &[
                ("id", number(id.0)),
                ("room", number(room.0)),
                ("position", self::position(position)),
                ("time", number(time.0)),
            ],
        ),
        ServerFrame::Joined {
            id,
            room,
            position,
            head,
            reset,
            members,
        } => object(
            "joined",
            &[
                ("id", number(id.0)),
                ("room", number(room.0)),
                ("position", self::position(position)),
                ("head", number(head.0)),
                ("members", number(*members)),
                (
                    "reset",
                    optional(reset.as_ref(), |reason| reset_reason(*reason)),
                ),
            ],
        ),
        ServerFrame::Sent { id, position, time } => object(
            "sent",
            &[
                ("id", number(id.0)),
                ("position", self::position(position)),
                ("time", number(time.0)),
            ],
        ),
        ServerFrame::Page {
            id,
            room,
            epoch,
            events,
            more,
        } => object(
            "page",
            &[
                ("id", number(id.0)),
                ("room", number(room.0)),
                ("epoch", number(epoch.get())),
                ("more", more.to_string()),
                ("events", list(events, event)),
            ],
        ),
        ServerFrame::Watching { id, users } => object(
            "watching",
            &[("id", number(id.0)), ("users", presences(users))],
        ),
        ServerFrame::Members {
            id,
            room,
            users,
            more,
        } => object(
            "members",
            &[
                ("id", number(id.0)),
                ("room", number(room.0)),
                ("more", more.to_string()),
                ("users", self::users(users)),
            ],
        ),
        ServerFrame::Event { room, epoch, event } => object(
            "event",
            &[
                ("room", number(room.0)),
                ("epoch", number(epoch.get())),
                ("event", self::event(event)),
            ],
        ),
        ServerFrame::Typing { room, users, count } => object(
            "typing",
            &[
                ("room", number(room.0)),
                ("count", number(*count)),
                ("users", self::users(users)),
            ],
        ),
        ServerFrame::Presence { users } => object("presence", &[("users", presences(users))]),
        ServerFrame::Reset {
            room,
            position,
            reason,
        } => object(
            "reset",
            &[
                ("room", number(room.0)),
                ("position", self::position(position)),
                ("reason", reset_reason(*reason)),
            ],
        ),
        ServerFrame::Removed { room, reason } => object(
            "removed",
            &[
                ("room", number(room.0)),
                ("reason", removed_reason(*reason)),
            ],
        ),
        ServerFrame::Dropped { signals } => object("dropped", &[("signals", number(*signals))]),
    }
}

fn welcome(welcome: &Welcome) -> String {
    object(
        "welcome",
        &[
            ("version", number(welcome.version)),
            ("tenant", text(welcome.tenant.as_str())),
            ("user", text(welcome.user.as_str())),
            ("connection", number(welcome.connection.0)),
            ("time", number(welcome.time.0)),
            ("heartbeat_ms", number(welcome.heartbeat_ms)),
            ("message_bytes_max", number(welcome.message_bytes_max)),
            (
                "requests_in_flight_max",
                number(welcome.requests_in_flight_max),
            ),
            (
                "capabilities",
                list(&welcome.capabilities, |name| text(name)),
            ),
            (
                "expires",
                optional(welcome.expires.as_ref(), |time| number(time.0)),
            ),
        ],
    )
}

fn event(event: &TimelineEvent) -> String {
    let body = match &event.body {
        EventBody::RoomCreated { title } => object(
            "room_created",
            &[("title", optional(title.as_ref(), |title| text(title)))],
        ),
        EventBody::MemberJoined => object("member_joined", &[]),
        EventBody::MemberLeft => object("member_left", &[]),
        EventBody::MemberAdded { member } => {
            object("member_added", &[("member", text(member.as_str()))])
        }
        EventBody::MemberRemoved { member } => {
            object("member_removed", &[("member", text(member.as_str()))])
        }
        EventBody::Message { text } => object("message", &[("text", self::text(text))]),
        EventBody::Unknown { kind } => object("unknown", &[("number", number(*kind))]),
    };
    fields(&[
        ("seq", number(event.seq.0)),
        ("time", number(event.time.0)),
        ("author", text(event.author.as_str())),
        ("body", body),
    ])
}

fn direction(direction: Direction) -> String {
    text(match direction {
        Direction::Before => "before",
        Direction::After => "after",
    })
}

fn device_state(state: DeviceState) -> String {
    text(match state {
        DeviceState::Active => "active",
        DeviceState::Idle => "idle",
    })
}

fn presence(presence: Presence) -> String {
    text(match presence {
        Presence::Offline => "offline",
        Presence::Active => "active",
        Presence::Idle => "idle",
    })
}

fn reset_reason(reason: ResetReason) -> String {
    text(match reason {
        ResetReason::EpochChanged => "epoch_changed",
        ResetReason::Trimmed => "trimmed",
        ResetReason::Ahead => "ahead",
        ResetReason::Unreadable => "unreadable",
    })
}

fn removed_reason(reason: RemovedReason) -> String {
    text(match reason {
        RemovedReason::Left => "left",
        RemovedReason::Removed => "removed",
    })
}

fn position(position: &Position) -> String {
    fields(&[
        ("epoch", number(position.epoch.get())),
        ("seq", number(position.seq.0)),
    ])
}

fn users(users: &[UserId]) -> String {
    list(users, |user| text(user.as_str()))
}

fn presences(users: &[(UserId, Presence)]) -> String {
    list(users, |(user, state)| {
        fields(&[
            ("user", text(user.as_str())),
            ("presence", presence(*state)),
        ])
    })
}

fn key(key: &IdempotencyKey) -> String {
    text(&key.0.map(|byte| format!("{byte:02x}")).concat())
}

fn object(kind: &str, rest: &[(&str, String)]) -> String {
    fields(&[&[("kind", text(kind))], rest].concat())
}

fn fields(fields: &[(&str, String)]) -> String {
    let all: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", all.join(","))
}

fn list<T>(items: &[T], describe: impl Fn(&T) -> String) -> String {
    let all: Vec<_> = items.iter().map(describe).collect();
    format!("[{}]", all.join(","))
}

fn optional<T>(value: Option<&T>, describe: impl Fn(&T) -> String) -> String {
    value.map_or_else(|| "null".to_owned(), describe)
}

fn number(number: impl Into<u64>) -> String {
    number.into().to_string()
}

/// The examples hold no text that JSON would need more escapes for.
fn text(text: &str) -> String {
    assert!(!text.contains(|c: char| c == '"' || c == '\\' || c.is_control()));
    format!("\"{text}\"")
}
