//! What is read though it could be written otherwise: other forms, missing fields, later versions.

use homeroom_protocol::{
    ClientFrame, EventBody, Permissions, Presence, RemovedReason, RequestId, ResetReason,
    Retention, RoomChange, RoomKind, ServerFrame, decode_client_message, decode_event_body,
    decode_server_message, limit,
};

use crate::{MAX, read};

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
