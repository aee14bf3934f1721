//! Writing: replies first, then each room's joined buffer, from listener to listener.

use std::mem;

use homeroom_protocol::{ConnectionId, Seq, Timestamp};

use super::{
    super::{
        Audience,
        connection::Note,
        joined::Joined,
        roster::{Cursor, CursorState},
        turn::{Batch, Job},
    },
    Goodbye, Shard,
};

impl Shard {
    pub(super) fn begin_turn(&mut self) {
        // The turn before is written to its end, and its lists keep their room.
        debug_assert!(self.turn.is_empty() && self.job.is_none());
        mem::swap(&mut self.inbox, &mut self.turn);
        self.inbox.weight = 0;
        for batch in &self.turn.batches {
            if let Some(roster) = self.seating.rosters.get_mut(batch.roster) {
                roster.batch = None;
            }
        }
        self.stamp = self.stamp.next();
        self.turn_stamp = self.stamp;
        self.turns += 1;
    }

    pub(super) fn send_direct(&mut self, connection: ConnectionId, now: Timestamp) {
        if let Some(slot) = self.seating.slot(connection)
            && let Some(found) = self.seating.connections.get_mut(slot)
            && !found.closing
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
    pub(super) fn begin_job(&mut self, mut batch: Batch) {
        let Some(roster) = self.seating.rosters.get_mut(batch.roster) else {
            return;
        };
        if batch.is_empty() || roster.listeners.is_empty() || roster.epoch != batch.epoch {
            self.release(&batch);
            return;
        }
        let joined = batch.take_joined(roster.sockets > 0);
        roster.give(joined.events());
        self.stamp = self.stamp.next();
        self.job = Some(Job {
            below: roster.listeners.len(),
            batch,
            joined,
            stamp: self.stamp,
        });
    }

    /// A batch is done: its roster need not be kept for it.
    fn release(&mut self, batch: &Batch) {
        if let Some(roster) = self.seating.rosters.get_mut(batch.roster) {
            roster.holds -= 1;
        }
        self.seating.free_if_unused(batch.roster);
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
                    self.release(&job.batch);
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
        let Some(connection) = self.seating.connections.get_mut(slot) else {
            return;
        };
        let Some(roster) = self.seating.rosters.get_mut(job.batch.roster) else {
            return;
        };
        let room = match roster.key.1 {
            Audience::Room(room) => Some(room),
            Audience::Watchers(_) => None,
        };
        let mut cursor = roster.cursors.get_mut(index);
        let from = (cursor.as_deref()).and_then(|cursor| first_lacking(&job.joined, cursor));
        let mut note = Note {
            now,
            tally: &mut self.tally,
        };
        let space = self.outbox_bytes_max;
        let heard = connection.hear(&job.joined, from, room, space, &mut note);
        let Ok(taken) = heard else {
            self.end(slot);
            return;
        };
        if let Some(cursor) = cursor.as_mut()
            && let Some((_, last)) = job.joined.range()
            && cursor.is_live()
        {
            cursor.next = Seq(cursor.next.0 + taken as u64);
            if cursor.next <= last {
                cursor.state = CursorState::Behind;
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

/// The number of the first event that a live listener lacks; `None` if it has them all, or cannot
/// take any because one before them is missing.
fn first_lacking(joined: &Joined, cursor: &Cursor) -> Option<usize> {
    let (first, last) = joined.range()?;
    if !cursor.is_live() || cursor.next < first || cursor.next > last {
        return None;
    }
    usize::try_from(cursor.next.0 - first.0).ok()
}
