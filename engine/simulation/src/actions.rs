//! The steps of a plan, acted out.

use homeroom_client::Command;
use homeroom_protocol::{
    Availability, DeviceState, Direction, Draft, Durability, Emoji, IdempotencyKey, Mark,
    PlacedMark, Request, RoomId, RoomInfo, RoomNumber, Seq, Status, Stream, UserId,
    limit::PAGE_EVENTS_MAX,
};

use crate::{
    broken::Checked,
    client::{Asked, of},
    dice::Dice,
    plan::{Act, PASSING, ROOMS, Step, USERS},
    world::{Spoken, World},
};

/// The number of a room that the client fills in.
const ANY: RoomNumber = RoomNumber(0);

impl World {
    pub(crate) fn act_out(&mut self, step: &Step, dice: &mut Dice) -> Checked {
        match step {
            Step::Act { client, act } => {
                let index = client % self.clients.len();
                if self.clients[index].on {
                    self.act(index, act);
                }
                Ok(())
            }
            Step::Serve { tenant, deed } => self.serve(tenant % self.shape.tenants, deed),
            Step::Network { client, trouble } => {
                self.trouble(client % self.clients.len(), *trouble);
                Ok(())
            }
            Step::Host(trouble) => self.host_trouble(*trouble, dice),
            Step::Pass { ms } => self.live_through(*ms),
            Step::Glance => self.glance(),
            Step::Quiet => self.quiet(),
        }
    }

    fn act(&mut self, index: usize, act: &Act) {
        match act {
            Act::Send {
                room,
                thread,
                quiet,
            } => self.say(index, *room, (*thread, *quiet)),
            Act::Again { back, other } => self.say_again(index, *back, *other),
            Act::Join(room) => {
                let room = room_of(*room);
                let join = Command::Join {
                    room: room.clone(),
                    resume: None,
                };
                self.clients[index].ask(join, Asked::Join(room, None));
            }
            Act::Leave(room) => {
                let room = room_of(*room);
                let leave = Command::Leave { room: room.clone() };
                self.clients[index].ask(leave, Asked::Leave(room));
            }
            Act::Watch => self.watch(index),
            Act::View(room) => {
                let request = Request::View {
                    room: room.map(|_| ANY),
                    thread: None,
                };
                let room = room.map(room_of);
                let place = room.as_ref().and_then(of);
                let view = Command::Ask { place, request };
                self.clients[index].ask(view, Asked::View(room));
            }
            _ => {
                if let Some(command) = self.command(index, act) {
                    self.clients[index].ask(command, Asked::Other);
                }
            }
        }
    }

    /// A command of which only the effects count; `None` where there is nothing to do it to.
    fn command(&mut self, index: usize, act: &Act) -> Option<Command> {
        let key = self.key();
        let of_connection = |request| Command::Ask {
            place: None,
            request,
        };
        Some(match act {
            Act::Create(room) => Command::Create {
                key,
                room: room_of(*room),
                info: RoomInfo {
                    durability: if *room == PASSING {
                        Durability::None
                    } else {
                        Durability::Synced
                    },
                    ..RoomInfo::default()
                },
                members: Vec::new(),
            },
            Act::MarkAll => of_connection(Request::MarkAll { rooms: None }),
            Act::Type(room, active) => Command::Typing {
                room: room_of(*room),
                active: *active,
                thread: None,
            },
            Act::Idle(idle) => Command::Presence {
                state: if *idle {
                    DeviceState::Idle
                } else {
                    DeviceState::Active
                },
            },
            Act::Status(which) => of_connection(Request::Status(Status {
                availability: match which {
                    1 => Availability::Away,
                    2 => Availability::Busy,
                    3 => Availability::Invisible,
                    _ => Availability::Automatic,
                },
                ..Status::default()
            })),
            Act::OpenStream => Command::OpenStream {
                stream: Stream::Personal,
                resume: None,
            },
            Act::History(room) => Command::History {
                room: room_of(*room),
                direction: Direction::Before,
                anchor: Seq(1 << 40),
                limit: u32::try_from(PAGE_EVENTS_MAX).expect("a small limit"),
                thread: None,
            },
            _ => {
                let (room, request) = self.to_message(index, act, key)?;
                Command::Ask {
                    place: of(&room_of(room)),
                    request,
                }
            }
        })
    }

    /// What is done to a message, and in which room.
    fn to_message(&self, index: usize, act: &Act, key: IdempotencyKey) -> Option<(usize, Request)> {
        let client = &self.clients[index];
        let (tenant, user) = (client.tenant, &client.user);
        let (place, request) = match act {
            Act::Edit(place, back) => {
                let request = Request::Edit {
                    key,
                    room: ANY,
                    target: self.own_message(tenant, (*place, *back), user)?,
                    draft: Draft::from(format!("edited {:?}", key.0)),
                };
                (*place, request)
            }
            Act::Delete(place, back) => {
                let request = Request::Delete {
                    key,
                    room: ANY,
                    target: self.own_message(tenant, (*place, *back), user)?,
                };
                (*place, request)
            }
            Act::React { room, back, on } => {
                let request = Request::React {
                    key,
                    room: ANY,
                    target: self.target(tenant, &room_of(*room), *back)?,
                    emoji: Emoji::new("+").expect("a short text"),
                    on: *on,
                };
                (*room, request)
            }
            Act::Mark { room, back, again } => {
                let id = room_of(*room);
                let number = self.number_of(tenant, &id)?;
                let (mark, _) = self.ledgers[tenant].unread(number, user)?;
                let seq = self.target(tenant, &id, *back)?;
                let mark = Mark {
                    generation: mark.generation + u32::from(*again),
                    seq: if *again { Seq(seq.0 - 1) } else { seq },
                };
                let placed = PlacedMark {
                    room: ANY,
                    thread: None,
                    mark,
                    public: false,
                };
                (*room, Request::Mark(placed))
            }
            _ => return None,
        };
        Some((place, request))
    }

    /// The client asks how everybody is.
    pub(crate) fn watch(&mut self, index: usize) {
        let users = USERS[..self.shape.users].iter().map(|name| user_of(name));
        let watch = Command::Watch {
            users: users.collect(),
        };
        let client = &mut self.clients[index];
        let departures = self.ledgers[client.tenant].departures;
        client.ask(watch, Asked::Watch(departures));
    }

    fn say(&mut self, index: usize, room: usize, (thread, quiet): (bool, bool)) {
        let (tenant, user) = (self.clients[index].tenant, self.clients[index].user.clone());
        let room = room_of(room);
        let key = self.key();
        let root = thread.then(|| self.newest_root(tenant, &room)).flatten();
        let draft = Draft {
            thread: root,
            quiet,
            ..self.words(tenant, &user)
        };
        let spoken = Spoken {
            tenant,
            user,
            room,
            key,
            draft,
            acked: None,
            asked: 0,
            refused: false,
            conflicts_with: None,
        };
        self.spoken.push(spoken);
        self.send(index, self.spoken.len() - 1);
    }

    fn say_again(&mut self, index: usize, back: usize, other: bool) {
        let client = &self.clients[index];
        let (tenant, user) = (client.tenant, client.user.clone());
        let theirs = |spoken: &Spoken| spoken.tenant == tenant && spoken.user == user;
        let mut said = self.spoken.iter().enumerate().rev();
        let found = said.by_ref().filter(|(_, spoken)| theirs(spoken)).nth(back);
        let Some((before, spoken)) = found else {
            return;
        };
        if !other {
            self.send(index, before);
            return;
        }
        let keeps = self.ledgers[tenant].by_id(&spoken.room);
        let keeps = keeps.is_some_and(|(_, room)| room.keeps);
        let conflicts = keeps && spoken.acked.is_some() && spoken.conflicts_with.is_none();
        let spoken = Spoken {
            draft: self.words(tenant, &user),
            acked: None,
            asked: 0,
            refused: false,
            conflicts_with: conflicts.then_some(before),
            ..spoken.clone()
        };
        self.spoken.push(spoken);
        self.send(index, self.spoken.len() - 1);
    }

    fn send(&mut self, index: usize, spoken: usize) {
        self.spoken[spoken].asked += 1;
        self.spoken[spoken].refused = false;
        let Spoken {
            room, key, draft, ..
        } = self.spoken[spoken].clone();
        let send = Command::Send { key, room, draft };
        self.clients[index].ask(send, Asked::Send(spoken));
    }

    /// What nobody has said before.
    pub(crate) fn words(&self, tenant: usize, user: &UserId) -> Draft {
        let number = self.spoken.len() + self.published;
        Draft::from(format!("{user} of {tenant} says {number}"))
    }

    pub(crate) fn key(&mut self) -> IdempotencyKey {
        self.keys += 1;
        IdempotencyKey(u128::from(self.keys).to_be_bytes())
    }

    fn newest_root(&self, tenant: usize, room: &RoomId) -> Option<Seq> {
        let (_, room) = self.ledgers[tenant].by_id(room)?;
        let mut messages = room.messages.iter().rev();
        let root = messages.find(|(_, said)| said.thread.is_none() && !said.deleted);
        root.map(|(seq, _)| *seq)
    }

    fn own_message(
        &self,
        tenant: usize,
        (room, back): (usize, usize),
        user: &UserId,
    ) -> Option<Seq> {
        let (_, room) = self.ledgers[tenant].by_id(&room_of(room))?;
        let own = room.messages.iter().rev();
        let own = own.filter(|(_, said)| said.author == *user && !said.deleted);
        own.map(|(seq, _)| *seq).nth(back)
    }
}

pub(crate) fn room_of(room: usize) -> RoomId {
    room_named(ROOMS[room])
}

pub(crate) fn room_named(name: &str) -> RoomId {
    RoomId::new(name).expect("a short name")
}

pub(crate) fn user_of(name: &str) -> UserId {
    UserId::new(name).expect("a short name")
}
