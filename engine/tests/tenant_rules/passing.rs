//! Rooms that keep nothing.

use homeroom_engine::tenant::Disconnection;
use homeroom_protocol::{
    Durability, ErrorCode, EventBody, Measure, Position, Request, ResetReason, RoomInfo,
    RoomNumber, ServerFrame,
};

use crate::{
    scenes::placed,
    support::{World, answer, durable_state, join, send, seq, seqs},
};

fn fleeting() -> RoomInfo {
    RoomInfo {
        durability: Durability::None,
        ..RoomInfo::default()
    }
}

/// A room that keeps nothing, with ada and bob in it.
fn cursors() -> (
    World,
    homeroom_protocol::ConnectionId,
    homeroom_protocol::ConnectionId,
    RoomNumber,
) {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let room = world.make(ada, "board", fleeting(), &[]);
    world.join(ada, "board");
    world.join(bob, "board");
    world.inbox(ada);
    world.inbox(bob);
    (world, ada, bob, room)
}

fn resumed(frame: &ServerFrame) -> (Position, Option<ResetReason>) {
    match frame {
        ServerFrame::Joined {
            position, reset, ..
        } => (*position, *reset),
        other => panic!("not joined: {other:?}"),
    }
}

#[test]
fn what_is_said_is_heard_and_in_no_log() {
    let (mut world, ada, bob, room) = cursors();
    let (saved, log_len) = (durable_state(&world.tenant), world.log_len());
    let first = world.say(ada, room, "here");
    world.say(bob, room, "there");
    assert_eq!(seqs(&world.inbox(bob)), [3, 4]);
    assert_eq!((first.seq, world.log_len()), (seq(3), log_len));
    assert_eq!(durable_state(&world.tenant), saved);
    assert_eq!(world.entry(bob, room).unread, 0);
    assert_eq!(
        world.refusal(bob, Request::Mark(placed(room, None, (0, 3)))),
        ErrorCode::NotHere
    );
}

#[test]
fn who_is_in_it_is_kept() {
    let (mut world, ada, _, room) = cursors();
    world.say(ada, room, "here");
    let eve = world.connect("eve", "web");
    world.join(eve, "board");
    world.say(ada, room, "still");
    assert_eq!(seqs(&world.inbox(ada)), [3, 4, 5], "in one order");
    world.measure(ada, room, "bob", Measure::Remove);
    let live = durable_state(&world.tenant);
    world.crash();
    assert_eq!(durable_state(&world.tenant), live);
    let members = world.tenant.room(room).unwrap().members();
    let names: Vec<String> = members.map(ToString::to_string).collect();
    assert_eq!(names, ["ada", "eve"]);
}

#[test]
fn each_wake_begins_a_new_epoch() {
    let (mut world, ada, _, room) = cursors();
    let mut before = world.say(ada, room, "one");
    for _ in 0..3 {
        world.crash();
        let ada = world.connect("ada", "web");
        let (at, reset) = resumed(&world.request(ada, join("board", Some(before))));
        assert_eq!(reset, Some(ResetReason::EpochChanged));
        assert_ne!(at.epoch, before.epoch);
        before = world.say(ada, room, "again");
        assert_eq!(before.epoch, at.epoch);
        assert_eq!(before.seq, at.seq.next());
    }
}

#[test]
fn what_was_missed_is_lost_and_said_so() {
    let (mut world, ada, bob, room) = cursors();
    let before = world.say(ada, room, "one");
    world.disconnect(bob, Disconnection::Vanished);
    let bob = world.connect("bob", "web");
    let (at, reset) = resumed(&world.request(bob, join("board", Some(before))));
    assert_eq!((at, reset), (before, None), "nothing was missed");
    world.disconnect(bob, Disconnection::Vanished);
    let head = world.say(ada, room, "two");
    let bob = world.connect("bob", "web");
    let (at, reset) = resumed(&world.request(bob, join("board", Some(before))));
    assert_eq!((at, reset), (head, Some(ResetReason::NotKept)));
}

#[test]
fn a_retry_is_one_message_as_long_as_the_tenant_is_awake() {
    let (mut world, ada, bob, room) = cursors();
    let first = answer(&world.request(ada, send(1, room, "once")));
    assert_eq!(answer(&world.request(ada, send(1, room, "once"))), first);
    assert_eq!(
        world.refusal(ada, send(1, room, "twice")),
        ErrorCode::KeyConflict
    );
    assert_eq!(seqs(&world.inbox(bob)), [3]);
}

#[test]
fn slow_mode_holds_there_too() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let info = RoomInfo {
        slow_mode_ms: 100,
        ..fleeting()
    };
    let room = world.make(ada, "board", info, &[]);
    world.join(bob, "board");
    world.say(bob, room, "one");
    assert_eq!(world.refusal(bob, send(1, room, "two")), ErrorCode::TooFast);
    world.pass(100);
    world.say(bob, room, "two");
}

#[test]
fn its_messages_keep_their_order_with_what_is_still_on_its_way_to_the_disk() {
    let (mut world, ada, bob, room) = cursors();
    world.sync_at_once = false;
    let eve = world.connect_as(crate::support::identity("eve", "web"));
    world.post(eve, join("board", None));
    world.post(ada, send(1, room, "hello"));
    world.sync();
    let heard = world.inbox(eve);
    let said = heard.iter().filter(|frame| {
        matches!(
            frame,
            ServerFrame::Event { event, .. } if matches!(event.body, EventBody::Message(_))
        )
    });
    assert_eq!(said.count(), 1, "{heard:?}");
    assert_eq!(seqs(&world.inbox(bob)), [3, 4]);
}
