//! What is said, and what becomes of it: edits, deletions, reactions, pins, threads, mentions.

use homeroom_engine::{domain::HistoryError, identity::Scopes};
use homeroom_protocol::{
    AllowedMentions, ConnectionId, Custom, CustomKind, Direction, Draft, Emoji, ErrorCode,
    EventBody, Mentions, Message, MessageState, Position, Reaction, Request, RoomNumber, Seq,
    ServerFrame, ThreadSummary, TimelineEvent, Timestamp,
    limit::{self, PINS_PER_ROOM_MAX, REACTIONS_PER_MESSAGE_MAX, VERSIONS_PER_MESSAGE_MAX},
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
    fn at(&mut self, who: ConnectionId, room: RoomNumber, place: u64) -> TimelineEvent {
        let page = self.page(who, room, None);
        page.into_iter().find(|it| it.seq.0 == place).unwrap()
    }

    fn message(&mut self, who: ConnectionId, room: RoomNumber, place: u64) -> Message {
        match self.at(who, room, place).body {
            EventBody::Message(message) => message,
            other => panic!("no message: {other:?}"),
        }
    }

    fn state(&mut self, who: ConnectionId, room: RoomNumber, place: u64) -> MessageState {
        *self.message(who, room, place).state.unwrap_or_default()
    }

    /// The bodies a connection was pushed since last time.
    fn pushed(&mut self, who: ConnectionId) -> Vec<EventBody> {
        let frames = self.inbox(who).into_iter();
        let bodies = frames.filter_map(|frame| match frame {
            ServerFrame::Event { event, .. } => Some(event.body),
            _ => None,
        });
        bodies.collect()
    }
}

#[test]
fn an_edit_is_told_whole_and_takes_the_place_of_what_was_said() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let said = world.write(ada, room, draft("helo"));
    world.pushed(bob);
    world.now = world.now.plus_ms(1000);
    let request = edit(1, room, said, draft("hello"));
    let place = world.change(ada, request.clone());
    let edited = EventBody::MessageEdited {
        target: seq(said),
        message: "hello".into(),
        version: 1,
    };
    assert_eq!(world.pushed(bob), [edited]);
    assert_eq!(world.change(ada, request), place, "a retry");
    let message = world.message(bob, room, said);
    let state = MessageState {
        version: 1,
        edited: Some(world.now),
        ..MessageState::default()
    };
    assert_eq!(
        (&*message.text, message.state),
        ("hello", Some(Box::new(state)))
    );
    world.change(ada, edit(2, room, said, draft("hello!")));
    assert_eq!(world.state(bob, room, said).version, 2);
    assert_eq!(world.message(bob, room, said).text, "hello!");
}

#[test]
fn an_edit_leaves_thread_answer_and_quietness_as_they_were() {
    let (mut world, ada, _, room) = two_in_a_room();
    let root = world.write(ada, room, draft("root"));
    let first = Draft {
        reply_to: Some(seq(root)),
        quiet: true,
        ..in_thread(root, "reply")
    };
    let reply = world.write(ada, room, first);
    let second = Draft {
        thread: None,
        reply_to: Some(seq(1)),
        quiet: false,
        ..draft("new")
    };
    world.change(ada, edit(1, room, reply, second));
    let message = world.message(ada, room, reply);
    assert_eq!(
        (message.thread, message.reply_to, message.quiet),
        (Some(seq(root)), Some(seq(root)), true)
    );
}

#[test]
fn every_version_is_kept_for_whoever_said_it() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let said = world.write(bob, room, draft("one"));
    world.change(bob, edit(1, room, said, draft("two")));
    world.change(bob, edit(2, room, said, draft("three")));
    let versions = Request::Versions {
        room,
        target: seq(said),
    };
    let texts = |reply: ServerFrame| -> Vec<String> {
        let ServerFrame::Page { events, more, .. } = reply else {
            panic!("no page: {reply:?}");
        };
        assert!(!more);
        let text = |event: TimelineEvent| match event.body {
            EventBody::Message(message) | EventBody::MessageEdited { message, .. } => message.text,
            other => panic!("no version: {other:?}"),
        };
        events.into_iter().map(text).collect()
    };
    let reply = world.request(bob, versions.clone());
    assert_eq!(texts(reply), ["one", "two", "three"]);
    // Ada made the room, and so moderates it.
    let reply = world.request(ada, versions.clone());
    assert_eq!(texts(reply), ["one", "two", "three"]);
    let own = world.write(ada, room, draft("mine"));
    let of_ada = Request::Versions {
        room,
        target: seq(own),
    };
    assert_eq!(world.refusal(bob, of_ada), ErrorCode::Forbidden);
    world.change(bob, delete(3, room, said));
    assert_eq!(world.refusal(bob, versions), ErrorCode::MessageNotFound);
}

#[test]
fn a_message_has_so_many_versions_and_no_more() {
    let (mut world, ada, _, room) = two_in_a_room();
    let said = world.write(ada, room, draft("0"));
    for version in 1..=VERSIONS_PER_MESSAGE_MAX {
        world.change(ada, edit(version.into(), room, said, draft("x")));
    }
    let one_more = edit(1000, room, said, draft("x"));
    assert_eq!(world.refusal(ada, one_more), ErrorCode::TooMany);
    // The largest there can be: the page is cut where a message would be too long.
    let large = world.write(ada, room, draft("0"));
    for version in 0..20 {
        let text = "x".repeat(limit::MESSAGE_TEXT_BYTES_MAX);
        world.change(ada, edit(2000 + version, room, large, draft(&text)));
    }
    let versions = Request::Versions {
        room,
        target: seq(large),
    };
    let ServerFrame::Page { events, more, .. } = world.request(ada, versions) else {
        panic!("no page");
    };
    assert!(more && events.len() < 21);
    assert_eq!(events[0].seq, seq(large));
    let newest = EventBody::MessageEdited {
        target: seq(large),
        message: "x".repeat(limit::MESSAGE_TEXT_BYTES_MAX).into(),
        version: 20,
    };
    assert_eq!(events.last().unwrap().body, newest);
}

#[test]
fn only_who_said_something_edits_it() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let said = world.write(bob, room, draft("mine"));
    let request = edit(1, room, said, draft("yours"));
    assert_eq!(world.refusal(ada, request), ErrorCode::Forbidden);
}

#[test]
fn a_deleted_message_leaves_its_place_and_nothing_of_what_was_said() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let said = world.write(bob, room, draft("secret"));
    world.change(bob, edit(1, room, said, draft("secret too")));
    world.change(bob, react(2, room, said, ("👍", true)));
    world.pushed(ada);
    let request = delete(3, room, said);
    let place = world.change(bob, request.clone());
    assert_eq!(world.change(bob, request), place, "a retry");
    let deleted = EventBody::MessageDeleted {
        target: seq(said),
        by_moderator: false,
    };
    assert_eq!(world.pushed(ada), [deleted]);
    let tombstone = EventBody::Tombstone {
        thread: None,
        summary: None,
        by_moderator: false,
    };
    let event = world.at(ada, room, said);
    assert_eq!((event.body, event.author), (tombstone, user("bob")));
    let page = format!("{:?}", world.page(ada, room, None));
    assert!(!page.contains("secret"), "{page}");
    for request in [
        edit(4, room, said, draft("x")),
        delete(5, room, said),
        react(6, room, said, ("👍", true)),
        pin(7, room, said, true),
        say(8, room, in_thread(said, "x")),
    ] {
        let code = world.refusal(ada, request.clone());
        assert_eq!(code, ErrorCode::MessageNotFound, "{request:?}");
    }
}

#[test]
fn a_moderator_deletes_what_others_said_and_the_place_says_so() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let of_bob = world.write(bob, room, draft("x"));
    let of_ada = world.write(ada, room, draft("y"));
    assert_eq!(
        world.refusal(bob, delete(1, room, of_ada)),
        ErrorCode::Forbidden
    );
    world.change(ada, delete(2, room, of_bob));
    let event = world.at(bob, room, of_bob);
    assert_eq!(event.author, user("bob"));
    assert!(matches!(
        event.body,
        EventBody::Tombstone {
            by_moderator: true,
            ..
        }
    ));
    world.crash();
    let ada = world.connect("ada", "web");
    world.join(ada, "math");
    let event = world.at(ada, room, of_bob);
    assert!(matches!(
        event.body,
        EventBody::Tombstone {
            by_moderator: true,
            ..
        }
    ));
}

#[test]
fn whoever_was_away_is_given_a_tombstone_in_place_of_what_was_deleted() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let before = world.tenant.room(room).unwrap().head();
    let said = world.write(ada, room, draft("secret"));
    world.change(ada, edit(1, room, said, draft("secret too")));
    world.change(ada, delete(2, room, said));
    world.disconnect(bob, homeroom_engine::tenant::Disconnection::Clean);
    let bob = world.connect("bob", "web");
    world.request(bob, crate::support::join("math", Some(before)));
    let bodies = world.pushed(bob);
    assert!(
        matches!(bodies[0], EventBody::Tombstone { .. }),
        "{bodies:?}"
    );
    assert_eq!(bodies.len(), 3);
    assert!(!format!("{bodies:?}").contains("secret"));
}

#[test]
fn reactions_are_counted_and_name_the_first() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let eve = world.connect("eve", "web");
    let dan = world.connect("dan", "web");
    for connection in [eve, dan] {
        world.join(connection, "math");
    }
    let said = world.write(ada, room, draft("hello"));
    world.pushed(bob);
    for (number, who) in [(1, bob), (2, ada), (3, eve), (4, dan)] {
        world.change(who, react(number, room, said, ("👍", true)));
    }
    let pushed = world.pushed(bob);
    let last = EventBody::ReactionSet {
        target: seq(said),
        reaction: Reaction {
            count: 4,
            ..reaction("👍", &["bob", "ada", "eve"], false)
        },
        on: true,
    };
    assert_eq!(pushed.last(), Some(&last));
    let all = ["bob", "ada", "eve", "dan"];
    // Not named, and yet among them.
    assert_eq!(
        world.state(dan, room, said).reactions,
        [reaction("👍", &all, true)]
    );
    world.change(ada, react(5, room, said, ("👍", false)));
    let left = Reaction {
        count: 3,
        ..reaction("👍", &["bob", "eve"], false)
    };
    assert_eq!(
        world.state(ada, room, said).reactions,
        std::slice::from_ref(&left)
    );
    // The same from the index alone.
    world.crash();
    let [ada, bob, eve, dan] = ["ada", "bob", "eve", "dan"].map(|name| {
        let connection = world.connect(name, "web");
        world.join(connection, "math");
        connection
    });
    assert_eq!(
        world.state(ada, room, said).reactions,
        std::slice::from_ref(&left)
    );
    let of_dan = Reaction { me: true, ..left };
    assert_eq!(world.state(dan, room, said).reactions, [of_dan]);
    for (number, who) in [(6, bob), (7, eve), (8, dan)] {
        world.change(who, react(number, room, said, ("👍", false)));
    }
    assert_eq!(world.state(ada, room, said), MessageState::default());
    world.change(dan, react(9, room, said, ("👍", true)));
    let again = [reaction("👍", &["dan"], true)];
    assert_eq!(world.state(dan, room, said).reactions, again);
}

#[test]
fn asking_for_what_is_so_already_is_answered_with_the_place_of_the_message() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let said = world.write(ada, room, draft("hello"));
    let time = world.now;
    world.now = world.now.plus_ms(1000);
    world.change(bob, react(1, room, said, ("👍", true)));
    world.change(ada, pin(2, room, said, true));
    let head = world.tenant.room(room).unwrap().head();
    let place = Position {
        seq: seq(said),
        ..head
    };
    for (who, request) in [
        (bob, react(3, room, said, ("👍", true))),
        (bob, react(4, room, said, ("👎", false))),
        (ada, react(5, room, said, ("👍", false))),
        (ada, pin(6, room, said, true)),
    ] {
        let reply = world.request(who, request);
        assert_eq!(answer(&reply), (place, time));
    }
    assert_eq!(
        world.tenant.room(room).unwrap().head(),
        head,
        "nothing happened"
    );
}

#[test]
fn a_message_takes_so_many_different_reactions() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let said = world.write(ada, room, draft("hello"));
    for number in 0..REACTIONS_PER_MESSAGE_MAX as u64 {
        world.change(
            ada,
            react(number, room, said, (&format!("e{number}"), true)),
        );
    }
    let one_more = react(1000, room, said, ("more", true));
    assert_eq!(world.refusal(ada, one_more.clone()), ErrorCode::TooMany);
    world.change(bob, react(1001, room, said, ("e7", true)));
    world.change(ada, react(1002, room, said, ("e3", false)));
    world.change(ada, one_more);
    assert_eq!(
        world.state(ada, room, said).reactions.len(),
        REACTIONS_PER_MESSAGE_MAX
    );
}

#[test]
fn two_who_react_at_once_both_count() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let said = world.write(ada, room, draft("hello"));
    world.sync_at_once = false;
    let first = world.input_of(ada, react(1, room, said, ("👍", true)));
    let second = world.input_of(bob, react(2, room, said, ("👍", true)));
    // Both look before either is decided.
    let (first, second) = (world.ask(first), world.ask(second));
    world.decide(first);
    world.decide(second);
    world.sync();
    let both = reaction("👍", &["ada", "bob"], true);
    assert_eq!(world.state(ada, room, said).reactions, [both]);
}

#[test]
fn an_edit_decided_while_another_was_looked_up_is_the_next_version() {
    let (mut world, ada, _, room) = two_in_a_room();
    let said = world.write(ada, room, draft("0"));
    world.sync_at_once = false;
    let first = world.input_of(ada, edit(1, room, said, draft("1")));
    let second = world.input_of(ada, edit(2, room, said, draft("2")));
    let (first, second) = (world.ask(first), world.ask(second));
    world.decide(first);
    world.decide(second);
    world.sync();
    assert_eq!(world.state(ada, room, said).version, 2);
    assert_eq!(world.message(ada, room, said).text, "2");
}

#[test]
fn a_message_deleted_while_it_was_looked_up_is_not_changed_any_more() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let said = world.write(ada, room, draft("0"));
    let waiting = world.input_of(bob, react(1, room, said, ("👍", true)));
    let waiting = world.ask(waiting);
    world.change(ada, delete(2, room, said));
    world.inbox(bob);
    world.decide(waiting);
    let replies = world.inbox(bob);
    let [reply] = &replies[..] else {
        panic!("{replies:?}");
    };
    assert_eq!(refusal_of(reply), Some(ErrorCode::MessageNotFound));
}

#[test]
fn pins_come_and_go_with_the_message() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let said = world.write(bob, room, draft("rules"));
    assert_eq!(
        world.refusal(bob, pin(1, room, said, true)),
        ErrorCode::Forbidden
    );
    world.pushed(bob);
    world.change(ada, pin(2, room, said, true));
    let pinned = EventBody::PinSet {
        target: seq(said),
        on: true,
    };
    assert_eq!(world.pushed(bob), [pinned]);
    assert!(world.state(bob, room, said).pinned);
    world.change(ada, pin(3, room, said, false));
    assert!(!world.state(bob, room, said).pinned);
    world.change(ada, pin(4, room, said, true));
    world.change(bob, delete(5, room, said));
    let mut places = Vec::new();
    for number in 0..PINS_PER_ROOM_MAX as u64 {
        let place = world.write(ada, room, draft("x"));
        world.change(ada, pin(100 + number, room, place, true));
        places.push(place);
    }
    let one_more = world.write(ada, room, draft("x"));
    let request = pin(1000, room, one_more, true);
    assert_eq!(world.refusal(ada, request.clone()), ErrorCode::TooMany);
    world.change(ada, delete(1001, room, places[0]));
    world.change(ada, request);
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
fn mentions_are_those_of_the_newest_text() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let users = |names: &[&str]| Mentions {
        users: names.iter().map(|name| user(name)).collect(),
        ..Mentions::default()
    };
    let said = world.write(bob, room, draft("<@ada> <@eve> <!room>"));
    // Eve is no member, and Bob may not mention all at once.
    assert_eq!(world.message(ada, room, said).mentions, users(&["ada"]));
    let hushed = Draft {
        allowed_mentions: Some(AllowedMentions {
            users: Some(vec![user("bob")]),
            ..AllowedMentions::default()
        }),
        ..draft("<@ada> and <@bob>")
    };
    world.change(bob, edit(1, room, said, hushed));
    assert_eq!(world.message(ada, room, said).mentions, users(&["bob"]));
    let of_ada = world.write(ada, room, draft("<!room>"));
    assert!(world.message(bob, room, of_ada).mentions.room);
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
    world.lose_index(b"r");
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
fn times_of_edits_never_run_backwards() {
    let (mut world, ada, _, room) = two_in_a_room();
    let said = world.write(ada, room, draft("x"));
    let before = world.now;
    world.now = Timestamp(before.0 - 5000);
    world.change(ada, edit(1, room, said, draft("y")));
    assert_eq!(world.state(ada, room, said).edited, Some(before));
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

#[test]
fn whoever_is_only_counted_is_told_of_their_reaction_whatever_else_they_took_back() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let said = world.write(ada, room, draft("x"));
    let mut number = 1000;
    let mut react_as = |world: &mut World, who: ConnectionId, what: (&str, bool)| {
        number += 1;
        world.change(who, react(number, room, said, what));
    };
    for name in ["cleo", "dan", "eve"] {
        let other = world.connect(name, "web");
        world.join(other, "math");
        react_as(&mut world, other, ("z", true));
    }
    react_as(&mut world, bob, ("z", true));
    for each in 0..3 * REACTIONS_PER_MESSAGE_MAX {
        let emoji = format!("a{each}");
        react_as(&mut world, bob, (&emoji, true));
        react_as(&mut world, bob, (&emoji, false));
    }
    world.crash();
    let bob = world.connect("bob", "web");
    let reactions = |world: &mut World| {
        let request = Request::History {
            room,
            direction: Direction::Around,
            anchor: seq(said),
            limit: 1,
            thread: None,
        };
        match world.request(bob, request) {
            ServerFrame::Page { events, .. } => match &events[0].body {
                EventBody::Message(message) => message.state.clone().unwrap().reactions,
                other => panic!("no message: {other:?}"),
            },
            other => panic!("no page: {other:?}"),
        }
    };
    let [reaction] = &reactions(&mut world)[..] else {
        panic!("one emoji is left");
    };
    assert_eq!((reaction.count, reaction.me), (4, true));
    react_as(&mut world, bob, ("z", true));
    assert_eq!(reactions(&mut world)[0].count, 4);
}
