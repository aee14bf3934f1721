//! On a real shard: no kind of frame that tells of a room comes to who may see it no more, wherever it was
//! when that was decided.

use std::sync::Arc;

use homeroom_engine::{
    domain::Domain,
    hub::{Audience, Delivery, Push, SignalKind},
    tenant::{RoleRequest, ServiceAnswer, ServiceRequest},
};
use homeroom_protocol::{
    ConnectionId, Direction, ErrorCode, EventBody, FollowedThread, Mark, Me, NotificationLevel,
    OccupancyChange, OverwriteTarget, Permission, Permissions, Position, Presence, Request,
    RequestId, ResetReason, RoleId, RoomEntry, RoomId, RoomInfo, RoomKind, RoomNumber, ServerFrame,
    Signal, SignalName, Standing, TimelineEvent, Timestamp, UserPresence,
};

use crate::{
    reports::report,
    revocation::{MATH, UNSEEN, blind_everyone, history, one},
    roles::{PUPIL, allow, deny, role},
    support::{
        World, as_user, identity, itself, refusal_of, send, seq, seqs, two_in_a_room, typing, user,
        watch,
    },
};

/// What a frame is to somebody who may not see a room any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It tells of the room, to its listeners or viewers.
    Push(Said),
    /// It tells of the room, to who asked.
    Reply,
    /// It may come: it tells nothing of the room, or that it is closed.
    Harmless,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Event,
    Passed,
    Signal(SignalKind),
    ToOne,
}

/// A new kind of frame does not compile before it has a place here; and what tells of a room must be
/// among [`frames_of`] a room.
fn kind_of(frame: &ServerFrame) -> Kind {
    match frame {
        ServerFrame::Event { .. } => Kind::Push(Said::Event),
        ServerFrame::Passed { .. } => Kind::Push(Said::Passed),
        ServerFrame::Typing { .. } => Kind::Push(Said::Signal(SignalKind::Typing)),
        ServerFrame::Signals { .. } => Kind::Push(Said::Signal(SignalKind::Signals)),
        ServerFrame::Occupancy { .. } => Kind::Push(Said::Signal(SignalKind::Occupancy)),
        ServerFrame::Reset { .. } => Kind::Push(Said::ToOne),
        ServerFrame::Joined { .. }
        | ServerFrame::Page { .. }
        | ServerFrame::Members { .. }
        | ServerFrame::Readers { .. }
        | ServerFrame::Overwrites { .. } => Kind::Reply,
        ServerFrame::Rooms { rooms, .. } if !rooms.is_empty() => Kind::Reply,
        ServerFrame::Me { me, .. } if !me.threads.is_empty() => Kind::Reply,
        // How watched users are is a scenario of its own.
        ServerFrame::Rooms { .. }
        | ServerFrame::Watching { .. }
        | ServerFrame::Presence { .. }
        | ServerFrame::Welcome(_)
        | ServerFrame::Pong { .. }
        | ServerFrame::Done { .. }
        | ServerFrame::Error { .. }
        | ServerFrame::Created { .. }
        | ServerFrame::Sent { .. }
        | ServerFrame::Marked { .. }
        | ServerFrame::Me { .. }
        | ServerFrame::Roles { .. }
        | ServerFrame::Explained { .. }
        | ServerFrame::Removed { .. }
        | ServerFrame::Dropped { .. }
        | ServerFrame::Bye { .. } => Kind::Harmless,
    }
}

/// How many kinds of frames tell of a room, by [`kind_of`].
const KINDS_OF_A_ROOM: usize = 13;

/// One of each kind that tells of a room; the events are those that are next for its listeners.
fn frames_of(room: RoomNumber, position: Position) -> Vec<ServerFrame> {
    let (epoch, next) = (position.epoch, position.seq.next());
    [
        event(room, position),
        ServerFrame::Passed {
            room,
            epoch,
            from: next,
            to: next,
            members: 2,
        },
        ServerFrame::Typing {
            room,
            users: vec![user("ada")],
            count: 1,
            thread: None,
        },
        ServerFrame::Signals {
            room,
            signals: vec![Signal {
                user: user("ada"),
                name: SignalName::new("cursor").unwrap(),
                body: vec![1],
            }],
        },
        ServerFrame::Occupancy {
            room,
            count: 1,
            change: Some(OccupancyChange {
                all: true,
                came: vec![user("ada")],
                went: Vec::new(),
            }),
        },
        ServerFrame::Reset {
            room,
            position,
            reason: ResetReason::Trimmed,
        },
    ]
    .into_iter()
    .chain(replies_of(room, position))
    .collect()
}

fn replies_of(room: RoomNumber, position: Position) -> [ServerFrame; 7] {
    let (id, epoch) = (RequestId(4_711), position.epoch);
    [
        ServerFrame::Joined {
            id,
            room,
            position,
            head: position.seq,
            reset: None,
            members: 2,
            info: RoomInfo::default(),
            permissions: Permissions::NONE,
        },
        ServerFrame::Page {
            id,
            room,
            epoch,
            events: Vec::new(),
            more: false,
            more_above: false,
        },
        ServerFrame::Members {
            id,
            room,
            users: vec![user("ada")],
            more: false,
        },
        ServerFrame::Readers {
            id,
            room,
            users: vec![user("ada")],
            more: false,
            after: None,
        },
        ServerFrame::Overwrites {
            id,
            room,
            overwrites: Vec::new(),
        },
        ServerFrame::Rooms {
            id,
            rooms: vec![entry(room, position)],
            more: false,
        },
        ServerFrame::Me {
            id,
            me: Box::new(Me {
                threads: vec![FollowedThread {
                    room,
                    thread: seq(2),
                    mark: Mark::default(),
                    unread: 1,
                }],
                ..Me::default()
            }),
        },
    ]
}

fn entry(room: RoomNumber, head: Position) -> RoomEntry {
    RoomEntry {
        room,
        id: RoomId::new(MATH).unwrap(),
        standing: Standing::Member,
        info: RoomInfo::default(),
        head,
        time: Timestamp(7),
        members: 2,
        permissions: Permissions::NONE,
        mark: Mark::default(),
        unread: 1,
        mentions: 0,
        level: NotificationLevel::default(),
    }
}

fn event(room: RoomNumber, position: Position) -> ServerFrame {
    ServerFrame::Event {
        room,
        epoch: position.epoch,
        event: TimelineEvent {
            seq: position.seq.next(),
            time: Timestamp(7),
            author: user("ada"),
            body: EventBody::Message("secret".into()),
        },
    }
}

fn delivery(connection: ConnectionId, room: RoomNumber, frame: ServerFrame) -> Delivery {
    let kind = kind_of(&frame);
    let next = match &frame {
        ServerFrame::Event { event, .. } => event.seq,
        ServerFrame::Passed { from, .. } => *from,
        _ => seq(0),
    };
    let push = Arc::new(Push::new(frame));
    match kind {
        Kind::Push(Said::Event) => Delivery::Event {
            room,
            seq: next,
            push,
        },
        Kind::Push(Said::Passed) => Delivery::Passed {
            room,
            seq: next,
            members: 2,
        },
        Kind::Push(Said::Signal(kind)) => Delivery::Signal {
            audience: Audience::Viewers(room, None),
            kind,
            push,
        },
        Kind::Push(Said::ToOne) | Kind::Reply | Kind::Harmless => {
            Delivery::Direct { connection, push }
        }
    }
}

/// Where a frame is when the sight of its room is taken.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// Collected for the turn that is about to be written.
    Collected,
    /// In the outbox of a socket that takes nothing.
    Queued,
    /// Held back until it is durable.
    Held,
    /// Said only afterwards.
    Later,
}

/// How the sight of the room is taken: from one at once, or from all who are looked at one by one.
type Taking = fn(&mut World);

const TAKINGS: [Taking; 2] = [
    |world| world.overwrite(MATH, one("bob"), deny(UNSEEN)),
    |world| {
        world.set_role(blind_everyone());
        assert_eq!(world.hub.pauses, 1);
    },
];

/// Ada and Bob in a room on a real shard, all they were told so far forgotten.
fn staged_room() -> (World, ConnectionId, RoomNumber, Position) {
    let mut world = World::staged();
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let room = world.open_room(ada, MATH);
    world.join(bob, MATH);
    world.pass(5_000);
    world.stage().tick();
    world.stage().tick();
    world.inbox(bob);
    let head = world.tenant.room(room).unwrap().head();
    (world, bob, room, head)
}

#[test]
fn no_kind_of_frame_comes_after_the_sight_of_its_room_was_taken() {
    for way in [Way::Collected, Way::Queued, Way::Held, Way::Later] {
        for taking in TAKINGS {
            for number in 0..KINDS_OF_A_ROOM {
                let (mut world, bob, room, head) = staged_room();
                let frame = frames_of(room, head).swap_remove(number);
                assert_ne!(kind_of(&frame), Kind::Harmless);
                let secret = delivery(bob, room, frame.clone());
                let context = format!("{way:?} {frame:?}");
                // That one is in, or that a stream starts anew, is not taken back in a pause: whoever goes on
                // to hear the room must know, and it says nothing of what happened.
                let stays = |frame: &ServerFrame| {
                    matches!(
                        frame,
                        ServerFrame::Reset { .. } | ServerFrame::Joined { .. }
                    )
                };
                let queued = matches!(way, Way::Collected | Way::Queued);
                match way {
                    Way::Collected => {
                        world.stage().turns_wait = true;
                        world.stage().deliver(secret);
                        taking(&mut world);
                        world.stage().turns_wait = false;
                    }
                    Way::Queued => {
                        world.stage().block(bob);
                        world.stage().deliver(secret);
                        world.stage().tick();
                        taking(&mut world);
                    }
                    Way::Held => {
                        taking(&mut world);
                        if let Some(due) = world.tenant.release(secret) {
                            world.stage().deliver(due);
                        }
                    }
                    Way::Later => {
                        taking(&mut world);
                        // A reply that is decided later is refused; a push to one is not said.
                        if !matches!(secret, Delivery::Direct { .. }) {
                            world.stage().deliver(secret);
                        }
                    }
                }
                world.stage().unblock(bob);
                // Not before, and not after everybody was looked at.
                for _ in 0..2 {
                    world.stage().tick();
                    let frames = world.inbox(bob);
                    let may_come = |frame: &&ServerFrame| {
                        kind_of(frame) == Kind::Harmless
                            || (stays(frame) && queued && world.hub.pauses > 0)
                    };
                    let told = frames.iter().find(|frame| !may_come(frame));
                    assert_eq!(told, None, "{context}");
                    world.tick();
                }
            }
        }
    }
}

/// Without this the test above could not fail: all of it arrives when nothing is taken.
#[test]
fn every_kind_of_frame_comes_while_its_room_is_seen() {
    let (_, _, room, head) = staged_room();
    let frames = frames_of(room, head);
    assert_eq!(frames.len(), KINDS_OF_A_ROOM);
    for frame in frames {
        let (mut world, bob, room, _) = staged_room();
        let kind = kind_of(&frame);
        let secret = delivery(bob, room, frame);
        world.stage().deliver(secret);
        world.stage().tick();
        let arrived = world.inbox(bob);
        let same = |frame: &ServerFrame| kind_of(frame) == kind;
        assert!(arrived.iter().any(same), "{kind:?}: {arrived:?}");
    }
}

#[test]
fn a_page_that_was_asked_for_without_joining_is_taken_back_too() {
    for taking in TAKINGS {
        for is_looked_at in [true, false] {
            let (mut world, _, room, _) = staged_room();
            let phone = world.connect("bob", "phone");
            world.stage().block(phone);
            let id = world.post(phone, history(room));
            taking(&mut world);
            if is_looked_at {
                world.tick();
            }
            world.stage().unblock(phone);
            let reply = world.reply(phone, id).unwrap();
            let refusals = [Some(ErrorCode::NotMember), Some(ErrorCode::Overloaded)];
            assert!(refusals.contains(&refusal_of(&reply)), "{reply:?}");
            world.tick();
            assert_eq!(world.refusal(phone, history(room)), ErrorCode::Forbidden);
        }
    }
}

#[test]
fn a_page_of_what_was_reported_is_taken_back_from_who_may_moderate_no_more() {
    for is_looked_at in [true, false] {
        let (mut world, bob, room, _) = staged_room();
        let ada = world.connect("ada", "phone");
        let everyone = [Permission::View, Permission::Join, Permission::Send];
        let moderating = [&everyone[..], &[Permission::Moderate]].concat();
        world.set_role(role(RoleId::EVERYONE, 0, &moderating));
        let said = world.say(ada, room, "something bad").seq;
        world.request(ada, report(1, room, said, "rude"));
        let mut rooms = world.tenant.rooms();
        let reports = rooms
            .find(|room| room.info().kind == RoomKind::Moderation)
            .unwrap()
            .number();
        drop(rooms);
        let page = world.request(bob, history(reports));
        assert!(
            matches!(&page, ServerFrame::Page { events, .. } if events.len() == 2),
            "{page:?}"
        );
        world.inbox(bob);
        world.stage().block(bob);
        let id = world.post(bob, history(reports));
        world.set_role(role(RoleId::EVERYONE, 0, &everyone));
        if is_looked_at {
            world.tick();
        }
        world.stage().unblock(bob);
        let reply = world.reply(bob, id).unwrap();
        assert_eq!(refusal_of(&reply), Some(ErrorCode::Overloaded), "{reply:?}");
        world.tick();
        let code = world.refusal(bob, history(reports));
        assert_eq!(code, ErrorCode::NotMember);
        // What he may still see goes on.
        let id = world.post(bob, history(room));
        assert_eq!(refusal_of(&world.reply(bob, id).unwrap()), None);
    }
}

#[test]
fn an_answer_to_a_back_end_that_is_held_shows_nothing_to_a_user_from_whom_it_was_taken() {
    let math = RoomId::new(MATH).unwrap();
    let asked = [
        ServiceRequest::History {
            room: math.clone(),
            direction: Direction::Before,
            anchor: None,
            limit: 10,
        },
        ServiceRequest::Members {
            room: math.clone(),
            after: None,
            limit: 10,
        },
        ServiceRequest::Room { room: math.clone() },
        ServiceRequest::Roles(RoleRequest::Overwrites { room: math }),
        ServiceRequest::Presence {
            users: vec![user("ada"), user("bob")],
        },
    ];
    for is_taken in [false, true] {
        for request in &asked {
            for actor in [as_user("bob"), itself()] {
                let (mut world, ada, _, room) = two_in_a_room();
                world.sync_at_once = false;
                world.post(ada, send(1, room, "not durable yet"));
                let held = world.serve_later(actor.clone(), request.clone());
                assert_eq!(held.take(), None);
                if is_taken {
                    world.overwrite_later(MATH, one("bob"), deny(UNSEEN));
                }
                world.sync();
                let answer = held.take().unwrap();
                let is_users = is_taken && actor == as_user("bob");
                match answer {
                    Ok(ServiceAnswer::Presence(users)) => {
                        assert_eq!(users.len(), if is_users { 1 } else { 2 });
                    }
                    Ok(answer) => assert!(!is_users, "{answer:?}"),
                    Err(refused) => {
                        assert!(is_users, "{refused:?}");
                        assert_eq!(refused.code, ErrorCode::NotMember);
                    }
                }
            }
        }
    }
}

/// Ways in which bob may come to see no more how ada is.
const PARTINGS: [fn(&mut World); 3] = [
    |world| world.overwrite(MATH, one("bob"), deny(UNSEEN)),
    |world| {
        world.set_role(blind_everyone());
        world.tick();
    },
    |world| {
        let ada = world.connect_as(identity("ada", "tv"));
        world.post(
            ada,
            Request::Block {
                user: user("bob"),
                on: true,
            },
        );
    },
];

#[test]
fn nothing_that_is_queued_tells_how_somebody_is_who_may_be_watched_no_more() {
    for (number, parting) in PARTINGS.into_iter().enumerate() {
        for is_collected in [false, true] {
            let (mut world, bob, _, _) = staged_room();
            let cyd = world.connect("cyd", "web");
            world.create(cyd, "art");
            world.join(bob, "art");
            world.inbox(bob);
            if is_collected {
                world.stage().turns_wait = true;
            } else {
                world.stage().block(bob);
            }
            world.post(bob, watch(&["ada", "cyd"]));
            world.stage().deliver(Delivery::Direct {
                connection: bob,
                push: Arc::new(Push::new(ServerFrame::Presence {
                    users: vec![UserPresence {
                        user: user("ada"),
                        presence: Presence::Active,
                        last_seen: None,
                        status: Some("at home".into()),
                    }],
                })),
            });
            parting(&mut world);
            world.stage().turns_wait = false;
            world.stage().unblock(bob);
            let told: Vec<_> = world
                .inbox(bob)
                .into_iter()
                .filter_map(|frame| match frame {
                    ServerFrame::Watching { users, .. } | ServerFrame::Presence { users } => {
                        Some(users)
                    }
                    _ => None,
                })
                .flatten()
                .filter(|shown| shown.presence != Presence::Offline)
                .map(|shown| shown.user)
                .collect();
            // The room of cyd's is seen on, but when nobody sees any.
            let others = if number == 1 {
                vec![]
            } else {
                vec![user("cyd")]
            };
            assert_eq!(told, others, "{number} {is_collected}");
        }
    }
}

#[test]
fn catch_up_that_is_being_read_is_not_written_after_the_sight_was_taken() {
    for taking in TAKINGS {
        let (mut world, bob, room, _) = staged_room();
        let ada = world.connect("ada", "phone");
        world.stage().block(bob);
        // More than an outbox holds: the rest is read from the log when there is room again.
        for _ in 0..40 {
            world.say(ada, room, &"long ".repeat(2_000));
        }
        world.stage().pages_wait = true;
        world.stage().unblock(bob);
        assert!(world.stage().pages_asked() > 0);
        world.inbox(bob);
        taking(&mut world);
        world.inbox(bob);
        world.stage().pages_wait = false;
        world.stage().tick();
        world.tick();
        world.say(ada, room, "and on");
        world.stage().tick();
        assert!(seqs(&world.inbox(bob)).is_empty());
    }
}

/// What gave it back may still be lost.
#[test]
fn who_was_given_the_sight_back_hears_of_the_room_once_that_is_durable() {
    let (mut world, bob, room, _) = staged_room();
    world.sync_at_once = false;
    let seeing = [Permission::View, Permission::Send, Permission::Signal];
    for everyone in [blind_everyone(), role(RoleId::EVERYONE, 0, &seeing)] {
        let request = ServiceRequest::Roles(RoleRequest::Set(everyone));
        let answer = world.serve_later(itself(), request);
        assert!(answer.take().is_none(), "it is not durable");
    }
    world.tick();
    assert_eq!(world.hub.pauses, 1);
    world.post(bob, typing(room, true));
    world.stage().tick();
    assert_eq!(world.inbox(bob), []);
    world.sync();
    world.stage().tick();
    let frames = world.inbox(bob);
    assert!(
        matches!(
            frames[..],
            [
                ServerFrame::Dropped { signals: 1 },
                ServerFrame::Done { .. }
            ]
        ),
        "{frames:?}"
    );
    world.sync_at_once = true;
    let said = world.say(bob, room, "back again");
    assert_eq!(seqs(&world.inbox(bob)), [said.seq.0]);
}

#[test]
fn who_still_sees_a_room_catches_up_on_a_real_shard_without_a_gap() {
    let (mut world, bob, room, head) = staged_room();
    world.set_role(role(PUPIL, 1, UNSEEN));
    world.give("bob", &[PUPIL]);
    world.overwrite(MATH, OverwriteTarget::Role(PUPIL), allow(UNSEEN));
    let ada = world.connect("ada", "phone");
    world.stage().block(bob);
    for number in 0..20 {
        world.say(ada, room, &format!("before {number}"));
    }
    world.set_role(blind_everyone());
    assert_eq!(world.hub.pauses, 1);
    for number in 0..20 {
        world.say(ada, room, &format!("meanwhile {number}"));
    }
    world.stage().unblock(bob);
    world.tick();
    world.stage().tick();
    let expected: Vec<_> = (head.seq.0 + 1..=head.seq.0 + 41).collect();
    assert_eq!(seqs(&world.inbox(bob)), expected);
}
