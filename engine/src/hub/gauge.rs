//! What others may know of a connection without asking its shard.

use std::sync::{PoisonError, atomic::Ordering};

use homeroom_protocol::{Request, RequestId};

use super::bounds::{HISTORY_IN_FLIGHT_MAX, REPLY_LANE_BYTES};
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Mutex};

/// Shared between a shard, which writes it, and a connection's reader or an embedder, who look. The
/// numbers are each true on their own, not together: none guards memory, so relaxed order is enough.
#[derive(Debug, Default)]
pub struct Gauge {
    outbox_bytes: AtomicUsize,
    reply_bytes: AtomicUsize,
    dropped_signals: AtomicU64,
    behind: AtomicBool,
    unanswered: AtomicUsize,
    /// How many unanswered requests may bring a long reply, and which.
    pages_unanswered: AtomicUsize,
    page_requests: Mutex<Vec<RequestId>>,
    waiting: AtomicUsize,
}

impl Gauge {
    /// Bytes queued for the connection: events and replies.
    #[must_use]
    pub fn outbox_bytes(&self) -> usize {
        self.outbox_bytes.load(Ordering::Relaxed)
    }

    /// Those of them that are replies, or pushes meant for this connection alone.
    #[must_use]
    pub fn reply_bytes(&self) -> usize {
        self.reply_bytes.load(Ordering::Relaxed)
    }

    /// Whether the connection's reader should stop reading until its replies have drained: because of
    /// their bytes, or because of the long ones that are still to come.
    #[must_use]
    pub fn replies_are_full(&self) -> bool {
        self.reply_bytes() >= REPLY_LANE_BYTES
            || self.pages_unanswered.load(Ordering::Relaxed) >= HISTORY_IN_FLIGHT_MAX
    }

    /// Requests that were passed on and whose reply has not been counted among the
    /// [`reply_bytes`](Self::reply_bytes) yet.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.unanswered.load(Ordering::Relaxed)
    }

    /// Events in the queue of an in-process session, not yet read; always 0 for a socket.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Signals this connection was too slow for, since it was attached.
    #[must_use]
    pub fn dropped_signals(&self) -> u64 {
        self.dropped_signals.load(Ordering::Relaxed)
    }

    /// Whether some room's events have left memory and will be read from the log again.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Relaxed)
    }

    /// One more request was passed on.
    pub(crate) fn add_unanswered(&self) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
    }

    /// This request was passed on: said by whoever reads the connection, before it does so.
    pub fn add_request(&self, id: RequestId, request: &Request) {
        self.add_unanswered();
        if brings_page(request) {
            self.with_page_requests(|requests| requests.push(id));
        }
    }

    /// Requests were answered, and the bytes of the answers are counted.
    pub(super) fn take_unanswered(&self, answered: impl Iterator<Item = RequestId>) {
        let mut answers = 0;
        for id in answered {
            answers += 1;
            if self.pages_unanswered.load(Ordering::Relaxed) > 0 {
                self.with_page_requests(|requests| {
                    if let Some(at) = requests.iter().position(|&request| request == id) {
                        requests.swap_remove(at);
                    }
                });
            }
        }
        let fewer = |unanswered: usize| Some(unanswered.saturating_sub(answers));
        let result = (self.unanswered).fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
        result.expect("the closure always gives a number");
    }

    pub(crate) fn set_waiting(&self, events: usize) {
        self.waiting.store(events, Ordering::Relaxed);
    }

    pub(super) fn set_queued(&self, outbox_bytes: usize, reply_bytes: usize) {
        self.outbox_bytes.store(outbox_bytes, Ordering::Relaxed);
        self.reply_bytes.store(reply_bytes, Ordering::Relaxed);
    }

    pub(super) fn set_behind(&self, behind: bool) {
        self.behind.store(behind, Ordering::Relaxed);
    }

    pub(crate) fn add_dropped(&self, signals: u64) {
        self.dropped_signals.fetch_add(signals, Ordering::Relaxed);
    }

    /// At most as many as may be in flight; an idle connection keeps no memory for them.
    fn with_page_requests(&self, change: impl FnOnce(&mut Vec<RequestId>)) {
        let mut requests = (self.page_requests.lock()).unwrap_or_else(PoisonError::into_inner);
        change(&mut requests);
        if requests.is_empty() {
            *requests = Vec::new();
        }
        self.pages_unanswered
            .store(requests.len(), Ordering::Relaxed);
    }
}

/// Whether the reply may be longer than a short list, see [`DIRECT_LANE_BYTES_MAX`](super::DIRECT_LANE_BYTES_MAX).
const fn brings_page(request: &Request) -> bool {
    match request {
        Request::History { .. }
        | Request::Versions { .. }
        | Request::Rooms { .. }
        | Request::Watch { .. }
        | Request::Me => true,
        Request::Create { .. }
        | Request::Join { .. }
        | Request::Leave { .. }
        | Request::Send { .. }
        | Request::Typing { .. }
        | Request::Presence { .. }
        | Request::Members { .. }
        | Request::Edit { .. }
        | Request::Delete { .. }
        | Request::React { .. }
        | Request::Pin { .. }
        | Request::Mark(_)
        | Request::MarkAll { .. }
        | Request::Readers { .. }
        | Request::Follow { .. }
        | Request::ChangeRoom { .. }
        | Request::Moderate { .. }
        | Request::Overwrite { .. }
        | Request::Overwrites { .. }
        | Request::Level { .. }
        | Request::Report { .. }
        | Request::Stream { .. }
        | Request::Status(_)
        | Request::Block { .. }
        | Request::SetRole(_)
        | Request::RemoveRole { .. }
        | Request::GiveRoles { .. }
        | Request::Roles
        | Request::Policy { .. }
        | Request::Explain { .. }
        | Request::View { .. } => false,
    }
}

#[cfg(test)]
#[cfg(feature = "models")]
mod models;
