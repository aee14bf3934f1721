//! Any list of inputs to one tenant, with clocks that jump, disks that fill and crashes in between.
//! Nothing may panic, every room's `seq` is dense, time never goes back, and a replay of what is
//! durable is what was lived. Who is in a room, what comes last there, how far each has read and what
//! is unread is what a plain [model](Model) makes of the log. The hub in memory holds every delivery to its
//! contract meanwhile.
#![no_main]

#[path = "../../engine/tests/tenant_rules/clients.rs"]
#[allow(dead_code, reason = "the tests of the tenant use the rest")]
mod clients;
#[path = "../../engine/tests/tenant_rules/hub.rs"]
#[allow(dead_code, reason = "the tests of the tenant use the rest")]
mod hub;
#[path = "../../engine/tests/tenant_rules/requests.rs"]
#[allow(dead_code, reason = "the tests of the tenant use the rest")]
mod requests;
#[path = "../../engine/tests/tenant_rules/stage.rs"]
#[allow(dead_code, reason = "the tests of the tenant use the rest")]
mod stage;
#[path = "../../engine/tests/tenant_rules/support.rs"]
#[allow(dead_code, reason = "the tests of the tenant use the rest")]
mod support;
#[path = "../../engine/tests/tenant_rules/table.rs"]
#[allow(dead_code, reason = "the tests of the tenant use the rest")]
mod table;

use std::collections::BTreeMap;

use homeroom_engine::{
    domain::{HistoryError, Storage},
    hub::Generation,
    identity::{Identity, Scopes},
    log::LogPosition,
    tenant::{Disconnection, Input, Whom},
};
use homeroom_fuzz::{
    Choices,
    model::Model,
    requests::{KINDS, There, request as any_request},
    services,
};
use homeroom_protocol::{
    ClientFrame, ConnectionId, DeviceId, Position, Request, RoomNumber, Seq, ServerFrame,
    SignalName, Timestamp, decode_client_message, limit,
};
use libfuzzer_sys::fuzz_target;

use support::{Waiting, World, durable_state, user};

const USERS: [&str; 3] = ["ada", "bob", "eve"];
const DEVICES: [&str; 2] = ["phone", "desk"];
/// Longest wait in ms: past the life of a key.
const PASS_MS_MAX: u64 = 25 * 3_600_000;

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::new(bytes);
    let mut run = Run::new(&mut choices);
    while !choices.is_empty() {
        run.step(&mut choices);
    }
    run.check();
});

struct Run {
    world: World,
    connections: Vec<ConnectionId>,
    /// Its look-up is on its way while others go on.
    slow: Option<Waiting>,
}

impl Run {
    fn new(choices: &mut Choices<'_>) -> Self {
        let (tight, keys) = (choices.flag(), [0, 2, 100][choices.below(3)]);
        let mut world = World::with(|settings| {
            settings.keys_in_memory_max = keys;
            if tight {
                settings.rooms_max = 2;
                settings.members_per_room_max = 2;
                settings.rooms_per_user_max = 2;
                settings.rooms_per_connection_max = 1;
                settings.connections_max = 4;
                settings.lingering_devices_max = 1;
            }
        });
        world.sync_at_once = choices.flag();
        Self {
            world,
            connections: Vec::new(),
            slow: None,
        }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(20) {
            0 | 1 => self.connect(choices),
            2 => self.end(choices),
            3..=8 => {
                let request = self.request(choices);
                self.post(choices, request);
            }
            9 => self.raw(choices),
            10 => {
                let request = self.request(choices);
                self.ask_slow(choices, request);
            }
            11 => self.decide_slow(),
            12 => {
                // The hub asks for pages by itself; this one is nobody's, and must do no harm.
                let input = Input::Page {
                    connection: self.connection(choices),
                    room: self.room(choices),
                    generation: Generation(u64::MAX - choices.number()),
                    from: Seq(choices.number()),
                };
                self.world.input(input);
            }
            13 => match choices.below(3) {
                0 => self.world.pass(choices.number() % PASS_MS_MAX),
                1 => self
                    .world
                    .pass(choices.number().saturating_mul(60_000) % PASS_MS_MAX),
                _ => {
                    let back = self.world.now.0.saturating_sub(choices.number());
                    self.world.now = Timestamp(back);
                }
            },
            14 => {
                let most = choices.below(8);
                self.world.sync_to(self.world.durable() + most);
            }
            15..=17 => self.serve(choices),
            18 => self.signal(choices),
            _ => self.trouble(choices),
        }
    }

    fn trouble(&mut self, choices: &mut Choices<'_>) {
        match choices.below(6) {
            0 => self.world.storage = Storage::Full,
            1 => self.world.storage = Storage::Open,
            2 => self.world.broken_history = Some(HistoryError::Unreadable),
            3 => self.world.broken_history = Some(HistoryError::Trimmed),
            4 => self.world.broken_history = None,
            _ => {
                self.slow = None;
                self.connections.clear();
                self.world.crash();
                self.check();
            }
        }
    }

    fn connect(&mut self, choices: &mut Choices<'_>) {
        let device = DeviceId::new(DEVICES[choices.below(2)]).expect("a valid device id");
        let who = user(USERS[choices.below(3)]);
        let scopes = [
            Scopes::ALL,
            Scopes::ALL,
            Scopes::READ,
            Scopes::WRITE,
            Scopes::NONE,
        ];
        let mut identity = Identity::new(who, device).with_scopes(scopes[choices.below(5)]);
        identity.expires = self.moment(choices);
        self.connections.push(self.world.connect_as(identity));
    }

    /// Ways for sessions to end, or to go on for longer.
    fn end(&mut self, choices: &mut Choices<'_>) {
        let connection = self.connection(choices);
        match choices.below(6) {
            0 => self.world.disconnect(connection, Disconnection::Clean),
            1 => self.world.disconnect(connection, Disconnection::Vanished),
            2 | 3 => {
                let expires = self.moment(choices);
                self.world.input(Input::Renew {
                    connection,
                    expires,
                });
            }
            which => {
                let who = user(USERS[choices.below(3)]);
                let device = DeviceId::new(DEVICES[choices.below(2)]).expect("a valid device id");
                let whom = match (which, choices.flag()) {
                    (4, _) => Whom::Connection(connection),
                    (_, true) => Whom::User(who),
                    (_, false) => Whom::Device { user: who, device },
                };
                self.world.revoke(whom);
            }
        }
    }

    /// Any kind of request.
    fn request(&mut self, choices: &mut Choices<'_>) -> Request {
        let kind = choices.below(KINDS);
        let there = self.there(choices);
        any_request(choices, kind, there)
    }

    fn there(&self, choices: &mut Choices<'_>) -> There {
        There {
            position: self.position(choices),
            now: self.world.now,
        }
    }

    /// What a back end asks, whose answer comes once it may leave.
    fn serve(&mut self, choices: &mut Choices<'_>) {
        let there = self.there(choices);
        let (actor, request) = (services::actor(choices), services::request(choices, there));
        self.world.serve_later(actor, request);
    }

    fn signal(&mut self, choices: &mut Choices<'_>) {
        let input = Input::Signal {
            connection: self.connection(choices),
            room: self.room(choices),
            name: SignalName::new("cursor").expect("a valid name"),
            body: choices.bytes().to_vec(),
        };
        self.world.input(input);
    }

    /// Whatever requests a client's bytes say.
    fn raw(&mut self, choices: &mut Choices<'_>) {
        let connection = self.connection(choices);
        let message = choices.bytes();
        let Ok(frames) = decode_client_message(message, limit::CLIENT_MESSAGE_BYTES_MAX) else {
            return;
        };
        for frame in frames.flatten() {
            if let ClientFrame::Request { request, .. } = frame {
                self.world.post(connection, request);
            }
        }
    }

    fn post(&mut self, choices: &mut Choices<'_>, request: Request) {
        let connection = self.connection(choices);
        let id = self.world.post(connection, request);
        // A refusal is one that SPEC.md tells of.
        self.world.reply(connection, id);
        self.world.inbox(connection);
    }

    fn ask_slow(&mut self, choices: &mut Choices<'_>, request: Request) {
        self.decide_slow();
        let connection = self.connection(choices);
        let input = self.world.input_of(connection, request);
        self.slow = Some(self.world.ask(input));
    }

    fn decide_slow(&mut self) {
        if let Some(waiting) = self.slow.take() {
            self.world.decide(waiting);
        }
    }

    /// One that is there, was there, or never was.
    fn connection(&self, choices: &mut Choices<'_>) -> ConnectionId {
        let index = choices.below(8);
        let count = self.connections.len();
        let recent = count.checked_sub(index + 1);
        recent
            .and_then(|index| self.connections.get(index).copied())
            .unwrap_or(ConnectionId(u64::MAX))
    }

    fn room(&self, choices: &mut Choices<'_>) -> RoomNumber {
        RoomNumber(u32::from(choices.byte()) % 8)
    }

    /// A place in a room as it is, or another.
    fn position(&self, choices: &mut Choices<'_>) -> Position {
        let seq = Seq(choices.number());
        let room = self.world.tenant.rooms().nth(choices.below(3));
        let epoch = room.map_or_else(
            || homeroom_protocol::Epoch::from_random(7 << 20),
            |room| room.head().epoch,
        );
        Position { epoch, seq }
    }

    fn moment(&self, choices: &mut Choices<'_>) -> Option<Timestamp> {
        let soon = choices.number();
        (soon > 0).then(|| self.world.now.plus_ms(soon))
    }

    fn check(&mut self) {
        self.decide_slow();
        self.world.sync();
        self.world.tick();
        self.world.sync();
        let replayed = self.world.recovered(&BTreeMap::new(), LogPosition::START);
        assert_eq!(
            durable_state(&replayed),
            durable_state(&self.world.tenant),
            "replay is not what was lived"
        );
        let model = Model::of(self.world.entries());
        model.check(&self.world.tenant);
        model.check(&replayed);
        self.check_lists();
    }

    /// What each user is told of their rooms, over a connection that may all.
    fn check_lists(&mut self) {
        (self.world.storage, self.world.broken_history) = (Storage::Open, None);
        // Budgets are full again.
        self.world.pass(60_000);
        self.world.sync();
        let model = Model::of(self.world.entries());
        for name in USERS {
            let who = user(name);
            let device = DeviceId::new("list").expect("a valid device id");
            let connection = self.world.connect_as(Identity::new(who.clone(), device));
            let list = Request::Rooms {
                after: None,
                limit: 100,
            };
            let id = self.world.post(connection, list);
            self.world.sync();
            // One too many, too fast, or what is told waits: then there is nothing to compare.
            if let Some(ServerFrame::Rooms { rooms, .. }) = self.world.reply(connection, id) {
                model.check_list(&who, &rooms);
            }
            self.world.disconnect(connection, Disconnection::Clean);
        }
    }
}
