//! Who is kept in or out of one room, beside its members: invited, banned, muted.
//!
//! A ban or mute that ends by itself needs no timer: whoever asks brings the time along.

use std::collections::{BTreeMap, BTreeSet};

use homeroom_protocol::{EventBody, Timestamp, UserId};

use crate::{log::LogPosition, tenant::records::event::Event};

/// What stands of invitations, bans and mutes. Written only by `apply`; the rules bound each by
/// [`Settings::held_at_gate_max`](crate::tenant::Settings::held_at_gate_max).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Gate {
    invited: BTreeSet<UserId>,
    banned: Terms,
    muted: Terms,
}

/// Users, each until a time or for ever.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Terms(BTreeMap<UserId, Option<Timestamp>>);

impl Gate {
    pub(crate) fn is_invited(&self, user: &UserId) -> bool {
        self.invited.contains(user)
    }

    /// Who is invited, in the order of their ids.
    pub(crate) fn invited(&self) -> impl Iterator<Item = &UserId> {
        self.invited.iter()
    }

    pub(crate) fn invited_count(&self) -> usize {
        self.invited.len()
    }

    /// Who may not come in.
    pub(crate) const fn banned(&self) -> &Terms {
        &self.banned
    }

    /// Who may not say anything.
    pub(crate) const fn muted(&self) -> &Terms {
        &self.muted
    }

    pub(crate) fn is_banned(&self, user: &UserId, time: Timestamp) -> bool {
        self.banned.holds(user, time)
    }

    pub(crate) fn is_muted(&self, user: &UserId, time: Timestamp) -> bool {
        self.muted.holds(user, time)
    }

    pub(crate) fn apply(&mut self, _: LogPosition, event: &Event) {
        match &event.body {
            EventBody::MemberInvited { user } => _ = self.invited.insert(user.clone()),
            EventBody::MemberJoined => _ = self.invited.remove(&event.author),
            EventBody::MemberUninvited { user } | EventBody::MemberAdded { member: user } => {
                self.invited.remove(user);
            }
            EventBody::MemberBanned { user, until, .. } => {
                self.invited.remove(user);
                self.banned.set(user, *until, event.time);
            }
            EventBody::MemberUnbanned { user } => self.banned.end(user),
            EventBody::MemberMuted { user, until, .. } => {
                self.muted.set(user, *until, event.time);
            }
            EventBody::MemberUnmuted { user } => self.muted.end(user),
            EventBody::RoomCreated { .. }
            | EventBody::MemberLeft
            | EventBody::MemberRemoved { .. }
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
            | EventBody::Unknown { .. } => {}
        }
    }
}

impl Terms {
    /// Whether a user's term runs at this time.
    pub(crate) fn holds(&self, user: &UserId, time: Timestamp) -> bool {
        self.0.get(user).is_some_and(|&until| runs(until, time))
    }

    /// Until when a user's term runs at this time; `None`: it does not, `Some(None)`: for ever.
    pub(crate) fn until(&self, user: &UserId, time: Timestamp) -> Option<Option<Timestamp>> {
        let until = *self.0.get(user)?;
        runs(until, time).then_some(until)
    }

    /// How many run at this time.
    pub(crate) fn count(&self, time: Timestamp) -> usize {
        self.0.values().filter(|&&until| runs(until, time)).count()
    }

    /// What is over makes place for what begins, so there are never more than ran at one time.
    fn set(&mut self, user: &UserId, until: Option<Timestamp>, time: Timestamp) {
        self.0.retain(|_, until| runs(*until, time));
        self.0.insert(user.clone(), until);
    }

    fn end(&mut self, user: &UserId) {
        self.0.remove(user);
    }

    fn save(&self) -> Vec<(String, Option<u64>)> {
        let terms = self.0.iter();
        terms
            .map(|(user, until)| (user.to_string(), until.map(|until| until.0)))
            .collect()
    }

    fn restore(saved: Vec<(String, Option<u64>)>) -> Option<Self> {
        let term = |(user, until): (String, Option<u64>)| {
            Some((UserId::new(user).ok()?, until.map(Timestamp)))
        };
        saved.into_iter().map(term).collect::<Option<_>>().map(Self)
    }
}

fn runs(until: Option<Timestamp>, time: Timestamp) -> bool {
    until.is_none_or(|until| time < until)
}

/// As a part of its room's section: invited, banned, muted.
pub(crate) type SavedGate = (
    Vec<String>,
    Vec<(String, Option<u64>)>,
    Vec<(String, Option<u64>)>,
);

impl Gate {
    pub(crate) fn save(&self) -> SavedGate {
        (
            self.invited.iter().map(ToString::to_string).collect(),
            self.banned.save(),
            self.muted.save(),
        )
    }

    /// `None`: it was not saved like this.
    pub(crate) fn restore((invited, banned, muted): SavedGate) -> Option<Self> {
        let invited = invited.into_iter().map(|user| UserId::new(user).ok());
        Some(Self {
            invited: invited.collect::<Option<_>>()?,
            banned: Terms::restore(banned)?,
            muted: Terms::restore(muted)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use homeroom_protocol::{Epoch, Position, RoomNumber, Seq};

    use super::*;
    use crate::tenant::records::stored;

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    fn happen(gate: &mut Gate, author: &str, time: u64, body: EventBody) {
        let event = Event {
            room: RoomNumber(1),
            position: Position {
                epoch: Epoch::new(1).unwrap(),
                seq: Seq(time),
            },
            time: Timestamp(time),
            author: user(author),
            body,
            keyed: None,
        };
        gate.apply(LogPosition(time), &event);
    }

    fn ban(name: &str, until: Option<u64>) -> EventBody {
        EventBody::MemberBanned {
            user: user(name),
            until: until.map(Timestamp),
            reason: None,
        }
    }

    fn invite(name: &str) -> EventBody {
        EventBody::MemberInvited { user: user(name) }
    }

    #[test]
    fn a_ban_ends_at_its_time_or_when_it_is_lifted() {
        let mut gate = Gate::default();
        happen(&mut gate, "ada", 1, ban("eve", Some(10)));
        happen(&mut gate, "ada", 2, ban("bob", None));
        let banned = |gate: &Gate, time| {
            ["eve", "bob"].map(|name| gate.is_banned(&user(name), Timestamp(time)))
        };
        assert_eq!(banned(&gate, 9), [true, true]);
        assert_eq!(banned(&gate, 10), [false, true]);
        assert_eq!(
            gate.banned().until(&user("eve"), Timestamp(9)),
            Some(Some(Timestamp(10)))
        );
        assert_eq!(gate.banned().until(&user("bob"), Timestamp(9)), Some(None));
        assert_eq!(gate.banned().until(&user("eve"), Timestamp(10)), None);
        happen(
            &mut gate,
            "ada",
            11,
            EventBody::MemberUnbanned { user: user("bob") },
        );
        assert_eq!(banned(&gate, 12), [false, false]);
    }

    #[test]
    fn terms_that_are_over_make_place() {
        let mut gate = Gate::default();
        for time in 1..100 {
            happen(
                &mut gate,
                "ada",
                time,
                ban(&format!("user-{time}"), Some(time + 3)),
            );
            assert!(gate.banned.0.len() <= 3, "{time}");
            assert_eq!(gate.banned().count(Timestamp(time)), gate.banned.0.len());
        }
    }

    #[test]
    fn a_mute_outlives_a_membership_and_an_invitation_does_not() {
        let mut gate = Gate::default();
        let mute = EventBody::MemberMuted {
            user: user("bob"),
            until: None,
            reason: None,
        };
        happen(&mut gate, "ada", 1, mute);
        happen(&mut gate, "ada", 2, invite("bob"));
        assert!(gate.is_invited(&user("bob")));
        happen(&mut gate, "bob", 3, EventBody::MemberJoined);
        happen(&mut gate, "bob", 4, EventBody::MemberLeft);
        assert!(gate.is_muted(&user("bob"), Timestamp(5)));
        assert!(
            !gate.is_invited(&user("bob")),
            "one invitation, one joining"
        );

        happen(
            &mut gate,
            "ada",
            5,
            EventBody::MemberUnmuted { user: user("bob") },
        );
        for end in [
            EventBody::MemberUninvited { user: user("bob") },
            EventBody::MemberAdded {
                member: user("bob"),
            },
            ban("bob", Some(1)),
        ] {
            happen(&mut gate, "ada", 6, invite("bob"));
            assert_eq!(gate.invited_count(), 1);
            happen(&mut gate, "ada", 7, end);
            assert_eq!(gate.invited_count(), 0);
        }
    }

    #[test]
    fn it_comes_back_as_it_was_saved() {
        let mut gate = Gate::default();
        happen(&mut gate, "ada", 1, ban("eve", Some(10)));
        happen(&mut gate, "ada", 2, ban("bob", None));
        happen(&mut gate, "ada", 3, invite("kim"));
        let mute = EventBody::MemberMuted {
            user: user("kim"),
            until: Some(Timestamp(7)),
            reason: Some("noise".into()),
        };
        happen(&mut gate, "ada", 4, mute);
        let saved = stored::read(&stored::write(&gate.save()), "gate").unwrap();
        assert_eq!(Gate::restore(saved), Some(gate));
        let nobody = (vec![String::new()], Vec::new(), Vec::new());
        assert_eq!(Gate::restore(nobody), None);
    }
}
