//! The tasks around the hub's shards: one per worker, each with a bounded inbox.
//!
//! A shard waits for nobody: what it wants from a tenant goes by `try_send` and is kept for the next
//! turn when that tenant's inbox is full, so that a tenant waiting for room here never waits for itself.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use homeroom_protocol::{CloseCode, ConnectionId};
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    time::MissedTickBehavior,
};

use super::{
    clock,
    writer::{Command, Outlet},
};
use crate::{
    hub::{Delivery, Gauge, Need, Shard, Sink, TenantLife},
    tenant::{Disconnection, Input, Tenant},
};

/// Inputs a shard's inbox holds before its senders wait.
const INBOX_MAX: usize = 1024;
/// Inputs taken in one turn.
const INPUTS_PER_TURN: usize = 256;
/// How often stalled sockets are looked for.
const TICK: Duration = Duration::from_secs(1);
/// How soon a need is offered again to a tenant whose inbox was full.
const RETRY: Duration = Duration::from_millis(2);

/// The inbox of a tenant.
pub(crate) type TenantInbox = mpsc::Sender<Command<Tenant>>;
/// The same, without keeping the tenant awake: tenant and shard would hold each other for ever.
type WeakInbox = mpsc::WeakSender<Command<Tenant>>;

/// What a shard is told.
#[derive(Debug)]
pub(crate) enum ShardInput {
    Attach(Box<Attach>),
    /// The socket is gone; the tenant knows.
    Detach {
        connection: ConnectionId,
    },
    /// The socket or session has room again.
    Writable {
        connection: ConnectionId,
    },
    /// What one tenant released, in order.
    Deliver {
        life: TenantLife,
        deliveries: Vec<Delivery>,
    },
}

/// A new connection.
#[derive(Debug)]
pub(crate) struct Attach {
    pub(crate) life: TenantLife,
    pub(crate) tenant: TenantInbox,
    pub(crate) connection: ConnectionId,
    pub(crate) sink: Sink,
    pub(crate) gauge: Arc<Gauge>,
}

/// All shards of an engine.
#[derive(Debug, Clone)]
pub(crate) struct Shards {
    inboxes: Arc<[mpsc::Sender<ShardInput>]>,
}

impl Shards {
    /// Starts `count` shards; they end when the last handle is dropped.
    pub(crate) fn start(count: usize, outbox_bytes_max: usize) -> Self {
        let inboxes = (0..count.max(1))
            .map(|_| {
                let (inbox, inputs) = mpsc::channel(INBOX_MAX);
                tokio::spawn(ShardTask::new(outbox_bytes_max).run(inputs));
                inbox
            })
            .collect();
        Self { inboxes }
    }

    /// Tells the shard of a connection. Does nothing once the engine is gone.
    pub(crate) async fn tell(&self, connection: ConnectionId, input: ShardInput) {
        let _ = self.inbox_of(connection).send(input).await;
    }

    /// Ends every connection of one life.
    pub(crate) async fn close_all(
        &self,
        life: TenantLife,
        code: CloseCode,
        reconnect_after_ms: Option<u64>,
    ) {
        let close = Delivery::CloseAll {
            code,
            reconnect_after_ms,
        };
        HubOutlet::new(self.clone(), life)
            .deliver(vec![close])
            .await;
    }

    fn inbox_of(&self, connection: ConnectionId) -> &mpsc::Sender<ShardInput> {
        &self.inboxes[self.index_of(connection)]
    }

    fn index_of(&self, connection: ConnectionId) -> usize {
        let count = self.inboxes.len() as u64;
        usize::try_from(connection.0 % count).expect("below the number of shards")
    }
}

/// Where one life of a room tenant delivers.
#[derive(Debug, Clone)]
pub(crate) struct HubOutlet {
    shards: Shards,
    life: TenantLife,
}

impl HubOutlet {
    pub(crate) const fn new(shards: Shards, life: TenantLife) -> Self {
        Self { shards, life }
    }

    async fn send(&self, shard: usize, deliveries: Vec<Delivery>) {
        if !deliveries.is_empty() {
            let input = ShardInput::Deliver {
                life: self.life,
                deliveries,
            };
            let _ = self.shards.inboxes[shard].send(input).await;
        }
    }
}

impl Outlet<Tenant> for HubOutlet {
    async fn deliver(&mut self, effects: Vec<Delivery>) {
        let count = self.shards.inboxes.len();
        if count == 1 {
            return self.send(0, effects).await;
        }
        let mut batches: Vec<Vec<Delivery>> = vec![Vec::new(); count];
        for effect in effects {
            match receiver(&effect) {
                Some(connection) => batches[self.shards.index_of(connection)].push(effect),
                None => batches
                    .iter_mut()
                    .for_each(|batch| batch.push(effect.clone())),
            }
        }
        for (shard, batch) in batches.into_iter().enumerate() {
            self.send(shard, batch).await;
        }
    }

    async fn abandon(&mut self) {
        let after = Some(RECONNECT_AFTER_FAILURE_MS);
        self.shards
            .close_all(self.life, CloseCode::TenantRestarted, after)
            .await;
    }
}

/// After a failure clients give the tenant this long to be replayed.
const RECONNECT_AFTER_FAILURE_MS: u64 = 500;

/// The one connection a delivery is for; `None`: every shard has to hear it.
const fn receiver(delivery: &Delivery) -> Option<ConnectionId> {
    match delivery {
        Delivery::Direct { connection, .. }
        | Delivery::Listen { connection, .. }
        | Delivery::Unlisten { connection, .. }
        | Delivery::Watch { connection, .. }
        | Delivery::Page { connection, .. }
        | Delivery::Close { connection, .. } => Some(*connection),
        Delivery::Event { .. } | Delivery::Signal { .. } | Delivery::CloseAll { .. } => None,
    }
}

struct ShardTask {
    shard: Shard,
    tenants: HashMap<TenantLife, WeakInbox>,
    needs: Vec<Need>,
    /// Needs whose tenant had no room; at most a few per listener.
    unsent: VecDeque<Need>,
}

impl ShardTask {
    fn new(outbox_bytes_max: usize) -> Self {
        Self {
            shard: Shard::new(outbox_bytes_max),
            tenants: HashMap::new(),
            needs: Vec::new(),
            unsent: VecDeque::new(),
        }
    }

    async fn run(mut self, mut inbox: mpsc::Receiver<ShardInput>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut inputs = Vec::with_capacity(INPUTS_PER_TURN);
        let mut more = false;
        loop {
            tokio::select! {
                biased;
                _ = tick.tick() => {
                    self.shard.tick(clock::now(), &mut self.needs);
                    self.tenants.retain(|_, inbox| inbox.upgrade().is_some_and(|inbox| !inbox.is_closed()));
                }
                count = inbox.recv_many(&mut inputs, INPUTS_PER_TURN) => {
                    if count == 0 {
                        return;
                    }
                }
                () = tokio::task::yield_now(), if more => {}
                () = tokio::time::sleep(RETRY), if !self.unsent.is_empty() => {}
            }
            for input in inputs.drain(..) {
                self.take(input);
            }
            more = self.shard.end_turn(clock::now(), &mut self.needs).more;
            self.send_needs();
        }
    }

    fn take(&mut self, input: ShardInput) {
        match input {
            ShardInput::Attach(attach) => {
                let Attach {
                    life,
                    tenant,
                    connection,
                    sink,
                    gauge,
                } = *attach;
                self.tenants.insert(life, tenant.downgrade());
                self.shard.attach(life, connection, sink, gauge);
            }
            ShardInput::Detach { connection } => self.shard.detach(connection),
            ShardInput::Writable { connection } => {
                self.shard.writable(connection, clock::now());
            }
            ShardInput::Deliver { life, deliveries } => {
                for delivery in deliveries {
                    self.shard.deliver(life, delivery);
                }
            }
        }
    }

    fn send_needs(&mut self) {
        self.unsent.extend(self.needs.drain(..));
        for _ in 0..self.unsent.len() {
            let need = self.unsent.pop_front().expect("counted");
            let (life, input) = input_of(need.clone());
            // A tenant that is gone needs nothing.
            let Some(tenant) = self.tenants.get(&life).and_then(WeakInbox::upgrade) else {
                continue;
            };
            if let Err(TrySendError::Full(_)) = tenant.try_send(Command::Input(input)) {
                self.unsent.push_back(need);
            }
        }
    }
}

fn input_of(need: Need) -> (TenantLife, Input) {
    match need {
        Need::Page {
            tenant,
            connection,
            room,
            generation,
            from,
        } => (
            tenant,
            Input::Page {
                connection,
                room,
                generation,
                from,
            },
        ),
        Need::Ended { tenant, connection } => (
            tenant,
            Input::Disconnect {
                connection,
                how: Disconnection::Vanished,
            },
        ),
    }
}
