//! From where on a room's past is kept.
//!
//! The floor is logical: below it nothing is served, counted or resumed from; when the bytes go is another
//! matter. It only ever rises, whatever the room is told to keep later: what was once out of reach stays so.
//!
//! Days need no timer. The floor that follows from the time is worked out when it is asked for, and becomes
//! a fact with the next event.

use std::collections::VecDeque;

use homeroom_protocol::{Retention, Seq, Timestamp, limit::RETENTION_DAYS_MAX};

use super::counting::Counting;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Where each day of a room's past begins, and below what nothing is kept. Written only by `apply`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    floor: Seq,
    /// Day since the epoch and the first event of it, oldest first. At most as many as a room can be told
    /// to keep: of older ones only the last is of use.
    days: VecDeque<(u64, Seq)>,
    /// The newest event.
    head: Seq,
}

impl Kept {
    /// The first event that is kept at a time; 0: all are.
    pub(crate) fn floor(&self, retention: Retention, time: Timestamp) -> Seq {
        match retention {
            Retention::All | Retention::Messages(_) => self.floor,
            Retention::Days(days) => self.floor.max(self.days_floor(days, time)),
        }
    }

    /// Takes in the event of this place and time, `before` and `after` being what was to be kept before and after it, `counting`
    /// what counts after it. Whether the floor rose.
    pub(crate) fn apply(
        &mut self,
        (seq, time): (Seq, Timestamp),
        (before, after): (Retention, Retention),
        counting: &Counting,
    ) -> bool {
        let day = time.0 / DAY_MS;
        self.head = seq;
        if self.days.back().is_none_or(|&(last, _)| last < day) {
            // What a release wrote that did not know of days counts as of the first day that is known.
            let first = if self.days.is_empty() { Seq(1) } else { seq };
            self.days.push_back((day, first));
            if self.days.len() > RETENTION_DAYS_MAX as usize + 1 {
                self.days.pop_front();
            }
        }
        let old = self.floor;
        for retention in [before, after] {
            let floor = match retention {
                Retention::All => Seq(0),
                Retention::Days(days) => self.days_floor(days, time),
                // More may be live than are kept only until the floor has risen over the oldest.
                Retention::Messages(count) => counting.nth_newest(count).unwrap_or_default(),
            };
            self.floor = self.floor.max(floor);
        }
        self.floor > old
    }

    /// Where the day begins that was `days` ago: an event is kept for that long at least, and less than a
    /// day longer. Above the newest event when none is so young.
    fn days_floor(&self, days: u32, time: Timestamp) -> Seq {
        let first = (time.0 / DAY_MS).saturating_sub(days.into());
        let at = self.days.partition_point(|&(day, _)| day < first);
        self.days
            .get(at)
            .map_or_else(|| self.head.next(), |&(_, seq)| seq)
    }
}

/// As a part of its room's section: floor, days, head.
pub(crate) type SavedKept = (u64, Vec<(u64, u64)>, u64);

impl Kept {
    pub(crate) fn save(&self) -> SavedKept {
        let days = self.days.iter().map(|(day, seq)| (*day, seq.0));
        (self.floor.0, days.collect(), self.head.0)
    }

    pub(crate) fn restore((floor, days, head): SavedKept) -> Self {
        let days = days.into_iter().map(|(day, seq)| (day, Seq(seq)));
        Self {
            floor: Seq(floor),
            days: days.collect(),
            head: Seq(head),
        }
    }
}

#[cfg(test)]
mod tests {
    use homeroom_protocol::UserId;
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{
        log::LogPosition,
        tenant::records::{concern::MessageFact, stored},
    };

    #[derive(Default)]
    struct Room {
        kept: Kept,
        counting: Counting,
        head: u64,
        retention: Retention,
    }

    impl Room {
        fn happen(&mut self, time: u64, fact: Option<MessageFact<'_>>, after: Retention) -> bool {
            self.head += 1;
            let seq = Seq(self.head);
            if let Some(fact) = fact {
                let ada = UserId::new("ada").unwrap();
                self.counting.apply((LogPosition(seq.0), seq), &ada, fact);
            }
            let before = std::mem::replace(&mut self.retention, after);
            let place = (seq, Timestamp(time));
            self.kept.apply(place, (before, after), &self.counting)
        }

        fn say(&mut self, time: u64) -> bool {
            let said = MessageFact::Said(&"hi".into());
            self.happen(time, Some(said), self.retention)
        }

        fn keep(&mut self, time: u64, retention: Retention) -> bool {
            self.happen(time, None, retention)
        }

        fn floor(&self, time: u64) -> u64 {
            self.kept.floor(self.retention, Timestamp(time)).0
        }
    }

    #[test]
    fn the_newest_messages_are_kept_and_no_more() {
        let mut room = Room::default();
        for time in 0..5 {
            assert!(!room.say(time));
        }
        assert!(room.keep(5, Retention::Messages(3)));
        assert_eq!(room.floor(5), 3, "of 1 to 5");
        room.say(6);
        assert_eq!(room.floor(6), 4, "7 is a message, 6 was none");
        let delete = MessageFact::Deleted {
            target: Seq(7),
            by_moderator: false,
        };
        room.happen(7, Some(delete), room.retention);
        assert_eq!(room.floor(7), 4, "what was dropped does not come back");
        assert!(!room.keep(8, Retention::All));
        assert_eq!(room.floor(8), 4);
    }

    #[test]
    fn days_pass_without_an_event() {
        let mut room = Room::default();
        room.keep(10, Retention::Days(1));
        room.say(DAY_MS + 1);
        assert_eq!(room.floor(2 * DAY_MS - 1), 1, "yesterday");
        assert_eq!(room.floor(2 * DAY_MS), 2, "less than a day old, all of it");
        assert_eq!(room.floor(3 * DAY_MS), 3, "nothing is left");

        let late = 30 * DAY_MS;
        assert!(room.keep(late, Retention::All), "it becomes a fact");
        assert_eq!(
            room.floor(late),
            3,
            "only the change itself is young enough"
        );
        assert_eq!(room.floor(300 * DAY_MS), 3);
    }

    #[test]
    fn a_past_without_days_counts_as_of_the_first_day_known() {
        let mut room = Room {
            head: 9,
            ..Room::default()
        };
        room.keep(5 * DAY_MS, Retention::Days(2));
        assert_eq!((room.floor(7 * DAY_MS), room.floor(8 * DAY_MS)), (1, 11));
    }

    #[test]
    fn no_more_days_are_remembered_than_can_be_kept() {
        let mut room = Room::default();
        let most = u64::from(RETENTION_DAYS_MAX);
        for day in 0..most + 3 {
            room.keep(day * DAY_MS, Retention::Days(RETENTION_DAYS_MAX));
        }
        assert_eq!(room.kept.days.len() as u64, most + 1);
        assert_eq!(room.floor((most + 2) * DAY_MS), 3);
    }

    proptest! {
        #[test]
        fn the_floor_never_falls(
            steps in vec((0_u64..3 * DAY_MS / 2, 0_u32..5, 1_u32..4), 1..40),
        ) {
            let mut room = Room::default();
            let (mut time, mut floor) = (0, 0);
            for (passed, what, count) in steps {
                time += passed;
                prop_assert!(room.floor(time) >= floor);
                match what {
                    0 => room.keep(time, Retention::Days(count)),
                    1 => room.keep(time, Retention::Messages(count)),
                    2 => room.keep(time, Retention::All),
                    _ => room.say(time),
                };
                prop_assert!(room.floor(time) >= floor);
                floor = room.floor(time);
                let saved = stored::read(&stored::write(&room.kept.save()), "kept").unwrap();
                prop_assert_eq!(&Kept::restore(saved), &room.kept);
            }
        }

        #[test]
        fn an_event_is_kept_for_as_many_days_as_said_and_less_than_one_more(
            days in 1_u32..4,
            gaps in vec(0_u64..3 * DAY_MS / 2, 1..30),
            wait in 0_u64..6 * DAY_MS,
        ) {
            let mut room = Room::default();
            room.keep(0, Retention::Days(days));
            let (mut time, mut times) = (0, vec![0]);
            for gap in gaps {
                time += gap;
                room.say(time);
                times.push(time);
            }
            let (now, kept_ms) = (time + wait, u64::from(days) * DAY_MS);
            let floor = room.floor(now);
            for (seq, time) in (1..).zip(times) {
                if now < time + kept_ms {
                    prop_assert!(seq >= floor, "{seq} {floor}");
                } else if now >= time + kept_ms + DAY_MS {
                    prop_assert!(seq < floor, "{seq} {floor}");
                }
            }
        }
    }
}
