//! Publishing, in one of two ways, and measuring what that costs the server.
//!
//! **Closed**: so many messages are under way at all times, each until everybody has it. That finds what a server
//! costs when it is as busy as it can be, but says nothing of latency: a slow server is simply asked less often.
//! **Paced**: messages leave on a fixed schedule, whatever becomes of those before, and their latency counts from
//! when they were due. So a server that stalls is charged with all that should have happened meanwhile (the
//! omission that G. Tene named coordinated).
//!
//! When the window is over, its processor time and counts are taken, and nothing more is published. What is then
//! under way must still arrive, once: what a server lost or doubled on the way fails the run. Latencies are of all that
//! was due in the window, whenever it came.

use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};

use super::{
    Resident, Role,
    fleet::Fleet,
    histogram::Histogram,
    line::Received,
    process::{CpuTime, Server},
    room::Room,
    text,
};

/// Processor time is told in steps of 10 ms: a window in which the server had less than so much of it goes on,
/// up to three times as long as asked. On a machine with other work that may be.
const CPU_S_MIN: f64 = 0.3;
/// Until it is looked at again whether that is so.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How long it is listened, when all has arrived, for what comes once too often.
const QUIET: Duration = Duration::from_millis(100);

/// What a message must be until it is no more under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// Received by all listeners.
    Delivered,
    /// Acknowledged to its speaker.
    Acknowledged,
}

/// When messages are published.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// So many are under way, in all rooms together, the rooms taking turns.
    InFlight(u32),
    /// So many a second in each room, spread evenly.
    PerSecond(f64),
}

/// How long it is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// So long, after a warm-up.
    Time {
        /// Before anything is measured.
        #[serde(rename = "warm_up_ms", serialize_with = "as_ms")]
        warm_up: Duration,
        /// Measured; up to three times as long where the server gets too little done for the clock.
        #[serde(rename = "measured_ms", serialize_with = "as_ms")]
        measured: Duration,
    },
    /// From the first message to the last of so many: for tests, which have no business with clocks.
    Messages(u64),
}

fn as_ms<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    time.as_millis().serialize(serializer)
}

/// What was measured in the window.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Messages that came to listeners; or those acknowledged; or connections that came in.
    pub count: u64,
    /// How long it took.
    pub wall: Duration,
    /// Of the server.
    pub server: CpuTime,
    /// Of the generator.
    pub generator: CpuTime,
    /// Bytes that the generator read.
    pub bytes: u64,
    /// How often it read.
    pub reads: u64,
    /// From when a message was due until a listener had it, or its speaker the acknowledgement: of all that was due in
    /// the window, also where it came later.
    pub latency: Histogram,
    /// Messages that were looked at, where they were.
    pub messages: u64,
    /// Seconds of life of all users together, where they live.
    pub lived_s: Option<f64>,
    /// Memory of the server, where that is the question.
    pub resident: Option<Resident>,
}

/// Everything at one moment; two make a window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    at: Instant,
    received: Received,
    server: CpuTime,
    generator: CpuTime,
}

/// Publishes through a fleet that is gathered.
#[derive(Debug)]
pub struct Driver<'a, 'b> {
    fleet: &'b mut Fleet<'a>,
    server: Option<&'b Server>,
    rooms: Vec<Room>,
    until: Until,
    text: String,
    published: u64,
    completed: u64,
    /// From when on what is due counts in the latencies; `None` while it warms up.
    counts_from: Option<Instant>,
    latency: Histogram,
}

impl<'a, 'b> Driver<'a, 'b> {
    /// With messages of so many bytes of text. Without a server of its own, processor time stays 0.
    #[must_use]
    pub fn new(
        fleet: &'b mut Fleet<'a>,
        server: Option<&'b Server>,
        until: Until,
        text_bytes: usize,
    ) -> Self {
        let mut rooms: Vec<Room> = Vec::new();
        for (number, line) in fleet.lines.iter().enumerate() {
            let room = line.seat.room as usize;
            if rooms.len() <= room {
                rooms.resize_with(room + 1, Room::default);
            }
            match line.seat.role {
                Role::Speaker => rooms[room].speaker = number,
                Role::Listener => rooms[room].listeners += 1,
            }
        }
        Self {
            fleet,
            server,
            rooms,
            until,
            text: text(text_bytes),
            published: 0,
            completed: 0,
            counts_from: None,
            latency: Histogram::default(),
        }
    }

    /// Publishes at this pace for this long, and waits until all of it has arrived.
    ///
    /// # Errors
    /// Whatever broke; what was lost (then nothing happened for 20 s) or came too often. For people.
    pub fn run(mut self, pace: Pace, window: Window) -> Result<Measured, String> {
        let measured = self.measure(pace, window)?;
        self.drain()?;
        Ok(Measured {
            latency: self.latency,
            ..measured
        })
    }

    /// What the window holds, but for the latencies.
    fn measure(&mut self, pace: Pace, window: Window) -> Result<Measured, String> {
        let begun = Instant::now();
        let mut pacing = Pacing::new(pace, begun, self.rooms.len());
        let mut start = match window {
            Window::Time { .. } => None,
            Window::Messages(_) => Some(self.begin(begun)?),
        };
        let mut waits_since = begun;
        let mut looked_at = begun;
        loop {
            let now = Instant::now();
            let is_over = match window {
                Window::Time { warm_up, measured } => {
                    if start.is_none() && now >= begun + warm_up {
                        start = Some(self.begin(begun + warm_up)?);
                    }
                    let over_at = begun + warm_up + measured;
                    now >= over_at
                        && (now >= looked_at + LOOK_AGAIN || now >= over_at + measured * 2)
                }
                Window::Messages(count) => self.completed >= count,
            };
            if let (true, Some(start)) = (is_over, &start) {
                let end = self.moment()?;
                looked_at = now;
                if let Window::Time { warm_up, measured } = window
                    && now < begun + warm_up + measured * 3
                    && self.server.is_some()
                    && end.server.since(start.server).total_s() < CPU_S_MIN
                {
                    continue;
                }
                let count = match self.until {
                    Until::Delivered => end.received.deliveries - start.received.deliveries,
                    Until::Acknowledged => end.received.acknowledged - start.received.acknowledged,
                };
                return Ok(end.since(start, count, Histogram::default()));
            }
            let left = match window {
                Window::Time { .. } => u64::MAX,
                Window::Messages(count) => count.saturating_sub(self.published),
            };
            if self.published == self.completed {
                waits_since = now;
            }
            let wait = self.publish(&mut pacing, now, left)?;
            self.listen(wait)?;
            self.must_not_be_stuck(waits_since)?;
        }
    }

    /// From now on it counts, and so do the latencies of what is due from then on.
    fn begin(&mut self, from: Instant) -> Result<Moment, String> {
        self.counts_from = Some(from);
        self.moment()
    }

    /// Waits until all that is under way has arrived, and a moment longer for what should not.
    fn drain(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        while self.completed < self.published {
            self.listen(LOOK_AGAIN)?;
            self.must_not_be_stuck(begun)?;
        }
        let until = Instant::now() + QUIET;
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Ok(());
            }
            // With nothing under way, its room refuses whatever comes.
            self.listen(rest)?;
        }
    }

    /// Fails when something has been under way since then and nothing came for too long.
    fn must_not_be_stuck(&self, since: Instant) -> Result<(), String> {
        let (missing, published) = (self.published - self.completed, self.published);
        if missing == 0 || !self.fleet.is_silent_since(since) {
            return Ok(());
        }
        let patience = self.fleet.patience;
        Err(format!(
            "nothing more came for {patience:?}, with {missing} of {published} messages under way"
        ))
    }

    /// Publishes what is due. Returns how long nothing more will be.
    fn publish(
        &mut self,
        pacing: &mut Pacing,
        now: Instant,
        left: u64,
    ) -> Result<Duration, String> {
        let mut left = left;
        let speakers: Vec<usize> = match *pacing {
            Pacing::InFlight { max, ref mut next } => {
                let under_way = self.published - self.completed;
                let more = left.min(u64::from(max).saturating_sub(under_way));
                let mut spoke = Vec::new();
                for _ in 0..more {
                    spoke.push(self.publish_in(*next, now));
                    *next = (*next + 1) % self.rooms.len();
                }
                spoke
            }
            Pacing::Schedule {
                every,
                ref mut due,
                ref mut next,
            } => {
                let mut spoke = Vec::new();
                while *due <= now && left > 0 {
                    spoke.push(self.publish_in(*next, *due));
                    *next = (*next + 1) % self.rooms.len();
                    *due += every;
                    left -= 1;
                }
                spoke
            }
        };
        // All that one speaker says in a turn leaves with one write.
        for speaker in speakers {
            self.fleet.lines[speaker].flush()?;
        }
        Ok(match pacing {
            Pacing::InFlight { .. } => Duration::from_secs(1),
            // Woken a little early and polling for the rest: the system's timers are too coarse here.
            Pacing::Schedule { due, .. } => {
                let rest = due.saturating_duration_since(Instant::now());
                Duration::from_millis(u64::try_from(rest.as_millis()).unwrap_or(0).min(1000))
            }
        })
    }

    fn publish_in(&mut self, room: usize, due: Instant) -> usize {
        let room = &mut self.rooms[room];
        let dialect = self.fleet.dialect();
        let line = &mut self.fleet.lines[room.speaker];
        let number = room.published;
        let seat = line.seat.clone();
        dialect.publish(&seat, number, &self.text, line.say());
        let receivers = match self.until {
            Until::Delivered => room.listeners,
            Until::Acknowledged => 1,
        };
        room.publish(due, receivers);
        self.published += 1;
        room.speaker
    }

    fn listen(&mut self, wait: Duration) -> Result<(), String> {
        let Self {
            fleet,
            rooms,
            until,
            completed,
            counts_from,
            latency,
            ..
        } = self;
        fleet.turn(Some(wait), |_, line, received| {
            let room = &mut rooms[line.seat.room as usize];
            let (from, count) = match until {
                Until::Delivered => (line.delivered - received.deliveries, received.deliveries),
                Until::Acknowledged => (room.complete(), received.acknowledged),
            };
            if count == 0 {
                return Ok(());
            }
            let now = Instant::now();
            *completed += room.receive(from, count, |due| {
                if counts_from.is_some_and(|from| due >= from) {
                    latency.record(now - due);
                }
            })?;
            Ok(())
        })
    }

    fn moment(&self) -> Result<Moment, String> {
        Moment::now(self.fleet, self.server)
    }
}

impl Moment {
    /// How things are now.
    ///
    /// # Errors
    /// When the server is gone, for people.
    pub(super) fn now(fleet: &Fleet<'_>, server: Option<&Server>) -> Result<Self, String> {
        let server = server.map_or(Ok(CpuTime::default()), Server::cpu_time);
        Ok(Self {
            at: Instant::now(),
            received: fleet.received,
            server: server.map_err(|error| format!("the server is gone: {error}"))?,
            generator: CpuTime::of_self().map_err(|error| error.to_string())?,
        })
    }

    /// The window from another moment to this one, in which so much was counted.
    pub(super) fn since(&self, start: &Self, count: u64, latency: Histogram) -> Measured {
        Measured {
            count,
            wall: self.at - start.at,
            server: self.server.since(start.server),
            generator: self.generator.since(start.generator),
            bytes: self.received.bytes - start.received.bytes,
            reads: self.received.reads - start.received.reads,
            latency,
            messages: self.received.messages - start.received.messages,
            lived_s: None,
            resident: None,
        }
    }
}

/// Where a pace is.
#[derive(Debug)]
enum Pacing {
    InFlight {
        max: u32,
        next: usize,
    },
    Schedule {
        /// Between two messages, whichever their rooms.
        every: Duration,
        due: Instant,
        next: usize,
    },
}

impl Pacing {
    fn new(pace: Pace, begun: Instant, rooms: usize) -> Self {
        match pace {
            Pace::InFlight(max) => Self::InFlight { max, next: 0 },
            Pace::PerSecond(rate) => Self::Schedule {
                every: Duration::from_secs_f64(
                    1.0 / (rate * super::report::real(rooms.max(1) as u64)),
                ),
                due: begun,
                next: 0,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        load::{Entry, Seating},
        raw,
    };

    #[test]
    fn what_is_under_way_when_the_window_ends_is_waited_for_and_timed() {
        let at = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let server = raw::Server::bind(at, raw::Mode::Plain).unwrap();
        let address = server.address().unwrap();
        std::thread::spawn(move || server.serve());
        let mut fleet = Fleet::new(&raw::Raw, address).unwrap();
        let seating = Seating::new(2, 3, Entry::Room, false);
        fleet.gather(seating.speakers()).unwrap();
        let listeners = seating.listeners(Role::Listener, Entry::Room);
        fleet.gather(listeners).unwrap();

        let mut driver = Driver::new(&mut fleet, None, Until::Delivered, 128);
        let now = Instant::now();
        let mut pacing = Pacing::InFlight { max: 40, next: 0 };
        driver.publish(&mut pacing, now, 10).unwrap();
        driver.begin(now + Duration::from_nanos(1)).unwrap();
        let after_the_warm_up = now + Duration::from_nanos(2);
        driver.publish(&mut pacing, after_the_warm_up, 30).unwrap();
        assert_eq!((driver.published, driver.completed), (40, 0));
        driver.drain().unwrap();
        assert_eq!((driver.published, driver.completed), (40, 40));
        assert_eq!(driver.latency.count(), 30 * 3, "and no warm-up");
    }
}
