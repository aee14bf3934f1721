//! The back-end API: JSON over HTTP, so that an app's own back end can take part. `API.md` beside this
//! crate's manifest describes it; a test holds the two together.
//!
//! Whoever calls proves it with a key; browsers have no place here. What is asked goes through
//! [`Backend`](homeroom_engine::Backend) to the same rules as everything clients ask.

mod body;
mod changes;
mod forms;
pub(crate) mod key;
mod keyring;
#[cfg(test)]
mod manual;
mod problem;
mod roles;
mod route;
mod settings;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use homeroom_engine::{Backend, protocol::TenantName};
use hyper::{Request, Response, StatusCode, body::Incoming, header};
use serde_json::Value;
use tokio::time::timeout;

use self::{
    keyring::{Caller, Keyring},
    problem::Problem,
    route::{Call, Route},
};
use super::{Body, reply};
use crate::service::Service;

pub(crate) use self::route::PREFIX;
pub use self::{
    body::BODY_BYTES_MAX,
    key::KeyHash,
    settings::{ApiSettings, ServiceKey},
};

/// The API of one host: its keys and its bounds.
#[derive(Debug)]
pub(crate) struct Api {
    keyring: Keyring,
    call_within: Duration,
    calls_in_flight_max: usize,
}

impl Api {
    pub(crate) fn new(settings: &ApiSettings) -> Self {
        Self {
            keyring: Keyring::new(settings),
            call_within: Duration::from_millis(settings.call_within_ms),
            calls_in_flight_max: settings.calls_in_flight_max.max(1),
        }
    }

    fn admit(
        &self,
        request: &Request<Incoming>,
        peer: Option<SocketAddr>,
    ) -> Result<Arc<Caller>, Problem> {
        if self.keyring.is_empty() {
            return Err(Problem::http(
                StatusCode::NOT_FOUND,
                "this host serves no back ends: it was given no key for them",
            ));
        }
        if request.headers().contains_key(header::ORIGIN) {
            return Err(Problem::http(
                StatusCode::FORBIDDEN,
                "a request with an Origin comes from a page; a key in a page is everybody's, \
                 so only back ends are served here",
            ));
        }
        self.keyring.caller(request.headers(), peer)
    }
}

/// Answers a call.
pub(crate) async fn answer(
    service: &Service,
    peer: Option<SocketAddr>,
    request: Request<Incoming>,
) -> Response<Body> {
    let answered = call(service, peer, request).await;
    answered.unwrap_or_else(Problem::response)
}

async fn call(
    service: &Service,
    peer: Option<SocketAddr>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Problem> {
    let api = service.api();
    let caller = api.admit(&request, peer)?;
    let uri = request.uri();
    let route = Route::parse(request.method(), uri.path(), uri.query())?;
    let calls = match route.call.shuts_out() {
        true => &caller.urgent_calls,
        false => &caller.calls,
    };
    let Ok(_under_way) = calls.try_acquire() else {
        return Err(Problem::too_many_calls(api.calls_in_flight_max));
    };
    let answered = async {
        let backend = enter(service, &caller, &route).await?;
        act(&backend, route.call, request).await
    };
    let answered = timeout(api.call_within, answered).await;
    let (status, form) = answered.map_err(|_| Problem::overtime())??;
    if status == StatusCode::NO_CONTENT {
        let mut response = Response::new(Body::default());
        *response.status_mut() = status;
        return Ok(response);
    }
    Ok(reply::of_type(status, "application/json", form.to_string()))
}

/// The tenant, as far as the key opens it: one that it does not open is answered like one that is not.
async fn enter(service: &Service, caller: &Caller, route: &Route) -> Result<Backend, Problem> {
    let name = TenantName::new(&route.tenant).ok();
    let name = name.filter(|name| caller.opens(name));
    let name = name.ok_or_else(Problem::tenant_not_found)?;
    let tenant = service.engine().find_tenant(&name).await?;
    let tenant = tenant.ok_or_else(Problem::tenant_not_found)?;
    let backend = tenant.backend(caller.service.clone());
    Ok(match &route.acting {
        Some(user) => backend.acting_as(user.clone()),
        None => backend,
    })
}

async fn act(
    backend: &Backend,
    call: Call,
    request: Request<Incoming>,
) -> Result<(StatusCode, Value), Problem> {
    let made_if = |made| {
        if made {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        }
    };
    Ok(match call {
        Call::CreateRoom => {
            let key = body::key(request.headers())?;
            let form: forms::CreateRoom = body::json(request).await?;
            let room = route::room(&form.room)?;
            let (info, members) = form.read()?;
            let placed = backend.make_room(key, &room, info, members).await?;
            (made_if(!placed.already), forms::created(&room, &placed))
        }
        Call::Publish { room } => {
            let key = body::key(request.headers())?;
            let form: forms::Draft = body::json(request).await?;
            let placed = backend.publish(key, &room, form.draft()?).await?;
            (made_if(!placed.already), forms::placed(&placed))
        }
        Call::AddMember { room, member } => {
            let added = backend.add_member(&room, &member).await?;
            (made_if(added.is_some()), forms::membership(added.as_ref()))
        }
        Call::RemoveMember { room, member } => {
            let removed = backend.remove_member(&room, &member).await?;
            (StatusCode::OK, forms::membership(removed.as_ref()))
        }
        Call::Room { room } => {
            let summary = backend.room(&room).await?;
            (StatusCode::OK, forms::summary(&room, &summary))
        }
        Call::Members { room, after, limit } => {
            let page = backend.members(&room, after, limit).await?;
            (StatusCode::OK, forms::members(&page))
        }
        Call::History {
            room,
            direction,
            anchor,
            limit,
        } => {
            let page = backend.history(&room, direction, anchor, limit).await?;
            (StatusCode::OK, forms::history(&page))
        }
        Call::Presence { users } => {
            let users = backend.presence(users).await?;
            (StatusCode::OK, forms::presence(&users))
        }
        Call::Changes(call) => call.act(backend, request).await?,
        Call::Roles(call) => call.act(backend, request).await?,
        Call::EndSessions { user } => {
            backend.end_sessions(&user).await?;
            (StatusCode::NO_CONTENT, Value::Null)
        }
    })
}
