//! A key makes a write safe to retry, for a day, across restarts.

use homeroom_engine::{
    domain::{HistoryError, Storage},
    log::LogPosition,
};
use homeroom_protocol::{Direction, ErrorCode, Request, RoomNumber, ServerFrame};

use crate::{
    messages::pin,
    support::{World, answer, create, durable_state, join, refusal_of, send, seq},
};

#[test]
fn a_retry_gives_the_same_answer_and_no_second_message() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let first = answer(&world.request(ada, send(1, room, "once")));
    let created = answer(&world.request(ada, create(2, "physics")));
    let log_len = world.log_len();
    world.pass(60_000);
    world.crash();
    let ada = world.connect("ada", "phone");
    assert_eq!(answer(&world.request(ada, send(1, room, "once"))), first);
    assert_eq!(answer(&world.request(ada, create(2, "physics"))), created);
    assert_eq!(world.log_len(), log_len);
}

#[test]
fn a_key_used_for_something_else_is_a_conflict() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let other = world.open_room(ada, "physics");
    world.request(ada, send(1, room, "once"));
    for request in [
        send(1, room, "twice"),
        send(1, other, "once"),
        create(1, "chemistry"),
    ] {
        assert_eq!(world.refusal(ada, request), ErrorCode::KeyConflict);
    }
    let bob = world.connect("bob", "web");
    world.join(bob, "math");
    let reply = world.request(bob, send(1, room, "mine"));
    assert!(
        matches!(reply, ServerFrame::Sent { .. }),
        "keys of two users do not meet"
    );
}

#[test]
fn a_refusal_is_not_remembered() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let bob = world.connect("bob", "web");
    let request = send(1, room, "hello");
    assert_eq!(world.refusal(bob, request.clone()), ErrorCode::NotMember);
    world.join(bob, "math");
    let reply = world.request(bob, request);
    assert!(matches!(reply, ServerFrame::Sent { .. }));
}

#[test]
fn a_retry_is_answered_after_its_author_left_and_while_the_disk_is_full() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let first = answer(&world.request(ada, send(1, room, "once")));
    world.request(ada, Request::Leave { room });
    world.storage = Storage::Full;
    assert_eq!(answer(&world.request(ada, send(1, room, "once"))), first);
}

#[test]
fn a_retry_past_what_memory_holds_is_answered_from_the_index() {
    let mut world = World::with(|settings| settings.keys_in_memory_max = 3);
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let first = answer(&world.request(ada, send(1, room, "once")));
    assert_eq!(world.questions, 0, "memory knows every key so far");
    for number in 2..=6 {
        world.request(ada, send(number, room, "more"));
    }
    for _ in 0..2 {
        let asked = world.questions;
        assert_eq!(answer(&world.request(ada, send(1, room, "once"))), first);
        assert_eq!(world.questions, asked + 1);
        assert_eq!(
            world.refusal(ada, send(1, room, "other")),
            ErrorCode::KeyConflict
        );
        // From a snapshot: it knows that keys were forgotten.
        let snapshot = durable_state(&world.tenant);
        let from = LogPosition(world.log_len() as u64);
        world.crash_with(&snapshot, from);
        world.connections_again();
    }
}

#[test]
fn a_key_is_free_again_after_a_day_of_log_time() {
    for keys_in_memory_max in [100, 1] {
        let mut world = World::with(|settings| settings.keys_in_memory_max = keys_in_memory_max);
        let ada = world.connect("ada", "web");
        let room = world.open_room(ada, "math");
        let day = world.seed.settings.key_ttl_ms;
        let first = answer(&world.request(ada, send(1, room, "once")));
        // Forgets the key, and then one that still counts when the first no longer does.
        for text in ["something else", "and more"] {
            world.pass(1);
            world.say(ada, room, text);
        }
        world.pass(day - 3);
        assert_eq!(answer(&world.request(ada, send(1, room, "once"))), first);
        world.pass(1);
        let second = answer(&world.request(ada, send(1, room, "again")));
        assert_ne!(second, first, "a new message");
        assert_eq!(answer(&world.request(ada, send(1, room, "again"))), second);
    }
}

#[test]
fn only_a_retry_is_looked_up_as_long_as_memory_knows_where_keys_were_used() {
    let mut world = World::with(|settings| {
        settings.keys_in_memory_max = 12;
        settings.keys_whole_max = 4;
    });
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let first: Vec<_> = (1..=9)
        .map(|number| answer(&world.request(ada, send(number, room, "once"))))
        .collect();
    assert_eq!(world.questions, 0, "each was new");
    let log_len = world.log_len();
    for (number, first) in (1..).zip(&first) {
        assert_eq!(
            &answer(&world.request(ada, send(number, room, "once"))),
            first
        );
        let conflict = world.refusal(ada, send(number, room, "other"));
        assert_eq!(conflict, ErrorCode::KeyConflict);
    }
    assert_eq!(world.log_len(), log_len);
    assert!(world.questions >= 2 * 5, "four are whole at most");
    // Nothing is made out of rows: where a key was used is enough.
    world.lose_index(b"k");
    world.crash();
    let ada = world.connect("ada", "web");
    assert_eq!(answer(&world.request(ada, send(1, room, "once"))), first[0]);
}

#[test]
fn a_key_still_counts_after_the_clock_ran_ahead_and_was_corrected() {
    const HOUR_MS: u64 = 60 * 60 * 1000;
    let mut world = World::with(|settings| settings.keys_in_memory_max = 1);
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let first = answer(&world.request(ada, send(1, room, "once")));
    world.pass(19 * HOUR_MS);
    for text in ["it is forgotten", "this too"] {
        world.say(ada, room, text);
    }
    world.pass(HOUR_MS);
    world.index_anew();
    // By the clock that runs ahead the first key is too old to be looked for.
    world.sync_at_once = false;
    let now = world.now;
    world.now = now.plus_ms(10 * HOUR_MS);
    let bob = world.connect("bob", "web");
    world.post(bob, join("math", None));
    let asked = world.questions;
    world.post(ada, send(2, room, "lost"));
    assert_eq!(world.questions, asked + 1);
    world.crash();
    world.sync_at_once = true;
    world.now = now;
    let ada = world.connect("ada", "web");
    assert_eq!(answer(&world.request(ada, send(1, room, "once"))), first);
}

#[test]
fn a_key_used_while_it_was_looked_up_still_counts() {
    let mut world = World::with(|settings| settings.keys_in_memory_max = 3);
    let ada = world.connect("ada", "web");
    let phone = world.connect("ada", "phone");
    let room = world.open_room(ada, "math");
    for number in 2..=5 {
        world.request(ada, send(number, room, "more"));
    }
    let retry = world.input_of(phone, send(1, room, "once"));
    let waiting = world.ask(retry);
    let first = answer(&world.request(ada, send(1, room, "once")));
    world.decide(waiting);
    let again: Vec<_> = world.inbox(phone).iter().map(answer).collect();
    assert_eq!(again, [first], "memory is newer than what was read");
}

#[test]
fn a_key_that_went_through_memory_while_it_was_looked_up_is_not_guessed_at() {
    let mut world = World::with(|settings| settings.keys_in_memory_max = 3);
    let ada = world.connect("ada", "web");
    let phone = world.connect("ada", "phone");
    let room = world.open_room(ada, "math");
    for number in 2..=5 {
        world.request(ada, send(number, room, "more"));
    }
    let retry = world.input_of(phone, send(1, room, "once"));
    let waiting = world.ask(retry);
    let first = answer(&world.request(ada, send(1, room, "once")));
    for number in 6..=9 {
        world.request(ada, send(number, room, "more"));
    }
    world.decide(waiting);
    let frames = world.inbox(phone);
    assert_eq!(
        refusal_of(&frames[0]),
        Some(ErrorCode::Overloaded),
        "{frames:?}"
    );
    assert_eq!(answer(&world.request(phone, send(1, room, "once"))), first);
}

#[test]
fn a_key_that_cannot_be_looked_up_is_refused_for_now() {
    let mut world = World::with(|settings| settings.keys_in_memory_max = 1);
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    world.say(ada, room, "2");
    world.broken_history = Some(HistoryError::Unreadable);
    let reply = world.request(ada, send(1, room, "new"));
    let ServerFrame::Error {
        code,
        retry_after_ms,
        ..
    } = reply
    else {
        panic!("not refused");
    };
    assert_eq!(code, ErrorCode::StorageFailed.number());
    assert_eq!(retry_after_ms, Some(world.seed.settings.retry_after_ms));
    let history = Request::History {
        room,
        direction: Direction::Before,
        anchor: seq(9),
        limit: 1,
        thread: None,
    };
    assert_eq!(world.refusal(ada, history), ErrorCode::StorageFailed);
}

#[test]
fn a_stranger_to_a_room_is_told_so_whatever_is_still_known_of_their_keys() {
    let mut world = World::with(|settings| settings.keys_in_memory_max = 1);
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    world.say(ada, room, "x");
    world.say(ada, room, "y");
    for request in [
        pin(1, RoomNumber(77), 2, true),
        pin(2, RoomNumber(77), 2, false),
    ] {
        assert_eq!(world.refusal(ada, request), ErrorCode::NotMember);
    }
}
