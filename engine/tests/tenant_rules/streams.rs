//! User streams: what concerns one person across rooms, resumed like a room.

use homeroom_engine::tenant::Disconnection;
use homeroom_protocol::{
    ErrorCode, EventBody, Measure, PlaceChange, Position, Request, ResetReason, RoomKind,
    RoomNumber, ServerFrame, Stream,
};

use crate::{
    scenes::placed,
    support::{World, answer, join, send, seq, seqs, two_in_a_room, user},
};

const fn personal(resume: Option<Position>) -> Request {
    Request::Stream {
        stream: Stream::Personal,
        resume,
    }
}

#[test]
fn a_stream_begins_when_it_is_first_needed() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    assert_eq!(world.me(ada).stream, None);
    assert_eq!(world.log_len(), 0);
    let (stream, position) = world.open_stream(ada, Stream::Personal, None);
    assert_eq!(position.seq, seq(1));
    assert_eq!(world.me(ada).stream, Some(position));
    let (again, _) = world.open_stream(ada, Stream::Personal, None);
    assert_eq!((again, world.log_len()), (stream, 1));
    let room = world.create(ada, "math");
    assert_eq!(
        world.places(ada, stream),
        [(room, PlaceChange::Joined, user("ada"))]
    );
    assert_eq!(
        world.tenant.room(stream).unwrap().info().kind,
        RoomKind::Personal
    );
}

#[test]
fn a_stream_is_resumed_like_a_room() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let (stream, position) = world.open_stream(bob, Stream::Personal, None);
    world.disconnect(bob, Disconnection::Vanished);
    world.say(ada, room, "3");
    let other = world.connect("bob", "phone");
    world.mark(other, placed(room, None, (0, 3)));
    world.measure(ada, room, "bob", Measure::Remove);
    world.crash();

    let bob = world.connect("bob", "web");
    let (again, from) = world.open_stream(bob, Stream::Personal, Some(position));
    assert_eq!((again, from), (stream, position));
    let bodies = world.heard(bob, stream);
    let [
        EventBody::Marked { .. },
        EventBody::PlaceChanged { change, .. },
    ] = &bodies[..]
    else {
        panic!("not what was missed: {bodies:?}");
    };
    assert_eq!(*change, PlaceChange::Removed);

    world.restore(1);
    let bob = world.connect("bob", "web");
    let reply = world.request(bob, personal(Some(position)));
    let ServerFrame::Joined { reset, .. } = reply else {
        panic!("not opened: {reply:?}");
    };
    assert_eq!(reset, Some(ResetReason::EpochChanged));
}

#[test]
fn a_stream_is_nobody_elses_and_no_room() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let (stream, _) = world.open_stream(ada, Stream::Personal, None);
    assert_eq!(world.my_rooms(ada), []);
    let members = |room| Request::Members {
        room,
        after: None,
        limit: 1,
    };
    assert_eq!(world.refusal(bob, members(stream)), ErrorCode::NotMember);
    assert_eq!(
        world.refusal(bob, send(1, stream, "hi")),
        ErrorCode::NotMember
    );
    assert_eq!(
        world.refusal(bob, Request::Leave { room: stream }),
        ErrorCode::NotMember
    );
    assert_eq!(
        world.refusal(ada, send(1, stream, "hi")),
        ErrorCode::NotHere
    );
    assert_eq!(
        world.refusal(ada, Request::Leave { room: stream }),
        ErrorCode::NotHere
    );
    for what in [Measure::Add, Measure::Invite, Measure::Ban, Measure::Mute] {
        let refused = world.refused_measure(ada, stream, "bob", what);
        assert_eq!(refused, ErrorCode::NotHere, "{what:?}");
    }
    let change = Request::ChangeRoom {
        key: crate::support::key(9),
        room: stream,
        changes: vec![homeroom_protocol::RoomChange::Title(None)],
    };
    assert_eq!(world.refusal(ada, change), ErrorCode::NotHere);
}

#[test]
fn streams_count_neither_as_rooms_nor_as_memberships() {
    let mut world = World::with(|settings| {
        settings.rooms_max = 1;
        settings.rooms_per_user_max = 1;
    });
    let ada = world.connect("ada", "web");
    world.open_stream(ada, Stream::Personal, None);
    world.create(ada, "math");
    let bob = world.connect("bob", "web");
    world.join(bob, "math");
    world.open_stream(bob, Stream::Personal, None);
}

#[test]
fn a_stream_takes_one_of_the_places_to_listen() {
    let mut world = World::with(|settings| settings.rooms_per_connection_max = 1);
    let ada = world.connect("ada", "web");
    world.open_room(ada, "math");
    assert_eq!(world.refusal(ada, personal(None)), ErrorCode::TooMany);
    let phone = world.connect("ada", "phone");
    world.open_stream(phone, Stream::Personal, None);
    world.open_stream(phone, Stream::Personal, None);
    assert_eq!(world.refusal(phone, join("math", None)), ErrorCode::TooMany);
}

#[test]
fn on_a_full_disk_a_stream_is_opened_only_when_it_is_there() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    world.create(ada, "math");
    let bob = world.connect("bob", "web");
    world.open_stream(ada, Stream::Personal, None);
    world.storage = homeroom_engine::domain::Storage::Full;
    world.open_stream(ada, Stream::Personal, None);
    assert_eq!(world.refusal(bob, personal(None)), ErrorCode::StorageFull);
    world.me(bob);
}

#[test]
fn what_concerns_a_person_is_durable_with_its_cause_or_not_at_all() {
    let (mut world, ada, bob, room) = two_in_a_room();
    world.open_stream(bob, Stream::Personal, None);
    world.sync_at_once = false;
    let id = world.post(ada, crate::scenes::measure(1, room, "bob", Measure::Remove));
    // Half of the commit is not a commit.
    let half = world.log_len() - 1;
    world.sync_to(half);
    assert_eq!(world.reply(ada, id), None);
    world.crash();
    let bob_again = world.connect_as(crate::support::identity("bob", "web"));
    world.sync();
    assert!(matches!(
        world.inbox(bob_again)[..],
        [ServerFrame::Welcome(_)]
    ));
    world.join(bob_again, "math");
    assert_eq!(world.tenant.room(room).unwrap().head().seq, seq(2));
    let _ = bob;
}

/// The list of one's rooms and the stream from that moment on come to the list fetched afresh.
#[test]
fn the_list_and_what_follows_is_the_list_fetched_afresh() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let (stream, _) = world.open_stream(bob, Stream::Personal, None);
    let list = |world: &mut World| -> Vec<_> {
        let rooms = world.my_rooms(bob).into_iter();
        rooms.map(|entry| (entry.room, entry.standing)).collect()
    };
    let mut known = list(&mut world);
    world.inbox(bob);
    let math = world.create(ada, "math");
    let staff = world.make(ada, "staff", crate::scenes::of_kind(RoomKind::Private), &[]);
    for step in 0..8 {
        match step {
            0 => _ = world.join(bob, "math"),
            1 => _ = world.measure(ada, staff, "bob", Measure::Invite),
            2 => _ = world.measure(bob, staff, "bob", Measure::Uninvite),
            3 => _ = world.measure(ada, staff, "bob", Measure::Add),
            4 => _ = world.measure(ada, staff, "bob", Measure::Remove),
            5 => world.done(bob, Request::Leave { room: math }),
            6 => _ = world.measure(ada, math, "bob", Measure::Ban),
            _ => _ = world.measure(ada, math, "bob", Measure::Unban),
        }
        for (room, change, _) in world.places(bob, stream) {
            fold(&mut known, room, change);
        }
        assert_eq!(known, list(&mut world), "step {step}");
    }
}

fn fold(
    known: &mut Vec<(RoomNumber, homeroom_protocol::Standing)>,
    room: RoomNumber,
    change: PlaceChange,
) {
    use homeroom_protocol::Standing::{Invited, Member};

    known.retain(|(other, _)| *other != room || change == PlaceChange::Unbanned);
    match change {
        PlaceChange::Joined | PlaceChange::Added => known.push((room, Member)),
        PlaceChange::Invited => known.push((room, Invited)),
        PlaceChange::Left
        | PlaceChange::Removed
        | PlaceChange::Uninvited
        | PlaceChange::Banned
        | PlaceChange::Unbanned => {}
    }
    known.sort_unstable_by_key(|(room, _)| *room);
}

#[test]
fn a_retry_of_a_measure_changes_nothing_after_a_restart() {
    let (mut world, ada, _, room) = two_in_a_room();
    let remove = crate::scenes::measure(5, room, "bob", Measure::Remove);
    let first = answer(&world.request(ada, remove.clone()));
    world.crash();
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    world.join(bob, "math");
    let log_len = world.log_len();
    assert_eq!(answer(&world.request(ada, remove)), first);
    assert_eq!(world.log_len(), log_len);
    let frames = world.inbox(bob);
    assert_eq!(seqs(&frames), [0; 0]);
}
