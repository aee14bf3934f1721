//! One of those whose connection is cut. It follows the rules of the Rust client by being its machine: when it tries
//! again, what it sends again, from where it resumes.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use homeroom_client::{
    Answer, Auth, Command, Event, Limits, Lost, Moment, RoomId,
    machine::{Machine, Settings, State},
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    Board,
    school::{CLASS, TENANT, key, room_id, text},
};
use crate::{
    host::{Failure, tenant},
    line::Line,
};

/// What the clients are told, all at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Stay.
    Live,
    /// Say something, and be cut in the middle of it.
    SayAndCut(u32),
    /// Say something; the host is about to leave.
    Say(u32),
    /// Leave.
    Stop,
}

/// One client: the machine, and its line while it has one.
#[derive(Debug)]
pub struct Client {
    number: u64,
    room: RoomId,
    address: SocketAddr,
    origin: Instant,
    machine: Machine<bool>,
    board: Arc<Board>,
    order: watch::Receiver<Order>,
    live: bool,
}

impl Client {
    /// Not connected yet; moments count from `origin`.
    ///
    /// # Errors
    /// Never: its names are valid.
    pub fn new(
        number: u64,
        address: SocketAddr,
        origin: Instant,
        board: Arc<Board>,
        order: watch::Receiver<Order>,
    ) -> Result<Self, Failure> {
        let settings = Settings {
            tenant: tenant(TENANT),
            auth: Auth::Guest {
                name: format!("user-{number}").parse()?,
            },
            device: "bench".parse()?,
            seed: number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            limits: Limits::default(),
        };
        let now = Moment(u64::try_from(origin.elapsed().as_millis())?);
        let mut machine = Machine::new(settings, now);
        let room = room_id(number / CLASS)?;
        let join = Command::Join {
            room: room.clone(),
            resume: None,
        };
        machine.submit(join, false);
        Ok(Self {
            number,
            room,
            address,
            origin,
            machine,
            board,
            order,
            live: false,
        })
    }

    fn now(&self) -> Moment {
        Moment(u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Lives until it is told to stop. It gives back its place among those who gather when it has joined its room.
    pub async fn live<P>(mut self, gathering: P) {
        let mut gathering = Some(gathering);
        let mut line: Option<Line> = None;
        loop {
            match self.machine.state() {
                State::Connecting => {
                    let opened = Line::open(self.address);
                    match timeout(Duration::from_secs(10), opened).await {
                        Ok(Ok(opened)) => {
                            line = Some(opened);
                            self.machine.opened(self.now());
                        }
                        Ok(Err(error)) => self.machine.lost(self.now(), error.to_string()),
                        Err(_) => self.machine.tick(self.now()),
                    }
                }
                State::Welcoming | State::Live => self.attend(&mut line).await,
                State::Waiting => {
                    line = None;
                    self.attend(&mut line).await;
                }
                State::Unauthenticated | State::Stopped => {
                    self.board.fail(format!("client {} stopped", self.number));
                    return;
                }
            }
            let joined = self.note();
            if joined {
                gathering = None;
            }
            self.speak(&mut line).await;
            if *self.order.borrow() == Order::Stop {
                let violations = self.machine.counters().violations;
                self.board.notes().violations += violations;
                drop(gathering);
                return;
            }
        }
    }

    /// Waits for what comes next, and does it.
    async fn attend(&mut self, line: &mut Option<Line>) {
        let deadline = self.machine.deadline().map_or(u64::MAX, |at| at.0);
        let wait = Duration::from_millis(deadline.saturating_sub(self.now().0).min(60_000));
        let incoming = async {
            match line {
                Some(line) => line.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            incoming = incoming => {
                let now = self.now();
                match incoming {
                    Ok(Some(message)) => self.machine.receive(now, &message),
                    Ok(None) => self.machine.lost(now, "closed"),
                    Err(error) => self.machine.lost(now, error.to_string()),
                }
            }
            () = sleep(wait) => self.machine.tick(self.now()),
            changed = self.order.changed() => {
                let order = *self.order.borrow_and_update();
                match order {
                    _ if changed.is_err() => {}
                    Order::Live | Order::Stop => {}
                    Order::Say(round) => self.say(round),
                    Order::SayAndCut(round) => {
                        self.say(round);
                        self.speak(line).await;
                        if let Some(line) = line.take() {
                            line.cut();
                        }
                        self.machine.lost(self.now(), "cut");
                    }
                }
            }
        }
    }

    fn say(&mut self, round: u32) {
        let send = Command::Send {
            key: key(self.number, round),
            room: self.room.clone(),
            draft: text(self.number, round).into(),
        };
        self.machine.submit(send, true);
    }

    async fn speak(&mut self, line: &mut Option<Line>) {
        let mut message = Vec::new();
        while let Some(open) = line
            && self.machine.transmit(self.now(), &mut message)
        {
            if let Err(error) = open.send(&message).await {
                self.machine.lost(self.now(), error.to_string());
                return;
            }
        }
    }

    /// Notes down what happened; whether it joined its room.
    fn note(&mut self) -> bool {
        let (mut joined, at) = (false, Instant::now());
        while let Some((is_send, outcome)) = self.machine.next_outcome() {
            match outcome {
                Ok(Answer::Sent(_)) if is_send => {
                    self.board.notes().acknowledged.push(at);
                    self.board.acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                Ok(Answer::Joined(_)) => {
                    joined = true;
                    self.board.joined.fetch_add(1, Ordering::SeqCst);
                }
                other => self.board.fail(format!("{}: {other:?}", self.number)),
            }
        }
        while let Some(event) = self.machine.next_event(self.now()) {
            match event {
                Event::Connected { .. } => {
                    self.live = true;
                    self.board.live.fetch_add(1, Ordering::SeqCst);
                    self.board.notes().welcomed.push(at);
                }
                Event::Disconnected { why, retry_in_ms } => {
                    let mut notes = self.board.notes();
                    if !std::mem::take(&mut self.live) {
                        notes.failures += 1;
                        continue;
                    }
                    self.board.live.fetch_sub(1, Ordering::SeqCst);
                    notes.lost.push(at);
                    if let (Lost::Closed { .. }, Some(ms)) = (why, retry_in_ms) {
                        notes
                            .told_ms
                            .push(f64::from(u32::try_from(ms).unwrap_or(u32::MAX)));
                    }
                }
                Event::Reset { .. } | Event::Removed { .. } => {
                    self.board.fail(format!("{}: {event:?}", self.number));
                }
                Event::AuthenticationNeeded { .. }
                | Event::Timeline { .. }
                | Event::Typing { .. }
                | Event::Presence { .. }
                | Event::Passed { .. }
                | Event::Signals { .. }
                | Event::Occupancy { .. }
                | Event::Stream { .. }
                | Event::StreamReset { .. }
                | Event::StreamEnded { .. }
                | Event::Dropped { .. }
                | Event::Stopped { .. } => {}
            }
        }
        joined
    }
}
