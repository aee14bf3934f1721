//! The queryable index over a log: whatever must be looked up. Rebuildable, never the only copy,
//! never on the acknowledgement path.

mod blocks;
mod cache;
mod damage;
mod guard;
mod indexer;
mod late;
mod layout;
mod memory;
mod past;
mod place;
mod sled;

use std::fmt;

use homeroom_protocol::Timestamp;

pub use self::{
    cache::{INDEXES_OPEN_DEFAULT, IndexCache},
    indexer::Indexer,
    memory::MemoryIndex,
    place::{DAMAGED_KEPT_MAX, IndexPlace, MemoryPlace, SledPlace},
    sled::SledIndex,
};
use crate::log::{LogEpoch, LogPosition, TenantId};

/// One change of the index. Keys start with a byte that names their kind, chosen by the domain
/// (`0x00`, `0xfe` and `0xff` are the index's own); a value stays below [`VALUE_BYTES_MAX`].
///
/// The kinds `b'A'` to `b'Z'` are for rows side by side, and many times cheaper than others where they are:
/// keys of one kind are equally long and count up at their end, values are exactly 8 bytes, and none
/// expires. A range of them begins with a key no longer than theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where.
    pub key: Vec<u8>,
    /// What.
    pub value: Vec<u8>,
    /// The last moment it is seen, in log time: once a later time was written, it is gone.
    pub expires: Option<Timestamp>,
}

/// Largest key in bytes.
pub const KEY_BYTES_MAX: usize = 256;
/// Largest value in bytes.
pub const VALUE_BYTES_MAX: usize = 1024;

/// One row as found: key, then value.
pub type Found = (Vec<u8>, Vec<u8>);

/// Which end of a range is read first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Lowest key first.
    Ascending,
    /// Highest key first.
    Descending,
}

/// Whose rows an index holds, and of which layout: one that says otherwise is rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexIdentity {
    /// The tenant.
    pub tenant: TenantId,
    /// The life of the log that was indexed.
    pub epoch: LogEpoch,
    /// The version of the domain's rows: a release that writes other rows counts it up.
    pub rows_version: u32,
}

/// An ordered map that knows how far into the log it has come. Calls may block.
///
/// Its clock is the latest `now` it was given: a row whose `expires` is before the clock is not found,
/// so what is found depends on what was written alone, never on how it was cut into writes.
pub trait Index: Send + Sync + fmt::Debug {
    /// The last log position whose rows are in.
    fn applied(&self) -> LogPosition;

    /// Writes rows and the new applied position together or not at all, and drops, within a bound,
    /// rows that expired before `now`. A later row of the same key replaces an earlier one.
    ///
    /// # Errors
    /// [`IndexError`]; its fault says what to do.
    fn write(&self, rows: &[Row], applied: LogPosition, now: Timestamp) -> Result<(), IndexError>;

    /// The value at a key.
    ///
    /// # Errors
    /// [`IndexError`]; its fault says what to do.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError>;

    /// At most `rows_max` rows with `from <= key < to`.
    ///
    /// # Errors
    /// [`IndexError`]; its fault says what to do.
    fn range(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        rows_max: usize,
    ) -> Result<Vec<Found>, IndexError>;

    /// Lets go of the store; every later call is refused. What was written last may be lost and is
    /// then indexed again.
    fn close(&self);
}

/// The store under the index failed, or refused.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the index in {place} failed: {cause}; {fault}")]
pub struct IndexError {
    /// Its folder.
    pub place: String,
    /// The store's own words.
    pub cause: String,
    /// Who is at fault, and so what to do next.
    pub fault: IndexFault,
}

/// Who is at fault when an index fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IndexFault {
    /// The store: its content cannot be trusted.
    #[error("it is rebuilt from the log")]
    Damaged,
    /// The machine (disk full, too many open files) or a store already closed: the content stays.
    #[error("free space or files; it is opened again when next needed")]
    Unavailable,
    /// The caller: a row over a limit, a reserved key, an applied position that goes back. Nothing was
    /// written.
    #[error("nothing was written; the rows must be corrected")]
    Refused,
}

/// Lowest key a domain may use.
const KEYS_FROM: &[u8] = &[0x01];
/// All keys of a domain are below this.
const KEYS_TO: &[u8] = &[0xff];

/// Why a write is refused before the store is asked; `None` when it may go on.
fn refusal(rows: &[Row], applied: LogPosition, before: LogPosition) -> Option<String> {
    if applied < before {
        return Some(format!("applied would go back from {before} to {applied}"));
    }
    rows.iter().find_map(|row| {
        if row.key.len() > KEY_BYTES_MAX {
            return Some(format!(
                "a key of {} bytes, the limit is {KEY_BYTES_MAX}",
                row.key.len()
            ));
        }
        if row.value.len() > VALUE_BYTES_MAX {
            return Some(format!(
                "a value of {} bytes, the limit is {VALUE_BYTES_MAX}",
                row.value.len()
            ));
        }
        if let Some(why) = blocks::refusal(row) {
            return Some(why.to_owned());
        }
        (!is_domain_key(&row.key)).then(|| "an empty or reserved key".to_owned())
    })
}

fn is_domain_key(key: &[u8]) -> bool {
    key >= KEYS_FROM && key < KEYS_TO
}

/// The asked range without the index's own keys; `None` when nothing is left of it.
fn domain_range<'a>(from: &'a [u8], to: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (from, to) = (from.max(KEYS_FROM), to.min(KEYS_TO));
    (from < to).then_some((from, to))
}

/// How many expired rows one write drops at most: more than it can add, so that they cannot pile up.
const fn expired_per_write_max(rows: usize) -> usize {
    256 + rows
}

/// Stands for "never" where a row's `expires` is stored.
const NEVER: Timestamp = Timestamp(u64::MAX);
