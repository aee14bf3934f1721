//! The stored forms, frozen.

use super::*;

const KEY: IdempotencyKey = IdempotencyKey([0xab; 16]);

fn event(body: Body) -> Entry {
    let event = Event {
        room: RoomNumber(7),
        position: Position {
            epoch: Epoch::new(0x1234_5678_9abc).unwrap(),
            seq: Seq(300),
        },
        time: Timestamp(1_700_000_000_000),
        author: UserId::new("ada").unwrap(),
        body,
    };
    event.into()
}

fn created(title: Option<&str>) -> Entry {
    event(Body::RoomCreated {
        id: RoomId::new("math").unwrap(),
        title: title.map(Into::into),
        key: KEY,
    })
}

fn sent(text: &str) -> Entry {
    event(Body::MessageSent {
        text: text.into(),
        key: KEY,
    })
}

fn ben() -> UserId {
    UserId::new("ben").unwrap()
}

/// Never edit a line: data folders out there hold these bytes.
fn fixtures() -> Vec<(Entry, &'static str)> {
    vec![
        (
            created(Some("Maths")),
            "9a010107cf0000123456789abccd012ccf0000018bcfe56800a3616461a46d617468a54d61746873c410abababababababababababababababab",
        ),
        (
            created(None),
            "9a010107cf0000123456789abccd012ccf0000018bcfe56800a3616461a46d617468c0c410abababababababababababababababab",
        ),
        (
            event(Body::MemberJoined),
            "97020107cf0000123456789abccd012ccf0000018bcfe56800a3616461",
        ),
        (
            event(Body::MemberLeft),
            "97030107cf0000123456789abccd012ccf0000018bcfe56800a3616461",
        ),
        (
            event(Body::MemberAdded { member: ben() }),
            "98050107cf0000123456789abccd012ccf0000018bcfe56800a3616461a362656e",
        ),
        (
            event(Body::MemberRemoved { member: ben() }),
            "98060107cf0000123456789abccd012ccf0000018bcfe56800a3616461a362656e",
        ),
        (
            sent("héllo"),
            "99040107cf0000123456789abccd012ccf0000018bcfe56800a3616461a668c3a96c6c6fc410abababababababababababababababab",
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

#[test]
fn the_stored_form_is_the_same_for_ever() {
    for (event, hex) in fixtures() {
        assert_eq!(to_hex(&encode(&event)), hex, "{event:?}");
        assert_eq!(decode(&from_hex(hex)), Ok(event));
    }
}

#[test]
fn what_a_later_release_stored_is_named() {
    let later = |kind: u32, version: u32| Err(DecodeError::Later { kind, version });
    assert_eq!(decode(&write(&(99, 1, "new"))), later(99, 1));
    assert_eq!(decode(&write(&(4, 2, 1, 2, 3))), later(4, 2));
    assert_eq!(decode(&write(&(0, 0))), later(0, 0));
}

#[test]
fn what_is_no_event_is_refused_without_a_panic() {
    let malformed = Err(DecodeError::Malformed { what: "event" });
    for (event, hex) in fixtures() {
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
    }

    #[test]
    fn a_damaged_event_is_read_or_refused(at in 0_usize..60, to in 0_u8..) {
        for (_, hex) in fixtures() {
            let mut bytes = from_hex(hex);
            let at = at % bytes.len();
            bytes[at] = to;
            if let Ok(event) = decode(&bytes) {
                assert_eq!(decode(&encode(&event)), Ok(event));
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
