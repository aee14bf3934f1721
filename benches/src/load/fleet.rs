//! All connections of the generator, on one epoll.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::Range,
    time::{Duration, Instant},
};

use mio::{Events, Poll};

use super::{
    Dialect, Errand, Histogram, KeepAlive, Seat,
    heartbeats::Heartbeats,
    line::{Line, Manner, READ_BYTES, Received},
    marks::Marks,
};
use crate::secure::Trust;

/// Connections that are on their way in at once.
const ENTERING_MAX: usize = 128;
/// Until it is looked at again whether they are stuck.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Events of one turn.
const EVENTS: usize = 1024;
/// Connections from one source at a time: an address has some 28,000 ports.
const FROM_ONE_SOURCE: usize = 20_000;
/// Without anything that was waited for, for so long, a run has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// All connections of a run.
#[derive(Debug)]
pub struct Fleet<'a> {
    dialect: &'a dyn Dialect,
    manner: Manner,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    marks: Marks,
    pub(super) lines: Vec<Line>,
    entered: usize,
    /// From when a connection began until it was in.
    pub(super) arrivals: Histogram,
    /// What each connection says from time to time.
    keep_alive: Option<KeepAlive>,
    heartbeats: Heartbeats,
    /// When anything was read last that is waited for.
    heard_at: Instant,
    /// How long that may be ago.
    pub(super) patience: Duration,
    /// All that was read.
    pub(super) received: Received,
}

impl std::fmt::Debug for dyn Dialect + '_ {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl<'a> Fleet<'a> {
    /// No connections yet.
    ///
    /// # Errors
    /// The system's.
    pub fn new(dialect: &'a dyn Dialect, address: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            dialect,
            manner: Manner {
                address,
                trust: None,
                closely: false,
            },
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            buffer: vec![0; READ_BYTES],
            marks: Marks::default(),
            lines: Vec::new(),
            entered: 0,
            arrivals: Histogram::default(),
            keep_alive: dialect.keep_alive(),
            heartbeats: Heartbeats::default(),
            heard_at: Instant::now(),
            patience: PATIENCE,
            received: Received::default(),
        })
    }

    /// The same, under TLS if somebody is trusted.
    #[must_use]
    pub fn trusting(mut self, trust: Option<Trust>) -> Self {
        self.manner.trust = trust;
        self
    }

    /// The same, whose listeners look at all that comes and note what it means.
    #[must_use]
    pub const fn closely(mut self) -> Self {
        self.manner.closely = true;
        self
    }

    /// Lets these in, in their order, and waits until all are.
    ///
    /// # Errors
    /// What the server refused, or that it went silent; for people.
    pub fn gather(&mut self, seats: impl IntoIterator<Item = Seat>) -> Result<(), String> {
        let mut seats = seats.into_iter();
        self.until_all_are_in(|fleet| {
            let Some(seat) = seats.next() else {
                return Ok(false);
            };
            let (registry, token) = (fleet.poll.registry(), fleet.lines.len());
            let from = source(token);
            let line = Line::open(registry, token, from, &fleet.manner, seat, fleet.dialect);
            fleet.lines.push(line.map_err(|error| error.to_string())?);
            if let Some(keep) = &fleet.keep_alive {
                let number = u32::try_from(token).expect("a scenario has few connections");
                fleet.heartbeats.add(number, Instant::now(), keep.every);
            }
            Ok(true)
        })
    }

    /// Sends these connections on an errand, if the dialect knows it, and waits until all are back.
    ///
    /// # Errors
    /// What the server refused, or that it went silent; for people.
    pub fn send_on(&mut self, errand: Errand, lines: Range<usize>) -> Result<(), String> {
        if !self.dialect.knows(errand) {
            return Ok(());
        }
        let mut lines = lines;
        self.until_all_are_in(|fleet| {
            let Some(number) = lines.next() else {
                return Ok(false);
            };
            fleet.entered -= 1;
            fleet.lines[number].begin(errand, fleet.dialect)?;
            Ok(true)
        })
    }

    /// Hangs up all connections from this one on. Returns their seats.
    pub fn part(&mut self, from: usize, politely: bool) -> Vec<Seat> {
        let leaving = self.lines.drain(from..);
        let seats = leaving.map(|line| line.part(politely)).collect();
        self.entered = self.lines.len();
        self.heartbeats.part(from);
        seats
    }

    /// Lets `next` put one more on its way as long as it has one and not too many are, until all are in.
    fn until_all_are_in(
        &mut self,
        mut next: impl FnMut(&mut Self) -> Result<bool, String>,
    ) -> Result<(), String> {
        let mut has_more = true;
        let begun = Instant::now();
        while has_more || self.entered < self.lines.len() {
            while has_more && self.lines.len() - self.entered < ENTERING_MAX {
                has_more = next(self)?;
            }
            if self.entered == self.lines.len() {
                continue;
            }
            self.turn(Some(LOOK_AGAIN), |_, _, _| Ok(()))?;
            if self.is_silent_since(begun) {
                let (missing, patience) = (self.lines.len() - self.entered, self.patience);
                return Err(format!(
                    "nothing came for {patience:?}, with {missing} on their way in"
                ));
            }
        }
        Ok(())
    }

    /// Reads whatever comes for so long.
    ///
    /// # Errors
    /// Whatever broke, for people.
    pub(super) fn listen_for(&mut self, time: Duration) -> Result<(), String> {
        let until = Instant::now() + time;
        loop {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Ok(());
            }
            self.turn(Some(rest), |_, _, _| Ok(()))?;
        }
    }

    /// Waits for what the sockets have, at most so long, reads it, and hands over what each connection received.
    ///
    /// # Errors
    /// Whatever broke, for people.
    pub(super) fn turn(
        &mut self,
        wait: Option<Duration>,
        mut each: impl FnMut(usize, &mut Line, Received) -> Result<(), String>,
    ) -> Result<(), String> {
        // Cut short by whoever attaches to look at it.
        while let Err(error) = self.poll.poll(&mut self.events, wait) {
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error.to_string());
            }
        }
        let mut has_heard = false;
        for event in &self.events {
            let number = event.token().0;
            let line = &mut self.lines[number];
            if event.is_writable() {
                line.flush()?;
            }
            if !event.is_readable() {
                continue;
            }
            let is_on_its_way = !line.is_in();
            let received = line.read(&mut self.buffer, &self.marks, self.dialect)?;
            has_heard |= is_on_its_way || received.is_waited_for();
            self.received.add(received);
            if received.entered {
                self.entered += 1;
                self.arrivals.record(line.begun.elapsed());
            }
            each(number, line, received)?;
        }
        if has_heard {
            self.heard_at = Instant::now();
        }
        self.keep_alive()
    }

    /// Whether nothing was heard for too long, of what is waited for since then.
    pub(super) fn is_silent_since(&self, then: Instant) -> bool {
        then.max(self.heard_at).elapsed() > self.patience
    }

    /// Says what must be said from time to time, on those connections whose time has come.
    fn keep_alive(&mut self) -> Result<(), String> {
        let Some(keep) = &self.keep_alive else {
            return Ok(());
        };
        let now = Instant::now();
        while let Some(number) = self.heartbeats.next(now, keep.every) {
            let line = &mut self.lines[number];
            if line.is_in() {
                line.say().extend(&keep.say);
                line.flush()?;
            }
        }
        Ok(())
    }

    /// The dialect that is spoken.
    pub(super) const fn dialect(&self) -> &'a dyn Dialect {
        self.dialect
    }
}

/// From where a connection comes that is the n-th at a time; at first as the system chooses.
///
/// No more often than must be: a port that was asked for is nobody else's on the whole machine for the time being, while
/// those that the system chooses are shared by connections to different servers.
fn source(place: usize) -> Option<IpAddr> {
    let round = (place / FROM_ONE_SOURCE).checked_sub(1)?;
    let last = u8::try_from(2 + round).expect("a scenario has at most 60,000 connections");
    Some(Ipv4Addr::new(127, 0, 0, last).into())
}

impl Received {
    /// Not so what only keeps a connection alive: that comes for ever.
    const fn is_waited_for(&self) -> bool {
        self.deliveries + self.acknowledged + self.messages > 0
    }

    const fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.reads += other.reads;
        self.deliveries += other.deliveries;
        self.acknowledged += other.acknowledged;
        self.messages += other.messages;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_come_from_another_address_before_ports_run_out() {
        let loopback = |last| Some(IpAddr::from([127, 0, 0, last]));
        assert_eq!(source(FROM_ONE_SOURCE - 1), None);
        assert_eq!(source(FROM_ONE_SOURCE), loopback(2));
        assert_eq!(source(2 * FROM_ONE_SOURCE), loopback(3));
    }
}
