//! A histogram that costs two relaxed additions to feed: fixed buckets, no lock, no allocation.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Upper bounds of the buckets of every duration, in nanoseconds: 10 µs to 10 s, about 2.5 apart. Below
/// lies what a memory access costs, above what nobody waits for.
pub const DURATION_BOUNDS_NS: &[u64] = &[
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Upper bounds of the buckets of numbers of records in one commit: powers of two.
pub const RECORDS_BOUNDS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096];

/// Buckets of the largest histogram, the one above all bounds included.
const BUCKETS_MAX: usize = DURATION_BOUNDS_NS.len() + 1;

/// Counts values by size. What is read while it is fed may lack the newest values, or hold a value in
/// a bucket and not yet in the sum.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds: &'static [u64],
    buckets: [AtomicU64; BUCKETS_MAX],
    sum: AtomicU64,
}

impl Histogram {
    /// Of durations, in nanoseconds.
    pub(crate) const fn of_durations() -> Self {
        Self::new(DURATION_BOUNDS_NS)
    }

    /// Of numbers of records.
    pub(crate) const fn of_records() -> Self {
        Self::new(RECORDS_BOUNDS)
    }

    const fn new(bounds: &'static [u64]) -> Self {
        assert!(bounds.len() < BUCKETS_MAX);
        Self {
            bounds,
            buckets: [const { AtomicU64::new(0) }; BUCKETS_MAX],
            sum: AtomicU64::new(0),
        }
    }

    pub(crate) fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|&bound| bound < value);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    pub(crate) fn observe_duration(&self, duration: Duration) {
        self.observe(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn read(&self) -> Distribution {
        let buckets = self.buckets.iter().take(self.bounds.len() + 1);
        let buckets: Vec<u64> = buckets.map(|it| it.load(Ordering::Relaxed)).collect();
        Distribution {
            bounds: self.bounds,
            count: buckets.iter().sum(),
            buckets,
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

/// What a histogram held when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// Upper bounds of the buckets, ascending; a value equal to a bound is below it.
    pub bounds: &'static [u64],
    /// How many values fell into each bucket and into none below it; the last one, which no bound
    /// stands for, holds what is above all bounds.
    pub buckets: Vec<u64>,
    /// The sum of all values.
    pub sum: u64,
    /// How many values there were.
    pub count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_in_the_first_bucket_whose_bound_it_does_not_pass() {
        let histogram = Histogram::of_records();
        for value in [0, 1, 2, 3, 4096, 4097, u64::from(u32::MAX)] {
            histogram.observe(value);
        }
        let read = histogram.read();
        assert_eq!(read.bounds, RECORDS_BOUNDS);
        let mut expected = vec![0; RECORDS_BOUNDS.len() + 1];
        (expected[0], expected[1], expected[2]) = (2, 1, 1);
        (expected[12], expected[13]) = (1, 2);
        assert_eq!(read.buckets, expected);
        assert_eq!(read.count, 7);
        assert_eq!(read.sum, 6 + 4096 + 4097 + u64::from(u32::MAX));
    }

    #[test]
    fn durations_are_counted_in_nanoseconds() {
        let histogram = Histogram::of_durations();
        histogram.observe_duration(Duration::from_micros(10));
        histogram.observe_duration(Duration::from_millis(1));
        histogram.observe_duration(Duration::from_secs(11));
        let read = histogram.read();
        assert_eq!(read.sum, 11_001_010_000);
        assert_eq!((read.buckets[0], read.buckets[6]), (1, 1));
        assert_eq!(read.buckets.last(), Some(&1));
    }

    #[test]
    fn bounds_ascend() {
        for bounds in [DURATION_BOUNDS_NS, RECORDS_BOUNDS] {
            assert!(bounds.is_sorted_by(|a, b| a < b));
        }
    }
}
