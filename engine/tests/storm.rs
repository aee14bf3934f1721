//! Everybody vanishes at once: what that costs is counted on the rules themselves and a real shard, for some
//! and for ten times as many, and must be ten times as much.

#![cfg(test)]

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use homeroom_engine::{
    Identity,
    domain::{Domain, Moment, Outcome, Storage},
    hub::{Delivery, Gauge, Need, OUTBOX_BYTES_MAX, Shard, Sink, SocketSink, TenantLife},
    log::LogPosition,
    tenant::{Disconnection, Input, Seed, Settings, Tenant},
};
use homeroom_protocol::{
    CloseCode, ConnectionId, IdempotencyKey, Request, RequestId, RoomInfo, RoomNumber, TenantName,
    Timestamp,
};

const LIFE: TenantLife = TenantLife(1);
/// Users in one class, each of whom watches the three behind them.
const CLASS: u64 = 20;
const WATCHED: u64 = 3;
const DAWN: Timestamp = Timestamp(1_000_000_000_000);

#[derive(Debug, Clone, Default)]
struct Writes(Arc<AtomicUsize>);

impl SocketSink for Writes {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn close(&self, _: CloseCode) {}
}

/// What was done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Work {
    /// Events that were written to the log.
    events: usize,
    /// Deliveries of the tenant.
    deliveries: usize,
    /// Writes to sockets.
    writes: usize,
    /// Calls of the shard and ticks of the tenant, each of a bounded length.
    calls: usize,
}

struct School {
    tenant: Tenant,
    shard: Shard,
    writes: Writes,
    now: Timestamp,
    entropy: u128,
    durable: LogPosition,
    work: Work,
}

impl School {
    fn new() -> Self {
        let seed = Seed {
            tenant: TenantName::new("school").unwrap(),
            hash_key: [42; 16],
            settings: Settings::default(),
        };
        Self {
            tenant: Tenant::new(seed),
            shard: Shard::new(OUTBOX_BYTES_MAX),
            writes: Writes::default(),
            now: DAWN,
            entropy: 0,
            durable: LogPosition::START,
            work: Work {
                events: 0,
                deliveries: 0,
                writes: 0,
                calls: 0,
            },
        }
    }

    fn moment(&mut self) -> Moment {
        self.entropy += 1;
        Moment {
            now: self.now,
            entropy: self.entropy,
            storage: Storage::Open,
            durable: self.durable,
        }
    }

    fn input(&mut self, input: Input) {
        assert!(self.tenant.needs(&input).is_none(), "nothing is looked up");
        let (moment, mut out) = (self.moment(), Outcome::default());
        self.tenant.handle(moment, input, None, &mut out);
        self.take(out);
    }

    /// Everything is durable at once.
    fn take(&mut self, out: Outcome<Tenant>) {
        self.work.events += out.events.len();
        self.durable = LogPosition(self.durable.0 + out.events.len() as u64);
        let held = out.held.into_iter();
        let held: Vec<Delivery> = held.filter_map(|it| self.tenant.release(it)).collect();
        for delivery in out.now.into_iter().chain(held) {
            self.work.deliveries += 1;
            self.shard.deliver(LIFE, delivery);
        }
    }

    fn write(&mut self) {
        let mut needs: Vec<Need> = Vec::new();
        while self.shard.end_turn(self.now, &mut needs).more {
            self.work.calls += 1;
        }
        assert!(needs.is_empty(), "nobody is behind");
        self.work.writes = self.writes.0.load(Ordering::Relaxed);
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        while self.tenant.next_deadline().is_some_and(|at| at <= self.now) {
            let (moment, mut out) = (self.moment(), Outcome::default());
            self.tenant.tick(moment, &mut out);
            self.work.calls += 1;
            self.take(out);
        }
        self.write();
    }

    fn request(&mut self, connection: u64, request: Request) {
        self.input(Input::Request {
            connection: ConnectionId(connection),
            id: RequestId(1),
            request,
        });
    }

    fn connect(&mut self, number: u64, connection: u64) {
        let connection = ConnectionId(connection);
        let sink = Sink::Socket(Arc::new(self.writes.clone()));
        (self.shard).attach(LIFE, connection, sink, Arc::new(Gauge::default()));
        let identity = Identity::user(&name(number)).unwrap();
        self.input(Input::Connect {
            connection,
            identity,
        });
    }

    /// Enters the class, and watches those behind.
    fn enter(&mut self, number: u64, connection: u64, count: u64) {
        let room = format!("class-{}", number / CLASS).parse().unwrap();
        if number.is_multiple_of(CLASS) && connection == number {
            let mut key = [0; 16];
            key[..8].copy_from_slice(&number.to_be_bytes());
            self.request(
                connection,
                Request::Create {
                    key: IdempotencyKey(key),
                    room: format!("class-{}", number / CLASS).parse().unwrap(),
                    info: RoomInfo::default(),
                    members: Vec::new(),
                },
            );
        }
        self.request(connection, Request::Join { room, resume: None });
        let users = (1..=WATCHED).map(|step| name((number + step) % count));
        let users = users.map(|name| name.parse().unwrap()).collect();
        self.request(connection, Request::Watch { users });
    }

    /// The number of somebody's class.
    fn class(&self, number: u64) -> RoomNumber {
        let id = format!("class-{}", number / CLASS).parse().unwrap();
        let mut rooms = self.tenant.rooms();
        rooms.find(|room| room.id() == Some(&id)).unwrap().number()
    }

    fn vanish(&mut self, connection: u64) {
        let connection = ConnectionId(connection);
        self.shard.detach(connection);
        self.input(Input::Disconnect {
            connection,
            how: Disconnection::Vanished,
        });
    }

    /// What is done meanwhile.
    fn doing(&mut self, act: impl FnOnce(&mut Self)) -> Work {
        let before = self.work;
        act(self);
        self.write();
        Work {
            events: self.work.events - before.events,
            deliveries: self.work.deliveries - before.deliveries,
            writes: self.work.writes - before.writes,
            calls: self.work.calls - before.calls,
        }
    }
}

fn name(number: u64) -> String {
    format!("user-{number}")
}

fn gathered(count: u64) -> School {
    let mut school = School::new();
    for number in 0..count {
        school.connect(number, number);
    }
    for number in 0..count {
        school.enter(number, number, count);
    }
    school.write();
    school
}

/// All vanish, their graces end, all come back on other connections.
fn storm(count: u64) -> [Work; 3] {
    let mut school = gathered(count);
    let cut = school.doing(|school| {
        for number in 0..count {
            // In each class one types, and is taken off the list.
            if number % CLASS == 1 {
                let room = school.class(number);
                let typing = Request::Typing {
                    room,
                    active: true,
                    thread: None,
                };
                school.request(number, typing);
            }
            school.vanish(number);
        }
    });
    assert_eq!(school.tenant.connections_count(), 0);
    let forgotten = school.doing(|school| {
        school.pass(60_000);
        // When they were last seen is written down a record a second.
        for _ in 0..count / 100 {
            school.pass(1_000);
        }
    });
    // The next round through those who are there finds nobody, and is the last.
    school.pass(Settings::default().seen_round_ms);
    assert_eq!(school.tenant.next_deadline(), None, "nothing is left to do");
    let back = school.doing(|school| {
        for number in 0..count {
            school.connect(number, count + number);
            school.enter(number, count + number, count);
        }
    });
    [cut, forgotten, back]
}

#[test]
fn ten_times_as_many_who_vanish_at_once_cost_ten_times_as_much() {
    let (some, many) = (storm(500), storm(5_000));
    for (some, many) in some.into_iter().zip(many) {
        println!("{some:?} {many:?}");
        assert_eq!(many.events, 10 * some.events);
        assert!(many.deliveries <= 10 * some.deliveries, "{some:?} {many:?}");
        assert!(many.writes <= 10 * some.writes, "{some:?} {many:?}");
        assert!(many.calls <= 10 * (some.calls + 1), "{some:?} {many:?}");
    }
    let [cut, forgotten, back] = many;
    // One typist in each class: who types, who has stopped.
    assert!(cut.deliveries <= 5_000, "{cut:?}");
    assert_eq!((cut.events, forgotten.writes), (0, 0));
    // Each is announced once as gone, and each class told once that nobody is there.
    assert_eq!(
        forgotten.deliveries,
        5_000 + 5_000 / usize::try_from(CLASS).unwrap()
    );
    // A welcome, the room, a snapshot and its watch, and what the watchers hear of it.
    assert!(back.deliveries <= 7 * 5_000, "{back:?}");
}

/// Who comes back within the grace was never away.
#[test]
fn a_storm_that_is_over_within_the_grace_is_no_news_to_those_who_stayed() {
    let count = 1_000;
    let mut school = gathered(count);
    let stayed = count / 2;
    let work = school.doing(|school| {
        for number in stayed..count {
            school.vanish(number);
        }
        for number in stayed..count {
            school.connect(number, count + number);
        }
        school.pass(60_000);
    });
    // Their own welcomes, and nothing else but who shows the room no more: each class once, to those who do.
    let welcomes = usize::try_from(count - stayed).unwrap();
    let (classes, shown) = (count / CLASS, stayed);
    let told = usize::try_from(classes).unwrap();
    assert!(work.deliveries <= welcomes + told, "{work:?}");
    assert!(
        work.writes <= welcomes + usize::try_from(shown).unwrap(),
        "{work:?}"
    );
}
