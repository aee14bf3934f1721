//! How far people have read: marks, counts, readers, levels, followed threads.

use homeroom_engine::tenant::{Disconnection, ServiceRequest};
use homeroom_protocol::{
    ErrorCode, EventBody, Mark, NotificationLevel, PlacedMark, Request, RoomNumber, ServerFrame,
    Stream, limit,
};

use crate::{
    scenes::{mark, placed},
    support::{World, itself, join, send, seq, two_in_a_room, user},
};

#[test]
fn what_others_say_is_unread_until_one_marks_it_or_speaks() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let count = |world: &mut World| {
        let entry = world.entry(bob, room);
        (entry.mark, entry.unread)
    };
    assert_eq!(
        count(&mut world),
        (mark(0, 2), 0),
        "reading begins with joining"
    );
    for text in ["3", "4", "5"] {
        world.say(ada, room, text);
    }
    assert_eq!(count(&mut world), (mark(0, 2), 3));
    assert_eq!(world.mark(bob, placed(room, None, (0, 4))), mark(0, 4));
    assert_eq!(count(&mut world), (mark(0, 4), 1));
    world.say(bob, room, "6");
    assert_eq!(count(&mut world), (mark(0, 6), 0));
    assert_eq!(world.entry(ada, room).unread, 1, "bob's is new to ada");
    world.say(ada, room, "7");
    assert_eq!(count(&mut world), (mark(0, 6), 1));
    world.crash();
    let bob = world.connect("bob", "web");
    assert_eq!(world.entry(bob, room).unread, 1);
}

#[test]
fn marks_of_all_devices_merge_and_each_hears_of_the_others() {
    let (mut world, ada, web, room) = two_in_a_room();
    for _ in 0..5 {
        world.say(ada, room, "hi");
    }
    let phone = world.connect("bob", "phone");
    let (stream, _) = world.open_stream(web, Stream::Personal, None);
    world.inbox(web);
    assert_eq!(world.mark(phone, placed(room, None, (0, 5))), mark(0, 5));
    assert_eq!(
        world.heard(web, stream),
        [EventBody::Marked {
            marks: vec![placed(room, None, (0, 5))]
        }]
    );
    assert_eq!(
        world.mark(web, placed(room, None, (0, 4))),
        mark(0, 5),
        "a lower one changes nothing"
    );
    assert_eq!(
        world.mark(web, placed(room, None, (1, 3))),
        mark(1, 3),
        "unread from here"
    );
    assert_eq!(
        world.mark(phone, placed(room, None, (0, 7))),
        mark(1, 3),
        "it came before that"
    );
    assert_eq!(world.entry(phone, room).unread, 4);
    assert_eq!(
        world.heard(web, stream),
        [EventBody::Marked {
            marks: vec![placed(room, None, (1, 3))]
        }],
        "one event for what changed"
    );
    // What one marks as unread after one spoke stays so.
    world.say(web, room, "8");
    assert_eq!(world.entry(web, room).mark, mark(1, 8));
    world.mark(web, placed(room, None, (2, 2)));
    assert_eq!(world.entry(web, room).unread, 6);
}

#[test]
fn whoever_comes_back_begins_to_read_anew() {
    let (mut world, ada, bob, room) = two_in_a_room();
    world.say(ada, room, "3");
    world.mark(bob, placed(room, None, (4, 3)));
    world.done(bob, Request::Leave { room });
    world.say(ada, room, "5");
    world.join(bob, "math");
    let entry = world.entry(bob, room);
    assert_eq!((entry.mark, entry.unread), (mark(0, 6), 0));
    world.say(ada, room, "7");
    assert_eq!(world.entry(bob, room).unread, 1);
}

#[test]
fn everything_is_marked_as_read_in_one_event() {
    const ROOMS: u32 = 3_000;
    let mut world = World::with(|settings| {
        *settings = settings.clone().without_budgets();
        settings.rooms_per_user_max = ROOMS as usize;
        settings.rooms_made_per_user_max = ROOMS as usize;
    });
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let phone = world.connect("bob", "phone");
    world.sync_at_once = false;
    for number in 0..ROOMS {
        let id = format!("room-{number}");
        world.post(ada, crate::support::create(number.into(), &id));
        let room = homeroom_protocol::RoomId::new(&id).unwrap();
        let member = user("bob");
        world.serve_later(itself(), ServiceRequest::AddMember { room, member });
    }
    let rooms = world.tenant.rooms().filter(|room| room.id().is_some());
    let rooms: Vec<RoomNumber> = rooms.map(|room| room.number()).collect();
    assert_eq!(rooms.len(), ROOMS as usize);
    for &room in &rooms {
        let key = world.fresh_key();
        world.post(ada, send(key, room, "news"));
    }
    world.sync();
    world.sync_at_once = true;
    let (stream, _) = world.open_stream(phone, Stream::Personal, None);
    let (head, log_len) = (
        world.tenant.room(stream).unwrap().head().seq,
        world.log_len(),
    );
    world.inbox(phone);
    world.inbox(bob);
    world.done(bob, Request::MarkAll { rooms: None });
    assert_eq!(world.log_len(), log_len + 1);
    assert_eq!(world.tenant.room(stream).unwrap().head().seq, head.next());
    let pushes = world.inbox(phone);
    let [ServerFrame::Event { event, .. }] = &pushes[..] else {
        panic!("one push, not {}", pushes.len());
    };
    let EventBody::Marked { marks } = &event.body else {
        panic!("not the marks");
    };
    assert_eq!(marks.len(), rooms.len());
    assert_eq!(
        world.inbox(bob),
        [],
        "not on this connection, which does not listen to it"
    );
    let entries = world.my_rooms(bob);
    assert_eq!(entries.len(), rooms.len());
    assert!(
        entries
            .iter()
            .all(|entry| entry.unread == 0 && entry.mark == mark(0, 3))
    );

    world.done(bob, Request::MarkAll { rooms: None });
    assert_eq!(world.log_len(), log_len + 1, "nothing is left to mark");
}

#[test]
fn some_rooms_are_marked_as_read_and_no_others() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let rooms = ["1", "2", "3"].map(|id| {
        let room = world.create(ada, id);
        world.join(bob, id);
        world.say(ada, room, "hi");
        room
    });
    let some = vec![rooms[0], rooms[2], rooms[0]];
    world.mark(
        bob,
        PlacedMark {
            public: true,
            ..placed(rooms[0], None, (1, 2))
        },
    );
    world.done(bob, Request::MarkAll { rooms: Some(some) });
    let entries = world.my_rooms(bob);
    let unread: Vec<u32> = entries.iter().map(|entry| entry.unread).collect();
    assert_eq!(unread, [0, 1, 0]);
    assert_eq!(entries[0].mark, mark(1, 3), "under the same generation");
    assert_eq!(
        readers(&mut world, ada, rooms[0], 3),
        ["bob"],
        "and as public as it was"
    );

    let hers = world.create(ada, "hers");
    let with_hers = Request::MarkAll {
        rooms: Some(vec![rooms[1], hers]),
    };
    assert_eq!(world.refusal(bob, with_hers), ErrorCode::NotMember);
    assert_eq!(world.entry(bob, rooms[1]).unread, 1, "all or nothing");
    let many = vec![rooms[0]; limit::MARKED_ROOMS_MAX + 1];
    let many = Request::MarkAll { rooms: Some(many) };
    assert_eq!(world.refusal(bob, many), ErrorCode::InvalidField);
}

fn readers(
    world: &mut World,
    connection: homeroom_protocol::ConnectionId,
    room: RoomNumber,
    at: u64,
) -> Vec<String> {
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let request = Request::Readers {
            room,
            seq: seq(at),
            after,
            limit: 1,
        };
        match world.request(connection, request) {
            ServerFrame::Readers {
                users,
                more,
                after: next,
                ..
            } => {
                names.extend(users.iter().map(ToString::to_string));
                if !more {
                    return names;
                }
                after = next;
                assert!(after.is_some(), "there is a place to go on from");
            }
            other => panic!("no readers: {other:?}"),
        }
    }
}

#[test]
fn readers_are_those_who_show_it() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let people: Vec<_> = ["bob", "eve", "kim", "lou"]
        .into_iter()
        .map(|name| {
            let connection = world.connect(name, "web");
            world.join(connection, "math");
            connection
        })
        .collect();
    let position = world.say(ada, room, "read this");
    let seen = |public, at| PlacedMark {
        public,
        ..placed(room, None, (0, at))
    };
    world.mark(people[0], seen(true, position.seq.0));
    world.mark(people[1], seen(false, position.seq.0));
    world.mark(people[2], seen(true, position.seq.0 - 1));
    world.mark(people[3], seen(true, position.seq.0));
    assert_eq!(
        readers(&mut world, ada, room, position.seq.0),
        ["bob", "lou"]
    );
    world.mark(people[3], seen(false, position.seq.0));
    world.mark(people[1], seen(true, position.seq.0));
    assert_eq!(
        readers(&mut world, ada, room, position.seq.0),
        ["bob", "eve"]
    );

    let request = |at, limit| Request::Readers {
        room,
        seq: seq(at),
        after: None,
        limit,
    };
    assert_eq!(world.refusal(ada, request(1, 0)), ErrorCode::InvalidField);
    assert_eq!(world.refusal(ada, request(99, 1)), ErrorCode::InvalidField);
    let many = u32::try_from(limit::MEMBERS_PAGE_MAX).unwrap() + 1;
    assert_eq!(
        world.refusal(ada, request(1, many)),
        ErrorCode::InvalidField
    );
    let stranger = world.connect("zoe", "web");
    assert_eq!(world.refusal(stranger, request(1, 1)), ErrorCode::NotMember);
}

#[test]
fn a_mark_needs_a_room_one_reads_and_a_place_in_it() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let head = world.say(ada, room, "3").seq;
    let no_thread = placed(room, Some(1), (0, 1));
    assert_eq!(
        world.refusal(bob, Request::Mark(no_thread)),
        ErrorCode::MessageNotFound
    );
    let nowhere = placed(RoomNumber(77), None, (0, 1));
    assert_eq!(
        world.refusal(bob, Request::Mark(nowhere)),
        ErrorCode::NotMember
    );
    let (stream, _) = world.open_stream(bob, Stream::Personal, None);
    let own = placed(stream, None, (0, 1));
    assert_eq!(world.refusal(bob, Request::Mark(own)), ErrorCode::NotHere);
    assert_eq!(world.refusal(ada, Request::Mark(own)), ErrorCode::NotMember);
    world.storage = homeroom_engine::domain::Storage::Full;
    let new = placed(room, None, (0, head.0));
    assert_eq!(
        world.refusal(bob, Request::Mark(new)),
        ErrorCode::StorageFull
    );
    let old = placed(room, None, (0, 1));
    assert_eq!(
        world.mark(bob, old),
        mark(0, 2),
        "what changes nothing writes nothing"
    );
}

#[test]
fn a_mark_above_the_newest_event_counts_as_that() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let head = world.say(ada, room, "x").seq;
    let ahead = placed(room, None, (0, head.0 + 1000));
    assert_eq!(world.mark(bob, ahead), mark(0, head.0));
    world.say(ada, room, "y");
    assert_eq!(world.entry(bob, room).unread, 1);
}

#[test]
fn a_level_is_ones_own_and_ends_with_the_membership() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let (stream, _) = world.open_stream(bob, Stream::Personal, None);
    world.inbox(bob);
    let level = |level| Request::Level { room, level };
    for set in [NotificationLevel::Mentions, NotificationLevel::Nothing] {
        world.done(bob, level(set));
        world.done(bob, level(set));
        assert_eq!(world.entry(bob, room).level, set);
        assert_eq!(
            world.heard(bob, stream),
            [EventBody::LevelSet { room, level: set }]
        );
    }
    assert_eq!(world.entry(ada, room).level, NotificationLevel::All);
    world.done(bob, Request::Leave { room });
    assert_eq!(
        world.refusal(bob, level(NotificationLevel::All)),
        ErrorCode::NotMember
    );
    world.join(bob, "math");
    assert_eq!(world.entry(bob, room).level, NotificationLevel::All);
    let own = Request::Level {
        room: stream,
        level: NotificationLevel::Nothing,
    };
    assert_eq!(world.refusal(bob, own), ErrorCode::NotHere);
}

#[test]
fn a_thread_is_followed_by_its_root() {
    let mut world = World::with(|settings| settings.threads_followed_max = 2);
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let roots: Vec<_> = (0..3).map(|_| world.say(ada, room, "?").seq).collect();
    let follow = |thread, on| Request::Follow { room, thread, on };
    world.done(ada, follow(roots[0], true));
    world.done(ada, follow(roots[0], true));
    world.done(ada, follow(roots[1], true));
    assert_eq!(
        world.refusal(ada, follow(roots[2], true)),
        ErrorCode::TooMany
    );
    assert_eq!(
        world.refusal(ada, follow(seq(1), true)),
        ErrorCode::MessageNotFound
    );
    let threads = world.me(ada).threads;
    let followed: Vec<_> = threads.iter().map(|thread| thread.thread).collect();
    assert_eq!(followed, roots[..2]);
    assert!(
        threads
            .iter()
            .all(|it| (it.mark, it.unread) == (Mark::default(), 0))
    );
    world.done(ada, follow(roots[0], false));
    world.done(ada, follow(seq(1), false));
    world.done(ada, follow(roots[2], true));
    world.done(ada, Request::Leave { room });
    assert_eq!(world.me(ada).threads, []);
    assert_eq!(
        world.refusal(ada, follow(roots[0], false)),
        ErrorCode::NotMember
    );
}

#[test]
fn rooms_are_listed_in_pages() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let eve = world.connect("eve", "web");
    let mut expected = Vec::new();
    for id in ["1", "2", "3", "4", "5"] {
        let invited = id == "3";
        let room = world.create(if invited { eve } else { ada }, id);
        if invited {
            world.measure(eve, room, "ada", homeroom_protocol::Measure::Invite);
        }
        expected.push((room, id.to_owned()));
    }
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let request = Request::Rooms { after, limit: 2 };
        let ServerFrame::Rooms { rooms, more, .. } = world.request(ada, request) else {
            panic!("no rooms");
        };
        assert!(rooms.len() == 2 || !more);
        after = rooms.last().map(|entry| entry.room);
        listed.extend(
            rooms
                .into_iter()
                .map(|entry| (entry.room, entry.id.to_string())),
        );
        if !more {
            break;
        }
    }
    assert_eq!(listed, expected);
    for limit in [0, u32::try_from(limit::ROOMS_PAGE_MAX).unwrap() + 1] {
        let request = Request::Rooms { after: None, limit };
        assert_eq!(world.refusal(ada, request), ErrorCode::InvalidField);
    }
}

#[test]
fn a_page_of_rooms_is_bounded_in_bytes() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    for number in 0..400 {
        let info = homeroom_protocol::RoomInfo {
            topic: Some("x".repeat(limit::ROOM_TOPIC_BYTES_MAX)),
            metadata: vec![0; limit::ROOM_METADATA_BYTES_MAX],
            ..Default::default()
        };
        world.make(ada, &format!("room-{number}"), info, &[]);
    }
    let request = Request::Rooms {
        after: None,
        limit: 512,
    };
    let ServerFrame::Rooms { rooms, more, .. } = world.request(ada, request) else {
        panic!("no rooms");
    };
    assert!(more && rooms.len() < 300, "{}", rooms.len());
    assert!(rooms.iter().all(|entry| entry.info.metadata.is_empty()));
    assert_eq!(world.my_rooms(ada).len(), 400);
}

#[test]
fn whom_one_blocks_is_ones_own_and_bounded() {
    let mut world = World::with(|settings| settings.blocked_per_user_max = 1);
    let ada = world.connect("ada", "web");
    let block = |name: &str, on| Request::Block {
        user: user(name),
        on,
    };
    world.done(ada, block("eve", false));
    assert_eq!(world.log_len(), 0, "it was so already");
    world.done(ada, block("eve", true));
    assert_eq!(world.me(ada).blocked, [user("eve")]);
    assert_eq!(world.refusal(ada, block("bob", true)), ErrorCode::TooMany);
    world.done(ada, block("eve", true));
    world.done(ada, block("eve", false));
    world.done(ada, block("bob", true));
    assert_eq!(
        world.refusal(ada, block("ada", true)),
        ErrorCode::InvalidField
    );
    let service = block("service:timetable", true);
    assert_eq!(world.refusal(ada, service), ErrorCode::InvalidField);
    let eve = world.connect("eve", "web");
    assert_eq!(world.me(eve).blocked, []);
}

#[test]
fn a_removed_room_is_in_no_list() {
    let (mut world, ada, bob, room) = two_in_a_room();
    world.measure(ada, room, "bob", homeroom_protocol::Measure::Ban);
    assert_eq!(world.my_rooms(bob), []);
    world.disconnect(bob, Disconnection::Clean);
    world.crash();
    let bob = world.connect("bob", "web");
    assert_eq!(world.my_rooms(bob), []);
    assert_eq!(world.refusal(bob, join("math", None)), ErrorCode::Banned);
}
