//! The directory of tenants: it hands out addresses and wakes who sleeps. It holds no facts.
//!
//! An address is the sender of a writer's inbox. A tenant is awake exactly while its inbox is open: a
//! writer lets go of it last, when nothing on its stores is under way, so that whoever finds it closed
//! may open the stores anew.

use std::{
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use dashmap::DashMap;
use homeroom_protocol::TenantName;
use tokio::{
    sync::{Mutex, OwnedMutexGuard, mpsc, oneshot},
    time::Instant,
};
use tracing::{Instrument, info_span};

use super::{
    pool::Pool,
    writer::{Awake, Bed, Command, Habits, INBOX_MAX, Outlet, URGENT_MAX, Writer},
};
use crate::{
    domain::Domain,
    hub::TenantLife,
    log::Log,
    metrics::{Metrics, Watch},
};

/// Makes what a tenant of one kind needs to be awake.
pub(crate) trait Host<D: Domain>: fmt::Debug + Send + Sync + 'static {
    /// Where its effects go.
    type Outlet: Outlet<D>;
    /// Why it cannot wake.
    type Error: Send + 'static;

    /// Opens its stores and brings its state up to the end of its log. Blocks.
    fn wake(&self, tenant: &TenantName) -> Result<Awake<D>, Self::Error>;

    /// A life of this tenant ended by a failure; its stores are to be recovered at the next waking.
    fn failed(&self, tenant: &TenantName);

    /// Where the effects of this life go.
    fn outlet(&self, life: TenantLife) -> Self::Outlet;
}

/// All tenants of one kind.
#[derive(Debug)]
pub(crate) struct Directory<D: Domain, H> {
    shared: Arc<Shared<D, H>>,
}

#[derive(Debug)]
struct Shared<D: Domain, H> {
    slots: DashMap<TenantName, Slot<D>>,
    host: Arc<H>,
    pool: Pool,
    habits: Habits,
    metrics: Arc<Metrics>,
    lives: AtomicU64,
    closed: AtomicBool,
}

/// Locked by whoever wakes, visits or puts to bed; `None`, or an inbox that is closed: asleep.
type Slot<D> = Arc<Mutex<Option<Address<D>>>>;
type Locked<D> = OwnedMutexGuard<Option<Address<D>>>;

/// Where an awake tenant is reached.
#[derive(Debug)]
pub(crate) struct Address<D: Domain> {
    pub(crate) life: TenantLife,
    pub(crate) inbox: mpsc::Sender<Command<D>>,
    /// For what must not wait behind a slow disk: revocations, and the end.
    pub(crate) urgent: mpsc::Sender<Command<D>>,
    /// For reading beside the writer.
    pub(crate) log: Arc<dyn Log>,
}

impl<D: Domain> Clone for Address<D> {
    fn clone(&self) -> Self {
        Self {
            life: self.life,
            inbox: self.inbox.clone(),
            urgent: self.urgent.clone(),
            log: Arc::clone(&self.log),
        }
    }
}

/// Holds a tenant awake: while it lives, the tenant does not fall asleep.
#[derive(Debug)]
pub(crate) struct Visit<D: Domain> {
    slot: Locked<D>,
}

impl<D: Domain> Visit<D> {
    pub(crate) fn address(&self) -> &Address<D> {
        self.slot.as_ref().expect("a visit begins with an address")
    }
}

/// Holds a tenant as it is, awake or asleep: while it lives, nobody wakes it. Make it short.
#[derive(Debug)]
pub(crate) struct Hold<D: Domain> {
    slot: Locked<D>,
}

impl<D: Domain> Hold<D> {
    /// The log of an awake tenant, to be read beside its writer.
    pub(crate) fn log(&self) -> Option<Arc<dyn Log>> {
        let address = self.slot.as_ref().filter(|address| is_up(address));
        address.map(|address| Arc::clone(&address.log))
    }

    /// Has an awake tenant finish, snapshot, seal and end. Returns the life that ended.
    pub(crate) async fn put_to_bed(&mut self) -> Option<TenantLife> {
        let address = self.slot.clone()?;
        let (told, end) = oneshot::channel();
        // Refused when it has ended already.
        let _ = address.urgent.send(Command::Close(told)).await;
        let _ = end.await;
        address.inbox.closed().await;
        *self.slot = None;
        Some(address.life)
    }
}

/// Why a tenant cannot be visited.
#[derive(Debug)]
pub(crate) enum VisitError<E> {
    /// The directory is closed.
    Closed,
    /// It does not wake.
    Asleep(E),
}

impl<D: Domain, H: Host<D>> Directory<D, H> {
    pub(crate) fn new(host: Arc<H>, pool: Pool, habits: Habits, metrics: Arc<Metrics>) -> Self {
        let shared = Shared {
            slots: DashMap::new(),
            host,
            pool,
            habits,
            metrics,
            lives: AtomicU64::new(1),
            closed: AtomicBool::new(false),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Whether the tenant is awake at this moment.
    pub(crate) fn is_awake(&self, tenant: &TenantName) -> bool {
        let Some(slot) = self.slot(tenant) else {
            return false;
        };
        // Whoever holds the slot is waking it, visiting it, or putting it to bed.
        slot.try_lock()
            .map_or(true, |slot| slot.as_ref().is_some_and(is_up))
    }

    /// Where the tenant is reached, if it is awake.
    pub(crate) async fn awake(&self, tenant: &TenantName) -> Option<Address<D>> {
        let slot = self.slot(tenant)?;
        let address = slot.lock().await.clone();
        address.filter(is_up)
    }

    /// Visits a tenant, waking it first if it sleeps. One visit at a time: make it short.
    pub(crate) async fn visit(
        &self,
        tenant: &TenantName,
    ) -> Result<Visit<D>, VisitError<H::Error>> {
        let slot = Arc::clone(&self.shared.slots.entry(tenant.clone()).or_default());
        let slot = slot.lock_owned().await;
        if self.shared.closed.load(Ordering::SeqCst) {
            return Err(VisitError::Closed);
        }
        if slot.as_ref().is_some_and(is_up) {
            return Ok(Visit { slot });
        }
        // In a task of its own, which holds the slot: should the visitor give up meanwhile, nobody
        // else opens the same stores beside it.
        let waking = Arc::clone(&self.shared).wake(tenant.clone(), slot);
        match tokio::spawn(waking.in_current_span()).await {
            Ok(woken) => woken.map(|slot| Visit { slot }).map_err(VisitError::Asleep),
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    /// Holds a tenant as it is; `None` when the directory is closed.
    pub(crate) async fn hold(&self, tenant: &TenantName) -> Option<Hold<D>> {
        let slot = Arc::clone(&self.shared.slots.entry(tenant.clone()).or_default());
        let slot = slot.lock_owned().await;
        let closed = self.shared.closed.load(Ordering::SeqCst);
        (!closed).then_some(Hold { slot })
    }

    /// Lets go of a tenant that is gone: nothing of it stays here, unless somebody waits for it.
    pub(crate) fn forget(&self, tenant: &TenantName, hold: Hold<D>) {
        // The map's and the hold's: nobody else can come by another, the map is locked meanwhile.
        let unused = |_: &TenantName, slot: &Slot<D>| Arc::strong_count(slot) == 2;
        self.shared.slots.remove_if(tenant, unused);
        drop(hold);
    }

    /// Puts every awake tenant to bed: all that was taken is on disk and sealed afterwards, and no
    /// tenant wakes again. Returns the lives that ended. May be called again, and then waits as well.
    pub(crate) async fn close(&self) -> Vec<TenantLife> {
        self.shared.closed.store(true, Ordering::SeqCst);
        let slots: Vec<Slot<D>> = self
            .shared
            .slots
            .iter()
            .map(|slot| Arc::clone(&slot))
            .collect();
        let mut ending = Vec::new();
        for slot in slots {
            let slot = slot.lock_owned().await;
            if let Some(address) = slot.clone() {
                let (told, end) = oneshot::channel();
                // Refused when it has ended already.
                let _ = address.urgent.send(Command::Close(told)).await;
                ending.push((slot, address, end));
            }
        }
        let mut lives = Vec::with_capacity(ending.len());
        for (mut slot, address, end) in ending {
            let _ = end.await;
            address.inbox.closed().await;
            *slot = None;
            lives.push(address.life);
        }
        lives
    }

    fn slot(&self, tenant: &TenantName) -> Option<Slot<D>> {
        self.shared.slots.get(tenant).map(|slot| Arc::clone(&slot))
    }
}

impl<D: Domain, H: Host<D>> Shared<D, H> {
    async fn wake(
        self: Arc<Self>,
        tenant: TenantName,
        mut slot: Locked<D>,
    ) -> Result<Locked<D>, H::Error> {
        *slot = None;
        let life = TenantLife(self.lives.fetch_add(1, Ordering::Relaxed));
        let (host, name) = (Arc::clone(&self.host), tenant.clone());
        let started = Instant::now();
        let awake = self.pool.run(move || host.wake(&name)).await;
        let awake = match awake {
            Ok(Ok(awake)) => awake,
            Ok(Err(error)) => {
                self.metrics.did_not_wake();
                return Err(error);
            }
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        let log = Arc::clone(&awake.stores.log);
        let (inbox, inputs) = mpsc::channel(INBOX_MAX);
        let (urgent, urgents) = mpsc::channel(URGENT_MAX);
        let bed = SlotBed {
            slot: Arc::downgrade(OwnedMutexGuard::mutex(&slot)),
            taken: None,
            host: Arc::clone(&self.host),
            tenant: tenant.clone(),
        };
        let outlet = self.host.outlet(life);
        self.metrics.woke(started.elapsed());
        let watch = Watch::new(Arc::clone(&self.metrics), tenant.clone());
        let writer = Writer::new(awake, outlet, bed, self.habits, self.pool.clone(), watch);
        let span = info_span!("tenant", tenant = %tenant);
        tokio::spawn(writer.run(inputs, urgents).instrument(span));
        *slot = Some(Address {
            life,
            inbox,
            urgent,
            log,
        });
        Ok(slot)
    }
}

fn is_up<D: Domain>(address: &Address<D>) -> bool {
    !address.inbox.is_closed()
}

/// A writer's way to fall asleep: it takes its own slot, so that nobody can visit until its stores are
/// closed.
struct SlotBed<D: Domain, H> {
    /// Weak: the slot holds this writer's own address.
    slot: Weak<Mutex<Option<Address<D>>>>,
    taken: Option<Locked<D>>,
    host: Arc<H>,
    tenant: TenantName,
}

impl<D: Domain, H: Host<D>> Bed for SlotBed<D, H> {
    fn lie_down(&mut self, nobody_waits: impl Fn() -> bool) -> bool {
        let Some(slot) = self.slot.upgrade() else {
            return true;
        };
        let Ok(mut slot) = slot.try_lock_owned() else {
            return false;
        };
        if !nobody_waits() {
            return false;
        }
        *slot = None;
        self.taken = Some(slot);
        true
    }

    fn fall_ill(&mut self) {
        self.host.failed(&self.tenant);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::{
        log::MemoryLog,
        runtime::tests::tally::{Effect, Tally},
    };

    #[derive(Debug)]
    struct Nowhere;

    impl Outlet<Tally> for Nowhere {
        async fn deliver(&mut self, _: Vec<Effect>, _: Vec<tracing::Span>) {}

        async fn abandon(&mut self) {}
    }

    impl Host<Tally> for Nowhere {
        type Outlet = Self;
        type Error = Infallible;

        fn wake(&self, _: &TenantName) -> Result<Awake<Tally>, Infallible> {
            unreachable!("nobody visits")
        }

        fn failed(&self, _: &TenantName) {}

        fn outlet(&self, _: TenantLife) -> Self {
            Self
        }
    }

    #[test]
    fn a_tenant_lies_down_only_when_nothing_was_left_by_whoever_could_still_come() {
        let (inbox, _inputs) = mpsc::channel(1);
        let (urgent, _urgents) = mpsc::channel(1);
        let slot: Slot<Tally> = Arc::new(Mutex::new(Some(Address {
            life: TenantLife(1),
            inbox,
            urgent,
            log: Arc::new(MemoryLog::new()),
        })));
        let mut bed = SlotBed {
            slot: Arc::downgrade(&slot),
            taken: None,
            host: Arc::new(Nowhere),
            tenant: "north".parse().unwrap(),
        };
        let visit = slot.try_lock().unwrap();
        assert!(!bed.lie_down(|| true), "somebody is there");
        drop(visit);
        assert!(!bed.lie_down(|| false), "something was left");
        assert!(slot.try_lock().unwrap().is_some(), "and is still reached");
        let alone = || {
            assert!(slot.try_lock().is_err(), "nobody can come when it looks");
            true
        };
        assert!(bed.lie_down(alone));
        assert!(
            slot.try_lock().is_err(),
            "nobody can come until it is asleep"
        );
        drop(bed);
        assert!(slot.try_lock().unwrap().is_none());
    }
}
