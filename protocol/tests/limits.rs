//! Each limit of `limit.rs` that a peer can hit: reached exactly it passes, exceeded by one it is
//! refused with what was wrong.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use homeroom_protocol::{
    AllowedMentions, Auth, ClientFrame, Custom, CustomKind, DeviceId, Direction, Draft, EventBody,
    FrameError, Hello, IdempotencyKey, InvalidId, Measure, Permissions, Presence, RemovedReason,
    Request, RequestId, ResetReason, Retention, Role, RoleId, RoomChange, RoomId, RoomInfo,
    RoomKind, RoomNumber, ScanError, Seq, ServerFrame, Status, TenantName, UserId,
    decode::{FieldError, FrameProblem},
    decode_client_message, decode_event_body, decode_server_message, encode_client_frame, limit,
    scan::{Scanned, Sender},
};

const MAX: usize = limit::CLIENT_MESSAGE_BYTES_MAX;

fn scan(message: &[u8], bytes_max: usize) -> Result<Scanned<'_>, ScanError> {
    homeroom_protocol::scan::scan(message, bytes_max, Sender::Client)
}

fn encoded(frame: &ClientFrame) -> Vec<u8> {
    let mut out = Vec::new();
    encode_client_frame(frame, &mut out);
    out
}

fn read(bytes: &[u8]) -> Result<ClientFrame, FrameError> {
    decode_client_message(bytes, MAX).unwrap().next().unwrap()
}

fn read_request(request: Request) -> Result<ClientFrame, FrameError> {
    read(&encoded(&ClientFrame::Request {
        id: RequestId(1),
        request,
    }))
}

/// The field error of a request, by name.
fn refused(request: Request) -> (&'static str, FieldError) {
    let error = read_request(request).unwrap_err();
    assert_eq!(error.id, Some(RequestId(1)));
    field_error(error)
}

fn field_error(error: FrameError) -> (&'static str, FieldError) {
    match error.problem {
        FrameProblem::Field { name, error, .. } => (name, error),
        other => panic!("{other:?}"),
    }
}

const fn too_long(max: usize) -> FieldError {
    FieldError::TooLong {
        actual: max as u64 + 1,
        max: max as u64,
    }
}

/// A ping with `extra` unknown fields of these bytes.
fn ping_with(extra: &[&[u8]]) -> Vec<u8> {
    let count = u32::try_from(2 + extra.len()).unwrap();
    let mut out = vec![0xdd];
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&[2, 7]);
    out.extend_from_slice(&extra.concat());
    out
}

#[test]
fn message_bytes() {
    let message = ping_with(&[&[0xc0]]);
    assert!(scan(&message, message.len()).is_ok());
    let max = message.len() - 1;
    let error = ScanError::MessageTooBig {
        actual: message.len(),
        max,
    };
    assert_eq!(scan(&message, max).unwrap_err(), error);
    assert_eq!(error.close_code().number(), 4201);
}

#[test]
fn frames_per_message() {
    let frames = [0x92, 2, 7].repeat(limit::FRAMES_PER_MESSAGE_MAX);
    let read: Vec<_> = decode_client_message(&frames, MAX).unwrap().collect();
    assert_eq!(
        read,
        vec![Ok(ClientFrame::Ping { nonce: 7 }); limit::FRAMES_PER_MESSAGE_MAX]
    );
    let frames = [0x92, 2, 7].repeat(limit::FRAMES_PER_MESSAGE_MAX + 1);
    assert_eq!(scan(&frames, MAX).unwrap_err(), ScanError::TooManyFrames);
}

#[test]
fn depth_of_arrays_and_of_maps() {
    for open in [&[0x91_u8][..], &[0x81, 0x00]] {
        let nested = |depth| ping_with(&[&[&open.repeat(depth - 1)[..], &[0xc0]].concat()]);
        assert_eq!(
            read(&nested(limit::DEPTH_MAX)),
            Ok(ClientFrame::Ping { nonce: 7 })
        );
        let too_deep = scan(&nested(limit::DEPTH_MAX + 1), MAX).unwrap_err();
        let at = 5 + 2 + (limit::DEPTH_MAX - 1) * open.len();
        assert_eq!(too_deep, ScanError::TooDeep { at });
    }
}

const fn too_many_elements(at: usize) -> ScanError {
    ScanError::TooManyElements {
        at,
        max: limit::ELEMENTS_MAX,
    }
}

/// A server may say more at once than a client may make it walk over.
#[test]
fn elements_of_a_frame_of_a_server() {
    let nil: &[u8] = &[0xc0];
    let server = |nils| {
        let message = ping_with(&vec![nil; nils]);
        homeroom_protocol::scan::scan(&message, usize::MAX, Sender::Server)
            .map(|frames| frames.len())
    };
    let max = limit::SERVER_ELEMENTS_MAX;
    assert_eq!(server(max - 2), Ok(1));
    assert_eq!(
        server(max - 1),
        Err(ScanError::TooManyElements { at: 0, max })
    );
}

#[test]
fn elements_of_a_frame() {
    let nil: &[u8] = &[0xc0];
    let message = ping_with(&vec![nil; limit::ELEMENTS_MAX - 2]);
    assert_eq!(read(&message), Ok(ClientFrame::Ping { nonce: 7 }));
    let message = ping_with(&vec![nil; limit::ELEMENTS_MAX - 1]);
    assert_eq!(scan(&message, MAX).unwrap_err(), too_many_elements(0));

    // Spread over nested containers they count together: 5 here, 2 in each map, and the rest.
    let spread = |nils: usize| {
        let mut inner = vec![0xdc];
        inner.extend_from_slice(&u16::try_from(nils).unwrap().to_be_bytes());
        inner.extend(nil.repeat(nils));
        ping_with(&[&[0x81, 0xc0, 0xc0], &[0x81, 0xc0, 0xc0], &inner])
    };
    assert!(read(&spread(limit::ELEMENTS_MAX - 9)).is_ok());
    let error = scan(&spread(limit::ELEMENTS_MAX - 8), MAX).unwrap_err();
    assert_eq!(error, too_many_elements(13));

    // The count starts anew with each frame.
    let two = [
        spread(limit::ELEMENTS_MAX - 9),
        spread(limit::ELEMENTS_MAX - 9),
    ]
    .concat();
    assert_eq!(scan(&two, MAX).unwrap().len(), 2);
}

#[test]
fn integers_of_both_signs() {
    let integer = |marker: u8, number: i64| [&[marker][..], &number.to_be_bytes()].concat();
    let max = i64::try_from(limit::INTEGER_MAX).unwrap();
    for (marker, number) in [(0xcf, max), (0xd3, max), (0xd3, -max)] {
        assert!(read(&ping_with(&[&integer(marker, number)])).is_ok());
    }
    for (marker, number) in [
        (0xcf, max + 1),
        (0xcf, -1),
        (0xd3, max + 1),
        (0xd3, -max - 1),
        (0xd3, i64::MIN),
    ] {
        let error = scan(&ping_with(&[&integer(marker, number)]), MAX).unwrap_err();
        assert_eq!(
            error,
            ScanError::IntegerTooLarge { at: 7 },
            "{marker:x} {number}"
        );
    }
}

/// Every marker that claims a length claims the most it can, with nothing behind it.
#[test]
fn claimed_lengths_are_checked_against_the_bytes_that_are_there() {
    let most = [0xff; 4];
    let claims: [(u8, usize); 12] = [
        (0xc4, 1),
        (0xc5, 2),
        (0xc6, 4),
        (0xc7, 1),
        (0xc8, 2),
        (0xc9, 4), // binary, extension
        (0xd9, 1),
        (0xda, 2),
        (0xdb, 4), // text
        (0xdc, 2),
        (0xdd, 4),
        (0xdf, 4), // array, map
    ];
    for (marker, bytes) in claims {
        let claim = [&[marker][..], &most[..bytes]].concat();
        let error = scan(&ping_with(&[&claim]), usize::MAX).unwrap_err();
        let expected = if marker >= 0xdc {
            too_many_elements(7)
        } else {
            ScanError::Truncated { at: 7 }
        };
        assert_eq!(error, expected, "{marker:x}");
    }
}

#[test]
fn lengths_one_byte_beyond_the_message() {
    let fits = [0x93, 2, 7, 0xa3, b'a', b'b', b'c'];
    assert!(read(&fits).is_ok());
    assert_eq!(
        scan(&fits[..6], MAX).unwrap_err(),
        ScanError::Truncated { at: 3 }
    );
}

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

const ROOM: RoomNumber = RoomNumber(1);
const KEY: IdempotencyKey = IdempotencyKey([7; 16]);

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

#[test]
fn a_wrong_frame_does_not_hide_the_frames_beside_it() {
    let bytes = [0x92, 2, 7, 0x93, 18, 5, 0xc0, 0x92, 63, 9, 0x92, 2, 8];
    let read: Vec<_> = decode_client_message(&bytes, MAX)
        .unwrap()
        .map(|frame| frame.map_err(|error| (error.id, error.error_code().number())))
        .collect();
    assert_eq!(
        read,
        [
            Ok(ClientFrame::Ping { nonce: 7 }),
            Err((Some(RequestId(5)), 1002)),
            Err((Some(RequestId(9)), 1001)),
            Ok(ClientFrame::Ping { nonce: 8 }),
        ]
    );
}

#[test]
fn optional_fields_may_be_missing_or_nil() {
    let read_all = |bytes: &[u8]| -> Vec<_> {
        decode_client_message(bytes, MAX)
            .unwrap()
            .map(Result::unwrap)
            .collect()
    };
    // Join with and without resume.
    let frames = read_all(&[0x94, 17, 1, 0xa1, b'r', 0xc0, 0x93, 17, 1, 0xa1, b'r']);
    assert_eq!(frames[0], frames[1]);
    // Hello with no and without capabilities.
    let hello = [1, 1, 0xa1, b't', 0x92, 1, 0xa1, b'u', 0xa1, b'd'];
    let frames = read_all(&[&[0x96][..], &hello, &[0x90, 0x95], &hello].concat());
    assert_eq!(frames[0], frames[1]);
}

#[test]
fn an_integer_is_read_in_every_form_it_may_be_written_in() {
    for head in [
        &[][..],
        &[0xcc],
        &[0xcd, 0],
        &[0xce, 0, 0, 0],
        &[0xcf, 0, 0, 0, 0, 0, 0, 0],
        &[0xd0],
        &[0xd1, 0],
        &[0xd2, 0, 0, 0],
        &[0xd3, 0, 0, 0, 0, 0, 0, 0],
    ] {
        let bytes = [&[0x92, 2][..], head, &[7]].concat();
        assert_eq!(
            read(&bytes),
            Ok(ClientFrame::Ping { nonce: 7 }),
            "{head:02x?}"
        );
    }
}

/// Auth, positions and entries of lists may grow too, and what follows them is still found.
#[test]
fn fields_of_a_later_version_inside_arrays_are_passed_over() {
    let extra = [0x92, 0xc0, 0x81, 0xa1, b'x', 0xc3];
    let same = |long: &[&[u8]], short: &[u8]| {
        let server = |bytes: &[u8]| {
            let mut frames = decode_server_message(bytes, MAX).unwrap();
            frames.next().unwrap().unwrap()
        };
        if short[1] < 64 {
            assert_eq!(read(&long.concat()).unwrap(), read(short).unwrap());
        } else {
            assert_eq!(server(&long.concat()), server(short));
        }
    };
    // Hello: auth, then device.
    same(
        &[
            &[0x95, 1, 1, 0xa1, b't', 0x93, 1, 0xa1, b'u'],
            &extra,
            &[0xa1, b'd'],
        ],
        &[0x95, 1, 1, 0xa1, b't', 0x92, 1, 0xa1, b'u', 0xa1, b'd'],
    );
    // Joined: position, then head and members.
    same(
        &[&[0x96, 67, 1, 7, 0x93, 5, 41], &extra, &[44, 28]],
        &[0x96, 67, 1, 7, 0x92, 5, 41, 44, 28],
    );
    // Presence: the first entry, then the second.
    same(
        &[
            &[0x92, 98, 0x92, 0x95, 0xa1, b'u', 1, 0xc0, 0xc0],
            &extra,
            &[0x92, 0xa1, b'v', 2],
        ],
        &[0x92, 98, 0x92, 0x92, 0xa1, b'u', 1, 0x92, 0xa1, b'v', 2],
    );
    // Page: body and event of the first, then the second.
    let second = [0x94, 2, 3, 0xa1, b'u', 0x91, 2];
    same(
        &[
            &[
                0x96, 69, 1, 7, 5, 0xc2, 0x92, 0x95, 1, 3, 0xa1, b'u', 0x92, 3,
            ],
            &extra,
            &extra,
            &second,
        ],
        &[
            &[
                0x96, 69, 1, 7, 5, 0xc2, 0x92, 0x94, 1, 3, 0xa1, b'u', 0x91, 3,
            ][..],
            &second,
        ]
        .concat(),
    );
}

/// What a server of a later version says must not end a client.
#[test]
fn numbers_of_a_later_version_are_read_as_something_safe() {
    let read = |bytes: &[u8]| {
        let mut frames = decode_server_message(bytes, limit::SERVER_MESSAGE_BYTES_MAX).unwrap();
        frames.next().unwrap().unwrap()
    };
    let presence = read(&[0x92, 98, 0x91, 0x92, 0xa1, b'u', 99]);
    assert!(matches!(presence, ServerFrame::Presence { users }
        if users[0].presence == Presence::Idle));
    let removed = read(&[0x93, 100, 7, 99]);
    assert!(matches!(removed, ServerFrame::Removed { reason, .. }
        if reason == RemovedReason::Left));
    let reset = read(&[0x94, 99, 7, 0x92, 1, 1, 99]);
    assert!(matches!(reset, ServerFrame::Reset { reason, .. }
        if reason == ResetReason::EpochChanged));
    // An event whose body has an unknown kind and unknown fields, and one field more itself.
    let event = read(&[
        0x94, 96, 7, 1, 0x95, 1, 2, 0xa1, b'u', 0x93, 0xcd, 0x0f, 0xa0, 0xc3, 0x91, 0xc0, 0x07,
    ]);
    assert!(matches!(event, ServerFrame::Event { event, .. }
        if event.body == EventBody::Unknown { kind: 4000 }));

    // An event that is known, but about something that is not: a place changed in a new way, an
    // overwrite for a new target.
    let body = |bytes: &[u8]| decode_event_body(bytes).unwrap();
    assert_eq!(
        body(&[0x95, 33, 7, 0xa1, b'r', 99, 0xa1, b'u']),
        EventBody::Unknown { kind: 33 }
    );
    assert_eq!(
        body(&[0x94, 13, 0x92, 99, 0xa1, b'u', 1, 2]),
        EventBody::Unknown { kind: 13 }
    );
    // Of the changes of a room, those that are known.
    let changes = vec![
        RoomChange::Archived(true),
        RoomChange::Kind(RoomKind::Private),
    ];
    assert_eq!(
        body(&[0x92, 6, 0x93, 0x92, 99, 0xc0, 0x92, 7, 0xc3, 0x92, 1, 99]),
        EventBody::RoomChanged { changes }
    );
    // A retention of a new kind forgets nothing that is known of; a permission keeps its bit.
    let created = body(&[0x96, 1, 0xc0, 1, 0xc0, 0xc4, 0, 0x91, 99]);
    assert!(matches!(created, EventBody::RoomCreated { info, .. }
        if info.retention == Retention::All));
    let roles = read(&[0x93, 77, 1, 0x91, 0x94, 0, 0xa0, 0, 0xce, 0x80, 0, 0, 0]);
    assert!(matches!(roles, ServerFrame::Roles { roles, .. }
        if roles[0].allow == Permissions(1 << 31)));
    // Reasons and overwrites that are not known are left out.
    let explained = read(&[
        0x94, 78, 1, 0xc2, 0x92, 0x93, 99, 0xc0, 0xc2, 0x93, 1, 0xc0, 0xc2,
    ]);
    assert!(matches!(explained, ServerFrame::Explained { reasons, .. } if reasons.len() == 1));
    let overwrites = read(&[
        0x94, 75, 1, 7, 0x92, 0x93, 0x92, 99, 1, 0, 0, 0x93, 0x92, 1, 1, 0, 0,
    ]);
    assert!(
        matches!(overwrites, ServerFrame::Overwrites { overwrites, .. }
        if overwrites.len() == 1)
    );
}
