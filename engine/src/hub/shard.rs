//! A shard: the connections of one worker, and what is being said to them.
//!
//! Sans-IO in the sense that it never waits, reads no clock and starts nothing: deliveries are
//! collected, [`Shard::end_turn`] writes them. Within a turn first each connection's replies go out
//! in one write, then each room's pushes are joined once into a shared buffer, of which every
//! listener takes what it lacks in one write. A small room goes before the replies, as whoever speaks in it
//! has both: one write for the two is one in ten fewer. What changes an audience acts at once, even while a
//! turn is half written; what is said waits for the next turn.
//!
//! The rule of delivery, for each listener of a room: an event is given if it is the listener's
//! `next`; one below was had already; one above means the listener is behind, and hears from the log
//! until it has caught up. So every listener receives `next`, `next + 1`, … whatever happens.

use std::{collections::VecDeque, mem, sync::Arc};

use homeroom_protocol::{CloseCode, ConnectionId, Timestamp};

use super::{
    Delivery, Gauge, Need, Push, Sink, TenantLife,
    bounds::{
        COLLECTED_BYTES_MAX, DIRECT_LANE_BYTES_MAX, LISTENERS_PER_CALL, PAGES_PER_CONNECTION_MAX,
    },
    connection::{Connection, Note, Row},
    pauses::Pauses,
    roster::{Cursor, CursorState, Stamp},
    seating::Seating,
    signals::SignalLane,
    tally::Tally,
    turn::{Job, PageRead, Work},
};

mod audience;
mod collect;
mod paging;
mod telling;
mod write;

pub(crate) use collect::turn_to_return_ms;

/// What [`Shard::end_turn`] left undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// There is more to write: call again, after others had their turn.
    pub more: bool,
}

/// Delivers to the connections attached to it. See the module's page.
#[derive(Debug)]
pub struct Shard {
    outbox_bytes_max: usize,
    pub(super) listeners_per_call: usize,
    pub(super) seating: Seating,
    /// What is being collected.
    inbox: Work,
    /// What is being written.
    turn: Work,
    job: Option<Job>,
    /// The last job that began.
    stamp: Stamp,
    /// The job before the first of this turn.
    turn_stamp: Stamp,
    closing: VecDeque<Goodbye>,
    /// Paused rooms whose sessions are still to be looked at.
    sweeps: VecDeque<Sweep>,
    pauses: Pauses,
    signals: SignalLane,
    /// Connections that are to be told now of watched users, and those that have been told in this tick.
    pub(super) changed: VecDeque<ConnectionId>,
    pub(super) changed_later: VecDeque<ConnectionId>,
    /// Rosters of rooms with places that were passed since the last tick.
    pub(super) passing: VecDeque<u32>,
    /// Ticks so far, from 1 on.
    ticks: u64,
    /// Connections that may ask for pages.
    page_seekers: VecDeque<ConnectionId>,
    /// Connections whose last page did not help.
    page_waiters: Vec<ConnectionId>,
    /// Connections that were blocked at the last look.
    stalled: Vec<ConnectionId>,
    ended: Vec<Need>,
    scratch: Vec<u8>,
    tally: Tally,
    /// Turns that were begun.
    turns: u64,
    outbox_bytes: usize,
}

#[derive(Debug)]
struct Goodbye {
    connection: ConnectionId,
    code: CloseCode,
    bye: Arc<Push>,
}

/// The listeners of a paused room below this index are still to be looked at.
#[derive(Debug)]
struct Sweep {
    roster: u32,
    below: usize,
}

/// Why a shard ends a connection by its own rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// It took no byte for too long, or let its replies pile up.
    TooSlow,
    /// Its sink failed.
    Broken,
}

impl Shard {
    /// A shard without connections, each of which may later queue about `outbox_bytes_max` bytes of
    /// events ([`OUTBOX_BYTES_MAX`](super::OUTBOX_BYTES_MAX) is a good choice): one joined buffer more
    /// at most, and replies, which have a bound of their own.
    #[must_use]
    pub fn new(outbox_bytes_max: usize) -> Self {
        Self {
            outbox_bytes_max: outbox_bytes_max.max(1),
            listeners_per_call: LISTENERS_PER_CALL,
            seating: Seating::new(),
            inbox: Work::default(),
            turn: Work::default(),
            job: None,
            stamp: Stamp::ZERO,
            turn_stamp: Stamp::ZERO,
            closing: VecDeque::new(),
            sweeps: VecDeque::new(),
            pauses: Pauses::default(),
            signals: SignalLane::default(),
            changed: VecDeque::new(),
            changed_later: VecDeque::new(),
            passing: VecDeque::new(),
            ticks: 1,
            page_seekers: VecDeque::new(),
            page_waiters: Vec::new(),
            stalled: Vec::new(),
            ended: Vec::new(),
            scratch: Vec::new(),
            tally: Tally::default(),
            turns: 0,
            outbox_bytes: 0,
        }
    }

    /// Takes over a write half. One attached before under the same id is forgotten.
    pub fn attach(
        &mut self,
        tenant: TenantLife,
        connection: ConnectionId,
        sink: Sink,
        gauge: Arc<Gauge>,
    ) {
        self.detach(connection);
        let connection = Connection::new(tenant, connection, sink, gauge);
        self.tally.attached(connection.pipe.is_socket());
        self.seating.add(connection);
    }

    /// Forgets a connection whose socket is gone, without a word to it or to the tenant; whether it was
    /// there.
    pub fn detach(&mut self, connection: ConnectionId) -> bool {
        let Some(slot) = self.seating.slot(connection) else {
            return false;
        };
        self.unseat(slot);
        self.forget(slot).is_some()
    }

    /// What happened since this was last called.
    pub fn take_tally(&mut self) -> Tally {
        mem::take(&mut self.tally)
    }

    /// Turns that were begun so far. What is delivered while turn `n` is the last one is written by turn
    /// `n + 1`, which begins when turn `n` is written to its end.
    #[must_use]
    pub const fn turns(&self) -> u64 {
        self.turns
    }

    /// Bytes queued for all connections together, as they were at the last [`tick`](Self::tick).
    #[must_use]
    pub const fn outbox_bytes(&self) -> usize {
        self.outbox_bytes
    }

    /// Connections that had something queued at the last [`tick`](Self::tick).
    #[must_use]
    pub const fn stalled(&self) -> usize {
        self.stalled.len()
    }

    /// Collects a delivery of a tenant. What concerns a connection that is gone, or is another
    /// tenant's, is ignored.
    pub fn deliver(&mut self, tenant: TenantLife, delivery: Delivery) {
        match delivery {
            Delivery::Direct { connection, push } => self.direct(tenant, connection, push),
            Delivery::Event { room, seq, push } => self.event(tenant, room, seq, push),
            Delivery::Signal {
                audience,
                kind,
                push,
            } => self.signal(tenant, audience, kind, push),
            Delivery::Listen {
                connection,
                room,
                epoch,
                next,
                head,
                generation,
            } => {
                if let Some(slot) = self.seating.open_slot(tenant, connection) {
                    let cursor = Cursor {
                        next,
                        generation,
                        state: CursorState::Live,
                    };
                    self.listen(tenant, slot, room, (epoch, head), cursor);
                }
            }
            Delivery::Passed { room, seq, members } => self.passed(tenant, room, seq, members),
            Delivery::Pause { room, generation } => self.pause(tenant, room, generation),
            Delivery::Restamp {
                room,
                connections,
                generation,
            } => self.restamp(tenant, room, connections, generation),
            Delivery::View {
                connection,
                room,
                thread,
            } => self.view(tenant, connection, room, thread),
            Delivery::Unlisten { connection, room } => {
                if let Some(slot) = self.seating.open_slot(tenant, connection) {
                    self.unlisten(tenant, slot, room);
                }
            }
            Delivery::Watch { connection, users } => self.watch(tenant, connection, users),
            Delivery::Unwatch { connection, users } => self.unwatch(tenant, connection, &users),
            Delivery::Page {
                connection,
                room,
                generation,
                events,
            } => self.page(PageRead {
                tenant,
                connection,
                room,
                generation,
                events,
            }),
            Delivery::Close {
                connection,
                code,
                reconnect_after_ms,
                explanation,
            } => {
                let explanation = explanation.as_deref().unwrap_or(code.meaning());
                let bye = collect::bye(code, reconnect_after_ms, explanation);
                self.close(tenant, connection, code, bye);
            }
            Delivery::Answer(answer) => answer.leave(),
            Delivery::CloseAll {
                code,
                reconnect_after_ms,
                shards,
                among,
            } => {
                let connections = self.seating.connections_of(tenant);
                // Who is alone here is taken to be alone.
                let others = (connections.len() as u64).saturating_sub(1);
                let count = others.saturating_mul(shards).saturating_add(1).max(among);
                for connection in connections {
                    let after = reconnect_after_ms.map(|earliest| {
                        earliest.saturating_add(turn_to_return_ms(connection, count))
                    });
                    let bye = collect::bye(code, after, code.meaning());
                    self.close(tenant, connection, code, bye);
                }
            }
        }
    }

    /// Whether so much has been collected that its driver should write before it delivers more. When it
    /// is, there is something to write.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.inbox.weight >= COLLECTED_BYTES_MAX
    }

    /// A socket or session that was blocked takes more: writes what is queued for it. End a turn
    /// afterwards: the connection may need pages, or may have ended.
    pub fn writable(&mut self, connection: ConnectionId, now: Timestamp) {
        let Some(slot) = self.seating.slot(connection) else {
            return;
        };
        let Some(found) = self.seating.connections.get_mut(slot) else {
            return;
        };
        if found.closing {
            return;
        }
        self.take_back_paused(slot);
        let Some(found) = self.seating.connections.get_mut(slot) else {
            return;
        };
        let mut note = Note {
            now,
            tally: &mut self.tally,
        };
        if (found.drain(&mut self.scratch, &mut note)).is_err() {
            self.end(slot);
            return;
        }
        self.look_after(slot);
        self.resume_changes(slot);
    }

    /// Writes what was collected, for at most [`LISTENERS_PER_CALL`](super::LISTENERS_PER_CALL)
    /// listeners, and says what it needs. If there is `more`, the next call goes on from there.
    pub fn end_turn(&mut self, now: Timestamp, needs: &mut Vec<Need>) -> Turn {
        let mut budget = self.listeners_per_call;
        while budget > 0 {
            if let Some(sweep) = self.sweeps.pop_front() {
                self.sweep(sweep, &mut budget);
            } else if let Some(goodbye) = self.closing.pop_front() {
                budget -= 1;
                self.say_goodbye(&goodbye, now);
            } else if let Some(job) = self.job.take() {
                self.visit(job, &mut budget, now);
            } else if let Some(batch) = self.turn.small.pop_front() {
                self.begin_job(batch, true);
            } else if let Some(connection) = self.next_direct() {
                budget -= 1;
                self.send_direct(connection, now);
            } else if let Some(page) = self.turn.pages.pop_front() {
                budget -= 1;
                self.give_page(page, now);
            } else if let Some(batch) = self.turn.batches.pop_front() {
                self.begin_job(batch, false);
            } else if let Some(connection) = self.page_seekers.pop_front() {
                budget -= 1;
                self.ask(connection, needs);
            } else if !self.inbox.is_empty() {
                self.begin_turn();
            } else if let Some(job) = self.signals.job.take() {
                self.tell(job, &mut budget, now);
            } else if let Some(roster) = self.signals.waiting.pop_front() {
                self.begin_signals(roster);
            } else if let Some(connection) = self.changed.pop_front() {
                budget -= 1;
                self.tell_changes(connection, now);
            } else {
                break;
            }
        }
        needs.append(&mut self.ended);
        Turn {
            more: self.has_work(),
        }
    }

    /// Whether [`end_turn`](Self::end_turn) has something to do.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !(self.sweeps.is_empty()
            && self.closing.is_empty()
            && self.signals.is_empty()
            && self.changed.is_empty()
            && self.turn.is_empty()
            && self.job.is_none()
            && self.page_seekers.is_empty()
            && self.inbox.is_empty())
    }

    /// Once a second: ends connections that took no byte for too long, lets events leave memory that are
    /// queued for too long, asks again for pages that came empty, and collects what is told once a tick.
    /// End a turn afterwards, if it [has work](Self::has_work).
    pub fn tick(&mut self, now: Timestamp, needs: &mut Vec<Need>) {
        self.ticks += 1;
        // Shards are many, and most of them idle.
        self.scratch = Vec::new();
        self.changed.append(&mut self.changed_later);
        self.flush_all_passed();
        let mut stalled = mem::take(&mut self.stalled);
        let mut outbox_bytes = 0;
        stalled.retain(|&connection| {
            let Some(slot) = self.seating.slot(connection) else {
                return false;
            };
            let Some(found) = self.seating.connections.get_mut(slot) else {
                return false;
            };
            if found.is_stalled(now) {
                self.cut(slot, Cut::TooSlow);
                return false;
            }
            let lost = found.forget_old(now);
            let tenant = found.tenant;
            for (room, seq) in lost {
                self.set_back(tenant, slot, room, seq);
            }
            let Some(found) = self.seating.connections.get_mut(slot) else {
                return false;
            };
            outbox_bytes += found.pipe.queued_bytes().0;
            found.listed_as_stalled = found.pipe.has_queued();
            found.listed_as_stalled
        });
        self.stalled.append(&mut stalled);
        self.outbox_bytes = outbox_bytes;
        for connection in mem::take(&mut self.page_waiters) {
            self.wake_waiters(connection);
        }
        for _ in 0..LISTENERS_PER_CALL {
            let Some(connection) = self.page_seekers.pop_front() else {
                break;
            };
            self.ask(connection, needs);
        }
        needs.append(&mut self.ended);
    }
}

/// Keeping house.
impl Shard {
    /// Puts a connection on the lists it belongs on after its queue or its cursors changed.
    fn look_after(&mut self, slot: u32) {
        let Some(connection) = self.seating.connections.get_mut(slot) else {
            return;
        };
        if connection.pipe.has_queued() && !connection.listed_as_stalled {
            connection.listed_as_stalled = true;
            self.stalled.push(connection.id);
        }
        if connection.is_behind()
            && !connection.listed_for_pages
            && connection.pages < PAGES_PER_CONNECTION_MAX
            && !connection.is_aged()
            && connection.pipe.has_drained(self.outbox_bytes_max)
        {
            connection.listed_for_pages = true;
            self.page_seekers.push_back(connection.id);
        }
    }

    /// Ends a connection whose sink failed, or whose replies passed their bound.
    fn end(&mut self, slot: u32) {
        let replies = (self.seating.connections.get(slot))
            .map_or(0, |connection| connection.pipe.queued_bytes().1);
        let cause = if replies > DIRECT_LANE_BYTES_MAX {
            Cut::TooSlow
        } else {
            Cut::Broken
        };
        self.cut(slot, cause);
    }

    /// Ends a connection by the shard's own rules.
    fn cut(&mut self, slot: u32, cause: Cut) {
        self.unseat(slot);
        if let Some(mut connection) = self.forget(slot) {
            match cause {
                Cut::TooSlow => {
                    self.tally.slow_readers_cut += 1;
                    self.tally.closed(CloseCode::TooSlow);
                }
                Cut::Broken => self.tally.broken += 1,
            }
            connection.pipe.close(CloseCode::TooSlow);
            // A connection that was told to close is known to be gone.
            if !connection.closing {
                self.ended.push(Need::Ended {
                    tenant: connection.tenant,
                    connection: connection.id,
                });
            }
        }
    }

    /// Lets go of a connection that has left its seats.
    fn forget(&mut self, slot: u32) -> Option<Connection> {
        let connection = self.seating.remove(slot)?;
        self.tally.ended(connection.pipe.is_socket());
        Some(connection)
    }

    /// Takes a connection out of every audience, in as many steps as it has seats.
    fn unseat(&mut self, slot: u32) {
        self.seating.clear(slot, Row::Views);
        self.seating.clear(slot, Row::Watches);
        while let Some(last) = (self.seating.connections.get(slot))
            .and_then(|connection| connection.rooms.len().checked_sub(1))
        {
            self.give_up_seat(slot, last);
        }
    }

    fn give_up_seat(&mut self, slot: u32, seat: usize) {
        let Some(cursor) = self.seating.leave(slot, Row::Rooms, seat) else {
            return;
        };
        let Some(connection) = self.seating.connections.get_mut(slot) else {
            return;
        };
        if cursor.state == CursorState::Asked {
            connection.pages -= 1;
        }
        if !cursor.is_live() {
            connection.catch_up();
        }
    }
}
