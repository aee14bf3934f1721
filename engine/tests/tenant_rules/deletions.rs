//! Deletions: a message goes, its place stays.

use homeroom_engine::hub::OUTBOX_AGE_MS;
use homeroom_protocol::{Direction, ErrorCode, EventBody, Position, Request, ServerFrame};

use crate::{
    messages::{delete, draft, edit, in_thread, pin, react, say},
    support::{World, join, refusal_of, seq, seqs, two_in_a_room, typing, user},
};

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
fn no_page_and_no_catch_up_shows_anything_of_a_deleted_message_or_its_edits() {
    for restarts in [false, true] {
        let (mut world, ada, bob, room) = two_in_a_room();
        let root = world.write(ada, room, draft("hello"));
        let said = world.write(bob, room, in_thread(root, "secret"));
        let before = world.tenant.room(room).unwrap().head();
        for number in 1..=3 {
            let new = in_thread(root, &format!("secret {number} <@ada>"));
            world.change(bob, edit(number, room, said, new));
        }
        // While it stands, an edit shows what those who listened saw.
        let page = format!("{:?}", world.page(ada, room, None));
        assert_eq!(page.matches("secret 1").count(), 1, "{page}");
        world.change(bob, delete(9, room, said));
        let (mut ada, mut bob) = (ada, bob);
        if restarts {
            // From the index alone.
            world.crash();
            ada = world.connect("ada", "web");
            bob = world.connect("bob", "web");
        }
        for direction in [Direction::Before, Direction::After, Direction::Around] {
            for thread in [None, Some(seq(root))] {
                for anchor in [seq(0), seq(said), seq(said + 2), seq(1_000)] {
                    let asked = Request::History {
                        room,
                        direction,
                        anchor,
                        limit: 100,
                        thread,
                    };
                    for reader in [ada, bob] {
                        let page = format!("{:?}", world.request(reader, asked.clone()));
                        assert!(!page.contains("secret"), "{page}");
                        assert!(
                            !page.contains("mentions: Mentions { users: [UserId"),
                            "{page}"
                        );
                    }
                }
            }
        }
        // From before it was said, and from between it and its end.
        for seqs_back in [0, 1] {
            let resume = Position {
                seq: seq(before.seq.0 - seqs_back),
                ..before
            };
            let phone = world.connect("ada", "phone");
            world.request(phone, join("math", Some(resume)));
            let told = world.inbox(phone);
            assert!(!seqs(&told).is_empty());
            let told = format!("{told:?}");
            assert!(!told.contains("secret"), "{told}");
        }
        let versions = Request::Versions {
            room,
            target: seq(said),
        };
        let code = world.refusal(bob, versions);
        assert_eq!(code, ErrorCode::MessageNotFound);
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
    world.request(bob, join("math", Some(before)));
    let bodies = world.pushed(bob);
    assert!(
        matches!(bodies[0], EventBody::Tombstone { .. }),
        "{bodies:?}"
    );
    assert_eq!(bodies.len(), 3);
    assert!(!format!("{bodies:?}").contains("secret"));
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

/// It may still be lost: then the message was never deleted, and nobody saw that it was.
#[test]
fn a_deletion_is_told_to_who_is_behind_once_it_is_durable() {
    let mut world = World::staged();
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let room = world.open_room(ada, "math");
    world.join(bob, "math");
    world.inbox(bob);
    world.stage().block(bob);
    let said = world.say(ada, room, "oh no");
    for _ in 0..=OUTBOX_AGE_MS / 1_000 + 1 {
        world.stage().tick();
    }
    world.stage().pages_wait = true;
    world.stage().unblock(bob);
    assert_eq!(world.stage().pages_asked(), 1, "bob is behind");

    world.sync_at_once = false;
    world.post(ada, delete(4_711, room, said.seq.0));
    world.stage().pages_wait = false;
    world.post(ada, typing(room, true));
    let is_tombstone = |frame: &ServerFrame| {
        matches!(frame, ServerFrame::Event { event, .. }
            if matches!(event.body, EventBody::Tombstone { .. }))
    };
    assert!(!world.inbox(bob).iter().any(is_tombstone));
    world.sync();
    let frames = world.inbox(bob);
    assert!(frames.iter().any(is_tombstone), "{frames:?}");
    assert_eq!(seqs(&frames), [said.seq.0, said.seq.0 + 1]);
}
