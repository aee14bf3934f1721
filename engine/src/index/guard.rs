//! A store that panics must not take its tenant along: the panic becomes an [`IndexError`].
//!
//! This needs unwinding: a program built with `panic = "abort"` ends where the store panics.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{Found, Index, IndexError, IndexFault, LogPosition, Order, Row, Timestamp};

/// Runs `call`; a panic in it is an error that says what the store said.
pub(super) fn caught<T>(
    place: &str,
    call: impl FnOnce() -> Result<T, IndexError>,
) -> Result<T, IndexError> {
    // Whoever gets the error lets go of the store, so nobody sees what the panic left half done.
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        Err(IndexError {
            place: place.to_owned(),
            cause: format!("panicked: {}", panic_text(&*panic)),
            fault: IndexFault::Damaged,
        })
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words")
}

/// Keys that begin like this are the indexer's own: an index takes them, a domain sees none.
pub(super) const RESERVED: u8 = 0xfe;

pub(super) fn is_reserved(key: &[u8]) -> bool {
    key.first() == Some(&RESERVED)
}

/// Any index, its panics turned into errors.
#[derive(Debug)]
pub(super) struct Guarded {
    name: String,
    index: Box<dyn Index>,
}

impl Guarded {
    pub(super) fn new(name: String, index: Box<dyn Index>) -> Self {
        Self { name, index }
    }

    pub(super) fn applied(&self) -> Result<LogPosition, IndexError> {
        caught(&self.name, || Ok(self.index.applied()))
    }

    pub(super) fn write(
        &self,
        rows: &[Row],
        applied: LogPosition,
        now: Timestamp,
    ) -> Result<(), IndexError> {
        caught(&self.name, || self.index.write(rows, applied, now))
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        caught(&self.name, || self.index.get(key))
    }

    pub(super) fn range(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        rows_max: usize,
    ) -> Result<Vec<Found>, IndexError> {
        caught(&self.name, || self.index.range(from, to, order, rows_max))
    }

    /// An error when a row of a domain has a key of the indexer's own.
    pub(super) fn refuse_reserved(&self, rows: &[Row]) -> Result<(), IndexError> {
        match rows.iter().find(|row| is_reserved(&row.key)) {
            None => Ok(()),
            Some(row) => Err(IndexError {
                place: self.name.clone(),
                cause: format!("a reserved key, {:02x?}", row.key),
                fault: IndexFault::Refused,
            }),
        }
    }

    /// Closes and drops it; a store that panics even here is let go all the same.
    pub(super) fn close(self) {
        let Self { name, index } = self;
        let closed = caught(&name, move || {
            index.close();
            Ok(())
        });
        if let Err(error) = closed {
            tracing::debug!(%error, "an index could not be closed");
        }
    }
}
