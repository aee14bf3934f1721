//! What the hub hands over is heard at once, frame by frame, and so is what back ends are answered.

use homeroom_engine::{hub::JOINED_BYTES_MAX, tenant::ServiceAnswer};
use homeroom_protocol::{EventBody, ServerFrame};

use crate::{
    broken::{Broken, Checked, ensure},
    world::World,
};

impl World {
    pub(crate) fn hub_works(
        &mut self,
        chance: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<bool, Broken> {
        let needs = self.host.tick();
        self.host.ask(needs);
        let (worked, needs) = self.host.turn(|| chance(3, 4));
        let asked = !needs.is_empty();
        self.host.ask(needs);
        self.check_said()?;
        self.check_calls()?;
        Ok(worked || asked)
    }

    /// Looks at every frame that was handed over.
    pub(crate) fn check_said(&mut self) -> Checked {
        for (connection, link) in &mut self.links {
            ensure!(
                !link.wire.was_written_after_close(),
                "nothing after the end",
                "{connection:?}"
            );
            for said in link.wire.take_said() {
                if let Some(notes) = &mut self.notes {
                    let (now, user, frame) = (self.now, &link.user, &said.frame);
                    notes.push(format!("{now:6} ms  {user} on {connection:?} < {frame:?}"));
                }
                link.check(*connection, &said, &self.ledgers[link.tenant])?;
                if let ServerFrame::Event { room, event, .. } = &said.frame
                    && let EventBody::Message(message) = &event.body
                {
                    let (people, place) = (&mut self.people[link.tenant], (*room, message.thread));
                    // A clock that was set back does not say which came first.
                    if self.behind_ms == 0 {
                        people.spoke(&event.author, place, event.time);
                    }
                }
            }
            let (events, replies) = (link.gauge.outbox_bytes(), link.gauge.reply_bytes());
            let most = self.shape.outbox_bytes + JOINED_BYTES_MAX;
            ensure!(
                events - replies.min(events) <= most,
                "limits hold",
                "{events} bytes wait for {connection:?}"
            );
        }
        Ok(())
    }

    /// What back ends were answered is so.
    pub(crate) fn check_calls(&mut self) -> Checked {
        let ledgers = &self.ledgers;
        let mut wrong = None;
        self.calls.retain(|call| {
            let Some(answer) = call.answer.take() else {
                return true;
            };
            if let Ok(ServiceAnswer::Placed(placed)) = &answer {
                let ledger = &ledgers[call.tenant];
                let keeps = ledger.by_epoch(placed.position.epoch);
                let found = ledger.place_of(&call.text);
                let seq = placed.position.seq;
                if keeps.is_some_and(|(_, room)| room.keeps) && found.map(|it| it.1) != Some(seq) {
                    wrong = Some(format!(
                        "{call:?} was answered {placed:?}, and is at {found:?}"
                    ));
                }
            }
            false
        });
        wrong.map_or(Ok(()), |seen| {
            Err(Broken::new("what is told is durable", seen))
        })
    }
}
