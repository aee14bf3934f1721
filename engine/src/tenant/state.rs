//! The tenant itself: its state, and how events become part of it.

use std::collections::{BTreeMap, BTreeSet};

use homeroom_protocol::{Presence, RoomNumber, TenantName, Timestamp, UserId};

use super::{
    connections::{budget::Budgets, session::Sessions},
    deadline::Deadlines,
    decide::{Ground, Standing},
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
        restart::Restarted,
        sections,
    },
    rights::{revocation::Rechecks, roles::Roles},
    rooms::{Rooms, passing::PassingKeys, recent::Recent, room::Room},
    settings::Settings,
};
use crate::{
    domain::{Moment, SectionId},
    identity::Identity,
    log::LogPosition,
};

/// The rules and the state of one organisation: rooms, members, keys, presence, typing, sessions.
///
/// See [`Domain`](crate::domain::Domain) for how it is driven. What is durable is written by `apply` alone; the rest lives as
/// long as the connections do.
#[derive(Debug)]
pub struct Tenant {
    pub(super) name: TenantName,
    pub(super) settings: Settings,
    pub(super) hashing: Hashing,

    pub(super) rooms: Rooms,
    pub(super) keys: KeyWindow,
    pub(super) key_bounds: KeyBounds,
    pub(super) passing_keys: PassingKeys,
    pub(super) roles: Roles,
    pub(super) recent: Recent,
    /// The newest event taken in. Log positions are dense and nobody else writes, so the next event
    /// stands right after it.
    pub(super) applied: LogPosition,
    pub(super) dirty: BTreeSet<SectionId>,

    /// When those who are offline were last there.
    pub(super) seen: Seen,

    /// The newest position known to be durable.
    pub(super) durable: LogPosition,
    /// The time at which the tenant was last driven.
    pub(super) clock: Timestamp,
    /// Whether anything happened in this life yet.
    pub(super) awake: bool,
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
    pub(super) fn wake_to(&mut self, moment: Moment) {
        self.durable = self.durable.max(moment.durable);
        self.clock = moment.now;
        self.wake(moment);
        self.settle_arrivals();
    }

    /// Before anything else that happens, and for rooms that keep nothing before the first of this life.
    fn wake(&mut self, moment: Moment) {
        if !self.awake {
            self.awake = true;
            self.rooms.wake(moment.entropy_64());
        }
    }

    pub(super) fn take_in(&mut self, at: LogPosition, event: &Event) {
        self.applied = self.applied.max(at);
        if self.rooms.apply(at, event) {
            self.dirty.insert(sections::section_of(event.room));
        }
        if let Some((lookup, record)) = keys::record_of(&self.hashing, event)
            && self.keys.apply(at, lookup, record, self.key_bounds)
        {
            self.dirty.insert(sections::KEYS);
        }
    }

    pub(super) fn take_in_change(&mut self, at: LogPosition, event: &TenantEvent) {
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

    pub(super) fn restart(&mut self, at: LogPosition, restarted: &Restarted) {
        let rooms = self.rooms.restart(at, restarted);
        self.dirty
            .extend(rooms.into_iter().map(sections::section_of));
        // Without rooms nothing else would say how far the log has come.
        if self.keys.pass(at) {
            self.dirty.insert(sections::KEYS);
        }
    }

    /// Loaded from a snapshot or replayed: it is on disk.
    pub(super) fn recovered_to(&mut self, at: LogPosition) {
        self.applied = self.applied.max(at);
        self.durable = self.durable.max(at);
        self.recent.forget_to(at);
    }
}
