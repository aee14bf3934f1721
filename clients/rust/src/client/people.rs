//! What is done about people: statuses, blocks, roles, permissions.

use homeroom_protocol::{Me, Permission, Request, Role, RoleId, RoomId, Status, UserId};

use super::{Client, messages::of_room};
use crate::command::{Answer, Command, Explanation, RequestError};

const fn of_tenant(request: Request) -> Command {
    Command::Ask {
        place: None,
        request,
    }
}

impl Client {
    /// What the tenant knows of the user.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn me(&self) -> Result<Me, RequestError> {
        match self.ask(of_tenant(Request::Me)).await? {
            Answer::Me(me) => Ok(*me),
            _ => Err(RequestError::Unreadable),
        }
    }

    /// Sets what others see of the user, as a whole.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn set_status(&self, status: Status) -> Result<(), RequestError> {
        self.done(of_tenant(Request::Status(status))).await
    }

    /// Blocks a user, or does so no more.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn block(&self, user: &UserId, on: bool) -> Result<(), RequestError> {
        let user = user.clone();
        self.done(of_tenant(Request::Block { user, on })).await
    }

    /// Makes a role, or changes it.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn set_role(&self, role: Role) -> Result<(), RequestError> {
        self.done(of_tenant(Request::SetRole(role))).await
    }

    /// Takes a role away, from all who have it.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn remove_role(&self, role: RoleId) -> Result<(), RequestError> {
        self.done(of_tenant(Request::RemoveRole { role })).await
    }

    /// Sets the roles of a user, besides everyone.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn give_roles(&self, user: &UserId, roles: Vec<RoleId>) -> Result<(), RequestError> {
        let user = user.clone();
        self.done(of_tenant(Request::GiveRoles { user, roles }))
            .await
    }

    /// Lists the tenant's roles, everyone first.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn roles(&self) -> Result<Vec<Role>, RequestError> {
        match self.ask(of_tenant(Request::Roles)).await? {
            Answer::Roles(roles) => Ok(roles),
            _ => Err(RequestError::Unreadable),
        }
    }

    /// Sets, as a whole, who may not write to whom in direct rooms: who has the first role of a pair, to who
    /// has the second.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn set_policy(&self, apart: Vec<(RoleId, RoleId)>) -> Result<(), RequestError> {
        self.done(of_tenant(Request::Policy { apart })).await
    }

    /// Why somebody may or may not do something: in a joined room or in the tenant; `None` for `user` asks
    /// about oneself.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn explain(
        &self,
        room: Option<&RoomId>,
        user: Option<&UserId>,
        permission: Permission,
    ) -> Result<Explanation, RequestError> {
        let request = Request::Explain {
            room: None,
            user: user.cloned(),
            permission,
        };
        let command = match room {
            Some(room) => of_room(room, request),
            None => of_tenant(request),
        };
        match self.ask(command).await? {
            Answer::Explained(explanation) => Ok(explanation),
            _ => Err(RequestError::Unreadable),
        }
    }
}
