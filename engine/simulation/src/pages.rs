//! What pages show, and what was told, beside what is so.

use homeroom_protocol::{EventBody, Seq, TimelineEvent, UserId, limit::PAGE_EVENTS_MAX};

use crate::{
    broken::{Checked, ensure},
    ledger::{Room, Said},
};

/// A page from the beginning on.
pub(crate) fn check_page(user: &UserId, room: &Room, events: &[TimelineEvent]) -> Checked {
    if !room.keeps {
        ensure!(
            events.is_empty(),
            "what passed is gone",
            "{user}: {events:?}"
        );
        return Ok(());
    }
    let most = room.events.len().min(PAGE_EVENTS_MAX);
    let seqs = events.iter().map(|event| &event.seq);
    ensure!(
        seqs.eq(room.events.keys().take(most)),
        "pages have no gap",
        "{user}: {events:?}"
    );
    for event in events {
        let truth = &room.events[&event.seq];
        let right = match room.messages.get(&event.seq) {
            Some(said) => is_shown_as(event, said, (truth, room)),
            None => is_told_as(event, truth, room),
        };
        ensure!(
            right,
            "pages show what is so",
            "{user} was shown {event:?}, which is {truth:?}, now {:?}",
            room.messages.get(&event.seq)
        );
    }
    Ok(())
}

/// Whether a message in a page is as it is now.
fn is_shown_as(event: &TimelineEvent, said: &Said, (truth, room): (&TimelineEvent, &Room)) -> bool {
    let placed = event.author == truth.author && event.time == truth.time;
    placed
        && match &event.body {
            EventBody::Tombstone { .. } => said.deleted,
            EventBody::Message(message) => {
                let state = message.state.as_deref().cloned().unwrap_or_default();
                let reactions = state.reactions.iter();
                let shown: Vec<_> = reactions
                    .map(|it| (it.emoji.to_string(), it.count as usize))
                    .collect();
                let counted = said.reactions.iter().filter(|(_, users)| !users.is_empty());
                let counted: Vec<_> = counted
                    .map(|(emoji, users)| (emoji.clone(), users.len()))
                    .collect();
                !said.deleted
                    && message.text == said.text
                    && message.thread == said.thread
                    && state.version == said.version
                    && state.thread == room.thread(event.seq)
                    && shown == counted
            }
            _ => false,
        }
}

/// Whether an event was told as it is in the log, but for what was deleted since.
pub(crate) fn is_told_as(event: &TimelineEvent, truth: &TimelineEvent, room: &Room) -> bool {
    let is_deleted = |seq: &Seq| room.messages.get(seq).is_some_and(|said| said.deleted);
    let placed = event.author == truth.author && event.time == truth.time;
    placed
        && match (&event.body, &truth.body) {
            (EventBody::Tombstone { .. }, EventBody::Message(_)) => is_deleted(&event.seq),
            (
                EventBody::MessageEdited {
                    target,
                    message,
                    version,
                },
                EventBody::MessageEdited {
                    target: of,
                    version: number,
                    message: truth,
                },
            ) => {
                let emptied = message.text.is_empty() && is_deleted(target);
                (target, version) == (of, number) && (message == truth || emptied)
            }
            (told, truth) => told == truth,
        }
}
