//! Rooms, messages, joining and leaving.

use homeroom_engine::tenant::Disconnection;
use homeroom_protocol::{
    Direction, Epoch, ErrorCode, EventBody, Position, RemovedReason, Request, ResetReason,
    ServerFrame, Timestamp, limit,
};

use crate::support::{DAWN, World, identity, join, send, seq, seqs, user};

#[test]
fn a_message_reaches_everyone_who_listens_and_is_acknowledged_to_its_author() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let room = world.open_room(ada, "math");
    world.join(bob, "math");
    let position = world.say(ada, room, "hello");

    assert_eq!(position.seq, seq(3), "after the creation and bob's joining");
    assert_eq!(seqs(&world.inbox(ada)), [2, 3]);
    let heard = world.inbox(bob);
    let [ServerFrame::Event { event, epoch, .. }] = &heard[..] else {
        panic!("bob listens from after his own joining on: {heard:?}");
    };
    assert_eq!(*epoch, position.epoch);
    assert_eq!(event.author, user("ada"));
    assert_eq!(event.time, DAWN);
    assert_eq!(event.body, EventBody::Message("hello".into()));
}

#[test]
fn nothing_is_said_before_it_is_durable() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    world.sync_at_once = false;

    let sent = world.post(ada, send(1, room, "hello"));
    let refused = world.post(ada, send(1, room, "other"));
    let stranger = world.connect_as(identity("bob", "web"));
    assert_eq!(
        world.inbox(ada),
        [],
        "neither the ack, nor the refusal, nor the event"
    );
    assert_eq!(world.inbox(stranger), [], "nor a welcome");

    world.sync();
    assert_eq!(seqs(&world.inbox(stranger)), [0; 0]);
    let frames = world.inbox(ada);
    assert_eq!(seqs(&frames), [2]);
    assert!(matches!(frames[1], ServerFrame::Sent { id, .. } if id == sent));
    assert!(matches!(frames[2], ServerFrame::Error { id, .. } if id == Some(refused)));
}

#[test]
fn joining_says_own_joining_to_the_others_and_then_where_one_stands() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let bob = world.connect("bob", "web");
    let ServerFrame::Joined {
        position,
        head,
        reset,
        members,
        ..
    } = world.request(bob, join("math", None))
    else {
        panic!("not joined");
    };
    assert_eq!((position.seq, head), (seq(2), seq(2)));
    assert_eq!((reset, members), (None, 2));
    assert_eq!(seqs(&world.inbox(ada)), [2]);

    world.request(bob, join("math", None));
    assert_eq!(seqs(&world.inbox(ada)), [0; 0], "joining again is no event");
    world.say(ada, room, "once");
    assert_eq!(seqs(&world.inbox(bob)), [3], "and is heard once");
}

#[test]
fn a_client_that_comes_back_resumes_where_it_was() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let position = world.say(ada, room, "1");
    for text in ["2", "3", "4"] {
        world.say(ada, room, text);
    }
    world.disconnect(ada, Disconnection::Vanished);
    let ada = world.connect("ada", "web");
    let ServerFrame::Joined {
        position: from,
        reset: None,
        head,
        ..
    } = world.request(ada, join("math", Some(position)))
    else {
        panic!("not resumed");
    };
    assert_eq!((from, head), (position, seq(5)));
    assert_eq!(seqs(&world.inbox(ada)), [3, 4, 5]);
    world.say(ada, room, "5");
    assert_eq!(seqs(&world.inbox(ada)), [6], "live again, without a gap");
}

#[test]
fn a_position_of_another_life_or_from_the_future_is_reset_to_the_head() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    world.create(ada, "math");
    let head = world.tenant.rooms().next().unwrap().head();
    let epoch = Epoch::new(head.epoch.get() ^ 1).unwrap();
    let strange = Position { epoch, seq: seq(1) };
    let ahead = Position {
        seq: seq(2),
        ..head
    };
    for (resume, reason) in [
        (strange, ResetReason::EpochChanged),
        (ahead, ResetReason::Ahead),
    ] {
        let ServerFrame::Joined {
            position, reset, ..
        } = world.request(ada, join("math", Some(resume)))
        else {
            panic!("not joined");
        };
        assert_eq!((position, reset), (head, Some(reason)));
    }

    // A client that comes back by itself does not make its user a member again.
    let bob = world.connect("bob", "web");
    for resume in [strange, ahead, head] {
        let refused = world.request(bob, join("math", Some(resume)));
        let ServerFrame::Error { code, .. } = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(code, ErrorCode::NotMember.number());
    }
    assert_eq!(world.tenant.rooms().next().unwrap().head(), head);
}

#[test]
fn leaving_removes_the_user_from_all_their_connections_at_once() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let phone = world.connect("bob", "phone");
    let desktop = world.connect("bob", "desktop");
    world.join(phone, "math");
    world.join(desktop, "math");
    world.inbox(phone);
    world.sync_at_once = false;

    world.post(ada, send(1, room, "before"));
    let left = world.post(phone, Request::Leave { room });
    assert!(!world.hub.hears(phone, room), "before anything is durable");
    assert!(!world.hub.hears(desktop, room));
    world.post(ada, send(2, room, "after"));
    world.sync();
    let removed = ServerFrame::Removed {
        room,
        reason: RemovedReason::Left,
    };
    let done = ServerFrame::Done { id: left };
    assert_eq!(world.inbox(phone), [removed.clone(), done]);
    assert_eq!(world.inbox(desktop), [removed]);
    assert_eq!(seqs(&world.inbox(ada)), [2, 3, 4, 5]);
    world.sync_at_once = true;
    assert_eq!(
        world.refusal(desktop, send(3, room, "no more")),
        ErrorCode::NotMember
    );
}

#[test]
fn leaving_takes_back_a_listening_that_was_still_on_its_way() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let bob = world.connect("bob", "web");
    world.sync_at_once = false;
    world.post(bob, join("math", None));
    world.post(bob, Request::Leave { room });
    world.sync();
    assert!(!world.hub.hears(bob, room));
    world.post(ada, send(1, room, "secret"));
    world.sync();
    assert_eq!(seqs(&world.inbox(bob)), [0; 0]);
}

#[test]
fn history_is_read_in_both_directions_and_in_order() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    for text in ["2", "3", "4", "5"] {
        world.say(ada, room, text);
    }
    let mut page = |direction, anchor, limit| {
        let history = Request::History {
            room,
            direction,
            anchor: seq(anchor),
            limit,
            thread: None,
        };
        match world.request(ada, history) {
            ServerFrame::Page { events, more, .. } => {
                let seqs: Vec<_> = events.iter().map(|event| event.seq.0).collect();
                (seqs, more)
            }
            other => panic!("no page: {other:?}"),
        }
    };
    use Direction::{After, Before};
    assert_eq!(page(Before, u64::MAX, 2), (vec![4, 5], true));
    assert_eq!(page(Before, 4, 3), (vec![1, 2, 3], false));
    assert_eq!(page(Before, 1, 3), (vec![], false));
    assert_eq!(page(Before, 0, 3), (vec![], false));
    assert_eq!(page(After, 0, 2), (vec![1, 2], true));
    assert_eq!(page(After, 3, 2), (vec![4, 5], false));
    assert_eq!(page(After, 5, 2), (vec![], false));
    assert_eq!(page(After, u64::MAX, 2), (vec![], false));
}

#[test]
fn a_page_is_bounded_in_events_and_in_bytes() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let long = "x".repeat(limit::MESSAGE_TEXT_BYTES_MAX);
    for _ in 0..20 {
        world.say(ada, room, &long);
    }
    let history = |limit| Request::History {
        room,
        direction: Direction::Before,
        anchor: seq(u64::MAX),
        limit,
        thread: None,
    };
    let ServerFrame::Page { events, more, .. } = world.request(ada, history(100)) else {
        panic!("no page");
    };
    let most = limit::PAGE_BYTES_MAX / limit::MESSAGE_TEXT_BYTES_MAX;
    assert_eq!((events.len(), more), (most, true));
    assert_eq!(events.last().unwrap().seq, seq(21));
    for limit in [0, 101, u32::MAX] {
        let code = world.refusal(ada, history(limit));
        assert_eq!(code, ErrorCode::InvalidField);
    }
}

#[test]
fn members_are_listed_in_pages() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.create(ada, "math");
    for name in ["eve", "bob", "dan"] {
        let connection = world.connect(name, "web");
        world.join(connection, "math");
    }
    let members = |after: Option<&str>, limit| Request::Members {
        room,
        after: after.map(user),
        limit,
    };
    let ServerFrame::Members { users, more, .. } = world.request(ada, members(None, 3)) else {
        panic!("no members");
    };
    assert_eq!(
        (users, more),
        (vec![user("ada"), user("bob"), user("dan")], true)
    );
    let ServerFrame::Members { users, more, .. } = world.request(ada, members(Some("dan"), 3))
    else {
        panic!("no members");
    };
    assert_eq!((users, more), (vec![user("eve")], false));
    assert_eq!(
        world.refusal(ada, members(None, 0)),
        ErrorCode::InvalidField
    );
    assert_eq!(
        world.refusal(ada, members(None, 257)),
        ErrorCode::InvalidField
    );
}

#[test]
fn time_never_decreases_when_the_clock_does() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    world.now = DAWN.plus_ms(500);
    world.say(ada, room, "later");
    world.now = DAWN;
    world.say(ada, room, "earlier");
    world.crash();
    let ada = world.connect("ada", "web");
    world.create(ada, "physics");
    let times: Vec<_> = world
        .events()
        .iter()
        .map(|event| event.time.since_ms(DAWN))
        .collect();
    assert_eq!(times, [0, 500, 500, 500]);
}

#[test]
fn a_clock_gone_wild_gives_times_that_the_wire_can_carry() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    world.now = Timestamp(u64::MAX);
    world.say(ada, room, "in the far future");
    let time = world.tenant.room(room).unwrap().time();
    assert_eq!(time, Timestamp(limit::INTEGER_MAX));
    world.crash();
    assert_eq!(world.tenant.room(room).unwrap().time(), time);
}
