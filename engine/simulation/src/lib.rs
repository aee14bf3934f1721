//! Runs Homeroom in virtual time: a disk, a network and a clock that fail by a seed, many clients, and checks
//! after every step that what it promises holds.
//!
//! One seed gives one run, step by step and byte by byte. A run that breaks a promise is made as short as it
//! goes and printed as a scenario; the command that is printed with it shows it again.
//!
//! ```
//! use homeroom_simulation::{Plan, run};
//!
//! let plan = Plan::new(7, 100);
//! assert_eq!(run(&plan, None).broken, None);
//! ```
//!
//! | real | in place of the real | not simulated |
//! |---|---|---|
//! | tenant core: all rules, recovery, snapshots' sections | the writer task: what it waits for at once is chosen one by one here | tokio, threads, sockets, TLS |
//! | runtime core: group commit, held effects, lanes, questions | the directory: a tenant wakes for a visit, sleeps when it is idle | the server's HTTP, drain by signal, heartbeats of the host |
//! | waking: snapshot and replay; when a snapshot is due | clock and entropy: numbers of the seed | sled: rows live in memory |
//! | log: segments, mark, recovery, checkpoints | disk: cache and medium, torn writes, failed syncs, no space | backups, restore, repair, export |
//! | snapshot store: files, manifests | network: a bounded stream each way, cut, stalled, noticed late | in-process sessions, signals of apps |
//! | indexer: what follows the log, its questions | the host's reading of sockets: hello, requests in flight | budgets, retention, blocks, mentions, pins, roles but that of everyone |
//! | hub shards: audiences, outboxes, pages, pauses | | more than one host |
//! | the Rust client's machine | | the JavaScript client |
//!
//! The checkers share the words of the protocol with the engine and none of its rules: `ledger` is folded from
//! the log, `people` from what the host was told.

mod actions;
mod backend;
mod broken;
mod checks;
mod client;
mod connections;
pub mod dice;
pub mod disk;
mod hearing;
mod host;
mod ledger;
mod life;
mod link;
mod pages;
mod people;
pub mod plan;
mod shrink;
mod tenants;
mod troubles;
mod wire;
mod world;

pub use broken::Broken;
pub use plan::Plan;
pub use shrink::{Run, run, run_aloud, shrink};

/// How many steps a run has unless said otherwise.
pub const STEPS: usize = 150;
