//! Rows that are rarely wanted: written only when a question asks, so that nobody pays for them who does
//! not need them.
//!
//! An idempotency key is known in memory as long as it is new, and most are never asked for again. Its row
//! lies at a random place of the tree, which made it by far the dearest of a message.

use homeroom_protocol::Timestamp;

use super::{
    Row,
    damage::{Damage, unread},
    guard::Guarded,
    indexer::Trouble,
};
use crate::{
    domain::{Domain, Late},
    log::{Log, LogPosition, Record},
};

/// The indexer's own row: how far the late rows have come, and since when.
const PROGRESS: &[u8] = &[0xfe, b'l'];
/// So many records are taken in beyond those wanted, so that the next questions find theirs.
const AHEAD: u64 = 1024;
/// How much is read from the log at once.
const READ_BYTES: usize = 256 * 1024;
/// From so many records on those that are too old are looked for by halving, and not read one by one.
const SEARCHED_FROM: u64 = 4096;
/// How much of it is looked at in each half.
const SAMPLE_BYTES: usize = 4096;
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
    let Progress { done, since } = match before {
        Some(before) if before.since <= late.since => before.with(late.since),
        Some(_) | None => Progress::beginning(late.since),
    };
    if done >= upto {
        return Ok(());
    }
    let pass = Pass { log, damage };
    let from = done.next().max(log.bounds().first);
    let mut next = pass.first_since::<D>(from, upto, since)?;
    let goal = LogPosition(upto.0.saturating_add(AHEAD)).min(applied);
    let mut rows = Vec::new();
    while next <= goal {
        let records = pass.read(next, READ_BYTES)?;
        for record in records.iter().take_while(|it| it.position <= goal) {
            let event = pass.decode::<D>(record)?;
            if D::time(&event) >= since {
                D::index_late(seed, record.position, &event, &mut rows);
            }
            next = record.position.next();
            if rows.len() >= ROWS_PER_WRITE {
                let done = record.position;
                write(index, &mut rows, Progress { done, since }, applied)?;
            }
        }
    }
    write(index, &mut rows, Progress { done: goal, since }, applied)
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
    rows: &mut Vec<Row>,
    progress: Progress,
    applied: LogPosition,
) -> Result<(), Trouble> {
    rows.push(Row {
        key: PROGRESS.to_vec(),
        value: progress.encode(),
        expires: None,
    });
    index.write(rows, applied, Timestamp(0))?;
    rows.clear();
    Ok(())
}

/// One walk through the log.
struct Pass<'a> {
    log: &'a dyn Log,
    damage: &'a Damage,
}

impl Pass<'_> {
    /// Records from `next` on: one at least.
    fn read(&self, next: LogPosition, bytes_max: usize) -> Result<Vec<Record>, Trouble> {
        let records = self.damage.read(self.log, next, bytes_max);
        let records = records.map_err(|error| Trouble::History(unread(&error)))?;
        if records.first().is_none_or(|first| first.position != next) {
            let cause = "the log has no such record";
            return Err(Trouble::History(self.damage.useless(next, cause)));
        }
        Ok(records)
    }

    fn decode<D: Domain>(&self, record: &Record) -> Result<D::Event, Trouble> {
        D::decode(&record.bytes).map_err(|error| {
            let cause = error.to_string();
            Trouble::History(self.damage.useless(record.position, &cause))
        })
    }

    /// The first record from `from` to `to` that is not too old, found by halving: times never decrease.
    fn first_since<D: Domain>(
        &self,
        from: LogPosition,
        to: LogPosition,
        since: Timestamp,
    ) -> Result<LogPosition, Trouble> {
        let (mut low, mut high) = (from.0, to.0);
        while high.saturating_sub(low) > SEARCHED_FROM {
            let middle = LogPosition(low + (high - low) / 2);
            // Several, as a log that was restored holds a record with the time of another clock.
            let records = self.read(middle, SAMPLE_BYTES)?;
            let mut are_old = true;
            for record in &records {
                are_old &= D::time(&self.decode::<D>(record)?) < since;
            }
            if are_old {
                low = middle.0;
            } else {
                high = middle.0;
            }
        }
        Ok(LogPosition(low))
    }
}
