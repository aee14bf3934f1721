//! Who types, and what a connection shows.

use homeroom_protocol::{RoomNumber, Seq, ServerFrame};

use super::{Asked, Reply, said};
use crate::{
    domain::Outcome,
    tenant::{effects, refusal::Refusal, state::Tenant},
};

impl Tenant {
    pub(super) fn type_in(
        &mut self,
        asked: &Asked,
        (number, _thread): (RoomNumber, Option<Seq>),
        active: bool,
        out: &mut Outcome<Self>,
    ) -> Reply {
        let user = asked.user();
        let ground = self.ground_of(asked);
        ground.may_write()?;
        let counts = ground.joined(number)?.has_durably(user, self.durable);
        let session = self.sessions.get(asked.connection);
        if !session.is_some_and(|session| session.listening.contains_key(&number)) {
            return Err(Refusal::NotListening);
        }
        if !active {
            self.stop_typing(number, user, out);
        } else if counts {
            let until = asked.moment.now.plus_ms(self.settings.typing_ttl_ms);
            if self.typing.start(number, user, until, &mut self.deadlines) {
                out.now
                    .push(effects::typing(number, self.typing.list(number)));
            }
        }
        let id = asked.id;
        said(ServerFrame::Done { id })
    }

    #[expect(clippy::needless_pass_by_value, clippy::unused_self, reason = "its rules are still to be written")]
    pub(super) fn view(&mut self, _asked: &Asked, _room: Option<RoomNumber>, _thread: Option<Seq>, _out: &mut Outcome<Self>) -> Reply {
        Err(Refusal::NotHere)
    }
}
