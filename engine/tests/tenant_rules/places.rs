//! Kinds of rooms, and people's places in them: invited, added, removed, banned, muted.

use homeroom_engine::{log::LogPosition, tenant::ServiceRequest};
use homeroom_protocol::{
    ConnectionId, ErrorCode, EventBody, Measure, OverwriteTarget, PlaceChange, RemovedReason,
    Request, RoleId, RoomId, RoomInfo, RoomKind, RoomNumber, ServerFrame, Standing, Status, Stream,
    Timestamp, limit,
};

use crate::{
    revocation::UNSEEN,
    roles::deny,
    scenes::{make, measure, of_kind, term},
    support::{World, answer, durable_state, itself, join, key, send, seq, user},
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
        // From a back end, as no client can write it.
        term(
            1,
            room,
            "bob",
            Measure::Ban,
            Timestamp(limit::INTEGER_MAX + 1),
        ),
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
    let unknown = RoomNumber(99);
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
fn a_stream_is_made_by_its_owner_alone_and_there_is_a_most_of_them() {
    let mut world = World::with(|settings| settings.streams_max = 1);
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let room = world.create(ada, "math");
    let streams = |world: &World| {
        let kinds = world.tenant.rooms().map(|room| room.info().kind);
        kinds.filter(|kind| *kind == RoomKind::Personal).count()
    };
    for (name, what) in [
        ("nobody-yet", Measure::Invite),
        ("nobody-yet", Measure::Uninvite),
        ("nobody-else", Measure::Ban),
        ("nobody-else", Measure::Unban),
        ("eve", Measure::Invite),
    ] {
        world.measure(ada, room, name, what);
    }
    world.join(bob, "math");
    world.give("bob", &[]);
    assert_eq!(streams(&world), 0);
    // Who appears later finds the invitation, and has made none by that.
    let eve = world.connect("eve", "web");
    assert_eq!(world.entry(eve, room).standing, Standing::Invited);
    world.crash();
    let eve = world.connect("eve", "web");
    assert_eq!(world.entry(eve, room).standing, Standing::Invited);
    let snapshot = durable_state(&world.tenant);
    let end = LogPosition(world.log_len() as u64);
    world.crash_with(&snapshot, end);
    let (ada, bob) = (world.connect("ada", "web"), world.connect("bob", "web"));
    let eve = world.connect("eve", "web");
    assert_eq!(world.entry(eve, room).standing, Standing::Invited);
    world.join(eve, "math");
    assert_eq!(world.entry(eve, room).standing, Standing::Member);
    assert_eq!(streams(&world), 0);
    world.open_stream(ada, Stream::Personal, None);
    let block = Request::Block {
        user: user("ada"),
        on: true,
    };
    assert_eq!(world.refusal(bob, block), ErrorCode::TooMany);
    let status = Request::Status(Status::default());
    assert_eq!(world.refusal(bob, status), ErrorCode::TooMany);
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
fn an_invitation_is_listed_until_it_is_used_or_over() {
    type Ending = fn(&mut World, RoomNumber);
    let list = Request::Rooms {
        after: None,
        limit: 10,
    };
    let endings: [(Ending, bool); 6] = [
        (
            |world, room| _ = world.measure(ConnectionId(1), room, "eve", Measure::Invite),
            true,
        ),
        (
            |world, room| _ = world.measure(ConnectionId(1), room, "bob", Measure::Uninvite),
            false,
        ),
        (
            |world, room| _ = world.measure(ConnectionId(1), room, "bob", Measure::Ban),
            false,
        ),
        (
            |world, room| _ = world.measure(ConnectionId(2), room, "bob", Measure::Uninvite),
            false,
        ),
        (
            |world, room| {
                world.measure(ConnectionId(1), room, "bob", Measure::Add);
                world.measure(ConnectionId(1), room, "bob", Measure::Remove);
            },
            false,
        ),
        (
            |world, room| {
                world.join(ConnectionId(2), "staff");
                world.request(ConnectionId(2), Request::Leave { room });
            },
            false,
        ),
    ];
    for (number, (ending, stands)) in endings.into_iter().enumerate() {
        let mut world = World::new();
        let ada = world.connect("ada", "web");
        let bob = world.connect("bob", "web");
        let room = world.make(ada, "staff", of_kind(RoomKind::Private), &[]);
        world.measure(ada, room, "bob", Measure::Invite);
        ending(&mut world, room);
        for _ in 0..2 {
            let ServerFrame::Rooms { rooms, .. } = world.request(bob, list.clone()) else {
                panic!("a list of rooms");
            };
            assert_eq!(!rooms.is_empty(), stands, "{number}");
            // The same after a restart.
            world.crash();
            world.connect_again(bob, "bob");
        }
    }
}

#[test]
fn rooms_are_counted_by_who_made_them_however_many_they_left() {
    let mut world = World::with(|settings| settings.rooms_made_per_user_max = 2);
    let (ada, bob) = (world.connect("ada", "web"), world.connect("bob", "web"));
    for id in ["1", "2"] {
        let room = world.create(ada, id);
        world.request(ada, Request::Leave { room });
    }
    let third = make(3, "3", RoomInfo::default(), &[]);
    assert_eq!(world.refusal(ada, third.clone()), ErrorCode::TooMany);
    world.create(bob, "4");
    let snapshot = durable_state(&world.tenant);
    let end = LogPosition(world.log_len() as u64);
    for from in [LogPosition::START, end] {
        if from == end {
            world.crash_with(&snapshot, end);
        } else {
            world.crash();
        }
        let ada = world.connect("ada", "web");
        assert_eq!(world.refusal(ada, third.clone()), ErrorCode::TooMany);
    }
    for id in ["5", "6", "7"] {
        let request = ServiceRequest::CreateRoom {
            key: key(id.parse().unwrap()),
            room: RoomId::new(id).unwrap(),
            info: RoomInfo::default(),
            members: Vec::new(),
        };
        world.serve(itself(), request).unwrap();
    }
}

#[test]
fn a_ban_tells_nobody_of_a_room_that_they_could_not_know_of() {
    for (kind, standing, told) in [
        (RoomKind::Open, None, true),
        (RoomKind::Private, None, false),
        (RoomKind::Private, Some(Measure::Invite), true),
        (RoomKind::Private, Some(Measure::Add), true),
    ] {
        let mut world = World::new();
        let ada = world.connect("ada", "web");
        let bob = world.connect("bob", "web");
        let (stream, _) = world.open_stream(bob, Stream::Personal, None);
        let room = world.make(ada, "secret", of_kind(kind), &[]);
        if let Some(standing) = standing {
            world.measure(ada, room, "bob", standing);
        }
        world.inbox(bob);
        world.measure(ada, room, "bob", Measure::Ban);
        let places = world.places(bob, stream);
        assert_eq!(
            !places.is_empty(),
            told,
            "{kind:?} {standing:?}: {places:?}"
        );
        // An open room that nobody sees is as secret.
        world.measure(ada, room, "bob", Measure::Unban);
        let is_told = !world.places(bob, stream).is_empty();
        assert_eq!(is_told, kind == RoomKind::Open);
        world.overwrite(
            "secret",
            OverwriteTarget::Role(RoleId::EVERYONE),
            deny(UNSEEN),
        );
        world.inbox(bob);
        world.measure(ada, room, "bob", Measure::Ban);
        world.measure(ada, room, "bob", Measure::Unban);
        assert_eq!(world.places(bob, stream), []);
    }
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
    assert_eq!(position.seq, seq(1), "its beginning");
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
