//! The loop of the baseline.

use std::{
    fs::File,
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
};

use mio::{Events, Interest, Poll, Token, event::Event, net::TcpListener};

use super::{
    connection::{Connection, broken, find_message},
    dialect::{LISTEN, PAD, PUBLISH, READY, SPEAK},
    frames::{Push, acknowledgement},
};
use crate::secure::{Channel, Proof};

const LISTENER: Token = Token(usize::MAX);
const EVENTS: usize = 1024;
const READ_BYTES: usize = 256 * 1024;
/// Most rooms, and bytes of one message.
const ROOMS_MAX: u32 = 65_536;
const ROOMS_EACH_MAX: usize = 3;
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// No client here looks at the accept key.
const UPGRADED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// What the baseline does besides delivering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Nothing: publishes are not acknowledged, unless it is told [to answer](Raw::answering).
    Plain,
    /// Appends what a turn read to this file, and syncs it, before it answers and delivers.
    Durable(PathBuf),
}

/// The baseline, listening.
#[derive(Debug)]
pub struct Raw {
    poll: Poll,
    listener: TcpListener,
    journal: Option<File>,
    answers: bool,
    proof: Option<Proof>,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    rooms: Vec<Room>,
    /// Rooms with something to deliver.
    dirty: Vec<usize>,
    /// Speakers to be answered, each once for each of its messages.
    unanswered: Vec<usize>,
    push: Push,
    acknowledgement: Vec<u8>,
    /// What this turn adds to the journal.
    record: Vec<u8>,
}

#[derive(Debug, Default)]
struct Room {
    listeners: Vec<usize>,
    /// What this turn read for it, as frames.
    batch: Vec<u8>,
}

impl Raw {
    /// Listens.
    ///
    /// # Errors
    /// The system's.
    pub fn bind(address: SocketAddr, mode: Mode) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(address)?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        let journal = match mode {
            Mode::Plain => None,
            Mode::Durable(path) => Some(File::create(path)?),
        };
        Ok(Self {
            poll,
            listener,
            answers: journal.is_some(),
            journal,
            proof: None,
            connections: Vec::new(),
            free: Vec::new(),
            rooms: Vec::new(),
            dirty: Vec::new(),
            unanswered: Vec::new(),
            push: Push::default(),
            acknowledgement: acknowledgement(),
            record: Vec::new(),
        })
    }

    /// The same, under TLS.
    #[must_use]
    pub fn showing(mut self, proof: Proof) -> Self {
        self.proof = Some(proof);
        self
    }

    /// The same, and each publish is answered with a frame as long as Homeroom's acknowledgement.
    #[must_use]
    pub const fn answering(mut self) -> Self {
        self.answers = true;
        self
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until it is killed.
    ///
    /// # Errors
    /// The system's, of epoll or the journal. A connection that breaks is only dropped.
    pub fn serve(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &events {
                if event.token() == LISTENER {
                    self.accept()?;
                } else {
                    self.attend(event, &mut buffer);
                }
            }
            self.keep()?;
            self.answer();
            self.deliver();
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // Whoever hung up before it was their turn.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let number = self.free.pop().unwrap_or(self.connections.len());
            let mut channel = Channel::server(stream, self.proof.as_ref())?;
            channel.register(self.poll.registry(), Token(number))?;
            let connection = Connection::new(channel);
            if number == self.connections.len() {
                self.connections.push(Some(connection));
            } else {
                self.connections[number] = Some(connection);
            }
        }
    }

    fn attend(&mut self, event: &Event, buffer: &mut [u8]) {
        let number = event.token().0;
        let Some(connection) = &mut self.connections[number] else {
            return;
        };
        let flushed = !event.is_writable() || connection.flush().is_ok();
        let read = flushed && (!event.is_readable() || self.read(number, buffer).is_ok());
        if !read {
            self.drop_connection(number);
        }
    }

    fn read(&mut self, number: usize, buffer: &mut [u8]) -> io::Result<()> {
        loop {
            let Some(connection) = &mut self.connections[number] else {
                return Ok(());
            };
            let count = match connection.channel.read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            self.hear(number, &mut buffer[..count])?;
            if self.connections[number]
                .as_ref()
                .is_none_or(|connection| connection.channel.is_empty_after(count, buffer.len()))
            {
                return Ok(());
            }
        }
    }

    fn hear(&mut self, number: usize, bytes: &mut [u8]) -> io::Result<()> {
        let Some(connection) = &mut self.connections[number] else {
            return Ok(());
        };
        let mut partial = std::mem::take(&mut connection.partial);
        // Nearly always nothing is left over, and messages are used where they were read.
        let owned;
        let mut rest = if partial.is_empty() {
            bytes
        } else {
            partial.extend_from_slice(bytes);
            owned = &mut partial;
            owned.as_mut_slice()
        };
        if !connection.is_upgraded {
            let Some(end) = memchr::memmem::find(rest, b"\r\n\r\n") else {
                connection.partial = rest.to_vec();
                return if rest.len() < MESSAGE_BYTES_MAX {
                    Ok(())
                } else {
                    Err(broken())
                };
            };
            connection.is_upgraded = true;
            connection.write(UPGRADED)?;
            rest = &mut rest[end + 4..];
        }
        while let Some(found) = find_message(rest)? {
            let (message, behind) = rest.split_at_mut(found.payload.end);
            rest = behind;
            match found.opcode {
                0x1 | 0x2 => self.take(number, &message[found.payload])?,
                0x8 => return Err(broken()),
                _ => {}
            }
        }
        if let (false, Some(connection)) = (rest.is_empty(), &mut self.connections[number]) {
            connection.partial = rest.to_vec();
        }
        Ok(())
    }

    fn take(&mut self, number: usize, message: &[u8]) -> io::Result<()> {
        let connection = self.connections[number].as_mut().ok_or_else(broken)?;
        match message {
            &[letter @ (SPEAK | LISTEN), a, b, c, d] => {
                let room = u32::from_be_bytes([a, b, c, d]);
                if room >= ROOMS_MAX || connection.rooms.len() >= ROOMS_EACH_MAX {
                    return Err(broken());
                }
                let room = room as usize;
                connection.rooms.push(room);
                connection.write(&[0x82, 1, READY])?;
                if self.rooms.len() <= room {
                    self.rooms.resize_with(room + 1, Room::default);
                }
                if letter == LISTEN {
                    self.rooms[room].listeners.push(number);
                }
            }
            [PUBLISH, text @ ..] => {
                let number_of_room = *connection.rooms.first().ok_or_else(broken)?;
                let room = &mut self.rooms[number_of_room];
                if room.batch.is_empty() {
                    self.dirty.push(number_of_room);
                }
                let begin = room.batch.len();
                self.push.write(text, &mut room.batch);
                if self.journal.is_some() {
                    self.record.extend(&room.batch[begin..]);
                }
                if self.answers {
                    self.unanswered.push(number);
                }
            }
            [PAD, ..] => connection.write(&[0x82, 1, READY])?,
            _ => return Err(broken()),
        }
        Ok(())
    }

    /// Writes down what this turn read.
    fn keep(&mut self) -> io::Result<()> {
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        if self.record.is_empty() {
            return Ok(());
        }
        journal.write_all(&self.record)?;
        journal.sync_data()?;
        self.record.clear();
        Ok(())
    }

    /// Answers what this turn read.
    fn answer(&mut self) {
        if self.unanswered.is_empty() {
            return;
        }
        let mut unanswered = std::mem::take(&mut self.unanswered);
        // Those of one speaker stand together, as they were read together, and are answered with one write.
        for same in unanswered.chunk_by(|a, b| a == b) {
            let answers = self.acknowledgement.repeat(same.len());
            self.write(same[0], &answers);
        }
        unanswered.clear();
        self.unanswered = unanswered;
    }

    /// Hands each listener what this turn read for its room, with one `send()`.
    fn deliver(&mut self) {
        for number in std::mem::take(&mut self.dirty) {
            let room = &mut self.rooms[number];
            let batch = std::mem::take(&mut room.batch);
            let listeners = std::mem::take(&mut room.listeners);
            for &listener in &listeners {
                self.write(listener, &batch);
            }
            let room = &mut self.rooms[number];
            room.listeners = listeners;
            room.listeners
                .retain(|&listener| self.connections[listener].is_some());
            room.batch = batch;
            room.batch.clear();
        }
    }

    fn write(&mut self, number: usize, bytes: &[u8]) {
        if let Some(connection) = &mut self.connections[number]
            && connection.write(bytes).is_err()
        {
            self.drop_connection(number);
        }
    }

    fn drop_connection(&mut self, number: usize) {
        let Some(mut connection) = self.connections[number].take() else {
            return;
        };
        connection.channel.leave(self.poll.registry());
        for room in connection.rooms {
            self.rooms[room].listeners.retain(|&other| other != number);
        }
        self.free.push(number);
    }
}
