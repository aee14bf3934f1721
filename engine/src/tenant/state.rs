//! The tenant itself: its state, and how it meets the runtime.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::Hasher,
};

use bytes::Bytes;
use homeroom_protocol::{
    Epoch, EventBody, Position, Presence, RoomNumber, Seq, TenantName, Timestamp, UserId,
    limit::INTEGER_MAX,
};
use siphasher::sip::SipHasher24;

use super::{
    connections::{budget::Budgets, session::Sessions},
    deadline::{Deadlines, Due},
    decide::{Ground, Standing},
    effects,
    history::{self, Fact, Question},
    input::Input,
    presence::{
        occupancy::Occupancy,
        people::{Grace, People},
        seen::Seen,
        signals::Signals,
        typing::Typing,
        viewing::Arrivals,
    },
    records::{
        event::{Event, TenantChange, TenantEvent},
        hashing::Hashing,
        keys::{self, KeyBounds, KeyWindow},
        restart::{Entry, Restarted},
        sections, stored,
    },
    requests::typing::Signalled,
    rights::{revocation::Rechecks, roles::Roles},
    rooms::{Rooms, passing::PassingKeys, recent::Recent, room::Room},
    settings::{Seed, Settings},
};
use crate::{
    domain::{DecodeError, Domain, History, HistoryError, Lane, Moment, Outcome, SectionId},
    hub::Delivery,
    identity::Identity,
    index::Row,
    log::LogPosition,
};

/// Most deadlines one tick takes: the rest is due at once again, and inputs get their turn between.
pub const DUE_PER_TICK_MAX: usize = 256;

/// The rules and the state of one organisation: rooms, members, keys, presence, typing, sessions.
///
/// See [`Domain`] for how it is driven. What is durable is written by `apply` alone; the rest lives as
/// long as the connections do.
#[derive(Debug)]
pub struct Tenant {
    pub(super) name: TenantName,
    pub(super) settings: Settings,
    pub(super) hashing: Hashing,

    pub(super) rooms: Rooms,
    pub(super) keys: KeyWindow,
    pub(super) passing_keys: PassingKeys,
    pub(super) roles: Roles,
    pub(super) recent: Recent,
    /// The newest event taken in. Log positions are dense and nobody else writes, so the next event
    /// stands right after it.
    pub(super) applied: LogPosition,
    dirty: BTreeSet<SectionId>,

    /// When those who are offline were last there.
    pub(super) seen: Seen,

    /// The newest position known to be durable.
    pub(super) durable: LogPosition,
    /// The time at which the tenant was last driven.
    pub(super) clock: Timestamp,
    /// Whether anything happened in this life yet.
    awake: bool,
    pub(super) sessions: Sessions,
    pub(super) people: People,
    pub(super) typing: Typing,
    pub(super) signals: Signals,
    pub(super) occupancy: Occupancy,
    pub(super) arrivals: Arrivals,
    /// When what users say of themselves is over, as planned.
    pub(super) status_ends: BTreeMap<UserId, Timestamp>,
    pub(super) budgets: Budgets,
    pub(super) deadlines: Deadlines,
    pub(super) rechecks: Rechecks,
}

impl Tenant {
    /// All rooms, by number; user streams and what was reported are among them.
    pub fn rooms(&self) -> impl Iterator<Item = &Room> {
        self.rooms.iter()
    }

    /// The room with this number.
    #[must_use]
    pub fn room(&self, number: RoomNumber) -> Option<&Room> {
        self.rooms.get(number)
    }

    /// How a user is, as others see it.
    #[must_use]
    pub fn presence(&self, user: &UserId) -> Presence {
        self.presence_of(user).presence
    }

    /// How many requests and signals were refused because too much was asked, since it woke.
    #[must_use]
    pub const fn refused_count(&self) -> u64 {
        self.budgets.refused()
    }

    /// How many signals were lost because too many came at once, since it woke.
    #[must_use]
    pub const fn signals_lost(&self) -> u64 {
        self.signals.lost()
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections_count(&self) -> usize {
        self.sessions.count()
    }

    /// Makes a decision true: applies it and hands it to the log. What one input commits shares one commit
    /// of the log: all of it is kept, or nothing.
    /// What passes by in a room that keeps nothing is not in it, and waits for nothing of its own.
    pub(super) fn commit(&mut self, event: Event, out: &mut Outcome<Self>) {
        if self.rooms.lets_pass(&event) {
            self.rooms.pass(&event);
            if let Some((lookup, record)) = keys::record_of(&self.hashing, &event) {
                self.passing_keys.keep(lookup, record);
            }
            out.held.push(effects::event(&event));
            self.follow_up(&event, out);
            return;
        }
        let at = self.applied.next();
        self.take_in(at, &event);
        self.recent.apply(at, &event);
        out.held.push(self.rooms.told(&event));
        self.follow_up(&event, out);
        out.events.push(event.into());
    }

    /// What an event ends of what is not stored.
    fn follow_up(&mut self, event: &Event, out: &mut Outcome<Self>) {
        if let EventBody::Message(message) = &event.body {
            self.stop_typing((event.room, message.thread), &event.author, out);
        } else if let EventBody::MemberMuted { user, .. } = &event.body {
            self.silence(user, event.room, out);
        } else if let EventBody::BlockSet { user, .. } = &event.body {
            self.block_changed(&event.author, user, out);
        }
    }

    /// The same for what concerns the tenant as a whole. Nobody hears of it by itself.
    pub(super) fn commit_change(
        &mut self,
        moment: Moment,
        author: Option<&UserId>,
        change: TenantChange,
        out: &mut Outcome<Self>,
    ) {
        let event = TenantEvent {
            time: self.log_time(moment.now),
            author: author.cloned(),
            change,
        };
        self.take_in_change(self.applied.next(), &event);
        out.events.push(event.into());
    }

    /// The same for what concerns one person: it is said on their stream, which begins with it if need be.
    /// Nothing happens when there is no number left for a stream.
    pub(super) fn commit_personal(
        &mut self,
        moment: Moment,
        user: &UserId,
        body: EventBody,
        out: &mut Outcome<Self>,
    ) {
        let Some(room) = self.open_stream(moment, user, out) else {
            return;
        };
        let Some(position) = self.rooms.get(room).map(Room::next) else {
            return;
        };
        let event = Event {
            room,
            position,
            time: self.log_time(moment.now),
            author: user.clone(),
            body,
            keyed: None,
        };
        self.commit(event, out);
    }

    /// The same for what somebody, or something, else than them did, or what shows without their stream as well:
    /// a stream that nobody ever opened has nothing to say, and none is made for a name that may be nobody's.
    pub(super) fn tell_personal(
        &mut self,
        moment: Moment,
        user: &UserId,
        body: EventBody,
        out: &mut Outcome<Self>,
    ) {
        if self.rooms.stream_of(user).is_some() {
            self.commit_personal(moment, user, body, out);
        }
    }

    /// The stream of a user, made if there is none; `None` when there is no number left for it.
    pub(super) fn open_stream(
        &mut self,
        moment: Moment,
        user: &UserId,
        out: &mut Outcome<Self>,
    ) -> Option<RoomNumber> {
        if let Some(room) = self.rooms.stream_of(user) {
            return Some(room.number);
        }
        let room = self.rooms.free_number()?;
        let event = Event {
            room,
            position: Position {
                epoch: fresh_epoch(moment, room),
                seq: Seq(1),
            },
            time: self.log_time(moment.now),
            author: user.clone(),
            body: EventBody::StreamOpened,
            keyed: None,
        };
        self.commit(event, out);
        Some(room)
    }

    /// The time of an event made now: never lower than that of the event before it, and never more
    /// than the wire can carry.
    pub(super) fn log_time(&self, now: Timestamp) -> Timestamp {
        now.max(self.rooms.last_time()).min(Timestamp(INTEGER_MAX))
    }

    pub(super) fn ground<'a>(&'a self, asker: &'a Identity, moment: Moment) -> Ground<'a> {
        Ground {
            rooms: &self.rooms,
            roles: &self.roles,
            settings: &self.settings,
            asker,
            standing: Standing::Member,
            storage: moment.storage,
            time: self.log_time(moment.now),
        }
    }

    pub(super) const fn grace(&self) -> Grace {
        Grace {
            ms: self.settings.presence_grace_ms,
            devices_max: self.settings.lingering_devices_max,
        }
    }

    /// What is so by now.
    fn wake_to(&mut self, moment: Moment) {
        self.durable = self.durable.max(moment.durable);
        self.clock = moment.now;
        self.wake(moment);
        self.settle_arrivals();
    }

    const fn key_bounds(&self) -> KeyBounds {
        KeyBounds {
            ttl_ms: self.settings.key_ttl_ms,
            max: self.settings.keys_in_memory_max,
        }
    }

    /// Before anything else that happens, and for rooms that keep nothing before the first of this life.
    fn wake(&mut self, moment: Moment) {
        if !self.awake {
            self.awake = true;
            self.rooms.wake(moment.entropy_64());
        }
    }

    fn take_in(&mut self, at: LogPosition, event: &Event) {
        self.applied = self.applied.max(at);
        if self.rooms.apply(at, event) {
            self.dirty.insert(sections::section_of(event.room));
        }
        if let Some((lookup, record)) = keys::record_of(&self.hashing, event)
            && self.keys.apply(at, lookup, record, self.key_bounds())
        {
            self.dirty.insert(sections::KEYS);
        }
    }

    fn take_in_change(&mut self, at: LogPosition, event: &TenantEvent) {
        self.applied = self.applied.max(at);
        self.rooms.pass_time(event.time);
        if let TenantChange::Seen { users } = &event.change {
            if self.seen.apply(at, users) {
                self.dirty.insert(sections::SEEN);
            }
        } else if self.roles.pass(at) {
            self.roles.apply(&event.change);
            self.dirty.insert(sections::ROLES);
        }
    }

    fn restart(&mut self, at: LogPosition, restarted: &Restarted) {
        let rooms = self.rooms.restart(at, restarted);
        self.dirty
            .extend(rooms.into_iter().map(sections::section_of));
        // Without rooms nothing else would say how far the log has come.
        if self.keys.pass(at) {
            self.dirty.insert(sections::KEYS);
        }
    }

    /// Loaded from a snapshot or replayed: it is on disk.
    fn recovered_to(&mut self, at: LogPosition) {
        self.applied = self.applied.max(at);
        self.durable = self.durable.max(at);
        self.recent.forget_to(at);
    }
}

impl Domain for Tenant {
    type Seed = Seed;
    type Input = Input;
    type Event = Entry;
    type Effect = Delivery;
    type Question = Question;
    type Fact = Fact;

    const ROWS_VERSION: u32 = 2;

    fn new(seed: Seed) -> Self {
        Self {
            name: seed.tenant,
            settings: seed.settings,
            hashing: Hashing::new(seed.hash_key),
            rooms: Rooms::default(),
            keys: KeyWindow::default(),
            passing_keys: PassingKeys::default(),
            awake: false,
            roles: Roles::default(),
            recent: Recent::default(),
            applied: LogPosition::START,
            dirty: BTreeSet::new(),
            durable: LogPosition::START,
            seen: Seen::default(),
            clock: Timestamp(0),
            sessions: Sessions::default(),
            people: People::default(),
            typing: Typing::default(),
            signals: Signals::default(),
            occupancy: Occupancy::default(),
            arrivals: Arrivals::default(),
            status_ends: BTreeMap::new(),
            budgets: Budgets::default(),
            deadlines: Deadlines::default(),
            rechecks: Rechecks::default(),
        }
    }

    fn lane(input: &Input) -> Option<Lane> {
        input.lane()
    }

    fn admit(&mut self, moment: Moment, input: &Input, out: &mut Outcome<Self>) -> bool {
        self.clock = moment.now;
        self.is_affordable(input, out)
    }

    fn needs(&self, input: &Input) -> Option<Question> {
        match input {
            Input::Request {
                connection,
                request,
                ..
            } => self.request_needs(*connection, request),
            Input::Page {
                connection,
                room,
                generation,
                from,
            } => self.page_needs(*connection, *room, *generation, *from),
            Input::Service(call) => self.service_needs(call),
            Input::Connect { .. }
            | Input::Signal { .. }
            | Input::Disconnect { .. }
            | Input::Renew { .. }
            | Input::Revoke { .. } => None,
        }
    }

    fn handle(
        &mut self,
        moment: Moment,
        input: Input,
        fact: Option<Result<Fact, HistoryError>>,
        out: &mut Outcome<Self>,
    ) {
        self.wake_to(moment);
        match input {
            Input::Connect {
                connection,
                identity,
            } => self.connect(moment, connection, identity, out),
            Input::Request {
                connection,
                id,
                request,
            } => self.request(moment, (connection, id), request, fact, out),
            Input::Signal {
                connection,
                room,
                name,
                body,
            } => self.signal(moment, connection, Signalled { room, name, body }, out),
            Input::Disconnect { connection, how } => self.end(moment, connection, how, out),
            Input::Renew {
                connection,
                expires,
            } => self.renew(moment, connection, expires, out),
            Input::Revoke { whom } => self.revoke(moment, &whom, out),
            Input::Service(call) => self.serve(moment, call, fact, out),
            Input::Page {
                connection,
                room,
                generation,
                from,
            } => {
                let ground = (moment.now, (room, generation));
                self.page(connection, ground, from, fact, out);
            }
        }
    }

    fn tick(&mut self, moment: Moment, out: &mut Outcome<Self>) {
        self.wake_to(moment);
        let mut typing_changed = BTreeSet::new();
        let mut recheck = false;
        for _ in 0..DUE_PER_TICK_MAX {
            match self.deadlines.pop(moment.now) {
                None => break,
                Some(Due::Session(connection)) => self.expire_session(moment, connection, out),
                Some(Due::Grace(user, device)) => {
                    let before = self.presence_of(&user);
                    self.people.expire(&user, &device);
                    self.announce(&before, out);
                }
                Some(Due::Recheck) => recheck = true,
                Some(Due::Typing(room, thread, user)) => {
                    let place = (room, thread);
                    self.typing.stop(place, &user, &mut self.deadlines);
                    typing_changed.insert(place);
                }
                Some(Due::Status(user)) => self.end_status(&user, out),
                Some(Due::Seen) => self.write_seen(moment, out),
                Some(Due::Round) => self.go_round(),
                Some(Due::Signals(room)) => self.tell_signals(room, out),
                Some(Due::Arrivals) => self.look_at_arrivals(),
                Some(Due::Occupancy(room)) => self.tell_occupancy(room, out),
                Some(Due::Absence(room, user)) => {
                    let tick = self.tick_of_occupancy();
                    self.occupancy.lapse(room, &user, tick, &mut self.deadlines);
                }
            }
        }
        if recheck {
            self.recheck(moment, out);
        }
        for place in typing_changed {
            out.now
                .push(effects::typing(place, self.typing.list(place)));
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.next()
    }

    fn end(&mut self, moment: Moment, out: &mut Outcome<Self>) {
        self.wake_to(moment);
        self.write_all_seen(moment, out);
    }

    fn is_idle(&self) -> bool {
        self.sessions.count() == 0
    }

    fn rooms_count(&self) -> usize {
        self.rooms.count()
    }

    fn apply(&mut self, at: LogPosition, entry: &Entry) {
        match entry {
            Entry::Event(event) => self.take_in(at, event),
            Entry::Tenant(event) => self.take_in_change(at, event),
            Entry::Restarted(restarted) => self.restart(at, restarted),
        }
        self.recovered_to(at);
    }

    fn release(&self, effect: Delivery) -> Option<Delivery> {
        self.still_due(effect)
    }

    fn weight(effect: &Delivery) -> usize {
        effect.weight()
    }

    fn encode(entry: &Entry) -> Bytes {
        stored::encode(entry)
    }

    fn decode(bytes: &[u8]) -> Result<Entry, DecodeError> {
        stored::decode(bytes)
    }

    fn index(seed: &Seed, at: LogPosition, entry: &Entry, rows: &mut Vec<Row>) {
        history::rows(seed, at, entry, rows);
    }

    fn time(entry: &Entry) -> Timestamp {
        match entry {
            Entry::Event(event) => event.time,
            Entry::Tenant(event) => event.time,
            Entry::Restarted(restarted) => restarted.time,
        }
    }

    fn answer(
        seed: &Seed,
        question: &Question,
        history: &dyn History,
    ) -> Result<Fact, HistoryError> {
        history::answer(seed, question, history)
    }

    fn sections(&self) -> Vec<SectionId> {
        let rooms = self
            .rooms
            .iter()
            .map(|room| sections::section_of(room.number()));
        let others = [sections::KEYS, sections::ROLES, sections::SEEN];
        others.into_iter().chain(rooms).collect()
    }

    fn take_dirty_sections(&mut self) -> Vec<SectionId> {
        std::mem::take(&mut self.dirty).into_iter().collect()
    }

    fn save_section(&self, section: SectionId) -> Option<Vec<u8>> {
        if section == sections::KEYS {
            return Some(sections::save_keys(&self.keys));
        }
        if section == sections::ROLES {
            return Some(sections::save_roles(&self.roles));
        }
        if section == sections::SEEN {
            return Some(sections::save_seen(&self.seen));
        }
        let room = self.rooms.get(sections::room_of(section)?)?;
        Some(sections::save_room(room))
    }

    fn load_section(&mut self, section: SectionId, bytes: &[u8]) -> Result<(), DecodeError> {
        if section == sections::KEYS {
            self.keys = sections::load_keys(bytes, self.key_bounds())?;
            self.recovered_to(self.keys.applied());
            return Ok(());
        }
        if section == sections::ROLES {
            self.roles = sections::load_roles(bytes)?;
            self.recovered_to(self.roles.applied());
            return Ok(());
        }
        if section == sections::SEEN {
            self.seen = sections::load_seen(bytes)?;
            self.recovered_to(self.seen.applied());
            return Ok(());
        }
        let number = sections::room_of(section).ok_or(DecodeError::Malformed {
            what: "section of a tenant",
        })?;
        let room = sections::load_room(number, bytes)?;
        self.recovered_to(room.applied);
        self.rooms.restore(room);
        Ok(())
    }
}

/// The epoch of a room that is made now: one input may make several, and each has its own.
pub(super) fn fresh_epoch(moment: Moment, room: RoomNumber) -> Epoch {
    let mut hasher = SipHasher24::new_with_key(&moment.entropy.to_be_bytes());
    hasher.write(&room.0.to_be_bytes());
    Epoch::from_random(hasher.finish())
}
