//! What is checked before anything is decoded: bytes, frames, depth, elements, integers, lengths.

use homeroom_protocol::{ClientFrame, ScanError, decode_client_message, limit, scan::Sender};

use crate::{MAX, read, scan};

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
