//! HTTP/1.1 as this host speaks it: plain requests are answered, one connection after another request,
//! until one of them becomes a WebSocket.
//!
//! [`speak`] serves one connection. Whoever asks for `GET /v1/connect` properly leaves here with the raw
//! stream and the bytes that were read behind the request: mostly after a [`glance`], else by way of hyper,
//! which stays behind with its buffers. Everything else is [`routes`]' to answer.
//!
//! What one connection may cost is bounded here: how long a request's head may take (and so how long
//! a kept-alive connection may be idle), how large it may be, and how long a reader may take over an
//! answer. The first head shares its time with the TLS handshake before it.

mod api;
mod connect;
mod glance;
mod health;
mod metrics;
mod origin;
mod paced;
mod page;
pub(crate) mod reply;
mod routes;

use std::{convert::Infallible, net::SocketAddr, sync::Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode, Version,
    body::Incoming,
    header::{self, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Notify,
    time::{Instant, timeout, timeout_at},
};

use self::{
    glance::{Glance, glance},
    paced::Paced,
};
use crate::{service::Service, websocket::Upgrading};

pub(crate) use self::{
    api::{
        Api,
        key::{Key, PREFIX as KEY_PREFIX},
    },
    connect::offers_subprotocol,
    health::Stage,
    metrics::HostFigures,
};
pub use self::{
    api::{ApiSettings, BODY_BYTES_MAX, KeyHash, ServiceKey},
    connect::{PATH, SUBPROTOCOL},
    origin::{InvalidOrigin, Origin, OriginSettings},
};

/// What every answer's body is: whole, and so of known length.
pub(crate) type Body = Full<Bytes>;

/// Largest head of a request, in bytes; one above it is answered with 431.
pub const REQUEST_BYTES_MAX: usize = 16 * 1024;
/// Most headers of a request; one with more is answered with 431.
pub const HEADERS_MAX: usize = 64;

/// Where a connection came in, which says what is served on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// For clients; there is another one for operations.
    Clients,
    /// For operations alone.
    Operations,
    /// The only one.
    Both,
}

impl Door {
    /// Whether clients, pages and back ends are served.
    pub(crate) const fn is_for_clients(self) -> bool {
        match self {
            Self::Clients | Self::Both => true,
            Self::Operations => false,
        }
    }
}

/// What is known of a connection before its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Visit {
    /// Where it came in.
    pub(crate) door: Door,
    /// Where it comes from; `None` when that is not known.
    pub(crate) peer: Option<SocketAddr>,
    /// Whether it is encrypted up to this process.
    pub(crate) secure: bool,
    /// Whether a second request may follow an answer.
    pub(crate) keep_alive: bool,
    /// Until when the head of its first request is waited for.
    pub(crate) first_head_by: Instant,
}

/// Speaks HTTP until the stream is a WebSocket: the stream and what was read too far. `None` when it
/// did not come to that, the answers already given.
///
/// When the host leaves, a request under way is still answered; nothing was promised to others.
pub(crate) async fn speak<S>(service: &Service, mut stream: S, visit: Visit) -> Option<(S, Vec<u8>)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match glance(service, &mut stream, visit).await {
        Glance::Agreed(early) => Some((stream, early)),
        // Boxed for what a server around a connection holds: hardly anybody needs one.
        Glance::Other(read) => Box::pin(converse(service, stream, read, visit)).await,
        Glance::Gone => None,
    }
}

/// The same by way of hyper; `read` was read before.
pub(crate) async fn converse<S>(
    service: &Service,
    stream: S,
    read: Bytes,
    visit: Visit,
) -> Option<(S, Vec<u8>)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let time_max = service.terms().handshake_within;
    let upgrading = Mutex::new(None);
    let asked = Notify::new();
    let answering = service_fn(|request| async {
        asked.notify_one();
        let response = answer(service, visit, request, &upgrading).await;
        Ok::<_, Infallible>(response)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(time_max)
        .max_buf_size(REQUEST_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .keep_alive(visit.keep_alive);
    let io = TokioIo::new(Paced::new(stream, read, time_max));
    let leaving = async {
        match visit.door {
            Door::Clients | Door::Both => service.left().await,
            // It stays open to the end, for whoever wants to see it come.
            Door::Operations => std::future::pending().await,
        }
    };
    let never_asked = async {
        if timeout_at(visit.first_head_by, asked.notified())
            .await
            .is_ok()
        {
            std::future::pending().await
        }
    };
    {
        let connection = http.serve_connection(io, answering).with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let served = tokio::select! {
            served = connection.as_mut() => Some(served),
            () = leaving => None,
            () = never_asked => return None,
        };
        let served = match served {
            Some(served) => served,
            None => {
                connection.as_mut().graceful_shutdown();
                let last = timeout(service.terms().hang_up_within, connection);
                last.await.ok()?
            }
        };
        served.ok()?;
    }
    let upgrading: Upgrading = upgrading
        .into_inner()
        .expect("nothing panics while holding it")?;
    let (stream, early) = upgrading.finish::<Paced<S>>().await?;
    Some((stream.into_inner(), early.into()))
}

async fn answer(
    service: &Service,
    visit: Visit,
    mut request: Request<Incoming>,
    upgrading: &Mutex<Option<Upgrading>>,
) -> Response<Body> {
    // A path is short, and its bytes are shared.
    let uri = request.uri().clone();
    let mut response = if !names_its_host(&request) {
        reply::text(StatusCode::BAD_REQUEST, "exactly one Host is needed\n")
    } else if request.uri().path() == PATH && visit.door.is_for_clients() {
        // The only route that takes the connection with it, and so not like the others.
        let (response, accepted) = connect::answer(&mut request, &service.terms().origins, visit);
        if accepted.is_some() {
            *upgrading.lock().expect("nothing panics while holding it") = accepted;
            service.figures().answered(uri.path(), response.status());
            return response;
        }
        response
    } else {
        routes::answer(service, visit.door, visit.peer, request).await
    };
    service.figures().answered(uri.path(), response.status());
    reply::harden(&mut response);
    if service.stage() == Stage::Draining {
        // Whoever comes next shall come elsewhere.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

/// RFC 9112, 3.2: who passes over a request that names no host, or two, may be led elsewhere by it than
/// whoever passed it on.
fn names_its_host<B>(request: &Request<B>) -> bool {
    let named = request.headers().get_all(header::HOST).iter().count();
    named == 1 || (named == 0 && request.version() < Version::HTTP_11)
}
