//! The fields of frames: lengths of texts and lists, ranges of numbers.

use homeroom_protocol::{
    AllowedMentions, Auth, ClientFrame, Custom, CustomKind, DeviceId, Direction, Draft, Hello,
    IdempotencyKey, InvalidId, Measure, Permissions, Request, Retention, Role, RoleId, RoomChange,
    RoomId, RoomInfo, RoomNumber, Seq, Status, TenantName, UserId, decode::FieldError, limit,
};

use crate::{KEY, ROOM, encoded, field_error, read, read_request, refused, too_long};

#[test]
fn message_text() {
    let send = |bytes| Request::Send {
        key: IdempotencyKey([7; 16]),
        room: RoomNumber(1),
        draft: "a".repeat(bytes).into(),
    };
    assert!(read_request(send(0)).is_ok());
    assert!(read_request(send(limit::MESSAGE_TEXT_BYTES_MAX)).is_ok());
    let error = refused(send(limit::MESSAGE_TEXT_BYTES_MAX + 1));
    assert_eq!(error, ("text", too_long(limit::MESSAGE_TEXT_BYTES_MAX)));
}

#[test]
fn room_title() {
    let create = |bytes| Request::Create {
        key: IdempotencyKey([7; 16]),
        room: RoomId::new("r").unwrap(),
        info: RoomInfo {
            title: Some("a".repeat(bytes)),
            ..RoomInfo::default()
        },
        members: vec![],
    };
    assert!(read_request(create(limit::ROOM_TITLE_BYTES_MAX)).is_ok());
    let error = refused(create(limit::ROOM_TITLE_BYTES_MAX + 1));
    assert_eq!(error, ("title", too_long(limit::ROOM_TITLE_BYTES_MAX)));
}

#[test]
fn watched_users() {
    let watch = |count| Request::Watch {
        users: vec![UserId::new("u").unwrap(); count],
    };
    assert!(read_request(watch(limit::WATCHED_USERS_MAX)).is_ok());
    let error = refused(watch(limit::WATCHED_USERS_MAX + 1));
    assert_eq!(error, ("users", too_long(limit::WATCHED_USERS_MAX)));
}

#[test]
fn page_limits() {
    let history = |limit| Request::History {
        room: RoomNumber(1),
        direction: Direction::After,
        anchor: Seq(0),
        limit,
        thread: None,
    };
    let members = |limit| Request::Members {
        room: RoomNumber(1),
        after: None,
        limit,
    };
    let range = |actual: u64, max: usize| {
        (
            "limit",
            FieldError::OutOfRange {
                actual,
                min: 1,
                max: max as u64,
            },
        )
    };
    assert!(read_request(history(1)).is_ok());
    assert!(read_request(history(100)).is_ok());
    assert!(read_request(members(256)).is_ok());
    assert_eq!(refused(history(0)), range(0, limit::PAGE_EVENTS_MAX));
    assert_eq!(refused(history(101)), range(101, limit::PAGE_EVENTS_MAX));
    assert_eq!(refused(members(257)), range(257, limit::MEMBERS_PAGE_MAX));
}

/// What is written, with the limit of each of its parts reached, and with one part beyond it.
type Case = (&'static str, usize, fn(usize) -> Request);

fn user() -> UserId {
    UserId::new("u").unwrap()
}

fn send(change: impl FnOnce(&mut Draft)) -> Request {
    let mut draft = Draft::from("hi");
    change(&mut draft);
    Request::Send {
        key: KEY,
        room: ROOM,
        draft,
    }
}

fn create(change: impl FnOnce(&mut RoomInfo)) -> Request {
    let mut info = RoomInfo::default();
    change(&mut info);
    Request::Create {
        key: KEY,
        room: RoomId::new("r").unwrap(),
        info,
        members: vec![],
    }
}

/// Texts and lists of requests whose length alone is limited.
const LENGTHS: &[Case] = &[
    ("text", limit::MESSAGE_TEXT_BYTES_MAX, |n| Request::Edit {
        key: KEY,
        room: ROOM,
        target: Seq(1),
        draft: "a".repeat(n).into(),
    }),
    ("custom.body", limit::CUSTOM_BYTES_MAX, |n| {
        send(|draft| {
            draft.custom = Some(Custom {
                kind: CustomKind::new("poll").unwrap(),
                body: vec![0; n],
            });
        })
    }),
    ("attachments", limit::ATTACHMENTS_MAX, |n| {
        send(|draft| draft.attachments = vec!["file".to_owned(); n])
    }),
    ("attachments.reference", limit::ATTACHMENT_BYTES_MAX, |n| {
        send(|draft| draft.attachments = vec!["a".repeat(n)])
    }),
    ("allowed_mentions.users", limit::ALLOWED_MENTIONS_MAX, |n| {
        send(|draft| {
            draft.allowed_mentions = Some(AllowedMentions {
                users: Some(vec![user(); n]),
                ..AllowedMentions::default()
            });
        })
    }),
    ("topic", limit::ROOM_TOPIC_BYTES_MAX, |n| {
        create(|info| info.topic = Some("a".repeat(n)))
    }),
    ("metadata", limit::ROOM_METADATA_BYTES_MAX, |n| {
        create(|info| info.metadata = vec![0; n])
    }),
    ("members", limit::FIRST_MEMBERS_MAX, |n| Request::Create {
        key: KEY,
        room: RoomId::new("r").unwrap(),
        info: RoomInfo::default(),
        members: vec![user(); n],
    }),
    ("changes", limit::ROOM_CHANGES_MAX, |n| {
        Request::ChangeRoom {
            key: KEY,
            room: ROOM,
            changes: vec![RoomChange::Archived(true); n],
        }
    }),
    ("rooms", limit::MARKED_ROOMS_MAX, |n| Request::MarkAll {
        rooms: Some(vec![ROOM; n]),
    }),
    ("reason", limit::REASON_BYTES_MAX, |n| Request::Moderate {
        key: KEY,
        room: ROOM,
        user: user(),
        measure: Measure::Ban,
        until: None,
        reason: Some("a".repeat(n)),
    }),
    ("reason", limit::REASON_BYTES_MAX, |n| Request::Report {
        key: KEY,
        room: ROOM,
        target: Seq(1),
        reason: "a".repeat(n),
    }),
    ("text", limit::STATUS_BYTES_MAX, |n| {
        Request::Status(Status {
            text: Some("a".repeat(n)),
            ..Status::default()
        })
    }),
    ("name", limit::ROLE_NAME_BYTES_MAX, |n| {
        Request::SetRole(Role {
            role: RoleId(1),
            name: "a".repeat(n),
            rank: 1,
            allow: Permissions::NONE,
            prohibit: Permissions::NONE,
        })
    }),
    ("roles", limit::ROLES_PER_USER_MAX, |n| Request::GiveRoles {
        user: user(),
        roles: vec![RoleId(1); n],
    }),
    ("apart", limit::POLICY_PAIRS_MAX, |n| Request::Policy {
        apart: vec![(RoleId(1), RoleId(2)); n],
    }),
];

#[test]
fn lengths_of_texts_and_lists() {
    for &(name, max, request) in LENGTHS {
        assert_eq!(read_request(request(0)).err(), None, "{name} of 0");
        assert_eq!(read_request(request(max)).err(), None, "{name} of {max}");
        assert_eq!(refused(request(max + 1)), (name, too_long(max)));
    }
}

/// A number with its name, the lowest and the highest it may be, and a request with it.
type Range<'r> = (&'static str, u64, u64, &'r dyn Fn(u64) -> Request);

/// Numbers of requests that have a highest and a lowest value.
#[test]
fn ranges_of_numbers() {
    let retention = |kept| create(|info| info.retention = kept);
    let role = |allow, prohibit| {
        Request::SetRole(Role {
            role: RoleId(1),
            name: String::new(),
            rank: 1,
            allow,
            prohibit,
        })
    };
    let all = Permissions::ALL.0;
    let readers = |limit| Request::Readers {
        room: ROOM,
        seq: Seq(1),
        after: None,
        limit,
    };
    let rooms = |limit| Request::Rooms { after: None, limit };
    let cases: [Range<'_>; 7] = [
        ("slow_mode_ms", 0, limit::SLOW_MODE_MS_MAX.into(), &|n| {
            create(|info| info.slow_mode_ms = u32::try_from(n).unwrap())
        }),
        (
            "retention.days",
            1,
            limit::RETENTION_DAYS_MAX.into(),
            &|n| retention(Retention::Days(u32::try_from(n).unwrap())),
        ),
        (
            "retention.messages",
            1,
            limit::RETENTION_MESSAGES_MAX.into(),
            &|n| retention(Retention::Messages(u32::try_from(n).unwrap())),
        ),
        ("limit", 1, limit::MEMBERS_PAGE_MAX as u64, &|n| {
            readers(u32::try_from(n).unwrap())
        }),
        ("limit", 1, limit::ROOMS_PAGE_MAX as u64, &|n| {
            rooms(u32::try_from(n).unwrap())
        }),
        ("allow", 0, all, &|n| {
            role(Permissions(n), Permissions::NONE)
        }),
        ("prohibit", 0, all, &|n| {
            role(Permissions::NONE, Permissions(n))
        }),
    ];
    for (name, min, max, request) in cases {
        assert_eq!(read_request(request(min)).err(), None, "{name} of {min}");
        assert_eq!(read_request(request(max)).err(), None, "{name} of {max}");
        let beyond = [min.checked_sub(1), Some(max + 1)];
        for actual in beyond.into_iter().flatten() {
            let error = FieldError::OutOfRange { actual, min, max };
            assert_eq!(refused(request(actual)), (name, error));
        }
    }
}

#[test]
fn signals() {
    let signal = |name: usize, body: usize| {
        let bytes = [
            &[0x94, 6, 7, 0xd9, u8::try_from(name).unwrap()][..],
            "s".repeat(name).as_bytes(),
            &[0xc5],
            &u16::try_from(body).unwrap().to_be_bytes(),
            &vec![0; body],
        ]
        .concat();
        read(&bytes).map(|_| ()).map_err(field_error)
    };
    let (name, body) = (limit::SIGNAL_NAME_BYTES_MAX, limit::SIGNAL_BYTES_MAX);
    assert_eq!(signal(name, body), Ok(()));
    assert_eq!(signal(1, 0), Ok(()));
    assert_eq!(signal(name, body + 1), Err(("body", too_long(body))));
    let error = InvalidId::TooLong {
        actual: name + 1,
        max: name,
    };
    assert_eq!(
        signal(name + 1, body),
        Err(("name", FieldError::InvalidId(error)))
    );
}

#[test]
fn hello_fields() {
    let hello = |token: usize, names: usize, name: usize| {
        let hello = Hello {
            version: 1,
            capabilities: vec!["c".repeat(name); names],
            tenant: TenantName::new("t").unwrap(),
            auth: Auth::Token("k".repeat(token)),
            device: DeviceId::new("d").unwrap(),
        };
        read(&encoded(&ClientFrame::Hello(hello)))
            .map(|_| ())
            .map_err(field_error)
    };
    let (token, names, name) = (
        limit::TOKEN_BYTES_MAX,
        limit::CAPABILITIES_MAX,
        limit::CAPABILITY_BYTES_MAX,
    );
    assert_eq!(hello(token, names, name), Ok(()));
    assert_eq!(
        hello(token + 1, names, name),
        Err(("auth.token", too_long(token)))
    );
    assert_eq!(
        hello(token, names + 1, name),
        Err(("capabilities", too_long(names)))
    );
    assert_eq!(
        hello(token, names, name + 1),
        Err(("capabilities.name", too_long(name)))
    );
}

#[test]
fn ids() {
    let join = |id: &str| {
        let length = u8::try_from(id.len()).unwrap();
        let bytes = [&[0x94, 17, 1, 0xd9, length][..], id.as_bytes(), &[0xc0]].concat();
        read(&bytes).map(|_| ()).map_err(field_error)
    };
    assert_eq!(join(&"r".repeat(64)), Ok(()));
    let error = InvalidId::TooLong {
        actual: 65,
        max: 64,
    };
    assert_eq!(
        join(&"r".repeat(65)),
        Err(("room", FieldError::InvalidId(error)))
    );
    assert_eq!(
        join(""),
        Err(("room", FieldError::InvalidId(InvalidId::Empty)))
    );
}
