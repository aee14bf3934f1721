//! Telling: signals, when nothing durable is left to write, and the newest of watched users.

use std::sync::Arc;

use homeroom_protocol::{ConnectionId, RoomNumber, Seq, ServerFrame, Timestamp};

use super::{
    super::{
        Audience, Push, SignalKind, TenantLife,
        connection::Note,
        joined::{Joined, Said},
        roster::Passed,
        signals::{Pending, SignalJob},
    },
    Shard,
};

impl Shard {
    pub(super) fn signal(
        &mut self,
        tenant: TenantLife,
        audience: Audience,
        kind: SignalKind,
        push: Arc<Push>,
    ) {
        let rides_along = matches!(audience, Audience::Room(_));
        let Some(slot) = self.seating.roster(tenant, audience) else {
            return;
        };
        if rides_along {
            let weight = push.weight();
            if let Some(batch) = self.batch(slot) {
                batch.signal(kind, push);
                self.inbox.weight += weight;
            }
            return;
        }
        let Some(roster) = self.seating.rosters.get_mut(slot) else {
            return;
        };
        if roster.listeners.is_empty() {
            return;
        }
        if let Audience::Watchers(_) = roster.key.1 {
            roster.newest = Some(push);
        } else {
            let new = || Box::new(Pending::new(self.ticks));
            let pending = roster.signals.get_or_insert_with(new);
            self.signals.say(pending, kind, push);
        }
        if !roster.in_line {
            roster.in_line = true;
            roster.holds += 1;
            self.signals.waiting.push_back(slot);
        }
    }

    /// Begins to tell an audience what waits for it.
    pub(super) fn begin_signals(&mut self, slot: u32) {
        let Some(roster) = self.seating.rosters.get_mut(slot) else {
            return;
        };
        roster.in_line = false;
        let pending = roster.signals.take().unwrap_or_default();
        self.signals.take(&pending);
        let since = pending.since;
        let (pushes, lost) = pending.into_told();
        self.stamp = self.stamp.next();
        self.signals.job = Some(SignalJob {
            roster: slot,
            joined: Joined::new(Vec::new(), pushes, roster.sockets > 0),
            lost,
            since,
            stamp: self.stamp,
            below: roster.listeners.len(),
        });
    }

    /// Goes on from listener to listener, as far as the budget reaches.
    pub(super) fn tell(&mut self, mut job: SignalJob, budget: &mut usize, now: Timestamp) {
        let room = self.paused_room_of(job.roster);
        job.grow_old(self.ticks);
        while let Some(roster) = self.seating.rosters.get_mut(job.roster) {
            job.below = job.below.min(roster.listeners.len());
            if job.below == 0 {
                self.release(job.roster);
                return;
            }
            if *budget == 0 {
                self.signals.job = Some(job);
                return;
            }
            job.below -= 1;
            let listener = &mut roster.listeners[job.below];
            // Who came after this job began has yet to hear what was said before.
            if listener.stamp.is_done(job.stamp, job.stamp) {
                continue;
            }
            listener.stamp = job.stamp;
            *budget -= 1;
            let (slot, seat) = (listener.connection, listener.seat as usize);
            match roster.key.1 {
                Audience::Watchers(_) => self.mark_changed(slot, seat),
                Audience::Viewers(number, _) | Audience::Room(number) => {
                    if room.is_none_or(|room| !self.is_stale(slot, room)) {
                        self.tell_viewer(&job, number, slot, now);
                    } else {
                        self.miss(slot, seat);
                    }
                }
            }
        }
    }

    /// The roster of the room whose viewers these are, if any of its listeners may be stale.
    fn paused_room_of(&self, slot: u32) -> Option<u32> {
        let (tenant, audience) = &self.seating.rosters.get(slot)?.key;
        let Audience::Viewers(room, _) = audience else {
            return None;
        };
        let room = self.seating.roster(*tenant, Audience::Room(*room))?;
        (self.seating.rosters.get(room)?.has_stale()).then_some(room)
    }

    fn is_stale(&self, slot: u32, room: u32) -> bool {
        let cursor = || {
            let rooms = &self.seating.connections.get(slot)?.rooms;
            let seat = rooms.iter().find(|seat| seat.roster == room)?;
            let roster = self.seating.rosters.get(room)?;
            Some(roster.is_stale(roster.cursor(seat.index())?))
        };
        // Whoever does not hear a room is not among its viewers.
        cursor().unwrap_or(true)
    }

    fn tell_viewer(&mut self, job: &SignalJob, room: RoomNumber, slot: u32, now: Timestamp) {
        let Some(connection) = self.seating.connections.get_mut(slot) else {
            return;
        };
        let mut note = Note {
            now,
            tally: &mut self.tally,
        };
        let told = connection
            .hear(&job.joined, None, Some(room), 0, &mut note)
            .and_then(|_| {
                connection.drop_signals(job.lost, &mut note);
                connection.tell_dropped(&mut self.scratch, &mut note)
            });
        if told.is_err() {
            self.end(slot);
        } else if connection.pipe.is_blocked() {
            self.look_after(slot);
        }
    }

    /// A viewer that may not hear its room now missed something: whether it is told so depends on whether it
    /// may hear it again.
    fn miss(&mut self, slot: u32, seat: usize) {
        if let Some(connection) = self.seating.connections.get_mut(slot)
            && let Some(seat) = connection.views.get_mut(seat)
        {
            seat.set_changed(true);
        }
    }

    /// A connection may hear a room again: what it knows of who types and who is there may be out of date.
    pub(super) fn tell_missed(&mut self, tenant: TenantLife, slot: u32, room: u32) {
        if self.is_stale(slot, room) {
            return;
        }
        let rosters = &self.seating.rosters;
        let Some(Audience::Room(number)) = rosters.get(room).map(|roster| &roster.key.1) else {
            return;
        };
        let Some(connection) = self.seating.connections.get_mut(slot) else {
            return;
        };
        let mut signals = 0;
        for seat in connection
            .views
            .iter_mut()
            .filter(|seat| seat.has_changed())
        {
            let key = rosters.get(seat.roster).map(|roster| &roster.key.1);
            if matches!(key, Some(Audience::Viewers(shown, _)) if shown == number) {
                seat.set_changed(false);
                signals += 1;
            }
        }
        if signals > 0 {
            connection.count_dropped(signals, &mut self.tally);
            let id = connection.id;
            let push = Arc::new(Push::new(ServerFrame::Dropped { signals }));
            self.direct(tenant, id, push);
        }
    }

    /// A watched user changed: the watcher is told at once if it heard nothing since the last tick, else by
    /// the next one.
    fn mark_changed(&mut self, slot: u32, seat: usize) {
        if let Some(connection) = self.seating.connections.get_mut(slot)
            && let Some(seat) = connection.watches.get_mut(seat)
        {
            seat.set_changed(true);
            self.list_for_changes(slot);
        }
    }

    /// Puts a connection with untold changes of watched users on the list it belongs on.
    pub(super) fn list_for_changes(&mut self, slot: u32) {
        let Some(connection) = self.seating.connections.get_mut(slot) else {
            return;
        };
        if connection.listed_for_changes {
            return;
        }
        connection.listed_for_changes = true;
        let list = if connection.told_in == self.ticks {
            &mut self.changed_later
        } else {
            &mut self.changed
        };
        list.push_back(connection.id);
    }

    /// Tells a connection in one frame how all watched users are that changed.
    pub(super) fn tell_changes(&mut self, connection: ConnectionId, now: Timestamp) {
        let Some(slot) = self.seating.slot(connection) else {
            return;
        };
        let rosters = &self.seating.rosters;
        let Some(found) = self.seating.connections.get_mut(slot) else {
            return;
        };
        found.listed_for_changes = false;
        if found.closing || found.pipe.is_blocked() {
            return;
        }
        let newest = (found.watches.iter())
            .filter(|seat| seat.has_changed())
            .filter_map(|seat| rosters.get(seat.roster)?.newest.as_ref());
        let Some(push) = gathered(newest) else {
            return;
        };
        found.told_in = self.ticks;
        let joined = Joined::new(Vec::new(), vec![push], found.pipe.is_socket());
        let mut note = Note {
            now,
            tally: &mut self.tally,
        };
        match found.hear_changes(&joined, &mut note) {
            Ok(true) => (found.watches.iter_mut()).for_each(|seat| seat.set_changed(false)),
            // Blocked: said with what is newest when it takes something again.
            Ok(false) => {}
            Err(_) => {
                self.end(slot);
                return;
            }
        }
        self.look_after(slot);
    }

    /// A connection that was blocked hears of the watched users that changed meanwhile.
    pub(super) fn resume_changes(&mut self, slot: u32) {
        let untold = (self.seating.connections.get(slot)).is_some_and(|connection| {
            !connection.pipe.is_blocked()
                && connection.watches.iter().any(|seat| seat.has_changed())
        });
        if untold {
            self.list_for_changes(slot);
        }
    }

    pub(super) fn passed(&mut self, tenant: TenantLife, room: RoomNumber, seq: Seq, members: u32) {
        let Some(slot) = self.seating.roster(tenant, Audience::Room(room)) else {
            return;
        };
        let Some(roster) = self.seating.rosters.get_mut(slot) else {
            return;
        };
        if !roster.advance(seq) {
            return;
        }
        if roster.listeners.is_empty() {
            return;
        }
        let broken = roster.pass(seq, members);
        if !roster.list_as_passing(true) {
            roster.holds += 1;
            self.passing.push_back(slot);
        }
        if let Some(run) = broken {
            self.collect_passed(slot, run);
        }
    }

    /// Each large room tells its listeners of what was passed since it last did.
    pub(super) fn flush_all_passed(&mut self) {
        for slot in std::mem::take(&mut self.passing) {
            self.flush_passed(slot);
            if let Some(roster) = self.seating.rosters.get_mut(slot) {
                roster.list_as_passing(false);
            }
            self.release(slot);
        }
    }

    /// What was passed in a room joins the events of the turn.
    pub(super) fn flush_passed(&mut self, slot: u32) {
        let run = (self.seating.rosters.get_mut(slot)).and_then(|roster| roster.take_passed());
        if let Some(run) = run {
            self.collect_passed(slot, run);
        }
    }

    fn collect_passed(&mut self, slot: u32, run: Passed) {
        let Some(roster) = self.seating.rosters.get(slot) else {
            return;
        };
        let (Audience::Room(room), Some(epoch)) = (&roster.key.1, roster.epoch()) else {
            return;
        };
        let push = Arc::new(Push::passed(
            *room,
            epoch,
            (run.first, run.last),
            run.members,
        ));
        let weight = push.weight();
        if let Some(batch) = self.batch(slot) {
            batch.events.push_back(Said::new(run.first, push));
            self.inbox.weight += weight;
        }
    }
}

/// One push for all of these.
fn gathered<'a>(mut newest: impl Iterator<Item = &'a Arc<Push>>) -> Option<Arc<Push>> {
    let first = newest.next()?;
    let Some(second) = newest.next() else {
        return Some(Arc::clone(first));
    };
    let users = [first, second].into_iter().chain(newest);
    let users = users
        .filter_map(|push| match push.frame() {
            ServerFrame::Presence { users } => Some(users.iter().cloned()),
            _ => None,
        })
        .flatten()
        .collect();
    Some(Arc::new(Push::new(ServerFrame::Presence { users })))
}
