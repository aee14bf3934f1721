//! The bounded pool for calls that block on the disk, shared by all tenants.
//!
//! Commits have places of their own: whoever waits for one waits for nothing but commits, however
//! slowly others read.

use std::sync::Arc;

use tokio::{sync::Semaphore, task::JoinHandle};

/// Lets at most so many blocking calls of each kind run at once; further ones wait in the order they
/// came.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    calls: Arc<Semaphore>,
    commits: Arc<Semaphore>,
}

impl Pool {
    /// A pool of `threads` for commits, and as many for all else.
    pub(crate) fn new(threads: usize) -> Self {
        let permits = || Arc::new(Semaphore::new(threads.max(1)));
        Self {
            calls: permits(),
            commits: permits(),
        }
    }

    /// Runs `call` when it is its turn. Dropping the handle does not stop it.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        run(&self.calls, call)
    }

    /// Like [`run`](Self::run), for what others wait for to be durable: it must not read anything long.
    pub(crate) fn commit<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        run(&self.commits, call)
    }
}

fn run<T: Send + 'static>(
    permits: &Arc<Semaphore>,
    call: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let permits = Arc::clone(permits);
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn commits_do_not_wait_for_other_calls_nor_these_for_commits() {
        let pool = Pool::new(2);
        type Run = fn(&Pool, mpsc::Receiver<()>) -> JoinHandle<()>;
        let lanes: [Run; 2] = [
            |pool, hold| pool.run(move || hold.recv().unwrap_or(())),
            |pool, hold| pool.commit(move || hold.recv().unwrap_or(())),
        ];
        for (slow, quick) in [(lanes[0], lanes[1]), (lanes[1], lanes[0])] {
            let held: Vec<_> = (0..3)
                .map(|_| {
                    let (let_go, hold) = mpsc::channel();
                    (let_go, slow(&pool, hold))
                })
                .collect();
            let (_, at_once) = mpsc::channel();
            let in_time = std::time::Duration::from_secs(20);
            let done = tokio::time::timeout(in_time, quick(&pool, at_once)).await;
            done.expect("its lane is free").unwrap();
            assert!(held.iter().all(|(_, call)| !call.is_finished()));
            for (let_go, call) in held {
                drop(let_go);
                call.await.unwrap();
            }
        }
    }
}
