//! The thin Homeroom host: it accepts connections, speaks HTTP, WebSocket and the protocol's frames on
//! them, and leaves every decision to the engine.
//!
//! Four ways to use it, from the whole to the part:
//!
//! - the `homeroom` binary, which is [`cli`], with an [`admin`] socket beside it;
//! - [`Host`], which listens in a program of yours;
//! - [`Service::serve`], for connections that a listener of yours accepted;
//! - [`upgrade`] and [`Service::serve_connection`], for an HTTP server of yours with a login of its own:
//!   `examples/axum.rs` and `examples/hyper.rs` in the repository are whole programs.
//!
//! Nothing here knows a room: who may do what is the engine's to say. A host in a program, and somebody
//! who talks to it:
//!
//! ```
//! use homeroom_client::{Auth, Client, Limits, Options};
//! use homeroom_engine::{Engine, protocol::CloseCode};
//! use homeroom_server::{Guests, Host, HostConfig, Terms};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::in_memory().await?;
//! engine.tenant(&"north-school".parse()?).await?;
//! let host = Host::start(
//!     engine.clone(),
//!     HostConfig {
//!         listen: "127.0.0.1:0".parse()?,
//!         terms: Terms { guests: Guests::Allowed, ..Terms::default() },
//!         ..HostConfig::default()
//!     },
//! )
//! .await?;
//!
//! let (client, _events) = Client::connect(Options {
//!     url: format!("ws://{}", host.local_addr()),
//!     tenant: "north-school".parse()?,
//!     auth: Auth::Guest { name: "ana".parse()? },
//!     device: "laptop".parse()?,
//!     limits: Limits::default(),
//! })?;
//! let room = "class-7b".parse()?;
//! client.create_or_join(&room, None, None).await?;
//! let sent = client.send(&room, "Good morning!").await?;
//! assert_eq!(sent.position.seq.0, 2); // behind the room's birth
//! client.close().await;
//!
//! host.shut_down().await;
//! engine.shut_down(CloseCode::ShuttingDown, None).await;
//! # Ok(())
//! # }
//! ```
//!
//! With a certificate the same host speaks TLS: [`Terms::tls`]. What a socket is below its WebSocket (a
//! TCP socket, TLS, or any stream) makes no difference above it.

pub mod admin;
mod admission;
pub mod cli;
mod commands;
pub mod config;
mod connection;
#[cfg(feature = "echo")]
#[doc(hidden)]
pub mod echo;
mod embedding;
mod farewell;
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub mod fuzz;
mod host;
mod http;
mod identity;
mod listener;
mod roll;
mod scratch;
mod service;
mod socket;
mod sync;
pub mod telemetry;
pub mod tls;
pub mod websocket;
mod wire;

pub use admission::{AdmissionSettings, InvalidPrefix, MemorySettings, Prefix};
pub use commands::CommandError;
pub use embedding::{HandshakeRefused, Upgrade, WebSocketIo, upgrade};
pub use host::{DrainSettings, Host, HostConfig, ListenError, OperationsDoor, OperationsSettings};
pub use http::{
    ApiSettings, BODY_BYTES_MAX, HEADERS_MAX, InvalidOrigin, KeyHash, Origin, OriginSettings, PATH,
    REQUEST_BYTES_MAX, SUBPROTOCOL, ServiceKey,
};
pub use identity::{Guests, Unauthenticated, identify};
pub use service::{Service, Terms};
