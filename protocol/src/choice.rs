//! Fields that are one of a few: small integers on the wire, enums here.

use crate::{
    Availability, Cause, DeviceState, Direction, Durability, Measure, NotificationLevel,
    Permission, PlaceChange, Presence, RemovedReason, ResetReason, RoomKind, Standing, Stream,
};

/// An enum with a number for each variant, all in one dense range.
pub(crate) trait Choice: Copy + 'static {
    /// Every variant, in the order of their numbers.
    const ALL: &'static [Self];
    /// The number on the wire: that of the first variant is the lowest, each next is one more.
    fn number(self) -> u64;

    /// The variant with this number; `None` for one of a later version.
    fn from_number(number: u64) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|choice| choice.number() == number)
    }
}

macro_rules! choice_table {
    ($($choice:ident { $($number:literal $name:ident),+ $(,)? })+) => {
        $(impl Choice for $choice {
            const ALL: &'static [Self] = &[$(Self::$name),+];

            fn number(self) -> u64 {
                match self {
                    $(Self::$name => $number),+
                }
            }
        })+
    };
}

choice_table! {
    Direction { 1 Before, 2 After, 3 Around }
    DeviceState { 1 Active, 2 Idle }
    Presence { 0 Offline, 1 Active, 2 Idle, 3 Away, 4 Busy }
    Availability { 0 Automatic, 1 Away, 2 Busy, 3 Invisible }
    ResetReason { 1 EpochChanged, 2 Trimmed, 3 Ahead, 4 Unreadable, 5 NotKept }
    RemovedReason { 1 Left, 2 Removed, 3 Banned, 4 Hidden }
    Stream { 1 Personal, 2 Reports }
    RoomKind { 1 Open, 2 Private, 3 Direct, 4 Announcement, 5 Personal, 6 Moderation }
    Durability { 1 Synced, 2 None }
    Measure {
        1 Invite, 2 Uninvite, 3 Add, 4 Remove, 5 Ban, 6 Unban, 7 Mute, 8 Unmute,
    }
    NotificationLevel { 1 All, 2 Mentions, 3 Nothing }
    Standing { 1 Member, 2 Invited }
    PlaceChange {
        1 Joined, 2 Left, 3 Added, 4 Removed, 5 Invited, 6 Uninvited, 7 Banned, 8 Unbanned,
    }
    Cause {
        1 Nothing, 2 Role, 3 EveryoneHere, 4 RoleHere, 5 UserHere, 6 Prohibited, 7 NoView,
        8 NotMember, 9 Banned, 10 Muted, 11 Archived, 12 Kind, 13 Apart,
    }
}

impl Choice for Permission {
    const ALL: &'static [Self] = &Self::ALL;

    fn number(self) -> u64 {
        Self::number(self).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<C: Choice + PartialEq + std::fmt::Debug>() {
        let first = C::ALL[0].number();
        for (number, choice) in (first..).zip(C::ALL) {
            assert_eq!(choice.number(), number, "{choice:?}");
            assert_eq!(C::from_number(number), Some(*choice));
        }
        assert_eq!(C::from_number(first + C::ALL.len() as u64), None);
    }

    /// Decoding takes everything between the first and the last number for valid.
    #[test]
    fn the_numbers_of_each_choice_are_dense() {
        check::<Direction>();
        check::<DeviceState>();
        check::<Presence>();
        check::<Availability>();
        check::<ResetReason>();
        check::<RemovedReason>();
        check::<Stream>();
        check::<RoomKind>();
        check::<Durability>();
        check::<Measure>();
        check::<NotificationLevel>();
        check::<Standing>();
        check::<PlaceChange>();
        check::<Cause>();
        check::<Permission>();
    }
}
