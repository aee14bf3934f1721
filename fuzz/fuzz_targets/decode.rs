//! Any bytes, read as a client's message, as a server's, and as the stored body of an event. Nothing may
//! panic; whatever is refused is refused with a place inside of the message; and memory follows the bytes
//! that are there, never a length that was only claimed.
#![no_main]

use homeroom_protocol::{
    CloseCode, ErrorCode, FrameError, ScanError, decode_client_message, decode_event_body,
    decode_server_message, limit,
};
use libfuzzer_sys::fuzz_target;

/// Most bytes on the heap for each byte of a message. What a byte can become is a nil that stands for a
/// whole record of a list; lists are at most twice as long as what is in them, and three times while they
/// grow.
const HEAP_PER_BYTE_MAX: u64 = 512;
/// What is allocated whatever comes.
const HEAP_BYTES_MIN: u64 = 4 * 1024;

fuzz_target!(|message: &[u8]| {
    let used = allocation_counter::measure(|| {
        let read = decode_client_message(message, limit::CLIENT_MESSAGE_BYTES_MAX);
        judge(message, limit::CLIENT_MESSAGE_BYTES_MAX, read);
        let read = decode_server_message(message, limit::SERVER_MESSAGE_BYTES_MAX);
        judge(message, limit::SERVER_MESSAGE_BYTES_MAX, read);
        let read = decode_client_message(message, limit::HELLO_BYTES_MAX);
        judge(message, limit::HELLO_BYTES_MAX, read);
        drop(decode_event_body(message));
    });
    let bytes = message.len() as u64;
    assert!(
        used.bytes_max <= HEAP_BYTES_MIN + HEAP_PER_BYTE_MAX * bytes,
        "{bytes} bytes took {} on the heap",
        used.bytes_max
    );
});

fn judge<T>(
    message: &[u8],
    bytes_max: usize,
    read: Result<impl ExactSizeIterator<Item = Result<T, FrameError>>, ScanError>,
) {
    assert_eq!(
        message.len() > bytes_max,
        matches!(read, Err(ScanError::MessageTooBig { .. }))
    );
    let frames = match read {
        Ok(frames) => frames,
        Err(error) => return judge_scan(message, error),
    };
    let count = frames.len();
    assert!((1..=limit::FRAMES_PER_MESSAGE_MAX).contains(&count));
    let refused = frames.filter_map(Result::err);
    for error in refused {
        assert!(!error.to_string().is_empty());
        let code = error.error_code();
        assert!(ErrorCode::from_number(code.number()) == Some(code));
    }
}

fn judge_scan(message: &[u8], error: ScanError) {
    assert!(!error.to_string().is_empty());
    assert_eq!(error.error_code(), ErrorCode::Malformed);
    match error {
        ScanError::MessageTooBig { actual, .. } => {
            assert_eq!(actual, message.len());
            assert_eq!(error.close_code(), CloseCode::MessageTooBig);
        }
        ScanError::Empty => assert!(message.is_empty()),
        ScanError::TooManyFrames => assert!(message.len() > limit::FRAMES_PER_MESSAGE_MAX),
        ScanError::NotAnArray { at }
        | ScanError::Truncated { at }
        | ScanError::Reserved { at }
        | ScanError::TooDeep { at }
        | ScanError::TooManyElements { at, .. }
        | ScanError::IntegerTooLarge { at }
        | ScanError::NotUtf8 { at } => assert!(at <= message.len()),
    }
}
