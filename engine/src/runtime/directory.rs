//! The directory of tenants: it hands out addresses and wakes who sleeps. It holds no facts.
//!
//! An address is the sender of a writer's inbox. A tenant is awake exactly while its inbox is open: a
//! writer lets go of it last, when nothing on its stores is under way, so that whoever finds it closed
//! may open the stores anew.

use std::{
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use dashmap::DashMap;
use homeroom_protocol::TenantName;
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, oneshot};
use tracing::{Instrument, error, info_span};

use super::{
    pool::Pool,
    writer::{Awake, Bed, Command, Ended, Habits, INBOX_MAX, Outlet, Writer},
};
use crate::{domain::Domain, hub::TenantLife};

/// Makes what a tenant of one kind needs to be awake.
pub(crate) trait Host<D: Domain>: fmt::Debug + Send + Sync + 'static {
    /// Where its effects go.
    type Outlet: Outlet<D> + Clone;
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
    slots: DashMap<TenantName, Slot<D>>,
    host: Arc<H>,
    pool: Pool,
    habits: Habits,
    lives: AtomicU64,
}

type Slot<D> = Arc<Mutex<Option<Address<D>>>>;

/// Where an awake tenant is reached.
#[derive(Debug)]
pub(crate) struct Address<D: Domain> {
    pub(crate) life: TenantLife,
    pub(crate) inbox: mpsc::Sender<Command<D>>,
}

impl<D: Domain> Clone for Address<D> {
    fn clone(&self) -> Self {
        Self {
            life: self.life,
            inbox: self.inbox.clone(),
        }
    }
}

/// Holds a tenant awake: while it lives, the tenant does not fall asleep.
#[derive(Debug)]
pub(crate) struct Visit<D: Domain> {
    slot: OwnedMutexGuard<Option<Address<D>>>,
}

impl<D: Domain> Visit<D> {
    pub(crate) fn address(&self) -> &Address<D> {
        self.slot.as_ref().expect("a visit begins with an address")
    }
}

impl<D: Domain, H: Host<D>> Directory<D, H> {
    pub(crate) fn new(host: Arc<H>, pool: Pool, habits: Habits) -> Self {
        Self {
            slots: DashMap::new(),
            host,
            pool,
            habits,
            lives: AtomicU64::new(1),
        }
    }

    /// Whether the tenant is awake at this moment.
    pub(crate) fn is_awake(&self, tenant: &TenantName) -> bool {
        let Some(slot) = self.slots.get(tenant).map(|slot| Arc::clone(&slot)) else {
            return false;
        };
        // Whoever holds the slot is waking it, or visiting it.
        slot.try_lock().map_or(true, |slot| {
            slot.as_ref()
                .is_some_and(|address| !address.inbox.is_closed())
        })
    }

    /// Visits a tenant, waking it first if it sleeps. One visit at a time: make it short.
    pub(crate) async fn visit(&self, tenant: &TenantName) -> Result<Visit<D>, H::Error> {
        let slot = Arc::clone(&self.slots.entry(tenant.clone()).or_default());
        let mut guard = Arc::clone(&slot).lock_owned().await;
        if guard
            .as_ref()
            .is_none_or(|address| address.inbox.is_closed())
        {
            *guard = None;
            *guard = Some(self.wake(tenant, slot).await?);
        }
        Ok(Visit { slot: guard })
    }

    async fn wake(&self, tenant: &TenantName, slot: Slot<D>) -> Result<Address<D>, H::Error> {
        let life = TenantLife(self.lives.fetch_add(1, Ordering::Relaxed));
        let (host, name) = (Arc::clone(&self.host), tenant.clone());
        let awake = self
            .pool
            .run(move || host.wake(&name))
            .await
            .expect("waking does not panic")?;
        let (inbox, commands) = mpsc::channel(INBOX_MAX);
        let outlet = self.host.outlet(life);
        let mut spare = outlet.clone();
        let bed = SlotBed {
            slot: Arc::downgrade(&slot),
            taken: None,
            host: Arc::clone(&self.host),
            tenant: tenant.clone(),
        };
        let (host, name) = (Arc::clone(&self.host), tenant.clone());
        let writer = Writer::new(awake, outlet, bed, self.habits, self.pool.clone());
        let span = info_span!("tenant", tenant = %tenant);
        tokio::spawn(
            async move {
                // A task of its own, so that a panic ends one life of one tenant and nothing else.
                match tokio::spawn(writer.run(commands).in_current_span()).await {
                    Ok(Ended::Closed | Ended::Failed) => {}
                    Err(panicked) => {
                        error!(%panicked, "the writer panicked; the tenant will be replayed");
                        host.failed(&name);
                        spare.abandon().await;
                    }
                }
            }
            .instrument(span),
        );
        Ok(Address { life, inbox })
    }

    /// Puts every awake tenant to bed: all that was taken is on disk and sealed afterwards. Returns
    /// the lives that ended.
    pub(crate) async fn close(&self) -> Vec<TenantLife> {
        let slots: Vec<Slot<D>> = self.slots.iter().map(|slot| Arc::clone(&slot)).collect();
        let mut ends = Vec::new();
        for slot in slots {
            let address = slot.lock().await.take();
            let Some(address) = address else { continue };
            let (told, end) = oneshot::channel();
            if address.inbox.send(Command::Close(told)).await.is_ok() {
                ends.push((end, address));
            }
        }
        let mut lives = Vec::with_capacity(ends.len());
        for (end, address) in ends {
            // An error means the writer has ended already.
            let _ = end.await;
            address.inbox.closed().await;
            lives.push(address.life);
        }
        lives
    }
}

/// A writer's way to fall asleep: it takes its own slot, so that nobody can visit until its stores are
/// closed.
struct SlotBed<D: Domain, H> {
    /// Weak: the slot holds this writer's own address.
    slot: Weak<Mutex<Option<Address<D>>>>,
    taken: Option<OwnedMutexGuard<Option<Address<D>>>>,
    host: Arc<H>,
    tenant: TenantName,
}

impl<D: Domain, H: Host<D>> Bed for SlotBed<D, H> {
    fn lie_down(&mut self) -> bool {
        let Some(slot) = self.slot.upgrade() else {
            return true;
        };
        self.taken = slot.try_lock_owned().ok();
        if let Some(slot) = &mut self.taken {
            **slot = None;
        }
        self.taken.is_some()
    }

    fn fall_ill(&mut self) {
        self.host.failed(&self.tenant);
    }
}
