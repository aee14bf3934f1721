//! What a client asks for.

use homeroom_protocol::{
    AllowedMentions, Availability, DeviceState, Direction, Draft, Durability, Emoji, Mark, Measure,
    NotificationLevel, Overwrite, OverwriteTarget, Permission, Permissions, PlacedMark, Request,
    Retention, Role, RoleId, RoomChange, RoomInfo, RoomKind, RoomNumber, Seq, Status, Stream,
    limit,
};

use super::{Example, KEY, ROOM, custom, position, room_id, time, titled, user, usual};

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
fn first() -> Vec<Example<Request>> {
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
fn rooms() -> Vec<Example<Request>> {
    let everything = RoomInfo {
        title: Some("Class 7b".to_owned()),
        kind: RoomKind::Private,
        topic: Some("Room 12".to_owned()),
        metadata: vec![0x80],
        retention: Retention::Days(365),
        durability: Durability::None,
        slow_mode_ms: 5_000,
        archived: true,
    };
    let changes = vec![
        RoomChange::Kind(RoomKind::Announcement),
        RoomChange::Title(Some("Class 8b".to_owned())),
        RoomChange::Topic(None),
        RoomChange::Metadata(vec![]),
        RoomChange::Retention(Retention::Messages(1_000)),
        RoomChange::SlowMode(0),
        RoomChange::Archived(false),
    ];
    let of_kind = |kind, members| Request::Create {
        key: KEY,
        room: room_id(),
        info: RoomInfo {
            kind,
            ..RoomInfo::default()
        },
        members,
    };
    vec![
        (
            "create_full",
            "Makes a room and says everything about it.",
            Request::Create {
                key: KEY,
                room: room_id(),
                info: everything,
                members: vec![user("ben")],
            },
        ),
        (
            "create_direct",
            "Makes a direct room with two others.",
            of_kind(RoomKind::Direct, vec![user("ben"), user("cleo")]),
        ),
        (
            "create_announcement",
            "Makes a room in which only some talk.",
            of_kind(RoomKind::Announcement, vec![]),
        ),
        (
            "change_room",
            "Changes everything that can be changed.",
            Request::ChangeRoom {
                key: KEY,
                room: ROOM,
                changes,
            },
        ),
        (
            "change_room_retention",
            "Keeps everything from now on.",
            Request::ChangeRoom {
                key: KEY,
                room: ROOM,
                changes: vec![RoomChange::Retention(Retention::All)],
            },
        ),
        (
            "list_rooms",
            "Reads the first page of one's rooms.",
            Request::Rooms {
                after: None,
                limit: 512,
            },
        ),
        (
            "list_rooms_after",
            "Reads the next page.",
            Request::Rooms {
                after: Some(ROOM),
                limit: 512,
            },
        ),
        (
            "view",
            "Shows a room and a thread of it.",
            Request::View {
                room: Some(ROOM),
                thread: Some(Seq(42)),
            },
        ),
        (
            "view_nothing",
            "Shows no room.",
            Request::View {
                room: None,
                thread: None,
            },
        ),
        (
            "open_stream",
            "Starts the user's own stream.",
            Request::Stream {
                stream: Stream::Personal,
                resume: None,
            },
        ),
        (
            "open_stream_resume",
            "Goes on with what was reported, after seq 41.",
            Request::Stream {
                stream: Stream::Reports,
                resume: Some(position(41)),
            },
        ),
    ]
}

#[expect(
    clippy::too_many_lines,
    reason = "a list of examples, one after another"
)]
fn messages() -> Vec<Example<Request>> {
    let everything = Draft {
        text: "<@ben> see <!room>".to_owned(),
        thread: Some(Seq(42)),
        reply_to: Some(Seq(43)),
        allowed_mentions: Some(AllowedMentions {
            users: Some(vec![user("ben")]),
            roles: false,
            room: true,
        }),
        custom: Some(custom()),
        attachments: vec!["file/9f2c".to_owned()],
        quiet: true,
    };
    let send = |draft| Request::Send {
        key: KEY,
        room: ROOM,
        draft,
    };
    let target = Seq(42);
    vec![
        (
            "send_full",
            "Sends a message that has everything.",
            send(everything.clone()),
        ),
        (
            "send_in_thread",
            "Answers in the thread of message 42.",
            send(Draft {
                thread: Some(target),
                ..Draft::from("me too")
            }),
        ),
        (
            "send_mentions_nobody",
            "Sends a message whose text mentions nobody, whatever it says.",
            send(Draft {
                allowed_mentions: Some(AllowedMentions {
                    users: Some(vec![]),
                    ..AllowedMentions::default()
                }),
                ..Draft::from("<@ben>")
            }),
        ),
        (
            "edit",
            "Puts another text in the place of that of message 42.",
            Request::Edit {
                key: KEY,
                room: ROOM,
                target,
                draft: "Hello, Zoë".into(),
            },
        ),
        (
            "edit_full",
            "Puts everything anew.",
            Request::Edit {
                key: KEY,
                room: ROOM,
                target,
                draft: everything,
            },
        ),
        (
            "delete",
            "Takes message 42 back.",
            Request::Delete {
                key: KEY,
                room: ROOM,
                target,
            },
        ),
        (
            "react",
            "Reacts to message 42.",
            Request::React {
                key: KEY,
                room: ROOM,
                target,
                emoji: Emoji::new("👍").unwrap(),
                on: true,
            },
        ),
        (
            "react_off",
            "Takes the reaction back.",
            Request::React {
                key: KEY,
                room: ROOM,
                target,
                emoji: Emoji::new("👍").unwrap(),
                on: false,
            },
        ),
        (
            "pin",
            "Pins message 42.",
            Request::Pin {
                key: KEY,
                room: ROOM,
                target,
                on: true,
            },
        ),
        (
            "versions",
            "Reads the versions of message 42.",
            Request::Versions { room: ROOM, target },
        ),
        (
            "history_around",
            "Reads what was said in a thread around seq 60.",
            Request::History {
                room: ROOM,
                direction: Direction::Around,
                anchor: Seq(60),
                limit: 50,
                thread: Some(target),
            },
        ),
        (
            "set_typing_in_thread",
            "The user types in a thread.",
            Request::Typing {
                room: ROOM,
                active: true,
                thread: Some(target),
            },
        ),
        (
            "report",
            "Shows message 42 to those who moderate.",
            Request::Report {
                key: KEY,
                room: ROOM,
                target,
                reason: "rude".to_owned(),
            },
        ),
    ]
}

fn marks() -> Vec<Example<Request>> {
    let mark = |thread, generation, seq, public| {
        Request::Mark(PlacedMark {
            room: ROOM,
            thread,
            mark: Mark {
                generation,
                seq: Seq(seq),
            },
            public,
        })
    };
    let readers = |after| Request::Readers {
        room: ROOM,
        seq: Seq(42),
        after,
        limit: 256,
    };
    vec![
        (
            "mark",
            "The user has read the room up to seq 42, and nobody else is to know.",
            mark(None, 0, 42, false),
        ),
        (
            "mark_thread",
            "The user has read a thread up to seq 50 and marked it unread once.",
            mark(Some(Seq(42)), 1, 50, true),
        ),
        (
            "mark_all",
            "Marks all rooms as read.",
            Request::MarkAll { rooms: None },
        ),
        (
            "mark_all_of_some",
            "Marks two rooms as read.",
            Request::MarkAll {
                rooms: Some(vec![ROOM, RoomNumber(8)]),
            },
        ),
        ("list_readers", "Who has read up to seq 42.", readers(None)),
        (
            "list_readers_after",
            "Reads the next page.",
            readers(Some(user("ben"))),
        ),
        (
            "follow",
            "Follows the thread of message 42.",
            Request::Follow {
                room: ROOM,
                thread: Seq(42),
                on: true,
            },
        ),
        (
            "set_level",
            "Wants to hear of mentions only.",
            Request::Level {
                room: ROOM,
                level: NotificationLevel::Mentions,
            },
        ),
        (
            "set_level_all",
            "Wants to hear of everything.",
            Request::Level {
                room: ROOM,
                level: NotificationLevel::All,
            },
        ),
        (
            "set_level_nothing",
            "Wants to hear of nothing.",
            Request::Level {
                room: ROOM,
                level: NotificationLevel::Nothing,
            },
        ),
    ]
}

fn moderation() -> Vec<Example<Request>> {
    let moderate = |measure| Request::Moderate {
        key: KEY,
        room: ROOM,
        user: user("ben"),
        measure,
        until: None,
        reason: None,
    };
    let overwrite = Overwrite {
        deny: Permissions::of(&[Permission::Send]),
        allow: Permissions::of(&[Permission::SendInThreads, Permission::Pin]),
    };
    let set = |target, overwrite| Request::Overwrite {
        key: KEY,
        room: ROOM,
        target,
        overwrite,
    };
    vec![
        ("moderate_invite", "Invites Ben.", moderate(Measure::Invite)),
        (
            "moderate_uninvite",
            "Takes the invitation back.",
            moderate(Measure::Uninvite),
        ),
        ("moderate_add", "Adds Ben.", moderate(Measure::Add)),
        (
            "moderate_remove",
            "Ends Ben's membership.",
            moderate(Measure::Remove),
        ),
        (
            "moderate_ban",
            "Keeps Ben out for an hour.",
            Request::Moderate {
                key: KEY,
                room: ROOM,
                user: user("ben"),
                measure: Measure::Ban,
                until: Some(time(3_600_000)),
                reason: Some("spam".to_owned()),
            },
        ),
        ("moderate_unban", "Lifts the ban.", moderate(Measure::Unban)),
        ("moderate_mute", "Silences Ben.", moderate(Measure::Mute)),
        (
            "moderate_unmute",
            "Lets Ben talk again.",
            moderate(Measure::Unmute),
        ),
        (
            "set_overwrite",
            "A role may not send here, but in threads.",
            set(OverwriteTarget::Role(RoleId(3)), overwrite),
        ),
        (
            "set_overwrite_of_user",
            "Nothing differs for Ben any more.",
            set(OverwriteTarget::User(user("ben")), Overwrite::default()),
        ),
        (
            "list_overwrites",
            "What differs in a room.",
            Request::Overwrites { room: ROOM },
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
