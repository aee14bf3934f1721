//! The host on real sockets: what its parts must do together.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

mod admission;
mod binary;
mod drain;
mod end_to_end;
mod hostile;
mod http;
mod page;
mod spec;
mod support;
