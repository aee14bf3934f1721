//! A client that holds one page and takes in what is pushed after it.

use homeroom_protocol::{
    EventBody, Message, MessageState, Reaction, Seq, ThreadSummary, TimelineEvent,
};

use super::USERS;

/// An app that keeps a room, as the protocol says it should.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) events: Vec<TimelineEvent>,
}

impl Reader {
    pub(super) fn take(&mut self, event: TimelineEvent) {
        let expected = self.events.last().unwrap().seq.next();
        assert_eq!(event.seq, expected, "no gap and no repeat");
        match event.body.clone() {
            EventBody::Message(message) => {
                if let Some(root) = message.thread {
                    self.count(root, Some(event.seq));
                }
            }
            EventBody::MessageEdited {
                target,
                message,
                version,
            } => self.with_message(target, |it| {
                let state = MessageState {
                    version,
                    edited: Some(event.time),
                    ..it.state.as_deref().cloned().unwrap_or_default()
                };
                *it = Message {
                    state: Some(Box::new(state)),
                    ..message
                };
            }),
            EventBody::MessageDeleted {
                target,
                by_moderator,
            } => self.bury(target, by_moderator),
            EventBody::ReactionSet {
                target,
                reaction,
                on,
            } => self.with_message(target, |it| {
                let state = it.state.get_or_insert_default();
                let old = state.reactions.iter().find(|it| it.emoji == reaction.emoji);
                let me = if event.author.as_str() == USERS[1] {
                    on
                } else {
                    old.is_some_and(|old| old.me)
                };
                state.reactions.retain(|it| it.emoji != reaction.emoji);
                if reaction.count > 0 {
                    state.reactions.push(Reaction { me, ..reaction });
                }
                state
                    .reactions
                    .sort_by(|one, other| one.emoji.cmp(&other.emoji));
            }),
            EventBody::PinSet { target, on } => self.with_message(target, |it| {
                it.state.get_or_insert_default().pinned = on;
            }),
            _ => {}
        }
        self.events.push(event);
    }

    fn get(&mut self, target: Seq) -> &mut EventBody {
        let at = self.events.iter().position(|it| it.seq == target).unwrap();
        &mut self.events[at].body
    }

    /// What is done to a message that is gone already changes nothing.
    fn with_message(&mut self, target: Seq, change: impl FnOnce(&mut Message)) {
        if let EventBody::Message(message) = self.get(target) {
            change(message);
            if message.state.as_deref() == Some(&MessageState::default()) {
                message.state = None;
            }
        }
    }

    /// A thread has one more reply, or one less.
    fn count(&mut self, root: Seq, new: Option<Seq>) {
        let replies = self.events.iter().filter_map(|it| match &it.body {
            EventBody::Message(message) if message.thread == Some(root) => Some(it.seq),
            _ => None,
        });
        let replies: Vec<Seq> = replies.chain(new).collect();
        let summary = replies.last().map(|&newest| ThreadSummary {
            replies: u32::try_from(replies.len()).unwrap(),
            newest,
        });
        if let EventBody::Tombstone { summary: old, .. } = self.get(root) {
            *old = summary;
        }
        self.with_message(root, |it| it.state.get_or_insert_default().thread = summary);
    }

    fn bury(&mut self, target: Seq, by_moderator: bool) {
        let EventBody::Message(message) = self.get(target).clone() else {
            return;
        };
        *self.get(target) = EventBody::Tombstone {
            thread: message.thread,
            summary: message.state.and_then(|state| state.thread),
            by_moderator,
        };
        for event in &mut self.events {
            if let EventBody::MessageEdited {
                target: of,
                message,
                ..
            } = &mut event.body
                && *of == target
            {
                *message = Message {
                    thread: message.thread,
                    ..Message::default()
                };
            }
        }
        if let Some(root) = message.thread {
            self.count(root, None);
        }
    }
}
