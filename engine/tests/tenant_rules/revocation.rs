//! Who may see a room no more hears nothing more of it: whatever is queued, held or being read for them,
//! and whatever kind of frame it is.

use std::sync::Arc;

use homeroom_engine::{
    domain::Domain,
    hub::{Audience, Delivery, Push, SignalKind},
    tenant::RoleRequest,
};
use homeroom_protocol::{
    ConnectionId, Direction, ErrorCode, EventBody, OccupancyChange, OverwriteTarget, Permission,
    Permissions, Position, RemovedReason, Request, RequestId, ResetReason, Role, RoleId, RoomId,
    RoomInfo, RoomNumber, ServerFrame, Signal, SignalName, TimelineEvent, Timestamp,
};

use crate::{
    roles::{PUPIL, TEACHER, VIEW, allow, deny, role},
    stage::Stage,
    support::{
        World, itself, join, refusal_of, send, seq, seqs, two_in_a_room, typing, user, watch,
    },
};

const MATH: &str = "math";
const UNSEEN: &[Permission] = &[Permission::View];

fn everyone() -> OverwriteTarget {
    OverwriteTarget::Role(RoleId::EVERYONE)
}

fn one(name: &str) -> OverwriteTarget {
    OverwriteTarget::User(user(name))
}

fn history(room: RoomNumber) -> Request {
    Request::History {
        room,
        direction: Direction::After,
        anchor: seq(0),
        limit: 10,
        thread: None,
    }
}

fn is_removed(frames: &[ServerFrame], of: RoomNumber) -> bool {
    let told = |frame: &ServerFrame| {
        *frame
            == ServerFrame::Removed {
                room: of,
                reason: RemovedReason::Hidden,
            }
    };
    frames.iter().any(told)
}

/// The role of everyone, that lets nobody see anything.
fn blind_everyone() -> Role {
    role(RoleId::EVERYONE, 0, &[Permission::Join, Permission::Send])
}

impl World {
    /// Ada's room `math` with a crowd that a change cannot look at all at once, without connections.
    fn crowd(&mut self, members: usize) {
        for number in 0..members {
            let request = homeroom_engine::tenant::ServiceRequest::AddMember {
                room: RoomId::new(MATH).unwrap(),
                member: user(&format!("crowd-{number:04}")),
            };
            self.serve(itself(), request).unwrap();
        }
    }

    fn staged() -> Self {
        let mut world = Self::new();
        world.hub.stage = Some(Stage::new());
        world
    }

    pub(crate) fn stage(&mut self) -> &mut Stage {
        self.hub.stage.as_mut().unwrap()
    }
}

#[test]
fn who_may_see_a_room_no_more_is_told_and_hears_nothing_further() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let phone = world.connect("bob", "phone");
    world.overwrite(MATH, one("bob"), deny(UNSEEN));
    world.say(ada, room, "without bob");
    let frames = world.inbox(bob);
    assert!(
        is_removed(&frames, room) && seqs(&frames).is_empty(),
        "{frames:?}"
    );
    assert!(
        !is_removed(&world.inbox(phone), room),
        "it heard nothing before"
    );
    for request in [
        send(1, room, "may I?"),
        history(room),
        typing(room, true),
        join(MATH, None),
    ] {
        let code = world.refusal(bob, request.clone());
        assert_eq!(code, ErrorCode::Forbidden, "{request:?}");
    }
    // The membership is not over: what was said meanwhile is there when the room can be seen again.
    world.overwrite(MATH, one("bob"), allow(UNSEEN));
    world.join(bob, MATH);
    world.say(ada, room, "with bob");
    assert_eq!(seqs(&world.inbox(bob)).len(), 1);
}

#[test]
fn leaving_a_room_that_one_may_not_see_is_possible() {
    let (mut world, _, bob, room) = two_in_a_room();
    world.overwrite(MATH, one("bob"), deny(UNSEEN));
    let reply = world.request(bob, Request::Leave { room });
    assert!(matches!(reply, ServerFrame::Done { .. }), "{reply:?}");
}

#[test]
fn who_may_still_see_it_hears_on_and_misses_nothing() {
    let (mut world, ada, bob, room) = two_in_a_room();
    world.set_role(role(PUPIL, 1, UNSEEN));
    world.give("bob", &[PUPIL]);
    world.crowd(300);
    let eve = world.connect("eve", "web");
    world.join(eve, MATH);
    world.inbox(bob);
    world.inbox(eve);
    world.overwrite(MATH, OverwriteTarget::Role(PUPIL), allow(UNSEEN));
    world.inbox(bob);
    world.inbox(eve);

    world.overwrite(MATH, everyone(), deny(UNSEEN));
    assert_eq!(world.hub.pauses, 1);
    let said = world.say(ada, room, "while it is paused").seq.0;
    assert!(
        seqs(&world.inbox(bob)).is_empty(),
        "nobody hears before being looked at"
    );
    assert!(seqs(&world.inbox(eve)).is_empty());
    world.tick();
    assert_eq!(seqs(&world.inbox(bob)), [said - 1, said]);
    let frames = world.inbox(eve);
    assert!(
        is_removed(&frames, room) && seqs(&frames).is_empty(),
        "{frames:?}"
    );
    assert_eq!(world.due_now(), None, "all were looked at");
}

#[test]
fn a_small_room_is_looked_at_at_once() {
    let (mut world, ada, bob, room) = two_in_a_room();
    world.overwrite(MATH, everyone(), deny(UNSEEN));
    assert_eq!(world.hub.pauses, 0);
    assert!(is_removed(&world.inbox(bob), room));
    world.inbox(ada);
    world.say(ada, room, "who made it still sees it");
    assert_eq!(seqs(&world.inbox(ada)).len(), 1);
}

#[test]
fn a_role_that_is_changed_given_or_removed_acts_on_whoever_has_it() {
    let changes: [fn(&mut World); 5] = [
        |world| {
            world.set_role(Role {
                prohibit: VIEW,
                ..role(PUPIL, 1, UNSEEN)
            });
        },
        |world| world.set_role(role(PUPIL, 1, &[])),
        |world| world.give("bob", &[]),
        |world| {
            let request = RoleRequest::Remove { role: PUPIL };
            world.serve_roles(request).unwrap();
        },
        |world| {
            world.set_role(Role {
                prohibit: VIEW,
                ..role(TEACHER, 1, &[])
            });
            world.give("bob", &[PUPIL, TEACHER]);
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let (mut world, ada, bob, room) = two_in_a_room();
        world.set_role(role(PUPIL, 1, UNSEEN));
        world.give("bob", &[PUPIL]);
        world.set_role(blind_everyone());
        world.tick();
        world.inbox(ada);
        world.inbox(bob);
        world.say(ada, room, "both hear it");
        assert_eq!(seqs(&world.inbox(bob)).len(), 1, "change {number}");
        change(&mut world);
        world.say(ada, room, "bob does not");
        let frames = world.inbox(bob);
        assert!(is_removed(&frames, room), "change {number}: {frames:?}");
        assert!(seqs(&frames).is_empty(), "change {number}: {frames:?}");
        assert_eq!(seqs(&world.inbox(ada)).len(), 2, "change {number}");
    }
}

#[test]
fn a_change_that_takes_no_sight_disturbs_nobody() {
    let (mut world, ada, bob, room) = two_in_a_room();
    world.crowd(300);
    world.inbox(bob);
    world.overwrite(MATH, everyone(), deny(&[Permission::React]));
    world.set_role(role(
        RoleId::EVERYONE,
        0,
        &[Permission::View, Permission::Send],
    ));
    world.set_role(role(PUPIL, 1, UNSEEN));
    assert_eq!(world.hub.pauses, 0);
    world.say(ada, room, "heard");
    assert_eq!(seqs(&world.inbox(bob)).len(), 2);
}

#[test]
fn many_are_looked_at_in_slices_that_let_others_in_between() {
    let (mut world, ada, bob, room) = two_in_a_room();
    world.crowd(700);
    world.inbox(bob);
    world.set_role(role(PUPIL, 1, UNSEEN));
    world.give("zoe", &[PUPIL]);
    world.set_role(blind_everyone());
    assert_eq!(world.hub.pauses, 1);
    let mut ticks = 0;
    while world.due_now().is_some() {
        world.tick_once();
        world.say(ada, room, "in between");
        ticks += 1;
    }
    assert_eq!(ticks, 3, "702 members, 256 at a time");
    assert!(world.hub.restamped_max <= 256);
    assert!(seqs(&world.inbox(bob)).is_empty());
}

#[test]
fn a_second_change_while_the_first_is_looked_into_begins_again() {
    let (mut world, ada, bob, room) = two_in_a_room();
    world.crowd(700);
    world.inbox(bob);
    world.set_role(role(PUPIL, 1, UNSEEN));
    world.give("bob", &[PUPIL]);
    world.overwrite(MATH, OverwriteTarget::Role(PUPIL), allow(UNSEEN));
    world.overwrite(MATH, everyone(), deny(UNSEEN));
    world.tick_once();
    world.say(ada, room, "bob was looked at already");
    assert_eq!(seqs(&world.inbox(bob)).len(), 3);
    world.overwrite(MATH, OverwriteTarget::Role(PUPIL), deny(UNSEEN));
    world.say(ada, room, "and is no more");
    world.tick();
    let frames = world.inbox(bob);
    assert!(
        is_removed(&frames, room) && seqs(&frames).is_empty(),
        "{frames:?}"
    );
}

#[test]
fn a_listening_on_its_way_during_a_pause_begins_when_it_was_looked_at_or_never() {
    for sees in [true, false] {
        let (mut world, ada, _, room) = two_in_a_room();
        world.crowd(300);
        world.set_role(role(PUPIL, 1, UNSEEN));
        world.give("zoe", &[PUPIL]);
        if sees {
            world.overwrite(MATH, OverwriteTarget::Role(PUPIL), allow(UNSEEN));
        }
        let zoe = world.connect("zoe", "web");
        world.sync_at_once = false;
        world.post(zoe, join(MATH, None));
        world.overwrite_later(MATH, everyone(), deny(UNSEEN));
        world.sync();
        assert_eq!(world.hub.pauses, 1);
        world.sync_at_once = true;
        let frames = world.inbox(zoe);
        assert!(seqs(&frames).is_empty(), "{frames:?}");
        let said = world.say(ada, room, "while it is paused").seq.0;
        assert!(seqs(&world.inbox(zoe)).is_empty(), "not looked at yet");
        world.tick();
        let frames = world.inbox(zoe);
        if sees {
            assert_eq!(seqs(&frames), [said - 1, said], "{frames:?}");
        } else {
            assert!(
                is_removed(&frames, room) && seqs(&frames).is_empty(),
                "{frames:?}"
            );
        }
    }
}

#[test]
fn a_listening_looked_at_before_it_began_is_not_lost() {
    let (mut world, ada, _, room) = two_in_a_room();
    world.crowd(300);
    world.set_role(role(PUPIL, 1, UNSEEN));
    world.give("zoe", &[PUPIL]);
    world.overwrite(MATH, OverwriteTarget::Role(PUPIL), allow(UNSEEN));
    let zoe = world.connect("zoe", "web");
    world.sync_at_once = false;
    world.post(zoe, join(MATH, None));
    world.overwrite_later(MATH, everyone(), deny(UNSEEN));
    world.tick();
    world.sync();
    world.sync_at_once = true;
    world.inbox(zoe);
    let said = world.say(ada, room, "heard").seq.0;
    assert!(seqs(&world.inbox(zoe)).contains(&said));
}

#[test]
fn replies_that_are_held_show_nothing_of_a_room_that_was_closed_to_the_asker() {
    let (mut world, ada, bob, room) = two_in_a_room();
    world.sync_at_once = false;
    // Replies wait for what they may have seen.
    world.post(ada, send(1, room, "not durable yet"));
    let asked = [
        join(MATH, None),
        history(room),
        Request::Members {
            room,
            after: None,
            limit: 10,
        },
        Request::Overwrites { room },
    ]
    .map(|request| world.post(bob, request));
    let list = world.post(
        bob,
        Request::Rooms {
            after: None,
            limit: 10,
        },
    );
    world.overwrite_later(MATH, one("bob"), deny(UNSEEN));
    world.sync();
    for id in asked {
        let reply = world.reply(bob, id).unwrap();
        assert_eq!(refusal_of(&reply), Some(ErrorCode::NotMember), "{reply:?}");
    }
    let reply = world.reply(bob, list).unwrap();
    assert!(
        matches!(&reply, ServerFrame::Rooms { rooms, .. } if rooms.is_empty()),
        "{reply:?}"
    );
}

#[test]
fn who_shares_only_rooms_that_one_may_not_see_is_watched_no_more() {
    let (mut world, ada, bob, _) = two_in_a_room();
    world.request(bob, watch(&["ada"]));
    world.request(ada, watch(&["bob"]));
    world.inbox(bob);
    world.overwrite(MATH, one("bob"), deny(UNSEEN));
    world.inbox(ada);
    world.disconnect(ada, homeroom_engine::tenant::Disconnection::Clean);
    assert_eq!(world.told(bob), [], "a stranger now");
    let reply = world.request(bob, watch(&["ada"]));
    assert!(
        matches!(&reply, ServerFrame::Watching { users, .. } if users.is_empty()),
        "{reply:?}"
    );
}

#[test]
fn a_snapshot_of_presence_that_is_held_leaves_out_who_became_a_stranger() {
    let (mut world, ada, bob, room) = two_in_a_room();
    world.sync_at_once = false;
    world.post(ada, send(1, room, "not durable yet"));
    let id = world.post(bob, watch(&["ada"]));
    world.overwrite_later(MATH, one("bob"), deny(UNSEEN));
    world.sync();
    let reply = world.reply(bob, id).unwrap();
    assert!(
        matches!(&reply, ServerFrame::Watching { users, .. } if users.is_empty()),
        "{reply:?}"
    );
}

#[test]
fn who_may_see_a_room_no_more_is_not_shown_as_typing_there() {
    let (mut world, ada, bob, room) = two_in_a_room();
    world.request(bob, typing(room, true));
    assert_eq!(world.typists(ada).last().unwrap().1, 1);
    world.overwrite(MATH, one("bob"), deny(UNSEEN));
    assert_eq!(world.typists(ada).last().unwrap().1, 0);
}

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
const fn kind_of(frame: &ServerFrame) -> Kind {
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
        | ServerFrame::Overwrites { .. } => Kind::Reply,
        // Lists of rooms, and how watched users are, are scenarios of their own above.
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
        | ServerFrame::Readers { .. }
        | ServerFrame::Me { .. }
        | ServerFrame::Roles { .. }
        | ServerFrame::Explained { .. }
        | ServerFrame::Removed { .. }
        | ServerFrame::Dropped { .. }
        | ServerFrame::Bye { .. } => Kind::Harmless,
    }
}

/// How many kinds of frames tell of a room, by [`kind_of`].
const KINDS_OF_A_ROOM: usize = 10;

/// One of each kind that tells of a room; the events are those that are next for its listeners.
fn frames_of(room: RoomNumber, position: Position) -> Vec<ServerFrame> {
    let id = RequestId(4_711);
    let (epoch, next) = (position.epoch, position.seq.next());
    vec![
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
        ServerFrame::Overwrites {
            id,
            room,
            overwrites: Vec::new(),
        },
    ]
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
