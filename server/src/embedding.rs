//! Inside somebody else's server: its listener, its HTTP, its TLS, its login; our WebSocket.
//!
//! [`upgrade`] answers the WebSocket handshake of a request that server has routed to us, and
//! [`Service::serve_connection`] serves what comes of it, for a user that server has proven, in the one
//! tenant it chose. A tenant handle, not the engine: whoever holds it cannot be led to another one by
//! what a client says.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use homeroom_engine::{Connection, Identity, Tenant, hub::SocketSink};
use homeroom_protocol::{Auth, CloseCode, Hello};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Version,
    header::{self, HeaderValue},
    upgrade::{OnUpgrade, Upgraded},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use crate::{
    connection::Client,
    farewell::Bye,
    http::{SUBPROTOCOL, offers_subprotocol},
    service::{Service, converse},
    websocket::{self, Upgrading},
    wire::Wire,
};

/// A byte stream on which a WebSocket handshake was made.
///
/// Made [from](From) a TCP socket, or from what hyper gave up that was one (by itself or through
/// tokio-rustls), it is served as fast as our own listener's. Behind hyper-util's `auto` server, which
/// `axum::serve` is, the socket is found with this crate's feature `auto`. Any other stream is
/// [taken as it is](Self::new), at the price of a lock.
#[derive(Debug)]
pub struct WebSocketIo {
    wire: Wire,
    early: Bytes,
}

impl WebSocketIo {
    /// Any stream. It must not panic when it is polled.
    #[must_use]
    pub fn new(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self {
            wire: Wire::other(io),
            early: Bytes::new(),
        }
    }

    /// The same, where `early` was read from it already, behind the handshake.
    #[must_use]
    pub fn with_early(self, early: Bytes) -> Self {
        Self { early, ..self }
    }
}

impl From<TcpStream> for WebSocketIo {
    fn from(stream: TcpStream) -> Self {
        Self {
            wire: Wire::Tcp(stream),
            early: Bytes::new(),
        }
    }
}

impl From<Upgraded> for WebSocketIo {
    fn from(upgraded: Upgraded) -> Self {
        let (wire, early) = Wire::below(upgraded);
        Self { wire, early }
    }
}

/// A handshake that was answered: a WebSocket once the answer is sent.
#[derive(Debug)]
pub struct Upgrade(Upgrading);

impl Upgrade {
    /// Waits for the server to send the answer and let go of the connection; `None` when the client
    /// went away first. To be awaited in a task of its own, after the answer was returned.
    pub async fn finish(self) -> Option<WebSocketIo> {
        self.0.upgraded().await.map(WebSocketIo::from)
    }
}

impl From<Upgrade> for Upgrading {
    fn from(upgrade: Upgrade) -> Self {
        upgrade.0
    }
}

/// Why a request is not made a WebSocket. Answer it with [`status`](Self::status) and this as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeRefused {
    /// It does not ask for one. The client is at fault.
    #[error("this address speaks WebSocket (RFC 6455) only")]
    NotAsked,
    /// It offers only what is not spoken here. The client is at fault.
    #[error("offer the WebSocket subprotocol {SUBPROTOCOL}")]
    Subprotocol,
    /// A part of the handshake is missing. The client is at fault.
    #[error("Sec-WebSocket-Key is missing or Sec-WebSocket-Version is not 13")]
    Malformed,
    /// It has a body: where its WebSocket begins, the server in front and this one could disagree. The
    /// client is at fault.
    #[error("a request for a WebSocket has no body")]
    Body,
    /// The server in front does not let go of connections: hyper's `with_upgrades` was not called, or
    /// a middleware lost the request's extensions, or it came by HTTP/2. Who built the server is at
    /// fault.
    #[error("this server does not let go of connections")]
    NotUpgradable,
}

impl HandshakeRefused {
    /// What to answer.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::NotAsked => StatusCode::UPGRADE_REQUIRED,
            Self::Subprotocol | Self::Malformed | Self::Body => StatusCode::BAD_REQUEST,
            Self::NotUpgradable => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The whole answer.
    #[must_use]
    pub fn response<B: From<String>>(self) -> Response<B> {
        let mut response = Response::new(B::from(format!("{self}\n")));
        *response.status_mut() = self.status();
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, text);
        if self.status() == StatusCode::UPGRADE_REQUIRED {
            let websocket = HeaderValue::from_static("websocket");
            response.headers_mut().insert(header::UPGRADE, websocket);
        }
        response
    }
}

/// Answers a request for a WebSocket, whatever server it came through: axum's requests are these too.
/// Who asks, and from which page, is to be checked before: a browser sends its cookies with a
/// WebSocket that any page opens.
///
/// # Errors
/// [`HandshakeRefused`].
pub fn upgrade<B>(request: &mut Request<B>) -> Result<(Response<()>, Upgrade), HandshakeRefused> {
    check(request)?;
    if request.extensions().get::<OnUpgrade>().is_none() {
        return Err(HandshakeRefused::NotUpgradable);
    }
    let accepted = websocket::accept(request, SUBPROTOCOL);
    let (response, upgrading) = accepted.ok_or(HandshakeRefused::Malformed)?;
    Ok((response.map(|_| ()), Upgrade(upgrading)))
}

/// Whether a request is one that becomes our WebSocket, but for its key.
pub(crate) fn check<B>(request: &Request<B>) -> Result<(), HandshakeRefused> {
    if !asks_for_websocket(request) {
        return Err(HandshakeRefused::NotAsked);
    }
    if !offers_subprotocol(request) {
        return Err(HandshakeRefused::Subprotocol);
    }
    if announces_body(request.headers()) {
        return Err(HandshakeRefused::Body);
    }
    Ok(())
}

/// RFC 6455, 4.1: a GET of HTTP/1.1 that says so.
pub(crate) fn asks_for_websocket<B>(request: &Request<B>) -> bool {
    request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && websocket::is_upgrade(request)
}

fn announces_body(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    headers.contains_key(header::TRANSFER_ENCODING) || lengths.any(|length| length != "0")
}

impl Service {
    /// Serves one client of somebody else's server to its end, in this tenant, as this user.
    ///
    /// The identity's user, scopes and expiry are believed. Its device is not used: the client's hello
    /// names it, as one login may have many tabs and apps. Beside that the hello decides nothing: one
    /// that names another tenant is told that there is none, one that comes as a guest of another name
    /// is refused (somebody logged in as somebody else meanwhile), and a token is not looked at.
    ///
    /// Until that hello comes, which may take as long as [`Terms::hello_within`](crate::Terms), the tenant
    /// does not know this connection, so [`Tenant::revoke`] does not find it. Where logins end before
    /// their time use [`serve_login`](Self::serve_login).
    pub fn serve_connection(
        self: Arc<Self>,
        io: impl Into<WebSocketIo>,
        tenant: Tenant,
        identity: Identity,
    ) -> impl Future<Output = ()> + Send {
        self.serve_login(io, tenant, identity, || true)
    }

    /// Like [`serve_connection`](Self::serve_connection), for a login that may end: `holds` says whether
    /// it has not, and is asked once, right after the tenant has let it in. Whoever ends a login makes
    /// `holds` false first and calls [`Tenant::revoke`] then: every connection meets one of the two.
    pub fn serve_login(
        self: Arc<Self>,
        io: impl Into<WebSocketIo>,
        tenant: Tenant,
        identity: Identity,
        holds: impl Fn() -> bool + Send + Sync + 'static,
    ) -> impl Future<Output = ()> + Send {
        let WebSocketIo { wire, early } = io.into();
        if let Wire::Tcp(stream) = &wire {
            // Small writes must not wait for each other. It fails only on a socket that is gone.
            let _ = stream.set_nodelay(true);
        }
        let client = Client::new(self, wire).proven(Proven {
            tenant,
            identity,
            holds: Arc::new(holds),
        });
        converse(Box::new(client.having_said(early.into())))
    }
}

/// Who somebody is and where they belong, as somebody else's server says.
pub(crate) struct Proven {
    tenant: Tenant,
    identity: Identity,
    holds: Holds,
}

/// Whether a login has not ended.
pub(crate) type Holds = Arc<dyn Fn() -> bool + Send + Sync>;

impl fmt::Debug for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proven")
            .field("tenant", &self.tenant)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl Proven {
    /// To be asked once it is let in.
    pub(crate) fn holds(&self) -> Holds {
        Arc::clone(&self.holds)
    }

    /// Lets a client in who said hello.
    pub(crate) async fn admit(
        self,
        service: &Service,
        hello: &Hello,
        sink: Arc<dyn SocketSink>,
    ) -> Result<Connection, Bye> {
        Service::check_version(hello)?;
        let Self {
            tenant, identity, ..
        } = self;
        if hello.tenant != *tenant.name() {
            return Err(Bye::new(CloseCode::TenantNotFound));
        }
        match &hello.auth {
            Auth::Guest { name } if *name != identity.user => {
                return Err(Bye::new(CloseCode::Unauthenticated).because(NotTheLogin));
            }
            Auth::Guest { .. } | Auth::Token(_) => {}
        }
        let identity = Identity {
            device: hello.device.clone(),
            ..identity
        };
        let attached = tenant.attach(identity, sink).await;
        attached.map_err(|error| service.closed_tenant(hello, &error))
    }
}

struct NotTheLogin;

impl fmt::Display for NotTheLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name is not that of the login")
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use homeroom_engine::Engine;
    use http_body_util::Empty;
    use hyper::{body::Incoming, server::conn::http1, service::service_fn};
    use hyper_util::rt::TokioIo;
    use tokio::{io::AsyncWriteExt, sync::mpsc};

    use super::*;
    use crate::{Terms, tls::papers, wire::pairs::sockets};

    const ASKING: &[u8] = b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: homeroom.v1.msgpack\r\n\r\nearly";

    /// Somebody else's answer to the handshake; what comes of it goes to `to`.
    fn accept(
        mut request: Request<Incoming>,
        to: &mpsc::Sender<WebSocketIo>,
    ) -> Result<Response<Empty<Bytes>>, Infallible> {
        let (response, upgrading) = upgrade(&mut request).unwrap();
        let to = to.clone();
        tokio::spawn(async move { to.send(upgrading.finish().await.unwrap()).await });
        Ok(response.map(|()| Empty::new()))
    }

    #[tokio::test]
    async fn the_socket_below_hyper_is_found() {
        let (to, mut upgraded) = mpsc::channel(1);
        let (near, mut far) = sockets(false).await;
        let answering = service_fn(|request| std::future::ready(accept(request, &to)));
        let server = http1::Builder::new()
            .serve_connection(TokioIo::new(near), answering)
            .with_upgrades();
        far.write_all(ASKING).await.unwrap();
        server.await.unwrap();
        let io = upgraded.recv().await.unwrap();
        assert!(matches!(io.wire, Wire::Tcp(_)), "{io:?}");
        assert_eq!(io.early, b"early"[..]);
    }

    #[tokio::test]
    async fn tls_below_hyper_is_found() {
        let (to, mut upgraded) = mpsc::channel(1);
        let (near, far) = sockets(false).await;
        let versions = [&papers::versions::TLS13];
        let (near, mut far) = papers::Papers::new().secure(near, far, &versions).await;
        let answering = service_fn(|request| std::future::ready(accept(request, &to)));
        let server = http1::Builder::new()
            .serve_connection(TokioIo::new(near), answering)
            .with_upgrades();
        far.write_all(ASKING).await.unwrap();
        far.flush().await.unwrap();
        server.await.unwrap();
        let io = upgraded.recv().await.unwrap();
        assert!(matches!(io.wire, Wire::Tls(_)), "{io:?}");
        assert_eq!(io.early, b"early"[..]);
    }

    /// As `axum::serve` does it.
    #[cfg(feature = "auto")]
    #[tokio::test]
    async fn the_socket_below_the_auto_server_is_found() {
        use hyper_util::{rt::TokioExecutor, server::conn::auto};
        let (to, mut upgraded) = mpsc::channel(1);
        let (near, mut far) = sockets(false).await;
        let answering = service_fn(move |request| std::future::ready(accept(request, &to)));
        let builder = auto::Builder::new(TokioExecutor::new());
        let server = builder.serve_connection_with_upgrades(TokioIo::new(near), answering);
        far.write_all(ASKING).await.unwrap();
        server.await.unwrap();
        let io = upgraded.recv().await.unwrap();
        assert!(matches!(io.wire, Wire::Tcp(_)), "{io:?}");
        assert_eq!(io.early, b"early"[..]);
    }

    /// As `an_idle_connection_is_small` has it for our own listener.
    #[tokio::test]
    async fn an_idle_connection_of_others_is_small_too() {
        let engine = Engine::in_memory().await.unwrap();
        let tenant = engine.tenant(&"north".parse().unwrap()).await.unwrap();
        let service = Service::new(engine, Terms::default());
        let ana = Identity::user("ana").unwrap();
        let (near, _far) = sockets(false).await;
        let bytes = size_of_val(&service.serve_connection(near, tenant, ana));
        assert!(bytes <= 640, "{bytes} bytes");
    }
}
