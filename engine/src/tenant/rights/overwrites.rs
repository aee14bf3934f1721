//! What differs in one room: permissions taken from and given to roles and users there.

use std::collections::BTreeMap;

use homeroom_protocol::{Overwrite, OverwriteTarget, Permissions, RoleId, UserId};
use serde::{Deserialize, Serialize};

/// Most overwrites of one room: what a check of a permission looks at stays small, and so does the
/// reply that lists them.
pub(crate) const OVERWRITES_PER_ROOM_MAX: usize = 256;

/// The overwrites of a room. One that neither denies nor allows is not kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Overwrites {
    roles: BTreeMap<RoleId, Overwrite>,
    users: BTreeMap<UserId, Overwrite>,
}

impl Overwrites {
    pub(crate) fn count(&self) -> usize {
        self.roles.len() + self.users.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// What differs for a role; nothing is what most get.
    pub(crate) fn of_role(&self, role: RoleId) -> Overwrite {
        self.roles.get(&role).copied().unwrap_or_default()
    }

    /// What differs for a user.
    pub(crate) fn of_user(&self, user: &UserId) -> Overwrite {
        self.users.get(user).copied().unwrap_or_default()
    }

    pub(crate) fn of(&self, target: &OverwriteTarget) -> Overwrite {
        match target {
            OverwriteTarget::Role(role) => self.of_role(*role),
            OverwriteTarget::User(user) => self.of_user(user),
        }
    }

    /// All of them: roles by number, then users.
    pub(crate) fn list(&self) -> Vec<(OverwriteTarget, Overwrite)> {
        let roles = self.roles.iter();
        let users = self.users.iter();
        roles
            .map(|(role, overwrite)| (OverwriteTarget::Role(*role), *overwrite))
            .chain(users.map(|(user, overwrite)| (OverwriteTarget::User(user.clone()), *overwrite)))
            .collect()
    }

    pub(crate) fn set(&mut self, target: &OverwriteTarget, overwrite: Overwrite) {
        let empties = overwrite == Overwrite::default();
        match target {
            OverwriteTarget::Role(role) if empties => {
                self.roles.remove(role);
            }
            OverwriteTarget::Role(role) => {
                self.roles.insert(*role, overwrite);
            }
            OverwriteTarget::User(user) if empties => {
                self.users.remove(user);
            }
            OverwriteTarget::User(user) => {
                self.users.insert(user.clone(), overwrite);
            }
        }
    }

    pub(crate) fn save(&self) -> SavedOverwrites {
        let bits = |overwrite: &Overwrite| (overwrite.deny.0, overwrite.allow.0);
        let roles = self.roles.iter();
        let users = self.users.iter();
        SavedOverwrites(
            roles.map(|(role, it)| (role.0, bits(it))).collect(),
            users
                .map(|(user, it)| (user.as_str().to_owned(), bits(it)))
                .collect(),
        )
    }

    /// `None` when what was saved cannot have come from here.
    pub(crate) fn restore(saved: SavedOverwrites) -> Option<Self> {
        let overwrite = |(deny, allow)| Overwrite {
            deny: Permissions(deny),
            allow: Permissions(allow),
        };
        let roles = saved.0.into_iter();
        let users = saved.1.into_iter();
        Some(Self {
            roles: roles
                .map(|(role, bits)| (RoleId(role), overwrite(bits)))
                .collect(),
            users: users
                .map(|(user, bits)| Some((UserId::new(user).ok()?, overwrite(bits))))
                .collect::<Option<_>>()?,
        })
    }
}

/// Those of roles, those of users; each with what it denies and what it allows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct SavedOverwrites(Vec<(u32, (u64, u64))>, Vec<(String, (u64, u64))>);

#[cfg(test)]
mod tests {
    use homeroom_protocol::Permission;

    use super::*;

    const SOME: Overwrite = Overwrite {
        deny: Permissions::of(&[Permission::Send]),
        allow: Permissions::of(&[Permission::React]),
    };

    fn ada() -> OverwriteTarget {
        OverwriteTarget::User(UserId::new("ada").unwrap())
    }

    #[test]
    fn one_that_does_nothing_is_not_kept() {
        let mut overwrites = Overwrites::default();
        overwrites.set(&ada(), SOME);
        overwrites.set(&OverwriteTarget::Role(RoleId(3)), SOME);
        assert_eq!(overwrites.count(), 2);
        overwrites.set(&ada(), Overwrite::default());
        overwrites.set(&OverwriteTarget::Role(RoleId(3)), Overwrite::default());
        assert!(overwrites.is_empty());
    }

    #[test]
    fn they_are_listed_roles_first_and_come_back_from_a_snapshot() {
        let mut overwrites = Overwrites::default();
        overwrites.set(&ada(), SOME);
        overwrites.set(&OverwriteTarget::Role(RoleId(3)), SOME);
        let expected = vec![(OverwriteTarget::Role(RoleId(3)), SOME), (ada(), SOME)];
        assert_eq!(overwrites.list(), expected);
        assert_eq!(Overwrites::restore(overwrites.save()), Some(overwrites));
    }

    #[test]
    fn a_section_that_was_not_written_here_is_no_overwrites() {
        let saved = SavedOverwrites(Vec::new(), vec![(String::new(), (1, 1))]);
        assert_eq!(Overwrites::restore(saved), None);
    }
}
