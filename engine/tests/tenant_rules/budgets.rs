//! What happens to those who ask too much.

use homeroom_engine::tenant::{Input, Settings};
use homeroom_protocol::{
    ConnectionId, Direction, ErrorCode, Request, RequestId, RoomId, RoomNumber, Seq, ServerFrame,
    SignalName,
};

use crate::support::{World, itself, key, refusal_of, send, typing};

/// Ten units at once, then one a second; the rest is out of the way.
fn scarce(settings: &mut Settings) {
    settings.connection_units_burst = 100;
    settings.connection_units_per_s = 10;
}

fn retry_after(frame: &ServerFrame) -> Option<u64> {
    match frame {
        ServerFrame::Error { retry_after_ms, .. } => *retry_after_ms,
        _ => None,
    }
}

/// A world with a room in it, and its maker's bucket full again.
fn ready(world: &mut World) -> (ConnectionId, RoomNumber) {
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    world.pass(60_000);
    world.inbox(ada);
    (ada, room)
}

#[test]
fn whoever_asks_too_often_is_told_exactly_when_to_ask_again() {
    let mut world = World::with(scarce);
    let (ada, room) = ready(&mut world);
    for number in 0..50 {
        let reply = world.request(ada, send(number, room, "flood"));
        assert!(matches!(reply, ServerFrame::Sent { .. }), "{reply:?}");
    }
    let log_len = world.log_len();
    let reply = world.request(ada, send(50, room, "flood"));
    assert_eq!(refusal_of(&reply), Some(ErrorCode::TooFast));
    assert_eq!(retry_after(&reply), Some(200), "two units at ten a second");
    assert_eq!(world.log_len(), log_len);
    world.pass(199);
    let reply = world.request(ada, send(50, room, "flood"));
    assert_eq!(retry_after(&reply), Some(1));
    world.pass(1);
    let reply = world.request(ada, send(50, room, "flood"));
    assert!(matches!(reply, ServerFrame::Sent { .. }), "{reply:?}");
    assert_eq!(world.tenant.refused_count(), 2);
}

#[test]
fn refusing_a_flood_asks_the_history_nothing() {
    let mut world = World::with(scarce);
    let (ada, room) = ready(&mut world);
    let history = || Request::History {
        room,
        direction: Direction::Before,
        anchor: Seq(u64::MAX >> 11),
        limit: 50,
        thread: None,
    };
    let asked = world.questions;
    for _ in 0..20 {
        world.request(ada, history());
    }
    assert_eq!(world.questions, asked + 20);
    for _ in 0..1_000 {
        assert_eq!(world.refusal(ada, history()), ErrorCode::TooFast);
    }
    assert_eq!(world.questions, asked + 20, "not one of them was looked up");
}

#[test]
fn a_refusal_does_not_wait_for_the_disk() {
    let mut world = World::with(scarce);
    let (ada, room) = ready(&mut world);
    world.sync_at_once = false;
    for number in 0..50 {
        world.post(ada, send(number, room, "flood"));
    }
    let id: RequestId = world.post(ada, send(50, room, "flood"));
    let reply = world.reply(ada, id).expect("it depends on nothing");
    assert_eq!(refusal_of(&reply), Some(ErrorCode::TooFast));
}

#[test]
fn all_connections_of_a_user_share_one_budget_and_others_have_their_own() {
    let mut world = World::with(|settings| {
        settings.user_units_burst = 100;
        settings.user_units_per_s = 10;
    });
    let (ada, room) = ready(&mut world);
    let phone = world.connect("ada", "phone");
    let bob = world.connect("bob", "web");
    world.join(phone, "math");
    world.join(bob, "math");
    world.pass(60_000);
    for number in 0..25 {
        world.request(ada, send(number, room, "flood"));
        world.request(phone, send(100 + number, room, "flood"));
    }
    for connection in [ada, phone] {
        let code = world.refusal(connection, typing(room, true));
        assert_eq!(code, ErrorCode::TooFast);
    }
    world.request(bob, typing(room, true));
    world.say(bob, room, "calm");
}

#[test]
fn the_whole_tenant_has_so_many_messages_services_too() {
    let mut world = World::with(|settings| {
        settings.messages_burst = 10;
        settings.messages_per_s = 1;
    });
    let (ada, room) = ready(&mut world);
    for number in 0..10 {
        world.request(ada, send(number, room, "flood"));
    }
    let code = world.refusal(ada, send(10, room, "flood"));
    assert_eq!(code, ErrorCode::TooFast);
    let publish = || homeroom_engine::tenant::ServiceRequest::Publish {
        key: key(900),
        room: RoomId::new("math").unwrap(),
        draft: "bell".into(),
    };
    let refused = world.serve(itself(), publish()).unwrap_err();
    assert_eq!(refused.code, ErrorCode::TooFast);
    assert_eq!(refused.retry_after_ms, Some(1_000));
    world.request(ada, typing(room, true));
    world.pass(1_000);
    world.serve(itself(), publish()).unwrap();
}

#[test]
fn signals_above_the_budget_are_dropped_and_that_is_said_once() {
    let mut world = World::with(scarce);
    let (ada, room) = ready(&mut world);
    let signal = |world: &mut World| {
        world.input(Input::Signal {
            connection: ada,
            room,
            name: SignalName::new("cursor").unwrap(),
            body: vec![1],
        });
    };
    for _ in 0..500 {
        signal(&mut world);
    }
    let errors = |world: &mut World| {
        let frames = world.inbox(ada);
        let errors = frames.iter().filter(|frame| refusal_of(frame).is_some());
        errors.map(retry_after).collect::<Vec<_>>()
    };
    assert_eq!(errors(&mut world), [Some(100)]);
    world.pass(100);
    signal(&mut world);
    assert_eq!(errors(&mut world), []);
    signal(&mut world);
    assert_eq!(errors(&mut world), [Some(100)]);
}

#[test]
fn a_person_never_meets_the_defaults() {
    let mut world = World::new();
    let (ada, room) = ready(&mut world);
    // Ten minutes of somebody who does everything at once, without a pause.
    for second in 0..600 {
        for number in 0..5 {
            world.say(ada, room, &format!("{second} {number}"));
            world.request(ada, typing(room, true));
            world.request(
                ada,
                Request::Rooms {
                    after: None,
                    limit: 50,
                },
            );
        }
        world.pass(1_000);
        world.inbox(ada);
    }
    assert_eq!(world.tenant.refused_count(), 0);
}
