//! How the runtime drives the tenant: inputs, ticks, recovery, snapshots. Nothing is decided here.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use homeroom_protocol::Timestamp;

use super::{
    connections::{budget::Budgets, session::Sessions},
    deadline::{Deadlines, Due},
    effects,
    history::{self, Fact, Question},
    input::Input,
    presence::{
        occupancy::Occupancy, people::People, seen::Seen, signals::Signals, typing::Typing,
        viewing::Arrivals,
    },
    records::{
        glance,
        hashing::Hashing,
        keys::{KeyBounds, KeyWindow},
        restart::Entry,
        sections, stored,
    },
    requests::typing::Signalled,
    rights::{revocation::Rechecks, roles::Roles},
    rooms::{Rooms, passing::PassingKeys, recent::Recent},
    settings::Seed,
    state::Tenant,
};
use crate::{
    domain::{DecodeError, Domain, History, HistoryError, Lane, Late, Moment, Outcome, SectionId},
    hub::Delivery,
    index::Row,
    log::LogPosition,
    planted::{Fault, fault},
};

/// Most deadlines one tick takes: the rest is due at once again, and inputs get their turn between.
pub const DUE_PER_TICK_MAX: usize = 256;

impl Domain for Tenant {
    type Seed = Seed;
    type Input = Input;
    type Event = Entry;
    type Effect = Delivery;
    type Question = Question;
    type Fact = Fact;

    const ROWS_VERSION: u32 = 3;

    fn new(seed: Seed) -> Self {
        let settings = &seed.settings;
        let key_bounds = KeyBounds::new(
            settings.key_ttl_ms,
            settings.keys_in_memory_max,
            settings.keys_whole_max,
        );
        Self {
            name: seed.tenant,
            settings: seed.settings,
            hashing: Hashing::new(seed.hash_key),
            rooms: Rooms::default(),
            keys: KeyWindow::default(),
            key_bounds,
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
            Input::Revoke { whom, before } => self.revoke(moment, &whom, before, out),
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

    fn encode_to(entry: &Entry, out: &mut Vec<u8>) {
        stored::encode_to(entry, out);
    }

    fn decode(bytes: &[u8]) -> Result<Entry, DecodeError> {
        stored::decode(bytes)
    }

    fn index(seed: &Seed, at: LogPosition, entry: &Entry, rows: &mut Vec<Row>) {
        history::rows(seed, at, entry, rows);
    }

    fn index_stored(
        seed: &Seed,
        at: LogPosition,
        bytes: &[u8],
        rows: &mut Vec<Row>,
    ) -> Result<Timestamp, DecodeError> {
        if let Some(said) = glance::said(bytes) {
            rows.push(history::place_row((said.room, said.seq), at));
            return Ok(said.time);
        }
        let entry = Self::decode(bytes)?;
        Self::index(seed, at, &entry, rows);
        Ok(Self::time(&entry))
    }

    fn index_late(seed: &Seed, _: LogPosition, entry: &Entry, rows: &mut Vec<Row>) {
        history::late_rows(seed, entry, rows);
    }

    fn late(question: &Question) -> Option<Late> {
        question.late()
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
        let runs = self.keys.old().apart();
        let runs = runs.map(|run| sections::section_of_run(run.newest.at));
        others.into_iter().chain(rooms).chain(runs).collect()
    }

    fn take_dirty_sections(&mut self) -> Vec<SectionId> {
        let mut dirty = std::mem::take(&mut self.dirty);
        if fault(Fault::DirtySectionMissed) {
            dirty.pop_last();
        }
        if dirty.contains(&sections::KEYS) {
            let runs = self.keys.old_mut().set_apart();
            dirty.extend(runs.into_iter().map(sections::section_of_run));
        }
        dirty.into_iter().collect()
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
        if let Some(newest) = sections::run_of(section) {
            let mut runs = self.keys.old().apart();
            let run = runs.find(|run| run.newest.at == newest)?;
            return Some(sections::save_run(run));
        }
        let room = self.rooms.get(sections::room_of(section)?)?;
        Some(sections::save_room(room))
    }

    fn load_section(&mut self, section: SectionId, bytes: &[u8]) -> Result<(), DecodeError> {
        if section == sections::KEYS {
            self.keys = sections::load_keys(bytes, self.key_bounds)?;
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
        if let Some(newest) = sections::run_of(section) {
            let run = sections::load_run(newest, bytes)?;
            let malformed = DecodeError::Malformed {
                what: "run of the keys that name it",
            };
            return (self.keys.old_mut().load(run))
                .then_some(())
                .ok_or(malformed);
        }
        let number = sections::room_of(section).ok_or(DecodeError::Malformed {
            what: "section of a tenant",
        })?;
        let room = sections::load_room(number, bytes)?;
        self.recovered_to(room.applied);
        self.rooms.restore(room);
        Ok(())
    }

    fn loaded(&mut self) -> Result<(), DecodeError> {
        let missing = DecodeError::Malformed {
            what: "snapshot with every run of keys",
        };
        (self.keys.old().is_whole()).then_some(()).ok_or(missing)
    }
}
