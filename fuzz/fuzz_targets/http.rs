//! Any bytes as what a stranger sends to the listener before there is a WebSocket: request lines, `Host`,
//! `Origin`, `Authorization`, the headers of proxies, the handshake, calls of the API and their bodies.
//!
//! Nothing panics or hangs, no answer is a failure of ours. There are two ways in, a first glance at what
//! nearly everybody sends and hyper for the rest: both come to the same, however the bytes are cut, and
//! hand on exactly what came behind the request. No page of elsewhere gets in, and no call without a key.
#![no_main]

use std::{cell::RefCell, net::SocketAddr, sync::Arc, time::Duration};

use homeroom_engine::{Engine, protocol::CloseCode};
use homeroom_fuzz::Choices;
use homeroom_server::{Service, Terms, fuzz};
use libfuzzer_sys::fuzz_target;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    runtime::Runtime,
};

/// SHA-256 of the key in `dictionaries/http.dict`.
const KEY_SHA256: &str = "5a1109570a8450907e4d38e924047fb7f63f7fe9f14fc0cefa5cd3a146c5c172";
const KEY: &str = "hrk_01010101010101010101010101010101010101010101010101010101010101011b8a641d";
/// Where the paths of the API begin.
const API: &[u8] = b"/v1/tenants/";
/// Where strangers come from.
const PEERS: [&str; 3] = [
    "127.0.0.1:4000",
    "[::ffff:127.0.0.1]:4000",
    "192.0.2.7:4000",
];
/// More than any answer to what fits into an input.
const PIPE_BYTES: usize = 256 * 1024;

thread_local! {
    static RUNTIME: Runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O");
    /// A host without tenants, which nothing that is asked changes.
    static EMPTY: RefCell<Option<Arc<Service>>> = const { RefCell::new(None) };
}

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::new(bytes);
    let flags = choices.byte();
    let stranger = Stranger {
        peer: PEERS
            .get(usize::from(flags & 3))
            .map(|peer| peer.parse().expect("an address")),
        secure: flags & 4 != 0,
        piece_bytes: 1 + usize::from(choices.byte()),
        said: choices.rest().to_vec(),
    };
    RUNTIME.with(|runtime| runtime.block_on(stranger.come()));
});

#[derive(Debug, Clone)]
struct Stranger {
    peer: Option<SocketAddr>,
    secure: bool,
    /// How much the slower way brings at once.
    piece_bytes: usize,
    said: Vec<u8>,
}

/// What a stranger was told.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    /// The first status line.
    status: Option<u16>,
    /// What came behind the request that became a WebSocket.
    behind: Option<Vec<u8>>,
    /// What the handshake was answered with.
    accept: Option<String>,
}

impl Told {
    /// Whether a head that is malformed and never ends is refused before its end, or hung up on there,
    /// depends on what hyper has seen of it at once.
    fn or_hung_up_on(self) -> Self {
        let status = self.status.filter(|status| *status != 400);
        Self { status, ..self }
    }
}

impl Stranger {
    async fn come(self) {
        let calls = self.said.windows(API.len()).any(|part| part == API);
        let (told, same) = if calls {
            // Calls change what is there: each gets a host of its own.
            let (one, other) = (host(true).await, host(true).await);
            let told = (
                self.enter(&one, true).await,
                self.enter(&other, false).await,
            );
            for service in [one, other] {
                service.leave();
                let engine = service.engine().clone();
                engine.shut_down(CloseCode::ShuttingDown, None).await;
            }
            told
        } else {
            let service = match EMPTY.take() {
                Some(service) => service,
                None => host(false).await,
            };
            let told = (
                self.enter(&service, true).await,
                self.enter(&service, false).await,
            );
            EMPTY.set(Some(service));
            told
        };
        self.judge(&told);
        let (told, same) = (told.or_hung_up_on(), same.or_hung_up_on());
        assert_eq!(told, same, "the two ways in differ");
    }

    async fn enter(&self, service: &Service, at_once: bool) -> Told {
        let (near, mut far) = duplex(PIPE_BYTES);
        let piece_bytes = if at_once {
            usize::MAX
        } else {
            self.piece_bytes
        };
        let asking = async {
            for piece in self.said.chunks(piece_bytes) {
                if far.write_all(piece).await.is_err() {
                    break;
                }
                if !at_once {
                    tokio::task::yield_now().await;
                }
            }
            // Whoever hangs up at once may not be answered at all; the clock goes on when all is answered.
            tokio::time::sleep(Duration::from_secs(1)).await;
            _ = far.shutdown().await;
            let mut answer = Vec::new();
            _ = far.read_to_end(&mut answer).await;
            answer
        };
        let serving = async {
            let spoken = if at_once {
                fuzz::speak(service, near, self.peer, self.secure).await
            } else {
                fuzz::speak_by_hyper(service, near, self.peer, self.secure).await
            };
            match spoken {
                Some((near, early)) => Some(rest_of(near, early).await),
                None => None,
            }
        };
        // Nothing of it takes time but what is waited for: and the clock jumps there.
        let conversation = async { tokio::join!(asking, serving) };
        let conversation = tokio::time::timeout(Duration::from_secs(600), conversation);
        let (answer, behind) = conversation.await.expect("a conversation has an end");
        Told {
            status: status(&answer),
            behind,
            accept: field(&answer, "sec-websocket-accept: "),
        }
    }

    fn judge(&self, told: &Told) {
        if let Some(status) = told.status {
            assert!((100..600).contains(&status) && status != 500, "{status}");
        }
        let said = String::from_utf8_lossy(&self.said);
        if let Some(behind) = &told.behind {
            assert_eq!(told.status, Some(101));
            assert!(self.said.ends_with(behind), "what came behind is handed on");
            let head = &self.said[..self.said.len() - behind.len()];
            assert!(head.ends_with(b"\n"), "a head ends with its line");
            // RFC 9112, 3.2, and 6455, 4.2.1.
            let head = String::from_utf8_lossy(head).to_ascii_lowercase();
            for needed in ["host", "upgrade", "connection", "sec-websocket-key"] {
                assert!(head.contains(needed), "{needed}");
            }
            assert!(head.contains("homeroom.v1.msgpack"));
            assert!(!head.contains("\r\ntransfer-encoding"));
        } else {
            assert_ne!(told.status, Some(101));
        }
        if matches!(told.status, Some(201 | 204)) {
            assert!(said.contains(KEY), "nothing is made without a key");
        }
    }
}

async fn rest_of(mut near: DuplexStream, mut early: Vec<u8>) -> Vec<u8> {
    _ = near.read_to_end(&mut early).await;
    early
}

async fn host(with_tenant: bool) -> Arc<Service> {
    let engine = Engine::in_memory().await.expect("memory always opens");
    if with_tenant {
        let north = "north".parse().expect("a valid name");
        engine.tenant(&north).await.expect("memory always opens");
    }
    let api = serde_json::json!({ "operator_key_sha256": KEY_SHA256 });
    let origins = serde_json::json!({ "allowed": ["https://app.example", "null"] });
    let terms = Terms {
        api: serde_json::from_value(api).expect("a hash"),
        origins: serde_json::from_value(origins).expect("two origins"),
        ..Terms::default()
    };
    Service::new(engine, terms)
}

fn status(answer: &[u8]) -> Option<u16> {
    if answer.is_empty() {
        return None;
    }
    let line = answer.strip_prefix(b"HTTP/1.").expect("an answer of HTTP");
    let digits = line.get(2..5).expect("a status");
    let digits = std::str::from_utf8(digits).expect("a status");
    Some(digits.parse().expect("a status"))
}

fn field(answer: &[u8], name: &str) -> Option<String> {
    let answer = String::from_utf8_lossy(answer);
    let (_, behind) = answer.split_once(name)?;
    behind.lines().next().map(str::to_owned)
}
