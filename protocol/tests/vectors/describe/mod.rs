//! What a frame says, as one line of JSON: the form in which clients of every language can compare.
//! Written by hand on purpose: neither the codec nor `Debug` can change what a vector promises.

pub(crate) mod choice;
mod client;
mod event;
mod json;
mod noun;
mod server;

pub(crate) use client::client;
pub(crate) use event::body;
pub(crate) use server::server;
