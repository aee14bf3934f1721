//! Which connections hear a room: added when durable, taken away at once.

use homeroom_protocol::{ConnectionId, Epoch, RemovedReason, RoomNumber, Seq, ServerFrame, UserId};

use crate::{
    domain::Outcome,
    hub::{Delivery, Generation},
    tenant::{effects, records::event::Event, state::Tenant},
};

/// From where a connection hears a room.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    pub(crate) room: RoomNumber,
    pub(crate) epoch: Epoch,
    pub(crate) next: Seq,
    pub(crate) head: Seq,
}

impl Tenant {
    /// How many rooms a connection hears besides this one.
    pub(crate) fn listening_to(&self, connection: ConnectionId, room: RoomNumber) -> usize {
        let Some(session) = self.sessions.get(connection) else {
            return 0;
        };
        session.listening().len() - usize::from(session.listening().contains_key(&room))
    }

    pub(crate) fn listen(
        &mut self,
        connection: ConnectionId,
        start: Start,
        out: &mut Outcome<Self>,
    ) {
        let Start {
            room,
            epoch,
            next,
            head,
        } = start;
        let is_new = self.listening_since(connection, room).is_none();
        let generation = self.sessions.listen(connection, room);
        out.held.push(Delivery::Listen {
            connection,
            room,
            epoch,
            next,
            head,
            generation,
        });
        if is_new {
            self.begin_to_hear(connection, room, out);
        }
    }

    /// Makes the end of a membership true: at once for all the user's connections, in the timeline for
    /// everybody else.
    pub(crate) fn end_membership(
        &mut self,
        event: Event,
        user: &UserId,
        reason: RemovedReason,
        out: &mut Outcome<Self>,
    ) {
        let room = event.room;
        // Before the event: whose membership ends does not hear of it.
        self.unlisten(user, room, reason, out);
        self.commit(event, out);
        self.unwatch_strangers(user, out);
    }

    /// None of a user's connections hears a room any more. What is still held for them is void from now
    /// on, see [`still_due`](Self::still_due).
    pub(crate) fn unlisten(
        &mut self,
        user: &UserId,
        room: RoomNumber,
        reason: RemovedReason,
        out: &mut Outcome<Self>,
    ) {
        self.withdraw(user, room, out);
        for connection in self.people.connections(user, None) {
            let heard = self.sessions.unlisten(connection, room);
            // Also where it was not heard: a page of it that was asked for may be queued.
            out.now.push(Delivery::Unlisten { connection, room });
            if heard {
                out.held.push(effects::direct(
                    connection,
                    ServerFrame::Removed { room, reason },
                ));
            }
        }
    }

    fn listening_since(&self, connection: ConnectionId, room: RoomNumber) -> Option<Generation> {
        let listening = self.sessions.get(connection)?.listening().get(&room)?;
        Some(listening.generation)
    }

    pub(super) fn hears(
        &self,
        connection: ConnectionId,
        room: RoomNumber,
        generation: Generation,
    ) -> bool {
        self.listening_since(connection, room) == Some(generation)
    }
}
