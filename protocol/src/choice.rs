//! Fields that are one of a few: small integers on the wire, enums here.

use crate::{DeviceState, Direction, Presence, RemovedReason, ResetReason};

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
    Direction { 1 Before, 2 After }
    DeviceState { 1 Active, 2 Idle }
    Presence { 0 Offline, 1 Active, 2 Idle }
    ResetReason { 1 EpochChanged, 2 Trimmed, 3 Ahead, 4 Unreadable }
    RemovedReason { 1 Left, 2 Removed }
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
        check::<ResetReason>();
        check::<RemovedReason>();
    }
}
