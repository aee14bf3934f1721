//! From a URL to a socket that speaks WebSocket: TCP, then the HTTP upgrade of RFC 6455 §4.1.

use bytes::Bytes;
use fastwebsockets::{handshake::generate_key, upgrade::upgrade};
use http_body_util::Empty;
use hyper::{
    HeaderMap, Request, Response, StatusCode, Uri,
    header::{
        CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT,
        SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING,
        UPGRADE,
    },
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

#[cfg(feature = "tls")]
use super::secure::Trust;

/// What client and server speak inside the WebSocket.
const SUBPROTOCOL: &str = "homeroom.v1.msgpack";
/// Where a host serves it, unless the URL says otherwise.
const PATH: &str = "/v1/connect";
const PORT: u16 = 80;
const PORT_SECURE: u16 = 443;

/// What the opening handshake carries beside what every one does: what a server in front of the host,
/// or around it, asks for.
#[derive(Debug, Clone, Default)]
pub struct Handshake {
    headers: HeaderMap,
    #[cfg(feature = "tls")]
    trust: Option<Trust>,
}

/// A header that cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a header, or its value cannot be sent, or the handshake sets it itself")]
pub struct InvalidHeader {
    /// Its name; the value may be a secret.
    pub name: String,
}

impl Handshake {
    /// Sends a header: a cookie, or a token of a gateway.
    ///
    /// # Errors
    /// [`InvalidHeader`].
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, InvalidHeader> {
        let invalid = || InvalidHeader {
            name: name.to_owned(),
        };
        let header = HeaderName::try_from(name).map_err(|_| invalid())?;
        let own = [HOST, UPGRADE, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING];
        if own.contains(&header) || header.as_str().starts_with("sec-websocket-") {
            return Err(invalid());
        }
        let mut value = HeaderValue::try_from(value).map_err(|_| invalid())?;
        // Such a header is a secret more often than not.
        value.set_sensitive(true);
        self.headers.append(header, value);
        Ok(self)
    }

    /// Trusts servers with a certificate of these authorities, given as PEM; for `wss://` addresses. A
    /// system's own are often in one file, `/etc/ssl/certs/ca-certificates.crt` for example.
    ///
    /// # Errors
    /// [`InvalidRoots`](crate::InvalidRoots).
    #[cfg(feature = "tls")]
    pub fn trusting(self, pem: &[u8]) -> Result<Self, crate::InvalidRoots> {
        let trust = Some(Trust::in_roots(pem)?);
        Ok(Self { trust, ..self })
    }
}

/// Where to connect to.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    handshake: Handshake,
    secure: bool,
    host: String,
    port: u16,
    /// As the `Host` header has it.
    authority: String,
    path: String,
}

/// Why a URL cannot be connected to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// It is not a URL with a host.
    #[error("{url:?} is not a URL like ws://127.0.0.1:7400")]
    Malformed {
        /// What was given.
        url: String,
    },
    /// It is none that is spoken here: `wss` needs the feature `tls`.
    #[error("{scheme:?} is not supported, use ws://")]
    Scheme {
        /// What was given.
        scheme: String,
    },
    /// It is `wss`, and no authority is trusted: see [`Handshake`].
    #[error("wss:// needs to know which certificate authorities to trust")]
    NobodyTrusted,
}

/// Why there is no WebSocket. Its text reaches the app in [`Lost::Socket`](crate::Lost::Socket).
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("cannot connect: {0}")]
    Connect(#[from] std::io::Error),
    #[error("the upgrade failed: {0}")]
    Http(#[from] hyper::Error),
    #[error("the request cannot be made: {0}")]
    Request(#[from] hyper::http::Error),
    #[error("the server answered {0} instead of upgrading")]
    Status(StatusCode),
    #[error("the server's {name} header is missing or wrong")]
    Header { name: HeaderName },
    #[error("the server's accept digest cannot be checked: {0}")]
    Digest(#[from] fastwebsockets::WebSocketError),
}

impl HandshakeError {
    /// Whether the same address may do better later: not when what answers there is something else.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Status(status) => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::Connect(_) | Self::Http(_) => true,
            Self::Request(_) | Self::Header { .. } | Self::Digest(_) => false,
        }
    }
}

/// A socket after the upgrade, and what came on it together with the server's answer.
pub(crate) struct Upgraded {
    pub(crate) read: Box<dyn AsyncRead + Send + Unpin>,
    pub(crate) write: Box<dyn AsyncWrite + Send + Unpin>,
    pub(crate) leftover: Bytes,
}

impl Upgraded {
    fn new(
        read: impl AsyncRead + Send + Unpin + 'static,
        write: impl AsyncWrite + Send + Unpin + 'static,
        leftover: Bytes,
    ) -> Self {
        Self {
            read: Box::new(read),
            write: Box::new(write),
            leftover,
        }
    }
}

impl Target {
    pub(crate) fn parse(url: &str) -> Result<Self, InvalidUrl> {
        let malformed = || InvalidUrl::Malformed { url: url.into() };
        let uri: Uri = url.parse().map_err(|_| malformed())?;
        let (secure, port) = match uri.scheme_str() {
            Some("ws") => (false, PORT),
            Some("wss") if cfg!(feature = "tls") => (true, PORT_SECURE),
            Some(other) => {
                let scheme = other.to_owned();
                return Err(InvalidUrl::Scheme { scheme });
            }
            None => return Err(malformed()),
        };
        let authority = uri.authority().ok_or_else(malformed)?;
        let path = match uri.path_and_query().map(ToString::to_string) {
            Some(path) if path != "/" => path,
            _ => PATH.to_owned(),
        };
        let host = authority.host();
        Ok(Self {
            handshake: Handshake::default(),
            secure,
            // An IPv6 address has brackets in a URL and none where it is looked up.
            host: host.trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(port),
            authority: authority.to_string(),
            path,
        })
    }

    /// Carries this, too.
    pub(crate) fn with(self, handshake: Handshake) -> Result<Self, InvalidUrl> {
        #[cfg(feature = "tls")]
        if self.secure && handshake.trust.is_none() {
            return Err(InvalidUrl::NobodyTrusted);
        }
        Ok(Self { handshake, ..self })
    }

    /// Connects and upgrades. May be dropped at any point.
    pub(crate) async fn connect(&self) -> Result<Upgraded, HandshakeError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        // Requests are written whole: waiting for more to fill a packet only delays them.
        stream.set_nodelay(true)?;
        #[cfg(feature = "tls")]
        if let Some(trust) = self.handshake.trust.as_ref().filter(|_| self.secure) {
            let stream = trust.secure(&self.host, stream).await?;
            let (stream, leftover) = self.upgrade(stream).await?;
            let (read, write) = tokio::io::split(stream);
            return Ok(Upgraded::new(read, write, leftover));
        }
        // What is to be secret is not said in the open.
        debug_assert!(!self.secure, "checked when it was told what to trust");
        let (stream, leftover) = self.upgrade(stream).await?;
        let (read, write) = stream.into_split();
        Ok(Upgraded::new(read, write, leftover))
    }

    /// The HTTP exchange.
    async fn upgrade<S>(&self, stream: S) -> Result<(S, Bytes), HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let key = generate_key();
        let request = self.request(&key)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let mut answer = std::pin::pin!(sender.send_request(request));
        let mut connection = std::pin::pin!(connection.without_shutdown());
        let response = tokio::select! {
            response = &mut answer => response?,
            parts = &mut connection => {
                // The server's last bytes were read: its answer is there, or never comes.
                let parts = parts?;
                check(&answer.await?, &key)?;
                return Ok((parts.io.into_inner(), parts.read_buf));
            }
        };
        check(&response, &key)?;
        let parts = connection.await?;
        Ok((parts.io.into_inner(), parts.read_buf))
    }

    fn request(&self, key: &str) -> Result<Request<Empty<Bytes>>, hyper::http::Error> {
        let mut request = Request::get(&self.path)
            .header(HOST, &self.authority)
            .header(UPGRADE, "websocket")
            .header(CONNECTION, "Upgrade")
            .header(SEC_WEBSOCKET_KEY, key)
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL)
            .body(Empty::new())?;
        let more = self.handshake.headers.clone();
        request.headers_mut().extend(more);
        Ok(request)
    }
}

/// Checks the answer as RFC 6455 §4.1 demands, and that the server speaks the protocol.
fn check<B>(response: &Response<B>, key: &str) -> Result<(), HandshakeError> {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(HandshakeError::Status(response.status()));
    }
    let header = |name: &HeaderName| {
        let value = response.headers().get(name).map(|value| value.to_str());
        value.and_then(Result::ok).unwrap_or_default()
    };
    let expect = |name: HeaderName, matches: bool| {
        if matches {
            return Ok(());
        }
        Err(HandshakeError::Header { name })
    };
    let upgrades = header(&UPGRADE).eq_ignore_ascii_case("websocket");
    expect(UPGRADE, upgrades)?;
    let mut connection = header(&CONNECTION).split(',').map(str::trim);
    let connection = connection.any(|token| token.eq_ignore_ascii_case("upgrade"));
    expect(CONNECTION, connection)?;
    expect(
        SEC_WEBSOCKET_PROTOCOL,
        header(&SEC_WEBSOCKET_PROTOCOL) == SUBPROTOCOL,
    )?;
    let accepted = header(&SEC_WEBSOCKET_ACCEPT) == accept_for(key)?;
    expect(SEC_WEBSOCKET_ACCEPT, accepted)
}

/// The digest a server must answer with. The library computes it for servers only: so it is asked what
/// it would answer.
fn accept_for(key: &str) -> Result<String, HandshakeError> {
    let asked = Request::get("/")
        .header(SEC_WEBSOCKET_KEY, key)
        .header(SEC_WEBSOCKET_VERSION, "13")
        .body(())?;
    let (answer, _) = upgrade(asked)?;
    let digest = answer.headers().get(SEC_WEBSOCKET_ACCEPT);
    let digest = digest.and_then(|value| value.to_str().ok());
    Ok(digest.unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_host_port_and_path_or_gets_the_usual_ones() {
        let target = Target::parse("ws://127.0.0.1:7400").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("127.0.0.1", 7400));
        assert_eq!(target.path, "/v1/connect");
        assert_eq!(target.authority, "127.0.0.1:7400");
        let target = Target::parse("ws://[::1]/live?x=1").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("::1", 80));
        assert_eq!(target.path, "/live?x=1");
    }

    #[test]
    #[cfg(feature = "tls")]
    fn a_secret_address_wants_somebody_to_be_trusted() {
        let target = Target::parse("wss://example.org").unwrap();
        assert_eq!((target.secure, target.port), (true, 443));
        let error = target.with(Handshake::default()).unwrap_err();
        assert_eq!(error, InvalidUrl::NobodyTrusted);
        let nobody = Handshake::default()
            .trusting(b"no certificate")
            .unwrap_err();
        assert_eq!(nobody, crate::InvalidRoots::None);
    }

    #[test]
    fn a_handshake_carries_what_it_is_told_to_and_guards_its_own() {
        let handshake = Handshake::default()
            .with_header("Cookie", "session=1")
            .unwrap();
        let target = Target::parse("ws://127.0.0.1:7400")
            .unwrap()
            .with(handshake);
        let request = target.unwrap().request("key").unwrap();
        assert_eq!(request.headers()["cookie"], "session=1");
        assert_eq!(request.headers()[HOST], "127.0.0.1:7400");
        let refused = [
            ("Host", "x"),
            ("Sec-WebSocket-Key", "x"),
            ("a b", "x"),
            ("a", "b\nc"),
        ];
        for (name, value) in refused {
            let error = Handshake::default().with_header(name, value).unwrap_err();
            assert_eq!(error.name, name);
        }
    }

    #[test]
    fn other_urls_are_refused_with_the_reason() {
        let scheme = "http".to_owned();
        assert_eq!(
            Target::parse("http://example.org").unwrap_err(),
            InvalidUrl::Scheme { scheme }
        );
        for url in ["", "localhost", "/v1/connect", "ws://", "ws:// x"] {
            let url = url.to_owned();
            let error = Target::parse(&url).unwrap_err();
            assert_eq!(error, InvalidUrl::Malformed { url });
        }
    }

    #[test]
    fn the_accept_digest_is_that_of_the_example_in_rfc_6455() {
        let digest = accept_for("dGhlIHNhbXBsZSBub25jZQ==").unwrap();
        assert_eq!(digest, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn only_a_server_that_is_busy_or_away_is_tried_again() {
        for (status, passing) in [(200, false), (404, false), (429, true), (503, true)] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(HandshakeError::Status(status).is_passing(), passing);
        }
    }

    #[test]
    fn an_answer_that_lacks_any_part_of_the_upgrade_is_refused() {
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        let full = [
            (UPGRADE, "WebSocket"),
            (CONNECTION, "keep-alive, Upgrade"),
            (SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL),
            (SEC_WEBSOCKET_ACCEPT, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ];
        let answer = |headers: &[(HeaderName, &str)]| {
            let response = Response::builder().status(101);
            let response = headers.iter().fold(response, |response, (name, value)| {
                response.header(name, *value)
            });
            response.body(()).unwrap()
        };
        check(&answer(&full), key).unwrap();
        for missing in 0..full.len() {
            let mut headers = full.to_vec();
            let (name, _) = headers.remove(missing);
            let error = check(&answer(&headers), key).unwrap_err();
            assert!(matches!(error, HandshakeError::Header { name: found } if found == name));
        }
    }
}
