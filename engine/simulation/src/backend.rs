//! What an app's back end asks for.

use std::sync::Arc;

use homeroom_engine::{
    identity::{Actor, ServiceName},
    tenant::{Input, Moderation, RoleRequest, ServiceCall, ServiceRequest, Whom},
};
use homeroom_protocol::{
    Measure, Overwrite, OverwriteTarget, Permission, Permissions, Role, RoleId,
};

use crate::{
    actions::{room_of, user_of},
    broken::Checked,
    plan::{Deed, USERS},
    world::{AnswerBox, Call, World},
};

impl World {
    /// A back end asks; its tenant is woken for it.
    pub(crate) fn serve(&mut self, tenant: usize, deed: &Deed) -> Checked {
        if !self.awake(tenant)? {
            return Ok(());
        }
        let user = |user: &usize| user_of(USERS[*user]);
        let moderate = |room: &usize, who: &usize, measure| ServiceRequest::Moderate {
            room: room_of(*room),
            moderation: Moderation::new(user(who), measure),
        };
        let overwrite = |room: &usize, target, hides| {
            let deny = if hides {
                Permissions::of(&[Permission::View])
            } else {
                Permissions::NONE
            };
            let allow = Permissions::NONE;
            ServiceRequest::Roles(RoleRequest::Overwrite {
                room: room_of(*room),
                target,
                overwrite: Overwrite { deny, allow },
            })
        };
        let request = match deed {
            Deed::Add(room, who) => moderate(room, who, Measure::Add),
            Deed::Remove(room, who) => moderate(room, who, Measure::Remove),
            Deed::Ban(room, who) => moderate(room, who, Measure::Ban),
            Deed::Unban(room, who) => moderate(room, who, Measure::Unban),
            Deed::Hide(room, who, hides) => {
                overwrite(room, OverwriteTarget::User(user(who)), *hides)
            }
            Deed::HideFromAll(room, hides) => {
                overwrite(room, OverwriteTarget::Role(RoleId::EVERYONE), *hides)
            }
            Deed::Blind(blind) => ServiceRequest::Roles(RoleRequest::Set(everyone(*blind))),
            Deed::Publish(room) => {
                let key = self.key();
                self.published += 1;
                ServiceRequest::Publish {
                    key,
                    room: room_of(*room),
                    draft: self.words(tenant, &user_of("timetable")),
                }
            }
            Deed::Revoke(who) => {
                let whom = Whom::User(user(who));
                let before = self.host.connection_to_come();
                if let Some(life) = &mut self.host.lives[tenant] {
                    let revoke = |whom| Input::Revoke { whom, before };
                    life.urgent.push_back(revoke(whom.clone()));
                    // Whoever waits to be let in meets this one.
                    life.inbox.push_back(revoke(whom));
                }
                return Ok(());
            }
        };
        let answer = AnswerBox::default();
        if let ServiceRequest::Publish { draft, .. } = &request {
            self.calls.push(Call {
                tenant,
                text: draft.text.clone(),
                answer: answer.clone(),
            });
        }
        let name = ServiceName::new("timetable").expect("a short name");
        let call = ServiceCall {
            actor: Actor::Service(name),
            request,
            asker: Arc::new(answer),
        };
        if let Some(life) = &mut self.host.lives[tenant] {
            life.urgent.push_back(Input::Service(call));
        }
        Ok(())
    }
}

/// The role of everyone, as it is from the beginning or without the sight of rooms.
fn everyone(blind: bool) -> Role {
    let allow = Permissions::of(&[
        Permission::View,
        Permission::Join,
        Permission::Send,
        Permission::SendInThreads,
        Permission::React,
        Permission::Signal,
        Permission::CreateRooms,
    ]);
    let sight = Permissions::of(&[Permission::View]);
    Role {
        role: RoleId::EVERYONE,
        name: "everyone".to_owned(),
        rank: 0,
        allow: if blind { allow.without(sight) } else { allow },
        prohibit: Permissions::NONE,
    }
}
