//! What is said: threads, answers, mentions and what else a message carries, and what no change comes past.

use homeroom_engine::{domain::HistoryError, identity::Scopes};
use homeroom_protocol::{
    AllowedMentions, ConnectionId, Custom, CustomKind, Direction, Draft, Emoji, ErrorCode,
    EventBody, Message, MessageState, Reaction, Request, RoomNumber, Seq, ServerFrame,
    ThreadSummary, TimelineEvent, limit,
};

use crate::support::{World, answer, identity, key, refusal_of, send, seq, two_in_a_room, user};

pub(crate) fn draft(text: &str) -> Draft {
    text.into()
}

pub(crate) fn in_thread(root: u64, text: &str) -> Draft {
    Draft {
        thread: Some(seq(root)),
        ..draft(text)
    }
}

pub(crate) fn say(number: u64, room: RoomNumber, draft: Draft) -> Request {
    Request::Send {
        key: key(number),
        room,
        draft,
    }
}

pub(crate) fn edit(number: u64, room: RoomNumber, target: u64, draft: Draft) -> Request {
    Request::Edit {
        key: key(number),
        room,
        target: seq(target),
        draft,
    }
}

pub(crate) fn delete(number: u64, room: RoomNumber, target: u64) -> Request {
    Request::Delete {
        key: key(number),
        room,
        target: seq(target),
    }
}

pub(crate) fn react(
    number: u64,
    room: RoomNumber,
    target: u64,
    (emoji, on): (&str, bool),
) -> Request {
    Request::React {
        key: key(number),
        room,
        target: seq(target),
        emoji: Emoji::new(emoji).unwrap(),
        on,
    }
}

pub(crate) fn pin(number: u64, room: RoomNumber, target: u64, on: bool) -> Request {
    Request::Pin {
        key: key(number),
        room,
        target: seq(target),
        on,
    }
}

pub(crate) fn reaction(emoji: &str, users: &[&str], me: bool) -> Reaction {
    Reaction {
        emoji: Emoji::new(emoji).unwrap(),
        count: u32::try_from(users.len()).unwrap(),
        users: users.iter().take(3).map(|name| user(name)).collect(),
        me,
    }
}

impl World {
    /// Asks for a change; its place.
    pub(crate) fn change(&mut self, who: ConnectionId, request: Request) -> u64 {
        let reply = self.request(who, request);
        assert_eq!(refusal_of(&reply), None, "{reply:?}");
        answer(&reply).0.seq.0
    }

    pub(crate) fn write(&mut self, who: ConnectionId, room: RoomNumber, draft: Draft) -> u64 {
        let number = self.fresh_key();
        self.change(who, say(number, room, draft))
    }

    /// The newest events of a room as somebody is shown them.
    pub(crate) fn page(
        &mut self,
        who: ConnectionId,
        room: RoomNumber,
        thread: Option<u64>,
    ) -> Vec<TimelineEvent> {
        let request = Request::History {
            room,
            direction: Direction::Before,
            anchor: Seq(limit::INTEGER_MAX),
            limit: 100,
            thread: thread.map(Seq),
        };
        match self.request(who, request) {
            ServerFrame::Page { events, .. } => events,
            other => panic!("no page: {other:?}"),
        }
    }

    /// The event in one place of a room.
    pub(crate) fn at(&mut self, who: ConnectionId, room: RoomNumber, place: u64) -> TimelineEvent {
        let page = self.page(who, room, None);
        page.into_iter().find(|it| it.seq.0 == place).unwrap()
    }

    pub(crate) fn message(&mut self, who: ConnectionId, room: RoomNumber, place: u64) -> Message {
        match self.at(who, room, place).body {
            EventBody::Message(message) => message,
            other => panic!("no message: {other:?}"),
        }
    }

    pub(crate) fn state(
        &mut self,
        who: ConnectionId,
        room: RoomNumber,
        place: u64,
    ) -> MessageState {
        *self.message(who, room, place).state.unwrap_or_default()
    }

    /// The bodies a connection was pushed since last time.
    pub(crate) fn pushed(&mut self, who: ConnectionId) -> Vec<EventBody> {
        let frames = self.inbox(who).into_iter();
        let bodies = frames.filter_map(|frame| match frame {
            ServerFrame::Event { event, .. } => Some(event.body),
            _ => None,
        });
        bodies.collect()
    }
}

#[test]
fn a_thread_begins_at_a_message_and_does_not_nest() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let root = world.write(ada, room, draft("root"));
    let first = world.write(bob, room, in_thread(root, "first"));
    let other = world.write(ada, room, draft("other"));
    let second = world.write(ada, room, in_thread(root, "second"));
    let summary = |replies, newest| ThreadSummary {
        replies,
        newest: seq(newest),
    };
    assert_eq!(
        world.state(bob, room, root).thread,
        Some(summary(2, second))
    );
    assert_eq!(world.state(bob, room, other).thread, None);
    let thread = world.page(bob, room, Some(root));
    let places: Vec<u64> = thread.iter().map(|event| event.seq.0).collect();
    assert_eq!(places, [first, second]);
    let nested = say(1, room, in_thread(first, "no"));
    assert_eq!(world.refusal(ada, nested), ErrorCode::InvalidField);
    for root in [0, 1, 1000, u64::MAX] {
        let request = say(2, room, in_thread(root, "no"));
        assert_eq!(world.refusal(ada, request), ErrorCode::MessageNotFound);
    }
    world.change(ada, delete(3, room, second));
    assert_eq!(world.state(bob, room, root).thread, Some(summary(1, first)));
    world.change(ada, delete(4, room, root));
    let tombstone = EventBody::Tombstone {
        thread: None,
        summary: Some(summary(1, first)),
        by_moderator: false,
    };
    assert_eq!(world.at(bob, room, root).body, tombstone);
    // What is there of a thread stays, and shows its holes.
    let thread = world.page(bob, room, Some(root));
    assert!(matches!(&thread[0].body, EventBody::Message(said) if said.text == "first"));
    assert!(matches!(
        thread[1].body,
        EventBody::Tombstone {
            thread: Some(_),
            ..
        }
    ));
}

#[test]
fn an_answer_names_an_event_that_is_there() {
    let (mut world, ada, _, room) = two_in_a_room();
    let answering = |reply_to| Draft {
        reply_to: Some(seq(reply_to)),
        ..draft("indeed")
    };
    let head = world.tenant.room(room).unwrap().head().seq.0;
    let place = world.write(ada, room, answering(1));
    assert_eq!(world.message(ada, room, place).reply_to, Some(seq(1)));
    for reply_to in [0, head + 2, u64::MAX] {
        let request = say(1, room, answering(reply_to));
        assert_eq!(
            world.refusal(ada, request),
            ErrorCode::MessageNotFound,
            "{reply_to}"
        );
    }
}

#[test]
fn custom_parts_attachments_and_quietness_come_out_as_they_went_in() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let custom = Custom {
        kind: CustomKind::new("poll").unwrap(),
        body: vec![0x92, 1, 0xff],
    };
    let said = Draft {
        custom: Some(custom.clone()),
        attachments: vec!["file:1".into(), "file:2".into()],
        quiet: true,
        ..Draft::default()
    };
    world.pushed(bob);
    let place = world.write(ada, room, said);
    let expected = Message {
        custom: Some(custom),
        attachments: vec!["file:1".into(), "file:2".into()],
        quiet: true,
        ..Message::default()
    };
    assert_eq!(world.pushed(bob), [EventBody::Message(expected.clone())]);
    assert_eq!(world.message(bob, room, place), expected);
    world.crash();
    let ada = world.connect("ada", "web");
    world.join(ada, "math");
    assert_eq!(world.message(ada, room, place), expected);
}

#[test]
fn what_is_too_much_or_nothing_is_refused() {
    let (mut world, ada, _, room) = two_in_a_room();
    let said = world.write(ada, room, draft("x"));
    let custom = |length| Custom {
        kind: CustomKind::new("k").unwrap(),
        body: vec![0; length],
    };
    let drafts = [
        Draft::default(),
        draft(&"x".repeat(limit::MESSAGE_TEXT_BYTES_MAX + 1)),
        Draft {
            attachments: vec!["a".into(); limit::ATTACHMENTS_MAX + 1],
            ..Draft::default()
        },
        Draft {
            attachments: vec!["a".repeat(limit::ATTACHMENT_BYTES_MAX + 1)],
            ..Draft::default()
        },
        Draft {
            custom: Some(custom(limit::CUSTOM_BYTES_MAX + 1)),
            ..Draft::default()
        },
        Draft {
            allowed_mentions: Some(AllowedMentions {
                users: Some(vec![user("bob"); limit::ALLOWED_MENTIONS_MAX + 1]),
                ..AllowedMentions::default()
            }),
            ..draft("x")
        },
    ];
    for refused in drafts {
        let (new, changed) = (
            say(1, room, refused.clone()),
            edit(2, room, said, refused.clone()),
        );
        assert_eq!(world.refusal(ada, new), ErrorCode::InvalidField);
        assert_eq!(world.refusal(ada, changed), ErrorCode::InvalidField);
    }
}

/// One of each request that changes a message.
fn changes(number: u64, room: RoomNumber, target: u64) -> [Request; 4] {
    [
        edit(number, room, target, draft("x")),
        delete(number + 1, room, target),
        react(number + 2, room, target, ("👍", true)),
        pin(number + 3, room, target, true),
    ]
}

#[test]
fn what_is_no_message_cannot_be_changed() {
    let (mut world, ada, _, room) = two_in_a_room();
    // The making of the room, a joining, what is yet to come, and what never will.
    for target in [0, 1, 2, 3, 1 << 40, u64::MAX] {
        for request in changes(1, room, target) {
            let code = world.refusal(ada, request.clone());
            assert_eq!(code, ErrorCode::MessageNotFound, "{request:?}");
        }
        let versions = Request::Versions {
            room,
            target: seq(target),
        };
        assert_eq!(world.refusal(ada, versions), ErrorCode::MessageNotFound);
    }
}

#[test]
fn who_is_not_there_changes_nothing() {
    let (mut world, ada, _, room) = two_in_a_room();
    let said = world.write(ada, room, draft("x"));
    let eve = world.connect("eve", "web");
    for room in [room, RoomNumber(0), RoomNumber(99)] {
        for request in changes(1, room, said) {
            let code = world.refusal(eve, request.clone());
            assert_eq!(code, ErrorCode::NotMember, "{request:?}");
        }
        let versions = Request::Versions {
            room,
            target: seq(said),
        };
        assert_eq!(world.refusal(eve, versions), ErrorCode::NotMember);
    }
    let mut reader = identity("ada", "phone");
    reader.scopes = Scopes::READ;
    let reader = world.connect_as(reader);
    world.inbox(reader);
    for request in changes(1, room, said) {
        assert_eq!(world.refusal(reader, request), ErrorCode::Forbidden);
    }
}

#[test]
fn a_key_means_one_change() {
    let (mut world, ada, _, room) = two_in_a_room();
    let said = world.write(ada, room, draft("x"));
    world.change(ada, edit(7, room, said, draft("y")));
    for request in [
        edit(7, room, said, draft("z")),
        delete(7, room, said),
        react(7, room, said, ("👍", true)),
        pin(7, room, said, true),
        send(7, room, "y"),
        say(7, room, in_thread(said, "y")),
    ] {
        let code = world.refusal(ada, request.clone());
        assert_eq!(code, ErrorCode::KeyConflict, "{request:?}");
    }
    // Also long after memory forgot it, and after a restart.
    world.crash();
    let ada = world.connect("ada", "web");
    world.join(ada, "math");
    assert_eq!(
        world.refusal(ada, delete(7, room, said)),
        ErrorCode::KeyConflict
    );
}

#[test]
fn a_message_that_cannot_be_read_is_refused_for_now() {
    let (mut world, ada, _, room) = two_in_a_room();
    let said = world.write(ada, room, draft("x"));
    for (broken, code) in [
        (HistoryError::Unreadable, ErrorCode::StorageFailed),
        (HistoryError::Damaged, ErrorCode::StorageFailed),
        (HistoryError::Trimmed, ErrorCode::MessageNotFound),
    ] {
        world.broken_history = Some(broken);
        let request = edit(1, room, said, draft("y"));
        assert_eq!(world.refusal(ada, request), code);
    }
    world.broken_history = None;
    // The index lost the message.
    world.lose_index(b"R");
    let request = edit(1, room, said, draft("y"));
    assert_eq!(world.refusal(ada, request), ErrorCode::Overloaded);
}

#[test]
fn a_full_disk_takes_no_change() {
    let (mut world, ada, _, room) = two_in_a_room();
    let said = world.write(ada, room, draft("x"));
    world.storage = homeroom_engine::domain::Storage::Full;
    for request in changes(1, room, said) {
        assert_eq!(world.refusal(ada, request), ErrorCode::StorageFull);
    }
}

#[test]
fn nothing_is_looked_up_for_a_plain_message() {
    let (mut world, ada, _, room) = two_in_a_room();
    let root = world.write(ada, room, draft("x"));
    let before = world.questions;
    world.write(ada, room, draft("y <@bob>"));
    world.write(ada, room, in_thread(root, "z"));
    assert_eq!(world.questions, before);
}

#[test]
fn a_page_stays_within_its_bytes_whatever_its_messages_became() {
    let (mut world, ada, _, room) = two_in_a_room();
    let places: Vec<u64> = (0..40)
        .map(|_| world.write(ada, room, draft("x")))
        .collect();
    let large = "x".repeat(limit::MESSAGE_TEXT_BYTES_MAX);
    let number = world.fresh_key();
    for (&place, number) in places.iter().zip(number - 1000..) {
        world.change(ada, edit(number, room, place, draft(&large)));
    }
    let asked = |world: &mut World, direction, anchor| {
        let request = Request::History {
            room,
            direction,
            anchor: seq(anchor),
            limit: 100,
            thread: None,
        };
        let reply = world.request(ada, request);
        let mut bytes = Vec::new();
        homeroom_protocol::encode_server_frame(&reply, &mut bytes);
        assert!(bytes.len() < limit::SERVER_MESSAGE_BYTES_MAX);
        match reply {
            ServerFrame::Page {
                events,
                more,
                more_above,
                ..
            } => (events, more, more_above),
            other => panic!("no page: {other:?}"),
        }
    };
    // From memory, then from the index.
    for again in [false, true] {
        if again {
            world.crash();
            world.connections_again();
            world.join(ada, "math");
        }
        let (before, more, _) = asked(&mut world, Direction::Before, places[39] + 1);
        assert!(more);
        assert_eq!(before.last().unwrap().seq, seq(places[39]));
        let (after, more, _) = asked(&mut world, Direction::After, places[0] - 1);
        assert!(more);
        assert_eq!(after[0].seq, seq(places[0]));
        let (around, more, more_above) = asked(&mut world, Direction::Around, places[20]);
        assert!(more && more_above);
        assert!(around.iter().any(|event| event.seq == seq(places[20])));
    }
}

#[test]
fn an_answer_older_than_what_is_remembered_is_not_used() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let said = world.write(ada, room, draft("x"));
    let other = world.write(ada, room, draft("y"));
    let change = world.input_of(ada, edit(1, room, said, draft("z")));
    let history = world.input_of(
        ada,
        Request::History {
            room,
            direction: Direction::After,
            anchor: seq(0),
            limit: 100,
            thread: None,
        },
    );
    let (change, history) = (world.ask(change), world.ask(history));
    // So much happens meanwhile that not all of it can be remembered.
    for number in 0..4100 {
        let on = number % 2 == 0;
        world.change(bob, react(1000 + number, room, other, ("👍", on)));
    }
    world.inbox(ada);
    world.decide(change);
    world.decide(history);
    let codes: Vec<_> = world.inbox(ada).iter().map(refusal_of).collect();
    assert_eq!(codes, [Some(ErrorCode::Overloaded); 2]);
}
