//! What a server answers.

use homeroom_protocol::{
    Cause, Durability, EventBody, FollowedThread, Mark, Me, Message, MessageState,
    NotificationLevel, Overwrite, OverwriteTarget, Permission, Permissions, Presence, Reason,
    RequestId, ResetReason, Retention, Role, RoleId, RoomEntry, RoomId, RoomInfo, RoomKind,
    RoomNumber, Seq, ServerFrame, Standing, Status, ThreadSummary, TimelineEvent, UserPresence,
};

use super::{
    Example, ROOM, epoch,
    event::{event, room_created},
    position,
    push::presences,
    room_id, thumbs_up, time, titled, user, usual,
};

fn joined(seq: u64, reset: Option<ResetReason>) -> ServerFrame {
    ServerFrame::Joined {
        id: RequestId(3),
        room: ROOM,
        position: position(seq),
        head: Seq(44),
        reset,
        members: 28,
        info: RoomInfo::default(),
        permissions: Permissions::NONE,
    }
}

fn page(events: Vec<TimelineEvent>, more: bool) -> ServerFrame {
    ServerFrame::Page {
        id: RequestId(7),
        room: ROOM,
        epoch: epoch(),
        events,
        more,
        more_above: false,
    }
}

#[expect(
    clippy::too_many_lines,
    reason = "a list of examples, one after another"
)]
pub(super) fn replies() -> Vec<Example<ServerFrame>> {
    let error = |id: Option<u64>, code, retry_after_ms, explanation: &str| ServerFrame::Error {
        id: id.map(RequestId),
        code,
        retry_after_ms,
        explanation: explanation.to_owned(),
    };
    let created = ServerFrame::Created {
        id: RequestId(1),
        room: ROOM,
        position: position(1),
        time: time(10),
    };
    let sent = ServerFrame::Sent {
        id: RequestId(6),
        position: position(42),
        time: time(20),
    };
    let events = vec![
        event(1, "ada", room_created(titled())),
        event(2, "ben", EventBody::MemberJoined),
        event(3, "ben", EventBody::Message("hello".into())),
    ];
    let members = |users, more| ServerFrame::Members {
        id: RequestId(15),
        room: ROOM,
        users,
        more,
    };
    vec![
        (
            "done",
            "The request was done.",
            ServerFrame::Done { id: RequestId(5) },
        ),
        (
            "error_fix",
            "There is no such room.",
            error(Some(3), 1100, None, "no room class-7c"),
        ),
        (
            "error_retry",
            "Try again in 2 s.",
            error(Some(6), 2000, Some(2_000), ""),
        ),
        (
            "error_no_id",
            "A frame without a readable id.",
            error(None, 1000, None, "no kind"),
        ),
        ("created", "The room was made.", created),
        (
            "joined",
            "A first join: the next push has seq 45.",
            joined(44, None),
        ),
        (
            "joined_resumed",
            "A resume: seq 42, 43 and 44 follow as pushes.",
            joined(41, None),
        ),
        (
            "joined_reset_epoch_changed",
            "The room has a new life: drop what you have.",
            joined(44, Some(ResetReason::EpochChanged)),
        ),
        (
            "joined_reset_trimmed",
            "The position is older than what is kept.",
            joined(44, Some(ResetReason::Trimmed)),
        ),
        (
            "joined_reset_ahead",
            "The position was never given out.",
            joined(44, Some(ResetReason::Ahead)),
        ),
        (
            "joined_reset_unreadable",
            "What lies between could not be read.",
            joined(44, Some(ResetReason::Unreadable)),
        ),
        ("sent", "The message is on disk as seq 42.", sent),
        ("page", "Three events, and more.", page(events, true)),
        ("page_empty", "Nothing there.", page(vec![], false)),
        (
            "watching",
            "Who is there now.",
            ServerFrame::Watching {
                id: RequestId(13),
                users: presences(),
            },
        ),
        (
            "members",
            "A page of two members.",
            members(vec![user("ada"), user("ben")], true),
        ),
        ("members_empty", "No more members.", members(vec![], false)),
    ]
}

#[expect(
    clippy::too_many_lines,
    reason = "a list of examples, one after another"
)]
pub(super) fn later_replies() -> Vec<Example<ServerFrame>> {
    let id = RequestId(20);
    let described = |info, reset| ServerFrame::Joined {
        id,
        room: ROOM,
        position: position(44),
        head: Seq(44),
        reset,
        members: 1,
        info,
        permissions: usual(),
    };
    let of_kind = |kind| RoomInfo {
        kind,
        ..RoomInfo::default()
    };
    let overwrites = vec![
        (
            OverwriteTarget::Role(RoleId::EVERYONE),
            Overwrite {
                deny: Permissions::of(&[Permission::Send]),
                allow: Permissions::NONE,
            },
        ),
        (
            OverwriteTarget::User(user("ada")),
            Overwrite {
                deny: Permissions::NONE,
                allow: Permissions::ALL,
            },
        ),
    ];
    let forgetful = RoomInfo {
        durability: Durability::None,
        ..titled()
    };
    vec![
        (
            "joined_described",
            "A join that says what the room is like and what one may do there.",
            described(titled(), None),
        ),
        (
            "joined_reset_not_kept",
            "The room keeps nothing, so what was missed is lost.",
            described(forgetful, Some(ResetReason::NotKept)),
        ),
        (
            "joined_personal",
            "The user's own stream.",
            described(of_kind(RoomKind::Personal), None),
        ),
        (
            "joined_moderation",
            "What was reported.",
            described(of_kind(RoomKind::Moderation), None),
        ),
        (
            "page_around",
            "A page around an anchor: a message that was edited and reacted to, and one that was deleted.",
            page_around(),
        ),
        (
            "watching_status",
            "Watched users with what they say of themselves.",
            ServerFrame::Watching {
                id,
                users: statuses(),
            },
        ),
        (
            "marked",
            "How far the user has read.",
            ServerFrame::Marked {
                id,
                mark: Mark {
                    generation: 1,
                    seq: Seq(42),
                },
            },
        ),
        (
            "readers",
            "Two have read it; the page ended at Cleo, who does not show it.",
            ServerFrame::Readers {
                id,
                room: ROOM,
                users: vec![user("ada"), user("ben")],
                more: true,
                after: Some(user("cleo")),
            },
        ),
        (
            "readers_nobody",
            "Nobody who shows it has read it.",
            ServerFrame::Readers {
                id,
                room: ROOM,
                users: vec![],
                more: false,
                after: None,
            },
        ),
        (
            "rooms",
            "Two rooms of the user.",
            ServerFrame::Rooms {
                id,
                rooms: entries(),
                more: false,
            },
        ),
        (
            "overwrites",
            "What differs in a room.",
            ServerFrame::Overwrites {
                id,
                room: ROOM,
                overwrites,
            },
        ),
        (
            "me",
            "What is known of the user.",
            ServerFrame::Me {
                id,
                me: Box::new(me()),
            },
        ),
        (
            "me_nothing",
            "Nothing is known of the user.",
            ServerFrame::Me {
                id,
                me: Box::default(),
            },
        ),
        (
            "roles",
            "Everyone, and one role more.",
            ServerFrame::Roles { id, roles: roles() },
        ),
        (
            "explained",
            "Everything that can count, in the order of the numbers.",
            ServerFrame::Explained {
                id,
                allowed: false,
                reasons: reasons(),
            },
        ),
    ]
}

fn page_around() -> ServerFrame {
    let changed = Message {
        state: Some(Box::new(MessageState {
            version: 2,
            edited: Some(time(90)),
            reactions: vec![thumbs_up(vec![user("ben"), user("ada")], true)],
            thread: Some(ThreadSummary {
                replies: 3,
                newest: Seq(60),
            }),
            pinned: true,
        })),
        ..Message::from("Hello, Zoë")
    };
    let tombstone = EventBody::Tombstone {
        thread: Some(Seq(42)),
        summary: None,
        by_moderator: false,
    };
    ServerFrame::Page {
        id: RequestId(20),
        room: ROOM,
        epoch: epoch(),
        events: vec![
            event(42, "ada", EventBody::Message(changed)),
            event(43, "ben", tombstone),
        ],
        more: true,
        more_above: true,
    }
}

fn statuses() -> Vec<UserPresence> {
    vec![
        UserPresence {
            user: user("ben"),
            presence: Presence::Busy,
            last_seen: None,
            status: Some("in an exam".to_owned()),
        },
        UserPresence {
            user: user("zoë"),
            presence: Presence::Offline,
            last_seen: Some(time(0)),
            status: None,
        },
    ]
}

fn entries() -> Vec<RoomEntry> {
    let member = RoomEntry {
        room: ROOM,
        id: room_id(),
        standing: Standing::Member,
        info: RoomInfo {
            retention: Retention::Days(30),
            ..titled()
        },
        head: position(44),
        time: time(44),
        members: 28,
        permissions: usual(),
        mark: Mark {
            generation: 0,
            seq: Seq(40),
        },
        unread: 3,
        mentions: 1,
        level: NotificationLevel::Mentions,
    };
    let invited = RoomEntry {
        room: RoomNumber(8),
        id: RoomId::new("chess").unwrap(),
        standing: Standing::Invited,
        info: RoomInfo {
            kind: RoomKind::Private,
            ..RoomInfo::default()
        },
        mark: Mark::default(),
        unread: 0,
        mentions: 0,
        level: NotificationLevel::All,
        ..member.clone()
    };
    vec![member, invited]
}

fn me() -> Me {
    Me {
        status: Status {
            text: Some("in an exam".to_owned()),
            ..Status::default()
        },
        roles: vec![RoleId(3)],
        permissions: Permissions::of(&[Permission::CreateRooms, Permission::Direct]),
        blocked: vec![user("ben")],
        threads: vec![FollowedThread {
            room: ROOM,
            thread: Seq(42),
            mark: Mark {
                generation: 0,
                seq: Seq(50),
            },
            unread: 2,
        }],
        stream: Some(position(9)),
    }
}

fn roles() -> Vec<Role> {
    let everyone = Role {
        role: RoleId::EVERYONE,
        name: "everyone".to_owned(),
        rank: 0,
        allow: usual(),
        prohibit: Permissions::NONE,
    };
    let pupil = Role {
        role: RoleId(3),
        name: "pupil".to_owned(),
        rank: 10,
        allow: Permissions::NONE,
        prohibit: Permissions::of(&[Permission::Direct]),
    };
    vec![everyone, pupil]
}

fn reasons() -> Vec<Reason> {
    let causes = [
        (Cause::Nothing, None, false),
        (Cause::Role, Some(RoleId::EVERYONE), true),
        (Cause::EveryoneHere, None, false),
        (Cause::RoleHere, Some(RoleId(3)), true),
        (Cause::UserHere, None, true),
        (Cause::Prohibited, Some(RoleId(3)), false),
        (Cause::NoView, None, false),
        (Cause::NotMember, None, false),
        (Cause::Banned, None, false),
        (Cause::Muted, None, false),
        (Cause::Archived, None, false),
        (Cause::Kind, None, false),
        (Cause::Apart, None, false),
    ];
    causes
        .map(|(cause, role, allows)| Reason {
            cause,
            role,
            allows,
        })
        .to_vec()
}
