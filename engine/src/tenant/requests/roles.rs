//! Who may do what: roles, what differs in a room, and why.

use homeroom_protocol::{
    Overwrite, OverwriteTarget, Permission, Role, RoleId, RoomNumber, ServerFrame, UserId,
};

use super::{Answer, Asked, Reply, said};
use crate::{
    domain::{Moment, Outcome},
    identity::Identity,
    tenant::{
        decide::{self, Ground, Standing, Verdict},
        records::event::TenantChange,
        refusal::Refusal,
        state::Tenant,
    },
};

/// Whoever changes roles: a client, or a back end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct By<'a> {
    pub(crate) asker: &'a Identity,
    pub(crate) standing: Standing,
    pub(crate) moment: Moment,
}

impl By<'_> {
    pub(crate) fn ground<'a>(&'a self, tenant: &'a Tenant) -> Ground<'a> {
        Ground {
            standing: self.standing,
            ..tenant.ground(self.asker, self.moment)
        }
    }
}

impl Asked {
    const fn as_by(&self) -> By<'_> {
        By {
            asker: &self.asker,
            standing: Standing::Member,
            moment: self.moment,
        }
    }
}

impl Tenant {
    pub(super) fn set_overwrite(
        &mut self,
        asked: &Asked,
        room: RoomNumber,
        (target, overwrite): (OverwriteTarget, Overwrite),
        (answer, out): (Answer, &mut Outcome<Self>),
    ) -> Reply {
        let ground = self.ground_of(asked);
        ground.may_write()?;
        let keyed = self.keyed_by(asked, &answer)?;
        let set = (target.clone(), overwrite);
        let verdict = decide::roles::set_overwrite(ground, Some(keyed), room, set)?;
        let (_, position, time) = self.settle_overwrite(asked.moment, verdict, &target, out);
        said(ServerFrame::Sent {
            id: asked.id,
            position,
            time,
        })
    }

    /// Makes a verdict about an overwrite true.
    pub(crate) fn settle_overwrite(
        &mut self,
        moment: Moment,
        verdict: Verdict,
        target: &OverwriteTarget,
        out: &mut Outcome<Self>,
    ) -> (
        RoomNumber,
        homeroom_protocol::Position,
        homeroom_protocol::Timestamp,
    ) {
        let before = match &verdict {
            Verdict::Happened(event) => self.rooms.get(event.room),
            Verdict::Already(_) => None,
        };
        let before = before.map(|room| room.overwrites.of(target));
        let placed = self.settle(verdict, out);
        if let Some(before) = before {
            self.overwrite_changed(moment, placed.0, (target, before), out);
        }
        placed
    }

    pub(super) fn list_overwrites(&self, asked: &Asked, room: RoomNumber) -> Reply {
        let ground = self.ground_of(asked);
        ground.may_read()?;
        let overwrites = ground.joined(room)?.overwrites.list();
        said(ServerFrame::Overwrites {
            id: asked.id,
            room,
            overwrites,
        })
    }

    pub(super) fn set_role(&mut self, asked: &Asked, role: Role, out: &mut Outcome<Self>) -> Reply {
        self.role_set(asked.as_by(), role, out)?;
        done(asked)
    }

    pub(super) fn remove_role(
        &mut self,
        asked: &Asked,
        role: RoleId,
        out: &mut Outcome<Self>,
    ) -> Reply {
        self.role_removed(asked.as_by(), role, out)?;
        done(asked)
    }

    pub(super) fn give_roles(
        &mut self,
        asked: &Asked,
        user: UserId,
        roles: Vec<RoleId>,
        out: &mut Outcome<Self>,
    ) -> Reply {
        self.roles_given(asked.as_by(), &user, roles, out)?;
        done(asked)
    }

    pub(super) fn list_roles(&self, asked: &Asked) -> Reply {
        self.ground_of(asked).may_read()?;
        let roles = self.roles.iter().cloned().collect();
        said(ServerFrame::Roles {
            id: asked.id,
            roles,
        })
    }

    pub(super) fn set_policy(
        &mut self,
        asked: &Asked,
        apart: Vec<(RoleId, RoleId)>,
        out: &mut Outcome<Self>,
    ) -> Reply {
        self.policy_set(asked.as_by(), apart, out)?;
        done(asked)
    }

    pub(super) fn explain(
        &self,
        asked: &Asked,
        room: Option<RoomNumber>,
        user: Option<UserId>,
        permission: Permission,
    ) -> Reply {
        let ground = self.ground_of(asked);
        let (allowed, reasons) = decide::roles::explain(ground, room, user.as_ref(), permission)?;
        said(ServerFrame::Explained {
            id: asked.id,
            allowed,
            reasons,
        })
    }

    pub(crate) fn role_set(
        &mut self,
        by: By<'_>,
        role: Role,
        out: &mut Outcome<Self>,
    ) -> Result<(), Refusal> {
        if !decide::roles::set_role(by.ground(self), &role)? {
            return Ok(());
        }
        let (number, before) = (role.role, self.roles.get(role.role).cloned());
        let change = TenantChange::RoleSet(role);
        self.commit_change(by.moment, Some(&by.asker.user), change, out);
        self.role_changed(by.moment, before.as_ref(), number, out);
        Ok(())
    }

    pub(crate) fn role_removed(
        &mut self,
        by: By<'_>,
        role: RoleId,
        out: &mut Outcome<Self>,
    ) -> Result<(), Refusal> {
        decide::roles::remove_role(by.ground(self), role)?;
        let before = self.roles.get(role).cloned();
        let change = TenantChange::RoleRemoved { role };
        self.commit_change(by.moment, Some(&by.asker.user), change, out);
        self.role_changed(by.moment, before.as_ref(), role, out);
        self.clear_lists_soon(by.moment);
        Ok(())
    }

    pub(crate) fn roles_given(
        &mut self,
        by: By<'_>,
        user: &UserId,
        roles: Vec<RoleId>,
        out: &mut Outcome<Self>,
    ) -> Result<(), Refusal> {
        let roles = decide::roles::give_roles(by.ground(self), user, roles)?;
        if let Some(roles) = roles {
            self.give(by.moment, (Some(&by.asker.user), user), roles, out);
        }
        Ok(())
    }

    pub(crate) fn policy_set(
        &mut self,
        by: By<'_>,
        apart: Vec<(RoleId, RoleId)>,
        out: &mut Outcome<Self>,
    ) -> Result<(), Refusal> {
        decide::roles::set_policy(by.ground(self), &apart)?;
        let change = TenantChange::PolicySet { apart };
        self.commit_change(by.moment, Some(&by.asker.user), change, out);
        Ok(())
    }
}

const fn done(asked: &Asked) -> Reply {
    said(ServerFrame::Done { id: asked.id })
}
