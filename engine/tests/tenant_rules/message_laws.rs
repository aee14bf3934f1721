//! Laws of messages, after any history of sends, edits, deletions, reactions, pins and threads, with crashes,
//! slow look-ups and an index that lags behind:
//!
//! * a page is what a plain list of all that happened says it is;
//! * whoever has a page and takes in what is pushed after it, has the page that is fetched afresh.

use std::collections::{BTreeMap, BTreeSet};

use homeroom_engine::{domain::SectionId, log::LogPosition, tenant::Input};
use homeroom_protocol::limit::REACTION_USERS_MAX;
use homeroom_protocol::{
    ConnectionId, Direction, Emoji, EventBody, Message, MessageState, Position, Reaction, Request,
    RequestId, RoomNumber, Seq, ServerFrame, ThreadSummary, TimelineEvent, Timestamp, UserId,
};
use proptest::{collection::vec, prelude::*};

use crate::{
    messages::{delete, draft, edit, in_thread, pin, react, say},
    support::{Waiting, World, durable_state, join, user},
};

const USERS: [&str; 6] = ["ada", "bob", "eve", "dan", "cleo", "gus"];
const EMOJI: [&str; 2] = ["👍", "a"];

#[derive(Debug, Clone)]
enum Step {
    Say {
        who: usize,
        thread: Option<usize>,
        text: u8,
    },
    Edit {
        who: usize,
        target: usize,
        text: u8,
    },
    Delete {
        who: usize,
        target: usize,
    },
    React {
        who: usize,
        target: usize,
        emoji: usize,
        on: bool,
    },
    Pin {
        target: usize,
        on: bool,
    },
    /// The next change is looked up now, and decided after another step.
    Slowly,
    Sync,
    Crash {
        from_snapshot: bool,
    },
    Save,
    /// A page is looked up now, and given after another step.
    AskPage {
        who: usize,
        page: Page,
    },
    /// A reader fetches all anew, and compares.
    Fetch,
}

#[derive(Debug, Clone, Copy)]
struct Page {
    direction: Direction,
    anchor: u64,
    limit: u32,
    thread: Option<usize>,
}

fn step() -> impl Strategy<Value = Step> {
    let (who, target) = (0..USERS.len(), 0..6_usize);
    let page = (
        prop_oneof![
            Just(Direction::Before),
            Just(Direction::After),
            Just(Direction::Around)
        ],
        0..40_u64,
        1..12_u32,
        proptest::option::weighted(0.3, target.clone()),
    );
    let page = page.prop_map(|(direction, anchor, limit, thread)| Page {
        direction,
        anchor,
        limit,
        thread,
    });
    let thread = proptest::option::weighted(0.4, target.clone());
    prop_oneof![
        4 => (who.clone(), thread, any::<u8>())
            .prop_map(|(who, thread, text)| Step::Say { who, thread, text }),
        3 => (who.clone(), target.clone(), any::<u8>())
            .prop_map(|(who, target, text)| Step::Edit { who, target, text }),
        1 => (who.clone(), target.clone()).prop_map(|(who, target)| Step::Delete { who, target }),
        14 => (who.clone(), 0..3_usize, 0..2_usize, proptest::bool::weighted(0.75))
            .prop_map(|(who, target, emoji, on)| Step::React { who, target, emoji, on }),
        1 => (target, any::<bool>()).prop_map(|(target, on)| Step::Pin { target, on }),
        2 => Just(Step::Slowly),
        3 => Just(Step::Sync),
        3 => any::<bool>().prop_map(|from_snapshot| Step::Crash { from_snapshot }),
        1 => Just(Step::Save),
        3 => (who, page).prop_map(|(who, page)| Step::AskPage { who, page }),
        1 => Just(Step::Fetch),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pages_are_what_happened_and_pushes_lead_from_one_to_the_next(
        steps in vec(step(), 1..90),
    ) {
        let mut run = Run::new();
        for step in steps {
            run.step(step);
        }
        run.finish();
    }
}

/// Something that was done to a message, at a place in the log.
#[derive(Debug, Clone)]
struct Done {
    at: usize,
    seq: Seq,
    time: Timestamp,
    who: UserId,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Said { thread: Option<Seq>, text: String },
    Edited { target: Seq, text: String },
    Deleted { target: Seq },
    Reacted { target: Seq, emoji: usize, on: bool },
    Pinned { target: Seq, on: bool },
}

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

struct Pending {
    waiting: Waiting,
    who: usize,
    what: What,
    /// Whether its message was on disk when it was looked up.
    sure: bool,
}

struct PendingPage {
    waiting: Waiting,
    who: usize,
    id: RequestId,
    page: Page,
    root: Option<Seq>,
    /// The newest event it can hold.
    last: Seq,
}

struct Run {
    world: World,
    room: RoomNumber,
    connections: Vec<ConnectionId>,
    done: Vec<Done>,
    slowly: bool,
    slow: Option<Pending>,
    page: Option<PendingPage>,
    reader: Reader,
    snapshot: (BTreeMap<SectionId, Vec<u8>>, LogPosition),
}

impl Run {
    fn new() -> Self {
        let mut world = World::new();
        let mut connections = Vec::new();
        let ada = world.connect(USERS[0], "web");
        let room = world.open_room(ada, "math");
        connections.push(ada);
        for name in &USERS[1..] {
            let connection = world.connect(name, "web");
            world.join(connection, "math");
            connections.push(connection);
        }
        world.sync_at_once = false;
        let mut run = Self {
            world,
            room,
            connections,
            done: Vec::new(),
            slowly: false,
            slow: None,
            page: None,
            reader: Reader::default(),
            snapshot: (BTreeMap::new(), LogPosition::START),
        };
        run.world.inbox(run.connections[1]);
        run.reader.events = run.fetch();
        run
    }

    fn step(&mut self, step: Step) {
        self.world.now = self.world.now.plus_ms(7);
        // What was looked up before this step is decided after it.
        let (slow, page) = (self.slow.take(), self.page.take());
        match step {
            Step::Say { who, thread, text } => {
                let thread = thread.and_then(|at| self.place(at));
                let text = format!("say {text}");
                self.change(who, What::Said { thread, text });
            }
            Step::Edit { who, target, text } => {
                if let Some(target) = self.place(target) {
                    let text = format!("edit {text}");
                    self.change(who, What::Edited { target, text });
                }
            }
            Step::Delete { who, target } => {
                if let Some(target) = self.place(target) {
                    self.change(who, What::Deleted { target });
                }
            }
            Step::React {
                who,
                target,
                emoji,
                on,
            } => {
                if let Some(target) = self.place(target) {
                    self.change(who, What::Reacted { target, emoji, on });
                }
            }
            Step::Pin { target, on } => {
                if let Some(target) = self.place(target) {
                    self.change(0, What::Pinned { target, on });
                }
            }
            Step::Slowly => self.slowly = true,
            Step::Sync => self.world.sync(),
            Step::Crash { from_snapshot } => {
                self.crash(from_snapshot);
                return;
            }
            Step::Save => {
                self.world.sync();
                let at = LogPosition(self.world.log_len() as u64);
                self.snapshot = (durable_state(&self.world.tenant), at);
            }
            Step::AskPage { who, page } => self.ask_page(who, page),
            Step::Fetch => self.compare(),
        }
        if let Some(slow) = slow {
            self.decide(slow);
        }
        if let Some(page) = page {
            self.check_page(page);
        }
    }

    fn finish(&mut self) {
        if let Some(slow) = self.slow.take() {
            self.decide(slow);
        }
        if let Some(page) = self.page.take() {
            self.check_page(page);
        }
        self.compare();
    }

    /// The place of one of the newest messages.
    fn place(&self, back: usize) -> Option<Seq> {
        let said = self.done.iter().rev();
        let mut said = said.filter(|done| matches!(done.what, What::Said { .. }));
        said.nth(back).map(|done| done.seq)
    }

    fn change(&mut self, who: usize, what: What) {
        let (room, number) = (self.room, self.world.fresh_key());
        let request = match &what {
            What::Said { thread, text } => {
                let plain = draft(text);
                let said = thread.map_or(plain, |root| in_thread(root.0, text));
                say(number, room, said)
            }
            What::Edited { target, text } => edit(number, room, target.0, draft(text)),
            What::Deleted { target } => delete(number, room, target.0),
            What::Reacted { target, emoji, on } => {
                react(number, room, target.0, (EMOJI[*emoji], *on))
            }
            What::Pinned { target, on } => pin(number, room, target.0, *on),
        };
        let sure = match &what {
            What::Said { .. } => true,
            What::Edited { target, .. }
            | What::Deleted { target }
            | What::Reacted { target, .. }
            | What::Pinned { target, .. } => {
                let done = self.done.iter().find(|done| done.seq == *target).unwrap();
                done.at <= self.known_durable()
            }
        };
        let input = self.world.input_of(self.connections[who], request);
        let pending = Pending {
            waiting: self.world.ask(input),
            who,
            what,
            sure,
        };
        if std::mem::take(&mut self.slowly) {
            self.slow = Some(pending);
        } else {
            self.decide(pending);
        }
    }

    /// What the tenant knew to be durable when it last heard of it: the look-up may know more.
    fn known_durable(&self) -> usize {
        self.world.durable()
    }

    fn decide(&mut self, pending: Pending) {
        let Pending {
            waiting,
            who,
            what,
            sure,
        } = pending;
        let before = self.world.log_len();
        let expected = self.expected(who, &what);
        self.world.decide(waiting);
        let happened = self.world.log_len() > before;
        if happened || sure {
            assert_eq!(happened, expected, "{what:?} by {who}");
        }
        if happened {
            // Behind it whoever spoke may have been told what they follow.
            let mut events = self.world.events().into_iter().rev();
            let event = events.find(|event| event.room == self.room).unwrap();
            let done = Done {
                at: self.world.log_len(),
                seq: event.position.seq,
                time: event.time,
                who: user(USERS[who]),
                what,
            };
            self.done.push(done);
        }
    }

    /// Whether a change is one that happens.
    fn expected(&self, who: usize, what: &What) -> bool {
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
    fn timeline(&self, reader: &UserId) -> Vec<TimelineEvent> {
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

    fn ask_page(&mut self, who: usize, page: Page) {
        let root = page.thread.and_then(|at| self.place(at));
        let request = Request::History {
            room: self.room,
            direction: page.direction,
            anchor: Seq(page.anchor),
            limit: page.limit,
            thread: root,
        };
        let input = self.world.input_of(self.connections[who], request);
        let Input::Request { id, .. } = input else {
            unreachable!("a request was made");
        };
        let durable = self.world.durable();
        let entries = self.world.entries()[..durable].iter().rev();
        let mut seqs = entries.filter_map(|entry| match entry {
            homeroom_engine::tenant::Entry::Event(event) if event.room == self.room => {
                Some(event.position.seq)
            }
            _ => None,
        });
        let last = seqs.next().unwrap();
        self.page = Some(PendingPage {
            waiting: self.world.ask(input),
            who,
            id,
            page,
            root,
            last,
        });
    }

    fn check_page(&mut self, pending: PendingPage) {
        let PendingPage {
            waiting,
            who,
            id,
            page,
            root,
            last,
        } = pending;
        let mut events = self.timeline(&user(USERS[who]));
        events.retain(|event| event.seq <= last && root.is_none_or(|root| is_reply(event, root)));
        let expected = cut(events, page);
        self.world.decide(waiting);
        self.world.sync();
        let reply = self.world.reply(self.connections[who], id).unwrap();
        let ServerFrame::Page {
            events,
            more,
            more_above,
            ..
        } = reply
        else {
            panic!("no page: {reply:?}");
        };
        assert_eq!((events, more, more_above), expected, "{page:?} {root:?}");
    }

    /// All there is of the room, as Bob is shown it.
    fn fetch(&mut self) -> Vec<TimelineEvent> {
        let mut all = Vec::new();
        loop {
            let request = Request::History {
                room: self.room,
                direction: Direction::After,
                anchor: all.last().map_or(Seq(0), |event: &TimelineEvent| event.seq),
                limit: 100,
                thread: None,
            };
            match self.world.request(self.connections[1], request) {
                ServerFrame::Page { events, more, .. } => {
                    all.extend(events);
                    if !more {
                        return all;
                    }
                }
                other => panic!("no page: {other:?}"),
            }
        }
    }

    fn compare(&mut self) {
        self.world.sync();
        self.take_in();
        let afresh = self.fetch();
        assert_eq!(afresh, self.timeline(&user(USERS[1])));
        assert_eq!(self.reader.events, afresh);
    }

    fn take_in(&mut self) {
        for frame in self.world.inbox(self.connections[1]) {
            if let ServerFrame::Event { event, .. } = frame {
                self.reader.take(event);
            }
        }
    }

    fn crash(&mut self, from_snapshot: bool) {
        // What was pushed before is known; the rest is caught up with.
        self.take_in();
        let durable = self.world.durable();
        self.done.retain(|done| done.at <= durable);
        if from_snapshot {
            let (sections, from) = self.snapshot.clone();
            self.world.crash_with(&sections, from);
        } else {
            self.world.crash();
        }
        let epoch = self.world.tenant.room(self.room).unwrap().head().epoch;
        let seq = self.reader.events.last().unwrap().seq;
        self.connections.clear();
        for name in USERS {
            let connection = self.world.connect(name, "web");
            let resume = (name == USERS[1]).then_some(Position { epoch, seq });
            let reply = self.world.request(connection, join("math", resume));
            assert!(
                matches!(reply, ServerFrame::Joined { reset: None, .. }),
                "{reply:?}"
            );
            self.connections.push(connection);
        }
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

fn is_reply(event: &TimelineEvent, root: Seq) -> bool {
    match &event.body {
        EventBody::Message(message) => message.thread == Some(root),
        EventBody::Tombstone { thread, .. } => *thread == Some(root),
        _ => false,
    }
}

/// The page of a list.
fn cut(events: Vec<TimelineEvent>, page: Page) -> (Vec<TimelineEvent>, bool, bool) {
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

/// An app that keeps a room, as the protocol says it should.
#[derive(Debug, Default)]
struct Reader {
    events: Vec<TimelineEvent>,
}

impl Reader {
    fn take(&mut self, event: TimelineEvent) {
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
