//! The queryable index over a log: whatever must be looked up. Rebuildable, never the only copy,
//! never on the acknowledgement path.

use std::fmt;

use homeroom_protocol::Timestamp;

use crate::log::LogPosition;

/// One change of the index. Keys start with a byte that names their kind, chosen by the domain
/// (`0x00` and `0xff` are the index's own); a value stays below [`VALUE_BYTES_MAX`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where.
    pub key: Vec<u8>,
    /// What.
    pub value: Vec<u8>,
    /// When it may be forgotten, in log time.
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

/// An ordered map that knows how far into the log it has come. Calls may block.
pub trait Index: Send + Sync + fmt::Debug {
    /// The last log position whose rows are in.
    fn applied(&self) -> LogPosition;

    /// Writes rows and the new applied position together or not at all, and forgets, within a bound,
    /// rows that expired before `now`.
    ///
    /// # Errors
    /// [`IndexError`]; the index must then be rebuilt.
    fn write(&self, rows: &[Row], applied: LogPosition, now: Timestamp) -> Result<(), IndexError>;

    /// The value at a key.
    ///
    /// # Errors
    /// [`IndexError`]; the index must then be rebuilt.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError>;

    /// At most `rows_max` rows with `from <= key < to`.
    ///
    /// # Errors
    /// [`IndexError`]; the index must then be rebuilt.
    fn range(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        rows_max: usize,
    ) -> Result<Vec<Found>, IndexError>;

    /// Lets go of the store; what was written last may be lost and is then indexed again.
    fn close(&self);
}

/// The store under the index failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the index in {place} failed: {cause}; it is rebuilt from the log")]
pub struct IndexError {
    /// Its folder.
    pub place: String,
    /// The store's own words.
    pub cause: String,
}
