//! Any frame at all, within the limits of the wire.

mod client;
mod content;
mod event;
mod server;
mod value;

pub(crate) use client::client_frame;
pub(crate) use event::event_body;
pub(crate) use server::server_frame;
