//! An app's own back end takes part: the same rules, no connection, no presence.

use homeroom_engine::{
    domain::{Domain, HistoryError, Storage},
    identity::{Actor, Identity},
    log::LogPosition,
    tenant::{
        Answered, HistoryPage, MembersPage, Placed, RoomSummary, ServiceAnswer, ServiceRequest,
    },
};
use homeroom_protocol::{
    CloseCode, DeviceId, Direction, ErrorCode, EventBody, Presence, RemovedReason, Request, RoomId,
    RoomInfo, RoomNumber, ServerFrame, limit,
};

use crate::support::{
    World, answer, as_user, durable_state, itself, key, seq, seqs, service_input, two_in_a_room,
    typing, user, watch,
};

pub(crate) fn id(room: &str) -> RoomId {
    RoomId::new(room).unwrap()
}

pub(crate) fn publish(number: u64, room: &str, text: &str) -> ServiceRequest {
    ServiceRequest::Publish {
        key: key(number),
        room: id(room),
        draft: text.into(),
    }
}

fn create(number: u64, room: &str) -> ServiceRequest {
    ServiceRequest::CreateRoom {
        key: key(number),
        room: id(room),
        info: RoomInfo::default(),
        members: Vec::new(),
    }
}

fn add(room: &str, member: &str) -> ServiceRequest {
    ServiceRequest::AddMember {
        room: id(room),
        member: user(member),
    }
}

fn kick(room: &str, member: &str) -> ServiceRequest {
    ServiceRequest::RemoveMember {
        room: id(room),
        member: user(member),
    }
}

fn members(room: &str) -> ServiceRequest {
    ServiceRequest::Members {
        room: id(room),
        after: None,
        limit: 100,
    }
}

fn history(room: &str, limit: u32) -> ServiceRequest {
    ServiceRequest::History {
        room: id(room),
        direction: Direction::Before,
        anchor: None,
        limit,
    }
}

pub(crate) fn placed(answer: Answered) -> Placed {
    match answer {
        Ok(ServiceAnswer::Placed(placed) | ServiceAnswer::Membership(Some(placed))) => placed,
        other => panic!("nothing took a place: {other:?}"),
    }
}

pub(crate) fn code(answer: Answered) -> ErrorCode {
    answer.expect_err("refused").code
}

pub(crate) fn bodies(frames: &[ServerFrame]) -> Vec<(String, EventBody)> {
    let body = |frame: &ServerFrame| match frame {
        ServerFrame::Event { event, .. } => Some((event.author.to_string(), event.body.clone())),
        _ => None,
    };
    frames.iter().filter_map(body).collect()
}

pub(crate) fn removals(frames: &[ServerFrame]) -> Vec<(RoomNumber, RemovedReason)> {
    let removal = |frame: &ServerFrame| match frame {
        ServerFrame::Removed { room, reason } => Some((*room, *reason)),
        _ => None,
    };
    frames.iter().filter_map(removal).collect()
}

#[test]
fn what_a_service_publishes_is_heard_under_its_own_name_or_that_of_a_user() {
    let (mut world, ada, bob, _) = two_in_a_room();
    let own = placed(world.serve(itself(), publish(1, "math", "lesson begins")));
    let hers = placed(world.serve(as_user("ada"), publish(1, "math", "I am late")));
    assert_eq!(hers.position.seq, own.position.seq.next());
    let said = |text: &str| EventBody::Message(text.into());
    for connection in [ada, bob] {
        assert_eq!(
            bodies(&world.inbox(connection)),
            [
                ("service:timetable".into(), said("lesson begins")),
                ("ada".into(), said("I am late"))
            ]
        );
    }
}

#[test]
fn a_service_has_no_presence_and_keeps_nobody_awake() {
    let mut world = World::new();
    placed(world.serve(itself(), create(1, "math")));
    placed(world.serve(itself(), publish(2, "math", "hello")));
    placed(world.serve(as_user("eve"), create(3, "art")));
    assert!(world.tenant.is_idle());
    assert_eq!(world.tenant.next_deadline(), None);
    assert_eq!(world.tenant.presence(&user("eve")), Presence::Offline);
    assert_eq!(
        world.tenant.presence(&user("service:timetable")),
        Presence::Offline
    );
    let rooms: Vec<_> = world
        .tenant
        .rooms()
        .filter(|room| room.id().is_some())
        .map(|room| room.members_count())
        .collect();
    assert_eq!(
        rooms,
        [0, 1],
        "a service's room is empty, a user's has its maker"
    );
}

#[test]
fn nobody_connects_or_acts_under_the_name_of_a_service() {
    let mut world = World::new();
    let name = user("service:timetable");
    let connection = world.connect_as(Identity::new(name, DeviceId::new("web").unwrap()));
    assert_eq!(
        world.hub.closed.get(&connection),
        Some(&CloseCode::Unauthenticated)
    );
    placed(world.serve(itself(), create(1, "math")));
    let other = Actor::User(user("service:payroll"));
    assert_eq!(
        code(world.serve(other, publish(2, "math", "pay"))),
        ErrorCode::InvalidField
    );
    assert_eq!(
        code(world.serve(itself(), add("math", "service:payroll"))),
        ErrorCode::InvalidField
    );
}

#[test]
fn who_speaks_as_a_user_may_do_what_that_user_may() {
    let (mut world, ..) = two_in_a_room();
    placed(world.serve(itself(), create(1, "staff")));
    for request in [
        publish(2, "staff", "hello"),
        history("staff", 5),
        members("staff"),
        add("staff", "eve"),
        kick("staff", "eve"),
        ServiceRequest::Room { room: id("staff") },
    ] {
        let refused = world.serve(as_user("ada"), request.clone());
        assert_eq!(code(refused), ErrorCode::NotMember, "{request:?}");
    }
    let nowhere = world.serve(as_user("ada"), publish(2, "nowhere", "hello"));
    assert_eq!(code(nowhere), ErrorCode::RoomNotFound);
    assert_eq!(
        code(world.serve(itself(), members("nowhere"))),
        ErrorCode::RoomNotFound
    );
}

#[test]
fn a_retry_of_a_service_gives_the_same_answer_across_restarts_and_from_the_index() {
    let mut world = World::with(|settings| settings.keys_in_memory_max = 2);
    let made = placed(world.serve(itself(), create(1, "math")));
    let first = placed(world.serve(itself(), publish(2, "math", "once")));
    assert_eq!(world.questions, 0);
    for number in 10..15 {
        placed(world.serve(itself(), publish(number, "math", "more")));
    }
    let log_len = world.log_len();
    for _ in 0..2 {
        let asked = world.questions;
        let again = |placed| Placed {
            already: true,
            ..placed
        };
        let retry = placed(world.serve(itself(), publish(2, "math", "once")));
        assert_eq!(retry, again(first));
        assert_eq!(
            placed(world.serve(itself(), create(1, "math"))),
            again(made)
        );
        assert_eq!(world.questions, asked + 2, "only the index still knows");
        for other in [publish(2, "math", "other"), create(2, "art")] {
            assert_eq!(code(world.serve(itself(), other)), ErrorCode::KeyConflict);
        }
        let snapshot = durable_state(&world.tenant);
        world.crash_with(&snapshot, LogPosition(log_len as u64));
    }
    assert_eq!(world.log_len(), log_len);
}

#[test]
fn a_key_is_scoped_to_the_actor_whoever_brings_it() {
    let (mut world, ada, _, room) = two_in_a_room();
    let own = placed(world.serve(itself(), publish(1, "math", "hello")));
    let by_ada = placed(world.serve(as_user("ada"), publish(1, "math", "hello")));
    let by_bob = placed(world.serve(as_user("bob"), publish(1, "math", "hello")));
    assert_ne!(own.position, by_ada.position);
    assert_ne!(by_ada.position, by_bob.position);
    let reply = world.request(ada, crate::support::send(1, room, "hello"));
    assert_eq!(
        answer(&reply).0,
        by_ada.position,
        "her own client's retry finds it as well"
    );
}

#[test]
fn a_key_that_cannot_be_looked_up_is_refused_for_now() {
    let mut world = World::with(|settings| settings.keys_in_memory_max = 1);
    placed(world.serve(itself(), create(1, "math")));
    placed(world.serve(itself(), publish(2, "math", "2")));
    world.broken_history = Some(HistoryError::Unreadable);
    let refused = world
        .serve(itself(), publish(1, "math", "new"))
        .unwrap_err();
    assert_eq!(refused.code, ErrorCode::StorageFailed);
    assert_eq!(
        refused.retry_after_ms,
        Some(world.seed.settings.retry_after_ms)
    );
    assert_eq!(
        code(world.serve(itself(), history("math", 5))),
        ErrorCode::StorageFailed
    );
}

#[test]
fn answers_and_refusals_wait_for_the_log() {
    let mut world = World::new();
    world.sync_at_once = false;
    let made = world.serve_later(itself(), create(1, "math"));
    let refused = world.serve_later(itself(), create(2, "math"));
    let read = world.serve_later(itself(), members("math"));
    assert_eq!(made.take(), None);
    assert_eq!(refused.take(), None, "a refusal tells of the room as well");
    assert_eq!(read.take(), None);
    world.sync();
    placed(made.take().unwrap());
    assert_eq!(code(refused.take().unwrap()), ErrorCode::RoomExists);
    assert!(read.take().unwrap().is_ok());
}

#[test]
fn a_user_is_added_once_and_joins_as_the_member_they_are() {
    let mut world = World::new();
    placed(world.serve(itself(), create(1, "math")));
    let added = placed(world.serve(itself(), add("math", "ada")));
    assert_eq!(added.position.seq, seq(2));
    let again = world.serve(itself(), add("math", "ada"));
    assert_eq!(again, Ok(ServiceAnswer::Membership(None)));
    world.crash();
    let ada = world.connect("ada", "web");
    assert!(
        world.inbox(ada).is_empty(),
        "a connection is never joined by force"
    );
    world.join(ada, "math");
    let room = world.tenant.rooms().next().unwrap();
    assert_eq!(room.head().seq, seq(2), "she was a member already");
    let Ok(ServiceAnswer::Members(page)) = world.serve(itself(), members("math")) else {
        panic!("not the members");
    };
    assert_eq!(
        page,
        MembersPage {
            users: vec![user("ada")],
            more: false
        }
    );
    let unasked = world.serve(as_user("ada"), add("math", "bob"));
    assert_eq!(code(unasked), ErrorCode::Forbidden, "a member like others");
    let bob = placed(world.serve(itself(), add("math", "bob")));
    assert_eq!(
        bodies(&world.inbox(ada)),
        [(
            "service:timetable".into(),
            EventBody::MemberAdded {
                member: user("bob")
            }
        )]
    );
    assert_eq!(bob.position.seq, seq(3));
}

#[test]
fn adding_keeps_to_the_bounds_of_room_and_user() {
    let mut world = World::with(|settings| {
        settings.members_per_room_max = 2;
        settings.rooms_per_user_max = 1;
    });
    placed(world.serve(itself(), create(1, "math")));
    placed(world.serve(itself(), create(2, "art")));
    placed(world.serve(itself(), add("math", "ada")));
    assert_eq!(
        code(world.serve(itself(), add("art", "ada"))),
        ErrorCode::TooMany
    );
    placed(world.serve(itself(), add("math", "bob")));
    assert_eq!(
        code(world.serve(itself(), add("math", "eve"))),
        ErrorCode::TooMany
    );
    world.storage = Storage::Full;
    for request in [add("art", "eve"), kick("math", "ada"), create(3, "music")] {
        let refused = world.serve(itself(), request).unwrap_err();
        assert_eq!(refused.code, ErrorCode::StorageFull);
        assert!(refused.retry_after_ms.is_some());
    }
    let done = world.serve(itself(), kick("math", "eve"));
    assert_eq!(
        done,
        Ok(ServiceAnswer::Membership(None)),
        "nothing to store"
    );
}

#[test]
fn a_kick_ends_the_membership_on_every_connection_before_it_is_durable() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let phone = world.connect("bob", "phone");
    world.join(phone, "math");
    world.request(bob, typing(room, true));
    world.request(ada, watch(&["bob"]));
    for connection in [ada, bob, phone] {
        world.inbox(connection);
    }
    world.sync_at_once = false;
    let kicked = world.serve_later(itself(), kick("math", "bob"));
    for connection in [bob, phone] {
        assert!(!world.hub.hears(connection, room));
    }
    assert!(world.hub.view(ada).is_empty(), "they share no room now");
    assert_eq!(
        world.typists(ada),
        [(vec![], 0)],
        "who is gone types no more"
    );
    world.post(ada, crate::support::send(7, room, "he is gone"));
    world.sync();
    let removed = placed(kicked.take().unwrap());
    for connection in [bob, phone] {
        let frames = world.inbox(connection);
        assert!(seqs(&frames).is_empty(), "{frames:?}");
        assert_eq!(removals(&frames), [(room, RemovedReason::Removed)]);
    }
    let heard = bodies(&world.inbox(ada));
    let removal = EventBody::MemberRemoved {
        member: user("bob"),
    };
    assert_eq!(heard[0], ("service:timetable".into(), removal));
    assert_eq!(heard.len(), 2);
    let again = world.serve(itself(), kick("math", "bob"));
    assert_eq!(again, Ok(ServiceAnswer::Membership(None)));
    world.crash();
    let Ok(ServiceAnswer::Room(room)) =
        world.serve(itself(), ServiceRequest::Room { room: id("math") })
    else {
        panic!("no room");
    };
    assert_eq!(
        room,
        RoomSummary {
            info: RoomInfo::default(),
            head: homeroom_protocol::Position {
                seq: removed.position.seq.next(),
                ..removed.position
            },
            time: removed.time,
            members: 1
        }
    );
}

#[test]
fn a_kick_voids_a_listening_that_is_still_held() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let bob = world.connect("bob", "web");
    world.sync_at_once = false;
    world.post(bob, crate::support::join("math", None));
    let joined = world.log_len();
    world.post(ada, crate::support::send(1, room, "between"));
    let between = world.log_len();
    let kicked = world.serve_later(itself(), kick("math", "bob"));
    // The joining becomes durable, and then what lies between it and the kick: after the kick was
    // applied nothing of the room may reach him.
    for durable in [joined, between] {
        world.sync_to(durable);
        assert!(!world.hub.hears(bob, room), "durable up to {durable}");
    }
    world.sync();
    placed(kicked.take().unwrap());
    let frames = world.inbox(bob);
    assert!(seqs(&frames).is_empty(), "{frames:?}");
    assert_eq!(removals(&frames), [(room, RemovedReason::Removed)]);
}

#[test]
fn a_kick_leaves_a_later_listening_alone() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let room = world.open_room(ada, "math");
    let bob = world.connect("bob", "web");
    world.sync_at_once = false;
    world.post(bob, crate::support::join("math", None));
    world.serve_later(itself(), kick("math", "bob"));
    world.post(bob, crate::support::join("math", None));
    world.sync();
    assert!(world.hub.hears(bob, room), "an open room: he may come back");
    world.inbox(bob);
    world.sync_at_once = true;
    world.say(ada, room, "welcome back");
    assert_eq!(seqs(&world.inbox(bob)).len(), 1);
}

#[test]
fn a_kick_takes_back_the_replies_that_would_show_the_room() {
    let (mut world, ada, bob, room) = two_in_a_room();
    world.sync_at_once = false;
    world.post(ada, crate::support::send(1, room, "not durable yet"));
    let page = world.post(
        bob,
        Request::History {
            room,
            direction: Direction::Before,
            anchor: seq(99),
            limit: 5,
            thread: None,
        },
    );
    let list = world.post(
        bob,
        Request::Members {
            room,
            after: None,
            limit: 5,
        },
    );
    world.serve_later(itself(), kick("math", "bob"));
    world.sync();
    for id in [page, list] {
        let reply = world.reply(bob, id).expect("one reply to each request");
        let refusal = crate::support::refusal_of(&reply);
        assert_eq!(refusal, Some(ErrorCode::NotMember), "{reply:?}");
    }
}

#[test]
fn a_resume_does_not_bring_back_who_was_kicked() {
    let (mut world, _, bob, room) = two_in_a_room();
    let head = world.tenant.room(room).unwrap().head();
    placed(world.serve(itself(), kick("math", "bob")));
    assert_eq!(
        world.refusal(bob, crate::support::join("math", Some(head))),
        ErrorCode::NotMember
    );
    world.join(bob, "math");
    assert!(world.hub.hears(bob, room));
}

#[test]
fn a_service_reads_pages_either_way() {
    let mut world = World::new();
    placed(world.serve(itself(), create(1, "math")));
    for number in 2..=6 {
        placed(world.serve(itself(), publish(number, "math", &number.to_string())));
    }
    let page = |world: &mut World, direction, anchor, limit| {
        let request = ServiceRequest::History {
            room: id("math"),
            direction,
            anchor,
            limit,
        };
        match world.serve(itself(), request) {
            Ok(ServiceAnswer::Page(HistoryPage { events, more, .. })) => {
                let seqs: Vec<_> = events.iter().map(|event| event.seq.0).collect();
                (seqs, more)
            }
            other => panic!("no page: {other:?}"),
        }
    };
    let (before, after) = (Direction::Before, Direction::After);
    assert_eq!(page(&mut world, before, None, 2), (vec![5, 6], true));
    assert_eq!(
        page(&mut world, before, Some(seq(5)), 9),
        (vec![1, 2, 3, 4], false)
    );
    assert_eq!(page(&mut world, after, None, 2), (vec![1, 2], true));
    assert_eq!(
        page(&mut world, after, Some(seq(4)), 9),
        (vec![5, 6], false)
    );
    let most = u32::try_from(limit::PAGE_EVENTS_MAX).unwrap();
    for wrong in [0, most + 1] {
        assert_eq!(
            code(world.serve(itself(), history("math", wrong))),
            ErrorCode::InvalidField
        );
    }
}

#[test]
fn a_service_sees_everybody_and_a_user_whom_they_share_a_room_with() {
    let (mut world, ..) = two_in_a_room();
    world.connect("eve", "web");
    let request = ServiceRequest::Presence {
        users: ["ada", "eve", "nobody"].map(user).to_vec(),
    };
    let seen = |answer: Answered| match answer {
        Ok(ServiceAnswer::Presence(users)) => users
            .into_iter()
            .map(|it| (it.user.to_string(), it.presence))
            .collect::<Vec<_>>(),
        other => panic!("no presence: {other:?}"),
    };
    assert_eq!(
        seen(world.serve(itself(), request.clone())),
        [
            ("ada".into(), Presence::Active),
            ("eve".into(), Presence::Active),
            ("nobody".into(), Presence::Offline)
        ]
    );
    assert_eq!(
        seen(world.serve(as_user("bob"), request)),
        [("ada".into(), Presence::Active)]
    );
    let many = vec![user("ada"); limit::WATCHED_USERS_MAX + 1];
    let refused = world.serve(itself(), ServiceRequest::Presence { users: many });
    assert_eq!(code(refused), ErrorCode::InvalidField);
}

#[test]
fn a_retry_decided_beside_its_first_attempt_finds_it() {
    let mut world = World::with(|settings| settings.keys_in_memory_max = 2);
    placed(world.serve(itself(), create(1, "math")));
    for number in 10..15 {
        placed(world.serve(itself(), publish(number, "math", "more")));
    }
    let (input, late) = service_input(itself(), publish(2, "math", "once"));
    let waiting = world.ask(input);
    let first = placed(world.serve(itself(), publish(2, "math", "once")));
    world.decide(waiting);
    let second = placed(late.take().unwrap());
    assert!(second.already);
    assert_eq!(second.position, first.position);
}
