//! Five thousand people in one room: what they cost when they come at once, and when all of them are cut
//! off at once. The rules and a shard of the hub, on a virtual clock; every frame and byte is counted.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use homeroom_engine::{
    domain::{Domain as _, Moment, Outcome, Storage},
    hub::{Delivery, Gauge, OUTBOX_BYTES_MAX, Shard, Sink, SocketSink, TenantLife},
    identity::Identity,
    log::LogPosition,
    tenant::{DUE_PER_TICK_MAX, Disconnection, Input, MEMBERS_TOLD_MAX, Seed, Settings, Tenant},
};
use homeroom_protocol::{
    CloseCode, ConnectionId, DeviceId, IdempotencyKey, Request, RequestId, RoomId, RoomInfo,
    TenantName, Timestamp, UserId, limit::OCCUPANCY_USERS_MAX,
};

const LIFE: TenantLife = TenantLife(1);
const PEOPLE: usize = 5_000;

/// Frames and bytes that reached all sockets.
#[derive(Debug, Clone, Default)]
struct Heard {
    frames: Arc<AtomicUsize>,
    bytes: Arc<AtomicUsize>,
}

impl Heard {
    fn take(&self) -> (usize, usize) {
        let take = |count: &AtomicUsize| count.swap(0, Ordering::Relaxed);
        (take(&self.frames), take(&self.bytes))
    }
}

impl SocketSink for Heard {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while rest.len() > 1 {
            // RFC 6455, section 5.2: a server's frames are not masked.
            let (header, payload) = match rest[1] {
                126 => (4, usize::from(u16::from_be_bytes([rest[2], rest[3]]))),
                127 => panic!("no frame here is that long"),
                length => (2, usize::from(length)),
            };
            rest = &rest[header + payload..];
            self.frames.fetch_add(1, Ordering::Relaxed);
        }
        assert!(rest.is_empty(), "whole frames");
        self.bytes.fetch_add(bytes.len(), Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn close(&self, _: CloseCode) {}
}

struct Scene {
    tenant: Tenant,
    shard: Shard,
    heard: Heard,
    now: Timestamp,
    shard_ticked: Timestamp,
    position: u64,
    entropy: u128,
    effects: usize,
    ticks: usize,
    requests: u64,
    open: BTreeMap<usize, ConnectionId>,
}

impl Scene {
    fn new() -> Self {
        let now = Timestamp(1_000_000_000_000);
        let seed = Seed {
            tenant: TenantName::new("school").expect("a valid name"),
            hash_key: [1; 16],
            settings: Settings::default(),
        };
        let mut scene = Self {
            tenant: Tenant::new(seed),
            shard: Shard::new(OUTBOX_BYTES_MAX),
            heard: Heard::default(),
            now,
            shard_ticked: now,
            position: 0,
            entropy: 1,
            effects: 0,
            ticks: 0,
            requests: 0,
            open: BTreeMap::new(),
        };
        let first = scene.connect(PEOPLE);
        let room = RoomId::new("hall").expect("a valid id");
        let (key, info) = (IdempotencyKey([1; 16]), RoomInfo::default());
        let members = Vec::new();
        scene.ask(
            first,
            Request::Create {
                key,
                room,
                info,
                members,
            },
        );
        scene.join(first);
        scene
    }

    fn moment(&mut self) -> Moment {
        self.entropy = self
            .entropy
            .wrapping_mul(0x2360_ed05_1fc6_5da4)
            .wrapping_add(7);
        Moment {
            now: self.now,
            entropy: self.entropy,
            storage: Storage::Open,
            durable: LogPosition(self.position),
        }
    }

    fn input(&mut self, input: Input) {
        let mut out = Outcome::default();
        let moment = self.moment();
        assert!(self.tenant.admit(moment, &input, &mut out), "nobody floods");
        assert!(self.tenant.needs(&input).is_none(), "nothing is looked up");
        self.tenant.handle(moment, input, None, &mut out);
        self.settle(out);
    }

    /// All of it is durable at once.
    fn settle(&mut self, out: Outcome<Tenant>) {
        self.position += out.events.len() as u64;
        self.effects += out.now.len() + out.held.len();
        for delivery in out.now {
            self.shard.deliver(LIFE, delivery);
        }
        for held in out.held {
            let due: Option<Delivery> = self.tenant.release(held);
            due.into_iter()
                .for_each(|delivery| self.shard.deliver(LIFE, delivery));
        }
    }

    fn write(&mut self) {
        let mut needs = Vec::new();
        if self.shard_ticked.plus_ms(1_000) <= self.now {
            self.shard_ticked = self.now;
            self.shard.tick(self.now, &mut needs);
        }
        while self.shard.end_turn(self.now, &mut needs).more {}
        assert!(needs.is_empty(), "nobody is behind: {needs:?}");
    }

    fn pass(&mut self, ms: u64) {
        for _ in 0..ms {
            self.now = self.now.plus_ms(1);
            while self.tenant.next_deadline().is_some_and(|at| at <= self.now) {
                let mut out = Outcome::default();
                let moment = self.moment();
                self.tenant.tick(moment, &mut out);
                self.ticks += 1;
                self.settle(out);
            }
            self.write();
        }
    }

    fn connect(&mut self, number: usize) -> ConnectionId {
        self.requests += 1;
        let connection = ConnectionId(self.requests);
        let sink = Sink::Socket(Arc::new(self.heard.clone()));
        self.shard
            .attach(LIFE, connection, sink, Arc::new(Gauge::default()));
        let user = UserId::new(format!("person-{number}")).expect("a valid id");
        let identity = Identity::new(user, DeviceId::new("web").expect("a valid id"));
        self.input(Input::Connect {
            connection,
            identity,
        });
        self.open.insert(number, connection);
        connection
    }

    fn ask(&mut self, connection: ConnectionId, request: Request) {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.input(Input::Request {
            connection,
            id,
            request,
        });
    }

    fn join(&mut self, connection: ConnectionId) {
        let (room, resume) = (RoomId::new("hall").expect("a valid id"), None);
        self.ask(connection, Request::Join { room, resume });
    }

    /// People come within a second, evenly.
    fn come(&mut self, people: std::ops::Range<usize>) {
        let per_ms = people.len().div_ceil(1_000);
        for (nth, number) in people.enumerate() {
            let connection = self.connect(number);
            self.join(connection);
            if (nth + 1) % per_ms == 0 {
                self.pass(1);
            }
        }
    }

    /// Their sockets break, all in one moment.
    fn cut(&mut self, people: std::ops::Range<usize>) {
        for number in people {
            let connection = self.open.remove(&number).expect("they came");
            self.shard.detach(connection);
            let how = Disconnection::Vanished;
            self.input(Input::Disconnect { connection, how });
        }
        self.write();
    }
}

#[test]
fn who_come_at_once_cost_a_few_frames_each_and_not_one_for_each_other() {
    let mut scene = Scene::new();
    scene.heard.take();
    scene.come(0..PEOPLE);
    scene.pass(3_000);
    let (frames, bytes) = scene.heard.take();
    // Each: a welcome, the answer to its join, who is there; then once a second how many passed by and how
    // many there are. The first few are told of each other by name.
    let each = 3 + 2 * 5;
    let among_the_first = MEMBERS_TOLD_MAX * MEMBERS_TOLD_MAX / 2;
    assert!(frames <= each * PEOPLE + among_the_first, "{frames} frames");
    let names = OCCUPANCY_USERS_MAX * OCCUPANCY_USERS_MAX * 80;
    let most = 600 * PEOPLE + 200 * among_the_first + names;
    assert!(bytes <= most, "{bytes} bytes");
    assert!(frames >= 5 * PEOPLE, "{frames}: it was counted");
    // Told one by one it would be half of the square.
    assert!(frames < PEOPLE * PEOPLE / 100);
}

#[test]
fn who_are_cut_off_at_once_cost_a_few_steps_each_and_nothing_once_they_are_back() {
    let mut scene = Scene::new();
    scene.come(0..PEOPLE);
    scene.pass(3_000);
    (scene.effects, scene.ticks) = (0, 0);
    scene.heard.take();

    // Half of them, and back within the grace: those who stayed hear nothing of it.
    let half = PEOPLE / 2;
    scene.cut(0..half);
    scene.pass(2_000);
    assert_eq!(scene.heard.take(), (0, 0));
    assert_eq!((scene.effects, scene.ticks), (0, 0));
    scene.come(0..half);
    scene.pass(20_000);
    let (frames, _) = scene.heard.take();
    assert_eq!(
        frames,
        3 * half,
        "a welcome, an answer, who is there: to those alone"
    );

    // Half of them for good: the others are told of it a few times, by number.
    (scene.effects, scene.ticks) = (0, 0);
    scene.cut(0..half);
    scene.pass(20_000);
    let (frames, _) = scene.heard.take();
    let left = PEOPLE + 1 - half;
    assert!(frames >= left && frames <= 3 * left, "{frames}");
    let due = 2 * half;
    assert!(
        scene.ticks <= due / DUE_PER_TICK_MAX + 20,
        "{} ticks",
        scene.ticks
    );
    assert!(scene.effects <= 3 * half, "{} effects", scene.effects);

    // All: nothing is left to do.
    scene.cut(half..PEOPLE + 1);
    scene.pass(20_000);
    assert_eq!(scene.heard.take(), (0, 0));
    // The next round through those who are there finds nobody, and is the last.
    scene.pass(Settings::default().seen_round_ms);
    assert_eq!(scene.tenant.next_deadline(), None);
    assert!(scene.tenant.is_idle());
}
