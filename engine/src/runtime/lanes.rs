//! Lanes: a request that waits for its history keeps the order of its connection and blocks no other.

use std::collections::{HashMap, VecDeque};

use crate::{
    domain::Lane,
    planted::{Fault, fault},
};

/// Inputs waiting in all lanes together at which no further input is taken.
pub const WAITING_MAX: usize = 4096;

/// The inputs that wait behind a question of their own lane.
#[derive(Debug)]
pub struct Lanes<I> {
    waiting: HashMap<Lane, VecDeque<I>>,
    count: usize,
}

impl<I> Default for Lanes<I> {
    fn default() -> Self {
        Self {
            waiting: HashMap::new(),
            count: 0,
        }
    }
}

impl<I> Lanes<I> {
    /// Gives the input back if its lane is free, else queues it.
    pub fn admit(&mut self, lane: Option<Lane>, input: I) -> Option<I> {
        let Some(queue) = lane.and_then(|lane| self.waiting.get_mut(&lane)) else {
            return Some(input);
        };
        queue.push_back(input);
        self.count += 1;
        None
    }

    /// The lane waits for an answer from now on.
    pub fn block(&mut self, lane: Option<Lane>) {
        if let Some(lane) = lane {
            self.waiting.entry(lane).or_default();
        }
    }

    /// The lane's answer is in: its next input, or the lane is free. Call again for each input that
    /// does not block the lane anew.
    pub fn next(&mut self, lane: Option<Lane>) -> Option<I> {
        let lane = lane?;
        let waiting = self.waiting.get_mut(&lane)?;
        if fault(Fault::LaneForgetsInput) && waiting.pop_front().is_some() {
            self.count -= 1;
        }
        let next = waiting.pop_front();
        match next {
            Some(_) => self.count -= 1,
            None => drop(self.waiting.remove(&lane)),
        }
        next
    }

    /// Inputs that wait.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Whether they are at their bound.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.count >= WAITING_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: Option<Lane> = Some(Lane(1));
    const BEN: Option<Lane> = Some(Lane(2));

    #[test]
    fn a_waiting_lane_keeps_its_order_and_blocks_no_other() {
        let mut lanes = Lanes::default();
        assert_eq!(lanes.admit(ANA, "question"), Some("question"));
        lanes.block(ANA);
        assert_eq!(lanes.admit(ANA, "second"), None);
        assert_eq!(lanes.admit(BEN, "ben's"), Some("ben's"));
        assert_eq!(lanes.admit(None, "unordered"), Some("unordered"));
        assert_eq!(lanes.admit(ANA, "third"), None);
        assert_eq!(lanes.next(ANA), Some("second"));
        assert_eq!(lanes.next(ANA), Some("third"));
        assert_eq!(lanes.next(ANA), None);
        assert_eq!(lanes.admit(ANA, "free again"), Some("free again"));
    }

    #[test]
    fn they_report_their_bound() {
        let mut lanes = Lanes::default();
        lanes.block(ANA);
        for n in 0..WAITING_MAX {
            assert!(!lanes.is_full());
            assert_eq!(lanes.admit(ANA, n), None);
        }
        assert!(lanes.is_full());
        lanes.next(ANA);
        assert!(!lanes.is_full());
    }
}
