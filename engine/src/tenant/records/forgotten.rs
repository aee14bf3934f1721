//! Keys that were used within the time that they count, and for which memory had no room any more.
//!
//! What they were used for is in the index. A busy tenant forgets keys all the time, and every new key might be
//! one of those: filters (B. H. Bloom, Space/time trade-offs in hash coding with allowable errors, 1970) say of
//! nearly all of them that they are not, so that only a retry which comes late is looked up.

use std::collections::VecDeque;

use homeroom_protocol::Timestamp;

use super::hashing::Lookup;
use crate::log::LogPosition;

/// Bits of one filter: 256 KiB.
const FILTER_BITS: usize = 1 << 21;
const FILTER_BYTES: usize = FILTER_BITS / 8;
/// Keys of a filter before the next one begins: with 32 bits each, one new key in a million is taken for one of
/// them.
const KEYS_PER_FILTER: u64 = 1 << 16;
/// Bits that each key sets.
const BITS_PER_KEY: usize = 11;
/// Most filters, together of a million keys and 4 MiB. With more keys two of them become one: of two million,
/// one new key in 150 is looked up, and of very many each.
const FILTERS_MAX: usize = 16;

/// The newest of several keys that were forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forgotten {
    pub(crate) at: LogPosition,
    pub(crate) time: Timestamp,
}

/// All keys that were forgotten and may still count.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ForgottenKeys {
    /// Of these it is not known which: a snapshot of before there were filters says no more.
    unknown: Option<Forgotten>,
    /// Oldest first.
    filters: VecDeque<Filter>,
}

/// Some keys, one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) newest: Forgotten,
    pub(crate) keys: u64,
    /// As many as [`FILTER_BITS`].
    pub(crate) bits: Vec<u8>,
}

impl Forgotten {
    fn counts(&self, time: Timestamp, ttl_ms: u64) -> bool {
        time < self.time.plus_ms(ttl_ms)
    }
}

impl ForgottenKeys {
    /// As they were saved; `None` when that cannot be.
    pub(crate) fn restore(unknown: Option<Forgotten>, filters: Vec<Filter>) -> Option<Self> {
        let fits = filters.len() <= FILTERS_MAX
            && (filters.iter()).all(|filter| filter.bits.len() == FILTER_BYTES);
        let ascend = filters.is_sorted_by_key(|filter| filter.newest.at);
        (fits && ascend).then(|| Self {
            unknown,
            filters: filters.into(),
        })
    }

    /// Those of which it is not known which, and the filters, oldest first.
    pub(crate) fn parts(&self) -> (Option<Forgotten>, impl Iterator<Item = &Filter>) {
        (self.unknown, self.filters.iter())
    }

    /// One more, newer than all before.
    pub(crate) fn add(&mut self, lookup: &Lookup, forgotten: Forgotten) {
        let newest = self.filters.back_mut();
        let Some(filter) = newest.filter(|filter| filter.keys < KEYS_PER_FILTER) else {
            if self.filters.len() == FILTERS_MAX {
                self.make_room();
            }
            let mut filter = Filter {
                newest: forgotten,
                keys: 0,
                bits: vec![0; FILTER_BYTES],
            };
            filter.add(lookup, forgotten);
            self.filters.push_back(filter);
            return;
        };
        filter.add(lookup, forgotten);
    }

    /// Lets go of those that no longer count.
    pub(crate) fn expire(&mut self, time: Timestamp, ttl_ms: u64) {
        self.unknown = self.unknown.filter(|newest| newest.counts(time, ttl_ms));
        while let Some(oldest) = self.filters.front()
            && !oldest.newest.counts(time, ttl_ms)
        {
            self.filters.pop_front();
        }
    }

    /// Whether any may still count at a time.
    pub(crate) fn any_counts(&self, time: Timestamp, ttl_ms: u64) -> bool {
        (self.newest()).is_some_and(|newest| newest.counts(time, ttl_ms))
    }

    /// Whether a key may be one that counts at a time: then the newest of all, as what is looked up must hold
    /// all events up to that.
    pub(crate) fn may_be(
        &self,
        lookup: &Lookup,
        time: Timestamp,
        ttl_ms: u64,
    ) -> Option<LogPosition> {
        let unknown = self.unknown.filter(|newest| newest.counts(time, ttl_ms));
        let filtered = || {
            (self.filters.iter())
                .any(|filter| filter.newest.counts(time, ttl_ms) && filter.may_hold(lookup))
        };
        let newest = self.newest()?;
        (unknown.is_some() || filtered()).then_some(newest.at)
    }

    fn newest(&self) -> Option<Forgotten> {
        let filtered = self.filters.back().map(|filter| filter.newest);
        filtered.or(self.unknown)
    }

    /// Makes one filter of the two neighbours with the fewest keys.
    fn make_room(&mut self) {
        let keys = |at: usize| self.filters[at].keys + self.filters[at + 1].keys;
        let Some(at) = (0..self.filters.len().saturating_sub(1)).min_by_key(|&at| keys(at)) else {
            return;
        };
        if let Some(older) = self.filters.remove(at)
            && let Some(younger) = self.filters.get_mut(at)
        {
            younger.keys += older.keys;
            for (bits, more) in younger.bits.iter_mut().zip(older.bits) {
                *bits |= more;
            }
        }
    }
}

impl Filter {
    fn add(&mut self, lookup: &Lookup, forgotten: Forgotten) {
        self.newest = forgotten;
        self.keys += 1;
        for (byte, bit) in places(lookup) {
            self.bits[byte] |= bit;
        }
    }

    fn may_hold(&self, lookup: &Lookup) -> bool {
        places(lookup).all(|(byte, bit)| self.bits[byte] & bit != 0)
    }
}

/// The byte and bit of each place of a key. It is a keyed hash: two halves of it give as many hashes as are
/// wanted (A. Kirsch and M. Mitzenmacher, Less hashing, same performance, 2006).
fn places(lookup: &Lookup) -> impl Iterator<Item = (usize, u8)> {
    let [a, b, c, d, .., e, f, g, h] = lookup.0;
    let first = u32::from_be_bytes([a, b, c, d]) as usize;
    let step = u32::from_be_bytes([e, f, g, h]) as usize | 1;
    (0..BITS_PER_KEY).map(move |n| {
        let place = first.wrapping_add(step.wrapping_mul(n)) % FILTER_BITS;
        (place / 8, 1 << (place % 8))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::records::hashing::Hashing;
    use homeroom_protocol::{IdempotencyKey, UserId};

    const TTL_MS: u64 = 1000;

    fn lookup(number: u64) -> Lookup {
        let key = IdempotencyKey(u128::from(number).to_be_bytes());
        Hashing::new([5; 16]).lookup(&UserId::new("ada").unwrap(), key)
    }

    fn forgotten(number: u64, time: u64) -> Forgotten {
        Forgotten {
            at: LogPosition(number),
            time: Timestamp(time),
        }
    }

    fn of(numbers: std::ops::Range<u64>, time: u64) -> ForgottenKeys {
        let mut keys = ForgottenKeys::default();
        for number in numbers {
            keys.add(&lookup(number), forgotten(number, time));
        }
        keys
    }

    fn hits(keys: &ForgottenKeys, numbers: std::ops::Range<u64>) -> usize {
        let may_be = |number| keys.may_be(&lookup(number), Timestamp(10), TTL_MS);
        numbers.filter(|&number| may_be(number).is_some()).count()
    }

    #[test]
    fn each_that_was_forgotten_is_found_and_hardly_any_other() {
        let keys = of(0..KEYS_PER_FILTER + 100, 0);
        assert_eq!(keys.filters.len(), 2);
        let all = usize::try_from(KEYS_PER_FILTER).unwrap() + 100;
        assert_eq!(hits(&keys, 0..KEYS_PER_FILTER + 100), all);
        assert!(hits(&keys, 1_000_000..1_100_000) <= 3);
        let newest = keys.may_be(&lookup(3), Timestamp(10), TTL_MS);
        assert_eq!(newest, Some(LogPosition(KEYS_PER_FILTER + 99)));
    }

    #[test]
    fn what_counts_no_longer_is_let_go() {
        let mut keys = of(0..KEYS_PER_FILTER, 0);
        keys.unknown = Some(forgotten(0, 0));
        keys.add(&lookup(KEYS_PER_FILTER), forgotten(KEYS_PER_FILTER, 500));
        let ask = |keys: &ForgottenKeys, number, time| {
            let may_be = keys.may_be(&lookup(number), Timestamp(time), TTL_MS);
            may_be.is_some()
        };
        assert!(
            ask(&keys, 7, 999) && ask(&keys, 1 << 40, 999),
            "not known which"
        );
        assert!(!ask(&keys, 7, 1000) && ask(&keys, KEYS_PER_FILTER, 1000));
        keys.expire(Timestamp(1000), TTL_MS);
        assert_eq!((keys.unknown, keys.filters.len()), (None, 1));
        assert!(keys.any_counts(Timestamp(1499), TTL_MS));
        assert!(!keys.any_counts(Timestamp(1500), TTL_MS));
        keys.expire(Timestamp(1500), TTL_MS);
        assert_eq!(keys, ForgottenKeys::default());
    }

    #[test]
    fn more_than_there_are_filters_for_are_found_all_the_same() {
        // Filters of few keys each stand for full ones, which take long to make.
        let mut keys = ForgottenKeys::default();
        for number in 0..100 {
            if keys.filters.len() == FILTERS_MAX {
                keys.make_room();
            }
            let mut filter = Filter {
                newest: forgotten(number, 0),
                keys: 0,
                bits: vec![0; FILTER_BYTES],
            };
            filter.add(&lookup(number), forgotten(number, 0));
            keys.filters.push_back(filter);
        }
        assert_eq!(keys.filters.len(), FILTERS_MAX);
        assert_eq!(hits(&keys, 0..100), 100);
        let sizes = keys.filters.iter().map(|filter| filter.keys);
        assert_eq!(sizes.clone().sum::<u64>(), 100);
        assert!(sizes.max() <= Some(16), "evenly");
        let ends: Vec<_> = (keys.filters.iter())
            .map(|filter| filter.newest.at.0)
            .collect();
        assert!(ends.is_sorted() && ends.last() == Some(&99));
    }

    #[test]
    fn what_cannot_have_been_saved_is_refused() {
        let filter = |at, bytes| Filter {
            newest: forgotten(at, 0),
            keys: 1,
            bits: vec![0; bytes],
        };
        let restore = |filters| ForgottenKeys::restore(None, filters);
        assert!(restore(vec![filter(1, FILTER_BYTES), filter(2, FILTER_BYTES)]).is_some());
        assert!(restore(vec![filter(2, FILTER_BYTES), filter(1, FILTER_BYTES)]).is_none());
        assert!(restore(vec![filter(1, FILTER_BYTES - 1)]).is_none());
        let many = (0..=FILTERS_MAX as u64).map(|at| filter(at, FILTER_BYTES));
        assert!(restore(many.collect()).is_none());
    }
}
