//! Pausing: nobody hears a room before they are looked at again, and then misses and repeats nothing.

use homeroom_protocol::{ErrorCode, Mark, Me, RemovedReason, ResetReason};

use super::*;

fn wire_length(seq: u64) -> usize {
    event_of(ROOM, seq, 10).wire().len()
}

/// The codes of the refusals among these.
fn refusals(frames: &[ServerFrame]) -> Vec<(u64, u16)> {
    let refusal = |frame: &ServerFrame| match frame {
        ServerFrame::Error {
            id: Some(id), code, ..
        } => Some((id.0, *code)),
        _ => None,
    };
    frames.iter().filter_map(refusal).collect()
}

fn page_of(id: u64) -> Arc<Push> {
    Arc::new(Push::new(ServerFrame::Page {
        id: RequestId(id),
        room: ROOM,
        epoch: epoch(),
        events: Vec::new(),
        more: false,
        more_above: false,
    }))
}

#[test]
fn what_was_collected_before_a_pause_is_heard_by_those_who_are_stamped_anew() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    let (eve, eve_gauge) = stage.socket(2, OPEN);
    stage.listen(1, 1, 0);
    stage.listen(2, 1, 0);
    stage.event(1);
    stage.typing(1);
    stage.signal(None, SignalKind::Typing, typing(2));
    stage.pause(2);
    stage.settle();
    assert!(ada.far().bytes.is_empty() && eve.far().bytes.is_empty());
    stage.event(2);
    stage.restamp([1], 3);
    stage.settle();
    assert_eq!(stage.asked(), [(1, 1)]);
    stage.page(1, 3, [1, 2]);
    stage.event(3);
    stage.signal(None, SignalKind::Typing, typing(3));
    stage.settle();
    assert_eq!(ada.seqs(), [1, 2, 3]);
    assert_eq!(ada.frames().last(), Some(typing(3).frame()));
    assert!(eve.far().bytes.is_empty());
    assert_eq!(eve_gauge.dropped_signals(), 0, "they were not for her");
}

#[test]
fn what_was_queued_is_taken_back_but_for_the_half_written_frame() {
    let mut stage = Stage::new();
    let (ada, gauge) = stage.socket(1, wire_length(1) + 3);
    stage.listen(1, 1, 0);
    for seq in 1..=4 {
        stage.event(seq);
    }
    stage.settle();
    stage.direct(1, pong(1));
    stage.settle();
    stage.pause(2);
    stage.allow(1, &ada, OPEN);
    assert_eq!(ada.seqs(), [1, 2], "the second had begun");
    assert_eq!(ada.frames().last(), Some(pong(1).frame()));
    assert_eq!(gauge.outbox_bytes(), 0);
    stage.restamp([1], 3);
    stage.settle();
    assert_eq!(stage.asked(), [(1, 3)]);
    stage.page(1, 3, [3, 4]);
    stage.event(5);
    stage.settle();
    assert_eq!(ada.seqs(), [1, 2, 3, 4, 5]);
    assert!(!gauge.is_behind());
}

#[test]
fn a_pause_touches_no_listener() {
    let mut stage = Stage::new();
    for id in 0..10_000 {
        stage.socket(id, OPEN);
        stage.listen(id, 1, 0);
    }
    stage.settle();
    stage.pause(2);
    assert!(
        stage
            .shard
            .seating
            .connections
            .iter()
            .all(|connection| connection.pauses == 0)
    );
    assert!(!stage.end_turn().more, "nothing is left to do");
    assert!(
        stage
            .shard
            .seating
            .connections
            .iter()
            .all(|connection| connection.pauses == 0)
    );
}

#[test]
fn the_queues_of_sessions_are_taken_back_in_bounded_calls() {
    let mut stage = Stage::new();
    stage.shard.listeners_per_call = 2;
    stage.socket(0, OPEN);
    stage.listen(0, 1, 0);
    let sessions: Vec<_> = (1..=5)
        .map(|id| {
            let (session, _) = stage.session(id, OPEN);
            stage.listen(id, 1, 0);
            session
        })
        .collect();
    stage.event(1);
    stage.settle();
    stage.pause(2);
    let taken_back = || -> usize { sessions.iter().map(|fake| fake.far().taken_back).sum() };
    assert!(stage.end_turn().more);
    assert!(taken_back() <= 2);
    stage.settle();
    assert!(sessions.iter().all(|fake| fake.far().taken_back == 1));
    // Even if the room is left meanwhile.
    stage.pause(3);
    stage.end_turn();
    for id in 0..=5 {
        stage.unlisten(id);
    }
    stage.settle();
    assert_eq!(stage.shard.seating.rosters.iter().count(), 0);
}

#[test]
fn a_page_that_was_read_before_a_pause_is_not_written_after_it() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    stage.listen(1, 1, 3);
    stage.settle();
    assert_eq!(stage.asked(), [(1, 1)]);
    stage.page(1, 1, [1, 2, 3]);
    stage.pause(2);
    stage.settle();
    assert!(ada.far().bytes.is_empty());
    // The second comes late, the first is asked for again.
    stage.restamp([1], 3);
    stage.page(1, 1, [1, 2, 3]);
    stage.settle();
    assert!(ada.far().bytes.is_empty());
    assert_eq!(stage.asked(), [(1, 1)]);
    stage.page(1, 3, [1, 2, 3]);
    stage.settle();
    assert_eq!(ada.seqs(), [1, 2, 3]);
}

#[test]
fn replies_that_show_a_paused_room_are_to_be_asked_for_again() {
    let mut stage = Stage::new();
    let (ada, gauge) = stage.socket(1, 0);
    let (ben, _) = stage.socket(2, OPEN);
    for id in [1, 2] {
        stage.listen(id, 1, 0);
    }
    stage.direct(1, page_of(1));
    stage.settle();
    stage.direct(2, page_of(2));
    stage.pause(2);
    // The tenant has looked at who asked before it lets this one go.
    stage.direct(2, page_of(3));
    stage.settle();
    stage.allow(1, &ada, OPEN);
    let again = ErrorCode::Overloaded.number();
    assert_eq!(refusals(&ada.frames()), [(1, again)]);
    assert_eq!(refusals(&ben.frames()), [(2, again)]);
    assert_eq!(ben.frames()[1], *page_of(3).frame());
    assert_eq!(gauge.unanswered(), 0);
}

#[test]
fn replies_that_show_a_room_are_refused_also_to_whoever_never_heard_it() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, 0);
    let (ben, _) = stage.socket(2, OPEN);
    stage.direct(1, page_of(1));
    stage.settle();
    stage.direct(2, page_of(2));
    stage.unlisten(1);
    stage.unlisten(2);
    stage.settle();
    stage.allow(1, &ada, OPEN);
    let closed = ErrorCode::NotMember.number();
    assert_eq!(refusals(&ada.frames()), [(1, closed)]);
    assert_eq!(refusals(&ben.frames()), [(2, closed)]);
}

#[test]
fn who_was_paused_again_meanwhile_stays_so() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    stage.listen(1, 1, 0);
    stage.pause(3);
    stage.pause(5);
    stage.restamp([1], 4);
    stage.event(1);
    stage.settle();
    assert!(ada.far().bytes.is_empty());
    stage.restamp([1, 77], 6);
    stage.settle();
    stage.page(1, 6, [1]);
    stage.settle();
    assert_eq!(ada.seqs(), [1]);
}

#[test]
fn who_listens_stale_hears_nothing_before_being_stamped() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, OPEN);
    stage.listen_to(1, ROOM, 1, 0, Generation::STALE.0);
    stage.event(1);
    stage.signal(None, SignalKind::Typing, typing(2));
    stage.settle();
    assert!(ada.far().bytes.is_empty());
    stage.restamp([1], 1);
    stage.settle();
    assert_eq!(stage.asked(), [(1, 1)]);
}

#[test]
fn a_paused_listener_that_is_closed_gracefully_is_not_told_the_rest() {
    let mut stage = Stage::new();
    let (ada, _) = stage.socket(1, 3);
    stage.listen(1, 1, 0);
    stage.event(1);
    stage.event(2);
    stage.settle();
    stage.pause(2);
    ada.far().credit = OPEN;
    stage.close(1, CloseCode::ShuttingDown);
    stage.settle();
    assert_eq!(ada.seqs(), [1]);
    assert_eq!(ada.far().closed, Some(CloseCode::ShuttingDown));
}

/// Every kind of frame, once: a new one does not compile before it has a case here.
fn one_of_each() -> Vec<ServerFrame> {
    [pushes(), replies_to_writes(), replies_to_questions()].concat()
}

const ID: RequestId = RequestId(1);

fn position() -> Position {
    Position {
        epoch: epoch(),
        seq: Seq(1),
    }
}

fn replies_to_writes() -> Vec<ServerFrame> {
    let (id, position) = (ID, position());
    vec![
        ServerFrame::Done { id },
        joined_at(ROOM, 1).frame().clone(),
        ServerFrame::Error {
            id: None,
            code: 1,
            retry_after_ms: None,
            explanation: String::new(),
        },
        ServerFrame::Created {
            id,
            room: ROOM,
            position,
            time: NOW,
        },
        ServerFrame::Sent {
            id,
            position,
            time: NOW,
        },
        ServerFrame::Marked {
            id,
            mark: Mark::default(),
        },
    ]
}

fn replies_to_questions() -> Vec<ServerFrame> {
    let (id, user) = (ID, || UserId::new("ada").unwrap());
    vec![
        page_of(1).frame().clone(),
        ServerFrame::Watching {
            id,
            users: Vec::new(),
        },
        ServerFrame::Members {
            id,
            room: ROOM,
            users: vec![user()],
            more: false,
        },
        ServerFrame::Readers {
            id,
            room: ROOM,
            users: vec![user()],
            more: false,
            after: None,
        },
        ServerFrame::Rooms {
            id,
            rooms: Vec::new(),
            more: false,
        },
        ServerFrame::Overwrites {
            id,
            room: ROOM,
            overwrites: Vec::new(),
        },
        ServerFrame::Me {
            id,
            me: Box::new(Me::default()),
        },
        ServerFrame::Roles {
            id,
            roles: Vec::new(),
        },
        ServerFrame::Explained {
            id,
            allowed: false,
            reasons: Vec::new(),
        },
    ]
}

fn pushes() -> Vec<ServerFrame> {
    let (run, position) = ((Seq(1), Seq(2)), position());
    vec![
        pong(1).frame().clone(),
        event_of(ROOM, 1, 10).frame().clone(),
        typing(1).frame().clone(),
        Push::passed(ROOM, epoch(), run, 1).frame().clone(),
        ServerFrame::Presence { users: Vec::new() },
        ServerFrame::Reset {
            room: ROOM,
            position,
            reason: ResetReason::Trimmed,
        },
        ServerFrame::Removed {
            room: ROOM,
            reason: RemovedReason::Left,
        },
        ServerFrame::Dropped { signals: 1 },
        ServerFrame::Signals {
            room: ROOM,
            signals: Vec::new(),
        },
        ServerFrame::Occupancy {
            room: ROOM,
            count: 1,
            change: None,
        },
    ]
}

/// What a frame shows of a room to whoever may not see it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    /// Nothing of what happens in it.
    Nothing,
    /// That it is in, or that its stream starts anew: whoever goes on to hear the room must know.
    Place,
    /// To one who asked.
    Asked,
    /// To its audience.
    Audience,
}

fn shows(frame: &ServerFrame) -> Shows {
    match frame {
        ServerFrame::Page { .. }
        | ServerFrame::Members { .. }
        | ServerFrame::Readers { .. }
        | ServerFrame::Overwrites { .. } => Shows::Asked,
        ServerFrame::Event { .. }
        | ServerFrame::Passed { .. }
        | ServerFrame::Typing { .. }
        | ServerFrame::Signals { .. }
        | ServerFrame::Occupancy { .. } => Shows::Audience,
        ServerFrame::Joined { .. } | ServerFrame::Reset { .. } => Shows::Place,
        ServerFrame::Welcome(_)
        | ServerFrame::Pong { .. }
        | ServerFrame::Done { .. }
        | ServerFrame::Error { .. }
        | ServerFrame::Created { .. }
        | ServerFrame::Sent { .. }
        | ServerFrame::Watching { .. }
        | ServerFrame::Marked { .. }
        | ServerFrame::Rooms { .. }
        | ServerFrame::Me { .. }
        | ServerFrame::Roles { .. }
        | ServerFrame::Explained { .. }
        | ServerFrame::Presence { .. }
        | ServerFrame::Removed { .. }
        | ServerFrame::Dropped { .. }
        | ServerFrame::Bye { .. } => Shows::Nothing,
    }
}

#[test]
fn no_kind_of_frame_arrives_after_a_room_was_paused_or_left() {
    let deliver = |stage: &mut Stage, frame: &ServerFrame| {
        let push = Arc::new(Push::new(frame.clone()));
        match (shows(frame), push.of_room()) {
            (Shows::Audience, Some((room, Some((seq, _))))) => {
                stage.deliver(Delivery::Event { room, seq, push });
            }
            (Shows::Audience, _) => {
                stage.signal(None, SignalKind::Typing, Arc::clone(&push));
                stage.deliver(Delivery::Signal {
                    audience: Audience::Room(ROOM),
                    kind: SignalKind::Signals,
                    push,
                });
            }
            (Shows::Nothing | Shows::Place | Shows::Asked, _) => stage.direct(1, push),
        }
    };
    for frame in one_of_each() {
        for (queued, leaves) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut stage = Stage::new();
            let (ada, _) = stage.socket(1, if queued { 1 } else { OPEN });
            stage.listen(1, 1, 0);
            if queued {
                stage.direct(1, pong(7));
                stage.settle();
            }
            deliver(&mut stage, &frame);
            if queued {
                stage.settle();
            }
            if leaves {
                stage.unlisten(1);
            } else {
                stage.pause(2);
            }
            if queued {
                stage.allow(1, &ada, OPEN);
            }
            stage.settle();
            let arrived = ada.frames().contains(&frame);
            let may_arrive = match shows(&frame) {
                Shows::Nothing => true,
                Shows::Place => !leaves,
                Shows::Asked | Shows::Audience => false,
            };
            assert_eq!(
                arrived, may_arrive,
                "{frame:?}, queued: {queued}, left: {leaves}"
            );
        }
    }
}
