//! What a room costs in memory operations must not depend on how many listen: the rules say a thing once,
//! pushes are encoded and joined once, and each listener is one write of a shared buffer.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use homeroom_engine::{
    domain::{Domain as _, Moment, Outcome, Storage},
    hub::{
        Audience, Delivery, Gauge, Generation, OUTBOX_BYTES_MAX, Push, SessionRefusal, SessionSink,
        Shard, SignalKind, Sink, SocketSink, TenantLife,
    },
    identity::Identity,
    log::LogPosition,
    tenant::{Input, Seed, Settings, Tenant},
};
use homeroom_protocol::{
    CloseCode, ConnectionId, Epoch, EventBody, IdempotencyKey, Request, RequestId, RoomId,
    RoomInfo, RoomNumber, Seq, ServerFrame, TenantName, TimelineEvent, Timestamp, UserId,
};

const TENANT: TenantLife = TenantLife(1);
const ROOM: RoomNumber = RoomNumber(1);
const NOW: Timestamp = Timestamp(1);

/// Takes every byte and forgets it.
#[derive(Debug)]
struct Fast;

impl SocketSink for Fast {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn close(&self, _: CloseCode) {}
}

/// Takes nothing.
#[derive(Debug)]
struct Stuck;

impl SocketSink for Stuck {
    fn try_write(&self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn close(&self, _: CloseCode) {}
}

/// Where in memory each write of all sockets, or each push of all sessions, was, and how long it was. Has
/// room for what a test brings, so that keeping it allocates nothing.
#[derive(Debug, Clone)]
struct Places(Arc<Mutex<Vec<(usize, usize)>>>);

impl Places {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Vec::with_capacity(4096))))
    }

    fn note(&self, at: *const u8, length: usize) {
        self.0
            .lock()
            .expect("nobody panicked with it")
            .push((at.addr(), length));
    }

    fn take(&self) -> Vec<(usize, usize)> {
        self.0
            .lock()
            .expect("nobody panicked with it")
            .drain(..)
            .collect()
    }
}

impl SocketSink for Places {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.note(bytes.as_ptr(), bytes.len());
        Ok(bytes.len())
    }

    fn close(&self, _: CloseCode) {}
}

impl SessionSink for Places {
    fn try_push(&mut self, push: &Arc<Push>) -> Result<(), SessionRefusal> {
        self.note(Arc::as_ptr(push).cast(), 0);
        Ok(())
    }

    fn take_back(&mut self, _: Option<RoomNumber>) {}

    fn take_back_events(&mut self, _: &dyn Fn(RoomNumber) -> bool) -> BTreeMap<RoomNumber, Seq> {
        BTreeMap::new()
    }

    fn close(&mut self, _: CloseCode) {}
}

fn shard(listeners: u64, sink: impl Fn() -> Sink) -> Shard {
    let mut shard = Shard::new(OUTBOX_BYTES_MAX);
    for id in 0..listeners {
        let connection = ConnectionId(id);
        let gauge = Arc::new(Gauge::default());
        shard.attach(TENANT, connection, sink(), gauge);
        let listen = Delivery::Listen {
            connection,
            room: ROOM,
            epoch: Epoch::from_random(u64::MAX),
            next: Seq(1),
            head: Seq(0),
            generation: Generation(1),
        };
        shard.deliver(TENANT, listen);
    }
    shard
}

fn fast() -> Sink {
    Sink::Socket(Arc::new(Fast))
}

fn stuck() -> Sink {
    Sink::Socket(Arc::new(Stuck))
}

fn message(seq: u64) -> Arc<Push> {
    Arc::new(Push::new(ServerFrame::Event {
        room: ROOM,
        epoch: Epoch::from_random(u64::MAX),
        event: TimelineEvent {
            seq: Seq(seq),
            time: NOW,
            author: UserId::new("ada").expect("a valid name"),
            body: EventBody::Message("x".repeat(100).into()),
        },
    }))
}

fn say(shard: &mut Shard, seq: u64, push: Arc<Push>) {
    let event = Delivery::Event {
        room: ROOM,
        seq: Seq(seq),
        push,
    };
    shard.deliver(TENANT, event);
}

/// One turn of so many messages and a signal.
fn turn(shard: &mut Shard, first: u64, messages: u64) {
    for seq in first..first + messages {
        say(shard, seq, message(seq));
    }
    let typing = Delivery::Signal {
        audience: Audience::Room(ROOM),
        kind: SignalKind::Typing,
        push: Arc::new(Push::new(ServerFrame::Typing {
            room: ROOM,
            users: Vec::new(),
            count: 0,
            thread: None,
        })),
    };
    shard.deliver(TENANT, typing);
    end_turn(shard);
}

fn end_turn(shard: &mut Shard) {
    let mut needs = Vec::new();
    while shard.end_turn(NOW, &mut needs).more {}
    assert!(needs.is_empty());
}

/// Allocations and bytes of the second turn; the first one warms the lists up.
fn cost(mut shard: Shard, messages: u64) -> (u64, u64) {
    turn(&mut shard, 1, messages);
    let cost = allocation_counter::measure(|| turn(&mut shard, 1 + messages, messages));
    (cost.count_total, cost.bytes_total)
}

#[test]
fn a_turn_costs_the_same_allocations_for_any_number_of_listeners() {
    for messages in [1, 16, 64] {
        let one = cost(shard(1, fast), messages);
        for listeners in [10, 1000] {
            assert_eq!(one, cost(shard(listeners, fast), messages), "{messages}");
        }
        assert!(one.0 > 0, "the counter counts");
    }
}

#[test]
fn every_socket_is_handed_the_same_bytes_once() {
    let places = Places::new();
    let mut shard = shard(1000, || Sink::Socket(Arc::new(places.clone())));
    for seq in 1..=16 {
        say(&mut shard, seq, message(seq));
    }
    end_turn(&mut shard);
    let written = places.take();
    assert_eq!(written.len(), 1000, "one write each");
    assert!(written.iter().all(|place| *place == written[0]));
    // A message alone is not even copied to join it with others.
    let alone = message(17);
    say(&mut shard, 17, Arc::clone(&alone));
    end_turn(&mut shard);
    let (at, length) = (alone.wire().as_ptr().addr(), alone.wire().len());
    assert_eq!(places.take(), vec![(at, length); 1000]);
}

#[test]
fn every_session_is_handed_the_same_event() {
    let places = Places::new();
    let mut shard = shard(1000, || Sink::Session(Box::new(places.clone())));
    say(&mut shard, 1, message(1));
    end_turn(&mut shard);
    places.take();
    let event = message(2);
    say(&mut shard, 2, Arc::clone(&event));
    let cost = allocation_counter::measure(|| end_turn(&mut shard));
    let pushed = places.take();
    assert_eq!(pushed, vec![(Arc::as_ptr(&event).addr(), 0); 1000]);
    assert!(cost.count_total < 10, "{cost:?}");
}

#[test]
fn queueing_for_a_thousand_stuck_listeners_copies_no_payload() {
    let listeners = 1000;
    let one = cost(shard(1, stuck), 64);
    let many = cost(shard(listeners, stuck), 64);
    // Each grows its own list of pieces a little; 64 messages of 100 bytes would be far more.
    let bytes_each = (many.1 - one.1) / listeners;
    assert!(bytes_each < 64 * 100 / 10, "{bytes_each}");
}

/// The rules of a school with one room in which so many listen.
struct Class {
    tenant: Tenant,
    inputs: u64,
}

impl Class {
    fn new(listeners: u64) -> Self {
        let seed = Seed {
            tenant: TenantName::new("school").expect("a valid name"),
            hash_key: [7; 16],
            settings: Settings::default(),
        };
        let mut class = Self {
            tenant: Tenant::new(seed),
            inputs: 0,
        };
        for listener in 0..listeners {
            let connection = ConnectionId(listener);
            let identity = Identity::user(&format!("user-{listener}")).expect("a valid name");
            class.input(Input::Connect {
                connection,
                identity,
            });
            let room = RoomId::new("class-7b").expect("a valid id");
            if listener == 0 {
                let create = Request::Create {
                    key: IdempotencyKey([0xff; 16]),
                    room: room.clone(),
                    info: RoomInfo::default(),
                    members: Vec::new(),
                };
                class.ask(create, connection);
            }
            class.ask(Request::Join { room, resume: None }, connection);
        }
        class
    }

    fn ask(&mut self, request: Request, connection: ConnectionId) -> Outcome<Tenant> {
        self.input(Input::Request {
            connection,
            id: RequestId(1),
            request,
        })
    }

    fn input(&mut self, input: Input) -> Outcome<Tenant> {
        self.inputs += 1;
        let moment = Moment {
            now: Timestamp(self.inputs),
            entropy: u128::MAX / 3,
            storage: Storage::Open,
            durable: LogPosition(u64::MAX),
        };
        let mut out = Outcome::default();
        self.tenant.handle(moment, input, None, &mut out);
        out
    }

    /// Allocations and bytes of a send's decision, and how many deliveries came of it.
    fn cost(&mut self) -> (u64, u64, usize) {
        let send = |number: u8| Request::Send {
            key: IdempotencyKey([number; 16]),
            room: ROOM,
            draft: "good morning".into(),
        };
        // Warms up, and ends what the joining left.
        for number in 0..100 {
            self.ask(send(number), ConnectionId(0));
        }
        let mut out = Outcome::default();
        let cost = allocation_counter::measure(|| out = self.ask(send(200), ConnectionId(0)));
        assert_eq!(out.events.len(), 1, "it was not refused");
        let deliveries = out.held.len() + out.now.len();
        (cost.count_total, cost.bytes_total, deliveries)
    }
}

#[test]
fn the_rules_say_a_message_once_however_many_listen() {
    let ten = Class::new(10).cost();
    assert_eq!(ten, Class::new(1000).cost());
    assert!(ten.0 > 0 && ten.2 > 0, "{ten:?}");
}

#[test]
fn an_idle_connection_allocates_nothing_of_its_own() {
    let listeners = 1 << 12;
    let mut idle = Shard::new(OUTBOX_BYTES_MAX);
    // Boxes and gauges are the caller's and are made before.
    let sinks: Vec<_> = (0..listeners)
        .map(|_| {
            let sink: Arc<dyn SocketSink> = Arc::new(Fast);
            (Sink::Socket(sink), Arc::new(Gauge::default()))
        })
        .collect();
    let attached = allocation_counter::measure(|| {
        for (id, (sink, gauge)) in (0..).zip(sinks) {
            idle.attach(TENANT, ConnectionId(id), sink, gauge);
        }
    });
    assert!(attached.count_total < 100, "{attached:?}");
    let bytes_each = attached.bytes_current / i64::from(listeners);
    assert!(bytes_each < 400, "{bytes_each}");
}
