//! What must be so of rooms after a list of events, worked out the slow and simple way: who is in them, in
//! which order things happened, how far everybody has read and what is unread. It knows nothing of how the
//! tenant comes to the same.

use std::collections::{BTreeMap, BTreeSet};

use homeroom_engine::tenant::{Entry, Event, Tenant};
use homeroom_protocol::{
    Durability, EventBody, Mark, Retention, RoomChange, RoomEntry, RoomId, RoomInfo, RoomKind,
    RoomNumber, Seq, Standing, Timestamp, UserId,
};

/// All rooms, as the log tells of them.
#[derive(Debug, Default)]
pub struct Model {
    rooms: BTreeMap<RoomNumber, Room>,
    /// Whose stream a room is.
    streams: BTreeMap<RoomNumber, UserId>,
    /// How far members have read.
    marks: BTreeMap<(UserId, RoomNumber), Mark>,
    time: Timestamp,
}

#[derive(Debug)]
struct Room {
    id: Option<RoomId>,
    info: RoomInfo,
    head: Seq,
    members: BTreeSet<UserId>,
    /// Messages that count, and have not been deleted.
    countable: BTreeSet<Seq>,
    /// Whether anything of it may have been let go.
    is_whole: bool,
}

impl Room {
    const fn is_kept(&self) -> bool {
        matches!(self.info.durability, Durability::Synced)
    }

    const fn is_stream(&self) -> bool {
        matches!(self.info.kind, RoomKind::Personal | RoomKind::Moderation)
    }
}

impl Model {
    /// What follows from a log.
    ///
    /// # Panics
    /// When it has a gap, a repeat or a time that goes back.
    pub fn of(log: &[Entry]) -> Self {
        let mut model = Self::default();
        for entry in log {
            match entry {
                Entry::Event(event) => model.take_in(event),
                Entry::Tenant(event) => model.pass_time(event.time),
                // By the clock of whoever restored it.
                Entry::Restarted(_) => {}
            }
        }
        model
    }

    /// Holds a tenant to it.
    ///
    /// # Panics
    /// When it differs.
    pub fn check(&self, tenant: &Tenant) {
        let known: BTreeSet<_> = self.rooms.keys().copied().collect();
        let there: BTreeSet<_> = tenant.rooms().map(|room| room.number()).collect();
        assert_eq!(there, known, "the rooms there are");
        for (number, expected) in &self.rooms {
            let room = tenant.room(*number).expect("just listed");
            assert_eq!(room.id(), expected.id.as_ref());
            let head = room.head().seq;
            if expected.is_kept() {
                assert_eq!(head, expected.head, "the newest event of {number:?}");
            } else {
                assert!(head >= expected.head, "what passed by comes on top");
            }
            if !expected.is_stream() {
                let members: BTreeSet<_> = room.members().cloned().collect();
                assert_eq!(members, expected.members, "who is in {number:?}");
                assert_eq!(room.info(), &expected.info);
            }
        }
    }

    /// Holds what a user is told of their rooms to it.
    ///
    /// # Panics
    /// When it differs.
    pub fn check_list(&self, user: &UserId, list: &[RoomEntry]) {
        let mut before = None;
        for entry in list {
            assert!(before < Some(entry.room), "in order, each once");
            before = Some(entry.room);
            let room = &self.rooms[&entry.room];
            assert_eq!(Some(&entry.id), room.id.as_ref());
            assert_eq!(entry.members as usize, room.members.len());
            let is_member = room.members.contains(user);
            assert_eq!(entry.standing == Standing::Member, is_member);
            if !is_member {
                assert_eq!((entry.unread, entry.mentions), (0, 0));
                continue;
            }
            assert!(entry.mentions <= entry.unread);
            if !room.is_kept() {
                continue;
            }
            assert_eq!(entry.head.seq, room.head, "the newest of {:?}", entry.room);
            let mark = self.marks[&(user.clone(), entry.room)];
            assert_eq!(entry.mark, mark, "{user} in {:?}", entry.room);
            let unread = room.countable.range(mark.seq.next()..).count();
            if room.is_whole {
                assert_eq!(entry.unread as usize, unread, "{user} in {:?}", entry.room);
            } else {
                assert!(entry.unread as usize <= unread);
            }
        }
    }

    fn pass_time(&mut self, time: Timestamp) {
        assert!(time >= self.time, "time went back");
        self.time = time;
    }

    fn take_in(&mut self, event: &Event) {
        self.pass_time(event.time);
        let number = event.room;
        match &event.body {
            EventBody::RoomCreated { id, info, members } => {
                self.make(event, id.as_ref(), info);
                if info.kind != RoomKind::Moderation {
                    let author = (!event.author.is_service()).then_some(&event.author);
                    for member in author.into_iter().chain(members) {
                        self.enter(event, member);
                    }
                }
                return;
            }
            EventBody::StreamOpened => {
                let info = RoomInfo {
                    kind: RoomKind::Personal,
                    ..RoomInfo::default()
                };
                self.make(event, None, &info);
                self.streams.insert(number, event.author.clone());
                return;
            }
            _ => {}
        }
        let room = self.rooms.get_mut(&number).expect("a room begins first");
        if room.is_kept() {
            assert_eq!(event.position.seq, room.head.next(), "seq is dense");
        } else {
            assert!(
                event.position.seq > room.head,
                "seq goes up past what is not kept"
            );
        }
        room.head = event.position.seq;
        match &event.body {
            EventBody::MemberJoined => self.enter(event, &event.author),
            EventBody::MemberAdded { member } => self.enter(event, member),
            EventBody::MemberLeft => _ = room.members.remove(&event.author),
            EventBody::MemberRemoved { member } => _ = room.members.remove(member),
            EventBody::MemberBanned { user, .. } => _ = room.members.remove(user),
            EventBody::RoomChanged { changes } => {
                for change in changes {
                    room.change(change);
                }
            }
            EventBody::Message(message) if message.thread.is_none() => {
                if !message.quiet {
                    room.countable.insert(event.position.seq);
                }
                if room.members.contains(&event.author) {
                    let key = (event.author.clone(), number);
                    let mark = self.marks.get_mut(&key).expect("members have one");
                    mark.seq = mark.seq.max(event.position.seq);
                }
            }
            EventBody::MessageDeleted { target, .. } => _ = room.countable.remove(target),
            EventBody::Marked { marks } => {
                let owner = self.streams[&number].clone();
                for placed in marks.iter().filter(|it| it.thread.is_none()) {
                    self.marks.insert((owner.clone(), placed.room), placed.mark);
                }
            }
            _ => {}
        }
    }

    fn make(&mut self, event: &Event, id: Option<&RoomId>, info: &RoomInfo) {
        assert_eq!(event.position.seq, Seq(1), "a room begins with its making");
        let room = Room {
            id: id.cloned(),
            info: info.clone(),
            head: event.position.seq,
            members: BTreeSet::new(),
            countable: BTreeSet::new(),
            is_whole: info.retention == Retention::All,
        };
        let before = self.rooms.insert(event.room, room);
        assert!(before.is_none(), "a room begins once");
    }

    /// Reading begins where one joined.
    fn enter(&mut self, event: &Event, user: &UserId) {
        let room = self.rooms.get_mut(&event.room).expect("it is there");
        room.members.insert(user.clone());
        let seq = event.position.seq;
        let mark = Mark { generation: 0, seq };
        self.marks.insert((user.clone(), event.room), mark);
    }
}

impl Room {
    fn change(&mut self, change: &RoomChange) {
        let info = &mut self.info;
        match change.clone() {
            RoomChange::Kind(kind) => info.kind = kind,
            RoomChange::Title(title) => info.title = title,
            RoomChange::Topic(topic) => info.topic = topic,
            RoomChange::Metadata(metadata) => info.metadata = metadata,
            RoomChange::Retention(retention) => {
                info.retention = retention;
                self.is_whole &= retention == Retention::All;
            }
            RoomChange::SlowMode(ms) => info.slow_mode_ms = ms,
            RoomChange::Archived(archived) => info.archived = archived,
        }
    }
}
