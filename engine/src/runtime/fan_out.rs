//! How long releases take from their tenant to the sockets.

use std::time::Instant;

use tracing::Span;

use crate::metrics::Metrics;

/// When a release was handed over.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(super) at: Instant,
    /// For each request that is traced and led to some of it.
    pub(super) spans: Vec<Span>,
}

/// Releases of one turn that are measured; what comes on top is not.
const MEASURED_PER_TURN_MAX: usize = 512;

/// How long releases take until they are written: those that are being collected, and those of the turn
/// that is being written.
#[derive(Debug, Default)]
pub(super) struct FanOut {
    collecting: Vec<Handed>,
    writing: Vec<Handed>,
    turns: u64,
}

impl FanOut {
    pub(super) fn collected(&mut self, handed: Handed) {
        if self.collecting.len() < MEASURED_PER_TURN_MAX {
            self.collecting.push(handed);
        }
    }

    /// A release was for nobody here.
    pub(super) fn for_nobody(handed: Handed, metrics: &Metrics) {
        drop(handed.spans);
        metrics.fanned_out(handed.at.elapsed());
    }

    /// The shard has worked; it has begun so many turns in all, and may have more to write.
    pub(super) fn turned(&mut self, turns: u64, more: bool, metrics: &Metrics) {
        if turns == self.turns && more {
            return;
        }
        let now = Instant::now();
        // With a release its spans end.
        let measure = |handed: Handed| {
            drop(handed.spans);
            metrics.fanned_out(now.saturating_duration_since(handed.at));
        };
        self.writing.drain(..).for_each(measure);
        if turns != self.turns {
            self.turns = turns;
            std::mem::swap(&mut self.collecting, &mut self.writing);
        }
        if !more {
            self.writing.drain(..).for_each(measure);
            self.collecting.drain(..).for_each(measure);
        }
    }
}
