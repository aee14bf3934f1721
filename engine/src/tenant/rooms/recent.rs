//! What happened to messages lately: whatever an answer from the history may not know of yet.
//!
//! A look-up answers with what was durable when it was asked. Meanwhile other requests were decided; what
//! they did to the same message is here, and is put over the answer. Nothing older is needed, so this is
//! small, and what does not fit is forgotten from the oldest on: an answer that is not as new as what was
//! forgotten is not used.

use std::collections::{BTreeMap, VecDeque};

use homeroom_protocol::{Message, MessageState, Reaction, RoomNumber, Seq, Timestamp, UserId};

use crate::{
    hub::body_bytes,
    log::LogPosition,
    tenant::{
        history::LookedMessage,
        records::{
            concern::{Concern, MessageFact},
            event::Event,
        },
    },
};

/// How much is remembered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecentBounds {
    /// Most changes.
    pub(crate) changes_max: usize,
    /// Most bytes of their content.
    pub(crate) bytes_max: usize,
}

impl Default for RecentBounds {
    /// Changes of some seconds of a busy tenant; a look-up takes some milliseconds.
    fn default() -> Self {
        Self {
            changes_max: 4096,
            bytes_max: 2 * 1024 * 1024,
        }
    }
}

/// The newest edits and reactions.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    bounds: RecentBounds,
    changes: BTreeMap<Place, Change>,
    /// Oldest first, with what each weighs.
    order: VecDeque<(Place, usize)>,
    bytes: usize,
    forgotten: LogPosition,
}

/// A message, and where in the log something happened to it.
type Place = (RoomNumber, Seq, LogPosition);

/// What happened to a message.
#[derive(Debug)]
enum Change {
    Edited {
        message: Message,
        version: u32,
        time: Timestamp,
    },
    Reacted {
        reaction: Reaction,
        user: UserId,
        on: bool,
    },
}

impl Recent {
    /// Takes in what just happened.
    pub(crate) fn apply(&mut self, at: LogPosition, event: &Event) {
        let (target, change) = match event.concern() {
            Concern::Message(MessageFact::Edited {
                target,
                message,
                version,
            }) => {
                let change = Change::Edited {
                    message: message.clone(),
                    version,
                    time: event.time,
                };
                (target, change)
            }
            Concern::Message(MessageFact::Reacted {
                target,
                reaction,
                on,
            }) => {
                let change = Change::Reacted {
                    reaction: reaction.clone(),
                    user: event.author.clone(),
                    on,
                };
                (target, change)
            }
            Concern::Message(
                MessageFact::Said(_) | MessageFact::Deleted { .. } | MessageFact::Pinned { .. },
            )
            | Concern::Room(_)
            | Concern::Member(..)
            | Concern::Person(_)
            | Concern::Nothing => return,
        };
        let place = (event.room, target, at);
        let weight = size_of::<Change>() + body_bytes(&event.body);
        self.changes.insert(place, change);
        self.order.push_back((place, weight));
        self.bytes += weight;
        while self.order.len() > self.bounds.changes_max || self.bytes > self.bounds.bytes_max {
            let Some((oldest, weight)) = self.order.pop_front() else {
                return;
            };
            self.changes.remove(&oldest);
            self.bytes -= weight;
            self.forgotten = self.forgotten.max(oldest.2);
        }
    }

    /// All up to here is in the history, and need not be known here.
    pub(crate) fn forget_to(&mut self, at: LogPosition) {
        self.forgotten = self.forgotten.max(at);
    }

    /// Whether an answer and what is here make a whole.
    pub(crate) fn completes(&self, complete_to: LogPosition) -> bool {
        self.forgotten <= complete_to
    }

    /// Whether anything is known of these messages.
    pub(crate) fn knows(&self, room: RoomNumber, (first, last): (Seq, Seq)) -> bool {
        self.of(room, (first, last)).next().is_some()
    }

    /// Puts what happened lately over a message that was looked up.
    pub(crate) fn over(
        &self,
        (room, seq): (RoomNumber, Seq),
        reader: &UserId,
        looked: &mut LookedMessage,
    ) {
        for change in self.of(room, (seq, seq)) {
            match change {
                Change::Edited {
                    message,
                    version,
                    time,
                } => {
                    if *version > looked.version {
                        looked.message.clone_from(message);
                        looked.version = *version;
                        looked.edited = Some(*time);
                    }
                }
                Change::Reacted { reaction, user, on } => {
                    let own = (user == reader).then_some(*on);
                    put(&mut looked.reactions, reaction, own);
                }
            }
        }
    }

    /// The same over a message in a page.
    pub(crate) fn over_shown(
        &self,
        (room, seq): (RoomNumber, Seq),
        reader: &UserId,
        shown: &mut Message,
    ) {
        for change in self.of(room, (seq, seq)) {
            let mut state = shown.state.take().unwrap_or_default();
            match change {
                Change::Edited {
                    message,
                    version,
                    time,
                } => {
                    if *version > state.version {
                        shown.clone_from(message);
                        state.version = *version;
                        state.edited = Some(*time);
                    }
                }
                Change::Reacted { reaction, user, on } => {
                    let own = (user == reader).then_some(*on);
                    put(&mut state.reactions, reaction, own);
                }
            }
            shown.state = (*state != MessageState::default()).then_some(state);
        }
    }

    /// What happened to messages of a room, in the order of the messages and then of the log.
    fn of(&self, room: RoomNumber, (first, last): (Seq, Seq)) -> impl Iterator<Item = &Change> {
        let from = (room, first, LogPosition::START);
        let to = (room, last, LogPosition(u64::MAX));
        self.changes.range(from..=to).map(|(_, change)| change)
    }
}

/// Puts all reactions with one emoji in their place, in the order of emoji. `own` is whether the reader's is
/// there, where that changed with them.
fn put(reactions: &mut Vec<Reaction>, newest: &Reaction, own: Option<bool>) {
    let at = reactions.binary_search_by(|reaction| reaction.emoji.cmp(&newest.emoji));
    let me = own.unwrap_or_else(|| at.is_ok_and(|at| reactions[at].me));
    let newest = Reaction {
        me,
        ..newest.clone()
    };
    match at {
        Ok(at) if newest.count == 0 => _ = reactions.remove(at),
        Ok(at) => reactions[at] = newest,
        Err(_) if newest.count == 0 => {}
        Err(at) => reactions.insert(at, newest),
    }
}

#[cfg(test)]
mod tests {
    use homeroom_protocol::{Emoji, Epoch, EventBody, Position};

    use super::*;

    const ROOM: RoomNumber = RoomNumber(1);

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    fn event(at: u64, author: &str, body: EventBody) -> (LogPosition, Event) {
        let event = Event {
            room: ROOM,
            position: Position {
                epoch: Epoch::new(1).unwrap(),
                seq: Seq(at),
            },
            time: Timestamp(at),
            author: user(author),
            body,
            keyed: None,
        };
        (LogPosition(at), event)
    }

    fn edit(at: u64, target: u64, text: &str, version: u32) -> (LogPosition, Event) {
        let body = EventBody::MessageEdited {
            target: Seq(target),
            message: text.into(),
            version,
        };
        event(at, "ada", body)
    }

    fn react(at: u64, target: u64, who: &str, users: &[&str]) -> (LogPosition, Event) {
        let body = EventBody::ReactionSet {
            target: Seq(target),
            reaction: reaction("👍", users),
            on: users.contains(&who),
        };
        event(at, who, body)
    }

    fn reaction(emoji: &str, users: &[&str]) -> Reaction {
        Reaction {
            emoji: Emoji::new(emoji).unwrap(),
            count: u32::try_from(users.len()).unwrap(),
            users: users.iter().map(|name| user(name)).collect(),
            me: false,
        }
    }

    fn looked() -> LookedMessage {
        LookedMessage {
            author: user("ada"),
            time: Timestamp(0),
            message: "old".into(),
            version: 1,
            edited: Some(Timestamp(1)),
            reactions: vec![reaction("👎", &["eve"]), reaction("😀", &["eve"])],
        }
    }

    fn small(changes_max: usize, bytes_max: usize) -> Recent {
        Recent {
            bounds: RecentBounds {
                changes_max,
                bytes_max,
            },
            ..Recent::default()
        }
    }

    #[test]
    fn the_newest_version_and_all_reactions_are_put_over_what_was_looked_up() {
        let mut recent = Recent::default();
        for (at, event) in [
            edit(5, 3, "older than what was read", 1),
            edit(6, 3, "new", 2),
            edit(7, 4, "of another message", 3),
            react(8, 3, "ada", &["ada"]),
            react(9, 3, "bob", &["ada", "bob"]),
        ] {
            recent.apply(at, &event);
        }
        let mut over = looked();
        recent.over((ROOM, Seq(3)), &user("ada"), &mut over);
        assert_eq!((&*over.message.text, over.version), ("new", 2));
        assert_eq!(over.edited, Some(Timestamp(6)));
        let own = Reaction {
            me: true,
            ..reaction("👍", &["ada", "bob"])
        };
        let [down, smile] = looked().reactions.try_into().unwrap();
        assert_eq!(over.reactions, [own, down, smile]);
        let (at, event) = react(10, 3, "ada", &[]);
        recent.apply(at, &event);
        recent.over((ROOM, Seq(3)), &user("ada"), &mut over);
        assert_eq!(over.reactions, looked().reactions);
    }

    #[test]
    fn what_does_not_fit_is_forgotten_from_the_oldest_on() {
        let mut recent = small(2, usize::MAX);
        for at in 1..=4 {
            let (at, event) = edit(at, at, "x", 1);
            recent.apply(at, &event);
        }
        assert!(!recent.completes(LogPosition(1)));
        assert!(recent.completes(LogPosition(2)));
        assert!(!recent.knows(ROOM, (Seq(1), Seq(2))));
        assert!(recent.knows(ROOM, (Seq(1), Seq(3))));
    }

    #[test]
    fn a_large_edit_takes_the_place_of_many() {
        let mut recent = small(100, 10_000);
        for at in 1..=3 {
            let (at, event) = edit(at, at, &"x".repeat(6_000), 1);
            recent.apply(at, &event);
            assert!(recent.bytes <= 10_000);
        }
        assert!(!recent.completes(LogPosition(1)));
        let (at, event) = edit(4, 4, &"x".repeat(60_000), 1);
        recent.apply(at, &event);
        assert_eq!(recent.bytes, 0);
        assert!(!recent.completes(LogPosition(3)));
        assert!(recent.completes(LogPosition(4)));
    }

    #[test]
    fn what_is_in_the_history_need_not_be_known() {
        let mut recent = Recent::default();
        recent.forget_to(LogPosition(7));
        assert!(!recent.completes(LogPosition(6)));
        assert!(recent.completes(LogPosition(7)));
    }
}
