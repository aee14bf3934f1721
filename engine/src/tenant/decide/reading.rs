//! How far people have read, and what they set for themselves: marks, levels, followed threads, blocks.
//!
//! None of this needs a key: each says what is so from then on, or merges by maximum, so asking twice
//! changes nothing.

use homeroom_protocol::{
    EventBody, Mark, NotificationLevel, Permission, PlacedMark, RoomKind, RoomNumber, Seq, UserId,
    limit::{INTEGER_MAX, MARKED_ROOMS_MAX, MEMBERS_PAGE_MAX},
};

use super::{Ground, check_count, check_field, check_limit};
use crate::tenant::{
    refusal::Refusal,
    rooms::{
        marks::{self, Begun, SetMark},
        personal::Personal,
        room::Room,
    },
};

/// Most members that are looked at for one page of readers; the rest is asked for again.
pub(crate) const READERS_SCAN_MAX: usize = 4096;

/// Who has read up to an event, and whether there may be more above `after`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ReadersPage {
    pub(crate) users: Vec<UserId>,
    pub(crate) more: bool,
    pub(crate) after: Option<UserId>,
}

/// Moves a mark: how far it is then, and the event, unless nothing changes.
pub(crate) fn mark(
    ground: Ground<'_>,
    placed: PlacedMark,
) -> Result<(Mark, Option<EventBody>), Refusal> {
    ground.may_write()?;
    let PlacedMark {
        room,
        thread,
        mark,
        public,
    } = placed;
    let room = ground.read(room)?;
    // Whoever says more has read all there is.
    let seq = mark.seq.min(room.head().seq);
    let mark = Mark { seq, ..mark };
    if let Some(root) = thread {
        check_root(ground, room, root)?;
    }
    let set = ground
        .personal()
        .and_then(|own| own.mark(room.number, thread));
    let current = effective(room, ground.user(), thread, set);
    let shown = SetMark {
        mark: current,
        ..set.unwrap_or_default()
    };
    let Some((mark, public)) = shown.merged(mark, public) else {
        return Ok((current, None));
    };
    ground.can_set()?;
    let placed = PlacedMark {
        room: room.number,
        thread,
        mark,
        public,
    };
    let marks = vec![placed];
    Ok((mark, Some(EventBody::Marked { marks })))
}

/// Most marks in one event: however many rooms somebody may be in, it fits a frame.
const MARKS_PER_EVENT_MAX: usize = 4096;

/// Marks rooms as read up to their heads: one event for all that changes anything, or as few as hold it.
pub(crate) fn mark_all(
    ground: Ground<'_>,
    rooms: Option<Vec<RoomNumber>>,
) -> Result<Vec<EventBody>, Refusal> {
    ground.may_write()?;
    let rooms: Vec<&Room> = match rooms {
        Some(mut rooms) => {
            check_field("rooms", rooms.len(), MARKED_ROOMS_MAX)?;
            rooms.sort_unstable();
            rooms.dedup();
            let read = rooms.into_iter().map(|room| ground.read(room));
            read.collect::<Result<_, _>>()?
        }
        None => {
            let rooms = ground.rooms.of(ground.user());
            rooms.filter_map(|room| ground.read(room).ok()).collect()
        }
    };
    let marks: Vec<PlacedMark> = rooms
        .into_iter()
        .filter_map(|room| read_to_the_head(ground, room))
        .collect();
    if !marks.is_empty() {
        ground.can_set()?;
    }
    Ok(marked(&marks))
}

fn marked(marks: &[PlacedMark]) -> Vec<EventBody> {
    let events = marks.chunks(MARKS_PER_EVENT_MAX);
    let marks = events.map(<[PlacedMark]>::to_vec);
    marks.map(|marks| EventBody::Marked { marks }).collect()
}

fn read_to_the_head(ground: Ground<'_>, room: &Room) -> Option<PlacedMark> {
    let set = ground
        .personal()
        .and_then(|own| own.mark(room.number, None));
    let current = effective(room, ground.user(), None, set);
    let mark = Mark {
        seq: room.head().seq,
        ..current
    };
    (mark > current).then_some(PlacedMark {
        room: room.number,
        thread: None,
        mark,
        public: set.is_some_and(|set| set.public),
    })
}

/// Who has read up to an event, of those who show it.
pub(crate) fn readers(
    ground: Ground<'_>,
    (room, seq): (RoomNumber, Seq),
    after: Option<UserId>,
    limit: u32,
) -> Result<ReadersPage, Refusal> {
    use std::ops::Bound::{Excluded, Unbounded};

    ground.may_read()?;
    let room = ground.read(room)?;
    let limit = check_limit(limit, MEMBERS_PAGE_MAX)?;
    check_seq(room, seq)?;
    let mut page = ReadersPage {
        users: Vec::new(),
        more: false,
        after: after.clone(),
    };
    let above = (after.map_or(Unbounded, Excluded), Unbounded);
    for (looked_at, user) in room.members.range(above).map(|(user, _)| user).enumerate() {
        if page.users.len() == limit || looked_at == READERS_SCAN_MAX {
            page.more = true;
            return Ok(page);
        }
        page.after = Some(user.clone());
        let own = ground.personal_of(user);
        let set = own.and_then(|own| own.mark(room.number, None));
        if set.is_some_and(|set| set.public) && effective(room, user, None, set).seq >= seq {
            page.users.push(user.clone());
        }
    }
    page.after = None;
    Ok(page)
}

/// Follows a thread or does so no more.
pub(crate) fn follow(
    ground: Ground<'_>,
    room: RoomNumber,
    thread: Seq,
    on: bool,
) -> Result<Option<EventBody>, Refusal> {
    ground.may_write()?;
    let room = ground.read(room)?;
    let own = ground.personal();
    let follows = own.is_some_and(|own| own.follows(room.number, thread));
    if on {
        check_root(ground, room, thread)?;
    }
    if follows == on {
        return Ok(None);
    }
    if on {
        let most = ground.settings.threads_followed_max;
        let count = own.map_or(0, |own| own.followed().len());
        check_count("threads this user follows", count, most)?;
    }
    ground.can_set()?;
    Ok(Some(EventBody::ThreadFollowed {
        room: room.number,
        thread,
        on,
    }))
}

/// Sets how loud a room is.
pub(crate) fn level(
    ground: Ground<'_>,
    room: RoomNumber,
    level: NotificationLevel,
) -> Result<Option<EventBody>, Refusal> {
    ground.may_write()?;
    let room = ground.joined(room)?;
    if room.is_stream() {
        return Err(Refusal::NotHere);
    }
    let own = ground.personal();
    if own.map_or_else(NotificationLevel::default, |own| own.level(room.number)) == level {
        return Ok(None);
    }
    ground.can_set()?;
    let room = room.number;
    Ok(Some(EventBody::LevelSet { room, level }))
}

/// Blocks somebody or does so no more.
pub(crate) fn block(
    ground: Ground<'_>,
    user: &UserId,
    on: bool,
) -> Result<Option<EventBody>, Refusal> {
    ground.may_write()?;
    if user.is_service() {
        return Err(Refusal::NoPerson);
    }
    if user == ground.user() {
        return Err(Refusal::InvalidField {
            field: "user",
            max: 0,
        });
    }
    let own = ground.personal();
    if own.is_some_and(|own| own.has_blocked(user)) == on {
        return Ok(None);
    }
    if on {
        let most = ground.settings.blocked_per_user_max;
        let count = own.map_or(0, |own| own.blocked().len());
        check_count("users this user has blocked", count, most)?;
    }
    ground.can_set()?;
    let user = user.clone();
    Ok(Some(EventBody::BlockSet { user, on }))
}

/// How far a user has read a room or a thread now.
pub(crate) fn effective(
    room: &Room,
    user: &UserId,
    thread: Option<Seq>,
    set: Option<SetMark>,
) -> Mark {
    let Some(member) = room.members.get(user) else {
        return Mark::default();
    };
    let begun = match thread {
        None => Begun {
            seq: member.joined(),
            since: member.since,
            said: member.last_sent(),
        },
        Some(root) => Begun {
            seq: Seq(0),
            since: member.since,
            said: room.counting.said_in_thread(root, user),
        },
    };
    marks::effective(begun, set)
}

fn check_seq(room: &Room, seq: Seq) -> Result<(), Refusal> {
    if seq > room.head().seq {
        return Err(Refusal::InvalidField {
            field: "seq",
            max: usize::try_from(room.head().seq.0.min(INTEGER_MAX)).unwrap_or(usize::MAX),
        });
    }
    Ok(())
}

/// A root that was deleted still has its thread, as long as a reply is kept.
fn check_root(ground: Ground<'_>, room: &Room, root: Seq) -> Result<(), Refusal> {
    let floor = room.floor(ground.time);
    let thread = room.counting.thread(root);
    if (room.counting.is_live(root) && root >= floor)
        || thread.is_some_and(|thread| thread.newest >= floor)
    {
        return Ok(());
    }
    Err(Refusal::MessageNotFound)
}

impl<'a> Ground<'a> {
    /// What a user set for themselves; `None` as long as that is nothing.
    pub(crate) fn personal_of(&self, user: &UserId) -> Option<&'a Personal> {
        self.rooms.stream_of(user)?.personal.as_deref()
    }

    /// The same of the asker.
    pub(crate) fn personal(&self) -> Option<&'a Personal> {
        self.personal_of(self.user())
    }

    /// A room that the asker reads: where there is something to mark.
    fn read(&self, room: RoomNumber) -> Result<&'a Room, Refusal> {
        let room = self.joined(room)?;
        if room.is_stream() || !room.keeps_messages() {
            return Err(Refusal::NotHere);
        }
        self.may(room, Permission::View)?;
        Ok(room)
    }

    /// Whether something can be added to the asker's own stream, which begins with it if need be.
    pub(crate) fn can_set(&self) -> Result<(), Refusal> {
        let user = self.user();
        if !user.is_service() && self.rooms.stream_of(user).is_none() {
            let most = self.settings.streams_max;
            check_count("user streams", self.rooms.streams_count(), most)?;
        }
        self.can_store()
    }

    /// Whether somebody can be invited to one more room.
    pub(crate) fn may_be_invited(&self, user: &UserId) -> Result<(), Refusal> {
        check_count(
            "rooms this user is invited to",
            self.rooms.invitations(user, None).count(),
            self.settings.rooms_per_user_max,
        )
    }

    /// Whether nothing keeps the asker from writing to somebody: neither has blocked the other, and no
    /// policy stands between them. A service speaks to all.
    pub(crate) fn not_apart(&self, other: &UserId) -> Result<(), Refusal> {
        use super::Standing;

        match self.standing {
            Standing::Service => return Ok(()),
            Standing::Member => {}
        }
        let blocks = |one: &UserId, other| {
            let own = self.personal_of(one);
            own.is_some_and(|own| own.has_blocked(other))
        };
        let user = self.user();
        if blocks(user, other) || blocks(other, user) || self.roles.are_apart(user, other) {
            return Err(Refusal::Apart);
        }
        Ok(())
    }

    /// Whether somebody is kept apart from the other one in a direct room of two.
    pub(crate) fn is_apart_in(&self, user: &UserId, room: &Room) -> bool {
        if room.info.kind != RoomKind::Direct || room.members_count() != 2 {
            return false;
        }
        let other = room.members().find(|member| *member != user);
        let asker = Self { ..*self };
        other.is_some_and(|other| user == asker.user() && asker.not_apart(other).is_err())
    }
}

#[cfg(test)]
mod tests {
    use homeroom_protocol::{decode_event_body, encode_event_body};

    use super::*;

    #[test]
    fn however_many_marks_can_be_read_again() {
        let placed = PlacedMark {
            room: RoomNumber(u32::MAX),
            thread: Some(Seq(INTEGER_MAX)),
            mark: Mark {
                generation: u32::MAX,
                seq: Seq(INTEGER_MAX),
            },
            public: true,
        };
        let marks = vec![placed; 2 * MARKS_PER_EVENT_MAX + 1];
        let events = marked(&marks);
        assert_eq!(events.len(), 3);
        for event in events {
            assert_eq!(decode_event_body(&encode_event_body(&event)), Ok(event));
        }
        assert_eq!(marked(&[]), []);
    }
}
