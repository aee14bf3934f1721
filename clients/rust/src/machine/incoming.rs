//! What comes from the server: the welcome, replies, pushes, the bye.

use homeroom_protocol::{
    Advice, Epoch, ErrorCode, FrameError, Position, RemovedReason, Request, RequestId, ResetReason,
    RoomId, RoomNumber, Seq, ServerFrame, TimelineEvent, Welcome, decode::FrameProblem,
    decode_server_message, limit,
};

use super::{
    Machine, Next, Shown, State, after_close, after_refused_hello, answer, lane_of,
    outgoing::VERSION,
};
use crate::{
    command::{Answer, Joined, RequestError},
    event::{Event, Lost, Removal, StopReason, Violation},
    moment::Moment,
    place::Place,
    requests::{CONNECTION, Gate, Pending},
};

impl<T> Machine<T> {
    /// A binary WebSocket message came. One that comes when there should be no socket is ignored.
    pub fn receive(&mut self, now: Moment, message: &[u8]) {
        self.link.heard(now);
        let frames = match decode_server_message(message, limit::SERVER_MESSAGE_BYTES_MAX) {
            Ok(frames) => frames,
            Err(error) => return self.violated(now, error.into()),
        };
        for frame in frames {
            if !matches!(self.state, State::Welcoming | State::Live) {
                return;
            }
            let taken = match frame {
                Ok(frame) => self.take(now, frame),
                Err(error) => self.take_unreadable(error),
            };
            if let Err(violation) = taken {
                return self.violated(now, violation);
            }
        }
    }

    /// A text WebSocket message came.
    pub fn receive_text(&mut self, now: Moment) {
        self.violated(now, Violation::Text);
    }

    /// Something came that only shows that the server lives: a WebSocket ping or pong.
    pub const fn receive_sign_of_life(&mut self, now: Moment) {
        self.link.heard(now);
    }

    fn violated(&mut self, now: Moment, violation: Violation) {
        self.counters.violations += 1;
        self.disconnect(now, Lost::Protocol(violation), Next::Backoff);
    }

    fn take(&mut self, now: Moment, frame: ServerFrame) -> Result<(), Violation> {
        match frame {
            ServerFrame::Welcome(welcome) if self.state == State::Welcoming => {
                self.welcomed(now, welcome);
                Ok(())
            }
            ServerFrame::Bye {
                code,
                reconnect_after_ms,
                explanation,
            } => {
                self.bye(now, code, reconnect_after_ms, explanation);
                Ok(())
            }
            ServerFrame::Error {
                id: None,
                code,
                retry_after_ms,
                explanation,
            } => {
                let is_broken = [ErrorCode::Malformed, ErrorCode::UnknownKind]
                    .map(ErrorCode::number)
                    .contains(&code);
                if self.state == State::Live && !is_broken {
                    // All else that carries no id is a signal.
                    self.counters.signals_refused += 1;
                } else {
                    self.refused(now, code, retry_after_ms, explanation);
                }
                Ok(())
            }
            frame if self.state == State::Live => self.take_live(now, frame),
            _ => Err(Violation::Unexpected),
        }
    }

    fn take_live(&mut self, now: Moment, frame: ServerFrame) -> Result<(), Violation> {
        match frame {
            ServerFrame::Event { room, epoch, event } => return self.happened(room, epoch, event),
            ServerFrame::Passed {
                room,
                epoch,
                from,
                to,
                members,
            } => return self.passed(room, (epoch, from, to), members),
            ServerFrame::Typing {
                room,
                users,
                count,
                thread,
            } => self.tell_of_room(room, |room| Event::Typing {
                room,
                users,
                count,
                thread,
            }),
            ServerFrame::Signals { room, signals } => {
                self.tell_of_room(room, |room| Event::Signals { room, signals });
            }
            ServerFrame::Occupancy {
                room,
                count,
                change,
            } => self.tell_of_room(room, |room| Event::Occupancy {
                room,
                count,
                change,
            }),
            ServerFrame::Reset {
                room,
                position,
                reason,
            } => {
                let Some(room) = self.rooms.get_mut_by_number(room) else {
                    self.counters.strays += 1;
                    return Ok(());
                };
                room.cursor = Some(position);
                let event = reset(&room.place, position, reason);
                self.events.push_back(event);
            }
            ServerFrame::Removed { room, reason } => match self.rooms.slot_by_number(room) {
                Some(slot) => self.forget_room(slot, removal(reason)),
                None => self.counters.strays += 1,
            },
            ServerFrame::Presence { users } => self.events.push_back(Event::Presence { users }),
            ServerFrame::Dropped { signals } => {
                self.events.push_back(Event::Dropped { signals });
                self.show_again();
            }
            ServerFrame::Pong { .. } => {}
            ServerFrame::Error {
                id: Some(id),
                code,
                retry_after_ms,
                explanation,
            } => self.request_refused(now, id, code, retry_after_ms, explanation),
            ServerFrame::Done { id }
            | ServerFrame::Created { id, .. }
            | ServerFrame::Joined { id, .. }
            | ServerFrame::Sent { id, .. }
            | ServerFrame::Page { id, .. }
            | ServerFrame::Watching { id, .. }
            | ServerFrame::Members { id, .. }
            | ServerFrame::Marked { id, .. }
            | ServerFrame::Readers { id, .. }
            | ServerFrame::Rooms { id, .. }
            | ServerFrame::Overwrites { id, .. }
            | ServerFrame::Me { id, .. }
            | ServerFrame::Roles { id, .. }
            | ServerFrame::Explained { id, .. } => return self.replied(id, frame),
            ServerFrame::Welcome(_)
            | ServerFrame::Bye { .. }
            | ServerFrame::Error { id: None, .. } => return Err(Violation::Unexpected),
        }
        Ok(())
    }

    fn happened(
        &mut self,
        number: RoomNumber,
        epoch: Epoch,
        event: TimelineEvent,
    ) -> Result<(), Violation> {
        let Some(room) = self.rooms.get_mut_by_number(number) else {
            self.counters.strays += 1;
            return Ok(());
        };
        let position = room.advance(epoch, event.seq)?;
        self.events.push_back(match room.place.clone() {
            Place::Room(room) => Event::Timeline {
                room,
                position,
                event,
            },
            Place::Stream(stream) => Event::Stream {
                stream,
                position,
                event,
            },
        });
        Ok(())
    }

    fn passed(
        &mut self,
        number: RoomNumber,
        (epoch, from, to): (Epoch, Seq, Seq),
        members: u32,
    ) -> Result<(), Violation> {
        let Some(room) = self.rooms.get_mut_by_number(number) else {
            self.counters.strays += 1;
            return Ok(());
        };
        let position = room.advance_over(epoch, from, to)?;
        if let Place::Room(room) = room.place.clone() {
            self.events.push_back(Event::Passed {
                room,
                position,
                members,
            });
        }
        Ok(())
    }

    /// What is said of a room that is joined here; of others it is passed over.
    fn tell_of_room(&mut self, number: RoomNumber, event: impl FnOnce(RoomId) -> Event) {
        let room = self.rooms.get_mut_by_number(number);
        match room.map(|room| room.place.clone()) {
            Some(Place::Room(room)) => self.events.push_back(event(room)),
            Some(Place::Stream(_)) => {}
            None => self.counters.strays += 1,
        }
    }

    /// A later server may send kinds that this version does not know: they are passed over, and the
    /// request that such a reply answers is given up. A known kind must be readable.
    fn take_unreadable(&mut self, error: FrameError) -> Result<(), Violation> {
        match error.problem {
            FrameProblem::UnknownKind { .. } => self.counters.unknown += 1,
            FrameProblem::NoKind | FrameProblem::Field { .. } if error.id.is_none() => {
                return Err(error.into());
            }
            FrameProblem::NoKind | FrameProblem::Field { .. } => {}
        }
        if let Some(pending) = error.id.and_then(|id| self.requests.land(id)) {
            self.gave_up(pending, RequestError::Unreadable);
        }
        Ok(())
    }

    fn welcomed(&mut self, now: Moment, welcome: Welcome) {
        if welcome.version == 0 || welcome.version > VERSION {
            let version = welcome.version;
            return self.stop(StopReason::UnsupportedVersion { version });
        }
        let resumed = self.user.is_some();
        match &self.user {
            Some(before) if *before != welcome.user => {
                return self.stop(StopReason::UserChanged {
                    before: before.clone(),
                    now: welcome.user,
                });
            }
            Some(_) => {}
            None => self.user = Some(welcome.user.clone()),
        }
        self.state = State::Live;
        self.counters.welcomes += 1;
        self.link.welcomed(now, &welcome);
        let user = welcome.user;
        self.events.push_back(Event::Connected { resumed, user });
        self.requests.set_gate(CONNECTION, Gate::Open);
        if !self.watched.is_empty() {
            let users = self.watched.clone();
            self.requests
                .ask_first(CONNECTION, Request::Watch { users });
        }
        if let Some(state) = self.presence {
            self.requests
                .ask_first(CONNECTION, Request::Presence { state });
        }
        if let Some(Shown { place: None, .. }) = self.shown {
            let view = Request::View {
                room: None,
                thread: None,
            };
            self.requests.ask_first(CONNECTION, view);
        }
        let slots: Vec<usize> = self.rooms.slots().map(|(slot, _)| slot).collect();
        for slot in slots {
            self.ask_to_join(slot);
        }
    }

    fn bye(&mut self, now: Moment, code: u16, after_ms: Option<u64>, explanation: String) {
        let retry = match after_ms {
            Some(ms) => Next::AfterMs(self.backoff.spread_ms(ms)),
            None => Next::Backoff,
        };
        let next = after_close(code, &explanation, retry);
        self.disconnect(now, Lost::Closed { code, explanation }, next);
    }

    /// The hello was refused, or a frame that was no request.
    fn refused(&mut self, now: Moment, code: u16, after_ms: Option<u64>, explanation: String) {
        let next = if self.state == State::Welcoming {
            let retry = match after_ms {
                Some(ms) => Next::AfterMs(self.backoff.spread_ms(ms)),
                None => Next::Backoff,
            };
            after_refused_hello(code, &explanation, retry)
        } else {
            Next::Backoff
        };
        self.disconnect(now, Lost::Refused { code, explanation }, next);
    }

    fn replied(&mut self, id: RequestId, reply: ServerFrame) -> Result<(), Violation> {
        let Some(pending) = self.requests.land(id) else {
            self.counters.strays += 1;
            return Ok(());
        };
        if let (
            Request::Join { .. } | Request::Stream { .. },
            ServerFrame::Joined {
                room,
                position,
                head,
                reset,
                members,
                info,
                permissions,
                ..
            },
        ) = (&pending.request, &reply)
        {
            let joined = Joined {
                number: *room,
                position: *position,
                head: *head,
                reset: *reset,
                members: *members,
                info: info.clone(),
                permissions: *permissions,
            };
            return self.joined(pending.lane, joined);
        }
        let Some(answer) = answer::answer(&pending.request, reply) else {
            // It is asked again on the next connection.
            self.requests.insert(pending);
            return Err(Violation::Unexpected);
        };
        self.keep_up(&pending, &answer);
        if let Some(asker) = pending.asker {
            self.outcomes.push_back((asker, Ok(answer)));
        }
        Ok(())
    }

    /// What was done changes what this side does by itself.
    fn keep_up(&mut self, done: &Pending<T>, answer: &Answer) {
        match &done.request {
            Request::Leave { .. } => self.left(done),
            Request::Presence { state } => self.presence = Some(*state),
            Request::Watch { users } if done.asker.is_some() => self.watched.clone_from(users),
            Request::Watch { .. } => {
                if let Answer::Watching(users) = answer {
                    let users = users.clone();
                    self.events.push_back(Event::Presence { users });
                }
            }
            Request::View { room, thread } => {
                let slot = done.lane.checked_sub(1);
                let place = slot
                    .and_then(|slot| self.rooms.get(slot))
                    .map(|room| room.place.clone());
                // What is shown by a number of the app's own cannot be shown again by itself.
                self.shown = (room.is_none() || place.is_some()).then_some(Shown {
                    place,
                    thread: *thread,
                });
            }
            _ => {}
        }
    }

    fn joined(&mut self, lane: usize, joined: Joined) -> Result<(), Violation> {
        // A room that was removed meanwhile has left its lane.
        let Some(slot) = lane.checked_sub(1) else {
            return Ok(());
        };
        self.rooms.set_number(slot, joined.number)?;
        let Some(room) = self.rooms.get_mut(slot) else {
            return Ok(());
        };
        if let Some(cursor) = room.cursor
            && cursor != joined.position
            && joined.reset.is_none()
        {
            return Err(Violation::ResumedElsewhere {
                place: room.place.clone(),
                wanted: cursor.seq,
                got: joined.position.seq,
            });
        }
        room.cursor = Some(joined.position);
        if let Some(reason) = joined.reset {
            let event = reset(&room.place, joined.position, reason);
            self.events.push_back(event);
        }
        if let Some(shown) = &self.shown
            && shown.place.as_ref() == Some(&room.place)
            && room.asker.is_none()
        {
            let view = Request::View {
                room: Some(joined.number),
                thread: shown.thread,
            };
            self.requests.ask_first(lane, view);
        }
        if let Some(asker) = room.asker.take() {
            self.outcomes.push_back((asker, Ok(Answer::Joined(joined))));
        }
        self.requests.set_gate(lane_of(slot), Gate::Open);
        Ok(())
    }

    /// Who types and who is there may be other people than the app was told: says once more what it shows, and
    /// is told of all of them.
    fn show_again(&mut self) {
        let Some(Shown {
            place: Some(place),
            thread,
        }) = &self.shown
        else {
            return;
        };
        let slot = self.rooms.slot_of(place);
        let number = slot.and_then(|slot| self.rooms.get(slot)?.number);
        // One that is not joined yet is shown behind its join.
        if let (Some(slot), Some(_)) = (slot, number) {
            let view = Request::View {
                room: number,
                thread: *thread,
            };
            self.requests.ask_first(lane_of(slot), view);
        }
    }

    /// The membership ended, as the app asked.
    fn left(&mut self, leave: &Pending<T>) {
        if leave.lane != CONNECTION {
            self.forget_room(leave.lane - 1, Removal::Left);
        }
    }

    fn request_refused(
        &mut self,
        now: Moment,
        id: RequestId,
        code: u16,
        retry_after_ms: Option<u64>,
        explanation: String,
    ) {
        let Some(pending) = self.requests.land(id) else {
            self.counters.strays += 1;
            return;
        };
        let refused = RequestError::Refused {
            code,
            explanation: explanation.clone(),
        };
        match ErrorCode::advice(code) {
            // Who types now is of no interest later.
            Advice::Retry if matches!(pending.request, Request::Typing { .. }) => {
                self.gave_up(pending, refused);
            }
            Advice::Retry => {
                let wait_ms = match retry_after_ms {
                    Some(ms) => self.backoff.spread_ms(ms),
                    None => self.backoff.after_ms(pending.attempts),
                };
                self.requests.pause(pending, now.plus_ms(wait_ms));
            }
            Advice::Reauthenticate => {
                self.requests.insert(pending);
                let next = Next::Authenticate {
                    code,
                    explanation: explanation.clone(),
                };
                self.disconnect(now, Lost::Refused { code, explanation }, next);
            }
            Advice::Fix | Advice::Stop => {
                // A leave that was asked before: it was done, and its reply lost.
                let gone = code == ErrorCode::NotMember.number()
                    || code == ErrorCode::RoomNotFound.number();
                if gone && pending.attempts > 1 && matches!(pending.request, Request::Leave { .. })
                {
                    self.left(&pending);
                    if let Some(asker) = pending.asker {
                        self.outcomes.push_back((asker, Ok(Answer::Done)));
                    }
                    return;
                }
                self.gave_up(pending, refused);
            }
        }
    }

    /// A request gets no better answer than this error.
    fn gave_up(&mut self, pending: Pending<T>, error: RequestError) {
        if let Request::Join { .. } | Request::Stream { .. } = pending.request {
            if pending.lane != CONNECTION {
                let (code, explanation) = match error {
                    RequestError::Refused { code, explanation } => (code, explanation),
                    other => (ErrorCode::Malformed.number(), other.to_string()),
                };
                let why = Removal::Refused { code, explanation };
                self.forget_room(pending.lane - 1, why);
            }
            return;
        }
        if let Some(asker) = pending.asker {
            self.outcomes.push_back((asker, Err(error)));
        }
    }
}

fn reset(place: &Place, position: Position, reason: ResetReason) -> Event {
    match place.clone() {
        Place::Room(room) => Event::Reset {
            room,
            position,
            reason,
        },
        Place::Stream(stream) => Event::StreamReset {
            stream,
            position,
            reason,
        },
    }
}

const fn removal(reason: RemovedReason) -> Removal {
    match reason {
        RemovedReason::Left => Removal::Left,
        RemovedReason::Removed => Removal::Removed,
        RemovedReason::Banned => Removal::Banned,
        RemovedReason::Hidden => Removal::Hidden,
    }
}
