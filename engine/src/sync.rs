//! What two threads meet at: the standard library's, or loom's, which takes every turn that threads can take.
//!
//! A *model* is a test of the very code that ships, run under loom: each order in which its threads may come, as
//! far as they are interrupted a few times, and each value that an atomic may still show. Models lie beside what
//! they are of, in files named `models.rs`, and are run by
//!
//! ```sh
//! cargo test -p homeroom-engine --lib --features models models::
//! ```
//!
//! Where threads meet, and what holds there:
//!
//! | where | who | what holds |
//! |---|---|---|
//! | `hub/gauge.rs` | a shard writes, a connection's reader looks | what was asked is counted until it is answered; a reader that stopped is woken (models) |
//! | `session/queue.rs` | the hub puts, a session's reader takes | nothing is lost, doubled or slept through; a refused hub is told of room; the gauge is the length (models) |
//! | `session/sink.rs` | who asks, the hub that answers, the end | every asker hears an answer or the end, and its place is free (models) |
//! | `index/cache.rs` | whoever works on an index | no more open than may be once nobody works, and all of them known (model) |
//! | `log/opened.rs`, `log/view.rs` | readers of a log, and its trim | no more held than may be, nothing trimmed held (models) |
//! | `log/quota.rs` | an append and a trim | each commit is counted once (model) |
//! | `log/segments.rs` | the writer, readers, a checkpoint | three locks in one order, said in `log/appender.rs` |
//! | `runtime/directory.rs` | visitors, and a tenant that falls asleep | tokio's lock of the tenant's slot; what was left is looked for while it is held (tests) |
//! | `runtime/` else: writer, shards, outlet, pool | tasks | each owns its state; they meet at tokio's channels and semaphores alone |
//! | `hub/` else: pipe, outbox, pauses, rosters | nobody: a shard is one task's | |
//! | `metrics/`, `index/indexer.rs`, `index/damage.rs` | everybody | numbers and flags, each true on its own |
//! | the server's `socket.rs`, `wire/foreign.rs` | the hub writes, the connection's task waits | see the server's `sync.rs` |
//!
//! A model's threads are few and its bounds small, for what can happen grows by the factorial. What is not taken
//! from here (tokio's channels and semaphores, `Arc`) is one step to a model: it is somebody else's to check.

#[cfg(not(all(test, feature = "models")))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize},
};

#[cfg(all(test, feature = "models"))]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize},
};

/// Runs a model in every order of its threads' steps that interrupts them at most this often. Nearly all that
/// goes wrong does so within two; each one more multiplies the time by what a thread has of steps.
#[cfg(all(test, feature = "models"))]
pub(crate) fn explore(model: impl Fn() + Send + Sync + 'static) {
    const INTERRUPTIONS_MAX: usize = 3;
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 10_000;
    let interruptions_max = builder.preemption_bound.unwrap_or(INTERRUPTIONS_MAX);
    builder.preemption_bound = Some(interruptions_max);
    builder.check(model);
}
