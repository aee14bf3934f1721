//! What is few for most: rooms of one person, whom somebody watches. Ten thousand people each have several
//! such lists, and a tree keeps room for eleven entries where there are three.
//!
//! So these are sorted lists, which grow by what they need and a quarter of what they hold. Finding halves
//! the list each time, as in a tree; to put something in or take it out moves what is behind it, which
//! for some hundred entries is still less work than the message that asked for it. What fills them has
//! its own bounds: rooms of a connection, users somebody watches. What may become many (connections that
//! watch somebody) is moved to a tree when it does.

use std::{borrow::Borrow, mem};

/// A sorted map for few entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FewMap<K, V>(Vec<(K, V)>);

/// A sorted set of few entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FewSet<K>(FewMap<K, ()>);

/// Makes room for one more entry, without the fourfold or double room that a list takes by itself.
pub(crate) fn reserve_one<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact(1 + list.len() / 4);
    }
}

impl<K: Ord, V> FewMap<K, V> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let at = self.place_of(key).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let at = self.place_of(key).ok()?;
        self.0.get_mut(at).map(|(_, value)| value)
    }

    pub(crate) fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place_of(key).is_ok()
    }

    /// Puts an entry in; what was there before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place_of(&key) {
            Ok(at) => Some(mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                reserve_one(&mut self.0);
                self.0.insert(at, (key, value));
                None
            }
        }
    }

    /// Takes an entry out. The memory of many is given back when few are left.
    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<(K, V)>
    where
        K: Borrow<Q>,
    {
        let at = self.place_of(key).ok()?;
        let entry = self.0.remove(at);
        if self.0.len() < self.0.capacity() / 2 {
            self.0.shrink_to_fit();
        }
        Some(entry)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(K, V)> {
        self.0.iter()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    fn place_of<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0
            .binary_search_by(|(other, _)| other.borrow().cmp(key))
    }
}

impl<K: Ord> FewSet<K> {
    pub(crate) const fn new() -> Self {
        Self(FewMap::new())
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.0.contains_key(key)
    }

    /// Puts an entry in; whether it is new.
    pub(crate) fn insert(&mut self, key: K) -> bool {
        self.0.insert(key, ()).is_none()
    }

    /// Takes an entry out; whether it was there.
    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.take(key).is_some()
    }

    /// Takes an entry out, as it was put in.
    pub(crate) fn take<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<K>
    where
        K: Borrow<Q>,
    {
        self.0.remove(key).map(|(key, ())| key)
    }

    /// All of them, sorted.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &K> {
        self.0.keys()
    }
}

impl<K, V> Default for FewMap<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K> Default for FewSet<K> {
    fn default() -> Self {
        Self(FewMap::default())
    }
}

impl<K: Ord> FromIterator<K> for FewSet<K> {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        let mut keys: Vec<(K, ())> = keys.into_iter().map(|key| (key, ())).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.shrink_to_fit();
        Self(FewMap(keys))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn a_list_takes_no_more_room_than_a_quarter_beyond_its_entries() {
        let mut set = FewSet::new();
        for number in 0..1000_u32 {
            set.insert(number);
            let (held, room) = (set.len(), set.0.0.capacity());
            assert!(room <= held + held / 4 + 1, "{room} for {held}");
        }
        for number in 0..1000 {
            set.remove(&number);
            let (held, room) = (set.len(), set.0.0.capacity());
            assert!(room <= 2 * held + 1, "{room} for {held}");
        }
    }

    #[test]
    fn a_set_is_made_of_anything_and_holds_each_once() {
        let set: FewSet<u32> = [3, 1, 3, 2].into_iter().collect();
        assert_eq!(set.iter().copied().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(set.0.0.capacity(), 3);
    }

    proptest! {
        #[test]
        fn it_is_what_a_tree_is(steps in vec((any::<bool>(), 0_u8..20, any::<u8>()), 0..200)) {
            let (mut few, mut tree) = (FewMap::new(), BTreeMap::new());
            for (puts, key, value) in steps {
                if puts {
                    prop_assert_eq!(few.insert(key, value), tree.insert(key, value));
                } else {
                    prop_assert_eq!(few.remove(&key), tree.remove_entry(&key));
                }
                prop_assert_eq!(few.get(&key), tree.get(&key));
                prop_assert_eq!(few.contains_key(&key), tree.contains_key(&key));
                prop_assert!(few.keys().eq(tree.keys()));
                prop_assert_eq!((few.len(), few.is_empty()), (tree.len(), tree.is_empty()));
            }
        }
    }
}
