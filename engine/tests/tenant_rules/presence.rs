//! Who is there, and who may see it.

use homeroom_engine::{domain::Domain as _, tenant::Disconnection};
use homeroom_protocol::{DeviceState, Presence, Request, ServerFrame};

use crate::support::{World, identity, join, send, shown, user, watch, watched_bob};

#[test]
fn a_user_is_the_sum_of_their_devices() {
    let (mut world, watcher) = watched_bob();
    let phone = world.connect("bob", "phone");
    assert_eq!(world.told(watcher), [Presence::Active]);
    let desktop = world.connect("bob", "desktop");
    assert_eq!(world.told(watcher), [], "one more device changes nothing");
    world.request(
        phone,
        Request::Presence {
            state: DeviceState::Idle,
        },
    );
    assert_eq!(world.told(watcher), []);
    world.request(
        desktop,
        Request::Presence {
            state: DeviceState::Idle,
        },
    );
    assert_eq!(world.told(watcher), [Presence::Idle]);
    world.disconnect(desktop, Disconnection::Clean);
    assert_eq!(world.told(watcher), []);
    world.disconnect(phone, Disconnection::Clean);
    assert_eq!(
        world.told(watcher),
        [Presence::Offline],
        "a clean leave shows at once"
    );
}

#[test]
fn a_vanished_device_shows_after_its_grace() {
    let (mut world, watcher) = watched_bob();
    let phone = world.connect("bob", "phone");
    world.told(watcher);
    world.disconnect(phone, Disconnection::Vanished);
    world.pass(9_999);
    assert_eq!(world.told(watcher), []);
    world.pass(1);
    assert_eq!(world.told(watcher), [Presence::Offline]);
    assert_eq!(world.tenant.next_deadline(), None);
}

#[test]
fn a_reconnect_inside_the_grace_shows_nothing() {
    let (mut world, watcher) = watched_bob();
    let phone = world.connect("bob", "phone");
    world.told(watcher);
    world.disconnect(phone, Disconnection::Vanished);
    world.pass(9_000);
    let phone = world.connect("bob", "phone");
    world.pass(60_000);
    assert_eq!(world.told(watcher), []);

    // The new socket is there before the old one is found to be dead.
    let second = world.connect("bob", "phone");
    world.disconnect(phone, Disconnection::Vanished);
    world.pass(60_000);
    assert_eq!(world.told(watcher), []);
    world.disconnect(second, Disconnection::Clean);
    assert_eq!(world.told(watcher), [Presence::Offline]);
}

#[test]
fn a_welcome_makes_an_idle_device_active_and_shows_nothing_else() {
    for vanishes_first in [true, false] {
        let (mut world, watcher) = watched_bob();
        let phone = world.connect("bob", "phone");
        let state = DeviceState::Idle;
        world.request(phone, Request::Presence { state });
        world.told(watcher);
        if vanishes_first {
            world.disconnect(phone, Disconnection::Vanished);
            world.pass(1_000);
            world.connect("bob", "phone");
        } else {
            world.connect("bob", "phone");
            world.disconnect(phone, Disconnection::Vanished);
        }
        world.pass(60_000);
        assert_eq!(world.told(watcher), [Presence::Active]);
    }
}

#[test]
fn after_a_restart_everybody_is_offline() {
    let (mut world, _) = watched_bob();
    world.connect("bob", "phone");
    world.crash();
    assert_eq!(world.tenant.presence(&user("bob")), Presence::Offline);
    assert_eq!(world.tenant.next_deadline(), None);
    assert!(world.tenant.is_idle());
}

#[test]
fn only_those_who_share_a_room_can_be_watched() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let bob = world.connect("bob", "web");
    world.join(bob, "math");
    world.connect("eve", "web");
    let ServerFrame::Watching { users, .. } =
        world.request(ada, watch(&["eve", "bob", "ada", "nobody"]))
    else {
        panic!("not watching");
    };
    let active = |name| (user(name), Presence::Active);
    assert_eq!(shown(&users), [active("ada"), active("bob")]);
    world.inbox(ada);

    world.request(bob, Request::Leave { room });
    world.inbox(ada);
    world.disconnect(bob, Disconnection::Clean);
    assert_eq!(world.told(ada), [], "strangers again");
}

#[test]
fn sharing_one_room_is_enough_however_many_others_there_are() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    for id in ["a", "b", "shared"] {
        world.create(ada, id);
    }
    let bob = world.connect("bob", "web");
    world.join(bob, "shared");
    for (connection, other) in [(ada, "bob"), (bob, "ada")] {
        let reply = world.request(connection, watch(&[other]));
        let ServerFrame::Watching { users, .. } = reply else {
            panic!("not watching: {reply:?}");
        };
        assert_eq!(shown(&users), [(user(other), Presence::Active)]);
    }
}

#[test]
fn one_who_leaves_stops_watching_those_who_stay() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let bob = world.connect("bob", "web");
    world.sync_at_once = false;
    world.post(bob, join("math", None));
    world.post(bob, watch(&["ada", "bob"]));
    world.post(bob, Request::Leave { room });
    world.sync();
    world.inbox(bob);
    world.post(
        ada,
        Request::Presence {
            state: DeviceState::Idle,
        },
    );
    world.sync();
    assert_eq!(world.told(bob), [], "also when the watch was still held");
    let view = world.hub.view(bob);
    assert_eq!(view.keys().collect::<Vec<_>>(), [&user("bob")]);
}

#[test]
fn a_change_between_a_watch_and_its_answer_is_not_missed() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let bob = world.connect("bob", "web");
    world.join(bob, "math");
    world.sync_at_once = false;
    world.post(ada, send(1, room, "makes the answer wait"));
    world.post(ada, watch(&["bob"]));
    world.disconnect(bob, Disconnection::Clean);
    world.post(ada, send(2, room, "makes what follows wait longer"));
    let bob = world.connect_as(identity("bob", "phone"));
    world.sync_to(world.log_len() - 1);
    world.disconnect(bob, Disconnection::Clean);
    world.sync();
    let view = world.hub.view(ada);
    assert_eq!(view[&user("bob")], Presence::Offline);
}

#[test]
fn a_signal_does_not_wait_for_messages() {
    let (mut world, watcher) = watched_bob();
    let room = world.tenant.rooms().next().unwrap().number();
    world.sync_at_once = false;
    world.post(watcher, send(1, room, "not yet on disk"));
    world.connect_as(identity("bob", "phone"));
    assert_eq!(world.told(watcher), [Presence::Active]);
}
