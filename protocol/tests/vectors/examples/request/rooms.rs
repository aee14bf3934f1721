//! Rooms and those in them.

use homeroom_protocol::{
    Durability, Measure, Overwrite, OverwriteTarget, Permission, Permissions, Request, Retention,
    RoleId, RoomChange, RoomInfo, RoomKind, Seq, Stream,
};

use super::super::{Example, KEY, ROOM, position, room_id, time, user};

#[expect(
    clippy::too_many_lines,
    reason = "a list of examples, one after another"
)]
pub(super) fn rooms() -> Vec<Example<Request>> {
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

pub(super) fn moderation() -> Vec<Example<Request>> {
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
