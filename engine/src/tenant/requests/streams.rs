//! Timelines without an id: what concerns one person across rooms, and what was reported.

use homeroom_protocol::{
    EventBody, FollowedThread, Me, Permission, Position, RoomInfo, RoomKind, RoomNumber, Seq,
    ServerFrame, Status, Stream, limit::INTEGER_MAX,
};

use super::{Asked, Reply, said};
use crate::{
    domain::Outcome,
    tenant::{
        commit::fresh_epoch,
        decide::{self, Ground},
        refusal::Refusal,
        state::Tenant,
    },
};

impl Tenant {
    pub(super) fn stream(
        &mut self,
        asked: &Asked,
        stream: Stream,
        resume: Option<Position>,
        out: &mut Outcome<Self>,
    ) -> Reply {
        let ground = self.ground_of(asked);
        ground.may_read()?;
        let known = match stream {
            Stream::Personal => self.rooms.stream_of(asked.user()),
            Stream::Reports => {
                ground.may_in_tenant(Permission::Moderate)?;
                self.rooms.reports()
            }
        };
        // A stream that is yet to begin has a number that no other room has.
        let number = known.map_or(RoomNumber(0), |room| room.number);
        decide::check_count(
            "rooms this connection listens to",
            self.listening_to(asked.connection, number),
            self.settings.rooms_per_connection_max,
        )?;
        if known.is_none() {
            ground.can_set()?;
        }
        let opened = match stream {
            Stream::Personal => self.open_stream(asked.moment, asked.user(), out),
            Stream::Reports => self.open_reports(asked, out),
        };
        let number = opened.ok_or(Refusal::TooMany {
            what: "rooms",
            max: self.settings.rooms_max,
        })?;
        self.begin(asked, number, resume, out)
    }

    /// Where what is reported goes, made if it is not there yet; `None` when there is no number left for it.
    pub(super) fn open_reports(
        &mut self,
        asked: &Asked,
        out: &mut Outcome<Self>,
    ) -> Option<RoomNumber> {
        if let Some(room) = self.rooms.reports() {
            return Some(room.number);
        }
        let room = self.rooms.free_number()?;
        let position = Position {
            epoch: fresh_epoch(asked.moment, room),
            seq: Seq(1),
        };
        let body = EventBody::RoomCreated {
            id: None,
            info: RoomInfo {
                kind: RoomKind::Moderation,
                ..RoomInfo::default()
            },
            members: Vec::new(),
        };
        let event = self.ground_of(asked).event_at(room, position, body, None);
        self.commit(event, out);
        Some(room)
    }

    pub(super) fn me(&self, asked: &Asked) -> Reply {
        let ground = self.ground_of(asked);
        ground.may_read()?;
        let user = asked.user();
        let own = ground.personal();
        let status = own.map(|own| own.status().clone());
        let is_over = |status: &Status| status.expires.is_some_and(|at| at <= asked.moment.now);
        let me = Me {
            status: status.filter(|status| !is_over(status)).unwrap_or_default(),
            roles: ground
                .roles
                .of(user)
                .skip(1)
                .map(|role| role.role)
                .collect(),
            permissions: ground.tenant_permissions(),
            blocked: own.map_or_else(Vec::new, |own| own.blocked().cloned().collect()),
            threads: own.map_or_else(Vec::new, |own| {
                let followed = own.followed();
                followed
                    .filter_map(|(room, root)| followed_thread(ground, room, root))
                    .collect()
            }),
            stream: self.rooms.stream_of(user).map(|stream| stream.head()),
        };
        let (id, me) = (asked.id, Box::new(me));
        said(ServerFrame::Me { id, me })
    }
}

fn followed_thread(ground: Ground<'_>, number: RoomNumber, root: Seq) -> Option<FollowedThread> {
    let room = ground.joined(number).ok()?;
    if !ground.permissions(room).has(Permission::View) {
        return None;
    }
    let user = ground.user();
    let set = ground
        .personal()
        .and_then(|own| own.mark(number, Some(root)));
    let mark = decide::reading::effective(room, user, Some(root), set);
    let floor = room.floor(ground.time).0.min(INTEGER_MAX);
    let above = mark.seq.max(Seq(floor.saturating_sub(1)));
    Some(FollowedThread {
        room: number,
        thread: root,
        mark,
        unread: room.counting.unread_in_thread(root, above),
    })
}
