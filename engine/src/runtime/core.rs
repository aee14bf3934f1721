//! The writer's rules without its I/O: one domain, its group commit, what is held, what waits.
//!
//! The runtime drives a [`Core`] with real time, disk and sockets; a simulator drives the same code
//! with virtual ones. A driver loops: give it what happened ([`input`](Core::input),
//! [`answered`](Core::answered), [`appended`](Core::appended), [`tick`](Core::tick)), lets it
//! [`resume`](Core::resume), then takes what it
//! wants done ([`next_commit`](Core::next_commit), [`take_questions`](Core::take_questions),
//! [`take_effects`](Core::take_effects)).

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use homeroom_protocol::Timestamp;

use super::{
    group_commit::{GroupCommit, Misplaced},
    held::Held,
    lanes::Lanes,
};
use crate::{
    domain::{Domain, HistoryError, Lane, Moment, Outcome, SectionId, Storage},
    log::{Appended, Commit, CommitId, LogPosition, Space, WriterEpoch},
    planted::{Fault, fault},
};

/// Where "now" and randomness come from; the only door to both.
pub trait Environment {
    /// The clock.
    fn now(&mut self) -> Timestamp;
    /// 128 fresh random bits.
    fn entropy(&mut self) -> u128;
}

/// Questions asked and not answered at which no further input is taken.
pub const QUESTIONS_MAX: usize = 256;
/// Questions being looked up at once, each of which may bring a page of
/// [`PAGE_BYTES_MAX`](homeroom_protocol::limit::PAGE_BYTES_MAX); the others wait, small, for their turn,
/// as all do while as many effects as may be are held.
pub const UNDER_WAY_MAX: usize = 8;

/// Names a question until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket(u64);

/// A question to be answered from a history that is complete up to `upto`.
#[derive(Debug)]
pub struct Ask<D: Domain> {
    /// Comes back with the answer.
    pub ticket: Ticket,
    /// What to look up.
    pub question: D::Question,
    /// Everything up to here is durable and must be visible to the answer.
    pub upto: LogPosition,
}

/// One awake domain.
#[derive(Debug)]
pub struct Core<D: Domain> {
    domain: D,
    commits: GroupCommit,
    held: Held<D::Effect>,
    lanes: Lanes<D::Input>,
    asked: HashMap<Ticket, (Option<Lane>, D::Input)>,
    /// Lanes whose answer is in, while inputs that waited behind it are left.
    freed: VecDeque<Lane>,
    tickets: u64,
    storage: Storage,
    effects: Vec<D::Effect>,
    /// Not yet handed out.
    questions: VecDeque<Ask<D>>,
    /// Empty between two decisions, whose lists keep their room.
    outcome: Outcome<D>,
}

/// Entries of each list of a decision for which room is kept: nearly all lead to fewer.
const OUTCOME_ENTRIES: usize = 16;

impl<D: Domain> Core<D> {
    /// Takes over a domain that has applied everything up to `durable`, the end of its log.
    pub fn new(domain: D, durable: LogPosition, writer: WriterEpoch, space: Space) -> Self {
        Self {
            domain,
            commits: GroupCommit::new(durable, writer),
            held: Held::default(),
            lanes: Lanes::default(),
            asked: HashMap::new(),
            freed: VecDeque::new(),
            tickets: 0,
            storage: storage_of(space),
            effects: Vec::new(),
            questions: VecDeque::new(),
            outcome: Outcome::default(),
        }
    }

    /// Something happened. It is decided now, or when its lane's turn comes.
    pub fn input(&mut self, env: &mut impl Environment, input: D::Input) {
        let lane = D::lane(&input);
        if let Some(input) = self.lanes.admit(lane, input) {
            self.begin(env, lane, input);
        }
    }

    /// Inputs that wait for an answer, or behind one.
    #[must_use]
    pub fn undecided(&self) -> usize {
        self.asked.len() + self.lanes.count()
    }

    /// The answer to a question; the inputs that waited behind it follow with
    /// [`resume`](Self::resume).
    pub fn answered(
        &mut self,
        env: &mut impl Environment,
        ticket: Ticket,
        fact: Result<D::Fact, HistoryError>,
    ) {
        let Some((lane, input)) = self.asked.remove(&ticket) else {
            return;
        };
        let mut out = std::mem::take(&mut self.outcome);
        let moment = self.moment(env);
        self.domain.handle(moment, input, Some(fact), &mut out);
        self.settle(out);
        self.freed.extend(lane);
        self.resume(env);
    }

    /// Decides what waited behind answers that are in, as far as there is room for what it leads to.
    pub fn resume(&mut self, env: &mut impl Environment) {
        while let Some(&lane) = self.freed.front()
            && self.has_room()
        {
            let waits = match self.lanes.next(Some(lane)) {
                Some(input) => self.begin(env, Some(lane), input) == Begun::Waits,
                None => true,
            };
            if waits {
                self.freed.pop_front();
            }
        }
    }

    /// The commit in flight is durable; what waited for it leaves.
    ///
    /// # Errors
    /// [`Misplaced`]: this core's state is not the log's and must be dropped.
    pub fn appended(&mut self, appended: Appended) -> Result<(), Misplaced> {
        let durable = self.commits.finish(appended)?;
        self.storage = storage_of(appended.space);
        // About as many as it had records.
        let released = appended.last.0.saturating_sub(appended.first.0) + 1;
        let released = usize::try_from(released).unwrap_or(0).min(self.held.len());
        self.effects.reserve(released);
        self.release(durable);
        Ok(())
    }

    /// What the log last said about its space.
    pub const fn set_space(&mut self, space: Space) {
        self.storage = storage_of(space);
    }

    /// Lets the domain do what is due.
    pub fn tick(&mut self, env: &mut impl Environment) {
        let mut out = std::mem::take(&mut self.outcome);
        let moment = self.moment(env);
        self.domain.tick(moment, &mut out);
        self.settle(out);
    }

    /// The life ends in order: lets the domain say its last. It is over when it has
    /// [settled](Self::is_settled).
    pub fn end(&mut self, env: &mut impl Environment) {
        let mut out = std::mem::take(&mut self.outcome);
        let moment = self.moment(env);
        self.domain.end(moment, &mut out);
        self.settle(out);
    }

    /// When [`tick`](Self::tick) is due.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.domain.next_deadline()
    }

    /// The next commit to append, if one is due.
    pub fn next_commit(&mut self, env: &mut impl Environment) -> Option<Arc<Commit>> {
        self.commits.start(CommitId(env.entropy().to_le_bytes()))
    }

    /// The commit in flight once more, for a retry.
    #[must_use]
    pub const fn commit_in_flight(&self) -> Option<&Arc<Commit>> {
        self.commits.in_flight()
    }

    /// What must be looked up now. Ask again when an answer or a commit came in.
    pub fn take_questions(&mut self) -> Vec<Ask<D>> {
        if self.held.is_full() {
            return Vec::new();
        }
        let under_way = self.asked.len() - self.questions.len();
        let count = UNDER_WAY_MAX
            .saturating_sub(under_way)
            .min(self.questions.len());
        self.questions.drain(..count).collect()
    }

    /// What leaves, in order.
    pub fn take_effects(&mut self) -> Vec<D::Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Whether it takes further input; when not, the driver leaves it in its bounded queue.
    #[must_use]
    pub fn takes_input(&self) -> bool {
        self.has_room() && !self.lanes.is_full() && self.asked.len() < QUESTIONS_MAX
    }

    /// Whether it takes what goes out of turn: that has as much room again, so that it need not wait
    /// where everything else does.
    #[must_use]
    pub fn takes_urgent(&self) -> bool {
        !self.held.is_overfull()
    }

    fn has_room(&self) -> bool {
        !self.commits.is_full() && !self.held.is_full()
    }

    /// Whether nothing is under way.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.commits.is_idle()
            && self.asked.is_empty()
            && self.freed.is_empty()
            && self.held.is_empty()
    }

    /// Whether new events are refused for want of disk space.
    #[must_use]
    pub const fn is_short_of_space(&self) -> bool {
        matches!(self.storage, Storage::Full)
    }

    /// Whether new events are refused, for want of disk space or because the log holds what it may.
    #[must_use]
    pub const fn takes_no_events(&self) -> bool {
        matches!(self.storage, Storage::Full | Storage::Spent)
    }

    /// Whether nobody is connected.
    pub fn is_idle(&self) -> bool {
        self.domain.is_idle()
    }

    /// How many rooms its domain has.
    pub fn rooms_count(&self) -> usize {
        self.domain.rooms_count()
    }

    /// Everything up to here is durable.
    #[must_use]
    pub const fn durable(&self) -> LogPosition {
        self.commits.durable()
    }

    /// Everything up to here is applied.
    #[must_use]
    pub const fn tail(&self) -> LogPosition {
        self.commits.tail()
    }

    /// The sections a snapshot from [`tail`](Self::tail) on must rewrite: those that changed since the
    /// last call, or all; lowest first. Those that are gone are among them.
    pub fn sections_to_save(&mut self, which: Sections) -> Vec<SectionId> {
        let mut sections = self.domain.take_dirty_sections();
        match which {
            Sections::Dirty => {}
            Sections::All => sections.append(&mut self.domain.sections()),
        }
        sections.sort_unstable();
        sections.dedup();
        sections
    }

    /// One section as it is now.
    pub fn save_section(&self, section: SectionId) -> Option<Vec<u8>> {
        self.domain.save_section(section)
    }

    fn begin(&mut self, env: &mut impl Environment, lane: Option<Lane>, input: D::Input) -> Begun {
        let moment = self.moment(env);
        let mut out = std::mem::take(&mut self.outcome);
        if !self.domain.admit(moment, &input, &mut out) {
            self.settle(out);
            return Begun::Decided;
        }
        let Some(question) = self.domain.needs(&input) else {
            self.domain.handle(moment, input, None, &mut out);
            self.settle(out);
            return Begun::Decided;
        };
        // What was admitted is decided by an answer; nothing can be said of it before.
        debug_assert!(out.events.is_empty() && out.held.is_empty() && out.now.is_empty());
        drop(out);
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.lanes.block(lane);
        self.asked.insert(ticket, (lane, input));
        self.questions.push_back(Ask {
            ticket,
            question,
            upto: self.commits.durable(),
        });
        Begun::Waits
    }

    /// Queues what was decided, holds what depends on it, and lets go what depends on nothing new.
    fn settle(&mut self, mut out: Outcome<D>) {
        let events = out.events.drain(..);
        (self.commits).push_with(events, |event, out| D::encode_to(&event, out));
        self.effects.append(&mut out.now);
        let tail = self.commits.tail();
        for effect in out.held.drain(..) {
            self.held.push(tail, D::weight(&effect), effect);
        }
        let kept = [
            out.events.capacity(),
            out.held.capacity(),
            out.now.capacity(),
        ];
        if kept.into_iter().all(|room| room <= OUTCOME_ENTRIES) {
            self.outcome = out;
        }
        if fault(Fault::EffectsBeforeCommit) {
            self.release(tail);
        }
        self.release(self.commits.durable());
    }

    fn release(&mut self, durable: LogPosition) {
        let (domain, effects) = (&self.domain, &mut self.effects);
        self.held
            .release(durable, |effect| effects.extend(domain.release(effect)));
    }

    fn moment(&self, env: &mut impl Environment) -> Moment {
        Moment {
            now: env.now(),
            entropy: env.entropy(),
            storage: self.storage,
            durable: self.commits.durable(),
        }
    }
}

/// Which sections a snapshot rewrites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sections {
    /// Those that changed.
    Dirty,
    /// All of them.
    All,
}

#[derive(PartialEq, Eq)]
enum Begun {
    Decided,
    Waits,
}

const fn storage_of(space: Space) -> Storage {
    match space {
        Space::Reserved => Storage::Open,
        Space::Low => Storage::Full,
        Space::Spent => Storage::Spent,
    }
}
