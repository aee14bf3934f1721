//! Which connections hear a room, and who may watch whom: added when durable, taken away at once.

use std::collections::BTreeSet;

use homeroom_protocol::{
    ConnectionId, Direction, Epoch, Position, RemovedReason, ResetReason, RoomNumber, Seq,
    ServerFrame, TimelineEvent, Timestamp, UserId, limit::PAGE_EVENTS_MAX,
};

use super::{
    effects,
    event::Event,
    history::{Fact, Question, Span},
    refusal::Refusal,
    requests::{Answer, history::Summaries},
    room::Room,
    state::Tenant,
};
use crate::{
    domain::{HistoryError, Outcome},
    hub::{Delivery, Generation},
};

/// From where a connection hears a room.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) room: RoomNumber,
    pub(super) epoch: Epoch,
    pub(super) next: Seq,
    pub(super) head: Seq,
}

impl Tenant {
    /// How many rooms a connection hears besides this one.
    pub(super) fn listening_to(&self, connection: ConnectionId, room: RoomNumber) -> usize {
        let Some(session) = self.sessions.get(connection) else {
            return 0;
        };
        session.listening.len() - usize::from(session.listening.contains_key(&room))
    }

    pub(super) fn listen(
        &mut self,
        connection: ConnectionId,
        start: Start,
        out: &mut Outcome<Self>,
    ) {
        let Start {
            room,
            epoch,
            next,
            head,
        } = start;
        let generation = self.sessions.listen(connection, room);
        out.held.push(Delivery::Listen {
            connection,
            room,
            epoch,
            next,
            head,
            generation,
        });
    }

    /// Makes the end of a membership true: at once for all the user's connections, in the timeline for
    /// everybody else.
    pub(super) fn end_membership(
        &mut self,
        event: Event,
        user: &UserId,
        reason: RemovedReason,
        out: &mut Outcome<Self>,
    ) {
        let room = event.room;
        // Before the event: whose membership ends does not hear of it.
        self.unlisten(user, room, reason, out);
        self.commit(event, out);
        self.stop_typing(room, user, out);
        self.unwatch_strangers(user, out);
    }

    /// None of a user's connections hears a room any more. What is still held for them is void from now
    /// on, see [`still_due`](Self::still_due).
    fn unlisten(
        &mut self,
        user: &UserId,
        room: RoomNumber,
        reason: RemovedReason,
        out: &mut Outcome<Self>,
    ) {
        for connection in self.people.connections(user, None) {
            let session = self.sessions.get_mut(connection);
            let listening = session.and_then(|session| session.listening.remove(&room));
            if listening.is_none() {
                continue;
            }
            out.now.push(Delivery::Unlisten { connection, room });
            out.held.push(effects::direct(
                connection,
                ServerFrame::Removed { room, reason },
            ));
        }
    }

    /// What was held while the tenant went on: a listening that was taken back meanwhile never begins,
    /// and no reply shows a room to whom it has been closed.
    pub(super) fn still_due(&self, delivery: Delivery) -> Option<Delivery> {
        match &delivery {
            Delivery::Listen {
                connection,
                room,
                generation,
                ..
            } => self
                .hears(*connection, *room, *generation)
                .then_some(delivery),
            Delivery::Direct { connection, push } => match push.frame() {
                ServerFrame::Page { id, room, .. }
                | ServerFrame::Members { id, room, .. }
                | ServerFrame::Overwrites { id, room, .. }
                    if !self.is_inside(*connection, *room) =>
                {
                    let refusal = Refusal::NotMember;
                    Some(effects::refused(*connection, *id, refusal))
                }
                _ => Some(delivery),
            },
            Delivery::Event { .. }
            | Delivery::Passed { .. }
            | Delivery::Pause { .. }
            | Delivery::Restamp { .. }
            | Delivery::View { .. }
            | Delivery::Signal { .. }
            | Delivery::Unlisten { .. }
            | Delivery::Watch { .. }
            | Delivery::Page { .. }
            | Delivery::Answer(_)
            | Delivery::Close { .. }
            | Delivery::CloseAll { .. } => Some(delivery),
        }
    }

    /// Whether a connection's user is a member of a room. Of a connection that is gone nothing is
    /// delivered anyway.
    fn is_inside(&self, connection: ConnectionId, room: RoomNumber) -> bool {
        let session = self.sessions.get(connection);
        session.is_none_or(|session| {
            let room = self.rooms.get(room);
            room.is_some_and(|room| room.has(&session.identity.user))
        })
    }

    /// Whether one may see how the other is: oneself, and whoever is in a room with one.
    pub(super) fn may_watch(&self, watcher: &UserId, user: &UserId) -> bool {
        watcher == user || self.rooms.are_shared(watcher, user)
    }

    /// After a user left a room: they and those who were there may have become strangers.
    pub(super) fn unwatch_strangers(&mut self, user: &UserId, out: &mut Outcome<Self>) {
        for connection in self.sessions.around(user) {
            let Some(session) = self.sessions.get(connection) else {
                continue;
            };
            let watcher = &session.identity.user;
            let kept: BTreeSet<UserId> = session
                .watching
                .iter()
                // Only pairs with the leaver can have changed.
                .filter(|watched| {
                    (watcher != user && *watched != user) || self.may_watch(watcher, watched)
                })
                .cloned()
                .collect();
            if kept.len() == session.watching.len() {
                continue;
            }
            let watch = Delivery::Watch {
                connection,
                users: kept.iter().cloned().collect(),
            };
            // A watch that is still held would bring the strangers back.
            if session.watch_settles > self.durable {
                out.held.push(watch.clone());
            }
            out.now.push(watch);
            if let Some(session) = self.sessions.get_mut(connection) {
                session.watching = kept;
            }
        }
    }

    /// What must be read before a page can be given; `None` when the listener is gone, or there is nothing to
    /// read.
    pub(super) fn page_needs(
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
                anchor: Seq(from.0.saturating_sub(1)),
                floor: Seq(0),
                limit: u32::try_from(PAGE_EVENTS_MAX).unwrap_or(u32::MAX),
            },
            reader: None,
            complete_to: self.durable,
        })
    }

    /// A page for a listener that is behind. When its past is gone, its stream starts anew at the head;
    /// when it cannot be read at the moment, the page is empty, and the hub asks again in a while.
    pub(super) fn page(
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
            Ok(events) => out.now.push(Delivery::Page {
                connection,
                room,
                generation,
                events: heard.page_told(room, events),
            }),
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

    fn hears(&self, connection: ConnectionId, room: RoomNumber, generation: Generation) -> bool {
        let session = self.sessions.get(connection);
        let listening = session.and_then(|session| session.listening.get(&room));
        listening.is_some_and(|listening| listening.generation == generation)
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
    use homeroom_protocol::{EventBody, Timestamp};

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
