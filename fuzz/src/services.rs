//! What a back end asks, by choices: the same rules from the other side.

use homeroom_engine::{
    identity::{Actor, ServiceName},
    tenant::{Moderation, RoleRequest, ServiceRequest},
};
use homeroom_protocol::{Direction, OverwriteTarget, Permissions};

use crate::{
    Choices,
    requests::{There, changes, draft, info, key, measure, roles, room_id, seq, set_role, user},
};

/// Who asks: the back end for itself, or as a user.
///
/// # Panics
/// Never: the name is one.
pub fn actor(choices: &mut Choices<'_>) -> Actor {
    if choices.flag() {
        Actor::User(user(choices))
    } else {
        Actor::Service(ServiceName::new("x").expect("a valid name"))
    }
}

/// Any request of a back end.
pub fn request(choices: &mut Choices<'_>, there: There) -> ServiceRequest {
    let room = room_id(choices);
    match choices.below(12) {
        0 => ServiceRequest::CreateRoom {
            key: key(choices),
            room,
            info: info(choices),
            members: vec![user(choices)],
        },
        1 => ServiceRequest::ChangeRoom {
            key: key(choices),
            room,
            changes: changes(choices),
        },
        2 => ServiceRequest::Moderate {
            room,
            moderation: Moderation {
                until: choices.flag().then(|| there.now.plus_ms(choices.number())),
                ..Moderation::new(user(choices), measure(choices))
            },
        },
        3 => ServiceRequest::AddMember {
            room,
            member: user(choices),
        },
        4 => ServiceRequest::RemoveMember {
            room,
            member: user(choices),
        },
        5 => ServiceRequest::Publish {
            key: key(choices),
            room,
            draft: draft(choices),
        },
        6 => ServiceRequest::Edit {
            key: key(choices),
            room,
            target: seq(choices),
            draft: draft(choices),
        },
        7 => ServiceRequest::Delete {
            key: key(choices),
            room,
            target: seq(choices),
        },
        8 => ServiceRequest::History {
            room,
            direction: if choices.flag() {
                Direction::Around
            } else {
                Direction::Before
            },
            anchor: choices.flag().then(|| seq(choices)),
            limit: u32::from(choices.byte()),
        },
        9 => ServiceRequest::Presence {
            users: vec![user(choices)],
        },
        10 => ServiceRequest::Room { room },
        _ => ServiceRequest::Roles(of_roles(choices)),
    }
}

fn of_roles(choices: &mut Choices<'_>) -> RoleRequest {
    match choices.below(4) {
        0 => RoleRequest::Set(set_role(choices)),
        1 => RoleRequest::Give {
            user: user(choices),
            roles: roles(choices),
        },
        2 => RoleRequest::Remove {
            role: set_role(choices).role,
        },
        _ => RoleRequest::Overwrite {
            room: room_id(choices),
            target: OverwriteTarget::User(user(choices)),
            overwrite: homeroom_protocol::Overwrite {
                deny: set_role(choices).allow,
                allow: Permissions::NONE,
            },
        },
    }
}
