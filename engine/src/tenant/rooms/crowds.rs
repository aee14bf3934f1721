//! Crowds: that somebody comes to a large room, or leaves it, is not told one by one.
//!
//! If it were, thousands who join a room within a second would each be told of all the others. So the hub
//! is told only that a place of the timeline was passed, and says so once a second; whoever wants to know
//! who is there asks for the members.

use std::sync::Arc;

use homeroom_protocol::{RoomNumber, Seq, TimelineEvent};

use super::{Rooms, room::Room};
use crate::{
    hub::{Delivery, Push},
    tenant::{
        effects,
        records::{
            concern::{Concern, MemberFact},
            event::Event,
        },
    },
};

/// Most members of a room in which everyone is told of each who comes and goes.
pub const MEMBERS_TOLD_MAX: usize = 256;

impl Rooms {
    /// What the listeners of a room are told of an event that has been applied.
    pub(crate) fn told(&self, event: &Event) -> Delivery {
        match self.get(event.room) {
            Some(room) if room.is_crowded() && is_coming_or_going(event.concern()) => {
                Delivery::Passed {
                    room: event.room,
                    seq: event.position.seq,
                    members: members_of(room),
                }
            }
            Some(_) | None => effects::event(event),
        }
    }
}

impl Room {
    fn is_crowded(&self) -> bool {
        self.members_count() > MEMBERS_TOLD_MAX
    }

    /// A page of its past for a listener that is behind: events without a gap.
    pub(crate) fn page_told(
        &self,
        number: RoomNumber,
        events: Vec<TimelineEvent>,
    ) -> Vec<(Seq, Arc<Push>)> {
        let told =
            |event: TimelineEvent| (event.seq, effects::event_push(number, self.epoch, event));
        if !self.is_crowded() {
            return events.into_iter().map(told).collect();
        }
        let mut page = Vec::new();
        let mut run: Option<(Seq, Seq)> = None;
        let members = members_of(self);
        let passed = |run: (Seq, Seq)| {
            let push = Push::passed(number, self.epoch, run, members);
            (run.0, Arc::new(push))
        };
        for event in events {
            if is_coming_or_going(Concern::of(&event.author, &event.body)) {
                run = Some((run.map_or(event.seq, |(first, _)| first), event.seq));
            } else {
                page.extend(run.take().map(passed));
                page.push(told(event));
            }
        }
        page.extend(run.map(passed));
        page
    }
}

fn members_of(room: &Room) -> u32 {
    u32::try_from(room.members_count()).unwrap_or(u32::MAX)
}

/// Whether it says only that a membership began or ended, as its member wished.
const fn is_coming_or_going(concern: Concern<'_>) -> bool {
    match concern {
        Concern::Member(_, fact) => match fact {
            MemberFact::Joined | MemberFact::Left | MemberFact::Added => true,
            MemberFact::Removed
            | MemberFact::Invited
            | MemberFact::Uninvited
            | MemberFact::Banned { .. }
            | MemberFact::Unbanned
            | MemberFact::Muted { .. }
            | MemberFact::Unmuted => false,
        },
        Concern::Room(_) | Concern::Message(_) | Concern::Person(_) | Concern::Nothing => false,
    }
}
