//! The tasks around the hub's shards: one per worker, each with an inbox that is bounded in inputs and
//! in bytes. A shard that has collected enough writes before it receives on, so that one that is slower
//! than its tenants slows them down; it holds at most twice `COLLECTED_BYTES_MAX` and three times
//! `INBOX_BYTES_MAX`, by weight, that it has not yet written: 5 MiB, or a few releases larger than that.
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
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{self, error::TrySendError},
        oneshot,
    },
    time::MissedTickBehavior,
};

use super::{
    clock,
    fan_out::{FanOut, Handed},
    outlet::HubOutlet,
    writer::{Command, Outlet},
};
use crate::{
    hub::{Delivery, Gauge, Need, Shard, Sink, TenantLife},
    metrics::Metrics,
    tenant::{Disconnection, Input, Tenant},
};

/// Inputs a shard's inbox holds before its senders wait.
const INBOX_MAX: usize = 1024;
/// Bytes of deliveries in a shard's inbox, by their weight, before their senders wait; a single larger
/// release waits until it is alone.
pub(super) const INBOX_BYTES_MAX: u32 = 1024 * 1024;
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
        how: Disconnection,
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
    /// The same, with its share of the inbox's bytes.
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

/// All shards of an engine.
#[derive(Debug, Clone)]
pub(crate) struct Shards {
    pub(super) inboxes: Arc<[ShardInbox]>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
pub(super) struct ShardInbox {
    pub(super) inputs: mpsc::Sender<ShardInput>,
    pub(super) bytes: Arc<Semaphore>,
}

impl Shards {
    /// Starts `count` shards; they end when the last handle is dropped.
    pub(crate) fn start(count: usize, outbox_bytes_max: usize, metrics: Arc<Metrics>) -> Self {
        let inboxes = (0..count.max(1))
            .map(|_| {
                let (sender, inputs) = mpsc::channel(INBOX_MAX);
                let task = ShardTask::new(outbox_bytes_max, Arc::clone(&metrics));
                tokio::spawn(task.run(inputs));
                ShardInbox {
                    inputs: sender,
                    bytes: Arc::new(Semaphore::new(INBOX_BYTES_MAX as usize)),
                }
            })
            .collect();
        Self { inboxes, metrics }
    }

    pub(crate) const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
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
            .deliver(vec![close], Vec::new())
            .await;
    }

    /// Waits until every shard has written what it was given so far.
    pub(crate) async fn flush(&self) {
        for inbox in self.inboxes.iter() {
            let (flushed, done) = oneshot::channel();
            // A shard that is gone has nothing left to write.
            if inbox.inputs.send(ShardInput::Flush(flushed)).await.is_ok() {
                let _ = done.await;
            }
        }
    }

    fn inbox_of(&self, connection: ConnectionId) -> &mpsc::Sender<ShardInput> {
        &self.inboxes[self.index_of(connection)].inputs
    }

    pub(super) fn index_of(&self, connection: ConnectionId) -> usize {
        let count = self.inboxes.len() as u64;
        usize::try_from(connection.0 % count).expect("below the number of shards")
    }
}

struct ShardTask {
    shard: Shard,
    tenants: HashMap<TenantLife, WeakInbox>,
    needs: Vec<Need>,
    /// Needs whose tenant had no room; at most a few per listener.
    unsent: VecDeque<Need>,
    /// One for each shutdown under way.
    flushing: Vec<oneshot::Sender<()>>,
    metrics: Arc<Metrics>,
    fan_out: FanOut,
    /// Bytes and connections, as last told.
    queued: (u64, u64),
}

impl ShardTask {
    fn new(outbox_bytes_max: usize, metrics: Arc<Metrics>) -> Self {
        Self {
            shard: Shard::new(outbox_bytes_max),
            tenants: HashMap::new(),
            needs: Vec::new(),
            unsent: VecDeque::new(),
            flushing: Vec::new(),
            metrics,
            fan_out: FanOut::default(),
            queued: (0, 0),
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
                    let queued = (self.shard.outbox_bytes() as u64, self.shard.stalled() as u64);
                    self.metrics.queued(self.queued, queued);
                    self.queued = queued;
                    self.tenants.retain(|_, inbox| inbox.upgrade().is_some_and(|inbox| !inbox.is_closed()));
                }
                count = inbox.recv_many(&mut inputs, INPUTS_PER_TURN), if !self.shard.is_full() => {
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
            self.metrics.take_in(&self.shard.take_tally());
            self.fan_out.turned(self.shard.turns(), more, &self.metrics);
            self.send_needs();
            if !more {
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
                self.tenants.insert(life, tenant.downgrade());
                self.shard.attach(life, connection, sink, gauge);
            }
            ShardInput::Detach { connection, how } => {
                if self.shard.detach(connection) {
                    self.metrics.gone(how == Disconnection::Clean);
                }
            }
            ShardInput::Writable { connection } => {
                self.shard.writable(connection, clock::now());
            }
            ShardInput::Deliver { life, deliveries } => {
                for delivery in deliveries {
                    self.shard.deliver(life, delivery);
                }
            }
            ShardInput::Release {
                life,
                deliveries,
                share,
                handed,
            } => {
                for delivery in deliveries {
                    self.shard.deliver(life, delivery);
                }
                drop(share);
                self.fan_out.collected(handed);
            }
            ShardInput::Flush(flushed) => self.flushing.push(flushed),
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

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use homeroom_protocol::{
        Epoch, EventBody, RoomNumber, Seq, ServerFrame, TimelineEvent, Timestamp, UserId,
    };

    use super::*;
    use crate::hub::{COLLECTED_BYTES_MAX, Generation, Push, SocketSink};

    const LIFE: TenantLife = TenantLife(1);
    const ROOM: RoomNumber = RoomNumber(1);
    const TEXT_BYTES: usize = 10_000;

    #[derive(Debug, Clone, Default)]
    struct Eats(Arc<AtomicUsize>);

    impl SocketSink for Eats {
        fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.fetch_add(bytes.len(), Ordering::Relaxed);
            Ok(bytes.len())
        }

        fn close(&mut self, _: CloseCode) {}
    }

    fn event(seq: u64) -> Delivery {
        let event = TimelineEvent {
            seq: Seq(seq),
            time: Timestamp(0),
            author: UserId::new("ada").unwrap(),
            body: EventBody::Message("x".repeat(TEXT_BYTES).into()),
        };
        let epoch = Epoch::new(5).unwrap();
        Delivery::Event {
            room: ROOM,
            seq: Seq(seq),
            push: Arc::new(Push::new(ServerFrame::Event {
                room: ROOM,
                epoch,
                event,
            })),
        }
    }

    /// A shard with so many listeners that one call cannot serve them all, driven by hand.
    fn crowd(task: &mut ShardTask, eaten: &Eats, listeners: u64) {
        for n in 1..=listeners {
            let sink = Sink::Socket(Box::new(eaten.clone()));
            task.shard
                .attach(LIFE, ConnectionId(n), sink, Arc::default());
            let listen = Delivery::Listen {
                connection: ConnectionId(n),
                room: ROOM,
                epoch: Epoch::new(5).unwrap(),
                next: Seq(1),
                head: Seq(0),
                generation: Generation(n),
            };
            task.shard.deliver(LIFE, listen);
        }
    }

    #[tokio::test]
    async fn a_shard_that_cannot_keep_up_makes_its_tenants_wait() {
        const LISTENERS: usize = 3_000;
        const EVENTS: usize = 2_000;
        let eaten = Eats::default();
        let metrics = Metrics::new(clock::now);
        let mut task = ShardTask::new(256 * 1024, Arc::clone(&metrics));
        crowd(&mut task, &eaten, LISTENERS as u64);
        let (sender, inputs) = mpsc::channel(INBOX_MAX);
        let bytes = Arc::new(Semaphore::new(INBOX_BYTES_MAX as usize));
        let inbox = ShardInbox {
            inputs: sender,
            bytes,
        };
        let shards = Shards {
            inboxes: Arc::new([inbox]),
            metrics,
        };
        let _open = shards.clone();
        let released = Arc::new(AtomicUsize::new(0));
        let tenant = tokio::spawn({
            let (mut outlet, released) = (HubOutlet::new(shards, LIFE), Arc::clone(&released));
            async move {
                for seq in 1..=EVENTS as u64 {
                    outlet.deliver(vec![event(seq)], Vec::new()).await;
                    released.fetch_add(TEXT_BYTES, Ordering::Relaxed);
                }
            }
        });
        let watch = {
            let (eaten, released) = (eaten.clone(), Arc::clone(&released));
            async move {
                let mut most = 0;
                while eaten.0.load(Ordering::Relaxed) < EVENTS * LISTENERS * TEXT_BYTES {
                    let written = eaten.0.load(Ordering::Relaxed) / LISTENERS;
                    most = most.max(released.load(Ordering::Relaxed).saturating_sub(written));
                    tokio::task::yield_now().await;
                }
                most
            }
        };
        let most = tokio::select! {
            () = task.run(inputs) => panic!("the outlet is gone before all is written"),
            most = watch => most,
        };
        tenant.await.unwrap();
        // A text weighs twice its bytes. What is collected and what is being written may each have been
        // just below the bound when a whole inbox was received; another waits in the inbox.
        let bound = (2 * COLLECTED_BYTES_MAX + 3 * INBOX_BYTES_MAX as usize) / 2;
        assert!(most <= bound + TEXT_BYTES, "{most} bytes are kept");
        assert!(most > bound / 4, "{most}: the bound is reached");
    }

    #[tokio::test]
    async fn a_release_larger_than_an_inbox_goes_through() {
        let shards = Shards::start(1, 256 * 1024, Metrics::new(clock::now));
        let mut outlet = HubOutlet::new(shards, LIFE);
        let events = INBOX_BYTES_MAX as usize / TEXT_BYTES;
        for _ in 0..3 {
            outlet
                .deliver((1..=events as u64).map(event).collect(), Vec::new())
                .await;
        }
    }
}
