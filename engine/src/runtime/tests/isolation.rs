//! One tenant's flood and another one's request, on one thread that does nothing else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Notify, mpsc};

use super::{
    tally::{Effect, Input, Tally},
    watch,
};
use crate::{
    index::{Indexer, MemoryPlace},
    log::MemoryLog,
    runtime::{
        pool::Pool,
        wake,
        writer::{
            Bed, Command, Habits, INBOX_MAX, INPUTS_PER_TURN, Outlet, Stores, URGENT_MAX, Writer,
        },
    },
};

/// The most that another tenant does between the moment a request is handed over and its decision: the
/// turn that it is in, and one that it may begin before it is this tenant's. It does not grow with how much
/// waits there.
const FOREIGN_WORK_MAX: usize = 2 * INPUTS_PER_TURN;

/// Counts what leaves a tenant.
#[derive(Clone, Default)]
struct Count {
    answered: Arc<AtomicUsize>,
    changed: Arc<Notify>,
}

impl Count {
    fn get(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    async fn reach(&self, count: usize) {
        while self.get() < count {
            self.changed.notified().await;
        }
    }
}

impl Outlet<Tally> for Count {
    async fn deliver(&mut self, effects: Vec<Effect>, _: Vec<tracing::Span>) {
        self.answered.fetch_add(effects.len(), Ordering::SeqCst);
        self.changed.notify_one();
    }

    async fn abandon(&mut self) {}
}

struct Awake;

impl Bed for Awake {
    fn lie_down(&mut self, _: impl Fn() -> bool) -> bool {
        false
    }

    fn fall_ill(&mut self) {}
}

fn tenant(count: &Count) -> (mpsc::Sender<Command<Tally>>, mpsc::Sender<Command<Tally>>) {
    let log = MemoryLog::new();
    let writer = log.reopen();
    let stores = Stores {
        log: Arc::new(log),
        index: Arc::new(Indexer::new((), Box::new(MemoryPlace), None)),
    };
    let awake = wake::wake::<Tally>(&(), stores, None, writer).unwrap();
    let habits = Habits {
        sleep_after: Duration::from_secs(3600),
        snapshot_every: u64::MAX,
    };
    let (inbox, commands) = mpsc::channel(INBOX_MAX);
    let (urgent, urgents) = mpsc::channel(URGENT_MAX);
    let writer = Writer::new(awake, count.clone(), Awake, habits, Pool::new(1), watch());
    tokio::spawn(writer.run(commands, urgents));
    (inbox, urgent)
}

#[tokio::test]
async fn a_flood_delays_another_tenant_by_a_few_turns_however_long_its_queue_is() {
    let (flood, calm) = (Count::default(), Count::default());
    let (flooded, _urgent) = tenant(&flood);
    let (other, _other_urgent) = tenant(&calm);
    // So many senders that the inbox is full whenever the tenant looks.
    for who in 1..=16 {
        let flooded = flooded.clone();
        tokio::spawn(async move {
            let total = || Command::Input(Input::Total { who });
            while flooded.send(total()).await.is_ok() {}
        });
    }
    flood.reach(10 * INBOX_MAX).await;
    let mut most = 0;
    for answer in 1..=50 {
        let before = flood.get();
        let command = Command::Input(Input::Total { who: 17 });
        other.send(command).await.unwrap();
        calm.reach(answer).await;
        most = most.max(flood.get() - before);
    }
    assert!(
        most <= FOREIGN_WORK_MAX,
        "{most} foreign requests came first"
    );
    assert!(most > 0, "the flood went on meanwhile");
}
