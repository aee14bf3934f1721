//! What a client fetched once, and its user's stream from there on, come to what it fetches afresh.

use std::collections::{BTreeMap, BTreeSet};

use homeroom_engine::tenant::Disconnection;
use homeroom_protocol::{
    ConnectionId, EventBody, Mark, Measure, NotificationLevel, PlaceChange, Position, Request,
    RoleId, RoomKind, RoomNumber, Seq, Standing, Status, Stream, UserId,
};
use proptest::{collection::vec, prelude::*};

use crate::{
    roles::role,
    scenes::{measure, of_kind, placed},
    support::{World, join, user},
};

const ROOMS: [(&str, RoomKind); 3] = [
    ("math", RoomKind::Open),
    ("staff", RoomKind::Private),
    ("news", RoomKind::Announcement),
];
const MEASURES: [Measure; 8] = [
    Measure::Invite,
    Measure::Uninvite,
    Measure::Add,
    Measure::Remove,
    Measure::Ban,
    Measure::Unban,
    Measure::Mute,
    Measure::Unmute,
];

const LEVELS: [NotificationLevel; 3] = [
    NotificationLevel::All,
    NotificationLevel::Mentions,
    NotificationLevel::Nothing,
];

#[derive(Debug, Clone)]
enum Step {
    /// By bob, whose stream it is.
    Join(usize),
    Leave(usize),
    Decline(usize),
    Mark(usize, Mark),
    MarkAll,
    Level(usize, NotificationLevel),
    Follow(usize, u64, bool),
    Block(bool),
    Status(Option<u8>),
    Speak(usize),
    /// By ada, who made the rooms.
    Take(usize, usize),
    Say(usize),
    Roles(Vec<u32>),
    Direct(u8),
    /// The client goes and resumes.
    Resume {
        crash: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let room = || 0..ROOMS.len();
    prop_oneof![
        3 => room().prop_map(Step::Join),
        1 => room().prop_map(Step::Leave),
        1 => room().prop_map(Step::Decline),
        3 => (room(), 0_u32..3, 0_u64..12).prop_map(|(room, generation, seq)| {
            Step::Mark(room, Mark { generation, seq: Seq(seq) })
        }),
        1 => Just(Step::MarkAll),
        2 => (room(), proptest::sample::select(&LEVELS[..]))
            .prop_map(|(room, level)| Step::Level(room, level)),
        2 => (room(), 1_u64..12, any::<bool>())
            .prop_map(|(room, thread, on)| Step::Follow(room, thread, on)),
        1 => any::<bool>().prop_map(Step::Block),
        1 => proptest::option::of(any::<u8>()).prop_map(Step::Status),
        2 => room().prop_map(Step::Speak),
        4 => (room(), 0..MEASURES.len()).prop_map(|(room, what)| Step::Take(room, what)),
        3 => room().prop_map(Step::Say),
        1 => vec(1_u32..4, 0..3).prop_map(Step::Roles),
        1 => any::<u8>().prop_map(Step::Direct),
        2 => any::<bool>().prop_map(|crash| Step::Resume { crash }),
    ]
}

/// What a client keeps of its user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Known {
    rooms: BTreeMap<RoomNumber, Standing>,
    levels: BTreeMap<RoomNumber, NotificationLevel>,
    /// Of rooms where the user set one and has said nothing since, which moves it too.
    marks: BTreeMap<RoomNumber, Mark>,
    roles: Vec<RoleId>,
    threads: BTreeSet<(RoomNumber, Seq)>,
    /// Marks that were said on the stream, of threads that are followed.
    thread_marks: BTreeMap<(RoomNumber, Seq), Mark>,
    blocked: BTreeSet<UserId>,
    status: Status,
}

impl Known {
    /// Everything, asked for.
    fn fetch(world: &mut World, connection: ConnectionId) -> Self {
        let me = world.me(connection);
        let rooms = world.my_rooms(connection);
        let levels = rooms.iter().map(|entry| (entry.room, entry.level));
        let threads = me.threads.iter();
        Self {
            rooms: rooms
                .iter()
                .map(|entry| (entry.room, entry.standing))
                .collect(),
            levels: levels
                .filter(|(_, level)| *level != NotificationLevel::All)
                .collect(),
            marks: rooms.iter().map(|entry| (entry.room, entry.mark)).collect(),
            roles: me.roles,
            threads: threads.clone().map(|it| (it.room, it.thread)).collect(),
            thread_marks: threads
                .filter(|it| it.mark != Mark::default())
                .map(|it| ((it.room, it.thread), it.mark))
                .collect(),
            blocked: me.blocked.into_iter().collect(),
            status: me.status,
        }
    }

    fn take_in(&mut self, body: EventBody) {
        match body {
            EventBody::PlaceChanged { room, change, .. } => match change {
                PlaceChange::Joined | PlaceChange::Added => {
                    self.rooms.insert(room, Standing::Member);
                    self.marks.remove(&room);
                }
                PlaceChange::Invited => _ = self.rooms.insert(room, Standing::Invited),
                PlaceChange::Uninvited => _ = self.rooms.remove(&room),
                PlaceChange::Left | PlaceChange::Removed | PlaceChange::Banned => {
                    self.rooms.remove(&room);
                    self.levels.remove(&room);
                    self.marks.remove(&room);
                    self.threads.retain(|(of, _)| *of != room);
                    self.thread_marks.retain(|(of, _), _| *of != room);
                }
                PlaceChange::Unbanned => {}
            },
            EventBody::Marked { marks } => {
                for placed in marks {
                    match placed.thread {
                        Some(thread) => {
                            self.thread_marks.insert((placed.room, thread), placed.mark);
                        }
                        None => _ = self.marks.insert(placed.room, placed.mark),
                    }
                }
            }
            EventBody::LevelSet {
                room,
                level: NotificationLevel::All,
            } => _ = self.levels.remove(&room),
            EventBody::LevelSet { room, level } => _ = self.levels.insert(room, level),
            EventBody::ThreadFollowed { room, thread, on } if on => {
                self.threads.insert((room, thread));
            }
            EventBody::ThreadFollowed { room, thread, .. } => {
                self.threads.remove(&(room, thread));
            }
            EventBody::BlockSet { user, on } if on => _ = self.blocked.insert(user),
            EventBody::BlockSet { user, .. } => _ = self.blocked.remove(&user),
            EventBody::StatusSet { status } => self.status = status,
            EventBody::RolesGiven { roles } => self.roles = roles,
            EventBody::StreamOpened => {}
            other => panic!("not on a user stream: {other:?}"),
        }
    }

    /// Marks of threads that are not followed are in no reply.
    fn of_followed(mut self) -> Self {
        let threads = &self.threads;
        self.thread_marks.retain(|place, _| threads.contains(place));
        self
    }
}

struct Run {
    world: World,
    ada: ConnectionId,
    bob: ConnectionId,
    rooms: Vec<RoomNumber>,
    stream: RoomNumber,
    at: Position,
    known: Known,
}

impl Run {
    fn new() -> Self {
        let mut world = World::with(|settings| *settings = settings.clone().without_budgets());
        let ada = world.connect("ada", "web");
        let bob = world.connect("bob", "web");
        let rooms = ROOMS.map(|(id, kind)| {
            let room = world.make(ada, id, of_kind(kind), &[]);
            world.join(ada, id);
            room
        });
        let (stream, at) = world.open_stream(bob, Stream::Personal, None);
        for number in 1..4 {
            world.set_role(role(RoleId(number), number, &[]));
        }
        let known = Known {
            marks: BTreeMap::new(),
            ..Known::fetch(&mut world, bob)
        };
        Self {
            world,
            ada,
            bob,
            rooms: rooms.to_vec(),
            stream,
            at,
            known,
        }
    }

    fn step(&mut self, step: Step) {
        let key = crate::support::key(self.world.fresh_key());
        let (by, request) = match step {
            Step::Join(room) => (self.bob, join(ROOMS[room].0, None)),
            Step::Leave(room) => (
                self.bob,
                Request::Leave {
                    room: self.rooms[room],
                },
            ),
            Step::Decline(room) => {
                let key = self.world.fresh_key();
                (
                    self.bob,
                    measure(key, self.rooms[room], "bob", Measure::Uninvite),
                )
            }
            Step::Mark(room, Mark { generation, seq }) => {
                // A thread where there is one, else the room.
                let thread = (seq.0 % 2 == 0).then_some(seq.0 / 2);
                let mark = placed(self.rooms[room], thread, (generation, seq.0));
                (self.bob, Request::Mark(mark))
            }
            Step::MarkAll => (self.bob, Request::MarkAll { rooms: None }),
            Step::Level(room, level) => {
                let room = self.rooms[room];
                (self.bob, Request::Level { room, level })
            }
            Step::Follow(room, thread, on) => {
                let (room, thread) = (self.rooms[room], Seq(thread));
                (self.bob, Request::Follow { room, thread, on })
            }
            Step::Block(on) => (
                self.bob,
                Request::Block {
                    user: user("eve"),
                    on,
                },
            ),
            Step::Status(text) => {
                let text = text.map(|text| text.to_string());
                let status = Status {
                    text,
                    ..Status::default()
                };
                (self.bob, Request::Status(status))
            }
            Step::Speak(room) => {
                self.listen();
                self.known.marks.remove(&self.rooms[room]);
                (self.bob, self.send(key, room))
            }
            Step::Roles(roles) => {
                let roles: Vec<_> = roles.into_iter().map(RoleId).collect();
                return self.world.give("bob", &roles);
            }
            Step::Take(room, what) => {
                let key = self.world.fresh_key();
                (
                    self.ada,
                    measure(key, self.rooms[room], "bob", MEASURES[what]),
                )
            }
            Step::Say(room) => (self.ada, self.send(key, room)),
            Step::Direct(number) => {
                let id = format!("direct-{}", number % 2);
                let key = self.world.fresh_key();
                let direct = of_kind(RoomKind::Direct);
                (self.ada, crate::scenes::make(key, &id, direct, &["bob"]))
            }
            Step::Resume { crash } => return self.resume(crash),
        };
        self.world.request(by, request);
    }

    fn send(&self, key: homeroom_protocol::IdempotencyKey, room: usize) -> Request {
        Request::Send {
            key,
            room: self.rooms[room],
            draft: "hi".into(),
        }
    }

    fn resume(&mut self, crash: bool) {
        self.listen();
        self.world.disconnect(self.bob, Disconnection::Vanished);
        if crash {
            self.world.crash();
            self.ada = self.world.connect("ada", "web");
        }
        self.bob = self.world.connect("bob", "web");
        let (_, at) = self
            .world
            .open_stream(self.bob, Stream::Personal, Some(self.at));
        assert_eq!(at, self.at, "nothing is lost");
    }

    /// Takes in what the stream said meanwhile.
    fn listen(&mut self) {
        for body in self.world.heard(self.bob, self.stream) {
            self.at.seq = self.at.seq.next();
            self.known.take_in(body);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_fetched_and_what_followed_is_what_is_fetched_afresh(steps in vec(step(), 1..60)) {
        let mut run = Run::new();
        for step in steps {
            run.step(step);
        }
        run.listen();
        let mut fresh = Known::fetch(&mut run.world, run.bob);
        fresh.marks.retain(|room, _| run.known.marks.contains_key(room));
        assert_eq!(run.known.of_followed(), fresh);
        let head = run.world.tenant.room(run.stream).unwrap().head();
        assert_eq!(run.at, head);
    }
}
