//! The thin Homeroom host: listener, transport, admin commands.

pub mod websocket;
