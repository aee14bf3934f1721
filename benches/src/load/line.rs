//! One connection of the generator.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use mio::{Registry, Token, net::TcpStream};
use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

use super::{
    Dialect, Entered, Entry, Errand, Note, Outgoing, Role, Seat,
    marks::{Marks, Tail},
    wire::{Heard, Incoming},
};
use crate::secure::{Channel, Trust, is_later};

/// Bytes read from a socket at once, into one buffer for all of them.
pub(super) const READ_BYTES: usize = 256 * 1024;
/// Bytes that wait for one socket. A server that takes nothing for so long is stuck.
const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One connection.
#[derive(Debug)]
pub(super) struct Line {
    channel: Channel,
    pub(super) seat: Seat,
    stage: Stage,
    /// What it does, once it came in.
    errand: Option<Errand>,
    /// Whether a listener's messages are looked at, each of them, instead of only being counted.
    closely: bool,
    /// What was noted of them, for whoever takes it out.
    pub(super) notes: Vec<Note>,
    /// When it began to connect.
    pub(super) begun: Instant,
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

/// How connections are made.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    pub(super) address: SocketAddr,
    /// Under TLS, if so.
    pub(super) trust: Option<Trust>,
    /// Whether listeners' messages are looked at, each of them.
    pub(super) closely: bool,
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
    /// Messages of a listener that were looked at.
    pub(super) messages: u64,
    /// Whether it came in just now.
    pub(super) entered: bool,
}

impl Line {
    /// Begins to connect, from an address of its own where one is given.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn open(
        registry: &Registry,
        token: usize,
        from: Option<IpAddr>,
        manner: &Manner,
        seat: Seat,
        dialect: &dyn Dialect,
    ) -> io::Result<Self> {
        let begun = Instant::now();
        let stream = connect(from, manner.address)?;
        let mut channel = Channel::client(stream, manner.trust.as_ref())?;
        channel.register(registry, Token(token))?;
        let mut waiting = Outgoing::default();
        waiting.upgrade(&manner.address.to_string(), &dialect.door());
        Ok(Self {
            channel,
            closely: manner.closely && seat.role == Role::Listener,
            notes: Vec::new(),
            seat,
            stage: Stage::Upgrading,
            errand: None,
            begun,
            incoming: Incoming::default(),
            tail: Tail::default(),
            waiting,
            written: 0,
            delivered: 0,
        })
    }

    /// Begins an errand; it is in again when that is done.
    ///
    /// # Errors
    /// For people.
    pub(super) fn begin(&mut self, errand: Errand, dialect: &dyn Dialect) -> Result<(), String> {
        self.stage = Stage::Entering;
        self.errand = Some(errand);
        self.step(None, &mut Received::default(), dialect)?;
        Ok(())
    }

    /// Hangs up, saying so if it is to be polite. What it sat on is free again.
    pub(super) fn part(mut self, politely: bool) -> Seat {
        if politely {
            self.waiting.close();
            // A server that hung up first has what it wants.
            let _ = self.flush();
        }
        Seat {
            step: 0,
            ..self.seat
        }
    }

    /// What to add to; [`flush`](Self::flush) sends it.
    pub(super) const fn say(&mut self) -> &mut Outgoing {
        &mut self.waiting
    }

    /// Whether what comes once it is in is counted and not looked at.
    fn is_only_counted(&self) -> bool {
        self.seat.role == Role::Listener && !self.closely
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
        if let Err(error) = self.channel.flush() {
            return Err(self.broken(&error));
        }
        while self.written < self.waiting.bytes().len() {
            match self.channel.write(&self.waiting.bytes()[self.written..]) {
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
            let count = match self.channel.read(buffer) {
                Ok(0) => return Err(format!("the server hung up on {:?}", self.seat)),
                Ok(count) => count,
                Err(error) if is_later(&error) => return Ok(()),
                Err(error) => return Err(self.broken(&error)),
            };
            received.reads += 1;
            received.bytes += count as u64;
            let bytes = &buffer[..count];
            if self.is_in() && self.is_only_counted() {
                received.deliveries += marks.count(&mut self.tail, bytes);
            } else {
                self.incoming.feed(bytes);
                self.hear(received, marks, dialect)?;
            }
            if self.channel.is_empty_after(count, buffer.len()) {
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
                Heard::Message(message) if self.is_in() && self.closely => {
                    received.messages += 1;
                    dialect.note(message, &mut self.seat, &mut self.notes)?;
                }
                Heard::Message(message) if self.is_in() => {
                    received.acknowledged += dialect.acknowledged(message, &mut self.waiting)?;
                }
                Heard::Message(message) => {
                    if self.step(Some(message), received, dialect)? == Entered::Ready
                        && self.is_only_counted()
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
        if received.entered && self.is_only_counted() {
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
        let (seat, say) = (&mut self.seat, &mut self.waiting);
        let entered = match self.errand {
            None => dialect.enter(seat, heard, say)?,
            Some(errand) => dialect.run_errand(errand, seat, heard, say)?,
        };
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

/// Connects. A source gives a port of its own for each connection, of which an address has some 28,000.
fn connect(from: Option<IpAddr>, address: SocketAddr) -> io::Result<TcpStream> {
    let Some(from) = from else {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        return Ok(stream);
    };
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    // Ports that earlier connections just left are free for this.
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_comes_from_where_it_is_told() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let from = IpAddr::from([127, 0, 0, 9]);
        let stream = connect(Some(from), server.local_addr().unwrap()).unwrap();
        assert_eq!(server.accept().unwrap().1, stream.local_addr().unwrap());
        assert_eq!(stream.local_addr().unwrap().ip(), from);
    }
}
