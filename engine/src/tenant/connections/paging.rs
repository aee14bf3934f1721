//! Pages for a listener that is behind: read from the log, without a gap, or a new beginning.

use homeroom_protocol::{
    ConnectionId, Direction, EventBody, Position, ResetReason, RoomNumber, Seq, ServerFrame,
    TimelineEvent, Timestamp, limit::PAGE_EVENTS_MAX,
};

use super::listening::Start;
use crate::{
    domain::{HistoryError, Outcome},
    hub::{Delivery, Generation},
    planted::{Fault, fault},
    tenant::{
        effects,
        history::{Fact, Question, Span},
        requests::{Answer, history::Summaries},
        rooms::room::Room,
        state::Tenant,
    },
};

impl Tenant {
    /// What must be read before a page can be given; `None` when the listener is gone, or there is nothing to
    /// read.
    pub(crate) fn page_needs(
        &self,
        connection: ConnectionId,
        room: RoomNumber,
        generation: Generation,
        from: Seq,
    ) -> Option<Question> {
        let is_kept = self.rooms.get(room)?.keeps_messages();
        (is_kept && self.hears(connection, room, generation)).then_some(Question::Timeline {
            span: Span {
                room,
                thread: None,
                direction: Direction::After,
                anchor: if fault(Fault::PageBeginsLate) {
                    from
                } else {
                    Seq(from.0.saturating_sub(1))
                },
                floor: Seq(0),
                limit: u32::try_from(PAGE_EVENTS_MAX).unwrap_or(u32::MAX),
            },
            reader: None,
            complete_to: self.durable,
        })
    }

    /// A page for a listener that is behind. When its past is gone, its stream starts anew at the head;
    /// when it cannot be read at the moment, the page is empty, and the hub asks again in a while.
    pub(crate) fn page(
        &mut self,
        connection: ConnectionId,
        (now, (room, generation)): (Timestamp, (RoomNumber, Generation)),
        from: Seq,
        answer: Answer,
        out: &mut Outcome<Self>,
    ) {
        if !self.hears(connection, room, generation) {
            return;
        }
        let Some(heard) = self.rooms.get(room) else {
            return;
        };
        let page = if !heard.keeps_messages() {
            Err(ResetReason::NotKept)
        } else if from < heard.floor(self.log_time(now)) {
            Err(ResetReason::Trimmed)
        } else {
            match answer {
                Some(Ok(Fact::Timeline { mut page, .. })) => {
                    self.hide_deleted(room, Summaries::Told, &mut page.events);
                    without_gap(page.events, from).ok_or(ResetReason::Trimmed)
                }
                Some(
                    Ok(Fact::Looked { .. }) | Err(HistoryError::Unreadable | HistoryError::Damaged),
                )
                | None => Ok(Vec::new()),
                Some(Err(HistoryError::Trimmed)) => Err(ResetReason::Trimmed),
            }
        };
        match page {
            Ok(events) => {
                // What was read is durable; that some of it was deleted since may still be lost.
                let waits = self.applied > self.durable && events.iter().any(is_emptied);
                let page = Delivery::Page {
                    connection,
                    room,
                    generation,
                    events: heard.page_told(room, events),
                };
                let leaves = if waits { &mut out.held } else { &mut out.now };
                leaves.push(page);
            }
            Err(reason) => self.begin_anew(connection, room, reason, out),
        }
    }

    /// A connection's stream of a room broke off: it goes on after the newest event.
    fn begin_anew(
        &mut self,
        connection: ConnectionId,
        room: RoomNumber,
        reason: ResetReason,
        out: &mut Outcome<Self>,
    ) {
        let Some(position) = self.rooms.get(room).map(Room::head) else {
            return;
        };
        let reset = ServerFrame::Reset {
            room,
            position,
            reason,
        };
        out.held.push(effects::direct(connection, reset));
        let Position { epoch, seq: head } = position;
        let next = head.next();
        let start = Start {
            room,
            epoch,
            next,
            head,
        };
        self.listen(connection, start, out);
    }
}

/// Whether an event shows that something was deleted.
fn is_emptied(event: &TimelineEvent) -> bool {
    match &event.body {
        EventBody::Tombstone { .. } => true,
        EventBody::MessageEdited { message, .. } => message.text.is_empty(),
        _ => false,
    }
}

/// The events from `from` on up to the first gap; `None` when `from` itself is missing and later ones
/// are there.
fn without_gap(mut events: Vec<TimelineEvent>, from: Seq) -> Option<Vec<TimelineEvent>> {
    let expected = (from.0.max(1)..).map(Seq);
    let dense = events
        .iter()
        .zip(expected)
        .take_while(|(event, seq)| event.seq == *seq)
        .count();
    if dense == 0 && !events.is_empty() {
        return None;
    }
    events.truncate(dense);
    Some(events)
}

#[cfg(test)]
mod tests {
    use homeroom_protocol::UserId;

    use super::*;

    fn events(seqs: &[u64]) -> Vec<TimelineEvent> {
        let event = |&seq| TimelineEvent {
            seq: Seq(seq),
            time: Timestamp(0),
            author: UserId::new("ada").unwrap(),
            body: EventBody::MemberJoined,
        };
        seqs.iter().map(event).collect()
    }

    #[test]
    fn a_page_ends_at_a_gap_and_never_begins_after_one() {
        assert_eq!(without_gap(events(&[3, 4]), Seq(3)), Some(events(&[3, 4])));
        assert_eq!(without_gap(events(&[3, 5]), Seq(3)), Some(events(&[3])));
        assert_eq!(without_gap(events(&[4, 5]), Seq(3)), None);
        assert_eq!(without_gap(Vec::new(), Seq(3)), Some(Vec::new()));
        assert_eq!(without_gap(events(&[1]), Seq(0)), Some(events(&[1])));
    }
}
