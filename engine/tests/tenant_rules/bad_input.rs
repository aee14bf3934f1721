//! Requests that name what is not there, what is not theirs, or a key that was used: each kind is asked with
//! each thing it names put wrong, and what it must be answered with is said once. That the codes are those of
//! `SPEC.md` is held everywhere, see [`table`](crate::table).

use std::collections::BTreeSet;

use homeroom_engine::identity::Scopes;
use homeroom_protocol::{
    ConnectionId, Direction, Draft, ErrorCode, IdempotencyKey, Measure, NotificationLevel,
    Overwrite, OverwriteTarget, Permission, Permissions, PlacedMark, Request, RoleId, RoomChange,
    RoomId, RoomInfo, RoomKind, RoomNumber, Seq, ServerFrame, Status, Stream, UserId,
};

use crate::{
    roles::{HEAD, PUPIL, TEACHER, role},
    scenes::{mark, of_kind},
    support::{World, identity, key, refusal_of, seq, user},
    table::{name, row_of, rows},
};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wrong {
    /// A room number that nobody has.
    NoRoom,
    /// The number of a room of another tenant.
    ForeignRoom,
    /// The number of a room that the asker is not in.
    UnseenRoom,
    /// The id of a room that is not there.
    NoRoomId,
    /// The id of a private room that the asker is not invited to.
    UnseenRoomId,
    /// A user of whom nothing was ever heard.
    NoUser,
    /// A back end, where a person is meant.
    Service,
    /// A seq that is not yet.
    NoMessage,
    /// A seq of an event that is no message.
    OtherEvent,
    /// A message that was deleted.
    Deleted,
    /// A role that there is not.
    NoRole,
    /// A key that was used for something else.
    UsedKey,
}

use Wrong::{
    Deleted, ForeignRoom, NoMessage, NoRole, NoRoom, NoRoomId, NoUser, OtherEvent, Service,
    UnseenRoom, UnseenRoomId, UsedKey,
};

const ALL: [Wrong; 12] = [
    NoRoom,
    ForeignRoom,
    UnseenRoom,
    NoRoomId,
    UnseenRoomId,
    NoUser,
    Service,
    NoMessage,
    OtherEvent,
    Deleted,
    NoRole,
    UsedKey,
];

/// What a request names, where it names it.
#[derive(Default)]
struct Named<'r> {
    room: Option<&'r mut RoomNumber>,
    room_id: Option<&'r mut RoomId>,
    user: Option<&'r mut UserId>,
    message: Option<&'r mut Seq>,
    role: Option<&'r mut RoleId>,
    key: Option<&'r mut IdempotencyKey>,
}

/// A new kind does not compile before it says what it names.
#[expect(clippy::too_many_lines, reason = "one table, an arm for each kind")]
fn named(request: &mut Request) -> Named<'_> {
    let none = Named::default();
    match request {
        Request::Create {
            key, room, members, ..
        } => Named {
            key: Some(key),
            room_id: Some(room),
            user: members.first_mut(),
            ..none
        },
        Request::Join { room, resume: _ } => Named {
            room_id: Some(room),
            ..none
        },
        Request::Send { key, room, draft } => Named {
            key: Some(key),
            room: Some(room),
            message: draft.thread.as_mut().or(draft.reply_to.as_mut()),
            ..none
        },
        Request::History { room, thread, .. } | Request::Typing { room, thread, .. } => Named {
            room: Some(room),
            message: thread.as_mut(),
            ..none
        },
        Request::View { room, thread } => Named {
            room: room.as_mut(),
            message: thread.as_mut(),
            ..none
        },
        Request::Watch { users } => Named {
            user: users.first_mut(),
            ..none
        },
        Request::Edit {
            key, room, target, ..
        }
        | Request::Delete { key, room, target }
        | Request::React {
            key, room, target, ..
        }
        | Request::Pin {
            key, room, target, ..
        }
        | Request::Report {
            key, room, target, ..
        } => Named {
            key: Some(key),
            room: Some(room),
            message: Some(target),
            ..none
        },
        Request::Versions { room, target } => Named {
            room: Some(room),
            message: Some(target),
            ..none
        },
        Request::Mark(PlacedMark { room, thread, .. }) => Named {
            room: Some(room),
            message: thread.as_mut(),
            ..none
        },
        Request::MarkAll { rooms } => Named {
            room: rooms.as_mut().and_then(|rooms| rooms.first_mut()),
            ..none
        },
        Request::Members { room, after, .. } => Named {
            room: Some(room),
            user: after.as_mut(),
            ..none
        },
        Request::Readers {
            room, seq, after, ..
        } => Named {
            room: Some(room),
            message: Some(seq),
            user: after.as_mut(),
            ..none
        },
        Request::Follow { room, thread, .. } => Named {
            room: Some(room),
            message: Some(thread),
            ..none
        },
        Request::Rooms { after, .. } => Named {
            room: after.as_mut(),
            ..none
        },
        Request::ChangeRoom { key, room, .. } => Named {
            key: Some(key),
            room: Some(room),
            ..none
        },
        Request::Moderate {
            key, room, user, ..
        } => Named {
            key: Some(key),
            room: Some(room),
            user: Some(user),
            ..none
        },
        Request::Overwrite {
            key, room, target, ..
        } => {
            let (user, role) = match target {
                OverwriteTarget::User(user) => (Some(user), None),
                OverwriteTarget::Role(role) => (None, Some(role)),
            };
            Named {
                key: Some(key),
                room: Some(room),
                user,
                role,
                ..none
            }
        }
        Request::Leave { room }
        | Request::Overwrites { room }
        | Request::Level { room, level: _ } => Named {
            room: Some(room),
            ..none
        },
        Request::Block { user, on: _ } => Named {
            user: Some(user),
            ..none
        },
        Request::SetRole(set) => Named {
            role: Some(&mut set.role),
            ..none
        },
        Request::RemoveRole { role } => Named {
            role: Some(role),
            ..none
        },
        Request::GiveRoles { user, roles } => Named {
            user: Some(user),
            role: roles.first_mut(),
            ..none
        },
        Request::Policy { apart } => Named {
            role: apart.first_mut().map(|(from, _)| from),
            ..none
        },
        Request::Explain { room, user, .. } => Named {
            room: room.as_mut(),
            user: user.as_mut(),
            ..none
        },
        Request::Presence { .. }
        | Request::Stream { .. }
        | Request::Me
        | Request::Status(_)
        | Request::Roles => none,
    }
}

/// Ada, who may do everything, with Bob in a room; a message and its reply; rooms she is not in.
struct School {
    world: World,
    ada: ConnectionId,
    room: RoomNumber,
    private: RoomNumber,
    said: Seq,
    deleted: Seq,
    used: IdempotencyKey,
}

impl School {
    fn new() -> Self {
        let mut world = World::new();
        world.set_role(role(HEAD, 30, &Permission::ALL));
        world.set_role(role(TEACHER, 20, &[]));
        world.set_role(role(PUPIL, 10, &[]));
        world.give("ada", &[HEAD]);
        let ada = world.connect("ada", "web");
        let bob = world.connect("bob", "web");
        let private = world.make(bob, "club", of_kind(RoomKind::Private), &[]);
        let room = world.open_room(ada, "math");
        world.join(bob, "math");
        let said = world.say(ada, room, "hello").seq;
        world.reply_in(ada, room, said, "hello again");
        let deleted = world.say(ada, room, "oh").seq;
        let delete = Request::Delete {
            key: key(1),
            room,
            target: deleted,
        };
        let reply = world.request(ada, delete);
        assert_eq!(refusal_of(&reply), None);
        Self {
            world,
            ada,
            room,
            private,
            said,
            deleted,
            used: key(1),
        }
    }

    /// The request with one thing it names put wrong; `None` where it names no such thing.
    fn spoiled(&self, mut request: Request, wrong: Wrong) -> Option<Request> {
        let named = named(&mut request);
        match wrong {
            NoRoom => *named.room? = RoomNumber(4_711),
            ForeignRoom => *named.room? = foreign_room(),
            UnseenRoom => *named.room? = self.private,
            NoRoomId => *named.room_id? = RoomId::new("nowhere").unwrap(),
            UnseenRoomId => *named.room_id? = RoomId::new("club").unwrap(),
            NoUser => *named.user? = user("nobody"),
            Service => *named.user? = user("service:timetable"),
            NoMessage => *named.message? = seq(999),
            OtherEvent => *named.message? = seq(1),
            Deleted => *named.message? = self.deleted,
            NoRole => *named.role? = RoleId(99),
            UsedKey => *named.key? = self.used,
        }
        Some(request)
    }
}

/// A room of another tenant, whose number nobody has here.
fn foreign_room() -> RoomNumber {
    let mut elsewhere = World::new();
    let eve = elsewhere.connect("eve", "web");
    let rooms = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let numbers = rooms.map(|id| elsewhere.create(eve, id));
    numbers[rooms.len() - 1]
}

/// One of each kind, all of which are granted as they are, and those forms of it that name other things.
#[expect(
    clippy::too_many_lines,
    reason = "a list of examples, one of each kind"
)]
fn requests(school: &School) -> Vec<Request> {
    let (room, target, after) = (school.room, school.said, Some(user("bob")));
    let key = key(77);
    let thread = Some(target);
    let bob = user("bob");
    let moderate = |measure| Request::Moderate {
        key,
        room,
        user: user("bob"),
        measure,
        until: None,
        reason: None,
    };
    let overwrite = |target| Request::Overwrite {
        key,
        room,
        target,
        overwrite: Overwrite {
            deny: Permissions::of(&[Permission::Pin]),
            allow: Permissions::NONE,
        },
    };
    let send = |thread, reply_to| Request::Send {
        key,
        room,
        draft: Draft {
            thread,
            reply_to,
            ..Draft::from("and on")
        },
    };
    let requests = vec![
        Request::Create {
            key,
            room: RoomId::new("new").unwrap(),
            info: RoomInfo::default(),
            members: vec![bob.clone()],
        },
        Request::Join {
            room: RoomId::new("math").unwrap(),
            resume: None,
        },
        Request::Leave { room },
        send(thread, None),
        send(None, thread),
        Request::History {
            room,
            direction: Direction::After,
            anchor: seq(0),
            limit: 10,
            thread,
        },
        Request::Typing {
            room,
            active: true,
            thread,
        },
        Request::Presence {
            state: homeroom_protocol::DeviceState::Idle,
        },
        Request::Watch {
            users: vec![bob.clone()],
        },
        Request::Members {
            room,
            after: after.clone(),
            limit: 10,
        },
        Request::Edit {
            key,
            room,
            target,
            draft: "changed".into(),
        },
        Request::Delete { key, room, target },
        Request::React {
            key,
            room,
            target,
            emoji: homeroom_protocol::Emoji::new("👍").unwrap(),
            on: true,
        },
        Request::Pin {
            key,
            room,
            target,
            on: true,
        },
        Request::Versions { room, target },
        Request::Mark(PlacedMark {
            room,
            thread,
            mark: mark(1, target.0),
            public: true,
        }),
        Request::MarkAll {
            rooms: Some(vec![room]),
        },
        Request::Readers {
            room,
            seq: target,
            after,
            limit: 10,
        },
        Request::Follow {
            room,
            thread: target,
            on: true,
        },
        Request::Rooms {
            after: Some(room),
            limit: 10,
        },
        Request::ChangeRoom {
            key,
            room,
            changes: vec![RoomChange::Topic(Some("algebra".into()))],
        },
        overwrite(OverwriteTarget::Role(PUPIL)),
        overwrite(OverwriteTarget::User(bob.clone())),
        Request::Overwrites { room },
        Request::Level {
            room,
            level: NotificationLevel::Nothing,
        },
        Request::Report {
            key,
            room,
            target,
            reason: "rude".into(),
        },
        Request::Stream {
            stream: Stream::Reports,
            resume: None,
        },
        Request::Me,
        Request::Status(Status::default()),
        Request::Block {
            user: bob.clone(),
            on: true,
        },
        Request::SetRole(role(PUPIL, 11, &[])),
        Request::RemoveRole { role: PUPIL },
        Request::GiveRoles {
            user: bob.clone(),
            roles: vec![PUPIL],
        },
        Request::Roles,
        Request::Policy {
            apart: vec![(PUPIL, TEACHER)],
        },
        Request::Explain {
            room: Some(room),
            user: Some(bob),
            permission: Permission::Send,
        },
        Request::View {
            room: Some(room),
            thread,
        },
    ];
    let measures = [
        Measure::Invite,
        Measure::Uninvite,
        Measure::Add,
        Measure::Remove,
        Measure::Ban,
        Measure::Unban,
        Measure::Mute,
        Measure::Unmute,
    ];
    requests.into_iter().chain(measures.map(moderate)).collect()
}

/// What each kind must answer; `None`: it is granted, as what is wrong is only looked at as a limit of a page,
/// or is a person who may come yet.
fn verdict(kind: &str, wrong: Wrong) -> Option<ErrorCode> {
    match (wrong, kind) {
        // A page above a room is above its number, whatever has it.
        (NoRoom | ForeignRoom | UnseenRoom, "list_rooms") => None,
        // Whoever manages roles may ask what anybody may do anywhere.
        (UnseenRoom, "explain") => None,
        (NoRoom | ForeignRoom | UnseenRoom, _) => Some(ErrorCode::NotMember),
        (NoRoomId, "create") => None,
        (UnseenRoomId, "create") => Some(ErrorCode::RoomExists),
        (NoRoomId | UnseenRoomId, _) => Some(ErrorCode::RoomNotFound),
        (NoUser, _) => None,
        (Service, "watch" | "list_members" | "list_readers" | "explain") => None,
        (Service, _) => Some(ErrorCode::InvalidField),
        // A page of a thread that is none is empty.
        (NoMessage | OtherEvent | Deleted, "history") => None,
        (NoMessage, "list_readers") => Some(ErrorCode::InvalidField),
        (OtherEvent | Deleted, "list_readers") => None,
        _ => later_verdict(kind, wrong),
    }
}

fn later_verdict(kind: &str, wrong: Wrong) -> Option<ErrorCode> {
    match (wrong, kind) {
        // What is shown or typed beside is no matter of what is kept.
        (OtherEvent | Deleted, "set_typing" | "view") => None,
        (NoMessage | OtherEvent | Deleted, _) => Some(ErrorCode::MessageNotFound),
        // It is made.
        (NoRole, "set_role") => None,
        (NoRole, _) => Some(ErrorCode::RoleNotFound),
        (UsedKey, _) => Some(ErrorCode::KeyConflict),
        (wrong, kind) => unreachable!("{kind} with {wrong:?} is above"),
    }
}

#[test]
fn every_kind_is_granted_as_it_is_and_has_its_row() {
    let all = requests(&School::new());
    let kinds: BTreeSet<_> = all.iter().map(name).collect();
    let told: BTreeSet<_> = rows().keys().copied().collect();
    assert_eq!(kinds, told);
    for request in all {
        let mut school = School::new();
        let reply = school.world.request(school.ada, request.clone());
        assert_eq!(refusal_of(&reply), None, "{request:?}: {reply:?}");
    }
}

#[test]
fn whatever_is_named_wrongly_is_refused_with_its_code() {
    let all = requests(&School::new());
    let mut met = BTreeSet::new();
    for request in &all {
        for wrong in ALL {
            let mut school = School::new();
            let Some(spoiled) = school.spoiled(request.clone(), wrong) else {
                continue;
            };
            // Any event can be answered, besides one that is not yet.
            let answers = matches!(request, Request::Send { draft, .. } if draft.thread.is_none());
            let expected = match wrong {
                OtherEvent | Deleted if answers => None,
                _ => verdict(name(request), wrong),
            };
            let reply = school.world.request(school.ada, spoiled.clone());
            assert_eq!(
                refusal_of(&reply),
                expected,
                "{wrong:?} {spoiled:?}: {reply:?}"
            );
            if let Some(code) = expected {
                let kind = name(request);
                assert!(
                    row_of(kind).tells(code),
                    "{kind} is not said to give {code:?}"
                );
                met.insert(wrong);
            }
        }
    }
    let all: BTreeSet<_> = ALL.into_iter().filter(|it| *it != NoUser).collect();
    assert_eq!(met, all, "each can go wrong somewhere");
}

/// Numbers cannot be tried out: whether there is such a room is not told by as much as a word.
#[test]
fn a_room_that_is_not_there_and_one_that_is_not_seen_are_refused_alike() {
    for request in requests(&School::new()) {
        let replies = [NoRoom, ForeignRoom, UnseenRoom].map(|wrong| {
            let mut school = School::new();
            // Who manages roles may ask about any room.
            school.world.give("ada", &[]);
            let spoiled = school.spoiled(request.clone(), wrong)?;
            match school.world.request(school.ada, spoiled) {
                ServerFrame::Error {
                    code, explanation, ..
                } => Some((code, explanation)),
                _ => None,
            }
        });
        assert!(replies.iter().all(|it| *it == replies[0]), "{replies:?}");
    }
}

#[test]
fn every_kind_needs_the_scope_that_its_row_says() {
    for request in requests(&School::new()) {
        let scope = row_of(name(&request)).scope;
        for scopes in [Scopes::NONE, Scopes::READ, Scopes::WRITE, Scopes::ALL] {
            let mut school = School::new();
            let narrow = identity("ada", "script").with_scopes(scopes);
            let connection = school.world.connect_as(narrow);
            school.world.inbox(connection);
            let reply = school.world.request(connection, request.clone());
            let is_refused = refusal_of(&reply) == Some(ErrorCode::Forbidden);
            let context = format!("{request:?} with {scopes:?}: {reply:?}");
            assert_eq!(is_refused, !scopes.contain(scope), "{context}");
        }
    }
}

/// Found by the fuzzer. Nobody manages the overwrites of a stream, so nobody is told there of others.
#[test]
fn others_are_not_explained_where_there_are_no_overwrites() {
    let mut world = World::new();
    let ada = world.connect("ada", "web");
    let (room, _) = world.open_stream(ada, Stream::Personal, None);
    let explain = Request::Explain {
        room: Some(room),
        user: Some(user("bob")),
        permission: Permission::Send,
    };
    assert_eq!(world.refusal(ada, explain), ErrorCode::NotHere);
}
