//! Writing: replies first, then each room's joined buffer, from listener to listener.

use std::{hint::black_box, mem};

use homeroom_protocol::{ConnectionId, RoomNumber, Seq, Timestamp};

use super::{
    super::{
        Audience,
        bounds::SMALL_ROOM_LISTENERS,
        connection::{Connection, Note},
        joined::Joined,
        pipe::Broken,
        roster::CursorState,
        slots::Slots,
        turn::{Batch, Job},
    },
    Goodbye, Shard,
};

/// Connections that are [brought near](bring_near) together: what they have fits the nearest caches.
const NEAR_CONNECTIONS: usize = 16;

impl Shard {
    pub(super) fn begin_turn(&mut self) {
        // The turn before is written to its end, and its lists keep their room.
        debug_assert!(self.turn.is_empty() && self.job.is_none());
        mem::swap(&mut self.inbox, &mut self.turn);
        self.inbox.weight = 0;
        let replies = !self.turn.direct.is_empty();
        for _ in 0..self.turn.batches.len() {
            let Some(batch) = self.turn.batches.pop_front() else {
                break;
            };
            let mut listeners = 0;
            if let Some(roster) = self.seating.rosters.get_mut(batch.roster) {
                roster.batch = None;
                listeners = roster.listeners.len();
            }
            if replies && listeners <= SMALL_ROOM_LISTENERS {
                self.turn.small.push_back(batch);
            } else {
                self.turn.batches.push_back(batch);
            }
        }
        self.stamp = self.stamp.next();
        self.turn_stamp = self.stamp;
        self.turns += 1;
    }

    /// The next of those with replies.
    pub(super) fn next_direct(&mut self) -> Option<(u32, ConnectionId)> {
        let direct = &mut self.turn.direct;
        if direct.len().is_multiple_of(NEAR_CONNECTIONS) {
            let slots = direct.iter().take(NEAR_CONNECTIONS).map(|(slot, _)| *slot);
            bring_near(&self.seating.connections, slots);
        }
        direct.pop_front()
    }

    pub(super) fn send_direct(&mut self, (slot, connection): (u32, ConnectionId), now: Timestamp) {
        let found = self.seating.connections.get(slot);
        // The slot may be another's by now.
        if found.is_none_or(|found| found.id != connection) {
            return;
        }
        // A pause may have come behind what was collected.
        self.take_back_paused(slot);
        if let Some(found) = self.seating.connections.get_mut(slot)
            && !found.closing
            && found.has_collected()
        {
            let mut note = Note {
                now,
                tally: &mut self.tally,
            };
            let sent = found.send_collected(&mut self.scratch, &mut note);
            if sent.is_err() {
                self.end(slot);
            } else {
                self.look_after(slot);
            }
        }
    }

    /// Joins the next part of a batch, if anybody is left to hear it.
    pub(super) fn begin_job(&mut self, mut batch: Batch, with_replies: bool) {
        let Some(roster) = self.seating.rosters.get_mut(batch.roster) else {
            return;
        };
        if batch.is_empty() || roster.listeners.is_empty() || roster.epoch() != batch.epoch {
            self.release(batch.roster);
            return;
        }
        let joined = batch.take_joined(roster.sockets > 0);
        roster.give(joined.events());
        self.stamp = self.stamp.next();
        self.job = Some(Job {
            below: roster.listeners.len(),
            near: roster.listeners.len(),
            batch,
            joined,
            stamp: self.stamp,
            with_replies,
        });
    }

    /// What held a roster is done: it need not be kept for that.
    pub(super) fn release(&mut self, slot: u32) {
        if let Some(roster) = self.seating.rosters.get_mut(slot) {
            roster.holds -= 1;
        }
        self.seating.free_if_unused(slot);
    }

    /// Goes on from listener to listener, as far as the budget reaches.
    pub(super) fn visit(&mut self, mut job: Job, budget: &mut usize, now: Timestamp) {
        loop {
            let Some(roster) = self.seating.rosters.get_mut(job.batch.roster) else {
                return;
            };
            job.below = job.below.min(roster.listeners.len());
            if job.below == 0 {
                if job.batch.is_empty() {
                    self.release(job.batch.roster);
                } else {
                    // Behind the others: a flooded room does not keep them waiting.
                    self.turn.batches.push_back(job.batch);
                }
                return;
            }
            if *budget == 0 {
                self.job = Some(job);
                return;
            }
            if job.below <= job.near {
                job.near = job.below.saturating_sub(NEAR_CONNECTIONS);
                let next = roster.listeners[job.near..job.below].iter();
                let slots = next.map(|listener| listener.connection);
                bring_near(&self.seating.connections, slots);
            }
            job.below -= 1;
            let listener = &mut roster.listeners[job.below];
            if listener.stamp.is_done(job.stamp, self.turn_stamp) {
                continue;
            }
            listener.stamp = job.stamp;
            *budget -= 1;
            let slot = listener.connection;
            let index = job.below;
            self.give(&job, index, slot, now);
        }
    }

    /// Gives one listener what it lacks.
    pub(super) fn give(&mut self, job: &Job, index: usize, slot: u32, now: Timestamp) {
        if job.with_replies {
            self.take_back_paused(slot);
        }
        let Some(connection) = self.seating.connections.get_mut(slot) else {
            return;
        };
        let Some(roster) = self.seating.rosters.get_mut(job.batch.roster) else {
            return;
        };
        let Audience::Room(room) = roster.key.1 else {
            return;
        };
        let Some(&cursor) = roster.cursor(index) else {
            return;
        };
        if roster.is_stale(&cursor) {
            return;
        }
        let mut note = Note {
            now,
            tally: &mut self.tally,
        };
        let space = self.outbox_bytes_max;
        let next = if cursor.is_live() {
            cursor.next
        } else {
            // Hears signals only: its events come from the log.
            Seq(u64::MAX)
        };
        let replies = (job.with_replies && connection.has_collected()).then_some(&mut self.scratch);
        let heard = hear(
            connection,
            &job.joined,
            next,
            (room, space),
            replies,
            &mut note,
        );
        let Ok(heard) = heard else {
            self.end(slot);
            return;
        };
        if let Some((_, last)) = job.joined.range()
            && cursor.is_live()
            && let Some(place) = roster.cursor_mut(index)
        {
            place.next = heard;
            if heard <= last {
                place.state = CursorState::Behind;
                connection.fall_behind();
                self.tally.fell_behind += 1;
                self.look_after(slot);
                return;
            }
        }
        if connection.pipe.is_blocked() {
            self.look_after(slot);
        }
    }

    pub(super) fn say_goodbye(&mut self, goodbye: &Goodbye, now: Timestamp) {
        if let Some(slot) = self.seating.slot(goodbye.connection) {
            self.take_back_paused(slot);
        }
        if let Some(slot) = self.seating.slot(goodbye.connection)
            && (self.seating.connections.get(slot)).is_some_and(|connection| connection.closing)
            && let Some(mut connection) = self.forget(slot)
        {
            self.tally.closed(goodbye.code);
            // Empty unless the parting is graceful. A sink that fails here is closed all the same.
            let mut note = Note {
                now,
                tally: &mut self.tally,
            };
            let sent = connection.send_collected(&mut self.scratch, &mut note);
            if sent.is_err() {
                connection.pipe.close(goodbye.code);
                return;
            }
            connection.pipe.close_with(&goodbye.bye, goodbye.code);
            self.tally.bytes_written += connection.pipe.take_written();
        }
    }
}

/// Looks at what writing to these connections begins with, of all before the first is written to. With thousands
/// of connections it lies far away, and a processor waits for many things at once as long as for one: between
/// two system calls it would wait for each anew.
fn bring_near(connections: &Slots<Connection>, slots: impl Iterator<Item = u32> + Clone) {
    let connections = || slots.clone().filter_map(|slot| connections.get(slot));
    for connection in connections() {
        black_box(connection.closing);
    }
    for connection in connections() {
        connection.pipe.bring_near();
    }
}

/// Gives a listener what it lacks from `next` on, and the signals; what it lacks then. Before that its replies,
/// where there is scratch for them.
fn hear(
    connection: &mut Connection,
    joined: &Joined,
    mut next: Seq,
    (room, space): (RoomNumber, usize),
    mut replies: Option<&mut Vec<u8>>,
    note: &mut Note<'_>,
) -> Result<Seq, Broken> {
    let mut from = joined.index_of(next);
    // Who came in the middle of a run is told of the rest of it alone.
    if let Some(index) = from
        && let said = &joined.events()[index]
        && said.first < next
        && let Some(rest) = said.from(next)
    {
        if let Some(scratch) = replies.take() {
            connection.send_collected(scratch, note)?;
        }
        let after = said.last.next();
        let part = Joined::new(vec![rest], Vec::new(), connection.pipe.is_socket());
        let heard = connection.hear(&part, Some(0), Some(room), space, note)?;
        if heard == 1 {
            next = after;
            from = Some(index + 1);
        } else {
            from = None;
        }
    }
    let heard = match replies {
        Some(scratch) => connection.send_and_hear(scratch, (joined, from, room), space, note)?,
        None => connection.hear(joined, from, Some(room), space, note)?,
    };
    let heard_to = from.and_then(|from| joined.after(from + heard));
    Ok(heard_to.filter(|_| heard > 0).unwrap_or(next))
}
