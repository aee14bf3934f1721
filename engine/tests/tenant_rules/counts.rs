//! Every count against a plain recount of the whole log, after any history.

use std::collections::BTreeMap;

use homeroom_engine::{
    domain::SectionId,
    log::LogPosition,
    tenant::{Entry, Event},
};
use homeroom_protocol::{
    ConnectionId, Draft, Emoji, EventBody, Mark, Measure, Message, NotificationLevel, Request,
    Retention, RoomChange, RoomNumber, Seq, Standing, UserId,
};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::{
    scenes::placed,
    support::{World, durable_state, join, key, user},
};

const USERS: [&str; 3] = ["ada", "bob", "eve"];
const ROOMS: [&str; 2] = ["math", "art"];

#[derive(Debug, Clone)]
enum Step {
    Say {
        thread: Option<Index>,
        quiet: bool,
        mentions: Mentioned,
    },
    Edit(Index, Mentioned),
    Delete(Index),
    React(Index),
    Join,
    Leave,
    Kick(usize),
    Mark {
        thread: Option<Index>,
        at: Index,
        unread: bool,
    },
    MarkAll,
    Follow(Index, bool),
    Level(bool),
    Keep(Option<u32>),
    Crash {
        from_snapshot: bool,
    },
    Snapshot,
}

/// A text that mentions somebody.
#[derive(Debug, Clone, Copy)]
struct Mentioned(u8);

impl Mentioned {
    fn text(self) -> String {
        let parts = ["<@ada>", "<@bob>", "<@eve>", "<!room>", "<@&0>"];
        let named = parts
            .iter()
            .enumerate()
            .filter(|(bit, _)| self.0 & (1 << bit) != 0);
        let named: Vec<&str> = named.map(|(_, part)| *part).collect();
        format!("hi {}", named.join(" "))
    }
}

fn mentioned() -> impl Strategy<Value = Mentioned> {
    prop_oneof![2 => Just(Mentioned(0)), 1 => (0_u8..32).prop_map(Mentioned)]
}

fn step() -> impl Strategy<Value = Step> {
    let thread = || proptest::option::weighted(0.3, any::<Index>());
    let quiet = prop::bool::weighted(0.1);
    prop_oneof![
        8 => (thread(), quiet, mentioned())
            .prop_map(|(thread, quiet, mentions)| Step::Say { thread, quiet, mentions }),
        3 => (any::<Index>(), mentioned()).prop_map(|(at, mentions)| Step::Edit(at, mentions)),
        3 => any::<Index>().prop_map(Step::Delete),
        1 => any::<Index>().prop_map(Step::React),
        4 => Just(Step::Join),
        1 => Just(Step::Leave),
        1 => (0_usize..3).prop_map(Step::Kick),
        4 => (thread(), any::<Index>(), any::<bool>())
            .prop_map(|(thread, at, unread)| Step::Mark { thread, at, unread }),
        1 => Just(Step::MarkAll),
        2 => (any::<Index>(), any::<bool>()).prop_map(|(at, on)| Step::Follow(at, on)),
        1 => any::<bool>().prop_map(Step::Level),
        1 => proptest::option::of(1_u32..5).prop_map(Step::Keep),
        1 => any::<bool>().prop_map(|from_snapshot| Step::Crash { from_snapshot }),
        1 => Just(Step::Snapshot),
    ]
}

struct Run {
    world: World,
    connections: [ConnectionId; 3],
    rooms: [RoomNumber; 2],
    snapshot: BTreeMap<SectionId, Vec<u8>>,
    snapshot_from: LogPosition,
}

impl Run {
    fn new() -> Self {
        let mut world = World::with(|settings| {
            *settings = settings.clone().without_budgets();
            settings.keys_in_memory_max = 8;
        });
        let connections = USERS.map(|name| world.connect(name, "web"));
        let rooms = [
            world.create(connections[0], ROOMS[0]),
            world.create(connections[1], ROOMS[1]),
        ];
        Self {
            world,
            connections,
            rooms,
            snapshot: BTreeMap::new(),
            snapshot_from: LogPosition::START,
        }
    }

    fn step(&mut self, who: usize, room: usize, step: Step) {
        let asked = match step {
            Step::Crash { from_snapshot } => {
                self.crash(from_snapshot);
                return;
            }
            Step::Snapshot => {
                self.snapshot = durable_state(&self.world.tenant);
                self.snapshot_from = LogPosition(self.world.log_len() as u64);
                return;
            }
            Step::Join => Some((who, join(ROOMS[room], None))),
            Step::Say { .. } | Step::Edit(..) | Step::Delete(_) | Step::React(_) => {
                self.write(who, self.rooms[room], step)
            }
            Step::Leave
            | Step::Kick(_)
            | Step::Mark { .. }
            | Step::MarkAll
            | Step::Follow(..)
            | Step::Level(_)
            | Step::Keep(_) => self.set(who, self.rooms[room], step).map(|it| (who, it)),
        };
        // Refusals are for other tests: here counts whatever came about.
        if let Some((who, request)) = asked {
            self.world.request(self.connections[who], request);
        }
    }

    /// A request that writes to a room, and who makes it.
    fn write(&mut self, who: usize, room: RoomNumber, step: Step) -> Option<(usize, Request)> {
        let key = key(self.world.fresh_key());
        Some(match step {
            Step::Say {
                thread,
                quiet,
                mentions,
            } => {
                let thread = thread.and_then(|at| self.pick(room, at));
                let draft = Draft {
                    thread,
                    quiet,
                    ..mentions.text().into()
                };
                (who, Request::Send { key, room, draft })
            }
            Step::Edit(at, mentions) => {
                let (target, author) = self.message(room, at)?;
                let draft = mentions.text().into();
                let edit = Request::Edit {
                    key,
                    room,
                    target,
                    draft,
                };
                (author, edit)
            }
            Step::Delete(at) => {
                let (target, author) = self.message(room, at)?;
                (author, Request::Delete { key, room, target })
            }
            Step::React(at) => {
                let target = self.pick(room, at)?;
                let emoji = Emoji::new("+").unwrap();
                let react = Request::React {
                    key,
                    room,
                    target,
                    emoji,
                    on: true,
                };
                (who, react)
            }
            _ => return None,
        })
    }

    /// A request about somebody's place, marks or settings, or the room's.
    fn set(&mut self, who: usize, room: RoomNumber, step: Step) -> Option<Request> {
        Some(match step {
            Step::Leave => Request::Leave { room },
            Step::Kick(whom) => {
                let key = self.world.fresh_key();
                crate::scenes::measure(key, room, USERS[whom], Measure::Remove)
            }
            Step::Mark { thread, at, unread } => {
                let head = self.world.tenant.room(room).unwrap().head().seq.0;
                let seq = at.index(usize::try_from(head).unwrap() + 1) as u64;
                let thread = thread.and_then(|at| self.pick(room, at));
                let generation = self.generation(who, room, thread) + u32::from(unread);
                let thread = thread.map(|root| root.0);
                Request::Mark(placed(room, thread, (generation, seq)))
            }
            Step::MarkAll => Request::MarkAll { rooms: None },
            Step::Follow(at, on) => {
                let thread = self.pick(room, at)?;
                Request::Follow { room, thread, on }
            }
            Step::Level(all) => {
                let level = if all {
                    NotificationLevel::All
                } else {
                    NotificationLevel::Mentions
                };
                Request::Level { room, level }
            }
            Step::Keep(count) => {
                let keep = count.map_or(Retention::All, Retention::Messages);
                Request::ChangeRoom {
                    key: key(self.world.fresh_key()),
                    room,
                    changes: vec![RoomChange::Retention(keep)],
                }
            }
            _ => return None,
        })
    }

    fn crash(&mut self, from_snapshot: bool) {
        if from_snapshot {
            self.world.crash_with(&self.snapshot, self.snapshot_from);
        } else {
            self.world.crash();
        }
        self.connections = USERS.map(|name| self.world.connect(name, "web"));
    }

    /// The place of a message that was not deleted, as far as the log says.
    fn pick(&self, room: RoomNumber, at: Index) -> Option<Seq> {
        self.message(room, at).map(|(seq, _)| seq)
    }

    fn message(&self, room: RoomNumber, at: Index) -> Option<(Seq, usize)> {
        let recount = Recount::of(&self.world);
        let messages = recount.rooms.get(&room)?.messages.iter();
        let live: Vec<_> = messages.filter(|(_, said)| !said.deleted).collect();
        if live.is_empty() {
            return None;
        }
        let (seq, said) = at.get(&live);
        let author = USERS.iter().position(|name| *name == said.author.as_str());
        Some((**seq, author?))
    }

    fn generation(&self, who: usize, room: RoomNumber, thread: Option<Seq>) -> u32 {
        let recount = Recount::of(&self.world);
        let mark = recount.marks.get(&(user(USERS[who]), room, thread));
        mark.map_or(0, |mark| mark.generation)
    }

    /// Every count the tenant gives is that of the recount.
    fn check(&mut self) {
        let recount = Recount::of(&self.world);
        for (who, name) in USERS.iter().enumerate() {
            let name = user(name);
            let mut listed = Vec::new();
            for entry in self.world.my_rooms(self.connections[who]) {
                assert_eq!(entry.standing, Standing::Member);
                let room = &recount.rooms[&entry.room];
                let mark = recount.marks[&(name.clone(), entry.room, None)];
                let above = |said: &Said| said.seq > mark.seq && said.seq >= room.floor;
                let counts = |said: &&Said| {
                    let Message { thread, quiet, .. } = &said.message;
                    above(said) && !said.deleted && thread.is_none() && !quiet
                };
                let mentions = |said: &&Said| {
                    let mentions = &said.message.mentions;
                    mentions.room || mentions.users.contains(&name) || !mentions.roles.is_empty()
                };
                let unread = room.messages.values().filter(counts);
                let expected = (unread.clone().count(), unread.filter(mentions).count());
                let told = (entry.unread as usize, entry.mentions as usize);
                assert_eq!(
                    (entry.mark, told),
                    (mark, expected),
                    "{name} in {:?}",
                    entry.room
                );
                assert_eq!(entry.head.seq, room.head);
                listed.push(entry.room);
            }
            let is_member = |room: &&RoomNumber| recount.rooms[room].members.contains(&name);
            let expected: Vec<_> = recount.rooms.keys().filter(is_member).copied().collect();
            assert_eq!(listed, expected, "{name}");
            for followed in self.world.me(self.connections[who]).threads {
                let room = &recount.rooms[&followed.room];
                let place = (name.clone(), followed.room, Some(followed.thread));
                let mark = recount.marks.get(&place).copied().unwrap_or_default();
                let unread = room.messages.values().filter(|said| {
                    let Message { thread, quiet, .. } = &said.message;
                    let counts = *thread == Some(followed.thread) && !quiet && !said.deleted;
                    counts && said.seq > mark.seq && said.seq >= room.floor
                });
                // How far below what is kept somebody has read is not kept either.
                let kept = |mark: Mark| Mark {
                    seq: mark.seq.max(Seq(room.floor.0.saturating_sub(1))),
                    ..mark
                };
                let told = (kept(followed.mark), followed.unread as usize);
                assert_eq!(told, (kept(mark), unread.count()), "{place:?}");
            }
        }
    }
}

/// What the log says, read from its beginning by the plainest rules there are.
#[derive(Default)]
struct Recount {
    rooms: BTreeMap<RoomNumber, Counted>,
    marks: BTreeMap<(UserId, RoomNumber, Option<Seq>), Mark>,
}

#[derive(Default)]
struct Counted {
    members: Vec<UserId>,
    messages: BTreeMap<Seq, Said>,
    head: Seq,
    floor: Seq,
    retention: Retention,
}

struct Said {
    seq: Seq,
    author: UserId,
    message: Message,
    deleted: bool,
}

impl Recount {
    fn of(world: &World) -> Self {
        let mut recount = Self::default();
        for entry in world.entries() {
            match entry {
                Entry::Event(event) => recount.take_in(event),
                Entry::Tenant(_) | Entry::Restarted(_) => {}
            }
        }
        recount
    }

    fn take_in(&mut self, event: &Event) {
        let (number, seq, author) = (event.room, event.position.seq, event.author.clone());
        if let EventBody::Marked { marks } = &event.body {
            for placed in marks {
                let place = (author.clone(), placed.room, placed.thread);
                self.marks.insert(place, placed.mark);
            }
        }
        match &event.body {
            EventBody::RoomCreated { .. } => {
                self.rooms.insert(number, Counted::default());
                self.enter(number, author, seq);
            }
            EventBody::MemberJoined => self.enter(number, author, seq),
            EventBody::MemberLeft => self.go(number, &author),
            EventBody::MemberRemoved { member } => self.go(number, member),
            EventBody::Message(message) => {
                let mark = self.marks.entry((author.clone(), number, message.thread));
                let mark = mark.or_default();
                mark.seq = mark.seq.max(seq);
                let said = Said {
                    seq,
                    author,
                    message: message.clone(),
                    deleted: false,
                };
                self.rooms
                    .get_mut(&number)
                    .unwrap()
                    .messages
                    .insert(seq, said);
            }
            EventBody::MessageEdited {
                target, message, ..
            } => {
                let messages = &mut self.rooms.get_mut(&number).unwrap().messages;
                messages.get_mut(target).unwrap().message = message.clone();
            }
            EventBody::MessageDeleted { target, .. } => {
                let messages = &mut self.rooms.get_mut(&number).unwrap().messages;
                messages.get_mut(target).unwrap().deleted = true;
            }
            _ => {}
        }
        if let Some(room) = self.rooms.get_mut(&number) {
            room.head = seq;
            room.trim();
            if let EventBody::RoomChanged { changes } = &event.body {
                for change in changes {
                    if let RoomChange::Retention(retention) = change {
                        room.retention = *retention;
                    }
                }
                room.trim();
            }
        }
    }

    fn enter(&mut self, room: RoomNumber, user: UserId, seq: Seq) {
        let generation = 0;
        self.rooms
            .get_mut(&room)
            .unwrap()
            .members
            .push(user.clone());
        self.marks
            .insert((user, room, None), Mark { generation, seq });
    }

    fn go(&mut self, room: RoomNumber, user: &UserId) {
        let members = &mut self.rooms.get_mut(&room).unwrap().members;
        members.retain(|member| member != user);
        self.marks
            .retain(|(who, of, _), _| who != user || *of != room);
    }
}

impl Counted {
    /// The newest so many that were not deleted are kept, and all that is newer than the oldest of them.
    fn trim(&mut self) {
        if let Retention::Messages(count) = self.retention {
            let live = self.messages.values().rev().filter(|said| !said.deleted);
            let kept: Vec<Seq> = live.take(count as usize).map(|said| said.seq).collect();
            if kept.len() == count as usize {
                self.floor = self.floor.max(kept[kept.len() - 1]);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_count_is_that_of_a_plain_recount_of_the_log(
        steps in vec((0_usize..3, 0_usize..2, step()), 1..60),
    ) {
        let mut run = Run::new();
        for (who, room, step) in steps {
            run.step(who, room, step);
        }
        run.check();
        run.crash(true);
        run.check();
        run.crash(false);
        run.check();
    }
}

#[test]
fn the_recount_sees_what_it_should() {
    let mut run = Run::new();
    let [ada, bob, _] = run.connections;
    let room = run.rooms[0];
    run.world.join(bob, "math");
    let said = run.world.say(ada, room, "hi <@bob>").seq;
    run.world.say_draft(
        ada,
        room,
        Draft {
            thread: Some(said),
            .."in a thread".into()
        },
    );
    run.world.say_draft(
        ada,
        room,
        Draft {
            quiet: true,
            .."beep <!room>".into()
        },
    );
    run.world.say(ada, room, "hear <!room>");
    let entry = run.world.entry(bob, room);
    assert_eq!((entry.unread, entry.mentions), (2, 2));
    run.check();
}
