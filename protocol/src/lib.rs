//! The wire of Homeroom: what a client may say, what a server may say, and the numbers both keep to.
//!
//! A WebSocket message is one or more MessagePack arrays `[kind, field, field, …]`. This crate turns
//! them into typed frames and back. It is a leaf: no I/O, no clock, no async. The whole protocol, for
//! readers of any language, is in `SPEC.md` beside it; `vectors/` has the bytes of every frame.
//!
//! # One frame, byte by byte
//!
//! A client says "hi" in room 7:
//!
//! ```
//! use homeroom_protocol::{
//!     ClientFrame, IdempotencyKey, Request, RequestId, RoomNumber, decode_client_message,
//!     encode_client_frame, limit,
//! };
//!
//! let send = ClientFrame::Request {
//!     id: RequestId(3),
//!     request: Request::Send {
//!         key: IdempotencyKey([0xaa; 16]),
//!         room: RoomNumber(7),
//!         draft: "hi".into(),
//!     },
//! };
//! let mut message = Vec::new();
//! encode_client_frame(&send, &mut message);
//!
//! assert_eq!(message[0], 0x95); // an array of 5 fields
//! assert_eq!(message[1], 19); // the kind: send
//! assert_eq!(message[2], 3); // the request id, which the reply will carry
//! assert_eq!(message[3..5], [0xc4, 16]); // 16 bytes follow:
//! assert_eq!(message[5..21], [0xaa; 16]); // the key, which makes it safe to send again
//! assert_eq!(message[21], 7); // the room's number
//! assert_eq!(message[22..], *b"\xa2hi"); // a text of 2 bytes
//!
//! // The way back: the message is checked as a whole, then each frame by itself.
//! let mut frames = decode_client_message(&message, limit::CLIENT_MESSAGE_BYTES_MAX)?;
//! assert_eq!(frames.next(), Some(Ok(send)));
//! assert_eq!(frames.next(), None);
//!
//! // A field that is wrong is named, and its error can be answered: the id was still readable.
//! message[21] = 0xc0;
//! let mut frames = decode_client_message(&message, limit::CLIENT_MESSAGE_BYTES_MAX)?;
//! let error = frames.next().unwrap().unwrap_err();
//! assert_eq!(error.to_string(), "field 3 (room) is not an unsigned integer");
//! assert_eq!(error.id, Some(RequestId(3)));
//! # Ok::<(), homeroom_protocol::ScanError>(())
//! ```
//!
//! # Where to look
//!
//! - [`frame`]: the types, and what each means; [`id`]: the ids and positions in them.
//! - [`scan`]: the one bounded walk over untrusted bytes that everything begins with.
//! - [`decode`] and [`encode`]: frames from bytes and back; [`kind`]: their numbers.
//! - [`websocket`]: a server's messages with their WebSocket headers, made once for all listeners.
//! - [`error`]: error and close codes; [`limit`]: every bound.

mod choice;
pub mod decode;
pub mod encode;
pub mod error;
pub mod frame;
pub mod id;
pub mod kind;
pub mod limit;
pub mod message;
pub mod permission;
pub mod room;
pub mod scan;
mod token;
pub mod websocket;

pub use decode::{
    EventBodyError, FrameError, decode_client_message, decode_event_body, decode_server_message,
};
pub use encode::{append_event_body, encode_client_frame, encode_event_body, encode_server_frame};
pub use error::{Advice, CloseCode, ErrorCode};
pub use frame::{
    Auth, ClientFrame, DeviceState, Direction, EventBody, FollowedThread, Hello, Me,
    OccupancyChange, Presence, RemovedReason, Reported, Request, ResetReason, ServerFrame, Signal,
    Stream, TimelineEvent, Welcome,
};
pub use id::{
    ConnectionId, CustomKind, DeviceId, Emoji, Epoch, IdempotencyKey, InvalidId, Position,
    RequestId, RoleId, RoomId, RoomNumber, Seq, SignalName, TenantName, Timestamp, UserId,
};
pub use message::{
    AllowedMentions, Custom, Draft, Mentions, Message, MessageState, Reaction, ThreadSummary,
};
pub use permission::{Cause, Overwrite, OverwriteTarget, Permission, Permissions, Reason, Role};
pub use room::{
    Availability, Durability, Mark, Measure, NotificationLevel, PlaceChange, PlacedMark, Retention,
    RoomChange, RoomEntry, RoomInfo, RoomKind, Standing, Status, UserPresence,
};
pub use scan::ScanError;
pub use websocket::{WireMessage, wire_message};
