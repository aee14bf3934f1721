//! Laws that hold after any history of requests, crashes and snapshots.

use std::collections::BTreeMap;

use homeroom_engine::{
    domain::{Domain, SectionId, Storage},
    hub::Generation,
    identity::{Actor, Identity, Scopes},
    log::LogPosition,
    tenant::{
        Answered, Disconnection, Entry, Input, Placed, ServiceAnswer, ServiceRequest, Tenant, Whom,
    },
};
use homeroom_protocol::{
    ConnectionId, DeviceId, DeviceState, Direction, Epoch, ErrorCode, Position, Request, RequestId,
    RoomId, RoomInfo, RoomNumber, Timestamp,
};
use proptest::{collection::vec, prelude::*};

use crate::steps::{Service, Step, step};
use crate::support::{
    Waiting, World, answer, as_user, create, durable_state, itself, join, key as key_of,
    refusal_of, send, seq, typing, user, watch,
};

const USERS: [&str; 3] = ["ada", "bob", "eve"];
const ROOMS: [&str; 3] = ["math", "physics", "art"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_keeps_the_laws(
        steps in vec(step(), 1..120),
        // The last: two whole at least, and three runs of two.
        (keys_in_memory_max, keys_whole_max) in
            prop_oneof![Just((0_usize, 4)), Just((2, 4)), Just((100, 100)), Just((10, 4))],
        tight in any::<bool>(),
    ) {
        let world = World::with(|settings| {
            settings.keys_in_memory_max = keys_in_memory_max;
            settings.keys_whole_max = keys_whole_max;
            if tight {
                settings.rooms_max = 2;
                settings.members_per_room_max = 2;
                settings.rooms_per_user_max = 2;
                settings.rooms_per_connection_max = 1;
                settings.connections_max = 4;
                settings.lingering_devices_max = 1;
            }
        });
        let mut run = Run::new(world);
        for step in steps {
            run.step(step);
            run.check();
        }
        run.finish();
    }
}

/// What a key was used for, as the model has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Used {
    content: String,
    answer: (Position, Timestamp),
    at: usize,
}

/// A snapshot in the making: where it began, and what is still to be saved.
struct Saving {
    from: LogPosition,
    todo: Vec<SectionId>,
    saved: BTreeMap<SectionId, Option<Vec<u8>>>,
}

/// A keyed request whose look-up is on its way.
struct Slow {
    who: usize,
    key: u64,
    content: String,
    connection: ConnectionId,
    id: RequestId,
    waiting: Waiting,
}

struct Run {
    world: World,
    connections: Vec<(ConnectionId, usize)>,
    used: BTreeMap<(usize, u64), Used>,
    slow: Option<Slow>,
    saving: Option<Saving>,
    snapshot: BTreeMap<SectionId, Vec<u8>>,
    snapshot_from: LogPosition,
}

impl Run {
    fn new(mut world: World) -> Self {
        world.sync_at_once = false;
        Self {
            world,
            connections: Vec::new(),
            used: BTreeMap::new(),
            slow: None,
            saving: None,
            snapshot: BTreeMap::new(),
            snapshot_from: LogPosition::START,
        }
    }

    fn step(&mut self, step: Step) {
        let slow = self.slow.take();
        match step {
            Step::Connect {
                user,
                device,
                scopes,
                expires_in_ms,
            } => {
                self.connect(user, device, scopes, expires_in_ms);
            }
            Step::Disconnect { connection, how } => self.disconnect(connection, how),
            Step::Renew {
                connection,
                expires_in_ms,
            } => {
                let expires = expires_in_ms.map(|ms| self.world.now.plus_ms(ms));
                if let Some((connection, _)) = self.connection(connection) {
                    self.world.input(Input::Renew {
                        connection,
                        expires,
                    });
                }
            }
            Step::Revoke { user: index } => {
                let whom = Whom::User(user(USERS[index]));
                self.world.revoke(whom);
            }
            Step::Create {
                connection,
                key,
                room,
            } => {
                let content = format!("create {room}");
                self.keyed(connection, key, content, create(key, ROOMS[room]));
            }
            Step::Send {
                connection,
                key,
                room,
                text,
            } => {
                let content = format!("send {room} {text}");
                let request = send(key, RoomNumber(room), &text.to_string());
                self.keyed(connection, key, content, request);
            }
            Step::Slow {
                connection,
                key,
                room,
                text,
            } => {
                self.ask_slow(connection, key, room, text);
            }
            Step::Serve {
                actor,
                key,
                room,
                what,
            } => self.serve((actor, key), room, what),
            Step::Pass { ms } => self.world.pass(ms),
            Step::ClockBack { ms } => {
                self.world.now = Timestamp(self.world.now.0.saturating_sub(ms));
            }
            Step::Tick => self.world.tick(),
            Step::Sync { most } => self.world.sync_to(self.world.durable() + most),
            Step::Disk { full } => {
                self.world.storage = if full { Storage::Full } else { Storage::Open };
            }
            Step::Snapshot => self.save_some(),
            Step::Crash => self.crash(),
            Step::Page {
                connection,
                room,
                generation,
                from,
            } => {
                self.page(connection, room, generation, from);
            }
            Step::Join { .. }
            | Step::Leave { .. }
            | Step::Read { .. }
            | Step::Type { .. }
            | Step::Show { .. }
            | Step::Watch { .. } => self.plain(step),
        }
        if let Some(slow) = slow {
            self.decide_slow(slow);
        }
    }

    fn serve(&mut self, (who, key): (usize, u64), room: usize, what: Service) {
        let id = RoomId::new(ROOMS[room]).unwrap();
        let number = {
            let mut rooms = self.world.tenant.rooms();
            let room = rooms.find(|room| room.id() == Some(&id));
            room.map_or(0, |room| room.number().0)
        };
        let (request, content) = match what {
            Service::Create => (create_as_service(key, room), Some(format!("create {room}"))),
            Service::Publish { text } => (
                publish_as_service(key, id, &text.to_string()),
                Some(format!("send {number} {text}")),
            ),
            Service::Add { member } => {
                let member = user(USERS[member]);
                (ServiceRequest::AddMember { room: id, member }, None)
            }
            Service::Kick { member } => {
                let member = user(USERS[member]);
                (ServiceRequest::RemoveMember { room: id, member }, None)
            }
        };
        let log_len = self.world.log_len();
        let before = self.used.get(&(who, key)).cloned();
        let live = self.is_live(before.as_ref());
        let answer = self.world.serve_later(actor(who), request);
        let Some(content) = content else {
            return;
        };
        self.note((who, key), &content, live, log_len);
        if let Some(answer) = answer.take() {
            self.judge_service(answer, &content, (before, live, log_len));
        }
    }

    /// The same for a service as [`judge`](Self::judge) for a client.
    fn judge_service(
        &self,
        answer: Answered,
        content: &str,
        (before, live, log_len): (Option<Used>, bool, usize),
    ) {
        match answer {
            Ok(ServiceAnswer::Placed(Placed {
                position,
                time,
                already,
            })) => {
                assert_eq!(already, self.world.log_len() == log_len);
                assert_eq!(already, live);
                if let Some(used) = before.filter(|_| live) {
                    assert_eq!(used.content, content);
                    assert_eq!(used.answer, (position, time));
                }
            }
            Ok(other) => panic!("no place: {other:?}"),
            Err(refused) if refused.code == ErrorCode::KeyConflict => {
                assert!(live, "a conflict with nothing");
                assert_ne!(before.expect("a live key").content, content);
            }
            // A room that is not there cannot have been written to.
            Err(refused) if refused.code == ErrorCode::RoomNotFound => {
                assert!(content.starts_with("send 0 "));
            }
            // For now: the index has not come as far as memory has forgotten.
            Err(refused) if refused.code == ErrorCode::Overloaded => {
                let max = self.world.seed.settings.keys_in_memory_max;
                assert!(max < 100, "memory held every key");
            }
            // A clock that was set back leaves budgets empty for a moment.
            Err(refused) if refused.code == ErrorCode::TooFast => {}
            Err(refused) => assert!(!live, "a retry was refused: {refused:?}"),
        }
    }

    /// What a keyed write led to, by the log.
    fn note(
        &mut self,
        (who, key): (usize, u64),
        content: &str,
        live: bool,
        log_len: usize,
    ) -> bool {
        let happened = self.world.log_len() > log_len;
        if happened {
            assert!(!live, "a key that counts led to a second write");
            // What follows from it on user streams is behind it, in the same commit.
            let mut events = self.world.events().into_iter().rev();
            let event = events.find(|event| event.keyed.is_some());
            let event = event.expect("something happened");
            let used = Used {
                content: content.to_owned(),
                answer: (event.position, event.time),
                at: self.world.log_len(),
            };
            self.used.insert((who, key), used);
        }
        happened
    }

    fn ask_slow(&mut self, connection: usize, key: u64, room: u32, text: u8) {
        let Some((connection, who)) = self.connection(connection) else {
            return;
        };
        let content = format!("send {room} {text}");
        let request = send(key, RoomNumber(room), &text.to_string());
        let input = self.world.input_of(connection, request);
        let Input::Request { id, .. } = input else {
            unreachable!("a request was made")
        };
        let waiting = self.world.ask(input);
        self.slow = Some(Slow {
            who,
            key,
            content,
            connection,
            id,
            waiting,
        });
    }

    fn decide_slow(&mut self, slow: Slow) {
        let Slow {
            who,
            key,
            content,
            connection,
            id,
            waiting,
        } = slow;
        let log_len = self.world.log_len();
        let before = self.used.get(&(who, key)).cloned();
        let live = self.is_live(before.as_ref());
        self.world.decide(waiting);
        self.judge((who, key), content, connection, id, (before, live, log_len));
    }

    fn plain(&mut self, step: Step) {
        let (connection, request) = match step {
            Step::Join {
                connection,
                room,
                resume,
            } => {
                let resume = resume.and_then(|(at, same_epoch)| {
                    let room = self
                        .world
                        .tenant
                        .rooms()
                        .filter(|room| room.id().is_some())
                        .nth(room)?;
                    let epoch = if same_epoch {
                        room.head().epoch
                    } else {
                        Epoch::from_random(7 << 20)
                    };
                    Some(Position {
                        epoch,
                        seq: seq(at),
                    })
                });
                (connection, join(ROOMS[room], resume))
            }
            Step::Leave { connection, room } => (
                connection,
                Request::Leave {
                    room: RoomNumber(room),
                },
            ),
            Step::Read {
                connection,
                room,
                anchor,
                limit,
                after,
            } => {
                let direction = if after {
                    Direction::After
                } else {
                    Direction::Before
                };
                let room = RoomNumber(room);
                (
                    connection,
                    Request::History {
                        room,
                        direction,
                        anchor: seq(anchor),
                        limit,
                        thread: None,
                    },
                )
            }
            Step::Type {
                connection,
                room,
                active,
            } => (connection, typing(RoomNumber(room), active)),
            Step::Show { connection, active } => {
                let state = if active {
                    DeviceState::Active
                } else {
                    DeviceState::Idle
                };
                (connection, Request::Presence { state })
            }
            Step::Watch { connection } => (connection, watch(&USERS)),
            other => unreachable!("no plain request: {other:?}"),
        };
        if let Some((connection, _)) = self.connection(connection) {
            self.world.post(connection, request);
        }
    }

    fn connect(&mut self, who: usize, device: u8, scopes: u8, expires_in_ms: Option<u64>) {
        let device = DeviceId::new(format!("d{device}")).unwrap();
        let scopes = match scopes {
            0 => Scopes::READ,
            1 => Scopes::WRITE,
            2 => Scopes::NONE,
            _ => Scopes::ALL,
        };
        let mut identity = Identity::new(user(USERS[who]), device).with_scopes(scopes);
        identity.expires = expires_in_ms.map(|ms| self.world.now.plus_ms(ms));
        let connection = self.world.connect_as(identity);
        self.connections.push((connection, who));
    }

    fn page(&mut self, connection: usize, room: u32, generation: u64, from: u64) {
        if let Some((connection, _)) = self.connection(connection) {
            self.world.input(Input::Page {
                connection,
                room: RoomNumber(room),
                generation: Generation(generation),
                from: seq(from),
            });
        }
    }

    fn disconnect(&mut self, connection: usize, clean: bool) {
        let Some((connection, _)) = self.connection(connection) else {
            return;
        };
        self.connections.retain(|(other, _)| *other != connection);
        let how = if clean {
            Disconnection::Clean
        } else {
            Disconnection::Vanished
        };
        self.world.disconnect(connection, how);
    }

    fn connection(&self, index: usize) -> Option<(ConnectionId, usize)> {
        let count = self.connections.len().max(1);
        self.connections.get(index % count).copied()
    }

    /// Whether a key still counts for a write made now.
    fn is_live(&self, used: Option<&Used>) -> bool {
        let last = self
            .world
            .events()
            .last()
            .map_or(Timestamp(0), |event| event.time);
        let ttl_ms = self.world.seed.settings.key_ttl_ms;
        used.is_some_and(|used| self.world.now.max(last) < used.answer.1.plus_ms(ttl_ms))
    }

    fn keyed(&mut self, connection: usize, key: u64, content: String, request: Request) {
        let Some((connection, who)) = self.connection(connection) else {
            return;
        };
        let log_len = self.world.log_len();
        let before = self.used.get(&(who, key)).cloned();
        let live = self.is_live(before.as_ref());
        let id = self.world.post(connection, request);
        self.judge((who, key), content, connection, id, (before, live, log_len));
    }

    /// Compares what a keyed write led to with the model. Replies that are still held are judged by
    /// the log alone: an event, or none.
    fn judge(
        &mut self,
        (who, key): (usize, u64),
        content: String,
        connection: ConnectionId,
        id: RequestId,
        (before, live, log_len): (Option<Used>, bool, usize),
    ) {
        let happened = self.note((who, key), &content, live, log_len);
        let Some(reply) = self.world.reply(connection, id) else {
            return;
        };
        match (refusal_of(&reply), before) {
            (None, Some(used)) if live => {
                assert_eq!(used.content, content, "another content got an answer");
                assert_eq!(answer(&reply), used.answer, "a retry got another answer");
            }
            (None, _) => assert!(happened, "an answer for nothing"),
            (Some(ErrorCode::KeyConflict), used) => {
                assert!(live, "a conflict with nothing");
                assert_ne!(used.expect("a live key").content, content);
            }
            // A clock that was set back leaves budgets empty for a moment.
            (Some(ErrorCode::Forbidden | ErrorCode::TooFast), _) => {}
            (Some(ErrorCode::Overloaded), _) => {
                let max = self.world.seed.settings.keys_in_memory_max;
                assert!(max < 100, "memory held every key");
            }
            (Some(code), _) => assert!(!live, "a retry was refused with {code:?}"),
        }
    }

    fn save_some(&mut self) {
        let mut saving = self.saving.take().unwrap_or_else(|| Saving {
            from: LogPosition(self.world.log_len() as u64),
            todo: self.world.tenant.take_dirty_sections(),
            saved: BTreeMap::new(),
        });
        let tenant_now = &self.world.tenant;
        if let Some(section) = saving.todo.pop() {
            saving
                .saved
                .insert(section, tenant_now.save_section(section));
        }
        if saving.todo.is_empty() {
            // A snapshot counts only once all it holds is durable.
            self.world.sync();
            for (section, bytes) in saving.saved {
                match bytes {
                    Some(bytes) => drop(self.snapshot.insert(section, bytes)),
                    None => drop(self.snapshot.remove(&section)),
                }
            }
            self.snapshot_from = saving.from;
        } else {
            self.saving = Some(saving);
        }
    }

    fn crash(&mut self) {
        let durable = self.world.durable();
        self.used.retain(|_, used| used.at <= durable);
        self.connections.clear();
        self.saving = None;
        self.world.crash_with(&self.snapshot, self.snapshot_from);
        self.check();
    }

    /// What holds at every moment.
    fn check(&mut self) {
        let mut heads = BTreeMap::<RoomNumber, (u64, Timestamp)>::new();
        let mut last = Timestamp(0);
        for event in self.world.events() {
            assert!(event.time >= last, "time went back");
            last = event.time;
            let head = heads.entry(event.room).or_default();
            assert_eq!(event.position.seq.0, head.0 + 1, "seq is dense");
            *head = (event.position.seq.0, event.time);
        }
        for (connection, who) in &self.connections {
            for room in self.world.tenant.rooms() {
                let hears = self.world.hub.hears(*connection, room.number());
                let is_member = room.members().any(|member| member.as_str() == USERS[*who]);
                assert!(
                    is_member || !hears,
                    "{connection:?} hears a room it is not in"
                );
            }
        }
        for room in self.world.tenant.rooms() {
            let (head, time) = heads[&room.number()];
            assert_eq!((room.head().seq.0, room.time()), (head, time));
        }
    }

    /// What holds once everything is durable and everything due was done.
    fn finish(mut self) {
        self.world.sync();
        self.world.tick();
        let mut replayed = self.world.recovered(&BTreeMap::new(), LogPosition::START);
        let mut loaded = self.world.recovered(&self.snapshot, self.snapshot_from);
        assert_eq!(replayed.next_deadline(), None);
        for (connection, _) in &self.connections {
            for (name, believed) in self.world.hub.view(*connection) {
                let is = self.world.tenant.presence(&name);
                assert_eq!(believed, is, "{connection:?} is wrong about {name}");
            }
        }
        assert_eq!(
            self.world.tenant.is_idle(),
            self.world.tenant.connections_count() == 0
        );
        let entries = self.world.entries().to_vec();
        let live = state_after_one_more(&mut self.world.tenant, &entries);
        assert_eq!(
            state_after_one_more(&mut replayed, &entries),
            live,
            "replay is not what was lived"
        );
        assert_eq!(
            state_after_one_more(&mut loaded, &entries),
            live,
            "snapshot and replay are not what was lived"
        );
        self.retry_everything();
    }

    /// Every write that still counts gives its answer again, after a restart too.
    fn retry_everything(mut self) {
        self.world.storage = Storage::Full;
        self.world.crash_with(&self.snapshot, self.snapshot_from);
        for ((who, key), used) in self.used.clone() {
            if !self.is_live(Some(&used)) {
                continue;
            }
            if who == USERS.len() {
                self.retry_as_service(who, key, &used);
                continue;
            }
            let device = DeviceId::new("retry").unwrap();
            let connection = self
                .world
                .connect_as(Identity::new(user(USERS[who]), device));
            let words: Vec<_> = used.content.split(' ').collect();
            let request = match words[..] {
                ["create", room] => create(key, ROOMS[room.parse::<usize>().unwrap()]),
                ["send", room, text] => send(key, RoomNumber(room.parse().unwrap()), text),
                _ => unreachable!("no other content is made"),
            };
            let reply = self.world.request(connection, request);
            assert_eq!(answer(&reply), used.answer);
            self.world.disconnect(connection, Disconnection::Clean);
        }
    }
    fn retry_as_service(&mut self, who: usize, key: u64, used: &Used) {
        let words: Vec<_> = used.content.split(' ').collect();
        let request = match words[..] {
            ["create", room] => create_as_service(key, room.parse().unwrap()),
            ["send", room, text] => {
                let room = RoomNumber(room.parse().unwrap());
                let id = self.world.tenant.room(room).unwrap().id().unwrap().clone();
                publish_as_service(key, id, text)
            }
            _ => unreachable!("no other content is made"),
        };
        let answer = self.world.serve(actor(who), request);
        let (position, time) = used.answer;
        let expected = Placed {
            position,
            time,
            already: true,
        };
        assert_eq!(answer, Ok(ServiceAnswer::Placed(expected)));
    }
}

/// The durable state once another keyed write was made as at the end of the log: then every run of keys has a
/// section of its own, whenever it was made.
fn state_after_one_more(tenant: &mut Tenant, entries: &[Entry]) -> BTreeMap<SectionId, Vec<u8>> {
    let keyed = |entry: &&Entry| matches!(entry, Entry::Event(event) if event.keyed.is_some());
    if let Some(entry) = entries.iter().rfind(keyed) {
        tenant.apply(LogPosition(entries.len() as u64 + 1), entry);
        tenant.take_dirty_sections();
    }
    durable_state(tenant)
}

fn actor(who: usize) -> Actor {
    USERS.get(who).map_or_else(itself, |name| as_user(name))
}

fn create_as_service(key: u64, room: usize) -> ServiceRequest {
    ServiceRequest::CreateRoom {
        key: key_of(key),
        room: RoomId::new(ROOMS[room]).unwrap(),
        info: RoomInfo::default(),
        members: Vec::new(),
    }
}

fn publish_as_service(key: u64, room: RoomId, text: &str) -> ServiceRequest {
    ServiceRequest::Publish {
        key: key_of(key),
        room,
        draft: text.into(),
    }
}
