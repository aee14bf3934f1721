//! How an index follows its log: opened when first needed, caught up before every answer, and
//! rebuilt by itself when it cannot be trusted. The log is the truth; what it says is never the
//! index's fault.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use homeroom_protocol::Timestamp;

use super::{
    IndexCache, IndexError, IndexFault, IndexPlace, Row,
    blocks::Stored,
    cache::{Held, Slot},
    damage::{Damage, unread},
    guard::{Guarded, caught},
    late,
    past::Past,
};
use crate::{
    domain::{Domain, HistoryError},
    log::{Log, LogPosition, ReadError, Record},
    metrics::{Part, Watch},
};

/// A write is closed once it comes to so many rows of the store. sled is fastest between 128 and 256, and a write
/// holds a lock that all of the process's indexes share.
const STORED_PER_WRITE: usize = 192;
/// A write is closed once it holds this many rows.
const ROWS_PER_WRITE: usize = 4096;
/// How much is read from the log at once while catching up.
const READ_BYTES: usize = 512 * 1024;

/// The index of one tenant. Every call blocks, one caller at a time, and a rebuild may take minutes:
/// made off the async workers.
pub struct Indexer<D: Domain> {
    seed: D::Seed,
    place: Box<dyn IndexPlace>,
    name: String,
    slot: Arc<Slot>,
    /// Whether the last question came to nothing because of the index.
    is_failing: AtomicBool,
    watch: Option<Watch>,
    damage: Damage,
    /// The watch was told that it is degraded, in this life or one before.
    is_degraded: AtomicBool,
}

/// Why a try came to nothing.
pub(super) enum Trouble {
    Index(IndexError),
    History(HistoryError),
}

impl From<IndexError> for Trouble {
    fn from(error: IndexError) -> Self {
        Self::Index(error)
    }
}

impl<D: Domain> Indexer<D> {
    /// Opens nothing yet. `cache` bounds how many indexes are open; without one this index stays open,
    /// as one in memory should.
    #[must_use]
    pub fn new(seed: D::Seed, place: Box<dyn IndexPlace>, cache: Option<Arc<IndexCache>>) -> Self {
        Self {
            seed,
            name: place.name(),
            place,
            slot: Slot::new(cache),
            is_failing: AtomicBool::new(false),
            watch: None,
            damage: Damage::default(),
            is_degraded: AtomicBool::new(false),
        }
    }

    /// Tells `watch` when it is rebuilt, when it cannot be used, and when it works again; and what of the
    /// log cannot be read.
    #[must_use]
    pub fn watched(mut self, watch: Watch) -> Self {
        self.is_degraded = AtomicBool::new(watch.is_failing(Part::Index));
        self.damage = Damage::watched(watch.clone());
        self.watch = Some(watch);
        self
    }

    /// Takes in the log at least up to `durable`; returns how far the index has come.
    ///
    /// # Errors
    /// [`HistoryError`]: the log cannot be read, or the index could not be rebuilt.
    pub fn catch_up(
        &self,
        log: &dyn Log,
        durable: LogPosition,
    ) -> Result<LogPosition, HistoryError> {
        self.work(log, durable, |_, applied| Ok(applied))
    }

    /// Catches up to `durable`, the log's durable end when the question was asked, and answers.
    ///
    /// # Errors
    /// [`HistoryError`]: the log cannot be read, the index could not be rebuilt, or the domain says so.
    pub fn answer(
        &self,
        log: &dyn Log,
        durable: LogPosition,
        question: &D::Question,
    ) -> Result<D::Fact, HistoryError> {
        self.work(log, durable, |index, applied| {
            if let Some(late) = D::late(question) {
                late::follow::<D>(&self.seed, index, (log, &self.damage), late, applied)?;
            }
            let past = Past::new(index, log, &self.damage);
            let answer = D::answer(&self.seed, question, &past);
            match past.into_failure() {
                Some(error) => Err(Trouble::Index(error)),
                None => answer.map_err(Trouble::History),
            }
        })
    }

    /// Closes the index; the next call opens it again.
    pub fn close(&self) {
        self.slot.with(|held| held.close());
    }

    /// Two tries: between them a damaged index is rebuilt, which is what makes the second one work.
    fn work<T>(
        &self,
        log: &dyn Log,
        durable: LogPosition,
        work: impl Fn(&Guarded, LogPosition) -> Result<T, Trouble>,
    ) -> Result<T, HistoryError> {
        self.slot.with(|held| {
            let mut result = self.attempt(held, log, durable, &work);
            if let Err(Trouble::Index(error)) = &result
                && error.fault == IndexFault::Damaged
            {
                self.tell(error, "the index is set aside and rebuilt");
                self.degrade(&format!("{error}; it is set aside and rebuilt"));
                if let Some(watch) = &self.watch {
                    watch.rebuilds_index();
                }
                held.close();
                result = caught(&self.name, || self.place.set_aside())
                    .map_err(Trouble::Index)
                    .and_then(|()| self.attempt(held, log, durable, &work));
            }
            self.settle(held, result)
        })
    }

    /// What the asker is told. An index that failed is closed, so that the next question opens it anew.
    fn settle<T>(
        &self,
        held: &mut Held<'_>,
        result: Result<T, Trouble>,
    ) -> Result<T, HistoryError> {
        match result {
            Ok(value) => {
                self.is_failing.store(false, Ordering::Relaxed);
                if self.is_degraded.swap(false, Ordering::Relaxed)
                    && let Some(watch) = &self.watch
                {
                    watch.works(Part::Index);
                }
                Ok(value)
            }
            Err(Trouble::History(error)) => Err(error),
            Err(Trouble::Index(error)) => {
                self.tell(&error, "the index cannot be used");
                self.degrade(&error.to_string());
                self.is_failing.store(true, Ordering::Relaxed);
                match error.fault {
                    IndexFault::Damaged | IndexFault::Unavailable => held.close(),
                    IndexFault::Refused => {}
                }
                Err(HistoryError::Unreadable)
            }
        }
    }

    fn degrade(&self, what: &str) {
        if let Some(watch) = &self.watch {
            self.is_degraded.store(true, Ordering::Relaxed);
            watch.fails(Part::Index, what);
        }
    }

    /// Logs a failure, aloud only when the question before did not fail as well.
    fn tell(&self, error: &IndexError, what: &'static str) {
        if self.is_failing.load(Ordering::Relaxed) {
            tracing::debug!(%error, what);
        } else {
            tracing::warn!(%error, what);
        }
    }

    fn attempt<T>(
        &self,
        held: &mut Held<'_>,
        log: &dyn Log,
        durable: LogPosition,
        work: impl Fn(&Guarded, LogPosition) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let index = held.open_with(|| {
            let index = caught(&self.name, || self.place.open())?;
            Ok(Guarded::new(self.name.clone(), index))
        })?;
        let applied = self.follow(index, log, durable)?;
        work(index, applied)
    }

    fn damaged(&self, cause: String) -> Trouble {
        Trouble::Index(IndexError {
            place: self.name.clone(),
            cause,
            fault: IndexFault::Damaged,
        })
    }

    /// Brings the index up to `durable` at least; returns how far it has come.
    fn follow(
        &self,
        index: &Guarded,
        log: &dyn Log,
        durable: LogPosition,
    ) -> Result<LogPosition, Trouble> {
        let bounds = log.bounds();
        let mut applied = index.applied()?;
        if applied > bounds.last {
            return Err(self.damaged(format!(
                "it is at {applied}, ahead of its log, which ends at {}",
                bounds.last
            )));
        }
        if applied == LogPosition::START && bounds.first > applied.next() {
            // A new index of a trimmed log begins where the log does.
            applied = LogPosition(bounds.first.0 - 1);
        }
        while applied < durable {
            let records = match self.damage.read(log, applied.next(), READ_BYTES) {
                Ok(records) => records,
                Err(ReadError::Trimmed { first }) => {
                    return Err(self.damaged(format!(
                        "it is at {applied}, but its log is kept from {first} on only"
                    )));
                }
                Err(error) => return Err(Trouble::History(unread(&error))),
            };
            if records.is_empty() {
                let cause = format!("the log ends before {durable}, which was said to be durable");
                return Err(Trouble::History(
                    self.damage.useless(applied.next(), &cause),
                ));
            }
            applied = self.take_in(index, applied, &records)?;
        }
        Ok(applied)
    }

    /// Writes the rows of `records`, which follow `applied`; returns the last position.
    fn take_in(
        &self,
        index: &Guarded,
        mut applied: LogPosition,
        records: &[Record],
    ) -> Result<LogPosition, Trouble> {
        let mut rows: Vec<Row> = Vec::new();
        let mut stored = Stored::default();
        let mut now = Timestamp(0);
        let mut written = applied;
        for record in records {
            if record.position != applied.next() {
                let cause = format!("{} follows {applied}", record.position);
                return Err(Trouble::History(
                    self.damage.useless(applied.next(), &cause),
                ));
            }
            let before = rows.len();
            let time = D::index_stored(&self.seed, record.position, &record.bytes, &mut rows);
            let time = time.map_err(|error| {
                Trouble::History(self.damage.useless(record.position, &error.to_string()))
            })?;
            let added = &rows[before..];
            index.refuse_reserved(added)?;
            added.iter().for_each(|row| stored.add(row));
            now = now.max(time);
            applied = record.position;
            if stored.count() >= STORED_PER_WRITE || rows.len() >= ROWS_PER_WRITE {
                index.write(&rows, applied, now)?;
                written = applied;
                rows.clear();
                stored = Stored::default();
            }
        }
        if written < applied {
            index.write(&rows, applied, now)?;
        }
        Ok(applied)
    }
}

impl<D: Domain> Drop for Indexer<D> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<D: Domain> fmt::Debug for Indexer<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Indexer")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
