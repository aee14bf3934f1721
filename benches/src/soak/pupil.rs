//! One of the people: talks, types, looks back, loses the connection, closes the app, sleeps.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use homeroom_client::{
    Answer, Auth, Command, Direction, Event, EventBody, Limits, Position, RequestError,
    machine::{Settings, State},
};
use tokio::{
    sync::watch,
    time::{sleep, sleep_until},
};

use super::class::{Class, Network, key};
use crate::{driven::Driven, host::Failure, text};

/// What time it is at a school: the same for all of its people.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hour {
    /// Whether people are there.
    pub day: bool,
    /// Between two deeds of one person, on average; none while nobody is to do anything.
    pub pace: Option<Duration>,
    /// Everybody goes home for good.
    pub over: bool,
}

/// What became of a person.
#[derive(Debug, Clone, Copy)]
pub struct Life {
    /// Their class.
    pub class: usize,
    /// Messages of the class that they heard.
    pub heard: u64,
    /// How often they found that the host broke the protocol.
    pub violations: u64,
}

/// Of this many deeds one is looking back, and [`TYPING`] are typing; the others say something.
const DEEDS: u64 = 20;
const TYPING: u64 = 4;
/// How long an app stays closed.
const CLOSED_FOR: Duration = Duration::from_millis(500);
/// Events that one looks back at.
const PAGE: u32 = 50;

/// What an answer is for.
#[derive(Debug, Clone, Copy)]
enum Asked {
    Join,
    /// A message by its number.
    Say(u64),
    /// Anything whose answer does not matter.
    Other,
}

/// When a message was due, and on which connection.
#[derive(Debug, Clone, Copy)]
struct Due {
    at: Instant,
    connection: u64,
}

/// A person.
#[derive(Debug)]
pub struct Pupil {
    who: u64,
    class: Class,
    network: Arc<Network>,
    hour: watch::Receiver<Hour>,
    driven: Driven<Asked>,
    dice: u64,
    /// Connections so far.
    connections: u64,
    /// Messages said so far.
    said: u64,
    unanswered: BTreeMap<u64, Due>,
    /// Messages of the class that were heard.
    heard: u64,
    /// Of the last event that was heard.
    position: Option<Position>,
    has_joined: bool,
    next_deed: Instant,
    next_parting: Instant,
}

impl Pupil {
    /// Not there yet.
    ///
    /// # Errors
    /// Never: the names are valid.
    pub fn new(
        who: u64,
        class: Class,
        network: Arc<Network>,
        hour: watch::Receiver<Hour>,
    ) -> Result<Self, Failure> {
        let Network {
            address,
            origin,
            connection_lasts,
            ..
        } = *network;
        let driven = Driven::new(settings(who, 0, &class)?, address, origin);
        let mut pupil = Self {
            who,
            class,
            network,
            hour,
            driven,
            dice: who.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            connections: 0,
            said: 0,
            unanswered: BTreeMap::new(),
            heard: 0,
            position: None,
            has_joined: false,
            next_deed: origin,
            next_parting: origin,
        };
        pupil.enter();
        pupil.next_parting = Instant::now() + pupil.around(connection_lasts);
        Ok(pupil)
    }

    /// Lives until all go home for good. It gives back its place among those who gather when it is in its room.
    ///
    /// # Errors
    /// When the host ends it.
    pub async fn live<P>(mut self, gathering: P) -> Result<Life, Failure> {
        let mut gathering = Some(gathering);
        let mut violations = 0;
        loop {
            let hour = *self.hour.borrow();
            if hour.over {
                return Ok(Life {
                    class: self.class.number,
                    heard: self.heard,
                    violations: violations + self.driven.machine.counters().violations,
                });
            }
            if !hour.day && self.unanswered.is_empty() && self.has_joined {
                violations += self.driven.machine.counters().violations;
                self.sleep_until_day().await?;
                continue;
            }
            if self.driven.machine.state() == State::Stopped {
                self.network.board.fail(format!("{} was stopped", self.who));
                return Err("stopped".into());
            }
            let next = self.next_deed.min(self.next_parting);
            let hour_or_deed = async {
                tokio::select! {
                    changed = self.hour.changed() => changed.is_ok(),
                    () = sleep_until(next.into()), if hour.pace.is_some() => true,
                }
            };
            self.driven.step(hour_or_deed).await;
            self.note();
            if self.has_joined {
                drop(gathering.take());
                if let Some(pace) = hour.pace.filter(|_| hour.day) {
                    violations += self.act(pace).await?;
                }
            }
            self.driven.speak().await;
        }
    }

    /// Does what is due; how often the host broke the protocol until an app was closed.
    async fn act(&mut self, pace: Duration) -> Result<u64, Failure> {
        let now = Instant::now();
        if now >= self.next_deed {
            let due = self.next_deed;
            // Who slept does not make up for it.
            let base = if now > due + pace * 4 { now } else { due };
            self.next_deed = base + self.around(pace);
            self.deed(due);
        }
        if now < self.next_parting {
            return Ok(0);
        }
        self.next_parting = now + self.around(self.network.connection_lasts);
        if self.roll(3) > 0 {
            self.driven.speak().await;
            self.driven.cut();
            self.network.board.cuts.fetch_add(1, Ordering::Relaxed);
        } else if self.unanswered.is_empty() {
            let violations = self.driven.machine.counters().violations;
            self.restart()?;
            self.network.board.restarts.fetch_add(1, Ordering::Relaxed);
            sleep(CLOSED_FOR).await;
            return Ok(violations);
        }
        Ok(0)
    }

    fn deed(&mut self, due: Instant) {
        let room = self.class.room.clone();
        match self.roll(DEEDS) {
            0 => {
                let Some(position) = self.position else {
                    return;
                };
                let history = Command::History {
                    room,
                    direction: Direction::Before,
                    anchor: position.seq,
                    limit: PAGE,
                    thread: None,
                };
                self.driven.machine.submit(history, Asked::Other);
            }
            1..=TYPING => {
                let typing = Command::Typing {
                    room,
                    active: true,
                    thread: None,
                };
                self.driven.machine.submit(typing, Asked::Other);
            }
            _ => {
                self.said += 1;
                let due = Due {
                    at: due,
                    connection: self.connections,
                };
                self.unanswered.insert(self.said, due);
                let say = Command::Send {
                    key: key(self.who, self.said),
                    room,
                    draft: text().into(),
                };
                self.driven.machine.submit(say, Asked::Say(self.said));
            }
        }
    }

    /// Notes down what happened.
    fn note(&mut self) {
        while let Some((asked, outcome)) = self.driven.machine.next_outcome() {
            match (asked, outcome) {
                (Asked::Join, Ok(Answer::Joined(joined))) => {
                    self.position.get_or_insert(joined.position);
                    if !std::mem::replace(&mut self.has_joined, true) {
                        self.network.board.joined.fetch_add(1, Ordering::SeqCst);
                        self.next_deed = Instant::now();
                    }
                }
                (Asked::Say(number), Ok(Answer::Sent(_))) => {
                    self.network.board.said[self.class.number].fetch_add(1, Ordering::SeqCst);
                    if let Some(due) = self.unanswered.remove(&number)
                        // How long a connection takes to come back is measured elsewhere.
                        && due.connection == self.connections
                    {
                        self.network.board.stored(due.at.elapsed());
                    }
                }
                (Asked::Other, Ok(_) | Err(RequestError::Disconnected)) => {}
                (asked, outcome) => {
                    let what = format!("{}: {asked:?} became {outcome:?}", self.who);
                    self.network.board.fail(what);
                }
            }
        }
        while let Some(event) = self.driven.machine.next_event(self.driven.now()) {
            match event {
                Event::Connected { .. } => self.connections += 1,
                Event::Timeline {
                    position, event, ..
                } => {
                    self.position = Some(position);
                    if matches!(event.body, EventBody::Message(_)) {
                        self.heard += 1;
                        self.network.board.heard[self.class.number].fetch_add(1, Ordering::SeqCst);
                    }
                }
                Event::Reset { .. } | Event::Removed { .. } | Event::Stopped { .. } => {
                    self.network.board.fail(format!("{}: {event:?}", self.who));
                }
                Event::Disconnected { .. }
                | Event::AuthenticationNeeded { .. }
                | Event::Typing { .. }
                | Event::Presence { .. }
                | Event::Passed { .. }
                | Event::Signals { .. }
                | Event::Occupancy { .. }
                | Event::Stream { .. }
                | Event::StreamReset { .. }
                | Event::StreamEnded { .. }
                | Event::Dropped { .. } => {}
            }
        }
    }

    /// Closes the app, and comes back in the morning.
    async fn sleep_until_day(&mut self) -> Result<(), Failure> {
        self.restart()?;
        while !self.hour.borrow_and_update().day {
            if self.hour.changed().await.is_err() {
                return Err("nobody tells the time".into());
            }
        }
        self.next_deed = Instant::now();
        Ok(())
    }

    /// The app is closed and opened again: what it knows of its room is what it kept, the last position.
    fn restart(&mut self) -> Result<(), Failure> {
        let settings = settings(self.who, self.connections, &self.class)?;
        self.driven = Driven::new(settings, self.network.address, self.network.origin);
        self.enter();
        Ok(())
    }

    fn enter(&mut self) {
        let join = Command::Join {
            room: self.class.room.clone(),
            resume: self.position,
        };
        self.driven.machine.submit(join, Asked::Join);
    }

    /// Between a half of it and one and a half.
    fn around(&mut self, span: Duration) -> Duration {
        let thousandths = u32::try_from(500 + self.roll(1001)).unwrap_or(1000);
        span * thousandths / 1000
    }

    /// Below `sides`: xorshift64 (G. Marsaglia, 2003).
    const fn roll(&mut self, sides: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % sides
    }
}

fn settings(who: u64, run: u64, class: &Class) -> Result<Settings, Failure> {
    Ok(Settings {
        tenant: class.tenant.clone(),
        auth: Auth::Guest {
            name: format!("pupil-{who}").parse()?,
        },
        device: "bench".parse()?,
        seed: who.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ run,
        limits: Limits::default(),
    })
}
