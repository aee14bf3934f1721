//! TLS, as other programs see it.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use homeroom_client::{Auth, Client, Event, EventBody, Events, Handshake, Limits, Lost, Options};
use homeroom_engine::Config;
use homeroom_server::{
    DrainSettings, HostConfig, Terms,
    tls::{Tls, TlsSettings},
};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::{runtime::Runtime, time::timeout};

use crate::{
    binary::{Running, complaint, homeroom, run},
    support::{PATIENCE, Server, config},
};

pub(crate) struct Papers {
    folder: TempDir,
    issued: CertifiedKey<KeyPair>,
}

impl Papers {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let papers = Self {
            folder,
            issued: issue(),
        };
        papers.write(&papers.issued);
        papers
    }

    fn write(&self, issued: &CertifiedKey<KeyPair>) {
        fs::write(self.path("chain.pem"), issued.cert.pem()).unwrap();
        let key = issued.signing_key.serialize_pem();
        fs::write(self.path("key.pem"), key).unwrap();
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn config(&self, handshake_within: Duration) -> HostConfig {
        let settings = TlsSettings {
            certificate: Some(self.path("chain.pem")),
            key: Some(self.path("key.pem")),
            reload_every_ms: 10,
        };
        let config = config();
        HostConfig {
            terms: Terms {
                tls: Tls::load(&settings).unwrap(),
                handshake_within,
                ..config.terms
            },
            ..config
        }
    }

    pub(crate) fn serve(&self) -> Server {
        Server::start(Config::default(), self.config(PATIENCE))
    }
}

fn issue() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

/// What `openssl s_client` makes of a request over TLS; `None` where there is no openssl.
fn ask_with_openssl(papers: &Papers, address: SocketAddr, options: &[&str]) -> Option<Output> {
    let mut client = Command::new("openssl")
        .args(["s_client", "-connect", &address.to_string()])
        .args(["-servername", "localhost", "-verify_return_error"])
        .args(["-alpn", "http/1.1", "-ign_eof", "-CAfile"])
        .arg(papers.path("chain.pem"))
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let request = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    // It may be gone already: that is for its output to say.
    let _ = client.stdin.take().unwrap().write_all(request);
    Some(client.wait_with_output().unwrap())
}

#[test]
fn openssl_gets_modern_suites_and_no_others() {
    let papers = Papers::new();
    let server = papers.serve();
    for (version, name) in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")] {
        let Some(output) = ask_with_openssl(&papers, server.address(), &[version]) else {
            return;
        };
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{output:?}");
        assert!(said.contains(name), "{said}");
        assert!(said.contains("ALPN protocol: http/1.1"), "{said}");
        assert!(said.contains("Verification: OK"), "{said}");
        assert!(said.contains("HTTP/1.1 200 OK"), "{said}");
        // The end was said, not only made.
        assert!(!said.contains("unexpected eof"), "{said}");
    }
    let outdated: [&[&str]; 3] = [
        &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
        &[
            "-tls1_2",
            "-cipher",
            "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA:@SECLEVEL=0",
        ],
        &["-tls1_3", "-alpn", "h2"],
    ];
    for options in outdated {
        let output = ask_with_openssl(&papers, server.address(), options).unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{options:?}: {output:?}");
        assert!(complaint.contains("alert"), "{options:?}: {complaint}");
    }
    server.stop();
}

fn dial(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn who_speaks_plain_http_is_told_by_an_alert() {
    let papers = Papers::new();
    let server = papers.serve();
    let mut stream = dial(server.address());
    let request = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
        "x".repeat(8_000)
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let [content, 3, _, 0, 2, level, reason] = answer[..] else {
        panic!("no alert: {answer:?}");
    };
    let (alert, fatal, decode_error) = (21, 2, 50);
    assert_eq!((content, level, reason), (alert, fatal, decode_error));
    server.stop();
}

#[test]
fn a_slow_handshake_is_cut_and_a_host_that_leaves_waits_for_none() {
    let papers = Papers::new();
    let short = Duration::from_millis(200);
    let server = Server::start(Config::default(), papers.config(short));
    let mut stream = dial(server.address());
    let begun = Instant::now();
    stream.write_all(&[22, 3, 1]).unwrap();
    assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0, "cut without a word");
    assert!(begun.elapsed() >= short, "but not before its time");
    server.stop();

    let server = papers.serve();
    let mut stream = dial(server.address());
    stream.write_all(&[22, 3, 1]).unwrap();
    let begun = Instant::now();
    server.stop();
    assert!(begun.elapsed() < PATIENCE / 2, "{:?}", begun.elapsed());
}

fn connect(server: &Server, user: &str, trusted: &str) -> (Client, Events) {
    connect_to(server.address(), user, trusted)
}

fn connect_to(address: SocketAddr, user: &str, trusted: &str) -> (Client, Events) {
    let options = Options {
        url: format!("wss://localhost:{}", address.port()),
        tenant: "default".parse().unwrap(),
        auth: Auth::Guest {
            name: user.parse().unwrap(),
        },
        device: "laptop".parse().unwrap(),
        limits: Limits::default(),
    };
    let handshake = Handshake::default().trusting(trusted.as_bytes()).unwrap();
    Client::connect_with(options, handshake).unwrap()
}

async fn heard(events: &mut Events) -> String {
    loop {
        match events.next().await.unwrap() {
            Event::Timeline { event, .. } => {
                if let EventBody::Message(message) = event.body {
                    return message.text;
                }
            }
            Event::Disconnected { why, .. } => panic!("{why:?}"),
            _ => {}
        }
    }
}

/// A few of them are more than a TLS record, and than the kernel takes at once.
fn long(number: usize) -> String {
    format!("{number}{}", "x".repeat(5_000))
}

#[test]
fn clients_talk_over_tls_and_a_renewed_certificate_disturbs_nobody() {
    let papers = Papers::new();
    let server = papers.serve();
    let room = "class-7b".parse().unwrap();
    Runtime::new().unwrap().block_on(async {
        let talk = async {
            let old = papers.issued.cert.pem();
            let (ana, mut at_ana) = connect(&server, "ana", &old);
            ana.create_or_join(&room, None, None).await.unwrap();
            let renewed = issue();
            papers.write(&renewed);
            let renewed = renewed.cert.pem();
            // Until the host has taken it over, this one believes nobody, and tries again.
            let (ben, _at_ben) = connect(&server, "ben", &renewed);
            ben.join(&room, None).await.unwrap();
            let many = 40;
            let sending = async {
                for number in 0..many {
                    ben.send(&room, &long(number)).await.unwrap();
                }
            };
            let hearing = async {
                for number in 0..many {
                    assert_eq!(heard(&mut at_ana).await, long(number));
                }
            };
            tokio::join!(sending, hearing);
            ana.close().await;
            ben.close().await;
        };
        timeout(PATIENCE, talk).await.unwrap();
    });
    server.stop();
}

#[test]
fn who_finds_no_seat_is_told_so_over_tls() {
    let papers = Papers::new();
    let mut config = papers.config(PATIENCE);
    config.admission.connections_max = 1;
    let server = Server::start(Config::default(), config);
    Runtime::new().unwrap().block_on(async {
        let pem = papers.issued.cert.pem();
        let talk = async {
            let (ana, _at_ana) = connect(&server, "ana", &pem);
            let room = "class-7b".parse().unwrap();
            ana.create_or_join(&room, None, None).await.unwrap();
            let (_ben, mut at_ben) = connect(&server, "ben", &pem);
            let why = loop {
                if let Event::Disconnected { why, .. } = at_ben.next().await.unwrap() {
                    break why;
                }
            };
            assert!(matches!(why, Lost::Closed { code: 4004, .. }), "{why:?}");
            let said = ask_with_openssl(&papers, server.address(), &[]);
            if let Some(said) = said {
                let said = String::from_utf8_lossy(&said.stdout);
                assert!(said.contains("HTTP/1.1 200 OK"), "a sign of life: {said}");
            }
            ana.close().await;
        };
        timeout(PATIENCE, talk).await.unwrap();
    });
    server.stop();
}

/// The real host, told so on its command line; its port is behind the first line it prints.
#[test]
fn the_binary_serves_tls_and_takes_over_what_is_renewed() {
    let papers = Papers::new();
    let data = tempfile::tempdir().unwrap();
    let named = |key: &str, file: &str| format!("tls.{key}={}", papers.path(file).display());
    let settings = [
        named("certificate", "chain.pem"),
        named("key", "key.pem"),
        "tls.reload_every_ms=10".to_owned(),
    ];
    let mut arguments = vec!["serve", "--listen", "127.0.0.1:0"];
    arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
    let host = Running::spawn(homeroom(data.path(), &arguments));
    for version in ["-tls1_3", "-tls1_2"] {
        if let Some(output) = ask_with_openssl(&papers, host.address, &[version]) {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(said.contains("Verification: OK"), "{said}");
            assert!(said.contains("HTTP/1.1 200 OK"), "{said}");
        }
    }
    Runtime::new().unwrap().block_on(async {
        let talk = async {
            let room = "class-7b".parse().unwrap();
            let (ana, mut at_ana) = connect_to(host.address, "ana", &papers.issued.cert.pem());
            ana.create_or_join(&room, None, None).await.unwrap();
            let renewed = issue();
            papers.write(&renewed);
            let (ben, _at_ben) = connect_to(host.address, "ben", &renewed.cert.pem());
            ben.join(&room, None).await.unwrap();
            ben.send(&room, "sealed").await.unwrap();
            assert_eq!(heard(&mut at_ana).await, "sealed");
            // The bye of a host that leaves comes over TLS as well.
            host.signal(Signal::TERM);
            loop {
                if let Event::Disconnected { why, .. } = at_ana.next().await.unwrap() {
                    assert!(matches!(why, Lost::Closed { code: 4000, .. }), "{why:?}");
                    break;
                }
            }
            ana.close().await;
            ben.close().await;
        };
        timeout(PATIENCE, talk).await.unwrap();
    });
    assert_eq!(host.end().0, Some(0));
}

#[test]
fn a_binary_whose_certificate_is_missing_says_which_and_does_not_start() {
    let data = tempfile::tempdir().unwrap();
    let missing = data.path().join("nowhere.pem");
    let setting = format!("tls.certificate={}", missing.display());
    let half = run(data.path(), &["serve", "--set", &setting]);
    assert_eq!(half.status.code(), Some(1));
    assert!(complaint(&half).contains("without tls.key"), "{half:?}");
    let key = format!("tls.key={}", missing.display());
    let none = run(data.path(), &["serve", "--set", &setting, "--set", &key]);
    assert_eq!(none.status.code(), Some(1));
    assert!(complaint(&none).contains("nowhere.pem"), "{none:?}");
}

/// A line between a client and the host that can be cut such that neither end is told.
struct Line {
    address: SocketAddr,
    dead: Arc<AtomicBool>,
}

impl Line {
    /// For one client.
    fn to(host: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let line = Self {
            address: listener.local_addr().unwrap(),
            dead: Arc::default(),
        };
        let dead = Arc::clone(&line.dead);
        std::thread::spawn(move || {
            let ends = [listener.accept().unwrap().0, dial(host)];
            for (from, to) in [(0, 1), (1, 0)] {
                let (from, to) = (ends[from].try_clone(), ends[to].try_clone());
                let dead = Arc::clone(&dead);
                std::thread::spawn(move || pass_on(&from.unwrap(), &to.unwrap(), &dead));
            }
            // Neither end is closed while the test runs.
            std::mem::forget(ends);
        });
        line
    }
}

fn pass_on(mut from: &TcpStream, mut to: &TcpStream, dead: &AtomicBool) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if dead.load(Ordering::Relaxed) || to.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
}

#[test]
fn who_is_stuck_behind_tls_slows_nobody_and_does_not_keep_a_host_that_leaves() {
    let papers = Papers::new();
    let config = HostConfig {
        drain: DrainSettings {
            within_ms: 3_600_000,
            ..DrainSettings::default()
        },
        ..papers.config(PATIENCE)
    };
    let server = Server::start(Config::default(), config);
    let line = Line::to(server.address());
    // Its handshake is done, and it says no more.
    let silent = Command::new("openssl")
        .args(["s_client", "-connect", &server.address().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut silent = silent.ok();
    if let Some(silent) = &mut silent {
        let said = BufReader::new(silent.stdout.take().unwrap());
        let shaken = said.lines().map_while(Result::ok);
        assert!(shaken.into_iter().any(|line| line.contains("Cipher is")));
    }
    let runtime = Runtime::new().unwrap();
    let clients = runtime.block_on(async {
        let talk = async {
            let pem = papers.issued.cert.pem();
            let room = "class-7b".parse().unwrap();
            let (ana, at_ana) = connect(&server, "ana", &pem);
            ana.create_or_join(&room, None, None).await.unwrap();
            let (deaf, at_deaf) = connect_to(line.address, "deaf", &pem);
            deaf.join(&room, None).await.unwrap();
            line.dead.store(true, Ordering::Relaxed);
            // More than the kernel's buffers and its outbox hold.
            for number in 0..400 {
                ana.send(&room, &format!("{number:>16000}")).await.unwrap();
            }
            ana.close().await;
            (at_ana, deaf, at_deaf)
        };
        timeout(PATIENCE, talk).await.unwrap()
    });
    let begun = Instant::now();
    let gone = server.begin_to_leave().gone();
    assert!(begun.elapsed() < PATIENCE / 2, "{:?}", begun.elapsed());
    if let Some(mut silent) = silent {
        silent.wait().unwrap();
    }
    drop(clients);
    gone.seal();
}
