//! Who may see a room no more hears nothing more of it, and whoever may still see it misses nothing.

use homeroom_engine::tenant::{RoleRequest, ServiceRequest};
use homeroom_protocol::{
    Direction, ErrorCode, OverwriteTarget, Permission, RemovedReason, Request, Role, RoleId,
    RoomId, RoomNumber, ServerFrame, Stream,
};

use crate::{
    roles::{PUPIL, TEACHER, VIEW, allow, deny, role},
    stage::Stage,
    support::{
        World, itself, join, refusal_of, send, seq, seqs, two_in_a_room, typing, user, watch,
    },
};

pub(crate) const MATH: &str = "math";
pub(crate) const UNSEEN: &[Permission] = &[Permission::View];

fn everyone() -> OverwriteTarget {
    OverwriteTarget::Role(RoleId::EVERYONE)
}

pub(crate) fn one(name: &str) -> OverwriteTarget {
    OverwriteTarget::User(user(name))
}

pub(crate) fn history(room: RoomNumber) -> Request {
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
pub(crate) fn blind_everyone() -> Role {
    role(RoleId::EVERYONE, 0, &[Permission::Join, Permission::Send])
}

impl World {
    /// Ada's room `math` with a crowd that a change cannot look at all at once, without connections.
    fn crowd(&mut self, members: usize) {
        for number in 0..members {
            let request = ServiceRequest::AddMember {
                room: RoomId::new(MATH).unwrap(),
                member: user(&format!("crowd-{number:04}")),
            };
            self.serve(itself(), request).unwrap();
        }
    }

    pub(crate) fn staged() -> Self {
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
    world.overwrite(MATH, everyone(), deny(UNSEEN));
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
fn when_any_room_may_be_concerned_all_are_paused_at_once_and_connections_looked_at_in_slices() {
    const ROOMS: usize = 5;
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let rooms: Vec<_> = (0..ROOMS)
        .map(|number| world.open_room(ada, &format!("room-{number}")))
        .collect();
    world.set_role(role(PUPIL, 1, UNSEEN));
    let crowd: Vec<_> = (0..200)
        .map(|number| {
            let name = format!("crowd-{number:03}");
            let connection = world.connect(&name, "web");
            for room in 0..ROOMS {
                world.join(connection, &format!("room-{room}"));
            }
            if number % 2 == 0 {
                world.give(&name, &[PUPIL]);
            }
            let personal = Request::Stream {
                stream: Stream::Personal,
                resume: None,
            };
            world.request(connection, personal);
            connection
        })
        .collect();
    for &connection in &crowd {
        world.inbox(connection);
    }
    world.set_role(blind_everyone());
    assert_eq!(world.hub.pauses, 1, "one word for all rooms");
    for &room in &rooms {
        world.say(ada, room, "while all is paused");
    }
    for &connection in &crowd {
        assert!(
            seqs(&world.inbox(connection)).is_empty(),
            "not looked at yet"
        );
    }
    let mut ticks = 0;
    while world.due_now().is_some() {
        world.tick_once();
        world.say(ada, rooms[0], "in between");
        ticks += 1;
    }
    // One for each connection, and one for each of the rooms and the stream it hears.
    let steps = (ROOMS + 1) + crowd.len() * (ROOMS + 2);
    let slices = steps.div_ceil(256);
    assert!(
        (slices..=slices + 1).contains(&ticks),
        "{ticks}, not {slices}"
    );
    for (number, &connection) in crowd.iter().enumerate() {
        let frames = world.inbox(connection);
        let sees = number % 2 == 0;
        let heard = if sees { ROOMS + ticks } else { 0 };
        assert_eq!(seqs(&frames).len(), heard, "{number}");
        for &room in &rooms {
            assert_eq!(is_removed(&frames, room), !sees);
        }
    }
    // Nobody's own stream is closed by it.
    let blocker = crowd[1];
    world.request(
        blocker,
        Request::Block {
            user: user("ada"),
            on: true,
        },
    );
    assert_eq!(seqs(&world.inbox(blocker)).len(), 1);
}

#[test]
fn who_watches_and_hears_no_room_is_looked_at_too() {
    let (mut world, ada, _, _) = two_in_a_room();
    let phone = world.connect("bob", "phone");
    world.request(phone, watch(&["ada"]));
    world.set_role(role(PUPIL, 1, UNSEEN));
    world.inbox(phone);
    world.set_role(blind_everyone());
    world.tick();
    world.disconnect(ada, homeroom_engine::tenant::Disconnection::Clean);
    assert_eq!(world.told(phone), [], "a stranger now");
}

#[test]
fn a_listening_on_its_way_while_everything_is_paused_begins_when_it_was_looked_at_or_never() {
    for (sees, looked_at_first) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut world = World::staged();
        let ada = world.connect("ada", "web");
        // Nobody hears it yet: a shard knows nothing of it.
        let room = world.create(ada, MATH);
        world.set_role(role(PUPIL, 1, UNSEEN));
        if sees {
            world.give("zoe", &[PUPIL]);
        }
        let zoe = world.connect("zoe", "web");
        world.sync_at_once = false;
        world.post(zoe, join(MATH, None));
        world.serve_later(
            itself(),
            ServiceRequest::Roles(RoleRequest::Set(blind_everyone())),
        );
        if looked_at_first {
            world.tick();
            world.sync();
        } else {
            world.sync();
            assert!(seqs(&world.inbox(zoe)).is_empty(), "not looked at yet");
            world.sync_at_once = true;
            world.say(ada, room, "while all is paused");
            assert!(seqs(&world.inbox(zoe)).is_empty(), "not looked at yet");
            world.tick();
        }
        world.sync_at_once = true;
        world.say(ada, room, "heard");
        world.stage().tick();
        let told = !seqs(&world.inbox(zoe)).is_empty();
        assert_eq!(told, sees, "{looked_at_first}");
    }
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
