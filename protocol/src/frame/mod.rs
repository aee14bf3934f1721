//! All that a client may say and all that a server may say. Names are seen from the server:
//! a request comes in, a push goes out.

mod client;
mod event;
mod person;
mod request;
mod server;

pub use client::{Auth, ClientFrame, Hello};
pub use event::{EventBody, Reported, TimelineEvent};
pub use person::{FollowedThread, Me, Presence};
pub use request::{DeviceState, Direction, Request, Stream};
pub use server::{OccupancyChange, RemovedReason, ResetReason, ServerFrame, Signal, Welcome};
