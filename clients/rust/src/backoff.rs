//! How long to wait before trying again. A thousand clients that lost the same server must not come
//! back at the same instant: each waits a random part of a ceiling that doubles ("full jitter", from
//! the AWS Architecture Blog's "Exponential Backoff And Jitter", 2015).

/// Doubling ceilings, and the generator that picks below them.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    base_ms: u64,
    max_ms: u64,
    failures: u32,
    state: u64,
}

impl Backoff {
    /// The first ceiling is `base_ms`, none is above `max_ms`. Equal seeds give equal waits: clients
    /// need different ones.
    pub(crate) const fn new(base_ms: u64, max_ms: u64, seed: u64) -> Self {
        Self {
            base_ms,
            max_ms,
            failures: 0,
            state: seed,
        }
    }

    /// The wait after one more failure in a row.
    pub(crate) fn next_ms(&mut self) -> u64 {
        let ceiling = self.ceiling_ms(self.failures);
        self.failures = self.failures.saturating_add(1);
        self.up_to(ceiling)
    }

    /// The wait before an attempt that follows `failures` others, for what is counted elsewhere.
    pub(crate) fn after_ms(&mut self, failures: u32) -> u64 {
        let ceiling = self.ceiling_ms(failures);
        self.up_to(ceiling)
    }

    /// `ms`, or up to a quarter more: for a wait the server named to everyone alike.
    pub(crate) fn spread_ms(&mut self, ms: u64) -> u64 {
        ms.saturating_add(self.up_to(ms / 4))
    }

    /// A success: the next ceiling is the first again.
    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }

    fn ceiling_ms(&self, failures: u32) -> u64 {
        let factor = 1_u64.checked_shl(failures).unwrap_or(u64::MAX);
        self.base_ms.saturating_mul(factor).min(self.max_ms)
    }

    /// A random number in 0 ..= `max`; the bias of the remainder is far below a millisecond.
    fn up_to(&mut self, max: u64) -> u64 {
        self.random() % max.saturating_add(1).max(1)
    }

    /// `SplitMix64` (Steele, Lea, Flood, 2014): enough to spread waits, and the same for a seed.
    const fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_of_many_clients_fill_the_whole_range_evenly() {
        let mut quarters = [0_u32; 4];
        for seed in 0..4000 {
            let wait = Backoff::new(1000, 30_000, seed).next_ms();
            assert!(wait <= 1000);
            quarters[usize::try_from(wait * 4 / 1001).unwrap()] += 1;
        }
        for count in quarters {
            assert!((900..1100).contains(&count), "{quarters:?}");
        }
    }

    #[test]
    fn the_ceiling_doubles_up_to_its_maximum_and_starts_again_after_a_success() {
        let highest = |failures: u32| {
            (0..500)
                .map(|seed| Backoff::new(100, 1500, seed).after_ms(failures))
                .max()
                .unwrap()
        };
        for (failures, ceiling) in [(0, 100), (1, 200), (3, 800), (4, 1500), (200, 1500)] {
            let highest = highest(failures);
            assert!(highest <= ceiling && highest > ceiling * 9 / 10);
        }
        let mut backoff = Backoff::new(100, u64::MAX, 1);
        for _ in 0..40 {
            backoff.next_ms();
        }
        backoff.reset();
        assert!(backoff.next_ms() <= 100);
    }
}
