//! A tenant in which everything that can be stored has happened once. What is new is added here, or does not
//! compile; and before it happens in [`make`], the test of the next folder fails.

use std::collections::BTreeSet;

use homeroom_engine::{
    Backend, Engine, Identity, ServiceName, Session,
    tenant::{Moderation, TenantChange},
};
use homeroom_protocol::{
    AllowedMentions, Availability, Custom, CustomKind, Direction, Draft, Emoji, ErrorCode,
    EventBody, IdempotencyKey, Mark, Me, Measure, NotificationLevel, Overwrite, OverwriteTarget,
    Permission, Permissions, PlacedMark, Request, Retention, Role, RoleId, RoomChange, RoomEntry,
    RoomId, RoomInfo, RoomKind, RoomNumber, Seq, ServerFrame, Status, Stream, Timestamp, UserId,
};

use crate::engine_support::{code, name};

/// The tenant that holds it.
pub(crate) const COLLEGE: &str = "college";
const HEAD: RoleId = RoleId(1);
const PUPIL: RoleId = RoleId(2);
const GONE: RoleId = RoleId(3);
/// The year 2100: what was banned or muted until then still is.
const LATER: Timestamp = Timestamp(4_102_444_800_000);

macro_rules! kinds {
    ($kind_of:ident, $all:ident, $type:ty, { $($pattern:pat => $name:literal),+ $(,)? }) => {
        /// What an export calls it.
        #[expect(dead_code, reason = "that it compiles is its use")]
        const fn $kind_of(stored: &$type) -> &'static str {
            match stored {
                $($pattern => $name),+
            }
        }

        const $all: &[&str] = &[$($name),+];
    };
}

kinds!(kind_of_event, EVENTS, EventBody, {
    EventBody::RoomCreated { .. } => "room_created",
    EventBody::MemberJoined => "member_joined",
    EventBody::MemberLeft => "member_left",
    EventBody::MemberAdded { .. } => "member_added",
    EventBody::MemberRemoved { .. } => "member_removed",
    EventBody::RoomChanged { .. } => "room_changed",
    EventBody::MemberInvited { .. } => "member_invited",
    EventBody::MemberUninvited { .. } => "member_uninvited",
    EventBody::MemberBanned { .. } => "member_banned",
    EventBody::MemberUnbanned { .. } => "member_unbanned",
    EventBody::MemberMuted { .. } => "member_muted",
    EventBody::MemberUnmuted { .. } => "member_unmuted",
    EventBody::OverwriteSet { .. } => "overwrite_set",
    EventBody::Message(_) => "message_sent",
    EventBody::MessageEdited { .. } => "message_edited",
    EventBody::MessageDeleted { .. } => "message_deleted",
    EventBody::ReactionSet { .. } => "reaction_set",
    EventBody::PinSet { .. } => "pin_set",
    EventBody::Reported(_) => "reported",
    EventBody::StreamOpened => "stream_opened",
    EventBody::PlaceChanged { .. } => "place_changed",
    EventBody::Marked { .. } => "marked",
    EventBody::StatusSet { .. } => "status_set",
    EventBody::LevelSet { .. } => "level_set",
    EventBody::BlockSet { .. } => "block_set",
    EventBody::RolesGiven { .. } => "roles_given",
    EventBody::ThreadFollowed { .. } => "thread_followed",
    // Never stored.
    EventBody::Tombstone { .. } => "tombstone",
    EventBody::Unknown { .. } => "unknown",
});

kinds!(kind_of_change, CHANGES, TenantChange, {
    TenantChange::RoleSet(_) => "role_set",
    TenantChange::RoleRemoved { .. } => "role_removed",
    TenantChange::RolesGiven { .. } => "roles_given",
    TenantChange::PolicySet { .. } => "policy_set",
    TenantChange::Seen { .. } => "seen",
});

/// That an export tells of each kind.
pub(crate) fn tells_everything(export: &str) {
    let told: BTreeSet<(bool, String)> = export
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let kind = line["kind"].as_str().unwrap().to_owned();
            (line.get("room").is_some(), kind)
        })
        .collect();
    let never = ["tombstone", "unknown"];
    let events = EVENTS.iter().filter(|kind| !never.contains(*kind));
    let all = events
        .map(|&kind| (true, kind.to_owned()))
        .chain(CHANGES.iter().map(|&kind| (false, kind.to_owned())));
    assert_eq!(told, all.collect());
}

const fn key(n: u8) -> IdempotencyKey {
    IdempotencyKey([n; 16])
}

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

fn id(room: &str) -> RoomId {
    room.parse().unwrap()
}

async fn connect(engine: &Engine, user: &str) -> Session {
    let college = engine.tenant(&name(COLLEGE)).await.unwrap();
    let connected = college.connect(Identity::user(user).unwrap()).await;
    connected.unwrap().0
}

async fn office(engine: &Engine) -> Backend {
    let college = engine.tenant(&name(COLLEGE)).await.unwrap();
    college.backend(ServiceName::new("office").unwrap())
}

fn role(role: RoleId, rank: u32, allow: Permissions) -> Role {
    Role {
        role,
        name: format!("role {}", role.0),
        rank,
        allow,
        prohibit: Permissions::NONE,
    }
}

fn lab() -> RoomInfo {
    RoomInfo {
        title: Some("Lab".into()),
        topic: Some("chemistry".into()),
        metadata: vec![1, 2, 3],
        retention: Retention::Days(30_000),
        slow_mode_ms: 0,
        ..RoomInfo::default()
    }
}

fn full_draft() -> Draft {
    Draft {
        text: "<@ben> look".into(),
        allowed_mentions: Some(AllowedMentions {
            users: Some(vec![user("ben")]),
            ..AllowedMentions::default()
        }),
        custom: Some(Custom {
            kind: CustomKind::new("poll").unwrap(),
            body: vec![0xc3],
        }),
        attachments: vec!["file-1".into()],
        ..Draft::default()
    }
}

/// Lets all of it happen.
pub(crate) async fn make(engine: &Engine) {
    engine.create_tenant(&name(COLLEGE)).await.unwrap();
    let office = office(engine).await;
    office
        .set_role(role(HEAD, 30, Permissions::ALL))
        .await
        .unwrap();
    let pin = Permissions::of(&[Permission::Pin]);
    office.set_role(role(PUPIL, 10, pin)).await.unwrap();
    office.set_role(role(GONE, 5, pin)).await.unwrap();
    office.remove_role(GONE).await.unwrap();
    // What concerns somebody is written to their stream from when they first open it.
    let ana = connect(engine, "ana").await;
    let ben = connect(engine, "ben").await;
    for person in [&ana, &ben] {
        let stream = Stream::Personal;
        let resume = None;
        person
            .request(Request::Stream { stream, resume })
            .await
            .unwrap();
    }
    office.give_roles(&user("ana"), vec![HEAD]).await.unwrap();
    office.give_roles(&user("eve"), vec![PUPIL]).await.unwrap();
    office.set_policy(vec![(PUPIL, PUPIL)]).await.unwrap();

    let first = vec![user("ana")];
    office
        .make_room(key(1), &id("lab"), lab(), first)
        .await
        .unwrap();
    let lab = ana.enter("lab").await.unwrap();
    people(&office, &ben).await;
    let root = said(&ana, &ben, lab.number).await;
    settings(&ana, &office, (lab.number, root)).await;
    drop(ben);
    while office.presence(vec![user("ben")]).await.unwrap()[0]
        .last_seen
        .is_none()
    {}
    // Behind the record of when he was last there.
    office
        .publish(key(99), &id("lab"), "good night")
        .await
        .unwrap();
}

/// People come and go, are kept out and silenced.
async fn people(office: &Backend, ben: &Session) {
    let take = |who: &str, measure, until| {
        let moderation = Moderation {
            until,
            reason: None,
            ..Moderation::new(user(who), measure)
        };
        let office = office.clone();
        async move { office.moderate(&id("lab"), moderation).await.unwrap() }
    };
    let lab = ben.enter("lab").await.unwrap();
    ben.leave(&lab).await.unwrap();
    ben.enter("lab").await.unwrap();
    take("cleo", Measure::Add, None).await;
    take("dan", Measure::Add, None).await;
    take("dan", Measure::Remove, None).await;
    take("fay", Measure::Invite, None).await;
    take("gus", Measure::Invite, None).await;
    take("gus", Measure::Uninvite, None).await;
    take("eve", Measure::Ban, Some(LATER)).await;
    take("hal", Measure::Ban, None).await;
    take("hal", Measure::Unban, None).await;
    take("cleo", Measure::Mute, Some(LATER)).await;
    take("ben", Measure::Mute, None).await;
    take("ben", Measure::Unmute, None).await;
}

/// Messages, and what becomes of them; the first.
async fn said(ana: &Session, ben: &Session, room: RoomNumber) -> Seq {
    let send = |n, draft| Request::Send {
        key: key(n),
        room,
        draft,
    };
    let at = |frame: ServerFrame| match frame {
        ServerFrame::Sent { position, .. } => position.seq,
        other => panic!("not sent: {other:?}"),
    };
    let root = at(ana.request(send(10, full_draft())).await.unwrap());
    let reply = Draft {
        thread: Some(root),
        reply_to: Some(root),
        ..Draft::from("I see")
    };
    ben.request(send(11, reply)).await.unwrap();
    let gone = at(ben.request(send(12, "oh".into())).await.unwrap());
    for (request, by) in [
        (
            Request::Edit {
                key: key(13),
                room,
                target: root,
                draft: "<@ben> look here".into(),
            },
            ana,
        ),
        (
            Request::React {
                key: key(14),
                room,
                target: root,
                emoji: Emoji::new("👍").unwrap(),
                on: true,
            },
            ben,
        ),
        (
            Request::Pin {
                key: key(15),
                room,
                target: root,
                on: true,
            },
            ana,
        ),
        (
            Request::Report {
                key: key(16),
                room,
                target: gone,
                reason: "rude".into(),
            },
            ben,
        ),
        (
            Request::Delete {
                key: key(17),
                room,
                target: gone,
            },
            ana,
        ),
    ] {
        by.request(request).await.unwrap();
    }
    root
}

/// What ana sets for herself, and for the room.
async fn settings(ana: &Session, office: &Backend, (room, root): (RoomNumber, Seq)) {
    let overwrite = Overwrite {
        deny: Permissions::of(&[Permission::Attach]),
        allow: Permissions::NONE,
    };
    let target = OverwriteTarget::Role(PUPIL);
    office
        .set_overwrite(&id("lab"), target, overwrite)
        .await
        .unwrap();
    let changes = vec![RoomChange::Topic(Some("physics".into()))];
    office
        .change_room(key(20), &id("lab"), changes)
        .await
        .unwrap();
    let mark = PlacedMark {
        room,
        thread: None,
        mark: Mark {
            generation: 1,
            seq: root,
        },
        public: true,
    };
    let status = Status {
        availability: Availability::Busy,
        text: Some("in the lab".into()),
        expires: Some(LATER),
    };
    for request in [
        Request::Mark(mark),
        Request::Status(status),
        Request::Level {
            room,
            level: NotificationLevel::Mentions,
        },
        Request::Block {
            user: user("hal"),
            on: true,
        },
        Request::Follow {
            room,
            thread: root,
            on: true,
        },
    ] {
        ana.request(request).await.unwrap();
    }
}

/// That all of it counts.
pub(crate) async fn is_all_there(engine: &Engine) {
    engine.check_tenant(&name(COLLEGE)).await.unwrap();
    let office = office(engine).await;
    let roles = office.roles().await.unwrap();
    let roles: Vec<_> = roles.iter().skip(1).map(|it| (it.role, it.rank)).collect();
    assert_eq!(roles, [(HEAD, 30), (PUPIL, 10)]);
    assert_eq!(office.roles_of(&user("eve")).await.unwrap(), [PUPIL]);
    assert_eq!(office.overwrites(&id("lab")).await.unwrap().len(), 1);
    let room = office.room(&id("lab")).await.unwrap();
    let changed = RoomInfo {
        topic: Some("physics".into()),
        ..lab()
    };
    assert_eq!((room.info, room.members), (changed, 3));
    let states = office.presence(vec![user("ben")]).await.unwrap();
    assert!(states[0].last_seen.is_some());

    let ana = connect(engine, "ana").await;
    let number = what_was_set_is_set(&ana).await;
    what_was_said_is_there(&ana, number).await;
    what_was_refused_is_refused(engine, number).await;
}

async fn what_was_set_is_set(ana: &Session) -> RoomNumber {
    let rooms = Request::Rooms {
        after: None,
        limit: 10,
    };
    let ServerFrame::Rooms { rooms, .. } = ana.request(rooms).await.unwrap() else {
        panic!("no rooms");
    };
    let [
        RoomEntry {
            room,
            mark,
            level,
            unread,
            ..
        },
    ] = &rooms[..]
    else {
        panic!("other rooms: {rooms:?}");
    };
    // The good night.
    assert_eq!((mark.generation, *unread), (1, 1));
    assert_eq!(*level, NotificationLevel::Mentions);
    let ServerFrame::Me { me, .. } = ana.request(Request::Me).await.unwrap() else {
        panic!("not me");
    };
    let Me {
        status,
        roles,
        blocked,
        threads,
        ..
    } = *me;
    assert_eq!(status.text.as_deref(), Some("in the lab"));
    assert_eq!((roles, blocked), (vec![HEAD], vec![user("hal")]));
    assert_eq!((threads.len(), threads[0].unread), (1, 1));
    *room
}

async fn what_was_said_is_there(ana: &Session, room: RoomNumber) {
    let page = |room| Request::History {
        room,
        direction: Direction::After,
        anchor: Seq(0),
        limit: 100,
        thread: None,
    };
    let ServerFrame::Page { events, .. } = ana.request(page(room)).await.unwrap() else {
        panic!("no page");
    };
    let said = events.iter().find_map(|event| match &event.body {
        EventBody::Message(message) if message.state.is_some() => Some(message),
        _ => None,
    });
    let message = said.unwrap();
    let state = message.state.as_ref().unwrap();
    assert_eq!(message.text, "<@ben> look here");
    assert_eq!(message.mentions.users, [user("ben")]);
    assert_eq!((state.version, state.pinned), (1, true));
    assert_eq!(state.reactions[0].users, [user("ben")]);
    assert_eq!(state.thread.unwrap().replies, 1);
    let is_gone = |body: &EventBody| {
        matches!(
            body,
            EventBody::Tombstone {
                by_moderator: true,
                ..
            }
        )
    };
    assert_eq!(events.iter().filter(|it| is_gone(&it.body)).count(), 1);

    let reports = Request::Stream {
        stream: Stream::Reports,
        resume: None,
    };
    let ServerFrame::Joined { room, .. } = ana.request(reports).await.unwrap() else {
        panic!("no reports");
    };
    let ServerFrame::Page { events, .. } = ana.request(page(room)).await.unwrap() else {
        panic!("no page");
    };
    let is_report = |body: &EventBody| matches!(body, EventBody::Reported(it) if it.reason == "rude" && it.message.text == "oh");
    assert!(is_report(&events.last().unwrap().body));
}

async fn what_was_refused_is_refused(engine: &Engine, room: RoomNumber) {
    let eve = connect(engine, "eve").await;
    let banned = eve.enter("lab").await.unwrap_err();
    assert_eq!(code(&banned), ErrorCode::Banned);
    let direct = |n, with: &str| Request::Create {
        key: key(n),
        room: id(&format!("of-{with}")),
        info: RoomInfo {
            kind: RoomKind::Direct,
            ..RoomInfo::default()
        },
        members: vec![user(with)],
    };
    let office = office(engine).await;
    office.give_roles(&user("ivy"), vec![PUPIL]).await.unwrap();
    let apart = eve.request(direct(30, "ivy")).await.unwrap_err();
    assert_eq!(code(&apart), ErrorCode::Apart);
    let hal = connect(engine, "hal").await;
    let blocked = hal.request(direct(31, "ana")).await.unwrap_err();
    assert_eq!(code(&blocked), ErrorCode::Apart);
    let cleo = connect(engine, "cleo").await;
    let send = Request::Send {
        key: key(32),
        room,
        draft: "but".into(),
    };
    assert_eq!(
        code(&cleo.request(send).await.unwrap_err()),
        ErrorCode::Muted
    );
    let ana = connect(engine, "ana").await;
    let used = Request::Send {
        key: key(10),
        room,
        draft: "something else".into(),
    };
    assert_eq!(
        code(&ana.request(used).await.unwrap_err()),
        ErrorCode::KeyConflict
    );
}
