//! The page, as a browser gets it.

use homeroom_engine::Config;
use homeroom_server::{Guests, HostConfig, Terms};

use crate::{
    http::two_doors,
    support::{Client, Server, config},
};

#[test]
fn a_browser_gets_the_page_once_and_then_hears_that_it_has_it() {
    let server = Server::in_memory();
    let mut browser = Client::dial(server.address());
    let (status, head, body) = browser.get("/");
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/html; charset=utf-8"));
    assert!(head.contains("content-security-policy: default-src 'none'; script-src 'self';"));
    assert!(head.contains("x-content-type-options: nosniff"));
    assert!(head.contains("referrer-policy: no-referrer"));
    assert!(body.starts_with("<!doctype html>"));
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: "));
    let (status, _, body) = browser.http(&format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {}\r\n\r\n",
        tag.unwrap()
    ));
    assert_eq!((status, body.as_str()), (304, ""));
    // The same connection goes on, and a query changes nothing.
    assert_eq!(browser.get("/clients/web/index.js?again").0, 200);
    server.stop();
}

#[test]
fn where_guests_are_refused_a_browser_is_told_what_this_is() {
    let terms = Terms {
        guests: Guests::Refused,
        ..config().terms
    };
    let server = Server::start(Config::default(), HostConfig { terms, ..config() });
    let mut browser = Client::dial(server.address());
    let (status, head, body) = browser.get("/");
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain"), "{head}");
    assert!(body.starts_with("This is a Homeroom server"), "{body}");
    assert_eq!(browser.get("/app.js").0, 404);
    server.stop();
}

#[test]
fn the_operators_door_has_no_page() {
    let server = Server::start(Config::default(), two_doors());
    assert_eq!(Client::dial(server.address()).get("/").0, 200);
    assert_eq!(Client::dial(server.operations()).get("/").0, 404);
    server.stop();
}
