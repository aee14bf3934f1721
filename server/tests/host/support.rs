//! A host to talk to, and a client that speaks WebSocket by hand, so that it can misbehave.
//!
//! Everything here blocks and gives up after [`PATIENCE`]: a test that would hang fails instead.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use homeroom_engine::{Config, Engine};
use homeroom_protocol::{
    Auth, ClientFrame, CloseCode, Hello, IdempotencyKey, Position, Request, RequestId, RoomNumber,
    Seq, ServerFrame, Welcome, decode_server_message, encode_client_frame, limit,
};
use homeroom_server::{Guests, Host, HostConfig, OperationsDoor, PATH, SUBPROTOCOL, Terms};
use tokio::{runtime::Runtime, task::JoinHandle};

/// Longer than anything here takes on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
const MASK: [u8; 4] = [0xa5, 0x5a, 0x0f, 0xf0];

/// A host on a port of its own.
pub(crate) struct Server {
    runtime: Runtime,
    engine: Engine,
    host: Host,
}

impl Server {
    /// One that keeps nothing.
    pub(crate) fn in_memory() -> Self {
        Self::start(Config::default(), config())
    }

    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self::start(Config::in_folder(folder), config())
    }

    pub(crate) fn start(engine: Config, host: HostConfig) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let (engine, host) = runtime.block_on(async {
            let engine = Engine::open(engine).await.unwrap();
            engine.tenant(&"default".parse().unwrap()).await.unwrap();
            let host = Host::start(engine.clone(), host).await.unwrap();
            (engine, host)
        });
        Self {
            runtime,
            engine,
            host,
        }
    }

    pub(crate) fn make_tenant(&self, name: &str) {
        let name = name.parse().unwrap();
        self.runtime
            .block_on(self.engine.create_tenant(&name))
            .unwrap();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.host.local_addr()
    }

    pub(crate) fn operations(&self) -> SocketAddr {
        self.host.operations_addr().expect("configured")
    }

    /// The host begins to leave; what its end leaves open.
    pub(crate) fn begin_to_leave(self) -> Leaving {
        Leaving {
            host: self.runtime.spawn(self.host.shut_down()),
            engine: self.engine,
            runtime: self.runtime,
        }
    }

    /// Byes, flush, seal.
    pub(crate) fn stop(self) {
        self.runtime.block_on(async {
            self.host.shut_down().await;
            self.engine.shut_down(CloseCode::ShuttingDown, None).await;
        });
    }
}

/// A host on its way out.
pub(crate) struct Leaving {
    host: JoinHandle<Option<OperationsDoor>>,
    engine: Engine,
    runtime: Runtime,
}

impl Leaving {
    /// It has said its byes; the door that stays open until this is dropped.
    pub(crate) fn gone(self) -> Gone {
        let door = self.runtime.block_on(self.host).unwrap();
        Gone {
            door,
            engine: self.engine,
            runtime: self.runtime,
        }
    }
}

/// A host that has left, its engine not sealed.
pub(crate) struct Gone {
    door: Option<OperationsDoor>,
    engine: Engine,
    runtime: Runtime,
}

impl Gone {
    pub(crate) fn seal(self) {
        let sealed = self.engine.shut_down(CloseCode::ShuttingDown, None);
        self.runtime.block_on(sealed);
        drop(self.door);
    }
}

/// Guests allowed, any port.
pub(crate) fn config() -> HostConfig {
    HostConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        terms: Terms {
            guests: Guests::Allowed,
            hang_up_within: Duration::from_millis(100),
            ..Terms::default()
        },
        ..HostConfig::default()
    }
}

/// What came over a WebSocket.
#[derive(Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are frames, and a test holds one"
)]
pub(crate) enum Got {
    Frame(ServerFrame),
    Pong(Vec<u8>),
    Close(u16),
    End,
}

/// A client made of bytes.
pub(crate) struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
    frames: VecDeque<ServerFrame>,
    next_id: u64,
}

impl Client {
    /// A TCP connection, nothing said.
    pub(crate) fn dial(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            unread: Vec::new(),
            frames: VecDeque::new(),
            next_id: 1,
        }
    }

    /// A WebSocket, no hello yet.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::connect_saying(address, &[])
    }

    /// A WebSocket whose client did not wait for the handshake to say more.
    pub(crate) fn connect_saying(address: SocketAddr, early: &[u8]) -> Self {
        let mut client = Self::dial(address);
        client.write(&[upgrade_request().as_bytes(), early].concat());
        let head = client.read_http_head();
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        let agreed = format!("sec-websocket-protocol: {SUBPROTOCOL}");
        assert!(head.to_lowercase().contains(&agreed), "{head}");
        client
    }

    /// A guest of the default tenant who was let in.
    pub(crate) fn enter(address: SocketAddr, user: &str) -> Self {
        Self::enter_tenant(address, "default", user)
    }

    pub(crate) fn enter_tenant(address: SocketAddr, tenant: &str, user: &str) -> Self {
        let mut client = Self::connect(address);
        client.say(&ClientFrame::Hello(hello(tenant, user)));
        let welcome = client.welcome();
        assert_eq!(welcome.user.as_str(), user);
        client
    }

    pub(crate) fn welcome(&mut self) -> Welcome {
        match self.read() {
            Got::Frame(ServerFrame::Welcome(welcome)) => welcome,
            other => panic!("no welcome but {other:?}"),
        }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Any bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// A frame of the protocol, alone in its message.
    pub(crate) fn say(&mut self, frame: &ClientFrame) {
        self.write(&message(&encode(frame)));
    }

    /// A request; its id.
    pub(crate) fn ask(&mut self, request: Request) -> RequestId {
        let id = RequestId(self.next_id);
        self.next_id += 1;
        self.say(&ClientFrame::Request { id, request });
        id
    }

    /// The next frame for which `pick` has a use; what comes before is passed over.
    pub(crate) fn until<T>(&mut self, pick: impl Fn(&ServerFrame) -> Option<T>) -> T {
        loop {
            match self.read() {
                Got::Frame(frame) => {
                    if let Some(picked) = pick(&frame) {
                        return picked;
                    }
                }
                Got::Pong(_) => {}
                end @ (Got::Close(_) | Got::End) => panic!("ended by {end:?}"),
            }
        }
    }

    pub(crate) fn create(&mut self, room: &str) {
        let id = self.ask(Request::Create {
            key: IdempotencyKey(*b"the room's birth"),
            room: room.parse().unwrap(),
            info: homeroom_protocol::RoomInfo::default(),
            members: vec![],
        });
        self.until(|frame| {
            matches!(frame, ServerFrame::Created { id: done, .. } if *done == id).then_some(())
        });
    }

    /// Joins; the room's number and where the pushes begin.
    pub(crate) fn join(&mut self, room: &str, resume: Option<Position>) -> (RoomNumber, Position) {
        let asked = self.ask(Request::Join {
            room: room.parse().unwrap(),
            resume,
        });
        self.until(|frame| match frame {
            ServerFrame::Joined {
                id,
                room,
                position,
                reset,
                ..
            } if *id == asked => {
                assert_eq!(*reset, None);
                Some((*room, *position))
            }
            _ => None,
        })
    }

    /// Sends and waits until it is on disk; the key is made of the text.
    pub(crate) fn send(&mut self, room: RoomNumber, text: &str) -> Position {
        let asked = self.ask(send(room, text));
        self.until(|frame| match frame {
            ServerFrame::Sent { id, position, .. } if *id == asked => Some(*position),
            _ => None,
        })
    }

    /// The next message of any room.
    pub(crate) fn heard(&mut self) -> (Seq, String) {
        self.until(|frame| match frame {
            ServerFrame::Event { event, .. } => match &event.body {
                homeroom_protocol::EventBody::Message(said) => Some((event.seq, said.text.clone())),
                _ => None,
            },
            _ => None,
        })
    }

    /// Still served: a ping comes back.
    pub(crate) fn is_served(&mut self) {
        self.say(&ClientFrame::Ping { nonce: 77 });
        self.until(|frame| matches!(frame, ServerFrame::Pong { nonce: 77, .. }).then_some(()));
    }

    /// The next thing.
    pub(crate) fn read(&mut self) -> Got {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Got::Frame(frame);
            }
            let Some((opcode, payload)) = self.read_websocket_frame() else {
                return Got::End;
            };
            match opcode {
                0x2 => {
                    let frames = decode_server_message(&payload, limit::SERVER_MESSAGE_BYTES_MAX);
                    self.frames.extend(frames.unwrap().map(Result::unwrap));
                }
                0x8 => return Got::Close(u16::from_be_bytes([payload[0], payload[1]])),
                0xa => return Got::Pong(payload),
                other => panic!("opcode {other}"),
            }
        }
    }

    /// What the server's bye says: its code, when to come back, and why.
    pub(crate) fn bye(&mut self) -> (u16, Option<u64>, String) {
        self.until(|frame| match frame {
            ServerFrame::Bye {
                code,
                reconnect_after_ms,
                explanation,
            } => Some((*code, *reconnect_after_ms, explanation.clone())),
            _ => None,
        })
    }

    /// How the server ends it: the bye's code, if there was one, and the close frame's; then no more.
    pub(crate) fn end(&mut self) -> (Option<u16>, u16) {
        let mut bye = None;
        loop {
            match self.read() {
                Got::Frame(ServerFrame::Bye { code, .. }) => bye = Some(code),
                Got::Frame(_) | Got::Pong(_) => {}
                Got::Close(code) => {
                    assert_eq!(self.read(), Got::End);
                    return (bye, code);
                }
                Got::End => panic!("ended without a close frame, bye {bye:?}"),
            }
        }
    }

    /// The head of an HTTP answer.
    pub(crate) fn read_http_head(&mut self) -> String {
        loop {
            if let Some(at) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.unread.drain(..at + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            assert!(
                self.fill(),
                "ended after {:?}",
                String::from_utf8_lossy(&self.unread)
            );
        }
    }

    /// Asks for a path; the answer's status, its head in lower case, and its body.
    pub(crate) fn get(&mut self, path: &str) -> (u16, String, String) {
        self.http(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }

    /// Any HTTP request that is answered with a body.
    pub(crate) fn http(&mut self, request: &str) -> (u16, String, String) {
        self.write(request.as_bytes());
        let head = self.read_http_head().to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        while self.unread.len() < length {
            assert!(self.fill(), "ended inside a body");
        }
        let body = self.unread.drain(..length).collect();
        let status = head["http/1.1 ".len()..][..3].parse().unwrap();
        (status, head, String::from_utf8(body).unwrap())
    }

    /// All that still comes; the server must end it.
    pub(crate) fn read_to_end(&mut self) -> String {
        while self.fill() {}
        String::from_utf8_lossy(&self.unread).into_owned()
    }

    fn read_websocket_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some((opcode, start, end)) = frame_bounds(&self.unread) {
                let payload = self.unread[start..end].to_vec();
                self.unread.drain(..end);
                return Some((opcode, payload));
            }
            if !self.fill() {
                assert!(self.unread.is_empty(), "ended inside a frame");
                return None;
            }
        }
    }

    /// Reads something; whether there was something.
    fn fill(&mut self) -> bool {
        let mut some = [0; 16 * 1024];
        match self.stream.read(&mut some) {
            Ok(count) => {
                self.unread.extend_from_slice(&some[..count]);
                count > 0
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("waited {PATIENCE:?} in vain: {error}"),
        }
    }
}

/// Opcode, begin and end of the payload of the frame at the front, once it is there.
fn frame_bounds(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let [first, second] = *bytes.first_chunk()?;
    assert_eq!(second & 0x80, 0, "servers do not mask");
    let (start, length) = match second {
        126 => (4, bytes.get(2..4)?),
        127 => (10, bytes.get(2..10)?),
        _ => (2, &bytes[1..2]),
    };
    let length = length
        .iter()
        .fold(0, |length, byte| length << 8 | usize::from(*byte));
    (bytes.len() >= start + length).then_some((first & 0x0f, start, start + length))
}

pub(crate) fn upgrade_request() -> String {
    format!(
        "GET {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: chat, {SUBPROTOCOL}\r\n\r\n"
    )
}

pub(crate) fn hello(tenant: &str, user: &str) -> Hello {
    Hello {
        version: 1,
        capabilities: Vec::new(),
        tenant: tenant.parse().unwrap(),
        auth: Auth::Guest {
            name: user.parse().unwrap(),
        },
        device: format!("{user}'s laptop").parse().unwrap(),
    }
}

pub(crate) fn send(room: RoomNumber, text: &str) -> Request {
    let mut key = [0; 16];
    for (at, byte) in text.bytes().enumerate() {
        key[at % 16] ^= byte.rotate_left(u32::try_from(at / 16 % 8).unwrap());
    }
    Request::Send {
        key: IdempotencyKey(key),
        room,
        draft: text.into(),
    }
}

pub(crate) fn encode(frame: &ClientFrame) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_client_frame(frame, &mut bytes);
    bytes
}

/// A binary message as a client must send it.
pub(crate) fn message(payload: &[u8]) -> Vec<u8> {
    client_frame(0x82, payload)
}

/// A masked frame; `first` is flags and opcode.
pub(crate) fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = client_header(first, payload.len());
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m));
    bytes
}

/// The header of a masked frame.
pub(crate) fn client_header(first: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ 0..=125), _) => bytes.push(0x80 | length),
        (_, Ok(length)) => {
            bytes.push(0x80 | 126);
            bytes.extend(length.to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes
}
