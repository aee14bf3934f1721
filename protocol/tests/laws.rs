//! What holds for every frame and for every sequence of bytes.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod arbitrary;

use homeroom_protocol::{
    ClientFrame, EventBody, EventBodyError, RequestId, ScanError, ServerFrame,
    decode_client_message, decode_event_body, decode_server_message, encode_client_frame,
    encode_event_body, encode_server_frame, kind, limit,
    scan::{Sender, scan},
    wire_message,
};
use proptest::{collection::vec, prelude::*};

const CLIENT_MAX: usize = limit::CLIENT_MESSAGE_BYTES_MAX;
const SERVER_MAX: usize = limit::SERVER_MESSAGE_BYTES_MAX;

fn client_bytes(frames: &[ClientFrame]) -> Vec<u8> {
    let mut out = Vec::new();
    for frame in frames {
        encode_client_frame(frame, &mut out);
    }
    out
}

fn server_bytes(frames: &[ServerFrame]) -> Vec<u8> {
    let mut out = Vec::new();
    for frame in frames {
        encode_server_frame(frame, &mut out);
    }
    out
}

fn read_client(bytes: &[u8]) -> Vec<ClientFrame> {
    let frames = decode_client_message(bytes, CLIENT_MAX).unwrap();
    frames.map(Result::unwrap).collect()
}

fn read_server(bytes: &[u8]) -> Vec<ServerFrame> {
    let frames = decode_server_message(bytes, SERVER_MAX).unwrap();
    frames.map(Result::unwrap).collect()
}

/// Fields that any array of version 1 has, at most.
const FIELDS_MAX: usize = 15;

/// The same array with nil for all fields that were left out at its end, and `extra` encoded values after
/// the last that version 1 knows.
fn with_trailing(array: &[u8], extra: &[&[u8]]) -> Vec<u8> {
    assert_eq!(
        array[0] & 0xf0,
        0x90,
        "all arrays of fields of version 1 are short"
    );
    let left_out = FIELDS_MAX - usize::from(array[0] & 0x0f);
    let mut out = vec![0xdc];
    let count = u16::try_from(FIELDS_MAX + extra.len()).unwrap();
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&array[1..]);
    out.extend_from_slice(&[0xc0].repeat(left_out));
    out.extend_from_slice(&extra.concat());
    out
}

/// One value of each type a later version might add.
fn values_of_a_later_version() -> Vec<&'static [u8]> {
    vec![
        &[0xc0],
        &[0xc3],
        &[0xff],
        &[0xcb, 0x40, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18],
        &[0xa2, b'h', b'i'],
        &[0xc4, 0x01, 0x00],
        &[0xd6, 0xff, 0x00, 0x00, 0x00, 0x01],
        &[0x81, 0xa1, b'a', 0x92, 0x01, 0x02],
    ]
}

/// An event of a later version keeps its number and nothing else. Where that is a number that is known, what
/// was not understood is missing when it is read again.
fn is_known_in_another_form(body: &EventBody) -> bool {
    matches!(body, EventBody::Unknown { kind } if [kind::body::OVERWRITE_SET, kind::body::PLACE_CHANGED].contains(kind))
}

fn bodies(frame: &ServerFrame) -> impl Iterator<Item = &EventBody> {
    let events = match frame {
        ServerFrame::Event { event, .. } => std::slice::from_ref(event),
        ServerFrame::Page { events, .. } => events,
        _ => &[],
    };
    events.iter().map(|event| &event.body)
}

proptest! {
    #[test]
    fn what_a_client_writes_a_server_reads(frames in vec(arbitrary::client_frame(), 1..6)) {
        let bytes = client_bytes(&frames);
        prop_assert_eq!(read_client(&bytes), frames);
    }

    #[test]
    fn what_a_server_writes_a_client_reads(frames in vec(arbitrary::server_frame(), 1..6)) {
        let bytes = server_bytes(&frames);
        prop_assert_eq!(read_server(&bytes), frames);
    }

    #[test]
    fn a_wire_message_holds_what_encoding_gives(frame in arbitrary::server_frame()) {
        let message = wire_message(&frame);
        prop_assert_eq!(&message.payload()[..], &server_bytes(&[frame])[..]);
    }

    #[test]
    fn fields_of_a_later_version_change_nothing(
        client in arbitrary::client_frame(),
        server in arbitrary::server_frame(),
    ) {
        let extra = values_of_a_later_version();
        let bytes = with_trailing(&client_bytes(std::slice::from_ref(&client)), &extra);
        prop_assert_eq!(read_client(&bytes), vec![client]);
        let bytes = with_trailing(&server_bytes(std::slice::from_ref(&server)), &extra);
        prop_assert_eq!(read_server(&bytes), vec![server]);
    }

    #[test]
    fn what_a_store_keeps_of_an_event_is_read_again(body in arbitrary::event_body()) {
        let bytes = encode_event_body(&body);
        prop_assert_eq!(&decode_event_body(&bytes), &Ok(body.clone()));
        let bytes = with_trailing(&bytes, &values_of_a_later_version());
        prop_assert_eq!(decode_event_body(&bytes), Ok(body));
    }

    #[test]
    fn damaged_event_bodies_never_panic(
        body in arbitrary::event_body(),
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let mut bytes = encode_event_body(&body);
        let at = at.index(bytes.len());
        bytes[at] = value;
        if let Ok(read) = decode_event_body(&bytes)
            && !is_known_in_another_form(&read)
        {
            prop_assert_eq!(decode_event_body(&encode_event_body(&read)), Ok(read));
        }
    }

    #[test]
    fn a_message_cut_anywhere_is_refused_as_a_whole(
        client in arbitrary::client_frame(),
        server in arbitrary::server_frame(),
    ) {
        for bytes in [client_bytes(&[client]), server_bytes(&[server])] {
            prop_assert_eq!(scan(&[], SERVER_MAX, Sender::Server).err(), Some(ScanError::Empty));
            for length in 1..bytes.len() {
                let refused = scan(&bytes[..length], SERVER_MAX, Sender::Server).err();
                prop_assert!(
                    matches!(refused, Some(ScanError::Truncated { at }) if at <= length),
                    "{:?} at {}", refused, length
                );
            }
        }
    }

    #[test]
    fn bytes_of_any_kind_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(frames) = decode_client_message(&bytes, CLIENT_MAX) {
            frames.for_each(drop);
        }
        if let Ok(frames) = decode_server_message(&bytes, SERVER_MAX) {
            frames.for_each(drop);
        }
    }

    /// Nearly right is where mistakes hide: real frames with some bytes changed.
    #[test]
    fn damaged_frames_never_panic_and_what_is_read_can_be_written_and_read_again(
        clients in vec(arbitrary::client_frame(), 1..4),
        servers in vec(arbitrary::server_frame(), 1..4),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let damaged = |mut bytes: Vec<u8>| {
            for (place, value) in &damage {
                let at = place.index(bytes.len());
                bytes[at] = *value;
            }
            bytes
        };
        if let Ok(frames) = decode_client_message(&damaged(client_bytes(&clients)), CLIENT_MAX) {
            for frame in frames.flatten() {
                let again = client_bytes(std::slice::from_ref(&frame));
                prop_assert_eq!(read_client(&again), vec![frame]);
            }
        }
        if let Ok(frames) = decode_server_message(&damaged(server_bytes(&servers)), SERVER_MAX) {
            for frame in frames.flatten().filter(|frame| !bodies(frame).any(is_known_in_another_form)) {
                let again = server_bytes(std::slice::from_ref(&frame));
                prop_assert_eq!(read_server(&again), vec![frame]);
            }
        }
    }
}

#[test]
fn only_the_kinds_of_requests_get_an_id_back() {
    for kind in 0..=u8::MAX {
        // Two fields: enough for a ping, and for requests that ask about nothing in particular.
        let bytes = [0x92, 0xcc, kind, 0x07];
        let mut frames = decode_client_message(&bytes, CLIENT_MAX).unwrap();
        let id = match frames.next().unwrap() {
            Ok(ClientFrame::Ping { nonce: 7 }) => None,
            Ok(ClientFrame::Request { id, .. }) => Some(id),
            Ok(other) => panic!("{other:?}"),
            Err(error) => error.id,
        };
        let expected = (16..=63).contains(&kind).then_some(RequestId(7));
        assert_eq!(id, expected, "kind {kind}");
    }
}

#[test]
fn no_capabilities_may_be_said_in_three_ways_and_are_written_in_one() {
    let hello = [
        0x96, 1, 1, 0xa1, b't', 0x92, 1, 0xa1, b'u', 0xa1, b'd', 0x90,
    ];
    let mut nil = hello;
    nil[11] = 0xc0;
    let mut missing = hello;
    missing[0] = 0x95;
    for bytes in [&hello[..], &nil, &missing[..11]] {
        assert_eq!(client_bytes(&read_client(bytes)), hello);
    }
}

#[test]
fn an_event_body_is_one_array_and_nothing_else() {
    let joined = encode_event_body(&EventBody::MemberJoined);
    let twice = [&joined[..], &joined].concat();
    assert_eq!(
        decode_event_body(&twice),
        Err(EventBodyError::NotOne { values: 2 })
    );
    let none = decode_event_body(&[]);
    assert_eq!(none, Err(EventBodyError::Scan(ScanError::Empty)));
    let nameless = decode_event_body(&[0x91, 0x04]);
    assert!(
        matches!(nameless, Err(EventBodyError::Field(_))),
        "{nameless:?}"
    );
}
