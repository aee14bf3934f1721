//! The rules of the room tenant, lived through on a virtual clock: scenarios, then laws.

mod bounds;
mod crowds;
#[cfg(test)]
mod hub;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod message_laws;
#[cfg(test)]
mod messages;
mod pages;
mod places;
mod presence;
mod restarts;
mod retries;
mod rooms;
#[cfg(test)]
mod scenes;
#[cfg(test)]
mod services;
mod sessions;
mod snapshots;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod support;
mod typing;
