//! Rows that are rarely wanted: written only when a question asks, so that nobody pays for them who does
//! not need them.
//!
//! An idempotency key is known in memory as long as it is new, and most are never asked for again. Its row
//! lies at a random place of the tree, which made it by far the dearest of a message.

use homeroom_protocol::Timestamp;

use super::{
    Row,
    damage::{Damage, unread},
    guard::{Guarded, RESERVED},
    indexer::Trouble,
};
use crate::{
    domain::{Domain, HistoryError, Late},
    log::{Log, LogPosition, Record},
};

/// The indexer's own row: how far the late rows have come, and since when.
const PROGRESS: &[u8] = &[RESERVED, b'l'];
/// So many records are taken in beyond those wanted, so that the next questions find theirs.
const AHEAD: u64 = 1024;
/// How much is read from the log at once.
const READ_BYTES: usize = 256 * 1024;
/// How exactly those that are too old are looked for by halving, and not read one by one: down to so many
/// records, and how many bytes of them are looked at in each half.
const ROUGHLY: (u64, usize) = (4096, 4096);
const EXACTLY: (u64, usize) = (1, 1);
/// Looks into the log for one beginning: some for each half, and more where it cannot be read.
const SAMPLES_MAX: usize = 256;
/// Rows are written of so much more than is wanted, in ms, as questions overtake each other: the one that
/// asked first wants a little more.
const EARLIER_MS: u64 = 60 * 60 * 1000;
/// From here on it is too much more.
const TOO_EARLY_MS: u64 = 2 * EARLIER_MS;
/// Rows in one write, as for all others.
const ROWS_PER_WRITE: usize = 256;

/// Brings the late rows of an index, which has `applied` all else, up to where they are wanted.
pub(super) fn follow<D: Domain>(
    seed: &D::Seed,
    index: &Guarded,
    (log, damage): (&dyn Log, &Damage),
    late: Late,
    applied: LogPosition,
) -> Result<(), Trouble> {
    let upto = late.upto.min(applied);
    let before = progress(index)?;
    // Clocks are corrected: what was too old for a question before may not be so for this one.
    let Progress { mut done, since } = match before {
        Some(before) if before.since <= late.since => before.with(late.since),
        Some(_) | None => Progress::beginning(late.since),
    };
    if done >= upto {
        return Ok(());
    }
    let pass = Pass { log, damage };
    let from = done.next().max(log.bounds().first);
    let mut next = pass.first_since::<D>(seed, (from, upto), since, ROUGHLY);
    let goal = LogPosition(upto.0.saturating_add(AHEAD)).min(applied);
    let mut rows = Vec::new();
    while next <= goal {
        let Err(trouble) = pass.take_some::<D>(seed, (&mut next, goal), since, &mut rows) else {
            index.refuse_reserved(&rows)?;
            while rows.len() > ROWS_PER_WRITE {
                let rest = rows.split_off(ROWS_PER_WRITE);
                write(index, rows, Progress { done, since }, applied)?;
                rows = rest;
            }
            done = LogPosition(next.0 - 1);
            write(index, rows, Progress { done, since }, applied)?;
            rows = Vec::new();
            continue;
        };
        // Nobody misses what cannot be read when it is too old.
        let further = pass.first_since::<D>(seed, (next, upto), since, EXACTLY);
        if further == next {
            return Err(Trouble::History(trouble));
        }
        next = further;
    }
    Ok(())
}

/// How far the late rows have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Progress {
    /// Those of events up to here are in,
    done: LogPosition,
    /// except of events before this time.
    since: Timestamp,
}

impl Progress {
    const fn beginning(wanted: Timestamp) -> Self {
        Self {
            done: LogPosition::START,
            since: Timestamp(wanted.0.saturating_sub(EARLIER_MS)),
        }
    }

    /// Goes on for a question that wants less: what is too old by far is not looked for any more.
    const fn with(self, wanted: Timestamp) -> Self {
        let since = match wanted.0.saturating_sub(self.since.0) {
            0..=TOO_EARLY_MS => self.since,
            _ => Timestamp(wanted.0.saturating_sub(EARLIER_MS)),
        };
        Self { since, ..self }
    }

    fn encode(self) -> Vec<u8> {
        [self.done.0.to_be_bytes(), self.since.0.to_be_bytes()].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (done, since) = bytes.split_first_chunk()?;
        Some(Self {
            done: LogPosition(u64::from_be_bytes(*done)),
            since: Timestamp(u64::from_be_bytes(since.try_into().ok()?)),
        })
    }
}

/// Where they end; a value that is none is a beginning, which only costs time.
fn progress(index: &Guarded) -> Result<Option<Progress>, Trouble> {
    let value = index.get(PROGRESS)?;
    Ok(value.and_then(|value| Progress::decode(&value)))
}

fn write(
    index: &Guarded,
    mut rows: Vec<Row>,
    progress: Progress,
    applied: LogPosition,
) -> Result<(), Trouble> {
    rows.push(Row {
        key: PROGRESS.to_vec(),
        value: progress.encode(),
        expires: None,
    });
    Ok(index.write(&rows, applied, Timestamp(0))?)
}

/// One walk through the log.
struct Pass<'a> {
    log: &'a dyn Log,
    damage: &'a Damage,
}

impl Pass<'_> {
    /// The rows of some records from `next` on, of one at least; moves it behind them, even when it fails.
    fn take_some<D: Domain>(
        &self,
        seed: &D::Seed,
        (next, goal): (&mut LogPosition, LogPosition),
        since: Timestamp,
        rows: &mut Vec<Row>,
    ) -> Result<(), HistoryError> {
        let records = self.read(*next, READ_BYTES)?;
        for record in records.iter().take_while(|it| it.position <= goal) {
            let event = self.decode::<D>(record)?;
            if D::time(&event) >= since {
                D::index_late(seed, record.position, &event, rows);
            }
            *next = record.position.next();
        }
        Ok(())
    }

    /// Records from `next` on: one at least.
    fn read(&self, next: LogPosition, bytes_max: usize) -> Result<Vec<Record>, HistoryError> {
        let records = self.damage.read(self.log, next, bytes_max);
        let records = records.map_err(|error| unread(&error))?;
        if records.first().is_none_or(|first| first.position != next) {
            let cause = "the log has no such record";
            return Err(self.damage.useless(next, cause));
        }
        Ok(records)
    }

    fn decode<D: Domain>(&self, record: &Record) -> Result<D::Event, HistoryError> {
        D::decode(&record.bytes)
            .map_err(|error| self.damage.useless(record.position, &error.to_string()))
    }

    /// Where to begin so that from there to `to` no record is missed that leaves rows and is not too old:
    /// found by halving down to `near` records.
    ///
    /// It passes over what is behind a sample that leaves rows and is too old: times of such records never
    /// decrease, while others may carry the time of another clock. Where nothing can be read it looks further on.
    fn first_since<D: Domain>(
        &self,
        seed: &D::Seed,
        (from, to): (LogPosition, LogPosition),
        since: Timestamp,
        (near, bytes): (u64, usize),
    ) -> LogPosition {
        let (mut low, mut high) = (from.0, to.0);
        let mut samples = 0;
        while high.saturating_sub(low) > near {
            let middle = low + (high - low) / 2;
            let (mut at, mut step) = (middle, 1);
            let sample = loop {
                samples += 1;
                if samples > SAMPLES_MAX {
                    return LogPosition(low);
                }
                let sample = self.sample::<D>(seed, (LogPosition(at), bytes), since);
                if sample.is_some() || at + step >= high {
                    break sample;
                }
                at += step;
                step *= 2;
            };
            match sample {
                Some(Sample::TooOld) => low = at,
                Some(Sample::Wanted) => high = at,
                None => high = middle,
            }
        }
        LogPosition(low)
    }

    /// What the records at a position say; `None` when nothing there can be read or leaves rows.
    fn sample<D: Domain>(
        &self,
        seed: &D::Seed,
        (at, bytes): (LogPosition, usize),
        since: Timestamp,
    ) -> Option<Sample> {
        let mut rows = Vec::new();
        let mut sample = None;
        for record in self.read(at, bytes).ok()? {
            let Ok(event) = D::decode(&record.bytes) else {
                continue;
            };
            let before = rows.len();
            D::index_late(seed, record.position, &event, &mut rows);
            if rows.len() == before {
                continue;
            }
            if D::time(&event) >= since {
                return Some(Sample::Wanted);
            }
            sample = Some(Sample::TooOld);
        }
        sample
    }
}

/// What a look into the log says of all that is before or after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sample {
    TooOld,
    Wanted,
}
