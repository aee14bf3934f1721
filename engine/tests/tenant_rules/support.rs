//! A runtime for one tenant in memory: a virtual clock, a log, an index, and a hub that hands every
//! connection its frames. Everything a runtime owes a tenant is here in its shortest form.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use homeroom_engine::{
    domain::{Domain, History, HistoryError, Moment, Outcome, SectionId, Storage},
    hub::Delivery,
    identity::{Actor, Identity, ServiceName},
    index::{Found, Order},
    log::LogPosition,
    tenant::{
        Answered, Asker, Disconnection, Entry, Event, Fact, Input, Question, Restarted, Seed,
        ServiceCall, ServiceRequest, Settings, Tenant,
    },
};
use homeroom_protocol::{
    Availability, ConnectionId, DeviceId, Draft, ErrorCode, IdempotencyKey, Position, Presence,
    Request, RequestId, RoomId, RoomInfo, RoomNumber, Seq, ServerFrame, Status, TenantName,
    Timestamp, UserId, UserPresence,
};

use crate::{
    hub::Hub,
    table::{name, row_of},
};

/// When every world begins.
pub(crate) const DAWN: Timestamp = Timestamp(1_000_000_000_000);

pub(crate) struct World {
    pub(crate) tenant: Tenant,
    pub(crate) seed: Seed,
    pub(crate) now: Timestamp,
    pub(crate) storage: Storage,
    /// Every event counts as durable as soon as it happened.
    pub(crate) sync_at_once: bool,
    /// What a look-up fails with.
    pub(crate) broken_history: Option<HistoryError>,
    /// How many questions were asked so far.
    pub(crate) questions: usize,
    pub(crate) hub: Hub,
    log: Vec<Bytes>,
    /// The log, read.
    entries: Vec<Entry>,
    /// Where each commit ends: what one input led to is durable as a whole.
    commits: Vec<usize>,
    durable: usize,
    held: VecDeque<(LogPosition, Vec<Delivery>)>,
    index: BTreeMap<Vec<u8>, (Vec<u8>, Option<Timestamp>)>,
    indexed: usize,
    entropy: u128,
    connections: u64,
    requests: u64,
    /// The kinds of the requests that wait for their reply.
    asked: BTreeMap<RequestId, &'static str>,
}

/// An input whose question has been asked and not yet answered.
pub(crate) struct Waiting {
    /// `None`: it was refused before anything was asked for it.
    input: Option<Input>,
    answer: Option<Result<Fact, HistoryError>>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// A world with other settings.
    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        let seed = Seed {
            tenant: TenantName::new("school").unwrap(),
            hash_key: [42; 16],
            settings,
        };
        Self {
            tenant: Tenant::new(seed.clone()),
            seed,
            now: DAWN,
            storage: Storage::Open,
            sync_at_once: true,
            broken_history: None,
            questions: 0,
            hub: Hub::default(),
            log: Vec::new(),
            entries: Vec::new(),
            commits: Vec::new(),
            durable: 0,
            held: VecDeque::new(),
            index: BTreeMap::new(),
            indexed: 0,
            entropy: 1,
            connections: 0,
            requests: 0,
            asked: BTreeMap::new(),
        }
    }

    // What the runtime does.

    /// Looks up what an input needs and decides it.
    pub(crate) fn input(&mut self, input: Input) {
        let waiting = self.ask(input);
        self.decide(waiting);
    }

    /// Looks up what an input needs.
    pub(crate) fn ask(&mut self, input: Input) -> Waiting {
        let mut out = Outcome::default();
        let moment = self.moment();
        if !self.tenant.admit(moment, &input, &mut out) {
            self.take(out);
            let (input, answer) = (None, None);
            return Waiting { input, answer };
        }
        let question = self.tenant.needs(&input);
        let answer = question.map(|question| self.answer(&question));
        let input = Some(input);
        Waiting { input, answer }
    }

    /// Decides an input with what was looked up.
    pub(crate) fn decide(&mut self, waiting: Waiting) {
        let Some(input) = waiting.input else {
            return;
        };
        let mut out = Outcome::default();
        let moment = self.moment();
        self.tenant.handle(moment, input, waiting.answer, &mut out);
        self.take(out);
    }

    /// Runs what is due.
    pub(crate) fn tick(&mut self) {
        while self.tenant.next_deadline().is_some_and(|at| at <= self.now) {
            self.tick_once();
        }
    }

    pub(crate) fn tick_once(&mut self) {
        let mut out = Outcome::default();
        let moment = self.moment();
        self.tenant.tick(moment, &mut out);
        self.take(out);
    }

    /// Lets time pass, stopping at each deadline.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        while let Some(at) = self.tenant.next_deadline().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.tick();
        }
        self.now = end;
    }

    /// Everything that happened is on disk.
    pub(crate) fn sync(&mut self) {
        self.sync_to(self.log.len());
    }

    /// What happened up to here is on disk; of a commit that goes on behind it, nothing is.
    pub(crate) fn sync_to(&mut self, position: usize) {
        let whole = self.commits.partition_point(|&end| end <= position);
        let end = whole.checked_sub(1).map_or(0, |last| self.commits[last]);
        self.durable = self.durable.max(end);
        self.index_durable();
        let durable = LogPosition(self.durable as u64);
        while self.held.front().is_some_and(|&(at, _)| at <= durable) {
            let (_, deliveries) = self.held.pop_front().unwrap();
            for delivery in deliveries {
                self.deliver(self.tenant.release(delivery).into_iter().collect());
            }
        }
    }

    /// Kills the process: what was not durable is gone, everyone is disconnected, the log is replayed.
    pub(crate) fn crash(&mut self) {
        self.crash_with(&BTreeMap::new(), LogPosition::START);
    }

    /// The tenant comes back from a copy of its log, which goes on as another life.
    pub(crate) fn restore(&mut self, salt: u8) {
        let restarted = Restarted {
            time: self.now,
            salt: [salt; 16],
        };
        self.cut();
        self.log.push(Tenant::encode(&restarted.into()));
        self.entries.push(restarted.into());
        self.durable += 1;
        self.commits.push(self.durable);
        self.index.clear();
        self.indexed = 0;
        self.index_durable();
        self.crash();
    }

    /// The same, starting from a snapshot.
    pub(crate) fn crash_with(
        &mut self,
        snapshot: &BTreeMap<SectionId, Vec<u8>>,
        from: LogPosition,
    ) {
        self.cut();
        self.held.clear();
        self.hub = Hub::default();
        self.tenant = self.recovered(snapshot, from);
    }

    /// The tenant as recovery makes it from what is durable now.
    pub(crate) fn recovered(
        &self,
        snapshot: &BTreeMap<SectionId, Vec<u8>>,
        from: LogPosition,
    ) -> Tenant {
        let mut tenant = Tenant::new(self.seed.clone());
        for (&section, bytes) in snapshot {
            tenant.load_section(section, bytes).unwrap();
        }
        assert_eq!(
            tenant.take_dirty_sections(),
            [],
            "loading makes nothing dirty"
        );
        for (at, stored) in self.log[..self.durable].iter().enumerate() {
            let at = LogPosition(at as u64 + 1);
            if at > from {
                tenant.apply(at, &Tenant::decode(stored).unwrap());
            }
        }
        tenant
    }

    /// What happened before anybody was there.
    pub(crate) fn preload(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            self.log.push(Tenant::encode(&entry));
            self.entries.push(entry);
            let at = LogPosition(self.log.len() as u64);
            self.tenant.apply(at, &self.entries[self.log.len() - 1]);
        }
        self.tenant.take_dirty_sections();
        self.sync();
    }

    /// What is due already, if anything.
    pub(crate) fn due_now(&self) -> Option<Timestamp> {
        self.tenant.next_deadline().filter(|&at| at <= self.now)
    }

    pub(crate) fn log_len(&self) -> usize {
        self.log.len()
    }

    pub(crate) fn durable(&self) -> usize {
        self.durable
    }

    /// What the log holds.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What happened in rooms.
    pub(crate) fn events(&self) -> Vec<&Event> {
        let events = self.entries.iter().filter_map(|entry| match entry {
            Entry::Event(event) => Some(event),
            Entry::Tenant(_) | Entry::Restarted(_) => None,
        });
        events.collect()
    }

    /// Forgets the index rows of everything, as if the index had lost them.
    pub(crate) fn lose_index(&mut self, begins_with: &[u8]) {
        self.index.retain(|key, _| !key.starts_with(begins_with));
    }

    /// What was not durable is gone.
    fn cut(&mut self) {
        self.log.truncate(self.durable);
        self.entries.truncate(self.durable);
        self.commits.retain(|&end| end <= self.durable);
    }

    fn moment(&mut self) -> Moment {
        // Any full-period step will do: tests need other numbers each time, not good ones.
        self.entropy = self
            .entropy
            .wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645)
            .wrapping_add(1);
        Moment {
            now: self.now,
            entropy: self.entropy ^ (self.entropy >> 64),
            storage: self.storage,
            durable: LogPosition(self.durable as u64),
        }
    }

    fn answer(&mut self, question: &Question) -> Result<Fact, HistoryError> {
        self.questions += 1;
        Tenant::answer(&self.seed, question, &Past(self))
    }

    fn take(&mut self, out: Outcome<Tenant>) {
        for event in out.events {
            let stored = Tenant::encode(&event);
            assert_eq!(Tenant::decode(&stored).as_ref(), Ok(&event));
            self.log.push(stored);
            self.entries.push(event);
        }
        if self.commits.last().copied().unwrap_or_default() < self.log.len() {
            self.commits.push(self.log.len());
        }
        self.deliver(out.now);
        if !out.held.is_empty() {
            let at = LogPosition(self.log.len() as u64);
            self.held.push_back((at, out.held));
        }
        if self.sync_at_once {
            self.sync();
        } else {
            self.sync_to(self.durable);
        }
    }

    fn deliver(&mut self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            self.hub.deliver(delivery);
        }
        while let Some(page) = self.hub.need() {
            self.input(page);
        }
    }

    fn index_durable(&mut self) {
        if self.indexed == self.durable {
            return;
        }
        let mut rows = Vec::new();
        let mut time = Timestamp(0);
        for at in self.indexed..self.durable {
            let event = &self.entries[at];
            time = Tenant::time(event);
            let at = LogPosition(at as u64 + 1);
            Tenant::index(&self.seed, at, event, &mut rows);
        }
        self.indexed = self.durable;
        for row in rows {
            self.index.insert(row.key, (row.value, row.expires));
        }
        self.index
            .retain(|_, (_, expires)| expires.is_none_or(|expires| expires >= time));
    }
}

struct Past<'a>(&'a World);

impl Past<'_> {
    fn check(&self) -> Result<(), HistoryError> {
        self.0.broken_history.map_or(Ok(()), Err)
    }
}

impl History for Past<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, HistoryError> {
        self.check()?;
        Ok(self.0.index.get(key).map(|(value, _)| value.clone()))
    }

    fn range(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        rows_max: usize,
    ) -> Result<Vec<Found>, HistoryError> {
        self.check()?;
        if from > to {
            return Ok(Vec::new());
        }
        let rows = self.0.index.range(from.to_vec()..to.to_vec());
        let rows = rows.map(|(key, (value, _))| (key.clone(), value.clone()));
        Ok(match order {
            Order::Ascending => rows.take(rows_max).collect(),
            Order::Descending => rows.rev().take(rows_max).collect(),
        })
    }

    fn event(&self, at: LogPosition) -> Result<Bytes, HistoryError> {
        self.check()?;
        Ok(self.0.log[usize::try_from(at.0).unwrap() - 1].clone())
    }
}

// What clients do.

impl World {
    /// A user's connection on a device; its welcome is taken out of the inbox.
    pub(crate) fn connect(&mut self, user: &str, device: &str) -> ConnectionId {
        let connection = self.connect_as(identity(user, device));
        let inbox = self.inbox(connection);
        assert!(matches!(&inbox[..], [ServerFrame::Welcome(_)]), "{inbox:?}");
        connection
    }

    pub(crate) fn connect_as(&mut self, identity: Identity) -> ConnectionId {
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        self.hub.open(connection);
        self.input(Input::Connect {
            connection,
            identity,
        });
        connection
    }

    pub(crate) fn disconnect(&mut self, connection: ConnectionId, how: Disconnection) {
        self.hub.close(connection);
        self.input(Input::Disconnect { connection, how });
    }

    /// Sends a request; its reply is in the inbox once it may be.
    pub(crate) fn post(&mut self, connection: ConnectionId, request: Request) -> RequestId {
        let input = self.input_of(connection, request);
        let Input::Request { id, .. } = input else {
            unreachable!("a request was made");
        };
        self.input(input);
        id
    }

    pub(crate) fn input_of(&mut self, connection: ConnectionId, request: Request) -> Input {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.asked.insert(id, name(&request));
        Input::Request {
            connection,
            id,
            request,
        }
    }

    /// Sends a request and takes its reply; other frames stay in the inbox.
    pub(crate) fn request(&mut self, connection: ConnectionId, request: Request) -> ServerFrame {
        let id = self.post(connection, request);
        self.reply(connection, id).expect("a reply that may leave")
    }

    /// The reply to a request, if it has come.
    pub(crate) fn reply(&mut self, connection: ConnectionId, id: RequestId) -> Option<ServerFrame> {
        let reply = self.hub.take_reply(connection, id)?;
        if let (Some(code), Some(kind)) = (refusal_of(&reply), self.asked.remove(&id)) {
            assert!(
                row_of(kind).tells(code),
                "SPEC.md does not say that {kind} may be refused with {code:?}: {reply:?}"
            );
        }
        Some(reply)
    }

    /// Everything a connection was told since this was last called, besides who is there.
    pub(crate) fn inbox(&mut self, connection: ConnectionId) -> Vec<ServerFrame> {
        self.hub.inbox(connection)
    }

    pub(crate) fn create(&mut self, connection: ConnectionId, room: &str) -> RoomNumber {
        let key = self.fresh_key();
        match self.request(connection, create(key, room)) {
            ServerFrame::Created { room, .. } => room,
            other => panic!("not created: {other:?}"),
        }
    }

    pub(crate) fn join(&mut self, connection: ConnectionId, id: &str) -> RoomNumber {
        match self.request(connection, join(id, None)) {
            ServerFrame::Joined { room, .. } => room,
            other => panic!("not joined: {other:?}"),
        }
    }

    /// Creates a room and listens to it.
    pub(crate) fn open_room(&mut self, connection: ConnectionId, id: &str) -> RoomNumber {
        self.create(connection, id);
        let room = self.join(connection, id);
        self.inbox(connection);
        room
    }

    pub(crate) fn say(
        &mut self,
        connection: ConnectionId,
        room: RoomNumber,
        text: &str,
    ) -> Position {
        let key = self.fresh_key();
        match self.request(connection, send(key, room, text)) {
            ServerFrame::Sent { position, .. } => position,
            other => panic!("not sent: {other:?}"),
        }
    }

    /// Says something in a thread.
    pub(crate) fn reply_in(
        &mut self,
        connection: ConnectionId,
        room: RoomNumber,
        root: Seq,
        text: &str,
    ) -> Position {
        let draft = Draft {
            thread: Some(root),
            ..Draft::from(text)
        };
        let key = key(self.fresh_key());
        match self.request(connection, Request::Send { key, room, draft }) {
            ServerFrame::Sent { position, .. } => position,
            other => panic!("not sent: {other:?}"),
        }
    }

    /// The code a request is refused with.
    pub(crate) fn refusal(&mut self, connection: ConnectionId, request: Request) -> ErrorCode {
        let reply = self.request(connection, request);
        refusal_of(&reply).unwrap_or_else(|| panic!("not refused: {reply:?}"))
    }

    pub(crate) fn fresh_key(&mut self) -> u64 {
        self.requests += 1;
        u64::MAX - self.requests
    }
}

/// A place for one answer to a service.
#[derive(Debug, Clone, Default)]
pub(crate) struct AnswerBox(Arc<Mutex<Option<Answered>>>);

impl AnswerBox {
    /// The answer, if it has come since this was last called.
    pub(crate) fn take(&self) -> Option<Answered> {
        self.0.lock().unwrap().take()
    }
}

impl Asker for AnswerBox {
    fn answer(&self, answer: Answered) {
        let before = self.0.lock().unwrap().replace(answer);
        assert!(before.is_none(), "one answer to each request");
    }
}

/// What a service does.
impl World {
    /// Sends a request; its answer is in the box once it may be.
    pub(crate) fn serve_later(&mut self, actor: Actor, request: ServiceRequest) -> AnswerBox {
        let (input, answer) = service_input(actor, request);
        self.input(input);
        answer
    }

    /// Sends a request and takes its answer.
    pub(crate) fn serve(&mut self, actor: Actor, request: ServiceRequest) -> Answered {
        let answer = self.serve_later(actor, request);
        answer.take().expect("an answer that may leave")
    }
}

pub(crate) fn service_input(actor: Actor, request: ServiceRequest) -> (Input, AnswerBox) {
    let answer = AnswerBox::default();
    let call = ServiceCall {
        actor,
        request,
        asker: Arc::new(answer.clone()),
    };
    (Input::Service(call), answer)
}

/// The service that speaks for itself.
pub(crate) fn itself() -> Actor {
    Actor::Service(ServiceName::new("timetable").unwrap())
}

/// A service that speaks as a user.
pub(crate) fn as_user(name: &str) -> Actor {
    Actor::User(user(name))
}

pub(crate) fn refusal_of(frame: &ServerFrame) -> Option<ErrorCode> {
    match frame {
        ServerFrame::Error { code, .. } => ErrorCode::from_number(*code),
        _ => None,
    }
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub(crate) fn identity(user_name: &str, device: &str) -> Identity {
    Identity::new(user(user_name), DeviceId::new(device).unwrap())
}

pub(crate) fn key(number: u64) -> IdempotencyKey {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    IdempotencyKey(bytes)
}

pub(crate) fn create(key_number: u64, room: &str) -> Request {
    Request::Create {
        key: key(key_number),
        room: RoomId::new(room).unwrap(),
        info: RoomInfo::default(),
        members: Vec::new(),
    }
}

pub(crate) fn join(room: &str, resume: Option<Position>) -> Request {
    Request::Join {
        room: RoomId::new(room).unwrap(),
        resume,
    }
}

pub(crate) fn send(key_number: u64, room: RoomNumber, text: &str) -> Request {
    Request::Send {
        key: key(key_number),
        room,
        draft: text.into(),
    }
}

pub(crate) fn typing(room: RoomNumber, active: bool) -> Request {
    Request::Typing {
        room,
        active,
        thread: None,
    }
}

pub(crate) fn typing_in(room: RoomNumber, thread: Seq, active: bool) -> Request {
    Request::Typing {
        room,
        active,
        thread: Some(thread),
    }
}

pub(crate) fn status(
    availability: Availability,
    text: Option<&str>,
    expires: Option<Timestamp>,
) -> Request {
    Request::Status(Status {
        availability,
        text: text.map(Into::into),
        expires,
    })
}

pub(crate) fn watch(names: &[&str]) -> Request {
    Request::Watch {
        users: names.iter().map(|name| user(name)).collect(),
    }
}

/// The seqs of the events among frames.
pub(crate) fn seqs(frames: &[ServerFrame]) -> Vec<u64> {
    let seq = |frame: &ServerFrame| match frame {
        ServerFrame::Event { event, .. } => Some(event.seq.0),
        _ => None,
    };
    frames.iter().filter_map(seq).collect()
}

/// All sections of a tenant: its durable state, byte for byte.
pub(crate) fn durable_state(tenant: &Tenant) -> BTreeMap<SectionId, Vec<u8>> {
    let rooms = tenant.rooms().map(|room| SectionId(room.number().0.into()));
    [SectionId(0), SectionId(1 << 32)]
        .into_iter()
        .chain(rooms)
        .map(|section| (section, tenant.save_section(section).unwrap()))
        .collect()
}

pub(crate) const fn seq(number: u64) -> Seq {
    Seq(number)
}

/// Users and their presence alone.
pub(crate) fn shown(users: &[UserPresence]) -> Vec<(UserId, Presence)> {
    let each = |it: &UserPresence| (it.user.clone(), it.presence);
    users.iter().map(each).collect()
}

// Scenery.

pub(crate) fn watched_bob() -> (World, ConnectionId) {
    let (mut world, ada, bob, _) = two_in_a_room();
    world.disconnect(bob, Disconnection::Clean);
    world.request(ada, watch(&["bob"]));
    world.inbox(ada);
    (world, ada)
}

pub(crate) fn two_in_a_room() -> (World, ConnectionId, ConnectionId, RoomNumber) {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let bob = world.connect("bob", "web");
    let room = world.open_room(ada, "math");
    world.join(bob, "math");
    world.inbox(ada);
    world.inbox(bob);
    (world, ada, bob, room)
}

/// Place and time in the answer to a keyed write.
pub(crate) fn answer(frame: &ServerFrame) -> (Position, Timestamp) {
    match frame {
        ServerFrame::Created { position, time, .. } | ServerFrame::Sent { position, time, .. } => {
            (*position, *time)
        }
        other => panic!("no answer: {other:?}"),
    }
}

impl World {
    /// The presence changes of bob a connection was told since last time.
    pub(crate) fn told(&mut self, connection: ConnectionId) -> Vec<Presence> {
        let frames = self.inbox(connection).into_iter();
        let states = frames.filter_map(|frame| match frame {
            ServerFrame::Presence { users } => Some(users),
            _ => None,
        });
        states.flatten().map(|user| user.presence).collect()
    }

    /// The typing lists a connection was told since last time.
    pub(crate) fn typists(&mut self, connection: ConnectionId) -> Vec<(Vec<String>, u32)> {
        let frames = self.inbox(connection).into_iter();
        let lists = frames.filter_map(|frame| match frame {
            ServerFrame::Typing { users, count, .. } => Some((users, count)),
            _ => None,
        });
        let names = |(users, count): (Vec<UserId>, u32)| {
            (users.iter().map(ToString::to_string).collect(), count)
        };
        lists.map(names).collect()
    }

    /// After a crash: the first connection's user is back under the same id.
    pub(crate) fn connections_again(&mut self) {
        let connection = ConnectionId(1);
        self.hub.open(connection);
        self.input(Input::Connect {
            connection,
            identity: identity("ada", "web"),
        });
        self.inbox(connection);
    }

    pub(crate) fn deadlines_after_grace(&mut self) -> Option<Timestamp> {
        self.pass(60_000);
        self.tenant.next_deadline()
    }
}
