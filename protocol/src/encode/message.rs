//! The fields of what people say. They always come last in the array that holds them, so that a message
//! nests no deeper in one event than in another.

use super::writer::{Record, Writer};
use crate::{Custom, Draft, Mentions, Message, MessageState, Reaction, ThreadSummary, UserId};

pub(super) fn draft(draft: &Draft, fields: &mut Record<'_, '_>) {
    fields.text(&draft.text).keep();
    fields
        .optional_unsigned(draft.thread.map(|root| root.0))
        .optional_unsigned(draft.reply_to.map(|seq| seq.0))
        .optional_record(draft.allowed_mentions.as_ref(), |allowed, fields| {
            fields
                .optional_list(allowed.users.as_ref(), |user, out| out.text(user.as_str()))
                .boolean(allowed.roles)
                .boolean(allowed.room);
        });
    custom(draft.custom.as_ref(), fields);
    fields
        .texts(draft.attachments.iter().map(String::as_str))
        .boolean(draft.quiet);
}

pub(super) fn message(message: &Message, fields: &mut Record<'_, '_>) {
    fields.text(&message.text).keep();
    fields
        .optional_unsigned(message.thread.map(|root| root.0))
        .optional_unsigned(message.reply_to.map(|seq| seq.0));
    mentions(&message.mentions, fields);
    custom(message.custom.as_ref(), fields);
    fields
        .texts(message.attachments.iter().map(String::as_str))
        .boolean(message.quiet)
        .optional_record(message.state.as_deref(), state);
}

fn mentions(mentions: &Mentions, fields: &mut Record<'_, '_>) {
    let there = Some(mentions).filter(|mentions| !mentions.is_empty());
    fields.optional_record(there, |mentions, fields| {
        fields
            .texts(mentions.users.iter().map(UserId::as_str))
            .list(&mentions.roles, |role, out| out.unsigned(role.0))
            .boolean(mentions.room);
    });
}

fn custom(custom: Option<&Custom>, fields: &mut Record<'_, '_>) {
    fields.optional_record(custom, |custom, fields| {
        fields.text(custom.kind.as_str()).bytes(&custom.body).keep();
    });
}

fn state(state: &MessageState, fields: &mut Record<'_, '_>) {
    fields
        .unsigned(state.version)
        .optional_unsigned(state.edited.map(|edited| edited.0))
        .list(&state.reactions, |item, out: &mut Writer<'_>| {
            out.record(|fields| reaction(item, fields));
        })
        .optional_record(state.thread.as_ref(), summary)
        .boolean(state.pinned);
}

pub(super) fn reaction(reaction: &Reaction, fields: &mut Record<'_, '_>) {
    fields
        .text(reaction.emoji.as_str())
        .unsigned(reaction.count)
        .texts(reaction.users.iter().map(UserId::as_str))
        .keep();
    fields.boolean(reaction.me);
}

pub(super) fn summary(summary: &ThreadSummary, fields: &mut Record<'_, '_>) {
    fields
        .unsigned(summary.replies)
        .unsigned(summary.newest.0)
        .keep();
}
