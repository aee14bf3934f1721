//! A rolling restart under load: two processes take turns on one folder and one address. Nothing is
//! lost, doubled or moved; each process exits in order; whoever was connected is told when to come back,
//! not all at once, and does.
//!
//! `cargo test` takes a few turns. A long run:
//!
//! ```sh
//! HOMEROOM_TURNS=40 cargo test -p homeroom-server --test rolling -- --nocapture
//! ```
//!
//! `HOMEROOM_CRASH_SEED` chooses texts, windows and moments, as in the crash test.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod crash_support;
#[path = "crash_support/relay.rs"]
mod relay;
#[path = "crash_support/turns.rs"]
mod turns;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crash_support::{
    audit::{PATIENCE, assert_nothing_wrong, audit, make_rooms},
    clients::{Shared, locked},
    dice::Dice,
    from_env,
    host::{COMING_UP_MS_MAX, Home},
    ledger::Ledger,
    load::{Lasting, Load, life, settle},
};
use relay::Relay;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};
use turns::Witnesses;

/// Turns in a plain `cargo test`.
const TURNS: u64 = 3;
/// Clients that only watch how they are sent away.
const WITNESSES: usize = 24;
/// About as long as a host takes to leave under load.
const LEAVING_MS_MAX: u64 = 200;
/// The earliest return: the successor needs a moment.
const RETURN_MS_MIN: u64 = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_take_turns_lose_nothing_and_nobody() {
    let turns = from_env("HOMEROOM_TURNS", TURNS);
    let seed = from_env("HOMEROOM_CRASH_SEED", getrandom::u64().unwrap());
    println!("HOMEROOM_CRASH_SEED={seed} HOMEROOM_TURNS={turns}");
    let mut dice = Dice::new(seed);
    let (_folder, home) = home();
    let ledger: Shared = Arc::new(Mutex::new(Ledger::default()));
    let mut host = home.start();
    let address = host.address;
    make_rooms(address).await;
    let lasting = Lasting::start(address, &ledger).await;
    let witnesses = Witnesses::gather(address, WITNESSES);
    let load = Load::start(address, &ledger, &mut dice);
    all_in(&witnesses).await;

    for turn in 1..=turns {
        sleep(life(&mut dice)).await;
        let acked = locked(&ledger).counts.acks;
        if dice.once_in(3) {
            // One that is stopped while it waits leaves no trace.
            let impatient = home.launch_on(&address.to_string());
            sleep(Duration::from_millis(dice.below(COMING_UP_MS_MAX))).await;
            impatient.signal(Signal::KILL);
        }
        // It waits for the folder, then for the address.
        let successor = home.launch_on(&address.to_string());
        sleep(Duration::from_millis(dice.below(200))).await;
        let status = spawn_blocking(|| host.leave()).await.unwrap();
        assert_eq!(status.code(), Some(0), "turn {turn}: {status}");
        host = spawn_blocking(|| successor.ready()).await.unwrap();
        assert_eq!(host.address, address);
        all_in(&witnesses).await;
        let byes = witnesses.seen.lock().unwrap().byes.len();
        let expected = WITNESSES * usize::try_from(turn).unwrap();
        assert_eq!(byes, expected, "every one was told, once");
        let going_on = async {
            while locked(&ledger).counts.acks <= acked {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, going_on).await.unwrap();
        assert_nothing_wrong(&ledger);
    }

    load.end().await;
    settle(address, &ledger, &mut dice).await;
    audit(address, &ledger).await;
    drop(lasting);
    {
        let seen = witnesses.seen.lock().unwrap();
        assert!(seen.wrong.is_empty(), "{}", seen.wrong.join("\n"));
        spread(&seen.byes);
        println!(
            "{turns} turns, {} byes, {:?}",
            seen.byes.len(),
            locked(&ledger).counts
        );
    }
    drop(witnesses);
    let status = spawn_blocking(|| host.leave()).await.unwrap();
    assert_eq!(status.code(), Some(0));
    home.check();
    let ledger = locked(&ledger);
    assert_eq!(ledger.unanswered_total(), 0);
    assert!(ledger.all_kept());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_while_it_leaves_hands_over_as_well() {
    let seed = from_env("HOMEROOM_CRASH_SEED", getrandom::u64().unwrap());
    println!("HOMEROOM_CRASH_SEED={seed}");
    let mut dice = Dice::new(seed);
    let (_folder, home) = home();
    let ledger: Shared = Arc::new(Mutex::new(Ledger::default()));
    let relay = Relay::open().await;
    let mut host = home.start();
    relay.lead_to(Some(host.address));
    make_rooms(host.address).await;
    let lasting = Lasting::start(relay.address, &ledger).await;
    for _ in 0..from_env("HOMEROOM_TURNS", TURNS) {
        let load = Load::start(host.address, &ledger, &mut dice);
        sleep(life(&mut dice)).await;
        // Elsewhere, so that the load of one life does not go on in the next.
        let successor = home.launch();
        host.signal(Signal::TERM);
        sleep(Duration::from_millis(dice.below(LEAVING_MS_MAX))).await;
        relay.lead_to(None);
        host.kill();
        load.end().await;
        host = spawn_blocking(|| successor.ready()).await.unwrap();
        relay.lead_to(Some(host.address));
        audit(host.address, &ledger).await;
    }
    settle(host.address, &ledger, &mut dice).await;
    audit(host.address, &ledger).await;
    drop(lasting);
    assert_eq!(locked(&ledger).unanswered_total(), 0);
    assert!(locked(&ledger).all_kept());
}

/// An empty data folder for two tenants.
fn home() -> (TempDir, Home) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home {
        data: folder.path().join("data"),
        said: folder.path().join("said"),
    };
    std::fs::create_dir(&home.data).unwrap();
    home.run(&["tenant", "create", "north"]);
    (folder, home)
}

async fn all_in(witnesses: &Witnesses) {
    let coming = async {
        while witnesses.connected() < WITNESSES {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let came = timeout(PATIENCE, coming).await;
    assert!(came.is_ok(), "some did not come back");
}

/// In each turn the times to return are late enough, and no crowd.
fn spread(byes: &[u64]) {
    for turn in byes.chunks(WITNESSES) {
        let mut times = turn.to_vec();
        times.sort_unstable();
        // A client without a time would try again at once.
        assert!(times[0] >= RETURN_MS_MIN, "{times:?}");
        let crowd = times.iter().map(|&from| {
            times
                .iter()
                .filter(|&&it| (from..from + 100).contains(&it))
                .count()
        });
        assert!(crowd.max() < Some(WITNESSES * 2 / 3), "{times:?}");
    }
}
