//! A client of a Homeroom server: it connects, and from then on it reconnects, resumes and retries by
//! itself. Every event of a joined room comes once and in order; every message is stored once.
//!
//! ```no_run
//! use homeroom_client::{Auth, Client, Event, EventBody, Limits, Options};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let (client, mut events) = Client::connect(Options {
//!     url: "ws://127.0.0.1:7400".into(),
//!     tenant: "default".parse()?,
//!     auth: Auth::Guest { name: "ana".parse()? },
//!     device: "ana-laptop".parse()?,
//!     limits: Limits::default(),
//! })?;
//!
//! // Events come in a task of their own, so that awaiting an answer never keeps them waiting.
//! tokio::spawn(async move {
//!     while let Some(event) = events.next().await {
//!         if let Event::Timeline { room, event, .. } = event
//!             && let EventBody::Message(message) = event.body
//!         {
//!             println!("{room} · {}: {}", event.author, message.text);
//!         }
//!     }
//! });
//!
//! let lobby = "lobby".parse()?;
//! client.create_or_join(&lobby, Some("The lobby"), None).await?;
//! let sent = client.send(&lobby, "hello").await?; // returns once it is on the server's disk
//! println!("stored as number {}", sent.position.seq.0);
//! client.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! - [`Client`] is the handle to ask through, [`Events`] what to listen to: both come from
//!   [`Client::connect`].
//! - [`machine`] is all of it without a socket and without a clock, for other runtimes, simulators and
//!   tests.
//!
//! What the app still does: it keeps the [`Position`] of the last event it has handled, if it wants to
//! resume after its own restart; and it answers [`Event::AuthenticationNeeded`].

mod backoff;
mod client;
mod command;
mod driver;
mod event;
pub mod machine;
mod moment;
mod place;
mod requests;
mod rooms;
mod transport;

pub use client::{Client, ConnectError, Events, Options};
pub use command::{
    Answer, Command, Explanation, Joined, MembersPage, Outcome, Page, ReadersPage, RequestError,
    RoomsPage, Sent,
};
pub use event::{Event, Lost, Removal, StopReason, Violation};
pub use homeroom_protocol::{
    AllowedMentions, Auth, Availability, Custom, CustomKind, DeviceId, DeviceState, Direction,
    Draft, Durability, Emoji, ErrorCode, EventBody, IdempotencyKey, Mark, Me, Measure, Mentions,
    Message, MessageState, NotificationLevel, OccupancyChange, Overwrite, OverwriteTarget,
    Permission, Permissions, PlacedMark, Position, Presence, Reaction, Reason, Request,
    ResetReason, Retention, Role, RoleId, RoomChange, RoomEntry, RoomId, RoomInfo, RoomKind,
    RoomNumber, Seq, Signal, SignalName, Status, Stream, TenantName, ThreadSummary, TimelineEvent,
    Timestamp, UserId, UserPresence,
};
pub use machine::{Counters, Limits};
pub use moment::Moment;
pub use place::Place;
#[cfg(feature = "tls")]
pub use transport::InvalidRoots;
pub use transport::{Handshake, InvalidHeader, InvalidUrl};
