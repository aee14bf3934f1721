//! A real shard in the place of the hub without sockets: its listeners are sockets that take bytes when
//! they are told to.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{Arc, Mutex},
};

use homeroom_engine::{
    hub::{Delivery, Gauge, Need, OUTBOX_BYTES_MAX, Shard, Sink, SocketSink, TenantLife},
    tenant::Input,
};
use homeroom_protocol::{
    CloseCode, ConnectionId, ServerFrame, Timestamp, decode_server_message,
    limit::SERVER_MESSAGE_BYTES_MAX,
};

const LIFE: TenantLife = TenantLife(1);

pub(crate) struct Stage {
    shard: Shard,
    sockets: BTreeMap<ConnectionId, Socket>,
    needs: VecDeque<Need>,
    now: Timestamp,
    /// Nothing that is collected is written meanwhile.
    pub(crate) turns_wait: bool,
    /// Pages that are asked for are not read meanwhile.
    pub(crate) pages_wait: bool,
}

#[derive(Debug, Clone, Default)]
struct Socket(Arc<Mutex<Far>>);

#[derive(Debug, Default)]
struct Far {
    blocked: bool,
    bytes: Vec<u8>,
}

impl SocketSink for Socket {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut far = self.0.lock().unwrap();
        if far.blocked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        far.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn close(&self, _code: CloseCode) {}
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self {
            shard: Shard::new(OUTBOX_BYTES_MAX),
            sockets: BTreeMap::new(),
            needs: VecDeque::new(),
            now: Timestamp(1),
            turns_wait: false,
            pages_wait: false,
        }
    }

    pub(crate) fn open(&mut self, connection: ConnectionId) {
        let socket = Socket::default();
        let sink = Sink::Socket(Arc::new(socket.clone()));
        let gauge: Arc<Gauge> = Arc::default();
        self.shard.attach(LIFE, connection, sink, gauge);
        self.sockets.insert(connection, socket);
    }

    pub(crate) fn close(&mut self, connection: ConnectionId) {
        self.shard.detach(connection);
        self.sockets.remove(&connection);
    }

    pub(crate) fn deliver(&mut self, delivery: Delivery) {
        if let Delivery::Answer(answer) = delivery {
            answer.leave();
        } else {
            self.shard.deliver(LIFE, delivery);
        }
        self.turn();
    }

    /// A second passes for the shard.
    pub(crate) fn tick(&mut self) {
        self.now = self.now.plus_ms(1_000);
        let mut needs = Vec::new();
        self.shard.tick(self.now, &mut needs);
        self.needs.extend(needs);
        self.turn();
    }

    /// Writes what was collected.
    pub(crate) fn turn(&mut self) {
        let mut needs = Vec::new();
        while !self.turns_wait && self.shard.end_turn(self.now, &mut needs).more {}
        self.needs.extend(needs);
    }

    /// A page that is needed next.
    pub(crate) fn need(&mut self) -> Option<Input> {
        if self.pages_wait {
            return None;
        }
        self.needs.pop_front().map(|need| match need {
            Need::Page {
                connection,
                room,
                generation,
                from,
                ..
            } => Input::Page {
                connection,
                room,
                generation,
                from,
            },
            Need::Ended { connection, .. } => panic!("{connection:?} was cut"),
        })
    }

    /// How many pages were asked for and not read.
    pub(crate) fn pages_asked(&self) -> usize {
        self.needs.len()
    }

    /// A socket takes nothing from now on.
    pub(crate) fn block(&mut self, connection: ConnectionId) {
        self.sockets[&connection].0.lock().unwrap().blocked = true;
    }

    /// A socket takes everything again.
    pub(crate) fn unblock(&mut self, connection: ConnectionId) {
        self.sockets[&connection].0.lock().unwrap().blocked = false;
        self.shard.writable(connection, self.now);
        self.turn();
    }

    /// Bytes that all sockets have taken.
    pub(crate) fn bytes(&self) -> usize {
        let sockets = self.sockets.values();
        sockets
            .map(|socket| socket.0.lock().unwrap().bytes.len())
            .sum()
    }

    /// What a socket has taken.
    pub(crate) fn bytes_of(&self, connection: ConnectionId) -> Vec<u8> {
        self.sockets[&connection].0.lock().unwrap().bytes.clone()
    }

    /// Forgets what a socket has taken, without a look at it.
    pub(crate) fn forget(&mut self) {
        for socket in self.sockets.values() {
            socket.0.lock().unwrap().bytes.clear();
        }
    }

    /// What a socket has taken since this was last asked.
    pub(crate) fn inbox(&mut self, connection: ConnectionId) -> Vec<ServerFrame> {
        let Some(socket) = self.sockets.get(&connection) else {
            return Vec::new();
        };
        let bytes = std::mem::take(&mut socket.0.lock().unwrap().bytes);
        let mut frames = Vec::new();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            assert_eq!(rest[0], 0x82, "whole binary messages");
            let (header, length) = match rest[1] {
                126 => (4, usize::from(rest[2]) << 8 | usize::from(rest[3])),
                127 => {
                    let length = u64::from_be_bytes(rest[2..10].try_into().unwrap());
                    (10, usize::try_from(length).unwrap())
                }
                short => (2, usize::from(short)),
            };
            let (message, later) = rest.split_at(header + length);
            let said = decode_server_message(&message[header..], SERVER_MESSAGE_BYTES_MAX);
            frames.extend(said.unwrap().map(Result::unwrap));
            rest = later;
        }
        frames
    }
}
