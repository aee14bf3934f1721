//! One connection of the generator.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
};

use mio::{Interest, Registry, Token, net::TcpStream};

use super::{
    Dialect, Entered, Entry, Outgoing, Role, Seat,
    marks::{Marks, Tail},
    wire::{Heard, Incoming},
};

/// Bytes read from a socket at once, into one buffer for all of them.
pub(super) const READ_BYTES: usize = 256 * 1024;
/// Bytes that wait for one socket. A server that takes nothing for so long is stuck.
const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One connection.
#[derive(Debug)]
pub(super) struct Line {
    stream: TcpStream,
    pub(super) seat: Seat,
    stage: Stage,
    incoming: Incoming,
    tail: Tail,
    waiting: Outgoing,
    written: usize,
    /// Deliveries so far.
    pub(super) delivered: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Upgrading,
    Entering,
    In,
}

/// What came of reading a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Received {
    pub(super) bytes: u64,
    pub(super) reads: u64,
    /// Markers, of a listener.
    pub(super) deliveries: u64,
    /// Acknowledged publishes, of a speaker.
    pub(super) acknowledged: u64,
    /// Whether it came in just now.
    pub(super) entered: bool,
}

impl Line {
    /// Begins to connect.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn open(
        registry: &Registry,
        token: usize,
        address: SocketAddr,
        seat: Seat,
        dialect: &dyn Dialect,
    ) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut stream, Token(token), interest)?;
        let mut waiting = Outgoing::default();
        waiting.upgrade(&address.to_string(), &dialect.door());
        Ok(Self {
            stream,
            seat,
            stage: Stage::Upgrading,
            incoming: Incoming::default(),
            tail: Tail::default(),
            waiting,
            written: 0,
            delivered: 0,
        })
    }

    /// What to add to; [`flush`](Self::flush) sends it.
    pub(super) const fn say(&mut self) -> &mut Outgoing {
        &mut self.waiting
    }

    /// Whether it is as far in as it goes.
    pub(super) fn is_in(&self) -> bool {
        self.stage == Stage::In
    }

    /// Sends what waits, as far as the socket takes it; the rest when it is writable again.
    ///
    /// # Errors
    /// For people.
    pub(super) fn flush(&mut self) -> Result<(), String> {
        while self.written < self.waiting.bytes().len() {
            match self.stream.write(&self.waiting.bytes()[self.written..]) {
                Ok(written) => self.written += written,
                Err(error) if is_later(&error) => break,
                Err(error) => return Err(self.broken(&error)),
            }
        }
        if self.written == self.waiting.bytes().len() {
            self.waiting.clear();
            self.written = 0;
        }
        if self.waiting.bytes().len() - self.written > WAITING_BYTES_MAX {
            return Err("the server reads nothing".to_owned());
        }
        Ok(())
    }

    /// Reads all there is.
    ///
    /// # Errors
    /// For people.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        marks: &Marks,
        dialect: &dyn Dialect,
    ) -> Result<Received, String> {
        let mut received = Received::default();
        self.read_all(buffer, marks, dialect, &mut received)?;
        self.delivered += received.deliveries;
        Ok(received)
    }

    fn read_all(
        &mut self,
        buffer: &mut [u8],
        marks: &Marks,
        dialect: &dyn Dialect,
        received: &mut Received,
    ) -> Result<(), String> {
        loop {
            let count = match self.stream.read(buffer) {
                Ok(0) => return Err(format!("the server hung up on {:?}", self.seat)),
                Ok(count) => count,
                Err(error) if is_later(&error) => return Ok(()),
                Err(error) => return Err(self.broken(&error)),
            };
            received.reads += 1;
            received.bytes += count as u64;
            let bytes = &buffer[..count];
            if self.is_in() && self.seat.role == Role::Listener {
                received.deliveries += marks.count(&mut self.tail, bytes);
            } else {
                self.incoming.feed(bytes);
                self.hear(received, marks, dialect)?;
            }
            // A short read took all there was: the next bytes come with an event of their own, epoll(7).
            if count < buffer.len() {
                return Ok(());
            }
        }
    }

    /// Reads whole messages: while entering, and as a speaker.
    fn hear(
        &mut self,
        received: &mut Received,
        marks: &Marks,
        dialect: &dyn Dialect,
    ) -> Result<(), String> {
        if self.stage == Stage::Upgrading {
            if !self.incoming.upgraded()? {
                return Ok(());
            }
            self.stage = Stage::Entering;
            if self.seat.entry == Entry::Bare {
                self.come_in(received, marks);
                return Ok(());
            }
            self.step(None, received, dialect)?;
        }
        // Taken out, so that what was heard may be looked at while something is said.
        let mut incoming = std::mem::take(&mut self.incoming);
        while let Some(heard) = incoming.hear()? {
            match heard {
                Heard::Message(message) if self.is_in() => {
                    received.acknowledged += dialect.acknowledged(message, &mut self.waiting)?;
                }
                Heard::Message(message) => {
                    if self.step(Some(message), received, dialect)? == Entered::Ready
                        && self.seat.role == Role::Listener
                    {
                        break;
                    }
                }
                Heard::Ping(payload) => self.waiting.pong(payload),
                Heard::Pong => {}
                Heard::Close(code) => return Err(format!("the server closed with {code:?}")),
            }
        }
        self.incoming = incoming;
        if received.entered && self.seat.role == Role::Listener {
            self.come_in(received, marks);
        }
        self.flush()
    }

    fn step(
        &mut self,
        heard: Option<&[u8]>,
        received: &mut Received,
        dialect: &dyn Dialect,
    ) -> Result<Entered, String> {
        let entered = dialect.enter(&mut self.seat, heard, &mut self.waiting)?;
        if entered == Entered::Ready {
            self.stage = Stage::In;
            received.entered = true;
        }
        self.flush()?;
        Ok(entered)
    }

    /// From here on its bytes are only counted.
    fn come_in(&mut self, received: &mut Received, marks: &Marks) {
        self.stage = Stage::In;
        received.entered = true;
        let rest = self.incoming.finish();
        received.deliveries += marks.count(&mut self.tail, &rest);
    }

    fn broken(&self, error: &io::Error) -> String {
        format!("the connection of {:?} broke: {error}", self.seat)
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::NotConnected
    )
}
