//! The wire of Homeroom: what a client may say, what a server may say, and the numbers both keep to.
//!
//! This crate is a leaf: no I/O, no clock, no async. See `SPEC.md` beside it for the whole protocol.

pub mod error;
pub mod frame;
pub mod id;
pub mod limit;

pub use error::{CloseCode, ErrorCode};
pub use frame::{
    Auth, ClientFrame, DeviceState, Direction, EventBody, Hello, Presence, RemovedReason, Request,
    ResetReason, ServerFrame, TimelineEvent, Welcome,
};
pub use id::{
    ConnectionId, DeviceId, Epoch, IdempotencyKey, InvalidId, Position, RequestId, RoomId,
    RoomNumber, Seq, TenantName, Timestamp, UserId,
};
