//! The tasks around the hub's shards: one per worker. Each worker keeps one shard for every tenant that has
//! connections there, and lets them write in turns of a bounded length: a tenant with a large audience, or
//! one that is flooded, does not keep the others waiting, however much it has collected.
//!
//! Everything is bounded for each tenant: what it released waits here, up to `WAITING_BYTES_MAX`, until its
//! shard takes it, and a shard that has collected enough writes before it takes more. So a tenant whose
//! audience cannot keep up slows down itself; of one tenant there are at each worker at most twice
//! `COLLECTED_BYTES_MAX` and once `WAITING_BYTES_MAX`, by weight, that are not yet written: 3 MiB, or a
//! release or two larger than that.
//!
//! A shard waits for nobody: what it wants from a tenant goes by `try_send` and is kept for the next
//! turn when that tenant's inbox is full, so that a tenant waiting for room here never waits for itself.

mod life;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use homeroom_protocol::{CloseCode, ConnectionId};
use life::{Laid, Life};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    time::MissedTickBehavior,
};

use super::{
    clock,
    fan_out::{FanOut, Handed},
    outlet::HubOutlet,
    writer::{Command, Outlet},
};
use crate::{
    hub::{Delivery, Gauge, Sink, TenantLife},
    metrics::Metrics,
    tenant::{Disconnection, Tenant},
};

/// Inputs a worker's inbox holds before its senders wait. They are taken all at once, and what a tenant
/// released is only laid down: nobody waits here for another tenant's listeners.
const INBOX_MAX: usize = 1024;
/// Bytes of deliveries one tenant may have waiting at one worker, by their weight, before it waits; a
/// single larger release waits until it is alone.
pub(super) const WAITING_BYTES_MAX: u32 = 1024 * 1024;
/// Deliveries a shard takes in one turn of its tenant.
pub(super) const DELIVERIES_PER_TURN: usize = 1024;
/// How often stalled sockets are looked for.
const TICK: Duration = Duration::from_secs(1);
/// How soon a need is offered again to a tenant whose inbox was full.
const RETRY: Duration = Duration::from_millis(2);

/// The inbox of a tenant.
pub(crate) type TenantInbox = mpsc::Sender<Command<Tenant>>;
/// The same, without keeping the tenant awake: tenant and shard would hold each other for ever.
pub(super) type WeakInbox = mpsc::WeakSender<Command<Tenant>>;

/// What a worker is told.
#[derive(Debug)]
pub(crate) enum ShardInput {
    Attach(Box<Attach>),
    /// The socket is gone; the tenant knows.
    Detach {
        life: TenantLife,
        connection: ConnectionId,
        how: Disconnection,
    },
    /// The socket or session has room again.
    Writable {
        life: TenantLife,
        connection: ConnectionId,
    },
    /// A connection's own frame, with its share of those that may wait.
    Deliver {
        life: TenantLife,
        delivery: Delivery,
        share: OwnedSemaphorePermit,
    },
    /// What one tenant released, in order, with its share of the bytes that may wait.
    Release {
        life: TenantLife,
        deliveries: Vec<Delivery>,
        share: OwnedSemaphorePermit,
        handed: Handed,
    },
    /// Answered when all that came before has been written, or left to sockets that take no more.
    Flush(oneshot::Sender<()>),
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

/// All shards of an engine. One word, as each connection holds it.
#[derive(Debug, Clone)]
pub(crate) struct Shards(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    inboxes: Box<[mpsc::Sender<ShardInput>]>,
    metrics: Arc<Metrics>,
    /// Where they run.
    runtime: Handle,
}

impl Shards {
    /// Starts `count` shards; they end when the last handle is dropped.
    pub(crate) fn start(count: usize, outbox_bytes_max: usize, metrics: Arc<Metrics>) -> Self {
        let inboxes: Vec<_> = (0..count.max(1))
            .map(|_| {
                let (sender, inputs) = mpsc::channel(INBOX_MAX);
                let task = ShardTask::new(outbox_bytes_max, Arc::clone(&metrics));
                tokio::spawn(task.run(inputs));
                sender
            })
            .collect();
        Self::of(inboxes, metrics)
    }

    /// Those behind these inboxes, which run where this is called.
    fn of(inboxes: Vec<mpsc::Sender<ShardInput>>, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Shared {
            inboxes: inboxes.into(),
            metrics,
            runtime: Handle::current(),
        }))
    }

    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    /// Where the shards run.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.0.runtime
    }

    pub(super) fn inboxes(&self) -> &[mpsc::Sender<ShardInput>] {
        &self.0.inboxes
    }

    /// Tells the shard of a connection. Does nothing once the engine is gone.
    pub(crate) async fn tell(&self, connection: ConnectionId, input: ShardInput) {
        let _ = self.inbox_of(connection).send(input).await;
    }

    /// Ends every connection of one life, together with `among` of others.
    pub(crate) async fn close_all(
        &self,
        life: TenantLife,
        code: CloseCode,
        reconnect_after_ms: Option<u64>,
        among: u64,
    ) {
        let close = Delivery::CloseAll {
            code,
            reconnect_after_ms,
            shards: self.inboxes().len() as u64,
            among,
        };
        HubOutlet::new(self.clone(), life)
            .deliver(vec![close], Vec::new())
            .await;
    }

    /// Waits until every shard has written what it was given so far.
    pub(crate) async fn flush(&self) {
        for inbox in self.inboxes() {
            let (flushed, done) = oneshot::channel();
            // A shard that is gone has nothing left to write.
            if inbox.send(ShardInput::Flush(flushed)).await.is_ok() {
                let _ = done.await;
            }
        }
    }

    fn inbox_of(&self, connection: ConnectionId) -> &mpsc::Sender<ShardInput> {
        &self.inboxes()[self.index_of(connection)]
    }

    pub(super) fn index_of(&self, connection: ConnectionId) -> usize {
        let count = self.inboxes().len() as u64;
        usize::try_from(connection.0 % count).expect("below the number of shards")
    }
}

struct ShardTask {
    outbox_bytes_max: usize,
    /// Whoever has connections here.
    lives: HashMap<TenantLife, Life>,
    /// Those that have something to do, in the order of their turns.
    turns: VecDeque<TenantLife>,
    /// Those with needs that their tenant had no room for.
    unheard: Vec<TenantLife>,
    /// One for each shutdown under way.
    flushing: Vec<oneshot::Sender<()>>,
    metrics: Arc<Metrics>,
}

impl ShardTask {
    fn new(outbox_bytes_max: usize, metrics: Arc<Metrics>) -> Self {
        Self {
            outbox_bytes_max,
            lives: HashMap::new(),
            turns: VecDeque::new(),
            unheard: Vec::new(),
            flushing: Vec::new(),
            metrics,
        }
    }

    async fn run(mut self, mut inbox: mpsc::Receiver<ShardInput>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut inputs = Vec::with_capacity(INBOX_MAX);
        loop {
            let more = !self.turns.is_empty();
            if more {
                // After each turn everybody else on this thread has one.
                tokio::task::yield_now().await;
            }
            tokio::select! {
                biased;
                _ = tick.tick() => self.tick(),
                count = inbox.recv_many(&mut inputs, INBOX_MAX) => {
                    if count == 0 {
                        return;
                    }
                }
                () = std::future::ready(()), if more => {}
                // Made when it is waited for: what stands here is evaluated even where it is switched off.
                () = async { tokio::time::sleep(RETRY).await }, if !self.unheard.is_empty() => {}
            }
            for input in inputs.drain(..) {
                self.take(input);
            }
            self.turn();
            self.ask_again();
            if self.turns.is_empty() {
                for flushed in self.flushing.drain(..) {
                    // Whoever waited may have given up.
                    let _ = flushed.send(());
                }
            }
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
                let new = || Life::new(self.outbox_bytes_max, tenant.downgrade());
                let found = self.lives.entry(life).or_insert_with(new);
                found.shard.attach(life, connection, sink, gauge);
                self.list(life);
            }
            ShardInput::Detach {
                life,
                connection,
                how,
            } => {
                if let Some(found) = self.lives.get_mut(&life)
                    && found.shard.detach(connection)
                {
                    self.metrics.gone(how == Disconnection::Clean);
                    self.list(life);
                }
            }
            ShardInput::Writable { life, connection } => {
                if let Some(found) = self.lives.get_mut(&life) {
                    found.shard.writable(connection, clock::now());
                    self.list(life);
                }
            }
            ShardInput::Deliver {
                life,
                delivery,
                share,
            } => self.lay_down(life, Laid::new(vec![delivery], share, None)),
            ShardInput::Release {
                life,
                deliveries,
                share,
                handed,
            } => self.lay_down(life, Laid::new(deliveries, share, Some(handed))),
            ShardInput::Flush(flushed) => self.flushing.push(flushed),
        }
    }

    fn lay_down(&mut self, life: TenantLife, laid: Laid) {
        if let Some(found) = self.lives.get_mut(&life) {
            found.waiting.push_back(laid);
            self.list(life);
        } else if let Some(handed) = laid.handed {
            FanOut::for_nobody(handed, &self.metrics);
        }
    }

    /// A life gets a turn, behind those that wait for theirs.
    fn list(&mut self, life: TenantLife) {
        if let Some(found) = self.lives.get_mut(&life)
            && !std::mem::replace(&mut found.listed, true)
        {
            self.turns.push_back(life);
        }
    }

    /// One turn of the life that has waited longest.
    fn turn(&mut self) {
        let Some(life) = self.turns.pop_front() else {
            return;
        };
        let Some(found) = self.lives.get_mut(&life) else {
            return;
        };
        found.listed = false;
        let more = found.turn(life, &self.metrics);
        if found.ask() && !std::mem::replace(&mut found.unheard, true) {
            self.unheard.push(life);
        }
        if more {
            self.list(life);
        }
    }

    /// Offers their needs again to tenants whose inbox was full.
    fn ask_again(&mut self) {
        let lives = &mut self.lives;
        self.unheard.retain(|life| {
            let Some(found) = lives.get_mut(life) else {
                return false;
            };
            found.unheard = found.ask();
            found.unheard
        });
    }

    fn tick(&mut self) {
        let metrics = &self.metrics;
        let mut busy = Vec::new();
        self.lives.retain(|&life, found| {
            found.tick(metrics);
            // Thousands are idle: whoever has something to write does not wait for a turn of each.
            if found.has_work() {
                busy.push(life);
            }
            !found.is_over()
        });
        for life in busy {
            self.list(life);
        }
    }
}

#[cfg(test)]
#[path = "shards_tests.rs"]
mod tests;
