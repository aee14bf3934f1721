//! The host on real sockets: what its parts must do together.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

mod admission;
mod api;
mod binary;
mod canary;
mod configured;
mod drain;
mod embedding;
mod end_to_end;
#[path = "../environment/mod.rs"]
mod environment;
mod hostile;
mod http;
mod metrics;
mod page;
mod spec;
mod suites;
mod support;
mod tls;
#[cfg(feature = "otlp")]
mod traces;
mod upkeep;
