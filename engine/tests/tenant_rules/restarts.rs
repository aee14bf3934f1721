//! A log that was restored or repaired: everything is there, under epochs nobody has seen.

use std::collections::BTreeMap;

use homeroom_engine::{domain::Domain as _, log::LogPosition};
use homeroom_protocol::{Direction, Position, Request, ResetReason, ServerFrame, Stream};

use crate::support::{World, answer, create, durable_state, join, send, seq, two_in_a_room};

fn joined(frame: &ServerFrame) -> (Position, Option<ResetReason>) {
    match frame {
        ServerFrame::Joined {
            position, reset, ..
        } => (*position, *reset),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_position_of_before_is_answered_with_a_reset_even_when_the_seq_is_reached_again() {
    let (mut world, ada, _, room) = two_in_a_room();
    let old = world.say(ada, room, "before");
    world.restore(1);
    let ada = world.connect("ada", "web");
    let goes_on = world.say(ada, room, "after");
    assert_eq!(goes_on.seq, old.seq.next(), "nothing was lost");
    assert_ne!(goes_on.epoch, old.epoch);
    let bob = world.connect("bob", "web");
    for position in [
        old,
        Position {
            epoch: old.epoch,
            ..goes_on
        },
    ] {
        let (at, reset) = joined(&world.request(bob, join("math", Some(position))));
        assert_eq!((at, reset), (goes_on, Some(ResetReason::EpochChanged)));
    }
    let (at, reset) = joined(&world.request(bob, join("math", Some(goes_on))));
    assert_eq!((at, reset), (goes_on, None));
    let history = Request::History {
        room,
        direction: Direction::After,
        anchor: seq(0),
        limit: 100,
        thread: None,
    };
    match world.request(bob, history) {
        ServerFrame::Page { epoch, events, .. } => {
            let seqs: Vec<_> = events.iter().map(|event| event.seq.0).collect();
            assert_eq!((epoch, seqs), (goes_on.epoch, vec![1, 2, 3, 4]));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_retry_of_what_was_acknowledged_before_stays_one_write_and_names_the_new_epoch() {
    // The first key is out of memory, and so asked of the index.
    let mut world = World::with(|settings| settings.keys_in_memory_max = 2);
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let sent = answer(&world.request(ada, send(1, room, "once")));
    for _ in 0..3 {
        world.say(ada, room, "more");
    }
    let made = answer(&world.request(ada, create(2, "physics")));
    world.restore(1);
    let log_len = world.log_len();
    let ada = world.connect("ada", "web");
    for (before, request) in [(sent, send(1, room, "once")), (made, create(2, "physics"))] {
        let (position, time) = answer(&world.request(ada, request));
        assert_eq!((position.seq, time), (before.0.seq, before.1));
        assert_ne!(position.epoch, before.0.epoch);
        let room = world
            .tenant
            .rooms()
            .find(|room| room.head().epoch == position.epoch);
        assert!(room.is_some(), "the epoch of a room as it is now");
    }
    assert_eq!(world.log_len(), log_len, "nothing was written");
}

#[test]
fn each_restart_gives_other_epochs_and_a_room_made_after_it_keeps_its_own() {
    let (mut world, ..) = two_in_a_room();
    let epochs =
        |world: &World| -> Vec<_> { world.tenant.rooms().map(|it| it.head().epoch).collect() };
    let mut seen = epochs(&world);
    for salt in [1, 1, 2] {
        world.restore(salt);
        let now = epochs(&world);
        assert!(now.iter().all(|epoch| !seen.contains(epoch)));
        seen.extend(now);
    }
    let ada = world.connect("ada", "web");
    world.create(ada, "physics");
    let before = epochs(&world);
    world.crash();
    assert_eq!(epochs(&world), before);
}

#[test]
fn a_snapshot_from_after_a_restart_holds_the_same_as_a_replay() {
    let (mut world, ada, bob, _) = two_in_a_room();
    for connection in [ada, bob] {
        world.open_stream(connection, Stream::Personal, None);
    }
    world.restore(1);
    assert_eq!(
        world.tenant.take_dirty_sections().len(),
        4,
        "the room, the keys and two streams"
    );
    let saved = durable_state(&world.tenant);
    let from = LogPosition(world.log_len() as u64);
    let loaded = world.recovered(&saved, from);
    assert_eq!(durable_state(&loaded), saved);
    // Sections saved at different moments: those that hold the restart skip it.
    let mut loaded = world.recovered(&saved, LogPosition(u64::MAX));
    for (at, entry) in world.entries().iter().enumerate() {
        loaded.apply(LogPosition(at as u64 + 1), entry);
        assert_eq!(durable_state(&loaded), saved, "after {entry:?} again");
    }
    assert_eq!(loaded.take_dirty_sections(), []);
}

#[test]
fn a_tenant_without_rooms_counts_on_where_its_log_ends() {
    let mut world = World::new();
    world.restore(1);
    let saved = durable_state(&world.tenant);
    world.crash_with(&saved, LogPosition(1));
    let ada = world.connect("ada", "web");
    world.open_room(ada, "math");
    let live = durable_state(&world.tenant);
    let replayed = world.recovered(&BTreeMap::new(), LogPosition::START);
    assert_eq!(durable_state(&replayed), live);
}
