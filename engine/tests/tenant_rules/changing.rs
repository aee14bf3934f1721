//! What rooms are like: changed, archived, slowed down.

use homeroom_protocol::{
    ErrorCode, EventBody, Measure, Position, Request, Retention, RoomChange, RoomInfo, RoomKind,
    RoomNumber, ServerFrame, limit,
};

use crate::{
    scenes::of_kind,
    support::{World, answer, join, key, refusal_of, send, seq, two_in_a_room},
};

fn change(key_number: u64, room: RoomNumber, changes: Vec<RoomChange>) -> Request {
    Request::ChangeRoom {
        key: key(key_number),
        room,
        changes,
    }
}

fn topic(text: &str) -> RoomChange {
    RoomChange::Topic(Some(text.into()))
}

#[test]
fn a_change_is_an_event_and_what_is_so_already_is_none() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let changes = vec![
        topic("numbers"),
        RoomChange::Title(Some("Maths".into())),
        RoomChange::Metadata(vec![1, 2]),
        RoomChange::SlowMode(0),
    ];
    let first = answer(&world.request(ada, change(1, room, changes.clone())));
    assert_eq!(
        world.heard(bob, room),
        [EventBody::RoomChanged {
            changes: changes[..3].to_vec()
        }],
        "slow mode was off already"
    );
    let again = answer(&world.request(ada, change(1, room, changes.clone())));
    assert_eq!(again, first);
    world.say(ada, room, "on");
    let head = world.tenant.room(room).unwrap().head();
    let same = answer(&world.request(ada, change(2, room, changes)));
    assert_eq!(same.0, head, "nothing changed");
    world.crash();
    let info = world.tenant.room(room).unwrap().info();
    assert_eq!(info.title.as_deref(), Some("Maths"));
    assert_eq!(
        (info.topic.as_deref(), &info.metadata[..]),
        (Some("numbers"), &[1, 2][..])
    );
    let eve = world.connect("eve", "web");
    let ServerFrame::Joined { info: told, .. } = world.request(eve, join("math", None)) else {
        panic!("not joined");
    };
    assert_eq!(told.topic.as_deref(), Some("numbers"));
}

#[test]
fn a_change_is_within_its_limits_and_by_who_may() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let long = |max: usize| Some("x".repeat(max + 1));
    for bad in [
        vec![],
        vec![topic("a"); limit::ROOM_CHANGES_MAX + 1],
        vec![RoomChange::Title(long(limit::ROOM_TITLE_BYTES_MAX))],
        vec![RoomChange::Topic(long(limit::ROOM_TOPIC_BYTES_MAX))],
        vec![RoomChange::Metadata(vec![
            0;
            limit::ROOM_METADATA_BYTES_MAX + 1
        ])],
        vec![RoomChange::SlowMode(limit::SLOW_MODE_MS_MAX + 1)],
        vec![RoomChange::Retention(Retention::Messages(0))],
        vec![RoomChange::Retention(Retention::Days(
            limit::RETENTION_DAYS_MAX + 1,
        ))],
        vec![RoomChange::Kind(RoomKind::Direct)],
        vec![RoomChange::Kind(RoomKind::Personal)],
        vec![RoomChange::Kind(RoomKind::Moderation)],
    ] {
        let refused = world.refusal(ada, change(1, room, bad.clone()));
        assert_eq!(refused, ErrorCode::InvalidField, "{bad:?}");
    }
    let fine = vec![topic("a")];
    assert_eq!(
        world.refusal(bob, change(1, room, fine.clone())),
        ErrorCode::Forbidden
    );
    let eve = world.connect("eve", "web");
    assert_eq!(
        world.refusal(eve, change(1, room, fine.clone())),
        ErrorCode::NotMember
    );
    world.request(ada, change(1, room, fine));
    let other = vec![topic("b")];
    assert_eq!(
        world.refusal(ada, change(1, room, other)),
        ErrorCode::KeyConflict
    );
}

#[test]
fn an_open_room_can_be_closed_and_opened_again() {
    let (mut world, ada, _, room) = two_in_a_room();
    let eve = world.connect("eve", "web");
    world.request(
        ada,
        change(1, room, vec![RoomChange::Kind(RoomKind::Private)]),
    );
    assert_eq!(
        world.refusal(eve, join("math", None)),
        ErrorCode::RoomNotFound
    );
    world.request(ada, change(2, room, vec![RoomChange::Kind(RoomKind::Open)]));
    world.join(eve, "math");
    assert_eq!(world.tenant.room(room).unwrap().members_count(), 3);
}

#[test]
fn in_an_announcement_room_who_manages_it_talks() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let room = world.make(ada, "news", of_kind(RoomKind::Announcement), &[]);
    world.join(bob, "news");
    world.say(ada, room, "hear");
    assert_eq!(world.refusal(bob, send(1, room, "hi")), ErrorCode::NotHere);
}

#[test]
fn an_archived_room_is_only_read() {
    let (mut world, ada, bob, room) = two_in_a_room();
    world.say(ada, room, "the end");
    world.request(ada, change(1, room, vec![RoomChange::Archived(true)]));
    assert_eq!(
        world.refusal(ada, send(2, room, "more")),
        ErrorCode::Archived
    );
    assert_eq!(
        world.refusal(ada, change(3, room, vec![topic("x")])),
        ErrorCode::Archived
    );
    for what in [Measure::Invite, Measure::Add] {
        let refused = world.refused_measure(ada, room, "eve", what);
        assert_eq!(refused, ErrorCode::Archived, "{what:?}");
    }
    let unread = world.entry(bob, room);
    assert_eq!((unread.unread, unread.info.archived), (1, true));
    world.mark(bob, crate::scenes::placed(room, None, (0, 3)));
    let eve = world.connect("eve", "web");
    world.join(eve, "math");
    world.done(bob, Request::Leave { room });
    let open = vec![RoomChange::Archived(false), topic("x")];
    world.request(ada, change(4, room, open));
    world.say(eve, room, "again");
}

#[test]
fn slow_mode_tells_how_long_to_wait() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let info = RoomInfo {
        slow_mode_ms: 5_000,
        ..RoomInfo::default()
    };
    let room = world.make(ada, "math", info, &[]);
    world.join(bob, "math");
    let first = answer(&world.request(bob, send(1, room, "one")));
    world.pass(1_000);
    let refused = world.request(bob, send(2, room, "two"));
    let ServerFrame::Error { retry_after_ms, .. } = refused else {
        panic!("not refused");
    };
    assert_eq!(refusal_of(&refused), Some(ErrorCode::TooFast));
    assert_eq!(retry_after_ms, Some(4_000));
    let retry = answer(&world.request(bob, send(1, room, "one")));
    assert_eq!(retry, first, "a retry is no second message");
    for text in ["a", "b"] {
        world.say(ada, room, text);
    }
    world.crash();
    let bob = world.connect("bob", "web");
    assert_eq!(world.refusal(bob, send(2, room, "two")), ErrorCode::TooFast);
    world.pass(4_000);
    world.request(bob, send(2, room, "two"));
    let ada = world.connect("ada", "web");
    world.request(ada, change(9, room, vec![RoomChange::SlowMode(0)]));
    world.say(bob, room, "three");
    world.say(bob, room, "four");
}

#[test]
fn below_the_floor_nothing_is_counted_and_nobody_resumes() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let positions: Vec<Position> = (0..6).map(|_| world.say(ada, room, "hi")).collect();
    assert_eq!(world.entry(bob, room).unread, 6);
    let keep = vec![RoomChange::Retention(Retention::Messages(2))];
    world.request(ada, change(1, room, keep));
    assert_eq!(world.entry(bob, room).unread, 2);
    for (position, expected) in [
        (positions[2], Some(homeroom_protocol::ResetReason::Trimmed)),
        (positions[3], None),
    ] {
        let phone = world.connect("bob", "phone");
        let joined = world.request(phone, join("math", Some(position)));
        let ServerFrame::Joined { reset, .. } = joined else {
            panic!("not joined: {joined:?}");
        };
        assert_eq!(reset, expected);
    }
    world.say(ada, room, "one more");
    assert_eq!(world.entry(bob, room).unread, 2);
    let live = crate::support::durable_state(&world.tenant);
    world.crash();
    assert_eq!(crate::support::durable_state(&world.tenant), live);
}

#[test]
fn days_go_by_without_an_event() {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    let (mut world, ada, bob, room) = two_in_a_room();
    let old = world.say(ada, room, "today");
    let keep = vec![RoomChange::Retention(Retention::Days(1))];
    world.request(ada, change(1, room, keep));
    world.pass(DAY_MS);
    assert_eq!(world.entry(bob, room).unread, 1);
    world.pass(DAY_MS);
    assert_eq!(world.entry(bob, room).unread, 0);
    let phone = world.connect("bob", "phone");
    let joined = world.request(phone, join("math", Some(old)));
    let ServerFrame::Joined {
        reset, position, ..
    } = joined
    else {
        panic!("not joined: {joined:?}");
    };
    assert_eq!(reset, Some(homeroom_protocol::ResetReason::Trimmed));
    assert_eq!(position.seq, seq(4));
}

#[test]
fn no_page_shows_what_is_not_kept_any_more() {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    let (mut world, ada, bob, room) = two_in_a_room();
    for _ in 0..3 {
        world.say(ada, room, "hi");
    }
    let keep = vec![RoomChange::Retention(Retention::Messages(1))];
    world.request(ada, change(1, room, keep));
    let shown = |world: &mut World, direction, anchor| {
        let request = Request::History {
            room,
            direction,
            anchor: seq(anchor),
            limit: 2,
            thread: None,
        };
        match world.request(bob, request) {
            ServerFrame::Page { events, more, .. } => {
                let seqs: Vec<u64> = events.iter().map(|event| event.seq.0).collect();
                (seqs, more)
            }
            other => panic!("no page: {other:?}"),
        }
    };
    use homeroom_protocol::Direction::{After, Before};
    assert_eq!(shown(&mut world, After, 0), (vec![5, 6], false));
    assert_eq!(shown(&mut world, Before, 99), (vec![5, 6], false));
    assert_eq!(shown(&mut world, Before, 5), (vec![], false));
    let keep = vec![RoomChange::Retention(Retention::Days(1))];
    world.request(ada, change(2, room, keep));
    world.pass(2 * DAY_MS);
    // The clock is looked at when it is answered, not only when something is written.
    assert_eq!(shown(&mut world, Before, 99), (vec![], false));
    assert_eq!(shown(&mut world, After, 0), (vec![], false));
    let edit = Request::Edit {
        key: key(3),
        room,
        target: seq(5),
        draft: "new".into(),
    };
    assert_eq!(world.refusal(ada, edit), ErrorCode::MessageNotFound);
}
