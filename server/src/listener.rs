//! The accept loop: asks the door about whoever comes, and stays calm when the system runs out of
//! something.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

use crate::{
    admission::{Admission, Refused},
    http::Door,
    service::Service,
};

/// After a failed accept (no more file descriptors, say): waits this long, doubling up to a second.
const BACKOFF_MIN: Duration = Duration::from_millis(5);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// How long whoever is turned away at least holds the place it is told so at. Under TLS each of them
/// costs a handshake, and who comes in floods hangs up at once: so there are some hundreds a second.
const TURNED_AWAY_FOR_MIN: Duration = Duration::from_millis(200);

/// Accepts until told to stop.
#[derive(Debug)]
pub(crate) struct Listener<A> {
    source: A,
    door: Door,
    service: Arc<Service>,
    admission: Admission,
}

/// Where connections come from.
pub(crate) trait Accept: Send {
    /// The next one, and who it is from. Safe to cancel.
    fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send;
}

impl Accept for TcpListener {
    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        Self::accept(self).await
    }
}

impl<A: Accept> Listener<A> {
    pub(crate) fn new(source: A, door: Door, service: Arc<Service>, admission: Admission) -> Self {
        Self {
            source,
            door,
            service,
            admission,
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
        let mut trouble = Trouble::default();
        loop {
            match self.source.accept().await {
                Ok((stream, from)) => {
                    trouble.is_over();
                    self.service.figures().accepted();
                    self.seat(stream, from);
                }
                Err(error) if concerns_one_peer(&error) => {}
                Err(error) => {
                    self.service.figures().accept_failed();
                    sleep(trouble.wait(&error)).await;
                }
            }
        }
    }

    fn seat(&self, stream: TcpStream, from: SocketAddr) {
        let (service, door) = (Arc::clone(&self.service), self.door);
        match self.admission.ask(from.ip()) {
            Ok(seat) => drop(tokio::spawn(service.serve_at(
                door,
                stream,
                Some(from),
                seat,
            ))),
            Err(Refused::Full | Refused::Crowded | Refused::MemoryShort) => {
                if let Some(seat) = self.admission.ask_to_be_told() {
                    tokio::spawn(holding(
                        seat,
                        service.turn_away_at(door, stream, Some(from)),
                    ));
                }
            }
        }
    }
}

/// Turns somebody away, and holds the place for a while.
async fn holding<P>(place: P, turned_away: impl Future<Output = ()>) {
    tokio::join!(turned_away, sleep(TURNED_AWAY_FOR_MIN));
    drop(place);
}

/// Failures to accept in a row: said once, waited out ever longer.
#[derive(Debug, Default)]
struct Trouble {
    failures: u32,
}

impl Trouble {
    /// How long to wait before the next try.
    fn wait(&mut self, error: &io::Error) -> Duration {
        if self.failures == 0 {
            tracing::error!(%error, "cannot accept connections; tries again and again");
        }
        let wait = BACKOFF_MIN * 2_u32.saturating_pow(self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        wait.min(BACKOFF_MAX)
    }

    fn is_over(&mut self) {
        let failures = std::mem::take(&mut self.failures);
        if failures > 0 {
            tracing::info!(failures, "connections are accepted again");
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use homeroom_engine::Engine;
    use tokio::time::timeout;

    use super::*;
    use crate::{
        Terms,
        admission::{AdmissionSettings, Descriptors, Memory, MemorySettings},
    };

    /// A process without a descriptor left.
    struct Exhausted<'a>(&'a AtomicU32);

    impl Accept for Exhausted<'_> {
        async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Err(io::Error::from_raw_os_error(
                rustix::io::Errno::MFILE.raw_os_error(),
            ))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_descriptors_it_neither_spins_nor_gives_up() {
        let tries = AtomicU32::new(0);
        let engine = Engine::in_memory().await.unwrap();
        let admission = Admission::new(
            AdmissionSettings::default(),
            Descriptors::granted(1024),
            Memory::of_system(&MemorySettings::default()),
        );
        let service = Service::new(engine, Terms::default());
        let listener = Listener::new(Exhausted(&tries), Door::Both, service, admission);
        let minute = timeout(Duration::from_secs(60), listener.accept_all()).await;
        assert!(minute.is_err(), "it goes on trying");
        let tries = tries.load(Ordering::Relaxed);
        assert!((60..=70).contains(&tries), "{tries} tries in a minute");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_told_no_faster_than_its_places_come_free() {
        let admission = Admission::counting(0);
        let full = || admission.ask_to_be_told().is_none();
        let mut told = 0;
        while let Some(place) = admission.ask_to_be_told() {
            // It hangs up at once.
            tokio::spawn(holding(place, std::future::ready(())));
            told += 1;
        }
        assert_eq!(told, 64);
        sleep(TURNED_AWAY_FOR_MIN / 2).await;
        assert!(full());
        sleep(TURNED_AWAY_FOR_MIN).await;
        assert!(!full());
    }

    #[test]
    fn a_peer_that_gave_up_is_no_trouble_of_ours() {
        assert!(concerns_one_peer(&io::ErrorKind::ConnectionAborted.into()));
        assert!(!concerns_one_peer(&io::Error::from_raw_os_error(
            rustix::io::Errno::NFILE.raw_os_error()
        )));
    }
}
