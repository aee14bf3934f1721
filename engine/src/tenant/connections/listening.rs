//! Which connections hear a room, and who may watch whom: added when durable, taken away at once.

use std::collections::BTreeSet;

use homeroom_protocol::{
    ConnectionId, Direction, Epoch, FollowedThread, Me, Position, RemovedReason, RequestId,
    ResetReason, RoomEntry, RoomNumber, Seq, ServerFrame, Standing, TimelineEvent, Timestamp,
    UserId, UserPresence, limit::PAGE_EVENTS_MAX,
};

use crate::{
    domain::{HistoryError, Outcome},
    hub::{Delivery, Generation},
    tenant::{
        effects,
        history::{Fact, Question, Span},
        records::event::Event,
        refusal::Refusal,
        requests::{Answer, history::Summaries},
        rights::permit,
        rooms::room::Room,
        state::Tenant,
    },
};

/// From where a connection hears a room.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    pub(crate) room: RoomNumber,
    pub(crate) epoch: Epoch,
    pub(crate) next: Seq,
    pub(crate) head: Seq,
}

impl Tenant {
    /// How many rooms a connection hears besides this one.
    pub(crate) fn listening_to(&self, connection: ConnectionId, room: RoomNumber) -> usize {
        let Some(session) = self.sessions.get(connection) else {
            return 0;
        };
        session.listening.len() - usize::from(session.listening.contains_key(&room))
    }

    pub(crate) fn listen(
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
        let is_new = self.listening_since(connection, room).is_none();
        let generation = self.sessions.listen(connection, room);
        out.held.push(Delivery::Listen {
            connection,
            room,
            epoch,
            next,
            head,
            generation,
        });
        if is_new {
            self.begin_to_hear(connection, room, out);
        }
    }

    /// Makes the end of a membership true: at once for all the user's connections, in the timeline for
    /// everybody else.
    pub(crate) fn end_membership(
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
        self.unwatch_strangers(user, out);
    }

    /// None of a user's connections hears a room any more. What is still held for them is void from now
    /// on, see [`still_due`](Self::still_due).
    pub(crate) fn unlisten(
        &mut self,
        user: &UserId,
        room: RoomNumber,
        reason: RemovedReason,
        out: &mut Outcome<Self>,
    ) {
        self.withdraw(user, room, out);
        for connection in self.people.connections(user, None) {
            let session = self.sessions.get_mut(connection);
            let listening = session.and_then(|session| session.listening.remove(&room));
            // Also where it was not heard: a page of it that was asked for may be queued.
            out.now.push(Delivery::Unlisten { connection, room });
            if listening.is_some() {
                out.held.push(effects::direct(
                    connection,
                    ServerFrame::Removed { room, reason },
                ));
            }
        }
    }

    /// What was held while the tenant went on: a listening that was taken back meanwhile never begins,
    /// and no reply shows a room to whom it has been closed.
    pub(crate) fn still_due(&self, delivery: Delivery) -> Option<Delivery> {
        match delivery {
            Delivery::Listen {
                connection,
                room,
                epoch,
                next,
                head,
                generation,
            } => Some(Delivery::Listen {
                connection,
                room,
                epoch,
                next,
                head,
                generation: self.begun(connection, room, generation)?,
            }),
            Delivery::Direct {
                connection,
                ref push,
            } => match revealed(push.frame()) {
                Revealed::Nothing => Some(delivery),
                Revealed::Reply(_, room) | Revealed::Push(room)
                    if self.is_inside(connection, room) =>
                {
                    Some(delivery)
                }
                Revealed::Reply(id, _) => {
                    Some(effects::refused(connection, id, Refusal::NotMember))
                }
                Revealed::Push(_) => None,
                Revealed::Shown(room) if self.is_inside(connection, room) => {
                    self.viewer_told(connection, push.frame())
                }
                Revealed::Shown(_) => None,
                Revealed::List(id, rooms, more) => {
                    let rooms = rooms
                        .iter()
                        .filter(|entry| self.is_listed(connection, entry))
                        .cloned()
                        .collect();
                    let list = ServerFrame::Rooms { id, rooms, more };
                    Some(effects::direct(connection, list))
                }
                Revealed::Own(id, me) => {
                    let inside = |it: &&FollowedThread| self.is_inside(connection, it.room);
                    let me = Box::new(Me {
                        threads: me.threads.iter().filter(inside).cloned().collect(),
                        ..me.clone()
                    });
                    Some(effects::direct(connection, ServerFrame::Me { id, me }))
                }
                Revealed::Users(id, users) => self.still_watched(connection, id, users, &delivery),
            },
            Delivery::Answer(answer) => Some(Delivery::Answer(self.still_true(answer))),
            Delivery::Event { .. }
            | Delivery::Passed { .. }
            | Delivery::Signal { .. }
            | Delivery::Unlisten { .. }
            | Delivery::Pause { .. }
            | Delivery::Restamp { .. }
            | Delivery::Watch { .. }
            | Delivery::Unwatch { .. }
            | Delivery::View { .. }
            | Delivery::Page { .. }
            | Delivery::Close { .. }
            | Delivery::CloseAll { .. } => Some(delivery),
        }
    }

    /// Who became a stranger meanwhile is left out.
    fn still_watched(
        &self,
        connection: ConnectionId,
        id: Option<RequestId>,
        users: &[UserPresence],
        delivery: &Delivery,
    ) -> Option<Delivery> {
        let Some(session) = self.sessions.get(connection) else {
            return Some(delivery.clone());
        };
        let watcher = &session.identity.user;
        let known = self.still_shown(watcher, users);
        if known == users {
            return Some(delivery.clone());
        }
        match id {
            Some(id) => {
                let frame = ServerFrame::Watching { id, users: known };
                Some(effects::direct(connection, frame))
            }
            None if known.is_empty() => None,
            None => Some(effects::direct(
                connection,
                ServerFrame::Presence { users: known },
            )),
        }
    }

    /// What a watcher may be told of users now: nothing of strangers, and of who blocked them that they are
    /// offline.
    pub(crate) fn still_shown(
        &self,
        watcher: &UserId,
        users: &[UserPresence],
    ) -> Vec<UserPresence> {
        let known = users
            .iter()
            .filter(|shown| self.may_watch(watcher, &shown.user));
        let shown = known.map(|shown| {
            if self.hides_from(&shown.user, watcher) {
                self.presence_for(watcher, &shown.user)
            } else {
                shown.clone()
            }
        });
        shown.collect()
    }

    /// The generation under which a hearing that was decided a while ago begins; `None` when it ended
    /// meanwhile. When its room was paused meanwhile and it has not been looked at, it is stale.
    fn begun(
        &self,
        connection: ConnectionId,
        room: RoomNumber,
        begun: Generation,
    ) -> Option<Generation> {
        let listening = self.sessions.get(connection)?.listening.get(&room)?;
        let generation = listening.generation;
        if listening.begun != begun {
            None
        } else if self.rechecks.is_pending(room, generation) {
            Some(Generation::STALE)
        } else {
            Some(generation)
        }
    }

    /// Whether a connection's user may be told of a room. Of a connection that is gone nothing is
    /// delivered anyway.
    fn is_inside(&self, connection: ConnectionId, room: RoomNumber) -> bool {
        let session = self.sessions.get(connection);
        session.is_none_or(|session| self.sees(&session.identity.user, room))
    }

    /// Whether a room still belongs in the list that a connection asked for.
    fn is_listed(&self, connection: ConnectionId, entry: &RoomEntry) -> bool {
        match entry.standing {
            Standing::Member => self.is_inside(connection, entry.room),
            Standing::Invited => {
                let session = self.sessions.get(connection);
                let room = self.rooms.get(entry.room);
                session.is_none_or(|session| {
                    let user = &session.identity.user;
                    room.is_some_and(|room| permit::sees_invited(&self.roles, room, user))
                })
            }
        }
    }

    /// Whether one may see how the other is: oneself, and whoever is in a room that one sees.
    pub(crate) fn may_watch(&self, watcher: &UserId, user: &UserId) -> bool {
        watcher == user || (self.rooms.shared(watcher, user)).any(|room| self.sees(watcher, room))
    }

    /// After a user left a room: they and those who were there may have become strangers.
    pub(crate) fn unwatch_strangers(&mut self, user: &UserId, out: &mut Outcome<Self>) {
        let own = self.people.connections(user, None);
        for connection in self.sessions.around(user, own) {
            self.unwatch(connection, user, out);
        }
    }

    /// After a user lost the sight of a room: who is in it may have become a stranger to them, though not
    /// they to those.
    pub(crate) fn unwatch_unseen(&mut self, user: &UserId, out: &mut Outcome<Self>) {
        for connection in self.people.connections(user, None) {
            self.unwatch(connection, user, out);
        }
    }

    /// A connection watches strangers no more. Only pairs with this user can have changed.
    pub(crate) fn unwatch(
        &mut self,
        connection: ConnectionId,
        user: &UserId,
        out: &mut Outcome<Self>,
    ) {
        let Some(session) = self.sessions.get(connection) else {
            return;
        };
        let watcher = &session.identity.user;
        let is_kept = |watched: &&UserId| {
            (watcher != user && *watched != user) || self.may_watch(watcher, watched)
        };
        let kept: BTreeSet<UserId> = session.watching.iter().filter(is_kept).cloned().collect();
        let unseen = session.unseen.iter().filter(is_kept).cloned().collect();
        if kept.len() == session.watching.len() {
            if let Some(session) = self.sessions.get_mut(connection) {
                session.unseen = unseen;
            }
            return;
        }
        // A watch that is still held would bring the strangers back.
        if session.watch_settles > self.durable {
            out.held.push(Delivery::Watch {
                connection,
                users: kept.iter().cloned().collect(),
            });
        }
        out.now.push(Delivery::Unwatch {
            connection,
            users: session.watching.difference(&kept).cloned().collect(),
        });
        if let Some(session) = self.sessions.get_mut(connection) {
            session.watching = kept;
            session.unseen = unseen;
        }
    }

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

    fn listening_since(&self, connection: ConnectionId, room: RoomNumber) -> Option<Generation> {
        let listening = self.sessions.get(connection)?.listening.get(&room)?;
        Some(listening.generation)
    }

    fn hears(&self, connection: ConnectionId, room: RoomNumber, generation: Generation) -> bool {
        self.listening_since(connection, room) == Some(generation)
    }
}

/// What somebody is told about rooms by a frame that is meant for them alone.
enum Revealed<'a> {
    Nothing,
    /// The reply to a request, about one room.
    Reply(RequestId, RoomNumber),
    /// Something said by itself about one room.
    Push(RoomNumber),
    /// What whoever begins to show a room is told of it.
    Shown(RoomNumber),
    /// One's rooms, and whether there are more.
    List(RequestId, &'a [RoomEntry], bool),
    /// What one is and has, with the threads one follows.
    Own(RequestId, &'a Me),
    /// How users are; the reply to a request, or not.
    Users(Option<RequestId>, &'a [UserPresence]),
}

/// What a frame reveals. What only says that a request was done, or that a room was closed to one, is
/// nothing.
fn revealed(frame: &ServerFrame) -> Revealed<'_> {
    match frame {
        ServerFrame::Joined { id, room, .. }
        | ServerFrame::Page { id, room, .. }
        | ServerFrame::Members { id, room, .. }
        | ServerFrame::Readers { id, room, .. }
        | ServerFrame::Overwrites { id, room, .. } => Revealed::Reply(*id, *room),
        ServerFrame::Rooms { id, rooms, more } => Revealed::List(*id, rooms, *more),
        ServerFrame::Me { id, me } => Revealed::Own(*id, me),
        ServerFrame::Watching { id, users } => Revealed::Users(Some(*id), users),
        ServerFrame::Presence { users } => Revealed::Users(None, users),
        ServerFrame::Event { room, .. }
        | ServerFrame::Reset { room, .. }
        | ServerFrame::Passed { room, .. }
        | ServerFrame::Signals { room, .. } => Revealed::Push(*room),
        ServerFrame::Typing { room, .. } | ServerFrame::Occupancy { room, .. } => {
            Revealed::Shown(*room)
        }
        ServerFrame::Welcome(_)
        | ServerFrame::Pong { .. }
        | ServerFrame::Done { .. }
        | ServerFrame::Error { .. }
        | ServerFrame::Created { .. }
        | ServerFrame::Sent { .. }
        | ServerFrame::Marked { .. }
        | ServerFrame::Roles { .. }
        | ServerFrame::Explained { .. }
        | ServerFrame::Removed { .. }
        | ServerFrame::Dropped { .. }
        | ServerFrame::Bye { .. } => Revealed::Nothing,
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
