//! The thin Homeroom host: it accepts connections, speaks HTTP, WebSocket and the protocol's frames on
//! them, and leaves every decision to the engine.
//!
//! [`Host`] listens; [`Service`] serves a connection that your own listener accepted. The `homeroom`
//! binary is [`cli`] around the two, with an [`admin`] socket beside them. Nothing here knows a room.

pub mod admin;
mod admission;
pub mod cli;
mod commands;
mod connection;
mod farewell;
mod host;
mod http;
mod identity;
mod listener;
mod scratch;
mod service;
mod socket;
pub mod websocket;

pub use admission::{AdmissionSettings, InvalidPrefix, MemorySettings, Prefix};
pub use commands::CommandError;
pub use host::{DrainSettings, Host, HostConfig, ListenError, OperationsDoor, OperationsSettings};
pub use http::{
    ApiSettings, BODY_BYTES_MAX, HEADERS_MAX, InvalidOrigin, KeyHash, Origin, OriginSettings, PATH,
    REQUEST_BYTES_MAX, SUBPROTOCOL, ServiceKey,
};
pub use identity::{Guests, Unauthenticated, identify};
pub use service::{Service, Terms};
