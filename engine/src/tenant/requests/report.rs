//! What is shown to those who moderate.

use homeroom_protocol::{RoomNumber, Seq};

use super::{Answer, Asked, Reply};
use crate::{
    domain::Outcome,
    tenant::{refusal::Refusal, state::Tenant},
};

impl Tenant {
    pub(super) fn report(
        &mut self,
        _asked: &Asked,
        _target: (RoomNumber, Seq),
        _reason: String,
        _answer_out: (Answer, &mut Outcome<Self>),
    ) -> Reply {
        Err(Refusal::NotHere)
    }
}
