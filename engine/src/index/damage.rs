//! Which of a tenant's past cannot be read: told where an operator looks, once for each place.
//!
//! Nobody reads the past of a tenant while it wakes from a snapshot, so damage there is first met by a
//! question. It does not heal by itself, and everybody who asks meets it again: it is logged when it is
//! new, stays in the [`Health`](crate::metrics::Health) of the tenant, and whoever asks is told to come
//! back much later. A read that passes the place again crosses it out.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{
    domain::HistoryError,
    log::{Log, LogPosition, ReadError, Record},
    metrics::Watch,
};

/// The damage of one tenant's past as its index meets it. Without a watch it is only logged.
#[derive(Debug, Default)]
pub(super) struct Damage {
    watch: Option<Watch>,
    /// Some is known, from this life or one before; spares reads of a whole log the look.
    is_known: AtomicBool,
}

impl Damage {
    pub(super) fn watched(watch: Watch) -> Self {
        Self {
            is_known: AtomicBool::new(watch.history_is_damaged()),
            watch: Some(watch),
        }
    }

    /// Reads as [`Log::read`] does; what cannot be read is told, and what can is no damage any more.
    pub(super) fn read(
        &self,
        log: &dyn Log,
        from: LogPosition,
        bytes_max: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let result = log.read(from, bytes_max);
        match &result {
            Ok(records) => self.passed(records),
            Err(ReadError::Trimmed { .. }) => {}
            Err(error @ ReadError::Corrupt { at, place }) => {
                self.met(place, Some(*at), &error.to_string());
            }
            Err(ReadError::Failed(failure)) => {
                self.met(&failure.place, Some(from), &failure.to_string());
            }
        }
        result
    }

    /// The log can be read, but what belongs there is not in it. Reading it again crosses nothing out.
    pub(super) fn useless(&self, at: LogPosition, cause: &str) -> HistoryError {
        let what = format!("position {at} of the log is damaged: {cause}");
        self.met("a record", None, &what);
        HistoryError::Damaged
    }

    fn met(&self, place: &str, at: Option<LogPosition>, what: &str) {
        let is_new = match &self.watch {
            Some(watch) => {
                self.is_known.store(true, Ordering::Relaxed);
                watch.history_fails(place, at, what)
            }
            None => !self.is_known.swap(true, Ordering::Relaxed),
        };
        if is_new {
            tracing::error!(what, "history cannot be read");
        } else {
            tracing::debug!(what, "history still cannot be read");
        }
    }

    fn passed(&self, records: &[Record]) {
        if let ([first, ..], [.., last]) = (records, records)
            && let Some(watch) = &self.watch
            && self.is_known.load(Ordering::Relaxed)
        {
            let is_left = watch.history_reads(first.position, last.position);
            self.is_known.store(is_left, Ordering::Relaxed);
        }
    }
}

/// What a question is told when the log cannot be read.
pub(super) const fn unread(error: &ReadError) -> HistoryError {
    match error {
        ReadError::Trimmed { .. } => HistoryError::Trimmed,
        ReadError::Corrupt { .. } | ReadError::Failed(_) => HistoryError::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{metrics::Metrics, runtime::clock};

    #[test]
    fn damage_met_in_one_life_is_crossed_out_in_the_next_unless_the_bytes_were_whole() {
        let watch = Watch::new(Metrics::new(clock::now), "north".parse().unwrap());
        let record = |at| Record {
            position: LogPosition(at),
            bytes: Bytes::new(),
        };
        let error = ReadError::Corrupt {
            at: LogPosition(7),
            place: "a file".to_owned(),
        };
        assert_eq!(unread(&error), HistoryError::Damaged);
        Damage::watched(watch.clone()).met("a file", Some(LogPosition(7)), &error.to_string());
        let next = Damage::watched(watch.clone());
        next.passed(&[record(5), record(6)]);
        assert!(watch.history_is_damaged());
        next.passed(&[record(6), record(7)]);
        assert!(!watch.history_is_damaged());
        next.useless(LogPosition(7), "it is no event");
        next.passed(&[record(6), record(7)]);
        assert!(watch.history_is_damaged());
    }
}
