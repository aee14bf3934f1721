//! The contract between pure rules and the runtime that gives them time, storage and an audience.
//!
//! The runtime owns one domain value per awake tenant and is its only caller. A domain has no clock,
//! no randomness, no disk and no tokio: all of that arrives as arguments and leaves as an [`Outcome`].
//!
//! * [`Domain::handle`] decides: it may refuse, and applies its own events at once.
//! * [`Domain::apply`] is total: recovery, index and snapshots use nothing else.
//! * Effects in [`Outcome::held`] leave only when every event applied so far is durable; effects in
//!   [`Outcome::now`] leave at once.
//!
//! The room tenant is the first domain, `auth` the second.

use std::fmt;

use bytes::Bytes;
use homeroom_protocol::Timestamp;

use crate::{
    index::{Found, Order, Row},
    log::LogPosition,
};

/// Everything about "now" a decision may use.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The clock. May stand still or jump; a domain makes its own times monotonic where it promised so.
    pub now: Timestamp,
    /// 128 random bits, fresh for each call.
    pub entropy: u128,
    /// Whether new events can be stored. When not, a domain refuses what would need one and goes on
    /// with the rest.
    pub storage: Storage,
    /// Every event up to this position is durable.
    pub durable: LogPosition,
}

impl Moment {
    /// 64 of the random bits.
    #[must_use]
    pub const fn entropy_64(&self) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "any 64 of the random bits do"
        )]
        let bits = self.entropy as u64;
        bits
    }
}

/// Whether new events can be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// They can.
    Open,
    /// The disk is full.
    Full,
    /// All that may be stored is stored.
    Spent,
}

/// What one call to a domain led to.
#[derive(Debug)]
pub struct Outcome<D: Domain> {
    /// Durable facts, already applied, in order; all of them enter the log in one commit.
    pub events: Vec<D::Event>,
    /// Leave in order, once everything applied so far is durable.
    pub held: Vec<D::Effect>,
    /// Leave now: signals, and removals from an audience.
    pub now: Vec<D::Effect>,
}

impl<D: Domain> Default for Outcome<D> {
    fn default() -> Self {
        Self {
            events: Vec::new(),
            held: Vec::new(),
            now: Vec::new(),
        }
    }
}

/// Inputs of one lane are decided in the order of their arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lane(pub u64);

/// A part of a snapshot that is rewritten only when it changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SectionId(pub u64);

/// The rules of one tenant of one kind.
pub trait Domain: fmt::Debug + Sized + Send + 'static {
    /// What never changes in a tenant's life: ids, secrets, settings.
    type Seed: Clone + Send + Sync + 'static;
    /// All that can happen to it.
    type Input: fmt::Debug + Send + 'static;
    /// Durable facts.
    type Event: fmt::Debug + Send + 'static;
    /// What leaves it.
    type Effect: fmt::Debug + Send + 'static;
    /// What it must look up in its history before it can decide.
    type Question: fmt::Debug + Send + 'static;
    /// The answer to a question.
    type Fact: fmt::Debug + Send + 'static;

    /// Counted up by a release whose [`index`](Self::index) writes other rows: older indexes are then
    /// rebuilt.
    const ROWS_VERSION: u32;

    /// A tenant in which nothing has happened.
    fn new(seed: Self::Seed) -> Self;

    /// The lane of an input; `None` when its order does not matter.
    fn lane(input: &Self::Input) -> Option<Lane>;

    /// Whether an input may be dealt with at all, asked first when it is its turn: nothing has been looked
    /// up for it, so what is refused here costs next to nothing. When not, whatever it is to be told is in
    /// `out`, and that was all.
    fn admit(&mut self, moment: Moment, input: &Self::Input, out: &mut Outcome<Self>) -> bool {
        let _ = (moment, input, out);
        true
    }

    /// What must be looked up before this input can be decided; asked once, when it is its turn.
    fn needs(&self, input: &Self::Input) -> Option<Self::Question>;

    /// Decides an input. `fact` answers what [`needs`](Self::needs) asked, or says why it could not be
    /// answered; meanwhile other lanes went on, so what is newer in memory overrides it.
    fn handle(
        &mut self,
        moment: Moment,
        input: Self::Input,
        fact: Option<Result<Self::Fact, HistoryError>>,
        out: &mut Outcome<Self>,
    );

    /// Does what is due at `moment.now`.
    fn tick(&mut self, moment: Moment, out: &mut Outcome<Self>);

    /// When [`tick`](Self::tick) must be called next.
    fn next_deadline(&self) -> Option<Timestamp>;

    /// The life ends in order, asleep or told to: what only its end makes known becomes events now. Nothing
    /// is decided after it.
    fn end(&mut self, moment: Moment, out: &mut Outcome<Self>) {
        let _ = (moment, out);
    }

    /// Whether nobody is connected, so that the tenant may sleep.
    fn is_idle(&self) -> bool;

    /// How many rooms it has, or what it has in their place; for the figures of the engine, so cheap.
    fn rooms_count(&self) -> usize {
        0
    }

    /// Takes in a fact. Never refuses, reads no rules and no clock. Skips, section by section, what a
    /// loaded section already holds.
    fn apply(&mut self, at: LogPosition, event: &Self::Event);

    /// About how many bytes of memory an effect takes: what waits for the log is bounded by it.
    #[must_use]
    fn weight(_: &Self::Effect) -> usize {
        size_of::<Self::Effect>()
    }

    /// What leaves of a held effect now that it may. What was decided since can have made it void, as a
    /// removal does to an addition that was still held: removals act at once, additions when durable.
    #[must_use]
    fn release(&self, effect: Self::Effect) -> Option<Self::Effect> {
        Some(effect)
    }

    /// The stored form: a type, a version, the fields.
    fn encode(event: &Self::Event) -> Bytes;

    /// Adds the stored form to what a commit holds already: for domains that can do without memory of its own for
    /// each event.
    fn encode_to(event: &Self::Event, out: &mut Vec<u8>) {
        out.extend_from_slice(&Self::encode(event));
    }

    /// Reads a stored event of this or any earlier release.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are of a later release or no event at all.
    fn decode(bytes: &[u8]) -> Result<Self::Event, DecodeError>;

    /// The rows that make an event findable.
    fn index(seed: &Self::Seed, at: LogPosition, event: &Self::Event, rows: &mut Vec<Row>);

    /// The same of an event in its stored form, and its [`time`](Self::time): for domains that know a shorter way to
    /// them than to decode all of it.
    ///
    /// # Errors
    /// [`DecodeError`] as of [`decode`](Self::decode); a shorter way may pass over what it does not look at.
    fn index_stored(
        seed: &Self::Seed,
        at: LogPosition,
        bytes: &[u8],
        rows: &mut Vec<Row>,
    ) -> Result<Timestamp, DecodeError> {
        let event = Self::decode(bytes)?;
        Self::index(seed, at, &event, rows);
        Ok(Self::time(&event))
    }

    /// Rows that only questions with a [`Late`] want: they are written when one of these asks, and never
    /// when nobody does.
    fn index_late(seed: &Self::Seed, at: LogPosition, event: &Self::Event, rows: &mut Vec<Row>) {
        let _ = (seed, at, event, rows);
    }

    /// How far a question wants the rows of [`index_late`](Self::index_late); `None`: not at all.
    fn late(question: &Self::Question) -> Option<Late> {
        let _ = question;
        None
    }

    /// The time of an event: the index's clock is the latest of them. Of events that leave rows in
    /// [`index_late`](Self::index_late) it is never lower than of those before. Others may carry the time of
    /// another clock: of the machine that restored the log, or of one that ran ahead before a snapshot.
    fn time(event: &Self::Event) -> Timestamp;

    /// Answers a question from the history; runs off the tenant's task. The history is complete up to
    /// at least what was durable when the question was asked.
    ///
    /// # Errors
    /// [`HistoryError`].
    fn answer(
        seed: &Self::Seed,
        question: &Self::Question,
        history: &dyn History,
    ) -> Result<Self::Fact, HistoryError>;

    /// All sections there are.
    fn sections(&self) -> Vec<SectionId>;

    /// The sections that changed since this was last called, those that are gone as well. After loading:
    /// none. Asked when a snapshot begins, which then saves them from the highest id to the lowest while
    /// events go on.
    fn take_dirty_sections(&mut self) -> Vec<SectionId>;

    /// A section as it is now, with the position it was applied up to; `None` when it is gone.
    fn save_section(&self, section: SectionId) -> Option<Vec<u8>>;

    /// Takes in a saved section. All sections of a snapshot are loaded before the first `apply`, from the
    /// lowest id to the highest.
    ///
    /// # Errors
    /// [`DecodeError`]; the snapshot is then not used.
    fn load_section(&mut self, section: SectionId, bytes: &[u8]) -> Result<(), DecodeError>;

    /// Every section of the snapshot was loaded.
    ///
    /// # Errors
    /// [`DecodeError`] when that is not all that belongs to it; the snapshot is then not used.
    fn loaded(&mut self) -> Result<(), DecodeError> {
        Ok(())
    }
}

/// How far late rows are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Late {
    /// Those of all events up to here,
    pub upto: LogPosition,
    /// except of events before this time.
    pub since: Timestamp,
}

/// The past of one tenant, as its questions may read it.
pub trait History {
    /// The value at an index key.
    ///
    /// # Errors
    /// [`HistoryError`].
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, HistoryError>;

    /// At most `rows_max` index rows with `from <= key < to`.
    ///
    /// # Errors
    /// [`HistoryError`].
    fn range(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        rows_max: usize,
    ) -> Result<Vec<Found>, HistoryError>;

    /// Says which events are read next, in the order of the log, so that those that lie together are read
    /// at once and the others alone.
    fn will_read(&self, at: &[LogPosition]) {
        let _ = at;
    }

    /// The stored form of the event at a log position.
    ///
    /// # Errors
    /// [`HistoryError`].
    fn event(&self, at: LogPosition) -> Result<Bytes, HistoryError>;
}

/// Why the past could not be read. Logged where it happened; a domain only says "retry later" or
/// resets a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// Dropped by retention.
    #[error("no longer kept")]
    Trimmed,
    /// The index could not be used; the next question tries anew.
    #[error("cannot be read")]
    Unreadable,
    /// The log is damaged there, or its disk fails: only an operator can help.
    #[error("damaged")]
    Damaged,
}

/// Stored bytes that this release cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A type or version of a later release.
    #[error("type {kind} version {version} is not known to this release; use a later one")]
    Later {
        /// The type number.
        kind: u32,
        /// The version.
        version: u32,
    },
    /// Not what was stored.
    #[error("not a stored {what}")]
    Malformed {
        /// What it should have been.
        what: &'static str,
    },
}
