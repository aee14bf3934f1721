//! How to speak with Homeroom: its real protocol, as a guest with a name of its own on each connection.

use std::time::Duration;

use homeroom_protocol::{
    Auth, ClientFrame, DeviceId, DeviceState, Direction, Durability, Emoji, EventBody, Hello,
    IdempotencyKey, Mark, PlacedMark, Request, RequestId, RoomId, RoomInfo, RoomNumber, Seq,
    ServerFrame, TenantName, UserId, decode_server_message, encode_client_frame,
    limit::SERVER_MESSAGE_BYTES_MAX,
};

use super::{
    Act, Dialect, Door, Entered, Entry, Errand, KeepAlive, LARGE_BYTES, Note, Outgoing, Role, Seat,
    Seating,
};

/// The tenant a host has from its start.
const TENANT: &str = "default";
/// Below the 25 s after which a client must have said something.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Events of a page of history.
const PAGE_EVENTS: u32 = 50;

/// Homeroom's dialect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Homeroom;

impl Dialect for Homeroom {
    fn name(&self) -> &str {
        "homeroom"
    }

    fn door(&self) -> Door {
        Door {
            path: "/v1/connect".to_owned(),
            subprotocol: Some("homeroom.v1.msgpack"),
        }
    }

    fn enter(
        &self,
        seat: &mut Seat,
        heard: Option<&[u8]>,
        say: &mut Outgoing,
    ) -> Result<Entered, String> {
        let Some(message) = heard else {
            frame(&hello(seat.number), say);
            return Ok(Entered::More);
        };
        for heard in frames(message)? {
            match heard {
                ServerFrame::Welcome(_) => match seat.role {
                    Role::Speaker => request(0, create(seat), say),
                    Role::Listener => request(0, join(seat.room), say),
                },
                ServerFrame::Created { room, .. } => {
                    seat.address = u64::from(room.0);
                    return Ok(Entered::Ready);
                }
                ServerFrame::Joined { room, .. } => {
                    if seat.step == 0 {
                        seat.address = u64::from(room.0);
                    }
                    let Entry::ThreeRooms { rooms } = seat.entry else {
                        return Ok(Entered::Ready);
                    };
                    seat.step += 1;
                    if seat.step >= rooms.min(3) {
                        return Ok(Entered::Ready);
                    }
                    request(0, join((seat.room + seat.step) % rooms), say);
                }
                other => refusal(other)?,
            }
        }
        Ok(Entered::More)
    }

    fn knows(&self, errand: Errand) -> bool {
        match errand {
            Errand::Watch(_) | Errand::Large => true,
        }
    }

    fn run_errand(
        &self,
        errand: Errand,
        seat: &mut Seat,
        heard: Option<&[u8]>,
        say: &mut Outgoing,
    ) -> Result<Entered, String> {
        let Some(message) = heard else {
            match errand {
                Errand::Watch(seating) => request(0, watch(seating, seat.room), say),
                Errand::Large => say.binary(&large_ping()),
            }
            return Ok(Entered::More);
        };
        for heard in frames(message)? {
            match heard {
                ServerFrame::Watching { .. } | ServerFrame::Pong { .. } => {
                    return Ok(Entered::Ready);
                }
                other => refusal(other)?,
            }
        }
        Ok(Entered::More)
    }

    fn act(
        &self,
        seat: &Seat,
        act: Act,
        id: u64,
        text: &str,
        say: &mut Outgoing,
    ) -> Result<(), String> {
        let room = RoomNumber(u32::try_from(seat.address).unwrap_or(u32::MAX));
        let newest = Seq(u64::from(seat.step));
        let key = key(seat, id);
        let asked = match act {
            Act::Type => Request::Typing {
                room,
                active: true,
                thread: None,
            },
            Act::Turn { active } => Request::Presence {
                state: if active {
                    DeviceState::Active
                } else {
                    DeviceState::Idle
                },
            },
            Act::LookBack => Request::History {
                room,
                direction: Direction::Before,
                anchor: Seq(newest.0 + 1),
                limit: PAGE_EVENTS,
                thread: None,
            },
            Act::React if newest.0 > 0 => Request::React {
                key,
                room,
                target: newest,
                emoji: Emoji::new("👍").expect("a valid emoji"),
                on: true,
            },
            Act::Read => Request::Mark(PlacedMark {
                room,
                thread: None,
                mark: Mark {
                    generation: 0,
                    seq: newest,
                },
                public: false,
            }),
            // While there is no message to react to, somebody writes one.
            Act::Say | Act::React => Request::Send {
                key,
                room,
                draft: text.into(),
            },
        };
        request(id, asked, say);
        Ok(())
    }

    fn note(&self, message: &[u8], seat: &mut Seat, notes: &mut Vec<Note>) -> Result<(), String> {
        for heard in frames(message)? {
            match heard {
                ServerFrame::Event { event, .. } => {
                    let is_message = matches!(event.body, EventBody::Message(_));
                    if let (true, Ok(seq)) = (is_message, u32::try_from(event.seq.0)) {
                        seat.step = seq;
                    }
                    let is_reaction = matches!(event.body, EventBody::ReactionSet { .. });
                    notes.push(match is_message || is_reaction {
                        true => Note::Heard,
                        false => Note::Told,
                    });
                }
                ServerFrame::Typing { .. } => notes.push(Note::Told),
                ServerFrame::Presence { users } => {
                    let numbers = users.iter().filter_map(|user| number(&user.user));
                    notes.extend(numbers.map(Note::Presence));
                }
                ServerFrame::Sent { id, position, .. } => notes.push(Note::Made {
                    id: id.0,
                    seq: position.seq.0,
                }),
                ServerFrame::Done { id }
                | ServerFrame::Marked { id, .. }
                | ServerFrame::Page { id, .. } => notes.push(Note::Answered(id.0)),
                other => refusal(other)?,
            }
        }
        Ok(())
    }

    fn publish(&self, seat: &Seat, number: u64, text: &str, say: &mut Outgoing) {
        let send = Request::Send {
            key: key(seat, number + 1),
            room: RoomNumber(u32::try_from(seat.address).unwrap_or(u32::MAX)),
            draft: text.into(),
        };
        request(number + 1, send, say);
    }

    fn acknowledged(&self, message: &[u8], _say: &mut Outgoing) -> Result<u64, String> {
        let mut count = 0;
        for heard in frames(message)? {
            match heard {
                ServerFrame::Sent { .. } => count += 1,
                other => refusal(other)?,
            }
        }
        Ok(count)
    }

    fn keep_alive(&self) -> Option<KeepAlive> {
        let mut say = Outgoing::default();
        say.ping();
        Some(KeepAlive {
            every: KEEP_ALIVE,
            say,
        })
    }
}

fn hello(number: u32) -> ClientFrame {
    ClientFrame::Hello(Hello {
        version: 1,
        capabilities: Vec::new(),
        tenant: TenantName::new(TENANT).expect("a valid tenant name"),
        auth: Auth::Guest { name: user(number) },
        device: DeviceId::new("load").expect("a valid device id"),
    })
}

fn user(number: u32) -> UserId {
    UserId::new(format!("u{number}")).expect("a valid user id")
}

/// Whose name that is.
fn number(user: &UserId) -> Option<u32> {
    user.as_str().strip_prefix('u')?.parse().ok()
}

fn room(number: u32) -> RoomId {
    RoomId::new(format!("room-{number}")).expect("a valid room id")
}

fn create(seat: &Seat) -> Request {
    Request::Create {
        key: key(seat, 0),
        room: room(seat.room),
        info: RoomInfo {
            durability: if seat.durable {
                Durability::Synced
            } else {
                Durability::None
            },
            ..RoomInfo::default()
        },
        members: Vec::new(),
    }
}

fn join(number: u32) -> Request {
    Request::Join {
        room: room(number),
        resume: None,
    }
}

fn watch(seating: Seating, room: u32) -> Request {
    Request::Watch {
        users: seating.company(room).map(user).collect(),
    }
}

/// A ping of a later version, whose last field nobody here knows.
fn large_ping() -> Vec<u8> {
    let mut message = Vec::with_capacity(LARGE_BYTES + 8);
    encode_client_frame(&ClientFrame::Ping { nonce: 0 }, &mut message);
    // One element more (msgpack: a short array is 0x90 and its length), a `bin 16`.
    message[0] += 1;
    message.push(0xc5);
    message.extend(
        u16::try_from(LARGE_BYTES)
            .expect("below 64 KiB")
            .to_be_bytes(),
    );
    message.resize(message.len() + LARGE_BYTES, 0);
    message
}

/// Another one for each write of a run.
fn key(seat: &Seat, number: u64) -> IdempotencyKey {
    let mut key = [0; 16];
    key[..4].copy_from_slice(&seat.number.to_be_bytes());
    key[8..].copy_from_slice(&number.to_be_bytes());
    IdempotencyKey(key)
}

fn request(id: u64, request: Request, say: &mut Outgoing) {
    let id = RequestId(id);
    frame(&ClientFrame::Request { id, request }, say);
}

fn frame(frame: &ClientFrame, say: &mut Outgoing) {
    let mut message = Vec::with_capacity(256);
    encode_client_frame(frame, &mut message);
    say.binary(&message);
}

fn frames(message: &[u8]) -> Result<Vec<ServerFrame>, String> {
    let frames = decode_server_message(message, SERVER_MESSAGE_BYTES_MAX);
    let frames = frames.map_err(|error| error.to_string())?;
    frames
        .map(|frame| frame.map_err(|error| error.to_string()))
        .collect()
}

/// What ends a run; everything else is passed over.
fn refusal(frame: ServerFrame) -> Result<(), String> {
    match frame {
        ServerFrame::Error {
            code, explanation, ..
        } => Err(format!("error {code}: {explanation}")),
        ServerFrame::Bye { .. } => Err(format!("{frame:?}")),
        _ => Ok(()),
    }
}
