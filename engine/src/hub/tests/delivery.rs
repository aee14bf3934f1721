//! What reaches a fast reader, in which order, in how many writes.

use super::{super::bounds::SMALL_ROOM_LISTENERS, *};

#[test]
fn a_turn_is_one_write_per_listener_and_replies_come_first() {
    for small in [true, false] {
        let mut stage = Stage::new();
        let (ada, _) = stage.socket(1, OPEN);
        let (bob, _) = stage.socket(2, OPEN);
        stage.listen(1, 1, 0);
        stage.listen(2, 1, 0);
        let others = if small {
            0
        } else {
            SMALL_ROOM_LISTENERS as u64
        };
        for id in 0..others {
            stage.socket(10 + id, OPEN);
            stage.listen(10 + id, 1, 0);
        }
        for seq in 1..=3 {
            stage.event(seq);
        }
        stage.direct(1, pong(1));
        stage.direct(1, pong(2));
        assert_eq!(
            ada.far().writes,
            0,
            "nothing is written before the turn ends"
        );
        assert!(!stage.end_turn().more);
        let writes = if small { 1 } else { 2 };
        assert_eq!(
            ada.far().writes,
            writes,
            "replies wait for no more than a few"
        );
        assert_eq!(bob.far().writes, 1);
        assert_eq!(bob.seqs(), [1, 2, 3]);
        let frames = ada.frames();
        assert_eq!(&frames[0], pong(1).frame());
        assert_eq!(&frames[1], pong(2).frame());
        assert_eq!(seqs(&frames[2..]), [1, 2, 3]);
        assert!(stage.needs.is_empty());
    }
}

#[test]
fn replies_and_events_of_a_small_room_keep_their_order_wherever_the_socket_stops() {
    let whole = {
        let (ada, mut stage) = replies_beside_events(OPEN);
        stage.settle();
        ada.far().bytes.clone()
    };
    for credit in 0..whole.len() {
        let (ada, mut stage) = replies_beside_events(credit);
        stage.settle();
        assert_eq!(ada.far().bytes, whole[..credit], "{credit}");
        stage.allow(1, &ada, OPEN);
        stage.settle();
        let frames = ada.frames();
        assert_eq!(&frames[0], pong(1).frame(), "{credit}");
        assert_eq!(seqs(&frames[1..]), [1, 2], "{credit}");
        // A signal waits for nobody, unless its first byte is gone.
        let of_signal = decoded(&whole).starts[3];
        let heard = frames.iter().any(|frame| frame == typing(4).frame());
        assert_eq!(heard, credit > of_signal, "{credit}");
    }
}

/// One listener of a small room, with a reply, two events and a signal.
fn replies_beside_events(credit: usize) -> (Fake, Stage) {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, credit);
    stage.listen(1, 1, 0);
    stage.direct(1, pong(1));
    stage.event(1);
    stage.event(2);
    stage.typing(4);
    (ada, stage)
}

#[test]
fn a_reply_reaches_whoever_hears_nothing_of_the_small_room_that_goes_first() {
    let mut stage = Stage::new();
    let (paused, _) = stage.socket(1, OPEN);
    let (behind, _) = stage.socket(2, OPEN);
    let (stranger, _) = stage.socket(3, OPEN);
    let (session, _) = stage.session(4, OPEN);
    stage.listen(1, 1, 0);
    stage.pause(2);
    for id in [2, 4] {
        stage.listen_to(id, ROOM, 1, 0, 2);
    }
    stage.event(2);
    for id in 1..=4 {
        stage.direct(id, pong(id));
    }
    stage.settle();
    for (id, sink) in [(1, paused), (2, behind), (3, stranger)] {
        assert_eq!(sink.frames(), [pong(id).frame().clone()]);
        assert_eq!(sink.far().writes, 1);
    }
    assert_eq!(session.far().frames, [pong(4).frame().clone()]);
}

#[test]
fn a_listener_takes_the_part_of_the_joined_buffer_that_it_lacks() {
    let mut stage = Stage::new();
    let (early, _) = stage.socket(1, OPEN);
    let (late, _) = stage.socket(2, OPEN);
    let (session, _) = stage.session(3, OPEN);
    stage.listen(1, 1, 0);
    stage.event(1);
    stage.event(2);
    stage.listen(2, 3, 2);
    stage.listen(3, 3, 2);
    stage.event(3);
    stage.event(4);
    stage.settle();
    assert_eq!(early.seqs(), [1, 2, 3, 4]);
    assert_eq!((late.seqs(), late.far().writes), (vec![3, 4], 1));
    assert_eq!(seqs(&session.far().frames), [3, 4]);
}

#[test]
fn an_event_that_is_delivered_twice_is_given_once() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    stage.listen(1, 5, 4);
    for seq in [4, 5, 5, 6, 5] {
        stage.event(seq);
    }
    stage.settle();
    stage.event(6);
    stage.settle();
    assert_eq!(ada.seqs(), [5, 6]);
}

#[test]
fn a_missing_event_is_read_from_the_log() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    stage.listen(1, 1, 0);
    stage.event(1);
    stage.event(3);
    stage.settle();
    assert_eq!(ada.seqs(), [1]);
    assert_eq!(stage.asked(), [(1, 2)]);
    stage.page(1, 1, [2, 3]);
    stage.event(4);
    stage.settle();
    assert_eq!(ada.seqs(), [1, 2, 3, 4]);
    assert!(stage.asked().is_empty());
}

#[test]
fn an_unlistening_connection_hears_nothing_of_what_is_collected() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    stage.listen(1, 1, 0);
    stage.event(1);
    stage.unlisten(1);
    stage.event(2);
    stage.settle();
    assert!(ada.far().bytes.is_empty());
}

#[test]
fn the_newest_signal_of_a_turn_wins_and_rides_with_the_events() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    stage.listen(1, 1, 0);
    stage.typing(1);
    stage.event(1);
    stage.typing(2);
    stage.settle();
    let frames = ada.frames();
    assert_eq!(ada.far().writes, 1);
    assert_eq!(seqs(&frames), [1]);
    assert_eq!(&frames[1..], [typing(2).frame().clone()]);
}

#[test]
fn only_who_watches_a_user_is_told_of_them() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    let (bob, _) = stage.socket(2, OPEN);
    let (eve, eve_id) = (UserId::new("eve").unwrap(), ConnectionId(1));
    let presence = |stage: &mut Stage| {
        stage.deliver(Delivery::Signal {
            audience: Audience::Watchers(UserId::new("eve").unwrap()),
            kind: SignalKind::Presence,
            push: pong(4),
        });
        stage.settle();
    };
    for users in [vec![eve.clone()], vec![eve.clone(), eve.clone()]] {
        stage.deliver(Delivery::Watch {
            connection: eve_id,
            users,
        });
    }
    presence(&mut stage);
    assert_eq!(ada.frames().len(), 1, "watching twice is watching once");
    stage.deliver(Delivery::Watch {
        connection: eve_id,
        users: vec![UserId::new("zoe").unwrap()],
    });
    presence(&mut stage);
    assert_eq!(ada.frames().len(), 1);
    assert!(bob.far().bytes.is_empty());
}

#[test]
fn tenants_with_the_same_numbers_and_names_never_meet() {
    let mut stage = Stage::new();
    let other = TenantLife(2);
    let (ours, _) = stage.socket(1, OPEN);
    let (theirs, _) = stage.socket_of(other, 2, OPEN);
    let eve = UserId::new("eve").unwrap();
    for (tenant, id) in [(TENANT, 1), (other, 2), (TENANT, 2), (other, 1)] {
        let connection = ConnectionId(id);
        stage.shard.deliver(
            tenant,
            Delivery::Listen {
                connection,
                room: ROOM,
                epoch: epoch(),
                next: Seq(1),
                head: Seq(0),
                generation: Generation(1),
            },
        );
        let users = vec![eve.clone()];
        (stage.shard).deliver(tenant, Delivery::Watch { connection, users });
    }
    stage.event(1);
    stage.typing(1);
    stage.deliver(Delivery::Signal {
        audience: Audience::Watchers(eve),
        kind: SignalKind::Presence,
        push: pong(4),
    });
    stage.direct(2, pong(5));
    stage.page(2, 1, [1, 2]);
    stage.unlisten(2);
    stage.close(2, CloseCode::Revoked);
    stage.settle();
    assert_eq!(ours.frames().len(), 3);
    assert!(theirs.far().bytes.is_empty() && theirs.far().closed.is_none());
    stage.deliver(Delivery::CloseAll {
        code: CloseCode::TenantRestarted,
        reconnect_after_ms: None,
        shards: 1,
        among: 0,
    });
    stage.settle();
    assert!(ours.far().closed.is_some() && theirs.far().closed.is_none());
    let push = event_of(ROOM, 1, 3);
    let (room, seq) = (ROOM, Seq(1));
    (stage.shard).deliver(other, Delivery::Event { room, seq, push });
    stage.settle();
    assert_eq!(
        theirs.seqs(),
        [1],
        "still listening, untouched by the others"
    );
}

#[test]
fn after_256_listeners_it_yields_and_goes_on_in_order() {
    let mut stage = Stage::new();
    let listeners = LISTENERS_PER_CALL * 2 + 10;
    let fakes: Vec<Fake> = (0..listeners as u64)
        .map(|id| {
            let fake = stage.socket(id, OPEN).0;
            stage.listen(id, 1, 0);
            fake
        })
        .collect();
    let written = || fakes.iter().filter(|fake| fake.far().writes > 0).count();
    stage.event(1);
    assert!(stage.end_turn().more);
    assert_eq!(written(), LISTENERS_PER_CALL);
    // What comes meanwhile is queued behind; who leaves is skipped; who comes waits for the next turn.
    stage.event(2);
    stage.direct(0, pong(1));
    stage.unlisten(100);
    stage.unlisten(500);
    let (late, _) = stage.socket(9999, OPEN);
    stage.direct(9999, joined_at(ROOM, 2));
    stage.listen(9999, 3, 2);
    stage.event(3);
    assert!(stage.end_turn().more);
    assert!(late.far().bytes.is_empty());
    stage.settle();
    for (id, fake) in fakes.iter().enumerate() {
        let seqs = fake.seqs();
        if id == 100 || id == 500 {
            assert!(seqs.is_empty() || seqs == [1]);
        } else {
            assert_eq!(seqs, [1, 2, 3], "{id}");
        }
    }
    assert_eq!(late.seqs(), [3]);
    assert_eq!(&late.frames()[0], joined_at(ROOM, 2).frame());
}

#[test]
fn exactly_256_listeners_are_one_call() {
    let mut stage = Stage::new();
    for id in 0..LISTENERS_PER_CALL as u64 {
        stage.socket(id, OPEN);
        stage.listen(id, 1, 0);
    }
    stage.event(1);
    assert!(!stage.end_turn().more);
}

#[test]
fn what_one_buffer_cannot_hold_goes_into_the_next() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    stage.listen(1, 1, 0);
    let (length, count) = (10_000, 60);
    for seq in 1..=count {
        stage.long_event(seq, length);
    }
    stage.typing(1);
    stage.settle();
    assert_eq!(ada.seqs(), (1..=count).collect::<Vec<_>>());
    assert_eq!(
        ada.far().writes,
        (10_100 * 60usize).div_ceil(JOINED_BYTES_MAX)
    );
    assert_eq!(ada.frames().last(), Some(typing(1).frame()));
}

#[test]
fn a_push_is_encoded_once_and_its_payload_is_a_slice() {
    let push = pong(3);
    let first = push.wire().as_ptr();
    assert_eq!(first, push.wire().as_ptr());
    let payload = push.payload();
    assert_eq!(push.wire().as_ptr_range().end, payload.as_ptr_range().end);
    let frames: Vec<_> = decode_server_message(&payload, SERVER_MESSAGE_BYTES_MAX)
        .unwrap()
        .collect();
    assert_eq!(frames.len(), 1);
}

#[test]
fn in_process_listeners_are_given_a_bounded_part_at_a_time_too() {
    let mut stage = Stage::new();
    stage.shard.listeners_per_call = 1;
    let (ada, _) = stage.session(1, OPEN);
    stage.listen(1, 1, 0);
    let count = JOINED_EVENTS_MAX as u64 + 10;
    for seq in 1..=count {
        stage.event(seq);
    }
    assert!(stage.end_turn().more);
    assert_eq!(ada.far().frames.len(), JOINED_EVENTS_MAX);
    stage.settle();
    assert_eq!(seqs(&ada.far().frames), (1..=count).collect::<Vec<_>>());
}

#[test]
fn a_flooded_room_does_not_keep_another_waiting() {
    let mut stage = Stage::new();
    stage.shard.listeners_per_call = 2;
    stage.session(1, OPEN);
    let (bob, _) = stage.session(2, OPEN);
    stage.listen(1, 1, 0);
    stage.listen_to(2, RoomNumber(8), 1, 0, 1);
    for seq in 1..=10 * JOINED_EVENTS_MAX as u64 {
        stage.event(seq);
    }
    stage.deliver(Delivery::Event {
        room: RoomNumber(8),
        seq: Seq(1),
        push: event_of(RoomNumber(8), 1, 3),
    });
    assert!(stage.end_turn().more);
    assert_eq!(bob.far().frames.len(), 1);
}
