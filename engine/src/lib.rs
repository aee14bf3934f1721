//! Homeroom's engine: durable, ordered rooms with presence and typing, inside your own program.
//!
//! ```
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use homeroom_engine::{Engine, Event, Identity};
//!
//! let engine = Engine::in_memory().await?;
//! let school = engine.tenant(&"north-school".parse()?).await?;
//! let (ana, mut events) = school.connect(Identity::user("ana")?).await?;
//! let room = ana.enter("class-7b").await?;
//! ana.send(&room, "Good morning!").await?;
//! while let Some(event) = events.next().await {
//!     if let Event::Timeline { event, .. } = event {
//!         println!("{}: {:?}", event.author, event.body);
//!         break;
//!     }
//! }
//! # Ok(()) }
//! # tokio::runtime::Runtime::new().unwrap().block_on(run()).unwrap();
//! ```
//!
//! With [`Config::in_folder`] everything is kept on disk: [`Session::send`] returns when the message
//! is synced, and whatever it returned survives a crash of the program or the machine.
//!
//! Inside, from the pure centre outwards: [`domain`] is the contract between rules and runtime,
//! [`tenant`] the rules of rooms, [`log`] what remembers, [`index`] and [`snapshot`] what can be rebuilt
//! from it, [`hub`] what delivers, [`runtime`] what drives them, [`session`] what you hold for a user,
//! [`backend`] for your own back end, [`upkeep`] what operators do. [`metrics`] counts all of it.

pub mod backend;
mod backend_roles;
pub mod connection;
pub mod described;
pub mod domain;
pub mod engine;
mod few;
pub mod hub;
pub mod identity;
pub mod index;
pub mod log;
pub mod metrics;
mod numbered;
#[doc(hidden)]
pub mod planted;
pub mod runtime;
pub mod session;
pub mod snapshot;
mod sync;
pub mod tenant;
pub mod upkeep;

/// The vocabulary of ids, positions and frames.
pub use homeroom_protocol as protocol;

pub use self::{
    backend::{Backend, BackendError},
    connection::{Connection, Gone},
    engine::{Config, Engine, Tenant, TenantError, TenantSummary},
    identity::{Identity, Scopes, ServiceName},
    log::Verified,
    metrics::{Degraded, Figures, Health, Part},
    runtime::{folder::FolderError, wake::WakeError},
    session::{Event, Events, Session},
    tenant::{Disconnection, Whom},
    upkeep::UpkeepError,
};
