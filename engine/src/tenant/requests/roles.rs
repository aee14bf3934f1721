//! Who may do what.

use homeroom_protocol::{Overwrite, OverwriteTarget, Permission, Role, RoleId, RoomNumber, UserId};

use super::{Answer, Asked, Reply};
use crate::{
    domain::Outcome,
    tenant::{refusal::Refusal, state::Tenant},
};

impl Tenant {
    pub(super) fn set_overwrite(
        &mut self,
        _asked: &Asked,
        _room: RoomNumber,
        _set: (OverwriteTarget, Overwrite),
        _answer_out: (Answer, &mut Outcome<Self>),
    ) -> Reply {
        Err(Refusal::NotHere)
    }

    pub(super) fn list_overwrites(&self, _asked: &Asked, _room: RoomNumber) -> Reply {
        Err(Refusal::NotHere)
    }

    pub(super) fn set_role(
        &mut self,
        _asked: &Asked,
        _role: Role,
        _out: &mut Outcome<Self>,
    ) -> Reply {
        Err(Refusal::NotHere)
    }

    pub(super) fn remove_role(
        &mut self,
        _asked: &Asked,
        _role: RoleId,
        _out: &mut Outcome<Self>,
    ) -> Reply {
        Err(Refusal::NotHere)
    }

    pub(super) fn give_roles(
        &mut self,
        _asked: &Asked,
        _user: UserId,
        _roles: Vec<RoleId>,
        _out: &mut Outcome<Self>,
    ) -> Reply {
        Err(Refusal::NotHere)
    }

    pub(super) fn list_roles(&self, _asked: &Asked) -> Reply {
        Err(Refusal::NotHere)
    }

    pub(super) fn set_policy(
        &mut self,
        _asked: &Asked,
        _apart: Vec<(RoleId, RoleId)>,
        _out: &mut Outcome<Self>,
    ) -> Reply {
        Err(Refusal::NotHere)
    }

    pub(super) fn explain(
        &self,
        _asked: &Asked,
        _room: Option<RoomNumber>,
        _user: Option<UserId>,
        _permission: Permission,
    ) -> Reply {
        Err(Refusal::NotHere)
    }
}
