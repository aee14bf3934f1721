//! A TLS connection after its handshake, driven by hand: plaintext goes in only when all ciphertext
//! before it has left.
//!
//! A sealed record can be neither taken back nor left out (its number is part of the seal), so what is
//! sealed early is promised early. One record at a time is sealed, of at most
//! [`OFFER_BYTES_MAX`] bytes, and the next only when the kernel has the one before. For whoever revokes
//! somebody's access this makes a record what a half-written frame is on a bare socket: one whose first
//! byte may be gone goes out whole, nothing behind it does, except the alert that says the end is one.

use std::{
    io::{self, Read, Write},
    net::Shutdown,
    sync::{Mutex, MutexGuard},
    task::{Context, Poll},
};

use rustls::ServerConnection;
use socket2::SockRef;
use tokio::{
    io::{Interest, Ready},
    net::TcpStream,
};

use super::Stream;
use crate::wire::{OFFER_BYTES_MAX, poll_budget, poll_ready, try_read};

/// Reads of the kernel's socket in one try: records without content, which are allowed, must not keep
/// a thread.
const READS_MAX: usize = 16;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Session {
    stream: TcpStream,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tls: ServerConnection,
    /// The kernel refused for good: nothing is sent any more.
    broken: bool,
    #[cfg(test)]
    sent: usize,
    /// There may be something to read although the kernel's socket does not say so.
    read_ahead: bool,
    end: End,
}

/// How far the end of the write half is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    NotAsked,
    Asked,
    Done,
}

impl Session {
    /// Takes over from the stream that made the handshake.
    pub(crate) fn new(stream: Stream) -> Self {
        let (stream, tls) = stream.into_inner();
        Self {
            stream,
            state: Mutex::new(State {
                tls,
                broken: false,
                #[cfg(test)]
                sent: 0,
                read_ahead: true,
                end: End::NotAsked,
            }),
        }
    }

    pub(crate) fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut state = self.state();
        for _ in 0..READS_MAX {
            match state.tls.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => {
                    state.read_ahead = true;
                    return read;
                }
            }
            match state.tls.read_tls(&mut Kernel(&self.stream)) {
                Ok(_) => {}
                Err(error) => {
                    state.read_ahead = false;
                    return Err(error);
                }
            }
            let processed = state.tls.process_new_packets();
            // What reading asked us to say (a new key, an alert) is not the reader's to wait for.
            let _ = self.send(&mut state);
            processed.map_err(|broken| io::Error::new(io::ErrorKind::InvalidData, broken))?;
        }
        state.read_ahead = true;
        Err(io::ErrorKind::WouldBlock.into())
    }

    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        if state.end != End::NotAsked {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.send(&mut state)?;
        let mut taken = 0;
        while taken < bytes.len() {
            let record = &bytes[taken..bytes.len().min(taken + OFFER_BYTES_MAX)];
            taken += state.tls.writer().write(record)?;
            match self.send(&mut state) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    pub(crate) fn holds(&self) -> bool {
        let state = self.state();
        state.tls.wants_write() && !state.broken
    }

    pub(crate) fn pass_on(&self) -> bool {
        match self.send(&mut self.state()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Ok(()) | Err(_) => true,
        }
    }

    pub(crate) fn end(&self) {
        let mut state = self.state();
        if state.end == End::NotAsked {
            state.end = End::Asked;
            state.tls.send_close_notify();
            // What does not go now goes when there is room.
            let _ = self.send(&mut state);
        }
    }

    pub(crate) fn poll_ready(
        &self,
        interest: Interest,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Ready>> {
        if interest.is_readable() && self.state().read_ahead {
            // A peer that is always ahead must not keep the thread for itself.
            return poll_budget(context).map(|()| Ok(Ready::READABLE));
        }
        poll_ready(&self.stream, interest, context)
    }

    /// Hands ciphertext to the kernel until none is left, and then the end.
    fn send(&self, state: &mut State) -> io::Result<()> {
        while state.tls.wants_write() {
            if state.broken {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            match state.tls.write_tls(&mut Kernel(&self.stream)) {
                #[cfg(not(test))]
                Ok(_) => {}
                #[cfg(test)]
                Ok(count) => state.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                Err(error) => {
                    state.broken = true;
                    return Err(error);
                }
            }
        }
        if state.end == End::Asked {
            state.end = End::Done;
            // It fails when the peer is gone already; then there is nothing to shut.
            let _ = SockRef::from(&self.stream).shutdown(Shutdown::Write);
        }
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn sent(&self) -> usize {
        self.state().sent
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while holding it")
    }
}

/// The kernel's socket as rustls wants it, which keeps tokio's idea of what is ready true.
struct Kernel<'a>(&'a TcpStream);

impl Read for Kernel<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        try_read(self.0, into)
    }
}

impl Write for Kernel<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
