//! Roles are made, changed, given and taken; a room differs from them; and who may act on whom.

use std::collections::BTreeSet;

use homeroom_protocol::{
    EventBody, Overwrite, OverwriteTarget, Permission, Permissions, Reason, Role, RoleId,
    RoomNumber, UserId,
    limit::{POLICY_PAIRS_MAX, ROLE_NAME_BYTES_MAX, ROLES_MAX, ROLES_PER_USER_MAX},
};

use super::{Ground, Keyed, Verdict, check_count, check_field};
use crate::tenant::{
    refusal::Refusal,
    rights::{
        overwrites::OVERWRITES_PER_ROOM_MAX,
        roles::{ROOM_WIDE, TENANT_WIDE},
    },
    rooms::room::Room,
};

/// Makes or changes a role; whether that changes anything.
pub(crate) fn set_role(ground: Ground<'_>, role: &Role) -> Result<bool, Refusal> {
    ground.may_write()?;
    check_field("name", role.name.len(), ROLE_NAME_BYTES_MAX)?;
    check_known("allow", role.allow, Permissions::ALL)?;
    check_known("prohibit", role.prohibit, Permissions::ALL)?;
    if role.role == RoleId::EVERYONE && role.rank != 0 {
        return Err(Refusal::InvalidField {
            field: "rank",
            max: 0,
        });
    }
    ground.may_in_tenant(Permission::ManageRoles)?;
    let before = ground.roles.get(role.role);
    for rank in [Some(role.rank), before.map(|before| before.rank)] {
        rank.map_or(Ok(()), |rank| ground.is_above(rank))?;
    }
    let allowed_before = before.map_or(Permissions::NONE, |before| before.allow);
    ground.may_hand_on(role.allow.without(allowed_before))?;
    let prohibited_before = before.map_or(Permissions::NONE, |before| before.prohibit);
    ground.may_lift(prohibited_before.without(role.prohibit))?;
    if before.is_none() {
        ground.may_name_again(role.role)?;
    }
    if before == Some(role) {
        return Ok(false);
    }
    if before.is_none() {
        check_count("roles", ground.roles.count(), ROLES_MAX)?;
    }
    if ground.roles.is_leaving(role.role) {
        return Err(Refusal::Overtaken {
            retry_after_ms: ground.settings.retry_after_ms,
        });
    }
    ground.can_store()?;
    Ok(true)
}

/// Takes a role away, from all who have it.
pub(crate) fn remove_role(ground: Ground<'_>, role: RoleId) -> Result<(), Refusal> {
    ground.may_write()?;
    if role == RoleId::EVERYONE {
        return Err(Refusal::InvalidField {
            field: "role",
            max: u32::MAX as usize,
        });
    }
    ground.may_in_tenant(Permission::ManageRoles)?;
    let known = ground.roles.get(role).ok_or(Refusal::RoleNotFound)?;
    ground.is_above(known.rank)?;
    ground.may_lift(known.prohibit)?;
    ground.can_store()
}

/// Sets the roles of a user; what they are from now on, or `None` when they are that already.
pub(crate) fn give_roles(
    ground: Ground<'_>,
    user: &UserId,
    mut roles: Vec<RoleId>,
) -> Result<Option<Vec<RoleId>>, Refusal> {
    ground.may_write()?;
    check_field("roles", roles.len(), ROLES_PER_USER_MAX)?;
    if user.is_service() {
        return Err(Refusal::NoPerson);
    }
    roles.sort_unstable();
    roles.dedup();
    // Everyone has it without being given it.
    roles.retain(|&role| role != RoleId::EVERYONE);
    ground.may_in_tenant(Permission::ManageRoles)?;
    if ground.user() != user {
        ground.not_outranked(None, user, Permission::ManageRoles)?;
    }
    let before = ground.roles.given(user);
    let added = roles.iter().filter(|role| !before.contains(role));
    let taken = before.iter().filter(|role| !roles.contains(role));
    for &role in added {
        let role = ground.roles.get(role).ok_or(Refusal::RoleNotFound)?;
        ground.is_above(role.rank)?;
        ground.may_hand_on(role.allow)?;
    }
    for &role in taken {
        // One that is no more is no loss.
        if let Some(role) = ground.roles.get(role) {
            ground.is_above(role.rank)?;
            ground.may_lift(role.prohibit)?;
        }
    }
    if before == roles {
        return Ok(None);
    }
    if before.is_empty() {
        check_count(
            "users who have roles",
            ground.roles.users_count(),
            ground.settings.users_with_roles_max,
        )?;
    }
    ground.can_store()?;
    Ok(Some(roles))
}

/// Whether the asker may read the roles of a user.
pub(crate) fn read_roles_of(ground: Ground<'_>, user: &UserId) -> Result<(), Refusal> {
    ground.may_read()?;
    if user == ground.user() {
        return Ok(());
    }
    ground.may_in_tenant(Permission::ManageRoles)
}

/// Sets who may not write to whom.
pub(crate) fn set_policy(ground: Ground<'_>, apart: &[(RoleId, RoleId)]) -> Result<(), Refusal> {
    ground.may_write()?;
    check_field("apart", apart.len(), POLICY_PAIRS_MAX)?;
    ground.may_in_tenant(Permission::ManageRoles)?;
    let mut named = apart.iter().flat_map(|&(one, other)| [one, other]);
    if named.any(|role| ground.roles.get(role).is_none()) {
        return Err(Refusal::RoleNotFound);
    }
    let apart: BTreeSet<_> = apart.iter().copied().collect();
    for &(one, other) in ground.roles.apart().symmetric_difference(&apart) {
        for role in [one, other] {
            let rank = ground.roles.get(role).map(|role| role.rank);
            rank.map_or(Ok(()), |rank| ground.is_not_below(rank))?;
        }
    }
    ground.can_store()
}

/// Sets what differs in a room.
pub(crate) fn set_overwrite(
    ground: Ground<'_>,
    keyed: Option<Keyed>,
    room: RoomNumber,
    (target, overwrite): (OverwriteTarget, Overwrite),
) -> Result<Verdict, Refusal> {
    ground.may_write()?;
    check_known("deny", overwrite.deny, ROOM_WIDE)?;
    check_known("allow", overwrite.allow, ROOM_WIDE)?;
    if let Some(keyed) = &keyed
        && let Some(record) = keyed.already()?
    {
        return Ok(Verdict::Already(record));
    }
    let room = ground.joined(room)?;
    ground.may(room, Permission::ManageOverwrites)?;
    let empties = overwrite == Overwrite::default();
    match &target {
        OverwriteTarget::Role(role) => match ground.roles.get(*role) {
            Some(role) => ground.is_not_below(role.rank)?,
            // What is left of a role that is no more can be taken away.
            None if empties => {}
            None => return Err(Refusal::RoleNotFound),
        },
        OverwriteTarget::User(user) if user.is_service() => return Err(Refusal::NoPerson),
        OverwriteTarget::User(user) if user == ground.user() => {}
        OverwriteTarget::User(user) => {
            ground.not_outranked(Some(room), user, Permission::ManageOverwrites)?;
        }
    }
    if !empties && room.overwrites.of(&target) == Overwrite::default() {
        check_count(
            "overwrites of this room",
            room.overwrites.count(),
            OVERWRITES_PER_ROOM_MAX,
        )?;
    }
    ground.can_store()?;
    let body = EventBody::OverwriteSet { target, overwrite };
    let keyed = keyed.map(|keyed| keyed.by());
    Ok(Verdict::Happened(ground.event(room, body, keyed)))
}

/// Why somebody may or may not do something.
pub(crate) fn explain(
    ground: Ground<'_>,
    room: Option<RoomNumber>,
    about: Option<&UserId>,
    permission: Permission,
) -> Result<(bool, Vec<Reason>), Refusal> {
    ground.may_read()?;
    let room = match room {
        Some(number) => Some(ground.rooms.get(number).ok_or(Refusal::NotMember)?),
        None => None,
    };
    let about = about.unwrap_or(ground.user());
    let manages = || ground.may_in_tenant(Permission::ManageRoles);
    if let Some(room) = room {
        let is_in = room.has(ground.user()) || ground.permissions(room).has(Permission::View);
        if !is_in && (room.is_stream() || manages().is_err()) {
            return Err(Refusal::NotMember);
        }
        if about != ground.user() && manages().is_err() {
            ground.may(room, Permission::ManageOverwrites)?;
        }
    } else if about != ground.user() {
        manages()?;
    }
    let is_of_tenant = TENANT_WIDE.has(permission);
    let bearing = match room.filter(|_| !is_of_tenant) {
        Some(room) => ground.bearing(about, room),
        None => ground.tenant_bearing(about),
    };
    Ok(bearing.explain(permission))
}

impl Ground<'_> {
    /// Whether somebody does not outrank the asker: between equals, who holds the same permission is not to
    /// be touched.
    pub(crate) fn not_outranked(
        &self,
        room: Option<&Room>,
        user: &UserId,
        permission: Permission,
    ) -> Result<(), Refusal> {
        if self.is_service() {
            return Ok(());
        }
        let own = self.roles.top_rank(self.user());
        let theirs = self.roles.top_rank(user);
        let holds_it = || match room {
            Some(room) => self.bearing(user, room).allowed().has(permission),
            None => (self.tenant_bearing(user).allowed()).has(permission),
        };
        if own < theirs || (own == theirs && holds_it()) {
            return Err(Refusal::Outranked);
        }
        Ok(())
    }

    /// Whether the asker has all these permissions, and so may let others have them.
    fn may_hand_on(&self, permissions: Permissions) -> Result<(), Refusal> {
        let missing = permissions.without(self.tenant_permissions());
        match missing.iter().next() {
            None => Ok(()),
            Some(permission) => Err(Refusal::Lacks { permission }),
        }
    }

    /// Whether the asker may end that these permissions are prohibited: whatever their own roles allow, even
    /// while it is prohibited to them too, or nobody could take back what was prohibited to everyone.
    fn may_lift(&self, permissions: Permissions) -> Result<(), Refusal> {
        if self.is_service() {
            return Ok(());
        }
        let own = self.roles.of(self.user());
        let allowed = own.fold(Permissions::NONE, |all, role| all | role.allow);
        match permissions.without(allowed).iter().next() {
            None => Ok(()),
            Some(permission) => Err(Refusal::Lacks { permission }),
        }
    }

    /// Whether the asker may make a role of this number. While rooms still name a removed one, whoever is
    /// given the new one has there what the old one had, whose rank nobody knows any more.
    fn may_name_again(&self, role: RoleId) -> Result<(), Refusal> {
        let names_it = |room: &Room| room.overwrites.of_role(role) != Overwrite::default();
        if !self.is_service() && self.rooms.iter().any(names_it) {
            return Err(Refusal::Outranked);
        }
        Ok(())
    }

    /// Whether the asker's highest role is above this rank.
    fn is_above(&self, rank: u32) -> Result<(), Refusal> {
        if self.is_service() || self.roles.top_rank(self.user()) > rank {
            return Ok(());
        }
        Err(Refusal::Outranked)
    }

    /// Whether the asker's highest role is at least of this rank.
    fn is_not_below(&self, rank: u32) -> Result<(), Refusal> {
        if self.is_service() || self.roles.top_rank(self.user()) >= rank {
            return Ok(());
        }
        Err(Refusal::Outranked)
    }
}

/// Refuses permissions that mean nothing here.
fn check_known(
    field: &'static str,
    permissions: Permissions,
    known: Permissions,
) -> Result<(), Refusal> {
    if known.contains(permissions) {
        return Ok(());
    }
    Err(Refusal::InvalidField {
        field,
        max: usize::try_from(known.0).unwrap_or(usize::MAX),
    })
}
