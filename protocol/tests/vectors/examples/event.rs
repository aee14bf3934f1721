//! What happens in rooms and on the streams of users.

use homeroom_protocol::{
    Availability, Durability, EventBody, Mark, Mentions, Message, NotificationLevel, Overwrite,
    OverwriteTarget, Permission, Permissions, PlaceChange, PlacedMark, Reported, Retention, RoleId,
    RoomChange, RoomInfo, RoomKind, RoomNumber, Seq, ServerFrame, Status, ThreadSummary,
    TimelineEvent,
};

use super::{Example, ROOM, custom, epoch, room_id, thumbs_up, time, titled, user};

pub(super) fn room_created(info: RoomInfo) -> EventBody {
    EventBody::RoomCreated {
        id: None,
        info,
        members: vec![],
    }
}

pub(super) fn event(seq: u64, author: &str, body: EventBody) -> TimelineEvent {
    TimelineEvent {
        seq: Seq(seq),
        time: time(seq),
        author: user(author),
        body,
    }
}

fn event_push(seq: u64, author: &str, body: EventBody) -> ServerFrame {
    ServerFrame::Event {
        room: ROOM,
        epoch: epoch(),
        event: event(seq, author, body),
    }
}

pub(super) fn events() -> Vec<Example<ServerFrame>> {
    let titled = room_created(titled());
    let untitled = room_created(RoomInfo::default());
    let message = EventBody::Message("Hi, Zoë 👋 €".into());
    let added = EventBody::MemberAdded {
        member: user("ben"),
    };
    let removed = EventBody::MemberRemoved {
        member: user("ben"),
    };
    let unknown = EventBody::Unknown { kind: 4_000 };
    vec![
        (
            "event_room_created",
            "The room was made.",
            event_push(1, "ada", titled),
        ),
        (
            "event_room_created_untitled",
            "The room was made without a title.",
            event_push(1, "ada", untitled),
        ),
        (
            "event_member_joined",
            "Ben became a member.",
            event_push(2, "ben", EventBody::MemberJoined),
        ),
        (
            "event_member_left",
            "Ben is no longer a member.",
            event_push(43, "ben", EventBody::MemberLeft),
        ),
        (
            "event_member_added",
            "A service made Ben a member.",
            event_push(3, "service:timetable", added),
        ),
        (
            "event_member_removed",
            "Ada ended Ben's membership.",
            event_push(45, "ada", removed),
        ),
        (
            "event_message",
            "Ada said something.",
            event_push(42, "ada", message),
        ),
        (
            "event_unknown",
            "An event of a later version.",
            event_push(44, "ada", unknown),
        ),
    ]
}

/// Names and meanings, then what happened: each as an event of Ada, at seq 70.
fn pushed(
    examples: Vec<(&'static str, &'static str, EventBody)>,
) -> impl Iterator<Item = Example<ServerFrame>> {
    let examples = examples.into_iter();
    examples.map(|(name, about, body)| (name, about, event_push(70, "ada", body)))
}

pub(super) fn later_events() -> Vec<Example<ServerFrame>> {
    pushed(of_rooms())
        .chain(pushed(of_messages()))
        .chain(pushed(of_people()))
        .chain(pushed(places()))
        .collect()
}

#[expect(
    clippy::too_many_lines,
    reason = "a list of examples, one after another"
)]
fn of_rooms() -> Vec<(&'static str, &'static str, EventBody)> {
    let everything = EventBody::RoomCreated {
        id: Some(room_id()),
        info: RoomInfo {
            kind: RoomKind::Direct,
            topic: Some("Room 12".to_owned()),
            metadata: vec![0x80],
            retention: Retention::Messages(1_000),
            durability: Durability::None,
            slow_mode_ms: 5_000,
            archived: true,
            ..titled()
        },
        members: vec![user("ben")],
    };
    let changes = vec![
        RoomChange::Kind(RoomKind::Private),
        RoomChange::Title(None),
        RoomChange::Topic(Some("Room 12".to_owned())),
        RoomChange::Metadata(vec![0x80]),
        RoomChange::Retention(Retention::Days(30)),
        RoomChange::SlowMode(5_000),
        RoomChange::Archived(true),
    ];
    let ben = || user("ben");
    let overwrite = Overwrite {
        deny: Permissions::of(&[Permission::Send]),
        allow: Permissions::NONE,
    };
    vec![
        (
            "event_room_created_full",
            "The room was made, and everything is said about it.",
            everything,
        ),
        (
            "event_room_created_named",
            "The room was made with all defaults; the event says its id.",
            EventBody::RoomCreated {
                id: Some(room_id()),
                info: RoomInfo::default(),
                members: vec![],
            },
        ),
        (
            "event_room_changed",
            "Everything that can be changed.",
            EventBody::RoomChanged { changes },
        ),
        (
            "event_room_changed_retention",
            "Everything is kept from now on.",
            EventBody::RoomChanged {
                changes: vec![RoomChange::Retention(Retention::All)],
            },
        ),
        (
            "event_member_invited",
            "Ada invited Ben.",
            EventBody::MemberInvited { user: ben() },
        ),
        (
            "event_member_uninvited",
            "The invitation is over.",
            EventBody::MemberUninvited { user: ben() },
        ),
        (
            "event_member_banned",
            "Ada banned Ben for an hour.",
            EventBody::MemberBanned {
                user: ben(),
                until: Some(time(3_600_000)),
                reason: Some("spam".to_owned()),
            },
        ),
        (
            "event_member_banned_for_ever",
            "Ada banned Ben.",
            EventBody::MemberBanned {
                user: ben(),
                until: None,
                reason: None,
            },
        ),
        (
            "event_member_unbanned",
            "The ban is over.",
            EventBody::MemberUnbanned { user: ben() },
        ),
        (
            "event_member_muted",
            "Ada muted Ben for an hour.",
            EventBody::MemberMuted {
                user: ben(),
                until: Some(time(3_600_000)),
                reason: Some("loud".to_owned()),
            },
        ),
        (
            "event_member_unmuted",
            "Ben may talk again.",
            EventBody::MemberUnmuted { user: ben() },
        ),
        (
            "event_overwrite_set",
            "Who has role 3 may not send here.",
            EventBody::OverwriteSet {
                target: OverwriteTarget::Role(RoleId(3)),
                overwrite,
            },
        ),
        (
            "event_overwrite_set_for_user",
            "Nothing differs for Ben any more.",
            EventBody::OverwriteSet {
                target: OverwriteTarget::User(ben()),
                overwrite: Overwrite::default(),
            },
        ),
    ]
}

#[expect(
    clippy::too_many_lines,
    reason = "a list of examples, one after another"
)]
fn of_messages() -> Vec<(&'static str, &'static str, EventBody)> {
    let everything = Message {
        thread: Some(Seq(42)),
        reply_to: Some(Seq(43)),
        mentions: Mentions {
            users: vec![user("ben")],
            roles: vec![RoleId(3)],
            room: true,
        },
        custom: Some(custom()),
        attachments: vec!["file/9f2c".to_owned()],
        quiet: true,
        state: Some(Box::default()),
        ..Message::from("<@ben> <@&3> <!room>")
    };
    let target = Seq(42);
    let summary = ThreadSummary {
        replies: 3,
        newest: Seq(60),
    };
    let reported = |message| {
        EventBody::Reported(Box::new(Reported {
            room: ROOM,
            id: room_id(),
            target,
            author: user("ben"),
            time: time(42),
            message,
            reason: "rude".to_owned(),
        }))
    };
    vec![
        (
            "event_message_full",
            "A message that has everything.",
            EventBody::Message(everything.clone()),
        ),
        (
            "event_message_mentions_room",
            "A message that mentions the room and no user.",
            EventBody::Message(Message {
                mentions: Mentions {
                    room: true,
                    ..Mentions::default()
                },
                ..Message::from("<!room>")
            }),
        ),
        (
            "event_message_edited",
            "Message 42 was edited for the first time.",
            EventBody::MessageEdited {
                target,
                message: "Hello, Zoë".into(),
                version: 1,
            },
        ),
        (
            "event_message_edited_full",
            "Message 42 was edited to one that has everything.",
            EventBody::MessageEdited {
                target,
                message: everything.clone(),
                version: 2,
            },
        ),
        (
            "event_message_deleted",
            "Message 42 was taken back.",
            EventBody::MessageDeleted {
                target,
                by_moderator: false,
            },
        ),
        (
            "event_message_deleted_by_moderator",
            "Somebody else deleted message 42.",
            EventBody::MessageDeleted {
                target,
                by_moderator: true,
            },
        ),
        (
            "event_reaction_set",
            "Ada is the second to react so to message 42.",
            EventBody::ReactionSet {
                target,
                reaction: thumbs_up(vec![user("ben"), user("ada")], false),
                on: true,
            },
        ),
        (
            "event_reaction_set_off",
            "The last such reaction was taken back.",
            EventBody::ReactionSet {
                target,
                reaction: thumbs_up(vec![], false),
                on: false,
            },
        ),
        (
            "event_pin_set",
            "Message 42 was pinned.",
            EventBody::PinSet { target, on: true },
        ),
        (
            "event_tombstone",
            "Here was a message.",
            EventBody::Tombstone {
                thread: None,
                summary: None,
                by_moderator: false,
            },
        ),
        (
            "event_tombstone_full",
            "Here was a message with a thread, which a moderator deleted.",
            EventBody::Tombstone {
                thread: Some(Seq(40)),
                summary: Some(summary),
                by_moderator: true,
            },
        ),
        (
            "event_reported",
            "Ada showed a message of Ben's to those who moderate.",
            reported(Message::from("boo")),
        ),
        (
            "event_reported_full",
            "The same, of a message that has everything.",
            reported(everything),
        ),
    ]
}

fn of_people() -> Vec<(&'static str, &'static str, EventBody)> {
    let mark = |room, thread: Option<u64>, public| PlacedMark {
        room: RoomNumber(room),
        thread: thread.map(Seq),
        mark: Mark {
            generation: 1,
            seq: Seq(50),
        },
        public,
    };
    let level = |level| EventBody::LevelSet { room: ROOM, level };
    vec![
        (
            "event_stream_opened",
            "The user's stream began.",
            EventBody::StreamOpened,
        ),
        (
            "event_marked",
            "A room and a thread were read.",
            EventBody::Marked {
                marks: vec![mark(7, None, true), mark(8, Some(42), false)],
            },
        ),
        (
            "event_status_set",
            "Busy for an hour.",
            EventBody::StatusSet {
                status: Status {
                    availability: Availability::Busy,
                    text: Some("in an exam".to_owned()),
                    expires: Some(time(3_600_000)),
                },
            },
        ),
        (
            "event_status_set_nothing",
            "Nothing is said any more.",
            EventBody::StatusSet {
                status: Status::default(),
            },
        ),
        (
            "event_level_set",
            "The room is silent from now on.",
            level(NotificationLevel::Nothing),
        ),
        (
            "event_level_set_mentions",
            "Mentions only.",
            level(NotificationLevel::Mentions),
        ),
        (
            "event_level_set_all",
            "Everything again.",
            level(NotificationLevel::All),
        ),
        (
            "event_block_set",
            "Ada blocked Ben.",
            EventBody::BlockSet {
                user: user("ben"),
                on: true,
            },
        ),
        (
            "event_roles_given",
            "All the roles that Ada has now.",
            EventBody::RolesGiven {
                roles: vec![RoleId(3), RoleId(5)],
            },
        ),
        (
            "event_thread_followed",
            "Ada follows a thread.",
            EventBody::ThreadFollowed {
                room: ROOM,
                thread: Seq(42),
                on: true,
            },
        ),
    ]
}

fn places() -> Vec<(&'static str, &'static str, EventBody)> {
    let changes = [
        ("event_place_joined", "Ada joined.", PlaceChange::Joined),
        ("event_place_left", "Ada left.", PlaceChange::Left),
        ("event_place_added", "Ada was added.", PlaceChange::Added),
        (
            "event_place_removed",
            "Ada was removed.",
            PlaceChange::Removed,
        ),
        (
            "event_place_invited",
            "Ada was invited.",
            PlaceChange::Invited,
        ),
        (
            "event_place_uninvited",
            "The invitation is over.",
            PlaceChange::Uninvited,
        ),
        ("event_place_banned", "Ada was banned.", PlaceChange::Banned),
        (
            "event_place_unbanned",
            "The ban is over.",
            PlaceChange::Unbanned,
        ),
    ];
    let examples = changes.into_iter().map(|(name, about, change)| {
        let by = user("ben");
        let body = EventBody::PlaceChanged {
            room: ROOM,
            id: room_id(),
            change,
            by,
        };
        (name, about, body)
    });
    examples.collect()
}
