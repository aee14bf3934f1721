//! A runtime for one tenant in memory: a virtual clock, a log, an index, and a hub that hands every
//! connection its frames. Everything a runtime owes a tenant is here in its shortest form.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use homeroom_engine::{
    domain::{Domain, History, HistoryError, Moment, Outcome, SectionId, Storage},
    hub::Delivery,
    index::{Found, Indexer, MemoryPlace, Order},
    log::{Commit, CommitId, Log as _, LogPosition, MemoryLog, WriterEpoch},
    tenant::{Entry, Event, Fact, Input, Question, Restarted, Seed, Settings, Tenant},
};
use homeroom_protocol::{RequestId, TenantName, Timestamp};

use crate::hub::Hub;
pub(crate) use crate::{clients::*, requests::*};

/// When every world begins.
pub(crate) const DAWN: Timestamp = Timestamp(1_000_000_000_000);

pub(crate) struct World {
    pub(crate) tenant: Tenant,
    pub(crate) seed: Seed,
    pub(crate) now: Timestamp,
    pub(crate) storage: Storage,
    /// Every event counts as durable as soon as it happened.
    pub(crate) sync_at_once: bool,
    /// What a look-up fails with.
    pub(crate) broken_history: Option<HistoryError>,
    /// How many questions were asked so far.
    pub(crate) questions: usize,
    pub(crate) hub: Hub,
    log: Vec<Bytes>,
    /// The log, read.
    entries: Vec<Entry>,
    /// Where each commit ends: what one input led to is durable as a whole.
    commits: Vec<usize>,
    durable: usize,
    held: VecDeque<(LogPosition, Vec<Delivery>)>,
    index: BTreeMap<Vec<u8>, (Vec<u8>, Option<Timestamp>)>,
    indexed: usize,
    /// The index as the engine has it, instead of the one above.
    indexer: Option<Indexer<Tenant>>,
    entropy: u128,
    pub(crate) connections: u64,
    pub(crate) requests: u64,
    /// The kinds of the requests that wait for their reply.
    pub(crate) asked: BTreeMap<RequestId, &'static str>,
}

/// An input whose question has been asked and not yet answered.
pub(crate) struct Waiting {
    /// `None`: it was refused before anything was asked for it.
    input: Option<Input>,
    answer: Option<Result<Fact, HistoryError>>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// A world with other settings. Nothing is due in it by itself while people are there.
    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            seen_round_ms: 0,
            ..Settings::default()
        };
        change(&mut settings);
        let seed = Seed {
            tenant: TenantName::new("school").unwrap(),
            hash_key: [42; 16],
            settings,
        };
        Self {
            tenant: Tenant::new(seed.clone()),
            seed,
            now: DAWN,
            storage: Storage::Open,
            sync_at_once: true,
            broken_history: None,
            questions: 0,
            hub: Hub::default(),
            log: Vec::new(),
            entries: Vec::new(),
            commits: Vec::new(),
            durable: 0,
            held: VecDeque::new(),
            index: BTreeMap::new(),
            indexed: 0,
            indexer: None,
            entropy: 1,
            connections: 0,
            requests: 0,
            asked: BTreeMap::new(),
        }
    }

    // What the runtime does.

    /// Looks up what an input needs and decides it.
    pub(crate) fn input(&mut self, input: Input) {
        let waiting = self.ask(input);
        self.decide(waiting);
    }

    /// Looks up what an input needs.
    pub(crate) fn ask(&mut self, input: Input) -> Waiting {
        let mut out = Outcome::default();
        let moment = self.moment();
        if !self.tenant.admit(moment, &input, &mut out) {
            self.take(out);
            let (input, answer) = (None, None);
            return Waiting { input, answer };
        }
        let question = self.tenant.needs(&input);
        let answer = question.map(|question| self.answer(&question));
        let input = Some(input);
        Waiting { input, answer }
    }

    /// Decides an input with what was looked up.
    pub(crate) fn decide(&mut self, waiting: Waiting) {
        let Some(input) = waiting.input else {
            return;
        };
        let mut out = Outcome::default();
        let moment = self.moment();
        self.tenant.handle(moment, input, waiting.answer, &mut out);
        self.take(out);
    }

    /// Runs what is due.
    pub(crate) fn tick(&mut self) {
        while self.tenant.next_deadline().is_some_and(|at| at <= self.now) {
            self.tick_once();
        }
    }

    pub(crate) fn tick_once(&mut self) {
        let mut out = Outcome::default();
        let moment = self.moment();
        self.tenant.tick(moment, &mut out);
        self.take(out);
    }

    /// The tenant's life ends in order; nobody is connected any more.
    pub(crate) fn end(&mut self) {
        let mut out = Outcome::default();
        let moment = self.moment();
        self.tenant.end(moment, &mut out);
        self.take(out);
        self.sync();
        self.crash();
    }

    /// Lets time pass, stopping at each deadline.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        while let Some(at) = self.tenant.next_deadline().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.tick();
        }
        self.now = end;
    }

    /// Everything that happened is on disk.
    pub(crate) fn sync(&mut self) {
        self.sync_to(self.log.len());
    }

    /// What happened up to here is on disk; of a commit that goes on behind it, nothing is.
    pub(crate) fn sync_to(&mut self, position: usize) {
        let whole = self.commits.partition_point(|&end| end <= position);
        let end = whole.checked_sub(1).map_or(0, |last| self.commits[last]);
        self.durable = self.durable.max(end);
        self.index_durable();
        let durable = LogPosition(self.durable as u64);
        while self.held.front().is_some_and(|&(at, _)| at <= durable) {
            let (_, deliveries) = self.held.pop_front().unwrap();
            for delivery in deliveries {
                self.deliver(self.tenant.release(delivery).into_iter().collect());
            }
        }
    }

    /// Kills the process: what was not durable is gone, everyone is disconnected, the log is replayed.
    pub(crate) fn crash(&mut self) {
        self.crash_with(&BTreeMap::new(), LogPosition::START);
    }

    /// The tenant comes back from a copy of its log, which goes on as another life.
    pub(crate) fn restore(&mut self, salt: u8) {
        let restarted = Restarted {
            time: self.now,
            salt: [salt; 16],
        };
        self.cut();
        self.log.push(Tenant::encode(&restarted.into()));
        self.entries.push(restarted.into());
        self.durable += 1;
        self.commits.push(self.durable);
        self.index.clear();
        self.indexed = 0;
        self.index_durable();
        self.crash();
    }

    /// The same, starting from a snapshot.
    pub(crate) fn crash_with(
        &mut self,
        snapshot: &BTreeMap<SectionId, Vec<u8>>,
        from: LogPosition,
    ) {
        self.cut();
        self.held.clear();
        self.hub = Hub::default();
        self.tenant = self.recovered(snapshot, from);
    }

    /// The tenant as recovery makes it from what is durable now.
    pub(crate) fn recovered(
        &self,
        snapshot: &BTreeMap<SectionId, Vec<u8>>,
        from: LogPosition,
    ) -> Tenant {
        let mut tenant = Tenant::new(self.seed.clone());
        for (&section, bytes) in snapshot {
            tenant.load_section(section, bytes).unwrap();
        }
        tenant.loaded().unwrap();
        assert_eq!(
            tenant.take_dirty_sections(),
            [],
            "loading makes nothing dirty"
        );
        for (at, stored) in self.log[..self.durable].iter().enumerate() {
            let at = LogPosition(at as u64 + 1);
            if at > from {
                tenant.apply(at, &Tenant::decode(stored).unwrap());
            }
        }
        tenant
    }

    /// What happened before anybody was there.
    pub(crate) fn preload(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            self.log.push(Tenant::encode(&entry));
            self.entries.push(entry);
            let at = LogPosition(self.log.len() as u64);
            self.tenant.apply(at, &self.entries[self.log.len() - 1]);
        }
        self.tenant.take_dirty_sections();
        self.sync();
    }

    /// What is due already, if anything.
    pub(crate) fn due_now(&self) -> Option<Timestamp> {
        self.tenant.next_deadline().filter(|&at| at <= self.now)
    }

    pub(crate) fn log_len(&self) -> usize {
        self.log.len()
    }

    pub(crate) fn durable(&self) -> usize {
        self.durable
    }

    /// What the log holds.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What happened in rooms.
    pub(crate) fn events(&self) -> Vec<&Event> {
        let events = self.entries.iter().filter_map(|entry| match entry {
            Entry::Event(event) => Some(event),
            Entry::Tenant(_) | Entry::Restarted(_) => None,
        });
        events.collect()
    }

    /// Forgets the index rows of everything, as if the index had lost them.
    pub(crate) fn lose_index(&mut self, begins_with: &[u8]) {
        self.index.retain(|key, _| !key.starts_with(begins_with));
    }

    /// From now on it looks things up in an index as the engine has it, which is empty now.
    pub(crate) fn index_anew(&mut self) {
        let place = Box::new(MemoryPlace);
        self.indexer = Some(Indexer::new(self.seed.clone(), place, None));
    }

    /// What is durable, as the engine keeps it.
    fn durable_log(&self) -> MemoryLog {
        let log = MemoryLog::new();
        log.append(&Commit {
            id: CommitId([1; 16]),
            expected: LogPosition::START,
            writer: WriterEpoch(1),
            records: self.log[..self.durable].to_vec(),
        })
        .unwrap();
        log
    }

    /// What was not durable is gone.
    fn cut(&mut self) {
        self.log.truncate(self.durable);
        self.entries.truncate(self.durable);
        self.commits.retain(|&end| end <= self.durable);
    }

    fn moment(&mut self) -> Moment {
        // Any full-period step will do: tests need other numbers each time, not good ones.
        self.entropy = self
            .entropy
            .wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645)
            .wrapping_add(1);
        Moment {
            now: self.now,
            entropy: self.entropy ^ (self.entropy >> 64),
            storage: self.storage,
            durable: LogPosition(self.durable as u64),
        }
    }

    fn answer(&mut self, question: &Question) -> Result<Fact, HistoryError> {
        self.questions += 1;
        if let Some(indexer) = &self.indexer {
            let durable = LogPosition(self.durable as u64);
            return indexer.answer(&self.durable_log(), durable, question);
        }
        Tenant::answer(&self.seed, question, &Past(self))
    }

    fn take(&mut self, out: Outcome<Tenant>) {
        for event in out.events {
            let stored = Tenant::encode(&event);
            assert_eq!(Tenant::decode(&stored).as_ref(), Ok(&event));
            self.log.push(stored);
            self.entries.push(event);
        }
        if self.commits.last().copied().unwrap_or_default() < self.log.len() {
            self.commits.push(self.log.len());
        }
        self.deliver(out.now);
        if !out.held.is_empty() {
            let at = LogPosition(self.log.len() as u64);
            self.held.push_back((at, out.held));
        }
        if self.sync_at_once {
            self.sync();
        } else {
            self.sync_to(self.durable);
        }
    }

    fn deliver(&mut self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            self.hub.deliver(delivery);
        }
        while let Some(page) = self.hub.need() {
            self.input(page);
        }
    }

    fn index_durable(&mut self) {
        if self.indexed == self.durable {
            return;
        }
        let mut rows = Vec::new();
        let mut time = Timestamp(0);
        for at in self.indexed..self.durable {
            let event = &self.entries[at];
            time = Tenant::time(event);
            let at = LogPosition(at as u64 + 1);
            Tenant::index(&self.seed, at, event, &mut rows);
            Tenant::index_late(&self.seed, at, event, &mut rows);
        }
        self.indexed = self.durable;
        for row in rows {
            self.index.insert(row.key, (row.value, row.expires));
        }
        self.index
            .retain(|_, (_, expires)| expires.is_none_or(|expires| expires >= time));
    }
}

struct Past<'a>(&'a World);

impl Past<'_> {
    fn check(&self) -> Result<(), HistoryError> {
        self.0.broken_history.map_or(Ok(()), Err)
    }
}

impl History for Past<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, HistoryError> {
        self.check()?;
        Ok(self.0.index.get(key).map(|(value, _)| value.clone()))
    }

    fn range(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        rows_max: usize,
    ) -> Result<Vec<Found>, HistoryError> {
        self.check()?;
        if from > to {
            return Ok(Vec::new());
        }
        let rows = self.0.index.range(from.to_vec()..to.to_vec());
        let rows = rows.map(|(key, (value, _))| (key.clone(), value.clone()));
        Ok(match order {
            Order::Ascending => rows.take(rows_max).collect(),
            Order::Descending => rows.rev().take(rows_max).collect(),
        })
    }

    fn event(&self, at: LogPosition) -> Result<Bytes, HistoryError> {
        self.check()?;
        Ok(self.0.log[usize::try_from(at.0).unwrap() - 1].clone())
    }
}

/// All sections of a tenant: its durable state, byte for byte.
pub(crate) fn durable_state(tenant: &Tenant) -> BTreeMap<SectionId, Vec<u8>> {
    let rooms = tenant.rooms().map(|room| SectionId(room.number().0.into()));
    let runs = tenant.sections().into_iter().filter(|it| it.0 >= 1 << 60);
    [SectionId(0), SectionId(1 << 32)]
        .into_iter()
        .chain(rooms)
        .chain(runs)
        .map(|section| (section, tenant.save_section(section).unwrap()))
        .collect()
}
