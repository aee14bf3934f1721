//! The fields of people: their presence, status, roles and permissions.

use super::{
    fields::{FieldResult, Fields},
    room,
};
use crate::{
    Availability, FollowedThread, Me, Overwrite, OverwriteTarget, Permissions, Presence, Reason,
    Role, RoleId, Status, UserPresence, kind, limit,
};

pub(super) fn presences(fields: &mut Fields<'_, '_>) -> FieldResult<Vec<UserPresence>> {
    fields.list("users", limit::WATCHED_USERS_MAX, |users| {
        users.nested("users.entry", |entry| {
            Ok(UserPresence {
                user: entry.user("users.user")?,
                // Whatever a later state means, only offline means that no device is there.
                presence: entry.choice_or("users.presence", Presence::Idle)?,
                last_seen: entry.optional_time("users.last_seen")?,
                status: entry.optional_text("users.status", limit::STATUS_BYTES_MAX)?,
            })
        })
    })
}

pub(super) fn status(fields: &mut Fields<'_, '_>) -> FieldResult<Status> {
    Ok(Status {
        availability: fields.choice_or_default("availability", Availability::Automatic)?,
        text: fields.optional_text("text", limit::STATUS_BYTES_MAX)?,
        expires: fields.optional_time("expires")?,
    })
}

pub(super) fn role_id(fields: &mut Fields<'_, '_>, name: &'static str) -> FieldResult<RoleId> {
    fields.unsigned_32(name).map(RoleId)
}

pub(super) fn roles(fields: &mut Fields<'_, '_>, max: usize) -> FieldResult<Vec<RoleId>> {
    fields.list("roles", max, |roles| role_id(roles, "roles.role"))
}

pub(super) fn role(fields: &mut Fields<'_, '_>) -> FieldResult<Role> {
    Ok(Role {
        role: role_id(fields, "role")?,
        name: fields.text("name", limit::ROLE_NAME_BYTES_MAX)?.to_owned(),
        rank: fields.unsigned_32("rank")?,
        allow: permissions(fields, "allow")?,
        prohibit: fields
            .optional(|fields| permissions(fields, "prohibit"))?
            .unwrap_or_default(),
    })
}

/// A server may know permissions of a later version: their bits stay as they are.
fn permissions(fields: &mut Fields<'_, '_>, name: &'static str) -> FieldResult<Permissions> {
    fields.set(name, Permissions::ALL.0).map(Permissions)
}

/// `None` for one of a later version.
pub(super) fn target(fields: &mut Fields<'_, '_>) -> FieldResult<Option<OverwriteTarget>> {
    Ok(match fields.form("target.kind", kind::target::USER)? {
        kind::target::ROLE => Some(OverwriteTarget::Role(role_id(fields, "target.role")?)),
        kind::target::USER => Some(OverwriteTarget::User(fields.user("target.user")?)),
        _ => None,
    })
}

pub(super) fn overwrite(fields: &mut Fields<'_, '_>) -> FieldResult<Overwrite> {
    Ok(Overwrite {
        deny: permissions(fields, "deny")?,
        allow: permissions(fields, "allow")?,
    })
}

/// Those for targets that this version knows.
pub(super) fn overwrites(
    fields: &mut Fields<'_, '_>,
) -> FieldResult<Vec<(OverwriteTarget, Overwrite)>> {
    let entries = fields.list("overwrites", usize::MAX, |list| {
        list.nested("overwrites.entry", |entry| {
            let target = entry.nested("target", target)?;
            let overwrite = overwrite(entry)?;
            Ok(target.map(|target| (target, overwrite)))
        })
    })?;
    Ok(entries.into_iter().flatten().collect())
}

/// Those with causes that this version knows.
pub(super) fn reasons(fields: &mut Fields<'_, '_>) -> FieldResult<Vec<Reason>> {
    let entries = fields.list("reasons", limit::REASONS_MAX, |list| {
        list.nested("reasons.entry", |entry| {
            let cause = entry.known_choice("reasons.cause")?;
            let role = entry.optional(|entry| role_id(entry, "reasons.role"))?;
            let allows = entry.boolean("reasons.allows")?;
            Ok(cause.map(|cause| Reason {
                cause,
                role,
                allows,
            }))
        })
    })?;
    Ok(entries.into_iter().flatten().collect())
}

pub(super) fn me(fields: &mut Fields<'_, '_>) -> FieldResult<Me> {
    Ok(Me {
        status: fields.nested("status", status)?,
        roles: roles(fields, limit::ROLES_PER_USER_MAX)?,
        permissions: permissions(fields, "permissions")?,
        blocked: fields.users(["blocked", "blocked.user"], usize::MAX)?,
        threads: fields.list("threads", usize::MAX, |threads| {
            threads.nested("threads.entry", followed)
        })?,
        stream: fields
            .optional(|fields| fields.position(["stream", "stream.epoch", "stream.seq"]))?,
    })
}

fn followed(fields: &mut Fields<'_, '_>) -> FieldResult<FollowedThread> {
    Ok(FollowedThread {
        room: room::number(fields, "threads.room")?,
        thread: fields.seq("threads.thread")?,
        mark: room::mark(fields)?,
        unread: fields.unsigned_32("threads.unread")?,
    })
}
