//! Connections that end, and the next one: what is waited for, and when it stops.

use homeroom_protocol::{
    Advice, Auth, CloseCode, DeviceState, ErrorCode, Presence, Request, ServerFrame, Timestamp,
    UserPresence, limit,
};

use super::script::{
    Script, at, bye, disconnections, key, push, refusal, send, sent, settings, user, welcome,
};
use crate::{
    command::{Answer, Command, RequestError},
    event::{Event, Lost, StopReason},
    machine::{Limits, RECONNECT_AFTER_MS_MAX, State},
};

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
