//! What follows from a change of somebody's place in a room: for their connections, and on their stream.
//!
//! One event in the room's timeline says it to the room; one on each concerned user's stream says it to
//! them, wherever they are. Both are in one commit of the log. So the list of somebody's rooms, and what
//! their stream says after it, come to the list fetched afresh. A stream that its owner never began says
//! nothing.

use homeroom_protocol::{EventBody, PlaceChange, RemovedReason, RoomNumber, UserId};

use crate::{
    domain::{Moment, Outcome},
    tenant::{records::event::Event, rights::permit, state::Tenant},
};

impl Tenant {
    /// Makes an event true that may change somebody's place, with all that follows.
    pub(crate) fn commit_place(&mut self, moment: Moment, event: Event, out: &mut Outcome<Self>) {
        let (room, by) = (event.room, event.author.clone());
        match event.body.clone() {
            EventBody::RoomCreated { members, .. } => {
                self.commit(event, out);
                if !by.is_service() {
                    self.tell_place(moment, (room, &by), &by, PlaceChange::Joined, out);
                }
                for member in members {
                    self.tell_place(moment, (room, &by), &member, PlaceChange::Added, out);
                }
            }
            EventBody::MemberJoined => {
                self.commit(event, out);
                self.tell_place(moment, (room, &by), &by, PlaceChange::Joined, out);
            }
            EventBody::MemberAdded { member } => {
                self.commit(event, out);
                self.tell_place(moment, (room, &by), &member, PlaceChange::Added, out);
            }
            EventBody::MemberLeft => {
                self.end_membership(event, &by, RemovedReason::Left, out);
                self.tell_place(moment, (room, &by), &by, PlaceChange::Left, out);
            }
            EventBody::MemberRemoved { member } => {
                self.end_membership(event, &member, RemovedReason::Removed, out);
                self.tell_place(moment, (room, &by), &member, PlaceChange::Removed, out);
            }
            EventBody::MemberBanned { user, .. } => {
                let knows = self.may_know_of(&user, room);
                self.end_membership(event, &user, RemovedReason::Banned, out);
                if knows {
                    self.tell_place(moment, (room, &by), &user, PlaceChange::Banned, out);
                }
            }
            EventBody::MemberInvited { user } => {
                self.commit(event, out);
                self.tell_place(moment, (room, &by), &user, PlaceChange::Invited, out);
            }
            EventBody::MemberUninvited { user } => {
                self.commit(event, out);
                self.tell_place(moment, (room, &by), &user, PlaceChange::Uninvited, out);
            }
            EventBody::MemberUnbanned { user } => {
                self.commit(event, out);
                if self.may_know_of(&user, room) {
                    self.tell_place(moment, (room, &by), &user, PlaceChange::Unbanned, out);
                }
            }
            EventBody::MemberMuted { .. }
            | EventBody::MemberUnmuted { .. }
            | EventBody::RoomChanged { .. }
            | EventBody::OverwriteSet { .. }
            | EventBody::Message(_)
            | EventBody::MessageEdited { .. }
            | EventBody::MessageDeleted { .. }
            | EventBody::ReactionSet { .. }
            | EventBody::PinSet { .. }
            | EventBody::Tombstone { .. }
            | EventBody::Reported(_)
            | EventBody::StreamOpened
            | EventBody::PlaceChanged { .. }
            | EventBody::Marked { .. }
            | EventBody::StatusSet { .. }
            | EventBody::LevelSet { .. }
            | EventBody::BlockSet { .. }
            | EventBody::RolesGiven { .. }
            | EventBody::ThreadFollowed { .. }
            | EventBody::Unknown { .. } => self.commit(event, out),
        }
    }

    /// Whether a room is no secret to a user: else they would learn of it by what is done to them there.
    fn may_know_of(&self, user: &UserId, room: RoomNumber) -> bool {
        let room = self.rooms.get(room);
        room.is_some_and(|room| permit::may_know_of(&self.roles, room, user))
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
        self.tell_personal(moment, user, body, out);
    }
}
