//! A client's end of a WebSocket, as thin as it can be: thousands of them fit into one program, its cost is
//! small beside the server's, and it can be cut as a cable is.

use std::{io, net::SocketAddr, time::Duration};

use homeroom_protocol::{
    Auth, ClientFrame, Hello, Request, RequestId, ServerFrame, TenantName, decode_server_message,
    encode_client_frame, limit::SERVER_MESSAGE_BYTES_MAX,
};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Longer than any single step takes on a machine that is not stuck.
const PATIENCE: Duration = Duration::from_secs(60);
/// The binary and the close frame (RFC 6455, 5.2), both final.
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
/// A masking key of zeros leaves the payload as it is, and is one (RFC 6455, 5.3).
const MASK: [u8; 4] = [0; 4];

/// One connection.
#[derive(Debug)]
pub struct Line {
    stream: TcpStream,
    /// Read, and not yet handed out.
    input: Vec<u8>,
}

impl Line {
    /// Connects, and asks for a WebSocket.
    ///
    /// # Errors
    /// The system's, or what the host answered.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let head = format!(
            "GET /v1/connect HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: homeroom.v1.msgpack\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        let mut input = Vec::new();
        let end = loop {
            if stream.read_buf(&mut input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(end) = input.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        if !input.starts_with(b"HTTP/1.1 101 ") {
            return Err(io::Error::other(
                String::from_utf8_lossy(&input).into_owned(),
            ));
        }
        input.drain(..end);
        Ok(Self { stream, input })
    }

    /// Connects as a guest and is welcomed.
    ///
    /// # Errors
    /// As [`open`](Self::open), or what came instead of a welcome.
    pub async fn enter(address: SocketAddr, tenant: &TenantName, name: &str) -> io::Result<Self> {
        let mut line = Self::open(address).await?;
        let hello = Hello {
            version: 1,
            capabilities: Vec::new(),
            tenant: tenant.clone(),
            auth: Auth::Guest {
                name: name.parse().map_err(io::Error::other)?,
            },
            device: "bench".parse().map_err(io::Error::other)?,
        };
        let mut message = Vec::new();
        encode_client_frame(&ClientFrame::Hello(hello), &mut message);
        line.send(&message).await?;
        match line.frames().await?.first() {
            Some(ServerFrame::Welcome(_)) => Ok(line),
            other => Err(io::Error::other(format!("no welcome: {other:?}"))),
        }
    }

    /// Asks, and waits for the reply to it; what comes before is dropped.
    ///
    /// # Errors
    /// The system's, and a refusal.
    pub async fn ask(&mut self, id: u64, request: Request) -> io::Result<ServerFrame> {
        let mut message = Vec::new();
        let id = RequestId(id);
        encode_client_frame(&ClientFrame::Request { id, request }, &mut message);
        self.send(&message).await?;
        loop {
            for frame in self.frames().await? {
                match &frame {
                    ServerFrame::Error { explanation, .. } => {
                        return Err(io::Error::other(explanation.clone()));
                    }
                    ServerFrame::Created { id: of, .. }
                    | ServerFrame::Joined { id: of, .. }
                    | ServerFrame::Page { id: of, .. }
                        if *of == id =>
                    {
                        return Ok(frame);
                    }
                    _ => {}
                }
            }
        }
    }

    /// Writes one message. Not to be cancelled.
    ///
    /// # Errors
    /// The system's; also when nothing is taken for a minute.
    pub async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(message.len() + 14);
        bytes.push(BINARY);
        match (u8::try_from(message.len()), u16::try_from(message.len())) {
            (Ok(length @ ..126), _) => bytes.push(0x80 | length),
            (_, Ok(length)) => {
                bytes.push(0x80 | 126);
                bytes.extend(length.to_be_bytes());
            }
            (_, Err(_)) => {
                bytes.push(0x80 | 127);
                bytes.extend((message.len() as u64).to_be_bytes());
            }
        }
        bytes.extend(MASK);
        bytes.extend(message);
        timeout(PATIENCE, self.stream.write_all(&bytes)).await?
    }

    /// The next message; `None` after a close frame. May be cancelled.
    ///
    /// # Errors
    /// The system's, and anything but whole binary messages.
    pub async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some((first, message)) = self.take_frame() {
                return match first {
                    BINARY => Ok(Some(message)),
                    CLOSE => Ok(None),
                    other => Err(io::Error::other(format!("a frame of kind {other:#x}"))),
                };
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The frames of the next message.
    ///
    /// # Errors
    /// As [`next`](Self::next), and frames that cannot be read.
    pub async fn frames(&mut self) -> io::Result<Vec<ServerFrame>> {
        let message = timeout(PATIENCE, self.next()).await??;
        let message = message.ok_or(io::ErrorKind::ConnectionAborted)?;
        let frames = decode_server_message(&message, SERVER_MESSAGE_BYTES_MAX);
        let frames = frames.map_err(io::Error::other)?;
        frames
            .map(|frame| frame.map_err(io::Error::other))
            .collect()
    }

    /// Cuts it: the host gets a reset, and what was under way either way is lost.
    pub fn cut(self) {
        // Where that fails the socket is gone already.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    fn take_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (&first, &second) = (self.input.first()?, self.input.get(1)?);
        let (head, length) = match second {
            126 => (
                4,
                u64::from(u16::from_be_bytes(self.input.get(2..4)?.try_into().ok()?)),
            ),
            127 => (
                10,
                u64::from_be_bytes(self.input.get(2..10)?.try_into().ok()?),
            ),
            length => (2, u64::from(length)),
        };
        let end = head + usize::try_from(length).ok()?;
        let message = self.input.get(head..end)?.to_vec();
        self.input.drain(..end);
        Some((first, message))
    }
}
