use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;

const LIMIT: usize = 1000;
const BOUNDS: Bounds = Bounds::binary(LIMIT);
const FRAGMENTS_MAX: u32 = BOUNDS.fragments_max;
/// As the host that echoes has it.
const WITH_TEXT: Bounds = Bounds {
    text: true,
    ..BOUNDS
};
const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

/// One client frame: `first` is flags and opcode.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len());
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m));
    bytes
}

fn header(first: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ 0..=125), _) => bytes.push(0x80 | length),
        (_, Ok(length)) => {
            bytes.push(0x80 | 126);
            bytes.extend(length.to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Message(Vec<u8>),
    Text(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
    Violated(Violation),
}

/// Feeds pieces one after the other; what was said up to the end or the first violation.
fn read(reader: &mut Reader, pieces: &[&[u8]]) -> Vec<Said> {
    let mut said = Vec::new();
    for piece in pieces {
        let mut piece = piece.to_vec();
        let mut input = &mut piece[..];
        loop {
            said.push(match reader.next(&mut input) {
                Ok(None) => {
                    assert!(input.is_empty(), "a reader takes in all it is given");
                    break;
                }
                Ok(Some(Item::Message(payload))) => Said::Message(payload.into_owned()),
                Ok(Some(Item::Text(payload))) => Said::Text(payload.into_owned()),
                Ok(Some(Item::Ping(payload))) => Said::Ping(payload.into_owned()),
                Ok(Some(Item::Pong)) => Said::Pong,
                Ok(Some(Item::Close { code })) => Said::Close(code),
                Err(violation) => {
                    said.push(Said::Violated(violation));
                    return said;
                }
            });
        }
    }
    said
}

fn read_whole(bytes: &[u8]) -> Vec<Said> {
    read(&mut Reader::new(&BOUNDS), &[bytes])
}

fn violation(bytes: &[u8]) -> Violation {
    match read_whole(bytes).pop() {
        Some(Said::Violated(violation)) => violation,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_whole_message_is_borrowed_from_the_input_and_leaves_nothing_behind() {
    let mut reader = Reader::new(&BOUNDS);
    let mut bytes = frame(0x82, b"hello");
    let mut input = &mut bytes[..];
    let item = reader.next(&mut input).unwrap();
    assert!(matches!(item, Some(Item::Message(Cow::Borrowed(b"hello")))));
    assert_eq!(reader.next(&mut input), Ok(None));
    assert_eq!(reader.heap_bytes(), 0);
}

#[test]
fn control_frames_come_between_the_fragments_of_a_message() {
    let bytes = [
        frame(0x02, b"one "),
        frame(0x89, b"still there?"),
        frame(0x00, b""),
        frame(0x8a, b""),
        frame(0x80, b"two"),
        frame(0x88, &[0x03, 0xe8, b'b', b'y', b'e']),
    ]
    .concat();
    assert_eq!(
        read_whole(&bytes),
        [
            Said::Ping(b"still there?".to_vec()),
            Said::Pong,
            Said::Message(b"one two".to_vec()),
            Said::Close(Some(1000)),
        ]
    );
}

#[test]
fn every_length_form_is_read_at_its_borders() {
    for length in [0, 1, 125, 126, 127, 0xffff, 0x1_0000] {
        let mut reader = Reader::new(&const { Bounds::binary(0x1_0000) });
        let payload: Vec<u8> = (0..=u8::MAX).cycle().take(length).collect();
        assert_eq!(
            read(&mut reader, &[&frame(0x82, &payload)]),
            [Said::Message(payload)],
            "length {length}"
        );
    }
}

#[test]
fn each_broken_rule_is_named() {
    let unmasked = [0x82, 0x01, 0xff];
    let padded_16 = [&[0x82, 0x80 | 126, 0, 125][..], &MASK].concat();
    let padded_64 = [&[0x82, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff][..], &MASK].concat();
    let negative = [&[0x82, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 0][..], &MASK].concat();
    for (bytes, expected) in [
        (&unmasked[..], Violation::Unmasked),
        (&frame(0xc2, b""), Violation::ReservedBits),
        (&frame(0xa2, b""), Violation::ReservedBits),
        (&frame(0x92, b""), Violation::ReservedBits),
        (&frame(0x83, b""), Violation::Opcode { opcode: 3 }),
        (&frame(0x8b, b""), Violation::Opcode { opcode: 11 }),
        (&frame(0x81, b"hi"), Violation::Text),
        (&frame(0x09, b""), Violation::FragmentedControl),
        (&frame(0x89, &[0; 126]), Violation::LongControl),
        (&padded_16, Violation::Length),
        (&padded_64, Violation::Length),
        (&negative, Violation::Length),
        (&frame(0x80, b"x"), Violation::StrayContinuation),
        (
            &[frame(0x02, b"x"), frame(0x82, b"y")].concat(),
            Violation::UnfinishedMessage,
        ),
        (&frame(0x88, &[3]), Violation::BadClose),
        (&frame(0x88, &[3, 0xed]), Violation::BadClose),
        (&frame(0x88, &[3, 0xe8, 0xff]), Violation::BadClose),
    ] {
        assert_eq!(violation(bytes), expected);
    }
}

#[test]
fn a_message_over_the_limit_is_refused_on_its_header() {
    let too_big = |bytes| Violation::MessageTooBig { bytes, max: LIMIT };
    assert_eq!(violation(&header(0x82, LIMIT + 1)), too_big(1001));
    assert_eq!(
        violation(&[frame(0x02, &[0; LIMIT]), header(0x80, 1)].concat()),
        too_big(1001)
    );
    let huge = [
        &[
            0x82,
            0x80 | 127,
            0x7f,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
            0xff,
        ][..],
        &MASK,
    ]
    .concat();
    assert_eq!(violation(&huge), too_big(i64::MAX as u64));
    assert_eq!(
        read_whole(&frame(0x82, &[7; LIMIT])),
        [Said::Message(vec![7; LIMIT])]
    );
}

#[test]
fn a_raised_limit_holds_for_the_next_frame() {
    let mut reader = Reader::new(&BOUNDS);
    reader.set_bounds(&const { Bounds::binary(LIMIT + 1) });
    let payload = vec![1; LIMIT + 1];
    assert_eq!(
        read(&mut reader, &[&frame(0x82, &payload)]),
        [Said::Message(payload)]
    );
}

#[test]
fn empty_fragments_are_counted() {
    let mut bytes = frame(0x02, b"");
    for _ in 1..FRAGMENTS_MAX {
        bytes.extend(frame(0x00, b""));
    }
    assert_eq!(read_whole(&bytes), []);
    bytes.extend(frame(0x80, b""));
    assert_eq!(
        violation(&bytes),
        Violation::TooManyFragments { max: FRAGMENTS_MAX }
    );
}

#[test]
fn text_is_taken_where_it_is_allowed_and_told_apart_in_all_its_fragments() {
    let said = |bytes: &[&[u8]]| read(&mut Reader::new(&WITH_TEXT), bytes);
    let bytes = [
        frame(0x81, "κόσμε".as_bytes()),
        frame(0x01, b""),
        frame(0x89, b"?"),
        // A character in two fragments.
        frame(0x00, b"\xce"),
        frame(0x80, b"\xba"),
        frame(0x82, b"\xff"),
        frame(0x02, b"\xff"),
        frame(0x80, b"\xff"),
        frame(0x81, b""),
    ]
    .concat();
    let expected = [
        Said::Text("κόσμε".into()),
        Said::Ping(b"?".to_vec()),
        Said::Text("κ".into()),
        Said::Message(b"\xff".to_vec()),
        Said::Message(b"\xff\xff".to_vec()),
        Said::Text(Vec::new()),
    ];
    assert_eq!(said(&[&bytes]), expected);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(said(&single), expected);
    let inside = [frame(0x01, b"x"), frame(0x81, b"y")].concat();
    let unfinished = Said::Violated(Violation::UnfinishedMessage);
    assert_eq!(said(&[&inside]), [unfinished]);
}

#[test]
fn what_is_not_text_is_refused_before_the_frame_is_whole() {
    let mut bytes = header(0x01, 900);
    bytes.extend(b"ab\xff".iter().zip(MASK).map(|(b, m)| b ^ m));
    let refused = [Said::Violated(Violation::NotUtf8)];
    assert_eq!(read(&mut Reader::new(&WITH_TEXT), &[&bytes]), refused);
    // A character that ends with neither its fragment nor the message.
    let cut = [frame(0x01, b"\xf0\x9f"), frame(0x80, b"\x98")].concat();
    assert_eq!(read(&mut Reader::new(&WITH_TEXT), &[&cut]), refused);
    let lone = frame(0x81, b"\xf0");
    assert_eq!(read(&mut Reader::new(&WITH_TEXT), &[&lone]), refused);
}

#[test]
fn a_claimed_length_allocates_nothing_and_a_large_message_is_given_back() {
    let mut reader = Reader::new(&const { Bounds::binary(1 << 16) });
    assert_eq!(read(&mut reader, &[&header(0x82, 60_000)]), []);
    assert_eq!(reader.heap_bytes(), 0);

    assert_eq!(read(&mut reader, &[&[0; 100]]), []);
    assert!((100..=200).contains(&reader.heap_bytes()));

    assert_eq!(read(&mut reader, &[&vec![0; 59_900]]).len(), 1);
    assert_eq!(reader.heap_bytes(), 0);
}

/// What a well-behaved client may say, and its bytes.
fn conversation() -> impl Strategy<Value = (Vec<Said>, Vec<u8>)> {
    let control = prop_oneof![
        vec(any::<u8>(), 0..=125).prop_map(|p| (Said::Ping(p.clone()), frame(0x89, &p))),
        vec(any::<u8>(), 0..=125).prop_map(|p| (Said::Pong, frame(0x8a, &p))),
    ];
    let message = vec(
        (
            vec(any::<u8>(), 0..200),
            proptest::option::weighted(0.3, control),
        ),
        1..5,
    )
    .prop_map(|fragments| {
        let (mut said, mut bytes, mut whole) = (Vec::new(), Vec::new(), Vec::new());
        let last = fragments.len() - 1;
        for (at, (payload, control)) in fragments.into_iter().enumerate() {
            if let Some((control, control_bytes)) = control {
                said.push(control);
                bytes.extend(control_bytes);
            }
            let opcode = if at == 0 { 0x02 } else { 0x00 };
            let fin = if at == last { 0x80 } else { 0x00 };
            bytes.extend(frame(fin | opcode, &payload));
            whole.extend(payload);
        }
        said.push(Said::Message(whole));
        (said, bytes)
    });
    vec(message, 0..5).prop_map(|messages| {
        let (said, bytes): (Vec<_>, Vec<_>) = messages.into_iter().unzip();
        (said.concat(), bytes.concat())
    })
}

/// Cuts `bytes` at the given places.
fn cut<'a>(bytes: &'a [u8], places: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|at| at.index(bytes.len() + 1)).collect();
    places.sort_unstable();
    let mut start = 0;
    let mut pieces = Vec::new();
    for place in places {
        pieces.push(&bytes[start..place]);
        start = place;
    }
    pieces.push(&bytes[start..]);
    pieces
}

proptest! {
    #[test]
    fn what_was_said_is_read_however_the_bytes_arrive(
        (said, bytes) in conversation(),
        places in vec(any::<Index>(), 0..12),
    ) {
        let mut reader = Reader::new(&BOUNDS);
        prop_assert_eq!(read(&mut reader, &cut(&bytes, &places)), said);
        prop_assert_eq!(reader.heap_bytes(), 0);
    }

    #[test]
    fn damaged_bytes_are_judged_alike_however_they_arrive(
        (_, mut bytes) in conversation(),
        damage in vec((any::<Index>(), any::<u8>()), 0..4),
        places in vec(any::<Index>(), 0..12),
    ) {
        for (at, byte) in damage {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        let mut reader = Reader::new(&BOUNDS);
        let said = read(&mut reader, &cut(&bytes, &places));
        prop_assert!(reader.heap_bytes() <= 2 * (LIMIT + 125).min(bytes.len()).max(8));
        prop_assert_eq!(said, read_whole(&bytes));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..300), places in vec(any::<Index>(), 0..6)) {
        prop_assert_eq!(
            read(&mut Reader::new(&BOUNDS), &cut(&bytes, &places)),
            read_whole(&bytes)
        );
    }
}
