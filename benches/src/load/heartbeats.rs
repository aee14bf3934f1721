//! When each connection says that it is alive: spread over the time between two such words, so that no moment of a
//! run meets all of them at once and takes them for latency.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

/// What the golden ratio has behind the point: its multiples, without what is before the point, lie evenly however
/// many there are (D. E. Knuth, The Art of Computer Programming, volume 3, section 6.4).
const EVENLY: f64 = 0.618_033_988_749_894_9;

/// Who is to say so next; one entry for each connection.
#[derive(Debug, Default)]
pub(super) struct Heartbeats {
    due: BinaryHeap<Reverse<(Instant, usize)>>,
}

impl Heartbeats {
    /// Another connection, which speaks now by coming in: for the first time within `every`.
    pub(super) fn add(&mut self, number: u32, now: Instant, every: Duration) {
        let share = 1.0 - (f64::from(number) * EVENLY).fract();
        self.due
            .push(Reverse((now + every.mul_f64(share), number as usize)));
    }

    /// All connections from this one on are gone.
    pub(super) fn part(&mut self, from: usize) {
        self.due.retain(|Reverse((_, number))| *number < from);
    }

    /// One whose time has come, and comes again after `every`.
    pub(super) fn next(&mut self, now: Instant, every: Duration) -> Option<usize> {
        let mut first = self.due.peek_mut()?;
        let Reverse((due, number)) = *first;
        if due > now {
            return None;
        }
        *first = Reverse((due + every, number));
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(20);

    /// Who speaks in each step of 100 ms, of a thousand who came at once.
    fn minute(beats: &mut Heartbeats, begun: Instant) -> Vec<Vec<usize>> {
        let step = |step: u32| {
            let now = begun + Duration::from_millis(100) * step;
            std::iter::from_fn(|| beats.next(now, EVERY)).collect()
        };
        (1..=600).map(step).collect()
    }

    #[test]
    fn no_moment_meets_more_than_its_share_and_nobody_is_silent_for_longer() {
        let begun = Instant::now();
        let mut beats = Heartbeats::default();
        (0..1000).for_each(|number| beats.add(number, begun, EVERY));
        let minute = minute(&mut beats, begun);
        // A thousand in 200 steps.
        let most = minute.iter().map(Vec::len).max();
        assert!(most <= Some(7), "{most:?} at once");
        for number in 0..1000 {
            let spoke = (0..600).filter(|&step| minute[step].contains(&number));
            let spoke: Vec<_> = spoke.collect();
            assert_eq!(spoke.len(), 3, "{number}");
            assert!(spoke[0] < 200, "{number}");
            let gaps = spoke.windows(2).map(|pair| pair[1] - pair[0]);
            assert!(gaps.clone().all(|gap| gap == 200), "{number}");
        }
    }

    #[test]
    fn who_left_is_not_asked_and_whoever_takes_the_place_is() {
        let begun = Instant::now();
        let mut beats = Heartbeats::default();
        (0..10).for_each(|number| beats.add(number, begun, EVERY));
        beats.part(4);
        beats.add(4, begun, EVERY);
        let mut spoke = minute(&mut beats, begun).concat();
        spoke.sort_unstable();
        spoke.dedup();
        assert_eq!(spoke, [0, 1, 2, 3, 4]);
    }
}
