//! The law of delivery, against a model: whatever the network, the log and the users do, the bytes of
//! each connection are whole frames, and between a room's `Joined` and its `Removed` they are exactly
//! the events after the joined position, each once and in order; from a room's pause until a listener is
//! stamped anew no frame of the room begins.

use std::collections::HashMap;

use homeroom_protocol::RemovedReason;
use proptest::{collection::vec, prelude::*};

use super::*;

const CONNECTIONS: u64 = 4;
/// This one is in-process.
const SESSION: u64 = 3;
const ROOMS: u32 = 2;

#[derive(Debug, Clone)]
enum Step {
    Event {
        room: u32,
        length: usize,
    },
    Typing {
        room: u32,
        audience: Audience,
    },
    /// Somebody joins or leaves a large room.
    Pass {
        room: u32,
    },
    /// Nobody hears the room before they are stamped anew.
    Pause {
        room: u32,
    },
    Restamp {
        connection: u64,
        room: u32,
        /// Under a generation that is already too old.
        late: bool,
    },
    View {
        connection: u64,
        room: Option<u32>,
    },
    Direct {
        connection: u64,
    },
    /// Joins (again) with so many events missing.
    Join {
        connection: u64,
        room: u32,
        missing: u64,
        reply_first: bool,
        /// To be stamped anew before anything is heard.
        stale: bool,
    },
    Leave {
        connection: u64,
        room: u32,
    },
    EndTurn,
    /// The far end takes so many bytes (or frames).
    Take {
        connection: u64,
        credit: usize,
    },
    /// The log answers one of the pages asked for, with so many events.
    Answer {
        which: prop::sample::Index,
        events: u64,
    },
    /// The log answers with a page nobody asked for.
    Stray {
        connection: u64,
        room: u32,
        from: u64,
        events: u64,
    },
    Tick,
}

fn step() -> impl Strategy<Value = Step> {
    let (connection, room) = (0..CONNECTIONS, 0..ROOMS);
    prop_oneof![
        6 => (room.clone(), prop_oneof![4 => 1..60usize, 1 => 100..400usize])
            .prop_map(|(room, length)| Step::Event { room, length }),
        2 => (room.clone(), any::<bool>()).prop_map(|(room, viewers)| {
            let number = RoomNumber(room);
            let audience = if viewers {
                Audience::Viewers(number, None)
            } else {
                Audience::Room(number)
            };
            Step::Typing { room, audience }
        }),
        4 => room.clone().prop_map(|room| Step::Pass { room }),
        1 => room.clone().prop_map(|room| Step::Pause { room }),
        4 => (connection.clone(), room.clone(), prop::bool::weighted(0.1)).prop_map(
            |(connection, room, late)| Step::Restamp { connection, room, late }),
        1 => (connection.clone(), prop::option::of(room.clone()))
            .prop_map(|(connection, room)| Step::View { connection, room }),
        1 => connection.clone().prop_map(|connection| Step::Direct { connection }),
        3 => (
            connection.clone(), room.clone(), 0..8u64, any::<bool>(), prop::bool::weighted(0.1)
        )
            .prop_map(|(connection, room, missing, reply_first, stale)| Step::Join {
                connection, room, missing, reply_first, stale
            }),
        1 => (connection.clone(), room.clone())
            .prop_map(|(connection, room)| Step::Leave { connection, room }),
        6 => Just(Step::EndTurn),
        5 => (connection.clone(), prop_oneof![3 => 0..150usize, 1 => 150..3000usize])
            .prop_map(|(connection, credit)| Step::Take { connection, credit }),
        3 => (any::<prop::sample::Index>(), 0..9u64)
            .prop_map(|(which, events)| Step::Answer { which, events }),
        1 => (connection, room, 1..30u64, 0..5u64).prop_map(
            |(connection, room, from, events)| Step::Stray { connection, room, from, events }),
        1 => Just(Step::Tick),
    ]
}

struct World {
    stage: Stage,
    fakes: Vec<(Fake, Arc<Gauge>)>,
    /// Each room's timeline; `None` for what is not told one by one.
    timelines: Vec<Vec<Option<Arc<Push>>>>,
    generations: u64,
    /// The generation of each seat, while it is taken.
    seats: HashMap<(u64, u32), u64>,
    /// Who may hear nothing of a room, and how many bytes it had taken when that began.
    silent: HashMap<(u64, u32), usize>,
    /// Such times that are over: from, to.
    silences: HashMap<(u64, u32), Vec<(usize, usize)>>,
    asked: Vec<Need>,
    nonce: u64,
}

impl World {
    fn new(listeners_per_call: usize) -> Self {
        let mut stage = Stage::bounded(600);
        stage.shard.listeners_per_call = listeners_per_call;
        let fakes = (0..CONNECTIONS)
            .map(|id| match id {
                SESSION => stage.session(id, 0),
                _ => stage.socket(id, 0),
            })
            .collect();
        Self {
            stage,
            fakes,
            timelines: vec![Vec::new(); ROOMS as usize],
            generations: 0,
            seats: HashMap::new(),
            silent: HashMap::new(),
            silences: HashMap::new(),
            asked: Vec::new(),
            nonce: 0,
        }
    }

    fn fake(&self, connection: u64) -> Fake {
        self.fakes[usize::try_from(connection).unwrap()].0.clone()
    }

    fn head(&self, room: u32) -> u64 {
        self.timelines[room as usize].len() as u64
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Event { room, length } => {
                let seq = self.head(room) + 1;
                let room_number = RoomNumber(room);
                let push = event_of(room_number, seq, length);
                self.timelines[room as usize].push(Some(Arc::clone(&push)));
                self.stage.deliver(Delivery::Event {
                    room: room_number,
                    seq: Seq(seq),
                    push,
                });
            }
            Step::Typing { room, audience } => {
                self.stage.deliver(Delivery::Signal {
                    audience,
                    kind: SignalKind::Typing,
                    push: typing_in(RoomNumber(room), 7),
                });
            }
            Step::Direct { connection } => {
                self.nonce += 1;
                self.stage.direct(connection, pong(self.nonce));
            }
            Step::Join {
                connection,
                room,
                missing,
                reply_first,
                stale,
            } => self.join(connection, room, missing, (reply_first, stale)),
            Step::Pass { room } => {
                self.timelines[room as usize].push(None);
                self.stage.deliver(Delivery::Passed {
                    room: RoomNumber(room),
                    seq: Seq(self.head(room)),
                    members: 7,
                });
            }
            Step::Pause { room } => self.pause(room),
            Step::Restamp {
                connection,
                room,
                late,
            } => self.restamp(connection, room, late),
            Step::View { connection, room } => self.stage.deliver(Delivery::View {
                connection: ConnectionId(connection),
                room: room.map(RoomNumber),
                thread: None,
            }),
            Step::Leave { connection, room } => self.leave(connection, room),
            Step::EndTurn => {
                self.stage.end_turn();
            }
            Step::Take { connection, credit } => {
                let fake = self.fake(connection);
                let credit = if connection == SESSION {
                    credit / 40
                } else {
                    credit
                };
                self.stage.allow(connection, &fake, credit);
            }
            Step::Answer { which, events } => {
                if !self.asked.is_empty() {
                    let need = self.asked.remove(which.index(self.asked.len()));
                    self.answer(&need, events);
                }
            }
            Step::Stray {
                connection,
                room,
                from,
                events,
            } => {
                // A page of the past may be late, or repeat what was read, but only under a
                // generation that is gone may it concern a seat that is gone.
                let generation = self.seats.get(&(connection, room)).copied().unwrap_or(0);
                self.page(connection, room, generation, from, events);
            }
            Step::Tick => self.stage.tick(),
        }
        self.asked.append(&mut self.stage.needs);
        for (_, gauge) in &self.fakes {
            // One joined buffer holds what fewer than two hundred steps said.
            assert!(gauge.outbox_bytes() - gauge.reply_bytes() <= 600 + 200 * 500);
        }
    }

    /// How many bytes (or frames) a connection has taken.
    fn taken(&self, connection: u64) -> usize {
        let fake = self.fake(connection);
        let far = fake.far();
        if connection == SESSION {
            far.frames.len()
        } else {
            far.bytes.len()
        }
    }

    fn silence(&mut self, connection: u64, room: u32) {
        let taken = self.taken(connection);
        self.silent.entry((connection, room)).or_insert(taken);
    }

    fn end_silence(&mut self, connection: u64, room: u32) {
        if let Some(from) = self.silent.remove(&(connection, room)) {
            let to = self.taken(connection);
            let over = self.silences.entry((connection, room)).or_default();
            over.push((from, to));
        }
    }

    fn join(
        &mut self,
        connection: u64,
        room: u32,
        missing: u64,
        (reply_first, stale): (bool, bool),
    ) {
        let head = self.head(room);
        let have = head.saturating_sub(missing);
        self.generations += 1;
        let generation = if stale { 0 } else { self.generations };
        self.seats.insert((connection, room), generation);
        self.end_silence(connection, room);
        if stale {
            self.silence(connection, room);
        }
        let reply = joined_at(RoomNumber(room), have);
        if reply_first {
            self.stage.direct(connection, Arc::clone(&reply));
        }
        let room = RoomNumber(room);
        (self.stage).listen_to(connection, room, have + 1, head, generation);
        if !reply_first {
            self.stage.direct(connection, reply);
        }
    }

    fn pause(&mut self, room: u32) {
        self.generations += 1;
        self.stage.deliver(Delivery::Pause {
            room: Some(RoomNumber(room)),
            generation: Generation(self.generations),
        });
        for connection in 0..CONNECTIONS {
            if self.seats.contains_key(&(connection, room)) {
                self.silence(connection, room);
            }
        }
    }

    fn restamp(&mut self, connection: u64, room: u32, late: bool) {
        let Some(&generation) = self.seats.get(&(connection, room)) else {
            return;
        };
        let generation = if late {
            generation
        } else {
            self.generations += 1;
            self.end_silence(connection, room);
            self.seats.insert((connection, room), self.generations);
            self.generations
        };
        self.stage.deliver(Delivery::Restamp {
            room: RoomNumber(room),
            connections: vec![ConnectionId(connection)],
            generation: Generation(generation),
        });
    }

    fn leave(&mut self, connection: u64, room: u32) {
        if self.seats.remove(&(connection, room)).is_none() {
            return;
        }
        let room_number = RoomNumber(room);
        self.stage.deliver(Delivery::Unlisten {
            connection: ConnectionId(connection),
            room: room_number,
        });
        let removed = ServerFrame::Removed {
            room: room_number,
            reason: RemovedReason::Left,
        };
        (self.stage).direct(connection, Arc::new(Push::new(removed)));
        self.silence(connection, room);
    }

    fn answer(&mut self, need: &Need, events: u64) {
        let Need::Page {
            connection,
            room,
            generation,
            from,
            ..
        } = *need
        else {
            panic!("nothing ends here: {need:?}");
        };
        self.page(connection.0, room.0, generation.0, from.0, events);
    }

    fn page(&mut self, connection: u64, room: u32, generation: u64, from: u64, events: u64) {
        let timeline = &self.timelines[room as usize];
        let to = (from + events).min(timeline.len() as u64 + 1);
        let (mut events, mut next) = (Vec::new(), from);
        while next < to {
            let at = |seq: u64| &timeline[usize::try_from(seq - 1).unwrap()];
            let told = (next..to).find(|seq| at(*seq).is_some()).unwrap_or(to);
            if told > next {
                let run = (Seq(next), Seq(told - 1));
                let push = Push::passed(RoomNumber(room), epoch(), run, 7);
                events.push((Seq(next), Arc::new(push)));
            }
            if told < to {
                events.push((Seq(told), Arc::clone(at(told).as_ref().unwrap())));
            }
            next = told + 1;
        }
        self.stage.deliver(Delivery::Page {
            connection: ConnectionId(connection),
            room: RoomNumber(room),
            generation: Generation(generation),
            events,
        });
    }

    /// The network recovers, the log answers, all who listen are stamped anew: everything must arrive.
    fn recover(&mut self) {
        self.stage.tick();
        for (connection, room) in self.seats.keys().copied().collect::<Vec<_>>() {
            self.restamp(connection, room, false);
        }
        for _ in 0..1000 {
            for connection in 0..CONNECTIONS {
                let fake = self.fake(connection);
                self.stage.allow(connection, &fake, OPEN);
            }
            self.stage.settle();
            self.asked.append(&mut self.stage.needs);
            if self.asked.is_empty() && self.fakes.iter().all(|(_, gauge)| !gauge.is_behind()) {
                return;
            }
            for need in std::mem::take(&mut self.asked) {
                self.answer(&need, 5);
            }
            self.stage.settle();
            self.stage.tick();
        }
        panic!("somebody is behind for ever");
    }

    /// Reads a connection's stream as a client would.
    fn check(&self, connection: u64) {
        let (fake, gauge) = &self.fakes[usize::try_from(connection).unwrap()];
        let (frames, starts) = if connection == SESSION {
            let frames = fake.far().frames.clone();
            let starts = (0..frames.len()).collect();
            (frames, starts)
        } else {
            let said = decoded(&fake.far().bytes);
            assert_eq!(said.torn, 0);
            (said.frames, said.starts)
        };
        let mut expected: HashMap<u32, u64> = HashMap::new();
        let (mut nonce, mut dropped) = (0, 0);
        for (frame, start) in frames.iter().zip(starts) {
            if let ServerFrame::Event { room, .. }
            | ServerFrame::Passed { room, .. }
            | ServerFrame::Typing { room, .. } = frame
            {
                let silences = self
                    .silences
                    .get(&(connection, room.0))
                    .into_iter()
                    .flatten();
                let silent = self
                    .silent
                    .get(&(connection, room.0))
                    .map(|&from| (from, OPEN));
                for (from, to) in silences.copied().chain(silent) {
                    assert!(
                        start < from || start >= to,
                        "{from} <= {start} < {to}: {frame:?}"
                    );
                }
            }
            match frame {
                ServerFrame::Joined { room, position, .. } => {
                    expected.insert(room.0, position.seq.0 + 1);
                }
                ServerFrame::Removed { room, .. } => {
                    expected.remove(&room.0);
                }
                ServerFrame::Event { room, event, .. } => {
                    let next = expected.get_mut(&room.0).expect("joined");
                    assert_eq!(event.seq.0, *next);
                    *next += 1;
                }
                ServerFrame::Passed { room, from, to, .. } => {
                    let next = expected.get_mut(&room.0).expect("joined");
                    assert_eq!(from.0, *next);
                    assert!(to >= from);
                    for seq in from.0..=to.0 {
                        let told =
                            &self.timelines[room.0 as usize][usize::try_from(seq - 1).unwrap()];
                        assert!(told.is_none(), "an event was passed over");
                    }
                    *next = to.0 + 1;
                }
                ServerFrame::Pong { nonce: next, .. } => {
                    assert!(*next > nonce, "replies keep their order");
                    nonce = *next;
                }
                // It had left again before it was told that it is in.
                ServerFrame::Error { id: Some(_), .. } => {}
                ServerFrame::Dropped { signals } => dropped += signals,
                ServerFrame::Typing { room, .. } => {
                    assert!(expected.contains_key(&room.0), "only who joined hears");
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(dropped, gauge.dropped_signals());
        assert_eq!(gauge.outbox_bytes(), 0);
        for room in 0..ROOMS {
            let listening = self.seats.contains_key(&(connection, room));
            let heard = expected.get(&room).copied();
            assert_eq!(heard, listening.then(|| self.head(room) + 1));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_listener_receives_next_and_the_one_after_without_gap_or_repeat(
        steps in vec(step(), 1..200),
        listeners_per_call in 1..5usize,
    ) {
        let mut world = World::new(listeners_per_call);
        for step in steps {
            world.take(step);
        }
        world.recover();
        for connection in 0..CONNECTIONS {
            world.check(connection);
        }
    }
}
