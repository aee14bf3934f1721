//! A tenant without a runtime: the rules alone, a log and an index that are lists in memory, and the clock
//! of the benches. What a decision has to look up, and what is written down of it, happens beside the
//! decision, so that each can be measured alone.

use bytes::Bytes;
use homeroom_engine::{
    domain::{Domain, History, HistoryError, Moment, Outcome, Storage},
    identity::Identity,
    index::{Found, Index, MemoryIndex, Order, Row},
    log::LogPosition,
    tenant::{Entry, Fact, Input, Seed, Settings, Tenant},
};
use homeroom_protocol::{
    ConnectionId, IdempotencyKey, Request, RequestId, RoomId, RoomInfo, RoomNumber, TenantName,
    Timestamp,
};

use crate::NOW;

/// What was looked up for an input, if anything.
pub type Looked = Option<Result<Fact, HistoryError>>;

/// A tenant and its past.
#[derive(Debug)]
pub struct School {
    /// The rules.
    pub tenant: Tenant,
    past: Past,
    /// `false`: nothing is written down, and nothing can be looked up.
    remembers: bool,
    connections: u64,
    requests: u64,
    last: LogPosition,
}

/// The log and the index.
#[derive(Debug, Default)]
struct Past {
    log: Vec<Bytes>,
    index: MemoryIndex,
}

impl History for Past {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, HistoryError> {
        self.index.get(key).map_err(|_| HistoryError::Unreadable)
    }

    fn range(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        rows_max: usize,
    ) -> Result<Vec<Found>, HistoryError> {
        let found = self.index.range(from, to, order, rows_max);
        found.map_err(|_| HistoryError::Unreadable)
    }

    fn event(&self, at: LogPosition) -> Result<Bytes, HistoryError> {
        let place = usize::try_from(at.0).ok().and_then(|at| at.checked_sub(1));
        let stored = place.and_then(|place| self.log.get(place));
        stored.cloned().ok_or(HistoryError::Unreadable)
    }
}

/// The school's name and secrets; its budgets are what no bench reaches.
///
/// # Panics
/// Never: the name is valid.
#[must_use]
pub fn seed() -> Seed {
    let settings = Settings {
        connections_max: 200_000,
        ..Settings::default()
    };
    Seed {
        tenant: TenantName::new("school").expect("a valid tenant name"),
        hash_key: [42; 16],
        settings: settings.without_budgets(),
    }
}

/// A valid id of a room.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn room(id: &str) -> RoomId {
    RoomId::new(id).expect("a valid room id")
}

impl School {
    /// One in which nothing has happened, and everything that does is remembered.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tenant: Tenant::new(seed()),
            past: Past::default(),
            remembers: true,
            connections: 0,
            requests: 0,
            last: LogPosition::START,
        }
    }

    /// One that writes nothing down: only its rules take memory. What has to look something up fails.
    #[must_use]
    pub fn without_past() -> Self {
        Self {
            remembers: false,
            ..Self::new()
        }
    }

    /// A new connection of a user.
    ///
    /// # Panics
    /// When `user` is no user id.
    pub fn connect(&mut self, user: &str) -> ConnectionId {
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        let identity = Identity::user(user).expect("a valid user id");
        self.input(Input::Connect {
            connection,
            identity,
        });
        connection
    }

    /// Makes a room, its maker the first member and listener. Rooms are numbered by the tenant; this finds
    /// the number again.
    ///
    /// # Panics
    /// When the tenant refuses.
    pub fn make_room(&mut self, maker: ConnectionId, id: &str) -> RoomNumber {
        let create = Request::Create {
            key: self.fresh_key(),
            room: room(id),
            info: RoomInfo::default(),
            members: Vec::new(),
        };
        self.ask(maker, create);
        self.ask(maker, join(id));
        let wanted = room(id);
        let mut rooms = self.tenant.rooms();
        let made = rooms.find(|room| room.id() == Some(&wanted));
        made.expect("it was just made").number()
    }

    /// A key no other write has.
    pub fn fresh_key(&mut self) -> IdempotencyKey {
        self.requests += 1;
        let mut key = [0x77; 16];
        key[..8].copy_from_slice(&self.requests.to_be_bytes());
        IdempotencyKey(key)
    }

    /// What a client asks, as the tenant gets it.
    pub fn asked(connection: ConnectionId, request: Request) -> Input {
        Input::Request {
            connection,
            id: RequestId(1),
            request,
        }
    }

    /// Asks, looks up what that needs, decides, and writes down what came of it.
    pub fn ask(&mut self, connection: ConnectionId, request: Request) -> Outcome<Tenant> {
        self.input(Self::asked(connection, request))
    }

    /// The same for any input.
    pub fn input(&mut self, input: Input) -> Outcome<Tenant> {
        let looked = self.look_up(&input);
        let out = self.decide(input, looked);
        self.remember(&out);
        out
    }

    /// What this input has to know of the past.
    #[must_use]
    pub fn look_up(&self, input: &Input) -> Looked {
        let question = self.tenant.needs(input)?;
        Some(Tenant::answer(&seed(), &question, &self.past))
    }

    /// The decision alone, its events applied. Every one before must have been
    /// [written down](Self::remember), unless it had no events.
    pub fn decide(&mut self, input: Input, looked: Looked) -> Outcome<Tenant> {
        self.requests += 1;
        let moment = Moment {
            now: Timestamp(NOW.0 + self.requests),
            entropy: u128::from(self.requests).wrapping_mul(u128::MAX / 3),
            storage: Storage::Open,
            durable: self.last,
        };
        let mut out = Outcome::default();
        if self.tenant.admit(moment, &input, &mut out) {
            self.tenant.handle(moment, input, looked, &mut out);
        }
        out
    }

    /// Writes down what came of a decision.
    ///
    /// # Panics
    /// Never: an index in memory takes everything.
    pub fn remember(&mut self, out: &Outcome<Tenant>) {
        if out.events.is_empty() {
            return;
        }
        let first = self.last.0 + 1;
        self.last = LogPosition(self.last.0 + out.events.len() as u64);
        if !self.remembers {
            return;
        }
        let mut rows: Vec<Row> = Vec::new();
        let mut now = NOW;
        for (at, event) in (first..).zip(&out.events) {
            self.past.log.push(Tenant::encode(event));
            Tenant::index(&seed(), LogPosition(at), event, &mut rows);
            now = Tenant::time(event);
        }
        let written = self.past.index.write(&rows, self.last, now);
        written.expect("an index in memory takes everything");
    }

    /// What happens beside all requests, as an operator does it: taken in without a decision.
    pub fn apply(&mut self, event: Entry) {
        self.tenant.apply(self.last.next(), &event);
        let out = Outcome {
            events: vec![event],
            ..Outcome::default()
        };
        self.remember(&out);
    }
}

impl Default for School {
    fn default() -> Self {
        Self::new()
    }
}

/// A request to become a member and hear a room from now on.
#[must_use]
pub fn join(id: &str) -> Request {
    Request::Join {
        room: room(id),
        resume: None,
    }
}

#[cfg(test)]
mod tests {
    use homeroom_protocol::{Direction, Seq};

    use super::*;
    use crate::send;

    #[test]
    fn what_was_said_in_a_school_can_be_read_there() {
        let mut school = School::new();
        let ana = school.connect("ana");
        let number = school.make_room(ana, "class-7b");
        assert_eq!(number, crate::ROOM, "where all benches send to");
        for at in 0..10 {
            assert_eq!(school.ask(ana, send(at)).events.len(), 1);
        }
        let page = School::asked(
            ana,
            Request::History {
                room: number,
                direction: Direction::Before,
                anchor: Seq(100),
                limit: 5,
                thread: None,
            },
        );
        let Some(Ok(Fact::Timeline { page, .. })) = school.look_up(&page) else {
            panic!("no page");
        };
        assert_eq!(page.events.len(), 5);
    }
}
