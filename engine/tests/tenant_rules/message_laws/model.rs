//! The plain model behind the laws: what follows from a list of all that was done.

use std::collections::{BTreeMap, BTreeSet};

use homeroom_protocol::{
    Direction, Emoji, EventBody, Message, MessageState, Reaction, Seq, ThreadSummary,
    TimelineEvent, Timestamp, UserId, limit::REACTION_USERS_MAX,
};

use super::{EMOJI, Page, Run, USERS, What};
use crate::support::user;

/// A message as the list of all that was done has it.
#[derive(Debug, Clone, Default)]
struct Known {
    author: String,
    text: String,
    thread: Option<Seq>,
    version: u32,
    edited: Option<Timestamp>,
    by: [BTreeSet<UserId>; 2],
    named: [Vec<UserId>; 2],
    pinned: bool,
    deleted_by: Option<UserId>,
}

impl Run {
    /// Whether a change is one that happens.
    pub(super) fn expected(&self, who: usize, what: &What) -> bool {
        let known = self.known();
        let is_live = |target: &Seq| known[target].deleted_by.is_none();
        match what {
            What::Said { thread: None, .. } => true,
            What::Said {
                thread: Some(root), ..
            } => known
                .get(root)
                .is_some_and(|it| it.deleted_by.is_none() && it.thread.is_none()),
            What::Edited { target, .. } => is_live(target) && known[target].author == USERS[who],
            // Ada made the room.
            What::Deleted { target } => {
                is_live(target) && (who == 0 || known[target].author == USERS[who])
            }
            What::Reacted { target, emoji, on } => {
                is_live(target) && known[target].by[*emoji].contains(&user(USERS[who])) != *on
            }
            What::Pinned { target, on } => is_live(target) && known[target].pinned != *on,
        }
    }

    /// All messages, from what was done to them.
    fn known(&self) -> BTreeMap<Seq, Known> {
        let mut known: BTreeMap<Seq, Known> = BTreeMap::new();
        for done in &self.done {
            match &done.what {
                What::Said { thread, text } => {
                    let said = Known {
                        author: done.who.to_string(),
                        text: text.clone(),
                        thread: *thread,
                        ..Known::default()
                    };
                    known.insert(done.seq, said);
                }
                What::Edited { target, text } => {
                    let it = known.get_mut(target).unwrap();
                    it.text.clone_from(text);
                    it.version += 1;
                    it.edited = Some(done.time);
                }
                What::Deleted { target } => {
                    let it = known.get_mut(target).unwrap();
                    it.deleted_by = Some(done.who.clone());
                    it.pinned = false;
                }
                What::Reacted { target, emoji, on } => {
                    let it = known.get_mut(target).unwrap();
                    let (by, named) = (&mut it.by[*emoji], &mut it.named[*emoji]);
                    if *on {
                        by.insert(done.who.clone());
                        if named.len() < REACTION_USERS_MAX {
                            named.push(done.who.clone());
                        }
                    } else {
                        by.remove(&done.who);
                        named.retain(|user| *user != done.who);
                    }
                }
                What::Pinned { target, on } => known.get_mut(target).unwrap().pinned = *on,
            }
        }
        known
    }

    /// The whole timeline as a reader should see it now.
    pub(super) fn timeline(&self, reader: &UserId) -> Vec<TimelineEvent> {
        let known = self.known();
        let events = self.world.events().into_iter();
        let events = events.filter(|event| event.room == self.room);
        let mut timeline: Vec<_> = events
            .map(homeroom_engine::tenant::Event::to_timeline)
            .collect();
        for event in &mut timeline {
            match &mut event.body {
                EventBody::Message(_) => event.body = shown(&known, event.seq, reader),
                EventBody::MessageEdited {
                    target, message, ..
                } if known[target].deleted_by.is_some() => {
                    *message = Message {
                        thread: known[target].thread,
                        ..Message::default()
                    };
                }
                _ => {}
            }
        }
        timeline
    }
}

/// A message as a reader should see it.
fn shown(known: &BTreeMap<Seq, Known>, seq: Seq, reader: &UserId) -> EventBody {
    let it = &known[&seq];
    let replies = known
        .iter()
        .filter(|(_, reply)| reply.thread == Some(seq) && reply.deleted_by.is_none());
    let (replies, newest) = (replies.clone().count(), replies.map(|(seq, _)| *seq).max());
    let thread = newest.map(|newest| ThreadSummary {
        replies: u32::try_from(replies).unwrap(),
        newest,
    });
    if let Some(by) = &it.deleted_by {
        return EventBody::Tombstone {
            thread: it.thread,
            summary: thread,
            by_moderator: by.as_str() != it.author,
        };
    }
    let mut reactions: Vec<_> = (0..EMOJI.len())
        .filter(|&at| !it.by[at].is_empty())
        .map(|at| Reaction {
            emoji: Emoji::new(EMOJI[at]).unwrap(),
            count: u32::try_from(it.by[at].len()).unwrap(),
            users: it.named[at].clone(),
            me: it.by[at].contains(reader),
        })
        .collect();
    reactions.sort_by(|one, other| one.emoji.cmp(&other.emoji));
    let state = MessageState {
        version: it.version,
        edited: it.edited,
        reactions,
        thread,
        pinned: it.pinned,
    };
    EventBody::Message(Message {
        thread: it.thread,
        state: (state != MessageState::default()).then(|| Box::new(state)),
        ..it.text.clone().into()
    })
}

pub(super) fn is_reply(event: &TimelineEvent, root: Seq) -> bool {
    match &event.body {
        EventBody::Message(message) => message.thread == Some(root),
        EventBody::Tombstone { thread, .. } => *thread == Some(root),
        _ => false,
    }
}

/// The page of a list.
pub(super) fn cut(events: Vec<TimelineEvent>, page: Page) -> (Vec<TimelineEvent>, bool, bool) {
    let limit = page.limit as usize;
    let anchor = Seq(page.anchor);
    let below: Vec<_> = events
        .iter()
        .filter(|it| it.seq < anchor)
        .cloned()
        .collect();
    let from: Vec<_> = events
        .iter()
        .filter(|it| it.seq >= anchor)
        .cloned()
        .collect();
    let newest =
        |list: Vec<TimelineEvent>, most: usize| list[list.len().saturating_sub(most)..].to_vec();
    match page.direction {
        Direction::Before => {
            let more = below.len() > limit;
            (newest(below, limit), more, false)
        }
        Direction::After => {
            let above: Vec<_> = from.into_iter().filter(|it| it.seq > anchor).collect();
            let more = above.len() > limit;
            (above.into_iter().take(limit).collect(), more, false)
        }
        Direction::Around => {
            let more = below.len() > limit / 2;
            let mut list = newest(below, limit / 2);
            let rest = limit - list.len();
            let more_above = from.len() > rest;
            list.extend(from.into_iter().take(rest));
            (list, more, more_above)
        }
    }
}
