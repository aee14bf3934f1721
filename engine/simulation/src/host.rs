//! The host process: awake tenants and the hub's shards, with what is under way between them.

use std::collections::{BTreeMap, VecDeque};

use homeroom_engine::{
    hub::{Delivery, Need, Shard, Sink, TenantLife},
    tenant::{Disconnection, Input},
};
use homeroom_protocol::{CloseCode, ConnectionId, Timestamp};

use crate::{
    life::{Env, Life},
    plan::Shape,
    wire::Wire,
};

/// After a failure clients give a tenant this long.
const RECONNECT_AFTER_FAILURE_MS: u64 = 200;

/// A worker's shard, of one life or of all.
#[derive(Debug)]
struct Seat {
    shard: Shard,
    /// Released, and not yet taken.
    waiting: VecDeque<(TenantLife, Delivery)>,
}

/// The process.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) env: Env,
    pub(crate) lives: Vec<Option<Life>>,
    /// Whose last life ended by a failure of its storage.
    pub(crate) suspect: Vec<bool>,
    /// By life (0: all) and worker.
    seats: BTreeMap<(u64, usize), Seat>,
    workers: usize,
    shared: bool,
    outbox_bytes: usize,
    last_life: u64,
    last_connection: u64,
    ticked: Timestamp,
}

impl Host {
    pub(crate) fn new(shape: &Shape, env: Env) -> Self {
        Self {
            lives: (0..shape.tenants).map(|_| None).collect(),
            suspect: vec![false; shape.tenants],
            seats: BTreeMap::new(),
            workers: shape.shards,
            shared: shape.shared_shards,
            outbox_bytes: shape.outbox_bytes,
            last_life: 0,
            last_connection: 0,
            ticked: env.now,
            env,
        }
    }

    /// Nothing of the process is left but what is on its disk.
    pub(crate) fn die(&mut self) {
        self.lives.iter_mut().for_each(|life| *life = None);
        self.suspect.fill(false);
        self.seats.clear();
    }

    pub(crate) const fn next_life(&mut self) -> TenantLife {
        self.last_life += 1;
        TenantLife(self.last_life)
    }

    pub(crate) const fn next_connection(&mut self) -> ConnectionId {
        self.last_connection += 1;
        ConnectionId(self.last_connection)
    }

    /// What the next connection will be called.
    pub(crate) const fn connection_to_come(&self) -> ConnectionId {
        ConnectionId(self.last_connection + 1)
    }

    pub(crate) fn attach(
        &mut self,
        life: TenantLife,
        connection: ConnectionId,
        (wire, gauge): (&Wire, &std::sync::Arc<homeroom_engine::hub::Gauge>),
    ) {
        let worker = self.worker_of(connection);
        let sink = Sink::Socket(std::sync::Arc::new(wire.clone()));
        let gauge = std::sync::Arc::clone(gauge);
        self.seat(life, worker)
            .shard
            .attach(life, connection, sink, gauge);
    }

    /// The socket is gone.
    pub(crate) fn detach(&mut self, life: TenantLife, connection: ConnectionId) {
        let worker = self.worker_of(connection);
        self.seat(life, worker).shard.detach(connection);
    }

    /// A socket has room again.
    pub(crate) fn writable(&mut self, life: TenantLife, connection: ConnectionId) {
        let (worker, now) = (self.worker_of(connection), self.env.now);
        self.seat(life, worker).shard.writable(connection, now);
    }

    /// Gives the shards what a life released, and callers their answers behind it.
    pub(crate) fn release(&mut self, life: TenantLife, effects: Vec<Delivery>) {
        let mut answers = Vec::new();
        for effect in effects {
            match (effect.receiver(), effect) {
                (_, Delivery::Answer(answer)) => answers.push(answer),
                (Some(connection), effect) => {
                    let worker = self.worker_of(connection);
                    self.seat(life, worker).waiting.push_back((life, effect));
                }
                (None, effect) => {
                    for worker in 0..self.workers {
                        let effect = effect.clone();
                        self.seat(life, worker).waiting.push_back((life, effect));
                    }
                }
            }
        }
        for answer in answers {
            answer.leave();
        }
    }

    /// A life ended by a failure: whoever is connected must come back.
    pub(crate) fn abandon(&mut self, life: TenantLife) {
        let close = Delivery::CloseAll {
            code: CloseCode::TenantRestarted,
            reconnect_after_ms: Some(RECONNECT_AFTER_FAILURE_MS),
            shards: self.workers as u64,
            among: 0,
        };
        self.release(life, vec![close]);
    }

    /// The shards have taken all that was released, and written nothing more of it.
    pub(crate) fn hear_all(&mut self) {
        for seat in self.seats.values_mut() {
            while let Some((life, delivery)) = seat.waiting.pop_front() {
                seat.shard.deliver(life, delivery);
            }
        }
    }

    /// Whether the next turn of any shard has something to do, and that turn.
    pub(crate) fn turn(&mut self, mut may: impl FnMut() -> bool) -> (bool, Vec<Need>) {
        let now = self.env.now;
        let (mut worked, mut needs) = (false, Vec::new());
        for seat in self.seats.values_mut() {
            let has_work = !seat.waiting.is_empty() || seat.shard.has_work();
            if !has_work || !may() {
                continue;
            }
            worked = true;
            while !seat.shard.is_full()
                && let Some((life, delivery)) = seat.waiting.pop_front()
            {
                seat.shard.deliver(life, delivery);
            }
            seat.shard.end_turn(now, &mut needs);
        }
        (worked, needs)
    }

    /// Once a second.
    pub(crate) fn tick(&mut self) -> Vec<Need> {
        let now = self.env.now;
        let mut needs = Vec::new();
        if now.since_ms(self.ticked) < 1_000 && now >= self.ticked {
            return needs;
        }
        self.ticked = now;
        for seat in self.seats.values_mut() {
            seat.shard.tick(now, &mut needs);
        }
        needs
    }

    pub(crate) fn life_mut(&mut self, id: TenantLife) -> Option<&mut Life> {
        let mut lives = self.lives.iter_mut().flatten();
        lives.find(|life| life.id == id)
    }

    /// Tells tenants what the shards need of them.
    pub(crate) fn ask(&mut self, needs: Vec<Need>) {
        for need in needs {
            let (life, input) = match need {
                Need::Page {
                    tenant,
                    connection,
                    room,
                    generation,
                    from,
                } => {
                    let page = Input::Page {
                        connection,
                        room,
                        generation,
                        from,
                    };
                    (tenant, page)
                }
                Need::Ended { tenant, connection } => {
                    let how = Disconnection::Vanished;
                    (tenant, Input::Disconnect { connection, how })
                }
            };
            if let Some(life) = self.life_mut(life) {
                life.inbox.push_back(input);
            }
        }
    }

    fn worker_of(&self, connection: ConnectionId) -> usize {
        usize::try_from(connection.0 % self.workers as u64).expect("below the workers")
    }

    fn seat(&mut self, life: TenantLife, worker: usize) -> &mut Seat {
        let owner = if self.shared { 0 } else { life.0 };
        let outbox_bytes = self.outbox_bytes;
        self.seats.entry((owner, worker)).or_insert_with(|| Seat {
            shard: Shard::new(outbox_bytes),
            waiting: VecDeque::new(),
        })
    }
}
