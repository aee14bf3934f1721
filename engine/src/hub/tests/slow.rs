//! Slow readers: bounded, told what they missed, and nobody else's concern.

use homeroom_protocol::{Direction, ErrorCode, Request, limit};

use super::*;

fn wire_length(seq: u64) -> usize {
    event_of(ROOM, seq, 10).wire().len()
}

#[test]
fn a_stalled_reader_changes_nothing_for_the_others() {
    let writes_of_the_other = |stalled: bool| {
        let mut stage = Stage::bounded(200);
        let (ada, _) = stage.socket(1, if stalled { 3 } else { OPEN });
        let (bob, _) = stage.socket(2, OPEN);
        stage.listen(1, 1, 0);
        stage.listen(2, 1, 0);
        for seq in 1..=50 {
            stage.event(seq);
            stage.typing(1);
            stage.settle();
        }
        assert_eq!(bob.seqs(), (1..=50).collect::<Vec<_>>());
        assert_eq!(ada.far().bytes.len() == 3, stalled);
        if stalled {
            assert_eq!(ada.far().writes, 1, "a blocked sink is left alone");
        }
        bob.far().writes
    };
    assert_eq!(writes_of_the_other(true), writes_of_the_other(false));
}

#[test]
fn a_stalled_reader_never_holds_more_than_its_outbox_and_one_joined_buffer() {
    let outbox_bytes_max = 1000;
    let mut stage = Stage::bounded(outbox_bytes_max);
    let (_ada, gauge) = stage.socket(1, 5);
    stage.listen(1, 1, 0);
    let (mut seq, mut most, mut largest) = (0, 0, 0);
    for turn in 0..100 {
        let mut joined = 0;
        for _ in 0..=turn % 7 {
            seq += 1;
            stage.event(seq);
            joined += wire_length(seq);
        }
        largest = largest.max(joined);
        stage.settle();
        most = most.max(gauge.outbox_bytes());
        assert!(gauge.outbox_bytes() <= outbox_bytes_max + largest);
    }
    assert!(most > outbox_bytes_max / 2, "the test reaches the bound");
    assert!(gauge.is_behind());
    assert!(stage.needs.is_empty(), "no page before it drains");
}

#[test]
fn a_drained_reader_catches_up_from_the_log_and_is_live_again() {
    let mut stage = Stage::bounded(1200);
    let (ada, gauge) = stage.socket(1, 5);
    stage.listen(1, 1, 0);
    for seq in 1..=30 {
        stage.event(seq);
        stage.settle();
    }
    let queued = gauge.outbox_bytes();
    // Above a quarter nothing is asked for.
    assert!(queued > 400, "more than a quarter stays: {queued}");
    stage.allow(1, &ada, queued - 400);
    stage.settle();
    assert!(stage.asked().is_empty());
    stage.allow(1, &ada, 340);
    stage.settle();
    let asked = stage.asked();
    assert_eq!(asked.len(), 1);
    let from = asked[0].1;
    assert!(from > 2 && from < 30);
    stage.event(31);
    stage.settle();
    assert!(stage.asked().is_empty(), "one page at a time");
    stage.allow(1, &ada, OPEN);
    stage.page(1, 1, from..=31);
    stage.event(32);
    stage.settle();
    assert_eq!(ada.seqs(), (1..=32).collect::<Vec<_>>());
    assert!(!gauge.is_behind());
    assert_eq!(gauge.outbox_bytes(), 0);
    assert!(stage.asked().is_empty());
}

#[test]
fn what_is_queued_for_too_long_leaves_memory_but_for_replies() {
    let mut stage = Stage::new();
    let (ada, gauge) = stage.socket(1, wire_length(1) + 3);
    let quiet = RoomNumber(8);
    stage.listen(1, 1, 0);
    stage.listen_to(1, quiet, 1, 0, 2);
    for seq in 1..=20 {
        stage.event(seq);
        stage.settle();
    }
    stage.direct(1, pong(1));
    stage.settle();
    let queued = gauge.outbox_bytes();
    stage.now = NOW.plus_ms(OUTBOX_AGE_MS - 1);
    stage.tick();
    assert_eq!(gauge.outbox_bytes(), queued);
    stage.now = NOW.plus_ms(OUTBOX_AGE_MS);
    stage.tick();
    let rest = wire_length(2) - 3;
    assert_eq!(gauge.outbox_bytes(), rest + pong(1).wire().len());
    assert!(gauge.is_behind());
    // Nor does anything new take their place, from the turn or from the log.
    stage.event(21);
    stage.deliver(Delivery::Event {
        room: quiet,
        seq: Seq(1),
        push: event_of(quiet, 1, 10),
    });
    stage.settle();
    stage.tick();
    stage.settle();
    assert!(stage.asked().is_empty());
    assert_eq!(gauge.outbox_bytes(), rest + pong(1).wire().len());
    stage.allow(1, &ada, OPEN);
    stage.settle();
    assert_eq!(stage.asked(), [(1, 3), (1, 1)]);
    stage.page(1, 1, 3..=21);
    stage.event(22);
    stage.settle();
    assert_eq!(ada.seqs(), (1..=22).collect::<Vec<_>>());
    stage.deliver(Delivery::Page {
        connection: ConnectionId(1),
        room: quiet,
        generation: Generation(2),
        events: vec![(Seq(1), event_of(quiet, 1, 10))],
    });
    stage.settle();
    assert!(ada.frames().contains(pong(1).frame()));
    assert!(!gauge.is_behind());
}

#[test]
fn a_reader_that_empties_its_queue_in_time_keeps_it() {
    let mut stage = Stage::new();
    let (ada, gauge) = stage.socket(1, 1);
    stage.listen(1, 1, 0);
    for seq in 1..=5 {
        stage.event(seq);
        stage.settle();
        stage.now = stage.now.plus_ms(OUTBOX_AGE_MS - 1);
        stage.tick();
        stage.allow(1, &ada, OPEN);
        ada.far().credit = 0;
    }
    assert_eq!(ada.seqs(), (1..=5).collect::<Vec<_>>());
    assert!(stage.asked().is_empty() && !gauge.is_behind());
}

#[test]
fn stalled_readers_cost_the_others_nothing_and_memory_within_their_bounds() {
    let (outbox_bytes_max, stalled, turns) = (1000, 20, 60);
    let run = |stall: bool| {
        let mut stage = Stage::bounded(outbox_bytes_max);
        let (reader, _) = stage.socket(100, OPEN);
        stage.listen(100, 1, 0);
        let slow: Vec<_> = (0..stalled)
            .map(|id| {
                let credit = if stall { 7 } else { OPEN };
                let slow = stage.socket(id, credit);
                stage.listen(id, 1, 0);
                slow
            })
            .collect();
        for seq in 1..=turns {
            stage.event(seq);
            stage.signal(None, SignalKind::Typing, typing(1));
            stage.settle();
            let queued: usize = slow.iter().map(|(_, gauge)| gauge.outbox_bytes()).sum();
            assert!(queued <= slow.len() * (outbox_bytes_max + wire_length(seq)));
        }
        (stage, reader, slow)
    };
    let (_, fast, _) = run(false);
    let (mut stage, reader, slow) = run(true);
    assert_eq!(
        reader.far().bytes,
        fast.far().bytes,
        "the same, in the same order"
    );
    assert_eq!(reader.far().writes, fast.far().writes, "for the same work");
    for (id, (fake, _)) in (0..stalled).zip(&slow) {
        stage.allow(id, fake, OPEN);
    }
    while slow.iter().any(|(_, gauge)| gauge.is_behind()) {
        stage.settle();
        for (id, from) in stage.asked() {
            stage.page(id, 1, from..=turns.min(from + 9));
        }
        stage.settle();
    }
    for (fake, gauge) in &slow {
        assert_eq!(fake.seqs(), (1..=turns).collect::<Vec<_>>());
        let frames = fake.frames();
        let dropped = frames.iter().filter_map(|frame| match frame {
            ServerFrame::Dropped { signals } => Some(*signals),
            _ => None,
        });
        assert_eq!(dropped.collect::<Vec<_>>(), [turns]);
        assert_eq!(gauge.dropped_signals(), turns);
    }
}

#[test]
fn signals_are_dropped_counted_and_told_once() {
    let mut stage = Stage::new();
    let (ada, gauge) = stage.socket(1, 1);
    stage.listen(1, 1, 0);
    stage.event(1);
    stage.typing(1);
    stage.settle();
    for count in 2..=5 {
        stage.typing(count);
        stage.typing(count + 100);
        stage.settle();
    }
    assert_eq!(gauge.dropped_signals(), 5);
    stage.allow(1, &ada, wire_length(1) - 2);
    stage.settle();
    assert_eq!(ada.far().bytes.len(), wire_length(1) - 1);
    stage.typing(9);
    stage.settle();
    stage.allow(1, &ada, OPEN);
    stage.shard.writable(ConnectionId(1), NOW);
    stage.typing(10);
    stage.settle();
    let frames = ada.frames();
    let dropped = ServerFrame::Dropped { signals: 6 };
    assert_eq!(&frames[1..], [dropped, typing(10).frame().clone()]);
    assert_eq!(gauge.dropped_signals(), 6);
}

#[test]
fn a_half_written_signal_is_finished_and_the_others_are_dropped() {
    let mut stage = Stage::new();
    let signal = typing(1).wire().len();
    let (ada, gauge) = stage.socket(1, wire_length(1) + signal - 1);
    stage.listen(1, 1, 0);
    stage.event(1);
    stage.typing(1);
    stage.deliver(Delivery::Signal {
        audience: Audience::Room(ROOM),
        kind: SignalKind::Presence,
        push: typing(2),
    });
    stage.settle();
    assert_eq!((gauge.outbox_bytes(), gauge.dropped_signals()), (1, 1));
    stage.allow(1, &ada, OPEN);
    let dropped = ServerFrame::Dropped { signals: 1 };
    assert_eq!(ada.frames()[1..], [typing(1).frame().clone(), dropped]);
}

#[test]
fn replies_are_never_dropped_and_show_when_to_stop_reading() {
    let mut stage = Stage::bounded(100);
    let (ada, gauge) = stage.socket(1, 10);
    stage.listen(1, 1, 0);
    let length = 10_000;
    for seq in 1..=40 {
        assert_eq!(
            gauge.replies_are_full(),
            gauge.reply_bytes() >= REPLY_LANE_BYTES
        );
        stage.direct(1, event_of(RoomNumber(1), seq, length));
        stage.event(seq);
        stage.settle();
    }
    assert!(gauge.replies_are_full());
    stage.allow(1, &ada, OPEN);
    assert_eq!(gauge.reply_bytes(), 0);
    let replies = (ada.frames().iter())
        .filter(|frame| matches!(frame, ServerFrame::Event { room, .. } if room.0 == 1))
        .count();
    assert_eq!(replies, 40);
}

/// What a reader passes on that heeds its gauge, of a client that asks for nothing but history.
fn read_on(gauge: &Gauge, asked: &mut Vec<u64>, count: &mut u64) {
    while !gauge.replies_are_full() && gauge.unanswered() < 32 {
        *count += 1;
        let request = Request::History {
            room: ROOM,
            direction: Direction::Before,
            anchor: Seq(1),
            limit: 100,
            thread: None,
        };
        gauge.add_request(RequestId(*count), &request);
        asked.push(*count);
    }
}

fn full_page(id: u64) -> Arc<Push> {
    let event = |seq| {
        let push = event_of(ROOM, seq, limit::MESSAGE_TEXT_BYTES_MAX);
        match push.frame() {
            ServerFrame::Event { event, .. } => event.clone(),
            other => panic!("no event: {other:?}"),
        }
    };
    Arc::new(Push::new(ServerFrame::Page {
        id: RequestId(id),
        room: ROOM,
        epoch: epoch(),
        events: (1..=16).map(event).collect(),
        more: false,
        more_above: false,
    }))
}

#[test]
fn a_reader_of_nothing_that_asks_for_history_holds_few_pages() {
    let mut stage = Stage::new();
    let (ada, gauge) = stage.socket(1, 10);
    let (mut asked, mut count) = (Vec::new(), 0);
    let page = full_page(1).wire().len();
    assert!(page > limit::PAGE_BYTES_MAX);
    for _ in 0..100 {
        read_on(&gauge, &mut asked, &mut count);
        assert!(asked.len() <= HISTORY_IN_FLIGHT_MAX);
        for id in asked.drain(..) {
            stage.direct(1, full_page(id));
        }
        stage.settle();
        assert!(gauge.reply_bytes() <= REPLY_LANE_BYTES + HISTORY_IN_FLIGHT_MAX * page);
    }
    assert!(gauge.reply_bytes() > page, "the bound is reached");
    assert!(gauge.reply_bytes() < 640 * 1024);
    assert_eq!(count, HISTORY_IN_FLIGHT_MAX as u64);
    // With almost nothing left it reads on, and then has the most.
    stage.allow(1, &ada, gauge.reply_bytes() - REPLY_LANE_BYTES + 1);
    read_on(&gauge, &mut asked, &mut count);
    assert_eq!(asked.len(), HISTORY_IN_FLIGHT_MAX);
    for id in asked.drain(..) {
        stage.direct(1, full_page(id));
    }
    stage.settle();
    assert!(gauge.reply_bytes() < REPLY_LANE_BYTES + HISTORY_IN_FLIGHT_MAX * page);
    stage.allow(1, &ada, OPEN);
    stage.settle();
    assert!(!gauge.replies_are_full());
    assert_eq!(ada.frames().len(), 2 * HISTORY_IN_FLIGHT_MAX);
    assert!(stage.needs.is_empty());
}

/// Whatever brings a long reply counts: else a client within all limits would be cut off for its replies.
#[test]
fn a_reader_stops_for_every_request_that_may_bring_a_long_reply() {
    let long = [
        Request::Rooms {
            after: None,
            limit: 512,
        },
        Request::Watch { users: Vec::new() },
        Request::Me,
        Request::Versions {
            room: ROOM,
            target: Seq(1),
        },
    ];
    for request in long {
        let gauge = Gauge::default();
        for id in 1..=HISTORY_IN_FLIGHT_MAX as u64 {
            assert!(!gauge.replies_are_full());
            gauge.add_request(RequestId(id), &request);
        }
        assert!(gauge.replies_are_full(), "{request:?}");
    }
    let gauge = Gauge::default();
    for id in 1..=31 {
        gauge.add_request(RequestId(id), &Request::Roles);
    }
    assert!(!gauge.replies_are_full());
}

#[test]
fn a_history_request_that_was_refused_is_answered_too() {
    let mut stage = Stage::new();
    let (_ada, gauge) = stage.socket(1, OPEN);
    let (mut asked, mut count) = (Vec::new(), 0);
    read_on(&gauge, &mut asked, &mut count);
    assert!(gauge.replies_are_full());
    stage.direct(1, joined_at(ROOM, 1));
    stage.direct(
        1,
        Arc::new(Push::new(ServerFrame::Error {
            id: Some(RequestId(2)),
            code: 1100,
            retry_after_ms: None,
            explanation: String::new(),
        })),
    );
    stage.settle();
    assert!(!gauge.replies_are_full());
    assert_eq!(gauge.unanswered(), 0);
}

#[test]
fn a_direct_lane_over_its_bound_closes_the_connection() {
    let mut stage = Stage::new();
    let (ada, gauge) = stage.socket(1, 10);
    let (session, _) = stage.session(2, 0);
    let push = event_of(ROOM, 1, 16_000);
    let fitting = DIRECT_LANE_BYTES_MAX / push.wire().len();
    for _ in 0..fitting {
        stage.direct(1, Arc::clone(&push));
        stage.direct(2, Arc::clone(&push));
    }
    stage.settle();
    assert!(gauge.reply_bytes() <= DIRECT_LANE_BYTES_MAX);
    assert!(stage.needs.is_empty());
    for _ in 0..2 {
        stage.direct(1, Arc::clone(&push));
        stage.direct(2, Arc::clone(&push));
    }
    stage.settle();
    assert_eq!(stage.needs, [ended(1), ended(2)]);
    assert_eq!(ada.far().closed, Some(CloseCode::TooSlow));
    assert_eq!(session.far().closed, Some(CloseCode::TooSlow));
}

#[test]
fn leaving_a_room_takes_back_its_frames_but_for_the_half_written_one() {
    let mut stage = Stage::new();
    let (ada, gauge) = stage.socket(1, wire_length(1) + 3);
    stage.listen(1, 1, 0);
    for seq in 1..=3 {
        stage.event(seq);
    }
    stage.settle();
    stage.event(4);
    stage.direct(1, pong(1));
    stage.settle();
    stage.unlisten(1);
    assert_eq!(
        gauge.outbox_bytes(),
        wire_length(2) - 3 + pong(1).wire().len()
    );
    stage.allow(1, &ada, OPEN);
    let frames = ada.frames();
    assert_eq!(seqs(&frames), [1, 2]);
    assert_eq!(frames.last(), Some(pong(1).frame()));
}

#[test]
fn leaving_a_room_refuses_the_replies_that_show_it_but_for_the_half_written_one() {
    let ids = |frames: &[ServerFrame]| -> Vec<_> {
        (frames.iter())
            .filter_map(|frame| match frame {
                ServerFrame::Page { id, .. } => Some((id.0, None)),
                ServerFrame::Error { id, code, .. } => Some((id.unwrap().0, Some(*code))),
                _ => None,
            })
            .collect()
    };
    let refused = Some(ErrorCode::NotMember.number());
    let mut stage = Stage::new();
    let (ada, gauge) = stage.socket(1, 10);
    stage.listen(1, 1, 0);
    for id in 1..=3 {
        stage.direct(1, full_page(id));
    }
    stage.settle();
    stage.unlisten(1);
    assert!(gauge.reply_bytes() < 2 * full_page(1).wire().len());
    stage.direct(1, full_page(4));
    stage.settle();
    stage.allow(1, &ada, OPEN);
    assert_eq!(
        ids(&ada.frames()),
        [(1, None), (2, refused), (3, refused), (4, None)],
        "what is asked anew later is another matter"
    );
    assert_eq!((gauge.reply_bytes(), gauge.outbox_bytes()), (0, 0));

    let (bob, gauge) = stage.session(2, 0);
    stage.listen(2, 1, 0);
    stage.direct(2, full_page(1));
    stage.settle();
    stage.unlisten(2);
    stage.allow(2, &bob, OPEN);
    assert_eq!(ids(&bob.far().frames), [(1, refused)]);
    assert_eq!(gauge.reply_bytes(), 0);
}

#[test]
fn a_full_session_parks_its_replies_and_reads_its_events_from_the_log() {
    let mut stage = Stage::new();
    let (ada, gauge) = stage.session(1, 1);
    stage.listen(1, 1, 0);
    for seq in 1..=3 {
        stage.event(seq);
    }
    stage.typing(1);
    stage.settle();
    stage.direct(1, pong(1));
    stage.direct(1, pong(2));
    stage.settle();
    assert!(gauge.is_behind() && gauge.reply_bytes() > 0);
    assert!(stage.asked().is_empty());
    // Room that the hub has not been told of is not used: order comes first.
    ada.far().credit = 1;
    stage.direct(1, pong(3));
    stage.settle();
    stage.allow(1, &ada, 3);
    stage.settle();
    // Dropped{1} met a full queue again.
    assert!(stage.asked().is_empty());
    stage.allow(1, &ada, OPEN);
    stage.settle();
    assert_eq!(stage.asked(), [(1, 2)]);
    stage.page(1, 1, [2, 3]);
    stage.settle();
    let frames = ada.far().frames.clone();
    assert_eq!(seqs(&frames), [1, 2, 3]);
    assert_eq!(&frames[1], pong(1).frame());
    assert_eq!(&frames[2], pong(2).frame());
    assert_eq!(&frames[3], pong(3).frame());
    assert_eq!(frames[4], ServerFrame::Dropped { signals: 1 });
    assert_eq!(gauge.reply_bytes(), 0);
}
