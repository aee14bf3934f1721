//! The fields of what people say.

use super::fields::{FieldResult, Fields};
use crate::{
    AllowedMentions, Custom, CustomKind, Draft, Emoji, Mentions, Message, MessageState, Reaction,
    ThreadSummary, limit,
};

pub(super) fn draft(fields: &mut Fields<'_, '_>) -> FieldResult<Draft> {
    Ok(Draft {
        text: text(fields)?,
        thread: fields.optional_seq("thread")?,
        reply_to: fields.optional_seq("reply_to")?,
        allowed_mentions: fields
            .optional(|fields| fields.nested("allowed_mentions", allowed_mentions))?,
        custom: custom(fields)?,
        attachments: attachments(fields)?,
        quiet: fields.flag("quiet")?,
    })
}

pub(super) fn message(fields: &mut Fields<'_, '_>) -> FieldResult<Message> {
    Ok(Message {
        text: text(fields)?,
        thread: fields.optional_seq("thread")?,
        reply_to: fields.optional_seq("reply_to")?,
        mentions: fields.nested_or_default("mentions", mentions)?,
        custom: custom(fields)?,
        attachments: attachments(fields)?,
        quiet: fields.flag("quiet")?,
        state: fields
            .optional(|fields| fields.nested("state", state))?
            .map(Box::new),
    })
}

fn text(fields: &mut Fields<'_, '_>) -> FieldResult<String> {
    let text = fields.text("text", limit::MESSAGE_TEXT_BYTES_MAX)?;
    Ok(text.to_owned())
}

fn allowed_mentions(fields: &mut Fields<'_, '_>) -> FieldResult<AllowedMentions> {
    let names = ["allowed_mentions.users", "allowed_mentions.users.user"];
    Ok(AllowedMentions {
        users: fields.optional(|fields| fields.users(names, limit::ALLOWED_MENTIONS_MAX))?,
        roles: fields.flag("allowed_mentions.roles")?,
        room: fields.flag("allowed_mentions.room")?,
    })
}

fn mentions(fields: &mut Fields<'_, '_>) -> FieldResult<Mentions> {
    Ok(Mentions {
        users: fields.list_or_none("mentions.users", limit::MENTIONED_USERS_MAX, |users| {
            users.user("mentions.user")
        })?,
        roles: fields.list_or_none("mentions.roles", limit::MENTIONED_ROLES_MAX, |roles| {
            super::people::role_id(roles, "mentions.role")
        })?,
        room: fields.flag("mentions.room")?,
    })
}

fn custom(fields: &mut Fields<'_, '_>) -> FieldResult<Option<Custom>> {
    fields.optional(|fields| {
        fields.nested("custom", |fields| {
            Ok(Custom {
                kind: fields.id("custom.kind", CustomKind::new)?,
                body: fields.bytes("custom.body", limit::CUSTOM_BYTES_MAX)?,
            })
        })
    })
}

fn attachments(fields: &mut Fields<'_, '_>) -> FieldResult<Vec<String>> {
    fields.list_or_none("attachments", limit::ATTACHMENTS_MAX, |list| {
        let reference = list.text("attachments.reference", limit::ATTACHMENT_BYTES_MAX)?;
        Ok(reference.to_owned())
    })
}

fn state(fields: &mut Fields<'_, '_>) -> FieldResult<MessageState> {
    Ok(MessageState {
        version: fields
            .optional(|fields| fields.unsigned_32("state.version"))?
            .unwrap_or_default(),
        edited: fields.optional_time("state.edited")?,
        reactions: fields.list_or_none(
            "state.reactions",
            limit::REACTIONS_PER_MESSAGE_MAX,
            |list| list.nested("state.reaction", reaction),
        )?,
        thread: summary(fields, "state.thread")?,
        pinned: fields.flag("state.pinned")?,
    })
}

pub(super) fn reaction(fields: &mut Fields<'_, '_>) -> FieldResult<Reaction> {
    Ok(Reaction {
        emoji: fields.id("reaction.emoji", Emoji::new)?,
        count: fields.unsigned_32("reaction.count")?,
        users: fields.users(
            ["reaction.users", "reaction.user"],
            limit::REACTION_USERS_MAX,
        )?,
        me: fields.flag("reaction.me")?,
    })
}

pub(super) fn summary(
    fields: &mut Fields<'_, '_>,
    name: &'static str,
) -> FieldResult<Option<ThreadSummary>> {
    fields.optional(|fields| {
        fields.nested(name, |fields| {
            Ok(ThreadSummary {
                replies: fields.unsigned_32("summary.replies")?,
                newest: fields.seq("summary.newest")?,
            })
        })
    })
}
