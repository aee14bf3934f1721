//! Scenarios of a shard, with sinks that take as many bytes as they are told to.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use homeroom_protocol::{
    CloseCode, ConnectionId, Epoch, EventBody, Position, RequestId, RoomNumber, Seq, ServerFrame,
    TimelineEvent, Timestamp, UserId, decode_server_message, limit::SERVER_MESSAGE_BYTES_MAX,
};

use super::*;

mod closing;
mod delivery;
mod law;
mod paging;
mod passing;
mod pausing;
mod slow;
mod telling;

const TENANT: TenantLife = TenantLife(1);
const ROOM: RoomNumber = RoomNumber(7);
const NOW: Timestamp = Timestamp(1_000_000);
/// Takes everything.
const OPEN: usize = usize::MAX;

/// The far end of a fake sink.
#[derive(Debug, Default)]
struct Far {
    /// Bytes (or, of a session, frames) it will still take.
    credit: usize,
    bytes: Vec<u8>,
    frames: Vec<ServerFrame>,
    writes: usize,
    closed: Option<CloseCode>,
    broken: bool,
    /// How often events were taken back.
    taken_back: usize,
}

#[derive(Debug, Clone)]
struct Fake(Arc<Mutex<Far>>);

impl Fake {
    fn new(credit: usize) -> Self {
        Self(Arc::new(Mutex::new(Far {
            credit,
            ..Far::default()
        })))
    }

    fn far(&self) -> MutexGuard<'_, Far> {
        self.0.lock().unwrap()
    }

    fn frames(&self) -> Vec<ServerFrame> {
        decoded(&self.far().bytes).frames
    }

    /// The seqs of the events it was given.
    fn seqs(&self) -> Vec<u64> {
        seqs(&self.frames())
    }
}

impl SocketSink for Fake {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut far = self.far();
        assert!(!bytes.is_empty() && far.closed.is_none());
        far.writes += 1;
        if far.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if far.credit == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = far.credit.min(bytes.len());
        if far.credit != OPEN {
            far.credit -= taken;
        }
        far.bytes.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn close(&self, code: CloseCode) {
        self.far().closed = Some(code);
    }
}

impl SessionSink for Fake {
    fn try_push(&mut self, push: &Arc<Push>) -> Result<(), SessionRefusal> {
        let mut far = self.far();
        if far.broken {
            return Err(SessionRefusal::Gone);
        }
        if far.credit == 0 {
            return Err(SessionRefusal::Full);
        }
        if far.credit != OPEN {
            far.credit -= 1;
        }
        far.frames.push(push.frame().clone());
        Ok(())
    }

    /// What it took counts as read.
    fn take_back(&mut self, _of: Option<RoomNumber>) {}

    /// What it took counts as read.
    fn take_back_events(
        &mut self,
        _unwanted: &dyn Fn(RoomNumber) -> bool,
    ) -> BTreeMap<RoomNumber, Seq> {
        self.far().taken_back += 1;
        BTreeMap::new()
    }

    fn close(&mut self, code: CloseCode) {
        self.far().closed = Some(code);
    }
}

/// What a byte stream says.
struct Decoded {
    frames: Vec<ServerFrame>,
    /// Where each frame begins.
    starts: Vec<usize>,
    close: Option<u16>,
    /// Bytes of a last frame that is not whole.
    torn: usize,
}

fn decoded(bytes: &[u8]) -> Decoded {
    let mut all = Decoded {
        frames: Vec::new(),
        starts: Vec::new(),
        close: None,
        torn: 0,
    };
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (header, length) = match rest.get(1) {
            Some(126) if rest.len() >= 4 => (4, usize::from(rest[2]) << 8 | usize::from(rest[3])),
            Some(127) if rest.len() >= 10 => {
                let length = u64::from_be_bytes(rest[2..10].try_into().unwrap());
                (10, usize::try_from(length).unwrap())
            }
            Some(&short @ 0..=125) => (2, usize::from(short)),
            _ => (2, usize::MAX - 2),
        };
        if rest.len() < header + length {
            all.torn = rest.len();
            break;
        }
        let payload = &rest[header..header + length];
        match rest[0] {
            0x82 => {
                for frame in decode_server_message(payload, SERVER_MESSAGE_BYTES_MAX).unwrap() {
                    all.frames.push(frame.unwrap());
                    all.starts.push(at);
                }
            }
            0x88 => all.close = Some(u16::from(payload[0]) << 8 | u16::from(payload[1])),
            other => panic!("no such opcode: {other:#x}"),
        }
        at += header + length;
    }
    all
}

fn seqs(frames: &[ServerFrame]) -> Vec<u64> {
    let seq = |frame: &ServerFrame| match frame {
        ServerFrame::Event { event, .. } => Some(event.seq.0),
        _ => None,
    };
    frames.iter().filter_map(seq).collect()
}

fn epoch() -> Epoch {
    Epoch::new(9).unwrap()
}

fn event_of(room: RoomNumber, seq: u64, length: usize) -> Arc<Push> {
    Arc::new(Push::new(ServerFrame::Event {
        room,
        epoch: epoch(),
        event: TimelineEvent {
            seq: Seq(seq),
            time: NOW,
            author: UserId::new("ada").unwrap(),
            body: EventBody::Message("x".repeat(length).into()),
        },
    }))
}

fn pong(nonce: u64) -> Arc<Push> {
    Arc::new(Push::new(ServerFrame::Pong { nonce, time: NOW }))
}

fn joined_at(room: RoomNumber, seq: u64) -> Arc<Push> {
    Arc::new(Push::new(ServerFrame::Joined {
        id: RequestId(1),
        room,
        position: Position {
            epoch: epoch(),
            seq: Seq(seq),
        },
        head: Seq(seq),
        reset: None,
        members: 1,
        info: homeroom_protocol::RoomInfo::default(),
        permissions: homeroom_protocol::Permissions::NONE,
    }))
}

fn typing(count: u32) -> Arc<Push> {
    typing_in(ROOM, count)
}

fn typing_in(room: RoomNumber, count: u32) -> Arc<Push> {
    Arc::new(Push::new(ServerFrame::Typing {
        room,
        users: Vec::new(),
        count,
        thread: None,
    }))
}

/// A shard and what it said it needs.
struct Stage {
    shard: Shard,
    needs: Vec<Need>,
    now: Timestamp,
}

impl Stage {
    fn new() -> Self {
        Self::bounded(OUTBOX_BYTES_MAX)
    }

    fn bounded(outbox_bytes_max: usize) -> Self {
        Self {
            shard: Shard::new(outbox_bytes_max),
            needs: Vec::new(),
            now: NOW,
        }
    }

    fn socket(&mut self, id: u64, credit: usize) -> (Fake, Arc<Gauge>) {
        self.socket_of(TENANT, id, credit)
    }

    fn socket_of(&mut self, tenant: TenantLife, id: u64, credit: usize) -> (Fake, Arc<Gauge>) {
        let (fake, gauge) = (Fake::new(credit), Arc::default());
        let sink = Sink::Socket(Arc::new(fake.clone()));
        (self.shard).attach(tenant, ConnectionId(id), sink, Arc::clone(&gauge));
        (fake, gauge)
    }

    fn session(&mut self, id: u64, credit: usize) -> (Fake, Arc<Gauge>) {
        let (fake, gauge) = (Fake::new(credit), Arc::default());
        let sink = Sink::Session(Box::new(fake.clone()));
        (self.shard).attach(TENANT, ConnectionId(id), sink, Arc::clone(&gauge));
        (fake, gauge)
    }

    fn deliver(&mut self, delivery: Delivery) {
        self.shard.deliver(TENANT, delivery);
    }

    /// Hears the room from `next` on, whose head is `head`; the generation is 1.
    fn listen(&mut self, id: u64, next: u64, head: u64) {
        self.listen_to(id, ROOM, next, head, 1);
    }

    fn listen_to(&mut self, id: u64, room: RoomNumber, next: u64, head: u64, generation: u64) {
        self.deliver(Delivery::Listen {
            connection: ConnectionId(id),
            room,
            epoch: epoch(),
            next: Seq(next),
            head: Seq(head),
            generation: Generation(generation),
        });
    }

    fn unlisten(&mut self, id: u64) {
        self.deliver(Delivery::Unlisten {
            connection: ConnectionId(id),
            room: ROOM,
        });
    }

    fn pause(&mut self, generation: u64) {
        self.deliver(Delivery::Pause {
            room: Some(ROOM),
            generation: Generation(generation),
        });
    }

    fn restamp(&mut self, ids: impl IntoIterator<Item = u64>, generation: u64) {
        self.deliver(Delivery::Restamp {
            room: ROOM,
            connections: ids.into_iter().map(ConnectionId).collect(),
            generation: Generation(generation),
        });
    }

    fn view(&mut self, id: u64, room: Option<RoomNumber>, thread: Option<u64>) {
        self.deliver(Delivery::View {
            connection: ConnectionId(id),
            room,
            thread: thread.map(Seq),
        });
    }

    fn pass(&mut self, seq: u64, members: u32) {
        self.deliver(Delivery::Passed {
            room: ROOM,
            seq: Seq(seq),
            members,
        });
    }

    /// To whoever shows the room, or a thread of it.
    fn signal(&mut self, thread: Option<u64>, kind: SignalKind, push: Arc<Push>) {
        self.deliver(Delivery::Signal {
            audience: Audience::Viewers(ROOM, thread.map(Seq)),
            kind,
            push,
        });
    }

    fn event(&mut self, seq: u64) {
        self.long_event(seq, 10);
    }

    fn long_event(&mut self, seq: u64, length: usize) {
        self.deliver(Delivery::Event {
            room: ROOM,
            seq: Seq(seq),
            push: event_of(ROOM, seq, length),
        });
    }

    fn direct(&mut self, id: u64, push: Arc<Push>) {
        self.deliver(Delivery::Direct {
            connection: ConnectionId(id),
            push,
        });
    }

    fn typing(&mut self, count: u32) {
        self.deliver(Delivery::Signal {
            audience: Audience::Room(ROOM),
            kind: SignalKind::Typing,
            push: typing(count),
        });
    }

    fn page(&mut self, id: u64, generation: u64, seqs: impl IntoIterator<Item = u64>) {
        self.deliver(Delivery::Page {
            connection: ConnectionId(id),
            room: ROOM,
            generation: Generation(generation),
            events: (seqs.into_iter())
                .map(|seq| (Seq(seq), event_of(ROOM, seq, 10)))
                .collect(),
        });
    }

    fn close(&mut self, id: u64, code: CloseCode) {
        self.deliver(Delivery::Close {
            connection: ConnectionId(id),
            code,
            reconnect_after_ms: Some(5),
            explanation: None,
        });
    }

    fn end_turn(&mut self) -> Turn {
        let turn = self.shard.end_turn(self.now, &mut self.needs);
        self.shard.seating.check();
        turn
    }

    /// Ends turns until nothing is left to write.
    fn settle(&mut self) {
        while self.end_turn().more {}
    }

    fn tick(&mut self) {
        self.shard.tick(self.now, &mut self.needs);
        self.shard.seating.check();
    }

    /// Gives a sink credit and says that it is writable.
    fn allow(&mut self, id: u64, fake: &Fake, credit: usize) {
        fake.far().credit = credit;
        self.shard.writable(ConnectionId(id), self.now);
    }

    /// The pages asked for since the last look, as (connection, from).
    fn asked(&mut self) -> Vec<(u64, u64)> {
        let page = |need: Need| match need {
            Need::Page {
                connection, from, ..
            } => Some((connection.0, from.0)),
            Need::Ended { .. } => None,
        };
        self.needs.drain(..).filter_map(page).collect()
    }
}

fn ended(id: u64) -> Need {
    Need::Ended {
        tenant: TENANT,
        connection: ConnectionId(id),
    }
}
