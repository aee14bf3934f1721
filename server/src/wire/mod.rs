//! What a socket is below its WebSocket: bytes in, bytes out, never waiting.
//!
//! The hub writes from a task of its own, so a wire is used like the kernel's own socket: a try, and
//! where it came too early, a word later. Three kinds keep the same promises:
//!
//! | kind | what it is | bytes it may hold itself |
//! |---|---|---|
//! | [`Tcp`](Wire::Tcp) | the kernel's socket, nothing above it | none |
//! | [`Tls`](Wire::Tls) | the same socket, sealed record by record | the rest of one record |
//! | [`Other`](Wire::Other) | a stream of somebody else's server | what that stream buffers of one offer |
//!
//! What a wire holds itself was taken, and cannot be taken back: after a revocation it still goes out,
//! like the rest of a half-written frame on a bare socket. So at most [`OFFER_BYTES_MAX`] bytes are
//! sealed or offered at a time, and the next only when they have left whole.

mod foreign;
#[cfg(test)]
pub(crate) mod pairs;
#[cfg(test)]
mod tests;

use std::{
    future::poll_fn,
    hint::black_box,
    io::{self, Read},
    net::Shutdown,
    os::fd::AsFd,
    pin::pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use rustix::{
    io::Errno,
    net::{SendFlags, send},
};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, Ready},
    net::TcpStream,
    task::coop::consume_budget,
};

use self::foreign::Foreign;
use crate::tls;

/// Most bytes that are under way between the hub and the kernel: the plaintext of one full TLS record
/// (RFC 8446, 5.1).
pub(crate) const OFFER_BYTES_MAX: usize = 16 * 1024;

/// Whether readiness is told by edges, as epoll does.
const SHORT_READS_DRAIN: bool = cfg!(target_os = "linux");

/// A byte stream that is never waited for.
#[derive(Debug)]
pub(crate) enum Wire {
    /// The kernel's socket.
    Tcp(TcpStream),
    /// The same, through TLS.
    Tls(Box<tls::Session>),
    /// Any other stream.
    Other(Box<Foreign>),
}

impl Wire {
    /// A TLS connection whose handshake is done.
    pub(crate) fn tls(stream: tls::Stream) -> Self {
        Self::Tls(Box::new(tls::Session::new(stream)))
    }

    /// Any stream. One that is a TCP socket is better given as [`Tcp`](Self::Tcp).
    pub(crate) fn other(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self::Other(Box::new(Foreign::new(Box::new(io))))
    }

    /// The stream below an HTTP server that let go of it, as the fastest kind it can be; and what that
    /// server had read already.
    pub(crate) fn below(upgraded: Upgraded) -> (Self, Bytes) {
        let upgraded = match found::<TcpStream>(upgraded) {
            Ok((stream, early)) => return (Self::Tcp(stream), early),
            Err(upgraded) => upgraded,
        };
        match found::<tls::Stream>(upgraded) {
            Ok((stream, early)) => (Self::tls(stream), early),
            Err(upgraded) => (Self::other(TokioIo::new(upgraded)), Bytes::new()),
        }
    }

    /// Reads what is there; 0 at the end.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there; anything else is final.
    pub(crate) fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => try_read(stream, into),
            Self::Tls(session) => session.try_read(into),
            Self::Other(foreign) => foreign.try_read(into),
        }
    }

    /// Takes as many bytes as there is room for. Taking fewer than it was given, it has no room now.
    ///
    /// # Errors
    /// `WouldBlock` when it takes none; anything else is final.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => try_write(stream, bytes),
            Self::Tls(session) => session.try_write(bytes),
            Self::Other(foreign) => foreign.try_write(bytes),
        }
    }

    /// Looks at what a write begins with.
    pub(crate) fn bring_near(&self) {
        if let Self::Tcp(stream) = self {
            black_box(stream.as_fd());
        }
    }

    /// Whether it holds bytes itself, so that [`pass_on`](Self::pass_on) is to be called when it is
    /// writable.
    pub(crate) fn holds(&self) -> bool {
        match self {
            Self::Tcp(_) => false,
            Self::Tls(session) => session.holds(),
            Self::Other(foreign) => foreign.holds(),
        }
    }

    /// Passes on what it holds; whether all of it is gone, for good or because the stream is.
    pub(crate) fn pass_on(&self) -> bool {
        match self {
            Self::Tcp(_) => true,
            Self::Tls(session) => session.pass_on(),
            Self::Other(foreign) => foreign.pass_on(),
        }
    }

    /// Ends the write half, after what it holds: there may be some to [pass on](Self::pass_on) yet.
    pub(crate) fn end(&self) {
        match self {
            // It fails when the peer is gone already; then there is nothing to shut.
            Self::Tcp(stream) => drop(SockRef::from(stream).shutdown(Shutdown::Write)),
            Self::Tls(session) => session.end(),
            Self::Other(foreign) => foreign.end(),
        }
    }

    /// Bytes that were handed to the kernel so far, where they are not those that were taken.
    #[cfg(test)]
    pub(crate) fn sent(&self) -> usize {
        match self {
            Self::Tcp(_) | Self::Other(_) => 0,
            Self::Tls(session) => session.sent(),
        }
    }

    /// Resolves when a read or a write is worth a try, which may yet come too early. Cancel-safe. For
    /// one task at a time.
    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        poll_fn(|context| self.poll_ready(interest, context)).await
    }

    /// The same, to be polled: whoever waits for long holds nothing for it.
    pub(crate) fn poll_ready(
        &self,
        interest: Interest,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Ready>> {
        match self {
            Self::Tcp(stream) => poll_ready(stream, interest, context),
            Self::Tls(session) => session.poll_ready(interest, context),
            Self::Other(foreign) => foreign.poll_ready(interest, context).map(Ok),
        }
    }
}

/// Whether the kernel's socket is worth a try. The socket itself remembers whom to wake, one task for each
/// direction.
pub(crate) fn poll_ready(
    stream: &TcpStream,
    interest: Interest,
    context: &mut Context<'_>,
) -> Poll<io::Result<Ready>> {
    let mut ready = Ready::EMPTY;
    if interest.is_readable()
        && let Poll::Ready(readable) = stream.poll_read_ready(context)
    {
        readable?;
        ready |= Ready::READABLE;
    }
    if interest.is_writable()
        && let Poll::Ready(writable) = stream.poll_write_ready(context)
    {
        writable?;
        ready |= Ready::WRITABLE;
    }
    if ready.is_empty() {
        return Poll::Pending;
    }
    Poll::Ready(Ok(ready))
}

/// Pending once in a while, for what is ready without asking tokio.
pub(crate) fn poll_budget(context: &mut Context<'_>) -> Poll<()> {
    pin!(consume_budget()).poll(context)
}

/// A socket whose peer is gone is an error, not a signal. Apple's systems have no such flag; there Rust's runtime
/// ignores the signal.
#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: SendFlags = SendFlags::empty();

/// Writes to the kernel's socket without asking tokio whether that is worth a try: the answer is yes for all
/// but the fullest, and lies where nothing else of a write does. One that is full is tried again as tokio has
/// it, which alone knows what of its readiness is no longer true, and whom to wake.
fn try_write(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match send(stream, bytes, SEND_FLAGS) {
        Ok(taken) => Ok(taken),
        Err(Errno::AGAIN | Errno::INTR) => stream.try_write(bytes),
        Err(error) => Err(error.into()),
    }
}

/// Reads from the kernel's socket, and knows of a short read that nothing is left: without that, every message
/// costs a second system call to hear so. Readiness comes by edges here (epoll(7)): what arrives meanwhile shows
/// anew.
pub(crate) fn try_read(stream: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
    let mut taken = None;
    let tried = stream.try_io(Interest::READABLE, || {
        let count = (&*SockRef::from(stream)).read(into)?;
        taken = Some(count);
        if SHORT_READS_DRAIN && 0 < count && count < into.len() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    });
    match taken {
        Some(count) => Ok(count),
        None => tried.map(|()| 0),
    }
}

/// The stream as it was given to hyper, or to hyper-util's server in front of it.
fn found<S>(upgraded: Upgraded) -> Result<(S, Bytes), Upgraded>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let upgraded = match upgraded.downcast::<TokioIo<S>>() {
        Ok(parts) => return Ok((parts.io.into_inner(), parts.read_buf)),
        Err(upgraded) => upgraded,
    };
    #[cfg(feature = "auto")]
    let upgraded = match hyper_util::server::conn::auto::upgrade::downcast::<TokioIo<S>>(upgraded) {
        Ok(parts) => return Ok((parts.io.into_inner(), parts.read_buf)),
        Err(upgraded) => upgraded,
    };
    Err(upgraded)
}
