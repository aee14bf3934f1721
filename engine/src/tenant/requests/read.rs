//! How far somebody has read, and what is left.

use homeroom_protocol::{NotificationLevel, PlacedMark, RoomNumber, Seq, UserId};

use super::{Asked, Reply};
use crate::{
    domain::Outcome,
    tenant::{refusal::Refusal, state::Tenant},
};

impl Tenant {
    pub(super) fn mark(
        &mut self,
        _asked: &Asked,
        _mark: PlacedMark,
        _out: &mut Outcome<Self>,
    ) -> Reply {
        Err(Refusal::NotHere)
    }

    pub(super) fn mark_all(
        &mut self,
        _asked: &Asked,
        _rooms: Option<Vec<RoomNumber>>,
        _out: &mut Outcome<Self>,
    ) -> Reply {
        Err(Refusal::NotHere)
    }

    pub(super) fn readers(
        &self,
        _asked: &Asked,
        _at: (RoomNumber, Seq),
        _after: Option<UserId>,
        _limit: u32,
    ) -> Reply {
        Err(Refusal::NotHere)
    }

    pub(super) fn follow(
        &mut self,
        _asked: &Asked,
        _thread: (RoomNumber, Seq),
        _on: bool,
        _out: &mut Outcome<Self>,
    ) -> Reply {
        Err(Refusal::NotHere)
    }

    pub(super) fn list_rooms(
        &self,
        _asked: &Asked,
        _after: Option<RoomNumber>,
        _limit: u32,
    ) -> Reply {
        Err(Refusal::NotHere)
    }

    pub(super) fn level(
        &mut self,
        _asked: &Asked,
        _room: RoomNumber,
        _level: NotificationLevel,
        _out: &mut Outcome<Self>,
    ) -> Reply {
        Err(Refusal::NotHere)
    }
}
