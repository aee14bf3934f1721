//! A host that is told what to say: the upgrade and WebSocket are real, the rest is the scene's.

use std::collections::VecDeque;

use fastwebsockets::{Frame, OpCode, Payload, Role, WebSocket, upgrade::upgrade};
use homeroom_protocol::{
    ClientFrame, ConnectionId, Epoch, EventBody, Position, Request, RequestId, RoomNumber, Seq,
    ServerFrame, TimelineEvent, Timestamp, Welcome, decode_client_message, encode_server_frame,
    limit,
};
use hyper::header::{SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const EPOCH: u64 = 5;
/// What the ping behind the upgrade carries.
const EARLY: &[u8; 5] = b"early";

pub(crate) struct Host {
    listener: TcpListener,
}

/// A client, after the upgrade.
pub(crate) struct Link {
    socket: WebSocket<TcpStream>,
    heard: VecDeque<ClientFrame>,
}

/// What a client says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Frame(ClientFrame),
    Pong(Vec<u8>),
    Close(u16),
}

pub(crate) fn position(seq: u64) -> Position {
    Position {
        epoch: Epoch::new(EPOCH).unwrap(),
        seq: Seq(seq),
    }
}

pub(crate) fn sent(id: RequestId, seq: u64) -> ServerFrame {
    ServerFrame::Sent {
        id,
        position: position(seq),
        time: Timestamp(seq),
    }
}

pub(crate) fn event(seq: u64) -> ServerFrame {
    event_with(seq, "hi".into())
}

/// An event of a thousand bytes.
pub(crate) fn long_event(seq: u64) -> ServerFrame {
    event_with(seq, "x".repeat(1000))
}

fn event_with(seq: u64, text: String) -> ServerFrame {
    ServerFrame::Event {
        room: RoomNumber(7),
        epoch: Epoch::new(EPOCH).unwrap(),
        event: TimelineEvent {
            seq: Seq(seq),
            time: Timestamp(seq),
            author: "ben".parse().unwrap(),
            body: EventBody::Message(text.into()),
        },
    }
}

impl Host {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.listener.local_addr().unwrap())
    }

    /// Takes the next client through the upgrade.
    pub(crate) async fn accept(&self) -> Link {
        let (mut stream, head) = self.request().await;
        let line = |name: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            let mut named = lines.filter(|(header, _)| header.eq_ignore_ascii_case(name));
            named.next().map(|(_, value)| value.to_owned())
        };
        assert!(head.starts_with("GET /v1/connect HTTP/1.1\r\n"), "{head}");
        assert_eq!(
            line("sec-websocket-protocol").as_deref(),
            Some("homeroom.v1.msgpack")
        );
        let asked = hyper::Request::get("/")
            .header(SEC_WEBSOCKET_KEY, line("sec-websocket-key").unwrap())
            .header(
                SEC_WEBSOCKET_VERSION,
                line("sec-websocket-version").unwrap(),
            )
            .body(())
            .unwrap();
        let (answer, _) = upgrade(asked).unwrap();
        let digest = answer.headers()[SEC_WEBSOCKET_ACCEPT].to_str().unwrap();
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-protocol: homeroom.v1.msgpack\r\nsec-websocket-accept: {digest}\r\n\r\n"
        );
        // A WebSocket ping is in the same packet: what follows the upgrade must not get lost.
        let answer = [answer.as_bytes(), &[0x89, 5], EARLY].concat();
        stream.write_all(&answer).await.unwrap();
        Link {
            socket: WebSocket::after_handshake(stream, Role::Server),
            heard: VecDeque::new(),
        }
    }

    /// Answers the next client with this, and hangs up.
    pub(crate) async fn answer(&self, answer: &str) {
        let (mut stream, _) = self.request().await;
        stream.write_all(answer.as_bytes()).await.unwrap();
    }

    async fn request(&self) -> (TcpStream, String) {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        (stream, String::from_utf8(head).unwrap())
    }
}

impl Link {
    /// Takes the hello and welcomes the client.
    pub(crate) async fn welcome(&mut self) {
        let hello = match self.hear().await {
            Said::Frame(ClientFrame::Hello(hello)) => hello,
            other => panic!("no hello: {other:?}"),
        };
        assert_eq!(self.hear().await, Said::Pong(EARLY.to_vec()));
        self.say(&[ServerFrame::Welcome(Welcome {
            version: 1,
            capabilities: Vec::new(),
            tenant: hello.tenant,
            user: "ana".parse().unwrap(),
            connection: ConnectionId(1),
            time: Timestamp(0),
            heartbeat_ms: 30_000,
            message_bytes_max: limit::CLIENT_MESSAGE_BYTES_MAX as u64,
            requests_in_flight_max: 64,
            expires: None,
        })])
        .await;
    }

    pub(crate) async fn request(&mut self) -> (RequestId, Request) {
        match self.hear().await {
            Said::Frame(ClientFrame::Request { id, request }) => (id, request),
            other => panic!("no request: {other:?}"),
        }
    }

    /// What the client says next.
    pub(crate) async fn hear(&mut self) -> Said {
        loop {
            if let Some(frame) = self.heard.pop_front() {
                return Said::Frame(frame);
            }
            self.socket.set_auto_close(false);
            let frame = self.socket.read_frame().await.unwrap();
            match frame.opcode {
                OpCode::Pong => return Said::Pong(frame.payload.to_vec()),
                OpCode::Close => {
                    let code = frame.payload[..2].try_into().unwrap();
                    return Said::Close(u16::from_be_bytes(code));
                }
                OpCode::Binary => {
                    let frames =
                        decode_client_message(&frame.payload, limit::CLIENT_MESSAGE_BYTES_MAX);
                    self.heard.extend(frames.unwrap().map(Result::unwrap));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Says this, in one message.
    pub(crate) async fn say(&mut self, frames: &[ServerFrame]) {
        let mut bytes = Vec::new();
        for frame in frames {
            encode_server_frame(frame, &mut bytes);
        }
        let frame = Frame::binary(Payload::Owned(bytes));
        self.socket.write_frame(frame).await.unwrap();
    }

    /// Says this in three pieces, a ping before the last.
    pub(crate) async fn say_in_pieces(&mut self, frame: &ServerFrame, ping: &[u8]) {
        let mut bytes = Vec::new();
        encode_server_frame(frame, &mut bytes);
        let (first, rest) = bytes.split_at(3);
        let (second, third) = rest.split_at(4);
        let pieces = [
            (false, OpCode::Binary, first),
            (false, OpCode::Continuation, second),
            (true, OpCode::Ping, ping),
            (true, OpCode::Continuation, third),
        ];
        for (last, opcode, bytes) in pieces {
            let frame = Frame::new(last, opcode, None, Payload::Borrowed(bytes));
            self.socket.write_frame(frame).await.unwrap();
        }
    }

    pub(crate) async fn close(&mut self, code: u16, why: &str) {
        let frame = Frame::close(code, why.as_bytes());
        self.socket.write_frame(frame).await.unwrap();
    }
}
