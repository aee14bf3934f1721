//! The calls about roles, what differs in rooms, and who may do what: their paths, their bodies, their
//! answers. Permissions have names here, as in `API.md`.

use homeroom_engine::{
    Backend,
    protocol::{
        Cause, Overwrite, OverwriteTarget, Permission, Permissions, Reason, Role, RoleId, RoomId,
        UserId,
    },
};
use hyper::{Request, StatusCode, body::Incoming};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{body, forms, problem::Problem};

/// What is asked about roles.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RoleCall {
    List,
    Set {
        role: RoleId,
    },
    Remove {
        role: RoleId,
    },
    Policy,
    Of {
        user: UserId,
    },
    Give {
        user: UserId,
    },
    Overwrites {
        room: RoomId,
    },
    Overwrite {
        room: RoomId,
        target: OverwriteTarget,
    },
    Clear {
        room: RoomId,
        target: OverwriteTarget,
    },
    Explain {
        room: Option<RoomId>,
        user: UserId,
        permission: Permission,
    },
}

impl RoleCall {
    /// Whether somebody may be out once it is done, which must not have to wait.
    pub(super) const fn shuts_out(&self) -> bool {
        match self {
            Self::Set { .. }
            | Self::Remove { .. }
            | Self::Policy
            | Self::Give { .. }
            | Self::Overwrite { .. }
            | Self::Clear { .. } => true,
            Self::List | Self::Of { .. } | Self::Overwrites { .. } | Self::Explain { .. } => false,
        }
    }

    /// Does it.
    pub(super) async fn act(
        self,
        backend: &Backend,
        request: Request<Incoming>,
    ) -> Result<(StatusCode, Value), Problem> {
        const DONE: (StatusCode, Value) = (StatusCode::NO_CONTENT, Value::Null);
        Ok(match self {
            Self::List => {
                let roles = backend.roles().await?;
                let roles: Vec<_> = roles.iter().map(told_role).collect();
                (StatusCode::OK, json!({ "roles": roles }))
            }
            Self::Set { role } => {
                let form: RoleForm = body::json(request).await?;
                backend.set_role(form.role(role)?).await?;
                DONE
            }
            Self::Remove { role } => {
                backend.remove_role(role).await?;
                DONE
            }
            Self::Policy => {
                let PolicyForm { apart } = body::json(request).await?;
                let apart = apart
                    .into_iter()
                    .map(|(one, other)| (RoleId(one), RoleId(other)));
                backend.set_policy(apart.collect()).await?;
                DONE
            }
            Self::Of { user } => {
                let roles = backend.roles_of(&user).await?;
                let roles: Vec<_> = roles.iter().map(|role| role.0).collect();
                (StatusCode::OK, json!({ "roles": roles }))
            }
            Self::Give { user } => {
                let GivenForm { roles } = body::json(request).await?;
                let roles = roles.into_iter().map(RoleId).collect();
                backend.give_roles(&user, roles).await?;
                DONE
            }
            Self::Overwrites { room } => {
                let overwrites = backend.overwrites(&room).await?;
                let overwrites: Vec<_> = overwrites.iter().map(told_overwrite).collect();
                (StatusCode::OK, json!({ "overwrites": overwrites }))
            }
            Self::Overwrite { room, target } => {
                let form: OverwriteForm = body::json(request).await?;
                let placed = backend
                    .set_overwrite(&room, target, form.overwrite()?)
                    .await?;
                (StatusCode::OK, forms::membership(placed.as_ref()))
            }
            Self::Clear { room, target } => {
                let nothing = Overwrite::default();
                let placed = backend.set_overwrite(&room, target, nothing).await?;
                (StatusCode::OK, forms::membership(placed.as_ref()))
            }
            Self::Explain {
                room,
                user,
                permission,
            } => {
                let (allowed, reasons) = backend.explain(room.as_ref(), &user, permission).await?;
                let reasons: Vec<_> = reasons.iter().map(told_reason).collect();
                (
                    StatusCode::OK,
                    json!({ "allowed": allowed, "reasons": reasons }),
                )
            }
        })
    }
}

/// The number of a role, as it stands in a path.
pub(super) fn role(text: &str) -> Result<RoleId, Problem> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_plain);
    number
        .map(RoleId)
        .ok_or_else(|| Problem::field("the role in the path is no whole number up to 4294967295"))
}

/// The permission of this name.
pub(super) fn permission(name: &str) -> Result<Permission, Problem> {
    let named = Permission::ALL.into_iter().find(|&it| name_of(it) == name);
    named.ok_or_else(|| {
        let name: String = name.chars().take(40).collect();
        Problem::field(format!("there is no permission {name:?}"))
    })
}

/// The body of `PUT roles/{role}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleForm {
    name: String,
    #[serde(default)]
    rank: u32,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    prohibit: Vec<String>,
}

impl RoleForm {
    fn role(self, role: RoleId) -> Result<Role, Problem> {
        Ok(Role {
            role,
            rank: self.rank,
            allow: permissions(&self.allow)?,
            prohibit: permissions(&self.prohibit)?,
            name: self.name,
        })
    }
}

/// The body of `PUT users/{user}/roles`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenForm {
    roles: Vec<u32>,
}

/// The body of `PUT policy`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyForm {
    apart: Vec<(u32, u32)>,
}

/// The body of `PUT …/overwrites/…`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OverwriteForm {
    #[serde(default)]
    deny: Vec<String>,
    #[serde(default)]
    allow: Vec<String>,
}

impl OverwriteForm {
    fn overwrite(&self) -> Result<Overwrite, Problem> {
        Ok(Overwrite {
            deny: permissions(&self.deny)?,
            allow: permissions(&self.allow)?,
        })
    }
}

fn permissions(names: &[String]) -> Result<Permissions, Problem> {
    names.iter().try_fold(Permissions::NONE, |all, name| {
        Ok(all | Permissions::of(&[permission(name)?]))
    })
}

/// The names of permissions, in the order of their numbers.
pub(super) fn names(permissions: Permissions) -> Vec<&'static str> {
    permissions.iter().map(name_of).collect()
}

fn told_role(role: &Role) -> Value {
    json!({
        "role": role.role.0,
        "name": role.name,
        "rank": role.rank,
        "allow": names(role.allow),
        "prohibit": names(role.prohibit),
    })
}

fn told_overwrite((target, overwrite): &(OverwriteTarget, Overwrite)) -> Value {
    let mut form = json!({ "deny": names(overwrite.deny), "allow": names(overwrite.allow) });
    match target {
        OverwriteTarget::Role(role) => form["role"] = role.0.into(),
        OverwriteTarget::User(user) => form["user"] = user.as_str().into(),
    }
    form
}

fn told_reason(reason: &Reason) -> Value {
    let mut form = json!({ "cause": cause(reason.cause), "allows": reason.allows });
    if let Some(role) = reason.role {
        form["role"] = role.0.into();
    }
    form
}

const fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Nothing => "nothing",
        Cause::Role => "role",
        Cause::EveryoneHere => "everyone_here",
        Cause::RoleHere => "role_here",
        Cause::UserHere => "user_here",
        Cause::Prohibited => "prohibited",
        Cause::NoView => "no_view",
        Cause::NotMember => "not_member",
        Cause::Banned => "banned",
        Cause::Muted => "muted",
        Cause::Archived => "archived",
        Cause::Kind => "kind",
        Cause::Apart => "apart",
    }
}

const fn name_of(permission: Permission) -> &'static str {
    match permission {
        Permission::View => "view",
        Permission::Join => "join",
        Permission::Send => "send",
        Permission::SendInThreads => "send_in_threads",
        Permission::React => "react",
        Permission::Attach => "attach",
        Permission::Signal => "signal",
        Permission::MentionMany => "mention_many",
        Permission::Pin => "pin",
        Permission::DeleteAny => "delete_any",
        Permission::Invite => "invite",
        Permission::Add => "add",
        Permission::Kick => "kick",
        Permission::Ban => "ban",
        Permission::Mute => "mute",
        Permission::ManageRoom => "manage_room",
        Permission::ManageOverwrites => "manage_overwrites",
        Permission::SkipSlowMode => "skip_slow_mode",
        Permission::CreateRooms => "create_rooms",
        Permission::Direct => "direct",
        Permission::ManageRoles => "manage_roles",
        Permission::Moderate => "moderate",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_has_a_name_of_its_own() {
        for permission_of in Permission::ALL {
            assert_eq!(permission(name_of(permission_of)), Ok(permission_of));
        }
        let all: Vec<_> = names(Permissions::ALL)
            .into_iter()
            .map(str::to_owned)
            .collect();
        assert_eq!(permissions(&all), Ok(Permissions::ALL));
        assert!(permission("View").is_err());
    }

    #[test]
    fn a_role_in_a_path_is_a_plain_number() {
        assert_eq!(role("7"), Ok(RoleId(7)));
        for wrong in ["", "+7", "-1", "4294967296", "x"] {
            assert!(role(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_overwrite_names_whom_it_is_for() {
        let overwrite = Overwrite {
            deny: Permissions::of(&[Permission::Send]),
            allow: Permissions::NONE,
        };
        let told = told_overwrite(&(OverwriteTarget::Role(RoleId(3)), overwrite));
        assert_eq!(told, json!({ "role": 3, "deny": ["send"], "allow": [] }));
    }
}
