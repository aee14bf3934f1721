//! A machine, a clock, and a server that says what the scene tells it to.

use homeroom_protocol::{
    Auth, ClientFrame, CloseCode, Epoch, ErrorCode, EventBody, Hello, IdempotencyKey, Permissions,
    Position, Request, RequestId, RoomId, RoomInfo, RoomNumber, Seq, ServerFrame, TimelineEvent,
    Timestamp, UserId, Welcome, decode_client_message, encode_server_frame, limit,
};

use crate::{
    command::{Command, Outcome},
    event::{Event, Lost},
    machine::{Limits, Machine, Settings, State},
    moment::Moment,
};

/// Both sides of a scene. Answers are known by the number their command was submitted with.
pub(super) struct Script {
    pub(super) machine: Machine<u32>,
    pub(super) now: Moment,
}

pub(super) fn settings(seed: u64, limits: Limits) -> Settings {
    Settings {
        tenant: "school".parse().unwrap(),
        auth: Auth::Guest { name: user("ana") },
        device: "laptop".parse().unwrap(),
        seed,
        limits,
    }
}

pub(super) fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

pub(super) fn room(name: &str) -> RoomId {
    name.parse().unwrap()
}

pub(super) fn at(epoch: u64, seq: u64) -> Position {
    Position {
        epoch: Epoch::new(epoch).unwrap(),
        seq: Seq(seq),
    }
}

pub(super) fn key(number: u8) -> IdempotencyKey {
    IdempotencyKey([number; 16])
}

pub(super) fn welcome() -> Welcome {
    Welcome {
        version: 1,
        capabilities: Vec::new(),
        tenant: "school".parse().unwrap(),
        user: user("ana"),
        connection: homeroom_protocol::ConnectionId(1),
        time: Timestamp(0),
        heartbeat_ms: 30_000,
        message_bytes_max: limit::CLIENT_MESSAGE_BYTES_MAX as u64,
        requests_in_flight_max: 64,
        expires: None,
    }
}

pub(super) fn message(seq: u64, text: &str) -> TimelineEvent {
    TimelineEvent {
        seq: Seq(seq),
        time: Timestamp(seq),
        author: user("ben"),
        body: EventBody::Message(text.into()),
    }
}

pub(super) fn push(number: u32, epoch: u64, seq: u64) -> ServerFrame {
    ServerFrame::Event {
        room: RoomNumber(number),
        epoch: Epoch::new(epoch).unwrap(),
        event: message(seq, "hi"),
    }
}

pub(super) fn joined(id: RequestId, number: u32, position: Position) -> ServerFrame {
    ServerFrame::Joined {
        id,
        room: RoomNumber(number),
        position,
        head: position.seq,
        reset: None,
        members: 2,
        info: RoomInfo::default(),
        permissions: Permissions::NONE,
    }
}

pub(super) fn sent(id: RequestId, position: Position) -> ServerFrame {
    ServerFrame::Sent {
        id,
        position,
        time: Timestamp(position.seq.0),
    }
}

pub(super) fn send(name: &str, number: u8) -> Command {
    Command::Send {
        key: key(number),
        room: room(name),
        draft: format!("message {number}").into(),
    }
}

impl Script {
    pub(super) fn new() -> Self {
        Self::with(settings(1, Limits::default()))
    }

    pub(super) fn with(settings: Settings) -> Self {
        let now = Moment(1_000);
        let machine = Machine::new(settings, now);
        Self { machine, now }
    }

    /// A machine that is welcomed.
    pub(super) fn live() -> Self {
        let mut script = Self::new();
        script.connect();
        script
    }

    /// A machine that is welcomed and has joined `lobby`, number 7, at epoch 5, seq 10.
    pub(super) fn in_lobby() -> Self {
        let mut script = Self::live();
        script.join("lobby", 7, at(5, 10));
        script.events();
        script.outcomes();
        script
    }

    /// Opens the socket, takes the hello, says welcome.
    pub(super) fn connect(&mut self) {
        self.connect_with(welcome());
    }

    pub(super) fn connect_with(&mut self, welcome: Welcome) {
        self.hello();
        self.server(&[ServerFrame::Welcome(welcome)]);
    }

    pub(super) fn hello(&mut self) -> Hello {
        assert_eq!(self.machine.state(), State::Connecting);
        self.machine.opened(self.now);
        let frames = self.frames();
        match <[ClientFrame; 1]>::try_from(frames).unwrap() {
            [ClientFrame::Hello(hello)] => hello,
            [other] => panic!("no hello: {other:?}"),
        }
    }

    pub(super) fn join(&mut self, name: &str, number: u32, position: Position) {
        let join = Command::Join {
            room: room(name),
            resume: None,
        };
        self.machine.submit(join, 1000 + number);
        self.answer_join(name, None, number, position);
    }

    /// Takes a join of this room with this position, which must be all that is asked, and answers it.
    pub(super) fn answer_join(
        &mut self,
        name: &str,
        resume: Option<Position>,
        number: u32,
        position: Position,
    ) {
        let (id, request) = self.request();
        let room = room(name);
        assert_eq!(request, Request::Join { room, resume });
        self.server(&[joined(id, number, position)]);
    }

    /// What the client says in its next message.
    pub(super) fn frames(&mut self) -> Vec<ClientFrame> {
        let mut bytes = Vec::new();
        if !self.machine.transmit(self.now, &mut bytes) {
            return Vec::new();
        }
        let frames = decode_client_message(&bytes, limit::CLIENT_MESSAGE_BYTES_MAX).unwrap();
        frames.collect::<Result<_, _>>().unwrap()
    }

    pub(super) fn requests(&mut self) -> Vec<(RequestId, Request)> {
        let frames = self.frames().into_iter();
        frames
            .filter_map(|frame| match frame {
                ClientFrame::Request { id, request } => Some((id, request)),
                ClientFrame::Hello(_) | ClientFrame::Ping { .. } | ClientFrame::Signal { .. } => {
                    None
                }
            })
            .collect()
    }

    /// The one request in the next message.
    pub(super) fn request(&mut self) -> (RequestId, Request) {
        let requests = <[_; 1]>::try_from(self.requests());
        let [request] = requests.unwrap_or_else(|other| panic!("not one request: {other:?}"));
        request
    }

    /// The server says this, in one message.
    pub(super) fn server(&mut self, frames: &[ServerFrame]) {
        let mut bytes = Vec::new();
        for frame in frames {
            encode_server_frame(frame, &mut bytes);
        }
        self.machine.receive(self.now, &bytes);
    }

    pub(super) fn lose(&mut self) {
        self.machine.lost(self.now, "gone");
    }

    pub(super) fn pass_ms(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        self.machine.tick(self.now);
    }

    /// Waits for the deadline, as a driver does; returns how long that was.
    pub(super) fn pass_to_deadline(&mut self) -> u64 {
        let wait = self.machine.deadline().unwrap().since_ms(self.now);
        self.pass_ms(wait);
        wait
    }

    /// Loses the connection, waits, and is welcomed again.
    pub(super) fn reconnect(&mut self) {
        self.lose();
        self.pass_to_deadline();
        self.connect();
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.machine.next_event(self.now)).collect()
    }

    pub(super) fn outcomes(&mut self) -> Vec<(u32, Outcome)> {
        std::iter::from_fn(|| self.machine.next_outcome()).collect()
    }

    /// The seqs of the timeline events since the last time.
    pub(super) fn seqs(&mut self) -> Vec<u64> {
        let events = self.events().into_iter();
        events
            .filter_map(|event| match event {
                Event::Timeline { position, .. } => Some(position.seq.0),
                _ => None,
            })
            .collect()
    }
}

pub(super) fn refusal(id: RequestId, code: ErrorCode, retry_after_ms: Option<u64>) -> ServerFrame {
    ServerFrame::Error {
        id: Some(id),
        code: code.number(),
        retry_after_ms,
        explanation: "no".into(),
    }
}

pub(super) fn bye(code: CloseCode, reconnect_after_ms: Option<u64>) -> ServerFrame {
    ServerFrame::Bye {
        code: code.number(),
        reconnect_after_ms,
        explanation: "bye".into(),
    }
}

pub(super) fn disconnections(script: &mut Script) -> Vec<(Lost, Option<u64>)> {
    let events = script.events().into_iter();
    events
        .filter_map(|event| match event {
            Event::Disconnected { why, retry_in_ms } => Some((why, retry_in_ms)),
            _ => None,
        })
        .collect()
}
