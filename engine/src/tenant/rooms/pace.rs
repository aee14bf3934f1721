//! Slow mode: how long somebody has to wait before their next message in a room.

use std::collections::BTreeMap;

use homeroom_protocol::{EventBody, RoomInfo, Timestamp, UserId};

use crate::tenant::records::event::Event;

/// Who said something so lately that they have to wait. Written only by `apply`; empty while a room has no
/// slow mode, and never more than members and those who were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    said: BTreeMap<UserId, Timestamp>,
    /// How many there were when those who need not wait any more were last looked for.
    swept: usize,
}

impl Pace {
    /// How long a user has to wait, in ms; `None`: not at all.
    pub(crate) fn wait_ms(&self, user: &UserId, info: &RoomInfo, time: Timestamp) -> Option<u64> {
        let free = self.said.get(user)?.plus_ms(info.slow_mode_ms.into());
        let wait_ms = free.since_ms(time);
        (wait_ms > 0).then_some(wait_ms)
    }

    /// Takes in what happened in the room; `info` is as it is after that.
    pub(crate) fn apply(&mut self, event: &Event, info: &RoomInfo) {
        if info.slow_mode_ms == 0 {
            *self = Self::default();
            return;
        }
        let EventBody::Message(_) = &event.body else {
            return;
        };
        self.said.insert(event.author.clone(), event.time);
        // Looking through all only when they have doubled makes it cheap for each message.
        if self.said.len() > 2 * self.swept.max(8) {
            let over = |said: Timestamp| said.plus_ms(info.slow_mode_ms.into()) <= event.time;
            self.said.retain(|_, said| !over(*said));
            self.swept = self.said.len();
        }
    }
}

/// As a part of its room's section: who said something when, and how many were left by the last sweep.
pub(crate) type SavedPace = (Vec<(String, u64)>, u64);

impl Pace {
    pub(crate) fn save(&self) -> SavedPace {
        let said = self.said.iter();
        let said = said.map(|(user, time)| (user.to_string(), time.0));
        (said.collect(), self.swept as u64)
    }

    /// `None`: it was not saved like this.
    pub(crate) fn restore((said, swept): SavedPace) -> Option<Self> {
        let said = said
            .into_iter()
            .map(|(user, time)| Some((UserId::new(user).ok()?, Timestamp(time))));
        Some(Self {
            said: said.collect::<Option<_>>()?,
            swept: usize::try_from(swept).ok()?,
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

    fn slow(slow_mode_ms: u32) -> RoomInfo {
        RoomInfo {
            slow_mode_ms,
            ..RoomInfo::default()
        }
    }

    fn happen(pace: &mut Pace, author: &str, time: u64, info: &RoomInfo, body: EventBody) {
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
        pace.apply(&event, info);
    }

    fn said() -> EventBody {
        EventBody::Message("hi".into())
    }

    #[test]
    fn whoever_spoke_waits_for_the_rest_of_the_time() {
        let (mut pace, info) = (Pace::default(), slow(100));
        happen(&mut pace, "ada", 1_000, &info, said());
        let wait = |pace: &Pace, name, info: &RoomInfo, time| {
            pace.wait_ms(&user(name), info, Timestamp(time))
        };
        assert_eq!(wait(&pace, "ada", &info, 1_000), Some(100));
        assert_eq!(wait(&pace, "ada", &info, 1_099), Some(1));
        assert_eq!(wait(&pace, "ada", &info, 1_100), None);
        assert_eq!(wait(&pace, "bob", &info, 1_000), None);
        assert_eq!(
            wait(&pace, "ada", &slow(200), 1_100),
            Some(100),
            "as it is now"
        );

        happen(&mut pace, "ada", 1_050, &info, EventBody::MemberJoined);
        assert_eq!(
            wait(&pace, "ada", &info, 1_050),
            Some(50),
            "only messages count"
        );
        happen(&mut pace, "bob", 1_050, &slow(0), said());
        assert_eq!(
            wait(&pace, "ada", &info, 1_050),
            None,
            "it was switched off between"
        );
    }

    #[test]
    fn those_who_need_not_wait_any_more_are_forgotten() {
        let (mut pace, info) = (Pace::default(), slow(10));
        for time in 0..10_000 {
            happen(&mut pace, &format!("user-{time}"), time, &info, said());
            assert!(pace.said.len() <= 24, "{time}: {}", pace.said.len());
        }
        let saved = stored::read(&stored::write(&pace.save()), "pace").unwrap();
        assert_eq!(Pace::restore(saved), Some(pace));
    }
}
