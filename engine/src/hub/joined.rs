//! The pushes of one room and turn, joined once for all its listeners.
//!
//! A listener that already has the first events takes a suffix: the buffer knows where each frame
//! begins.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use homeroom_protocol::Seq;

use super::Push;

/// An event, or a run of places that have none of their own.
#[derive(Debug, Clone)]
pub(super) struct Said {
    /// Its place, or the first of them.
    pub(super) first: Seq,
    /// Its place, or the last of them.
    pub(super) last: Seq,
    pub(super) push: Arc<Push>,
}

impl Said {
    /// What this push says, which begins at `first`.
    pub(super) fn new(first: Seq, push: Arc<Push>) -> Self {
        let last = match push.of_room() {
            Some((_, Some((_, last)))) => last.max(first),
            Some((_, None)) | None => first,
        };
        Self { first, last, push }
    }

    /// The part from `next` on, for a listener that came in between; `None` when there is none.
    pub(super) fn from(&self, next: Seq) -> Option<Self> {
        if next > self.last {
            return None;
        }
        if next <= self.first {
            return Some(self.clone());
        }
        Some(Self {
            first: next,
            last: self.last,
            push: Arc::new(self.push.passed_from(next)?),
        })
    }
}

/// Events without a gap, then signals; as typed pushes and, if a socket listens, as one buffer.
#[derive(Debug)]
pub(super) struct Joined {
    events: Vec<Said>,
    signals: Vec<Arc<Push>>,
    bytes: Bytes,
    /// Where each frame begins, and where the last one ends; empty if nothing was encoded.
    starts: Vec<usize>,
}

impl Joined {
    /// Joins pushes; `encoded` if sockets will take them. The events' seqs must follow each other.
    pub(super) fn new(events: Vec<Said>, signals: Vec<Arc<Push>>, encoded: bool) -> Self {
        let mut joined = Self {
            events,
            signals,
            bytes: Bytes::new(),
            starts: Vec::new(),
        };
        if encoded {
            joined.encode();
        }
        joined
    }

    fn encode(&mut self) {
        let frames = self.events.len() + self.signals.len();
        let mut starts = Vec::with_capacity(frames + 1);
        let mut end = 0;
        starts.push(end);
        for push in self.pushes() {
            end += push.wire().len();
            starts.push(end);
        }
        self.bytes = if frames == 1 {
            (self.pushes().next()).map_or_else(Bytes::new, |push| push.wire().clone())
        } else {
            let mut bytes = BytesMut::with_capacity(end);
            for push in self.pushes() {
                bytes.extend_from_slice(push.wire());
            }
            bytes.freeze()
        };
        self.starts = starts;
    }

    fn pushes(&self) -> impl Iterator<Item = &Arc<Push>> {
        (self.events.iter().map(|said| &said.push)).chain(&self.signals)
    }

    /// The first and last event.
    pub(super) fn range(&self) -> Option<(Seq, Seq)> {
        Some((self.events.first()?.first, self.events.last()?.last))
    }

    /// The number of the event at this place, or of the run that holds it; `None` below the first and
    /// above the last.
    pub(super) fn index_of(&self, seq: Seq) -> Option<usize> {
        let (first, last) = self.range()?;
        if seq == first {
            return Some(0);
        }
        let index = || self.events.partition_point(|said| said.last < seq);
        (first < seq && seq <= last).then(index)
    }

    /// The place after the first `events` of them; `None` when that is none.
    pub(super) fn after(&self, events: usize) -> Option<Seq> {
        Some(self.events.get(events.checked_sub(1)?)?.last.next())
    }

    pub(super) fn events(&self) -> &[Said] {
        &self.events
    }

    pub(super) fn signals(&self) -> &[Arc<Push>] {
        &self.signals
    }

    pub(super) const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Where event number `index` begins; past the last one, where the events end.
    pub(super) fn start_of(&self, index: usize) -> usize {
        self.starts.get(index).copied().unwrap_or(self.bytes.len())
    }

    /// Where the events end and the signals begin.
    pub(super) fn events_end(&self) -> usize {
        self.start_of(self.events.len())
    }

    /// Where the frame that holds the byte before `at` ends.
    pub(super) fn boundary_from(&self, at: usize) -> usize {
        let index = self.starts.partition_point(|&start| start < at);
        self.start_of(index)
    }

    /// How many signals begin at or after `at`.
    pub(super) fn signals_from(&self, at: usize) -> usize {
        let begins = &self.starts[self.events.len()..self.starts.len() - 1];
        begins.len() - begins.partition_point(|&start| start < at)
    }
}
