//! What the fuzz targets reach and nobody else needs: how HTTP is spoken with a stranger, on any stream and
//! by either of its two ways. Only with the feature `fuzz`, and without any promise.

use std::net::SocketAddr;

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use crate::{
    http::{self, Door, Visit},
    service::Service,
};

/// Speaks HTTP on the host's only door until the stream is a WebSocket: the stream, and what was read of
/// it behind the request. `None` when it did not come to that, the answers already given.
pub async fn speak<S>(
    service: &Service,
    stream: S,
    peer: Option<SocketAddr>,
    secure: bool,
) -> Option<(S, Vec<u8>)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    http::speak(service, stream, visit(service, peer, secure)).await
}

/// The same without the first glance, which must make no difference.
pub async fn speak_by_hyper<S>(
    service: &Service,
    stream: S,
    peer: Option<SocketAddr>,
    secure: bool,
) -> Option<(S, Vec<u8>)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    http::converse(service, stream, Bytes::new(), visit(service, peer, secure)).await
}

fn visit(service: &Service, peer: Option<SocketAddr>, secure: bool) -> Visit {
    Visit {
        door: Door::Both,
        peer,
        secure,
        keep_alive: true,
        first_head_by: Instant::now() + service.terms().handshake_within,
    }
}
