//! Apply at once, speak when durable: what a decision led to waits here for the log.

use std::collections::VecDeque;

use crate::{
    log::LogPosition,
    planted::{Fault, fault},
};

/// Effects waiting at one moment, at which no further input is taken.
pub const HELD_MAX: usize = 16 * 1024;

/// Bytes of waiting effects, by their weight, at which no further input is taken and nothing more is
/// looked up. What was under way may still add to them: the inputs of one turn, and the answers to
/// [`UNDER_WAY_MAX`](super::core::UNDER_WAY_MAX) questions.
pub const HELD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Effects in the order they were decided, each with the position it depends on.
#[derive(Debug)]
pub struct Held<E> {
    waiting: VecDeque<Waiting<E>>,
    bytes: usize,
}

#[derive(Debug)]
struct Waiting<E> {
    after: LogPosition,
    weight: usize,
    effect: E,
}

impl<E> Default for Held<E> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
        }
    }
}

impl<E> Held<E> {
    /// Holds an effect of `weight` bytes until everything up to `after` is durable.
    pub fn push(&mut self, after: LogPosition, weight: usize, effect: E) {
        debug_assert!(self.waiting.back().is_none_or(|last| last.after <= after));
        self.bytes += weight;
        self.waiting.push_back(Waiting {
            after,
            weight,
            effect,
        });
    }

    /// Gives `out`, in order, all that depends on no more than `durable`.
    pub fn release(&mut self, durable: LogPosition, mut out: impl FnMut(E)) {
        let durable = if fault(Fault::HeldOneShort) {
            durable.next()
        } else {
            durable
        };
        while self
            .waiting
            .front()
            .is_some_and(|first| first.after <= durable)
        {
            let first = self.waiting.pop_front().expect("just seen at the front");
            self.bytes -= first.weight;
            out(first.effect);
        }
    }

    /// Whether it is at one of its bounds.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= HELD_MAX || self.bytes >= HELD_BYTES_MAX
    }

    /// Whether what goes out of turn has filled as much again.
    #[must_use]
    pub fn is_overfull(&self) -> bool {
        self.waiting.len() >= 2 * HELD_MAX || self.bytes >= 2 * HELD_BYTES_MAX
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_before_what_it_depends_on_is_durable() {
        let mut held = Held::default();
        held.push(LogPosition(1), 1, "reply to the first");
        held.push(LogPosition(2), 1, "reply to the second");
        held.push(LogPosition(2), 1, "a refusal that saw the second");
        let mut out = Vec::new();
        held.release(LogPosition(0), |effect| out.push(effect));
        assert!(out.is_empty());
        held.release(LogPosition(1), |effect| out.push(effect));
        assert_eq!(out, ["reply to the first"]);
        held.release(LogPosition(2), |effect| out.push(effect));
        assert_eq!(out.last(), Some(&"a refusal that saw the second"));
        assert!(held.is_empty());
    }

    #[test]
    fn it_reports_its_bound_in_bytes_and_is_free_again_when_they_left() {
        let mut held = Held::default();
        for at in [1, 2] {
            assert!(!held.is_full());
            held.push(LogPosition(at), HELD_BYTES_MAX / 2, ());
        }
        assert!(held.is_full());
        held.release(LogPosition(1), drop);
        assert!(!held.is_full());
        held.push(LogPosition(2), HELD_BYTES_MAX / 2, ());
        assert!(held.is_full());
    }

    #[test]
    fn it_reports_its_bound() {
        let mut held = Held::default();
        for _ in 0..HELD_MAX {
            assert!(!held.is_full());
            held.push(LogPosition(1), 1, ());
        }
        assert!(held.is_full());
        for _ in 0..HELD_MAX {
            assert!(!held.is_overfull());
            held.push(LogPosition(1), 1, ());
        }
        assert!(held.is_overfull());
    }
}
