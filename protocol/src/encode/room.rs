//! The fields of rooms, and of how people stand to them.

use super::writer::Record;
use crate::{PlacedMark, Retention, RoomChange, RoomEntry, RoomInfo, choice::Choice, kind};

fn info(info: &RoomInfo, fields: &mut Record<'_, '_>) {
    fields.optional_text(info.title.as_deref());
    info_behind_title(info, fields);
}

/// As one field, absent where nothing was said of a room.
pub(super) fn optional_info(described: &RoomInfo, fields: &mut Record<'_, '_>) {
    let there = Some(described).filter(|&described| *described != RoomInfo::default());
    fields.optional_record(there, info);
}

/// All of it but the title, which comes first.
pub(super) fn info_behind_title(info: &RoomInfo, fields: &mut Record<'_, '_>) {
    fields
        .choice_or_default(info.kind)
        .optional_text(info.topic.as_deref())
        .bytes(&info.metadata);
    let there = Some(info.retention).filter(|&kept| kept != Retention::All);
    fields
        .optional_record(there, retention)
        .choice_or_default(info.durability)
        .unsigned(info.slow_mode_ms)
        .boolean(info.archived);
}

fn retention(retention: Retention, fields: &mut Record<'_, '_>) {
    match retention {
        Retention::All => fields.unsigned(kind::retention::ALL).keep(),
        Retention::Days(days) => fields.unsigned(kind::retention::DAYS).unsigned(days).keep(),
        Retention::Messages(count) => fields
            .unsigned(kind::retention::MESSAGES)
            .unsigned(count)
            .keep(),
    }
}

pub(super) fn changes(changes: &[RoomChange], fields: &mut Record<'_, '_>) {
    fields
        .list(changes, |item, out| {
            out.record(|fields| change(item, fields))
        })
        .keep();
}

fn change(change: &RoomChange, fields: &mut Record<'_, '_>) {
    match change {
        RoomChange::Kind(kind) => fields.unsigned(kind::change::KIND).unsigned(kind.number()),
        RoomChange::Title(title) => fields
            .unsigned(kind::change::TITLE)
            .optional_text(title.as_deref()),
        RoomChange::Topic(topic) => fields
            .unsigned(kind::change::TOPIC)
            .optional_text(topic.as_deref()),
        RoomChange::Metadata(metadata) => fields.unsigned(kind::change::METADATA).bytes(metadata),
        RoomChange::Retention(kept) => fields
            .unsigned(kind::change::RETENTION)
            .record(|fields| retention(*kept, fields)),
        RoomChange::SlowMode(ms) => fields.unsigned(kind::change::SLOW_MODE).unsigned(*ms),
        RoomChange::Archived(archived) => {
            fields.unsigned(kind::change::ARCHIVED).boolean(*archived)
        }
    }
    .keep();
}

pub(super) fn placed_mark(placed: &PlacedMark, fields: &mut Record<'_, '_>) {
    fields
        .unsigned(placed.room.0)
        .optional_unsigned(placed.thread.map(|root| root.0))
        .unsigned(placed.mark.generation)
        .unsigned(placed.mark.seq.0)
        .keep();
    fields.boolean(placed.public);
}

pub(super) fn entry(entry: &RoomEntry, fields: &mut Record<'_, '_>) {
    fields
        .unsigned(entry.room.0)
        .text(entry.id.as_str())
        .choice(entry.standing)
        .record(|fields| info(&entry.info, fields))
        .position(entry.head)
        .unsigned(entry.time.0)
        .unsigned(entry.members)
        .unsigned(entry.permissions.0)
        .unsigned(entry.mark.generation)
        .unsigned(entry.mark.seq.0)
        .unsigned(entry.unread)
        .unsigned(entry.mentions)
        .keep();
    fields.choice_or_default(entry.level);
}
