//! The bounded pool for calls that block on the disk, shared by all tenants.

use std::sync::Arc;

use tokio::{sync::Semaphore, task::JoinHandle};

/// Lets at most so many blocking calls run at once; further ones wait in the order they came.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    permits: Arc<Semaphore>,
}

impl Pool {
    /// A pool of `threads`.
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(threads.max(1))),
        }
    }

    /// Runs `call` when it is its turn. Dropping the handle does not stop it.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let permits = Arc::clone(&self.permits);
        // The common case, a free permit, costs one hand-over to a thread and no extra task.
        match Arc::clone(&permits).try_acquire_owned() {
            Ok(permit) => tokio::task::spawn_blocking(move || {
                let _permit = permit;
                call()
            }),
            Err(_) => tokio::spawn(async move {
                let permit = permits
                    .acquire_owned()
                    .await
                    .expect("the semaphore is never closed");
                let done = tokio::task::spawn_blocking(move || {
                    let _permit = permit;
                    call()
                });
                match done.await {
                    Ok(value) => value,
                    Err(stopped) => std::panic::resume_unwind(stopped.into_panic()),
                }
            }),
        }
    }
}
