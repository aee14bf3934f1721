//! What is shown to those who moderate.

use homeroom_protocol::{
    EventBody, Message, Permission, Reported, RoomNumber, Seq, limit::REASON_BYTES_MAX,
};

use super::{Answer, Asked, Reply};
use crate::{
    domain::Outcome,
    tenant::{
        decide::{self, Verdict},
        refusal::Refusal,
        state::Tenant,
    },
};

impl Tenant {
    /// Shows a message as it is now: what becomes of it later does not take that back.
    pub(super) fn report(
        &mut self,
        asked: &Asked,
        at: (RoomNumber, Seq),
        reason: String,
        (answer, out): (Answer, &mut Outcome<Self>),
    ) -> Reply {
        let ground = self.ground_of(asked);
        ground.may_write()?;
        decide::check_field("reason", reason.len(), REASON_BYTES_MAX)?;
        let keyed = self.keyed_by(asked, &answer)?;
        let verdict = match keyed.already()? {
            Some(record) => Verdict::Already(record),
            None => {
                let room = decide::messages::with_message(ground, at)?;
                ground.may(room, Permission::View)?;
                let id = room.id.clone().ok_or(Refusal::NotHere)?;
                let looked = self.looked(asked.user(), at, answer)?;
                match self.rooms.reports() {
                    Some(reports) => ground.can_add(reports)?,
                    None => ground.can_store()?,
                }
                let reported = Reported {
                    room: at.0,
                    id,
                    target: at.1,
                    author: looked.author,
                    time: looked.time,
                    message: Message {
                        state: None,
                        ..looked.message
                    },
                    reason,
                };
                let too_many = Refusal::TooMany {
                    what: "rooms",
                    max: self.settings.rooms_max,
                };
                let reports = self.open_reports(asked, out).ok_or(too_many)?;
                let reports = self.rooms.get(reports).ok_or(too_many)?;
                let body = EventBody::Reported(Box::new(reported));
                let ground = self.ground_of(asked);
                Verdict::Happened(ground.event(reports, body, Some(keyed.by())))
            }
        };
        self.sent(asked, verdict, out)
    }
}
