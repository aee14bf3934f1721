//! How connections end.

use super::*;

#[test]
fn a_close_says_bye_then_closes_and_writes_nothing_else() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    let (session, _) = stage.session(2, OPEN);
    stage.listen(1, 1, 0);
    stage.event(1);
    stage.direct(1, pong(1));
    stage.close(1, CloseCode::Revoked);
    stage.direct(1, pong(2));
    stage.event(2);
    stage.close(2, CloseCode::ShuttingDown);
    stage.settle();
    let said = decoded(&ada.far().bytes);
    let bye = ServerFrame::Bye {
        code: CloseCode::Revoked.number(),
        reconnect_after_ms: Some(5),
        explanation: CloseCode::Revoked.meaning().to_owned(),
    };
    assert_eq!(said.frames, [bye]);
    assert_eq!(said.close, Some(CloseCode::Revoked.number()));
    assert_eq!(ada.far().closed, Some(CloseCode::Revoked));
    assert_eq!(session.far().closed, Some(CloseCode::ShuttingDown));
    assert!(matches!(
        session.far().frames[..],
        [ServerFrame::Bye { .. }]
    ));
    assert!(stage.needs.is_empty(), "the tenant asked for it");
    stage.close(1, CloseCode::Revoked);
    stage.direct(1, pong(3));
    stage.settle();
}

#[test]
fn bye_and_close_frame_say_exactly_why() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    let why = "the byte 0xc1 at 7 is not MessagePack";
    stage.deliver(Delivery::Close {
        connection: ConnectionId(1),
        code: CloseCode::Protocol,
        reconnect_after_ms: None,
        explanation: Some(why.into()),
    });
    stage.settle();
    let far = ada.far();
    let bye = ServerFrame::Bye {
        code: CloseCode::Protocol.number(),
        reconnect_after_ms: None,
        explanation: why.to_owned(),
    };
    assert_eq!(decoded(&far.bytes).frames, [bye]);
    assert!(
        far.bytes.ends_with(why.as_bytes()),
        "the close frame is last"
    );
}

#[test]
fn a_graceful_close_writes_the_replies_collected_before_it_and_then_the_bye() {
    for (code, is_heard) in [
        (CloseCode::ShuttingDown, true),
        (CloseCode::TenantRestarted, true),
        (CloseCode::Revoked, false),
    ] {
        for all in [false, true] {
            let mut stage = Stage::new();
            let (ada, _) = stage.socket(1, 3);
            let (ben, _) = stage.session(2, OPEN);
            stage.direct(1, pong(1));
            stage.settle();
            stage.direct(1, pong(2));
            stage.direct(2, pong(2));
            if all {
                stage.deliver(Delivery::CloseAll {
                    code,
                    reconnect_after_ms: None,
                });
            } else {
                stage.close(1, code);
                stage.close(2, code);
            }
            stage.direct(1, pong(3));
            stage.direct(2, pong(3));
            ada.far().credit = OPEN;
            stage.settle();
            let said = decoded(&ada.far().bytes);
            let before = said.frames.len() - 1;
            let pongs = [pong(1).frame().clone(), pong(2).frame().clone()];
            // What was half written is finished even before a revocation.
            assert_eq!(said.frames[..before], pongs[..1 + usize::from(is_heard)]);
            assert!(matches!(said.frames[before], ServerFrame::Bye { .. }));
            assert_eq!((said.torn, said.close), (0, Some(code.number())));
            let session = ben.far().frames.clone();
            assert_eq!(session.len(), 1 + usize::from(is_heard), "{session:?}");
            assert_eq!(session[0] == pongs[1], is_heard);
            assert_eq!(ben.far().closed, Some(code));
            assert!(stage.needs.is_empty());
        }
    }
}

#[test]
fn a_half_written_frame_is_finished_before_the_bye() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, 5);
    stage.listen(1, 1, 0);
    stage.event(1);
    stage.event(2);
    stage.settle();
    stage.close(1, CloseCode::Idle);
    ada.far().credit = OPEN;
    stage.settle();
    let said = decoded(&ada.far().bytes);
    assert_eq!(seqs(&said.frames), [1]);
    assert!(matches!(said.frames[1], ServerFrame::Bye { .. }));
    assert_eq!((said.frames.len(), said.torn), (2, 0));
    assert_eq!(said.close, Some(CloseCode::Idle.number()));
}

#[test]
fn a_stuck_half_written_frame_means_no_bye() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, 5);
    stage.listen(1, 1, 0);
    stage.event(1);
    stage.settle();
    stage.close(1, CloseCode::Idle);
    stage.settle();
    assert_eq!(ada.far().bytes.len(), 5);
    assert_eq!(ada.far().closed, Some(CloseCode::Idle));
}

#[test]
fn a_broken_sink_ends_its_connection_and_no_other() {
    let mut stage = Stage::new();
    let fakes: Vec<Fake> = (0..6)
        .map(|id| {
            let fake = if id == 4 {
                stage.session(id, OPEN).0
            } else {
                stage.socket(id, OPEN).0
            };
            stage.listen(id, 1, 0);
            fake
        })
        .collect();
    for broken in [0, 2, 4, 5] {
        fakes[broken].far().broken = true;
    }
    stage.event(1);
    stage.settle();
    stage.event(2);
    stage.settle();
    let mut ends = stage.needs.clone();
    ends.sort_by_key(|need| format!("{need:?}"));
    assert_eq!(ends, [ended(0), ended(2), ended(4), ended(5)]);
    for (id, fake) in fakes.iter().enumerate() {
        if fake.far().broken {
            assert_eq!(fake.far().closed, Some(CloseCode::TooSlow));
        } else {
            assert_eq!(fake.seqs(), [1, 2], "{id}");
        }
    }
}

#[test]
fn five_minutes_without_a_byte_end_a_connection() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, 1);
    let (idle, _) = stage.socket(2, OPEN);
    stage.listen(1, 1, 0);
    stage.event(1);
    stage.settle();
    stage.now = NOW.plus_ms(STALL_MS - 1);
    stage.tick();
    assert!(stage.needs.is_empty());
    // One byte is enough to begin anew.
    stage.allow(1, &ada, 1);
    stage.now = NOW.plus_ms(STALL_MS);
    stage.tick();
    // Being told to write without effect is not.
    stage.allow(1, &ada, 0);
    stage.now = NOW.plus_ms(2 * STALL_MS - 2);
    stage.tick();
    assert!(stage.needs.is_empty() && ada.far().closed.is_none());
    stage.now = NOW.plus_ms(2 * STALL_MS - 1);
    stage.tick();
    assert_eq!(stage.needs, [ended(1)]);
    assert_eq!(ada.far().closed, Some(CloseCode::TooSlow));
    assert!(idle.far().closed.is_none());
}

#[test]
fn a_reader_that_drained_and_stalls_again_is_given_its_five_minutes() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, 0);
    stage.direct(1, pong(1));
    stage.settle();
    stage.allow(1, &ada, OPEN);
    stage.tick();
    stage.now = NOW.plus_ms(STALL_MS);
    ada.far().credit = 0;
    stage.direct(1, pong(2));
    stage.settle();
    stage.tick();
    assert!(stage.needs.is_empty());
    stage.now = NOW.plus_ms(2 * STALL_MS);
    stage.tick();
    assert_eq!(stage.needs, [ended(1)]);
}

#[test]
fn thousands_that_leave_at_once_cost_one_step_per_seat() {
    let mut stage = Stage::new();
    let count = 5000;
    for id in 0..count {
        stage.socket(id, OPEN);
        for room in 0..3 {
            stage.listen_to(id, RoomNumber(room), 1, 0, 1);
        }
        stage.deliver(Delivery::Watch {
            connection: ConnectionId(id),
            users: vec![UserId::new("eve").unwrap()],
        });
    }
    stage.shard.seating.check();
    for id in (0..count).rev().step_by(2) {
        stage.shard.detach(ConnectionId(id));
    }
    stage.shard.seating.check();
    for id in (0..count).step_by(2) {
        stage.shard.detach(ConnectionId(id));
    }
    stage.shard.seating.check();
    // Three rooms, each heard and shown, and one watched user.
    assert_eq!(stage.shard.seating.steps, 5000 * 7);
    assert_eq!(stage.shard.seating.rosters.iter().count(), 0);
}

#[test]
fn closing_a_tenant_closes_all_of_its_connections_in_bounded_calls() {
    let mut stage = Stage::new();
    let fakes: Vec<Fake> = (0..600).map(|id| stage.socket(id, OPEN).0).collect();
    stage.deliver(Delivery::CloseAll {
        code: CloseCode::TenantRestarted,
        reconnect_after_ms: Some(1),
    });
    let closed = || {
        fakes
            .iter()
            .filter(|fake| fake.far().closed.is_some())
            .count()
    };
    assert!(stage.end_turn().more);
    assert_eq!(closed(), LISTENERS_PER_CALL);
    stage.settle();
    assert_eq!(closed(), 600);
}

#[test]
fn who_is_closed_with_all_others_is_given_a_time_of_its_own_to_come_back() {
    let mut stage = Stage::new();
    let count = 600;
    // Ids are given to every tenant and shard in turn.
    let fakes: Vec<Fake> = (0..count).map(|id| stage.socket(7 * id, OPEN).0).collect();
    stage.deliver(Delivery::CloseAll {
        code: CloseCode::TenantRestarted,
        reconnect_after_ms: Some(500),
    });
    stage.settle();
    let mut times: Vec<u64> = (fakes.iter())
        .map(|fake| match decoded(&fake.far().bytes).frames.last() {
            Some(ServerFrame::Bye {
                reconnect_after_ms: Some(after),
                ..
            }) => *after,
            other => panic!("no time in {other:?}"),
        })
        .collect();
    times.sort_unstable();
    let last = 500 + (count - 1) * RETURN_SPREAD_MS;
    assert!(times[0] >= 500 && times[times.len() - 1] <= last);
    // In no second more than twice what there would be were they spread to the millisecond.
    let fair = usize::try_from(1000 / RETURN_SPREAD_MS).unwrap();
    let crowd = times.iter().map(|&from| {
        let second = times
            .iter()
            .filter(|&&it| (from..from + 1000).contains(&it));
        second.count()
    });
    assert!(crowd.max() <= Some(2 * fair), "{times:?}");
}

#[test]
fn who_comes_back_alone_comes_back_when_it_was_said() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(3, OPEN);
    stage.deliver(Delivery::CloseAll {
        code: CloseCode::ShuttingDown,
        reconnect_after_ms: Some(250),
    });
    stage.settle();
    let said = decoded(&ada.far().bytes).frames;
    let Some(ServerFrame::Bye {
        reconnect_after_ms, ..
    }) = said.last()
    else {
        panic!("no bye in {said:?}")
    };
    assert_eq!(*reconnect_after_ms, Some(250));
}

#[test]
fn who_leaves_while_a_turn_is_half_written_hears_nothing_more() {
    let mut stage = Stage::new();
    stage.shard.listeners_per_call = 1;
    let fakes: Vec<Fake> = (0..4)
        .map(|id| {
            let fake = stage.socket(id, OPEN).0;
            stage.listen(id, 1, 0);
            fake
        })
        .collect();
    stage.event(1);
    assert!(stage.end_turn().more);
    let heard: Vec<bool> = fakes.iter().map(|fake| fake.far().writes > 0).collect();
    assert_eq!(heard.iter().filter(|&&heard| heard).count(), 1);
    for id in 0..4 {
        stage.unlisten(id);
    }
    stage.listen(0, 1, 1);
    stage.settle();
    let after: Vec<bool> = fakes.iter().map(|fake| fake.far().writes > 0).collect();
    assert_eq!(heard, after);
}

#[test]
fn a_connection_told_to_close_is_deaf_even_before_its_turn() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, 5);
    stage.listen(1, 1, 0);
    stage.event(1);
    stage.typing(1);
    stage.settle();
    stage.close(1, CloseCode::Revoked);
    stage.listen(1, 2, 1);
    stage.event(2);
    stage.direct(1, pong(1));
    // The dropped signal is not told any more either.
    stage.allow(1, &ada, OPEN);
    stage.settle();
    let said = decoded(&ada.far().bytes);
    assert_eq!(said.frames.len(), 2);
    assert_eq!(seqs(&said.frames), [1]);
    assert!(matches!(said.frames[1], ServerFrame::Bye { .. }));
}

#[test]
fn a_reader_that_was_never_writable_again_ends_too() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, 5);
    let (session, _) = stage.session(2, 0);
    stage.listen(1, 1, 0);
    stage.event(1);
    stage.direct(2, pong(1));
    stage.settle();
    stage.now = NOW.plus_ms(STALL_MS - 1);
    stage.tick();
    assert!(stage.needs.is_empty());
    stage.now = NOW.plus_ms(STALL_MS);
    stage.tick();
    stage.needs.sort_by_key(|need| format!("{need:?}"));
    assert_eq!(stage.needs, [ended(1), ended(2)]);
    for fake in [ada, session] {
        assert_eq!(fake.far().closed, Some(CloseCode::TooSlow));
    }
}

#[test]
fn the_tenant_is_not_told_of_an_end_that_it_asked_for() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, 5);
    stage.listen(1, 1, 0);
    stage.event(1);
    stage.settle();
    stage.close(1, CloseCode::Revoked);
    stage.now = NOW.plus_ms(STALL_MS);
    stage.tick();
    stage.settle();
    assert!(stage.needs.is_empty());
    assert!(ada.far().closed.is_some());
}
