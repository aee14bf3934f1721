//! `GET /v1/connect`: the one request that becomes a WebSocket.

use hyper::{
    Method, Request, Response, StatusCode,
    header::{self, HeaderValue},
};

use super::{
    Body, Visit,
    origin::{self, OriginSettings},
    reply,
};
use crate::websocket::{self, Upgrading};

/// Where clients connect.
pub const PATH: &str = "/v1/connect";
/// What they speak there, as the WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "homeroom.v1.msgpack";

/// Agrees, or says what is missing.
pub(super) fn answer<B>(
    request: &mut Request<B>,
    origins: &OriginSettings,
    visit: Visit,
) -> (Response<Body>, Option<Upgrading>) {
    if request.method() != Method::GET || !websocket::is_upgrade(request) {
        let text = "this address speaks WebSocket (RFC 6455) only\n";
        let mut refusal = reply::text(StatusCode::UPGRADE_REQUIRED, text);
        let websocket = HeaderValue::from_static("websocket");
        refusal.headers_mut().insert(header::UPGRADE, websocket);
        return (refusal, None);
    }
    let allowed = &origins.allowed;
    if let Err(text) = origin::check(request.headers(), allowed, visit.secure, visit.peer) {
        return (reply::text(StatusCode::FORBIDDEN, text), None);
    }
    if !offers_subprotocol(request) {
        let text = "offer the WebSocket subprotocol homeroom.v1.msgpack\n";
        return (reply::text(StatusCode::BAD_REQUEST, text), None);
    }
    let Some((response, accepted)) = websocket::accept(request, SUBPROTOCOL) else {
        let text = "Sec-WebSocket-Key is missing or Sec-WebSocket-Version is not 13\n";
        return (reply::text(StatusCode::BAD_REQUEST, text), None);
    };
    (response.map(|_| Body::default()), Some(accepted))
}

/// Whether the client speaks what is spoken there.
pub(crate) fn offers_subprotocol<B>(request: &Request<B>) -> bool {
    request
        .headers()
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|offers| offers.to_str().ok())
        .flat_map(|offers| offers.split(','))
        .any(|offer| offer.trim() == SUBPROTOCOL)
}
