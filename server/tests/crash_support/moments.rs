//! What was promised and seen by a moment of a trace: to whom a power cut at that moment owes what.

use std::{
    fs::{File, OpenOptions},
    path::Path,
    sync::Arc,
};

use super::crash_support::ledger::{Counts, Ledger, places};

impl Ledger {
    /// From now on every promise and everything seen is dated by this trace, which begins.
    pub(crate) fn follow_trace(&mut self, trace: &Path) {
        let trace: File = OpenOptions::new().read(true).open(trace).unwrap();
        self.trace = Some(Arc::new(trace));
        self.seen_at.clear();
        self.acked_at.clear();
    }

    /// The moments, in bytes of the trace, at which something was told.
    pub(crate) fn told_at(&self) -> Vec<u64> {
        let mut moments: Vec<u64> = self.acked_at.values().copied().collect();
        moments.extend(self.seen_at.values());
        moments.sort_unstable();
        moments.dedup();
        moments
    }

    /// What was known when the trace had this many bytes. Wishes of later are known, too: they may have
    /// been stored already.
    pub(crate) fn as_of(&self, moment: u64) -> Self {
        let mut wishes = self.wishes.clone();
        for (at, wish) in wishes.iter_mut().enumerate() {
            if self.acked_at.get(&at).is_some_and(|acked| *acked > moment) {
                wish.acked = None;
            }
        }
        let mut seen = self.seen.clone();
        for (place, seen) in &mut seen {
            seen.retain(|seq, _| {
                let since = self.seen_at.get(&(*place, *seq));
                since.is_none_or(|since| *since <= moment)
            });
        }
        let mut then = Self {
            wishes,
            by_text: self.by_text.clone(),
            numbers: self.numbers.clone(),
            keys_from: self.keys_from,
            seen,
            counts: Counts::default(),
            ..Self::default()
        };
        // Whatever anyone was shown is kept, so everyone may resume there.
        for place in places() {
            if let Some(head) = then.head(place) {
                for who in ["returning listener", "lasting listener"] {
                    then.begins(who, place, head);
                }
            }
        }
        then
    }
}
