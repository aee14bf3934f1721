//! Homeroom behind hyper alone: a server of your own, without a framework.
//!
//! Its users prove themselves by a token in a header, as apps and back ends do. (A browser cannot set
//! headers on a WebSocket: it has a cookie, as in `axum.rs`.)
//!
//! Run with: `cargo run -p homeroom-examples --example hyper`, or with `-- --try`, which says something
//! with the Rust client.
#![expect(clippy::print_stdout, reason = "it shows what it does")]

mod trial;

use std::{convert::Infallible, sync::Arc, time::Duration};

use homeroom_engine::{
    Engine, Identity, Tenant,
    protocol::{CloseCode, DeviceId, UserId},
};
use homeroom_server::{Service, Terms};
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, time::timeout};
use trial::Failure;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let engine = Engine::in_memory().await?;
    let school = engine.tenant(&"north-school".parse()?).await?;
    let homeroom = Service::new(engine.clone(), Terms::default());

    let trying = std::env::args().any(|argument| argument == "--try");
    let listener = TcpListener::bind(if trying {
        "127.0.0.1:0"
    } else {
        "127.0.0.1:8080"
    })
    .await?;
    let address = listener.local_addr()?;
    println!("ws://{address}/live (Authorization: Bearer ana-secret)");

    let end = async {
        if trying {
            return trial::run(address, None, Some(("authorization", "Bearer ana-secret"))).await;
        }
        tokio::signal::ctrl_c().await.map_err(Failure::from)
    };
    let outcome = tokio::select! {
        () = accept(listener, &homeroom, &school) => Ok(()),
        outcome = end => outcome,
    };
    homeroom.leave();
    let _ = timeout(Duration::from_secs(5), homeroom.all_gone()).await;
    engine.shut_down(CloseCode::ShuttingDown, Some(1_000)).await;
    outcome
}

async fn accept(listener: TcpListener, homeroom: &Arc<Service>, school: &Tenant) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // No file descriptors, say: not to be asked again at once.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (homeroom, school) = (Arc::clone(homeroom), school.clone());
        let answering = service_fn(move |request| {
            let response = answer(request, &homeroom, &school);
            async move { Ok::<_, Infallible>(response) }
        });
        // `with_upgrades` lets go of connections that become WebSockets.
        let connection = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), answering)
            .with_upgrades();
        tokio::spawn(connection);
    }
}

fn answer(
    mut request: Request<Incoming>,
    homeroom: &Arc<Service>,
    school: &Tenant,
) -> Response<Full<Bytes>> {
    if request.uri().path() != "/live" {
        return refuse(StatusCode::NOT_FOUND);
    }
    let Some(user) = who(&request) else {
        return refuse(StatusCode::UNAUTHORIZED);
    };
    let (response, upgrade) = match homeroom_server::upgrade(&mut request) {
        Ok(accepted) => accepted,
        Err(refused) => return refused.response(),
    };
    let (homeroom, school) = (Arc::clone(homeroom), school.clone());
    tokio::spawn(async move {
        if let Some(io) = upgrade.finish().await {
            homeroom.serve_connection(io, school, user).await;
        }
    });
    response.map(|()| Full::default())
}

/// A real server asks whoever gave out the token.
fn who(request: &Request<Incoming>) -> Option<Identity> {
    let proof = request.headers().get(header::AUTHORIZATION)?;
    let user = match proof.to_str().ok()?.strip_prefix("Bearer ")? {
        "ana-secret" => UserId::new("ana"),
        "ben-secret" => UserId::new("ben"),
        _ => return None,
    };
    Some(Identity::new(user.ok()?, DeviceId::new("app").ok()?))
}

fn refuse(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}
