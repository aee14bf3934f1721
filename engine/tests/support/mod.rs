//! Disks for tests: one in memory that can lose its power, and one around it that fails on purpose.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    reason = "each test program uses its own part, so an expectation would fail in some"
)]

pub mod faulty_disk;
pub mod model_disk;
pub mod tenant_log;

/// Numbers that look random and are the same for a seed (SplitMix64).
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`; 0 for no limit at all.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.roll() >> 32).unwrap() % limit.max(1)
    }
}
