//! What concerns one person across rooms.

use homeroom_protocol::{Position, Stream, UserId};

use super::{Asked, Reply};
use crate::{
    domain::Outcome,
    tenant::{refusal::Refusal, state::Tenant},
};

impl Tenant {
    pub(super) fn stream(
        &mut self,
        _asked: &Asked,
        _stream: Stream,
        _resume: Option<Position>,
        _out: &mut Outcome<Self>,
    ) -> Reply {
        Err(Refusal::NotHere)
    }

    pub(super) fn me(&self, _asked: &Asked) -> Reply {
        Err(Refusal::NotHere)
    }

    pub(super) fn block(
        &mut self,
        _asked: &Asked,
        _user: UserId,
        _on: bool,
        _out: &mut Outcome<Self>,
    ) -> Reply {
        Err(Refusal::NotHere)
    }
}
