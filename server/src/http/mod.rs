//! HTTP/1.1, as little of it as there must be: the WebSocket handshake and a sign of life.
//!
//! One request per TCP connection. Whoever asks for `GET /v1/connect` properly leaves here with the
//! raw TCP stream and the bytes that were read behind the request; hyper and its buffers stay behind.
//! Everyone else is answered and gone.

use std::{convert::Infallible, sync::Mutex, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::websocket::{self, Upgrading};

/// Where clients connect.
pub const PATH: &str = "/v1/connect";
/// What they speak there, as the WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "homeroom.v1.msgpack";
/// Largest request, headers and all, in bytes; one above it is answered with 431.
pub const REQUEST_BYTES_MAX: usize = 16 * 1024;
/// Most headers of a request; one with more is answered with 431.
pub const HEADERS_MAX: usize = 64;

/// Speaks HTTP until the socket is a WebSocket: the stream and what was read too far. `None` when it
/// did not come to that, the answer already given.
pub(crate) async fn handshake(stream: TcpStream, time_max: Duration) -> Option<(TcpStream, Bytes)> {
    let upgrading = Mutex::new(None);
    let service = service_fn(|mut request| {
        let response = answer(&mut request, &upgrading);
        async move { Ok::<_, Infallible>(response) }
    });
    let mut http = http1::Builder::new();
    http.header_read_timeout(None)
        .max_buf_size(REQUEST_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    let connection = http
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // One limit over all of it: a slow reader of the answer is no better than a slow writer of headers.
    tokio::time::timeout(time_max, connection)
        .await
        .ok()?
        .ok()?;
    let upgrading = upgrading
        .into_inner()
        .expect("nothing panics while holding it")?;
    upgrading.finish().await
}

fn answer(
    request: &mut Request<Incoming>,
    upgrading: &Mutex<Option<Upgrading>>,
) -> Response<Full<Bytes>> {
    let known = match request.uri().path() {
        PATH => return connect(request, upgrading),
        "/health/live" => true,
        _ => false,
    };
    match (known, request.method()) {
        (false, _) => respond(StatusCode::NOT_FOUND, "there is nothing here\n"),
        (true, &Method::GET | &Method::HEAD) => respond(StatusCode::OK, "ok"),
        (true, _) => respond(
            StatusCode::METHOD_NOT_ALLOWED,
            "only GET is answered here\n",
        ),
    }
}

fn connect(
    request: &mut Request<Incoming>,
    upgrading: &Mutex<Option<Upgrading>>,
) -> Response<Full<Bytes>> {
    if request.method() != Method::GET || !websocket::is_upgrade(request) {
        let mut response = respond(
            StatusCode::UPGRADE_REQUIRED,
            "this address speaks WebSocket (RFC 6455) only\n",
        );
        response
            .headers_mut()
            .insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        return response;
    }
    if !offers_subprotocol(request) {
        return respond(
            StatusCode::BAD_REQUEST,
            "offer the WebSocket subprotocol homeroom.v1.msgpack\n",
        );
    }
    let Some((response, accepted)) = websocket::accept(request, SUBPROTOCOL) else {
        return respond(
            StatusCode::BAD_REQUEST,
            "Sec-WebSocket-Key is missing or Sec-WebSocket-Version is not 13\n",
        );
    };
    *upgrading.lock().expect("nothing panics while holding it") = Some(accepted);
    response.map(|_| Full::default())
}

fn offers_subprotocol(request: &Request<Incoming>) -> bool {
    request
        .headers()
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|offers| offers.to_str().ok())
        .flat_map(|offers| offers.split(','))
        .any(|offer| offer.trim() == SUBPROTOCOL)
}

/// An answer after which the TCP connection ends.
fn respond(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}
