//! A set of places in one room's timeline: what unread counts are asked of.
//!
//! A compressed bitmap ("Better bitmap performance with Roaring bitmaps", Chambi, Lemire et al., 2016): a
//! long run costs a few bytes, a scattered place two, and how many lie above a mark is counted without
//! looking at each.

use homeroom_protocol::Seq;
use roaring::RoaringBitmap;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, Visitor},
};

/// Above this the places of a room are no longer counted; a room that came so far takes no more events.
pub(crate) const COUNTED_SEQ_MAX: Seq = Seq(u32::MAX as u64);

/// Places in one timeline, each at most [`COUNTED_SEQ_MAX`]: higher ones are left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Seqs(RoaringBitmap);

impl Seqs {
    /// Adds a place; whether it was new.
    pub(crate) fn insert(&mut self, seq: Seq) -> bool {
        narrow(seq).is_some_and(|seq| self.0.insert(seq))
    }

    /// Takes a place out; whether it was there.
    pub(crate) fn remove(&mut self, seq: Seq) -> bool {
        narrow(seq).is_some_and(|seq| self.0.remove(seq))
    }

    pub(crate) fn contains(&self, seq: Seq) -> bool {
        narrow(seq).is_some_and(|seq| self.0.contains(seq))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        saturated(self.0.len())
    }

    /// How many are above a mark.
    pub(crate) fn count_above(&self, mark: Seq) -> u32 {
        narrow(mark).map_or(0, |mark| saturated(self.0.len() - self.0.rank(mark)))
    }

    /// How many are below `floor`.
    pub(crate) fn count_below(&self, floor: Seq) -> u32 {
        let all = self.count();
        let below = floor.0.checked_sub(1);
        below.map_or(0, |below| all - self.count_above(Seq(below)))
    }

    /// How many are above a mark and in one of the sets; each place counts once.
    pub(crate) fn count_union_above<'a>(sets: impl Iterator<Item = &'a Self>, mark: Seq) -> u32 {
        let mut rest = sets.filter(|set| !set.is_empty());
        let Some(first) = rest.next() else {
            return 0;
        };
        let Some(second) = rest.next() else {
            return first.count_above(mark);
        };
        let mut union = &first.0 | &second.0;
        for set in rest {
            union |= &set.0;
        }
        Self(union).count_above(mark)
    }

    /// All that are in one of the sets.
    pub(crate) fn union<'a>(sets: impl Iterator<Item = &'a Self>) -> Self {
        let mut union = RoaringBitmap::new();
        for set in sets {
            union |= &set.0;
        }
        Self(union)
    }

    /// How many are above a mark and in both sets.
    pub(crate) fn count_shared_above(&self, other: &Self, mark: Seq) -> u32 {
        if other.is_empty() {
            return 0;
        }
        Self(&self.0 & &other.0).count_above(mark)
    }

    /// The newest of them.
    pub(crate) fn newest(&self) -> Option<Seq> {
        self.0.max().map(widen)
    }

    /// The one that `count - 1` others are newer than; `None` when there are fewer than `count`.
    pub(crate) fn nth_newest(&self, count: u32) -> Option<Seq> {
        let skipped = self.0.len().checked_sub(u64::from(count))?;
        self.0.select(u32::try_from(skipped).ok()?).map(widen)
    }

    /// Drops all below `floor`.
    pub(crate) fn cut(&mut self, floor: Seq) {
        match narrow(floor) {
            Some(floor) => _ = self.0.remove_range(..floor),
            None => self.0.clear(),
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut canonical = self.0.clone();
        // Equal sets are to be saved as equal bytes, however they came to be.
        canonical.remove_run_compression();
        canonical.optimize();
        let mut bytes = Vec::with_capacity(canonical.serialized_size());
        canonical
            .serialize_into(&mut bytes)
            .expect("memory takes every byte");
        bytes
    }

    fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let set = RoaringBitmap::deserialize_from(&mut bytes).ok()?;
        bytes.is_empty().then_some(Self(set))
    }
}

fn narrow(seq: Seq) -> Option<u32> {
    u32::try_from(seq.0).ok()
}

fn widen(seq: u32) -> Seq {
    Seq(seq.into())
}

fn saturated(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl FromIterator<Seq> for Seqs {
    fn from_iter<I: IntoIterator<Item = Seq>>(seqs: I) -> Self {
        Self(seqs.into_iter().filter_map(narrow).collect())
    }
}

impl Serialize for Seqs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.to_bytes())
    }
}

impl<'de> Deserialize<'de> for Seqs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Seqs;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a bitmap in the Roaring format")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Seqs, E> {
                Seqs::from_bytes(bytes).ok_or_else(|| E::custom("not a bitmap"))
            }
        }

        deserializer
            .deserialize_bytes(Bytes)
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::tenant::records::stored;

    proptest! {
        #[test]
        fn a_set_counts_as_a_plain_set_does(
            changes in vec((any::<bool>(), 0_u64..300), 0..200),
            other in vec(0_u64..300, 0..50),
            mark in 0_u64..310,
            nth in 0_u32..50,
        ) {
            let (mut set, mut model) = (Seqs::default(), BTreeSet::new());
            for (on, seq) in changes {
                if on {
                    prop_assert_eq!(set.insert(Seq(seq)), model.insert(seq));
                } else {
                    prop_assert_eq!(set.remove(Seq(seq)), model.remove(&seq));
                }
            }
            let others: BTreeSet<u64> = other.iter().copied().collect();
            let other: Seqs = other.into_iter().map(Seq).collect();
            let above = |set: &BTreeSet<u64>| u32::try_from(set.range(mark + 1..).count()).unwrap();

            prop_assert_eq!(set.count() as usize, model.len());
            prop_assert_eq!(set.newest().map(|seq| seq.0), model.last().copied());
            prop_assert_eq!(set.count_above(Seq(mark)), above(&model));
            prop_assert_eq!(set.count_shared_above(&other, Seq(mark)), above(&(&model & &others)));
            let union = Seqs::count_union_above([&set, &other, &Seqs::default()].into_iter(), Seq(mark));
            prop_assert_eq!(union, above(&(&model | &others)));
            let expected = match nth {
                0 => None,
                nth => model.iter().rev().nth(nth as usize - 1).copied(),
            };
            prop_assert_eq!(set.nth_newest(nth).map(|seq| seq.0), expected);

            let saved = stored::write(&set);
            let loaded: Seqs = stored::read(&saved, "set").unwrap();
            prop_assert_eq!(&loaded, &set);
            prop_assert_eq!(stored::write(&loaded), saved);

            set.cut(Seq(mark));
            let kept: Seqs = model.range(mark..).copied().map(Seq).collect();
            prop_assert_eq!(set, kept);
        }
    }

    #[test]
    fn equal_sets_are_saved_alike_however_they_came_to_be() {
        let run: Seqs = (1..=5).map(Seq).collect();
        let mut loaded: Seqs = stored::read(&stored::write(&run), "set").unwrap();
        for seq in 2..=4 {
            loaded.remove(Seq(seq));
        }
        let plain: Seqs = [1, 5].into_iter().map(Seq).collect();
        assert_eq!(stored::write(&loaded), stored::write(&plain));
    }

    #[test]
    fn what_is_too_high_to_count_or_no_set_at_all_is_left_out() {
        let above = Seq(COUNTED_SEQ_MAX.0 + 1);
        let mut set = Seqs::default();
        assert!(set.insert(COUNTED_SEQ_MAX) && !set.insert(above));
        assert!(!set.contains(above) && !set.remove(above));
        assert_eq!((set.count_above(above), set.count_above(Seq(0))), (0, 1));
        set.cut(above);
        assert!(set.is_empty());

        for bytes in [&b""[..], b"\x00", b"\x3a\x30\x00\x00\x00\x00\x00\x00\x01"] {
            assert_eq!(Seqs::from_bytes(bytes), None, "{bytes:?}");
        }
    }
}
