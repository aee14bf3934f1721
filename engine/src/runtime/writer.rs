//! The single writer: one task per awake tenant, the only owner of its state.

use std::{
    collections::VecDeque,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, Sleep, sleep_until},
};
use tracing::{Span, debug, error};

use super::{
    answering::{Answer, Answering},
    clock::{self, SystemEnvironment},
    core::{Ask, Core},
    journey::Journeys,
    pool::Pool,
    snapshotting::Snapshotting,
};
use crate::{
    domain::Domain,
    index::Indexer,
    log::{AppendError, Appended, Commit, Log, LogFailure, LogPosition, Space},
    metrics::{Part, Watch},
    snapshot::SnapshotStore,
};

/// Inputs a tenant's queue holds before its senders wait.
pub(crate) const INBOX_MAX: usize = 1024;
/// The same for what goes out of turn: what must not wait behind a slow disk, and leads to few events.
pub(crate) const URGENT_MAX: usize = 64;
/// Inputs decided before the writer looks at everything else again.
pub(crate) const INPUTS_PER_TURN: usize = 128;
/// Once in this time the high-water mark, the index and the snapshot are looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// Records the index may lag behind before it is brought up without a question asking for it.
const INDEX_LAG_MAX: u64 = 1024;

/// Where a domain's effects go.
pub(crate) trait Outlet<D: Domain>: Send + 'static {
    /// Delivers in order; may wait for room.
    /// `followed` are the requests that led to some of them and are traced.
    fn deliver(
        &mut self,
        effects: Vec<D::Effect>,
        followed: Vec<Span>,
    ) -> impl Future<Output = ()> + Send;
    /// This life ended by a failure: whoever is connected must come back.
    fn abandon(&mut self) -> impl Future<Output = ()> + Send;
}

/// Says whether a tenant may sleep now: asked by the writer, answered by who hands out its address.
pub(crate) trait Bed: Send + 'static {
    /// Takes the address back, unless somebody is using it, or `nobody_waits` says otherwise when nobody can come
    /// any more: whoever has just left may have left something.
    fn lie_down(&mut self, nobody_waits: impl Fn() -> bool) -> bool;
    /// This life ends by a failure: the stores are not to be trusted before they are recovered.
    fn fall_ill(&mut self);
}

/// What a writer is told.
#[derive(Debug)]
pub(crate) enum Command<D: Domain> {
    /// Something for the domain.
    Input(D::Input),
    /// The same, followed on its way.
    Followed(Box<(D::Input, Span)>),
    /// Finish what is under way, snapshot, seal, end.
    Close(oneshot::Sender<()>),
}

/// Where a tenant is kept.
#[derive(Debug)]
pub struct Stores<D: Domain> {
    /// What happened to it.
    pub log: Arc<dyn Log>,
    /// Finds that again.
    pub index: Arc<Indexer<D>>,
}

/// When a writer does what nobody asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Habits {
    /// How long nobody must be connected before the tenant sleeps.
    pub(crate) sleep_after: Duration,
    /// Records after which a snapshot is due.
    pub(crate) snapshot_every: u64,
}

/// Why a writer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Everything is on disk and sealed.
    Closed,
    /// The state in memory was dropped; waking again replays the log.
    Failed,
}

/// The task's state: the core, and the blocking calls under way for it.
pub(crate) struct Writer<D: Domain, O, B> {
    core: Core<D>,
    stores: Stores<D>,
    outlet: O,
    bed: B,
    habits: Habits,
    pool: Pool,
    env: SystemEnvironment,
    watch: Watch,
    journeys: Journeys,
    append: Option<JoinHandle<Result<Appended, AppendError>>>,
    /// When the commit in flight was first handed over.
    appending_since: Option<Instant>,
    checkpoint: Option<JoinHandle<Result<Space, LogFailure>>>,
    indexing: Option<JoinHandle<LogPosition>>,
    /// How far the index has come, as far as this life has to see to it.
    indexed: LogPosition,
    /// Inputs taken from the inbox for which there was no room yet; at most one turn's.
    taken: VecDeque<Command<D>>,
    /// Asked, and not yet looked up: at most the core's bound of questions.
    questions: VecDeque<Ask<D>>,
    /// None while indexing: it would wait for the index in a place on the pool that other tenants need. It
    /// answers whatever was asked when it began.
    answering: Answering<D>,
    snapshotting: Snapshotting,
    marked: LogPosition,
    /// What the figures say of this tenant.
    rooms_told: u64,
    shortage_told: bool,
    idle_since: Option<Instant>,
    closing: bool,
    /// The domain has said its last.
    ending: bool,
    /// Whoever waits for the end.
    told: Vec<oneshot::Sender<()>>,
}

/// What a waking tenant starts from.
#[derive(Debug)]
pub struct Awake<D: Domain> {
    /// It, as its log says.
    pub core: Core<D>,
    /// Where it is kept.
    pub stores: Stores<D>,
    /// None for a tenant in memory.
    pub snapshots: Option<SnapshotStore>,
    /// Where the snapshot it woke from begins its replay.
    pub newest_snapshot: LogPosition,
}

impl<D: Domain, O: Outlet<D>, B: Bed> Writer<D, O, B> {
    pub(crate) fn new(
        awake: Awake<D>,
        outlet: O,
        bed: B,
        habits: Habits,
        pool: Pool,
        watch: Watch,
    ) -> Self {
        let durable = awake.core.durable();
        let newest = awake.newest_snapshot;
        Self {
            marked: durable,
            snapshotting: Snapshotting::new(awake.snapshots, newest, watch.clone()),
            core: awake.core,
            stores: awake.stores,
            outlet,
            bed,
            habits,
            pool,
            env: SystemEnvironment::default(),
            watch,
            journeys: Journeys::default(),
            append: None,
            appending_since: None,
            checkpoint: None,
            indexing: None,
            indexed: durable,
            taken: VecDeque::new(),
            questions: VecDeque::new(),
            answering: Answering::nothing(),
            rooms_told: 0,
            shortage_told: false,
            idle_since: None,
            closing: false,
            ending: false,
            told: Vec::new(),
        }
    }

    /// Works until told to close, asleep, or broken. When it returns, and with it drops its inbox, no
    /// call on its stores is under way.
    pub(crate) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Command<D>>,
        mut urgent: mpsc::Receiver<Command<D>>,
    ) -> Ended {
        let work = Unwinding(Box::pin(self.work(&mut inbox, &mut urgent)));
        let broken: String = match work.await {
            Ok(Ok(())) => {
                self.seal().await;
                self.forget_figures(true);
                self.tell_the_end();
                return Ended::Closed;
            }
            Ok(Err(broken)) => broken.to_string(),
            Err(Panicked) => "the writer panicked".to_owned(),
        };
        error!(broken, "the tenant's state is dropped and will be replayed");
        self.watch.keeps_out(Part::Log, &broken);
        self.bed.fall_ill();
        self.outlet.abandon().await;
        self.quiet().await;
        self.forget_figures(false);
        self.tell_the_end();
        Ended::Failed
    }

    async fn work(
        &mut self,
        inbox: &mut mpsc::Receiver<Command<D>>,
        urgent: &mut mpsc::Receiver<Command<D>>,
    ) -> Result<(), AppendError> {
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        housekeeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut deadline: Pin<Box<Sleep>> = Box::pin(sleep_until(Instant::now()));
        let mut set_for = None;
        let mut inputs = Vec::with_capacity(INPUTS_PER_TURN);
        let mut full_turn = false;
        loop {
            self.decide();
            self.start_what_is_due().await;
            self.tell_figures();
            if self.may_end(inbox, urgent) {
                if self.has_ended() {
                    return Ok(());
                }
                continue;
            }
            if std::mem::take(&mut full_turn) {
                // There may be as much again: first it is the turn of other tenants.
                tokio::task::yield_now().await;
            }
            let wake_at = self.core.next_deadline();
            if let Some(at) = wake_at
                && set_for != wake_at
            {
                set_for = wake_at;
                deadline.as_mut().reset(Instant::now() + clock::until(at));
            }
            // Told to close, it finishes what it took; what is left unread gets no answer and is sent
            // again.
            let takes_input = self.taken.is_empty() && self.core.takes_input() && !self.closing;
            let saving = self.snapshotting.is_saving();
            tokio::select! {
                biased;
                Some(command) = urgent.recv(), if self.core.takes_urgent() => self.obey(command),
                appended = finished(&mut self.append) => self.appended(appended)?,
                answer = self.answering.next() => self.answered(answer),
                () = &mut deadline, if wake_at.is_some() => {
                    self.core.tick(&mut self.env);
                    set_for = None;
                    full_turn = true;
                }
                space = finished(&mut self.checkpoint) => self.core.set_space(space?),
                () = self.snapshotting.written() => {}
                indexed = finished(&mut self.indexing) => self.indexed = indexed,
                _ = housekeeping.tick() => {
                    self.keep_house();
                    // The system's clock may have been set meanwhile.
                    set_for = None;
                }
                count = inbox.recv_many(&mut inputs, INPUTS_PER_TURN), if takes_input => {
                    // Nobody holds its address any more.
                    self.closing |= count == 0;
                    gather(inbox, &mut inputs).await;
                    full_turn = inputs.len() == INPUTS_PER_TURN;
                    self.taken.extend(inputs.drain(..));
                }
                () = std::future::ready(()), if saving => {}
            }
            self.snapshotting.advance(&self.core, &self.pool);
        }
    }

    /// Decides what was taken, as far as there is room for what it may lead to.
    fn decide(&mut self) {
        self.core.resume(&mut self.env);
        if self.taken.is_empty() {
            return;
        }
        // They came in one turn, and are decided in one.
        self.env.hold_clock();
        while self.core.takes_input()
            && let Some(command) = self.taken.pop_front()
        {
            self.obey(command);
        }
        self.env.let_clock_go();
    }

    fn obey(&mut self, command: Command<D>) {
        match command {
            Command::Input(input) => self.core.input(&mut self.env, input),
            Command::Followed(followed) => self.follow(*followed),
            Command::Close(told) => {
                self.closing = true;
                self.told.push(told);
            }
        }
    }

    /// Decides a request that is traced.
    fn follow(&mut self, (input, request): (D::Input, Span)) {
        let (before, undecided) = (self.core.tail(), self.core.undecided());
        let decide = Journeys::decide(&request);
        self.core.input(&mut self.env, input);
        drop(decide);
        if self.core.undecided() > undecided {
            Journeys::looks_up(&request);
        } else {
            self.journeys.decided(request, before, self.core.tail());
        }
    }

    async fn start_what_is_due(&mut self) {
        if self.append.is_none()
            && let Some(commit) = self.core.next_commit(&mut self.env)
        {
            let events = commit.records.len();
            let last = LogPosition(commit.expected.0 + events as u64);
            self.journeys.committing(last, events);
            self.start_append(commit);
        }
        self.questions.extend(self.core.take_questions());
        let uses_index = self.answering.is_under_way() || self.indexing.is_some();
        if !uses_index && !self.questions.is_empty() {
            let asked = std::mem::take(&mut self.questions);
            self.answering.begin(asked, &self.stores, &self.pool);
        }
        let effects = self.core.take_effects();
        // A request that led to nothing ends here.
        let followed = self.journeys.release(self.core.durable());
        if !effects.is_empty() {
            self.outlet.deliver(effects, followed).await;
        }
    }

    /// Decides what waited for an answer, and for those that came with it.
    fn answered(&mut self, mut answer: Option<Answer<D>>) {
        while let Some((ticket, fact)) = answer {
            self.core.answered(&mut self.env, ticket, fact);
            answer = self.answering.ready();
        }
    }

    fn start_append(&mut self, commit: Arc<Commit>) {
        self.appending_since.get_or_insert_with(Instant::now);
        let log = Arc::clone(&self.stores.log);
        self.append = Some(self.pool.commit(move || log.append(&commit)));
    }

    fn appended(&mut self, result: Result<Appended, AppendError>) -> Result<(), AppendError> {
        if matches!(result, Err(AppendError::Full)) {
            // Only where the file system cannot set space aside. Nothing was added, and nothing is lost: it
            // is tried again with every housekeeping, and what was decided after it waits with it.
            self.core.set_space(Space::Low);
            return Ok(());
        }
        if matches!(result, Err(AppendError::Unknown)) {
            let commit = self
                .core
                .commit_in_flight()
                .cloned()
                .expect("its result just came");
            self.start_append(commit);
            return Ok(());
        }
        let appended = result?;
        if let Some(since) = self.appending_since.take() {
            let events = self.core.commit_in_flight();
            let events = events.map_or(0, |commit| commit.records.len() as u64);
            self.watch.metrics().committed(events, since.elapsed());
        }
        self.core
            .appended(appended)
            .map_err(|misplaced| AppendError::WrongPosition {
                actual: misplaced.appended.last,
            })?;
        self.journeys.committed(self.core.durable());
        Ok(())
    }

    /// What is looked at once a second.
    fn keep_house(&mut self) {
        let durable = self.core.durable();
        if self.append.is_none()
            && let Some(refused) = self.core.commit_in_flight().cloned()
        {
            self.start_append(refused);
        }
        if self.checkpoint.is_none() && (durable > self.marked || self.core.takes_no_events()) {
            let log = Arc::clone(&self.stores.log);
            self.marked = durable;
            self.checkpoint = Some(self.pool.commit(move || log.checkpoint()));
        }
        let uses_index = self.indexing.is_some() || self.answering.is_under_way();
        if !uses_index && durable.0.saturating_sub(self.indexed.0) > INDEX_LAG_MAX {
            let (index, log) = (Arc::clone(&self.stores.index), Arc::clone(&self.stores.log));
            // A failure is logged there, and met again by the first question.
            self.indexing = Some(
                self.pool
                    .run(move || index.catch_up(&*log, durable).unwrap_or(durable)),
            );
        }
        if self.snapshotting.age(&self.core) >= self.habits.snapshot_every {
            self.snapshotting.begin(&mut self.core);
        }
    }

    fn may_end(
        &mut self,
        inbox: &mpsc::Receiver<Command<D>>,
        urgent: &mpsc::Receiver<Command<D>>,
    ) -> bool {
        if !self.core.is_settled() || !self.taken.is_empty() {
            return false;
        }
        if self.closing {
            return true;
        }
        if !self.core.is_idle() {
            self.idle_since = None;
            return false;
        }
        let since = *self.idle_since.get_or_insert_with(Instant::now);
        let nobody_waits = || inbox.is_empty() && urgent.is_empty();
        let sleeps = since.elapsed() >= self.habits.sleep_after
            && nobody_waits()
            && self.bed.lie_down(nobody_waits);
        if sleeps {
            self.closing = true;
            debug!("nobody is connected: the tenant sleeps");
        }
        sleeps
    }

    /// Whether the domain has said its last, and it is on disk.
    fn has_ended(&mut self) -> bool {
        if !std::mem::replace(&mut self.ending, true) {
            self.core.end(&mut self.env);
        }
        self.core.is_settled()
    }

    /// Snapshot and seal, so that the next wake replays nothing. A failure here loses nothing: the
    /// next wake replays, and checks the tail.
    async fn seal(&mut self) {
        self.snapshotting.finish(&mut self.core, &self.pool).await;
        self.quiet().await;
        let log = Arc::clone(&self.stores.log);
        let index = Arc::clone(&self.stores.index);
        let sealed = self.pool.run(move || {
            index.close();
            log.close()
        });
        if let Err(failure) = sealed.await.expect("sealing does not panic") {
            error!(%failure, "the log could not be sealed");
        }
    }

    /// Waits for the blocking calls under way: the stores must not be opened anew beside them.
    async fn quiet(&mut self) {
        if let Some(append) = self.append.take() {
            drop(append.await);
        }
        if let Some(checkpoint) = self.checkpoint.take() {
            drop(checkpoint.await);
        }
        if let Some(indexing) = self.indexing.take() {
            drop(indexing.await);
        }
        self.answering.quiet().await;
        self.snapshotting.quiet().await;
    }

    /// Keeps the figures of the engine true, where something changed.
    fn tell_figures(&mut self) {
        let rooms = self.core.rooms_count() as u64;
        if rooms != self.rooms_told {
            self.watch.metrics().rooms(self.rooms_told, rooms);
            self.rooms_told = rooms;
        }
        let is_short = self.core.is_short_of_space();
        if is_short != self.shortage_told {
            self.shortage_told = is_short;
            if is_short {
                self.watch.fails(
                    Part::Space,
                    "the disk is full: make room, and writing goes on by itself",
                );
            } else {
                self.watch.works(Part::Space);
            }
        }
    }

    /// A tenant that sleeps has no rooms in memory and wants no space.
    fn forget_figures(&mut self, in_order: bool) {
        self.watch.metrics().rooms(self.rooms_told, 0);
        self.watch.works(Part::Space);
        self.watch.metrics().slept(in_order);
    }

    fn tell_the_end(&mut self) {
        for told in self.told.drain(..) {
            // Whoever asked may have gone; the end is the same.
            let _ = told.send(());
        }
    }
}

/// Lets everybody on this thread who has something to ask do so, and takes that as well: whoever asks first
/// would else be decided, committed and told of alone, and each of the others again.
async fn gather<C>(inbox: &mut mpsc::Receiver<C>, inputs: &mut Vec<C>) {
    if inputs.is_empty() || inputs.len() == INPUTS_PER_TURN {
        return;
    }
    behind_the_ready().await;
    while inputs.len() < INPUTS_PER_TURN
        && let Ok(input) = inbox.try_recv()
    {
        inputs.push(input);
    }
}

/// Lets every task that is ready on this thread have its turn. Not as long as tokio's `yield_now`, which also waits
/// until the system was asked for news: for somebody who is alone that is a system call, and beside a tenant
/// that is never done two more turns of that one.
async fn behind_the_ready() {
    let mut was_behind = false;
    poll_fn(|context| {
        if std::mem::replace(&mut was_behind, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Waits for a call, for ever when there is none. Safe to cancel.
async fn finished<T>(call: &mut Option<JoinHandle<T>>) -> T {
    let Some(handle) = call else {
        return std::future::pending().await;
    };
    let result = handle.await;
    // First, for what panicked must not be waited for again.
    *call = None;
    result.expect("calls on the stores do not panic")
}

/// A future whose panic ends only itself, so that what it left under way can still be waited for.
struct Unwinding<F>(Pin<Box<F>>);

struct Panicked;

impl<F: Future> Future for Unwinding<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // What it borrowed is dropped or only waited for afterwards, never decided with.
        let polled = catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context)));
        polled.map_or(Poll::Ready(Err(Panicked)), |poll| poll.map(Ok))
    }
}
