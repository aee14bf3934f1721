//! What was decided is made true: taken in, told, and handed to the log.

use std::hash::Hasher;

use homeroom_protocol::{
    Epoch, EventBody, Position, RoomNumber, Seq, Timestamp, UserId, limit::INTEGER_MAX,
};
use siphasher::sip::SipHasher24;

use super::{
    effects,
    records::{
        event::{Event, TenantChange, TenantEvent},
        keys,
    },
    rooms::room::Room,
    state::Tenant,
};
use crate::{
    domain::{Moment, Outcome},
    planted::{Fault, fault},
};

impl Tenant {
    /// Makes a decision true: applies it and hands it to the log. What one input commits shares one commit
    /// of the log: all of it is kept, or nothing.
    /// What passes by in a room that keeps nothing is not in it, and waits for nothing of its own.
    pub(super) fn commit(&mut self, event: Event, out: &mut Outcome<Self>) {
        if self.rooms.lets_pass(&event) {
            self.rooms.pass(&event);
            if let Some((lookup, record)) = keys::record_of(&self.hashing, &event) {
                self.passing_keys.keep(lookup, record);
            }
            if self.sessions.hears(event.room) {
                out.held.push(effects::event(&event));
            }
            self.follow_up(&event, out);
            return;
        }
        let at = self.applied.next();
        self.take_in(at, &event);
        self.recent.apply(at, &event);
        // Whoever begins to hear the room later is told from where, and what was before comes from the log.
        if self.sessions.hears(event.room) {
            out.held.push(self.rooms.told(&event));
        }
        self.follow_up(&event, out);
        out.events.push(event.into());
    }

    /// What an event ends of what is not stored.
    fn follow_up(&mut self, event: &Event, out: &mut Outcome<Self>) {
        if let EventBody::Message(message) = &event.body {
            self.stop_typing((event.room, message.thread), &event.author, out);
        } else if let EventBody::MemberMuted { user, .. } = &event.body {
            self.silence(user, event.room, out);
        } else if let EventBody::BlockSet { user, .. } = &event.body {
            self.block_changed(&event.author, user, out);
        }
    }

    /// The same for what concerns the tenant as a whole. Nobody hears of it by itself.
    pub(super) fn commit_change(
        &mut self,
        moment: Moment,
        author: Option<&UserId>,
        change: TenantChange,
        out: &mut Outcome<Self>,
    ) {
        let event = TenantEvent {
            time: self.log_time(moment.now),
            author: author.cloned(),
            change,
        };
        self.take_in_change(self.applied.next(), &event);
        out.events.push(event.into());
    }

    /// The same for what concerns one person: it is said on their stream, which begins with it if need be.
    /// Nothing happens when there is no number left for a stream.
    pub(super) fn commit_personal(
        &mut self,
        moment: Moment,
        user: &UserId,
        body: EventBody,
        out: &mut Outcome<Self>,
    ) {
        let Some(room) = self.open_stream(moment, user, out) else {
            return;
        };
        let Some(position) = self.rooms.get(room).map(Room::next) else {
            return;
        };
        let event = Event {
            room,
            position,
            time: self.log_time(moment.now),
            author: user.clone(),
            body,
            keyed: None,
        };
        self.commit(event, out);
    }

    /// The same for what shows without their stream as well, in lists that are asked for: a stream that nobody
    /// ever opened has nothing to say, and none is made for a name that may be nobody's.
    pub(super) fn tell_personal(
        &mut self,
        moment: Moment,
        user: &UserId,
        body: EventBody,
        out: &mut Outcome<Self>,
    ) {
        if self.rooms.stream_of(user).is_some() {
            self.commit_personal(moment, user, body, out);
        }
    }

    /// The stream of a user, made if there is none; `None` when there is no number left for it.
    pub(super) fn open_stream(
        &mut self,
        moment: Moment,
        user: &UserId,
        out: &mut Outcome<Self>,
    ) -> Option<RoomNumber> {
        if let Some(room) = self.rooms.stream_of(user) {
            return Some(room.number);
        }
        let room = self.rooms.free_number()?;
        let event = Event {
            room,
            position: Position {
                epoch: fresh_epoch(moment, room),
                seq: Seq(1),
            },
            time: self.log_time(moment.now),
            author: user.clone(),
            body: EventBody::StreamOpened,
            keyed: None,
        };
        self.commit(event, out);
        Some(room)
    }

    /// The time of an event made now: never lower than that of the event before it, and never more
    /// than the wire can carry.
    pub(super) fn log_time(&self, now: Timestamp) -> Timestamp {
        if fault(Fault::TimeFollowsClock) {
            return now;
        }
        now.max(self.rooms.last_time()).min(Timestamp(INTEGER_MAX))
    }
}

/// The epoch of a room that is made now: one input may make several, and each has its own.
pub(super) fn fresh_epoch(moment: Moment, room: RoomNumber) -> Epoch {
    let mut hasher = SipHasher24::new_with_key(&moment.entropy.to_be_bytes());
    hasher.write(&room.0.to_be_bytes());
    Epoch::from_random(hasher.finish())
}
