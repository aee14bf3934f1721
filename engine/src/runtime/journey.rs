//! The way of one request, for whoever traces: from its frame through the decision and the commit to
//! the hub.
//!
//! These are spans of the `tracing` crate under the target [`TARGET`], at its finest level, so that no
//! usual log filter switches them on: as long as nobody wants them, each costs a look at one relaxed
//! atomic. A journey is one tree:
//!
//! | span | from | to | fields |
//! |---|---|---|---|
//! | `request`, the root | the frame was read | the last of the others ended | `kind`, `connection`, `looked_up` |
//! | `decide` | its turn at the tenant | decided and applied | |
//! | `commit` | the commit that holds its events was begun | durable | `events`: of the whole commit |
//! | `fan_out`, one per shard | what it led to was handed to the shard | the turn that wrote it ended | `shard`, `deliveries`: of the whole release |
//!
//! A commit and a release are shared by many requests: each of them that is followed has a span of its
//! own for it, with the same times. A request that changed nothing has no `commit`. One whose answer has
//! to be looked up in the history first says `looked_up` and is followed no further. No span holds what
//! somebody wrote, nor a name.
//!
//! The rules know nothing of it: the span waits beside the writer, under the log position its request
//! depends on.

use std::collections::VecDeque;

use homeroom_protocol::{ConnectionId, Request};
use tracing::{Span, field::Empty, trace_span};

use crate::{log::LogPosition, metrics::kind_of};

/// The target of every span of a journey: what a filter picks them by.
pub const TARGET: &str = "homeroom::journey";

/// Requests of one tenant that are followed at once; further ones end with their decision.
pub const FOLLOWED_MAX: usize = 1024;

/// A request begins. Its parent is none: whether it is followed is decided here, for all of it.
pub(crate) fn request(connection: ConnectionId, request: &Request) -> Span {
    trace_span!(
        target: TARGET,
        parent: None,
        "request",
        kind = kind_of(request).1,
        connection = number(connection.0),
        looked_up = Empty,
    )
}

/// What a request led to goes to a shard, with all that is released at once.
pub(crate) fn fan_out(request: &Span, shard: usize, deliveries: usize) -> Span {
    let (shard, deliveries) = (number(shard as u64), number(deliveries as u64));
    trace_span!(target: TARGET, parent: request, "fan_out", shard, deliveries)
}

/// OpenTelemetry has no unsigned numbers, and makes texts of them.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The journeys that pass through one writer: decided, and waiting for the log.
#[derive(Debug, Default)]
pub(crate) struct Journeys {
    /// In the order of their positions.
    waiting: VecDeque<Journey>,
}

#[derive(Debug)]
struct Journey {
    request: Span,
    /// What it led to leaves when this is durable.
    after: LogPosition,
    wrote: bool,
    commit: Option<Span>,
}

impl Journeys {
    /// A request is about to be decided. Hold what comes back until it is.
    pub(crate) fn decide(request: &Span) -> Span {
        trace_span!(target: TARGET, parent: request, "decide")
    }

    /// A request was decided, while the tenant went from `before` to `after`.
    pub(crate) fn decided(&mut self, request: Span, before: LogPosition, after: LogPosition) {
        if self.waiting.len() < FOLLOWED_MAX {
            self.waiting.push_back(Journey {
                request,
                after,
                wrote: after > before,
                commit: None,
            });
        }
    }

    /// A request waits for its history.
    pub(crate) fn looks_up(request: &Span) {
        request.record("looked_up", true);
    }

    /// A commit of so many events was begun, which ends at `last`.
    pub(crate) fn committing(&mut self, last: LogPosition, events: usize) {
        let events = number(events as u64);
        let within = self.waiting.iter_mut().take_while(|it| it.after <= last);
        for journey in within.filter(|it| it.wrote && it.commit.is_none()) {
            let request = &journey.request;
            journey.commit = Some(trace_span!(target: TARGET, parent: request, "commit", events));
        }
    }

    /// Everything up to `durable` is durable: those commits ended.
    pub(crate) fn committed(&mut self, durable: LogPosition) {
        for journey in self.waiting.iter_mut().take_while(|it| it.after <= durable) {
            journey.commit = None;
        }
    }

    /// The requests whose effects leave now.
    pub(crate) fn release(&mut self, durable: LogPosition) -> Vec<Span> {
        let count = self.waiting.partition_point(|it| it.after <= durable);
        self.waiting
            .drain(..count)
            .map(|journey| journey.request)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journey_leaves_with_the_position_it_depends_on_and_their_number_is_bounded() {
        let mut journeys = Journeys::default();
        for at in 0..FOLLOWED_MAX as u64 + 5 {
            journeys.decided(Span::none(), LogPosition(at), LogPosition(at + 1));
        }
        assert_eq!(journeys.waiting.len(), FOLLOWED_MAX);
        assert!(journeys.release(LogPosition(0)).is_empty());
        assert_eq!(journeys.release(LogPosition(3)).len(), 3);
        journeys.decided(Span::none(), LogPosition(2000), LogPosition(2000));
        assert_eq!(
            journeys.release(LogPosition(2000)).len(),
            FOLLOWED_MAX - 3 + 1
        );
    }
}
