//! All connections of the generator, on one epoll.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use mio::{Events, Poll};

use super::{
    Dialect, Entry, Role, Seat,
    line::{Line, READ_BYTES, Received},
    marks::Marks,
};

/// Connections that are on their way in at once.
const ENTERING_MAX: usize = 128;
/// Events of one turn.
const EVENTS: usize = 1024;
/// Without anything for so long, a run has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// All connections of a run.
#[derive(Debug)]
pub struct Fleet<'a> {
    dialect: &'a dyn Dialect,
    address: SocketAddr,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    marks: Marks,
    pub(super) lines: Vec<Line>,
    entered: usize,
    alive_at: Instant,
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
            address,
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            buffer: vec![0; READ_BYTES],
            marks: Marks::default(),
            lines: Vec::new(),
            entered: 0,
            alive_at: Instant::now(),
            received: Received::default(),
        })
    }

    /// Lets these in, in their order, and waits until all are.
    ///
    /// # Errors
    /// What the server refused, or that it went silent; for people.
    pub fn gather(&mut self, seats: impl IntoIterator<Item = Seat>) -> Result<(), String> {
        let mut seats = seats.into_iter().peekable();
        while seats.peek().is_some() || self.entered < self.lines.len() {
            while self.lines.len() - self.entered < ENTERING_MAX {
                let Some(seat) = seats.next() else { break };
                let (registry, token) = (self.poll.registry(), self.lines.len());
                let line = Line::open(registry, token, self.address, seat, self.dialect);
                self.lines.push(line.map_err(|error| error.to_string())?);
            }
            self.turn(Some(PATIENCE), |_, _, _| Ok(()))?;
            if self.events.is_empty() {
                let missing = self.lines.len() - self.entered;
                return Err(format!(
                    "nothing came for 20 s, with {missing} on their way in"
                ));
            }
        }
        Ok(())
    }

    /// Seats for so many rooms: their speakers, then their listeners, who take the rooms in turn and go so far in.
    pub fn seats(
        rooms: u32,
        listeners: u32,
        entry: Entry,
        durable: bool,
    ) -> (Vec<Seat>, Vec<Seat>) {
        let seat = |number, room, role, entry| Seat {
            number,
            room,
            role,
            entry,
            durable,
            step: 0,
            address: 0,
        };
        let speakers = (0..rooms).map(|room| seat(room, room, Role::Speaker, Entry::Room));
        let listening = (0..listeners * rooms)
            .map(|number| seat(rooms + number, number % rooms, Role::Listener, entry));
        (speakers.collect(), listening.collect())
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
        mut each: impl FnMut(usize, &Line, Received) -> Result<(), String>,
    ) -> Result<(), String> {
        // Cut short by whoever attaches to look at it.
        while let Err(error) = self.poll.poll(&mut self.events, wait) {
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error.to_string());
            }
        }
        for event in &self.events {
            let number = event.token().0;
            let line = &mut self.lines[number];
            if event.is_writable() {
                line.flush()?;
            }
            if !event.is_readable() {
                continue;
            }
            let received = line.read(&mut self.buffer, &self.marks, self.dialect)?;
            self.received.add(received);
            self.entered += usize::from(received.entered);
            each(number, line, received)?;
        }
        self.keep_alive()
    }

    /// Says what must be said from time to time.
    fn keep_alive(&mut self) -> Result<(), String> {
        let Some(keep) = self.dialect.keep_alive() else {
            return Ok(());
        };
        if self.alive_at.elapsed() < keep.every {
            return Ok(());
        }
        self.alive_at = Instant::now();
        for line in self.lines.iter_mut().filter(|line| line.is_in()) {
            line.say().extend(&keep.say);
            line.flush()?;
        }
        Ok(())
    }

    /// The dialect that is spoken.
    pub(super) const fn dialect(&self) -> &'a dyn Dialect {
        self.dialect
    }
}

impl Received {
    const fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.reads += other.reads;
        self.deliveries += other.deliveries;
        self.acknowledged += other.acknowledged;
    }
}
