//! What must hold whatever is lost, and whenever: the app sees every event of its rooms once and in
//! order, and every message it sends is stored once.

use std::collections::{BTreeMap, VecDeque};

use homeroom_protocol::{ClientFrame, RoomId};
use proptest::prelude::*;

use super::{
    model::Model,
    script::{Script, room, send, settings, user},
};
use crate::{
    command::{Answer, Command},
    event::Event,
    machine::{Limits, State},
};

#[derive(Debug, Clone, Copy)]
enum Step {
    /// The app says something in a room.
    Send(usize),
    /// Somebody else does.
    Post(usize),
    /// A frame of the client arrives.
    ToServer,
    /// A frame of the server arrives.
    ToClient,
    /// The app reads an event.
    Read,
    /// The connection is gone.
    Lose,
    /// So is the server, for a moment.
    Restart,
    /// The server tells the next request to come again.
    Busy,
    /// Time goes by until the client wants to do something.
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..2_usize).prop_map(Step::Send),
        3 => (0..2_usize).prop_map(Step::Post),
        6 => Just(Step::ToServer),
        6 => Just(Step::ToClient),
        3 => Just(Step::Read),
        1 => Just(Step::Lose),
        1 => Just(Step::Restart),
        1 => Just(Step::Busy),
        2 => Just(Step::Wait),
    ]
}

struct World {
    script: Script,
    server: Model,
    rooms: [RoomId; 2],
    /// What the client said, on its way.
    to_server: VecDeque<ClientFrame>,
    /// By room, what the app was told.
    seen: BTreeMap<RoomId, Vec<u64>>,
    sends: u8,
    posts: u32,
}

impl World {
    fn new(seed: u64) -> Self {
        let rooms = [room("lobby"), room("yard")];
        let limits = Limits {
            events_max: 3,
            ..Limits::default()
        };
        let mut script = Script::with(settings(seed, limits));
        for (number, room) in rooms.iter().enumerate() {
            let join = Command::Join {
                room: room.clone(),
                resume: None,
            };
            script
                .machine
                .submit(join, 1000 + u32::try_from(number).unwrap());
        }
        let mut world = Self {
            script,
            server: Model::new(&rooms),
            seen: rooms
                .iter()
                .map(|room| (room.clone(), Vec::new()))
                .collect(),
            rooms,
            to_server: VecDeque::new(),
            sends: 0,
            posts: 0,
        };
        // Both rooms are joined, at their very beginning, before anything goes wrong.
        world.settle();
        world
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Send(room) => {
                let room = self.rooms[room].as_str().to_owned();
                self.script
                    .machine
                    .submit(send(&room, self.sends), self.sends.into());
                self.sends += 1;
            }
            Step::Post(room) => {
                let room = self.rooms[room].clone();
                self.server
                    .post(&room, user("ben"), format!("post {}", self.posts));
                self.posts += 1;
            }
            Step::ToServer => {
                if self.to_server.is_empty() {
                    self.to_server.extend(self.script.frames());
                }
                if let Some(frame) = self.to_server.pop_front() {
                    self.server.take(frame);
                }
            }
            Step::ToClient => {
                if self.script.machine.wants_input()
                    && let Some(frame) = self.server.to_client.pop_front()
                {
                    self.script.server(&[frame]);
                }
            }
            Step::Read => {
                let event = self.script.machine.next_event(self.script.now);
                if let Some(Event::Timeline { room, position, .. }) = event {
                    self.seen.get_mut(&room).unwrap().push(position.seq.0);
                }
            }
            Step::Lose => self.script.lose(),
            Step::Restart => {
                self.script.lose();
                self.server.renumber();
            }
            Step::Busy => self.server.busy = true,
            Step::Wait => {
                if self.script.machine.deadline().is_some() {
                    self.script.pass_to_deadline();
                }
            }
        }
        match self.script.machine.state() {
            State::Welcoming | State::Live => {}
            State::Connecting => self.script.machine.opened(self.script.now),
            State::Waiting | State::Unauthenticated | State::Stopped => {
                self.to_server.clear();
                self.server.disconnect();
            }
        }
    }

    /// Nothing goes wrong any more, until there is nothing left to do.
    fn settle(&mut self) {
        self.server.busy = false;
        for _ in 0..3 {
            for _ in 0..2_000 {
                self.step(Step::ToServer);
                self.step(Step::ToClient);
                self.step(Step::Read);
                if self.is_quiet() {
                    break;
                }
                if self.script.machine.state() == State::Waiting {
                    self.step(Step::Wait);
                }
            }
            // What was told to come again does so.
            self.script.pass_ms(20);
        }
        assert!(self.is_quiet(), "it does not come to an end");
    }

    fn is_quiet(&self) -> bool {
        self.script.machine.state() == State::Live
            && self.to_server.is_empty()
            && self.server.to_client.is_empty()
            && !self.script.machine.has_events()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_event_is_seen_once_in_order_and_every_send_is_stored_once(
        seed: u64,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let mut world = World::new(seed);
        let joined = world.script.outcomes();
        prop_assert_eq!(joined.len(), 2);
        for step in steps {
            world.step(step);
        }
        world.settle();

        for room in &world.rooms {
            let all: Vec<u64> = (1..=world.server.head(room)).collect();
            prop_assert_eq!(&world.seen[room], &all);
        }
        let mut stored: Vec<String> = Vec::new();
        for room in &world.rooms {
            stored.extend(world.server.texts(room).into_iter().filter(|text| text.starts_with("message")));
        }
        stored.sort();
        let mut sent: Vec<String> = (0..world.sends).map(|number| format!("message {number}")).collect();
        sent.sort();
        prop_assert_eq!(stored, sent);
        let mut answered: Vec<u32> = Vec::new();
        for (number, outcome) in world.script.outcomes() {
            prop_assert!(matches!(outcome, Ok(Answer::Sent(_))), "{:?}", outcome);
            answered.push(number);
        }
        answered.sort_unstable();
        prop_assert_eq!(answered, (0..u32::from(world.sends)).collect::<Vec<_>>());
        prop_assert_eq!(world.script.machine.counters().violations, 0);
        prop_assert_eq!(world.script.machine.counters().strays, 0);
    }
}
