//! Every refusal and every limit.

use homeroom_engine::{
    domain::{Domain as _, Storage},
    hub::RETURN_SPREAD_MS,
    identity::Scopes,
    tenant::{DUE_PER_TICK_MAX, Disconnection, Input, Whom},
};
use homeroom_protocol::{
    CloseCode, ConnectionId, DeviceState, Direction, ErrorCode, Presence, Request, RoomInfo,
    RoomNumber, ServerFrame, Timestamp, limit,
};

use crate::support::{
    DAWN, World, create, identity, join, refusal_of, send, seq, two_in_a_room, typing, user, watch,
};

#[test]
fn a_full_disk_refuses_writes_and_serves_the_rest() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let eve = world.connect("eve", "web");
    world.storage = Storage::Full;
    let log_len = world.log_len();
    for (connection, request) in [
        (ada, create(1, "physics")),
        (ada, send(2, room, "hello")),
        (eve, join("math", None)),
        (bob, Request::Leave { room }),
    ] {
        let ServerFrame::Error {
            code,
            retry_after_ms,
            ..
        } = world.request(connection, request)
        else {
            panic!("not refused");
        };
        assert_eq!(code, ErrorCode::StorageFull.number());
        let retry = world.seed.settings.storage_full_retry_after_ms;
        assert_eq!(retry_after_ms, Some(retry));
    }
    assert_eq!(world.log_len(), log_len);
    world.inbox(ada);
    world.join(bob, "math");
    world.request(bob, typing(room, true));
    assert_eq!(world.typists(ada), [(vec!["bob".into()], 1)]);
    let reply = world.request(ada, watch(&["bob"]));
    assert!(matches!(reply, ServerFrame::Watching { .. }));
    let history = Request::History {
        room,
        direction: Direction::After,
        anchor: seq(0),
        limit: 9,
        thread: None,
    };
    let reply = world.request(ada, history);
    assert!(matches!(reply, ServerFrame::Page { events, .. } if events.len() == 2));

    world.storage = Storage::Open;
    let reply = world.request(ada, send(2, room, "hello"));
    assert!(matches!(reply, ServerFrame::Sent { .. }));
}

#[test]
fn scopes_are_asked_before_anything_else() {
    let (mut world, _, _, room) = two_in_a_room();
    let reads = || {
        [
            Request::Presence {
                state: DeviceState::Idle,
            },
            watch(&["ada"]),
            Request::Members {
                room,
                after: None,
                limit: 1,
            },
            Request::History {
                room,
                direction: Direction::After,
                anchor: seq(0),
                limit: 1,
                thread: None,
            },
            join("math", None),
        ]
    };
    let writes = || {
        [
            create(1, "math"),
            send(1, room, "hello"),
            typing(room, true),
            Request::Leave { room },
        ]
    };
    let reader = world.connect_as(identity("bob", "kiosk").with_scopes(Scopes::READ));
    let writer = world.connect_as(identity("bob", "bot").with_scopes(Scopes::WRITE));
    for request in reads() {
        let reply = world.request(reader, request.clone());
        assert_eq!(refusal_of(&reply), None, "{reply:?}");
        assert_eq!(world.refusal(writer, request), ErrorCode::Forbidden);
    }
    for request in writes() {
        assert_eq!(world.refusal(reader, request), ErrorCode::Forbidden);
    }
    let stranger = world.connect_as(identity("eve", "kiosk").with_scopes(Scopes::READ));
    let code = world.refusal(stranger, join("math", None));
    assert_eq!(code, ErrorCode::Forbidden, "to become a member is a write");
    let reply = world.request(writer, send(1, room, "hello"));
    assert!(matches!(reply, ServerFrame::Sent { .. }));
}

#[test]
fn strangers_learn_nothing_from_room_numbers() {
    let (mut world, _, _, room) = two_in_a_room();
    let eve = world.connect("eve", "web");
    for room in [room, RoomNumber(99), RoomNumber(0), RoomNumber(u32::MAX)] {
        for request in [
            send(1, room, "hello"),
            typing(room, true),
            Request::Leave { room },
            Request::Members {
                room,
                after: None,
                limit: 1,
            },
            Request::History {
                room,
                direction: Direction::After,
                anchor: seq(0),
                limit: 1,
                thread: None,
            },
        ] {
            assert_eq!(world.refusal(eve, request), ErrorCode::NotMember);
        }
    }
    assert_eq!(
        world.refusal(eve, join("physics", None)),
        ErrorCode::RoomNotFound
    );
    assert_eq!(world.refusal(eve, create(1, "math")), ErrorCode::RoomExists);
}

#[test]
fn fields_out_of_range_are_refused() {
    let (mut world, ada, _, room) = two_in_a_room();
    let long = "x".repeat(limit::MESSAGE_TEXT_BYTES_MAX + 1);
    assert_eq!(
        world.refusal(ada, send(1, room, &long)),
        ErrorCode::InvalidField
    );
    let Request::Create { key, room: id, .. } = create(1, "physics") else {
        unreachable!("a create was made");
    };
    let titled = Request::Create {
        key,
        room: id,
        info: RoomInfo {
            title: Some("x".repeat(limit::ROOM_TITLE_BYTES_MAX + 1)),
            ..RoomInfo::default()
        },
        members: Vec::new(),
    };
    assert_eq!(world.refusal(ada, titled), ErrorCode::InvalidField);
    let many = vec!["bob"; limit::WATCHED_USERS_MAX + 1];
    assert_eq!(world.refusal(ada, watch(&many)), ErrorCode::InvalidField);
    let elsewhere = world.connect("ada", "phone");
    let code = world.refusal(elsewhere, typing(room, true));
    assert_eq!(
        code,
        ErrorCode::UnexpectedFrame,
        "it does not hear the room"
    );
}

#[test]
fn who_is_turned_away_by_a_full_tenant_comes_back_one_by_one() {
    let (full, outside) = (200, 300);
    let mut world = World::with(|settings| settings.connections_max = full);
    for number in 0..full {
        world.connect(&format!("user-{number}"), "web");
    }
    for number in 0..outside {
        world.connect_as(identity(&format!("late-{number}"), "web"));
    }
    let times: Vec<u64> = world.hub.back_after.values().copied().collect();
    assert_eq!(times.len(), outside);
    let earliest = world.seed.settings.retry_after_ms;
    let window = earliest..=earliest + full as u64 * RETURN_SPREAD_MS;
    assert!(times.iter().all(|after| window.contains(after)));
    // No tenth of the window has more than twice its share.
    let tenth = full as u64 * RETURN_SPREAD_MS / 10;
    let crowd = times.iter().map(|&from| {
        let part = from..from + tenth;
        times.iter().filter(|after| part.contains(after)).count()
    });
    assert!(crowd.max() <= Some(outside / 5), "{times:?}");
}

#[test]
fn every_count_has_its_limit() {
    let mut world = World::with(|settings| {
        settings.rooms_max = 4;
        settings.members_per_room_max = 2;
        settings.rooms_per_user_max = 3;
        settings.rooms_per_connection_max = 2;
        settings.connections_max = 3;
    });
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let eve = world.connect("eve", "web");
    for id in ["r1", "r2", "r3"] {
        world.create(ada, id);
    }
    assert_eq!(
        world.refusal(ada, create(1, "r4")),
        ErrorCode::TooMany,
        "rooms of a user"
    );
    let fourth = world.create(bob, "r4");
    assert_eq!(
        world.refusal(bob, create(1, "r5")),
        ErrorCode::TooMany,
        "rooms"
    );
    assert_eq!(
        world.refusal(ada, join("r4", None)),
        ErrorCode::TooMany,
        "rooms of a user"
    );

    world.join(ada, "r1");
    world.join(ada, "r2");
    assert_eq!(
        world.refusal(ada, join("r3", None)),
        ErrorCode::TooMany,
        "listening"
    );
    world.join(ada, "r2");

    world.join(bob, "r1");
    assert_eq!(
        world.refusal(eve, join("r1", None)),
        ErrorCode::TooMany,
        "members"
    );
    world.request(bob, Request::Leave { room: fourth });
    world.join(eve, "r4");

    let log_len = world.log_len();
    let more = world.connect_as(identity("dan", "web"));
    assert_eq!(world.hub.closed[&more], CloseCode::Overloaded);
    assert_eq!(world.tenant.presence(&user("dan")), Presence::Offline);
    world.disconnect(eve, Disconnection::Clean);
    world.connect("dan", "web");
    assert_eq!(world.log_len(), log_len);
}

#[test]
fn devices_linger_only_so_many_at_once() {
    let mut world = World::with(|settings| settings.lingering_devices_max = 2);
    for name in ["ada", "bob", "eve"] {
        let connection = world.connect(name, "web");
        world.disconnect(connection, Disconnection::Vanished);
    }
    assert_eq!(world.tenant.presence(&user("bob")), Presence::Active);
    assert_eq!(world.tenant.presence(&user("eve")), Presence::Offline);
    world.connect("ada", "web");
    let connection = world.connect("eve", "web");
    world.disconnect(connection, Disconnection::Vanished);
    assert_eq!(
        world.tenant.presence(&user("eve")),
        Presence::Active,
        "ada is back and lingers no more"
    );
    world.pass(10_000);
    let connection = world.connect("eve", "web");
    world.disconnect(connection, Disconnection::Vanished);
    assert_eq!(
        world.tenant.presence(&user("eve")),
        Presence::Active,
        "room again"
    );
}

#[test]
fn a_tick_does_a_bounded_share_of_what_is_due() {
    let mut world = World::new();
    for number in 0..=DUE_PER_TICK_MAX {
        let expires = DAWN.plus_ms(1);
        world.connect_as(identity(&format!("u{number}"), "web").expiring(expires));
    }
    world.now = DAWN.plus_ms(1);
    world.tick_once();
    assert_eq!(world.hub.closed.len(), DUE_PER_TICK_MAX);
    assert_eq!(
        world.tenant.next_deadline(),
        Some(DAWN.plus_ms(1)),
        "due at once again"
    );
    world.tick_once();
    assert_eq!(world.hub.closed.len(), DUE_PER_TICK_MAX + 1);
}

#[test]
fn what_concerns_an_unknown_connection_has_no_effect() {
    let mut world = World::new();
    let ghost = ConnectionId(77);
    world.post(ghost, create(1, "math"));
    world.disconnect(ghost, Disconnection::Clean);
    let whom = Whom::Connection(ghost);
    world.revoke(whom);
    world.input(Input::Renew {
        connection: ghost,
        expires: Some(Timestamp(0)),
    });
    assert_eq!(world.log_len(), 0);
    assert!(world.hub.closed.is_empty());
    let ada = world.connect("ada", "web");
    world.input(Input::Connect {
        connection: ada,
        identity: identity("eve", "web"),
    });
    assert_eq!(
        world.inbox(ada),
        [],
        "a connection does not change its user"
    );
    assert_eq!(world.tenant.presence(&user("eve")), Presence::Offline);
}
