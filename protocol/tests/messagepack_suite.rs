//! The public test suite of MessagePack, against the one place here that reads its bytes: every value in
//! every encoding is read as that value, or refused for a reason that `SPEC.md` has.
//!
//! The file `messagepack_suite/suite.json` is of <https://github.com/kawanet/msgpack-test-suite>, version
//! 1.0.0, unchanged; its licence stands beside it.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use homeroom_protocol::{
    ClientFrame, ScanError, decode_client_message, encode_client_frame, limit,
    scan::{Sender, scan},
};
use serde_json::Value;

const SUITE: &str = include_str!("messagepack_suite/suite.json");

/// A ping: `[2, nonce, …]`.
const PING: u8 = 2;
/// A signal: `[6, room, name, body]`.
const SIGNAL: u8 = 6;
/// Of both this is the first frame: what it ends with must not swallow the next one.
const NEXT: [u8; 3] = [0x92, PING, 7];

struct Case {
    group: String,
    /// Without its `msgpack`.
    says: Value,
    encodings: Vec<Vec<u8>>,
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.split('-').filter(|it| !it.is_empty());
    digits
        .map(|it| u8::from_str_radix(it, 16).unwrap())
        .collect()
}

fn suite() -> Vec<Case> {
    let groups: Value = serde_json::from_str(SUITE).unwrap();
    let groups = groups.as_object().unwrap().clone();
    let mut cases = Vec::new();
    for (group, values) in groups {
        for mut says in values.as_array().unwrap().clone() {
            let encodings = says.as_object_mut().unwrap().remove("msgpack").unwrap();
            let encodings = encodings.as_array().unwrap().iter();
            cases.push(Case {
                group: group.clone(),
                encodings: encodings.map(|it| hex(it.as_str().unwrap())).collect(),
                says,
            });
        }
    }
    cases
}

/// Whether an encoding is one of a float, and whether of an integer.
fn is_float(encoding: &[u8]) -> bool {
    matches!(encoding[0], 0xca | 0xcb)
}

/// The whole number that a case says, if it is one.
fn integer(says: &Value) -> Option<i128> {
    match says.get("bignum").and_then(Value::as_str) {
        Some(digits) => Some(digits.parse().unwrap()),
        None => says.get("number")?.as_i64().map(i128::from),
    }
}

#[test]
fn the_suite_is_there_whole() {
    let cases = suite();
    let groups: std::collections::BTreeSet<_> = cases.iter().map(|it| it.group.clone()).collect();
    let encodings: usize = cases.iter().map(|it| it.encodings.len()).sum();
    assert_eq!((groups.len(), cases.len(), encodings), (15, 85, 233));
}

/// Whatever stands in a field that this version does not know is passed over to its last byte, unless it
/// is an integer that no peer may send.
#[test]
fn every_value_is_passed_over_to_its_last_byte() {
    for Case {
        group,
        says,
        encodings,
    } in suite()
    {
        for encoding in encodings {
            let mut message = vec![0x93, PING, 5];
            message.extend(&encoding);
            message.extend(NEXT);
            let read = decode_client_message(&message, message.len());
            let too_large =
                integer(&says).is_some_and(|it| it.unsigned_abs() > u128::from(limit::INTEGER_MAX));
            if too_large && !is_float(&encoding) {
                let refused = read.err();
                assert_eq!(
                    refused,
                    Some(ScanError::IntegerTooLarge { at: 3 }),
                    "{says}"
                );
                continue;
            }
            let frames: Vec<_> = read.unwrap().map(Result::unwrap).collect();
            let expected = [5, 7].map(|nonce| ClientFrame::Ping { nonce });
            assert_eq!(frames, expected, "{group}: {says} as {encoding:02x?}");
        }
    }
}

/// None of its bytes can be left out, and none is too many.
#[test]
fn every_value_ends_where_it_ends() {
    for Case {
        says, encodings, ..
    } in suite()
    {
        for encoding in encodings {
            let mut message = vec![0x91];
            message.extend(&encoding);
            let whole = scan(&message, message.len(), Sender::Client).map(|it| it.len());
            if let Err(error) = &whole {
                assert_eq!(error, &ScanError::IntegerTooLarge { at: 1 }, "{says}");
            }
            for length in 1..message.len() {
                let refused = scan(&message[..length], length, Sender::Client).err();
                assert!(
                    matches!(refused, Some(ScanError::Truncated { .. })),
                    "{says} as {encoding:02x?}, {length} bytes of it: {refused:?}"
                );
            }
            message.push(0x90);
            let two = scan(&message, message.len(), Sender::Client);
            let (two, both) = (two.ok().map(|it| it.len()), whole.ok().map(|_| 2));
            assert_eq!(two, both, "{says}");
        }
    }
}

/// A field of numbers takes a number in every form of an integer, and in no other.
#[test]
fn every_integer_is_read_in_each_of_its_forms() {
    let mut read_count = 0;
    for Case {
        says, encodings, ..
    } in suite()
    {
        let allowed = 0..=i128::from(limit::INTEGER_MAX);
        let number = integer(&says).filter(|it| allowed.contains(it));
        for encoding in encodings {
            let mut message = vec![0x92, PING];
            message.extend(&encoding);
            let mut frames = match decode_client_message(&message, message.len()) {
                Ok(frames) => frames,
                Err(ScanError::IntegerTooLarge { .. }) => continue,
                Err(error) => panic!("{says}: {error}"),
            };
            let frame = frames.next().unwrap();
            match number.filter(|_| !is_float(&encoding)) {
                Some(number) => {
                    let nonce = u64::try_from(number).unwrap();
                    let ping = ClientFrame::Ping { nonce };
                    assert_eq!(frame.unwrap(), ping, "{encoding:02x?}");
                    let mut written = Vec::new();
                    encode_client_frame(&ping, &mut written);
                    assert!(
                        written.len() <= message.len(),
                        "written in its shortest form"
                    );
                    read_count += 1;
                }
                None => {
                    let refused = frame.unwrap_err().to_string();
                    assert_eq!(
                        refused, "field 1 (nonce) is not an unsigned integer",
                        "{says}"
                    );
                }
            }
        }
    }
    assert_eq!(read_count, 70);
}

/// A signal, `[6, room, name, body]`: its name takes a text, its body bytes, and neither takes the other.
#[test]
fn every_text_and_every_binary_is_read_in_each_of_its_forms() {
    let (mut texts, mut binaries) = (0, 0);
    for Case {
        says, encodings, ..
    } in suite()
    {
        for encoding in encodings {
            let signal = |name: &[u8], body: &[u8]| {
                let message = [&[0x94, SIGNAL, 7][..], name, body].concat();
                let mut frames = decode_client_message(&message, message.len()).ok()?;
                match frames.next()? {
                    Ok(ClientFrame::Signal { name, body, .. }) => Some((name.to_string(), body)),
                    Ok(other) => panic!("{other:?}"),
                    Err(_) => None,
                }
            };
            let as_name = signal(&encoding, &[0xc4, 0]);
            let text = says.get("string").and_then(Value::as_str);
            let name = text.filter(|it| (1..=limit::SIGNAL_NAME_BYTES_MAX).contains(&it.len()));
            assert_eq!(as_name.map(|it| it.0).as_deref(), name, "{says}");
            texts += usize::from(name.is_some());

            let as_body = signal(&[0xa1, b'x'], &encoding);
            let binary = says.get("binary").and_then(Value::as_str).map(hex);
            binaries += usize::from(binary.is_some());
            assert_eq!(as_body.map(|it| it.1), binary, "{says} as {encoding:02x?}");
        }
    }
    assert_eq!((texts, binaries), (23, 9));
}
