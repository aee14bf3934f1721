//! When somebody was last there. Told of those who are offline, to the minute only: enough to know
//! whether to wait for an answer, too little to follow a person's day.

use std::collections::{BTreeMap, BTreeSet};

use homeroom_protocol::{Timestamp, UserId};

use crate::log::LogPosition;

/// To what times are rounded down, in ms.
pub(crate) const MINUTE_MS: u64 = 60_000;
/// Most users in one record: many who go at once share one write.
pub(crate) const SEEN_PER_RECORD_MAX: usize = 256;
/// Most users who are remembered; of more, those who were seen longest ago are forgotten. 20 000: as
/// many as are connected at once. About 2 MiB.
pub(crate) const SEEN_USERS_MAX: usize = 20_000;

/// When users were last there: what is written down, and what is not yet.
///
/// Nobody is written down more than once a minute, as a time in the same minute is no news.
#[derive(Debug)]
pub(crate) struct Seen {
    applied: LogPosition,
    users_max: usize,
    by_user: BTreeMap<UserId, Timestamp>,
    by_time: BTreeSet<(Timestamp, UserId)>,
    unwritten: BTreeMap<UserId, Timestamp>,
    /// When what is not written down will be.
    due: Option<Timestamp>,
}

/// The stored form: how far it was applied, and who was seen when, in minutes.
pub(crate) type SavedSeen = (u64, Vec<(String, u64)>);

impl Default for Seen {
    fn default() -> Self {
        Self {
            applied: LogPosition::START,
            users_max: SEEN_USERS_MAX,
            by_user: BTreeMap::new(),
            by_time: BTreeSet::new(),
            unwritten: BTreeMap::new(),
            due: None,
        }
    }
}

impl Seen {
    /// A user went at `now`; whether that is to be written down.
    pub(crate) fn went(&mut self, user: &UserId, now: Timestamp) -> bool {
        let minute = Timestamp(now.0 - now.0 % MINUTE_MS);
        let is_news = self.last(user).is_none_or(|last| last < minute);
        let has_room = self.unwritten.len() < self.users_max || self.unwritten.contains_key(user);
        if is_news && has_room {
            self.unwritten.insert(user.clone(), minute);
        }
        is_news && has_room
    }

    /// When a user was last there, rounded down to a minute.
    pub(crate) fn last(&self, user: &UserId) -> Option<Timestamp> {
        let unwritten = self.unwritten.get(user);
        unwritten.or_else(|| self.by_user.get(user)).copied()
    }

    /// What to write down next, at most [`SEEN_PER_RECORD_MAX`] users. It counts as written once it is
    /// applied.
    pub(crate) fn next_record(&self) -> Vec<(UserId, Timestamp)> {
        let next = self.unwritten.iter().take(SEEN_PER_RECORD_MAX);
        next.map(|(user, at)| (user.clone(), *at)).collect()
    }

    /// Plans the next record, unless one is planned already; whether it did.
    pub(crate) fn plan(&mut self, at: Timestamp) -> bool {
        if self.unwritten.is_empty() || self.due.is_some() {
            return false;
        }
        self.due = Some(at);
        true
    }

    /// The planned record is due now.
    pub(crate) fn begin(&mut self) {
        self.due = None;
    }

    /// How far it has come.
    pub(crate) const fn applied(&self) -> LogPosition {
        self.applied
    }

    /// Users were seen; whether that changed anything. Merges by maximum.
    pub(crate) fn apply(&mut self, at: LogPosition, users: &[(UserId, Timestamp)]) -> bool {
        if at <= self.applied {
            return false;
        }
        self.applied = at;
        for (user, time) in users {
            if self.unwritten.get(user).is_some_and(|later| later <= time) {
                self.unwritten.remove(user);
            }
            self.put(user, *time);
        }
        true
    }

    pub(crate) fn save(&self) -> SavedSeen {
        let users = self.by_user.iter();
        let users = users.map(|(user, at)| (user.to_string(), at.0 / MINUTE_MS));
        (self.applied.0, users.collect())
    }

    /// `None` when this is nothing that was saved.
    pub(crate) fn restore((applied, users): SavedSeen) -> Option<Self> {
        let mut seen = Self {
            applied: LogPosition(applied),
            ..Self::default()
        };
        for (user, minute) in users {
            let at = minute.checked_mul(MINUTE_MS)?;
            seen.put(&UserId::new(&user).ok()?, Timestamp(at));
        }
        Some(seen)
    }

    fn put(&mut self, user: &UserId, at: Timestamp) {
        match self.by_user.get_mut(user) {
            Some(last) if *last >= at => return,
            Some(last) => {
                self.by_time.remove(&(*last, user.clone()));
                *last = at;
            }
            None => {
                self.by_user.insert(user.clone(), at);
            }
        }
        self.by_time.insert((at, user.clone()));
        while self.by_user.len() > self.users_max {
            let Some((_, longest_ago)) = self.by_time.pop_first() else {
                return;
            };
            self.by_user.remove(&longest_ago);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    fn write(seen: &mut Seen) -> usize {
        let record = seen.next_record();
        seen.apply(seen.applied().next(), &record);
        record.len()
    }

    #[test]
    fn times_are_told_at_once_to_the_minute_and_written_once_a_minute() {
        let (mut seen, ada) = (Seen::default(), user("ada"));
        assert!(seen.went(&ada, Timestamp(119_999)));
        assert_eq!(seen.last(&ada), Some(Timestamp(60_000)));
        assert!(seen.plan(Timestamp(120_000)));
        assert!(!seen.plan(Timestamp(120_000)), "one at a time");
        seen.begin();
        assert_eq!(write(&mut seen), 1);
        assert_eq!(write(&mut seen), 0);
        assert!(!seen.went(&ada, Timestamp(119_999)), "the same minute");
        assert!(!seen.went(&ada, Timestamp(5)), "a clock that went back");
        assert!(seen.went(&ada, Timestamp(120_000)));
        assert_eq!(seen.last(&ada), Some(Timestamp(120_000)));
    }

    #[test]
    fn a_time_that_changes_while_it_is_written_stays_to_be_written() {
        let (mut seen, ada) = (Seen::default(), user("ada"));
        seen.went(&ada, Timestamp(60_000));
        let record = seen.next_record();
        seen.went(&ada, Timestamp(120_000));
        seen.apply(LogPosition(1), &record);
        assert_eq!(seen.next_record(), [(ada, Timestamp(120_000))]);
    }

    #[test]
    fn many_share_records_that_are_bounded() {
        let mut seen = Seen::default();
        for number in 0..SEEN_PER_RECORD_MAX + 1 {
            seen.went(&user(&format!("u{number}")), Timestamp(60_000));
        }
        assert_eq!(write(&mut seen), SEEN_PER_RECORD_MAX);
        assert_eq!(write(&mut seen), 1);
    }

    #[test]
    fn of_too_many_those_who_were_seen_longest_ago_are_forgotten() {
        let mut seen = Seen {
            users_max: 2,
            ..Seen::default()
        };
        for (number, name) in ["ada", "bob", "cyd"].into_iter().enumerate() {
            let at = Timestamp((number as u64 + 1) * MINUTE_MS);
            let position = LogPosition(number as u64 + 1);
            assert!(seen.apply(position, &[(user(name), at)]));
        }
        assert_eq!(seen.last(&user("ada")), None);
        assert_eq!(seen.last(&user("cyd")), Some(Timestamp(180_000)));
        assert_eq!((seen.by_user.len(), seen.by_time.len()), (2, 2));
        // What is not written down is bounded as well.
        assert!(seen.went(&user("eve"), Timestamp(600_000)));
        assert!(seen.went(&user("fay"), Timestamp(600_000)));
        assert!(!seen.went(&user("gil"), Timestamp(600_000)));
        assert!(seen.went(&user("eve"), Timestamp(660_000)));
    }

    #[test]
    fn what_is_saved_is_restored_and_applied_once() {
        let mut seen = Seen::default();
        let first = [(user("ada"), Timestamp(60_000))];
        seen.apply(LogPosition(7), &first);
        let mut restored = Seen::restore(seen.save()).unwrap();
        assert_eq!(restored.save(), seen.save());
        assert!(!restored.apply(LogPosition(7), &[(user("bob"), Timestamp(60_000))]));
        assert_eq!(restored.last(&user("bob")), None);
        assert!(Seen::restore((1, vec![(String::new(), 1)])).is_none());
        assert!(Seen::restore((1, vec![("ada".into(), u64::MAX)])).is_none());
    }
}
