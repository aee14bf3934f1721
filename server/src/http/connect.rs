//! `GET /v1/connect`: the one request that becomes a WebSocket.

use hyper::{Request, Response, StatusCode, header};

use super::{
    Body, Visit,
    origin::{self, OriginSettings},
    reply,
};
use crate::{
    embedding,
    websocket::{self, Upgrading},
};

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
    // What asks for no WebSocket is told how to, wherever it comes from.
    if embedding::asks_for_websocket(request)
        && let Err(text) = origin::check(
            request.headers(),
            &origins.allowed,
            visit.secure,
            visit.peer,
        )
    {
        return (reply::text(StatusCode::FORBIDDEN, text), None);
    }
    match embedding::upgrade(request) {
        Ok((response, upgrade)) => (response.map(|()| Body::default()), Some(upgrade.into())),
        Err(refused) => (refused.response(), None),
    }
}

/// The answer to whoever may have what they ask for, and nothing for everybody else: whoever asks then has the
/// stream itself.
pub(super) fn agree<B>(
    request: &mut Request<B>,
    origins: &OriginSettings,
    visit: Visit,
) -> Option<Response<()>> {
    let headers = request.headers();
    origin::check(headers, &origins.allowed, visit.secure, visit.peer).ok()?;
    embedding::check(request).ok()?;
    let (response, _) = websocket::accept(request, SUBPROTOCOL)?;
    Some(response.map(|_| ()))
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
