//! Who may do what: one walk over everything that counts, which both decides and explains.
//!
//! Each step gives or takes some permissions, and the last step that touches one decides about it:
//! so a decision is the walk, and its explanation is the same walk written down.
//!
//! 1. What the roles of the user allow, everyone's first. What none allows is denied.
//! 2. In a room its overwrites: of everyone, then of the user's roles, then of the user; each time denied
//!    first, then allowed. Who made the room may do everything there, unless an overwrite for that user
//!    says otherwise.
//! 3. What any of the user's roles prohibits. Nothing lifts that.
//! 4. Who may not see the room may do nothing there.
//! 5. What the room is and how the user stands to it: its kind, archived, muted, kept apart, banned, no
//!    member.
//!
//! A service passes over all but what the room is.

use homeroom_protocol::{
    Cause, Permission, Permissions, Reason, RoleId, RoomKind, Timestamp, UserId, limit::REASONS_MAX,
};

use super::{
    overwrites::Overwrites,
    roles::{ROOM_WIDE, Roles},
};
use crate::tenant::rooms::room::Room;

/// What a mute takes, and what is not possible towards somebody one is kept apart from.
const SPEAKING: Permissions = Permissions::of(&[
    Permission::Send,
    Permission::SendInThreads,
    Permission::React,
    Permission::Attach,
    Permission::Signal,
    Permission::MentionMany,
]);

/// What is still possible in an archived room: to look, to come in to look, to keep people out, and to
/// open it again.
const ARCHIVED_LEAVES: Permissions = Permissions::of(&[
    Permission::View,
    Permission::Join,
    Permission::Kick,
    Permission::Ban,
    Permission::Mute,
    Permission::ManageRoom,
    Permission::ManageOverwrites,
]);

/// What nobody can do in a direct room: its people are fixed.
const DIRECT_LACKS: Permissions = Permissions::of(&[
    Permission::Join,
    Permission::Invite,
    Permission::Add,
    Permission::Kick,
    Permission::Ban,
]);

/// What is possible without being a member.
const WITHOUT_MEMBERSHIP: Permissions = Permissions::of(&[Permission::View, Permission::Join]);

const VIEW: Permissions = Permissions::of(&[Permission::View]);

/// How a user stands to a room.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) kind: RoomKind,
    pub(crate) archived: bool,
    pub(crate) overwrites: &'a Overwrites,
    /// Whether the user made it.
    pub(crate) made_it: bool,
    pub(crate) is_member: bool,
    /// Whether the user may come in by invitation.
    pub(crate) is_invited: bool,
    pub(crate) is_banned: bool,
    pub(crate) is_muted: bool,
    /// Whether the user is kept apart from somebody in it; asked of direct rooms only.
    pub(crate) is_apart: bool,
}

/// Whose permissions are asked for, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bearing<'a> {
    pub(crate) roles: &'a Roles,
    pub(crate) user: &'a UserId,
    /// Whether it is a service, speaking for itself.
    pub(crate) is_service: bool,
    /// `None`: in the tenant.
    pub(crate) place: Option<Place<'a>>,
}

/// Something that counted for some permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    cause: Cause,
    role: Option<RoleId>,
    allows: bool,
    touched: Permissions,
}

/// What is allowed so far, and who wants to know why.
struct Tally<F> {
    allowed: Permissions,
    /// What there is to be allowed at all: all, or what counts in a room.
    scope: Permissions,
    saw: F,
}

impl<F: FnMut(Step)> Tally<F> {
    fn give(&mut self, cause: Cause, role: Option<RoleId>, permissions: Permissions) {
        self.step(cause, role, true, permissions);
    }

    fn take(&mut self, cause: Cause, role: Option<RoleId>, permissions: Permissions) {
        self.step(cause, role, false, permissions);
    }

    fn step(&mut self, cause: Cause, role: Option<RoleId>, allows: bool, touched: Permissions) {
        let touched = touched & self.scope;
        if touched == Permissions::NONE {
            return;
        }
        self.allowed = if allows {
            self.allowed | touched
        } else {
            self.allowed.without(touched)
        };
        (self.saw)(Step {
            cause,
            role,
            allows,
            touched,
        });
    }
}

/// Whether a user may be told what happens in a room.
pub(crate) fn sees(roles: &Roles, room: &Room, user: &UserId) -> bool {
    // Nothing that ends by itself takes the sight of a room: no moment is needed to say so.
    let place = room.place_of(user, Timestamp(0));
    if !place.is_member && place.kind != RoomKind::Moderation {
        return false;
    }
    let bearing = Bearing {
        roles,
        user,
        is_service: false,
        place: Some(place),
    };
    bearing.allowed().has(Permission::View)
}

/// Whether a user may be told that they are invited to a room, and what it is like.
pub(crate) fn sees_invited(roles: &Roles, room: &Room, user: &UserId) -> bool {
    let place = room.place_of(user, Timestamp(0));
    let bearing = Bearing {
        roles,
        user,
        is_service: false,
        place: Some(place),
    };
    place.is_invited && bearing.allowed().has(Permission::View)
}

impl Bearing<'_> {
    /// All that is allowed.
    pub(crate) fn allowed(&self) -> Permissions {
        self.walk(|_| {})
    }

    /// Whether this is allowed, and why, the last reason deciding. Of more than [`REASONS_MAX`] reasons
    /// the first ones are left out.
    pub(crate) fn explain(&self, permission: Permission) -> (bool, Vec<Reason>) {
        let mut reasons = Vec::new();
        let allowed = self.walk(|step| {
            if step.touched.has(permission) {
                reasons.push(Reason {
                    cause: step.cause,
                    role: step.role,
                    allows: step.allows,
                });
            }
        });
        reasons.drain(..reasons.len().saturating_sub(REASONS_MAX));
        (allowed.has(permission), reasons)
    }

    /// Why this is not allowed; `None` when it is.
    pub(crate) fn obstacle(&self, permission: Permission) -> Option<Cause> {
        let mut last = Cause::Nothing;
        let allowed = self.walk(|step| {
            if step.touched.has(permission) {
                last = step.cause;
            }
        });
        (!allowed.has(permission)).then_some(last)
    }

    fn walk(&self, saw: impl FnMut(Step)) -> Permissions {
        let mut tally = Tally {
            allowed: Permissions::NONE,
            scope: self.place.map_or(Permissions::ALL, |_| ROOM_WIDE),
            saw,
        };
        if self.is_service {
            tally.give(Cause::Role, None, Permissions::ALL);
        } else {
            self.walk_roles(&mut tally);
        }
        if let Some(place) = &self.place {
            self.walk_room(place, &mut tally);
        }
        tally.allowed
    }

    /// Steps 1 to 4.
    fn walk_roles<F: FnMut(Step)>(&self, tally: &mut Tally<F>) {
        let roles = self.roles.of(self.user);
        for role in roles.clone() {
            tally.give(Cause::Role, Some(role.role), role.allow);
        }
        tally.take(Cause::Nothing, None, !tally.allowed);
        if let Some(place) = &self.place {
            self.walk_overwrites(place, tally);
        }
        for role in roles {
            tally.take(Cause::Prohibited, Some(role.role), role.prohibit);
        }
        if self.place.is_some() && !tally.allowed.has(Permission::View) {
            tally.take(Cause::NoView, None, !VIEW);
        }
    }

    fn walk_overwrites<F: FnMut(Step)>(&self, place: &Place<'_>, tally: &mut Tally<F>) {
        if !place.overwrites.is_empty() {
            let everyone = place.overwrites.of_role(RoleId::EVERYONE);
            tally.take(Cause::EveryoneHere, None, everyone.deny);
            tally.give(Cause::EveryoneHere, None, everyone.allow);
            let special = self.roles.of(self.user).skip(1).map(|role| role.role);
            for role in special.clone() {
                let deny = place.overwrites.of_role(role).deny;
                tally.take(Cause::RoleHere, Some(role), deny);
            }
            for role in special {
                let allow = place.overwrites.of_role(role).allow;
                tally.give(Cause::RoleHere, Some(role), allow);
            }
        }
        // In a direct room nobody is above the other.
        if place.made_it && place.kind != RoomKind::Direct {
            tally.give(Cause::UserHere, None, ROOM_WIDE);
        }
        let user = place.overwrites.of_user(self.user);
        tally.take(Cause::UserHere, None, user.deny);
        tally.give(Cause::UserHere, None, user.allow);
    }

    /// Step 5.
    fn walk_room<F: FnMut(Step)>(&self, place: &Place<'_>, tally: &mut Tally<F>) {
        let lacks = self.kind_lacks(place, tally.allowed);
        tally.take(Cause::Kind, None, lacks);
        if place.archived {
            tally.take(Cause::Archived, None, !ARCHIVED_LEAVES);
        }
        if self.is_service {
            return;
        }
        if place.is_muted {
            tally.take(Cause::Muted, None, SPEAKING);
        }
        if place.is_apart {
            tally.take(Cause::Apart, None, SPEAKING);
        }
        if place.is_banned {
            tally.take(Cause::Banned, None, !VIEW);
        }
        if !place.is_member && place.kind != RoomKind::Moderation {
            tally.take(Cause::NotMember, None, !WITHOUT_MEMBERSHIP);
        }
    }

    /// What the kind of a room makes impossible for this user.
    fn kind_lacks(&self, place: &Place<'_>, allowed: Permissions) -> Permissions {
        let is_inside = place.is_member || self.is_service;
        match place.kind {
            RoomKind::Open => Permissions::NONE,
            // Whoever is not meant to know of a room does not even see that it is there.
            RoomKind::Private if is_inside || place.is_invited => Permissions::NONE,
            RoomKind::Direct if is_inside => DIRECT_LACKS,
            RoomKind::Announcement if allowed.has(Permission::ManageRoom) => Permissions::NONE,
            RoomKind::Announcement => Permissions::of(&[Permission::Send]),
            RoomKind::Personal if is_inside => !VIEW,
            RoomKind::Moderation if self.may_moderate() => !VIEW,
            RoomKind::Private | RoomKind::Direct | RoomKind::Personal | RoomKind::Moderation => {
                Permissions::ALL
            }
        }
    }

    fn may_moderate(&self) -> bool {
        let in_tenant = Self {
            place: None,
            ..*self
        };
        in_tenant.allowed().has(Permission::Moderate)
    }
}

#[cfg(test)]
#[path = "permit_tests.rs"]
mod tests;
