//! The accept loop: counts who is in, and stays calm when the system runs out of something.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

use crate::{http::Door, service::Service};

/// Most connections that are at once being told that there is no seat; more are dropped unanswered.
const TURNED_AWAY_MAX: u32 = 64;
/// After a failed accept (no more file descriptors, say): waits this long, doubling up to a second.
const BACKOFF_MIN: Duration = Duration::from_millis(5);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Accepts until told to stop, then knows who is still in.
#[derive(Debug)]
pub(crate) struct Listener {
    listener: TcpListener,
    door: Door,
    service: Arc<Service>,
    seats: Seats,
    spare: Seats,
}

/// How many may be in at once, and whether all have gone. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Seats {
    free: Arc<Semaphore>,
    count: u32,
}

impl Seats {
    pub(crate) fn new(count: u32) -> Self {
        Self {
            free: Arc::new(Semaphore::new(count as usize)),
            count,
        }
    }

    /// Resolves when all are free; whether that was within `time`.
    pub(crate) async fn empty_within(&self, time: Duration) -> bool {
        timeout(time, self.free.acquire_many(self.count))
            .await
            .is_ok()
    }
}

impl Listener {
    pub(crate) fn new(
        listener: TcpListener,
        door: Door,
        service: Arc<Service>,
        seats: Seats,
    ) -> Self {
        Self {
            listener,
            door,
            service,
            seats,
            spare: Seats::new(TURNED_AWAY_MAX),
        }
    }

    /// Accepts until the service leaves.
    pub(crate) async fn run(self) {
        tokio::select! {
            () = self.accept_all() => {}
            () = self.service.left() => {}
        }
    }

    /// Accepts for ever.
    pub(crate) async fn accept_all(&self) {
        let mut backoff = BACKOFF_MIN;
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    backoff = BACKOFF_MIN;
                    self.seat(stream);
                }
                Err(error) if concerns_one_peer(&error) => {}
                Err(error) => {
                    tracing::error!(%error, wait = ?backoff, "cannot accept connections");
                    sleep(backoff).await;
                    backoff = BACKOFF_MAX.min(backoff * 2);
                }
            }
        }
    }

    fn seat(&self, stream: TcpStream) {
        let (service, door) = (Arc::clone(&self.service), self.door);
        if let Ok(seat) = Arc::clone(&self.seats.free).try_acquire_owned() {
            tokio::spawn(async move {
                service.serve_at(door, stream).await;
                drop(seat);
            });
        } else if let Ok(seat) = Arc::clone(&self.spare.free).try_acquire_owned() {
            tokio::spawn(async move {
                service.turn_away_at(door, stream).await;
                drop(seat);
            });
        }
    }
}

/// The peer gave up between its SYN and our accept: nothing to wait for.
fn concerns_one_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
