//! Paging: listeners that are behind hear from the log until they have caught up.

use homeroom_protocol::{ConnectionId, Seq, Timestamp};

use super::{
    super::{
        Audience, Need,
        bounds::PAGES_PER_CONNECTION_MAX,
        connection::Note,
        joined::{Joined, Said},
        roster::{Cursor, CursorState},
        turn::PageRead,
    },
    Shard,
};

impl Shard {
    /// A page of the past: given as far as it follows the cursor and fits.
    pub(super) fn give_page(&mut self, page: PageRead, now: Timestamp) {
        let Some(slot) = self.seating.open_slot(page.tenant, page.connection) else {
            return;
        };
        let Some(seat) = self.seating.seat_in_room(slot, page.tenant, page.room) else {
            return;
        };
        let Some(connection) = self.seating.connections.get_mut(slot) else {
            return;
        };
        let seat = connection.rooms[seat];
        let Some(roster) = self.seating.rosters.get_mut(seat.roster) else {
            return;
        };
        let Some(&cursor) = roster.cursor(seat.index()) else {
            return;
        };
        if cursor.generation != page.generation || cursor.is_live() || roster.is_stale(&cursor) {
            return;
        }
        let space = connection.pipe.room_for_events(self.outbox_bytes_max);
        let encoded = connection.pipe.is_socket();
        let read = page.events.into_iter();
        let events = (read.map(|(seq, push)| Said::new(seq, push))).chain(roster.tail());
        let joined = fitting(events, cursor.next, space, encoded);
        let helped = space == 0 || !joined.events().is_empty();
        let from = (!joined.events().is_empty()).then_some(0);
        let mut note = Note {
            now,
            tally: &mut self.tally,
        };
        let (room, space) = (Some(page.room), self.outbox_bytes_max);
        let heard = connection.hear(&joined, from, room, space, &mut note);
        let Ok(taken) = heard else {
            self.end(slot);
            return;
        };
        if cursor.state == CursorState::Asked {
            connection.pages -= 1;
            roster.page_done();
        }
        let next = joined.after(taken).unwrap_or(cursor.next);
        let state = if roster.is_current(next) {
            connection.catch_up();
            CursorState::Live
        } else if helped {
            CursorState::Behind
        } else {
            self.page_waiters.push(page.connection);
            CursorState::Waiting
        };
        if let Some(place) = roster.cursor_mut(seat.index()) {
            *place = Cursor {
                next,
                state,
                ..cursor
            };
        }
        self.look_after(slot);
    }

    /// Asks for the pages a connection needs and may have.
    pub(super) fn ask(&mut self, connection: ConnectionId, needs: &mut Vec<Need>) {
        let Some(slot) = self.seating.slot(connection) else {
            return;
        };
        let Some(found) = self.seating.connections.get_mut(slot) else {
            return;
        };
        found.listed_for_pages = false;
        if found.closing || !found.is_behind() || !found.pipe.has_drained(self.outbox_bytes_max) {
            return;
        }
        let rooms = found.rooms.len();
        let begin = found.page_turn as usize;
        for step in 0..rooms {
            if found.pages >= PAGES_PER_CONNECTION_MAX {
                return;
            }
            let at = (begin + step) % rooms;
            let seat = found.rooms[at];
            let Some(roster) = self.seating.rosters.get_mut(seat.roster) else {
                continue;
            };
            let is_stale =
                (roster.cursor(seat.index())).is_none_or(|cursor| roster.is_stale(cursor));
            if let Audience::Room(room) = roster.key.1
                && let Some(cursor) = roster.cursor_mut(seat.index())
                && cursor.state == CursorState::Behind
                && !is_stale
            {
                cursor.state = CursorState::Asked;
                found.pages += 1;
                found.page_turn = seat_after(at);
                needs.push(Need::Page {
                    tenant: found.tenant,
                    connection,
                    room,
                    generation: cursor.generation,
                    from: cursor.next,
                });
                roster.page_asked();
                self.tally.pages_asked += 1;
            }
        }
    }

    pub(super) fn wake_waiters(&mut self, connection: ConnectionId) {
        let Some(slot) = self.seating.slot(connection) else {
            return;
        };
        let seats = (self.seating.connections.get(slot)).map_or(0, |found| found.rooms.len());
        for at in 0..seats {
            if let Some(seat) =
                (self.seating.connections.get(slot)).and_then(|found| found.rooms.get(at).copied())
                && let Some(cursor) = self.seating.cursor(seat)
                && cursor.state == CursorState::Waiting
            {
                cursor.state = CursorState::Behind;
            }
        }
        self.look_after(slot);
    }
}

/// The part of a page that follows `next` and fits into `space` bytes, the last event at most
/// reaching over.
fn fitting(
    events: impl Iterator<Item = Said>,
    mut next: Seq,
    space: usize,
    encoded: bool,
) -> Joined {
    let mut bytes = 0;
    let mut fits = Vec::new();
    for said in events {
        // Of a run that began before, the rest.
        let Some(said) = said.from(next) else {
            continue;
        };
        if said.first > next || bytes >= space {
            break;
        }
        next = said.last.next();
        if encoded {
            bytes += said.push.wire().len();
        }
        fits.push(said);
    }
    Joined::new(fits, Vec::new(), encoded)
}

fn seat_after(at: usize) -> u32 {
    u32::try_from(at + 1).unwrap_or(0)
}
