//! Who may see a room no more hears nothing more of it, from the moment that is decided.
//!
//! Where few are concerned, each is looked at at once. Where many may be, the room is paused: from then
//! on nobody hears it, and its members are looked at a slice at a time, first in line whenever the tenant
//! has a moment; who may still see it hears on from where they were, who may not is out. So a change
//! costs the same for everybody else however large the audience is, and nothing of a room is ever said to one
//! who was not looked at yet. Where any room may be concerned, all of them are paused at once, and it is the
//! connections that are looked at, each with the rooms it hears. How somebody is whom it may watch no more, it
//! may be told until then.

use std::collections::BTreeMap;

use homeroom_protocol::{
    ConnectionId, EventBody, Overwrite, OverwriteTarget, Permission, Permissions, RemovedReason,
    Role, RoleId, RoomNumber, UserId,
};

use super::permit;
use crate::{
    domain::{Moment, Outcome, Storage},
    hub::{Delivery, Generation, LISTENERS_PER_CALL},
    tenant::{deadline::Due, records::event::TenantChange, state::Tenant},
};

/// Most members of paused rooms that are looked at in one go, and most places of connections in rooms and
/// in lists of watched users, but for those of the last connection.
pub(crate) const RECHECKED_PER_TICK_MAX: usize = 256;

/// Most users whose list of roles is cleared of a removed role in one go: each is two records.
const LISTS_PER_TICK_MAX: usize = 64;

/// Up to how many places of users in rooms a change of a role is acted on at once.
const AT_ONCE_MAX: usize = 1024;

/// What lets a user see rooms: the second one, what was reported.
const SIGHT: Permissions = Permissions::of(&[Permission::View, Permission::Moderate]);

/// What is paused, and how far looking has come.
#[derive(Debug, Default)]
pub(crate) struct Rechecks {
    /// At most one entry for each room.
    rooms: BTreeMap<RoomNumber, Recheck>,
    everywhere: Option<RecheckAll>,
}

/// All rooms are paused.
#[derive(Debug, Clone, Copy)]
struct RecheckAll {
    generation: Generation,
    /// The last connection that was looked at. Whoever connects or joins meanwhile hears under a newer
    /// generation, and was let in by what holds now.
    after: Option<ConnectionId>,
}

#[derive(Debug, Clone)]
struct Recheck {
    /// Of the pause: who is stamped with it, or came later, hears.
    generation: Generation,
    /// The last member who was looked at.
    after: Option<UserId>,
}

impl Rechecks {
    /// Whether a listener of a paused room has not been looked at yet.
    pub(crate) fn is_pending(&self, room: RoomNumber, generation: Generation) -> bool {
        let here = self.rooms.get(&room).map(|recheck| recheck.generation);
        let everywhere = self.everywhere.map(|recheck| recheck.generation);
        here.max(everywhere)
            .is_some_and(|paused| generation < paused)
    }
}

impl Tenant {
    /// Whether a user may be told what happens in a room.
    pub(crate) fn sees(&self, user: &UserId, room: RoomNumber) -> bool {
        let room = self.rooms.get(room);
        room.is_some_and(|room| permit::sees(&self.roles, room, user))
    }

    /// A role is another one now, or is gone.
    pub(crate) fn role_changed(
        &mut self,
        moment: Moment,
        before: Option<&Role>,
        role: RoleId,
        out: &mut Outcome<Self>,
    ) {
        let Some(before) = before else {
            return;
        };
        let lost = match self.roles.get(role) {
            Some(now) => before.allow.without(now.allow) | now.prohibit.without(before.prohibit),
            // An overwrite for it may have been all that let somebody see a room.
            None => SIGHT,
        };
        if (lost & SIGHT) == Permissions::NONE {
            return;
        }
        match self.few_concerned(role) {
            Some(users) => {
                for user in users {
                    self.recheck_user(&user, out);
                }
            }
            None => self.recheck_all(moment, out),
        }
    }

    /// Everybody who is there and has a role, if they are few.
    fn few_concerned(&self, role: RoleId) -> Option<Vec<UserId>> {
        if role == RoleId::EVERYONE {
            return None;
        }
        let mut places = 0;
        let mut users = Vec::new();
        for user in self.roles.holders(role) {
            let connections = self.people.connections(user, None).len();
            places += 1 + connections * self.rooms.count_of(user);
            if places > AT_ONCE_MAX {
                return None;
            }
            if connections > 0 {
                users.push(user.clone());
            }
        }
        Some(users)
    }

    /// What differs in a room for some is something else now.
    pub(crate) fn overwrite_changed(
        &mut self,
        moment: Moment,
        room: RoomNumber,
        (target, before): (&OverwriteTarget, Overwrite),
        out: &mut Outcome<Self>,
    ) {
        let Some(here) = self.rooms.get(room) else {
            return;
        };
        let now = here.overwrites.of(target);
        let lost = now.deny.without(before.deny) | before.allow.without(now.allow);
        if !lost.has(Permission::View) {
            return;
        }
        match target {
            OverwriteTarget::User(user) => self.recheck_in(user, room, out),
            OverwriteTarget::Role(_) if here.members_count() <= RECHECKED_PER_TICK_MAX => {
                let members: Vec<_> = here.members().cloned().collect();
                for user in members {
                    self.recheck_in(&user, room, out);
                }
            }
            OverwriteTarget::Role(_) => {
                self.pause(moment, room, out);
            }
        }
    }

    /// Looks at all rooms a user is in.
    pub(crate) fn recheck_user(&mut self, user: &UserId, out: &mut Outcome<Self>) {
        if self.people.connections(user, None).is_empty() {
            return;
        }
        let reports = self.rooms.reports().map(|room| room.number());
        let rooms: Vec<_> = self.rooms.of(user).chain(reports).collect();
        for room in rooms {
            self.recheck_in(user, room, out);
        }
    }

    fn recheck_in(&mut self, user: &UserId, room: RoomNumber, out: &mut Outcome<Self>) {
        if !self.sees(user, room) {
            self.hide(user, room, out);
        }
    }

    /// Makes it true that a user sees a room no more.
    fn hide(&mut self, user: &UserId, room: RoomNumber, out: &mut Outcome<Self>) {
        self.unlisten(user, room, RemovedReason::Hidden, out);
        self.unwatch_unseen(user, out);
    }

    /// Anybody may have lost the sight of any room.
    fn recheck_all(&mut self, moment: Moment, out: &mut Outcome<Self>) {
        let generation = self.sessions.next_generation();
        self.rechecks.rooms.clear();
        self.rechecks.everywhere = Some(RecheckAll {
            generation,
            after: None,
        });
        self.deadlines.set(moment.now, Due::Recheck);
        let room = None;
        out.now.push(Delivery::Pause { room, generation });
    }

    fn pause(&mut self, moment: Moment, room: RoomNumber, out: &mut Outcome<Self>) {
        let generation = self.sessions.next_generation();
        let recheck = Recheck {
            generation,
            after: None,
        };
        self.rechecks.rooms.insert(room, recheck);
        self.deadlines.set(moment.now, Due::Recheck);
        let room = Some(room);
        out.now.push(Delivery::Pause { room, generation });
    }

    /// Looks at the next members of paused rooms, and clears the next lists of removed roles.
    pub(crate) fn recheck(&mut self, moment: Moment, out: &mut Outcome<Self>) {
        let mut budget = self.recheck_connections(RECHECKED_PER_TICK_MAX, out);
        while budget > 0
            && let Some((room, recheck)) = self.rechecks.rooms.pop_first()
        {
            let Some(here) = self.rooms.get(room) else {
                continue;
            };
            let (members, more) = here.members_page(recheck.after, budget);
            budget -= members.len().clamp(1, budget);
            if more {
                let next = Recheck {
                    generation: recheck.generation,
                    after: members.last().cloned(),
                };
                self.rechecks.rooms.insert(room, next);
            }
            self.recheck_members(room, recheck.generation, members, out);
        }
        if !self.rechecks.rooms.is_empty() || self.rechecks.everywhere.is_some() {
            self.deadlines.set(moment.now, Due::Recheck);
        }
        self.clear_lists(moment, out);
    }

    /// Looks at the next connections while everything is paused; what is left of the budget.
    fn recheck_connections(&mut self, mut budget: usize, out: &mut Outcome<Self>) -> usize {
        let Some(RecheckAll {
            generation,
            mut after,
        }) = self.rechecks.everywhere.take()
        else {
            return budget;
        };
        let mut restamped: BTreeMap<RoomNumber, Vec<ConnectionId>> = BTreeMap::new();
        while budget > 0
            && let Some((connection, session)) = self.sessions.next_above(after)
        {
            after = Some(connection);
            let user = session.identity.user.clone();
            let rooms: Vec<_> = session.listening().keys().copied().collect();
            budget = budget.saturating_sub(1 + rooms.len() + session.watching.len());
            for room in rooms {
                if !self.sees(&user, room) {
                    self.unlisten(&user, room, RemovedReason::Hidden, out);
                } else if self.sessions.restamp(connection, room, generation) {
                    restamped.entry(room).or_default().push(connection);
                }
            }
            self.unwatch(connection, &user, out);
        }
        if budget == 0 {
            self.rechecks.everywhere = Some(RecheckAll { generation, after });
        }
        for (room, connections) in restamped {
            tell_restamped((room, generation), &connections, out);
        }
        budget
    }

    fn recheck_members(
        &mut self,
        room: RoomNumber,
        generation: Generation,
        members: Vec<UserId>,
        out: &mut Outcome<Self>,
    ) {
        let mut restamped = Vec::new();
        for user in members {
            let connections = self.people.connections(&user, None);
            if connections.is_empty() {
                continue;
            }
            if self.sees(&user, room) {
                let heard = connections
                    .into_iter()
                    .filter(|&connection| self.sessions.restamp(connection, room, generation));
                restamped.extend(heard);
            } else {
                self.hide(&user, room, out);
            }
        }
        tell_restamped((room, generation), &restamped, out);
    }

    /// Users may have a role on their list that is no more.
    pub(crate) fn clear_lists_soon(&mut self, moment: Moment) {
        if self.roles.has_leftovers() {
            self.deadlines.set(moment.now, Due::Recheck);
        }
    }

    /// Takes removed roles off the lists of those who had them, and tells each.
    fn clear_lists(&mut self, moment: Moment, out: &mut Outcome<Self>) {
        if !self.roles.has_leftovers() {
            return;
        }
        if moment.storage == Storage::Full {
            let later = moment
                .now
                .plus_ms(self.settings.storage_full_retry_after_ms);
            self.deadlines.set(later, Due::Recheck);
            return;
        }
        for _ in 0..LISTS_PER_TICK_MAX {
            let Some((user, roles)) = self.roles.leftover() else {
                return;
            };
            self.give(moment, (None, &user), roles, out);
        }
        self.deadlines.set(moment.now, Due::Recheck);
    }

    /// Makes it true that these are a user's roles.
    pub(crate) fn give(
        &mut self,
        moment: Moment,
        (by, user): (Option<&UserId>, &UserId),
        roles: Vec<RoleId>,
        out: &mut Outcome<Self>,
    ) {
        let change = TenantChange::RolesGiven {
            user: user.clone(),
            roles: roles.clone(),
        };
        self.commit_change(moment, by, change, out);
        self.tell_personal(moment, user, EventBody::RolesGiven { roles }, out);
        self.recheck_user(user, out);
    }
}

/// These may hear a room again, once what lets them is durable: a power cut may take back what gave them the sight of it
/// anew, and must not take it from who has heard more by then.
fn tell_restamped(
    (room, generation): (RoomNumber, Generation),
    connections: &[ConnectionId],
    out: &mut Outcome<Tenant>,
) {
    let chunks = connections.chunks(LISTENERS_PER_CALL);
    out.held.extend(chunks.map(|connections| Delivery::Restamp {
        room,
        connections: connections.to_vec(),
        generation,
    }));
}
