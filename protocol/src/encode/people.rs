//! The fields of people: their presence, status, roles and permissions.

use super::writer::Record;
use crate::{
    FollowedThread, Me, Overwrite, OverwriteTarget, Reason, Role, Status, UserId, UserPresence,
    kind,
};

pub(super) fn presences(users: &[UserPresence], fields: &mut Record<'_, '_>) {
    fields
        .list(users, |user, out| {
            out.record(|fields| {
                fields
                    .text(user.user.as_str())
                    .choice(user.presence)
                    .optional_unsigned(user.last_seen.map(|seen| seen.0))
                    .optional_text(user.status.as_deref());
            });
        })
        .keep();
}

pub(super) fn status(status: &Status, fields: &mut Record<'_, '_>) {
    fields
        .choice_or_default(status.availability)
        .optional_text(status.text.as_deref())
        .optional_unsigned(status.expires.map(|expires| expires.0));
}

pub(super) fn role(role: &Role, fields: &mut Record<'_, '_>) {
    fields
        .unsigned(role.role.0)
        .text(&role.name)
        .unsigned(role.rank)
        .unsigned(role.allow.0)
        .keep();
    fields.unsigned(role.prohibit.0);
}

pub(super) fn overwrite(
    target: &OverwriteTarget,
    overwrite: Overwrite,
    fields: &mut Record<'_, '_>,
) {
    fields
        .record(|fields| match target {
            OverwriteTarget::Role(role) => {
                fields.unsigned(kind::target::ROLE).unsigned(role.0).keep();
            }
            OverwriteTarget::User(user) => {
                fields
                    .unsigned(kind::target::USER)
                    .text(user.as_str())
                    .keep();
            }
        })
        .unsigned(overwrite.deny.0)
        .unsigned(overwrite.allow.0)
        .keep();
}

pub(super) fn reason(reason: &Reason, fields: &mut Record<'_, '_>) {
    fields
        .choice(reason.cause)
        .optional_unsigned(reason.role.map(|role| role.0))
        .boolean(reason.allows)
        .keep();
}

pub(super) fn me(me: &Me, fields: &mut Record<'_, '_>) {
    fields
        .record(|fields| status(&me.status, fields))
        .list(&me.roles, |role, out| out.unsigned(role.0))
        .unsigned(me.permissions.0)
        .texts(me.blocked.iter().map(UserId::as_str))
        .list(&me.threads, |thread, out| {
            out.record(|fields| followed(thread, fields));
        })
        .keep();
    fields.optional_position(me.stream);
}

fn followed(thread: &FollowedThread, fields: &mut Record<'_, '_>) {
    fields
        .unsigned(thread.room.0)
        .unsigned(thread.thread.0)
        .unsigned(thread.mark.generation)
        .unsigned(thread.mark.seq.0)
        .unsigned(thread.unread)
        .keep();
}
