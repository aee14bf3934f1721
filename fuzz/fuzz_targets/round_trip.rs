//! Any bytes: what can be read of them is written and read again. It must mean the same, and what was
//! written once is written the same for ever: by the codec, as a wire message, and as the stored body of an
//! event.
#![no_main]

use std::slice;

use homeroom_protocol::{
    ClientFrame, EventBody, ServerFrame, decode_client_message, decode_event_body,
    decode_server_message, encode_client_frame, encode_event_body, encode_server_frame, kind,
    limit, wire_message,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    if let Ok(frames) = decode_client_message(message, limit::CLIENT_MESSAGE_BYTES_MAX) {
        of_client(&frames.flatten().collect::<Vec<_>>());
    }
    if let Ok(frames) = decode_server_message(message, limit::SERVER_MESSAGE_BYTES_MAX) {
        let understood = frames.flatten().filter(|frame| bodies(frame).all(is_whole));
        of_server(&understood.collect::<Vec<_>>());
    }
    if let Ok(body) = decode_event_body(message)
        && is_whole(&body)
    {
        of_store(&body);
    }
});

fn of_client(frames: &[ClientFrame]) {
    for frame in frames {
        assert_eq!(read_client(&write_client(frame)), slice::from_ref(frame));
    }
    let message: Vec<u8> = frames.iter().flat_map(write_client).collect();
    if !frames.is_empty() {
        assert_eq!(read_client(&message), frames);
    }
}

fn of_server(frames: &[ServerFrame]) {
    for frame in frames {
        let written = write_server(frame);
        assert_eq!(read_server(&written), slice::from_ref(frame));
        assert_eq!(wire_message(frame).payload()[..], written[..]);
        for body in bodies(frame) {
            of_store(body);
        }
    }
    let message: Vec<u8> = frames.iter().flat_map(write_server).collect();
    if !frames.is_empty() {
        assert_eq!(read_server(&message), frames);
    }
}

fn of_store(body: &EventBody) {
    let written = encode_event_body(body);
    assert_eq!(decode_event_body(&written).as_ref(), Ok(body));
}

fn write_client(frame: &ClientFrame) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_client_frame(frame, &mut bytes);
    bytes
}

fn write_server(frame: &ServerFrame) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_server_frame(frame, &mut bytes);
    bytes
}

/// What was written, read; and written again, the same bytes.
fn read_client(bytes: &[u8]) -> Vec<ClientFrame> {
    let frames = decode_client_message(bytes, usize::MAX).expect("what was written is well-formed");
    let frames: Vec<_> = frames
        .map(|frame| frame.expect("what was written is a frame"))
        .collect();
    let again: Vec<u8> = frames.iter().flat_map(write_client).collect();
    assert_eq!(again, bytes);
    frames
}

fn read_server(bytes: &[u8]) -> Vec<ServerFrame> {
    let frames = decode_server_message(bytes, usize::MAX).expect("what was written is well-formed");
    let frames: Vec<_> = frames
        .map(|frame| frame.expect("what was written is a frame"))
        .collect();
    let again: Vec<u8> = frames.iter().flat_map(write_server).collect();
    assert_eq!(again, bytes);
    frames
}

fn bodies(frame: &ServerFrame) -> impl Iterator<Item = &EventBody> {
    let events = match frame {
        ServerFrame::Event { event, .. } => std::slice::from_ref(event),
        ServerFrame::Page { events, .. } => events,
        _ => &[],
    };
    events.iter().map(|event| &event.body)
}

/// Of an event of a later version only the number of its kind is kept. Where that is one that is known,
/// what was not understood is missing when it is read again.
fn is_whole(body: &EventBody) -> bool {
    !matches!(body, EventBody::Unknown { kind }
        if [kind::body::OVERWRITE_SET, kind::body::PLACE_CHANGED].contains(kind))
}
