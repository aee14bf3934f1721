//! Passing: changes of membership in a large room, told as runs.

use super::*;

/// What a connection was told of runs: from, to, members.
fn runs(frames: &[ServerFrame]) -> Vec<(u64, u64, u32)> {
    let run = |frame: &ServerFrame| match frame {
        ServerFrame::Passed {
            from, to, members, ..
        } => Some((from.0, to.0, *members)),
        _ => None,
    };
    frames.iter().filter_map(run).collect()
}

#[test]
fn a_run_is_told_right_before_the_next_event_in_the_same_write() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    stage.listen(1, 1, 0);
    for seq in 1..=3 {
        stage.pass(seq, 300 + u32::try_from(seq).unwrap());
    }
    stage.settle();
    assert!(ada.far().bytes.is_empty(), "it waits");
    stage.event(4);
    stage.settle();
    assert_eq!(ada.far().writes, 1);
    assert_eq!(runs(&ada.frames()), [(1, 3, 303)]);
    assert_eq!(ada.seqs(), [4]);
    assert!(stage.needs.is_empty());
    stage.tick();
    stage.settle();
    assert_eq!(ada.far().writes, 1, "nothing is left to tell");
}

#[test]
fn a_run_is_told_by_the_next_tick() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    stage.listen(1, 1, 0);
    for seq in 1..=3 {
        stage.pass(seq, 300);
    }
    stage.tick();
    stage.pass(4, 301);
    stage.settle();
    assert_eq!(runs(&ada.frames()), [(1, 3, 300)]);
    stage.tick();
    stage.event(5);
    stage.settle();
    assert_eq!(runs(&ada.frames()), [(1, 3, 300), (4, 4, 301)]);
    assert_eq!(ada.seqs(), [5]);
}

#[test]
fn who_came_in_between_is_told_of_what_is_above_alone() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    let (ben, _) = stage.socket(2, OPEN);
    let (eve, _) = stage.socket(3, OPEN);
    let (bot, _) = stage.session(4, OPEN);
    stage.listen(1, 1, 0);
    stage.pass(1, 301);
    stage.pass(2, 302);
    stage.listen(2, 3, 2);
    stage.listen(4, 3, 2);
    stage.pass(3, 303);
    stage.pass(4, 304);
    stage.listen(3, 5, 4);
    stage.event(5);
    stage.settle();
    assert_eq!(runs(&ada.frames()), [(1, 4, 304)]);
    assert_eq!(runs(&ben.frames()), [(3, 4, 304)]);
    assert_eq!(runs(&bot.far().frames), [(3, 4, 304)]);
    assert_eq!(runs(&eve.frames()), []);
    for fake in [&ada, &ben, &eve] {
        assert_eq!(fake.seqs(), [5]);
    }
    assert_eq!(seqs(&bot.far().frames), [5]);
    assert!(stage.needs.is_empty(), "nobody needs the log for that");
}

#[test]
fn a_page_may_hold_runs_and_a_listener_goes_on_behind_them() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    stage.listen(1, 2, 6);
    stage.settle();
    assert_eq!(stage.asked(), [(1, 2)]);
    let run = |from, to| Arc::new(Push::passed(ROOM, epoch(), (Seq(from), Seq(to)), 300));
    stage.deliver(Delivery::Page {
        connection: ConnectionId(1),
        room: ROOM,
        generation: Generation(1),
        // Read for somebody who was further behind.
        events: vec![
            (Seq(1), run(1, 4)),
            (Seq(5), event_of(ROOM, 5, 10)),
            (Seq(6), run(6, 6)),
        ],
    });
    stage.event(7);
    stage.settle();
    assert_eq!(runs(&ada.frames()), [(2, 4, 300), (6, 6, 300)]);
    assert_eq!(ada.seqs(), [5, 7]);
}

#[test]
fn a_room_that_passes_and_speaks_in_turn_is_listed_once() {
    let mut stage = Stage::new();
    stage.socket(1, OPEN);
    stage.listen(1, 1, 0);
    for seq in 1..=100 {
        stage.pass(2 * seq - 1, 300);
        stage.event(2 * seq);
    }
    assert_eq!(stage.shard.passing.len(), 1);
    stage.settle();
    stage.unlisten(1);
    stage.tick();
    stage.settle();
    assert_eq!(stage.shard.seating.rosters.iter().count(), 0);
    assert!(stage.shard.passing.is_empty());
}

#[test]
fn five_thousand_joins_in_a_second_cost_frames_and_bytes_in_proportion() {
    let cost = |count: u64| {
        let mut stage = Stage::new();
        let mut fakes = Vec::new();
        for id in 1..=count {
            let (fake, _) = stage.socket(id, OPEN);
            stage.pass(id, u32::try_from(300 + id).unwrap());
            stage.listen(id, id + 1, id);
            stage.direct(id, joined_at(ROOM, id));
            fakes.push(fake);
            if id % 100 == 0 {
                stage.shard.end_turn(stage.now, &mut Vec::new());
            }
        }
        while stage.shard.end_turn(stage.now, &mut stage.needs).more {}
        stage.shard.tick(stage.now, &mut stage.needs);
        while stage.shard.end_turn(stage.now, &mut stage.needs).more {}
        assert!(stage.needs.is_empty(), "nobody reads the log");
        let (mut frames, mut bytes) = (0, 0);
        for (id, fake) in (1..=count).zip(&fakes) {
            let said = fake.frames();
            let told = runs(&said);
            let mut next = id + 1;
            for (from, to, _) in told {
                assert_eq!(from, next);
                next = to + 1;
            }
            assert_eq!(next, count + 1, "everybody is at the head");
            frames += said.len();
            bytes += fake.far().bytes.len();
        }
        (frames as u64, bytes as u64)
    };
    let (frames, bytes) = cost(5000);
    assert!(frames <= 2 * 5000, "{frames}: an answer and a run for each");
    assert!(bytes <= 5000 * 150, "{bytes}");
    let (fewer, _) = cost(500);
    assert!(frames <= 10 * (fewer + 1));
}
