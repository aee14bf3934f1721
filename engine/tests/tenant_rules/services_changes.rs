//! An app's own back end makes rooms of every kind, changes them, keeps people out, and takes back what was
//! said: by the rules that clients meet.

use homeroom_engine::{
    identity::Actor,
    tenant::{Moderation, ServiceAnswer, ServiceRequest},
};
use homeroom_protocol::{
    ConnectionId, Durability, ErrorCode, EventBody, Measure, RemovedReason, Request, Retention,
    RoomChange, RoomInfo, RoomKind, RoomNumber, ServerFrame, Timestamp, limit,
};

use crate::{
    scenes::of_kind,
    services::{bodies, code, id, placed, publish, removals},
    support::{World, as_user, itself, join, key, send, seq, two_in_a_room, user},
};

fn make(number: u64, room: &str, info: RoomInfo, members: &[&str]) -> ServiceRequest {
    ServiceRequest::CreateRoom {
        key: key(number),
        room: id(room),
        info,
        members: members.iter().map(|name| user(name)).collect(),
    }
}

fn change(number: u64, changes: Vec<RoomChange>) -> ServiceRequest {
    ServiceRequest::ChangeRoom {
        key: key(number),
        room: id("math"),
        changes,
    }
}

fn take(measure: Measure) -> ServiceRequest {
    let moderation = Moderation::new(user("bob"), measure);
    ServiceRequest::Moderate {
        room: id("math"),
        moderation,
    }
}

fn edit(number: u64, target: u64, text: &str) -> ServiceRequest {
    ServiceRequest::Edit {
        key: key(number),
        room: id("math"),
        target: seq(target),
        draft: text.into(),
    }
}

fn delete(number: u64, target: u64) -> ServiceRequest {
    ServiceRequest::Delete {
        key: key(number),
        room: id("math"),
        target: seq(target),
    }
}

fn info_of(world: &mut World, room: &str) -> RoomInfo {
    let request = ServiceRequest::Room { room: id(room) };
    match world.serve(itself(), request) {
        Ok(ServiceAnswer::Room(room)) => room.info,
        other => panic!("no room: {other:?}"),
    }
}

#[test]
fn a_room_of_any_kind_is_made_as_it_was_asked_for() {
    let mut world = World::new();
    let kinds = [
        RoomKind::Open,
        RoomKind::Private,
        RoomKind::Direct,
        RoomKind::Announcement,
    ];
    for (number, kind) in (1..).zip(kinds) {
        let info = RoomInfo {
            title: Some("Class 7b".into()),
            topic: Some("algebra".into()),
            metadata: vec![1, 2],
            retention: Retention::Days(30),
            durability: Durability::None,
            slow_mode_ms: 1_000,
            ..of_kind(kind)
        };
        let name = format!("{kind:?}");
        let request = make(number, &name, info.clone(), &["ada", "bob"]);
        let made = placed(world.serve(itself(), request.clone()));
        assert!(!made.already);
        assert_eq!(info_of(&mut world, &name), info);
        let again = placed(world.serve(itself(), request));
        assert!(again.already && again.position == made.position);
        let other = make(number, &name, info, &["ada", "eve"]);
        assert_eq!(code(world.serve(itself(), other)), ErrorCode::KeyConflict);
        let ada = world.connect("ada", &name);
        let joined = world.request(ada, join(&name, Some(made.position)));
        assert!(matches!(joined, ServerFrame::Joined { members: 2, .. }));
    }
}

#[test]
fn a_room_that_cannot_be_is_not_made_for_a_back_end_either() {
    let mut world = World::new();
    let too_long = RoomInfo {
        topic: Some("a".repeat(limit::ROOM_TOPIC_BYTES_MAX + 1)),
        ..RoomInfo::default()
    };
    let refused = [
        make(1, "a", of_kind(RoomKind::Direct), &["ada"]),
        make(2, "a", of_kind(RoomKind::Personal), &[]),
        make(3, "a", of_kind(RoomKind::Moderation), &[]),
        make(4, "a", of_kind(RoomKind::Open), &["service:x"]),
        make(5, "a", too_long, &[]),
    ];
    for request in refused {
        let answer = world.serve(itself(), request.clone());
        assert_eq!(code(answer), ErrorCode::InvalidField, "{request:?}");
    }
    // As a user it may what that user may: naming first members needs a permission.
    let named = make(6, "a", of_kind(RoomKind::Open), &["bob"]);
    let answer = world.serve(as_user("ada"), named);
    assert_eq!(code(answer), ErrorCode::Forbidden);
    assert!(world.events().is_empty());
}

#[test]
fn a_room_is_changed_and_archived_once_for_each_key() {
    let (mut world, ada, _, room) = two_in_a_room();
    let topic = || vec![RoomChange::Topic(Some("algebra".into()))];
    let changed = placed(world.serve(itself(), change(1, topic())));
    assert!(!changed.already);
    assert!(placed(world.serve(itself(), change(1, topic()))).already);
    let other = change(1, vec![RoomChange::Topic(None)]);
    assert_eq!(code(world.serve(itself(), other)), ErrorCode::KeyConflict);
    let told = bodies(&world.inbox(ada));
    let expected = EventBody::RoomChanged { changes: topic() };
    assert_eq!(told, [("service:timetable".to_owned(), expected)]);
    assert_eq!(info_of(&mut world, "math").topic, Some("algebra".into()));

    placed(world.serve(itself(), change(2, vec![RoomChange::Archived(true)])));
    let refused = world.refusal(ada, send(3, room, "late"));
    assert_eq!(refused, ErrorCode::Archived);
    let answer = world.serve(itself(), publish(3, "math", "late"));
    assert_eq!(code(answer), ErrorCode::Archived);
    placed(world.serve(itself(), change(4, vec![RoomChange::Archived(false)])));
    world.say(ada, room, "again");

    let refused = world.serve(as_user("bob"), change(5, topic()));
    assert_eq!(code(refused), ErrorCode::Forbidden);
    let refused = world.serve(itself(), change(6, vec![]));
    assert_eq!(code(refused), ErrorCode::InvalidField);
}

#[test]
fn whoever_a_back_end_bans_is_out_at_once_and_until_it_is_lifted() {
    let (mut world, _, bob, room) = two_in_a_room();
    let ban = take(Measure::Ban);
    let banned = placed(world.serve(itself(), ban.clone()));
    let told = removals(&world.inbox(bob));
    assert_eq!(told, [(room, RemovedReason::Banned)]);
    let again = world.serve(itself(), ban);
    assert_eq!(again, Ok(ServiceAnswer::Membership(None)));
    assert_eq!(world.refusal(bob, join("math", None)), ErrorCode::Banned);
    let unbanned = placed(world.serve(itself(), take(Measure::Unban)));
    assert_eq!(unbanned.position.seq, banned.position.seq.next());
    world.join(bob, "math");

    let until = Timestamp(world.now.0 + 60_000);
    let for_a_minute = Moderation {
        until: Some(until),
        reason: Some("spam".into()),
        ..Moderation::new(user("bob"), Measure::Mute)
    };
    let mute = ServiceRequest::Moderate {
        room: id("math"),
        moderation: for_a_minute,
    };
    placed(world.serve(itself(), mute));
    let refused = world.refusal(bob, send(1, room, "but"));
    assert_eq!(refused, ErrorCode::Muted);
    world.pass(60_000);
    world.say(bob, room, "at last");
    placed(world.serve(itself(), take(Measure::Mute)));
    placed(world.serve(itself(), take(Measure::Unmute)));
    world.say(bob, room, "thanks");
}

#[test]
fn a_measure_is_refused_to_a_back_end_as_to_anybody() {
    let (mut world, ..) = two_in_a_room();
    let elsewhere = ServiceRequest::Moderate {
        room: id("art"),
        moderation: Moderation::new(user("bob"), Measure::Ban),
    };
    let answer = world.serve(itself(), elsewhere);
    assert_eq!(code(answer), ErrorCode::RoomNotFound);
    let past = ServiceRequest::Moderate {
        room: id("math"),
        moderation: Moderation {
            until: Some(world.now),
            ..Moderation::new(user("bob"), Measure::Ban)
        },
    };
    assert_eq!(code(world.serve(itself(), past)), ErrorCode::InvalidField);
    placed(world.serve(itself(), take(Measure::Ban)));
    let add = world.serve(itself(), take(Measure::Add));
    assert_eq!(code(add), ErrorCode::Banned);
    let as_member = world.serve(as_user("eve"), take(Measure::Unban));
    assert_eq!(code(as_member), ErrorCode::NotMember);
    world
        .serve(
            itself(),
            make(1, "two", of_kind(RoomKind::Direct), &["ada", "bob"]),
        )
        .unwrap();
    let direct = ServiceRequest::Moderate {
        room: id("two"),
        moderation: Moderation::new(user("bob"), Measure::Ban),
    };
    assert_eq!(code(world.serve(itself(), direct)), ErrorCode::NotHere);
}

/// What a room says of a message now.
fn newest(world: &mut World, ada: ConnectionId, room: RoomNumber, target: u64) -> EventBody {
    let request = Request::History {
        room,
        direction: homeroom_protocol::Direction::Around,
        anchor: seq(target),
        limit: 1,
        thread: None,
    };
    match world.request(ada, request) {
        ServerFrame::Page { mut events, .. } => events.remove(0).body,
        other => panic!("no page: {other:?}"),
    }
}

#[test]
fn a_back_end_edits_its_own_words_alone() {
    let (mut world, ada, _, room) = two_in_a_room();
    let hers = world.say(ada, room, "hello").seq;
    let own = placed(world.serve(itself(), publish(1, "math", "The bel")))
        .position
        .seq;
    let edited = placed(world.serve(itself(), edit(2, own.0, "The bell")));
    assert!(!edited.already);
    let again = placed(world.serve(itself(), edit(2, own.0, "The bell")));
    assert!(again.already && again.position == edited.position);
    let other = world.serve(itself(), edit(2, own.0, "The ball"));
    assert_eq!(code(other), ErrorCode::KeyConflict);
    let body = newest(&mut world, ada, room, own.0);
    assert!(matches!(body, EventBody::Message(message) if message.text == "The bell"));

    let refused = world.serve(itself(), edit(3, hers.0, "bye"));
    assert_eq!(code(refused), ErrorCode::Forbidden);
    placed(world.serve(as_user("ada"), edit(4, hers.0, "hello!")));
    let refused = world.serve(as_user("eve"), edit(5, hers.0, "bye"));
    assert_eq!(code(refused), ErrorCode::NotMember);
    let refused = world.serve(itself(), edit(6, 1, "no message"));
    assert_eq!(code(refused), ErrorCode::MessageNotFound);
    let refused = world.serve(itself(), edit(7, own.0, ""));
    assert_eq!(code(refused), ErrorCode::InvalidField);
}

#[test]
fn what_a_back_end_takes_back_is_said_to_be_taken_back_by_a_moderator() {
    let told = |world: &mut World, connection| {
        let mut told = bodies(&world.inbox(connection));
        match told.pop() {
            Some((_, EventBody::MessageDeleted { by_moderator, .. })) => by_moderator,
            other => panic!("not deleted: {other:?}"),
        }
    };
    let cases: [(Actor, bool); 2] = [(itself(), true), (as_user("ada"), false)];
    for (actor, by_moderator) in cases {
        let (mut world, ada, bob, room) = two_in_a_room();
        let hers = world.say(ada, room, "hello").seq;
        let refused = world.serve(as_user("bob"), delete(1, hers.0));
        assert_eq!(code(refused), ErrorCode::Forbidden);
        world.inbox(bob);
        let deleted = placed(world.serve(actor.clone(), delete(2, hers.0)));
        assert_eq!(told(&mut world, bob), by_moderator);
        let body = newest(&mut world, ada, room, hers.0);
        assert!(
            matches!(body, EventBody::Tombstone { by_moderator: said, .. } if said == by_moderator)
        );
        let again = placed(world.serve(actor.clone(), delete(2, hers.0)));
        assert!(again.already && again.position == deleted.position);
        let refused = world.serve(actor, delete(3, hers.0));
        assert_eq!(code(refused), ErrorCode::MessageNotFound);
    }
}

#[test]
fn what_a_service_says_itself_and_takes_back_is_its_own() {
    let (mut world, ..) = two_in_a_room();
    let own = placed(world.serve(itself(), publish(1, "math", "oh")))
        .position
        .seq;
    world.crash();
    placed(world.serve(itself(), delete(2, own.0)));
    let events = world.events();
    let last = events.last().unwrap();
    let EventBody::MessageDeleted { by_moderator, .. } = &last.body else {
        panic!("not deleted: {last:?}");
    };
    assert!(!by_moderator);
}
