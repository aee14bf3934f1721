//! What a run came to, as a line of a table, for runs whose outcome is to be shown.
//!
//! `HOMEROOM_CRASH_MINUTES` lets each test go on for so long; `HOMEROOM_CRASH_REPORT` names the file to which
//! each adds its line. `.ci/proof` sets both.

use std::{
    env,
    fs::OpenOptions,
    io::Write,
    time::{Duration, Instant},
};

use super::crash_support::{
    clients::{Shared, locked},
    from_env,
    ledger::Counts,
};

/// A test under way. Its line is written when it ends, however it ends.
#[derive(Debug)]
pub(crate) struct Report {
    name: &'static str,
    pub(crate) seed: u64,
    begun: Instant,
    pub(crate) rounds: u64,
    pub(crate) kills: u64,
    pub(crate) cuts: u64,
    acks: u64,
    checked: u64,
    stored_unanswered: u64,
    lost: u64,
    doubled: u64,
    moved: u64,
}

impl Report {
    /// Chooses the seed, and says it.
    pub(crate) fn begin(name: &'static str) -> Self {
        let seed = from_env("HOMEROOM_CRASH_SEED", getrandom::u64().unwrap());
        println!("HOMEROOM_CRASH_SEED={seed}");
        Self {
            name,
            seed,
            begun: Instant::now(),
            rounds: 0,
            kills: 0,
            cuts: 0,
            acks: 0,
            checked: 0,
            stored_unanswered: 0,
            lost: 0,
            doubled: 0,
            moved: 0,
        }
    }

    /// Whether there is one more round, and counts it: as many as were asked for by `variable`, otherwise
    /// `few`, or as many as fit into the minutes that were asked for.
    pub(crate) fn goes_on(&mut self, variable: &str, few: u64) -> bool {
        let more = match env::var("HOMEROOM_CRASH_MINUTES") {
            Ok(_) => {
                let minutes: u64 = from_env("HOMEROOM_CRASH_MINUTES", 0);
                self.rounds == 0 || self.begun.elapsed() < Duration::from_secs(60 * minutes)
            }
            Err(_) => self.rounds < from_env(variable, few),
        };
        self.rounds += u64::from(more);
        more
    }

    /// Adds what a ledger counted, and lets it count anew.
    pub(crate) fn add(&mut self, ledger: &Shared) {
        let counts: Counts = std::mem::take(&mut locked(ledger).counts);
        self.acks += counts.acks;
        self.checked += counts.acks_checked;
        self.stored_unanswered += counts.stored_unanswered;
        self.lost += counts.lost;
        self.doubled += counts.doubled;
        self.moved += counts.moved;
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let verdict = if std::thread::panicking() {
            "FAILED"
        } else {
            "held"
        };
        let line = format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} s | {} | {verdict} |\n",
            self.name,
            self.rounds,
            self.kills,
            self.cuts,
            self.acks,
            self.checked,
            self.stored_unanswered,
            self.lost,
            self.doubled,
            self.moved,
            self.begun.elapsed().as_secs(),
            self.seed,
        );
        print!("{line}");
        if let Ok(path) = env::var("HOMEROOM_CRASH_REPORT") {
            let file = OpenOptions::new().create(true).append(true).open(path);
            file.unwrap().write_all(line.as_bytes()).unwrap();
        }
    }
}
