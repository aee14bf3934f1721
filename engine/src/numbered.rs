//! Maps whose keys the server made itself: numbers it gave, and keyed hashes. Nobody can aim at a collision
//! there, so the hash need not be one that is hard to foresee, which costs more than all else of a look-up.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// A map by such a key.
pub(crate) type NumberedMap<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// Spreads one number: multiplied by the golden ratio, neighbours come to lie far apart, and the upper bits,
/// which the map looks at first, depend on all the others (D. E. Knuth, The Art of Computer Programming,
/// volume 3, section 6.4).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NumberHasher(u64);

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        // A product's lower bits know of the number's lower bits alone.
        self.0 ^ (self.0 >> 32)
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(GOLDEN);
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    /// For keys that are no numbers; slow, and right.
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, hash::Hash};

    use super::*;

    fn hash_of(key: impl Hash) -> u64 {
        let mut hasher = NumberHasher::default();
        key.hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn neighbours_and_multiples_fall_evenly() {
        for step in [1_u64, 2, 16, 1 << 32] {
            let hashes: Vec<u64> = (0..4096).map(|n| hash_of(n * step)).collect();
            let buckets: HashSet<u64> = hashes.iter().map(|hash| hash % 4096).collect();
            let tags: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
            assert!(buckets.len() > 1500, "step {step}: {}", buckets.len());
            assert_eq!(tags.len(), 128, "step {step}");
        }
    }

    #[test]
    fn all_of_a_key_counts() {
        assert_ne!(hash_of((1_u32, 2_u64)), hash_of((2_u32, 1_u64)));
        assert_ne!(hash_of("ab"), hash_of("ba"));
    }
}
