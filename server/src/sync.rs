//! What two threads meet at in a connection: the standard library's, or loom's, which takes every turn that threads
//! can take. What a model is, the engine's `sync.rs` says. Those here are run by
//!
//! ```sh
//! cargo test -p homeroom-server --lib --features models models::
//! ```
//!
//! | where | who | what holds |
//! |---|---|---|
//! | `socket.rs` over `wire/foreign.rs` | the hub writes, the task waits and answers pings, the far end makes room | a hub without room is told of it; frames arrive whole, control frames between them; no change is slept through (models) |
//! | `socket.rs` over TCP and TLS | the same | the same socket; tokio and one lock below it (tests over every wire) |
//! | `admission/`, `http/api/keyring.rs`, `telemetry/` | everybody | one lock or a count each |

use std::hint::black_box;

#[cfg(not(all(test, feature = "models")))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic::AtomicBool};

#[cfg(all(test, feature = "models"))]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic::AtomicBool};

/// Looks at a lock that will soon be taken.
pub(crate) fn bring_near<T>(mutex: &Mutex<T>) {
    // All there is to look at without taking it; loom's has no such thing, and no cache.
    #[cfg(not(all(test, feature = "models")))]
    black_box(mutex.is_poisoned());
    #[cfg(all(test, feature = "models"))]
    black_box(mutex);
}

/// Runs a model in every order of its threads' steps that interrupts them at most so often.
#[cfg(all(test, feature = "models"))]
pub(crate) fn explore(interruptions_max: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 10_000;
    let interruptions_max = builder.preemption_bound.unwrap_or(interruptions_max);
    builder.preemption_bound = Some(interruptions_max);
    builder.check(model);
}
