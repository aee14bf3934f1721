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

/// The index's own row: how far the late rows have come.
const PROGRESS: &[u8] = &[0xfe, b'l'];
/// So many records are taken in beyond those wanted, so that the next questions find theirs.
const AHEAD: u64 = 1024;
/// How much is read from the log at once.
const READ_BYTES: usize = 256 * 1024;
/// From so many records on those that are too old are looked for by halving, and not read one by one.
const SEARCHED_FROM: u64 = 4096;
/// How much of it is looked at in each half.
const SAMPLE_BYTES: usize = 4096;
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
    let done = progress(index)?;
    if done >= upto {
        return Ok(());
    }
    let pass = Pass { log, damage };
    let from = done.next().max(log.bounds().first);
    let mut next = pass.first_since::<D>(from, upto, late.since)?;
    let goal = LogPosition(upto.0.saturating_add(AHEAD)).min(applied);
    let mut rows = Vec::new();
    while next <= goal {
        let records = pass.read(next, READ_BYTES)?;
        for record in records.iter().take_while(|it| it.position <= goal) {
            let event = pass.decode::<D>(record)?;
            if D::time(&event) >= late.since {
                D::index_late(seed, record.position, &event, &mut rows);
            }
            next = record.position.next();
            if rows.len() >= ROWS_PER_WRITE {
                write(index, &mut rows, record.position, applied)?;
            }
        }
    }
    write(index, &mut rows, goal, applied)
}

/// Where they end; a value that is none is read as a beginning, which only costs time.
fn progress(index: &Guarded) -> Result<LogPosition, Trouble> {
    let value = index.get(PROGRESS)?;
    let value: Option<[u8; 8]> = value.and_then(|value| value.try_into().ok());
    Ok(LogPosition(value.map_or(0, u64::from_be_bytes)))
}

fn write(
    index: &Guarded,
    rows: &mut Vec<Row>,
    done: LogPosition,
    applied: LogPosition,
) -> Result<(), Trouble> {
    rows.push(Row {
        key: PROGRESS.to_vec(),
        value: done.0.to_be_bytes().to_vec(),
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
