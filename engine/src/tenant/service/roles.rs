//! Roles and what differs in rooms, asked for by an app's back end: how a tenant's first roles come to be.

use homeroom_protocol::{
    Overwrite, OverwriteTarget, Permission, Reason, Role, RoleId, RoomId, UserId,
};

use super::Placed;
use crate::{
    domain::Outcome,
    tenant::{decide, refusal::Refusal, requests::By, state::Tenant},
};

/// What a service asks about roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleRequest {
    /// All roles. Answered by [`RoleAnswer::Roles`].
    List,
    /// Those of a user, besides everyone. Answered by [`RoleAnswer::Of`].
    Of {
        /// Whose.
        user: UserId,
    },
    /// Makes a role, or changes it. Answered by [`RoleAnswer::Done`].
    Set(Role),
    /// Takes a role away, from all who have it. Answered by [`RoleAnswer::Done`].
    Remove {
        /// Which; not everyone.
        role: RoleId,
    },
    /// Sets the roles of a user. Answered by [`RoleAnswer::Done`].
    Give {
        /// Whose.
        user: UserId,
        /// All they have from now on, at most
        /// [`ROLES_PER_USER_MAX`](homeroom_protocol::limit::ROLES_PER_USER_MAX).
        roles: Vec<RoleId>,
    },
    /// Sets who may not write to whom. Answered by [`RoleAnswer::Done`].
    Policy {
        /// Who has the first role may not write to who has the second; at most
        /// [`POLICY_PAIRS_MAX`](homeroom_protocol::limit::POLICY_PAIRS_MAX).
        apart: Vec<(RoleId, RoleId)>,
    },
    /// Sets what differs in a room. Answered by [`RoleAnswer::Placed`].
    Overwrite {
        /// Where.
        room: RoomId,
        /// For whom.
        target: OverwriteTarget,
        /// What; nothing takes it away.
        overwrite: Overwrite,
    },
    /// What differs in a room. Answered by [`RoleAnswer::Overwrites`].
    Overwrites {
        /// Where.
        room: RoomId,
    },
    /// Why somebody may or may not do something. Answered by [`RoleAnswer::Explained`].
    Explain {
        /// Where; `None`: in the tenant.
        room: Option<RoomId>,
        /// Who.
        user: UserId,
        /// What.
        permission: Permission,
    },
}

/// What a service is answered about roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleAnswer {
    /// It is so.
    Done,
    /// In the order of their numbers, everyone first.
    Roles(Vec<Role>),
    /// In the order of their numbers.
    Of(Vec<RoleId>),
    /// Where that stands; `None`: it was so already.
    Placed(Option<Placed>),
    /// All of them.
    Overwrites(Vec<(OverwriteTarget, Overwrite)>),
    /// Whether it is allowed, and why; the last reason decides.
    Explained(bool, Vec<Reason>),
}

impl RoleRequest {
    /// Whether somebody may lose something by it: then it waits behind nothing.
    #[must_use]
    pub const fn may_revoke(&self) -> bool {
        match self {
            Self::Set(_)
            | Self::Remove { .. }
            | Self::Give { .. }
            | Self::Policy { .. }
            | Self::Overwrite { .. } => true,
            Self::List | Self::Of { .. } | Self::Overwrites { .. } | Self::Explain { .. } => false,
        }
    }
}

impl RoleAnswer {
    /// About how many bytes it points to.
    pub(crate) fn weight(&self) -> usize {
        const USER: usize = size_of::<UserId>() + homeroom_protocol::limit::USER_ID_BYTES_MAX;
        match self {
            Self::Done | Self::Placed(_) => 0,
            Self::Roles(roles) => {
                let each = |role: &Role| size_of_val(role) + role.name.len();
                roles.iter().map(each).sum()
            }
            Self::Of(roles) => size_of_val(roles.as_slice()),
            Self::Overwrites(overwrites) => overwrites.len() * (USER + size_of::<Overwrite>()),
            Self::Explained(_, reasons) => size_of_val(reasons.as_slice()),
        }
    }
}

impl Tenant {
    pub(crate) fn serve_roles(
        &mut self,
        by: By<'_>,
        request: RoleRequest,
        out: &mut Outcome<Self>,
    ) -> Result<RoleAnswer, Refusal> {
        match request {
            RoleRequest::List => Ok(RoleAnswer::Roles(self.roles.iter().cloned().collect())),
            RoleRequest::Of { user } => {
                decide::roles::read_roles_of(by.ground(self), &user)?;
                Ok(RoleAnswer::Of(self.roles.given(&user).to_vec()))
            }
            RoleRequest::Set(role) => self.role_set(by, role, out).map(|()| RoleAnswer::Done),
            RoleRequest::Remove { role } => {
                self.role_removed(by, role, out).map(|()| RoleAnswer::Done)
            }
            RoleRequest::Give { user, roles } => {
                (self.roles_given(by, &user, roles, out)).map(|()| RoleAnswer::Done)
            }
            RoleRequest::Policy { apart } => {
                self.policy_set(by, apart, out).map(|()| RoleAnswer::Done)
            }
            RoleRequest::Overwrite {
                room,
                target,
                overwrite,
            } => self.serve_overwrite(by, &room, (target, overwrite), out),
            RoleRequest::Overwrites { room } => {
                let room = by.ground(self).joined_by_id(&room)?;
                Ok(RoleAnswer::Overwrites(room.overwrites.list()))
            }
            RoleRequest::Explain {
                room,
                user,
                permission,
            } => {
                let room = match room {
                    Some(id) => {
                        let room = self.rooms.by_id(&id).ok_or(Refusal::RoomNotFound)?;
                        Some(room.number())
                    }
                    None => None,
                };
                let ground = by.ground(self);
                let (allowed, reasons) =
                    decide::roles::explain(ground, room, Some(&user), permission)?;
                Ok(RoleAnswer::Explained(allowed, reasons))
            }
        }
    }

    /// Without a key: the same asked again changes nothing.
    fn serve_overwrite(
        &mut self,
        by: By<'_>,
        room: &RoomId,
        (target, overwrite): (OverwriteTarget, Overwrite),
        out: &mut Outcome<Self>,
    ) -> Result<RoleAnswer, Refusal> {
        let ground = by.ground(self);
        let room = ground.joined_by_id(room)?;
        let set = (target.clone(), overwrite);
        let verdict = decide::roles::set_overwrite(ground, None, room.number(), set)?;
        if room.overwrites.of(&target) == overwrite {
            return Ok(RoleAnswer::Placed(None));
        }
        let (_, position, time) = self.settle_overwrite(by.moment, verdict, &target, out);
        Ok(RoleAnswer::Placed(Some(Placed {
            position,
            time,
            already: false,
        })))
    }
}
