use homeroom_protocol::{Overwrite, OverwriteTarget, Role};
use proptest::prelude::*;

use super::*;

const ADA: &str = "ada";

fn ada() -> UserId {
    UserId::new(ADA).unwrap()
}

/// Everything that counts, as plain values.
#[derive(Debug, Clone)]
struct World {
    /// Role 0 is everyone. All are Ada's.
    roles: Vec<(Permissions, Permissions)>,
    everyone_here: Overwrite,
    roles_here: Vec<Overwrite>,
    user_here: Overwrite,
    kind: RoomKind,
    flags: Flags,
}

#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    archived: bool,
    made_it: bool,
    is_member: bool,
    is_invited: bool,
    is_banned: bool,
    is_muted: bool,
    is_apart: bool,
    is_service: bool,
}

impl World {
    fn roles(&self, order: impl Fn(u32) -> u32) -> Roles {
        let mut roles = Roles::default();
        let mut given = Vec::new();
        for (at, &(allow, prohibit)) in (0..).zip(&self.roles) {
            let role = if at == 0 {
                RoleId(0)
            } else {
                RoleId(order(at))
            };
            given.push(role);
            roles.set(Role {
                role,
                name: String::new(),
                rank: 0,
                allow,
                prohibit,
            });
        }
        roles.give(&ada(), &given);
        roles
    }

    fn overwrites(&self, order: impl Fn(u32) -> u32) -> Overwrites {
        let mut overwrites = Overwrites::default();
        overwrites.set(&OverwriteTarget::Role(RoleId(0)), self.everyone_here);
        for (at, &overwrite) in (1..).zip(&self.roles_here) {
            overwrites.set(&OverwriteTarget::Role(RoleId(order(at))), overwrite);
        }
        overwrites.set(&OverwriteTarget::User(ada()), self.user_here);
        overwrites
    }

    fn ask<T>(&self, order: impl Fn(u32) -> u32, ask: impl FnOnce(&Bearing<'_>) -> T) -> T {
        let (roles, overwrites) = (self.roles(&order), self.overwrites(&order));
        let user = ada();
        ask(&Bearing {
            roles: &roles,
            user: &user,
            is_service: self.flags.is_service,
            place: Some(Place {
                kind: self.kind,
                archived: self.flags.archived,
                overwrites: &overwrites,
                made_it: self.flags.made_it,
                is_member: self.flags.is_member,
                is_invited: self.flags.is_invited,
                is_banned: self.flags.is_banned,
                is_muted: self.flags.is_muted,
                is_apart: self.flags.is_apart,
            }),
        })
    }

    fn allowed(&self) -> Permissions {
        self.ask(|at| at, |it| it.allowed())
    }

    /// The rule as a person would write it down, for a plain member of an open room.
    fn allowed_naively(&self) -> Permissions {
        let union = |sets: &mut dyn Iterator<Item = Permissions>| {
            sets.fold(Permissions::NONE, |all, set| all | set)
        };
        let mut bits = union(&mut self.roles.iter().map(|role| role.0));
        // Only overwrites of roles that Ada has.
        let here = &self.roles_here[..self.roles_here.len().min(self.roles.len() - 1)];
        for Overwrite { deny, allow } in [
            self.everyone_here,
            Overwrite {
                deny: union(&mut here.iter().map(|it| it.deny)),
                allow: union(&mut here.iter().map(|it| it.allow)),
            },
            Overwrite {
                deny: Permissions::NONE,
                allow: if self.flags.made_it {
                    Permissions::ALL
                } else {
                    Permissions::NONE
                },
            },
            self.user_here,
        ] {
            bits = bits.without(deny) | allow;
        }
        bits = bits.without(union(&mut self.roles.iter().map(|role| role.1)));
        if bits.has(Permission::View) {
            bits & ROOM_WIDE
        } else {
            Permissions::NONE
        }
    }
}

/// A member of an open room who may do nothing but look.
fn looking() -> World {
    World {
        roles: vec![(VIEW, Permissions::NONE)],
        everyone_here: Overwrite::default(),
        roles_here: Vec::new(),
        user_here: Overwrite::default(),
        kind: RoomKind::Open,
        flags: Flags {
            is_member: true,
            ..Flags::default()
        },
    }
}

/// A member of an open room who may do everything.
fn mighty(kind: RoomKind) -> World {
    World {
        roles: vec![(Permissions::ALL, Permissions::NONE)],
        kind,
        ..looking()
    }
}

fn permissions() -> impl Strategy<Value = Permissions> {
    // Few or many, and View more often than not: else nearly every case is one in which nothing is seen.
    (0..=Permissions::ALL.0, 0..=Permissions::ALL.0, any::<u8>()).prop_map(|(one, other, mode)| {
        Permissions(match mode % 4 {
            0 => one & other,
            1 => one | other,
            2 => one | 1,
            _ => 0,
        })
    })
}

fn overwrite() -> impl Strategy<Value = Overwrite> {
    (permissions(), permissions()).prop_map(|(deny, allow)| Overwrite { deny, allow })
}

fn kind() -> impl Strategy<Value = RoomKind> {
    prop::sample::select(vec![
        RoomKind::Open,
        RoomKind::Private,
        RoomKind::Direct,
        RoomKind::Announcement,
        RoomKind::Personal,
        RoomKind::Moderation,
    ])
}

fn flags() -> impl Strategy<Value = Flags> {
    any::<u8>().prop_map(|bits| Flags {
        archived: bits & 1 != 0,
        made_it: bits & 2 != 0,
        is_member: bits & 4 != 0,
        is_invited: bits & 8 != 0,
        is_banned: bits & 16 != 0,
        is_muted: bits & 32 != 0,
        is_apart: bits & 64 != 0,
        is_service: bits & 128 != 0,
    })
}

fn world() -> impl Strategy<Value = World> {
    let role = (
        permissions(),
        permissions().prop_map(|it| Permissions(it.0 & it.0 >> 7)),
    );
    (
        prop::collection::vec(role, 1..5),
        overwrite(),
        prop::collection::vec(overwrite(), 0..6),
        overwrite(),
        kind(),
        flags(),
    )
        .prop_map(
            |(roles, everyone_here, roles_here, user_here, kind, flags)| World {
                roles,
                everyone_here,
                roles_here,
                user_here,
                kind,
                flags,
            },
        )
}

/// A plain member of an open room, so that only roles and overwrites count.
fn member_of_open(mut world: World) -> World {
    world.kind = RoomKind::Open;
    world.flags = Flags {
        is_member: true,
        made_it: world.flags.made_it,
        ..Flags::default()
    };
    world
}

proptest! {
    #[test]
    fn the_last_reason_is_the_decision(world in world()) {
        let allowed = world.allowed();
        for permission in ROOM_WIDE.iter() {
            let (decided, reasons) = world.ask(|at| at, |it| it.explain(permission));
            prop_assert_eq!(decided, allowed.has(permission));
            prop_assert_eq!(reasons.last().map(|reason| reason.allows), Some(decided));
            let obstacle = world.ask(|at| at, |it| it.obstacle(permission));
            let refused = (!decided).then(|| reasons[reasons.len() - 1].cause);
            prop_assert_eq!(obstacle, refused);
        }
    }

    #[test]
    fn roles_and_overwrites_count_as_the_rule_says(world in world().prop_map(member_of_open)) {
        prop_assert_eq!(world.allowed(), world.allowed_naively());
    }

    #[test]
    fn what_is_prohibited_is_prohibited_whatever_else_is_said(world in world()) {
        prop_assume!(!world.flags.is_service);
        for (_, prohibit) in &world.roles {
            prop_assert_eq!(world.allowed() & *prohibit, Permissions::NONE);
        }
    }

    #[test]
    fn at_one_level_what_is_allowed_wins_over_what_is_denied(
        world in world().prop_map(member_of_open),
        both in permissions(),
    ) {
        let mut world = world;
        world.user_here = Overwrite { deny: both, allow: both | VIEW };
        for role in &mut world.roles {
            role.1 = Permissions::NONE;
        }
        prop_assert!(world.allowed().contains(both & ROOM_WIDE));
    }

    #[test]
    fn who_may_not_see_may_do_nothing(world in world()) {
        prop_assume!(!world.flags.is_service);
        let allowed = world.allowed();
        prop_assert!(allowed.has(Permission::View) || allowed == Permissions::NONE);
    }

    #[test]
    fn the_order_of_roles_does_not_matter(world in world()) {
        let backwards = world.ask(|at| 100 - at, |it| it.allowed());
        prop_assert_eq!(world.allowed(), backwards);
    }

    #[test]
    fn nothing_of_the_tenant_is_given_in_a_room(world in world()) {
        prop_assert!(ROOM_WIDE.contains(world.allowed()));
    }

    #[test]
    fn how_one_stands_to_a_room_only_takes(world in world()) {
        prop_assume!(!world.flags.is_service);
        let plain = member_of_open(world.clone()).allowed();
        prop_assert!(plain.contains(world.allowed()) || world.kind == RoomKind::Direct);
    }
}

#[test]
fn an_explanation_tells_the_steps_in_their_order() {
    let mut world = looking();
    world
        .roles
        .push((Permissions::of(&[Permission::Pin]), Permissions::NONE));
    world.everyone_here.deny = Permissions::of(&[Permission::Pin]);
    world.roles_here.push(Overwrite {
        deny: Permissions::NONE,
        allow: Permissions::of(&[Permission::Pin]),
    });
    world.flags.archived = true;
    let (allowed, reasons) = world.ask(|at| at, |it| it.explain(Permission::Pin));
    let reason = |cause, role, allows| Reason {
        cause,
        role,
        allows,
    };
    assert!(!allowed);
    assert_eq!(
        reasons,
        [
            reason(Cause::Role, Some(RoleId(1)), true),
            reason(Cause::EveryoneHere, None, false),
            reason(Cause::RoleHere, Some(RoleId(1)), true),
            reason(Cause::Archived, None, false),
        ]
    );
}

#[test]
fn what_nobody_gives_is_denied_and_says_so() {
    let (allowed, reasons) = looking().ask(|at| at, |it| it.explain(Permission::Kick));
    assert!(!allowed);
    assert_eq!(reasons.len(), 1);
    assert_eq!(reasons[0].cause, Cause::Nothing);
}

#[test]
fn an_explanation_is_bounded_and_keeps_its_end() {
    let mut world = looking();
    for _ in 1..REASONS_MAX {
        world.roles.push((Permissions::ALL, Permissions::ALL));
    }
    let (allowed, reasons) = world.ask(|at| at, |it| it.explain(Permission::Send));
    assert!(!allowed);
    assert_eq!(reasons.len(), REASONS_MAX);
    assert_eq!(reasons[REASONS_MAX - 1].cause, Cause::NoView);
}

#[test]
fn who_made_a_room_may_do_everything_there_until_an_overwrite_says_otherwise() {
    let mut world = looking();
    world.flags.made_it = true;
    assert_eq!(world.allowed(), ROOM_WIDE);
    world.user_here.deny = Permissions::of(&[Permission::Ban]);
    assert!(!world.allowed().has(Permission::Ban));
    world.kind = RoomKind::Direct;
    assert_eq!(world.allowed(), VIEW);
}

#[test]
fn in_an_announcement_room_only_who_manages_it_talks_and_all_answer_in_threads() {
    let mut world = mighty(RoomKind::Announcement);
    assert!(world.allowed().has(Permission::Send));
    world.user_here.deny = Permissions::of(&[Permission::ManageRoom]);
    assert!(!world.allowed().has(Permission::Send));
    assert!(world.allowed().has(Permission::SendInThreads));
    let obstacle = world.ask(|at| at, |it| it.obstacle(Permission::Send));
    assert_eq!(obstacle, Some(Cause::Kind));
}

#[test]
fn who_is_no_member_may_join_and_nothing_else() {
    let mut world = mighty(RoomKind::Open);
    world.flags.is_member = false;
    assert_eq!(world.allowed(), WITHOUT_MEMBERSHIP);
    world.flags.is_banned = true;
    assert_eq!(world.allowed(), VIEW);
    let obstacle = world.ask(|at| at, |it| it.obstacle(Permission::Join));
    assert_eq!(obstacle, Some(Cause::Banned));
}

#[test]
fn a_private_room_is_not_there_for_who_is_not_invited() {
    let mut world = mighty(RoomKind::Private);
    assert!(world.allowed().has(Permission::Send));
    world.flags.is_member = false;
    assert_eq!(world.allowed(), Permissions::NONE);
    world.flags.is_invited = true;
    assert_eq!(world.allowed(), WITHOUT_MEMBERSHIP);
}

#[test]
fn reports_are_for_who_may_moderate_and_can_only_be_read() {
    let mut world = mighty(RoomKind::Moderation);
    world.flags.is_member = false;
    assert_eq!(world.allowed(), VIEW);
    world.roles[0].0 = Permissions::ALL.without(Permissions::of(&[Permission::Moderate]));
    assert_eq!(world.allowed(), Permissions::NONE);
}

#[test]
fn a_user_stream_is_for_its_user_and_can_only_be_read() {
    let mut world = mighty(RoomKind::Personal);
    assert_eq!(world.allowed(), VIEW);
    world.flags.is_member = false;
    assert_eq!(world.allowed(), Permissions::NONE);
}

#[test]
fn a_mute_and_being_apart_take_the_same_and_leave_reading() {
    for set in [(|flags| flags.is_muted = true) as fn(&mut Flags), |flags| {
        flags.is_apart = true
    }] {
        let mut world = mighty(RoomKind::Open);
        set(&mut world.flags);
        assert_eq!(world.allowed(), ROOM_WIDE.without(SPEAKING));
    }
}

#[test]
fn a_service_is_held_back_by_what_a_room_is_alone() {
    let mut world = looking();
    world.flags.is_service = true;
    world.flags.is_member = false;
    world.flags.is_banned = true;
    world.flags.is_muted = true;
    world.roles[0].1 = Permissions::ALL;
    assert_eq!(world.allowed(), ROOM_WIDE);
    world.kind = RoomKind::Announcement;
    assert_eq!(world.allowed(), ROOM_WIDE);
    world.kind = RoomKind::Direct;
    assert_eq!(world.allowed(), ROOM_WIDE.without(DIRECT_LACKS));
    world.flags.archived = true;
    assert!(!world.allowed().has(Permission::Send));
}
