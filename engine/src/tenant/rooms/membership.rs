//! Somebody's being in a room: of nothing else a tenant keeps so many.

use homeroom_protocol::Seq;

use super::seqs::COUNTED_SEQ_MAX;
use crate::log::LogPosition;

/// A membership. Three words: places in a timeline are at most [`COUNTED_SEQ_MAX`], so that two of them fit one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Membership {
    /// The log position of the joining: it counts for others once that is durable.
    pub(crate) since: LogPosition,
    joined: u32,
    /// The place of their newest message outside of threads; 0: none.
    sent: u32,
    /// Where that stands in the log.
    sent_at: LogPosition,
}

const _: () = assert!(size_of::<Membership>() == 24);

impl Membership {
    /// One that begins at this position of the log and this place of the timeline.
    pub(crate) fn new(since: LogPosition, joined: Seq) -> Self {
        Self {
            since,
            joined: narrow(joined),
            sent: 0,
            sent_at: LogPosition::START,
        }
    }

    /// Its place in the timeline.
    pub(crate) fn joined(self) -> Seq {
        Seq(self.joined.into())
    }

    /// Their newest message outside of threads, and where that stands in the log.
    pub(crate) fn last_sent(self) -> Option<(Seq, LogPosition)> {
        (self.sent > 0).then_some((Seq(self.sent.into()), self.sent_at))
    }

    /// They said something outside of threads.
    pub(crate) fn note_sent(&mut self, seq: Seq, at: LogPosition) {
        (self.sent, self.sent_at) = (narrow(seq), at);
    }
}

/// Nothing is added to a room above the last place that is counted.
fn narrow(seq: Seq) -> u32 {
    u32::try_from(seq.min(COUNTED_SEQ_MAX).0).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_highest_place_a_room_may_come_to() {
        let mut membership = Membership::new(LogPosition(7), COUNTED_SEQ_MAX);
        assert_eq!(membership.joined(), COUNTED_SEQ_MAX);
        assert_eq!(membership.last_sent(), None);
        membership.note_sent(COUNTED_SEQ_MAX, LogPosition(9));
        let sent = Some((COUNTED_SEQ_MAX, LogPosition(9)));
        assert_eq!(membership.last_sent(), sent);
    }
}
