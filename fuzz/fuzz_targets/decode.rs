//! Any bytes, read as a client's message and as a server's. Nothing may panic, and whatever is read
//! must mean the same after it was written and read again.
#![no_main]

use homeroom_protocol::{
    ClientFrame, ServerFrame, decode_client_message, decode_server_message, encode_client_frame,
    encode_server_frame, limit,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    if let Ok(frames) = decode_client_message(message, limit::CLIENT_MESSAGE_BYTES_MAX) {
        frames.for_each(|frame| match frame {
            Ok(frame) => check_client(&frame),
            Err(error) => drop((error.to_string(), error.error_code())),
        });
    }
    if let Ok(frames) = decode_server_message(message, limit::SERVER_MESSAGE_BYTES_MAX) {
        frames.for_each(|frame| match frame {
            Ok(frame) => check_server(&frame),
            Err(error) => drop((error.to_string(), error.error_code())),
        });
    }
});

fn check_client(frame: &ClientFrame) {
    let mut bytes = Vec::new();
    encode_client_frame(frame, &mut bytes);
    let again: Vec<_> = decode_client_message(&bytes, bytes.len())
        .expect("what was written is well-formed")
        .collect();
    assert_eq!(again, [Ok(frame.clone())]);
}

fn check_server(frame: &ServerFrame) {
    let mut bytes = Vec::new();
    encode_server_frame(frame, &mut bytes);
    let again: Vec<_> = decode_server_message(&bytes, bytes.len())
        .expect("what was written is well-formed")
        .collect();
    assert_eq!(again, [Ok(frame.clone())]);
}
