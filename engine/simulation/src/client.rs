//! One app with its client: the real client machine, and what the app believes by what it was told.

use std::collections::{BTreeMap, BTreeSet};

use homeroom_client::{
    Answer, Command, Event, Limits, Moment, Outcome, Place, RequestError, Sent,
    machine::{Machine, Settings, State},
};
use homeroom_protocol::{
    Auth, ConnectionId, DeviceId, Position, Presence, RoomId, Seq, Stream, TenantName,
    TimelineEvent, UserId, UserPresence,
};

use crate::{
    broken::{Broken, Checked, ensure},
    wire::{Piece, take_piece},
};

/// What a command was, until it is answered.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    /// To say something: which of all things said.
    Send(usize),
    /// To join, from here.
    Join(RoomId, Option<Position>),
    /// To leave.
    Leave(RoomId),
    /// To be told how all users are, when so many had left rooms.
    Watch(u64),
    /// To show this, or nothing.
    View(Option<RoomId>),
    /// At the end of a quiet, what is compared with the truth.
    Audit(Audit),
    /// Anything else.
    Other,
}

/// What is compared with the truth.
#[derive(Debug, Clone)]
pub(crate) enum Audit {
    Rooms,
    History(RoomId),
    Members(RoomId),
}

/// What an app learnt, for the world to judge.
#[derive(Debug)]
pub(crate) enum Told {
    /// An event of a room or, without one, of the user's stream.
    Event(Option<RoomId>, Position, Box<TimelineEvent>),
    /// A room's stream broke off.
    Reset(RoomId, homeroom_protocol::ResetReason),
    /// A command was answered.
    Answered(Asked, Outcome),
}

/// The app and its client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) tenant: usize,
    pub(crate) user: UserId,
    settings: Settings,
    pub(crate) machine: Machine<u64>,
    /// Whether the app runs.
    pub(crate) on: bool,
    pub(crate) link: Option<ConnectionId>,
    /// Bytes of a frame that has not come wholly.
    stream: Vec<u8>,
    commands: u64,
    pub(crate) pending: BTreeMap<u64, Asked>,
    /// Where it stands in each room, kept when the app ends.
    pub(crate) kept: BTreeMap<RoomId, Position>,
    /// How others are.
    pub(crate) view: BTreeMap<UserId, Presence>,
    /// How many had left rooms when it last asked for that.
    pub(crate) viewed_at: u64,
    /// Who types.
    pub(crate) typing: BTreeMap<(RoomId, Option<Seq>), BTreeSet<UserId>>,
    /// What it shows, once it has said so.
    pub(crate) shows: Option<Option<RoomId>>,
    /// Signals were lost: who types may be out of date.
    pub(crate) missed_signals: bool,
}

impl Client {
    pub(crate) fn new(
        index: usize,
        (tenant, name): (usize, TenantName),
        user: UserId,
        (seed, now): (u64, Moment),
    ) -> Self {
        let settings = Settings {
            tenant: name,
            auth: Auth::Guest { name: user.clone() },
            device: DeviceId::new(format!("device-{index}")).expect("a short name"),
            seed: seed ^ index as u64,
            limits: Limits {
                backoff_base_ms: 200,
                backoff_max_ms: 1_000,
                ..Limits::default()
            },
        };
        Self {
            tenant,
            user,
            machine: Machine::new(settings.clone(), now),
            settings,
            on: true,
            link: None,
            stream: Vec::new(),
            commands: 0,
            pending: BTreeMap::new(),
            kept: BTreeMap::new(),
            view: BTreeMap::new(),
            viewed_at: 0,
            typing: BTreeMap::new(),
            shows: None,
            missed_signals: false,
        }
    }

    /// Asks for something.
    pub(crate) fn ask(&mut self, command: Command, asked: Asked) {
        self.commands += 1;
        self.pending.insert(self.commands, asked);
        self.machine.submit(command, self.commands);
    }

    /// The app starts anew with what it kept.
    pub(crate) fn start(&mut self, now: Moment) {
        self.machine = Machine::new(self.settings.clone(), now);
        self.on = true;
        self.shows = None;
        self.forget_connection();
        self.pending.clear();
        for (room, position) in self.kept.clone() {
            let resume = Some(position);
            let join = Command::Join {
                room: room.clone(),
                resume,
            };
            self.ask(join, Asked::Join(room, resume));
        }
    }

    /// The app ends.
    pub(crate) fn stop(&mut self) {
        self.on = false;
        self.machine.close();
        self.pending.clear();
        self.forget_connection();
    }

    /// The socket is gone.
    pub(crate) fn lose(&mut self, now: Moment) {
        self.link = None;
        self.stream.clear();
        self.machine.lost(now, "lost");
    }

    fn forget_connection(&mut self) {
        self.link = None;
        self.stream.clear();
        self.view.clear();
        self.typing.clear();
    }

    /// Whether it has a connection on which it is welcome.
    pub(crate) fn is_live(&self) -> bool {
        self.on && self.machine.state() == State::Live
    }

    /// Bytes came; what the app is told by them. It looks after each message, so that what it is told is in
    /// the order in which it came.
    pub(crate) fn receive(
        &mut self,
        now: Moment,
        bytes: &[u8],
        departures: u64,
    ) -> Result<Vec<Told>, Broken> {
        let mut told = Vec::new();
        self.stream.extend_from_slice(bytes);
        while let Some((_, piece)) = take_piece(&mut self.stream) {
            match piece {
                Piece::Message(message) => self.machine.receive(now, &message),
                Piece::Close(code) => self.machine.closed(now, code, String::new()),
            }
            told.extend(self.listen(now, departures)?);
        }
        Ok(told)
    }

    /// What the app is told since the last time.
    pub(crate) fn listen(&mut self, now: Moment, departures: u64) -> Result<Vec<Told>, Broken> {
        let mut told = Vec::new();
        while let Some(event) = self.machine.next_event(now) {
            self.hear(event, departures, &mut told)?;
        }
        while let Some((command, outcome)) = self.machine.next_outcome() {
            let Some(asked) = self.pending.remove(&command) else {
                continue;
            };
            self.answered(&asked, &outcome)?;
            told.push(Told::Answered(asked, outcome));
        }
        ensure!(
            self.machine.counters().violations == 0,
            "clients find nothing wrong",
            "{:?}",
            self.machine.counters()
        );
        Ok(told)
    }

    fn hear(&mut self, event: Event, departures: u64, told: &mut Vec<Told>) -> Checked {
        match event {
            Event::Connected { .. } => {
                self.view.clear();
                self.typing.clear();
                self.missed_signals = false;
                self.viewed_at = departures;
            }
            Event::Timeline {
                room,
                position,
                event,
            } => {
                self.advance(&room, position, position.seq)?;
                told.push(Told::Event(Some(room), position, Box::new(event)));
            }
            Event::Stream {
                stream: Stream::Personal,
                position,
                event,
            } => told.push(Told::Event(None, position, Box::new(event))),
            Event::Passed { room, position, .. } => _ = self.kept.insert(room, position),
            Event::Reset {
                room,
                position,
                reason,
            } => {
                self.kept.insert(room.clone(), position);
                told.push(Told::Reset(room, reason));
            }
            Event::Removed { room, .. } => {
                self.kept.remove(&room);
                self.typing.retain(|(typed, _), _| *typed != room);
            }
            Event::Presence { users } => self.see(&users),
            Event::Typing {
                room,
                users,
                thread,
                ..
            } => {
                self.typing
                    .insert((room, thread), users.into_iter().collect());
            }
            Event::Dropped { .. } => self.missed_signals = true,
            _ => {}
        }
        Ok(())
    }

    /// The events of a room come one after the other, also when the app was started anew in between.
    fn advance(&mut self, room: &RoomId, position: Position, first: Seq) -> Checked {
        let before = self.kept.insert(room.clone(), position);
        ensure!(
            before
                .is_none_or(|before| before.epoch == position.epoch && before.seq.next() == first),
            "one order, no gap, no repeat",
            "{} heard {position:?} of {room} behind {before:?}",
            self.user
        );
        Ok(())
    }

    fn see(&mut self, users: &[UserPresence]) {
        for shown in users {
            self.view.insert(shown.user.clone(), shown.presence);
        }
    }

    fn answered(&mut self, asked: &Asked, outcome: &Outcome) -> Checked {
        match (asked, outcome) {
            (Asked::Join(room, resume), Ok(Answer::Joined(joined))) => {
                if let Some(resume) = resume {
                    ensure!(
                        joined.reset.is_some() || joined.position == *resume,
                        "one order, no gap, no repeat",
                        "{} resumed {room} at {:?} instead of {resume:?}",
                        self.user,
                        joined.position
                    );
                }
                // Events may have come before the app looks at the answer.
                let position = self.machine.position(room);
                if let Some(position) = position.filter(|_| !self.kept.contains_key(room)) {
                    self.kept.insert(room.clone(), position);
                }
            }
            (Asked::Join(room, _), Err(_)) | (Asked::Leave(room), Ok(_))
                if self.machine.position(room).is_none() =>
            {
                self.kept.remove(room);
            }
            (Asked::View(room), Ok(_)) => {
                self.shows = Some(room.clone());
                self.typing.clear();
            }
            (Asked::Watch(departures), Ok(Answer::Watching(users))) => {
                self.view.clear();
                self.viewed_at = *departures;
                self.see(users);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether an outcome says that nothing was stored, now or ever under this request.
pub(crate) const fn is_refused(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Err(RequestError::Refused { .. } | RequestError::NotJoined { .. })
    )
}

/// The place in an answer to a keyed write.
pub(crate) const fn place_in(outcome: &Outcome) -> Option<Sent> {
    match outcome {
        Ok(Answer::Sent(sent) | Answer::Created(sent)) => Some(*sent),
        _ => None,
    }
}

/// What a command is about that concerns a room.
pub(crate) fn of(room: &RoomId) -> Option<Place> {
    Some(Place::Room(room.clone()))
}
