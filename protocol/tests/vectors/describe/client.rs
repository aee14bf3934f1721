//! What a frame of a client says.

use homeroom_protocol::{Auth, ClientFrame, Hello, IdempotencyKey, Request, RoomNumber, Seq};

use super::{
    choice,
    json::{Field, always, fields, hex, list, number, object, optional, text, unless},
    noun,
};

/// The name of its kind in `SPEC.md`, then its fields in the order of the wire.
pub(crate) fn client(frame: &ClientFrame) -> String {
    match frame {
        ClientFrame::Hello(hello) => self::hello(hello),
        ClientFrame::Ping { nonce } => object("ping", vec![always("nonce", number(*nonce))]),
        ClientFrame::Signal { room, name, body } => object(
            "signal",
            vec![
                always("room", number(room.0)),
                always("name", text(name.as_str())),
                always("body", hex(body)),
            ],
        ),
        ClientFrame::Request { id, request } => {
            let (kind, rest) = self::request(request);
            object(kind, [vec![always("id", number(id.0))], rest].concat())
        }
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
        Auth::Guest { name } => fields(vec![always("guest", text(name.as_str()))]),
        Auth::Token(token) => fields(vec![always("token", text(token))]),
    };
    object(
        "hello",
        vec![
            always("version", number(*version)),
            always("tenant", text(tenant.as_str())),
            always("auth", auth),
            always("device", text(device.as_str())),
            always("capabilities", list(capabilities, text)),
        ],
    )
}

#[expect(clippy::too_many_lines, reason = "one table, an arm for each request")]
fn request(request: &Request) -> (&'static str, Vec<Field>) {
    match request {
        Request::Create {
            key,
            room,
            info,
            members,
        } => {
            let first = vec![
                always("key", hex(&key.0)),
                always("room", text(room.as_str())),
                always("title", optional(info.title.as_ref(), text)),
            ];
            let members = unless("[]", "members", noun::users(members));
            (
                "create",
                [first, noun::info_behind_title(info), vec![members]].concat(),
            )
        }
        Request::Join { room, resume } => (
            "join",
            vec![
                always("room", text(room.as_str())),
                always("resume", optional(resume.as_ref(), noun::position)),
            ],
        ),
        Request::Leave { room } => ("leave", vec![number_of(*room)]),
        Request::Send { key, room, draft } => {
            ("send", [write(key, *room), noun::draft(draft)].concat())
        }
        Request::History {
            room,
            direction,
            anchor,
            limit,
            thread,
        } => (
            "history",
            vec![
                number_of(*room),
                always("direction", choice::direction(*direction)),
                always("anchor", number(anchor.0)),
                always("limit", number(*limit)),
                unless("null", "thread", noun::seq(*thread)),
            ],
        ),
        Request::Typing {
            room,
            active,
            thread,
        } => (
            "set_typing",
            vec![
                number_of(*room),
                always("active", active.to_string()),
                unless("null", "thread", noun::seq(*thread)),
            ],
        ),
        Request::Presence { state } => (
            "set_presence",
            vec![always("state", choice::device_state(*state))],
        ),
        Request::Watch { users } => ("watch", vec![always("users", noun::users(users))]),
        Request::Members { room, after, limit } => (
            "list_members",
            vec![
                number_of(*room),
                always("limit", number(*limit)),
                always("after", noun::user(after.as_ref())),
            ],
        ),
        Request::Edit {
            key,
            room,
            target,
            draft,
        } => (
            "edit",
            [write_to(key, *room, *target), noun::draft(draft)].concat(),
        ),
        Request::Delete { key, room, target } => ("delete", write_to(key, *room, *target)),
        Request::React {
            key,
            room,
            target,
            emoji,
            on,
        } => {
            let reaction = vec![
                always("emoji", text(emoji.as_str())),
                always("on", on.to_string()),
            ];
            ("react", [write_to(key, *room, *target), reaction].concat())
        }
        Request::Pin {
            key,
            room,
            target,
            on,
        } => {
            let on = vec![always("on", on.to_string())];
            ("pin", [write_to(key, *room, *target), on].concat())
        }
        Request::Versions { room, target } => (
            "versions",
            vec![number_of(*room), always("target", number(target.0))],
        ),
        Request::Mark(mark) => ("mark", noun::placed_mark(mark)),
        Request::MarkAll { rooms } => {
            let rooms = optional(rooms.as_ref(), |rooms| list(rooms, |room| number(room.0)));
            ("mark_all", vec![unless("null", "rooms", rooms)])
        }
        Request::Readers {
            room,
            seq,
            after,
            limit,
        } => (
            "list_readers",
            vec![
                number_of(*room),
                always("seq", number(seq.0)),
                always("limit", number(*limit)),
                unless("null", "after", noun::user(after.as_ref())),
            ],
        ),
        Request::Follow { room, thread, on } => (
            "follow",
            vec![
                number_of(*room),
                always("thread", number(thread.0)),
                always("on", on.to_string()),
            ],
        ),
        Request::Rooms { after, limit } => (
            "list_rooms",
            vec![
                always("limit", number(*limit)),
                unless(
                    "null",
                    "after",
                    optional(after.as_ref(), |room| number(room.0)),
                ),
            ],
        ),
        Request::ChangeRoom { key, room, changes } => {
            let changes = vec![always("changes", noun::changes(changes))];
            ("change_room", [write(key, *room), changes].concat())
        }
        Request::Moderate {
            key,
            room,
            user,
            measure,
            until,
            reason,
        } => {
            let rest = vec![
                always("user", text(user.as_str())),
                always("measure", choice::measure(*measure)),
                unless("null", "until", noun::time(*until)),
                unless("null", "reason", optional(reason.as_ref(), text)),
            ];
            ("moderate", [write(key, *room), rest].concat())
        }
        Request::Overwrite {
            key,
            room,
            target,
            overwrite,
        } => (
            "set_overwrite",
            [write(key, *room), noun::overwrite(target, *overwrite)].concat(),
        ),
        Request::Overwrites { room } => ("list_overwrites", vec![number_of(*room)]),
        Request::Level { room, level } => (
            "set_level",
            vec![number_of(*room), always("level", choice::level(*level))],
        ),
        Request::Report {
            key,
            room,
            target,
            reason,
        } => {
            let reason = vec![always("reason", text(reason))];
            ("report", [write_to(key, *room, *target), reason].concat())
        }
        Request::Stream { stream, resume } => (
            "open_stream",
            vec![
                always("stream", choice::stream(*stream)),
                unless("null", "resume", optional(resume.as_ref(), noun::position)),
            ],
        ),
        Request::Me => ("get_me", vec![]),
        Request::Status(status) => ("set_status", noun::status(status)),
        Request::Block { user, on } => (
            "block",
            vec![
                always("user", text(user.as_str())),
                always("on", on.to_string()),
            ],
        ),
        Request::SetRole(role) => ("set_role", noun::role(role)),
        Request::RemoveRole { role } => ("remove_role", vec![always("role", number(role.0))]),
        Request::GiveRoles { user, roles } => (
            "give_roles",
            vec![
                always("user", text(user.as_str())),
                always("roles", noun::roles(roles)),
            ],
        ),
        Request::Roles => ("list_roles", vec![]),
        Request::Policy { apart } => {
            let pairs = list(apart, |(from, to)| {
                fields(vec![
                    always("from", number(from.0)),
                    always("to", number(to.0)),
                ])
            });
            ("set_policy", vec![always("apart", pairs)])
        }
        Request::Explain {
            room,
            user,
            permission,
        } => (
            "explain",
            vec![
                always("room", optional(room.as_ref(), |room| number(room.0))),
                always("user", noun::user(user.as_ref())),
                always("permission", choice::permission(*permission)),
            ],
        ),
        Request::View { room, thread } => (
            "view",
            vec![
                unless(
                    "null",
                    "room",
                    optional(room.as_ref(), |room| number(room.0)),
                ),
                unless("null", "thread", noun::seq(*thread)),
            ],
        ),
    }
}

fn number_of(room: RoomNumber) -> Field {
    always("room", number(room.0))
}

fn write(key: &IdempotencyKey, room: RoomNumber) -> Vec<Field> {
    vec![always("key", hex(&key.0)), number_of(room)]
}

fn write_to(key: &IdempotencyKey, room: RoomNumber, target: Seq) -> Vec<Field> {
    [write(key, room), vec![always("target", number(target.0))]].concat()
}
