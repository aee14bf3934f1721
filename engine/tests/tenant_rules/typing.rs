//! Who types.

use homeroom_engine::{
    domain::Domain as _,
    tenant::{Disconnection, Whom},
};
use homeroom_protocol::{ConnectionId, Request, RoomNumber, limit};

use crate::support::{World, join, two_in_a_room, typing};

#[test]
fn typing_is_shown_until_it_ends_by_itself() {
    let (mut world, ada, bob, room) = two_in_a_room();
    world.request(bob, typing(room, true));
    assert_eq!(world.typists(ada), [(vec!["bob".into()], 1)]);
    world.pass(4_000);
    world.request(bob, typing(room, true));
    assert_eq!(world.typists(ada), [], "a repeat says nothing new");
    world.pass(5_999);
    assert_eq!(world.typists(ada), []);
    world.pass(1);
    assert_eq!(world.typists(ada), [(vec![], 0)]);
    assert_eq!(world.tenant.next_deadline(), None);
}

#[test]
fn typing_ends_with_a_message_a_stop_a_leave_and_the_last_connection() {
    type End = fn(&mut World, ConnectionId, RoomNumber);
    let ends: [End; 5] = [
        |world, bob, room| {
            world.say(bob, room, "done");
        },
        |world, bob, room| drop(world.request(bob, typing(room, false))),
        |world, bob, room| drop(world.request(bob, Request::Leave { room })),
        |world, bob, _| world.disconnect(bob, Disconnection::Vanished),
        |world, bob, _| {
            let whom = Whom::Connection(bob);
            world.revoke(whom);
        },
    ];
    for end in ends {
        let (mut world, ada, bob, room) = two_in_a_room();
        // Another connection of bob that does not listen does not keep his typing alive.
        let _elsewhere = world.connect("bob", "phone");
        world.request(bob, typing(room, true));
        world.inbox(ada);
        end(&mut world, bob, room);
        assert_eq!(world.typists(ada), [(vec![], 0)]);
        world.pass(60_000);
        assert_eq!(world.typists(ada), []);
    }
}

#[test]
fn typing_goes_on_while_another_connection_listens() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let phone = world.connect("bob", "phone");
    world.join(phone, "math");
    world.request(bob, typing(room, true));
    world.inbox(ada);
    world.disconnect(bob, Disconnection::Clean);
    assert_eq!(world.typists(ada), []);
}

#[test]
fn the_list_of_typists_is_capped_and_counted() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let mut expected = Vec::new();
    // From z to q: the order is that of starting, not of names.
    for letter in ('q'..='z').rev() {
        let name = letter.to_string();
        let connection = world.connect(&name, "web");
        world.join(connection, "math");
        world.inbox(ada);
        world.request(connection, typing(room, true));
        expected.push(name);
        let named = expected.iter().take(limit::TYPING_USERS_MAX).cloned();
        let count = u32::try_from(expected.len()).unwrap();
        assert_eq!(world.typists(ada), [(named.collect(), count)]);
    }
    world.pass(6_000);
    assert_eq!(
        world.typists(ada),
        [(vec![], 0)],
        "one frame for all that end at once"
    );
}

#[test]
fn typing_counts_only_once_the_membership_is_durable() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let bob = world.connect("bob", "web");
    world.sync_at_once = false;
    world.post(bob, join("math", None));
    world.post(bob, typing(room, true));
    assert_eq!(world.typists(ada), []);
    world.sync();
    world.post(bob, typing(room, true));
    assert_eq!(world.typists(ada), [(vec!["bob".into()], 1)]);
}
