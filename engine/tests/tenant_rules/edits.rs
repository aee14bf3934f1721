//! Edits: whoever said something says it anew, and every version stays.

use homeroom_protocol::{
    AllowedMentions, Draft, ErrorCode, EventBody, Mentions, MessageState, Request, ServerFrame,
    TimelineEvent, Timestamp,
    limit::{self, VERSIONS_PER_MESSAGE_MAX},
};

use crate::{
    messages::{delete, draft, edit, in_thread},
    support::{seq, two_in_a_room, user},
};

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
fn times_of_edits_never_run_backwards() {
    let (mut world, ada, _, room) = two_in_a_room();
    let said = world.write(ada, room, draft("x"));
    let before = world.now;
    world.now = Timestamp(before.0 - 5000);
    world.change(ada, edit(1, room, said, draft("y")));
    assert_eq!(world.state(ada, room, said).edited, Some(before));
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
