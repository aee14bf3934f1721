//! What differs in one room for a role or a user, and the explanation of a decision.

use homeroom_protocol::{
    Cause, ConnectionId, ErrorCode, EventBody, Overwrite, OverwriteTarget, Permission, Reason,
    Request, RoleId, RoomNumber, ServerFrame,
};

use crate::{
    roles::{HEAD, PUPIL, allow, deny, everyone, one, overwrite, role, school},
    support::{World, answer, join, refusal_of, send, two_in_a_room, user},
};

impl World {
    fn explained(
        &mut self,
        connection: ConnectionId,
        room: Option<RoomNumber>,
        about: Option<&str>,
        permission: Permission,
    ) -> (bool, Vec<Reason>) {
        let request = Request::Explain {
            room,
            user: about.map(user),
            permission,
        };
        match self.request(connection, request) {
            ServerFrame::Explained {
                allowed, reasons, ..
            } => (allowed, reasons),
            other => panic!("not explained: {other:?}"),
        }
    }
}

#[test]
fn who_made_a_room_says_what_differs_in_it() {
    let (mut world, ada, bob, room) = two_in_a_room();
    let quiet = overwrite(1, room, everyone(), deny(&[Permission::Send]));
    let reply = world.request(ada, quiet.clone());
    assert!(matches!(reply, ServerFrame::Sent { .. }), "{reply:?}");
    let again = world.request(ada, quiet);
    assert_eq!(
        answer(&again),
        answer(&reply),
        "a retry gives the same answer"
    );
    assert_eq!(
        world.refusal(bob, send(2, room, "hello")),
        ErrorCode::Forbidden
    );
    world.say(ada, room, "who made it may");
    let frames = world.inbox(bob);
    let told = frames.iter().any(|frame| {
        matches!(frame, ServerFrame::Event { event, .. }
            if matches!(event.body, EventBody::OverwriteSet { .. }))
    });
    assert!(told, "{frames:?}");
    let ServerFrame::Overwrites { overwrites, .. } =
        world.request(bob, Request::Overwrites { room })
    else {
        panic!("no overwrites");
    };
    assert_eq!(overwrites, [(everyone(), deny(&[Permission::Send]))]);
    assert_eq!(
        world.refusal(
            bob,
            overwrite(3, room, one("bob"), allow(&[Permission::Send]))
        ),
        ErrorCode::Forbidden
    );
    world.request(
        ada,
        overwrite(4, room, one("bob"), allow(&[Permission::Send])),
    );
    world.say(bob, room, "now I may");
}

#[test]
fn an_overwrite_is_checked() {
    let (mut world, ada, _, room) = two_in_a_room();
    world.set_role(role(HEAD, 30, &[Permission::ManageOverwrites]));
    world.give("bob", &[HEAD]);
    let refused = [
        (
            everyone(),
            allow(&[Permission::ManageRoles]),
            ErrorCode::InvalidField,
        ),
        (
            one("service:x"),
            allow(&[Permission::Pin]),
            ErrorCode::InvalidField,
        ),
        (
            OverwriteTarget::Role(RoleId(99)),
            allow(&[Permission::Pin]),
            ErrorCode::RoleNotFound,
        ),
        (
            OverwriteTarget::Role(HEAD),
            deny(&[Permission::Pin]),
            ErrorCode::Forbidden,
        ),
        (one("bob"), deny(&[Permission::Pin]), ErrorCode::Forbidden),
    ];
    for (number, (target, it, code)) in (10..).zip(refused) {
        let request = overwrite(number, room, target, it);
        assert_eq!(world.refusal(ada, request.clone()), code, "{request:?}");
    }
    // What is left of a role that is gone can be swept away.
    let gone = overwrite(
        30,
        room,
        OverwriteTarget::Role(RoleId(99)),
        Overwrite::default(),
    );
    assert!(refusal_of(&world.request(ada, gone)).is_none());
    assert_eq!(
        world.refusal(ada, overwrite(31, RoomNumber(77), everyone(), deny(&[]))),
        ErrorCode::NotMember
    );
}

#[test]
fn the_overwrites_of_a_room_are_bounded() {
    let (mut world, ada, _, room) = two_in_a_room();
    for number in 0..256 {
        let target = one(&format!("user-{number}"));
        let reply = world.request(
            ada,
            overwrite(number, room, target, deny(&[Permission::Pin])),
        );
        assert!(refusal_of(&reply).is_none(), "{reply:?}");
    }
    let one_more = overwrite(900, room, one("eve"), deny(&[Permission::Pin]));
    assert_eq!(world.refusal(ada, one_more.clone()), ErrorCode::TooMany);
    let instead = overwrite(901, room, one("user-0"), deny(&[Permission::React]));
    assert!(refusal_of(&world.request(ada, instead)).is_none());
    world.request(
        ada,
        overwrite(902, room, one("user-0"), Overwrite::default()),
    );
    let reply = world.request(ada, one_more);
    assert!(
        refusal_of(&reply).is_none(),
        "refusals are not remembered: {reply:?}"
    );
}

#[test]
fn permissions_come_with_a_join() {
    let (mut world, _, _, cleo) = school();
    let joined = |frame: ServerFrame| match frame {
        ServerFrame::Joined { permissions, .. } => permissions,
        other => panic!("not joined: {other:?}"),
    };
    world.create(cleo, "math");
    let own = joined(world.request(cleo, join("math", None)));
    assert!(own.has(Permission::ManageOverwrites));
    assert!(
        !own.has(Permission::CreateRooms),
        "that counts in the tenant"
    );
    let dora = world.connect("dora", "web");
    let other = joined(world.request(dora, join("math", None)));
    assert!(other.has(Permission::Send) && !other.has(Permission::Kick));
}

#[test]
fn an_explanation_follows_the_decision() {
    let (mut world, ada, bob, room) = two_in_a_room();
    world.set_role(role(PUPIL, 1, &[Permission::Pin]));
    world.give("bob", &[PUPIL]);
    let (allowed, reasons) = world.explained(bob, Some(room), None, Permission::Pin);
    assert!(allowed);
    assert_eq!(reasons.last().unwrap().cause, Cause::Role);
    world.overwrite(
        "math",
        OverwriteTarget::Role(PUPIL),
        deny(&[Permission::Pin]),
    );
    let (allowed, reasons) = world.explained(ada, Some(room), Some("bob"), Permission::Pin);
    assert!(!allowed);
    let last = reasons.last().unwrap();
    assert_eq!((last.cause, last.role), (Cause::RoleHere, Some(PUPIL)));
    // Who does not manage overwrites learns nothing of others.
    let about_ada = Request::Explain {
        room: Some(room),
        user: Some(user("ada")),
        permission: Permission::Pin,
    };
    assert_eq!(world.refusal(bob, about_ada), ErrorCode::Forbidden);
    // What counts in the tenant is explained there, wherever it is asked.
    let (allowed, reasons) = world.explained(bob, Some(room), None, Permission::CreateRooms);
    assert!(allowed && reasons.last().unwrap().cause == Cause::Role);
}

#[test]
fn a_room_one_is_not_meant_to_know_of_is_not_explained() {
    let (mut world, _, _, room) = two_in_a_room();
    world.overwrite("math", everyone(), deny(&[Permission::View]));
    let eve = world.connect("eve", "web");
    for room in [room, RoomNumber(99)] {
        let why = Request::Explain {
            room: Some(room),
            user: None,
            permission: Permission::View,
        };
        assert_eq!(world.refusal(eve, why), ErrorCode::NotMember);
    }
}

#[test]
fn who_lost_the_sight_of_a_room_is_told_why_when_they_ask() {
    let (mut world, _, bob, room) = two_in_a_room();
    world.overwrite("math", one("bob"), deny(&[Permission::View]));
    let (allowed, reasons) = world.explained(bob, Some(room), None, Permission::Send);
    assert!(!allowed);
    assert_eq!(reasons.last().unwrap().cause, Cause::NoView);
}
