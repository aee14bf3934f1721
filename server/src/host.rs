//! A listening host around an engine, from its address to its leave.
//!
//! It has one door or two. With [`OperationsSettings::listen`] health and metrics have their own, so
//! that a firewall, not a path, keeps others out of them, and so that they can be asked until the very
//! end: the door for clients is closed long before.
//!
//! **Leaving** is done in an order that loses nothing: readiness drops, and who leads clients here has
//! [`DrainSettings::notice_ms`] to see it; nobody is let in any more; everybody gets the replies under
//! way and a bye with a time of its own to come back. Then the engine's owner seals it.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use homeroom_engine::Engine;
use homeroom_engine::described;
use serde::{Deserialize, Serialize};
use tokio::{
    net::{TcpListener, TcpSocket},
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{
    admission::{Admission, AdmissionSettings, Descriptors, Memory, MemorySettings},
    http::{Door, Stage},
    listener::Listener,
    service::{Service, Terms},
};

/// Connections at once on the door for operations: those who watch are few.
const OPERATORS_MAX: u32 = 64;
/// How long an address that is in use is tried again. A predecessor lets go of the data folder a moment
/// before the last of its addresses.
const ADDRESS_WITHIN: Duration = Duration::from_secs(2);
/// How often.
const ADDRESS_AGAIN: Duration = Duration::from_millis(20);
/// Connections that wait to be accepted. Whoever finds no room is not told: its system tries again a second
/// later, then two, then four. tokio's own 1,024 are fewer than come back to a host in the moment after a network
/// fails; Linux takes 4,096 unless told otherwise (net.core.somaxconn), and cuts what is more.
const BACKLOG: u32 = 65_535;
/// What is left of a drain's time when all is done, for the process to end in.
const EXIT_WITHIN: Duration = Duration::from_millis(500);

described! {
    /// The door for operations.
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub struct OperationsSettings {
        /// The address on which `/health/ready` and `/metrics` are served, and then nowhere else. Default
        /// none: they are on the clients' address, and what names tenants is shown only to who asks on this
        /// machine itself, for a loopback address and through no proxy that says it is one. Behind a proxy on
        /// this machine set it: one that passes on neither the host's name nor the client's address looks like
        /// this machine itself.
        pub listen: Option<SocketAddr>,
    }
}

described! {
    /// How a host leaves.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub struct DrainSettings {
        /// From the drop of readiness until nobody is let in any more, in ms. Default 0: clients come back by
        /// themselves, so only what leads them here by readiness, as load balancers do, needs time to see
        /// it: twice the interval at which it asks.
        pub notice_ms: u64,
        /// From the signal to the exit, in ms, the notice included. Default 9 s: service managers often kill
        /// after 10 s. Clients get half of what the notice leaves to take their bye and hang up; the engine
        /// gets the rest to bring everything to disk.
        pub within_ms: u64,
    }
}

impl Default for DrainSettings {
    fn default() -> Self {
        Self {
            notice_ms: 0,
            within_ms: 9_000,
        }
    }
}

impl DrainSettings {
    /// From the drop of readiness until nobody is let in.
    const fn notice(&self) -> Duration {
        Duration::from_millis(self.notice_ms)
    }

    /// How long clients may take to go.
    const fn leave_within(&self) -> Duration {
        Duration::from_millis(self.within_ms.saturating_sub(self.notice_ms) / 2)
    }

    /// How long the engine may take to seal, so long after the signal.
    #[must_use]
    pub const fn seal_within(&self, since_signal: Duration) -> Duration {
        Duration::from_millis(self.within_ms)
            .saturating_sub(EXIT_WITHIN)
            .saturating_sub(since_signal)
    }
}

/// How a host listens. Every default has its reason on its field.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Where. Default 127.0.0.1:7400: nobody else's machine until somebody says so.
    pub listen: SocketAddr,
    /// Where operators look in.
    pub operations: OperationsSettings,
    /// Who comes in.
    pub admission: AdmissionSettings,
    /// When memory is short.
    pub memory: MemorySettings,
    /// What connections are served on.
    pub terms: Terms,
    /// How it leaves.
    pub drain: DrainSettings,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7400)),
            operations: OperationsSettings::default(),
            admission: AdmissionSettings::default(),
            memory: MemorySettings::default(),
            terms: Terms::default(),
            drain: DrainSettings::default(),
        }
    }
}

impl HostConfig {
    /// Tries its addresses, and leaves them again. One that is in use is waited for, as a host does.
    pub(crate) async fn can_listen(&self) -> Result<(), ListenError> {
        for address in [Some(self.listen), self.operations.listen]
            .into_iter()
            .flatten()
        {
            listen(address).await?;
        }
        Ok(())
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
    operations: Option<OperationsDoor>,
    drain: DrainSettings,
}

/// The door for operations, which is open until this is dropped.
#[derive(Debug)]
pub struct OperationsDoor {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Drop for OperationsDoor {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl OperationsDoor {
    async fn open(address: SocketAddr, service: &Arc<Service>) -> Result<Self, ListenError> {
        let (listener, address) = listen(address).await?;
        let (service, admission) = (Arc::clone(service), Admission::counting(OPERATORS_MAX));
        let listener = Listener::new(listener, Door::Operations, service, admission);
        Ok(Self {
            address,
            accepting: tokio::spawn(async move { listener.accept_all().await }),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl Host {
    /// Listens, and serves whoever comes. Must be called in the engine's tokio runtime, with an engine
    /// that can serve: from here on clients reach it.
    ///
    /// An address that is in use is tried again for two seconds, as its user may be a predecessor that
    /// is leaving.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn start(engine: Engine, config: HostConfig) -> Result<Self, ListenError> {
        if let Some(tls) = &config.terms.tls {
            tls.keep_looking();
        }
        let service = Service::at(Stage::Starting, engine, config.terms);
        let (operations, door) = match config.operations.listen {
            Some(address) => {
                let door = OperationsDoor::open(address, &service).await?;
                (Some(door), Door::Clients)
            }
            None => (None, Door::Both),
        };
        let (listener, address) = listen(config.listen).await?;
        let memory = Memory::of_system(&config.memory);
        let admission = Admission::new(config.admission, Descriptors::raise(), memory);
        service.figures().watch(admission.clone());
        let accepting = Listener::new(listener, door, Arc::clone(&service), admission.clone());
        service.reach(Stage::Ready);
        Ok(Self {
            address,
            service,
            admission,
            accepting: tokio::spawn(accepting.run()),
            operations,
            drain: config.drain,
        })
    }

    /// Where it listens: with port 0, the port that was chosen.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where operators look in, if they have a door of their own.
    #[must_use]
    pub fn operations_addr(&self) -> Option<SocketAddr> {
        self.operations.as_ref().map(OperationsDoor::local_addr)
    }

    /// Drops readiness and waits for its notice to be over, stops accepting, gives every client the
    /// replies under way and a bye that says when to come back, and waits until they are gone or their
    /// time is over. The engine goes on: shutting it down is its owner's, and so is the door for
    /// operations until then.
    pub async fn shut_down(self) -> Option<OperationsDoor> {
        self.service.reach(Stage::Draining);
        if self.drain.notice_ms > 0 {
            tracing::info!(notice = ?self.drain.notice(), "not ready any more, still serving");
            sleep(self.drain.notice()).await;
        }
        self.service.leave();
        // It only ends; it cannot fail but by a panic, which then was logged.
        let _ = self.accepting.await;
        if !self.admission.empty_within(self.drain.leave_within()).await {
            tracing::warn!("some clients did not hang up after their bye");
        }
        self.operations
    }
}

/// Listens, with room for a storm of clients that come before they can be accepted.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // What a predecessor's connections leave behind for a minute is no reason to stay away.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Listens, waiting a moment for an address that is in use.
async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ListenError> {
    let failed = |cause| ListenError { address, cause };
    let over = Instant::now() + ADDRESS_WITHIN;
    loop {
        match bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < over => {
                sleep(ADDRESS_AGAIN).await;
            }
            bound => {
                let listener = bound.map_err(failed)?;
                let address = listener.local_addr().map_err(failed)?;
                return Ok((listener, address));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, net::TcpStream};

    use super::*;

    /// More than come at once to a host that lost its network: none of them has to try again.
    #[tokio::test]
    async fn a_storm_waits_at_the_door_until_it_is_accepted() {
        Descriptors::raise();
        let allowed = fs::read_to_string("/proc/sys/net/core/somaxconn").ok();
        let allowed = allowed.and_then(|it| it.trim().parse().ok());
        let storm = 1_500.min(allowed.unwrap_or(128));
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let come = || TcpStream::connect_timeout(&address, Duration::from_secs(5));
        let waiting: Result<Vec<_>, _> = (0..storm).map(|_| come()).collect();
        assert_eq!(waiting.unwrap().len(), storm);
    }
}
