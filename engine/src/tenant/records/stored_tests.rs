//! The stored forms, frozen.

use homeroom_protocol::encode_event_body;

use super::{super::glance, *};

const KEY: IdempotencyKey = IdempotencyKey([0xab; 16]);

fn event(body: EventBody, keyed: Option<KeyedBy>) -> Entry {
    let event = Event {
        room: RoomNumber(7),
        position: Position {
            epoch: Epoch::new(0x1234_5678_9abc).unwrap(),
            seq: Seq(300),
        },
        time: Timestamp(1_700_000_000_000),
        author: UserId::new("ada").unwrap(),
        body,
        keyed,
    };
    event.into()
}

fn change(author: Option<UserId>, change: TenantChange) -> Entry {
    let event = TenantEvent {
        time: Timestamp(1_700_000_000_000),
        author,
        change,
    };
    event.into()
}

/// As release 0.1 had it: without a digest.
const OLD: Option<KeyedBy> = Some(KeyedBy {
    key: KEY,
    digest: None,
});
const NEW: Option<KeyedBy> = Some(KeyedBy {
    key: KEY,
    digest: Some(Digest([0xef; 16])),
});

fn created(title: Option<&str>) -> EventBody {
    EventBody::RoomCreated {
        id: Some(RoomId::new("math").unwrap()),
        info: RoomInfo {
            title: title.map(Into::into),
            ..RoomInfo::default()
        },
        members: Vec::new(),
    }
}

fn sent(text: &str) -> EventBody {
    EventBody::Message(text.into())
}

fn ben() -> UserId {
    UserId::new("ben").unwrap()
}

/// What release 0.1 wrote, and is only read. Never edit a line: data folders out there hold these bytes.
fn fixtures_of_release_0_1() -> Vec<(Entry, &'static str)> {
    vec![
        (
            event(created(Some("Maths")), OLD),
            "9a010107cf0000123456789abccd012ccf0000018bcfe56800a3616461a46d617468a54d61746873c410abababababababababababababababab",
        ),
        (
            event(created(None), OLD),
            "9a010107cf0000123456789abccd012ccf0000018bcfe56800a3616461a46d617468c0c410abababababababababababababababab",
        ),
        (
            event(EventBody::MemberJoined, None),
            "97020107cf0000123456789abccd012ccf0000018bcfe56800a3616461",
        ),
        (
            event(EventBody::MemberLeft, None),
            "97030107cf0000123456789abccd012ccf0000018bcfe56800a3616461",
        ),
        (
            event(EventBody::MemberAdded { member: ben() }, None),
            "98050107cf0000123456789abccd012ccf0000018bcfe56800a3616461a362656e",
        ),
        (
            event(EventBody::MemberRemoved { member: ben() }, None),
            "98060107cf0000123456789abccd012ccf0000018bcfe56800a3616461a362656e",
        ),
        (
            event(sent("héllo"), OLD),
            "99040107cf0000123456789abccd012ccf0000018bcfe56800a3616461a668c3a96c6c6fc410abababababababababababababababab",
        ),
    ]
}

/// What is written. Never edit a line.
fn fixtures() -> Vec<(Entry, &'static str)> {
    vec![
        (
            event(created(Some("Maths")), NEW),
            "9a070107cf0000123456789abccd012ccf0000018bcfe56800a3616461c410ababababababababababababababababc410efefefefefefefefefefefefefefefefc4159a01a54d6174687301c0c400c00100c2a46d617468",
        ),
        (
            event(EventBody::MemberJoined, None),
            "9a070107cf0000123456789abccd012ccf0000018bcfe56800a3616461c0c0c4029102",
        ),
        (
            event(sent("héllo"), NEW),
            "9a070107cf0000123456789abccd012ccf0000018bcfe56800a3616461c410ababababababababababababababababc410efefefefefefefefefefefefefefefefc4099210a668c3a96c6c6f",
        ),
        (
            change(
                Some(ben()),
                TenantChange::RoleSet(Role {
                    role: RoleId(7),
                    name: "teacher".into(),
                    rank: 10,
                    allow: Permissions(5),
                    prohibit: Permissions(2),
                }),
            ),
            "962101cf0000018bcfe56800a362656e019507a7746561636865720a0502",
        ),
        (
            change(None, TenantChange::RoleRemoved { role: RoleId(7) }),
            "962101cf0000018bcfe56800c0029107",
        ),
        (
            change(
                Some(ben()),
                TenantChange::RolesGiven {
                    user: ben(),
                    roles: vec![RoleId(7), RoleId(300)],
                },
            ),
            "962101cf0000018bcfe56800a362656e0392a362656e9207cd012c",
        ),
        (
            change(
                Some(ben()),
                TenantChange::PolicySet {
                    apart: vec![(RoleId(7), RoleId(0))],
                },
            ),
            "962101cf0000018bcfe56800a362656e049191920700",
        ),
        (
            change(
                None,
                TenantChange::Seen {
                    users: vec![(ben(), Timestamp(1_700_000_000_000))],
                },
            ),
            "962101cf0000018bcfe56800c005919192a362656ecf0000018bcfe56800",
        ),
        (
            Restarted {
                time: Timestamp(1_700_000_000_000),
                salt: [0xcd; 16],
            }
            .into(),
            "942001cf0000018bcfe56800c410cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
        ),
    ]
}

fn all_fixtures() -> Vec<(Entry, &'static str)> {
    let mut all = fixtures_of_release_0_1();
    all.extend(fixtures());
    all
}

#[test]
fn the_stored_form_is_the_same_for_ever() {
    for (event, hex) in fixtures() {
        assert_eq!(to_hex(&encode(&event)), hex, "{event:?}");
    }
    for (event, hex) in all_fixtures() {
        assert_eq!(decode(&from_hex(hex)), Ok(event));
    }
}

#[test]
fn a_body_of_any_length_stands_behind_that_length() {
    for length in [0, 1, 250, 251, 252, 253, 254, 65_533, 70_000] {
        let entry = event(sent(&"x".repeat(length)), NEW);
        let bytes = encode(&entry);
        let Entry::Event(event) = &entry else {
            panic!("it was made as one");
        };
        // As the serializer of all else writes it.
        let (position, keyed) = (event.position, event.keyed.unwrap());
        let serialized = write(&(
            EVENT,
            VERSION,
            event.room.0,
            position.epoch.get(),
            position.seq.0,
            event.time.0,
            event.author.as_str(),
            Blob(keyed.key.0),
            keyed.digest.map(|digest| Blob(digest.0)),
            Bin(encode_event_body(&event.body)),
        ));
        assert!(bytes == serialized, "{length}");
        assert_eq!(decode(&bytes), Ok(entry));
    }
}

/// A message with something beside its text.
fn said_with(change: impl FnOnce(&mut Message)) -> EventBody {
    let mut message = Message::from("héllo");
    change(&mut message);
    EventBody::Message(message)
}

#[test]
fn at_a_glance_a_message_in_no_thread_has_the_place_it_was_decoded_with() {
    let told = [
        sent("héllo"),
        sent(&"x".repeat(70_000)),
        said_with(|message| message.reply_to = Some(Seq(3))),
        said_with(|message| message.quiet = true),
        said_with(|message| message.attachments = vec!["a".into()]),
    ];
    for (body, keyed) in told.into_iter().zip([NEW, None, OLD, NEW, NEW]) {
        let event = event(body, keyed);
        let said = glance::said(&encode(&event)).expect("nothing but a message");
        let Entry::Event(event) = event else {
            panic!("it was made as one");
        };
        assert_eq!((said.room, said.seq), (event.room, event.position.seq));
        assert_eq!(said.time, event.time);
    }
    let others = [
        said_with(|message| message.thread = Some(Seq(3))),
        EventBody::MemberJoined,
        EventBody::MessageEdited {
            target: Seq(3),
            message: "x".into(),
            version: 1,
        },
    ];
    for body in others {
        assert_eq!(glance::said(&encode(&event(body, NEW))), None);
    }
}

#[test]
fn what_was_read_of_an_earlier_release_can_be_written_again() {
    for (event, _) in fixtures_of_release_0_1() {
        assert_eq!(decode(&encode(&event)), Ok(event));
    }
}

#[test]
fn what_a_later_release_stored_is_named() {
    let later = |kind: u32, version: u32| Err(DecodeError::Later { kind, version });
    assert_eq!(decode(&write(&(99, 1, "new"))), later(99, 1));
    assert_eq!(decode(&write(&(4, 2, 1, 2, 3))), later(4, 2));
    assert_eq!(decode(&write(&(0, 0))), later(0, 0));
    // A body and a change of a later release, in a record that is known.
    let body = Bin(vec![0x92, 0xcd, 0x03, 0xe7, 0x01]);
    let stored = write(&(7, 1, 1, 1, 1, 1, "ada", None::<Blob>, None::<Blob>, body));
    assert_eq!(decode(&stored), later(999, 2));
    let stored = write(&(33, 1, 1, None::<String>, 99, ("new",)));
    assert_eq!(decode(&stored), later(99, 2));
}

#[test]
fn what_is_no_event_is_refused_without_a_panic() {
    let malformed = Err(DecodeError::Malformed { what: "event" });
    for (event, hex) in all_fixtures() {
        let bytes = from_hex(hex);
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]), malformed, "{event:?} cut at {cut}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(decode(&longer), malformed);
        let mut more_fields = bytes.clone();
        more_fields[0] += 1;
        more_fields.push(0);
        assert_eq!(decode(&more_fields), malformed);
    }
    assert_eq!(
        decode(&write(&(4, 1, 1, 0, 1, 1, "ada", "epoch 0", Blob([0; 16])))),
        malformed
    );
    assert_eq!(decode(&write(&(2, 1, 1, 1, 1, 1, ""))), malformed);
    // Room, epoch, seq out of their range.
    for (room, epoch, seq) in [
        (0_u64, 1_u64, 1_u64),
        (1, 0, 1),
        (1, 1 << 53, 1),
        (1, 1, 0),
        (1, 1, 1 << 53),
        (1 << 32, 1, 1),
    ] {
        let bytes = write(&(2, 1, room, epoch, seq, 1, "ada"));
        assert_eq!(decode(&bytes), malformed, "{room} {epoch} {seq}");
    }
    // An array that claims four billion fields, and nesting without end.
    assert_eq!(decode(&[0xdd, 0xff, 0xff, 0xff, 0xff]), malformed);
    assert_eq!(decode(&[0x91; 100_000]), malformed);
    let mut deep = vec![0x93, 9, 1];
    deep.extend([0x91; 100_000]);
    assert_eq!(decode(&deep), malformed);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(0_u8.., 0..200)) {
        let _ = decode(&bytes);
        let _ = glance::said(&bytes);
    }

    #[test]
    fn a_damaged_event_is_read_or_refused(at in 0_usize..60, to in 0_u8..) {
        for (_, hex) in all_fixtures() {
            let mut bytes = from_hex(hex);
            let at = at % bytes.len();
            bytes[at] = to;
            let said = glance::said(&bytes);
            if let Ok(entry) = decode(&bytes) {
                if let (Some(said), Entry::Event(event)) = (said, &entry) {
                    let place = (event.room, event.position.seq, event.time);
                    assert_eq!((said.room, said.seq, said.time), place);
                    let is_message = matches!(&event.body, EventBody::Message(it) if it.thread.is_none());
                    assert!(is_message, "{event:?}");
                }
                assert_eq!(decode(&encode(&entry)), Ok(entry));
            }
        }
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}
