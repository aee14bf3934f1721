//! Listeners that hear from the log.

use super::*;

#[test]
fn a_listener_that_starts_in_the_past_is_given_pages_then_goes_live() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    stage.direct(1, joined_at(ROOM, 2));
    stage.listen(1, 3, 10);
    stage.event(11);
    stage.settle();
    assert_eq!(stage.asked(), [(1, 3)]);
    assert!(ada.seqs().is_empty());
    stage.page(1, 1, 3..=6);
    stage.settle();
    assert_eq!(stage.asked(), [(1, 7)]);
    stage.page(1, 1, 7..=11);
    stage.event(12);
    stage.settle();
    stage.event(13);
    stage.settle();
    assert_eq!(ada.seqs(), (3..=13).collect::<Vec<_>>());
    assert!(stage.asked().is_empty());
}

#[test]
fn a_page_may_run_ahead_of_what_was_released() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    stage.listen(1, 3, 4);
    stage.settle();
    stage.page(1, 1, 3..=6);
    stage.event(5);
    stage.event(6);
    stage.event(7);
    stage.settle();
    assert_eq!(ada.seqs(), [3, 4, 5, 6, 7]);
}

#[test]
fn a_page_of_another_generation_or_with_a_gap_is_not_written() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    stage.listen_to(1, ROOM, 3, 9, 4);
    stage.settle();
    assert_eq!(stage.asked(), [(1, 3)]);
    stage.page(1, 3, 3..=9);
    stage.settle();
    assert!(ada.far().bytes.is_empty());
    stage.page(1, 4, 5..=9);
    stage.settle();
    assert!(ada.far().bytes.is_empty());
    assert!(stage.asked().is_empty(), "not at once: the tick asks again");
    stage.tick();
    assert_eq!(stage.asked(), [(1, 3)]);
    // What it has is skipped, what follows a hole is not written.
    stage.page(1, 4, [1, 2, 3, 4, 5, 7, 8]);
    stage.settle();
    assert_eq!(ada.seqs(), [3, 4, 5]);
    assert_eq!(stage.asked(), [(1, 6)]);
}

#[test]
fn an_empty_page_is_asked_for_again_by_the_tick_only() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    stage.listen(1, 3, 4);
    stage.settle();
    assert_eq!(stage.asked(), [(1, 3)]);
    for _ in 0..3 {
        stage.page(1, 1, []);
        stage.settle();
        stage.event(5);
        stage.settle();
        assert!(stage.asked().is_empty());
        stage.tick();
        assert_eq!(stage.asked(), [(1, 3)]);
        stage.tick();
        assert!(stage.asked().is_empty());
    }
    stage.page(1, 1, [3, 4, 5]);
    stage.settle();
    assert_eq!(ada.seqs(), [3, 4, 5]);
}

#[test]
fn joining_again_replaces_the_cursor_and_forgets_what_was_queued() {
    let mut stage = Stage::new();
    let (ada, gauge) = stage.socket(1, 0);
    stage.listen_to(1, ROOM, 5, 4, 1);
    stage.event(5);
    stage.event(6);
    stage.settle();
    assert!(gauge.outbox_bytes() > 0);
    stage.direct(1, joined_at(ROOM, 2));
    stage.listen_to(1, ROOM, 3, 6, 2);
    assert_eq!(gauge.outbox_bytes(), 0);
    stage.settle();
    assert_eq!(stage.asked(), [(1, 3)]);
    stage.page(1, 1, 3..=6);
    stage.settle();
    stage.allow(1, &ada, OPEN);
    assert!(ada.seqs().is_empty());
    stage.page(1, 2, 3..=6);
    stage.settle();
    assert_eq!(ada.seqs(), [3, 4, 5, 6]);
    assert!(!gauge.is_behind());
}

#[test]
fn a_page_for_a_room_that_was_left_is_not_written() {
    let mut stage = Stage::new();
    let (ada, gauge) = stage.socket(1, OPEN);
    stage.listen(1, 1, 4);
    stage.settle();
    stage.page(1, 1, 1..=4);
    stage.unlisten(1);
    stage.settle();
    assert!(ada.far().bytes.is_empty());
    assert!(!gauge.is_behind());
}

#[test]
fn a_page_larger_than_the_outbox_is_taken_in_part() {
    let mut stage = Stage::bounded(400);
    let (ada, gauge) = stage.socket(1, 0);
    stage.direct(1, pong(1));
    stage.listen(1, 1, 50);
    stage.settle();
    assert_eq!(stage.asked(), [(1, 1)]);
    stage.page(1, 1, 1..=50);
    stage.settle();
    assert!(gauge.outbox_bytes() < 400 + event_of(ROOM, 1, 10).wire().len());
    assert!(stage.asked().is_empty());
    for _ in 0..20 {
        stage.allow(1, &ada, OPEN);
        stage.settle();
        for (_, from) in stage.asked() {
            stage.page(1, 1, from..=50);
        }
        ada.far().credit = 0;
        stage.settle();
    }
    assert_eq!(ada.seqs(), (1..=50).collect::<Vec<_>>());
    assert!(!gauge.is_behind());
}

#[test]
fn a_connection_waits_for_few_pages_at_once_and_every_room_gets_its_turn() {
    let mut stage = Stage::new();
    stage.socket(1, OPEN);
    let rooms = 10;
    for room in 0..rooms {
        stage.listen_to(1, RoomNumber(room), 1, 1000, 1);
    }
    stage.settle();
    let mut answered = vec![0; rooms as usize];
    for _ in 0..8 {
        let needs = std::mem::take(&mut stage.needs);
        assert_eq!(needs.len(), usize::from(PAGES_PER_CONNECTION_MAX));
        for need in needs {
            let Need::Page { room, from, .. } = need else {
                panic!("{need:?}");
            };
            answered[room.0 as usize] += 1;
            stage.deliver(Delivery::Page {
                connection: ConnectionId(1),
                room,
                generation: Generation(1),
                events: vec![(from, event_of(room, from.0, 3))],
            });
        }
        stage.settle();
    }
    assert!(answered.iter().all(|&pages| pages >= 3), "{answered:?}");
}

#[test]
fn a_page_that_was_overtaken_is_completed_with_what_the_others_were_given() {
    let mut stage = Stage::new();
    let (ada, gauge) = stage.socket(1, OPEN);
    let (bob, _) = stage.socket(2, OPEN);
    stage.listen(2, 5, 4);
    stage.listen(1, 3, 4);
    stage.settle();
    assert_eq!(stage.asked(), [(1, 3)]);
    stage.event(5);
    stage.event(6);
    stage.settle();
    stage.event(7);
    stage.settle();
    stage.page(1, 1, 3..=5);
    stage.event(8);
    stage.settle();
    assert_eq!(ada.seqs(), (3..=8).collect::<Vec<_>>());
    assert_eq!(bob.seqs(), (5..=8).collect::<Vec<_>>());
    assert!(stage.asked().is_empty() && !gauge.is_behind());
}

#[test]
fn what_is_kept_for_overtaken_pages_is_bounded_and_given_back() {
    let mut stage = Stage::new();
    stage.socket(1, OPEN);
    let (late, _) = stage.socket(2, OPEN);
    let kept = |stage: &Stage| {
        let rosters = stage.shard.seating.rosters.iter();
        rosters.map(|roster| roster.tail().count()).sum::<usize>()
    };
    stage.listen(1, 1, 0);
    stage.event(1);
    stage.settle();
    assert_eq!(kept(&stage), 0);
    stage.listen(2, 1, 1);
    stage.settle();
    let last = TAIL_EVENTS_MAX as u64 + 10;
    for seq in 2..=last {
        stage.event(seq);
        stage.settle();
    }
    assert_eq!(kept(&stage), TAIL_EVENTS_MAX);
    stage.asked();
    stage.page(2, 1, 1..=5);
    stage.settle();
    assert_eq!(late.seqs(), [1, 2, 3, 4, 5], "the kept part begins later");
    assert_eq!(stage.asked(), [(2, 6)]);
    stage.event(last + 1);
    stage.settle();
    assert_eq!(kept(&stage), 1);
    stage.unlisten(2);
    stage.settle();
    assert_eq!(kept(&stage), 0);
}

#[test]
fn a_new_life_of_a_room_hears_nothing_of_the_old_one() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    let (bob, _) = stage.socket(2, OPEN);
    let listen = |stage: &mut Stage, id, life| {
        stage.deliver(Delivery::Listen {
            connection: ConnectionId(id),
            room: ROOM,
            epoch: Epoch::new(life).unwrap(),
            next: Seq(1),
            head: Seq(0),
            generation: Generation(life),
        });
    };
    listen(&mut stage, 1, 1);
    listen(&mut stage, 2, 1);
    stage.long_event(1, 50);
    stage.long_event(2, 50);
    for id in [1, 2] {
        listen(&mut stage, id, 2);
    }
    stage.long_event(1, 3);
    stage.settle();
    for fake in [ada, bob] {
        assert_eq!(fake.frames(), [event_of(ROOM, 1, 3).frame().clone()]);
    }
}

#[test]
fn a_listener_told_of_an_older_head_than_the_shard_knows_misses_nothing() {
    let mut stage = Stage::new();
    stage.socket(1, OPEN);
    let (late, _) = stage.socket(2, OPEN);
    stage.listen(1, 1, 0);
    stage.event(1);
    stage.event(2);
    stage.settle();
    stage.listen(2, 1, 0);
    stage.settle();
    assert_eq!(stage.asked(), [(2, 1)]);
    stage.page(2, 1, [1, 2]);
    stage.event(3);
    stage.settle();
    assert_eq!(late.seqs(), [1, 2, 3]);
}
