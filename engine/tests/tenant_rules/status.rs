//! What a user says of themselves, and when they were last there.

use homeroom_engine::{
    domain::{Domain as _, Storage},
    tenant::Disconnection,
};
use homeroom_protocol::{
    Availability, ConnectionId, DeviceState, ErrorCode, Presence, Request, ServerFrame, Timestamp,
    UserPresence, limit,
};
use proptest::prelude::*;

use crate::support::{DAWN, World, identity, status, two_in, user, watch, watched_bob};

impl World {
    /// What a connection was told of how others are, since last time.
    fn presences(&mut self, connection: ConnectionId) -> Vec<UserPresence> {
        let frames = self.inbox(connection).into_iter();
        let told = frames.filter_map(|frame| match frame {
            ServerFrame::Presence { users } => Some(users),
            _ => None,
        });
        told.flatten().collect()
    }

    /// How bob is, as this connection is told that asks.
    fn bob(&mut self, connection: ConnectionId) -> UserPresence {
        let ServerFrame::Watching { mut users, .. } = self.request(connection, watch(&["bob"]))
        else {
            panic!("not watching");
        };
        users.pop().expect("they share a room")
    }
}

fn bob(presence: Presence, last_seen: Option<Timestamp>, status: Option<&str>) -> UserPresence {
    UserPresence {
        user: user("bob"),
        presence,
        last_seen,
        status: status.map(Into::into),
    }
}

fn minute(at: Timestamp) -> Timestamp {
    Timestamp(at.0 - at.0 % 60_000)
}

#[test]
fn what_a_user_says_stands_above_their_devices_until_it_is_over() {
    let (mut world, ada) = watched_bob();
    let phone = world.connect("bob", "phone");
    assert_eq!(world.presences(ada), [bob(Presence::Active, None, None)]);
    let until = world.now.plus_ms(60_000);
    world.request(
        phone,
        status(Availability::Busy, Some("in class"), Some(until)),
    );
    let busy = bob(Presence::Busy, None, Some("in class"));
    assert_eq!(world.presences(ada), std::slice::from_ref(&busy));
    assert_eq!(world.bob(ada), busy);
    let state = DeviceState::Idle;
    world.request(phone, Request::Presence { state });
    world.pass(59_999);
    assert_eq!(world.presences(ada), []);
    world.pass(1);
    assert_eq!(world.presences(ada), [bob(Presence::Idle, None, None)]);
    assert_eq!(world.tenant.next_deadline(), None);
}

#[test]
fn a_status_that_is_said_anew_ends_when_that_one_does() {
    let (mut world, ada) = watched_bob();
    let phone = world.connect("bob", "phone");
    let at = |ms| Some(DAWN.plus_ms(ms));
    world.request(phone, status(Availability::Away, None, at(10_000)));
    world.request(phone, status(Availability::Busy, None, at(50_000)));
    world.presences(ada);
    world.pass(49_999);
    assert_eq!(world.presences(ada), []);
    world.pass(2);
    assert_eq!(world.presences(ada), [bob(Presence::Active, None, None)]);
    world.request(phone, status(Availability::Busy, None, at(5)));
    assert_eq!(world.presences(ada), [], "over before it began");
    assert_eq!(world.tenant.next_deadline(), None);
}

#[test]
fn a_status_lives_on_after_a_restart_and_still_ends() {
    let (mut world, _) = watched_bob();
    let phone = world.connect("bob", "phone");
    let until = Some(DAWN.plus_ms(60_000));
    world.request(phone, status(Availability::Away, Some("lunch"), until));
    world.crash();
    world.connections_again();
    let ada = ConnectionId(1);
    world.bob(ada);
    world.connect("bob", "phone");
    assert_eq!(
        world.presences(ada),
        [bob(Presence::Away, None, Some("lunch"))]
    );
    world.pass(60_000);
    assert_eq!(world.presences(ada), [bob(Presence::Active, None, None)]);
}

#[test]
fn whoever_is_invisible_looks_like_somebody_who_left() {
    let (mut world, ada) = watched_bob();
    let phone = world.connect("bob", "phone");
    world.request(phone, status(Availability::Automatic, Some("hello"), None));
    world.pass(90_000);
    world.presences(ada);
    let hidden_at = minute(world.now);
    world.request(phone, status(Availability::Invisible, Some("secret"), None));
    let gone = bob(Presence::Offline, Some(hidden_at), None);
    assert_eq!(world.presences(ada), std::slice::from_ref(&gone));
    // No device gives him away, and what he says does not either.
    world.pass(300_000);
    let desktop = world.connect("bob", "desktop");
    world.request(
        desktop,
        Request::Presence {
            state: DeviceState::Idle,
        },
    );
    world.request(phone, status(Availability::Invisible, Some("more"), None));
    world.disconnect(phone, Disconnection::Clean);
    world.disconnect(desktop, Disconnection::Clean);
    world.pass(300_000);
    assert_eq!(world.presences(ada), []);
    assert_eq!(world.bob(ada), gone, "last seen stands still");
    let phone = world.connect("bob", "phone");
    assert_eq!(world.presences(ada), []);
    world.request(phone, status(Availability::Automatic, None, None));
    assert_eq!(world.presences(ada), [bob(Presence::Active, None, None)]);
}

#[test]
fn a_status_that_is_too_long_or_not_storable_is_refused() {
    let (mut world, _) = watched_bob();
    let phone = world.connect("bob", "phone");
    let long = "x".repeat(limit::STATUS_BYTES_MAX + 1);
    let code = world.refusal(phone, status(Availability::Busy, Some(&long), None));
    assert_eq!(code, ErrorCode::InvalidField);
    let never = Some(Timestamp(limit::INTEGER_MAX + 1));
    let code = world.refusal(phone, status(Availability::Busy, None, never));
    assert_eq!(code, ErrorCode::InvalidField);
    world.storage = Storage::Full;
    let code = world.refusal(phone, status(Availability::Busy, None, None));
    assert_eq!(code, ErrorCode::StorageFull);
    let scopes = homeroom_engine::identity::Scopes::READ;
    let reader = world.connect_as(identity("bob", "tv").with_scopes(scopes));
    let code = world.refusal(reader, status(Availability::Busy, None, None));
    assert_eq!(code, ErrorCode::Forbidden);
}

#[test]
fn last_seen_is_told_of_those_who_are_offline_and_kept() {
    let (mut world, ada) = watched_bob();
    let phone = world.connect("bob", "phone");
    assert_eq!(world.bob(ada).last_seen, None);
    world.pass(150_000);
    let at = minute(world.now);
    world.disconnect(phone, Disconnection::Clean);
    world.pass(1_000);
    assert_eq!(world.bob(ada), bob(Presence::Offline, Some(at), None));
    world.crash();
    world.connections_again();
    assert_eq!(
        world.bob(ConnectionId(1)),
        bob(Presence::Offline, Some(at), None)
    );
}

#[test]
fn last_seen_is_written_once_a_minute_and_many_share_a_record() {
    let mut world = World::new();
    world.now = minute(DAWN);
    let connections: Vec<_> = (0..300)
        .map(|number| world.connect(&format!("u{number:03}"), "web"))
        .collect();
    let log_len = world.log_len();
    for connection in connections {
        world.disconnect(connection, Disconnection::Clean);
    }
    world.pass(10_000);
    assert_eq!(world.log_len(), log_len + 2, "256 of them, and the rest");
    for _ in 0..5 {
        let again = world.connect("u000", "web");
        world.disconnect(again, Disconnection::Clean);
        world.pass(2_000);
    }
    assert_eq!(world.log_len(), log_len + 2);
    assert_eq!(world.tenant.next_deadline(), None);
}

/// A world in which those who are there are written down at its end, and not before.
fn rounds_at_its_end() -> World {
    World::with(|settings| settings.seen_round_ms = u64::MAX)
}

#[test]
fn an_end_in_order_writes_down_who_is_there_and_not_who_is_invisible() {
    for (availability, seen) in [
        (Availability::Automatic, 90),
        (Availability::Busy, 90),
        (Availability::Invisible, 0),
    ] {
        let mut world = two_in(rounds_at_its_end()).0;
        let bob = ConnectionId(2);
        world.disconnect(bob, Disconnection::Clean);
        world.now = minute(DAWN).plus_ms(60_000);
        let start = world.now;
        let phone = world.connect("bob", "phone");
        world.request(phone, status(availability, None, None));
        world.pass(90 * 60_000 + 59_999);
        world.end();
        world.connections_again();
        let expected = start.plus_ms(seen * 60_000);
        assert_eq!(
            world.bob(ConnectionId(1)).last_seen,
            Some(expected),
            "{availability:?}"
        );
    }
}

#[test]
fn who_is_there_at_a_kill_was_seen_at_most_one_round_before() {
    let mut world = World::with(|settings| settings.seen_round_ms = 600_000);
    world.now = minute(DAWN);
    let ada = world.connect("ada", "web");
    world.create(ada, "math");
    let crowd: Vec<_> = (0..600)
        .map(|number| world.connect(&format!("u{number:03}"), "web"))
        .collect();
    let bob = world.connect("bob", "web");
    world.join(bob, "math");
    for minutes in [25, 31] {
        let log_len = world.log_len();
        let rounds = (minutes + u64::from(minutes == 31)) / 10;
        world.pass(minutes * 60_000);
        let records = world.log_len() - log_len;
        assert!(
            records <= usize::try_from(rounds * 3).unwrap(),
            "602 users, 256 in a record: {records}"
        );
    }
    let killed = world.now;
    world.crash();
    world.connections_again();
    let seen = world.bob(ConnectionId(1)).last_seen.unwrap();
    assert!(killed.since_ms(seen) <= 10 * 60_000 + 60_000, "{seen:?}");
    assert!(crowd.len() > 512);
}

#[test]
fn rounds_end_with_whoever_was_there_last() {
    let mut world = World::with(|settings| settings.seen_round_ms = 600_000);
    let ada = world.connect("ada", "web");
    world.pass(1_900_000);
    assert!(world.tenant.next_deadline().is_some());
    world.disconnect(ada, Disconnection::Clean);
    world.pass(1_200_000);
    assert_eq!(world.tenant.next_deadline(), None);
    world.connect("ada", "web");
    assert!(world.tenant.next_deadline().is_some());
}

#[test]
fn an_end_on_a_full_disk_writes_nothing() {
    let mut world = two_in(rounds_at_its_end()).0;
    world.connect("bob", "phone");
    world.pass(3_600_000);
    world.storage = Storage::Full;
    let log_len = world.log_len();
    world.end();
    assert_eq!(world.log_len(), log_len);
}

#[test]
fn nothing_of_it_is_written_while_the_disk_is_full() {
    let (mut world, ada) = watched_bob();
    let phone = world.connect("bob", "phone");
    world.pass(60_000);
    world.storage = Storage::Full;
    let log_len = world.log_len();
    let at = minute(world.now);
    world.disconnect(phone, Disconnection::Clean);
    world.pass(60_000);
    assert_eq!(world.log_len(), log_len);
    assert_eq!(world.bob(ada).last_seen, Some(at), "but it is known");
    world.storage = Storage::Open;
    world.pass(10_000);
    assert_eq!(world.log_len(), log_len + 1);
}

#[test]
fn to_whom_they_blocked_a_user_is_offline() {
    let (mut world, ada) = watched_bob();
    let phone = world.connect("bob", "phone");
    world.pass(120_000);
    world.presences(ada);
    let block = |on| Request::Block {
        user: user("ada"),
        on,
    };
    world.request(phone, block(true));
    let offline = bob(Presence::Offline, None, None);
    assert_eq!(world.presences(ada), std::slice::from_ref(&offline));
    world.request(phone, block(true));
    world.request(phone, status(Availability::Busy, None, None));
    world.disconnect(phone, Disconnection::Clean);
    assert_eq!(world.presences(ada), []);
    assert_eq!(world.bob(ada), offline);
    let phone = world.connect("bob", "phone");
    assert_eq!(world.presences(ada), []);
    world.request(phone, block(false));
    assert_eq!(world.presences(ada), [bob(Presence::Busy, None, None)]);
    world.request(phone, status(Availability::Away, None, None));
    assert_eq!(world.presences(ada), [bob(Presence::Away, None, None)]);
}

#[derive(Debug, Clone)]
enum Step {
    Come(usize),
    Go(usize, bool),
    Show(usize, bool),
    Say(u8, Option<u64>),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let device = 0..3_usize;
    prop_oneof![
        3 => device.clone().prop_map(Step::Come),
        3 => (device.clone(), any::<bool>()).prop_map(|(device, clean)| Step::Go(device, clean)),
        2 => (device, any::<bool>()).prop_map(|(device, active)| Step::Show(device, active)),
        2 => (0..4_u8, prop::option::of(0..30_000_u64)).prop_map(|(what, ms)| Step::Say(what, ms)),
        3 => (0..15_000_u64).prop_map(Step::Pass),
    ]
}

const DEVICES: [&str; 3] = ["phone", "web", "tv"];

/// One device of bob's, as a naive observer sees it.
#[derive(Debug, Clone, Default)]
struct Device {
    connections: Vec<ConnectionId>,
    lingers_until: Option<Timestamp>,
    idle: bool,
}

proptest! {
    /// What a watcher was told last is what a naive model says, and what they are told who ask now.
    #[test]
    fn presence_is_what_a_naive_model_says(steps in prop::collection::vec(step(), 1..40)) {
        let (mut world, ada) = watched_bob();
        let mut devices = vec![Device::default(); DEVICES.len()];
        let mut said: (Availability, Option<Timestamp>) = (Availability::Automatic, None);
        let mut known = Presence::Offline;
        for step in steps {
            match step {
                Step::Come(at) => {
                    let connection = world.connect("bob", DEVICES[at]);
                    devices[at].connections.push(connection);
                    (devices[at].lingers_until, devices[at].idle) = (None, false);
                }
                Step::Go(at, clean) => {
                    let device = &mut devices[at];
                    if let Some(connection) = device.connections.pop() {
                        let (how, until) = if clean {
                            (Disconnection::Clean, None)
                        } else {
                            (Disconnection::Vanished, Some(world.now.plus_ms(10_000)))
                        };
                        world.disconnect(connection, how);
                        device.lingers_until = until.filter(|_| device.connections.is_empty());
                    }
                }
                Step::Show(at, active) => {
                    if let Some(&connection) = devices[at].connections.last() {
                        let state = if active { DeviceState::Active } else { DeviceState::Idle };
                        world.request(connection, Request::Presence { state });
                        devices[at].idle = !active;
                    }
                }
                Step::Say(what, ms) => {
                    let availability = [
                        Availability::Automatic,
                        Availability::Away,
                        Availability::Busy,
                        Availability::Invisible,
                    ][usize::from(what)];
                    let connections = devices.iter().flat_map(|device| &device.connections);
                    if let Some(&connection) = connections.last() {
                        let until = ms.map(|ms| world.now.plus_ms(ms));
                        world.request(connection, status(availability, None, until));
                        said = (availability, until);
                    }
                }
                Step::Pass(ms) => world.pass(ms),
            }
            let now = world.now;
            let lives = |device: &&Device| {
                !device.connections.is_empty()
                    || device.lingers_until.is_some_and(|until| now < until)
            };
            let live: Vec<_> = devices.iter().filter(lives).collect();
            let over = said.1.is_some_and(|until| until <= now);
            let availability = if over { Availability::Automatic } else { said.0 };
            let expected = match availability {
                _ if live.is_empty() => Presence::Offline,
                Availability::Invisible => Presence::Offline,
                Availability::Away => Presence::Away,
                Availability::Busy => Presence::Busy,
                Availability::Automatic if live.iter().any(|device| !device.idle) => Presence::Active,
                Availability::Automatic => Presence::Idle,
            };
            if let Some(told) = world.presences(ada).last() {
                known = told.presence;
            }
            prop_assert_eq!(known, expected);
            prop_assert_eq!(world.tenant.presence(&user("bob")), expected);
        }
        let afresh = world.bob(ada);
        prop_assert_eq!(afresh.presence, known);
    }
}
