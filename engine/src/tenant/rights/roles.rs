//! The roles of a tenant: what each allows, who has which, and who is kept apart.
//!
//! Everyone has role 0, which is always there and can be changed but not taken away. A role that is
//! removed counts for nobody from that moment on, however many had it; that it is also taken off each
//! one's list is written user by user afterwards (see [`Roles::leftover`]), so that no single write grows
//! with the number of its holders.

use std::collections::{BTreeMap, BTreeSet};

use homeroom_protocol::{Permission, Permissions, Role, RoleId, UserId, limit};
use serde::{Deserialize, Serialize};

use crate::{log::LogPosition, tenant::records::event::TenantChange};

/// What counts in the tenant, and means nothing in the overwrites of a room.
pub(crate) const TENANT_WIDE: Permissions = Permissions::of(&[
    Permission::CreateRooms,
    Permission::Direct,
    Permission::ManageRoles,
    Permission::Moderate,
]);

/// What counts in a room.
pub(crate) const ROOM_WIDE: Permissions = Permissions::ALL.without(TENANT_WIDE);

/// What everyone may do in a tenant that never said anything about it.
const EVERYONE_ALLOW: Permissions = Permissions::of(&[
    Permission::View,
    Permission::Join,
    Permission::Send,
    Permission::SendInThreads,
    Permission::React,
    Permission::Attach,
    Permission::Signal,
    Permission::Invite,
    Permission::CreateRooms,
    Permission::Direct,
]);

/// The roles, who has them, and the policy. Written only by what `apply` calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Roles {
    table: BTreeMap<RoleId, Role>,
    /// Besides everyone; in the order of their numbers, never empty.
    of_user: BTreeMap<UserId, Box<[RoleId]>>,
    /// The same the other way round.
    holders: BTreeMap<RoleId, BTreeSet<UserId>>,
    /// Those that are no more, and still on somebody's list.
    leaving: BTreeSet<RoleId>,
    apart: BTreeSet<(RoleId, RoleId)>,
    /// The log position of the newest change taken in.
    applied: LogPosition,
}

impl Default for Roles {
    fn default() -> Self {
        let everyone = Role {
            role: RoleId::EVERYONE,
            name: "everyone".to_owned(),
            rank: 0,
            allow: EVERYONE_ALLOW,
            prohibit: Permissions::NONE,
        };
        Self {
            table: BTreeMap::from([(RoleId::EVERYONE, everyone)]),
            of_user: BTreeMap::new(),
            holders: BTreeMap::new(),
            leaving: BTreeSet::new(),
            apart: BTreeSet::new(),
            applied: LogPosition::START,
        }
    }
}

impl Roles {
    pub(crate) const fn applied(&self) -> LogPosition {
        self.applied
    }

    /// Whether a change at this position is new; from now on it is not.
    pub(crate) fn pass(&mut self, at: LogPosition) -> bool {
        let is_new = self.applied < at;
        self.applied = self.applied.max(at);
        is_new
    }

    /// In the order of their numbers, everyone first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Role> {
        self.table.values()
    }

    pub(crate) fn get(&self, role: RoleId) -> Option<&Role> {
        self.table.get(&role)
    }

    pub(crate) fn count(&self) -> usize {
        self.table.len()
    }

    /// The role that all have.
    pub(crate) fn everyone(&self) -> &Role {
        self.table
            .get(&RoleId::EVERYONE)
            .expect("everyone is there from the start and never removed")
    }

    /// The roles of a user besides everyone, as they were given: one that was removed a moment ago may
    /// still be among them.
    pub(crate) fn given(&self, user: &UserId) -> &[RoleId] {
        self.of_user.get(user).map_or(&[], |roles| roles)
    }

    /// The roles that count for a user, everyone first, then by number.
    pub(crate) fn of(&self, user: &UserId) -> impl Iterator<Item = &Role> + Clone {
        let given = self.given(user).iter();
        std::iter::once(self.everyone()).chain(given.filter_map(|role| self.table.get(role)))
    }

    /// Who was given a role.
    pub(crate) fn holders(&self, role: RoleId) -> impl Iterator<Item = &UserId> {
        self.holders.get(&role).into_iter().flatten()
    }

    /// How many users were given any.
    pub(crate) fn users_count(&self) -> usize {
        self.of_user.len()
    }

    /// The highest rank among a user's roles.
    pub(crate) fn top_rank(&self, user: &UserId) -> u32 {
        self.of(user).map(|role| role.rank).max().unwrap_or(0)
    }

    /// Whether the policy keeps one user from writing to another.
    pub(crate) fn are_apart(&self, from: &UserId, to: &UserId) -> bool {
        if self.apart.is_empty() {
            return false;
        }
        self.of(from).any(|from| {
            self.of(to)
                .any(|to| self.apart.contains(&(from.role, to.role)))
        })
    }

    /// Who has the first role may not write to who has the second.
    pub(crate) const fn apart(&self) -> &BTreeSet<(RoleId, RoleId)> {
        &self.apart
    }

    /// A user whose list names a role that is no more, and what it should be. Until there is none left,
    /// the numbers of removed roles are not free.
    pub(crate) fn leftover(&self) -> Option<(UserId, Vec<RoleId>)> {
        let user = self.holders(*self.leaving.first()?).next()?;
        let kept = self.given(user).iter().copied();
        let kept = kept.filter(|role| self.table.contains_key(role));
        Some((user.clone(), kept.collect()))
    }

    /// Whether there is one.
    pub(crate) fn has_leftovers(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// Whether a role was removed and some still have it on their list.
    pub(crate) fn is_leaving(&self, role: RoleId) -> bool {
        self.leaving.contains(&role)
    }

    pub(crate) fn apply(&mut self, change: &TenantChange) {
        match change {
            TenantChange::RoleSet(role) => self.set(role.clone()),
            TenantChange::RoleRemoved { role } => self.remove(*role),
            TenantChange::RolesGiven { user, roles } => self.give(user, roles),
            TenantChange::PolicySet { apart } => self.set_policy(apart.iter().copied()),
            TenantChange::Seen { .. } => {}
        }
    }

    pub(crate) fn set(&mut self, role: Role) {
        self.leaving.remove(&role.role);
        self.table.insert(role.role, role);
    }

    pub(crate) fn remove(&mut self, role: RoleId) {
        if role == RoleId::EVERYONE {
            return;
        }
        self.table.remove(&role);
        if self.holders.contains_key(&role) {
            self.leaving.insert(role);
        }
        self.apart
            .retain(|&(one, other)| one != role && other != role);
    }

    /// These are a user's roles from now on.
    pub(crate) fn give(&mut self, user: &UserId, roles: &[RoleId]) {
        for role in self.of_user.remove(user).iter().flatten() {
            if let Some(holders) = self.holders.get_mut(role) {
                holders.remove(user);
                if holders.is_empty() {
                    self.holders.remove(role);
                    self.leaving.remove(role);
                }
            }
        }
        let roles: BTreeSet<_> = roles.iter().copied().collect();
        let roles: Box<[_]> = roles
            .into_iter()
            .filter(|&role| role != RoleId::EVERYONE)
            .collect();
        for &role in &roles {
            self.holders.entry(role).or_default().insert(user.clone());
            if !self.table.contains_key(&role) {
                self.leaving.insert(role);
            }
        }
        if !roles.is_empty() {
            self.of_user.insert(user.clone(), roles);
        }
    }

    pub(crate) fn set_policy(&mut self, apart: impl IntoIterator<Item = (RoleId, RoleId)>) {
        self.apart = apart.into_iter().collect();
    }

    pub(crate) fn save(&self) -> SavedRoles {
        let table = self.table.values().map(SavedRole::of).collect();
        let given = self.of_user.iter().map(|(user, roles)| {
            let roles = roles.iter().map(|role| role.0);
            (user.as_str().to_owned(), roles.collect())
        });
        let apart = self.apart.iter().map(|(one, other)| (one.0, other.0));
        SavedRoles(self.applied.0, table, given.collect(), apart.collect())
    }

    /// `None` when what was saved cannot have come from here.
    pub(crate) fn restore(saved: SavedRoles) -> Option<Self> {
        let SavedRoles(applied, table, given, apart) = saved;
        if applied > limit::INTEGER_MAX {
            return None;
        }
        let mut roles = Self {
            applied: LogPosition(applied),
            ..Self::default()
        };
        for role in table {
            roles.set(role.restore());
        }
        for (user, given) in given {
            let given: Vec<_> = given.into_iter().map(RoleId).collect();
            roles.give(&UserId::new(user).ok()?, &given);
        }
        roles.set_policy(
            apart
                .into_iter()
                .map(|(one, other)| (RoleId(one), RoleId(other))),
        );
        Some(roles)
    }
}

/// Applied, the table, who has what, who is kept apart.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedRoles(
    u64,
    Vec<SavedRole>,
    Vec<(String, Vec<u32>)>,
    Vec<(u32, u32)>,
);

/// Number, name, rank, allow, prohibit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedRole(u32, String, u32, u64, u64);

impl SavedRole {
    pub(crate) fn of(role: &Role) -> Self {
        let (allow, prohibit) = (role.allow.0, role.prohibit.0);
        Self(role.role.0, role.name.clone(), role.rank, allow, prohibit)
    }

    pub(crate) fn restore(self) -> Role {
        let Self(role, name, rank, allow, prohibit) = self;
        Role {
            role: RoleId(role),
            name,
            rank,
            allow: Permissions(allow),
            prohibit: Permissions(prohibit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEACHER: RoleId = RoleId(7);
    const PUPIL: RoleId = RoleId(9);

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    fn role(role: RoleId, rank: u32) -> Role {
        Role {
            role,
            name: format!("role {}", role.0),
            rank,
            allow: Permissions::of(&[Permission::Kick]),
            prohibit: Permissions::NONE,
        }
    }

    fn school() -> Roles {
        let mut roles = Roles::default();
        roles.set(role(TEACHER, 10));
        roles.set(role(PUPIL, 1));
        roles.give(&user("ada"), &[TEACHER]);
        roles.give(&user("bob"), &[PUPIL, TEACHER, PUPIL, RoleId::EVERYONE]);
        roles
    }

    #[test]
    fn everyone_may_do_the_usual_in_a_tenant_without_roles() {
        let roles = Roles::default();
        let of: Vec<_> = roles.of(&user("ada")).collect();
        assert_eq!(of, [roles.everyone()]);
        assert!(roles.everyone().allow.has(Permission::CreateRooms));
        assert!(!roles.everyone().allow.has(Permission::Kick));
        assert_eq!(roles.top_rank(&user("ada")), 0);
    }

    #[test]
    fn what_was_given_is_a_set_in_the_order_of_numbers() {
        let roles = school();
        assert_eq!(roles.given(&user("bob")), [TEACHER, PUPIL]);
        assert_eq!(roles.top_rank(&user("bob")), 10);
        assert_eq!(roles.holders(TEACHER).count(), 2);
    }

    #[test]
    fn giving_nothing_leaves_no_trace_of_the_user() {
        let mut roles = school();
        roles.give(&user("ada"), &[]);
        assert_eq!(roles.given(&user("ada")), []);
        assert_eq!(roles.users_count(), 1);
        assert!(roles.holders(TEACHER).eq([&user("bob")]));
    }

    #[test]
    fn a_removed_role_counts_for_nobody_and_is_swept_off_one_list_at_a_time() {
        let mut roles = school();
        roles.remove(TEACHER);
        assert_eq!(roles.top_rank(&user("ada")), 0);
        assert!(roles.is_leaving(TEACHER));
        let mut swept = Vec::new();
        while let Some((user, kept)) = roles.leftover() {
            roles.give(&user, &kept);
            swept.push((user, kept));
        }
        assert_eq!(swept, [(user("ada"), vec![]), (user("bob"), vec![PUPIL])]);
        assert!(!roles.is_leaving(TEACHER));
    }

    #[test]
    fn everyone_cannot_be_removed() {
        let mut roles = Roles::default();
        roles.remove(RoleId::EVERYONE);
        assert_eq!(roles, Roles::default());
    }

    #[test]
    fn the_policy_keeps_apart_one_way_and_ends_with_its_role() {
        let mut roles = school();
        roles.give(&user("bob"), &[PUPIL]);
        roles.set_policy([(PUPIL, TEACHER)]);
        assert!(roles.are_apart(&user("bob"), &user("ada")));
        assert!(!roles.are_apart(&user("ada"), &user("bob")));
        assert!(!roles.are_apart(&user("eve"), &user("ada")));
        roles.remove(PUPIL);
        assert!(roles.apart.is_empty());
    }

    #[test]
    fn a_change_counts_once() {
        let mut roles = Roles::default();
        assert!(roles.pass(LogPosition(4)));
        assert!(!roles.pass(LogPosition(4)));
        assert!(!roles.pass(LogPosition(3)));
        assert_eq!(roles.applied(), LogPosition(4));
    }

    #[test]
    fn what_is_saved_comes_back() {
        let mut roles = school();
        roles.set_policy([(PUPIL, RoleId::EVERYONE)]);
        roles.remove(TEACHER);
        roles.pass(LogPosition(12));
        let mut everyone = roles.everyone().clone();
        everyone.prohibit = Permissions::of(&[Permission::Ban]);
        roles.set(everyone);
        assert_eq!(Roles::restore(roles.save()), Some(roles));
    }

    #[test]
    fn a_section_that_was_not_written_here_is_no_roles() {
        let mut saved = Roles::default().save();
        saved.0 = u64::MAX;
        assert_eq!(Roles::restore(saved), None);
        let mut saved = Roles::default().save();
        saved.2.push((String::new(), vec![1]));
        assert_eq!(Roles::restore(saved), None);
    }
}
