//! WebSocket messages over a socket. Reading and writing each take their half and give it back: a read
//! that was begun must be finished (half of a frame may be in it), so the future that holds the half
//! is kept until it is done, never dropped in between.

use std::{
    future::ready,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes, BytesMut};
use fastwebsockets::{
    Frame, OpCode, Payload, Role, WebSocketError, WebSocketRead, WebSocketWrite,
    after_handshake_split,
};
use homeroom_protocol::limit;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::handshake::Upgraded;

/// What a read brings.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A binary message.
    Message(BytesMut),
    /// A text message, which the protocol has none of.
    Text,
    /// A WebSocket ping, to be answered with the same bytes.
    Ping(BytesMut),
    /// A WebSocket pong, or a part of a message.
    SignOfLife,
    /// The server closed: the code, if it gave one, and why.
    Closed(Option<u16>, String),
    /// Nothing more can be read.
    Failed(WebSocketError),
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// A binary message.
    Message,
    /// The answer to a ping.
    Pong,
    /// The end: this side has nothing more to say.
    Close,
}

/// The half that reads.
pub(crate) struct Reader {
    socket: WebSocketRead<Prefixed>,
    /// The parts so far of a message that comes in several.
    parts: Option<BytesMut>,
}

/// The half that writes.
pub(crate) struct Writer {
    socket: WebSocketWrite<Box<dyn AsyncWrite + Send + Unpin>>,
}

/// Makes both halves of an upgraded socket.
pub(crate) fn split(upgraded: Upgraded) -> (Reader, Writer) {
    let read = Prefixed {
        leftover: upgraded.leftover,
        socket: upgraded.read,
    };
    let (mut reader, writer) = after_handshake_split(read, upgraded.write, Role::Client);
    reader.set_auto_close(false);
    reader.set_auto_pong(false);
    // Exclusive there: a message of exactly the limit passes.
    reader.set_max_message_size(limit::SERVER_MESSAGE_BYTES_MAX + 1);
    let reader = Reader {
        socket: reader,
        parts: None,
    };
    (reader, Writer { socket: writer })
}

/// Reads the next thing. Not to be dropped half-done, unless the connection goes with it.
pub(crate) async fn read(mut reader: Reader) -> (Reader, Incoming) {
    let incoming = reader.read().await.unwrap_or_else(Incoming::Failed);
    (reader, incoming)
}

/// Writes one thing, and gives back the buffer for the next. Masks the buffer in place.
pub(crate) async fn write(
    mut writer: Writer,
    what: Outgoing,
    mut payload: Vec<u8>,
) -> (Writer, Vec<u8>, Result<(), WebSocketError>) {
    let opcode = match what {
        Outgoing::Message => OpCode::Binary,
        Outgoing::Pong => OpCode::Pong,
        Outgoing::Close => OpCode::Close,
    };
    let frame = Frame::new(true, opcode, None, Payload::BorrowedMut(&mut payload));
    let written = writer.socket.write_frame(frame).await;
    (writer, payload, written)
}

impl Reader {
    async fn read(&mut self) -> Result<Incoming, WebSocketError> {
        // Nothing is answered behind the driver's back: pings and closes are handed out.
        let mut never = |_: Frame<'_>| ready(Ok::<(), io::Error>(()));
        let frame = self.socket.read_frame(&mut never).await?;
        let (last, opcode) = (frame.fin, frame.opcode);
        let payload = match frame.payload {
            Payload::Bytes(bytes) => bytes,
            Payload::BorrowedMut(bytes) => BytesMut::from(&*bytes),
            Payload::Borrowed(bytes) => BytesMut::from(bytes),
            Payload::Owned(bytes) => BytesMut::from(&bytes[..]),
        };
        match opcode {
            OpCode::Binary if last && self.parts.is_none() => Ok(Incoming::Message(payload)),
            OpCode::Binary if self.parts.is_none() => {
                self.parts = Some(payload);
                Ok(Incoming::SignOfLife)
            }
            OpCode::Continuation => self.continued(&payload, last),
            OpCode::Binary => Err(WebSocketError::InvalidFragment),
            OpCode::Text => Ok(Incoming::Text),
            OpCode::Ping => Ok(Incoming::Ping(payload)),
            OpCode::Pong => Ok(Incoming::SignOfLife),
            OpCode::Close => Ok(closed(&payload)),
        }
    }

    /// A host sends messages whole, but a proxy on the way may cut them.
    fn continued(&mut self, payload: &[u8], last: bool) -> Result<Incoming, WebSocketError> {
        let Some(mut parts) = self.parts.take() else {
            return Err(WebSocketError::InvalidFragment);
        };
        if parts.len() + payload.len() > limit::SERVER_MESSAGE_BYTES_MAX {
            return Err(WebSocketError::FrameTooLarge);
        }
        parts.extend_from_slice(payload);
        if last {
            return Ok(Incoming::Message(parts));
        }
        self.parts = Some(parts);
        Ok(Incoming::SignOfLife)
    }
}

fn closed(payload: &[u8]) -> Incoming {
    match payload {
        [high, low, why @ ..] => Incoming::Closed(
            Some(u16::from_be_bytes([*high, *low])),
            String::from_utf8_lossy(why).into_owned(),
        ),
        _ => Incoming::Closed(None, String::new()),
    }
}

/// A socket, before it the bytes that were read together with the upgrade.
struct Prefixed {
    leftover: Bytes,
    socket: Box<dyn AsyncRead + Send + Unpin>,
}

impl AsyncRead for Prefixed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.leftover.is_empty() {
            return Pin::new(&mut self.socket).poll_read(context, into);
        }
        let count = self.leftover.len().min(into.remaining());
        into.put_slice(&self.leftover[..count]);
        self.leftover.advance(count);
        Poll::Ready(Ok(()))
    }
}
