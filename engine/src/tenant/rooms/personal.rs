//! What one person set for themselves across rooms: marks, levels, blocks, followed threads, status, and
//! where they are invited.
//!
//! It is the state of their user stream, as the members are that of a room. Every event of the stream says
//! what is so from then on, so a client that has the state of one moment and takes in what follows has the
//! state of now. What belongs to a room ends with the membership there: who comes back begins anew.

use std::collections::{BTreeMap, BTreeSet};

use homeroom_protocol::{
    Availability, Mark, NotificationLevel, PlaceChange, PlacedMark, RoomNumber, Seq, Status,
    Timestamp, UserId,
};

use super::marks::SetMark;
use crate::{log::LogPosition, tenant::records::concern::PersonFact};

/// Most marks of threads that are kept of one user, followed or not. At the limit the one of a thread that
/// is not followed and was set longest ago is forgotten: that thread counts as unread from its start. Above
/// the most threads a user may follow.
pub(crate) const THREAD_MARKS_MAX: usize = 1024;

/// The state of one user stream. Written only by `apply`. Marks of rooms and levels are bounded by the rooms
/// a user is in; blocks and followed threads by the rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Personal {
    marks: BTreeMap<(RoomNumber, Option<Seq>), SetMark>,
    levels: BTreeMap<RoomNumber, NotificationLevel>,
    blocked: BTreeSet<UserId>,
    followed: BTreeSet<(RoomNumber, Seq)>,
    invitations: BTreeSet<RoomNumber>,
    status: Status,
}

impl Personal {
    /// The mark of a room or a thread as it was set last.
    pub(crate) fn mark(&self, room: RoomNumber, thread: Option<Seq>) -> Option<SetMark> {
        self.marks.get(&(room, thread)).copied()
    }

    pub(crate) fn level(&self, room: RoomNumber) -> NotificationLevel {
        self.levels.get(&room).copied().unwrap_or_default()
    }

    pub(crate) fn has_blocked(&self, user: &UserId) -> bool {
        self.blocked.contains(user)
    }

    /// Whom they blocked, in the order of their bytes.
    pub(crate) fn blocked(&self) -> impl ExactSizeIterator<Item = &UserId> {
        self.blocked.iter()
    }

    pub(crate) fn follows(&self, room: RoomNumber, thread: Seq) -> bool {
        self.followed.contains(&(room, thread))
    }

    /// The threads they follow, by room and root.
    pub(crate) fn followed(&self) -> impl ExactSizeIterator<Item = (RoomNumber, Seq)> + '_ {
        self.followed.iter().copied()
    }

    /// The rooms they are invited to, above `after`.
    pub(crate) fn invitations(
        &self,
        after: Option<RoomNumber>,
    ) -> impl Iterator<Item = RoomNumber> + '_ {
        use std::ops::Bound::{Excluded, Unbounded};

        let above = (after.map_or(Unbounded, Excluded), Unbounded);
        self.invitations.range(above).copied()
    }

    /// What others are to see of them; whether it is over already is not looked at.
    pub(crate) const fn status(&self) -> &Status {
        &self.status
    }

    pub(crate) fn apply(&mut self, at: LogPosition, fact: PersonFact<'_>) {
        match fact {
            PersonFact::Placed(room, change) => self.change_place(room, change),
            PersonFact::Marked(marks) => {
                for placed in marks {
                    self.set_mark(at, placed);
                }
            }
            PersonFact::StatusSet(status) => self.status = status.clone(),
            PersonFact::LevelSet(room, level) => match level {
                NotificationLevel::All => _ = self.levels.remove(&room),
                NotificationLevel::Mentions | NotificationLevel::Nothing => {
                    self.levels.insert(room, level);
                }
            },
            PersonFact::Blocked { user, on: true } => _ = self.blocked.insert(user.clone()),
            PersonFact::Blocked { user, on: false } => _ = self.blocked.remove(user),
            PersonFact::Followed { thread, on: true } => _ = self.followed.insert(thread),
            PersonFact::Followed { thread, on: false } => _ = self.followed.remove(&thread),
            // They are kept with everybody's.
            PersonFact::RolesGiven => {}
        }
    }

    fn change_place(&mut self, room: RoomNumber, change: PlaceChange) {
        match change {
            PlaceChange::Invited => _ = self.invitations.insert(room),
            PlaceChange::Joined | PlaceChange::Added | PlaceChange::Uninvited => {
                self.invitations.remove(&room);
            }
            PlaceChange::Left | PlaceChange::Removed | PlaceChange::Banned => {
                self.invitations.remove(&room);
                self.levels.remove(&room);
                self.marks.retain(|(place, _), _| *place != room);
                self.followed.retain(|(place, _)| *place != room);
            }
            PlaceChange::Unbanned => {}
        }
    }

    fn set_mark(&mut self, at: LogPosition, placed: &PlacedMark) {
        let PlacedMark {
            room,
            thread,
            mark,
            public,
        } = *placed;
        self.marks
            .insert((room, thread), SetMark { mark, public, at });
        if thread.is_some() {
            self.forget_oldest_thread_mark();
        }
    }

    fn forget_oldest_thread_mark(&mut self) {
        let of_threads = || self.marks.keys().filter(|(_, thread)| thread.is_some());
        if of_threads().count() <= THREAD_MARKS_MAX {
            return;
        }
        let idle = self.marks.iter().filter(|((room, thread), _)| {
            thread.is_some_and(|thread| !self.followed.contains(&(*room, thread)))
        });
        let oldest = idle.min_by_key(|(_, set)| set.at).map(|(place, _)| *place);
        if let Some(oldest) = oldest {
            self.marks.remove(&oldest);
        }
    }
}

/// Room, thread, generation, seq, public, log position.
type SavedMark = (u32, Option<u64>, u32, u64, bool, u64);

/// As a part of its stream's section: marks, levels, blocked, followed, invitations, status.
pub(crate) type SavedPersonal = (
    Vec<SavedMark>,
    Vec<(u32, u8)>,
    Vec<String>,
    Vec<(u32, u64)>,
    Vec<u32>,
    (u8, Option<String>, Option<u64>),
);

/// In the order of their numbers in a section, which never changes.
const LEVELS: [NotificationLevel; 3] = [
    NotificationLevel::All,
    NotificationLevel::Mentions,
    NotificationLevel::Nothing,
];
const AVAILABILITIES: [Availability; 4] = [
    Availability::Automatic,
    Availability::Away,
    Availability::Busy,
    Availability::Invisible,
];

impl Personal {
    pub(crate) fn save(&self) -> SavedPersonal {
        let mark = |(&(room, thread), set): (&(RoomNumber, Option<Seq>), &SetMark)| {
            let SetMark { mark, public, at } = *set;
            let thread = thread.map(|thread| thread.0);
            (room.0, thread, mark.generation, mark.seq.0, public, at.0)
        };
        let levels = self.levels.iter();
        let Status {
            availability,
            text,
            expires,
        } = &self.status;
        (
            self.marks.iter().map(mark).collect(),
            levels
                .map(|(room, level)| (room.0, number_of(&LEVELS, level)))
                .collect(),
            self.blocked.iter().map(ToString::to_string).collect(),
            self.followed()
                .map(|(room, root)| (room.0, root.0))
                .collect(),
            self.invitations.iter().map(|room| room.0).collect(),
            (
                number_of(&AVAILABILITIES, availability),
                text.clone(),
                expires.map(|expires| expires.0),
            ),
        )
    }

    /// `None`: it was not saved like this.
    pub(crate) fn restore(saved: SavedPersonal) -> Option<Self> {
        let (marks, levels, blocked, followed, invitations, (availability, text, expires)) = saved;
        let mark = |(room, thread, generation, seq, public, at): SavedMark| {
            let mark = Mark {
                generation,
                seq: Seq(seq),
            };
            let at = LogPosition(at);
            let place = (RoomNumber(room), thread.map(Seq));
            (place, SetMark { mark, public, at })
        };
        let level = |(room, level)| Some((RoomNumber(room), *LEVELS.get(usize::from(level))?));
        let followed = followed.into_iter();
        Some(Self {
            marks: marks.into_iter().map(mark).collect(),
            levels: levels.into_iter().map(level).collect::<Option<_>>()?,
            blocked: blocked
                .into_iter()
                .map(|user| UserId::new(user).ok())
                .collect::<Option<_>>()?,
            followed: followed
                .map(|(room, root)| (RoomNumber(room), Seq(root)))
                .collect(),
            invitations: invitations.into_iter().map(RoomNumber).collect(),
            status: Status {
                availability: *AVAILABILITIES.get(usize::from(availability))?,
                text,
                expires: expires.map(Timestamp),
            },
        })
    }
}

fn number_of<T: PartialEq>(all: &[T], one: &T) -> u8 {
    let at = all.iter().position(|other| other == one);
    at.and_then(|at| u8::try_from(at).ok())
        .expect("each is in its list, which is short")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::records::stored;

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    fn happen(personal: &mut Personal, at: u64, fact: PersonFact<'_>) {
        personal.apply(LogPosition(at), fact);
    }

    fn placed(room: u32, thread: Option<u64>, seq: u64) -> PlacedMark {
        PlacedMark {
            room: RoomNumber(room),
            thread: thread.map(Seq),
            mark: Mark {
                generation: 1,
                seq: Seq(seq),
            },
            public: true,
        }
    }

    fn place(room: u32, change: PlaceChange) -> PersonFact<'static> {
        PersonFact::Placed(RoomNumber(room), change)
    }

    fn level(room: u32, level: NotificationLevel) -> PersonFact<'static> {
        PersonFact::LevelSet(RoomNumber(room), level)
    }

    fn followed(room: u32, thread: u64, on: bool) -> PersonFact<'static> {
        let thread = (RoomNumber(room), Seq(thread));
        PersonFact::Followed { thread, on }
    }

    fn furnished() -> Personal {
        let mut personal = Personal::default();
        let status = Status {
            availability: Availability::Busy,
            text: Some("exam".into()),
            expires: Some(Timestamp(99)),
        };
        for fact in [
            PersonFact::Marked(&[
                placed(1, None, 4),
                placed(1, Some(2), 3),
                placed(2, None, 7),
            ]),
            level(1, NotificationLevel::Nothing),
            level(2, NotificationLevel::Mentions),
            followed(1, 2, true),
            followed(2, 5, true),
            PersonFact::Blocked {
                user: &user("eve"),
                on: true,
            },
            place(3, PlaceChange::Invited),
            PersonFact::StatusSet(&status),
        ] {
            happen(&mut personal, 1, fact);
        }
        personal
    }

    #[test]
    fn what_belongs_to_a_room_ends_with_the_membership() {
        for change in [PlaceChange::Left, PlaceChange::Removed, PlaceChange::Banned] {
            let mut personal = furnished();
            happen(&mut personal, 2, place(1, change));
            assert_eq!(personal.mark(RoomNumber(1), None), None);
            assert_eq!(personal.mark(RoomNumber(1), Some(Seq(2))), None);
            assert_eq!(personal.level(RoomNumber(1)), NotificationLevel::All);
            assert!(!personal.follows(RoomNumber(1), Seq(2)));

            assert_eq!(personal.mark(RoomNumber(2), None).unwrap().mark.seq, Seq(7));
            assert_eq!(personal.level(RoomNumber(2)), NotificationLevel::Mentions);
            assert!(personal.follows(RoomNumber(2), Seq(5)));
        }
    }

    #[test]
    fn an_invitation_stands_until_it_is_used_or_over() {
        for (change, stands) in [
            (PlaceChange::Joined, false),
            (PlaceChange::Added, false),
            (PlaceChange::Uninvited, false),
            (PlaceChange::Banned, false),
            (PlaceChange::Unbanned, true),
            (PlaceChange::Invited, true),
        ] {
            let mut personal = furnished();
            assert_eq!(
                personal.invitations(None).collect::<Vec<_>>(),
                [RoomNumber(3)]
            );
            assert_eq!(personal.invitations(Some(RoomNumber(3))).count(), 0);
            happen(&mut personal, 2, place(3, change));
            assert_eq!(
                personal.invitations(None).count() == 1,
                stands,
                "{change:?}"
            );
        }
    }

    #[test]
    fn each_setting_is_what_was_said_last() {
        let mut personal = furnished();
        assert!(personal.has_blocked(&user("eve")));
        assert_eq!(personal.status().availability, Availability::Busy);
        for fact in [
            PersonFact::Blocked {
                user: &user("eve"),
                on: false,
            },
            followed(1, 2, false),
            level(1, NotificationLevel::All),
            PersonFact::Marked(&[placed(1, None, 6)]),
            PersonFact::StatusSet(&Status::default()),
        ] {
            happen(&mut personal, 2, fact);
        }
        assert_eq!(personal.blocked().len(), 0);
        assert_eq!(
            personal.followed().collect::<Vec<_>>(),
            [(RoomNumber(2), Seq(5))]
        );
        assert_eq!(personal.level(RoomNumber(1)), NotificationLevel::All);
        let mark = personal.mark(RoomNumber(1), None).unwrap();
        assert_eq!(
            (mark.mark.seq, mark.at, mark.public),
            (Seq(6), LogPosition(2), true)
        );
        assert_eq!(personal.status(), &Status::default());
    }

    #[test]
    fn of_too_many_thread_marks_the_oldest_that_nobody_follows_goes() {
        let mut personal = Personal::default();
        happen(&mut personal, 1, followed(1, 1, true));
        happen(&mut personal, 1, PersonFact::Marked(&[placed(1, None, 1)]));
        let most = THREAD_MARKS_MAX as u64;
        for thread in 1..=most + 2 {
            happen(
                &mut personal,
                1 + thread,
                PersonFact::Marked(&[placed(1, Some(thread), 1)]),
            );
        }
        let kept = |thread| personal.mark(RoomNumber(1), Some(Seq(thread))).is_some();
        assert!(kept(1), "followed");
        assert!(!kept(2) && !kept(3), "the oldest");
        assert!((4..=most + 2).all(kept));
        assert!(personal.mark(RoomNumber(1), None).is_some(), "no thread");
    }

    #[test]
    fn it_comes_back_as_it_was_saved() {
        let personal = furnished();
        let saved = stored::read(&stored::write(&personal.save()), "personal").unwrap();
        assert_eq!(Personal::restore(saved), Some(personal));
        let mut unknown = Personal::default().save();
        unknown.1.push((1, 3));
        assert_eq!(Personal::restore(unknown), None);
    }
}
