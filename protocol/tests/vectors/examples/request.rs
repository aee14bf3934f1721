//! What a client asks for.

mod messages;
mod rooms;

use homeroom_protocol::{
    Availability, DeviceState, Direction, Permission, Permissions, Request, Role, RoleId, RoomInfo,
    Seq, Status, limit,
};
use messages::{marks, messages};
use rooms::{moderation, rooms};

use super::{Example, KEY, ROOM, position, room_id, time, titled, user, usual};

/// In the order in which they came to be: the number of each is its request id.
pub(super) fn requests() -> Vec<Example<Request>> {
    [
        first(),
        rooms(),
        messages(),
        marks(),
        moderation(),
        people(),
    ]
    .concat()
}

#[expect(
    clippy::too_many_lines,
    reason = "a list of examples, one after another"
)]
pub(super) fn first() -> Vec<Example<Request>> {
    vec![
        (
            "create",
            "Makes a room with a title.",
            Request::Create {
                key: KEY,
                room: room_id(),
                info: titled(),
                members: vec![],
            },
        ),
        (
            "create_untitled",
            "Makes a room without a title.",
            Request::Create {
                key: KEY,
                room: room_id(),
                info: RoomInfo::default(),
                members: vec![],
            },
        ),
        (
            "join",
            "Joins a room for the first time.",
            Request::Join {
                room: room_id(),
                resume: None,
            },
        ),
        (
            "join_resume",
            "Joins again, after seq 41.",
            Request::Join {
                room: room_id(),
                resume: Some(position(41)),
            },
        ),
        (
            "leave",
            "Ends the membership.",
            Request::Leave { room: ROOM },
        ),
        (
            "send",
            "Sends a message; its text has characters of 1 to 4 bytes.",
            Request::Send {
                key: KEY,
                room: ROOM,
                draft: "Hi, Zoë 👋 €".into(),
            },
        ),
        (
            "history_before",
            "Reads the newest 50 events.",
            Request::History {
                room: ROOM,
                direction: Direction::Before,
                anchor: Seq(limit::INTEGER_MAX),
                limit: 50,
                thread: None,
            },
        ),
        (
            "history_after",
            "Reads the oldest 100 events.",
            Request::History {
                room: ROOM,
                direction: Direction::After,
                anchor: Seq(0),
                limit: 100,
                thread: None,
            },
        ),
        (
            "set_typing",
            "The user types.",
            Request::Typing {
                room: ROOM,
                active: true,
                thread: None,
            },
        ),
        (
            "set_typing_stopped",
            "The user stopped.",
            Request::Typing {
                room: ROOM,
                active: false,
                thread: None,
            },
        ),
        (
            "set_presence_active",
            "The user is there.",
            Request::Presence {
                state: DeviceState::Active,
            },
        ),
        (
            "set_presence_idle",
            "The user is elsewhere.",
            Request::Presence {
                state: DeviceState::Idle,
            },
        ),
        (
            "watch",
            "Watches two users and no others.",
            Request::Watch {
                users: vec![user("ben"), user("zoë")],
            },
        ),
        (
            "watch_nobody",
            "Stops watching.",
            Request::Watch { users: vec![] },
        ),
        (
            "list_members",
            "Reads the first page of members.",
            Request::Members {
                room: ROOM,
                after: None,
                limit: 256,
            },
        ),
        (
            "list_members_after",
            "Reads the next page.",
            Request::Members {
                room: ROOM,
                after: Some(user("ben")),
                limit: 256,
            },
        ),
    ]
}

#[expect(
    clippy::too_many_lines,
    reason = "a list of examples, one after another"
)]
fn people() -> Vec<Example<Request>> {
    let status = |availability| {
        Request::Status(Status {
            availability,
            text: None,
            expires: None,
        })
    };
    let role = |prohibit| {
        Request::SetRole(Role {
            role: RoleId(3),
            name: "pupil".to_owned(),
            rank: 10,
            allow: usual(),
            prohibit,
        })
    };
    vec![
        ("get_me", "What is known of the user.", Request::Me),
        (
            "set_status",
            "Busy for an hour.",
            Request::Status(Status {
                availability: Availability::Busy,
                text: Some("in an exam".to_owned()),
                expires: Some(time(3_600_000)),
            }),
        ),
        (
            "set_status_automatic",
            "Whatever the devices say, and no words.",
            status(Availability::Automatic),
        ),
        ("set_status_away", "Away.", status(Availability::Away)),
        (
            "set_status_invisible",
            "To be shown as offline.",
            status(Availability::Invisible),
        ),
        (
            "block",
            "Blocks Ben.",
            Request::Block {
                user: user("ben"),
                on: true,
            },
        ),
        (
            "set_role",
            "Makes a role, or changes it.",
            role(Permissions::NONE),
        ),
        (
            "set_role_prohibit",
            "Whoever has it never gets to begin a direct room.",
            role(Permissions::of(&[Permission::Direct])),
        ),
        (
            "remove_role",
            "Takes a role away.",
            Request::RemoveRole { role: RoleId(3) },
        ),
        (
            "give_roles",
            "Ben has two roles from now on.",
            Request::GiveRoles {
                user: user("ben"),
                roles: vec![RoleId(3), RoleId(5)],
            },
        ),
        ("list_roles", "Lists all roles.", Request::Roles),
        (
            "set_policy",
            "Who has role 3 may not write to who has role 4.",
            Request::Policy {
                apart: vec![(RoleId(3), RoleId(4))],
            },
        ),
        (
            "explain",
            "Why Ben may or may not send in a room.",
            Request::Explain {
                room: Some(ROOM),
                user: Some(user("ben")),
                permission: Permission::Send,
            },
        ),
        (
            "explain_tenant",
            "Why one may or may not make rooms.",
            Request::Explain {
                room: None,
                user: None,
                permission: Permission::CreateRooms,
            },
        ),
    ]
}
