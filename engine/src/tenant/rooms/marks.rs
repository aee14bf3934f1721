//! How far somebody has read: what they said of it, and what follows from what they did.
//!
//! A mark is `(generation, seq)` and merges by maximum, so marks from any number of devices come to the same
//! in any order; "mark unread from here" counts the generation up and so may set the seq back. A mark is
//! written to its owner's stream alone. That whoever sends has read up to there is written nowhere: it
//! follows from the message.

use homeroom_protocol::{Mark, Seq};

use crate::{
    log::LogPosition,
    planted::{Fault, fault},
};

/// A mark as its owner set it last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SetMark {
    pub(crate) mark: Mark,
    /// Whether others may see it.
    pub(crate) public: bool,
    /// Where in the log it was set.
    pub(crate) at: LogPosition,
}

impl SetMark {
    /// The mark with another one merged in; `None` when that changes nothing. On whether others see it the
    /// newest word decides, also when it comes with a lower mark.
    pub(crate) fn merged(self, mark: Mark, public: bool) -> Option<(Mark, bool)> {
        let mark = mark.max(self.mark);
        (mark != self.mark || public != self.public).then_some((mark, public))
    }
}

/// Where a user stands without having said anything of it: where reading begins, and what they said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Begun {
    /// Everything up to here counts as read from the start: one's own joining, or 0 in a thread.
    pub(crate) seq: Seq,
    /// Since when, in the log: marks of an earlier membership do not count.
    pub(crate) since: LogPosition,
    /// The newest message of one's own since, and where it stands in the log.
    pub(crate) said: Option<(Seq, LogPosition)>,
}

/// How far somebody has read now.
pub(crate) fn effective(begun: Begun, set: Option<SetMark>) -> Mark {
    let set = set.filter(|set| set.at > begun.since && !fault(Fault::MarkNotCounted));
    let (mark, at) = match set {
        Some(SetMark { mark, at, .. }) => (mark, at),
        None => {
            let Begun { seq, since, .. } = begun;
            (Mark { generation: 0, seq }, since)
        }
    };
    match begun.said {
        // Whoever marks as unread after speaking means it.
        Some((seq, said_at)) if said_at > at => Mark {
            seq: mark.seq.max(seq),
            ..mark
        },
        Some(_) | None => mark,
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn mark(generation: u32, seq: u64) -> Mark {
        Mark {
            generation,
            seq: Seq(seq),
        }
    }

    fn set(generation: u32, seq: u64, at: u64) -> Option<SetMark> {
        Some(SetMark {
            mark: mark(generation, seq),
            public: false,
            at: LogPosition(at),
        })
    }

    fn begun(said: Option<(u64, u64)>) -> Begun {
        Begun {
            seq: Seq(5),
            since: LogPosition(50),
            said: said.map(|(seq, at)| (Seq(seq), LogPosition(at))),
        }
    }

    #[test]
    fn reading_begins_where_one_joined_and_goes_on_where_one_spoke() {
        assert_eq!(effective(begun(None), None), mark(0, 5));
        assert_eq!(effective(begun(Some((8, 80))), None), mark(0, 8));
        assert_eq!(effective(begun(None), set(0, 7, 70)), mark(0, 7));
        assert_eq!(effective(begun(Some((8, 80))), set(0, 7, 70)), mark(0, 8));
    }

    #[test]
    fn a_mark_of_an_earlier_membership_does_not_count() {
        assert_eq!(effective(begun(None), set(3, 9, 40)), mark(0, 5));
    }

    #[test]
    fn what_is_marked_unread_after_one_spoke_stays_unread_until_one_speaks_again() {
        assert_eq!(effective(begun(Some((8, 80))), set(1, 2, 90)), mark(1, 2));
        assert_eq!(effective(begun(Some((9, 95))), set(1, 2, 90)), mark(1, 9));
    }

    proptest! {
        #[test]
        fn marks_merge_to_the_same_in_any_order(
            mut marks in vec((0_u32..3, 0_u64..10), 1..8),
            rotated_by in 0_usize..8,
        ) {
            let merge = |marks: &[(u32, u64)]| {
                let mut merged = SetMark::default();
                for &(generation, seq) in marks {
                    if let Some((mark, public)) = merged.merged(mark(generation, seq), false) {
                        merged = SetMark { mark, public, ..merged };
                    }
                }
                merged.mark
            };
            let merged = merge(&marks);
            prop_assert_eq!(merged, marks.iter().map(|&(g, s)| mark(g, s)).max().unwrap());
            let len = marks.len();
            marks.rotate_left(rotated_by % len);
            marks.push(marks[0]);
            prop_assert_eq!(merge(&marks), merged);
        }
    }
}
