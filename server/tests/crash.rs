//! `kill -9` at random moments under load: what was acknowledged is there once and in order, what
//! anyone saw stays where it was, and what was unanswered can be sent again.
//!
//! `cargo test` does a few rounds. A long run, and one with the kills of an earlier run:
//!
//! ```sh
//! HOMEROOM_CRASH_ROUNDS=60 cargo test -p homeroom-server --test crash -- --nocapture
//! HOMEROOM_CRASH_SEED=42 cargo test -p homeroom-server --test crash -- --nocapture
//! ```
//!
//! The seed chooses texts, windows and the moments of the kills; where the host is at that moment is
//! up to the machine, so a seed makes a finding likely again, not certain.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod crash_support;
#[path = "crash_support/relay.rs"]
mod relay;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crash_support::{
    audit::{audit, make_rooms},
    clients::{Shared, locked},
    dice::Dice,
    from_env,
    host::{COMING_UP_MS_MAX, Home},
    ledger::Ledger,
    load::{Lasting, Load, life, settle},
};
use relay::Relay;
use rustix::process::Signal;
use tokio::time::sleep;

/// Kills under load in a plain `cargo test`.
const ROUNDS: u64 = 6;

#[tokio::test]
async fn kill_9_at_any_moment_loses_nothing_that_was_acknowledged_or_seen() {
    let rounds = from_env("HOMEROOM_CRASH_ROUNDS", ROUNDS);
    let seed = from_env("HOMEROOM_CRASH_SEED", getrandom::u64().unwrap());
    println!("HOMEROOM_CRASH_SEED={seed} HOMEROOM_CRASH_ROUNDS={rounds}");
    let mut dice = Dice::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let home = Home {
        data: folder.path().join("data"),
        said: folder.path().join("said"),
    };
    std::fs::create_dir(&home.data).unwrap();
    home.run(&["tenant", "create", "north"]);

    let ledger: Shared = Arc::new(Mutex::new(Ledger::default()));
    let relay = Relay::open().await;
    let mut host = home.start();
    relay.lead_to(Some(host.address));
    make_rooms(host.address).await;
    let lasting = Lasting::start(relay.address, &ledger).await;

    let mut kills_in_recovery = 0;
    for _ in 0..rounds {
        audit(host.address, &ledger).await;
        let load = Load::start(host.address, &ledger, &mut dice);
        sleep(life(&mut dice)).await;
        relay.lead_to(None);
        host.kill();
        load.end().await;
        while dice.once_in(3) {
            let launched = home.launch();
            sleep(Duration::from_millis(dice.below(COMING_UP_MS_MAX))).await;
            launched.signal(Signal::KILL);
            drop(launched);
            kills_in_recovery += 1;
        }
        if dice.once_in(4) {
            home.check();
        }
        host = home.start();
        relay.lead_to(Some(host.address));
    }

    audit(host.address, &ledger).await;
    settle(host.address, &ledger, &mut dice).await;
    audit(host.address, &ledger).await;
    drop(lasting);
    host.kill();
    home.check();
    let ledger = locked(&ledger);
    println!(
        "{rounds} kills under load, {kills_in_recovery} in recovery, {:?}",
        ledger.counts
    );
    assert_eq!(ledger.unanswered_total(), 0);
    assert!(ledger.all_kept());
}

#[tokio::test]
async fn kill_9_while_a_data_folder_is_made_leaves_one_that_opens() {
    let seed = from_env("HOMEROOM_CRASH_SEED", getrandom::u64().unwrap());
    println!("HOMEROOM_CRASH_SEED={seed}");
    let mut dice = Dice::new(seed);
    for _ in 0..from_env("HOMEROOM_CRASH_ROUNDS", ROUNDS) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home {
            data: folder.path().join("data"),
            said: folder.path().join("said"),
        };
        let launched = home.launch();
        sleep(Duration::from_millis(dice.below(COMING_UP_MS_MAX))).await;
        launched.signal(Signal::KILL);
        drop(launched);
        let host = home.start();
        home.run(&["tenant", "create", "north"]);
        make_rooms(host.address).await;
        host.kill();
        home.check();
    }
}
