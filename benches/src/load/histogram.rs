//! Latencies, counted in buckets that are a hundredth of their value wide.
//!
//! Millions of latencies are recorded between two reads of a socket, so a record must cost nanoseconds and no memory.
//! The buckets are those of `HdrHistogram` (G. Tene): each power of two of microseconds is cut in 128 equal
//! parts, so a quantile is off by less than 0.8 %. The `hdrhistogram` crate does the same for any range and
//! precision, with eight dependencies; this is the one shape that is needed here.

use std::time::Duration;

/// Parts of each power of two.
const PARTS: u32 = 128;
const PARTS_BITS: u32 = PARTS.trailing_zeros();
/// Powers of two of microseconds: above the last, over an hour, everything counts as that.
const POWERS: u32 = 32;
const BUCKETS: usize = (PARTS * (POWERS - PARTS_BITS + 1)) as usize;

/// How many latencies there were of each length.
#[derive(Debug, Clone)]
pub struct Histogram {
    buckets: Box<[u64]>,
    count: u64,
    max_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: vec![0; BUCKETS].into(),
            count: 0,
            max_us: 0,
        }
    }
}

impl Histogram {
    /// Counts one.
    pub fn record(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(us)] += 1;
        self.count += 1;
        self.max_us = self.max_us.max(us);
    }

    /// How many were counted.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The longest, in ms; exact.
    #[must_use]
    pub fn max_ms(&self) -> f64 {
        ms(self.max_us)
    }

    /// What so many of a million stayed at or below, in ms, at most 0.8 % too high; 0 of none.
    #[must_use]
    pub fn quantile_ms(&self, of_a_million: u32) -> f64 {
        let wanted = u128::from(self.count) * u128::from(of_a_million);
        let wanted = wanted.div_ceil(1_000_000);
        let mut seen = 0;
        for (number, &count) in self.buckets.iter().enumerate() {
            seen += u128::from(count);
            if seen >= wanted && seen > 0 {
                return ms(highest(number).min(self.max_us));
            }
        }
        0.0
    }
}

fn bucket(us: u64) -> usize {
    let us = us.min((1 << POWERS) - 1);
    let power = (u64::BITS - us.leading_zeros()).saturating_sub(PARTS_BITS + 1);
    // Below twice PARTS a bucket is 1 µs wide, above it 2, 4, 8 …
    let number = u64::from(power * PARTS) + (us >> power);
    usize::try_from(number).expect("below BUCKETS")
}

/// The longest latency of a bucket, in µs.
fn highest(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let parts = u64::from(PARTS);
    let power = (bucket / parts).saturating_sub(1);
    let lowest = (bucket - power * parts) << power;
    lowest + (1 << power) - 1
}

#[expect(clippy::cast_precision_loss, reason = "an hour is 2^32 µs")]
fn ms(us: u64) -> f64 {
    us as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_follow_each_other_without_gap() {
        let mut before = 0;
        for us in 0..1_000_000 {
            let bucket = bucket(us);
            assert!(bucket == before || bucket == before + 1, "{us}");
            assert!(
                highest(bucket) >= us && (bucket == 0 || highest(bucket - 1) < us),
                "{us}"
            );
            before = bucket;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn nothing_was_as_long_as_nothing() {
        assert_eq!(Histogram::default().quantile_ms(500_000), 0.0);
    }

    proptest! {
        #[test]
        fn quantiles_are_those_of_the_sorted_list(
            mut latencies in prop::collection::vec(0_u64..10_000_000, 1..300),
            of_a_million in 1_u32..=1_000_000,
        ) {
            let mut histogram = Histogram::default();
            for &us in &latencies {
                histogram.record(Duration::from_micros(us));
            }
            latencies.sort_unstable();
            let rank = (latencies.len() as u64 * u64::from(of_a_million)).div_ceil(1_000_000);
            let exact = ms(latencies[usize::try_from(rank).unwrap() - 1]);
            let found = histogram.quantile_ms(of_a_million);
            prop_assert!(found >= exact && found <= exact * 1.008, "{found} for {exact}");
            prop_assert_eq!(histogram.max_ms(), ms(*latencies.last().unwrap()));
        }
    }
}
