//! Roles, asked for by clients and back ends: who gives them, and what they carry.

use homeroom_engine::tenant::{Entry, RoleAnswer, RoleRequest, ServiceAnswer, ServiceRequest};
use homeroom_protocol::{
    Cause, ConnectionId, ErrorCode, EventBody, Overwrite, OverwriteTarget, Permission, Permissions,
    Request, Role, RoleId, RoomId, RoomNumber, ServerFrame, limit,
};

use crate::support::{World, as_user, itself, key, send, two_in_a_room, user};

pub(crate) const HEAD: RoleId = RoleId(1);
pub(crate) const TEACHER: RoleId = RoleId(2);
pub(crate) const PUPIL: RoleId = RoleId(3);

pub(crate) const VIEW: Permissions = Permissions::of(&[Permission::View]);

pub(crate) fn role(role: RoleId, rank: u32, allow: &[Permission]) -> Role {
    Role {
        role,
        name: format!("role {}", role.0),
        rank,
        allow: Permissions::of(allow),
        prohibit: Permissions::NONE,
    }
}

pub(crate) fn deny(permissions: &[Permission]) -> Overwrite {
    Overwrite {
        deny: Permissions::of(permissions),
        allow: Permissions::NONE,
    }
}

pub(crate) fn allow(permissions: &[Permission]) -> Overwrite {
    Overwrite {
        deny: Permissions::NONE,
        allow: Permissions::of(permissions),
    }
}

impl World {
    /// A back end asks something about roles.
    pub(crate) fn serve_roles(&mut self, request: RoleRequest) -> Result<RoleAnswer, ErrorCode> {
        match self.serve(itself(), ServiceRequest::Roles(request)) {
            Ok(ServiceAnswer::Roles(answer)) => Ok(answer),
            Ok(other) => panic!("another answer: {other:?}"),
            Err(refused) => Err(refused.code),
        }
    }

    pub(crate) fn set_role(&mut self, role: Role) {
        assert_eq!(
            self.serve_roles(RoleRequest::Set(role)),
            Ok(RoleAnswer::Done)
        );
    }

    pub(crate) fn give(&mut self, name: &str, roles: &[RoleId]) {
        let request = RoleRequest::Give {
            user: user(name),
            roles: roles.to_vec(),
        };
        assert_eq!(self.serve_roles(request), Ok(RoleAnswer::Done));
    }

    pub(crate) fn overwrite(&mut self, id: &str, target: OverwriteTarget, overwrite: Overwrite) {
        let request = RoleRequest::Overwrite {
            room: RoomId::new(id).unwrap(),
            target,
            overwrite,
        };
        let answer = self.serve_roles(request);
        assert!(matches!(answer, Ok(RoleAnswer::Placed(_))), "{answer:?}");
    }

    /// The same, without a look at whether its answer may leave.
    pub(crate) fn overwrite_later(
        &mut self,
        id: &str,
        target: OverwriteTarget,
        overwrite: Overwrite,
    ) {
        let request = RoleRequest::Overwrite {
            room: RoomId::new(id).unwrap(),
            target,
            overwrite,
        };
        self.serve_later(itself(), ServiceRequest::Roles(request));
    }
}

/// A school: a head above teachers above pupils. Ada is the head, Bob a teacher, Cleo nothing.
pub(crate) fn school() -> (World, ConnectionId, ConnectionId, ConnectionId) {
    let mut world = World::new();
    world.set_role(role(HEAD, 30, &Permission::ALL));
    world.set_role(role(
        TEACHER,
        20,
        &[Permission::ManageRoles, Permission::Kick],
    ));
    world.set_role(role(PUPIL, 10, &[]));
    world.give("ada", &[HEAD]);
    world.give("bob", &[TEACHER]);
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let cleo = world.connect("cleo", "web");
    (world, ada, bob, cleo)
}

fn give(name: &str, roles: &[RoleId]) -> Request {
    Request::GiveRoles {
        user: user(name),
        roles: roles.to_vec(),
    }
}

pub(crate) fn overwrite(
    number: u64,
    room: RoomNumber,
    target: OverwriteTarget,
    it: Overwrite,
) -> Request {
    Request::Overwrite {
        key: key(number),
        room,
        target,
        overwrite: it,
    }
}

pub(crate) fn everyone() -> OverwriteTarget {
    OverwriteTarget::Role(RoleId::EVERYONE)
}

pub(crate) fn one(name: &str) -> OverwriteTarget {
    OverwriteTarget::User(user(name))
}

#[test]
fn roles_are_listed_everyone_first() {
    let (mut world, _, _, cleo) = school();
    let ServerFrame::Roles { roles, .. } = world.request(cleo, Request::Roles) else {
        panic!("no roles");
    };
    let numbers: Vec<_> = roles.iter().map(|role| role.role).collect();
    assert_eq!(numbers, [RoleId::EVERYONE, HEAD, TEACHER, PUPIL]);
    assert_eq!(
        world.serve_roles(RoleRequest::List),
        Ok(RoleAnswer::Roles(roles))
    );
}

#[test]
fn whoever_manages_roles_does_so_below_their_own_rank() {
    let (mut world, ada, bob, cleo) = school();
    world.done(
        bob,
        Request::SetRole(role(RoleId(9), 19, &[Permission::Kick])),
    );
    world.done(bob, give("cleo", &[RoleId(9), PUPIL]));
    assert_eq!(world.me(cleo).roles, [PUPIL, RoleId(9)]);

    let too_high = [
        Request::SetRole(role(RoleId(8), 20, &[])),
        Request::SetRole(role(RoleId(8), 5, &[Permission::Moderate])),
        Request::SetRole(role(TEACHER, 1, &[])),
        Request::SetRole(role(HEAD, 1, &[])),
        Request::RemoveRole { role: TEACHER },
        give("cleo", &[PUPIL, TEACHER]),
        give("ada", &[HEAD, PUPIL]),
        give("bob", &[]),
    ];
    for request in too_high {
        assert_eq!(world.refusal(bob, request), ErrorCode::Forbidden);
    }
    world.done(ada, give("bob", &[]));
    assert_eq!(world.refusal(bob, give("cleo", &[])), ErrorCode::Forbidden);
}

/// Bob manages roles, and may not moderate.
#[test]
fn nobody_ends_that_something_is_prohibited_which_their_own_roles_do_not_allow() {
    let (mut world, ada, bob, _) = school();
    let silent = |prohibit: &[Permission]| Role {
        prohibit: Permissions::of(prohibit),
        ..role(RoleId(9), 5, &[Permission::Moderate, Permission::Kick])
    };
    world.set_role(silent(&[Permission::Moderate, Permission::Kick]));
    world.give("cleo", &[RoleId(9)]);
    for request in [
        Request::SetRole(silent(&[Permission::Kick])),
        Request::RemoveRole { role: RoleId(9) },
        give("cleo", &[]),
    ] {
        assert_eq!(world.refusal(bob, request), ErrorCode::Forbidden);
    }
    world.done(bob, Request::SetRole(silent(&[Permission::Moderate])));
    // What is prohibited to everyone can be taken back by whoever did it.
    let everyone = |prohibit: &[Permission]| Role {
        prohibit: Permissions::of(prohibit),
        ..role(RoleId::EVERYONE, 0, &[Permission::View])
    };
    world.done(ada, Request::SetRole(everyone(&[Permission::Moderate])));
    world.done(ada, Request::SetRole(everyone(&[])));
}

/// What a removed role had in rooms is not handed on by whoever makes a lower one of its number.
#[test]
fn a_role_that_rooms_still_name_is_made_again_by_a_service_alone() {
    let (mut world, ada, bob, cleo) = school();
    let room = world.open_room(ada, "math");
    let it = OverwriteTarget::Role(HEAD);
    let all = allow(&[Permission::Ban, Permission::ManageRoom]);
    world.request(ada, overwrite(1, room, it.clone(), all));
    assert_eq!(
        world.serve_roles(RoleRequest::Remove { role: HEAD }),
        Ok(RoleAnswer::Done)
    );
    world.tick();
    world.join(cleo, "math");
    let again = || Request::SetRole(role(HEAD, 1, &[]));
    assert_eq!(world.refusal(bob, again()), ErrorCode::Forbidden);
    world.set_role(role(HEAD, 1, &[]));
    world.done(bob, Request::RemoveRole { role: HEAD });
    world.overwrite("math", it, Overwrite::default());
    world.done(bob, again());
}

#[test]
fn the_policy_of_higher_roles_is_not_changed_from_below() {
    let (mut world, ada, bob, _) = school();
    let policy = |apart: &[(RoleId, RoleId)]| Request::Policy {
        apart: apart.to_vec(),
    };
    let of_head = (PUPIL, HEAD);
    assert_eq!(world.refusal(bob, policy(&[of_head])), ErrorCode::Forbidden);
    world.done(ada, policy(&[of_head]));
    assert_eq!(world.refusal(bob, policy(&[])), ErrorCode::Forbidden);
    world.done(bob, policy(&[of_head, (PUPIL, TEACHER)]));
    world.done(bob, policy(&[of_head]));
}

#[test]
fn a_back_end_that_speaks_for_a_user_reads_the_roles_that_these_may_read() {
    let (mut world, ..) = school();
    let of = |name: &str| ServiceRequest::Roles(RoleRequest::Of { user: user(name) });
    let refused = world.serve(as_user("cleo"), of("ada")).unwrap_err();
    assert_eq!(refused.code, ErrorCode::Forbidden);
    assert!(world.serve(as_user("ada"), of("ada")).is_ok());
    assert!(world.serve(as_user("bob"), of("cleo")).is_ok());
    assert!(world.serve(itself(), of("ada")).is_ok());
}

#[test]
fn who_does_not_manage_roles_cannot_touch_them() {
    let (mut world, _, _, cleo) = school();
    let requests = [
        Request::SetRole(role(RoleId(8), 0, &[])),
        Request::RemoveRole { role: PUPIL },
        give("cleo", &[PUPIL]),
        Request::Policy { apart: Vec::new() },
        Request::Explain {
            room: None,
            user: Some(user("ada")),
            permission: Permission::Kick,
        },
    ];
    for request in requests {
        assert_eq!(world.refusal(cleo, request), ErrorCode::Forbidden);
    }
}

#[test]
fn an_equal_who_may_do_the_same_is_left_alone() {
    let (mut world, _, bob, _) = school();
    world.give("dora", &[TEACHER]);
    assert_eq!(
        world.refusal(bob, give("dora", &[TEACHER, PUPIL])),
        ErrorCode::Forbidden
    );
    // An equal without that permission is not protected by the rank alone.
    world.set_role(role(RoleId(7), 20, &[]));
    world.give("emil", &[RoleId(7)]);
    world.done(bob, give("emil", &[RoleId(7), PUPIL]));
}

#[test]
fn what_is_said_about_roles_is_checked() {
    let (mut world, ada, ..) = school();
    let everyone_ranked = Role {
        rank: 1,
        ..role(RoleId::EVERYONE, 0, &[])
    };
    let unknown_bits = Role {
        allow: Permissions(1 << 40),
        ..role(PUPIL, 1, &[])
    };
    let long = Role {
        name: "n".repeat(limit::ROLE_NAME_BYTES_MAX + 1),
        ..role(PUPIL, 1, &[])
    };
    let invalid = [
        Request::SetRole(everyone_ranked),
        Request::SetRole(unknown_bits),
        Request::SetRole(long),
        Request::RemoveRole {
            role: RoleId::EVERYONE,
        },
        give("service:timetable", &[PUPIL]),
        give("cleo", &[PUPIL; limit::ROLES_PER_USER_MAX + 1]),
        Request::Policy {
            apart: vec![(PUPIL, PUPIL); limit::POLICY_PAIRS_MAX + 1],
        },
    ];
    for request in invalid {
        assert_eq!(world.refusal(ada, request), ErrorCode::InvalidField);
    }
    let unknown = [
        Request::RemoveRole { role: RoleId(99) },
        give("cleo", &[RoleId(99)]),
        Request::Policy {
            apart: vec![(PUPIL, RoleId(99))],
        },
    ];
    for request in unknown {
        assert_eq!(world.refusal(ada, request), ErrorCode::RoleNotFound);
    }
}

#[test]
fn roles_and_those_who_have_them_are_bounded() {
    let mut world = World::with(|settings| settings.users_with_roles_max = 2);
    for number in 1..u32::try_from(limit::ROLES_MAX).unwrap() {
        world.set_role(role(RoleId(number), 1, &[]));
    }
    let one_more = RoleRequest::Set(role(RoleId(1_000), 1, &[]));
    assert_eq!(world.serve_roles(one_more), Err(ErrorCode::TooMany));
    world.give("ada", &[HEAD]);
    world.give("bob", &[HEAD]);
    let third = RoleRequest::Give {
        user: user("cleo"),
        roles: vec![HEAD],
    };
    assert_eq!(world.serve_roles(third), Err(ErrorCode::TooMany));
    world.give("ada", &[]);
    world.give("cleo", &[HEAD]);
}

#[test]
fn being_given_roles_is_told_on_the_user_stream() {
    let (mut world, ..) = school();
    world.give("cleo", &[PUPIL]);
    let told = world
        .events()
        .into_iter()
        .rev()
        .find_map(|event| match &event.body {
            EventBody::RolesGiven { roles } => Some((event.author.clone(), roles.clone())),
            _ => None,
        });
    assert_eq!(told, Some((user("cleo"), vec![PUPIL])));
    let before = world.log_len();
    world.give("cleo", &[PUPIL]);
    assert_eq!(
        world.log_len(),
        before,
        "what is so already is not written again"
    );
}

#[test]
fn a_removed_role_counts_no_more_at_once_and_leaves_every_list() {
    let (mut world, ada, ..) = school();
    let names: Vec<_> = (0..150).map(|number| format!("pupil-{number}")).collect();
    for name in &names {
        world.give(name, &[PUPIL, TEACHER]);
    }
    let one_of_them = world.connect(&names[149], "web");
    assert!(
        world
            .me(one_of_them)
            .permissions
            .has(Permission::ManageRoles)
    );
    world.done(ada, Request::RemoveRole { role: TEACHER });
    assert!(
        !world
            .me(one_of_them)
            .permissions
            .has(Permission::ManageRoles)
    );
    let again = Request::SetRole(role(TEACHER, 1, &[]));
    assert_eq!(
        world.refusal(ada, again.clone()),
        ErrorCode::Overloaded,
        "whoever still has the number would have the new role"
    );
    world.tick();
    for name in &names {
        let of = RoleRequest::Of { user: user(name) };
        assert_eq!(world.serve_roles(of), Ok(RoleAnswer::Of(vec![PUPIL])));
    }
    world.done(ada, again);
}

#[test]
fn clearing_lists_goes_on_after_a_crash_and_waits_for_a_full_disk() {
    let (mut world, ada, ..) = school();
    world.done(ada, Request::RemoveRole { role: TEACHER });
    world.crash();
    world.storage = homeroom_engine::domain::Storage::Full;
    world.connect("cleo", "web");
    world.tick_once();
    let of = || RoleRequest::Of { user: user("bob") };
    assert_eq!(world.serve_roles(of()), Ok(RoleAnswer::Of(vec![TEACHER])));
    world.storage = homeroom_engine::domain::Storage::Open;
    world.pass(60_000);
    assert_eq!(world.serve_roles(of()), Ok(RoleAnswer::Of(vec![])));
}

#[test]
fn roles_and_overwrites_survive_a_crash() {
    let (mut world, _, _, cleo) = school();
    let room = world.open_room(cleo, "math");
    world.overwrite(
        "math",
        OverwriteTarget::Role(PUPIL),
        deny(&[Permission::Send]),
    );
    world.give("dora", &[PUPIL]);
    world.crash();
    let dora = world.connect("dora", "web");
    world.join(dora, "math");
    assert_eq!(
        world.refusal(dora, send(1, room, "hello")),
        ErrorCode::Forbidden
    );
    let changes = |entry: &&Entry| matches!(entry, Entry::Tenant(_));
    assert!(world.entries().iter().filter(changes).count() > 0);
}

#[test]
fn a_back_end_sets_the_same_once_and_reads_it() {
    let (mut world, ..) = two_in_a_room();
    let room = || RoomId::new("math").unwrap();
    world.overwrite("math", everyone(), deny(&[Permission::React]));
    let again = RoleRequest::Overwrite {
        room: room(),
        target: everyone(),
        overwrite: deny(&[Permission::React]),
    };
    assert_eq!(world.serve_roles(again), Ok(RoleAnswer::Placed(None)));
    let expected = vec![(everyone(), deny(&[Permission::React]))];
    assert_eq!(
        world.serve_roles(RoleRequest::Overwrites { room: room() }),
        Ok(RoleAnswer::Overwrites(expected))
    );
    let why = RoleRequest::Explain {
        room: Some(room()),
        user: user("bob"),
        permission: Permission::React,
    };
    let Ok(RoleAnswer::Explained(false, reasons)) = world.serve_roles(why) else {
        panic!("not explained");
    };
    assert_eq!(reasons.last().unwrap().cause, Cause::EveryoneHere);
    let nowhere = RoleRequest::Overwrites {
        room: RoomId::new("nowhere").unwrap(),
    };
    assert_eq!(world.serve_roles(nowhere), Err(ErrorCode::RoomNotFound));
}

#[test]
fn nothing_about_roles_is_changed_while_the_disk_is_full() {
    let (mut world, ada, _, cleo) = school();
    let room = world.open_room(cleo, "math");
    world.storage = homeroom_engine::domain::Storage::Full;
    for request in [
        Request::SetRole(role(RoleId(9), 1, &[])),
        Request::RemoveRole { role: PUPIL },
        give("cleo", &[PUPIL]),
        Request::Policy {
            apart: vec![(PUPIL, TEACHER)],
        },
    ] {
        assert_eq!(world.refusal(ada, request), ErrorCode::StorageFull);
    }
    let it = overwrite(1, room, everyone(), deny(&[Permission::Send]));
    assert_eq!(world.refusal(cleo, it), ErrorCode::StorageFull);
}
