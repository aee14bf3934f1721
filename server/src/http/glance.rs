//! The one request that nearly everybody begins with, answered without a server around it.
//!
//! Whoever connects sends some three hundred bytes at once and takes the connection with it. An HTTP server
//! brings a buffer, a dispatcher and timers for a whole conversation: more work than all the rest of letting
//! somebody in, thrown away a moment later. So the first bytes get a glance: where they are the whole head of a
//! proper WebSocket request, the very checks of [`connect`] are made on them and the answer is written at once.
//!
//! Whatever is not that, or is to be refused, is no business of this file: hyper gets all that was read, and
//! judges it as if nobody had looked. So there is one judge of everything odd, and what is agreed to here it
//! would agree to as well.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::{
    HeaderMap, Request, Response, StatusCode, Uri,
    header::{HeaderName, HeaderValue},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::timeout_at,
};

use super::{HEADERS_MAX, PATH, Visit, connect, names_its_host};
use crate::{scratch::Scratch, service::Service};

/// What came of a glance.
#[derive(Debug)]
pub(super) enum Glance {
    /// It is a WebSocket now; what was read behind its request.
    Agreed(Vec<u8>),
    /// Something else, of which this was read; perhaps nothing yet.
    Other(Bytes),
    /// The client is gone, or did not take the answer.
    Gone,
}

/// What the first bytes are.
enum First {
    /// A proper request: what to answer, and what came behind it.
    Proper {
        answer: Vec<u8>,
        early: Vec<u8>,
    },
    Other(Bytes),
    Nothing,
}

/// Waits for the first bytes until their time is over or the host leaves, and answers them if they are what
/// they usually are.
pub(super) async fn glance<S>(service: &Service, stream: &mut S, visit: Visit) -> Glance
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if !visit.door.is_for_clients() {
        return Glance::Other(Bytes::new());
    }
    let first = poll_fn(|context| poll_first(service, stream, visit, context));
    let first = tokio::select! {
        biased;
        first = timeout_at(visit.first_head_by, first) => first,
        // Whoever was promised nothing yet is turned to where that is said.
        () = service.left() => return Glance::Other(Bytes::new()),
    };
    match first {
        Ok(First::Proper { answer, early }) => {
            // A socket that never held a byte has room for it at once.
            let written = timeout_at(visit.first_head_by, async {
                stream.write_all(&answer).await?;
                stream.flush().await
            });
            match written.await {
                Ok(Ok(())) => {
                    service
                        .figures()
                        .answered(PATH, StatusCode::SWITCHING_PROTOCOLS);
                    Glance::Agreed(early)
                }
                Ok(Err(_)) | Err(_) => Glance::Gone,
            }
        }
        Ok(First::Other(read)) => Glance::Other(read),
        Ok(First::Nothing) | Err(_) => Glance::Gone,
    }
}

/// Looks at what one read brings. The buffer is borrowed only while there is something in it: thousands may
/// wait at the door.
fn poll_first<S: AsyncRead + Unpin>(
    service: &Service,
    stream: &mut S,
    visit: Visit,
    context: &mut Context<'_>,
) -> Poll<First> {
    let mut scratch = Scratch::take();
    let mut buffer = ReadBuf::new(&mut scratch);
    if ready!(Pin::new(stream).poll_read(context, &mut buffer)).is_err() {
        return Poll::Ready(First::Nothing);
    }
    let read = buffer.filled();
    Poll::Ready(if read.is_empty() {
        First::Nothing
    } else if let Some((answer, length)) = agree(service, visit, read) {
        let early = read[length..].to_vec();
        First::Proper { answer, early }
    } else {
        First::Other(Bytes::copy_from_slice(read))
    })
}

/// The answer to a proper WebSocket request that is there whole, and how long the request is.
fn agree(service: &Service, visit: Visit, read: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut request, length) = parse(read)?;
    if !names_its_host(&request) {
        return None;
    }
    let response = connect::agree(&mut request, &service.terms().origins, visit)?;
    Some((head_of(&response), length))
}

/// A request for the path of clients, if that is what was read, up to its empty line at least.
fn parse(read: &[u8]) -> Option<(Request<()>, usize)> {
    // Before anything is copied.
    let path = read.strip_prefix(b"GET ")?.strip_prefix(PATH.as_bytes())?;
    path.strip_prefix(b" HTTP/1.1\r\n")?;
    // One copy, of which every value is a slice.
    let block = Bytes::copy_from_slice(read);
    let mut fields = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(length) = head.parse(&block).ok()? else {
        return None;
    };
    let mut headers = HeaderMap::with_capacity(head.headers.len());
    for field in head.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        let value = HeaderValue::from_maybe_shared(block.slice_ref(field.value)).ok()?;
        headers.append(name, value);
    }
    let mut request = Request::new(());
    *request.uri_mut() = Uri::from_static(PATH);
    *request.headers_mut() = headers;
    Some((request, length))
}

/// As it is written (RFC 9112, 2.1).
fn head_of<B>(response: &Response<B>) -> Vec<u8> {
    let mut head = Vec::with_capacity(256);
    head.extend_from_slice(b"HTTP/1.1 ");
    head.extend_from_slice(response.status().as_str().as_bytes());
    head.push(b' ');
    let reason = response.status().canonical_reason().unwrap_or_default();
    head.extend_from_slice(reason.as_bytes());
    head.extend_from_slice(b"\r\n");
    for (name, value) in response.headers() {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use homeroom_engine::Engine;
    use tokio::{
        io::{AsyncReadExt, duplex},
        time::{Duration, Instant},
    };

    use super::*;
    use crate::{Terms, http::Door};

    const PROPER: &str = "GET /v1/connect HTTP/1.1\r\nHost: north.example\r\nConnection: keep-alive, Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: homeroom.v1.msgpack\r\n\r\n";

    async fn service() -> Arc<Service> {
        Service::new(Engine::in_memory().await.unwrap(), Terms::default())
    }

    fn visit() -> Visit {
        Visit {
            door: Door::Both,
            peer: None,
            secure: false,
            keep_alive: true,
            first_head_by: Instant::now() + Duration::from_secs(10),
        }
    }

    #[tokio::test]
    async fn a_proper_request_is_answered_at_once_and_what_follows_it_is_kept() {
        let (mut near, mut far) = duplex(4096);
        let asked = format!("{PROPER}early");
        far.write_all(asked.as_bytes()).await.unwrap();
        let glance = glance(&*service().await, &mut near, visit()).await;
        assert!(
            matches!(&glance, Glance::Agreed(early) if early == b"early"),
            "{glance:?}"
        );
        drop(near);
        let mut answer = String::new();
        far.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
        // RFC 6455, 1.3, has both: the key and what is to be made of it.
        for field in [
            "connection: upgrade",
            "upgrade: websocket",
            "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            "sec-websocket-protocol: homeroom.v1.msgpack",
        ] {
            let line = format!("\r\n{field}\r\n");
            assert!(answer.contains(&line), "{field} in {answer}");
        }
        assert!(answer.ends_with("\r\n\r\n"));
    }

    #[tokio::test]
    async fn what_came_in_part_is_left_to_hyper_whole() {
        let service = service().await;
        for length in 1..PROPER.len() {
            let (mut near, mut far) = duplex(4096);
            far.write_all(&PROPER.as_bytes()[..length]).await.unwrap();
            let glance = glance(&service, &mut near, visit()).await;
            let expected = &PROPER.as_bytes()[..length];
            assert!(
                matches!(&glance, Glance::Other(read) if read == expected),
                "{length}: {glance:?}"
            );
        }
    }

    #[tokio::test]
    async fn whatever_is_odd_is_not_agreed_to() {
        let service = service().await;
        let agreed = |asked: &str| agree(&service, visit(), asked.as_bytes()).is_some();
        assert!(agreed(PROPER));
        let many = "x: y\r\n".repeat(HEADERS_MAX);
        for (from, to) in [
            ("GET", "POST"),
            ("/v1/connect", "/v1/connect?a=b"),
            ("/v1/connect", "/v1/connected"),
            ("HTTP/1.1", "HTTP/1.0"),
            ("Host: north.example\r\n", ""),
            ("Host: north.example\r\n", "Host: a\r\nHost: b\r\n"),
            ("Upgrade: websocket", "Upgrade: h2c"),
            ("Connection: keep-alive, Upgrade", "Connection: keep-alive"),
            ("Version: 13", "Version: 8"),
            ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
            ("homeroom.v1.msgpack", "homeroom.v1.json"),
            ("\r\n\r\n", "\r\nContent-Length: 1\r\n\r\n"),
            ("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n"),
            ("\r\n\r\n", "\r\nOrigin: https://evil.example\r\n\r\n"),
            ("Host:", "Ho st:"),
            ("\r\n\r\n", "\r\n folded\r\n\r\n"),
            ("Host:", &format!("{many}Host:")),
        ] {
            let asked = PROPER.replacen(from, to, 1);
            assert_ne!(asked, PROPER);
            assert!(!agreed(&asked), "{asked}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_waited_for_no_longer_than_for_a_head() {
        let (mut near, _far) = duplex(64);
        let glance = glance(&*service().await, &mut near, visit()).await;
        assert!(matches!(glance, Glance::Gone), "{glance:?}");
    }
}
