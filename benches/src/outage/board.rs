//! Where all clients note down what happened to them, and where it is waited for that it has.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};

use crate::host::Failure;

/// Longer than any storm lasts.
const PATIENCE: Duration = Duration::from_secs(180);

/// What all clients note down.
#[derive(Debug, Default)]
pub struct Board {
    /// Clients that joined their room for the first time.
    pub joined: AtomicUsize,
    /// Messages that were acknowledged.
    pub acknowledged: AtomicUsize,
    /// Clients that are welcomed now.
    pub(super) live: AtomicUsize,
    notes: Mutex<Notes>,
    failed: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) lost: Vec<Instant>,
    pub(super) told_ms: Vec<f64>,
    pub(super) welcomed: Vec<Instant>,
    pub(super) acknowledged: Vec<Instant>,
    pub(super) failures: usize,
    pub(super) violations: u64,
}

impl Board {
    pub(super) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn fail(&self, what: impl Into<String>) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get_or_insert_with(|| what.into());
    }

    fn failed(&self) -> Option<String> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.clone()
    }

    /// How often a client found that the host broke the protocol, of those that stopped.
    #[must_use]
    pub fn violations(&self) -> u64 {
        self.notes().violations
    }

    /// Waits until so many have been counted.
    ///
    /// # Errors
    /// What failed meanwhile, or that it took too long.
    pub async fn reach(&self, counter: &AtomicUsize, count: u64) -> Result<(), Failure> {
        let count = usize::try_from(count)?;
        let reached = async {
            while counter.load(Ordering::SeqCst) != count {
                if let Some(failed) = self.failed() {
                    return Err(failed);
                }
                sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        };
        let late = |_| format!("{} of {count}", counter.load(Ordering::SeqCst));
        timeout(PATIENCE, reached).await.map_err(late)??;
        Ok(())
    }
}
