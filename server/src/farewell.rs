//! How connections end: who says what last, and that it arrives.
//!
//! A socket that is closed while unread bytes wait in it makes the kernel send a reset, and the reset
//! can overtake the close frame. So the write half is shut first, and the peer gets a moment to read
//! it and hang up.

use std::{fmt, sync::Arc, time::Duration};

use homeroom_engine::{Connection, tenant::Disconnection};
use homeroom_protocol::{
    CloseCode, ScanError, ServerFrame, websocket::close_message, wire_message,
};
use tokio::{
    io::Interest,
    time::{Instant, timeout, timeout_at},
};

use crate::{scratch::Scratch, socket::Socket, websocket::Violation};

/// How long the hub may take to close a socket it was told to close.
const HUB_CLOSES_WITHIN: Duration = Duration::from_secs(5);
/// For a close frame that gave no code (RFC 6455, 7.1.5, calls it 1005, which is never sent).
const NORMAL: u16 = 1000;

/// Why a conversation is over.
#[derive(Debug)]
pub(crate) enum End {
    /// The client closed, for this reason.
    Left { code: Option<u16> },
    /// The socket broke, or ended without a word.
    Lost,
    /// The hub closed it.
    Closed,
    /// It broke WebSocket itself: what else it says cannot be made out, so it gets no bye.
    Garbled(Violation),
    /// We close it.
    Refused(Bye),
}

/// What a client is told at the end.
#[derive(Debug)]
pub(crate) struct Bye {
    code: CloseCode,
    reconnect_after_ms: Option<u64>,
    explanation: String,
}

impl Bye {
    /// Says what the code means, and not to reconnect.
    pub(crate) fn new(code: CloseCode) -> Self {
        Self {
            code,
            reconnect_after_ms: None,
            explanation: code.meaning().to_owned(),
        }
    }

    /// Says more precisely what happened.
    pub(crate) fn because(mut self, explanation: impl fmt::Display) -> Self {
        self.explanation = explanation.to_string();
        self
    }

    /// Says when to come back.
    pub(crate) const fn back_after_ms(mut self, ms: u64) -> Self {
        self.reconnect_after_ms = Some(ms);
        self
    }

    /// As the last bytes of a connection: the frame, and the WebSocket's own close.
    fn wire(self) -> Vec<u8> {
        let close = close_message(self.code.number(), &self.explanation);
        let bye = wire_message(&ServerFrame::Bye {
            code: self.code.number(),
            reconnect_after_ms: self.reconnect_after_ms,
            explanation: self.explanation,
        });
        [&bye.bytes[..], &close].concat()
    }
}

impl From<Bye> for End {
    fn from(bye: Bye) -> Self {
        Self::Refused(bye)
    }
}

impl From<Violation> for End {
    fn from(violation: Violation) -> Self {
        match violation.close_code() {
            Some(code) => Bye::new(code).because(violation).into(),
            None => Self::Garbled(violation),
        }
    }
}

impl From<ScanError> for End {
    fn from(error: ScanError) -> Self {
        Bye::new(error.close_code()).because(error).into()
    }
}

impl End {
    /// Ends the connection, telling whoever has to know.
    pub(crate) async fn carry_out(
        self,
        attached: Option<Connection>,
        socket: Arc<Socket>,
        hang_up_within: Duration,
    ) {
        match (self, attached) {
            (Self::Lost, attached) => {
                if let Some(connection) = attached {
                    connection.disconnected(Disconnection::Vanished).await;
                }
                return;
            }
            (Self::Closed, attached) => {
                if let Some(connection) = attached {
                    connection.disconnected(Disconnection::Vanished).await;
                }
            }
            (Self::Left { code }, attached) => {
                if let Some(connection) = attached {
                    connection.disconnected(departure(code)).await;
                }
                socket.finish(&close_message(code.unwrap_or(NORMAL), ""));
            }
            (Self::Garbled(violation), attached) => {
                tracing::debug!(%violation, "garbled");
                if let Some(connection) = attached {
                    connection.disconnected(Disconnection::Vanished).await;
                }
                let code = violation.websocket_code();
                socket.finish(&close_message(code, &violation.to_string()));
            }
            (Self::Refused(bye), None) => {
                tracing::debug!(code = bye.code.number(), why = %bye.explanation, "refused");
                socket.finish(&bye.wire());
            }
            (Self::Refused(bye), Some(connection)) => {
                let id = connection.id();
                tracing::debug!(connection = id.0, code = bye.code.number(), why = %bye.explanation, "closed");
                let close = connection.close(bye.code, bye.reconnect_after_ms, &bye.explanation);
                close.await;
                let closed = timeout(HUB_CLOSES_WITHIN, async {
                    while !socket.wish().closed {
                        socket.changed().await;
                    }
                });
                if closed.await.is_err() {
                    tracing::warn!(
                        connection = id.0,
                        "the hub did not close a connection in time"
                    );
                    socket.finish(&[]);
                }
            }
        }
        linger(&socket, Instant::now() + hang_up_within).await;
    }
}

/// What a client's own close says of its device. Only 1000 is a farewell: a page that is reloaded sends
/// 1001, and is back in a moment.
const fn departure(code: Option<u16>) -> Disconnection {
    match code {
        Some(NORMAL) => Disconnection::Clean,
        Some(_) | None => Disconnection::Vanished,
    }
}

/// Passes on what the wire holds and reads on, into nothing, until the peer hangs up or its time is
/// over.
async fn linger(socket: &Socket, over: Instant) {
    let wire = socket.wire();
    loop {
        let interest = if wire.holds() {
            Interest::READABLE | Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        let Ok(Ok(ready)) = timeout_at(over, wire.ready(interest)).await else {
            return;
        };
        if ready.is_writable() {
            wire.pass_on();
        }
        if ready.is_readable() {
            match wire.try_read(&mut Scratch::take()) {
                Ok(0) => return,
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => {}
            }
        }
    }
}
