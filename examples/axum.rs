//! Homeroom inside somebody else's axum app, behind that app's own login.
//!
//! The app knows its users: a form, a password, a cookie. Homeroom is mounted on `/live` and believes
//! it. Logging out ends the user's live connections at once.
//!
//! Run with: `cargo run -p homeroom-examples --example axum`, log in on the page it prints; or with
//! `-- --try`, which logs in by HTTP and says something with the Rust client.
#![expect(clippy::print_stdout, reason = "it shows what it does")]

mod trial;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Form, Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use homeroom_engine::{
    Engine, Identity, Tenant,
    protocol::{CloseCode, DeviceId, UserId},
    tenant::Whom,
};
use homeroom_server::{Service, Terms};
use tokio::{net::TcpListener, sync::oneshot, time::timeout};
use trial::Failure;

const FORM: &str = "<form method=post action=/login>\
    <input name=name placeholder=name> <input name=password type=password> <button>Log in</button></form>";
const INSIDE: &str = "<p>You are in; the live connection is at /live.</p>\
    <form method=post action=/logout><button>Log out</button></form>";

struct App {
    /// Who has which session cookie: the app's own affair.
    sessions: Mutex<HashMap<String, UserId>>,
    school: Tenant,
    homeroom: Arc<Service>,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let engine = Engine::in_memory().await?;
    let app = Arc::new(App {
        sessions: Mutex::default(),
        school: engine.tenant(&"north-school".parse()?).await?,
        homeroom: Service::new(engine.clone(), Terms::default()),
    });
    let routes = Router::new()
        .route("/", get(front))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/live", get(live))
        .with_state(Arc::clone(&app));

    let trying = std::env::args().any(|argument| argument == "--try");
    let listener = TcpListener::bind(if trying {
        "127.0.0.1:0"
    } else {
        "127.0.0.1:8080"
    })
    .await?;
    let address = listener.local_addr()?;
    println!("http://{address}/ (ana, lisboa)");

    // When the app ends, Homeroom says goodbye first: clients are told when to come back.
    let (done, ended) = oneshot::channel();
    let homeroom = Arc::clone(&app.homeroom);
    let end = async move {
        let outcome = if trying {
            trial::run(address, Some("name=ana&password=lisboa"), None).await
        } else {
            tokio::signal::ctrl_c().await.map_err(Failure::from)
        };
        homeroom.leave();
        // Nobody listens when the server failed before.
        let _ = done.send(outcome);
    };
    axum::serve(listener, routes)
        .with_graceful_shutdown(end)
        .await?;
    let _ = timeout(Duration::from_secs(5), app.homeroom.all_gone()).await;
    engine.shut_down(CloseCode::ShuttingDown, Some(1_000)).await;
    ended.await?
}

async fn front(State(app): State<Arc<App>>, headers: HeaderMap) -> Html<&'static str> {
    Html(app.who(&headers).map_or(FORM, |_| INSIDE))
}

#[derive(serde::Deserialize)]
struct Login {
    name: String,
    password: String,
}

/// A real app keeps slow hashes of passwords, and slows down who guesses.
async fn login(State(app): State<Arc<App>>, Form(login): Form<Login>) -> Response {
    let known = [("ana", "lisboa"), ("ben", "berlin")];
    let user = UserId::new(login.name.as_str());
    let (true, Ok(user)) = (
        known.contains(&(login.name.as_str(), login.password.as_str())),
        user,
    ) else {
        return (StatusCode::UNAUTHORIZED, Html(FORM)).into_response();
    };
    let session = format!("{:016x}{:016x}", getrandom_u64(), getrandom_u64());
    let cookie = format!("session={session}; HttpOnly; SameSite=Strict; Path=/");
    app.sessions
        .lock()
        .expect("never held across a panic")
        .insert(session, user);
    ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
}

async fn logout(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    if let (Some(session), Some(user)) = (session_of(&headers), app.who(&headers)) {
        app.sessions
            .lock()
            .expect("never held across a panic")
            .remove(session);
        // Behind that: nothing more is heard from the moment this is decided.
        if app.school.revoke(Whom::User(user)).await.is_err() {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    }
    Redirect::to("/").into_response()
}

/// Here Homeroom begins.
async fn live(State(app): State<Arc<App>>, mut request: Request) -> Response {
    let session = session_of(request.headers()).map(str::to_owned);
    let (Some(session), Some(user)) = (session, app.who(request.headers())) else {
        return (StatusCode::UNAUTHORIZED, "log in first\n").into_response();
    };
    if !is_own_page(request.headers()) {
        return (StatusCode::FORBIDDEN, "not from that page\n").into_response();
    }
    let (response, upgrade) = match homeroom_server::upgrade(&mut request) {
        Ok(accepted) => accepted,
        Err(refused) => return refused.response::<Body>(),
    };
    let device = DeviceId::new("browser").expect("a valid id");
    tokio::spawn(async move {
        if let Some(io) = upgrade.finish().await {
            let identity = Identity::new(user, device);
            let (homeroom, school) = (Arc::clone(&app.homeroom), app.school.clone());
            // It may log out before its first word: the session is looked at again.
            let holds = move || app.knows(&session);
            homeroom.serve_login(io, school, identity, holds).await;
        }
    });
    response.map(|()| Body::empty())
}

/// A browser sends the cookie whichever page opens the WebSocket, so the page counts, too. A program
/// names none.
fn is_own_page(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(header::ORIGIN);
    origin.is_none_or(|origin| {
        let host = origin.split_once("://").map(|(_, host)| host);
        host.is_some() && host == text(header::HOST)
    })
}

impl App {
    fn knows(&self, session: &str) -> bool {
        let sessions = self.sessions.lock().expect("never held across a panic");
        sessions.contains_key(session)
    }

    fn who(&self, headers: &HeaderMap) -> Option<UserId> {
        let sessions = self.sessions.lock().expect("never held across a panic");
        sessions.get(session_of(headers)?).cloned()
    }
}

fn session_of(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    let mut cookies = cookies.split("; ");
    cookies.find_map(|cookie| cookie.strip_prefix("session="))
}

fn getrandom_u64() -> u64 {
    getrandom::u64().expect("the system has random bytes")
}
