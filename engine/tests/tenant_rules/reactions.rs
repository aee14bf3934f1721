//! Reactions, and pins: what is put on a message that stays as it is.

use homeroom_protocol::{
    ConnectionId, Direction, ErrorCode, EventBody, MessageState, Position, Reaction, Request,
    ServerFrame,
    limit::{PINS_PER_ROOM_MAX, REACTIONS_PER_MESSAGE_MAX},
};

use crate::{
    messages::{delete, draft, pin, react, reaction},
    support::{World, answer, seq, two_in_a_room},
};

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
