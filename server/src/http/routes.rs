//! Which path is answered by whom, and on which door. `/v1/connect` is not here: it takes the
//! connection with it.
//!
//! A path that is served on the other door only does not exist here. Bodies of requests are read by
//! the API alone; whoever sends one elsewhere is answered unread.

use std::net::SocketAddr;

use hyper::{Method, Request, Response, body::Incoming};

use super::{Body, Door, health, metrics, reply};
use crate::service::Service;

/// Answers one request. The answer to HEAD is GET's: its body is left out on the way.
pub(crate) async fn answer(
    service: &Service,
    door: Door,
    peer: Option<SocketAddr>,
    request: Request<Incoming>,
) -> Response<Body> {
    let _ = peer;
    match request.uri().path() {
        "/health/live" => only_read(&request, health::live),
        "/metrics" if door != Door::Clients => match *request.method() {
            Method::GET | Method::HEAD => metrics::answer(service).await,
            _ => reply::wrong_method("GET, HEAD"),
        },
        _ => reply::not_found(),
    }
}

/// For what only can be read.
fn only_read(
    request: &Request<Incoming>,
    answer: impl FnOnce() -> Response<Body>,
) -> Response<Body> {
    match *request.method() {
        Method::GET | Method::HEAD => answer(),
        _ => reply::wrong_method("GET, HEAD"),
    }
}
