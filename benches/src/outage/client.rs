//! One of those whose connection is cut. It follows the rules of the Rust client by being its machine: when it tries
//! again, what it sends again, from where it resumes.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use homeroom_client::{
    Answer, Auth, Command, Event, Limits, Lost, RoomId,
    machine::{Settings, State},
};
use tokio::sync::watch;

use super::{
    Board,
    school::{CLASS, TENANT, key, room_id, text},
};
use crate::{
    driven::Driven,
    host::{Failure, tenant},
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

/// One client.
#[derive(Debug)]
pub struct Client {
    number: u64,
    room: RoomId,
    /// An asker is whether it said something.
    driven: Driven<bool>,
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
        let mut driven = Driven::new(settings, address, origin);
        let room = room_id(number / CLASS)?;
        let join = Command::Join {
            room: room.clone(),
            resume: None,
        };
        driven.machine.submit(join, false);
        Ok(Self {
            number,
            room,
            driven,
            board,
            order,
            live: false,
        })
    }

    /// Lives until it is told to stop. It gives back its place among those who gather when it has joined its room.
    pub async fn live<P>(mut self, gathering: P) {
        let mut gathering = Some(gathering);
        loop {
            let state = self.driven.machine.state();
            if matches!(state, State::Unauthenticated | State::Stopped) {
                self.board.fail(format!("client {} stopped", self.number));
                return;
            }
            if let Some(Ok(())) = self.driven.step(self.order.changed()).await {
                self.obey().await;
            }
            if self.note() {
                gathering = None;
            }
            self.driven.speak().await;
            if *self.order.borrow() == Order::Stop {
                let violations = self.driven.machine.counters().violations;
                self.board.notes().violations += violations;
                drop(gathering);
                return;
            }
        }
    }

    /// Does what all were just told.
    async fn obey(&mut self) {
        let order = *self.order.borrow_and_update();
        match order {
            Order::Live | Order::Stop => {}
            Order::Say(round) => self.say(round),
            Order::SayAndCut(round) => {
                self.say(round);
                self.driven.speak().await;
                self.driven.cut();
            }
        }
    }

    fn say(&mut self, round: u32) {
        let send = Command::Send {
            key: key(self.number, round),
            room: self.room.clone(),
            draft: text(self.number, round).into(),
        };
        self.driven.machine.submit(send, true);
    }

    /// Notes down what happened; whether it joined its room.
    fn note(&mut self) -> bool {
        let (mut joined, at) = (false, Instant::now());
        while let Some((is_send, outcome)) = self.driven.machine.next_outcome() {
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
        while let Some(event) = self.driven.machine.next_event(self.driven.now()) {
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
