//! Sieves that nearly all new keys fall through, so that what holds older ones is rarely searched.

/// A Bloom filter of one word for each key (F. Putze, P. Sanders and J. Singler, Cache-, hash- and space-efficient
/// Bloom filters, 2007): a key costs one look, and one in thirty that was never put in is held. A byte for each
/// that it has room for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sieve(Vec<u64>);

impl Sieve {
    /// One that everything falls through, with room for so many keys.
    pub(super) fn for_keys(count: usize) -> Self {
        Self(vec![0; (count / 8).max(1)])
    }

    /// From now on it holds this key, or what stands for it: 32 bits that are as good as random.
    pub(super) fn add(&mut self, print: u32) {
        let at = word_of(print, self.0.len());
        if let Some(word) = self.0.get_mut(at) {
            *word |= bits_of(print);
        }
    }

    /// Whether it holds a key; some that it was never given among them.
    pub(super) fn holds(&self, print: u32) -> bool {
        let (word, bits) = (self.0.get(word_of(print, self.0.len())), bits_of(print));
        word.is_some_and(|word| word & bits == bits)
    }
}

/// By the upper bits of a print.
fn word_of(print: u32, words: usize) -> usize {
    let place = (u64::from(print) * words as u64) >> 32;
    usize::try_from(place).expect("below the number of words")
}

/// By the lower ones: three bits, or fewer where they meet.
const fn bits_of(print: u32) -> u64 {
    (1 << (print & 63)) | (1 << ((print >> 6) & 63)) | (1 << ((print >> 12) & 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly_all_keys_that_were_not_put_in_fall_through() {
        for count in [1_u32 << 13, 1 << 17] {
            let print = |n: u32| n.wrapping_mul(0x9e37_79b9);
            let mut sieve = Sieve::for_keys(count as usize);
            assert!((0..count).all(|n| !sieve.holds(print(n))));
            (0..count).for_each(|n| sieve.add(print(n)));
            assert!((0..count).all(|n| sieve.holds(print(n))));
            let held = (count..2 * count).filter(|n| sieve.holds(print(*n)));
            let held = held.count();
            assert!(held < count as usize / 20, "{held} of {count}");
        }
    }
}
