//! One awake tenant: the engine's own core, log, index and snapshots, driven step by step.
//!
//! It stands in the place of the writer task, which waits for all of this at once; here somebody else says what
//! is next.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use homeroom_engine::{
    domain::HistoryError,
    hub::{Delivery, TenantLife},
    index::{Indexer, MemoryPlace},
    log::{
        AppendError, Appended, Commit, LogPosition, ReadError, SegmentLog, SegmentOptions, Space,
        TenantId,
    },
    runtime::{
        core::{Ask, Core, Environment},
        saving::Saving,
        wake::{self, Stores, WakeError},
    },
    snapshot::{SnapshotIdentity, SnapshotStore},
    tenant::{Input, Seed, Tenant},
};
use homeroom_protocol::Timestamp;

use crate::{dice::Dice, disk::SimulatedDisk};

/// The clock and the chance of a host.
#[derive(Debug)]
pub(crate) struct Env {
    pub(crate) now: Timestamp,
    pub(crate) dice: Dice,
}

impl Environment for Env {
    fn now(&mut self) -> Timestamp {
        self.now
    }

    fn entropy(&mut self) -> u128 {
        self.dice.wide()
    }
}

/// Where a tenant is kept, and how it is opened.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    pub(crate) id: TenantId,
    pub(crate) seed: Seed,
    pub(crate) folder: PathBuf,
    pub(crate) segment_bytes: u64,
    pub(crate) snapshot_every: u64,
    pub(crate) sleep_after_ms: u64,
}

/// How far the commit in flight is.
#[derive(Debug)]
enum Append {
    Nothing,
    /// Not yet with the log.
    Handed(Arc<Commit>),
    /// The log has answered, and nobody has heard it yet.
    Answered(Result<Appended, AppendError>),
    /// The disk was full: it is tried again later.
    Refused,
}

/// An awake tenant.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) id: TenantLife,
    pub(crate) core: Core<Tenant>,
    pub(crate) inbox: VecDeque<Input>,
    pub(crate) urgent: VecDeque<Input>,
    stores: Stores<Tenant>,
    store: Option<SnapshotStore>,
    saving: Saving,
    append: Append,
    asks: VecDeque<Ask<Tenant>>,
    snapshot_every: u64,
    sleep_after_ms: u64,
    idle_since: Option<Timestamp>,
    kept_house: Timestamp,
}

impl Life {
    /// Opens the stores and brings the tenant up to the end of its log, as the host of the engine does.
    pub(crate) fn wake(
        home: &Home,
        id: TenantLife,
        disk: &SimulatedDisk,
        (now, dice, suspect): (Timestamp, Dice, bool),
    ) -> Result<Self, WakeError> {
        let disk = Arc::new(disk.clone());
        let dice = Mutex::new(dice);
        let entropy = move || {
            let mut dice = dice.lock().unwrap_or_else(PoisonError::into_inner);
            dice.wide().to_le_bytes()
        };
        let options = SegmentOptions {
            segment_bytes: home.segment_bytes,
            suspect,
            ..SegmentOptions::new(home.id, Arc::new(entropy))
        };
        let mark = home.folder.join("mark");
        let (log, report) = SegmentLog::open(
            Arc::clone(&disk) as _,
            &home.folder.join("log"),
            &mark,
            options,
        )?;
        let identity = SnapshotIdentity {
            tenant: home.id,
            epoch: report.epoch,
        };
        let snapshots = home.folder.join("snapshot");
        let end = report.bounds.last;
        let opened = SnapshotStore::open_on(disk, &snapshots, identity, end)?;
        let index = Indexer::new(home.seed.clone(), Box::new(MemoryPlace), None);
        let stores = Stores {
            log: Arc::new(log),
            index: Arc::new(index),
        };
        let awake = wake::wake(&home.seed, stores, Some(opened), report.writer)?;
        Ok(Self {
            id,
            core: awake.core,
            inbox: VecDeque::new(),
            urgent: VecDeque::new(),
            stores: awake.stores,
            store: awake.snapshots,
            saving: Saving::new(awake.newest_snapshot),
            append: Append::Nothing,
            asks: VecDeque::new(),
            snapshot_every: home.snapshot_every,
            sleep_after_ms: home.sleep_after_ms,
            idle_since: None,
            kept_house: now,
        })
    }

    /// All that the log holds.
    pub(crate) fn records(&self) -> Result<Vec<Bytes>, ReadError> {
        let end = self.stores.log.bounds().last;
        let (mut at, mut records) = (LogPosition::START, Vec::new());
        while at < end {
            let read = self.stores.log.read(at.next(), usize::MAX)?;
            let Some(last) = read.last() else {
                break;
            };
            at = last.position;
            records.extend(read.into_iter().map(|record| record.bytes));
        }
        Ok(records)
    }

    /// Decides the next input, if it takes one; which that was.
    pub(crate) fn decide(&mut self, env: &mut Env) -> Option<Input> {
        self.core.resume(env);
        let input = if self.core.takes_urgent() && !self.urgent.is_empty() {
            self.urgent.pop_front()
        } else if self.core.takes_input() {
            self.inbox.pop_front()
        } else {
            None
        }?;
        self.core.input(env, input.clone());
        Some(input)
    }

    /// Does what is due; whether anything was.
    pub(crate) fn tick(&mut self, env: &mut Env) -> bool {
        let due = self.core.next_deadline().is_some_and(|at| at <= env.now);
        if due {
            self.core.tick(env);
        }
        due
    }

    /// Hands the next commit to the log, if there is one to be handed; whether there was.
    pub(crate) fn hand_over(&mut self, env: &mut Env) -> bool {
        if !matches!(self.append, Append::Nothing) {
            return false;
        }
        let Some(commit) = self.core.next_commit(env) else {
            return false;
        };
        self.append = Append::Handed(commit);
        true
    }

    /// The records that the log may or may not have.
    pub(crate) fn in_flight(&self) -> Vec<Bytes> {
        let commit = self.core.commit_in_flight();
        commit.map_or_else(Vec::new, |commit| commit.records.clone())
    }

    /// Whether a commit is to be written.
    pub(crate) const fn has_handed(&self) -> bool {
        matches!(self.append, Append::Handed(_))
    }

    /// The log writes; the records that are durable now.
    pub(crate) fn write(&mut self) -> Vec<Bytes> {
        let Append::Handed(commit) = &self.append else {
            return Vec::new();
        };
        let answer = self.stores.log.append(commit);
        let records = if answer.is_ok() {
            commit.records.clone()
        } else {
            Vec::new()
        };
        self.append = Append::Answered(answer);
        records
    }

    /// The core hears what the log answered; whether there was an answer.
    pub(crate) fn hear_log(&mut self) -> Result<bool, AppendError> {
        let Append::Answered(answer) = &self.append else {
            return Ok(false);
        };
        let answer = answer.clone();
        self.append = Append::Nothing;
        match answer {
            Err(AppendError::Full) => {
                self.core.set_space(Space::Low);
                self.append = Append::Refused;
            }
            Err(AppendError::Unknown) => self.hand_again(),
            answer => {
                let appended = answer?;
                let misplaced = self.core.appended(appended);
                misplaced.map_err(|misplaced| AppendError::WrongPosition {
                    actual: misplaced.appended.last,
                })?;
            }
        }
        Ok(true)
    }

    fn hand_again(&mut self) {
        let commit = self.core.commit_in_flight().cloned();
        self.append = commit.map_or(Append::Nothing, Append::Handed);
    }

    /// Looks up the next thing that was asked; whether there was one.
    pub(crate) fn look_up(&mut self, env: &mut Env, is_blind: bool) -> bool {
        self.asks.extend(self.core.take_questions());
        let Some(ask) = self.asks.pop_front() else {
            return false;
        };
        let fact = if is_blind {
            Err(HistoryError::Unreadable)
        } else {
            let Stores { log, index } = &self.stores;
            index.answer(&**log, ask.upto, &ask.question)
        };
        self.core.answered(env, ask.ticket, fact);
        true
    }

    /// What leaves.
    pub(crate) fn take_effects(&mut self) -> Vec<Delivery> {
        self.core.take_effects()
    }

    /// What is looked at once a second.
    pub(crate) fn keep_house(&mut self, env: &Env) -> Result<(), AppendError> {
        if env.now.since_ms(self.kept_house) < 1_000 && env.now >= self.kept_house {
            return Ok(());
        }
        self.kept_house = env.now;
        if matches!(self.append, Append::Refused) {
            self.hand_again();
        }
        let space = self.stores.log.checkpoint()?;
        if !matches!(self.append, Append::Answered(_)) {
            self.core.set_space(space);
        }
        Ok(())
    }

    /// Begins a snapshot if one is due.
    pub(crate) fn begin_due_snapshot(&mut self) {
        if self.saving.age(&self.core) >= self.snapshot_every {
            self.begin_snapshot();
        }
    }

    pub(crate) fn begin_snapshot(&mut self) {
        let needs_all = self.store.as_ref().is_some_and(SnapshotStore::needs_all);
        self.saving.begin(&mut self.core, needs_all);
    }

    /// A step of the snapshot under way; whether there was one.
    pub(crate) fn save(&mut self) -> bool {
        if self.saving.is_saving() {
            // One section at a time: as much as possible happens in between.
            self.saving.advance(&self.core, || true);
            return true;
        }
        let Some((from, saved)) = self.saving.due(self.core.durable()) else {
            return false;
        };
        let store = self.store.as_mut().expect("a simulated tenant has a store");
        let written = store.write(from, &saved).is_ok();
        self.saving.written(written);
        true
    }

    /// Whether nobody has been connected for so long that it may sleep.
    pub(crate) fn is_tired(&mut self, now: Timestamp) -> bool {
        let is_idle = self.core.is_settled()
            && self.core.is_idle()
            && self.inbox.is_empty()
            && self.urgent.is_empty();
        if !is_idle {
            self.idle_since = None;
            return false;
        }
        let since = *self.idle_since.get_or_insert(now);
        now.since_ms(since) >= self.sleep_after_ms
    }

    /// Snapshot and seal, after everything is settled. A failure here loses nothing.
    pub(crate) fn seal(mut self) {
        while self.save() {}
        if self.core.tail() > self.saving.newest() {
            self.begin_snapshot();
            while self.save() {}
        }
        self.stores.index.close();
        let _ = self.stores.log.close();
    }
}

/// The folder of a tenant.
pub(crate) fn folder_of(tenant: usize) -> PathBuf {
    Path::new("/data").join(format!("tenant-{tenant}"))
}
