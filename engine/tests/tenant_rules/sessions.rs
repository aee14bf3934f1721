//! Connections: welcome, expiry, renewal, revocation.

use homeroom_engine::{
    domain::Domain as _,
    tenant::{Disconnection, Input, Whom},
};
use homeroom_protocol::{CloseCode, DeviceId, Presence, Request, ServerFrame};

use crate::support::{DAWN, World, create, identity, send, user, watch};

#[test]
fn a_welcome_says_what_to_keep_to() {
    let mut world = World::new();
    let expires = DAWN.plus_ms(1_000);
    let ada = world.connect_as(identity("ada", "web").expiring(expires));
    let inbox = world.inbox(ada);
    let [ServerFrame::Welcome(welcome)] = &inbox[..] else {
        panic!("no welcome: {inbox:?}");
    };
    assert_eq!(welcome.user, user("ada"));
    assert_eq!(welcome.connection, ada);
    assert_eq!(welcome.tenant.as_str(), "school");
    assert_eq!(welcome.time, DAWN);
    assert_eq!(welcome.expires, Some(expires));
    assert_eq!(welcome.heartbeat_ms, 25_000);
}

#[test]
fn a_session_ends_when_it_expires() {
    let mut world = World::new();
    let ada = world.connect_as(identity("ada", "web").expiring(DAWN.plus_ms(1_000)));
    world.pass(999);
    assert_eq!(world.hub.closed.get(&ada), None);
    world.pass(1);
    assert_eq!(world.hub.closed[&ada], CloseCode::SessionExpired);
    assert!(world.tenant.is_idle());
    assert_eq!(
        world.tenant.presence(&user("ada")),
        Presence::Active,
        "expected back"
    );
    world.pass(10_000);
    assert_eq!(world.tenant.presence(&user("ada")), Presence::Offline);
    // The runtime reports the end of what the tenant closed.
    world.disconnect(ada, Disconnection::Clean);
}

#[test]
fn an_expired_session_is_not_served_even_before_the_tick() {
    let mut world = World::new();
    let ada = world.connect_as(identity("ada", "web").expiring(DAWN.plus_ms(1_000)));
    world.now = DAWN.plus_ms(1_000);
    world.post(ada, create(1, "math"));
    assert_eq!(world.log_len(), 0);
    assert_eq!(world.hub.closed[&ada], CloseCode::SessionExpired);

    let late = world.connect_as(identity("ada", "web").expiring(DAWN));
    assert_eq!(world.hub.closed[&late], CloseCode::SessionExpired);
    assert_eq!(world.tenant.connections_count(), 0);

    let expires = Some(world.now.plus_ms(1));
    let bob = world.connect_as(identity("bob", "web").expiring(world.now.plus_ms(1)));
    world.now = world.now.plus_ms(2);
    world.input(Input::Renew {
        connection: bob,
        expires: expires.map(|at| at.plus_ms(1_000)),
    });
    assert_eq!(
        world.hub.closed[&bob],
        CloseCode::SessionExpired,
        "too late to renew"
    );
}

#[test]
fn a_renewed_session_goes_on() {
    let mut world = World::new();
    let connection = world.connect_as(identity("ada", "web").expiring(DAWN.plus_ms(1_000)));
    let renew = |expires| Input::Renew {
        connection,
        expires,
    };
    world.input(renew(Some(DAWN.plus_ms(5_000))));
    world.pass(4_999);
    assert_eq!(world.hub.closed.get(&connection), None);
    world.input(renew(None));
    world.pass(60_000);
    assert_eq!(world.hub.closed.get(&connection), None);
    world.input(renew(Some(world.now)));
    assert_eq!(world.hub.closed[&connection], CloseCode::SessionExpired);
    assert_eq!(world.deadlines_after_grace(), None);
}

#[test]
fn a_session_that_ended_leaves_no_deadline() {
    let mut world = World::new();
    let ada = world.connect_as(identity("ada", "web").expiring(DAWN.plus_ms(5_000)));
    world.disconnect(ada, Disconnection::Clean);
    // When she was last seen is written down.
    world.pass(1_000);
    assert_eq!(world.tenant.next_deadline(), None);
}

#[test]
fn a_revoked_session_ends_at_once() {
    let mut world = World::new();
    let web = world.connect("ada", "web");
    let phone = world.connect("ada", "phone");
    let second = world.connect("ada", "phone");
    let bob = world.connect("bob", "phone");
    world.revoke(Whom::Connection(second));
    assert_eq!(world.hub.closed.keys().collect::<Vec<_>>(), [&second]);
    let device = DeviceId::new("phone").unwrap();
    let user_ = user("ada");
    world.revoke(Whom::Device {
        user: user_,
        device,
    });
    assert_eq!(
        world.hub.closed.keys().collect::<Vec<_>>(),
        [&phone, &second]
    );
    world.revoke(Whom::User(user("ada")));
    assert_eq!(
        world.hub.closed.keys().collect::<Vec<_>>(),
        [&web, &phone, &second]
    );
    assert!(
        world
            .hub
            .closed
            .values()
            .all(|code| *code == CloseCode::Revoked)
    );
    assert_eq!(
        world.tenant.presence(&user("ada")),
        Presence::Offline,
        "no grace"
    );
    assert_eq!(world.tenant.presence(&user("bob")), Presence::Active);
    world.disconnect(bob, Disconnection::Vanished);
    world.revoke(Whom::User(user("bob")));
    assert_eq!(world.tenant.presence(&user("bob")), Presence::Offline);
    // When they were last seen is written down.
    world.pass(1_000);
    assert_eq!(world.tenant.next_deadline(), None);
}

#[test]
fn a_revocation_leaves_alone_who_was_let_in_after_it_was_said() {
    let mut world = World::new();
    let before = world.connect("ada", "web");
    let after = world.connect("ada", "web");
    world.input(Input::Revoke {
        whom: Whom::User(user("ada")),
        before: after,
    });
    assert_eq!(world.hub.closed.keys().collect::<Vec<_>>(), [&before]);
    assert_eq!(world.tenant.presence(&user("ada")), Presence::Active);
}

#[test]
fn an_answer_for_a_connection_that_is_gone_has_no_effect() {
    let mut world = World::with(|settings| settings.keys_in_memory_max = 1);
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    world.say(ada, room, "2");
    let input = world.input_of(ada, send(1, room, "hello"));
    let waiting = world.ask(input);
    let whom = Whom::User(user("ada"));
    world.revoke(whom);
    let log_len = world.log_len();
    world.decide(waiting);
    assert_eq!(world.log_len(), log_len);
}

#[test]
fn at_the_most_connections_of_a_device_or_a_user_the_oldest_gives_way() {
    let mut world = World::with(|settings| {
        settings.connections_per_device_max = 2;
        settings.connections_per_user_max = 3;
    });
    let other = world.connect("bob", "web");
    let first = world.connect("ada", "web");
    world.create(first, "math");
    world.join(other, "math");
    world.request(other, watch(&["ada"]));
    let second = world.connect("ada", "web");
    let third = world.connect("ada", "web");
    assert_eq!(world.hub.closed.get(&first), Some(&CloseCode::Replaced));
    let phone = world.connect("ada", "phone");
    assert_eq!(world.hub.closed.len(), 1, "three of hers are left");
    let tablet = world.connect("ada", "tablet");
    assert_eq!(world.hub.closed.get(&second), Some(&CloseCode::Replaced));
    assert_eq!(world.hub.closed.len(), 2);
    assert_eq!(world.tenant.connections_count(), 4);
    world.pass(60_000);
    assert_eq!(world.told(other), [], "she was there all the time");
    for connection in [third, phone, tablet] {
        world.request(connection, Request::Me);
    }
}

#[test]
fn one_connection_is_let_in_whatever_the_most_is() {
    let mut world = World::with(|settings| {
        settings.connections_per_device_max = 0;
        settings.connections_per_user_max = 0;
    });
    let other = world.connect("bob", "web");
    let first = world.connect("ada", "web");
    world.create(first, "math");
    world.join(other, "math");
    world.request(other, watch(&["ada"]));
    world.connect("ada", "web");
    assert_eq!(world.hub.closed.get(&first), Some(&CloseCode::Replaced));
    assert_eq!(
        world.told(other),
        [],
        "a device that comes back was never gone"
    );
}
