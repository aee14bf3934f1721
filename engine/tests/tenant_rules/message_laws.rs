//! Laws of messages, after any history of sends, edits, deletions, reactions, pins and threads, with crashes,
//! slow look-ups and an index that lags behind:
//!
//! * a page is what a plain list of all that happened says it is;
//! * whoever has a page and takes in what is pushed after it, has the page that is fetched afresh.

mod model;
mod reader;

use std::collections::BTreeMap;

use homeroom_engine::{domain::SectionId, log::LogPosition, tenant::Input};
use homeroom_protocol::{
    ConnectionId, Direction, Position, Request, RequestId, RoomNumber, Seq, ServerFrame,
    TimelineEvent, Timestamp, UserId,
};
use model::{cut, is_reply};
use proptest::{collection::vec, prelude::*};
use reader::Reader;

use crate::{
    messages::{delete, draft, edit, in_thread, pin, react, say},
    support::{Waiting, World, durable_state, join, user},
};

pub(super) const USERS: [&str; 6] = ["ada", "bob", "eve", "dan", "cleo", "gus"];
pub(super) const EMOJI: [&str; 2] = ["👍", "a"];

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
pub(super) struct Page {
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
pub(super) enum What {
    Said { thread: Option<Seq>, text: String },
    Edited { target: Seq, text: String },
    Deleted { target: Seq },
    Reacted { target: Seq, emoji: usize, on: bool },
    Pinned { target: Seq, on: bool },
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

pub(super) struct Run {
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
