//! One message of the past, with what became of it.

use std::collections::{BTreeMap, BTreeSet};

use homeroom_protocol::{
    EventBody, Message, Reaction, RoomNumber, Seq, TimelineEvent, Timestamp, UserId,
    limit::{PAGE_BYTES_MAX, REACTIONS_PER_MESSAGE_MAX, VERSIONS_PER_MESSAGE_MAX},
};

use super::{
    Target, TimelinePage, event_at,
    rows::{StateRow, after, own_reactions_key, read_state, state_key, timeline_key, version_key},
};
use crate::{
    domain::{History, HistoryError},
    hub::body_bytes,
    index::Order,
    planted::{Fault, fault},
    tenant::records::hashing::Hashing,
};

/// Rows that are read at once.
const ROWS_MAX: usize = 1024;
/// The same of the reactions of one user to one message: nearly always all of them.
const OWN_ROWS_MAX: usize = 2 * REACTIONS_PER_MESSAGE_MAX;

/// A message as the history knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookedMessage {
    /// Who said it.
    pub author: UserId,
    /// When.
    pub time: Timestamp,
    /// What, in its newest version.
    pub message: Message,
    /// How often it was edited.
    pub version: u32,
    /// When it was last edited.
    pub edited: Option<Timestamp>,
    /// Its reactions, in the order of their emoji; `me` is the reader.
    pub reactions: Vec<Reaction>,
}

/// What became of a message.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Where the newest edit stands, as a row says it.
    pub(super) edited: Option<Vec<u8>>,
    /// In the order of their emoji; nobody is `me`.
    pub(super) reactions: Vec<Reaction>,
}

/// A message; `None`: there is none in this place.
pub(super) fn look(
    history: &dyn History,
    hashing: &Hashing,
    target: &Target,
) -> Result<Option<LookedMessage>, HistoryError> {
    let Target { room, seq, reader } = target;
    let Some(value) = history.get(&timeline_key(*room, *seq))? else {
        return Ok(None);
    };
    let event = event_at(history, &value)?;
    let EventBody::Message(message) = event.body else {
        return Ok(None);
    };
    let mut looked = LookedMessage {
        author: event.author,
        time: event.time,
        message,
        version: 0,
        edited: None,
        reactions: Vec::new(),
    };
    let mut states = states(history, *room, (*seq, *seq))?;
    let Some(State { edited, reactions }) = states.remove(seq) else {
        return Ok(Some(looked));
    };
    if let Some(at) = edited {
        let (message, version, time) = edit_at(history, &at)?;
        looked.message = message;
        looked.version = version;
        looked.edited = Some(time);
    }
    looked.reactions = reactions;
    show_own(
        history,
        hashing,
        (*room, *seq),
        reader,
        &mut looked.reactions,
    )?;
    Ok(Some(looked))
}

/// What became of the messages from one place to another; those with which nothing happened are not in.
pub(super) fn states(
    history: &dyn History,
    room: RoomNumber,
    (first, last): (Seq, Seq),
) -> Result<BTreeMap<Seq, State>, HistoryError> {
    let mut states: BTreeMap<Seq, State> = BTreeMap::new();
    let mut from = state_key(room, first);
    let to = after(state_key(room, last));
    loop {
        let found = history.range(&from, &to, Order::Ascending, ROWS_MAX)?;
        let is_last = found.len() < ROWS_MAX;
        for (key, value) in found {
            // The least key above this one.
            from = [&key[..], &[0]].concat();
            let (seq, row) = read_state(&key, value.to_vec()).ok_or(HistoryError::Unreadable)?;
            let state = states.entry(seq).or_default();
            match row {
                StateRow::Edited(_) if fault(Fault::EditNotShown) => {}
                StateRow::Edited(at) => state.edited = Some(at),
                StateRow::Reacted(Reaction { count: 0, .. }) => {}
                StateRow::Reacted(reaction) => state.reactions.push(reaction),
            }
        }
        if is_last {
            return Ok(states);
        }
    }
}

/// The content, version and time of an edit.
pub(super) fn edit_at(
    history: &dyn History,
    at: &[u8],
) -> Result<(Message, u32, Timestamp), HistoryError> {
    let event = event_at(history, at)?;
    match event.body {
        EventBody::MessageEdited {
            message, version, ..
        } => Ok((message, version, event.time)),
        _ => Err(HistoryError::Unreadable),
    }
}

/// Marks which of the reactions to a message are the reader's.
pub(super) fn show_own(
    history: &dyn History,
    hashing: &Hashing,
    target: (RoomNumber, Seq),
    reader: &UserId,
    reactions: &mut [Reaction],
) -> Result<(), HistoryError> {
    let mut unclear = false;
    for reaction in &mut *reactions {
        reaction.me = reaction.users.contains(reader);
        unclear |= !reaction.me && reaction.count as usize > reaction.users.len();
    }
    if !unclear {
        return Ok(());
    }
    let mut from = own_reactions_key(hashing, target, reader);
    let (skip, to) = (from.len(), after(from.clone()));
    let mut own: BTreeSet<Vec<u8>> = BTreeSet::new();
    loop {
        let found = history.range(&from, &to, Order::Ascending, OWN_ROWS_MAX)?;
        let is_last = found.len() < OWN_ROWS_MAX;
        for (key, value) in found {
            // The least key above this one.
            from = [&key[..], &[0]].concat();
            // Those taken back are found until the index's clock has gone on.
            if value[..] == [1] {
                own.insert(key[skip..].to_vec());
            }
        }
        if is_last {
            break;
        }
    }
    for reaction in reactions {
        reaction.me |= own.contains(reaction.emoji.as_str().as_bytes());
    }
    Ok(())
}

/// A message as it was sent, then its edits. When they are too much for a page, the oldest edits are left
/// out, and there are `more`.
pub(super) fn versions(
    history: &dyn History,
    room: RoomNumber,
    target: Seq,
) -> Result<TimelinePage, HistoryError> {
    let Some(value) = history.get(&timeline_key(room, target))? else {
        return Ok(TimelinePage::default());
    };
    let original = event_at(history, &value)?.into_timeline();
    let (from, to) = (
        version_key(room, target, 0),
        after(version_key(room, target, u32::MAX)),
    );
    let most = VERSIONS_PER_MESSAGE_MAX as usize;
    let found = history.range(&from, &to, Order::Descending, most)?;
    let mut bytes = body_bytes(&original.body);
    let mut events: Vec<TimelineEvent> = Vec::new();
    for (_, value) in &found {
        let edit = event_at(history, value)?.into_timeline();
        bytes += body_bytes(&edit.body);
        if bytes > PAGE_BYTES_MAX {
            break;
        }
        events.push(edit);
    }
    let more = events.len() < found.len();
    events.push(original);
    events.reverse();
    Ok(TimelinePage {
        events,
        more,
        more_above: false,
    })
}
