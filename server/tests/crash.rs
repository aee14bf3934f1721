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
#![expect(clippy::print_stdout, reason = "seeds and counts are for people")]

mod crash_support;
#[path = "crash_support/relay.rs"]
mod relay;
#[path = "crash_support/report.rs"]
mod report;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crash_support::{
    audit::{audit, make_rooms},
    clients::{Shared, locked},
    dice::Dice,
    host::{COMING_UP_MS_MAX, Home},
    ledger::Ledger,
    load::{Lasting, Load, life, settle},
};
use relay::Relay;
use report::Report;
use rustix::process::Signal;
use tokio::time::sleep;

/// Asks for more kills.
const ROUNDS: &str = "HOMEROOM_CRASH_ROUNDS";
/// Kills under load in a plain `cargo test`.
const FEW: u64 = 6;

#[tokio::test]
async fn kill_9_at_any_moment_loses_nothing_that_was_acknowledged_or_seen() {
    let mut report = Report::begin("kill -9 under load and in recovery");
    let mut dice = Dice::new(report.seed);
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

    while report.goes_on(ROUNDS, FEW) {
        audit(host.address, &ledger).await;
        let load = Load::start(host.address, &ledger, &mut dice);
        sleep(life(&mut dice)).await;
        relay.lead_to(None);
        host.kill();
        report.kills += 1;
        load.end().await;
        while dice.once_in(3) {
            let launched = home.launch();
            sleep(Duration::from_millis(dice.below(COMING_UP_MS_MAX))).await;
            launched.signal(Signal::KILL);
            drop(launched);
            report.kills += 1;
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
    println!("{:?}", locked(&ledger).counts);
    report.add(&ledger);
    let ledger = locked(&ledger);
    assert_eq!(ledger.unanswered_total(), 0);
    assert!(ledger.all_kept());
}

#[tokio::test]
async fn kill_9_while_a_data_folder_is_made_leaves_one_that_opens() {
    let mut report = Report::begin("kill -9 while a data folder is made");
    let mut dice = Dice::new(report.seed);
    while report.goes_on(ROUNDS, FEW) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home {
            data: folder.path().join("data"),
            said: folder.path().join("said"),
        };
        let launched = home.launch();
        sleep(Duration::from_millis(dice.below(COMING_UP_MS_MAX))).await;
        launched.signal(Signal::KILL);
        drop(launched);
        report.kills += 1;
        let host = home.start();
        home.run(&["tenant", "create", "north"]);
        make_rooms(host.address).await;
        host.kill();
        home.check();
    }
}
