//! The rules of the room tenant, lived through on a virtual clock: scenarios, then laws.
#![cfg(test)]

mod bounds;
mod budgets;
mod changing;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod counts;
mod crowds;
mod deletions;
mod edits;
#[cfg(test)]
mod hub;
#[cfg(test)]
mod large;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod message_laws;
#[cfg(test)]
mod messages;
mod overwrites;
mod pages;
mod passing;
mod places;
mod presence;
mod reactions;
mod reading;
mod reports;
#[cfg(test)]
mod requests;
mod restarts;
mod retries;
#[cfg(test)]
mod revocation;
#[cfg(test)]
mod revoked_frames;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod room_laws;
mod rooms;
#[cfg(test)]
mod scenes;
#[cfg(test)]
mod services;
mod sessions;
mod snapshots;
#[cfg(test)]
mod stage;
mod status;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod stream_laws;
mod streams;
#[cfg(test)]
mod support;
mod threads;
mod typing;
#[cfg(test)]
mod viewing;
