//! Deletions: a message goes, its place stays.

use homeroom_protocol::{ErrorCode, EventBody};

use crate::{
    messages::{delete, draft, edit, in_thread, pin, react, say},
    support::{refusal_of, seq, two_in_a_room, user},
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
