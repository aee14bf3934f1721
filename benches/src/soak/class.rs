//! The classes, and where everybody notes down what they said and heard.

use std::{
    net::SocketAddr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use homeroom_client::{IdempotencyKey, RoomId};
use homeroom_protocol::{Request, RoomInfo, TenantName};

use crate::{
    host::{Failure, tenant},
    line::Line,
    load::Histogram,
};

/// One class: a room of a tenant.
#[derive(Debug, Clone)]
pub struct Class {
    /// The tenant's name.
    pub tenant: TenantName,
    /// Its room.
    pub room: RoomId,
    /// The same class in all of [`Board::said`].
    pub number: usize,
}

impl Class {
    /// The class of this number, of so many tenants.
    ///
    /// # Errors
    /// Never: its names are valid.
    pub fn new(number: usize, tenants: usize) -> Result<Self, Failure> {
        Ok(Self {
            tenant: tenant(&Self::tenant_name(number % tenants)),
            room: format!("class-{number}").parse()?,
            number,
        })
    }

    /// The name of a tenant.
    #[must_use]
    pub fn tenant_name(number: usize) -> String {
        format!("school-{number}")
    }
}

/// What all have in common.
#[derive(Debug)]
pub struct Network {
    /// Where the host is.
    pub address: SocketAddr,
    /// What moments are counted from.
    pub origin: Instant,
    /// How long a connection lasts, on average.
    pub connection_lasts: Duration,
    /// Where all note down what happened.
    pub board: Board,
}

/// What all note down.
#[derive(Debug)]
pub struct Board {
    /// Messages of each class that were acknowledged.
    pub said: Vec<AtomicU64>,
    /// Messages that the people of each class heard, all together.
    pub heard: Vec<AtomicU64>,
    /// Who is in their room for the first time.
    pub joined: AtomicU64,
    /// Connections that ended, for whatever reason.
    pub cuts: AtomicU64,
    /// Apps that were closed and opened again.
    pub restarts: AtomicU64,
    latencies: Mutex<Histogram>,
    failed: Mutex<Option<String>>,
}

impl Board {
    /// For so many classes.
    #[must_use]
    pub fn new(classes: usize) -> Self {
        let none = || (0..classes).map(|_| AtomicU64::new(0)).collect();
        Self {
            said: none(),
            heard: none(),
            joined: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
            latencies: Mutex::default(),
            failed: Mutex::default(),
        }
    }

    /// A message that was due so long ago is on disk.
    pub(super) fn stored(&self, after: Duration) {
        locked(&self.latencies).record(after);
    }

    /// How long messages took since this was asked last.
    #[must_use]
    pub fn latencies(&self) -> Histogram {
        std::mem::take(&mut *locked(&self.latencies))
    }

    /// All messages that were acknowledged.
    #[must_use]
    pub fn said_in_all(&self) -> u64 {
        (self.said.iter())
            .map(|said| said.load(Ordering::SeqCst))
            .sum()
    }

    pub(super) fn fail(&self, what: String) {
        locked(&self.failed).get_or_insert(what);
    }

    /// What went wrong first, if anything did.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        locked(&self.failed).clone()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the rooms.
///
/// # Errors
/// The host's.
pub async fn make_classes(address: SocketAddr, classes: &[Class]) -> Result<(), Failure> {
    for class in classes {
        let mut maker = Line::enter(address, &class.tenant, "maker").await?;
        let create = Request::Create {
            key: key(u64::MAX, u64::try_from(class.number)?),
            room: class.room.clone(),
            info: RoomInfo::default(),
            members: Vec::new(),
        };
        maker.ask(1, create).await?;
    }
    Ok(())
}

pub(super) fn key(who: u64, number: u64) -> IdempotencyKey {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&who.to_be_bytes());
    key[8..].copy_from_slice(&number.to_be_bytes());
    IdempotencyKey(key)
}
