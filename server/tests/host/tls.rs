//! TLS, as other programs see it.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use homeroom_client::{Auth, Client, Event, EventBody, Events, Handshake, Limits, Options};
use homeroom_engine::Config;
use homeroom_server::{
    HostConfig, Terms,
    tls::{Tls, TlsSettings},
};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use tempfile::TempDir;
use tokio::{runtime::Runtime, time::timeout};

use crate::support::{PATIENCE, Server, config};

struct Papers {
    folder: TempDir,
    issued: CertifiedKey<KeyPair>,
}

impl Papers {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let papers = Self {
            folder,
            issued: issue(),
        };
        papers.write(&papers.issued);
        papers
    }

    fn write(&self, issued: &CertifiedKey<KeyPair>) {
        fs::write(self.folder.path().join("chain.pem"), issued.cert.pem()).unwrap();
        let key = issued.signing_key.serialize_pem();
        fs::write(self.folder.path().join("key.pem"), key).unwrap();
    }

    fn config(&self, handshake_within: Duration) -> HostConfig {
        let settings = TlsSettings {
            certificate: Some(self.folder.path().join("chain.pem")),
            key: Some(self.folder.path().join("key.pem")),
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

    fn serve(&self) -> Server {
        Server::start(Config::default(), self.config(PATIENCE))
    }
}

fn issue() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

/// What `openssl s_client` makes of a request over TLS; `None` where there is no openssl.
fn ask_with_openssl(papers: &Papers, server: &Server, options: &[&str]) -> Option<Output> {
    let mut client = Command::new("openssl")
        .args(["s_client", "-connect", &server.address().to_string()])
        .args(["-servername", "localhost", "-verify_return_error"])
        .args(["-alpn", "http/1.1", "-ign_eof", "-CAfile"])
        .arg(papers.folder.path().join("chain.pem"))
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
        let Some(output) = ask_with_openssl(&papers, &server, &[version]) else {
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
        let output = ask_with_openssl(&papers, &server, options).unwrap();
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
    let options = Options {
        url: format!("wss://localhost:{}", server.address().port()),
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
            Event::Timeline { event, .. } => match event.body {
                EventBody::Message { text } => return text,
                _ => {}
            },
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
