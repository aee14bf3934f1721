//! Pages for listeners that are behind.

use homeroom_engine::{
    domain::{Domain as _, HistoryError},
    hub::Generation,
    tenant::Input,
};
use homeroom_protocol::{ConnectionId, Request, ResetReason, ServerFrame};

use crate::support::{World, join, seq, seqs};

#[test]
fn a_listener_whose_past_is_gone_starts_anew_at_the_head() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let position = world.say(ada, room, "2");
    world.say(ada, room, "3");
    let phone = world.connect("ada", "phone");
    world.broken_history = Some(HistoryError::Trimmed);
    world.request(phone, join("math", Some(position)));
    let head = world.tenant.room(room).unwrap().head();
    let reset = ServerFrame::Reset {
        room,
        position: head,
        reason: ResetReason::Trimmed,
    };
    assert_eq!(world.inbox(phone), [reset]);
    world.say(ada, room, "4");
    assert_eq!(seqs(&world.inbox(phone)), [4]);
}

#[test]
fn a_listener_whose_past_cannot_be_read_for_a_while_misses_nothing() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let position = world.say(ada, room, "2");
    world.say(ada, room, "3");
    let phone = world.connect("ada", "phone");
    world.broken_history = Some(HistoryError::Unreadable);
    world.request(phone, join("math", Some(position)));
    world.say(ada, room, "4");
    assert_eq!(world.inbox(phone), [], "no reset, and nothing out of turn");
    world.broken_history = None;
    world.say(ada, room, "5");
    assert_eq!(seqs(&world.inbox(phone)), [3, 4, 5]);
}

#[test]
fn a_listener_whose_past_was_dropped_from_the_index_starts_anew_too() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let position = world.say(ada, room, "2");
    world.say(ada, room, "3");
    world.lose_index(b"R");
    world.say(ada, room, "4");
    let phone = world.connect("ada", "phone");
    world.request(phone, join("math", Some(position)));
    let frames = world.inbox(phone);
    let [ServerFrame::Reset { reason, .. }] = frames[..] else {
        panic!("no reset: {frames:?}");
    };
    assert_eq!(reason, ResetReason::Trimmed);
}

#[test]
fn a_page_for_a_listening_that_is_over_is_not_answered() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let page = |connection, generation| Input::Page {
        connection,
        room,
        generation: Generation(generation),
        from: seq(1),
    };
    assert!(world.tenant.needs(&page(ada, 1)).is_some());
    assert!(
        world.tenant.needs(&page(ada, 2)).is_none(),
        "another generation"
    );
    assert!(world.tenant.needs(&page(ConnectionId(99), 1)).is_none());
    let waiting = world.ask(page(ada, 1));
    world.request(ada, Request::Leave { room });
    world.inbox(ada);
    world.decide(waiting);
    assert_eq!(world.inbox(ada), [], "left while it was read");
}
