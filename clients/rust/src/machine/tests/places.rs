//! Streams beside rooms, large rooms, and what is on the screen.

use homeroom_protocol::{
    ClientFrame, Epoch, ErrorCode, Request, RoomNumber, Seq, ServerFrame, SignalName, Stream,
};

use super::script::{Script, at, joined, message, push, room};
use crate::{
    command::{Answer, Command, RequestError, UNKNOWN},
    event::{Event, Lost, Violation},
    machine::State,
    place::Place,
};

fn passed(from: u64, to: u64) -> ServerFrame {
    ServerFrame::Passed {
        room: RoomNumber(7),
        epoch: Epoch::new(5).unwrap(),
        from: Seq(from),
        to: Seq(to),
        members: 5_000,
    }
}

fn signal(name: &str, body: u8) -> Command {
    Command::Signal {
        room: room("lobby"),
        name: SignalName::new(name).unwrap(),
        body: vec![body],
    }
}

#[test]
fn what_passed_in_a_large_room_is_not_asked_for_again() {
    let mut script = Script::in_lobby();
    script.server(&[passed(11, 14), push(7, 5, 15), passed(16, 16)]);
    let told = Event::Passed {
        room: room("lobby"),
        position: at(5, 14),
        members: 5_000,
    };
    assert_eq!(script.events()[0], told);
    script.reconnect();
    let (_, request) = script.request();
    let resume = Some(at(5, 16));
    let room = room("lobby");
    assert_eq!(request, Request::Join { room, resume });
}

#[test]
fn what_passed_must_be_next_too() {
    for gap in [passed(12, 14), passed(10, 14), passed(11, 10)] {
        let mut script = Script::in_lobby();
        script.server(&[gap]);
        let events = script.events();
        assert!(
            matches!(
                events.last(),
                Some(Event::Disconnected {
                    why: Lost::Protocol(Violation::NotDense { .. }),
                    ..
                })
            ),
            "{events:?}"
        );
    }
}

#[test]
fn a_stream_goes_on_across_reconnects_like_a_room() {
    let mut script = Script::live();
    let stream = Stream::Personal;
    let resume = None;
    script
        .machine
        .submit(Command::OpenStream { stream, resume }, 1);
    let (id, request) = script.request();
    assert_eq!(request, Request::Stream { stream, resume });
    script.server(&[joined(id, 9, at(8, 3)), push(9, 8, 4)]);
    assert!(matches!(
        script.outcomes()[..],
        [(1, Ok(Answer::Joined(_)))]
    ));
    let told = Event::Stream {
        stream,
        position: at(8, 4),
        event: message(4, "hi"),
    };
    assert_eq!(script.events().pop(), Some(told));
    script.reconnect();
    let (_, request) = script.request();
    let resume = Some(at(8, 4));
    assert_eq!(request, Request::Stream { stream, resume });
    let place = Place::Stream(stream);
    assert_eq!(script.machine.place_position(&place), resume);
}

#[test]
fn what_is_shown_is_said_again_behind_the_join() {
    let mut script = Script::in_lobby();
    let view = Request::View {
        room: Some(UNKNOWN),
        thread: Some(Seq(3)),
    };
    let place = Some(room("lobby").into());
    let ask = Command::Ask {
        place,
        request: view,
    };
    script.machine.submit(ask, 1);
    let (id, request) = script.request();
    let shown = |number| Request::View {
        room: Some(RoomNumber(number)),
        thread: Some(Seq(3)),
    };
    assert_eq!(request, shown(7));
    script.server(&[ServerFrame::Done { id }]);
    script.reconnect();
    script.answer_join("lobby", Some(at(5, 10)), 12, at(5, 10));
    let (_, request) = script.request();
    assert_eq!(request, shown(12));
}

#[test]
fn what_is_shown_is_said_again_when_something_was_dropped() {
    let mut script = Script::in_lobby();
    script.server(&[ServerFrame::Dropped { signals: 2 }]);
    assert!(script.frames().is_empty(), "nothing is shown");
    let shown = |thread| Request::View {
        room: Some(RoomNumber(7)),
        thread,
    };
    let ask = Command::Ask {
        place: Some(room("lobby").into()),
        request: shown(Some(Seq(3))),
    };
    script.machine.submit(ask, 1);
    let (id, _) = script.request();
    script.server(&[ServerFrame::Done { id }]);
    script.server(&[ServerFrame::Dropped { signals: 2 }]);
    let (id, request) = script.request();
    assert_eq!(request, shown(Some(Seq(3))));
    script.server(&[ServerFrame::Done { id }]);
    assert_eq!(script.outcomes().len(), 1, "the app asked once");
}

#[test]
fn of_signals_the_newest_of_a_name_goes_out_and_none_waits_for_a_connection() {
    let mut script = Script::in_lobby();
    for (number, (name, body)) in (1..).zip([("cursor", 1), ("zoom", 2), ("cursor", 3)]) {
        script.machine.submit(signal(name, body), number);
    }
    let done: Vec<_> = script.outcomes();
    assert_eq!(done, [1, 2, 3].map(|number| (number, Ok(Answer::Done))));
    let said: Vec<_> = script
        .frames()
        .into_iter()
        .map(|frame| match frame {
            ClientFrame::Signal { room, name, body } => (room.0, name.to_string(), body[0]),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        said,
        [(7, "zoom".to_owned(), 2), (7, "cursor".to_owned(), 3)]
    );
    script.machine.submit(signal("cursor", 4), 4);
    script.lose();
    assert_ne!(script.machine.state(), State::Live);
    script.machine.submit(signal("cursor", 5), 5);
    assert_eq!(
        script.outcomes(),
        [(4, Ok(Answer::Done)), (5, Err(RequestError::Disconnected))]
    );
    script.pass_to_deadline();
    script.connect();
    let frames = script.frames();
    assert!(
        !frames
            .iter()
            .any(|frame| matches!(frame, ClientFrame::Signal { .. })),
        "{frames:?}"
    );
}

#[test]
fn a_refused_signal_costs_nothing_but_itself() {
    let mut script = Script::in_lobby();
    let refused = |code: ErrorCode| ServerFrame::Error {
        id: None,
        code: code.number(),
        retry_after_ms: None,
        explanation: "no".into(),
    };
    script.server(&[refused(ErrorCode::Muted), refused(ErrorCode::TooFast)]);
    assert_eq!(script.machine.state(), State::Live);
    assert_eq!(script.machine.counters().signals_refused, 2);
    // Bytes that the server could not read at all are no signal.
    script.server(&[refused(ErrorCode::Malformed)]);
    assert_ne!(script.machine.state(), State::Live);
}

#[test]
fn a_flood_of_signals_waits_bounded() {
    let mut script = Script::in_lobby();
    for number in 0..1_000_u32 {
        script
            .machine
            .submit(signal(&format!("s{number}"), 0), number);
    }
    assert_eq!(script.frames().len(), 64);
}
