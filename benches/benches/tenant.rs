//! The rules alone: one send decided and applied, and what a replay does with one stored event.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use homeroom_benches::{NOW, send};
use homeroom_engine::{
    domain::{Domain, Moment, Outcome, Storage},
    identity::Identity,
    log::LogPosition,
    tenant::{Entry, Input, Seed, Settings, Tenant},
};
use homeroom_protocol::{
    ConnectionId, IdempotencyKey, Request, RequestId, RoomId, TenantName, Timestamp,
};

const CONNECTION: ConnectionId = ConnectionId(1);
/// Sends to one tenant before a new one takes over, as many as an hour of a busy room. They stay
/// within the keys in memory, so that no send has to be looked up.
const SENDS: u64 = 10_000;

fn seed() -> Seed {
    Seed {
        tenant: TenantName::new("school").expect("a valid tenant name"),
        hash_key: [42; 16],
        settings: Settings::default(),
    }
}

/// A tenant with one room, in which one connection listens.
struct Class {
    tenant: Tenant,
    sent: u64,
}

impl Class {
    /// With it comes what has happened so far.
    fn new() -> (Self, Vec<Entry>) {
        let mut class = Self {
            tenant: Tenant::new(seed()),
            sent: 0,
        };
        let identity = Identity::user("ana").expect("a valid user id");
        class.input(Input::Connect {
            connection: CONNECTION,
            identity,
        });
        let room = RoomId::new("class-7b").expect("a valid room id");
        let created = class.ask(Request::Create {
            key: IdempotencyKey([0xff; 16]),
            room: room.clone(),
            info: homeroom_protocol::RoomInfo::default(),
            members: vec![],
        });
        class.ask(Request::Join { room, resume: None });
        (class, created.events)
    }

    fn ask(&mut self, request: Request) -> Outcome<Tenant> {
        self.input(Input::Request {
            connection: CONNECTION,
            id: RequestId(1),
            request,
        })
    }

    fn input(&mut self, input: Input) -> Outcome<Tenant> {
        self.sent += 1;
        let moment = Moment {
            now: Timestamp(NOW.0 + self.sent),
            entropy: u128::MAX / 3,
            storage: Storage::Open,
            durable: LogPosition(self.sent),
        };
        let mut out = Outcome::default();
        assert!(self.tenant.needs(&input).is_none(), "nothing is looked up");
        self.tenant.handle(moment, input, None, &mut out);
        out
    }

    fn send(&mut self) -> Outcome<Tenant> {
        let request = send(self.sent);
        self.ask(request)
    }
}

/// The events of a room with its messages, and those of its maker's stream.
fn history() -> Vec<Entry> {
    let (mut class, mut events) = Class::new();
    while (events.len() as u64) < SENDS {
        events.append(&mut class.send().events);
    }
    events
}

fn decide(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tenant/send");
    group.throughput(Throughput::Elements(1));
    group.bench_function("decide and apply", |bencher| {
        let (mut class, _) = Class::new();
        bencher.iter(|| {
            if class.sent > SENDS {
                (class, _) = Class::new();
            }
            let out = class.send();
            assert_eq!(out.events.len(), 1, "it was not refused");
            out
        });
    });
    group.finish();
}

fn replay(criterion: &mut Criterion) {
    let events = history();
    let stored: Vec<_> = events.iter().map(Tenant::encode).collect();
    let mut group = criterion.benchmark_group("tenant/stored message");
    group.throughput(Throughput::Elements(1));
    group.bench_function("encode", |bencher| {
        let message = events.last().expect("there are many");
        bencher.iter(|| Tenant::encode(black_box(message)));
    });
    group.bench_function("decode", |bencher| {
        let message = stored.last().expect("there are many");
        bencher.iter(|| Tenant::decode(black_box(message)));
    });
    group.throughput(Throughput::Elements(SENDS));
    group.bench_function("decode and apply, 10,000 of them", |bencher| {
        bencher.iter_batched(
            || Tenant::new(seed()),
            |mut tenant| {
                for (at, stored) in (1..).zip(&stored) {
                    let event = Tenant::decode(stored).expect("it was just encoded");
                    tenant.apply(LogPosition(at), &event);
                }
                tenant
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(tenant, decide, replay);
criterion_main!(tenant);
