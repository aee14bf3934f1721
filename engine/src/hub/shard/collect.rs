//! Collecting: what is said waits for its turn.

use std::sync::Arc;

use homeroom_protocol::{CloseCode, ConnectionId, RoomNumber, Seq, ServerFrame};

use super::{
    super::{
        Audience, Push, TenantLife,
        bounds::RETURN_SPREAD_MS,
        connection::Parting,
        joined::Said,
        seating::place,
        turn::{Batch, PageRead},
    },
    Goodbye, Shard,
};

impl Shard {
    pub(super) fn direct(&mut self, tenant: TenantLife, connection: ConnectionId, push: Arc<Push>) {
        let Some(slot) = self.seating.open_slot(tenant, connection) else {
            return;
        };
        // What was collected before a pause is refused, what comes after it is not.
        self.take_back_paused(slot);
        if let Some(found) = self.seating.connections.get_mut(slot) {
            self.inbox.weight += push.weight();
            if let ServerFrame::Error { code, .. } = push.frame() {
                self.tally.refused(*code);
            }
            if found.collect(push) {
                self.inbox.direct.push_back((slot, connection));
            }
        }
    }

    pub(super) fn event(
        &mut self,
        tenant: TenantLife,
        room: RoomNumber,
        seq: Seq,
        push: Arc<Push>,
    ) {
        let Some(slot) = self.seating.roster(tenant, Audience::Room(room)) else {
            return;
        };
        let Some(roster) = self.seating.rosters.get_mut(slot) else {
            return;
        };
        if !roster.advance(seq) {
            return;
        }
        self.flush_passed(slot);
        let weight = push.weight();
        if let Some(batch) = self.batch(slot) {
            batch.events.push_back(Said::new(seq, push));
            self.inbox.weight += weight;
        }
    }

    /// Where this turn's pushes of an audience are collected; `None` if nobody is in it.
    pub(super) fn batch(&mut self, slot: u32) -> Option<&mut Batch> {
        let roster = self.seating.rosters.get_mut(slot)?;
        if roster.listeners.is_empty() {
            return None;
        }
        let epoch = roster.epoch();
        let index = *roster.batch.get_or_insert_with(|| {
            roster.holds += 1;
            self.inbox.batches.push_back(Batch::new(slot, epoch));
            place(self.inbox.batches.len() - 1)
        });
        self.inbox.batches.get_mut(index as usize)
    }

    pub(super) fn page(&mut self, page: PageRead) {
        let weights = page.events.iter().map(|(_, push)| push.weight());
        self.inbox.weight += weights.sum::<usize>();
        self.inbox.pages.push_back(page);
    }

    pub(super) fn close(
        &mut self,
        tenant: TenantLife,
        connection: ConnectionId,
        code: CloseCode,
        bye: Arc<Push>,
    ) {
        let Some(slot) = self.seating.open_slot(tenant, connection) else {
            return;
        };
        self.take_back_paused(slot);
        self.unseat(slot);
        if let Some(found) = self.seating.connections.get_mut(slot) {
            found.prepare_close(Parting::of(code));
        }
        self.closing.push_back(Goodbye {
            connection,
            code,
            bye,
        });
    }
}

/// How long after the first of `count` connections, all sent away at once, this one shall come back.
///
/// Multiples of the golden ratio fall evenly into an interval, however many there are (Weyl): neighbours
/// come back far from each other, and it takes neither entropy nor memory of who was given which time.
pub(crate) fn turn_to_return_ms(connection: ConnectionId, count: u64) -> u64 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let spread = count.saturating_sub(1).saturating_mul(RETURN_SPREAD_MS);
    let part = connection.0.wrapping_mul(GOLDEN);
    let turn = (u128::from(part) * u128::from(spread)) >> 64;
    u64::try_from(turn).expect("below the spread")
}

/// The last frame of a connection.
pub(super) fn bye(
    code: CloseCode,
    reconnect_after_ms: Option<u64>,
    explanation: &str,
) -> Arc<Push> {
    Arc::new(Push::new(ServerFrame::Bye {
        code: code.number(),
        reconnect_after_ms,
        explanation: explanation.to_owned(),
    }))
}
