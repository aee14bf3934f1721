//! Each limit of `limit.rs` that a peer can hit: reached exactly it passes, exceeded by one it is
//! refused with what was wrong.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod fields;
mod reading;
mod scan;

use homeroom_protocol::{
    ClientFrame, FrameError, IdempotencyKey, Request, RequestId, RoomNumber, ScanError,
    decode::{FieldError, FrameProblem},
    decode_client_message, encode_client_frame, limit,
    scan::{Scanned, Sender},
};

pub(crate) const MAX: usize = limit::CLIENT_MESSAGE_BYTES_MAX;

pub(crate) fn scan(message: &[u8], bytes_max: usize) -> Result<Scanned<'_>, ScanError> {
    homeroom_protocol::scan::scan(message, bytes_max, Sender::Client)
}

pub(crate) fn encoded(frame: &ClientFrame) -> Vec<u8> {
    let mut out = Vec::new();
    encode_client_frame(frame, &mut out);
    out
}

pub(crate) fn read(bytes: &[u8]) -> Result<ClientFrame, FrameError> {
    decode_client_message(bytes, MAX).unwrap().next().unwrap()
}

pub(crate) fn read_request(request: Request) -> Result<ClientFrame, FrameError> {
    read(&encoded(&ClientFrame::Request {
        id: RequestId(1),
        request,
    }))
}

/// The field error of a request, by name.
pub(crate) fn refused(request: Request) -> (&'static str, FieldError) {
    let error = read_request(request).unwrap_err();
    assert_eq!(error.id, Some(RequestId(1)));
    field_error(error)
}

pub(crate) fn field_error(error: FrameError) -> (&'static str, FieldError) {
    match error.problem {
        FrameProblem::Field { name, error, .. } => (name, error),
        other => panic!("{other:?}"),
    }
}

pub(crate) const fn too_long(max: usize) -> FieldError {
    FieldError::TooLong {
        actual: max as u64 + 1,
        max: max as u64,
    }
}

pub(crate) const ROOM: RoomNumber = RoomNumber(1);
pub(crate) const KEY: IdempotencyKey = IdempotencyKey([7; 16]);
