//! Roles and what differs in rooms, for an app's own back end: how a tenant's first roles come to be.

use homeroom_protocol::{
    Overwrite, OverwriteTarget, Permission, Reason, Role, RoleId, RoomId, UserId,
};

use crate::{
    backend::{Backend, BackendError, OTHER},
    tenant::{Placed, RoleAnswer, RoleRequest, ServiceAnswer, ServiceRequest},
};

impl Backend {
    /// All roles, everyone first.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn roles(&self) -> Result<Vec<Role>, BackendError> {
        match self.ask_of_roles(RoleRequest::List).await? {
            RoleAnswer::Roles(roles) => Ok(roles),
            other => unreachable!("{OTHER}: {other:?}"),
        }
    }

    /// The roles of a user, besides everyone.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn roles_of(&self, user: &UserId) -> Result<Vec<RoleId>, BackendError> {
        let request = RoleRequest::Of { user: user.clone() };
        match self.ask_of_roles(request).await? {
            RoleAnswer::Of(roles) => Ok(roles),
            other => unreachable!("{OTHER}: {other:?}"),
        }
    }

    /// Makes a role, or changes it. Who may see a room no more by that is out of it at once.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn set_role(&self, role: Role) -> Result<(), BackendError> {
        self.done(RoleRequest::Set(role)).await
    }

    /// Takes a role away, from all who have it.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn remove_role(&self, role: RoleId) -> Result<(), BackendError> {
        self.done(RoleRequest::Remove { role }).await
    }

    /// Sets all roles of a user.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn give_roles(&self, user: &UserId, roles: Vec<RoleId>) -> Result<(), BackendError> {
        let user = user.clone();
        self.done(RoleRequest::Give { user, roles }).await
    }

    /// Sets who may not write to whom in direct rooms: who has the first role of a pair, to who has the
    /// second.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn set_policy(&self, apart: Vec<(RoleId, RoleId)>) -> Result<(), BackendError> {
        self.done(RoleRequest::Policy { apart }).await
    }

    /// Sets what differs in a room for a role or a user; nothing takes it away. `None`: it was so already.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn set_overwrite(
        &self,
        room: &RoomId,
        target: OverwriteTarget,
        overwrite: Overwrite,
    ) -> Result<Option<Placed>, BackendError> {
        let request = RoleRequest::Overwrite {
            room: room.clone(),
            target,
            overwrite,
        };
        match self.ask_of_roles(request).await? {
            RoleAnswer::Placed(placed) => Ok(placed),
            other => unreachable!("{OTHER}: {other:?}"),
        }
    }

    /// What differs in a room.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn overwrites(
        &self,
        room: &RoomId,
    ) -> Result<Vec<(OverwriteTarget, Overwrite)>, BackendError> {
        let request = RoleRequest::Overwrites { room: room.clone() };
        match self.ask_of_roles(request).await? {
            RoleAnswer::Overwrites(overwrites) => Ok(overwrites),
            other => unreachable!("{OTHER}: {other:?}"),
        }
    }

    /// Whether somebody may do something, in a room or in the tenant, and why; the last reason decides.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn explain(
        &self,
        room: Option<&RoomId>,
        user: &UserId,
        permission: Permission,
    ) -> Result<(bool, Vec<Reason>), BackendError> {
        let request = RoleRequest::Explain {
            room: room.cloned(),
            user: user.clone(),
            permission,
        };
        match self.ask_of_roles(request).await? {
            RoleAnswer::Explained(allowed, reasons) => Ok((allowed, reasons)),
            other => unreachable!("{OTHER}: {other:?}"),
        }
    }

    async fn done(&self, request: RoleRequest) -> Result<(), BackendError> {
        match self.ask_of_roles(request).await? {
            RoleAnswer::Done => Ok(()),
            other => unreachable!("{OTHER}: {other:?}"),
        }
    }

    async fn ask_of_roles(&self, request: RoleRequest) -> Result<RoleAnswer, BackendError> {
        match self.ask(ServiceRequest::Roles(request)).await? {
            ServiceAnswer::Roles(answer) => Ok(answer),
            other => unreachable!("{OTHER}: {other:?}"),
        }
    }
}
