//! Rows that lie side by side share one stored row: what a tree costs, it costs for each key.
//!
//! Of the kinds [`ADJACENT_KINDS`] keys count up in their last byte and values are 8 bytes, as where each
//! event of a timeline stands. Up to [`BLOCK_ROWS`] of them, whose keys differ in the lowest bits of the
//! last byte alone, are stored as a block under the lowest of these keys: for each row its last byte, then
//! its value, in order.

use std::{
    collections::{BTreeMap, HashMap},
    ops::RangeInclusive,
};

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

/// The blocks that a write changes, with what is added to each; later rows replace earlier ones. By what their
/// keys begin with: the last byte, and the value.
#[derive(Debug, Default)]
pub(super) struct Changed<'rows>(BTreeMap<&'rows [u8], Vec<Entry<'rows>>>);

type Entry<'rows> = (u8, &'rows [u8]);

impl<'rows> Changed<'rows> {
    /// Takes in a row that was not refused.
    pub(super) fn add(&mut self, row: &'rows Row) {
        if let Some((last, beginning)) = row.key.split_last() {
            let added = self.0.entry(beginning).or_default();
            added.push((*last, &row.value[..]));
        }
    }

    /// The key of each block, and what it holds then; `stored` is what it held before.
    pub(super) fn merged<E>(
        self,
        stored: impl Fn(&[u8]) -> Result<Vec<u8>, E>,
    ) -> Result<Vec<Found>, E> {
        let mut blocks = Vec::new();
        for (beginning, mut added) in self.0 {
            // Those of one key stay in their order, of which the last counts.
            added.sort_by_key(|(last, _)| *last);
            for added in added.chunk_by(|(one, _), (next, _)| block_in(*one) == block_in(*next)) {
                let first = block_in(added[0].0) * BLOCK_ROWS;
                let key = [beginning, &[first]].concat();
                let block = merge(&stored(&key)?, added);
                blocks.push((key, block));
            }
        }
        Ok(blocks)
    }
}

/// Which of the blocks of keys that differ in their last byte alone it is.
const fn block_in(last: u8) -> u8 {
    last / BLOCK_ROWS
}

/// What a block holds when these, in the order of their last bytes, have been added.
fn merge(before: &[u8], added: &[Entry<'_>]) -> Vec<u8> {
    let mut block = Vec::with_capacity(before.len() + added.len() * ENTRY_BYTES);
    let mut before = before.chunks_exact(ENTRY_BYTES).peekable();
    for (at, (last, value)) in added.iter().enumerate() {
        if added.get(at + 1).is_some_and(|(next, _)| next == last) {
            continue;
        }
        while let Some(entry) = before.next_if(|entry| entry[0] < *last) {
            block.extend_from_slice(entry);
        }
        before.next_if(|entry| entry[0] == *last);
        block.push(*last);
        block.extend_from_slice(value);
    }
    before.for_each(|entry| block.extend_from_slice(entry));
    block
}

/// How many rows of a store a write comes to.
#[derive(Debug, Default)]
pub(super) struct Stored {
    /// Which blocks it changes, a bit for each, by what their keys begin with.
    blocks: HashMap<Vec<u8>, u8>,
    count: usize,
}

/// The blocks of one beginning fit the bits of a byte.
const _: () = assert!(256 / BLOCK_ROWS as usize == u8::BITS as usize);

impl Stored {
    /// Takes in a row of the write.
    pub(super) fn add(&mut self, row: &Row) {
        let Some((last, beginning)) = row.key.split_last().filter(|_| is_adjacent(&row.key)) else {
            self.count += 1;
            return;
        };
        let bit = 1 << block_in(*last);
        let changed = match self.blocks.get_mut(beginning) {
            Some(changed) => changed,
            None => self.blocks.entry(beginning.to_vec()).or_default(),
        };
        self.count += usize::from(*changed & bit == 0);
        *changed |= bit;
    }

    pub(super) const fn count(&self) -> usize {
        self.count
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
        let (mut changed, mut stored) = (Changed::default(), Stored::default());
        for row in &rows_added {
            changed.add(row);
            stored.add(row);
        }
        assert_eq!(stored.count(), 2);
        let stored = |key: &[u8]| -> Result<_, Infallible> {
            let is_there = key == [b'R', 7, 0];
            Ok(if is_there { before.clone() } else { Vec::new() })
        };
        let blocks = changed.merged(stored).unwrap();
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

    #[test]
    fn a_write_comes_to_its_blocks_and_the_rows_that_are_in_none() {
        let mut stored = Stored::default();
        let alone = |last| Row {
            key: vec![b'k', last],
            ..row(last, 1)
        };
        for last in 0..=255 {
            stored.add(&row(last, 1));
        }
        assert_eq!(stored.count(), 8);
        stored.add(&Row {
            key: vec![b'R', 8, 0],
            ..row(0, 1)
        });
        for last in 0..3 {
            stored.add(&alone(last));
        }
        assert_eq!(stored.count(), 8 + 1 + 3);
    }
}
