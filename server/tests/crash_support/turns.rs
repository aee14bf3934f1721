//! A host that is told to leave and to come back on its old address, and those who watch how it does.

use std::{
    net::SocketAddr,
    process::ExitStatus,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use homeroom_client::{Client, Event, Events, Lost};
use rustix::process::Signal;
use tokio::task::JoinHandle;

use super::crash_support::{clients::client, host::Serving};

/// The bye of a host that leaves.
const SHUTTING_DOWN: u16 = 4000;

impl Serving {
    /// SIGTERM, and how the process ended. Blocks.
    pub(crate) fn leave(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.child.0.wait().unwrap()
    }
}

/// What the witnesses saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// After how many milliseconds each was sent back, turn by turn.
    pub(crate) byes: Vec<u64>,
    /// What must not be.
    pub(crate) wrong: Vec<String>,
}

/// Clients that do nothing but stay.
#[derive(Debug)]
pub(crate) struct Witnesses {
    pub(crate) seen: Arc<Mutex<Seen>>,
    connected: Arc<AtomicUsize>,
    /// They end with their handles.
    _clients: Vec<Client>,
    following: Vec<JoinHandle<()>>,
}

impl Drop for Witnesses {
    fn drop(&mut self) {
        self.following.iter().for_each(JoinHandle::abort);
    }
}

impl Witnesses {
    pub(crate) fn gather(address: SocketAddr, count: usize) -> Self {
        let seen = Arc::default();
        let connected = Arc::default();
        let (clients, following) = (0..count)
            .map(|number| {
                let name = format!("witness-{number}");
                let user = name.parse().unwrap();
                let (client, events) = client(address, "default", &user);
                let (seen, connected) = (Arc::clone(&seen), Arc::clone(&connected));
                let following = witness(events, name, seen, connected);
                (client, tokio::spawn(following))
            })
            .unzip();
        Self {
            seen,
            connected,
            _clients: clients,
            following,
        }
    }

    /// How many are connected just now.
    pub(crate) fn connected(&self) -> usize {
        self.connected.load(Ordering::SeqCst)
    }
}

async fn witness(
    mut events: Events,
    name: String,
    seen: Arc<Mutex<Seen>>,
    connected: Arc<AtomicUsize>,
) {
    let mut inside = false;
    while let Some(event) = events.next().await {
        match event {
            Event::Connected { .. } => {
                inside = true;
                connected.fetch_add(1, Ordering::SeqCst);
            }
            Event::Disconnected {
                why: Lost::Closed { code, .. },
                retry_in_ms: Some(after),
            } if code == SHUTTING_DOWN => {
                seen.lock().unwrap().byes.push(after);
                if std::mem::take(&mut inside) {
                    connected.fetch_sub(1, Ordering::SeqCst);
                }
            }
            // Nobody listens for a moment between two processes.
            Event::Disconnected {
                why: Lost::Socket(_) | Lost::ConnectTimedOut { .. },
                retry_in_ms: Some(_),
            } if !inside => {}
            other @ (Event::Disconnected { .. }
            | Event::AuthenticationNeeded { .. }
            | Event::Stopped { .. }) => {
                let what = format!("{name}, inside: {inside}: {other:?}");
                seen.lock().unwrap().wrong.push(what);
            }
            Event::Timeline { .. }
            | Event::Typing { .. }
            | Event::Presence { .. }
            | Event::Passed { .. }
            | Event::Signals { .. }
            | Event::Occupancy { .. }
            | Event::Stream { .. }
            | Event::StreamReset { .. }
            | Event::StreamEnded { .. }
            | Event::Dropped { .. }
            | Event::Reset { .. }
            | Event::Removed { .. } => {}
        }
    }
}
