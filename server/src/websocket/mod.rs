//! The transport: RFC 6455 as this host speaks it, and the only file that names fastwebsockets.
//!
//! fastwebsockets does the opening handshake and the unmasking. Its `WebSocket` is not used after
//! that: it holds a private read buffer per connection that grows with the largest frame and is never
//! freed, reserves space on a claimed length, takes unmasked frames, loses data when a read is
//! cancelled half-way, and writes frame by frame. [`Reader`] holds nothing while a connection is idle
//! and does no I/O, so that one scratch buffer serves a whole thread; writing is the hub's.

mod reader;
mod text;
mod violation;

use http_body_util::Empty;
use hyper::{Request, Response, body::Bytes, header, header::HeaderValue, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

pub use reader::{Bounds, Item, Reader};
pub use violation::Violation;

/// A handshake that was answered and is being carried out.
#[derive(Debug)]
pub(crate) struct Upgrading(fastwebsockets::upgrade::UpgradeFut);

/// Whether a request asks for a WebSocket.
pub(crate) fn is_upgrade<B>(request: &Request<B>) -> bool {
    fastwebsockets::upgrade::is_upgrade_request(request)
}

/// Answers a WebSocket request, agreeing on `subprotocol`; `None` when its key or version is missing.
pub(crate) fn accept<B>(
    request: &mut Request<B>,
    subprotocol: &'static str,
) -> Option<(Response<Empty<Bytes>>, Upgrading)> {
    let (mut response, upgrading) = accept_any(request)?;
    response.headers_mut().insert(
        header::SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static(subprotocol),
    );
    Some((response, upgrading))
}

/// The same without a subprotocol.
pub(crate) fn accept_any<B>(
    request: &mut Request<B>,
) -> Option<(Response<Empty<Bytes>>, Upgrading)> {
    let (response, upgrading) = fastwebsockets::upgrade::upgrade(request).ok()?;
    Some((response, Upgrading(upgrading)))
}

impl Upgrading {
    /// Whatever the HTTP server had below, which has let go of it; `None` when the client went away
    /// first.
    pub(crate) async fn upgraded(self) -> Option<Upgraded> {
        Some(self.0.await.ok()?.into_inner().into_inner())
    }

    /// The stream that was served, of the type it was served as, and what the client sent behind its
    /// request; `None` when it went away first.
    pub(crate) async fn finish<S>(self) -> Option<(S, Bytes)>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let parts = self.upgraded().await?.downcast::<TokioIo<S>>().ok()?;
        Some((parts.io.into_inner(), parts.read_buf))
    }
}

/// Unmasks a piece of a payload that begins `offset` bytes into it.
fn unmask(piece: &mut [u8], mut mask: [u8; 4], offset: usize) {
    mask.rotate_left(offset % 4);
    fastwebsockets::unmask(piece, mask);
}
