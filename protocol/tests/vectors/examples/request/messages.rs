//! What is said, what became of it, and how far it was read.

use homeroom_protocol::{
    AllowedMentions, Direction, Draft, Emoji, Mark, NotificationLevel, PlacedMark, Request,
    RoomNumber, Seq,
};

use super::super::{Example, KEY, ROOM, custom, user};

#[expect(
    clippy::too_many_lines,
    reason = "a list of examples, one after another"
)]
pub(super) fn messages() -> Vec<Example<Request>> {
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

pub(super) fn marks() -> Vec<Example<Request>> {
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
