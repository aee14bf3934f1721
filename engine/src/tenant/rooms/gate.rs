//! Who is kept in or out of one room, beside its members: invited, banned, muted.
//!
//! A ban or mute that ends by itself needs no timer: whoever asks brings the time along.

use std::collections::{BTreeMap, BTreeSet};

use homeroom_protocol::{Timestamp, UserId};

use crate::{
    planted::{Fault, fault},
    tenant::records::concern::MemberFact,
};

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
    pub(crate) fn banned(&self) -> &Terms {
        &self.banned
    }

    /// Who may not say anything.
    pub(crate) fn muted(&self) -> &Terms {
        &self.muted
    }

    pub(crate) fn is_banned(&self, user: &UserId, time: Timestamp) -> bool {
        self.banned.holds(user, time)
    }

    pub(crate) fn is_muted(&self, user: &UserId, time: Timestamp) -> bool {
        self.muted.holds(user, time)
    }

    pub(crate) fn apply(&mut self, user: &UserId, fact: MemberFact, time: Timestamp) {
        match fact {
            MemberFact::Invited => _ = self.invited.insert(user.clone()),
            MemberFact::Joined | MemberFact::Added | MemberFact::Uninvited => {
                self.invited.remove(user);
            }
            MemberFact::Banned { until } => {
                self.invited.remove(user);
                self.banned.set(user, until, time);
            }
            MemberFact::Unbanned => self.banned.end(user),
            MemberFact::Muted { until } => self.muted.set(user, until, time),
            MemberFact::Unmuted => self.muted.end(user),
            MemberFact::Left | MemberFact::Removed => {}
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
        if fault(Fault::BansForgottenAtSnapshot) {
            return Vec::new();
        }
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
    use super::*;
    use crate::tenant::records::stored;

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    fn happen(gate: &mut Gate, name: &str, time: u64, fact: MemberFact) {
        gate.apply(&user(name), fact, Timestamp(time));
    }

    fn ban(until: Option<u64>) -> MemberFact {
        MemberFact::Banned {
            until: until.map(Timestamp),
        }
    }

    fn mute(until: Option<u64>) -> MemberFact {
        MemberFact::Muted {
            until: until.map(Timestamp),
        }
    }

    #[test]
    fn a_ban_ends_at_its_time_or_when_it_is_lifted() {
        let mut gate = Gate::default();
        happen(&mut gate, "eve", 1, ban(Some(10)));
        happen(&mut gate, "bob", 2, ban(None));
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
        happen(&mut gate, "bob", 11, MemberFact::Unbanned);
        assert_eq!(banned(&gate, 12), [false, false]);
    }

    #[test]
    fn terms_that_are_over_make_place() {
        let mut gate = Gate::default();
        for time in 1..100 {
            happen(
                &mut gate,
                &format!("user-{time}"),
                time,
                ban(Some(time + 3)),
            );
            assert!(gate.banned.0.len() <= 3, "{time}");
            assert_eq!(gate.banned().count(Timestamp(time)), gate.banned.0.len());
        }
    }

    #[test]
    fn a_mute_outlives_a_membership_and_an_invitation_does_not() {
        let mut gate = Gate::default();
        happen(&mut gate, "bob", 1, mute(None));
        happen(&mut gate, "bob", 2, MemberFact::Invited);
        assert!(gate.is_invited(&user("bob")));
        happen(&mut gate, "bob", 3, MemberFact::Joined);
        happen(&mut gate, "bob", 4, MemberFact::Left);
        assert!(gate.is_muted(&user("bob"), Timestamp(5)));
        assert!(
            !gate.is_invited(&user("bob")),
            "one invitation, one joining"
        );

        happen(&mut gate, "bob", 5, MemberFact::Unmuted);
        for end in [MemberFact::Uninvited, MemberFact::Added, ban(Some(1))] {
            happen(&mut gate, "bob", 6, MemberFact::Invited);
            assert_eq!(gate.invited_count(), 1);
            happen(&mut gate, "bob", 7, end);
            assert_eq!(gate.invited_count(), 0);
        }
    }

    #[test]
    fn it_comes_back_as_it_was_saved() {
        let mut gate = Gate::default();
        happen(&mut gate, "eve", 1, ban(Some(10)));
        happen(&mut gate, "bob", 2, ban(None));
        happen(&mut gate, "kim", 3, MemberFact::Invited);
        happen(&mut gate, "kim", 4, mute(Some(7)));
        let saved = stored::read(&stored::write(&gate.save()), "gate").unwrap();
        assert_eq!(Gate::restore(saved), Some(gate));
        let nobody = (vec![String::new()], Vec::new(), Vec::new());
        assert_eq!(Gate::restore(nobody), None);
    }
}
