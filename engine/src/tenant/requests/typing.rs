//! What is said without being stored: who types, what a connection shows, what is signalled.

use homeroom_protocol::{
    ConnectionId, Permission, RoomNumber, Seq, ServerFrame, Signal, SignalName,
    limit::SIGNAL_BYTES_MAX,
};

use super::{Asked, Reply, said};
use crate::{
    domain::{Moment, Outcome},
    identity::Identity,
    tenant::{
        decide::{self, Ground},
        effects,
        refusal::Refusal,
        rooms::room::Room,
        state::Tenant,
    },
};

/// A signal as a client sent it.
#[derive(Debug)]
pub(crate) struct Signalled {
    pub(crate) room: RoomNumber,
    pub(crate) name: SignalName,
    pub(crate) body: Vec<u8>,
}

impl Tenant {
    pub(super) fn type_in(
        &mut self,
        asked: &Asked,
        (number, thread): (RoomNumber, Option<Seq>),
        active: bool,
        out: &mut Outcome<Self>,
    ) -> Reply {
        let user = asked.user();
        let ground = self.ground_of(asked);
        ground.may_write()?;
        let room = ground.joined(number)?;
        self.must_hear(asked.connection, number)?;
        check_place(room, thread)?;
        let counts = room.has_durably(user, self.durable);
        if !active {
            self.stop_typing((number, thread), user, out);
        } else {
            ground.may(room, Permission::Signal)?;
            // Whoever is invisible types unseen.
            if counts && !self.is_invisible(user) {
                self.start_typing(asked, (number, thread), out);
            }
        }
        let id = asked.id;
        said(ServerFrame::Done { id })
    }

    pub(super) fn view(
        &mut self,
        asked: &Asked,
        room: Option<RoomNumber>,
        thread: Option<Seq>,
        out: &mut Outcome<Self>,
    ) -> Reply {
        let ground = self.ground_of(asked);
        ground.may_read()?;
        match room {
            Some(number) => {
                let room = ground.joined(number)?;
                self.must_hear(asked.connection, number)?;
                check_place(room, thread)?;
            }
            None if thread.is_some() => {
                let (field, max) = ("thread", 0);
                return Err(Refusal::InvalidField { field, max });
            }
            None => {}
        }
        self.set_view(asked.connection, (room, thread), out);
        let id = asked.id;
        said(ServerFrame::Done { id })
    }

    /// A signal has no reply; only what is wrong with it is said.
    pub(crate) fn signal(
        &mut self,
        moment: Moment,
        connection: ConnectionId,
        signalled: Signalled,
        out: &mut Outcome<Self>,
    ) {
        let Some(session) = self.sessions.get(connection) else {
            return;
        };
        if session.identity.has_expired(moment.now) {
            self.expire_session(moment, connection, out);
            return;
        }
        let asker = session.identity.clone();
        let ground = self.ground(&asker, moment);
        match self.may_signal(ground, connection, &signalled) {
            Ok(true) => {
                let Signalled { room, name, body } = signalled;
                let Identity { user, .. } = asker;
                let due = self.clock.plus_ms(self.settings.signals_tick_ms);
                let signal = Signal { user, name, body };
                self.signals.put(room, signal, due, &mut self.deadlines);
            }
            Ok(false) => {}
            Err(refusal) => out.held.push(effects::objected(connection, refusal)),
        }
    }

    /// Whether a signal is told; `false` when its sender's membership could still be lost, or nobody else is
    /// to know that they are there.
    fn may_signal(
        &self,
        ground: Ground<'_>,
        connection: ConnectionId,
        signalled: &Signalled,
    ) -> Result<bool, Refusal> {
        ground.may_write()?;
        decide::check_field("body", signalled.body.len(), SIGNAL_BYTES_MAX)?;
        let room = ground.joined(signalled.room)?;
        self.must_hear(connection, signalled.room)?;
        check_place(room, None)?;
        ground.may(room, Permission::Signal)?;
        Ok(room.has_durably(ground.user(), self.durable) && !self.is_invisible(ground.user()))
    }

    fn must_hear(&self, connection: ConnectionId, room: RoomNumber) -> Result<(), Refusal> {
        let session = self.sessions.get(connection);
        if session.is_some_and(|session| session.listening().contains_key(&room)) {
            return Ok(());
        }
        Err(Refusal::NotListening)
    }

    fn start_typing(
        &mut self,
        asked: &Asked,
        place: (RoomNumber, Option<Seq>),
        out: &mut Outcome<Self>,
    ) {
        let until = asked.moment.now.plus_ms(self.settings.typing_ttl_ms);
        let changed = self
            .typing
            .start(place, asked.user(), until, &mut self.deadlines);
        for place in changed {
            out.now
                .push(effects::typing(place, self.typing.list(place)));
        }
    }
}

/// Refuses a stream, in which nobody is, and a thread whose root there cannot be.
fn check_place(room: &Room, thread: Option<Seq>) -> Result<(), Refusal> {
    if room.is_stream() {
        return Err(Refusal::NotHere);
    }
    match thread {
        Some(root) if root.0 == 0 || root > room.head => Err(Refusal::MessageNotFound),
        Some(_) | None => Ok(()),
    }
}
