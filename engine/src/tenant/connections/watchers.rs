//! Who watches whom, found from the one who is watched.
//!
//! Most people are watched by a few, and ten thousand of them have such a list, so it is a sorted one that takes
//! little room. A head teacher is watched by everybody: there each change would move all who stand behind it, so
//! a tree takes over. Whoever names 256 such people, or leaves, costs 256 small changes then and not 256 moves
//! of a long list.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

use homeroom_protocol::{ConnectionId, UserId};

use crate::few::FewSet;

/// Beyond as many, the connections that watch a user are kept in a tree.
pub(super) const LISTED_MAX: usize = 256;
/// When fewer are left they are a list again: less than half, so that nobody goes to and fro at the bound.
const LISTED_AGAIN: usize = 100;

/// The connections that named a user.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    by_user: BTreeMap<UserId, Connections>,
    /// Entries written or moved so far, a change to a tree as one.
    #[cfg(test)]
    pub(super) moves: usize,
}

/// None of them is empty.
#[derive(Debug)]
enum Connections {
    Few(FewSet<ConnectionId>),
    #[expect(
        clippy::box_collection,
        reason = "there are few of these, and it makes room for three words in each of the others"
    )]
    Many(Box<BTreeSet<ConnectionId>>),
}

impl Watchers {
    /// A connection that named those in the lists `from` names those in `to`. Costs as much as they differ.
    pub(super) fn change(
        &mut self,
        connection: ConnectionId,
        from: &[&FewSet<UserId>],
        to: &[&FewSet<UserId>],
    ) {
        let is_in = |lists: &[&FewSet<UserId>], user| lists.iter().any(|list| list.contains(user));
        for user in from.iter().flat_map(|list| list.iter()) {
            if !is_in(to, user) {
                self.remove(user, connection);
            }
        }
        for user in to.iter().flat_map(|list| list.iter()) {
            if !is_in(from, user) {
                self.insert(user, connection);
            }
        }
    }

    /// Those of one user, ascending.
    pub(super) fn of(&self, user: &UserId) -> impl Iterator<Item = ConnectionId> + '_ {
        let (few, many) = match self.by_user.get(user) {
            None => (None, None),
            Some(Connections::Few(list)) => (Some(list), None),
            Some(Connections::Many(tree)) => (None, Some(tree)),
        };
        let few = few.into_iter().flat_map(FewSet::iter);
        few.chain(many.into_iter().flat_map(|tree| tree.iter()))
            .copied()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_user.is_empty()
    }

    fn insert(&mut self, user: &UserId, connection: ConnectionId) {
        let Some(connections) = self.by_user.get_mut(user) else {
            let alone = Connections::Few(FewSet::from_iter([connection]));
            self.by_user.insert(user.clone(), alone);
            return;
        };
        #[cfg(test)]
        {
            self.moves += connections.moved_by(connection);
        }
        connections.insert(connection);
    }

    fn remove(&mut self, user: &UserId, connection: ConnectionId) {
        let Some(connections) = self.by_user.get_mut(user) else {
            return;
        };
        #[cfg(test)]
        {
            self.moves += connections.moved_by(connection);
        }
        if connections.remove(connection) {
            self.by_user.remove(user);
        }
    }
}

impl Connections {
    fn insert(&mut self, connection: ConnectionId) {
        match self {
            Self::Few(list) => {
                list.insert(connection);
                if list.len() > LISTED_MAX {
                    let tree = mem::take(list).iter().copied().collect();
                    *self = Self::Many(Box::new(tree));
                }
            }
            Self::Many(tree) => _ = tree.insert(connection),
        }
    }

    /// Whether nobody is left.
    fn remove(&mut self, connection: ConnectionId) -> bool {
        match self {
            Self::Few(list) => {
                list.remove(&connection);
                list.is_empty()
            }
            Self::Many(tree) => {
                tree.remove(&connection);
                if tree.len() < LISTED_AGAIN {
                    *self = Self::Few(mem::take(&mut **tree).into_iter().collect());
                }
                false
            }
        }
    }

    /// Entries that are written when this one comes or goes.
    #[cfg(test)]
    fn moved_by(&self, connection: ConnectionId) -> usize {
        match self {
            Self::Few(list) => 1 + list.iter().filter(|other| **other > connection).count(),
            Self::Many(_) => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn users(names: impl IntoIterator<Item = u16>) -> FewSet<UserId> {
        let user = |name| UserId::new(format!("user-{name}")).unwrap();
        names.into_iter().map(user).collect()
    }

    fn listed(watchers: &Watchers, user: &UserId) -> bool {
        matches!(watchers.by_user.get(user), Some(Connections::Few(_)))
    }

    #[test]
    fn a_list_takes_no_more_room_than_before_there_were_trees() {
        assert_eq!(size_of::<Connections>(), size_of::<FewSet<ConnectionId>>());
    }

    /// As many connections as a tenant takes.
    #[test]
    fn whoever_comes_or_goes_among_all_who_watch_the_same_moves_none_of_the_others() {
        const CONNECTIONS: u64 = 20_000;
        let mut watchers = Watchers::default();
        let popular = users(0..16);
        for id in 0..CONNECTIONS {
            watchers.change(ConnectionId(id), &[], &[&popular]);
        }
        watchers.moves = 0;
        // The oldest goes: it stands before all others.
        watchers.change(ConnectionId(0), &[&popular], &[]);
        assert_eq!(watchers.moves, popular.len());
        watchers.change(ConnectionId(0), &[], &[&popular]);
        assert_eq!(watchers.moves, 2 * popular.len());
        for user in popular.iter() {
            assert_eq!(watchers.of(user).count() as u64, CONNECTIONS);
        }
    }

    #[test]
    fn all_who_leave_in_the_order_they_came_move_at_most_a_list_each() {
        let count = 20_000;
        let mut watchers = Watchers::default();
        let one = users([1]);
        for id in 0..count {
            watchers.change(ConnectionId(id), &[], &[&one]);
        }
        watchers.moves = 0;
        for id in 0..count {
            watchers.change(ConnectionId(id), &[&one], &[]);
        }
        let (count, listed) = (usize::try_from(count).unwrap(), LISTED_AGAIN);
        assert!(watchers.moves <= count + listed * listed);
        assert!(watchers.is_empty());
    }

    #[test]
    fn whoever_watches_nearly_the_same_changes_the_difference_alone() {
        let mut watchers = Watchers::default();
        let (before, after) = (users(0..200), users(1..201));
        let ada = ConnectionId(1);
        watchers.change(ada, &[], &[&before]);
        watchers.moves = 0;
        watchers.change(ada, &[&before], &[&after, &users([5])]);
        // One goes; whoever comes is the first of a list of its own.
        assert_eq!(watchers.moves, 1);
        // Between the two lists nobody comes or goes.
        watchers.change(ada, &[&after], &[&users([]), &after]);
        assert_eq!(watchers.moves, 1);
    }

    #[test]
    fn many_are_a_tree_and_few_are_a_list_again() {
        let mut watchers = Watchers::default();
        let one = users([1]);
        let user = one.iter().next().unwrap();
        let most = LISTED_MAX as u64;
        for id in 0..=most {
            assert!(id == 0 || listed(&watchers, user), "at {id}");
            watchers.change(ConnectionId(id), &[], &[&one]);
        }
        assert!(!listed(&watchers, user));
        for id in 0..=most {
            let left = watchers.of(user).count();
            assert_eq!(listed(&watchers, user), left < LISTED_AGAIN, "{left}");
            watchers.change(ConnectionId(id), &[&one], &[]);
        }
        assert!(watchers.is_empty());
    }

    proptest! {
        #[test]
        fn it_is_what_is_found_by_looking_at_every_connection(
            steps in vec((0_u64..400, vec(0_u16..3, 0..4), vec(0_u16..3, 0..2)), 0..800),
        ) {
            let mut watchers = Watchers::default();
            let mut named: BTreeMap<u64, [FewSet<UserId>; 2]> = BTreeMap::new();
            for (id, first, second) in steps {
                let new = [users(first), users(second)];
                let old = named.insert(id, new.clone()).unwrap_or_default();
                watchers.change(
                    ConnectionId(id),
                    &old.each_ref(),
                    &new.each_ref(),
                );
            }
            for user in users(0..3).iter() {
                let names = |lists: &[FewSet<UserId>; 2]| lists.iter().any(|list| list.contains(user));
                let expected = named.iter().filter(|(_, lists)| names(lists)).map(|(id, _)| *id);
                prop_assert!(watchers.of(user).map(|id| id.0).eq(expected));
            }
            for (id, [first, second]) in &named {
                watchers.change(ConnectionId(*id), &[first, second], &[]);
            }
            prop_assert!(watchers.is_empty());
        }
    }
}
