//! The fields of rooms, and of how people stand to them.

use super::fields::{FieldResult, Fields};
use crate::{
    Durability, Mark, NotificationLevel, Permissions, PlacedMark, Retention, RoomChange, RoomEntry,
    RoomId, RoomInfo, RoomKind, RoomNumber, Standing, Timestamp, kind, limit,
};

/// A kind of a later version is one that not everybody gets into.
const UNKNOWN_KIND: RoomKind = RoomKind::Private;

pub(super) fn number(fields: &mut Fields<'_, '_>, name: &'static str) -> FieldResult<RoomNumber> {
    fields.unsigned_32(name).map(RoomNumber)
}

pub(super) fn info(fields: &mut Fields<'_, '_>) -> FieldResult<RoomInfo> {
    Ok(RoomInfo {
        title: title(fields, "title")?,
        kind: fields.choice_or_default("room_kind", UNKNOWN_KIND)?,
        topic: topic(fields, "topic")?,
        metadata: metadata(fields, "metadata")?,
        retention: fields.nested_or_default("retention", |fields| retention(fields, RETENTION))?,
        // Nothing is promised that is not understood.
        durability: fields.choice_or_default("durability", Durability::None)?,
        slow_mode_ms: fields
            .optional(|fields| slow_mode_ms(fields, "slow_mode_ms"))?
            .unwrap_or_default(),
        archived: fields.flag("archived")?,
    })
}

fn title(fields: &mut Fields<'_, '_>, name: &'static str) -> FieldResult<Option<String>> {
    fields.optional_text(name, limit::ROOM_TITLE_BYTES_MAX)
}

fn topic(fields: &mut Fields<'_, '_>, name: &'static str) -> FieldResult<Option<String>> {
    fields.optional_text(name, limit::ROOM_TOPIC_BYTES_MAX)
}

fn metadata(fields: &mut Fields<'_, '_>, name: &'static str) -> FieldResult<Vec<u8>> {
    fields.bytes_or_none(name, limit::ROOM_METADATA_BYTES_MAX)
}

fn slow_mode_ms(fields: &mut Fields<'_, '_>, name: &'static str) -> FieldResult<u32> {
    fields.bounded_32(name, 0, limit::SLOW_MODE_MS_MAX)
}

/// The names of the form, the days and the messages.
const RETENTION: [&str; 3] = ["retention.kind", "retention.days", "retention.messages"];
const CHANGED_RETENTION: [&str; 3] = [
    "changes.retention.kind",
    "changes.retention.days",
    "changes.retention.messages",
];

fn retention(
    fields: &mut Fields<'_, '_>,
    [form, days, messages]: [&'static str; 3],
) -> FieldResult<Retention> {
    Ok(match fields.form(form, kind::retention::MESSAGES)? {
        kind::retention::DAYS => {
            Retention::Days(fields.bounded_32(days, 1, limit::RETENTION_DAYS_MAX)?)
        }
        kind::retention::MESSAGES => {
            Retention::Messages(fields.bounded_32(messages, 1, limit::RETENTION_MESSAGES_MAX)?)
        }
        _all_or_unknown => Retention::All,
    })
}

/// The changes that this version knows.
pub(super) fn changes(fields: &mut Fields<'_, '_>) -> FieldResult<Vec<RoomChange>> {
    let changes = fields.list("changes", limit::ROOM_CHANGES_MAX, |list| {
        list.nested("changes.change", change)
    })?;
    Ok(changes.into_iter().flatten().collect())
}

fn change(fields: &mut Fields<'_, '_>) -> FieldResult<Option<RoomChange>> {
    Ok(Some(
        match fields.form("changes.kind", kind::change::ARCHIVED)? {
            kind::change::KIND => {
                RoomChange::Kind(fields.choice_or("changes.room_kind", UNKNOWN_KIND)?)
            }
            kind::change::TITLE => RoomChange::Title(title(fields, "changes.title")?),
            kind::change::TOPIC => RoomChange::Topic(topic(fields, "changes.topic")?),
            kind::change::METADATA => RoomChange::Metadata(metadata(fields, "changes.metadata")?),
            kind::change::RETENTION => {
                RoomChange::Retention(fields.nested("changes.retention", |fields| {
                    retention(fields, CHANGED_RETENTION)
                })?)
            }
            kind::change::SLOW_MODE => {
                RoomChange::SlowMode(slow_mode_ms(fields, "changes.slow_mode_ms")?)
            }
            kind::change::ARCHIVED => RoomChange::Archived(fields.boolean("changes.archived")?),
            _ => return Ok(None),
        },
    ))
}

pub(super) fn placed_mark(fields: &mut Fields<'_, '_>) -> FieldResult<PlacedMark> {
    Ok(PlacedMark {
        room: number(fields, "room")?,
        thread: fields.optional_seq("thread")?,
        mark: mark(fields)?,
        public: fields.flag("public")?,
    })
}

pub(super) fn mark(fields: &mut Fields<'_, '_>) -> FieldResult<Mark> {
    Ok(Mark {
        generation: fields.unsigned_32("generation")?,
        seq: fields.seq("seq")?,
    })
}

pub(super) fn entry(fields: &mut Fields<'_, '_>) -> FieldResult<RoomEntry> {
    Ok(RoomEntry {
        room: number(fields, "rooms.room")?,
        id: fields.id("rooms.id", RoomId::new)?,
        standing: fields.choice_or("rooms.standing", Standing::Invited)?,
        info: fields.nested("rooms.info", info)?,
        head: fields.position(["rooms.head", "rooms.head.epoch", "rooms.head.seq"])?,
        time: fields.unsigned("rooms.time").map(Timestamp)?,
        members: fields.unsigned_32("rooms.members")?,
        permissions: fields.unsigned("rooms.permissions").map(Permissions)?,
        mark: mark(fields)?,
        unread: fields.unsigned_32("rooms.unread")?,
        mentions: fields.unsigned_32("rooms.mentions")?,
        level: fields.choice_or_default("rooms.level", NotificationLevel::All)?,
    })
}
