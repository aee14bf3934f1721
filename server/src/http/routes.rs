//! Which path is answered by whom, and on which door. `/v1/connect` is not here: it takes the
//! connection with it.
//!
//! A path that is served on the other door only does not exist here. Bodies of requests are read by
//! the API alone; whoever sends one elsewhere is answered unread.

use std::net::SocketAddr;

use hyper::{HeaderMap, Method, Request, Response, body::Incoming};

use super::{Body, Door, api, health, metrics, origin, page, reply};
use crate::service::Service;

/// Answers one request. The answer to HEAD is GET's: its body is left out on the way.
pub(crate) async fn answer(
    service: &Service,
    door: Door,
    peer: Option<SocketAddr>,
    request: Request<Incoming>,
) -> Response<Body> {
    let inside = is_inside(door, peer, request.headers());
    match request.uri().path() {
        "/health/live" => only_read(&request, health::live),
        "/health/ready" if door != Door::Clients => {
            only_read(&request, || health::ready(service, inside))
        }
        "/metrics" if inside => match *request.method() {
            Method::GET | Method::HEAD => metrics::answer(service).await,
            _ => reply::wrong_method("GET, HEAD"),
        },
        path if path.starts_with(api::PREFIX) && door.is_for_clients() => {
            // Boxed, so that every handshake need not have room for it.
            Box::pin(api::answer(service, peer, request)).await
        }
        path if door.is_for_clients() => match page::find(path, service.terms().guests) {
            Some(asset) => only_read(&request, || asset.answer(request.headers())),
            None => reply::not_found(),
        },
        _ => reply::not_found(),
    }
}

/// Whether what names tenants may be shown: on the operators' own door always, on the only door to who
/// asks on this machine for itself.
fn is_inside(door: Door, peer: Option<SocketAddr>, headers: &HeaderMap) -> bool {
    match door {
        Door::Operations => true,
        Door::Both => origin::is_local(headers, peer),
        Door::Clients => false,
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
