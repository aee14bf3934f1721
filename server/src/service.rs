//! What every connection of a host shares: the engine, the rules of the house, and when it leaves.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use homeroom_engine::{
    Connection, Engine, TenantError, WakeError,
    hub::SocketSink,
    upkeep::{SUSPENDED_RETRY_MS, WORK_RETRY_MS},
};
use homeroom_protocol::{CloseCode, Hello, Timestamp};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{Instant, timeout_at},
};
use tracing::{Instrument, debug_span, field::Empty};

use crate::{
    connection::Client,
    farewell::Bye,
    http::{self, Api, ApiSettings, Door, HostFigures, OriginSettings, Stage, Visit},
    identity::{Guests, identify},
    roll::Roll,
    tls::{self, Tls},
    wire::Wire,
};

/// The lowest version of the protocol that is spoken here.
const VERSION_MIN: u32 = 1;
/// What an operator must mend is no better a moment later.
const RETRY_BROKEN_TENANT_MS: u64 = 30_000;
/// At the limit of connections somebody may leave at any moment, but rarely at once: those who were
/// turned away come back after this, spread like those who are sent away, not all together.
const RETRY_FULL_MS: u64 = 5_000;
/// When a host leaves, its successor needs a moment.
const SUCCESSOR_STARTS_MS: u64 = 500;
/// A tenant that is replayed as well.
const TENANT_RESTARTS_MS: u64 = 500;
/// Clients come back spread over a time that grows with their number, so that no more than some hundreds
/// a second knock.
const SPREAD_MS_MIN: u64 = 1_000;
const SPREAD_MS_PER_CONNECTION: u64 = 2;

/// The rules of the house. Every default has its reason on its field.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Who may come in without a token. Default: nobody.
    pub guests: Guests,
    /// The certificate that is shown to clients. Default: none, which is plain HTTP.
    pub tls: Option<Tls>,
    /// Which web pages may connect. Default: the host's own.
    pub origins: OriginSettings,
    /// How long a TLS handshake and the head of the first HTTP request may take together, then each
    /// further head to come, and an answer to be read. Default 10 s: a slow mobile network needs two, an
    /// attacker who holds sockets open would like for ever.
    pub handshake_within: Duration,
    /// From the WebSocket to an acceptable hello. Default 10 s.
    pub hello_within: Duration,
    /// From our close frame until the client hangs up. Default 2 s: it covers a slow round trip, and
    /// closing earlier could take the close frame back.
    pub hang_up_within: Duration,
    /// Whose back ends are served. Default: nobody's.
    pub api: ApiSettings,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            guests: Guests::Refused,
            tls: None,
            origins: OriginSettings::default(),
            handshake_within: Duration::from_secs(10),
            hello_within: Duration::from_secs(10),
            hang_up_within: Duration::from_secs(2),
            api: ApiSettings::default(),
        }
    }
}

/// Serves connections of one engine; see [`serve`](Self::serve).
#[derive(Debug)]
pub struct Service {
    engine: Engine,
    terms: Terms,
    api: Api,
    silence_max: Duration,
    requests_in_flight_max: usize,
    stage: watch::Sender<Stage>,
    leaving: watch::Sender<Option<Instant>>,
    roll: Roll,
    /// How many connections there were when it began to leave: all of them come back, also those that
    /// hung up before the others were told.
    sent_away: AtomicU64,
    figures: HostFigures,
}

impl Service {
    /// Serves `engine` on these terms.
    #[must_use]
    pub fn new(engine: Engine, terms: Terms) -> Arc<Self> {
        Self::at(Stage::Ready, engine, terms)
    }

    pub(crate) fn at(stage: Stage, engine: Engine, terms: Terms) -> Arc<Self> {
        let settings = engine.settings();
        let silence_max = Duration::from_millis(settings.heartbeat_ms.saturating_mul(3) / 2);
        let in_flight_max = usize::try_from(settings.requests_in_flight_max).unwrap_or(usize::MAX);
        Arc::new(Self {
            engine,
            api: Api::new(&terms.api),
            terms,
            silence_max,
            // With none, nobody could ever ask anything.
            requests_in_flight_max: in_flight_max.max(1),
            stage: watch::Sender::new(stage),
            leaving: watch::Sender::new(None),
            roll: Roll::default(),
            sent_away: AtomicU64::new(0),
            figures: HostFigures::default(),
        })
    }

    /// Serves one TCP connection from its first byte to its last: for a listener of your own.
    pub fn serve(self: Arc<Self>, stream: TcpStream) -> impl Future<Output = ()> + Send {
        let from = stream.peer_addr().ok();
        self.serve_at(Door::Both, stream, from, ())
    }

    /// Like [`serve`](Self::serve), at the limit of connections: signs of life are given, clients are
    /// told to come back.
    pub fn turn_away(self: Arc<Self>, stream: TcpStream) -> impl Future<Output = ()> + Send {
        let from = stream.peer_addr().ok();
        self.turn_away_at(Door::Both, stream, from)
    }

    /// A future that holds little while nothing happens: boxed is what happens once, and whoever is
    /// served is moved nowhere. It lets go of `place` at the end.
    pub(crate) fn serve_at(
        self: Arc<Self>,
        door: Door,
        stream: TcpStream,
        from: Option<SocketAddr>,
        place: impl Send,
    ) -> impl Future<Output = ()> + Send {
        let opening = Box::pin(self.open(door, stream, from, true));
        async move {
            if let Some(client) = opening.await {
                converse(client).await;
            }
            drop(place);
        }
    }

    pub(crate) async fn turn_away_at(
        self: Arc<Self>,
        door: Door,
        stream: TcpStream,
        from: Option<SocketAddr>,
    ) {
        let service = Arc::clone(&self);
        if let Some(client) = self.open(door, stream, from, false).await {
            let after = service.time_to_return_ms(RETRY_FULL_MS);
            let bye = Bye::new(CloseCode::Overloaded).back_after_ms(after);
            client.end(bye.into()).await;
        }
    }

    /// How many connections there are, about: each waits for the host to leave.
    pub(crate) fn connections(&self) -> usize {
        self.leaving.receiver_count()
    }

    /// How far the host is. A service of your own is ready from its start.
    pub(crate) fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// Says how far the host is; it never goes back.
    pub(crate) fn reach(&self, stage: Stage) {
        self.stage.send_if_modified(|reached| {
            let further = *reached < stage;
            *reached = stage.max(*reached);
            further
        });
    }

    /// Tells every connection, present and future, that the host is leaving: each gives the replies
    /// that are under way, then says bye.
    pub fn leave(&self) {
        self.reach(Stage::Draining);
        // Before anybody is told: see `return_spread_ms`.
        (self.sent_away).fetch_max(self.connections() as u64, Ordering::Relaxed);
        self.leaving.send_if_modified(|leaving| {
            let first = leaving.is_none();
            leaving.get_or_insert_with(Instant::now);
            first
        });
        self.roll.call();
    }

    /// Resolves when no connection is served any more. After [`leave`](Self::leave) that is soon:
    /// everybody is told, and who does not hang up is hung up on after
    /// [`hang_up_within`](Terms::hang_up_within).
    pub async fn all_gone(&self) {
        self.leaving.closed().await;
    }

    /// The engine it serves.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What is counted of it.
    pub(crate) const fn figures(&self) -> &HostFigures {
        &self.figures
    }

    /// HTTP until it is a WebSocket, and what there is to be set up once.
    async fn open(
        self: Arc<Self>,
        door: Door,
        stream: TcpStream,
        from: Option<SocketAddr>,
        keep_alive: bool,
    ) -> Option<Box<Client>> {
        // Small writes must not wait for each other. It fails only on a socket that is gone.
        let _ = stream.set_nodelay(true);
        let by = Instant::now() + self.terms.handshake_within;
        let visit = |secure| Visit {
            door,
            peer: from,
            secure,
            keep_alive,
            first_head_by: by,
        };
        let tls = self.terms.tls.as_ref().filter(|_| door.is_for_clients());
        let (wire, early) = if let Some(tls) = tls {
            let visit = visit(true);
            let stream = self.secure(tls, stream, by).await?;
            let (stream, early) = http::speak(&self, stream, visit).await?;
            (Wire::tls(stream), early)
        } else {
            let visit = visit(false);
            let (stream, early) = http::speak(&self, stream, visit).await?;
            (Wire::Tcp(stream), early)
        };
        Some(Box::new(Client::new(self, wire).having_said(early)))
    }

    /// The TLS handshake, while it is worth one.
    async fn secure(&self, tls: &Tls, stream: TcpStream, by: Instant) -> Option<tls::Stream> {
        let mut leaving = self.leaving();
        tokio::select! {
            secured = timeout_at(by, tls.accept(stream)) => secured.ok()?,
            // Nothing was promised to it yet.
            _ = leaving.wait_for(Option::is_some) => None,
        }
    }

    pub(crate) fn leaving(&self) -> watch::Receiver<Option<Instant>> {
        self.leaving.subscribe()
    }

    /// Who is to be called when it leaves.
    pub(crate) const fn roll(&self) -> &Roll {
        &self.roll
    }

    /// Resolves when the host is leaving.
    pub(crate) async fn left(&self) {
        // It fails when the sender is gone, which `self` holds.
        let _ = self.leaving().wait_for(Option::is_some).await;
    }

    pub(crate) const fn api(&self) -> &Api {
        &self.api
    }

    pub(crate) const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// How long a client may say nothing: its heartbeat, and half as much for the network.
    pub(crate) const fn silence_max(&self) -> Duration {
        self.silence_max
    }

    /// How many requests of one client may wait for their reply.
    pub(crate) const fn requests_in_flight_max(&self) -> usize {
        self.requests_in_flight_max
    }

    /// Lets a client in who said hello.
    pub(crate) async fn admit(
        &self,
        hello: &Hello,
        sink: Arc<dyn SocketSink>,
    ) -> Result<Connection, Bye> {
        Self::check_version(hello)?;
        let identity = identify(hello, self.terms.guests)
            .map_err(|refused| Bye::new(CloseCode::Unauthenticated).because(refused))?;
        let closed = |error| self.closed_tenant(hello, &error);
        let found = self.engine.find_tenant(&hello.tenant).await;
        let tenant = found.map_err(closed)?;
        let Some(tenant) = tenant else {
            return Err(Bye::new(CloseCode::TenantNotFound));
        };
        tenant.attach(identity, sink).await.map_err(closed)
    }

    /// The bye of a host that leaves.
    pub(crate) fn leave_taking(&self) -> Bye {
        let after = self.time_to_return_ms(SUCCESSOR_STARTS_MS);
        Bye::new(CloseCode::ShuttingDown).back_after_ms(after)
    }

    /// The bye after a request that its tenant did not live to take.
    pub(crate) fn restarted_tenant(&self) -> Bye {
        let after = self.time_to_return_ms(TENANT_RESTARTS_MS);
        Bye::new(CloseCode::TenantRestarted).back_after_ms(after)
    }

    /// Whether it speaks what is spoken here.
    pub(crate) fn check_version(hello: &Hello) -> Result<(), Bye> {
        if hello.version < VERSION_MIN {
            return Err(Bye::new(CloseCode::UnsupportedVersion));
        }
        Ok(())
    }

    /// We failed, or are leaving: the client is not at fault and shall come back.
    pub(crate) fn closed_tenant(&self, hello: &Hello, error: &TenantError) -> Bye {
        match error {
            TenantError::ShutDown => self.leave_taking(),
            // An operator's doing, and told to them already.
            TenantError::Wake(WakeError::Suspended(_)) => {
                let after = self.time_to_return_ms(SUSPENDED_RETRY_MS);
                Bye::new(CloseCode::TenantUnavailable)
                    .because("the tenant is suspended")
                    .back_after_ms(after)
            }
            TenantError::Wake(WakeError::Busy(_)) => {
                let after = self.time_to_return_ms(WORK_RETRY_MS);
                Bye::new(CloseCode::TenantUnavailable).back_after_ms(after)
            }
            TenantError::Wake(WakeError::NotFound(_)) => Bye::new(CloseCode::TenantNotFound),
            error => {
                tracing::error!(tenant = %hello.tenant, %error, "a tenant cannot be entered");
                let after = self.time_to_return_ms(RETRY_BROKEN_TENANT_MS);
                Bye::new(CloseCode::TenantUnavailable).back_after_ms(after)
            }
        }
    }

    /// When a client shall come back that is sent away with many others: `earliest_ms` for the first,
    /// a time by chance for each.
    fn time_to_return_ms(&self, earliest_ms: u64) -> u64 {
        // Without entropy all come back at once: worse, not wrong.
        earliest_ms + getrandom::u64().unwrap_or(0) % self.return_spread_ms()
    }

    /// Over how long those who are sent away come back. While a host leaves, the first have hung up before
    /// the last are told: their number does not count down with them.
    fn return_spread_ms(&self) -> u64 {
        let sent_away = self.sent_away.load(Ordering::Relaxed);
        let connections = sent_away.max(self.connections() as u64);
        SPREAD_MS_MIN.max(connections.saturating_mul(SPREAD_MS_PER_CONNECTION))
    }
}

/// Serves a client to its end.
pub(crate) fn converse(client: Box<Client>) -> impl Future<Output = ()> + Send {
    // What it is called is known once it said hello.
    let span = debug_span!("connection", tenant = Empty, connection = Empty);
    // One that nobody sees takes no place in the task.
    let span = (!span.is_disabled()).then(|| Box::new(span));
    async move {
        match span {
            None => converse_unseen(client).await,
            Some(span) => Box::pin(converse_unseen(client).instrument(*span)).await,
        }
    }
}

async fn converse_unseen(mut client: Box<Client>) {
    let end = client.converse().await;
    Box::pin(client.end(end)).await;
}

/// The clock, for pongs.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = since.map_or(0, |since| since.as_millis());
    Timestamp(u64::try_from(ms).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_who_are_told_are_spread_as_far_as_the_first() {
        let engine = Engine::in_memory().await.unwrap();
        let service = Service::new(engine, Terms::default());
        assert_eq!(service.return_spread_ms(), SPREAD_MS_MIN);
        let mut connections: Vec<_> = (0..5_000).map(|_| service.leaving()).collect();
        let spread = 5_000 * SPREAD_MS_PER_CONNECTION;
        assert_eq!(service.return_spread_ms(), spread);
        service.leave();
        // The quick ones hang up at once.
        connections.truncate(10);
        assert_eq!(service.return_spread_ms(), spread);
        let late = (0..1_000).map(|_| service.time_to_return_ms(SUCCESSOR_STARTS_MS));
        let late: Vec<u64> = late.collect();
        assert!(late.iter().all(|&ms| ms >= SUCCESSOR_STARTS_MS));
        // By chance none of them in a tenth of the window: once in 10^45 runs.
        for tenth in 0..10 {
            let part = SUCCESSOR_STARTS_MS + spread / 10 * tenth..;
            let part = part.start..part.start + spread / 10;
            assert!(late.iter().any(|ms| part.contains(ms)), "{part:?}");
        }
        let over = SUCCESSOR_STARTS_MS + spread;
        assert!(late.iter().all(|&ms| ms < over));
    }

    #[tokio::test]
    async fn who_is_turned_away_comes_back_within_a_time_that_grows_with_the_house() {
        let engine = Engine::in_memory().await.unwrap();
        let service = Service::new(engine, Terms::default());
        let _house: Vec<_> = (0..2_000).map(|_| service.leaving()).collect();
        let window = RETRY_FULL_MS..RETRY_FULL_MS + 2_000 * SPREAD_MS_PER_CONNECTION;
        let times = (0..1_000).map(|_| service.time_to_return_ms(RETRY_FULL_MS));
        let times: std::collections::BTreeSet<u64> = times.collect();
        assert!(times.iter().all(|ms| window.contains(ms)), "{times:?}");
        assert!(times.len() > 500, "no crowd: {} moments", times.len());
    }
}
