//! What the app asks for: sent once in its order, answered once, within bounds.

use homeroom_protocol::{Advice, ErrorCode, Request, RoomNumber, Timestamp, limit};

use super::script::{Script, at, key, push, refusal, room, send, sent, settings, welcome};
use crate::{
    command::{Answer, Command, RequestError, Sent},
    event::{Event, StopReason},
    machine::{Limits, State},
};

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
