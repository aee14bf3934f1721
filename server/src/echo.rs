//! A host that sends every message back, on the very transport of the real one: what a conformance suite talks to.
//!
//! Such suites speak no protocol of ours, so what they test is below it: the handshake without a subprotocol,
//! frames, fragments, control frames between them, the end. Two things differ from the real host, and both are
//! [`Bounds`]: messages may be large, and may be text. Not part of the library: behind the feature `echo`.

use std::{
    convert::Infallible,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use homeroom_engine::hub::SocketSink;
use homeroom_protocol::websocket::{pong_message, server_message};
use http_body_util::Full;
use hyper::{Request, Response, StatusCode, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::Interest,
    net::{TcpListener, TcpStream},
};

use crate::{
    farewell::End,
    scratch::Scratch,
    socket::Socket,
    websocket::{self, Bounds, Item, Reader},
    wire::Wire,
};

/// Sixteen MiB in fragments of 64 bytes and more are the most that Autobahn sends.
const BOUNDS: Bounds = Bounds {
    message_bytes_max: 16 * 1024 * 1024,
    fragments_max: 1 << 17,
    text: true,
};
/// The flags and opcode of a whole text message.
const TEXT: u8 = 0x81;
/// As the real host has it.
const HANG_UP_WITHIN: Duration = Duration::from_secs(2);

/// Serves whoever connects, for ever.
///
/// # Errors
/// The listener's.
pub async fn serve(listener: TcpListener) -> io::Result<Infallible> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            if let Some((wire, early)) = shake_hands(stream).await {
                Echo::new(wire).converse(early.into()).await;
            }
        });
    }
}

/// The opening handshake, by way of hyper; `None` when it was none.
async fn shake_hands(stream: TcpStream) -> Option<(Wire, Bytes)> {
    let upgrading = Mutex::new(None);
    let answering = service_fn(async |mut request: Request<_>| {
        let accepted = websocket::is_upgrade(&request)
            .then(|| websocket::accept_any(&mut request))
            .flatten();
        Ok::<_, Infallible>(match accepted {
            Some((response, accepted)) => {
                *upgrading.lock().expect("nothing panics while holding it") = Some(accepted);
                response.map(|_| Full::<Bytes>::default())
            }
            None => {
                let mut refusal = Response::new(Full::default());
                *refusal.status_mut() = StatusCode::BAD_REQUEST;
                refusal
            }
        })
    });
    let http = http1::Builder::new().serve_connection(TokioIo::new(stream), answering);
    http.with_upgrades().await.ok()?;
    let upgrading = upgrading
        .into_inner()
        .expect("nothing panics while holding it")?;
    Some(Wire::below(upgrading.upgraded().await?))
}

/// One connection.
struct Echo {
    socket: Arc<Socket>,
    sink: Arc<dyn SocketSink>,
    reader: Reader,
}

impl Echo {
    fn new(wire: Wire) -> Self {
        let socket = Socket::new(wire);
        Self {
            sink: socket.sink(),
            socket,
            reader: Reader::new(&BOUNDS),
        }
    }

    /// To its end.
    async fn converse(mut self, mut early: Vec<u8>) {
        let end = match self.take(&mut early).await {
            Ok(()) => self.listen().await,
            Err(end) => end,
        };
        end.carry_out(None, self.socket, HANG_UP_WITHIN).await;
    }

    async fn listen(&mut self) -> End {
        loop {
            let interest = if self.socket.wish().writable {
                Interest::READABLE | Interest::WRITABLE
            } else {
                Interest::READABLE
            };
            let Ok(ready) = self.socket.wire().ready(interest).await else {
                return End::Lost;
            };
            if ready.is_writable() {
                // A pong that found no room.
                self.socket.take_room();
            }
            if !ready.is_readable() {
                continue;
            }
            let mut scratch = Scratch::take();
            match self.socket.wire().try_read(&mut scratch) {
                Ok(0) => return End::Lost,
                Ok(count) => {
                    if let Err(end) = self.take(&mut scratch[..count]).await {
                        return end;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return End::Lost,
            }
        }
    }

    async fn take(&mut self, mut input: &mut [u8]) -> Result<(), End> {
        while let Some(item) = self.reader.next(&mut input)? {
            match item {
                Item::Message(message) => {
                    write(&self.socket, &*self.sink, &server_message(&message).bytes).await?;
                }
                Item::Text(text) => {
                    let mut message = server_message(&text).bytes.to_vec();
                    message[0] = TEXT;
                    write(&self.socket, &*self.sink, &message).await?;
                }
                Item::Ping(payload) => {
                    let pong = pong_message(&payload).expect("the reader refuses longer ones");
                    self.socket.write_control(pong);
                }
                Item::Pong => {}
                Item::Close { code } => return Err(End::Left { code }),
            }
        }
        Ok(())
    }
}

/// Writes a whole frame, as the hub does it: what is not taken is offered again when there is room.
async fn write(socket: &Socket, sink: &dyn SocketSink, mut frame: &[u8]) -> Result<(), End> {
    loop {
        match sink.try_write(frame) {
            Ok(taken) => frame = &frame[taken..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(End::Lost),
        }
        if frame.is_empty() {
            return Ok(());
        }
        loop {
            let ready = socket.wire().ready(Interest::WRITABLE).await;
            let ready = ready.map_err(|_| End::Lost)?;
            if ready.is_writable() && socket.take_room() {
                break;
            }
        }
    }
}
