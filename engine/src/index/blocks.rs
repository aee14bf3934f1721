//! Rows that lie side by side share one stored row: what a tree costs, it costs for each key.
//!
//! Of the kinds [`ADJACENT_KINDS`] keys count up in their last byte and values are 8 bytes, as where each
//! event of a timeline stands. Up to [`BLOCK_ROWS`] of them, whose keys differ in the lowest bits of the
//! last byte alone, are stored as a block under the lowest of these keys: for each row its last byte, then
//! its value, in order.

use std::{collections::BTreeMap, ops::RangeInclusive};

use super::{Found, Row};

/// The first byte of keys whose rows lie side by side.
pub(super) const ADJACENT_KINDS: RangeInclusive<u8> = b'A'..=b'Z';
/// Bytes of a value of such a row.
pub(super) const ADJACENT_VALUE_BYTES: usize = 8;
/// Rows that share a block.
pub(super) const BLOCK_ROWS: u8 = 32;

const ENTRY_BYTES: usize = 1 + ADJACENT_VALUE_BYTES;

/// Whether the row of a key is part of a block.
pub(super) fn is_adjacent(key: &[u8]) -> bool {
    key.first()
        .is_some_and(|kind| ADJACENT_KINDS.contains(kind))
}

/// Why a row cannot be part of the block that its key asks for.
pub(super) fn refusal(row: &Row) -> Option<&'static str> {
    let fits =
        row.key.len() > 1 && row.value.len() == ADJACENT_VALUE_BYTES && row.expires.is_none();
    (is_adjacent(&row.key) && !fits)
        .then_some("a row of an adjacent kind is not 8 bytes that stay, with a key to count")
}

/// Where the block of a key is stored; for a key that begins a range, the first block that has any of it.
pub(super) fn block_of(key: &[u8]) -> Vec<u8> {
    let mut block = key.to_vec();
    if let [_, .., last] = &mut block[..] {
        *last -= *last % BLOCK_ROWS;
    }
    block
}

/// The blocks that a write changes, with what is added to each; later rows replace earlier ones.
#[derive(Debug, Default)]
pub(super) struct Changed<'rows>(BTreeMap<Vec<u8>, BTreeMap<u8, &'rows [u8]>>);

impl<'rows> Changed<'rows> {
    /// Takes in a row that was not refused.
    pub(super) fn add(&mut self, row: &'rows Row) {
        let last = row.key.last().copied().unwrap_or_default();
        let block = self.0.entry(block_of(&row.key)).or_default();
        block.insert(last, &row.value);
    }

    /// The key of each block, and what it holds then; `stored` is what it held before.
    pub(super) fn merged<E>(
        self,
        stored: impl Fn(&[u8]) -> Result<Vec<u8>, E>,
    ) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), E>> {
        self.0.into_iter().map(move |(key, mut added)| {
            let before = stored(&key)?;
            for entry in before.chunks_exact(ENTRY_BYTES) {
                added.entry(entry[0]).or_insert(&entry[1..]);
            }
            let rows = added.into_iter();
            let block = rows.flat_map(|(last, value)| [&[last], value].concat());
            Ok((key, block.collect()))
        })
    }
}

/// The rows of a block, in order; `None` when it is none.
pub(super) fn rows(block: &[u8], stored: &[u8]) -> Option<Vec<Found>> {
    if !stored.len().is_multiple_of(ENTRY_BYTES) {
        return None;
    }
    let row = |entry: &[u8]| {
        let mut key = block.to_vec();
        *key.last_mut()? = entry[0];
        Some((key, entry[1..].to_vec()))
    };
    stored.chunks_exact(ENTRY_BYTES).map(row).collect()
}

/// The value of one row of its block.
pub(super) fn value_of<'block>(key: &[u8], stored: &'block [u8]) -> Option<&'block [u8]> {
    let last = key.last()?;
    let mut entries = stored.chunks_exact(ENTRY_BYTES);
    entries.find(|entry| entry[0] == *last).map(|it| &it[1..])
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn row(last: u8, value: u8) -> Row {
        Row {
            key: vec![b'R', 7, last],
            value: vec![value; ADJACENT_VALUE_BYTES],
            expires: None,
        }
    }

    #[test]
    fn a_block_takes_in_rows_in_any_order_and_the_newest_of_a_key_counts() {
        let before = [[5; 9], [9; 9]].concat();
        let rows_added = [row(9, 1), row(6, 2), row(6, 3), row(32, 4)];
        let mut changed = Changed::default();
        rows_added.iter().for_each(|row| changed.add(row));
        let stored = |key: &[u8]| -> Result<_, Infallible> {
            let is_there = key == [b'R', 7, 0];
            Ok(if is_there { before.clone() } else { Vec::new() })
        };
        let blocks: Vec<_> = changed.merged(stored).map(Result::unwrap).collect();
        let [(low, block), (high, other)] = &blocks[..] else {
            panic!("{blocks:?}");
        };
        assert_eq!(
            (&low[..], &high[..]),
            (&[b'R', 7, 0][..], &[b'R', 7, 32][..])
        );
        let values: Vec<_> = (rows(low, block).unwrap().into_iter())
            .map(|(key, value)| (key[2], value[0]))
            .collect();
        assert_eq!(values, [(5, 5), (6, 3), (9, 1)]);
        assert_eq!(value_of(&[b'R', 7, 9], block), Some(&[1; 8][..]));
        assert_eq!(value_of(&[b'R', 7, 8], block), None);
        assert_eq!(other.len(), ENTRY_BYTES);
        assert_eq!(rows(low, &block[1..]), None, "no block");
    }
}
