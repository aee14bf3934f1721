//! What follows from a change of somebody's place in a room: for their connections, and on their stream.
//!
//! One event in the room's timeline says it to the room; one on each concerned user's stream says it to
//! them, wherever they are. Both are in one commit of the log. So the list of somebody's rooms, and what
//! their stream says after it, come to the list fetched afresh.

use homeroom_protocol::{EventBody, PlaceChange, RemovedReason, RoomNumber, UserId};

use crate::{
    domain::{Moment, Outcome},
    tenant::{
        records::{
            concern::{Concern, MemberFact, RoomFact},
            event::Event,
        },
        state::Tenant,
    },
};

impl Tenant {
    /// Makes an event true that may change somebody's place, with all that follows.
    pub(crate) fn commit_place(&mut self, moment: Moment, event: Event, out: &mut Outcome<Self>) {
        let (room, by) = (event.room, event.author.clone());
        match event.concern() {
            Concern::Room(RoomFact::Created { members, .. }) => {
                let members = members.to_vec();
                self.commit(event, out);
                if !by.is_service() {
                    self.tell_place(moment, (room, &by), &by, PlaceChange::Joined, out);
                }
                for member in members {
                    self.tell_place(moment, (room, &by), &member, PlaceChange::Added, out);
                }
            }
            Concern::Member(user, fact) => {
                let (user, followed) = (user.clone(), follows_from(fact));
                if let Some((_, Some(reason))) = followed {
                    self.end_membership(event, &user, reason, out);
                } else {
                    self.commit(event, out);
                }
                if let Some((change, _)) = followed {
                    self.tell_place(moment, (room, &by), &user, change, out);
                }
            }
            Concern::Room(
                RoomFact::StreamOpened | RoomFact::Changed(_) | RoomFact::OverwriteSet(..),
            )
            | Concern::Message(_)
            | Concern::Person(_)
            | Concern::Nothing => self.commit(event, out),
        }
    }

    fn tell_place(
        &mut self,
        moment: Moment,
        (room, by): (RoomNumber, &UserId),
        user: &UserId,
        change: PlaceChange,
        out: &mut Outcome<Self>,
    ) {
        let Some(id) = self.rooms.get(room).and_then(|room| room.id.clone()) else {
            return;
        };
        let body = EventBody::PlaceChanged {
            room,
            id,
            change,
            by: by.clone(),
        };
        self.commit_personal(moment, user, body, out);
    }
}

/// What the user is told on their stream, and if their membership ended, why; `None`: nothing of their place
/// changed.
const fn follows_from(fact: MemberFact) -> Option<(PlaceChange, Option<RemovedReason>)> {
    match fact {
        MemberFact::Joined => Some((PlaceChange::Joined, None)),
        MemberFact::Added => Some((PlaceChange::Added, None)),
        MemberFact::Left => Some((PlaceChange::Left, Some(RemovedReason::Left))),
        MemberFact::Removed => Some((PlaceChange::Removed, Some(RemovedReason::Removed))),
        MemberFact::Banned { .. } => Some((PlaceChange::Banned, Some(RemovedReason::Banned))),
        MemberFact::Invited => Some((PlaceChange::Invited, None)),
        MemberFact::Uninvited => Some((PlaceChange::Uninvited, None)),
        MemberFact::Unbanned => Some((PlaceChange::Unbanned, None)),
        MemberFact::Muted { .. } | MemberFact::Unmuted => None,
    }
}
