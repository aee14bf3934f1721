//! The client without a socket and without a clock: bytes and moments go in; bytes, events, answers
//! and one next deadline come out. Whoever drives it does the rest: [`Client`](crate::Client) with
//! tokio, a test with a script.
//!
//! ```text
//!            opened              welcome
//! Connecting ──────▶ Welcoming ──────────▶ Live
//!      ▲  │              │                  │
//!      │  └──────────────┴────────┬─────────┘ lost, silent, bye, a broken protocol
//!      │  deadline                ▼
//!      └──────────────────── Waiting      Unauthenticated ──authenticate──▶ Connecting      Stopped
//! ```

mod answer;
mod incoming;
mod link;
mod outgoing;
mod settings;

use std::collections::VecDeque;

use homeroom_protocol::{
    Advice, Auth, CloseCode, DeviceState, ErrorCode, Position, Request, RoomId, Seq, SignalName,
    UserId,
};

use crate::{
    backoff::Backoff,
    command::{Answer, Command, Outcome, RequestError, Task},
    event::{Event, Lost, Removal, StopReason},
    moment::Moment,
    place::Place,
    requests::{CONNECTION, Gate, Requests},
    rooms::Rooms,
};
use link::Link;
pub use settings::{Limits, Settings};

/// Longest wait a bye may ask for: ten minutes. A client that waits for ever is a lost client.
pub const RECONNECT_AFTER_MS_MAX: u64 = 600_000;

/// A connection that lived this long was a good one: the waits start again from the shortest.
const GOOD_AFTER_MS: u64 = 60_000;

/// Most signals that wait for the socket.
const SIGNALS_MAX: usize = 64;

/// What the machine wants of its driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A new socket: then [`Machine::opened`], or [`Machine::lost`].
    Connecting,
    /// To carry messages; the server has not welcomed this client yet.
    Welcoming,
    /// To carry messages.
    Live,
    /// No socket, until the deadline.
    Waiting,
    /// No socket, until [`Machine::authenticate`].
    Unauthenticated,
    /// No socket, ever.
    Stopped,
}

/// What happened so far, for figures and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Connections that were welcomed.
    pub welcomes: u64,
    /// Connections given up because the server broke the protocol.
    pub violations: u64,
    /// Requests written again: after a reconnect, or because the server said to retry.
    pub resent: u64,
    /// Replies to nothing and pushes of rooms that are not joined: passed over.
    pub strays: u64,
    /// Frames of kinds this version does not know: passed over.
    pub unknown: u64,
    /// Errors about signals: they were not allowed, or too many.
    pub signals_refused: u64,
}

/// The client. `T` is whatever the driver needs to give an answer to whoever asked.
#[derive(Debug)]
pub struct Machine<T> {
    settings: Settings,
    state: State,
    /// Set together with [`State::Stopped`].
    stopped: Option<StopReason>,
    link: Link,
    backoff: Backoff,
    user: Option<UserId>,
    rooms: Rooms<T>,
    requests: Requests<T>,
    events: VecDeque<Event>,
    outcomes: VecDeque<(T, Outcome)>,
    /// What a new connection must be told again.
    presence: Option<DeviceState>,
    watched: Vec<UserId>,
    shown: Option<Shown>,
    /// What goes out with the next message, by slot.
    signals: VecDeque<(usize, SignalName, Vec<u8>)>,
    counters: Counters,
}

/// What the app said that it shows.
#[derive(Debug)]
struct Shown {
    place: Option<Place>,
    thread: Option<Seq>,
}

/// How it goes on after a connection.
enum Next {
    Backoff,
    AfterMs(u64),
    Authenticate { code: u16, explanation: String },
    Stop(StopReason),
}

impl<T> Machine<T> {
    /// A machine that wants its first socket.
    #[must_use]
    pub fn new(settings: Settings, now: Moment) -> Self {
        let limits = &settings.limits;
        Self {
            state: State::Connecting,
            stopped: None,
            link: Link::new(now, limits.connect_timeout_ms),
            backoff: Backoff::new(limits.backoff_base_ms, limits.backoff_max_ms, settings.seed),
            user: None,
            rooms: Rooms::new(),
            requests: Requests::new(limits.requests_max),
            events: VecDeque::new(),
            outcomes: VecDeque::new(),
            presence: None,
            watched: Vec::new(),
            shown: None,
            signals: VecDeque::new(),
            counters: Counters::default(),
            settings,
        }
    }

    /// What the machine wants of its driver now.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// What happened so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// The last event of a joined room that was handed out; the app may not have read it yet.
    #[must_use]
    pub fn position(&self, room: &RoomId) -> Option<Position> {
        self.place_position(&Place::Room(room.clone()))
    }

    /// The last event of a joined room or stream that was handed out; the app may not have read it yet.
    #[must_use]
    pub fn place_position(&self, place: &Place) -> Option<Position> {
        self.rooms.get(self.rooms.slot_of(place)?)?.cursor
    }

    /// Does something. Its outcome comes with `asker` from [`Self::next_outcome`], now or later.
    pub fn submit(&mut self, command: Command, asker: T) {
        if let Err((error, asker)) = self.try_submit(command, asker) {
            self.outcomes.push_back((asker, Err(error)));
        }
    }

    fn try_submit(&mut self, command: Command, asker: T) -> Result<(), (RequestError, T)> {
        if let Some(why) = &self.stopped {
            return Err((RequestError::Stopped(why.clone()), asker));
        }
        if let Err(error) = command.check() {
            return Err((error, asker));
        }
        if self.requests.is_full() {
            let max = self.settings.limits.requests_max;
            return Err((RequestError::QueueFull { max }, asker));
        }
        let (place, request) = match command.into_task() {
            Task::Join { place, resume } => return self.join(place, resume, asker),
            Task::Signal { room, name, body } => {
                return match self.signal(room.into(), name, body) {
                    Ok(()) => {
                        self.outcomes.push_back((asker, Ok(Answer::Done)));
                        Ok(())
                    }
                    Err(error) => Err((error, asker)),
                };
            }
            Task::Ask { place, request } => (place, request),
        };
        if matches!(request, Request::Typing { .. }) && self.state != State::Live {
            return Err((RequestError::Disconnected, asker));
        }
        let lane = match place {
            None => CONNECTION,
            Some(place) => match self.rooms.slot_of(&place) {
                Some(slot) => lane_of(slot),
                None => return Err((RequestError::NotJoined { place }, asker)),
            },
        };
        self.requests.ask(lane, request, asker);
        Ok(())
    }

    fn join(
        &mut self,
        place: Place,
        resume: Option<Position>,
        asker: T,
    ) -> Result<(), (RequestError, T)> {
        if self.rooms.slot_of(&place).is_some() {
            return Err((RequestError::AlreadyJoined { place }, asker));
        }
        let max = self.settings.limits.rooms_max;
        if self.rooms.count() >= max {
            return Err((RequestError::TooManyRooms { max }, asker));
        }
        let slot = self.rooms.add(place, resume, asker);
        if self.state == State::Live {
            self.ask_to_join(slot);
        }
        Ok(())
    }

    /// Queues a signal; of the same name in the same room the newest wins, and of too many the oldest goes.
    fn signal(
        &mut self,
        place: Place,
        name: SignalName,
        body: Vec<u8>,
    ) -> Result<(), RequestError> {
        if self.state != State::Live {
            return Err(RequestError::Disconnected);
        }
        let Some(slot) = self.rooms.slot_of(&place) else {
            return Err(RequestError::NotJoined { place });
        };
        self.signals
            .retain(|(other, other_name, _)| (*other, other_name) != (slot, &name));
        if self.signals.len() == SIGNALS_MAX {
            self.signals.pop_front();
        }
        self.signals.push_back((slot, name, body));
        Ok(())
    }

    /// Asks the server for a room or stream, from where the app stands in it.
    fn ask_to_join(&mut self, slot: usize) {
        let Some(room) = self.rooms.get(slot) else {
            return;
        };
        let resume = room.cursor;
        let request = match &room.place {
            Place::Room(room) => Request::Join {
                room: room.clone(),
                resume,
            },
            Place::Stream(stream) => Request::Stream {
                stream: *stream,
                resume,
            },
        };
        self.requests.ask_first(lane_of(slot), request);
        self.requests.set_gate(lane_of(slot), Gate::Joining);
    }

    /// Uses another proof from now on, and connects when one was asked for.
    pub fn authenticate(&mut self, now: Moment, auth: Auth) {
        self.settings.auth = auth;
        if self.state == State::Unauthenticated {
            self.connect(now);
        }
    }

    /// Ends the client. What is unanswered is answered with [`RequestError::Stopped`].
    pub fn close(&mut self) {
        self.stop(StopReason::Closed);
    }

    /// The next event for the app. The moment matters: while the app reads nothing, nothing is read
    /// from the socket either, and such silence is not the server's.
    pub fn next_event(&mut self, now: Moment) -> Option<Event> {
        let was_full = !self.wants_input();
        let event = self.events.pop_front();
        if was_full && self.wants_input() {
            self.link.heard(now);
            if self.state == State::Welcoming {
                let timeout_ms = self.settings.limits.connect_timeout_ms;
                self.link.until = now.plus_ms(timeout_ms);
            }
        }
        event
    }

    /// Whether an event waits.
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// The next answer for someone who asked.
    pub fn next_outcome(&mut self) -> Option<(T, Outcome)> {
        self.outcomes.pop_front()
    }

    /// Whether messages may be read from the socket. `false` while the app does not read its events:
    /// so a slow app slows the server, and nothing is lost and nothing piles up.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        self.events.len() < self.settings.limits.events_max
    }

    /// When [`Self::tick`] is needed next.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        match self.state {
            State::Connecting | State::Waiting => Some(self.link.until),
            State::Welcoming => self.wants_input().then_some(self.link.until),
            State::Unauthenticated | State::Stopped => None,
            State::Live => {
                let heartbeat = self.link.next_heartbeat(self.wants_input());
                let wake = self.requests.next_wake();
                heartbeat.into_iter().chain(wake).min()
            }
        }
    }

    /// A deadline passed; harmless when none did.
    pub fn tick(&mut self, now: Moment) {
        let after_ms = self.settings.limits.connect_timeout_ms;
        match self.state {
            State::Connecting if now >= self.link.until => {
                self.disconnect(now, Lost::ConnectTimedOut { after_ms }, Next::Backoff);
            }
            State::Welcoming if now >= self.link.until && self.wants_input() => {
                self.disconnect(now, Lost::WelcomeTimedOut { after_ms }, Next::Backoff);
            }
            State::Waiting if now >= self.link.until => self.connect(now),
            State::Live => {
                self.requests.wake(now);
                self.link.beat(now);
                if self.wants_input()
                    && let Some(after_ms) = self.link.silent_ms(now)
                {
                    self.disconnect(now, Lost::Silent { after_ms }, Next::Backoff);
                }
            }
            State::Connecting
            | State::Welcoming
            | State::Waiting
            | State::Unauthenticated
            | State::Stopped => {}
        }
    }

    /// There is a socket.
    pub fn opened(&mut self, now: Moment) {
        if self.state == State::Connecting {
            self.link = Link::new(now, self.settings.limits.connect_timeout_ms);
            self.state = State::Welcoming;
        }
    }

    /// There is no socket any more, or none could be had.
    pub fn lost(&mut self, now: Moment, explanation: impl Into<String>) {
        self.disconnect(now, Lost::Socket(explanation.into()), Next::Backoff);
    }

    /// What answers at the address is no Homeroom server: trying again is pointless.
    pub fn misdirected(&mut self, now: Moment, explanation: String) {
        let reason = StopReason::NoServer {
            explanation: explanation.clone(),
        };
        self.disconnect(now, Lost::Socket(explanation), Next::Stop(reason));
    }

    /// The server closed the socket with this code, without a bye.
    pub fn closed(&mut self, now: Moment, code: u16, explanation: String) {
        let next = after_close(code, &explanation, Next::Backoff);
        self.disconnect(now, Lost::Closed { code, explanation }, next);
    }

    fn connect(&mut self, now: Moment) {
        self.link = Link::new(now, self.settings.limits.connect_timeout_ms);
        self.state = State::Connecting;
    }

    /// Gives the connection up. Everything that must survive it goes back to its place.
    fn disconnect(&mut self, now: Moment, why: Lost, next: Next) {
        match self.state {
            State::Connecting | State::Welcoming | State::Live => {}
            State::Waiting | State::Unauthenticated | State::Stopped => return,
        }
        if self.link.lived_ms(now) >= GOOD_AFTER_MS {
            self.backoff.reset();
        }
        let (expired, left) = self.requests.ground();
        for asker in expired {
            self.outcomes
                .push_back((asker, Err(RequestError::Disconnected)));
        }
        for lane in left {
            self.forget_room(lane - 1, Removal::Left);
        }
        self.rooms.forget_numbers();
        self.signals.clear();
        let wait_ms = match next {
            Next::Backoff => self.backoff.next_ms(),
            Next::AfterMs(ms) => ms.min(RECONNECT_AFTER_MS_MAX),
            Next::Authenticate { code, explanation } => {
                self.state = State::Unauthenticated;
                self.tell_lost(why, None);
                self.events
                    .push_back(Event::AuthenticationNeeded { code, explanation });
                return;
            }
            Next::Stop(reason) => {
                self.tell_lost(why, None);
                self.stop(reason);
                return;
            }
        };
        self.state = State::Waiting;
        self.link.until = now.plus_ms(wait_ms);
        self.tell_lost(why, Some(wait_ms));
    }

    /// Keeps the queue bounded while an app that reads nothing loses one connection after the other:
    /// of a run of these, the newest says it all.
    fn tell_lost(&mut self, why: Lost, retry_in_ms: Option<u64>) {
        if !self.wants_input()
            && let Some(last @ Event::Disconnected { .. }) = self.events.back_mut()
        {
            *last = Event::Disconnected { why, retry_in_ms };
            return;
        }
        self.events
            .push_back(Event::Disconnected { why, retry_in_ms });
    }

    fn stop(&mut self, why: StopReason) {
        if self.state == State::Stopped {
            return;
        }
        self.state = State::Stopped;
        self.stopped = Some(why.clone());
        let mut askers = self.requests.drain();
        let mut rooms = std::mem::replace(&mut self.rooms, Rooms::new());
        let slots: Vec<usize> = rooms.slots().map(|(slot, _)| slot).collect();
        for slot in slots {
            askers.extend(rooms.remove(slot).and_then(|room| room.asker));
        }
        for asker in askers {
            self.outcomes
                .push_back((asker, Err(RequestError::Stopped(why.clone()))));
        }
        self.events.push_back(Event::Stopped { why });
    }

    /// The room or stream is no longer joined: whoever waits for it is told, and so is the app.
    fn forget_room(&mut self, slot: usize, why: Removal) {
        let Some(room) = self.rooms.remove(slot) else {
            return;
        };
        self.signals.retain(|(other, ..)| *other != slot);
        let place = room.place;
        for asker in self.requests.close_lane(lane_of(slot)) {
            let error = RequestError::NotJoined {
                place: place.clone(),
            };
            self.outcomes.push_back((asker, Err(error)));
        }
        match (room.asker, why) {
            // Never joined: the answer to the join says it.
            (Some(asker), Removal::Refused { code, explanation }) => {
                let error = RequestError::Refused { code, explanation };
                self.outcomes.push_back((asker, Err(error)));
            }
            (Some(asker), Removal::Left | Removal::Removed | Removal::Banned | Removal::Hidden) => {
                let error = RequestError::NotJoined { place };
                self.outcomes.push_back((asker, Err(error)));
            }
            (None, why) => self.events.push_back(match place {
                Place::Room(room) => Event::Removed { room, why },
                Place::Stream(stream) => Event::StreamEnded { stream, why },
            }),
        }
    }
}

/// Each room has the lane after its slot; the first is the connection's.
const fn lane_of(slot: usize) -> usize {
    slot + 1
}

/// What a close code says to do; `retry` is when.
fn after_close(code: u16, explanation: &str, retry: Next) -> Next {
    let explanation = || explanation.to_owned();
    match CloseCode::advice(code) {
        // The proof was never looked at.
        _ if code == CloseCode::HelloTimeout.number() => retry,
        Advice::Retry | Advice::Fix => retry,
        Advice::Reauthenticate => Next::Authenticate {
            code,
            explanation: explanation(),
        },
        Advice::Stop => Next::Stop(StopReason::Refused {
            code,
            explanation: explanation(),
        }),
    }
}

/// What an error code says to do when it answers the hello.
fn after_refused_hello(code: u16, explanation: &str, retry: Next) -> Next {
    let explanation = explanation.to_owned();
    match ErrorCode::advice(code) {
        Advice::Retry => retry,
        Advice::Reauthenticate => Next::Authenticate { code, explanation },
        Advice::Fix | Advice::Stop => Next::Stop(StopReason::Refused { code, explanation }),
    }
}

#[cfg(test)]
mod tests;
