//! Plain HTTP: what is answered where, to whom, and how long anyone may take.

use std::{
    io::{ErrorKind, Write},
    net::{Shutdown, SocketAddr},
    time::Duration,
};

use homeroom_engine::Config as EngineConfig;
use homeroom_protocol::ClientFrame;
use homeroom_server::{HostConfig, OperationsSettings, OriginSettings, REQUEST_BYTES_MAX, Terms};

use crate::support::{Client, PATIENCE, Server, config, hello, upgrade_request};

/// Short enough to wait for.
const SHORT: Duration = Duration::from_millis(300);
/// Between two drops of a slow client: it never stops for as long as `SHORT`.
const DROP: Duration = Duration::from_millis(20);

fn impatient() -> Server {
    let terms = Terms {
        handshake_within: SHORT,
        ..config().terms
    };
    let config = HostConfig { terms, ..config() };
    Server::start(EngineConfig::default(), config)
}

/// With a door for operations of its own.
pub(crate) fn two_doors() -> HostConfig {
    HostConfig {
        operations: OperationsSettings {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        },
        ..config()
    }
}

#[test]
fn one_connection_asks_many_things() {
    let server = Server::in_memory();
    let mut probe = Client::dial(server.address());
    for _ in 0..3 {
        assert_eq!(probe.get("/health/live").0, 200);
        assert_eq!(probe.get("/nowhere").0, 404);
    }
    let mut late = probe;
    late.write(upgrade_request().as_bytes());
    assert!(late.read_http_head().starts_with("HTTP/1.1 101"));
    server.stop();
}

#[test]
fn nobody_may_be_idle_for_long_between_two_requests() {
    let server = impatient();
    let mut probe = Client::dial(server.address());
    assert_eq!(probe.get("/health/live").0, 200);
    assert_eq!(probe.read_to_end(), "");
    server.stop();
}

#[test]
fn a_head_that_comes_in_drops_is_cut_off() {
    let server = impatient();
    for before in [0, 1] {
        let mut slow = Client::dial(server.address());
        for _ in 0..before {
            assert_eq!(slow.get("/health/live").0, 200);
        }
        slow.write(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
        let drops = PATIENCE.as_millis() / DROP.as_millis();
        let cut = (0..drops).any(|_| {
            std::thread::sleep(DROP);
            slow.stream().write_all(b"x").is_err()
        });
        assert!(cut, "it could go on for ever, after {before} requests");
    }
    server.stop();
}

#[test]
fn who_asks_and_never_reads_is_cut_off() {
    let server = impatient();
    let deaf = Client::dial(server.address());
    let request = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1_000);
    let error = loop {
        // Once the answers fill the kernel's buffers nothing more is read, and this blocks.
        if let Err(error) = deaf.stream().write_all(&request) {
            break error.kind();
        }
    };
    assert!(
        matches!(error, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
        "{error}"
    );
    drop(deaf);
    server.stop();
}

#[test]
fn the_answer_to_head_is_that_to_get_without_its_body() {
    let server = Server::in_memory();
    let mut probe = Client::dial(server.address());
    for path in ["/health/live", "/health/ready", "/nowhere"] {
        let (_, head, body) = probe.get(path);
        assert!(!body.is_empty());
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        probe.write(request.as_bytes());
        let without = probe.read_http_head().to_lowercase();
        // A second may have passed.
        let undated = |head: &str| {
            let lines = head.lines().filter(|line| !line.starts_with("date:"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(undated(&head), undated(&without));
    }
    // No body came in between.
    assert_eq!(probe.get("/health/live").2, "ok");
    server.stop();
}

#[test]
fn other_methods_are_told_which_there_are_and_their_bodies_stay_unread() {
    let server = Server::in_memory();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PURGE"] {
        let mut probe = Client::dial(server.address());
        // The body that is announced never comes.
        let (status, head, _) = probe.http(&format!(
            "{method} /health/live HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
        ));
        assert_eq!(status, 405, "{method}");
        assert!(head.contains("\r\nallow: get, head\r\n"), "{head}");
        assert_eq!(probe.read_to_end(), "", "{method}");
    }
    server.stop();
}

#[test]
fn every_answer_tells_browsers_to_make_nothing_of_it() {
    let server = Server::in_memory();
    let mut probe = Client::dial(server.address());
    for path in ["/health/live", "/health/ready", "/nowhere", "/v1/connect"] {
        let (_, head, _) = probe.get(path);
        for line in [
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
            "content-security-policy: default-src 'none'; frame-ancestors 'none'",
        ] {
            assert!(head.contains(&format!("\r\n{line}\r\n")), "{path}: {head}");
        }
    }
    server.stop();
}

#[test]
fn heads_are_bounded_in_the_second_request_as_well() {
    let server = Server::in_memory();
    let huge = format!("X-Padding: {}\r\n", "x".repeat(2 * REQUEST_BYTES_MAX));
    let many = "X-One: more\r\n".repeat(100);
    for lines in [huge, many] {
        let mut probe = Client::dial(server.address());
        assert_eq!(probe.get("/health/live").0, 200);
        let request = format!("GET /health/live HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
        // A server that has seen enough may hang up before all is said.
        let _ = probe.stream().write_all(request.as_bytes());
        assert!(probe.read_http_head().starts_with("HTTP/1.1 431"));
        assert_eq!(probe.read_to_end(), "");
    }
    server.stop();
}

#[test]
fn who_hangs_up_in_the_middle_is_nobodys_problem() {
    let server = Server::in_memory();
    for begun in ["", "GET /health/li", "GET /health/live HTTP/1.1\r\nHost: l"] {
        let mut probe = Client::dial(server.address());
        probe.write(begun.as_bytes());
        probe.stream().shutdown(Shutdown::Write).unwrap();
        probe.read_to_end();
    }
    assert_eq!(Client::dial(server.address()).get("/health/live").0, 200);
    server.stop();
}

#[test]
fn each_door_serves_its_own() {
    let server = Server::start(EngineConfig::default(), two_doors());
    let mut clients = Client::dial(server.address());
    assert_eq!(clients.get("/health/live").0, 200);
    assert_eq!(clients.get("/health/ready").0, 404);
    let mut operators = Client::dial(server.operations());
    assert_eq!(operators.get("/health/live").0, 200);
    let (status, head, body) = operators.get("/health/ready");
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/json"), "{head}");
    assert_eq!(body, r#"{"status":"ready","degraded":[],"left_off":0}"#);
    let refused = operators.http(&upgrade_request());
    assert_eq!(refused.0, 404, "clients are not served there");
    Client::enter(server.address(), "ada").is_served();
    server.stop();
}

#[test]
fn a_tenant_that_is_damaged_is_named_and_the_host_stays_ready() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(EngineConfig::in_folder(folder.path()), two_doors());
    Client::enter(server.address(), "ada").create("class-7b");
    server.stop();
    std::fs::remove_dir_all(folder.path().join("tenants/default/log")).unwrap();

    let server = Server::start(EngineConfig::in_folder(folder.path()), two_doors());
    let mut ada = Client::connect(server.address());
    ada.say(&ClientFrame::Hello(hello("default", "ada")));
    assert_eq!(ada.bye().0, 4006);
    let (status, _, body) = Client::dial(server.operations()).get("/health/ready");
    assert_eq!(status, 200);
    assert!(
        body.contains(r#""tenant":"default","part":"log""#),
        "{body}"
    );
    assert!(body.contains(r#""keeps_out":true"#), "{body}");
    server.stop();
}

#[test]
fn on_the_only_door_details_are_for_who_asks_on_this_machine_for_itself() {
    let server = Server::in_memory();
    let mut probe = Client::dial(server.address());
    let mut ask = |lines: &str| {
        let (status, _, body) = probe.http(&format!("GET /health/ready HTTP/1.1\r\n{lines}\r\n"));
        assert_eq!(status, 200, "{lines}");
        body != r#"{"status":"ready"}"#
    };
    assert!(ask("Host: localhost\r\n"));
    assert!(ask("Host: 127.0.0.1:7400\r\n"));
    assert!(!ask("Host: chat.example\r\n"));
    assert!(!ask("Host: localhost\r\nX-Forwarded-For: 192.0.2.1\r\n"));
    server.stop();
}

#[test]
fn a_page_from_elsewhere_cannot_connect() {
    let mut config = config();
    config.terms.origins = OriginSettings {
        allowed: vec!["https://app.example".parse().unwrap()],
    };
    let server = Server::start(EngineConfig::default(), config);
    let ask = |origin: &str| {
        let mut page = Client::dial(server.address());
        let named = format!("\r\nOrigin: {origin}\r\n\r\n");
        page.write(upgrade_request().replacen("\r\n\r\n", &named, 1).as_bytes());
        page.read_http_head()
    };
    for (origin, status) in [
        ("http://localhost", "101"),
        ("https://app.example", "101"),
        ("null", "403"),
        ("https://evil.example", "403"),
        ("https://app.example.evil.example", "403"),
        ("http://localhost:7400", "403"),
    ] {
        let head = ask(origin);
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}")),
            "{origin}: {head}"
        );
    }
    server.stop();
}

#[test]
fn a_request_names_one_host() {
    let server = Server::in_memory();
    for hosts in ["", "Host: localhost\r\nHost: evil.example\r\n"] {
        let mut probe = Client::dial(server.address());
        let mut ask = |path: &str| {
            let request = format!("GET {path} HTTP/1.1\r\n{hosts}\r\n");
            probe.http(&request).0
        };
        assert_eq!(ask("/health/live"), 400, "{hosts}");
        assert_eq!(ask("http://localhost/health/live"), 400, "{hosts}");
        assert_eq!(ask("/v1/connect"), 400, "{hosts}");
    }
    let mut probe = Client::dial(server.address());
    let absolute = "GET http://localhost/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(probe.http(absolute).0, 200);
    // It had none in 1996.
    probe.write(b"GET /health/live HTTP/1.0\r\n\r\n");
    assert!(probe.read_to_end().starts_with("HTTP/1.0 200"));
    server.stop();
}

#[test]
fn what_hides_in_a_body_is_no_request() {
    let server = impatient();
    let hidden = "GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let length = hidden.len();
    for (lines, before) in [
        (format!("Content-Length: {length}\r\n"), ""),
        (
            format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
            "0\r\n\r\n",
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n".to_owned(),
            "0\r\n\r\n",
        ),
        (
            format!("Content-Length: {length}\r\nContent-Length: 0\r\n"),
            "",
        ),
        ("Content-Length: +0\r\n".to_owned(), ""),
        ("Content-Length: -1\r\n".to_owned(), ""),
        ("Content-Length: 18446744073709551616\r\n".to_owned(), ""),
        ("Content-Length:\r\n 0\r\n".to_owned(), ""),
        ("Content-Length : 0\r\n".to_owned(), ""),
        ("Transfer-Encoding: identity\r\n".to_owned(), ""),
        ("Transfer-Encoding: chunked, identity\r\n".to_owned(), ""),
        ("Transfer-Encoding: xchunked\r\n".to_owned(), ""),
        ("Transfer-Encoding : chunked\r\n".to_owned(), "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n".to_owned(), "-1\r\n"),
    ] {
        for method in ["GET", "POST"] {
            let mut probe = Client::dial(server.address());
            let request = format!(
                "{method} /health/live HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n{before}{hidden}"
            );
            probe.write(request.as_bytes());
            let answers = probe.read_to_end();
            assert!(!answers.contains("404"), "{method} {lines}: {answers}");
            assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{method} {lines}");
        }
    }
    server.stop();
}

#[test]
fn a_websocket_is_not_asked_for_by_half() {
    let server = impatient();
    let upgrade = upgrade_request();
    for (name, request) in [
        ("an older HTTP", upgrade.replace("HTTP/1.1", "HTTP/1.0")),
        (
            "a body that never comes",
            upgrade.replacen("\r\n\r\n", "\r\nContent-Length: 100\r\n\r\n", 1),
        ),
        (
            "a body without an end",
            upgrade.replacen("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n", 1),
        ),
    ] {
        let mut probe = Client::dial(server.address());
        probe.write(request.as_bytes());
        let answer = probe.read_to_end();
        assert!(
            answer.contains(" 400 ") || answer.contains(" 426 "),
            "{name}: {answer}"
        );
    }
    server.stop();
}
