//! A host behind the shim, and what is left of its disk.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use rustix::process::Signal;
use tokio::time::sleep;

use super::{
    crash_support::{
        audit::{audit, make_rooms},
        clients::{Shared, locked},
        dice::Dice,
        host::{COMING_UP_MS_MAX, Home, Serving, last_words},
        ledger::Ledger,
        load::{Lasting, settle},
    },
    image::Image,
    medium::Medium,
    report::Report,
    shim::{Shim, Word},
    skipped,
    trace::{self, Record},
};

/// How long a sync takes, in microseconds: as on a fast disk, so that much happens while one is under way.
const SYNC_US: i64 = 1_000;

/// See the module. What its disk holds between two lives is an image.
#[derive(Debug)]
pub(crate) struct Machine {
    folder: tempfile::TempDir,
    pub(crate) shim: Shim,
    pub(crate) ledger: Shared,
    pub(crate) dice: Dice,
    pub(crate) image: Image,
}

/// What one life left behind.
pub(crate) struct Past {
    root: PathBuf,
    before: Image,
    pub(crate) records: Vec<Record>,
}

impl Machine {
    /// With nothing on its disk; `None`, with a reason for people, where there can be none.
    pub(crate) fn empty(seed: u64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let shim = match Shim::build(folder.path()) {
            Ok(shim) => shim,
            Err(missing) => {
                skipped(&missing);
                return None;
            }
        };
        shim.set(Word::SyncUs, SYNC_US);
        Some(Self {
            folder,
            shim,
            ledger: Arc::new(Mutex::new(Ledger::default())),
            dice: Dice::new(seed),
            image: Image::default(),
        })
    }

    /// With tenants, rooms, and everybody in them.
    pub(crate) async fn build(seed: u64) -> Option<Self> {
        let mut machine = Self::empty(seed)?;
        let root = machine.root();
        fs::create_dir_all(root.join("data")).unwrap();
        let home = machine.home(&root);
        home.run(&["tenant", "create", "north"]);
        let host = home.start();
        make_rooms(host.address).await;
        let lasting = Lasting::start(host.address, &machine.ledger).await;
        settle(host.address, &machine.ledger, &mut machine.dice).await;
        drop(lasting);
        host.kill();
        machine.image = Image::read(&root);
        Some(machine)
    }

    /// Where its disk is while the host lives.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// A host whose data is below `root`.
    pub(crate) fn home(&self, root: &Path) -> Home {
        Home {
            data: root.join("data"),
            said: self.folder.path().join("said"),
        }
    }

    /// Starts the host on what its disk holds; from here on everything is dated.
    pub(crate) fn start(&self) -> Serving {
        let root = self.root();
        self.image.write(&root);
        let host = self.shim.start(&self.home(&root), &root);
        locked(&self.ledger).follow_trace(&self.shim.trace);
        host
    }

    /// The host dies; what it did. The trace must explain every byte that is there: then the shim saw
    /// all that was done.
    pub(crate) fn kill(&self, host: Serving) -> Past {
        let trace = self.shim.kill(host);
        let past = Past {
            root: self.root(),
            before: self.image.clone(),
            records: trace::read(&trace),
        };
        let mut medium = past.medium();
        past.records
            .iter()
            .for_each(|record| medium.does(&record.deed));
        let there = Image::read(&past.root);
        if let Some(difference) = medium.seen_by_readers().difference(&there) {
            panic!("the trace says one thing, the disk another:\n{difference}");
        }
        self.is_calm();
        past
    }

    fn is_calm(&self) {
        is_calm(&self.folder.path().join("said"));
    }

    /// Holds what a cut left against what was owed at that moment: with a host on it that has nothing to
    /// do with the shim.
    pub(crate) async fn holds(&mut self, left: &Image, owed: Ledger, report: &mut Report) {
        let root = self.folder.path().join("left");
        left.write(&root);
        let home = self.home(&root);
        let owed: Shared = Arc::new(Mutex::new(owed));
        if self.dice.once_in(2) {
            home.check();
        }
        if self.dice.once_in(4) {
            // What a recovery did by halves is recovered from, too.
            let launched = home.launch();
            sleep(Duration::from_millis(self.dice.below(COMING_UP_MS_MAX))).await;
            launched.signal(Signal::KILL);
            drop(launched);
            report.kills += 1;
        }
        let host = home.start();
        audit(host.address, &owed).await;
        if self.dice.once_in(3) {
            let lasting = Lasting::start(host.address, &owed).await;
            settle(host.address, &owed, &mut self.dice).await;
            drop(lasting);
            audit(host.address, &owed).await;
            assert_eq!(locked(&owed).unanswered_total(), 0);
            assert!(locked(&owed).all_kept());
        }
        host.kill();
        if self.dice.once_in(2) {
            home.check();
        }
        self.is_calm();
        report.cuts += 1;
        report.add(&owed);
    }
}

/// Nothing a host said was a panic of its own. sled panics when its files fail; its guard catches that, and the index is
/// rebuilt.
pub(crate) fn is_calm(said: &Path) {
    let all = fs::read_to_string(said).unwrap_or_default();
    let mut lines = all.lines();
    let panicked =
        lines.find(|line| line.contains("panicked; please report") && !line.contains("/sled-"));
    assert_eq!(panicked, None, "{}", last_words(said));
}

impl Past {
    /// The disk as it was when this life began.
    pub(crate) fn medium(&self) -> Medium {
        Medium::of(&self.root, &self.before)
    }

    /// The moment after so many deeds, in bytes of the trace.
    pub(crate) fn moment(&self, deeds: usize) -> u64 {
        deeds
            .checked_sub(1)
            .map_or(0, |last| self.records[last].end)
    }
}
