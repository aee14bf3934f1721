//! What somebody who is there and silent takes of memory, and what it takes to let them in: counted, so the same
//! on every machine. Ten thousand of them are to fit a small one.

use std::{io, sync::Arc};

use homeroom_engine::{
    domain::{Domain as _, Moment, Outcome, Storage},
    hub::{Delivery, Gauge, OUTBOX_BYTES_MAX, Shard, Sink, SocketSink, TenantLife},
    identity::Identity,
    log::LogPosition,
    tenant::{Disconnection, Input, Seed, Settings, Tenant},
};
use homeroom_protocol::{
    CloseCode, ConnectionId, DeviceId, IdempotencyKey, Request, RequestId, RoomId, RoomInfo,
    TenantName, Timestamp, UserId,
};

const LIFE: TenantLife = TenantLife(1);
const PEOPLE: u64 = 1000;
/// Each person is in three, so that there are ten in each.
const ROOMS: u64 = 300;

/// Takes every byte and forgets it.
#[derive(Debug)]
struct Fast;

impl SocketSink for Fast {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn close(&self, _: CloseCode) {}
}

/// The rules and the shard of one tenant, without anything between them.
struct School {
    tenant: Tenant,
    shard: Shard,
    now: u64,
}

impl School {
    /// With all its rooms, and nobody in them who is there.
    fn new() -> Self {
        let settings = Settings {
            rooms_made_per_user_max: 1000,
            rooms_per_user_max: 1000,
            ..Settings::default()
        };
        let seed = Seed {
            tenant: TenantName::new("school").expect("a valid name"),
            hash_key: [7; 16],
            settings,
        };
        let mut school = Self {
            tenant: Tenant::new(seed),
            shard: Shard::new(OUTBOX_BYTES_MAX),
            now: 0,
        };
        let head = ConnectionId(PEOPLE);
        school.connect(head, "head");
        for number in 0..ROOMS {
            let mut key = [0; 16];
            key[..8].copy_from_slice(&number.to_be_bytes());
            let create = Request::Create {
                key: IdempotencyKey(key),
                room: room(number),
                info: RoomInfo::default(),
                members: Vec::new(),
            };
            school.ask(head, create);
        }
        school.leave(head);
        school
    }

    fn connect(&mut self, connection: ConnectionId, name: &str) {
        let sink: Arc<dyn SocketSink> = Arc::new(Fast);
        let gauge = Arc::new(Gauge::default());
        (self.shard).attach(LIFE, connection, Sink::Socket(sink), gauge);
        let user = UserId::new(name).expect("a valid name");
        let device = DeviceId::new("a browser").expect("a valid id");
        let identity = Identity::new(user, device);
        self.input(Input::Connect {
            connection,
            identity,
        });
    }

    fn leave(&mut self, connection: ConnectionId) {
        let how = Disconnection::Vanished;
        self.input(Input::Disconnect { connection, how });
        self.shard.detach(connection);
    }

    fn ask(&mut self, connection: ConnectionId, request: Request) {
        let id = RequestId(1);
        self.input(Input::Request {
            connection,
            id,
            request,
        });
    }

    fn input(&mut self, input: Input) {
        self.now += 100;
        let mut out = Outcome::default();
        self.tenant.handle(self.moment(), input, None, &mut out);
        self.deliver(out);
        let mut out = Outcome::default();
        self.tenant.tick(self.moment(), &mut out);
        self.deliver(out);
        let mut needs = Vec::new();
        while (self.shard).end_turn(Timestamp(self.now), &mut needs).more {}
    }

    /// All is on disk at once.
    fn moment(&self) -> Moment {
        Moment {
            now: Timestamp(self.now),
            entropy: u128::MAX / 3,
            storage: Storage::Open,
            durable: LogPosition(u64::MAX),
        }
    }

    fn deliver(&mut self, out: Outcome<Tenant>) {
        let released = (out.held.into_iter()).filter_map(|delivery| self.tenant.release(delivery));
        let deliveries: Vec<Delivery> = out.now.into_iter().chain(released).collect();
        for delivery in deliveries {
            self.shard.deliver(LIFE, delivery);
        }
    }

    fn come(&mut self, number: u64) {
        self.connect(ConnectionId(number), &format!("pupil-{number}"));
        for next in 0..3 {
            let room = room((number + next) % ROOMS);
            self.ask(ConnectionId(number), Request::Join { room, resume: None });
        }
    }

    /// Those of one's own room.
    fn watch_company(&mut self, number: u64) {
        let own = (0..3).flat_map(|behind| {
            ((number + ROOMS - behind) % ROOMS..PEOPLE)
                .step_by(usize::try_from(ROOMS).expect("few"))
        });
        let users = own.map(|number| UserId::new(format!("pupil-{number}")).expect("a valid name"));
        let users = users.take(8).collect();
        self.ask(ConnectionId(number), Request::Watch { users });
    }
}

fn room(number: u64) -> RoomId {
    RoomId::new(format!("class-{number}")).expect("a valid id")
}

fn bytes_each(work: impl FnOnce()) -> i64 {
    let all = allocation_counter::measure(work);
    all.bytes_current / i64::try_from(PEOPLE).expect("few")
}

#[test]
fn who_is_silent_in_three_rooms_takes_little_and_to_watch_eight_others_as_little_again() {
    let mut school = School::new();
    let in_rooms = bytes_each(|| (0..PEOPLE).for_each(|number| school.come(number)));
    let watching = bytes_each(|| (0..PEOPLE).for_each(|number| school.watch_company(number)));
    assert!((1000..=1640).contains(&in_rooms), "{in_rooms}");
    assert!((300..=520).contains(&watching), "{watching}");
}

#[test]
fn who_comes_back_takes_no_more_than_who_came() {
    let mut school = School::new();
    (0..PEOPLE).for_each(|number| school.come(number));
    let grown = bytes_each(|| {
        for _ in 0..3 {
            (0..PEOPLE).for_each(|number| school.leave(ConnectionId(number)));
            (0..PEOPLE).for_each(|number| school.come(number));
        }
    });
    assert!(grown < 150, "{grown}");
}

#[test]
fn to_let_in_a_member_takes_few_allocations() {
    let mut school = School::new();
    (0..PEOPLE).for_each(|number| school.come(number));
    school.leave(ConnectionId(7));
    let connect = allocation_counter::measure(|| school.connect(ConnectionId(7), "pupil-7"));
    let room = room(7);
    let join = Request::Join { room, resume: None };
    let join = allocation_counter::measure(|| school.ask(ConnectionId(7), join));
    assert!(connect.count_total <= 21, "{connect:?}");
    assert!(join.count_total <= 20, "{join:?}");
}
