//! A host inside somebody else's: connections whose user was proven by others.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use homeroom_engine::{Engine, Identity, Tenant, tenant::Whom};
use homeroom_protocol::{Auth, ClientFrame, CloseCode, Hello, UserId};
use homeroom_server::{HandshakeRefused, Service, Terms, WebSocketIo, upgrade};
use hyper::{Request, StatusCode, Version};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::support::{PATIENCE, encode, hello, message};

struct School {
    engine: Engine,
    tenant: Tenant,
    service: Arc<Service>,
}

impl School {
    async fn open() -> Self {
        let engine = Engine::in_memory().await.unwrap();
        let tenant = engine.tenant(&"north".parse().unwrap()).await.unwrap();
        engine.tenant(&"south".parse().unwrap()).await.unwrap();
        // Guests stay refused: who is proven is none.
        let service = Service::new(engine.clone(), Terms::default());
        Self {
            engine,
            tenant,
            service,
        }
    }

    fn serve(&self, io: impl Into<WebSocketIo>) {
        let ana = Identity::user("ana").unwrap();
        let service = Arc::clone(&self.service);
        let io = io.into();
        tokio::spawn(service.serve_connection(io, self.tenant.clone(), ana));
    }

    /// A client of this login that says so much; what it is told first, as text.
    async fn greet(&self, hello: Hello) -> (DuplexStream, Vec<u8>) {
        let (near, mut far) = duplex(64);
        self.serve(WebSocketIo::new(near));
        let hello = message(&encode(&ClientFrame::Hello(hello)));
        far.write_all(&hello).await.unwrap();
        let mut head = [0; 2];
        far.read_exact(&mut head).await.unwrap();
        let length = match head[1] {
            126 => usize::from(far.read_u16().await.unwrap()),
            short => usize::from(short),
        };
        let mut answer = vec![0; length];
        far.read_exact(&mut answer).await.unwrap();
        (far, answer)
    }
}

/// The first frame of a message.
fn frame(payload: &[u8]) -> homeroom_protocol::ServerFrame {
    let max = homeroom_protocol::limit::SERVER_MESSAGE_BYTES_MAX;
    let mut frames = homeroom_protocol::decode_server_message(payload, max).unwrap();
    frames.next().unwrap().unwrap()
}

fn saying(tenant: &str, auth: Auth) -> Hello {
    Hello {
        auth,
        ..hello(tenant, "ana")
    }
}

fn guest(name: &str) -> Auth {
    Auth::Guest {
        name: name.parse::<UserId>().unwrap(),
    }
}

#[tokio::test]
async fn who_is_proven_is_let_in_whatever_its_hello_says_of_itself() {
    let school = School::open().await;
    for auth in [guest("ana"), Auth::Token("not looked at".to_owned())] {
        let (_far, answer) = school.greet(saying("north", auth)).await;
        match frame(&answer) {
            homeroom_protocol::ServerFrame::Welcome(welcome) => {
                assert_eq!(welcome.user.as_str(), "ana");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// What was logged.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn logs_name_the_tenant_and_the_connection() {
    let said = Said::default();
    let writer = said.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _here = tracing::subscriber::set_default(subscriber);
    let school = School::open().await;
    school.greet(saying("north", guest("ana"))).await;
    let said = String::from_utf8(said.0.lock().unwrap().clone()).unwrap();
    let line = said.lines().find(|line| line.contains("let in")).unwrap();
    assert!(
        line.contains("connection{tenant=north connection="),
        "{line}"
    );
}

#[tokio::test]
async fn a_login_that_ended_before_the_hello_came_is_over() {
    let school = School::open().await;
    for ended in [false, true] {
        let (near, mut far) = duplex(1024);
        let logged_in = Arc::new(AtomicBool::new(true));
        let holds = Arc::clone(&logged_in);
        tokio::spawn(Arc::clone(&school.service).serve_login(
            WebSocketIo::new(near),
            school.tenant.clone(),
            Identity::user("ana").unwrap(),
            move || holds.load(Ordering::Relaxed),
        ));
        if ended {
            logged_in.store(false, Ordering::Relaxed);
            let ana = Whom::User("ana".parse().unwrap());
            school.tenant.revoke(ana).await.unwrap();
        }
        // What it asks behind its hello is asked by nobody.
        let ping = ClientFrame::Ping { nonce: 77 };
        for frame in [ClientFrame::Hello(saying("north", guest("ana"))), ping] {
            far.write_all(&message(&encode(&frame))).await.unwrap();
        }
        let mut heard = Vec::new();
        let revoked = CloseCode::Revoked.number().to_be_bytes();
        let has = |heard: &[u8], sought: &[u8]| heard.windows(sought.len()).any(|it| it == sought);
        // An array of three: pong, the nonce, a time.
        let pong = [0x93, 4, 77];
        let told = async {
            while !has(&heard, &revoked) && !has(&heard, &pong) {
                heard.push(far.read_u8().await.unwrap());
            }
        };
        timeout(PATIENCE, told).await.unwrap();
        assert_eq!(has(&heard, &revoked), ended, "{heard:?}");
    }
}

#[tokio::test]
async fn nobody_gets_further_than_the_login() {
    let school = School::open().await;
    let ben = (guest("ben"), "north", CloseCode::Unauthenticated);
    let south = (guest("ana"), "south", CloseCode::TenantNotFound);
    for (auth, tenant, expected) in [ben, south] {
        let (mut far, answer) = school.greet(saying(tenant, auth)).await;
        match frame(&answer) {
            homeroom_protocol::ServerFrame::Bye { code, .. } => assert_eq!(code, expected.number()),
            other => panic!("{other:?}"),
        }
        let mut rest = Vec::new();
        timeout(PATIENCE, far.read_to_end(&mut rest))
            .await
            .unwrap()
            .unwrap();
    }
}

#[tokio::test]
async fn a_service_that_leaves_says_goodbye_to_all_and_then_has_none() {
    let school = School::open().await;
    let (mut on_pipe, _) = school.greet(saying("north", guest("ana"))).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(listener.accept(), TcpStream::connect(address));
    let mut on_socket = far.unwrap();
    school.serve(near.unwrap().0);
    let greeting = message(&encode(&ClientFrame::Hello(hello("north", "ana"))));
    on_socket.write_all(&greeting).await.unwrap();
    on_socket.read_u8().await.unwrap();
    assert!(
        timeout(Duration::from_millis(20), school.service.all_gone())
            .await
            .is_err(),
        "they are there"
    );

    school.service.leave();
    let everything = async {
        for far in [&mut on_pipe as &mut dyn Far, &mut on_socket] {
            let mut rest = Vec::new();
            far.read_to_end(&mut rest).await.unwrap();
            let code = CloseCode::ShuttingDown.number().to_be_bytes();
            assert!(rest.windows(2).any(|two| two == code), "no goodbye");
        }
        drop((on_pipe, on_socket));
        school.service.all_gone().await;
    };
    timeout(PATIENCE, everything).await.unwrap();
    school.engine.shut_down(CloseCode::ShuttingDown, None).await;
}

trait Far: tokio::io::AsyncRead + Unpin {}
impl<T: tokio::io::AsyncRead + Unpin> Far for T {}

#[tokio::test]
async fn bytes_that_were_read_too_early_are_not_lost() {
    let school = School::open().await;
    let (near, mut far) = duplex(1024);
    let greeting = message(&encode(&ClientFrame::Hello(hello("north", "ana"))));
    let (early, late) = greeting.split_at(9);
    school.serve(WebSocketIo::new(near).with_early(early.to_vec().into()));
    far.write_all(late).await.unwrap();
    let answered: io::Result<u8> = timeout(PATIENCE, far.read_u8()).await.unwrap();
    assert_eq!(answered.unwrap(), 0x82);
}

#[test]
fn a_request_that_is_no_handshake_is_told_what_is_missing() {
    let full = || {
        Request::get("/live")
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-protocol", "homeroom.v1.msgpack")
    };
    let refused = |mut request: Request<()>| upgrade(&mut request).unwrap_err();
    let plain = Request::get("/live").body(()).unwrap();
    assert_eq!(refused(plain), HandshakeRefused::NotAsked);
    let posted = full().method("POST").body(()).unwrap();
    assert_eq!(refused(posted), HandshakeRefused::NotAsked);
    let mut other = full().body(()).unwrap();
    other
        .headers_mut()
        .insert("sec-websocket-protocol", "chat".parse().unwrap());
    assert_eq!(refused(other), HandshakeRefused::Subprotocol);
    for (name, value) in [("content-length", "5"), ("transfer-encoding", "chunked")] {
        let longer = full().header(name, value).body(()).unwrap();
        assert_eq!(refused(longer), HandshakeRefused::Body);
    }
    let older = full().version(Version::HTTP_10).body(()).unwrap();
    assert_eq!(refused(older), HandshakeRefused::NotAsked);
    // No server below it.
    let lost = refused(full().header("content-length", "0").body(()).unwrap());
    assert_eq!(lost, HandshakeRefused::NotUpgradable);
    assert_eq!(lost.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let answer = HandshakeRefused::NotAsked.response::<String>();
    assert_eq!(answer.status(), StatusCode::UPGRADE_REQUIRED);
    assert_eq!(answer.headers()["upgrade"], "websocket");
}
