//! A listening host around an engine, from its address to its leave.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use homeroom_engine::Engine;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    admission::{Admission, AdmissionSettings, Descriptors, Memory, MemorySettings},
    listener::Listener,
    service::{Service, Terms},
};

/// How a host listens. Every default has its reason on its field.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Where. Default 127.0.0.1:7400: nobody else's machine until somebody says so.
    pub listen: SocketAddr,
    /// Who comes in.
    pub admission: AdmissionSettings,
    /// When memory is short.
    pub memory: MemorySettings,
    /// What connections are served on.
    pub terms: Terms,
    /// How long [`Host::shut_down`] waits for clients to take their bye. Default 5 s.
    pub leave_within: Duration,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7400)),
            admission: AdmissionSettings::default(),
            memory: MemorySettings::default(),
            terms: Terms::default(),
            leave_within: Duration::from_secs(5),
        }
    }
}

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {cause}")]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// The system's own words.
    pub cause: io::Error,
}

/// A host that listens.
#[derive(Debug)]
pub struct Host {
    address: SocketAddr,
    service: Arc<Service>,
    admission: Admission,
    accepting: JoinHandle<()>,
    leave_within: Duration,
}

impl Host {
    /// Listens, and serves whoever comes. Must be called in the engine's tokio runtime.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn start(engine: Engine, config: HostConfig) -> Result<Self, ListenError> {
        let failed = |cause| ListenError {
            address: config.listen,
            cause,
        };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let service = Service::new(engine, config.terms);
        let memory = Memory::of_system(&config.memory);
        let admission = Admission::new(config.admission, Descriptors::raise(), memory);
        service.figures().watch(admission.clone());
        let accepting = Listener::new(listener, Arc::clone(&service), admission.clone());
        Ok(Self {
            address,
            service,
            admission,
            accepting: tokio::spawn(accepting.run()),
            leave_within: config.leave_within,
        })
    }

    /// Where it listens: with port 0, the port that was chosen.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, gives every client the replies under way and a bye that says when to come
    /// back, and waits until they are gone or [`HostConfig::leave_within`] is over. The engine goes on:
    /// shutting it down is its owner's.
    pub async fn shut_down(self) {
        self.service.leave();
        // It only ends; it cannot fail but by a panic, which then was logged.
        let _ = self.accepting.await;
        if !self.admission.empty_within(self.leave_within).await {
            tracing::warn!("some clients did not hang up after their bye");
        }
    }
}
