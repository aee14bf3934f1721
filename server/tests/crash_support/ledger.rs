//! Who was promised what, and who saw what.
//!
//! Everything that anyone is shown at a place (a room and a position) is written down here: by an
//! acknowledgement, a push or a page of history. Two different things at one place, or a thing that is
//! gone when the history is read again, are what must never happen. What is found wrong is collected
//! and not thrown, because it is found in many tasks at once.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::File,
    sync::Arc,
};

use homeroom_client::{EventBody, IdempotencyKey, Message, Position, Sent, TimelineEvent, UserId};
use tokio::sync::Notify;

use super::dice::Dice;

/// Tenants; their rooms and users have the same names.
pub(crate) const TENANTS: [&str; 2] = ["default", "north"];
/// Rooms of each tenant.
pub(crate) const ROOMS: [&str; 3] = ["class-7a", "class-7b", "staff"];
/// The longest text beyond its beginning, in bytes.
const PADDING_MAX: u64 = 12 * 1024;

/// A room of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) tenant: &'static str,
    pub(crate) room: &'static str,
}

/// Every room of every tenant.
pub(crate) fn places() -> impl Iterator<Item = Place> {
    TENANTS
        .into_iter()
        .flat_map(|tenant| ROOMS.map(|room| Place { tenant, room }))
}

/// A message somebody wants to be stored.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) place: Place,
    pub(crate) author: UserId,
    pub(crate) number: u64,
    pub(crate) text: String,
    pub(crate) key: IdempotencyKey,
    pub(crate) acked: Option<Sent>,
}

/// What happened, for the report.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) acks: u64,
    /// Sends that were unanswered when the host died, and were sent again.
    pub(crate) retried: u64,
    /// Those of them that were found stored before they were sent again.
    pub(crate) stored_unanswered: u64,
    /// Acknowledged sends that were sent again, to get the same answer.
    pub(crate) repeated: u64,
    /// Keys used for something else, to be refused.
    pub(crate) conflicts: u64,
    pub(crate) pushes: u64,
    pub(crate) audits: u64,
    pub(crate) events_audited: u64,
    /// Acknowledged writes that were looked for in a whole history, each time.
    pub(crate) acks_checked: u64,
    /// Found wrong: seen or acknowledged and gone; there twice; elsewhere, or another than before.
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) moved: u64,
    /// Connections that the host closed, by its reason.
    pub(crate) byes: BTreeMap<u16, u64>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) wishes: Vec<Wish>,
    pub(crate) by_text: HashMap<String, usize>,
    pub(crate) numbers: HashMap<(Place, UserId), u64>,
    /// The first wish whose key is still remembered.
    pub(crate) keys_from: usize,
    pub(crate) seen: HashMap<Place, BTreeMap<u64, (Position, TimelineEvent)>>,
    /// Where each listener is in each room.
    pub(crate) heard: HashMap<(String, Place), Position>,
    /// What the host does to its disk is appended here: how long it is when something is told says what
    /// was done before.
    pub(crate) trace: Option<Arc<File>>,
    /// How long the trace was when an event was first seen, or a wish acknowledged.
    pub(crate) seen_at: HashMap<(Place, u64), u64>,
    pub(crate) acked_at: HashMap<usize, u64>,
    pub(crate) wrong: Vec<String>,
    pub(crate) counts: Counts,
    /// Tells of every new acknowledgement.
    pub(crate) news: Arc<Notify>,
}

impl Ledger {
    pub(crate) fn wrong(&mut self, what: String) {
        // The first few say it; a flood would hide them.
        if self.wrong.len() < 20 {
            self.wrong.push(what);
        }
    }

    /// The next message of an author in a room.
    pub(crate) fn wish(&mut self, place: Place, author: &UserId, dice: &mut Dice) -> usize {
        let number = self.numbers.entry((place, author.clone())).or_default();
        *number += 1;
        let number = *number;
        let padding_max = if dice.once_in(20) { PADDING_MAX } else { 200 };
        let padding = dice.below(padding_max);
        let Place { tenant, room } = place;
        let text = format!(
            "{tenant} {room} {author} {number} {}",
            "x".repeat(usize::try_from(padding).unwrap())
        );
        // Unique for its author in the tenant, and no more: keys belong to their user.
        let mut key = [0; 16];
        key[0] = room.as_bytes()[room.len() - 1];
        key[8..].copy_from_slice(&number.to_be_bytes());
        let at = self.wishes.len();
        self.by_text.insert(text.clone(), at);
        self.wishes.push(Wish {
            place,
            author: author.clone(),
            number,
            text,
            key: IdempotencyKey(key),
            acked: None,
        });
        at
    }

    pub(crate) fn get(&self, wish: usize) -> &Wish {
        &self.wishes[wish]
    }

    /// The unanswered sends of an author, in the order in which they were sent.
    pub(crate) fn unanswered(&self, tenant: &str, author: &UserId) -> Vec<usize> {
        self.of(tenant, author, |wish| wish.acked.is_none())
    }

    /// The acknowledged sends of an author whose keys are remembered.
    pub(crate) fn answered(&self, tenant: &str, author: &UserId) -> Vec<usize> {
        let mut answered = self.of(tenant, author, |wish| wish.acked.is_some());
        answered.retain(|wish| *wish >= self.keys_from);
        answered
    }

    fn of(&self, tenant: &str, author: &UserId, pick: impl Fn(&Wish) -> bool) -> Vec<usize> {
        let wishes = self.wishes.iter().enumerate();
        wishes
            .filter(|(_, it)| it.place.tenant == tenant && it.author == *author && pick(it))
            .map(|(at, _)| at)
            .collect()
    }

    pub(crate) fn unanswered_total(&self) -> usize {
        let wishes = self.wishes.iter();
        wishes.filter(|wish| wish.acked.is_none()).count()
    }

    /// The host said that a message is kept, and where.
    pub(crate) fn acked(&mut self, wish: usize, sent: Sent) {
        let known = &mut self.wishes[wish];
        match known.acked {
            Some(before) if before == sent => return,
            Some(before) => {
                let what = format!(
                    "{}: {sent:?} after {before:?} for the same key",
                    start(&known.text)
                );
                self.wrong(what);
                return;
            }
            None => known.acked = Some(sent),
        }
        self.counts.acks += 1;
        self.news.notify_waiters();
        let event = TimelineEvent {
            seq: sent.position.seq,
            time: sent.time,
            author: known.author.clone(),
            body: EventBody::Message(known.text.as_str().into()),
        };
        let place = known.place;
        if let Some(traced) = self.traced() {
            self.acked_at.insert(wish, traced);
        }
        self.saw(place, sent.position, &event, "an acknowledgement");
    }

    fn traced(&self) -> Option<u64> {
        let trace = self.trace.as_ref()?;
        Some(trace.metadata().unwrap().len())
    }

    /// Somebody was shown an event.
    pub(crate) fn saw(&mut self, place: Place, at: Position, event: &TimelineEvent, by: &str) {
        let known = self.seen.get(&place);
        if known.is_none_or(|known| !known.contains_key(&at.seq.0))
            && let Some(traced) = self.traced()
        {
            self.seen_at.insert((place, at.seq.0), traced);
        }
        let seen = self.seen.entry(place).or_default();
        let (before, other) = seen
            .entry(at.seq.0)
            .or_insert_with(|| (at, event.clone()))
            .clone();
        if before != at || other != *event {
            self.counts.moved += 1;
            self.wrong(format!(
                "{place:?}: {by} shows {} at {at:?}, where {} at {before:?} was shown before",
                brief(event),
                brief(&other)
            ));
        }
    }

    /// A listener was pushed an event: it must be the one after its last.
    pub(crate) fn heard(&mut self, who: &str, place: Place, at: Position, event: &TimelineEvent) {
        self.counts.pushes += 1;
        let last = self.heard.insert((who.to_owned(), place), at);
        if let Some(last) = last
            && (last.epoch != at.epoch || last.seq.0 + 1 != at.seq.0)
        {
            self.wrong(format!("{place:?}: {who} heard {at:?} after {last:?}"));
        }
        self.saw(place, at, event, who);
    }

    /// A listener was let into a room: what comes next is the event after this one.
    pub(crate) fn begins(&mut self, who: &str, place: Place, at: Position) {
        self.heard.entry((who.to_owned(), place)).or_insert(at);
    }

    /// Where a listener is.
    pub(crate) fn place_of(&self, who: &str, place: Place) -> Option<Position> {
        self.heard.get(&(who.to_owned(), place)).copied()
    }

    /// The newest place of a room that anyone was shown.
    pub(crate) fn head(&self, place: Place) -> Option<Position> {
        let newest = self.seen.get(&place)?.last_key_value()?;
        Some(newest.1.0)
    }

    /// Holds the whole history of a room against all that was promised and seen before, and then
    /// takes it as seen.
    pub(crate) fn audit(&mut self, place: Place, history: &[(Position, TimelineEvent)]) {
        self.counts.audits += 1;
        self.counts.events_audited += history.len() as u64;
        let mut wrong = Vec::new();
        for (index, (at, event)) in history.iter().enumerate() {
            if at.seq.0 != index as u64 + 1 || event.seq != at.seq {
                wrong.push(format!("{} is number {}", brief(event), index + 1));
            }
        }
        for pair in history.windows(2) {
            if pair[1].1.time < pair[0].1.time || pair[0].0.epoch != pair[1].0.epoch {
                let (one, two) = (brief(&pair[0].1), brief(&pair[1].1));
                wrong.push(format!("{two} is earlier than {one}, or of another epoch"));
            }
        }
        if let Some(seen) = self.seen.get(&place) {
            let lost = seen.values().filter(|(at, event)| {
                let index = usize::try_from(at.seq.0 - 1).unwrap();
                history.get(index) != Some(&(*at, event.clone()))
            });
            wrong.extend(lost.map(|(at, event)| format!("lost: {} at {at:?}", brief(event))));
        }
        let known = self.wishes.iter();
        let acked = known.filter(|wish| wish.place == place && wish.acked.is_some());
        self.counts.acks_checked += acked.count() as u64;
        wrong.extend(self.wanted(place, history));
        for what in wrong {
            let count = match &what {
                lost if lost.starts_with("lost") => &mut self.counts.lost,
                doubled if doubled.starts_with("doubled") => &mut self.counts.doubled,
                _ => &mut self.counts.moved,
            };
            *count += 1;
            self.wrong(format!("{place:?}: {what}"));
        }
        for (at, event) in history {
            self.saw(place, *at, event, "the history");
        }
    }

    /// Every message was wanted by its author in this room, is there once, and each author's are in
    /// the order in which they were sent.
    fn wanted(&mut self, place: Place, history: &[(Position, TimelineEvent)]) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut there = HashSet::new();
        let mut last: HashMap<&UserId, u64> = HashMap::new();
        for (_, event) in history {
            let EventBody::Message(Message { text, .. }) = &event.body else {
                continue;
            };
            let wish = self.by_text.get(text).copied();
            let Some((at, wish)) = wish.map(|at| (at, &self.wishes[at])) else {
                wrong.push(format!("nobody sent {}", brief(event)));
                continue;
            };
            if wish.place != place || wish.author != event.author {
                wrong.push(format!("{} belongs elsewhere", brief(event)));
            }
            if !there.insert(at) {
                wrong.push(format!("doubled: {}", brief(event)));
            }
            let before = last.insert(&event.author, wish.number).unwrap_or(0);
            if wish.number <= before {
                wrong.push(format!("{} comes after {before}", brief(event)));
            }
        }
        // Whatever else, an acknowledgement is in `seen`, and so was looked for above.
        wrong
    }

    /// How many sends without an answer are stored nevertheless.
    pub(crate) fn count_stored_unanswered(&mut self) {
        let seen = self.seen.values().flat_map(BTreeMap::values);
        let stored = seen.filter(|(_, event)| match &event.body {
            EventBody::Message(Message { text, .. }) => {
                let wish = self.by_text.get(text).map(|at| &self.wishes[*at]);
                wish.is_some_and(|wish| wish.acked.is_none())
            }
            _ => false,
        });
        self.counts.stored_unanswered += stored.count() as u64;
    }

    /// Whether every wish is acknowledged, and was seen at the place its acknowledgement named.
    pub(crate) fn all_kept(&self) -> bool {
        self.wishes.iter().all(|wish| {
            let seen = wish.acked.and_then(|sent| {
                let seen = self.seen.get(&wish.place)?.get(&sent.position.seq.0)?;
                (seen.0 == sent.position).then_some(&seen.1.body)
            });
            matches!(seen, Some(EventBody::Message(message)) if message.text == wish.text)
        })
    }
}

/// A message's beginning, without its padding.
fn start(text: &str) -> &str {
    text.trim_end_matches('x')
}

fn brief(event: &TimelineEvent) -> String {
    match &event.body {
        EventBody::Message(message) => format!("[{} {:?}]", event.seq.0, start(&message.text)),
        body => format!("[{} {} {body:?}]", event.seq.0, event.author),
    }
}
