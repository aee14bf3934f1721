//! One task per client: carries bytes between a socket and the machine, and answers and events to the
//! app. It decides nothing: what to do next is read off the machine.

use std::{pin::Pin, time::Duration};

use homeroom_protocol::{Auth, Position, RoomId};
use tokio::{
    sync::{
        mpsc::{self, error::TrySendError},
        oneshot,
    },
    time::{Instant, Sleep, sleep_until, timeout},
};

use crate::{
    command::{Command, Outcome},
    event::Event,
    machine::{Counters, Machine, State},
    moment::Moment,
    transport::{self, Incoming, Outgoing, Reader, Target, Writer},
};

/// How long a server may take to take the goodbye of a client that ends.
const GOODBYE: Duration = Duration::from_secs(1);

/// WebSocket's own code for a close that gives none (RFC 6455 §7.4.1).
const NO_CODE: u16 = 1005;

/// What a handle asks of the task.
#[derive(Debug)]
pub(crate) enum Call {
    Do(Command, oneshot::Sender<Outcome>),
    Position(RoomId, oneshot::Sender<Option<Position>>),
    Counters(oneshot::Sender<Counters>),
    Authenticate(Auth),
    Close,
}

/// The task's state.
pub(crate) struct Driver {
    target: Target,
    machine: Machine<oneshot::Sender<Outcome>>,
    /// `None` once every handle is gone.
    calls: Option<mpsc::Receiver<Call>>,
    events: mpsc::Sender<Event>,
    /// The moment zero of the machine.
    origin: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Driver {
    pub(crate) fn new(
        target: Target,
        machine: Machine<oneshot::Sender<Outcome>>,
        calls: mpsc::Receiver<Call>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let origin = Instant::now();
        Self {
            target,
            machine,
            calls: Some(calls),
            events,
            origin,
            timer: Box::pin(sleep_until(origin)),
        }
    }

    /// Runs until the machine stops and the app has read why.
    pub(crate) async fn run(mut self) {
        loop {
            match self.machine.state() {
                // `converse`, inside, lasts for as long as the machine is welcoming or live.
                State::Connecting | State::Welcoming | State::Live => self.dial().await,
                State::Waiting | State::Unauthenticated => self.attend().await,
                State::Stopped => break,
            }
        }
        // Whoever still asks is told that the client ended.
        if let Some(calls) = &mut self.calls {
            calls.close();
        }
        while let Some(Ok(call)) = self.calls.as_mut().map(mpsc::Receiver::try_recv) {
            self.call(call);
        }
        self.deliver();
        drop(self.calls.take());
        while let Some(event) = self.machine.next_event(self.now()) {
            if self.events.send(event).await.is_err() {
                return;
            }
        }
    }

    async fn dial(&mut self) {
        let target = self.target.clone();
        let mut dialled = Box::pin(async move { target.connect().await });
        loop {
            tokio::select! {
                dialled = &mut dialled => {
                    let now = self.now();
                    return match dialled {
                        Ok(upgraded) => {
                            self.machine.opened(now);
                            let (reader, writer) = transport::split(upgraded);
                            self.converse(reader, writer).await;
                        }
                        Err(error) if error.is_passing() => {
                            self.machine.lost(now, error.to_string());
                        }
                        Err(error) => self.machine.misdirected(now, error.to_string()),
                    };
                }
                () = self.attend() => {
                    if self.machine.state() != State::Connecting {
                        return;
                    }
                }
            }
        }
    }

    /// Carries messages both ways until the machine no longer wants the socket. Reads and writes go on
    /// at the same time: a server that waits for this side to read must not keep it from reading.
    async fn converse(&mut self, reader: Reader, writer: Writer) {
        let mut hello = Vec::new();
        self.machine.transmit(self.now(), &mut hello);
        let mut reading = std::pin::pin!(transport::read(reader));
        let mut writing = std::pin::pin!(transport::write(writer, Outgoing::Message, hello));
        let mut idle: Option<(Writer, Vec<u8>)> = None;
        let mut pong: Option<Vec<u8>> = None;
        while self.is_connected() {
            tokio::select! {
                (reader, incoming) = &mut reading, if self.machine.wants_input() => {
                    if let Some(ping) = self.take(incoming) {
                        pong = Some(ping);
                    }
                    reading.set(transport::read(reader));
                }
                (writer, buffer, written) = &mut writing, if idle.is_none() => {
                    if let Err(error) = written {
                        self.machine.lost(self.now(), error.to_string());
                    }
                    idle = Some((writer, buffer));
                }
                () = self.attend() => {}
            }
            self.deliver();
            if let Some((writer, mut buffer)) = idle.take() {
                if let Some(payload) = pong.take() {
                    writing.set(transport::write(writer, Outgoing::Pong, payload));
                } else if self.machine.transmit(self.now(), &mut buffer) {
                    writing.set(transport::write(writer, Outgoing::Message, buffer));
                } else {
                    idle = Some((writer, buffer));
                }
            }
        }
        if self.machine.state() != State::Stopped {
            return;
        }
        // A server that does not take the goodbye, or is gone, changes nothing.
        let goodbye = async {
            // A write that was begun must be finished before a close may follow it.
            let writer = match idle {
                Some((writer, _)) => writer,
                None => writing.await.0,
            };
            let normal = 1000_u16.to_be_bytes().to_vec();
            let _writer = transport::write(writer, Outgoing::Close, normal).await.0;
            // A socket closed with bytes unread is reset, and the goodbye may be lost with it.
            loop {
                let (reader, incoming) = (&mut reading).await;
                if matches!(incoming, Incoming::Closed(..) | Incoming::Failed(_)) {
                    return;
                }
                reading.set(transport::read(reader));
            }
        };
        drop(timeout(GOODBYE, goodbye).await);
    }

    fn is_connected(&self) -> bool {
        matches!(self.machine.state(), State::Welcoming | State::Live)
    }

    /// Hands what was read to the machine; returns what to answer a ping with.
    fn take(&mut self, incoming: Incoming) -> Option<Vec<u8>> {
        let now = self.now();
        match incoming {
            Incoming::Message(message) => self.machine.receive(now, &message),
            Incoming::Text => self.machine.receive_text(now),
            Incoming::SignOfLife => self.machine.receive_sign_of_life(now),
            Incoming::Ping(payload) => {
                self.machine.receive_sign_of_life(now);
                return Some(payload.to_vec());
            }
            Incoming::Closed(code, why) => {
                self.machine.closed(now, code.unwrap_or(NO_CODE), why);
            }
            Incoming::Failed(error) => self.machine.lost(now, error.to_string()),
        }
        None
    }

    /// Waits for something other than the socket, and does it: a call, the deadline, room for events.
    /// May be dropped while it waits.
    async fn attend(&mut self) {
        self.deliver();
        let has_deadline = self.arm();
        let has_events = self.machine.has_events();
        let has_handles = self.calls.is_some();
        let call = async {
            match &mut self.calls {
                Some(calls) => calls.recv().await,
                None => std::future::pending().await,
            }
        };
        // Only waited for: `deliver` takes it.
        let room = async { drop(self.events.reserve().await) };
        tokio::select! {
            call = call => match call {
                Some(call) => self.call(call),
                None => self.calls = None,
            },
            () = self.timer.as_mut(), if has_deadline => self.machine.tick(self.now()),
            () = room, if has_events => {}
            // Nobody asks and nobody listens any more.
            () = self.events.closed(), if !has_handles => self.machine.close(),
        }
        self.deliver();
    }

    fn call(&mut self, call: Call) {
        // Whoever asked and no longer waits needs no answer.
        match call {
            Call::Do(command, asker) => self.machine.submit(command, asker),
            Call::Position(room, asker) => drop(asker.send(self.machine.position(&room))),
            Call::Counters(asker) => drop(asker.send(self.machine.counters())),
            Call::Authenticate(auth) => self.machine.authenticate(self.now(), auth),
            Call::Close => self.machine.close(),
        }
    }

    /// Hands on answers, and as many events as the app has room for.
    fn deliver(&mut self) {
        while let Some((asker, outcome)) = self.machine.next_outcome() {
            drop(asker.send(outcome));
        }
        while self.machine.has_events() {
            let permit = match self.events.try_reserve() {
                Ok(permit) => Some(permit),
                Err(TrySendError::Full(())) => return,
                // An app that dropped its events wants none.
                Err(TrySendError::Closed(())) => None,
            };
            let event = self.machine.next_event(moment(self.origin));
            if let (Some(permit), Some(event)) = (permit, event) {
                permit.send(event);
            }
        }
    }

    /// Sets the timer to the machine's deadline, if there is one. Deadlines mostly move away, frame by
    /// frame: then the timer is left alone, and set again when it has fired too early.
    fn arm(&mut self) -> bool {
        let Some(deadline) = self.machine.deadline() else {
            return false;
        };
        let deadline = self.origin + Duration::from_millis(deadline.0);
        if self.timer.is_elapsed() || deadline < self.timer.deadline() {
            self.timer.as_mut().reset(deadline);
        }
        true
    }

    fn now(&self) -> Moment {
        moment(self.origin)
    }
}

/// Now, as the machine counts.
fn moment(origin: Instant) -> Moment {
    let ms = origin.elapsed().as_millis();
    Moment(u64::try_from(ms).unwrap_or(u64::MAX))
}
