//! Which TLS is spoken, and which is not, as `openssl s_client` finds it. Without openssl nothing can be said.
//!
//! The lists of what must be refused are made by openssl itself: all it has, but for what must be accepted. So a
//! suite that nobody thought of is refused as well.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
};

use crate::{
    support::{PATIENCE, Server},
    tls::Papers,
};

const REQUEST: &[u8] = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

const UPGRADE: &[u8] = b"GET /v1/connect HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: homeroom.v1.msgpack\r\n\r\n";

/// What both sides have of TLS 1.2: every one gives forward secrecy and authenticates what it encrypts.
const MODERN_12: [&str; 3] = [
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "CHACHA20-POLY1305",
];
const MODERN_13: [&str; 3] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
];
/// All of openssl's but those, with its own idea of what is too weak to be offered switched off.
const ALL_OTHERS_12: &str =
    "ALL:COMPLEMENTOFALL:-ECDHE+AESGCM:-ECDHE+CHACHA20:-PSK:-SRP:@SECLEVEL=0";
const ALL_OTHERS_13: &str = "TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256";
const EVERYTHING: &str = "ALL:COMPLEMENTOFALL:@SECLEVEL=0";

/// Starts `openssl s_client`; `None` where there is no openssl.
fn spawn(address: SocketAddr, options: &[&str]) -> Option<Child> {
    Command::new("openssl")
        .args(["s_client", "-connect", &address.to_string()])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()
}

/// What comes of waiting for a program, whatever it waits for itself.
fn soon<T: Send + 'static>(wait: impl FnOnce() -> T + Send + 'static) -> T {
    let (to, done) = mpsc::channel();
    thread::spawn(move || to.send(wait()));
    done.recv_timeout(PATIENCE).expect("openssl ends")
}

/// Makes a request; `None` where there is no openssl.
fn ask(server: &Server, options: &[&str]) -> Option<Output> {
    let mut client = spawn(server.address(), &[options, &["-ign_eof"]].concat())?;
    // It may be gone already: that is for its output to say.
    let _ = client.stdin.take().unwrap().write_all(REQUEST);
    Some(soon(|| client.wait_with_output().unwrap()))
}

/// What it said of a connection that was served; `None` where there is no openssl.
fn served(server: &Server, options: &[&str]) -> Option<String> {
    let output = ask(server, options)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{options:?}: {output:?}");
    assert!(said.contains("HTTP/1.1 200 OK"), "{options:?}: {said}");
    Some(said)
}

/// Nobody is served who comes like this, and is told so by this alert.
fn refused(server: &Server, options: &[&str], alert: &str) {
    let Some(output) = ask(server, options) else {
        return;
    };
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{options:?}: {output:?}");
    assert!(complaint.contains(alert), "{options:?}: {complaint}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!said.contains("HTTP/1.1"), "{options:?}: {said}");
}

/// A certificate of the older kind: the suites that have no forward secrecy are for these alone.
fn with_rsa(papers: &Papers) -> bool {
    let [chain, key] = ["chain.pem", "key.pem"].map(|file| papers.path(file));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=localhost",
        ])
        .args(["-addext", "subjectAltName=DNS:localhost"])
        .args([Path::new("-keyout"), &key, Path::new("-out"), &chain])
        .output();
    made.is_ok_and(|made| made.status.success())
}

#[test]
fn each_modern_suite_is_spoken_whatever_the_certificate() {
    for (kind, rsa) in [("ECDSA", false), ("RSA", true)] {
        let papers = Papers::new();
        if rsa && !with_rsa(&papers) {
            return;
        }
        let server = papers.serve();
        for suite in MODERN_13 {
            let said = served(&server, &["-tls1_3", "-ciphersuites", suite]);
            let Some(said) = said else { return };
            assert!(said.contains(&format!("New, TLSv1.3, Cipher is {suite}")));
        }
        for suite in MODERN_12.map(|suite| format!("ECDHE-{kind}-{suite}")) {
            let said = served(&server, &["-tls1_2", "-cipher", &suite]);
            let Some(said) = said else { return };
            assert!(said.contains(&format!("New, TLSv1.2, Cipher is {suite}")));
            assert!(said.contains("Compression: NONE"), "{said}");
        }
        for group in ["X25519", "P-256", "P-384"] {
            served(&server, &["-tls1_3", "-groups", group]);
            // The groups of a client of 1.2 are also those it takes in a certificate.
            if rsa {
                served(&server, &["-tls1_2", "-groups", group]);
            }
        }
        server.stop();
    }
}

#[test]
fn no_other_version_suite_group_or_signature_is_spoken_whatever_the_certificate() {
    for rsa in [false, true] {
        let papers = Papers::new();
        if rsa && !with_rsa(&papers) {
            return;
        }
        let server = papers.serve();
        let no_common = "alert handshake failure";
        for version in ["-tls1", "-tls1_1"] {
            let options = [version, "-cipher", EVERYTHING];
            refused(&server, &options, no_common);
        }
        refused(&server, &["-tls1_2", "-cipher", ALL_OTHERS_12], no_common);
        refused(
            &server,
            &["-tls1_3", "-ciphersuites", ALL_OTHERS_13],
            no_common,
        );
        for version in ["-tls1_3", "-tls1_2"] {
            refused(&server, &[version, "-groups", "P-521"], no_common);
        }
        for weak in ["ECDSA+SHA1:RSA+SHA1", "ECDSA+SHA224:RSA+SHA224"] {
            let options = ["-tls1_2", "-cipher", EVERYTHING, "-sigalgs", weak];
            refused(&server, &options, no_common);
        }
        server.stop();
    }
}

#[test]
fn http_1_1_is_agreed_on_or_assumed_and_nothing_else() {
    let papers = Papers::new();
    let server = papers.serve();
    for version in ["-tls1_3", "-tls1_2"] {
        for offered in ["http/1.1", "h2,http/1.1"] {
            let Some(said) = served(&server, &[version, "-alpn", offered]) else {
                return;
            };
            assert!(said.contains("ALPN protocol: http/1.1"), "{said}");
        }
        let said = served(&server, &[version]).unwrap();
        assert!(said.contains("No ALPN negotiated"), "{said}");
        let only = [version, "-alpn", "h2,spdy/3"];
        refused(&server, &only, "alert no application protocol");
    }
    server.stop();
}

/// There is one certificate. Whether it is for the name that was meant is the client's to judge.
#[test]
fn whatever_name_is_asked_for_the_one_certificate_is_shown_and_the_client_judges_it() {
    let papers = Papers::new();
    let server = papers.serve();
    let trusted = papers.path("chain.pem");
    let trusted = ["-verify_return_error", "-CAfile", trusted.to_str().unwrap()];
    for version in ["-tls1_3", "-tls1_2"] {
        let names: [&[&str]; 3] = [
            &["-servername", "localhost"],
            &["-servername", "somewhere.example"],
            &["-noservername"],
        ];
        for name in names {
            let Some(said) = served(&server, &[&[version], name, &trusted].concat()) else {
                return;
            };
            assert!(said.contains("Verification: OK"), "{name:?}: {said}");
        }
        let meant = ["-verify_hostname", "somewhere.example"];
        let asked = [&[version], names[1], &trusted, &meant].concat();
        let output = ask(&server, &asked).unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr).to_lowercase();
        assert!(!output.status.success(), "{output:?}");
        assert!(complaint.contains("hostname mismatch"), "{complaint}");
    }
    server.stop();
}

#[test]
fn who_wants_to_negotiate_again_is_refused_and_disturbs_nobody() {
    let papers = Papers::new();
    let server = papers.serve();
    let Some(mut client) = spawn(server.address(), &["-tls1_2"]) else {
        return;
    };
    let (status, said, complaint) = soon(move || {
        let mut stdin = client.stdin.take().unwrap();
        stdin.write_all(UPGRADE).unwrap();
        let mut stdout = BufReader::new(client.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("101 Switching Protocols") {
            assert_ne!(stdout.read_line(&mut said).unwrap(), 0, "{said}");
        }
        // Read by itself, a line that begins with this letter is a command.
        stdin.write_all(b"R\n").unwrap();
        stdout.read_to_string(&mut said).unwrap();
        let mut complaint = String::new();
        let mut stderr = client.stderr.take().unwrap();
        stderr.read_to_string(&mut complaint).unwrap();
        (client.wait().unwrap(), said, complaint)
    });
    assert!(!status.success(), "{said} {complaint}");
    assert!(complaint.contains("no renegotiation"), "{complaint}");
    // RFC 5746: without the extension somebody in between could splice two connections.
    assert!(said.contains("Secure Renegotiation IS supported"), "{said}");
    served(&server, &["-tls1_2"]);
    server.stop();
}

#[test]
fn sessions_are_resumed_and_no_data_comes_before_the_handshake() {
    let papers = Papers::new();
    let server = papers.serve();
    let kept = papers.path("session.pem");
    let kept = kept.to_str().unwrap();
    for version in ["-tls1_3", "-tls1_2"] {
        let Some(said) = served(&server, &[version, "-sess_out", kept]) else {
            return;
        };
        assert!(said.contains("New, "), "{said}");
        let early = papers.path("early");
        std::fs::write(&early, REQUEST).unwrap();
        let mut options = vec![version, "-sess_in", kept];
        if version == "-tls1_3" {
            assert!(said.contains("Max Early Data: 0"), "{said}");
            options.extend(["-early_data", early.to_str().unwrap()]);
        }
        let said = served(&server, &options).unwrap();
        assert!(said.contains("Reused, "), "{said}");
        assert!(!said.contains("Early data was accepted"), "{said}");
    }
    server.stop();
}
