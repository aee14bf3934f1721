//! What a client does when things go well, and when they do not.

use homeroom_protocol::{
    Advice, Auth, CloseCode, DeviceState, ErrorCode, Permissions, Presence, RemovedReason, Request,
    RequestId, ResetReason, RoomInfo, RoomNumber, Seq, ServerFrame, Timestamp, UserPresence, limit,
};

use super::script::{
    Script, at, joined, key, message, push, room, send, sent, settings, user, welcome,
};
use crate::{
    command::{Answer, Command, Joined, RequestError, Sent},
    event::{Event, Lost, Removal, StopReason, Violation},
    machine::{Limits, RECONNECT_AFTER_MS_MAX, State},
};

fn refusal(id: RequestId, code: ErrorCode, retry_after_ms: Option<u64>) -> ServerFrame {
    ServerFrame::Error {
        id: Some(id),
        code: code.number(),
        retry_after_ms,
        explanation: "no".into(),
    }
}

fn bye(code: CloseCode, reconnect_after_ms: Option<u64>) -> ServerFrame {
    ServerFrame::Bye {
        code: code.number(),
        reconnect_after_ms,
        explanation: "bye".into(),
    }
}

fn disconnections(script: &mut Script) -> Vec<(Lost, Option<u64>)> {
    let events = script.events().into_iter();
    events
        .filter_map(|event| match event {
            Event::Disconnected { why, retry_in_ms } => Some((why, retry_in_ms)),
            _ => None,
        })
        .collect()
}

#[test]
fn it_says_hello_joins_and_hands_on_what_happens() {
    let mut script = Script::new();
    let hello = script.hello();
    assert_eq!((hello.version, hello.device.as_str()), (1, "laptop"));
    // Nothing is asked before the welcome, whatever the app wants.
    let join = Command::Join {
        room: room("lobby"),
        resume: None,
    };
    script.machine.submit(join, 1);
    assert!(script.frames().is_empty());
    script.server(&[ServerFrame::Welcome(welcome())]);
    script.answer_join("lobby", None, 7, at(5, 10));
    script.server(&[push(7, 5, 11), push(7, 5, 12)]);

    let joined = Joined {
        number: RoomNumber(7),
        position: at(5, 10),
        head: Seq(10),
        reset: None,
        members: 2,
        info: RoomInfo::default(),
        permissions: Permissions::NONE,
    };
    assert_eq!(script.outcomes(), [(1, Ok(Answer::Joined(joined)))]);
    let events = script.events();
    assert_eq!(
        events[0],
        Event::Connected {
            resumed: false,
            user: user("ana")
        }
    );
    assert_eq!(
        events[1],
        Event::Timeline {
            room: room("lobby"),
            position: at(5, 11),
            event: message(11, "hi")
        }
    );
    assert_eq!(events.len(), 3);
    assert_eq!(script.machine.position(&room("lobby")), Some(at(5, 12)));
}

#[test]
fn a_send_whose_reply_is_lost_is_sent_again_with_the_same_key() {
    let mut script = Script::in_lobby();
    script.machine.submit(send("lobby", 1), 1);
    let (_, first) = script.request();
    script.reconnect();
    script.machine.submit(send("lobby", 2), 2);
    // The room may have another number now; nothing is sent before it is known.
    script.answer_join("lobby", Some(at(5, 10)), 9, at(5, 10));
    let again = script.requests();
    let expect = |number: u8| Request::Send {
        key: key(number),
        room: RoomNumber(9),
        draft: format!("message {number}").into(),
    };
    assert!(matches!(first, Request::Send { key: k, room: RoomNumber(7), .. } if k == key(1)));
    let asked: Vec<_> = again.iter().map(|(_, request)| request.clone()).collect();
    assert_eq!(asked, [expect(1), expect(2)]);
    script.server(&[sent(again[0].0, at(5, 11)), sent(again[1].0, at(5, 12))]);
    let stored = |seq: u64| {
        Ok(Answer::Sent(Sent {
            position: at(5, seq),
            time: Timestamp(seq),
        }))
    };
    assert_eq!(script.outcomes(), [(1, stored(11)), (2, stored(12))]);
    assert_eq!(script.machine.counters().resent, 1);
    // A reply that comes twice changes nothing.
    script.server(&[sent(again[0].0, at(5, 11))]);
    assert_eq!(script.outcomes(), []);
    assert_eq!(script.machine.counters().strays, 1);
}

#[test]
fn sends_go_out_in_the_order_they_were_asked_in_after_any_number_of_losses() {
    let mut script = Script::in_lobby();
    for number in 0..10 {
        script.machine.submit(send("lobby", number), number.into());
        if number % 3 == 0 {
            script.requests();
        }
        if number % 4 == 0 {
            script.reconnect();
            script.answer_join("lobby", Some(at(5, 10)), 7, at(5, 10));
        }
    }
    script.reconnect();
    script.answer_join("lobby", Some(at(5, 10)), 7, at(5, 10));
    let keys: Vec<_> = script
        .requests()
        .into_iter()
        .map(|(_, request)| match request {
            Request::Send { key, .. } => key,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(keys, (0..10).map(key).collect::<Vec<_>>());
}

#[test]
fn a_reconnect_resumes_every_room_from_its_last_event() {
    let mut script = Script::in_lobby();
    script.join("yard", 8, at(6, 0));
    script.server(&[push(7, 5, 11), push(8, 6, 1), push(8, 6, 2)]);
    script.reconnect();
    let asked = script.requests();
    let resume = |name, position| Request::Join {
        room: room(name),
        resume: Some(position),
    };
    assert_eq!(asked[0].1, resume("lobby", at(5, 11)));
    assert_eq!(asked[1].1, resume("yard", at(6, 2)));
    // The numbers are swapped now, and only the ids matter to the app.
    script.server(&[
        joined(asked[1].0, 7, at(6, 2)),
        push(7, 6, 3),
        joined(asked[0].0, 8, at(5, 11)),
        push(8, 5, 12),
    ]);
    let resumed = script.events().into_iter().filter_map(|event| match event {
        Event::Timeline { room, position, .. } => Some((room.to_string(), position.seq.0)),
        _ => None,
    });
    let expected = [
        ("lobby", 11),
        ("yard", 1),
        ("yard", 2),
        ("yard", 3),
        ("lobby", 12),
    ];
    assert!(resumed.eq(expected.map(|(name, seq)| (name.to_owned(), seq))));
}

#[test]
fn a_gap_a_repeat_or_another_epoch_is_a_broken_protocol_and_is_resumed_over() {
    let wrong = [
        push(7, 5, 13),
        push(7, 5, 11),
        push(7, 5, 10),
        push(7, 4, 12),
        ServerFrame::Welcome(welcome()),
    ];
    for (count, wrong) in wrong.into_iter().enumerate() {
        let mut script = Script::in_lobby();
        script.server(&[push(7, 5, 11), wrong, push(7, 5, 12)]);
        // Nothing of the message counts from there on.
        assert_eq!(script.machine.state(), State::Waiting, "{count}");
        assert_eq!(script.machine.counters().violations, 1);
        assert_eq!(script.seqs(), [11]);
        script.pass_to_deadline();
        script.connect();
        script.answer_join("lobby", Some(at(5, 11)), 7, at(5, 11));
        script.server(&[push(7, 5, 12)]);
        assert_eq!(script.seqs(), [12]);
    }
}

#[test]
fn a_room_that_resumes_elsewhere_without_a_reset_is_a_broken_protocol() {
    let mut script = Script::in_lobby();
    script.reconnect();
    script.answer_join("lobby", Some(at(5, 10)), 7, at(5, 12));
    let lost = disconnections(&mut script);
    let violation = Violation::ResumedElsewhere {
        place: room("lobby").into(),
        wanted: Seq(10),
        got: Seq(12),
    };
    assert_eq!(lost.last().unwrap().0, Lost::Protocol(violation));
}

#[test]
fn bytes_that_are_no_frames_break_the_connection_and_nothing_else() {
    for bytes in [&[0xc1][..], b"hello", &[], &[0x93, 96, 7, 5]] {
        let mut script = Script::in_lobby();
        script.machine.receive(script.now, bytes);
        assert_eq!(script.machine.state(), State::Waiting);
        assert_eq!(script.machine.counters().violations, 1);
    }
    // A kind of a later version is passed over.
    let mut script = Script::in_lobby();
    script.machine.receive(script.now, &[0x92, 120, 1]);
    assert_eq!(script.machine.state(), State::Live);
    assert_eq!(script.machine.counters().unknown, 1);
}

#[test]
fn a_reply_of_an_unknown_kind_or_with_a_wrong_field_gives_up_its_request_alone() {
    let mut script = Script::in_lobby();
    script.machine.submit(send("lobby", 1), 1);
    script.machine.submit(send("lobby", 2), 2);
    let asked = script.requests();
    let id = |at: usize| u8::try_from(asked[at].0.0).unwrap();
    script
        .machine
        .receive(script.now, &[0x92, 95, id(0), 0x93, 68, id(1), 1]);
    assert_eq!(
        script.outcomes(),
        [
            (1, Err(RequestError::Unreadable)),
            (2, Err(RequestError::Unreadable))
        ]
    );
    assert_eq!(script.machine.state(), State::Live);
}

#[test]
fn a_reset_moves_the_place_in_a_room_and_is_told() {
    let mut script = Script::in_lobby();
    script.server(&[
        ServerFrame::Reset {
            room: RoomNumber(7),
            position: at(9, 3),
            reason: ResetReason::Trimmed,
        },
        push(7, 9, 4),
    ]);
    let reset = |position, reason| Event::Reset {
        room: room("lobby"),
        position,
        reason,
    };
    assert_eq!(script.events()[0], reset(at(9, 3), ResetReason::Trimmed));
    // At a join too.
    script.reconnect();
    let (id, _) = script.request();
    script.server(&[
        ServerFrame::Joined {
            id,
            room: RoomNumber(7),
            position: at(11, 0),
            head: Seq(1),
            reset: Some(ResetReason::EpochChanged),
            members: 1,
            info: RoomInfo::default(),
            permissions: Permissions::NONE,
        },
        push(7, 11, 1),
    ]);
    let events = script.events();
    assert!(events.contains(&reset(at(11, 0), ResetReason::EpochChanged)));
    assert!(
        matches!(events.last(), Some(Event::Timeline { position, .. }) if *position == at(11, 1))
    );
}

#[test]
fn a_bye_with_a_time_is_waited_for_at_least_that_long_and_not_for_ever() {
    for (asked, longest) in [
        (0, 0),
        (4_000, 5_000),
        (limit::INTEGER_MAX, RECONNECT_AFTER_MS_MAX),
    ] {
        let mut script = Script::in_lobby();
        script.server(&[bye(CloseCode::ShuttingDown, Some(asked))]);
        let waited = disconnections(&mut script)[0].1.unwrap();
        assert!(
            waited >= asked.min(longest) && waited <= longest,
            "{waited}"
        );
        assert_eq!(script.machine.state(), State::Waiting);
        script.pass_to_deadline();
        assert_eq!(script.machine.state(), State::Connecting);
    }
}

#[test]
fn every_close_code_is_acted_on_by_its_range() {
    for code in CloseCode::ALL {
        let mut script = Script::in_lobby();
        script.machine.submit(send("lobby", 1), 1);
        script.requests();
        script.machine.closed(script.now, code.number(), "x".into());
        let state = script.machine.state();
        match CloseCode::advice(code.number()) {
            _ if *code == CloseCode::HelloTimeout => assert_eq!(state, State::Waiting),
            Advice::Retry | Advice::Fix => assert_eq!(state, State::Waiting),
            Advice::Reauthenticate => {
                assert_eq!(state, State::Unauthenticated);
                assert_eq!(script.machine.deadline(), None);
                assert_eq!(script.outcomes(), []);
            }
            Advice::Stop => {
                assert_eq!(state, State::Stopped);
                let outcomes = script.outcomes();
                assert!(matches!(outcomes[..], [(1, Err(RequestError::Stopped(_)))]));
                let last = script.events().pop();
                assert!(matches!(last, Some(Event::Stopped { .. })));
            }
        }
    }
    // A proxy's own codes, and those of WebSocket itself.
    for code in [1000, 1001, 1005, 1011, 3000, 4999] {
        let mut script = Script::live();
        script.machine.closed(script.now, code, "x".into());
        assert_eq!(script.machine.state(), State::Waiting);
    }
    // A bye that names no time changes nothing of that.
    let mut script = Script::live();
    script.server(&[bye(CloseCode::TooSlow, None)]);
    assert_eq!(script.machine.state(), State::Waiting);
    script.pass_to_deadline();
    assert_eq!(script.machine.state(), State::Connecting);
}

#[test]
fn with_a_new_proof_it_goes_on_where_it_was() {
    let mut script = Script::in_lobby();
    script.machine.submit(send("lobby", 1), 1);
    let (id, _) = script.request();
    script.server(&[refusal(id, ErrorCode::SessionExpired, None)]);
    assert_eq!(script.machine.state(), State::Unauthenticated);
    assert!(matches!(
        script.events().last(),
        Some(Event::AuthenticationNeeded { code: 3001, .. })
    ));
    let token = Auth::Token("fresh".into());
    script.machine.authenticate(script.now, token.clone());
    assert_eq!(script.hello().auth, token);
    script.server(&[ServerFrame::Welcome(welcome())]);
    script.answer_join("lobby", Some(at(5, 10)), 7, at(5, 10));
    let (id, request) = script.request();
    assert!(matches!(request, Request::Send { key: k, .. } if k == key(1)));
    script.server(&[sent(id, at(5, 11))]);
    assert!(matches!(script.outcomes()[..], [(1, Ok(Answer::Sent(_)))]));
}

#[test]
fn it_stops_rather_than_send_its_keys_as_someone_else() {
    let mut script = Script::in_lobby();
    script.lose();
    script.pass_to_deadline();
    let mut other = welcome();
    other.user = user("eve");
    script.connect_with(other);
    let why = StopReason::UserChanged {
        before: user("ana"),
        now: user("eve"),
    };
    assert_eq!(script.events().pop(), Some(Event::Stopped { why }));
    assert!(script.frames().is_empty());
    script.machine.submit(send("lobby", 1), 1);
    assert!(matches!(
        script.outcomes()[..],
        [(
            1,
            Err(RequestError::Stopped(StopReason::UserChanged { .. }))
        )]
    ));
}

#[test]
fn it_stops_when_the_server_speaks_another_version() {
    for version in [0, 2] {
        let mut script = Script::new();
        script.connect_with(homeroom_protocol::Welcome {
            version,
            ..welcome()
        });
        let why = StopReason::UnsupportedVersion { version };
        assert_eq!(script.events(), [Event::Stopped { why }]);
    }
}

#[test]
fn a_refusal_is_acted_on_by_its_range() {
    for code in ErrorCode::ALL {
        let mut script = Script::in_lobby();
        script.machine.submit(send("lobby", 1), 1);
        let (id, _) = script.request();
        script.server(&[refusal(id, *code, Some(2_000))]);
        let outcomes = script.outcomes();
        match ErrorCode::advice(code.number()) {
            Advice::Retry => {
                assert_eq!(outcomes, []);
                assert!(script.frames().is_empty());
                let waited = script.pass_to_deadline();
                assert!((2_000..=2_500).contains(&waited), "{waited}");
                let (_, request) = script.request();
                assert!(matches!(request, Request::Send { key: k, .. } if k == key(1)));
            }
            Advice::Reauthenticate => {
                assert_eq!(outcomes, []);
                assert_eq!(script.machine.state(), State::Unauthenticated);
            }
            Advice::Fix | Advice::Stop => {
                let error = RequestError::Refused {
                    code: code.number(),
                    explanation: "no".into(),
                };
                assert_eq!(outcomes, [(1, Err(error))]);
                assert_eq!(script.machine.state(), State::Live);
            }
        }
    }
}

#[test]
fn a_room_that_waits_to_retry_keeps_its_order_and_delays_no_other() {
    let mut script = Script::in_lobby();
    script.join("yard", 8, at(6, 0));
    script.outcomes();
    script.machine.submit(send("lobby", 1), 1);
    let (id, _) = script.request();
    script.server(&[refusal(id, ErrorCode::StorageFull, Some(1_000))]);
    script.machine.submit(send("lobby", 2), 2);
    script.machine.submit(send("yard", 3), 3);
    let (_, request) = script.request();
    assert!(matches!(
        request,
        Request::Send {
            room: RoomNumber(8),
            ..
        }
    ));
    script.pass_to_deadline();
    let keys: Vec<_> = script
        .requests()
        .into_iter()
        .map(|(_, request)| match request {
            Request::Send { key, .. } => key,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(keys, [key(1), key(2)]);
}

#[test]
fn a_refused_hello_is_acted_on_by_its_range() {
    let refuse = |code: ErrorCode| {
        let mut script = Script::new();
        script.hello();
        script.server(&[ServerFrame::Error {
            id: None,
            code: code.number(),
            retry_after_ms: Some(100),
            explanation: "no".into(),
        }]);
        script.machine.state()
    };
    assert_eq!(refuse(ErrorCode::TenantNotFound), State::Stopped);
    assert_eq!(refuse(ErrorCode::Unauthenticated), State::Unauthenticated);
    assert_eq!(refuse(ErrorCode::Overloaded), State::Waiting);
}

#[test]
fn a_room_that_refuses_to_take_it_back_is_told_as_removed() {
    let mut script = Script::in_lobby();
    script.machine.submit(send("lobby", 1), 1);
    script.machine.submit(send("lobby", 2), 2);
    script.reconnect();
    script.machine.submit(send("lobby", 3), 3);
    let (id, _) = script.request();
    script.server(&[refusal(id, ErrorCode::RoomNotFound, None)]);
    let why = Removal::Refused {
        code: 1100,
        explanation: "no".into(),
    };
    let removed = Event::Removed {
        room: room("lobby"),
        why,
    };
    assert_eq!(script.events().pop(), Some(removed));
    let not_joined = |number| {
        let place = room("lobby").into();
        (number, Err(RequestError::NotJoined { place }))
    };
    assert_eq!(script.outcomes(), [1, 2, 3].map(not_joined));
}

#[test]
fn a_send_that_may_have_been_stored_gets_its_true_answer_after_its_room_is_gone() {
    let mut script = Script::in_lobby();
    script.machine.submit(send("lobby", 1), 1);
    script.requests();
    script.reconnect();
    let (id, _) = script.request();
    script.server(&[refusal(id, ErrorCode::Forbidden, None)]);
    assert_eq!(script.outcomes(), []);
    // Numbers are for ever, so the old one still names the room.
    let (id, request) = script.request();
    assert!(matches!(request, Request::Send { key: k, room: RoomNumber(7), .. } if k == key(1)));
    script.server(&[sent(id, at(5, 11))]);
    assert!(matches!(script.outcomes()[..], [(1, Ok(Answer::Sent(_)))]));
}

#[test]
fn leaving_ends_the_room_once_even_when_its_reply_is_lost() {
    let removed = Event::Removed {
        room: room("lobby"),
        why: Removal::Left,
    };
    let lobby = || Command::Leave {
        room: room("lobby"),
    };
    // Reply and push, in either order, or the reply alone.
    for (before, after) in [(true, false), (false, true), (false, false)] {
        let mut script = Script::in_lobby();
        script.machine.submit(lobby(), 1);
        let (id, _) = script.request();
        let push = ServerFrame::Removed {
            room: RoomNumber(7),
            reason: RemovedReason::Left,
        };
        let mut frames = vec![ServerFrame::Done { id }];
        if before {
            frames.insert(0, push.clone());
        }
        if after {
            frames.push(push);
        }
        script.server(&frames);
        assert_eq!(script.outcomes(), [(1, Ok(Answer::Done))]);
        assert_eq!(script.events(), std::slice::from_ref(&removed));
        script.reconnect();
        assert!(script.frames().is_empty());
    }
    // The reply is lost: the room is not joined again, only the leave is repeated.
    for answer in [None, Some(ErrorCode::NotMember)] {
        let mut script = Script::in_lobby();
        script.machine.submit(lobby(), 1);
        script.requests();
        script.reconnect();
        assert!(script.events().contains(&removed));
        let (id, request) = script.request();
        let number = RoomNumber(7);
        assert_eq!(request, Request::Leave { room: number });
        script.server(&[match answer {
            None => ServerFrame::Done { id },
            Some(code) => refusal(id, code, None),
        }]);
        assert_eq!(script.outcomes(), [(1, Ok(Answer::Done))]);
    }
}

#[test]
fn a_room_left_on_another_device_is_gone_here_too() {
    let mut script = Script::in_lobby();
    script.server(&[
        ServerFrame::Removed {
            room: RoomNumber(7),
            reason: RemovedReason::Left,
        },
        push(7, 5, 11),
    ]);
    assert_eq!(
        script.events(),
        [Event::Removed {
            room: room("lobby"),
            why: Removal::Left
        }]
    );
    assert_eq!(script.machine.counters().strays, 1);
    script.machine.submit(send("lobby", 1), 1);
    assert!(matches!(
        script.outcomes()[..],
        [(1, Err(RequestError::NotJoined { .. }))]
    ));
    // Its place is free for another.
    script.join("lobby", 7, at(5, 20));
    script.server(&[push(7, 5, 21)]);
    assert_eq!(script.seqs(), [21]);
}

#[test]
fn typing_is_said_now_or_not_at_all() {
    let typing = || Command::Typing {
        room: room("lobby"),
        active: true,
        thread: None,
    };
    let mut script = Script::in_lobby();
    script.machine.submit(typing(), 1);
    script.requests();
    script.machine.submit(typing(), 2);
    script.lose();
    script.machine.submit(typing(), 3);
    let mut outcomes = script.outcomes();
    outcomes.sort_by_key(|(number, _)| *number);
    let late = |number| (number, Err(RequestError::Disconnected));
    assert_eq!(outcomes, [1, 2, 3].map(late));
}

#[test]
fn what_was_set_for_a_connection_is_set_again_on_the_next() {
    let mut script = Script::live();
    let users = vec![user("ben")];
    let idle = DeviceState::Idle;
    script.machine.submit(Command::Presence { state: idle }, 1);
    script.machine.submit(
        Command::Watch {
            users: users.clone(),
        },
        2,
    );
    let asked = script.requests();
    let states = vec![UserPresence {
        user: user("ben"),
        presence: Presence::Active,
        last_seen: None,
        status: None,
    }];
    script.server(&[
        ServerFrame::Done { id: asked[0].0 },
        ServerFrame::Watching {
            id: asked[1].0,
            users: states.clone(),
        },
    ]);
    script.outcomes();
    script.reconnect();
    script.events();
    let mut asked = script.requests();
    assert!(
        asked
            .iter()
            .any(|(_, request)| *request == Request::Presence { state: idle })
    );
    asked.retain(|(_, request)| {
        *request
            == Request::Watch {
                users: users.clone(),
            }
    });
    script.server(&[ServerFrame::Watching {
        id: asked[0].0,
        users: states.clone(),
    }]);
    // The app asked once: what may have changed meanwhile comes as an event.
    assert_eq!(script.outcomes(), []);
    assert_eq!(script.events(), [Event::Presence { users: states }]);
}

#[test]
fn a_client_with_nothing_to_say_pings_and_a_dead_server_is_noticed() {
    let mut script = Script::in_lobby();
    let waited = script.pass_to_deadline();
    assert!(waited < 30_000 && waited > 15_000);
    let ping = script.frames();
    assert!(matches!(
        ping[..],
        [homeroom_protocol::ClientFrame::Ping { .. }]
    ));
    script.server(&[ServerFrame::Pong {
        nonce: 1,
        time: Timestamp(0),
    }]);
    // Answered: the same again, for ever.
    for _ in 0..5 {
        script.pass_to_deadline();
        assert_eq!(script.frames().len(), 1);
        script.pass_ms(50);
        script.server(&[push(99, 1, 1)]);
        assert_eq!(script.machine.state(), State::Live);
    }
    // Unanswered: ten seconds later it is over.
    script.pass_to_deadline();
    assert_eq!(script.frames().len(), 1);
    let waited = script.pass_to_deadline();
    assert_eq!((waited, script.machine.state()), (10_000, State::Waiting));
    assert!(matches!(
        disconnections(&mut script)[0].0,
        Lost::Silent { .. }
    ));
}

#[test]
fn a_ping_that_the_socket_does_not_take_is_not_waited_for_in_a_circle() {
    let mut script = Script::in_lobby();
    script.pass_to_deadline();
    // It is not written: the next deadline is a real one, two heartbeats after the last word.
    let waited = script.pass_to_deadline();
    assert!(waited > 10_000);
    assert_eq!(script.machine.state(), State::Waiting);
}

#[test]
fn no_socket_and_no_welcome_are_each_waited_for_ten_seconds() {
    let mut script = Script::new();
    assert_eq!(script.pass_to_deadline(), 10_000);
    assert_eq!(
        disconnections(&mut script)[0].0,
        Lost::ConnectTimedOut { after_ms: 10_000 }
    );
    script.pass_to_deadline();
    script.hello();
    assert_eq!(script.pass_to_deadline(), 10_000);
    assert_eq!(
        disconnections(&mut script)[0].0,
        Lost::WelcomeTimedOut { after_ms: 10_000 }
    );
}

#[test]
fn waits_grow_while_it_fails_and_start_again_after_a_minute_of_success() {
    let longest = |failures: usize, lived_ms: u64| {
        let waits = (0..200).map(|seed| {
            let mut script = Script::with(settings(seed, Limits::default()));
            for _ in 0..failures {
                script.lose();
                script.pass_to_deadline();
            }
            script.connect();
            script.events();
            // Not to be taken for dead meanwhile.
            script.now = script.now.plus_ms(lived_ms);
            script.lose();
            disconnections(&mut script)[0].1.unwrap()
        });
        waits.max().unwrap()
    };
    assert!((900..=1_000).contains(&longest(0, 0)));
    assert!((7_000..=8_000).contains(&longest(3, 59_000)));
    assert!((900..=1_000).contains(&longest(3, 60_000)));
    assert!((27_000..=30_000).contains(&longest(40, 0)));
}

#[test]
fn requests_wait_when_as_many_are_on_their_way_as_the_server_takes() {
    let mut script = Script::new();
    script.connect_with(homeroom_protocol::Welcome {
        requests_in_flight_max: 2,
        ..welcome()
    });
    script.join("lobby", 7, at(5, 0));
    for number in 0..5 {
        script.machine.submit(send("lobby", number), number.into());
    }
    let first = script.requests();
    assert_eq!(first.len(), 2);
    assert!(script.requests().is_empty());
    script.server(&[sent(first[1].0, at(5, 1))]);
    assert_eq!(script.requests().len(), 1);
}

#[test]
fn the_queue_of_requests_is_bounded_and_says_so() {
    let limits = Limits {
        requests_max: 3,
        rooms_max: 1,
        ..Limits::default()
    };
    let mut script = Script::with(settings(1, limits));
    script.connect();
    script.join("lobby", 7, at(5, 0));
    script.outcomes();
    for number in 0..3 {
        script.machine.submit(send("lobby", number), number.into());
    }
    let asked = script.requests();
    // On their way or not, unanswered ones count, and a lost connection changes nothing.
    let full = |number| (number, Err(RequestError::QueueFull { max: 3 }));
    script.machine.submit(send("lobby", 3), 3);
    assert_eq!(script.outcomes(), [full(3)]);
    script.server(&[sent(asked[0].0, at(5, 1))]);
    script.outcomes();
    script.machine.submit(send("lobby", 4), 4);
    assert_eq!(script.outcomes(), []);
    script.lose();
    script.machine.submit(send("lobby", 5), 5);
    assert_eq!(script.outcomes(), [full(5)]);

    let mut script = Script::in_lobby();
    script.machine = {
        let limits = Limits {
            rooms_max: 0,
            ..Limits::default()
        };
        crate::machine::Machine::new(settings(1, limits), script.now)
    };
    let join = Command::Join {
        room: room("yard"),
        resume: None,
    };
    script.machine.submit(join, 1);
    let error = RequestError::TooManyRooms { max: 0 };
    assert_eq!(script.outcomes(), [(1, Err(error))]);
}

#[test]
fn a_request_no_server_would_take_is_refused_before_it_costs_the_connection() {
    let mut script = Script::in_lobby();
    let long = Command::Send {
        key: key(1),
        room: room("lobby"),
        draft: "x".repeat(limit::MESSAGE_TEXT_BYTES_MAX + 1).into(),
    };
    script.machine.submit(long, 1);
    let error = RequestError::TooLong {
        field: "text",
        actual: limit::MESSAGE_TEXT_BYTES_MAX + 1,
        max: limit::MESSAGE_TEXT_BYTES_MAX,
    };
    assert_eq!(script.outcomes(), [(1, Err(error))]);
    // A server may take less than the protocol allows.
    let mut script = Script::new();
    script.connect_with(homeroom_protocol::Welcome {
        message_bytes_max: 100,
        ..welcome()
    });
    script.join("lobby", 7, at(5, 0));
    script.outcomes();
    let draft = "x".repeat(200).into();
    let (key, room) = (key(1), room("lobby"));
    script.machine.submit(Command::Send { key, room, draft }, 1);
    assert!(script.frames().is_empty());
    assert!(matches!(
        script.outcomes()[..],
        [(1, Err(RequestError::TooLong { max: 100, .. }))]
    ));
}

#[test]
fn requests_that_wait_together_share_messages_within_the_limits() {
    let mut script = Script::in_lobby();
    for number in 0..8 {
        let draft = "x".repeat(limit::MESSAGE_TEXT_BYTES_MAX).into();
        let (key, room) = (key(number), room("lobby"));
        script
            .machine
            .submit(Command::Send { key, room, draft }, number.into());
    }
    let counts: Vec<_> = (0..4).map(|_| script.requests().len()).collect();
    assert_eq!(counts, [3, 3, 2, 0]);
}

#[test]
fn while_the_app_reads_nothing_no_more_is_read_and_nothing_is_lost() {
    let limits = Limits {
        events_max: 4,
        ..Limits::default()
    };
    let mut script = Script::with(settings(1, limits));
    script.connect();
    script.join("lobby", 7, at(5, 0));
    script.events();
    let mut next = 1;
    while script.machine.wants_input() {
        script.server(&[push(7, 5, next), push(7, 5, next + 1)]);
        next += 2;
    }
    assert_eq!(next, 5);
    // The silence is ours: it is not held against the server, though ours is broken with pings.
    for _ in 0..10 {
        script.pass_to_deadline();
        assert_eq!(script.frames().len(), 1);
        assert_eq!(script.machine.state(), State::Live);
    }
    assert_eq!(script.seqs(), [1, 2, 3, 4]);
    assert!(script.machine.wants_input());
    script.machine.tick(script.now);
    assert_eq!(script.machine.state(), State::Live);
    // An app that reads nothing while connections come and go piles up nothing.
    while script.machine.wants_input() {
        script.server(&[push(7, 5, next)]);
        next += 1;
    }
    for _ in 0..50 {
        script.lose();
        script.pass_to_deadline();
        script.hello();
    }
    assert_eq!(script.machine.deadline(), None);
    assert!(script.events().len() <= 5);
}

#[test]
fn closing_answers_everyone() {
    let mut script = Script::in_lobby();
    script.machine.submit(send("lobby", 1), 1);
    script.requests();
    script.machine.submit(send("lobby", 2), 2);
    let join = Command::Join {
        room: room("yard"),
        resume: None,
    };
    script.machine.submit(join, 3);
    script.machine.close();
    let ended = |number| (number, Err(RequestError::Stopped(StopReason::Closed)));
    assert_eq!(script.outcomes(), [1, 2, 3].map(ended));
    let why = StopReason::Closed;
    assert_eq!(script.events(), [Event::Stopped { why }]);
    assert_eq!(script.machine.deadline(), None);
}

#[test]
fn a_room_is_joined_once() {
    let mut script = Script::in_lobby();
    let join = Command::Join {
        room: room("lobby"),
        resume: None,
    };
    script.machine.submit(join, 1);
    let error = RequestError::AlreadyJoined {
        place: room("lobby").into(),
    };
    assert_eq!(script.outcomes(), [(1, Err(error))]);
}
