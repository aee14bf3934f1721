//! The wire of Homeroom: what a client may say, what a server may say, and the numbers both keep to.
//!
//! This crate is a leaf: no I/O, no clock, no async. See `SPEC.md` beside it for the whole protocol.

mod choice;
pub mod decode;
pub mod encode;
pub mod error;
pub mod frame;
pub mod id;
pub mod kind;
pub mod limit;
pub mod scan;
mod token;
pub mod websocket;

pub use decode::{FrameError, decode_client_message, decode_server_message};
pub use encode::{encode_client_frame, encode_server_frame};
pub use error::{Advice, CloseCode, ErrorCode};
pub use frame::{
    Auth, ClientFrame, DeviceState, Direction, EventBody, Hello, Presence, RemovedReason, Request,
    ResetReason, ServerFrame, TimelineEvent, Welcome,
};
pub use id::{
    ConnectionId, DeviceId, Epoch, IdempotencyKey, InvalidId, Position, RequestId, RoomId,
    RoomNumber, Seq, TenantName, Timestamp, UserId,
};
pub use scan::ScanError;
pub use websocket::{WireMessage, wire_message};
