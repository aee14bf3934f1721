//! Kinds of rooms, and people's places in them: invited, added, removed, banned, muted.

use homeroom_protocol::{
    ErrorCode, EventBody, Measure, PlaceChange, RemovedReason, Request, RoomInfo, RoomKind,
    ServerFrame, Standing, Stream, Timestamp, limit,
};

use crate::{
    scenes::{make, measure, of_kind, term},
    support::{World, answer, join, key, send, seq, user},
};

#[test]
fn a_private_room_is_not_there_for_who_is_not_invited() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let room = world.make(ada, "staff", of_kind(RoomKind::Private), &[]);
    assert_eq!(
        world.refusal(bob, join("staff", None)),
        ErrorCode::RoomNotFound
    );
    assert_eq!(
        world.refusal(bob, join("nothing", None)),
        ErrorCode::RoomNotFound
    );
    assert_eq!(
        world.refusal(bob, send(1, room, "hi")),
        ErrorCode::NotMember
    );

    let (stream, _) = world.open_stream(bob, Stream::Personal, None);
    world.measure(ada, room, "bob", Measure::Invite);
    assert_eq!(
        world.places(bob, stream),
        [(room, PlaceChange::Invited, user("ada"))]
    );
    let invited = world.entry(bob, room);
    assert_eq!((invited.standing, invited.unread), (Standing::Invited, 0));

    world.join(bob, "staff");
    assert_eq!(
        world.places(bob, stream),
        [(room, PlaceChange::Joined, user("bob"))]
    );
    assert_eq!(world.entry(bob, room).standing, Standing::Member);
    world.done(bob, Request::Leave { room });
    assert_eq!(world.my_rooms(bob), []);
    assert_eq!(
        world.refusal(bob, join("staff", None)),
        ErrorCode::RoomNotFound,
        "one invitation, one joining"
    );
}

#[test]
fn an_invitation_can_be_declined_and_taken_back() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let eve = world.connect("eve", "web");
    let room = world.make(ada, "staff", of_kind(RoomKind::Private), &[]);
    for by in [ada, bob] {
        world.measure(ada, room, "bob", Measure::Invite);
        assert_eq!(world.my_rooms(bob).len(), 1);
        assert_eq!(
            world.refused_measure(eve, room, "bob", Measure::Uninvite),
            ErrorCode::NotMember
        );
        world.measure(by, room, "bob", Measure::Uninvite);
        assert_eq!(world.my_rooms(bob), []);
        assert_eq!(
            world.refusal(bob, join("staff", None)),
            ErrorCode::RoomNotFound
        );
    }
    let declined = world.refused_measure(bob, room, "bob", Measure::Uninvite);
    assert_eq!(
        declined,
        ErrorCode::NotMember,
        "there is nothing to decline"
    );
}

#[test]
fn the_people_of_a_direct_room_are_fixed() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let eve = world.connect("eve", "web");
    let room = world.make(
        ada,
        "ada+bob",
        of_kind(RoomKind::Direct),
        &["bob", "ada", "bob"],
    );
    assert_eq!(world.entry(bob, room).members, 2);
    world.join(bob, "ada+bob");
    world.say(bob, room, "hello");

    assert_eq!(
        world.refusal(eve, join("ada+bob", None)),
        ErrorCode::RoomNotFound
    );
    assert_eq!(
        world.refusal(bob, Request::Leave { room }),
        ErrorCode::NotHere
    );
    for what in [
        Measure::Invite,
        Measure::Uninvite,
        Measure::Add,
        Measure::Remove,
        Measure::Ban,
        Measure::Unban,
        Measure::Mute,
        Measure::Unmute,
    ] {
        let refused = world.refused_measure(ada, room, "eve", what);
        assert_eq!(refused, ErrorCode::NotHere, "{what:?}");
    }
    let alone = make(1, "alone", of_kind(RoomKind::Direct), &["ada"]);
    assert_eq!(world.refusal(ada, alone), ErrorCode::InvalidField);
}

#[test]
fn nobody_begins_a_direct_room_with_whom_they_are_kept_apart_from() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let room = world.make(ada, "ada+bob", of_kind(RoomKind::Direct), &["bob"]);
    let staff = world.make(ada, "staff", of_kind(RoomKind::Private), &[]);
    world.say(ada, room, "hello");
    let block = |on| Request::Block {
        user: user("ada"),
        on,
    };
    world.done(bob, block(true));
    for one in [ada, bob] {
        assert_eq!(world.refusal(one, send(1, room, "hi")), ErrorCode::Apart);
    }
    for (one, other, name) in [(ada, "bob", "1"), (bob, "ada", "2")] {
        let direct = make(1, name, of_kind(RoomKind::Direct), &[other]);
        assert_eq!(world.refusal(one, direct), ErrorCode::Apart);
    }
    assert_eq!(
        world.refused_measure(ada, staff, "bob", Measure::Invite),
        ErrorCode::Apart
    );
    assert_eq!(
        world.refused_measure(ada, staff, "bob", Measure::Add),
        ErrorCode::Apart
    );
    world.done(bob, block(false));
    world.measure(ada, staff, "bob", Measure::Add);
    world.make(ada, "again", of_kind(RoomKind::Direct), &["bob"]);
    world.say(bob, room, "hello again");
}

#[test]
fn a_member_is_added_and_removed_and_told_so() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let (stream, _) = world.open_stream(bob, Stream::Personal, None);
    let room = world.create(ada, "math");
    world.measure(ada, room, "bob", Measure::Add);
    world.join(bob, "math");
    assert_eq!(
        world.places(bob, stream),
        [(room, PlaceChange::Added, user("ada"))]
    );
    let key = world.fresh_key();
    let remove = measure(key, room, "bob", Measure::Remove);
    let removed = world.request(ada, remove.clone());
    let inbox = world.inbox(bob);
    assert!(inbox.contains(&ServerFrame::Removed {
        room,
        reason: RemovedReason::Removed
    }));
    assert!(
        !inbox.iter().any(|frame| matches!(
            frame,
            ServerFrame::Event { event, .. } if matches!(event.body, EventBody::MemberRemoved { .. })
        )),
        "whose membership ends does not hear of it in the room"
    );
    assert_eq!(world.my_rooms(bob), []);
    let again = world.request(ada, remove);
    assert_eq!(answer(&again), answer(&removed), "a retry");
    let head = world.measure(ada, room, "bob", Measure::Remove);
    assert_eq!(head, answer(&removed).0, "it is so already");
    world.join(bob, "math");
}

#[test]
fn a_ban_keeps_out_until_its_time() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let (stream, _) = world.open_stream(bob, Stream::Personal, None);
    let room = world.create(ada, "math");
    world.join(bob, "math");
    world.inbox(bob);
    let until = world.now.plus_ms(1_000);
    world.request(ada, term(1, room, "bob", Measure::Ban, until));
    let inbox = world.inbox(bob);
    assert!(inbox.contains(&ServerFrame::Removed {
        room,
        reason: RemovedReason::Banned
    }));
    assert!(inbox.iter().any(|frame| matches!(
        frame,
        ServerFrame::Event { room, event, .. } if *room == stream && matches!(
            event.body,
            EventBody::PlaceChanged { change: PlaceChange::Banned, .. }
        )
    )));
    assert_eq!(world.refusal(bob, join("math", None)), ErrorCode::Banned);
    for what in [Measure::Invite, Measure::Add] {
        let refused = world.refused_measure(ada, room, "bob", what);
        assert_eq!(refused, ErrorCode::Banned);
    }
    world.crash();
    world.now = until;
    let bob = world.connect("bob", "web");
    world.join(bob, "math");

    let ada = world.connect("ada", "web");
    world.measure(ada, room, "bob", Measure::Ban);
    world.pass(1_000_000_000);
    assert_eq!(world.refusal(bob, join("math", None)), ErrorCode::Banned);
    world.measure(ada, room, "bob", Measure::Unban);
    world.join(bob, "math");
}

#[test]
fn whoever_is_muted_hears_and_does_not_speak() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let room = world.open_room(ada, "math");
    world.join(bob, "math");
    world.measure(ada, room, "bob", Measure::Mute);
    assert_eq!(world.refusal(bob, send(1, room, "hi")), ErrorCode::Muted);
    world.inbox(bob);
    world.say(ada, room, "hear me");
    assert_eq!(world.heard(bob, room).len(), 1);
    world.done(bob, Request::Leave { room });
    world.join(bob, "math");
    assert_eq!(
        world.refusal(bob, send(1, room, "hi")),
        ErrorCode::Muted,
        "coming back does not lift it"
    );
    let until = world.now.plus_ms(10);
    world.request(ada, term(2, room, "bob", Measure::Mute, until));
    world.pass(10);
    world.say(bob, room, "again");
    world.measure(ada, room, "bob", Measure::Mute);
    world.measure(ada, room, "bob", Measure::Unmute);
    world.say(bob, room, "and again");
}

#[test]
fn measures_need_their_permission_and_somebody_lower() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let room = world.open_room(ada, "math");
    world.join(bob, "math");
    for what in [
        Measure::Add,
        Measure::Remove,
        Measure::Ban,
        Measure::Unban,
        Measure::Mute,
        Measure::Unmute,
    ] {
        let refused = world.refused_measure(bob, room, "eve", what);
        assert_eq!(refused, ErrorCode::Forbidden, "{what:?}");
    }
    for what in [Measure::Remove, Measure::Ban, Measure::Mute] {
        let refused = world.refused_measure(ada, room, "ada", what);
        assert_eq!(refused, ErrorCode::Forbidden, "{what:?} of oneself");
    }
}

#[test]
fn a_measure_that_makes_no_sense_is_refused() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.create(ada, "math");
    let now = world.now;
    for request in [
        term(1, room, "bob", Measure::Ban, now),
        term(1, room, "bob", Measure::Mute, Timestamp(0)),
        term(1, room, "bob", Measure::Invite, now.plus_ms(1)),
        measure(1, room, "service:timetable", Measure::Add),
        Request::Moderate {
            key: key(1),
            room,
            user: user("bob"),
            measure: Measure::Ban,
            until: None,
            reason: Some("x".repeat(limit::REASON_BYTES_MAX + 1)),
        },
    ] {
        assert_eq!(world.refusal(ada, request), ErrorCode::InvalidField);
    }
    let unknown = homeroom_protocol::RoomNumber(99);
    assert_eq!(
        world.refused_measure(ada, unknown, "bob", Measure::Ban),
        ErrorCode::NotMember
    );
    world.request(ada, measure(7, room, "bob", Measure::Ban));
    assert_eq!(
        world.refusal(ada, measure(7, room, "bob", Measure::Mute)),
        ErrorCode::KeyConflict
    );
    assert_eq!(
        world.refusal(ada, measure(7, room, "eve", Measure::Ban)),
        ErrorCode::KeyConflict
    );
}

#[test]
fn what_is_held_at_the_gate_is_bounded() {
    let mut world = World::with(|settings| settings.held_at_gate_max = 2);
    let ada = world.connect("ada", "web");
    let room = world.create(ada, "math");
    for (what, back) in [
        (Measure::Invite, Measure::Uninvite),
        (Measure::Mute, Measure::Unmute),
        (Measure::Ban, Measure::Unban),
    ] {
        world.measure(ada, room, "bob", what);
        world.measure(ada, room, "eve", what);
        let refused = world.refused_measure(ada, room, "kim", what);
        assert_eq!(refused, ErrorCode::TooMany, "{what:?}");
        world.measure(ada, room, "bob", back);
        world.measure(ada, room, "kim", what);
        world.measure(ada, room, "kim", back);
        world.measure(ada, room, "eve", back);
    }
    // What is over takes no place.
    let until = world.now.plus_ms(10);
    for name in ["bob", "eve"] {
        let key = world.fresh_key();
        world.request(ada, term(key, room, name, Measure::Ban, until));
    }
    let longer = world.now.plus_ms(20);
    let key = world.fresh_key();
    let again = world.request(ada, term(key, room, "eve", Measure::Ban, longer));
    assert!(
        matches!(again, ServerFrame::Sent { .. }),
        "another term: {again:?}"
    );
    assert_eq!(
        world.refused_measure(ada, room, "kim", Measure::Ban),
        ErrorCode::TooMany
    );
    world.pass(10);
    world.measure(ada, room, "kim", Measure::Ban);
}

#[test]
fn there_is_a_most_of_people_that_anything_concerns() {
    let mut world = World::with(|settings| settings.streams_max = 1);
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let room = world.create(ada, "math");
    assert_eq!(world.refusal(bob, join("math", None)), ErrorCode::TooMany);
    for what in [Measure::Invite, Measure::Add, Measure::Ban] {
        let refused = world.refused_measure(ada, room, "bob", what);
        assert_eq!(refused, ErrorCode::TooMany, "{what:?}");
    }
    let block = Request::Block {
        user: user("ada"),
        on: true,
    };
    assert_eq!(world.refusal(bob, block), ErrorCode::TooMany);
    let stream = Request::Stream {
        stream: Stream::Personal,
        resume: None,
    };
    assert_eq!(world.refusal(bob, stream), ErrorCode::TooMany);
    world.join(ada, "math");
}

#[test]
fn invitations_of_one_user_are_bounded() {
    let mut world = World::with(|settings| settings.rooms_per_user_max = 2);
    let (ada, eve) = (world.connect("ada", "web"), world.connect("eve", "web"));
    let rooms =
        [(ada, "1"), (ada, "2"), (eve, "3")].map(|(maker, id)| (maker, world.create(maker, id)));
    world.measure(ada, rooms[0].1, "bob", Measure::Invite);
    world.measure(ada, rooms[1].1, "bob", Measure::Invite);
    assert_eq!(
        world.refused_measure(eve, rooms[2].1, "bob", Measure::Invite),
        ErrorCode::TooMany
    );
}

#[test]
fn who_is_named_when_a_room_is_made_is_in_it() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let room = make(1, "math", RoomInfo::default(), &["bob"]);
    assert_eq!(
        world.refusal(ada, room.clone()),
        ErrorCode::Forbidden,
        "this needs the permission to add"
    );
    let direct = world.make(ada, "direct", of_kind(RoomKind::Direct), &["bob"]);
    let (stream, position) = world.open_stream(bob, Stream::Personal, None);
    assert_eq!(position.seq, seq(2), "its beginning, and the room");
    assert_eq!(world.entry(bob, direct).standing, Standing::Member);
    assert_eq!(world.places(bob, stream), []);
    let head = world.tenant.room(direct).unwrap().head();
    assert_eq!(head.seq, seq(1), "all in one event");
}

#[test]
fn a_room_is_made_within_its_limits() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let info = RoomInfo::default;
    use homeroom_protocol::Retention;
    let bad = [
        RoomInfo {
            title: Some("x".repeat(limit::ROOM_TITLE_BYTES_MAX + 1)),
            ..info()
        },
        RoomInfo {
            topic: Some("x".repeat(limit::ROOM_TOPIC_BYTES_MAX + 1)),
            ..info()
        },
        RoomInfo {
            metadata: vec![0; limit::ROOM_METADATA_BYTES_MAX + 1],
            ..info()
        },
        RoomInfo {
            slow_mode_ms: limit::SLOW_MODE_MS_MAX + 1,
            ..info()
        },
        RoomInfo {
            retention: Retention::Days(0),
            ..info()
        },
        RoomInfo {
            retention: Retention::Messages(limit::RETENTION_MESSAGES_MAX + 1),
            ..info()
        },
        RoomInfo {
            archived: true,
            ..info()
        },
        of_kind(RoomKind::Personal),
        of_kind(RoomKind::Moderation),
    ];
    for info in bad {
        let request = make(1, "math", info.clone(), &[]);
        assert_eq!(
            world.refusal(ada, request),
            ErrorCode::InvalidField,
            "{info:?}"
        );
    }
    let names: Vec<String> = (0..=limit::FIRST_MEMBERS_MAX)
        .map(|n| format!("user-{n}"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let many = make(1, "math", of_kind(RoomKind::Direct), &names);
    assert_eq!(world.refusal(ada, many), ErrorCode::InvalidField);
    let services = make(1, "math", of_kind(RoomKind::Direct), &["service:timetable"]);
    assert_eq!(world.refusal(ada, services), ErrorCode::InvalidField);
    assert_eq!(world.log_len(), 0);
}
