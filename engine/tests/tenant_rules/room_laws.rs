//! What a client fetched of a room once, and the room's stream from there on, come to what it fetches afresh:
//! what the room is like, who is in it, kept in or out of it, and what differs there.

use std::collections::{BTreeMap, BTreeSet};

use homeroom_engine::tenant::Disconnection;
use homeroom_protocol::{
    Cause, ConnectionId, EventBody, Measure, Overwrite, OverwriteTarget, Permission, Position,
    Request, Retention, RoomChange, RoomInfo, RoomKind, RoomNumber, ServerFrame, Stream,
    TimelineEvent, UserId,
};
use proptest::{collection::vec, prelude::*, sample::select};

use crate::{
    reports::report,
    roles::{PUPIL, allow, deny, role},
    scenes::{measure, of_kind},
    support::{World, join, key, user},
};

const ROOM: &str = "staff";
const OTHERS: [&str; 3] = ["bob", "eve", "kim"];
const MEASURES: [Measure; 8] = [
    Measure::Invite,
    Measure::Uninvite,
    Measure::Add,
    Measure::Remove,
    Measure::Ban,
    Measure::Unban,
    Measure::Mute,
    Measure::Unmute,
];

/// Where the law is that whoever takes in an event comes to what is fetched afresh.
#[derive(Debug, PartialEq, Eq)]
enum Law {
    /// Here.
    Room,
    /// In `message_laws`: pages of messages.
    Messages,
    /// In `stream_laws`: what concerns one person.
    Person,
    /// Here: what was reported is a timeline, and each event is all there is to it.
    Reports,
    /// No server of this version says it.
    Never,
}

/// A new kind of event does not compile before it has a law.
const fn law_of(body: &EventBody) -> Law {
    match body {
        EventBody::RoomCreated { .. }
        | EventBody::MemberJoined
        | EventBody::MemberLeft
        | EventBody::MemberAdded { .. }
        | EventBody::MemberRemoved { .. }
        | EventBody::RoomChanged { .. }
        | EventBody::MemberInvited { .. }
        | EventBody::MemberUninvited { .. }
        | EventBody::MemberBanned { .. }
        | EventBody::MemberUnbanned { .. }
        | EventBody::MemberMuted { .. }
        | EventBody::MemberUnmuted { .. }
        | EventBody::OverwriteSet { .. } => Law::Room,
        EventBody::Message(_)
        | EventBody::MessageEdited { .. }
        | EventBody::MessageDeleted { .. }
        | EventBody::ReactionSet { .. }
        | EventBody::PinSet { .. }
        | EventBody::Tombstone { .. } => Law::Messages,
        EventBody::StreamOpened
        | EventBody::PlaceChanged { .. }
        | EventBody::Marked { .. }
        | EventBody::StatusSet { .. }
        | EventBody::LevelSet { .. }
        | EventBody::BlockSet { .. }
        | EventBody::RolesGiven { .. }
        | EventBody::ThreadFollowed { .. } => Law::Person,
        EventBody::Reported(_) => Law::Reports,
        EventBody::Unknown { .. } => Law::Never,
    }
}

#[derive(Debug, Clone)]
enum Step {
    Join(usize),
    Leave(usize),
    /// By ada, who made the room and listens.
    Take(usize, Measure),
    Change(RoomChange),
    Overwrite(OverwriteTarget, Overwrite),
    /// The listener goes and resumes.
    Resume {
        crash: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..OTHERS.len();
    let text = || proptest::option::of("[a-c]{1,3}");
    let change = prop_oneof![
        text().prop_map(RoomChange::Title),
        text().prop_map(RoomChange::Topic),
        vec(any::<u8>(), 0..3).prop_map(RoomChange::Metadata),
        (1_u32..3).prop_map(|days| RoomChange::Retention(Retention::Days(days))),
        Just(RoomChange::Retention(Retention::All)),
        (0_u32..3).prop_map(RoomChange::SlowMode),
        any::<bool>().prop_map(RoomChange::Archived),
        select(vec![RoomKind::Private, RoomKind::Announcement]).prop_map(RoomChange::Kind),
    ];
    let target = select(vec![
        OverwriteTarget::Role(PUPIL),
        OverwriteTarget::User(user("bob")),
    ]);
    let overwrite = select(vec![
        Overwrite::default(),
        deny(&[Permission::Pin]),
        allow(&[Permission::Kick]),
    ]);
    prop_oneof![
        3 => who().prop_map(Step::Join),
        1 => who().prop_map(Step::Leave),
        8 => (who(), select(&MEASURES[..])).prop_map(|(who, what)| Step::Take(who, what)),
        4 => change.prop_map(Step::Change),
        2 => (target, overwrite).prop_map(|(target, it)| Step::Overwrite(target, it)),
        2 => any::<bool>().prop_map(|crash| Step::Resume { crash }),
    ]
}

/// What a client keeps of a room.
#[derive(Debug, Clone, Default, PartialEq)]
struct Known {
    info: RoomInfo,
    members: BTreeSet<UserId>,
    count: u32,
    /// Of a private room, by those who are not in it.
    invited: BTreeSet<UserId>,
    banned: BTreeSet<UserId>,
    muted: BTreeSet<UserId>,
    overwrites: BTreeMap<String, Overwrite>,
}

impl Known {
    /// Everything, asked for.
    fn fetch(world: &mut World, ada: ConnectionId, room: RoomNumber) -> Self {
        let ServerFrame::Joined { info, members, .. } = world.request(ada, join(ROOM, None)) else {
            panic!("not joined");
        };
        let mut known = Self {
            info,
            count: members,
            ..Self::default()
        };
        let list = Request::Members {
            room,
            after: None,
            limit: 10,
        };
        match world.request(ada, list) {
            ServerFrame::Members { users, .. } => known.members.extend(users),
            other => panic!("no members: {other:?}"),
        }
        match world.request(ada, Request::Overwrites { room }) {
            ServerFrame::Overwrites { overwrites, .. } => {
                let named = overwrites.into_iter();
                let named = named.map(|(target, it)| (format!("{target:?}"), it));
                known.overwrites = named.collect();
            }
            other => panic!("no overwrites: {other:?}"),
        }
        for name in OTHERS {
            let mut explain = |permission| {
                let request = Request::Explain {
                    room: Some(room),
                    user: Some(user(name)),
                    permission,
                };
                match world.request(ada, request) {
                    ServerFrame::Explained {
                        allowed, reasons, ..
                    } => (allowed, reasons),
                    other => panic!("not explained: {other:?}"),
                }
            };
            let (_, reasons) = explain(Permission::Send);
            let has = |cause| reasons.iter().any(|reason| reason.cause == cause);
            if has(Cause::Banned) {
                known.banned.insert(user(name));
            }
            if has(Cause::Muted) {
                known.muted.insert(user(name));
            }
            if explain(Permission::View).0 {
                known.invited.insert(user(name));
            }
        }
        known.seen()
    }

    fn take_in(&mut self, author: &UserId, body: EventBody) {
        assert_eq!(law_of(&body), Law::Room, "{body:?}");
        match body {
            EventBody::MemberJoined => self.enter(author),
            EventBody::MemberAdded { member } => self.enter(&member),
            EventBody::MemberLeft => self.go(author),
            EventBody::MemberRemoved { member } => self.go(&member),
            EventBody::RoomChanged { changes } => {
                for change in changes {
                    self.change(change);
                }
            }
            EventBody::MemberInvited { user } => _ = self.invited.insert(user),
            EventBody::MemberUninvited { user } => _ = self.invited.remove(&user),
            EventBody::MemberBanned { user, .. } => {
                self.go(&user);
                self.invited.remove(&user);
                self.banned.insert(user);
            }
            EventBody::MemberUnbanned { user } => _ = self.banned.remove(&user),
            EventBody::MemberMuted { user, .. } => _ = self.muted.insert(user),
            EventBody::MemberUnmuted { user } => _ = self.muted.remove(&user),
            EventBody::OverwriteSet { target, overwrite } => {
                let name = format!("{target:?}");
                if overwrite == Overwrite::default() {
                    self.overwrites.remove(&name);
                } else {
                    self.overwrites.insert(name, overwrite);
                }
            }
            other => panic!("not after the first event: {other:?}"),
        }
    }

    fn enter(&mut self, user: &UserId) {
        self.invited.remove(user);
        if self.members.insert(user.clone()) {
            self.count += 1;
        }
    }

    fn go(&mut self, user: &UserId) {
        if self.members.remove(user) {
            self.count -= 1;
        }
    }

    fn change(&mut self, change: RoomChange) {
        match change {
            RoomChange::Kind(kind) => self.info.kind = kind,
            RoomChange::Title(title) => self.info.title = title,
            RoomChange::Topic(topic) => self.info.topic = topic,
            RoomChange::Metadata(metadata) => self.info.metadata = metadata,
            RoomChange::Retention(retention) => self.info.retention = retention,
            RoomChange::SlowMode(ms) => self.info.slow_mode_ms = ms,
            RoomChange::Archived(archived) => self.info.archived = archived,
        }
    }

    /// An invitation shows by the sight of a private room.
    fn seen(mut self) -> Self {
        if self.info.kind == RoomKind::Private {
            let members = &self.members;
            self.invited.retain(|user| !members.contains(user));
        } else {
            self.invited.clear();
        }
        self
    }
}

struct Run {
    world: World,
    ada: ConnectionId,
    others: Vec<ConnectionId>,
    room: RoomNumber,
    at: Position,
    known: Known,
}

impl Run {
    fn new() -> Self {
        let mut world = World::with(|settings| *settings = settings.clone().without_budgets());
        let ada = world.connect("ada", "web");
        let others = OTHERS.map(|name| world.connect(name, "web")).to_vec();
        world.set_role(role(PUPIL, 1, &[]));
        world.set_role(role(crate::roles::HEAD, 9, &[Permission::Add]));
        world.give("ada", &[crate::roles::HEAD]);
        let room = world.make(ada, ROOM, of_kind(RoomKind::Private), &[]);
        world.join(ada, ROOM);
        world.inbox(ada);
        let known = Known::fetch(&mut world, ada, room);
        let at = world.tenant.room(room).unwrap().head();
        Self {
            world,
            ada,
            others,
            room,
            at,
            known,
        }
    }

    /// Whether it may be done is not judged here.
    fn step(&mut self, step: Step) {
        let (room, number) = (self.room, self.world.fresh_key());
        let (by, request) = match step {
            Step::Join(who) => (self.others[who], join(ROOM, None)),
            Step::Leave(who) => (self.others[who], Request::Leave { room }),
            Step::Take(who, what) => (self.ada, measure(number, room, OTHERS[who], what)),
            Step::Change(change) => {
                let (key, changes) = (key(number), vec![change]);
                let change = Request::ChangeRoom { key, room, changes };
                (self.ada, change)
            }
            Step::Overwrite(target, overwrite) => {
                let set = Request::Overwrite {
                    key: key(number),
                    room,
                    target,
                    overwrite,
                };
                (self.ada, set)
            }
            Step::Resume { crash } => return self.resume(crash),
        };
        self.world.request(by, request);
    }

    fn resume(&mut self, crash: bool) {
        self.listen();
        self.world.disconnect(self.ada, Disconnection::Vanished);
        if crash {
            self.world.crash();
            self.others = OTHERS.map(|name| self.world.connect(name, "web")).to_vec();
        }
        self.ada = self.world.connect("ada", "web");
        let resumed = self.world.request(self.ada, join(ROOM, Some(self.at)));
        let ServerFrame::Joined { position, .. } = resumed else {
            panic!("not resumed: {resumed:?}");
        };
        assert_eq!(position, self.at, "nothing is lost");
    }

    /// Takes in what the room said meanwhile.
    fn listen(&mut self) {
        for event in told(&mut self.world, self.ada, self.room) {
            self.at.seq = self.at.seq.next();
            assert_eq!(event.seq, self.at.seq);
            self.known.take_in(&event.author, event.body);
        }
    }
}

fn told(world: &mut World, connection: ConnectionId, room: RoomNumber) -> Vec<TimelineEvent> {
    let frames = world.inbox(connection).into_iter();
    let events = frames.filter_map(|frame| match frame {
        ServerFrame::Event {
            room: of, event, ..
        } if of == room => Some(event),
        _ => None,
    });
    events.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_room_that_was_fetched_and_what_followed_is_what_is_fetched_afresh(
        steps in vec(step(), 1..60),
    ) {
        let mut run = Run::new();
        for step in steps {
            run.step(step);
        }
        run.listen();
        let fresh = Known::fetch(&mut run.world, run.ada, run.room);
        assert_eq!(run.known.seen(), fresh);
        assert_eq!(run.at, run.world.tenant.room(run.room).unwrap().head());
    }

    #[test]
    fn reports_that_were_told_are_those_that_are_fetched(texts in vec("[a-z]{1,9}", 1..12)) {
        let mut world = World::with(|settings| *settings = settings.clone().without_budgets());
        world.set_role(role(PUPIL, 1, &[Permission::Moderate]));
        world.give("ada", &[PUPIL]);
        let ada = world.connect("ada", "web");
        let bob = world.connect("bob", "web");
        let room = world.open_room(bob, "math");
        let (reports, _) = world.open_stream(ada, Stream::Reports, None);
        world.inbox(ada);
        for text in texts {
            let at = world.say(bob, room, &text);
            let number = world.fresh_key();
            world.request(bob, report(number, room, at.seq, &text));
        }
        let heard = told(&mut world, ada, reports);
        assert!(heard.iter().all(|event| law_of(&event.body) == Law::Reports));
        let page = Request::History {
            room: reports,
            direction: homeroom_protocol::Direction::After,
            anchor: homeroom_protocol::Seq(1),
            limit: 100,
            thread: None,
        };
        match world.request(ada, page) {
            ServerFrame::Page { events, .. } => assert_eq!(events, heard),
            other => panic!("no page: {other:?}"),
        }
    }
}
