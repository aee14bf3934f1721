//! What comes from the server: the welcome, replies, pushes, the bye.

use homeroom_protocol::{
    Advice, ErrorCode, FrameError, Request, RequestId, RoomNumber, ServerFrame, Welcome,
    decode::FrameProblem, decode_server_message, limit,
};

use super::{Machine, Next, State, after_close, after_refused_hello, lane_of, outgoing::VERSION};
use crate::{
    command::{Answer, Joined, MembersPage, Page, RequestError, Sent},
    event::{Event, Lost, Removal, StopReason, Violation},
    moment::Moment,
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
                self.refused(now, code, retry_after_ms, explanation);
                Ok(())
            }
            frame if self.state == State::Live => self.take_live(now, frame),
            _ => Err(Violation::Unexpected),
        }
    }

    fn take_live(&mut self, now: Moment, frame: ServerFrame) -> Result<(), Violation> {
        match frame {
            ServerFrame::Event { room, epoch, event } => {
                let Some(room) = self.rooms.get_mut_by_number(room) else {
                    self.counters.strays += 1;
                    return Ok(());
                };
                let position = room.advance(epoch, event.seq)?;
                let room = room.id.clone();
                self.events.push_back(Event::Timeline {
                    room,
                    position,
                    event,
                });
            }
            ServerFrame::Typing { room, users, count } => {
                let Some(room) = self.rooms.get_mut_by_number(room) else {
                    self.counters.strays += 1;
                    return Ok(());
                };
                let room = room.id.clone();
                self.events.push_back(Event::Typing { room, users, count });
            }
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
                let room = room.id.clone();
                self.events.push_back(Event::Reset {
                    room,
                    position,
                    reason,
                });
            }
            ServerFrame::Removed { room, reason: _ } => match self.rooms.slot_by_number(room) {
                Some(slot) => self.forget_room(slot, Removal::Left),
                None => self.counters.strays += 1,
            },
            ServerFrame::Presence { users } => self.events.push_back(Event::Presence { users }),
            ServerFrame::Dropped { signals } => self.events.push_back(Event::Dropped { signals }),
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
            | ServerFrame::Members { id, .. } => return self.replied(id, frame),
            ServerFrame::Welcome(_)
            | ServerFrame::Bye { .. }
            | ServerFrame::Error { id: None, .. } => return Err(Violation::Unexpected),
        }
        Ok(())
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
        let answer = match (&pending.request, reply) {
            (
                Request::Join { .. },
                ServerFrame::Joined {
                    room,
                    position,
                    head,
                    reset,
                    members,
                    ..
                },
            ) => {
                let joined = Joined {
                    position,
                    head,
                    reset,
                    members,
                };
                return self.joined(pending.lane, room, joined);
            }
            (Request::Create { .. }, ServerFrame::Created { position, time, .. }) => {
                Answer::Created(Sent { position, time })
            }
            (Request::Send { .. }, ServerFrame::Sent { position, time, .. }) => {
                Answer::Sent(Sent { position, time })
            }
            (Request::Leave { .. }, ServerFrame::Done { .. }) => {
                self.left(&pending);
                Answer::Done
            }
            (Request::Typing { .. }, ServerFrame::Done { .. }) => Answer::Done,
            (Request::Presence { state }, ServerFrame::Done { .. }) => {
                self.presence = Some(*state);
                Answer::Done
            }
            (Request::Watch { users: watched }, ServerFrame::Watching { users, .. }) => {
                if pending.asker.is_some() {
                    self.watched.clone_from(watched);
                } else {
                    let users = users.clone();
                    self.events.push_back(Event::Presence { users });
                }
                Answer::Watching(users)
            }
            (
                Request::History { .. },
                ServerFrame::Page {
                    epoch,
                    events,
                    more,
                    ..
                },
            ) => Answer::Page(Page {
                epoch,
                events,
                more,
            }),
            (Request::Members { .. }, ServerFrame::Members { users, more, .. }) => {
                Answer::Members(MembersPage { users, more })
            }
            // It is asked again on the next connection.
            _ => {
                self.requests.insert(pending);
                return Err(Violation::Unexpected);
            }
        };
        if let Some(asker) = pending.asker {
            self.outcomes.push_back((asker, Ok(answer)));
        }
        Ok(())
    }

    fn joined(&mut self, lane: usize, number: RoomNumber, joined: Joined) -> Result<(), Violation> {
        // A room that was removed meanwhile has left its lane.
        let Some(slot) = lane.checked_sub(1) else {
            return Ok(());
        };
        self.rooms.set_number(slot, number)?;
        let Some(room) = self.rooms.get_mut(slot) else {
            return Ok(());
        };
        if let Some(cursor) = room.cursor
            && cursor != joined.position
            && joined.reset.is_none()
        {
            return Err(Violation::ResumedElsewhere {
                room: room.id.clone(),
                wanted: cursor.seq,
                got: joined.position.seq,
            });
        }
        room.cursor = Some(joined.position);
        if let Some(reason) = joined.reset {
            self.events.push_back(Event::Reset {
                room: room.id.clone(),
                position: joined.position,
                reason,
            });
        }
        if let Some(asker) = room.asker.take() {
            self.outcomes.push_back((asker, Ok(Answer::Joined(joined))));
        }
        self.requests.set_gate(lane_of(slot), Gate::Open);
        Ok(())
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
        if let Request::Join { .. } = pending.request {
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
