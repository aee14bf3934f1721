//! Rooms are made, joined, left, changed and listed.

use homeroom_protocol::{
    Mark, NotificationLevel, Permission, Position, RoomChange, RoomEntry, RoomId, RoomInfo,
    RoomNumber, ServerFrame, Standing, UserId,
    limit::{PAGE_BYTES_MAX, ROOMS_PAGE_MAX},
};

use super::{Answer, Asked, Reply, said};
use crate::{
    domain::Outcome,
    planted::{Fault, fault},
    tenant::{
        connections::listening::Start,
        decide::{self, Ground, Verdict},
        effects,
        refusal::Refusal,
        rooms::room::Room,
        state::Tenant,
    },
};

impl Tenant {
    pub(super) fn create(
        &mut self,
        asked: &Asked,
        room: &RoomId,
        like: (RoomInfo, Vec<UserId>),
        (answer, out): (Answer, &mut Outcome<Self>),
    ) -> Reply {
        let ground = self.ground_of(asked);
        ground.may_write()?;
        let keyed = self.keyed_by(asked, &answer)?;
        let verdict = decide::rooms::create(ground, keyed, room, like, asked.moment)?;
        let (room, position, time) = self.settle_place(asked.moment, verdict, out);
        let id = asked.id;
        said(ServerFrame::Created {
            id,
            room,
            position,
            time,
        })
    }

    pub(super) fn join(
        &mut self,
        asked: &Asked,
        room: &RoomId,
        resume: Option<Position>,
        out: &mut Outcome<Self>,
    ) -> Reply {
        let ground = self.ground_of(asked);
        let (number, event) = decide::rooms::join(ground, room, resume, |room| {
            self.listening_to(asked.connection, room)
        })?;
        if let Some(event) = event {
            self.commit_place(asked.moment, event, out);
        }
        self.begin(asked, number, resume, out)
    }

    /// A connection starts to hear a room, and is told where that stands.
    pub(super) fn begin(
        &mut self,
        asked: &Asked,
        number: RoomNumber,
        resume: Option<Position>,
        out: &mut Outcome<Self>,
    ) -> Reply {
        let Asked { connection, id, .. } = *asked;
        let ground = self.ground_of(asked);
        let Some(room) = self.rooms.get(number) else {
            return Err(Refusal::RoomNotFound);
        };
        let reset = resume.and_then(|resume| room.refuse_resume(resume, ground.time));
        let Position { epoch, seq: head } = room.head();
        let members = u32::try_from(room.members_count()).unwrap_or(u32::MAX);
        let position = match (resume, reset) {
            (Some(resume), None) => resume,
            (Some(_), Some(_)) | (None, _) => Position { epoch, seq: head },
        };
        let joined = ServerFrame::Joined {
            id,
            room: number,
            position,
            head,
            reset,
            members,
            info: room.info.clone(),
            permissions: ground.permissions(room),
        };
        out.held.push(effects::direct(connection, joined));
        let start = Start {
            room: number,
            epoch,
            next: if fault(Fault::ResumeOneLate) && resume.is_some() {
                position.seq.next().next()
            } else {
                position.seq.next()
            },
            head,
        };
        self.listen(connection, start, out);
        Ok(None)
    }

    pub(super) fn leave(
        &mut self,
        asked: &Asked,
        room: RoomNumber,
        out: &mut Outcome<Self>,
    ) -> Reply {
        let event = decide::rooms::leave(self.ground_of(asked), room)?;
        self.commit_place(asked.moment, event, out);
        let id = asked.id;
        said(ServerFrame::Done { id })
    }

    pub(super) fn change_room(
        &mut self,
        asked: &Asked,
        room: RoomNumber,
        changes: Vec<RoomChange>,
        (answer, out): (Answer, &mut Outcome<Self>),
    ) -> Reply {
        let ground = self.ground_of(asked);
        ground.may_write()?;
        let keyed = self.keyed_by(asked, &answer)?;
        let verdict = decide::rooms::change(ground, keyed, room, changes)?;
        let (_, position, time) = self.settle(verdict, out);
        let id = asked.id;
        said(ServerFrame::Sent { id, position, time })
    }

    pub(super) fn list_rooms(&self, asked: &Asked, after: Option<RoomNumber>, limit: u32) -> Reply {
        let ground = self.ground_of(asked);
        ground.may_read()?;
        let limit = decide::check_limit(limit, ROOMS_PAGE_MAX)?;
        let mut numbers = self.own_rooms(asked.user(), after).into_iter();
        let (mut rooms, mut bytes) = (Vec::new(), 0);
        let mut more = false;
        for entry in numbers.by_ref().filter_map(|room| entry(ground, room)) {
            bytes += entry_bytes(&entry);
            if rooms.len() == limit || (bytes > PAGE_BYTES_MAX && !rooms.is_empty()) {
                more = true;
                break;
            }
            rooms.push(entry);
        }
        let id = asked.id;
        said(ServerFrame::Rooms { id, rooms, more })
    }

    /// The rooms a user is in or invited to, above `after`, by number. Both are bounded by the most rooms
    /// of a user.
    fn own_rooms(&self, user: &UserId, after: Option<RoomNumber>) -> Vec<RoomNumber> {
        let invited = self.rooms.invitations(user, after);
        let rooms = self.rooms.of(user);
        let mut rooms: Vec<RoomNumber> = rooms
            .filter(|&room| after.is_none_or(|after| room > after))
            .chain(invited)
            .collect();
        rooms.sort_unstable();
        rooms.dedup();
        rooms
    }

    /// Makes a verdict about somebody's place true; the place and time to answer with.
    pub(crate) fn settle_place(
        &mut self,
        moment: crate::domain::Moment,
        verdict: Verdict,
        out: &mut Outcome<Self>,
    ) -> (RoomNumber, Position, homeroom_protocol::Timestamp) {
        match verdict {
            Verdict::Already(_) => self.settle(verdict, out),
            Verdict::Happened(event) => {
                let answer = (event.room, event.position, event.time);
                self.commit_place(moment, event, out);
                answer
            }
        }
    }
}

/// A room in the asker's list; `None` when they are not to see it.
fn entry(ground: Ground<'_>, number: RoomNumber) -> Option<RoomEntry> {
    let room = ground.rooms.get(number)?;
    let user = ground.user();
    let standing = if room.has(user) {
        Standing::Member
    } else if room.gate.is_invited(user) {
        Standing::Invited
    } else {
        return None;
    };
    let permissions = ground.permissions(room);
    if !permissions.has(Permission::View) {
        return None;
    }
    let (mark, unread, mentions) = match standing {
        Standing::Member => counts(ground, room),
        Standing::Invited => (Mark::default(), 0, 0),
    };
    Some(RoomEntry {
        room: number,
        id: room.id.clone()?,
        standing,
        info: RoomInfo {
            metadata: Vec::new(),
            ..room.info.clone()
        },
        head: room.head(),
        time: room.time(),
        members: u32::try_from(room.members_count()).unwrap_or(u32::MAX),
        permissions,
        mark,
        unread,
        mentions,
        level: ground
            .personal()
            .map_or_else(NotificationLevel::default, |own| own.level(number)),
    })
}

/// How far a member has read, and what is above that.
fn counts(ground: Ground<'_>, room: &Room) -> (Mark, u32, u32) {
    let user = ground.user();
    let set = ground
        .personal()
        .and_then(|own| own.mark(room.number, None));
    let mark = decide::reading::effective(room, user, None, set);
    let from = room.floor(ground.time).max(mark.seq.next());
    let above = homeroom_protocol::Seq(from.0 - 1);
    let roles = ground.roles.of(user).map(|role| role.role);
    (
        mark,
        room.counting.unread(above),
        room.counting.mentions(user, roles, above),
    )
}

/// About how many bytes an entry takes on the wire, at most.
fn entry_bytes(entry: &RoomEntry) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    128 + entry.id.as_str().len() + text(&entry.info.title) + text(&entry.info.topic)
}
