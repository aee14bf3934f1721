//! Rooms: joined, resumed from their last event, left.

use homeroom_protocol::{
    ErrorCode, Permissions, RemovedReason, Request, ResetReason, RoomInfo, RoomNumber, Seq,
    ServerFrame,
};

use super::script::{
    Script, at, disconnections, joined, message, push, refusal, room, send, user, welcome,
};
use crate::{
    command::{Answer, Command, Joined, RequestError},
    event::{Event, Lost, Removal, Violation},
    machine::State,
};

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
