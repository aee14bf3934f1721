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

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use homeroom_protocol::{CloseCode, ConnectionId};
use tokio::{
    sync::{
        OwnedSemaphorePermit,
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
type WeakInbox = mpsc::WeakSender<Command<Tenant>>;

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

/// All shards of an engine.
#[derive(Debug, Clone)]
pub(crate) struct Shards {
    pub(super) inboxes: Arc<[mpsc::Sender<ShardInput>]>,
    metrics: Arc<Metrics>,
}

impl Shards {
    /// Starts `count` shards; they end when the last handle is dropped.
    pub(crate) fn start(count: usize, outbox_bytes_max: usize, metrics: Arc<Metrics>) -> Self {
        let inboxes = (0..count.max(1))
            .map(|_| {
                let (sender, inputs) = mpsc::channel(INBOX_MAX);
                let task = ShardTask::new(outbox_bytes_max, Arc::clone(&metrics));
                tokio::spawn(task.run(inputs));
                sender
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
            shards: self.inboxes.len() as u64,
            among,
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
            if inbox.send(ShardInput::Flush(flushed)).await.is_ok() {
                let _ = done.await;
            }
        }
    }

    fn inbox_of(&self, connection: ConnectionId) -> &mpsc::Sender<ShardInput> {
        &self.inboxes[self.index_of(connection)]
    }

    pub(super) fn index_of(&self, connection: ConnectionId) -> usize {
        let count = self.inboxes.len() as u64;
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
                () = tokio::time::sleep(RETRY), if !self.unheard.is_empty() => {}
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

/// What one life of a tenant has at a worker.
struct Life {
    shard: Shard,
    /// Without keeping it awake.
    tenant: WeakInbox,
    /// Released, and not yet taken by the shard.
    waiting: VecDeque<Laid>,
    needs: Vec<Need>,
    /// Needs for which the tenant had no room; at most a few per listener.
    unsent: VecDeque<Need>,
    fan_out: FanOut,
    /// Bytes and connections, as last told.
    queued: (u64, u64),
    connections: u64,
    /// Whether it is among those that wait for their turn.
    listed: bool,
    /// Whether it is among those whose tenant had no room.
    unheard: bool,
}

/// Deliveries that wait for their shard, and what they hold until it has them.
struct Laid {
    deliveries: std::vec::IntoIter<Delivery>,
    handed: Option<Handed>,
    _share: OwnedSemaphorePermit,
}

impl Laid {
    fn new(deliveries: Vec<Delivery>, share: OwnedSemaphorePermit, handed: Option<Handed>) -> Self {
        Self {
            deliveries: deliveries.into_iter(),
            handed,
            _share: share,
        }
    }
}

impl Life {
    fn new(outbox_bytes_max: usize, tenant: WeakInbox) -> Self {
        Self {
            shard: Shard::new(outbox_bytes_max),
            tenant,
            waiting: VecDeque::new(),
            needs: Vec::new(),
            unsent: VecDeque::new(),
            fan_out: FanOut::default(),
            queued: (0, 0),
            connections: 0,
            listed: false,
            unheard: false,
        }
    }

    /// Takes some of what waits, writes for some listeners; whether there is more to do.
    fn turn(&mut self, life: TenantLife, metrics: &Metrics) -> bool {
        self.collect(life);
        let more = self.shard.end_turn(clock::now(), &mut self.needs).more;
        self.tell(metrics);
        self.fan_out.turned(self.shard.turns(), more, metrics);
        more || !self.waiting.is_empty()
    }

    /// Hands the shard what waits, as far as it has room, and not all at once.
    fn collect(&mut self, life: TenantLife) {
        for _ in 0..DELIVERIES_PER_TURN {
            let Some(first) = self.waiting.front_mut() else {
                return;
            };
            if self.shard.is_full() {
                return;
            }
            if let Some(delivery) = first.deliveries.next() {
                self.shard.deliver(life, delivery);
            }
            if first.deliveries.as_slice().is_empty() {
                let handed = self.waiting.pop_front().and_then(|laid| laid.handed);
                if let Some(handed) = handed {
                    self.fan_out.collected(handed);
                }
            }
        }
    }

    /// Offers the tenant what the shard needs, in order; whether it had no room for some of it.
    fn ask(&mut self) -> bool {
        self.unsent.extend(self.needs.drain(..));
        if self.unsent.is_empty() {
            return false;
        }
        let tenant = self.tenant.upgrade();
        while let Some(need) = self.unsent.pop_front() {
            match tenant.as_ref().map(TenantInbox::try_reserve) {
                Some(Ok(place)) => place.send(Command::Input(input_of(need))),
                Some(Err(TrySendError::Full(()))) => {
                    self.unsent.push_front(need);
                    return true;
                }
                // A tenant that is gone needs nothing.
                Some(Err(TrySendError::Closed(()))) | None => {}
            }
        }
        false
    }

    fn tick(&mut self, metrics: &Metrics) {
        self.shard.tick(clock::now(), &mut self.needs);
        let queued = (
            self.shard.outbox_bytes() as u64,
            self.shard.stalled() as u64,
        );
        metrics.queued(self.queued, queued);
        self.queued = queued;
        self.tell(metrics);
    }

    fn tell(&mut self, metrics: &Metrics) {
        let tally = self.shard.take_tally();
        self.connections += tally.sockets_attached + tally.sessions_attached;
        self.connections -= tally.sockets_ended + tally.sessions_ended;
        metrics.take_in(&tally);
    }

    /// Whether a turn of it would do anything.
    fn has_work(&self) -> bool {
        self.shard.has_work()
            || !(self.waiting.is_empty() && self.needs.is_empty() && self.unsent.is_empty())
    }

    /// Nobody is connected any more, and nothing is left to say.
    fn is_over(&self) -> bool {
        self.connections == 0 && !self.listed && self.needs.is_empty() && self.unsent.is_empty()
    }
}

fn input_of(need: Need) -> Input {
    match need {
        Need::Page {
            connection,
            room,
            generation,
            from,
            ..
        } => Input::Page {
            connection,
            room,
            generation,
            from,
        },
        Need::Ended { connection, .. } => Input::Disconnect {
            connection,
            how: Disconnection::Vanished,
        },
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
    use crate::hub::{COLLECTED_BYTES_MAX, Generation, LISTENERS_PER_CALL, Push, SocketSink};

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
    fn crowd(
        task: &mut ShardTask,
        life: TenantLife,
        tenant: &TenantInbox,
        eaten: &Eats,
        listeners: u64,
    ) {
        for n in 1..=listeners {
            task.take(ShardInput::Attach(Box::new(Attach {
                life,
                tenant: tenant.clone(),
                connection: ConnectionId(n),
                sink: Sink::Socket(Box::new(eaten.clone())),
                gauge: Arc::default(),
            })));
            let listen = Delivery::Listen {
                connection: ConnectionId(n),
                room: ROOM,
                epoch: Epoch::new(5).unwrap(),
                next: Seq(1),
                head: Seq(0),
                generation: Generation(n),
            };
            let found = task.lives.get_mut(&life).unwrap();
            found.shard.deliver(life, listen);
        }
    }

    #[tokio::test]
    async fn a_shard_that_cannot_keep_up_makes_its_tenants_wait() {
        const LISTENERS: usize = 3_000;
        const EVENTS: usize = 2_000;
        let eaten = Eats::default();
        let metrics = Metrics::new(clock::now);
        let mut task = ShardTask::new(256 * 1024, Arc::clone(&metrics));
        let (inbox, _commands) = mpsc::channel(1);
        crowd(&mut task, LIFE, &inbox, &eaten, LISTENERS as u64);
        let (sender, inputs) = mpsc::channel(INBOX_MAX);
        let shards = Shards {
            inboxes: Arc::new([sender]),
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
        // just below the bound when one event more was taken.
        let bound = (2 * COLLECTED_BYTES_MAX + WAITING_BYTES_MAX as usize) / 2;
        assert!(most <= bound + 4 * TEXT_BYTES, "{most} bytes are kept");
        assert!(most > bound / 4, "{most}: the bound is reached");
    }

    fn ended(connection: u64) -> Need {
        Need::Ended {
            tenant: LIFE,
            connection: ConnectionId(connection),
        }
    }

    /// Whether there was no room for a need is asked once, however many wait behind it.
    #[tokio::test]
    async fn a_tenant_without_room_is_told_everything_in_order_as_it_gets_some() {
        const NEEDS: u64 = 5_000;
        let (inbox, mut commands) = mpsc::channel(3);
        let mut life = Life::new(256 * 1024, inbox.downgrade());
        life.needs.extend((0..NEEDS).map(ended));
        let mut told = Vec::new();
        let mut rounds = 0;
        while life.ask() {
            rounds += 1;
            while let Ok(Command::Input(Input::Disconnect { connection, .. })) = commands.try_recv()
            {
                told.push(connection.0);
            }
        }
        while let Ok(Command::Input(Input::Disconnect { connection, .. })) = commands.try_recv() {
            told.push(connection.0);
        }
        assert!(told.into_iter().eq(0..NEEDS));
        assert_eq!(rounds, NEEDS / 3);
        drop((inbox, commands));
        life.needs.push(ended(1));
        assert!(!life.ask(), "who is gone needs nothing");
        assert!(life.is_over());
    }

    #[tokio::test]
    async fn a_life_is_forgotten_when_all_its_connections_are_gone() {
        let mut task = ShardTask::new(256 * 1024, Metrics::new(clock::now));
        let (inbox, _commands) = mpsc::channel(1);
        crowd(&mut task, LIFE, &inbox, &Eats::default(), 3);
        task.tick();
        assert_eq!((task.lives.len(), task.turns.len()), (1, 1));
        for n in 1..=3 {
            task.take(ShardInput::Detach {
                life: LIFE,
                connection: ConnectionId(n),
                how: Disconnection::Clean,
            });
        }
        task.turn();
        task.tick();
        assert!(task.lives.is_empty() && task.turns.is_empty());
    }

    /// Otherwise whatever is said while thousands of tenants are awake would once a second wait for all.
    #[tokio::test]
    async fn a_tick_gives_no_turn_to_a_life_with_nothing_to_do() {
        let mut task = ShardTask::new(256 * 1024, Metrics::new(clock::now));
        let (inbox, _commands) = mpsc::channel(1);
        for life in 1..=100 {
            let attach = Attach {
                life: TenantLife(life),
                tenant: inbox.clone(),
                connection: ConnectionId(life),
                sink: Sink::Socket(Box::new(Eats::default())),
                gauge: Arc::default(),
            };
            task.take(ShardInput::Attach(Box::new(attach)));
        }
        while !task.turns.is_empty() {
            task.turn();
        }
        task.tick();
        assert_eq!((task.lives.len(), task.turns.len()), (100, 0));
        let room = Arc::new(tokio::sync::Semaphore::new(1));
        let share = Arc::clone(&room).acquire_owned().await.unwrap();
        task.lay_down(TenantLife(7), Laid::new(vec![event(1)], share, None));
        task.tick();
        assert_eq!(task.turns, [TenantLife(7)]);
    }

    /// Each has its turn, and what one of them collected is not in the way of the other.
    #[tokio::test]
    async fn lives_with_much_to_write_take_turns() {
        const LISTENERS: usize = 2_000;
        let mut task = ShardTask::new(256 * 1024, Metrics::new(clock::now));
        let (inbox, _commands) = mpsc::channel(1);
        let lives = [TenantLife(1), TenantLife(2)];
        let eaten = lives.map(|_| Eats::default());
        for (life, eaten) in lives.iter().zip(&eaten) {
            crowd(&mut task, *life, &inbox, eaten, LISTENERS as u64);
        }
        while !task.turns.is_empty() {
            task.turn();
        }
        let room = Arc::new(tokio::sync::Semaphore::new(lives.len()));
        for life in lives {
            let share = Arc::clone(&room).acquire_owned().await.unwrap();
            task.lay_down(life, Laid::new(vec![event(1)], share, None));
        }
        let mut apart = 0;
        while !task.turns.is_empty() {
            task.turn();
            let [one, other] = eaten.each_ref().map(|it| it.0.load(Ordering::Relaxed));
            apart = apart.max(one.abs_diff(other) / TEXT_BYTES);
        }
        assert!(apart > 0 && apart <= LISTENERS_PER_CALL + 2, "{apart}");
        for eaten in eaten {
            assert!(eaten.0.load(Ordering::Relaxed) > LISTENERS * TEXT_BYTES);
        }
    }

    #[tokio::test]
    async fn a_release_larger_than_an_inbox_goes_through() {
        let shards = Shards::start(1, 256 * 1024, Metrics::new(clock::now));
        let mut outlet = HubOutlet::new(shards, LIFE);
        let events = WAITING_BYTES_MAX as usize / TEXT_BYTES;
        for _ in 0..3 {
            outlet
                .deliver((1..=events as u64).map(event).collect(), Vec::new())
                .await;
        }
    }
}
