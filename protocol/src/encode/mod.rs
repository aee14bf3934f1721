//! From frames to bytes. One form for each frame: fields at the end of an array that a later addition made
//! optional are left out where they hold their default, all others are written, nil for what is not
//! there; integers and lengths in their shortest form. So equal frames are equal bytes.
//!
//! A value outside its limits (an id above 2^53, a text too long) is written as it is, and refused by
//! whoever reads it: limits are checked where bytes come in.

mod client;
mod event;
mod message;
mod people;
mod room;
mod server;
mod writer;

use crate::{ClientFrame, EventBody, ServerFrame};
use writer::Writer;

/// Adds the bytes of a frame to `out`. Several frames in one buffer make one message.
pub fn encode_client_frame(frame: &ClientFrame, out: &mut Vec<u8>) {
    client::encode(frame, &mut Writer::new(out));
}

/// Adds the bytes of a frame to `out`. Several frames in one buffer make one message.
///
/// An [`EventBody::Unknown`] keeps its kind and nothing else.
pub fn encode_server_frame(frame: &ServerFrame, out: &mut Vec<u8>) {
    server::encode(frame, &mut Writer::new(out));
}

/// The bytes of an event's body, as they are in an event on the wire: what a store keeps.
///
/// An [`EventBody::Unknown`] keeps its kind and nothing else.
#[must_use]
pub fn encode_event_body(body: &EventBody) -> Vec<u8> {
    let mut out = Vec::new();
    append_event_body(body, &mut out);
    out
}

/// Adds [the same](encode_event_body) to `out`.
pub fn append_event_body(body: &EventBody, out: &mut Vec<u8>) {
    Writer::new(out).record(|fields| event::body(body, fields));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DeviceId, Hello, IdempotencyKey, Request, RequestId, RoomNumber, UserId};

    fn encoded(frame: &ClientFrame) -> Vec<u8> {
        let mut out = Vec::new();
        encode_client_frame(frame, &mut out);
        out
    }

    fn request(request: Request) -> Vec<u8> {
        encoded(&ClientFrame::Request {
            id: RequestId(1),
            request,
        })
    }

    #[test]
    fn integers_are_as_short_as_they_can_be() {
        let cases: [(u64, &[u8]); 10] = [
            (0, &[0]),
            (127, &[0x7f]),
            (128, &[0xcc, 0x80]),
            (255, &[0xcc, 0xff]),
            (256, &[0xcd, 1, 0]),
            (65_535, &[0xcd, 0xff, 0xff]),
            (65_536, &[0xce, 0, 1, 0, 0]),
            (u64::from(u32::MAX), &[0xce, 0xff, 0xff, 0xff, 0xff]),
            (1 << 32, &[0xcf, 0, 0, 0, 1, 0, 0, 0, 0]),
            (
                (1 << 53) - 1,
                &[0xcf, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            ),
        ];
        for (nonce, expected) in cases {
            assert_eq!(&encoded(&ClientFrame::Ping { nonce })[2..], expected);
        }
    }

    #[test]
    fn texts_and_lists_have_the_shortest_length_before_them() {
        let texts: [(usize, &[u8]); 6] = [
            (0, &[0xa0]),
            (31, &[0xbf]),
            (32, &[0xd9, 32]),
            (255, &[0xd9, 0xff]),
            (256, &[0xda, 1, 0]),
            (16_384, &[0xda, 0x40, 0]),
        ];
        for (length, expected) in texts {
            let key = IdempotencyKey([7; 16]);
            let send = Request::Send {
                key,
                room: RoomNumber(1),
                draft: "a".repeat(length).into(),
            };
            let bytes = request(send);
            assert_eq!(&bytes[22..bytes.len() - length], expected);
        }
        let lists: [(usize, &[u8]); 3] = [(0, &[0x90]), (15, &[0x9f]), (16, &[0xdc, 0, 16])];
        for (length, expected) in lists {
            let user = UserId::new("u").expect("a valid id");
            let bytes = request(Request::Watch {
                users: vec![user; length],
            });
            assert_eq!(&bytes[3..bytes.len() - 2 * length], expected);
        }
    }

    #[test]
    fn a_token_reaches_the_wire_but_no_log() {
        let hello = ClientFrame::Hello(Hello {
            version: 1,
            capabilities: vec![],
            tenant: crate::TenantName::new("t").expect("a valid name"),
            auth: crate::Auth::Token("secret".to_owned()),
            device: DeviceId::new("d").expect("a valid id"),
        });
        let bytes = encoded(&hello);
        assert!(bytes.windows(6).any(|window| window == b"secret"));
        assert!(!format!("{hello:?}").contains("secret"));
    }
}
