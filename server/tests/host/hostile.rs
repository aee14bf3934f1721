//! Whatever a client does wrong has its documented answer, and is nobody else's problem.

use std::{
    io::{ErrorKind, Write},
    time::Duration,
};

use homeroom_engine::Config;
use homeroom_protocol::{
    Auth, ClientFrame, Direction, EventBody, Hello, Request, RequestId, RoomNumber, Seq,
    ServerFrame, limit,
};
use homeroom_server::{AdmissionSettings, HostConfig, REQUEST_BYTES_MAX, Terms};
use socket2::SockRef;

use crate::support::{
    Client, Got, PATIENCE, Server, client_frame, client_header, config, encode, hello, message,
    send, upgrade_request,
};

/// Short enough to wait for, long enough not to hit anyone who is only slow.
const SHORT: Duration = Duration::from_millis(300);

fn with_terms(change: impl FnOnce(&mut Terms)) -> HostConfig {
    let mut config = config();
    change(&mut config.terms);
    config
}

/// The id and code of the next error.
fn refused(client: &mut Client) -> (Option<RequestId>, u16) {
    client.until(|frame| match frame {
        ServerFrame::Error { id, code, .. } => Some((*id, *code)),
        _ => None,
    })
}

#[test]
fn whoever_breaks_the_rules_is_told_and_closed_and_nobody_else_notices() {
    let server = Server::in_memory();
    let mut ada = Client::enter(server.address(), "ada");
    ada.create("class-7b");
    let (room, _) = ada.join("class-7b", None);

    let protocol = (Some(4200), 4200);
    let too_big = (Some(4201), 4201);
    let garbled = (None, 1002);
    let fragment = client_frame(0x02, &[0; limit::CLIENT_MESSAGE_BYTES_MAX]);
    for (name, bytes, answer) in [
        ("a text message", client_frame(0x81, b"hello"), protocol),
        ("no MessagePack", message(&[0xc1]), protocol),
        ("an empty message", message(&[]), protocol),
        ("no array", message(&[0x01]), protocol),
        ("a cut-off frame", message(&[0x92, 0x02]), protocol),
        ("nesting without end", message(&[0x91; 100]), protocol),
        (
            "claimed elements",
            message(&[0xdd, 0xff, 0xff, 0xff, 0xff]),
            protocol,
        ),
        (
            "too many frames",
            message(&[0x91, 0x02].repeat(257)),
            protocol,
        ),
        (
            "a message over the limit",
            client_header(0x82, limit::CLIENT_MESSAGE_BYTES_MAX + 1),
            too_big,
        ),
        (
            "fragments over the limit",
            [fragment, client_header(0x80, 1)].concat(),
            too_big,
        ),
        ("an unmasked frame", vec![0x82, 0x02, 0x92, 0x02], garbled),
        ("reserved bits", client_frame(0xc2, &[]), garbled),
        ("an unknown opcode", client_frame(0x83, &[]), garbled),
        ("a fragmented ping", client_frame(0x09, &[]), garbled),
        ("a long ping", client_frame(0x89, &[0; 126]), garbled),
    ] {
        let mut mallory = Client::enter(server.address(), "mallory");
        mallory.join("class-7b", None);
        mallory.write(&bytes);
        assert_eq!(mallory.end(), answer, "{name}");
    }
    let position = ada.send(room, "all quiet");
    assert_eq!(ada.heard(), (position.seq, "all quiet".to_owned()));
    server.stop();
}

#[test]
fn a_developer_hears_what_exactly_was_wrong_before_the_welcome_and_after() {
    let server = Server::in_memory();
    for (bytes, why) in [
        (
            client_frame(0x81, b"hello"),
            "text messages are not spoken here, only binary ones",
        ),
        (message(&[0xc1]), "the byte 0xc1 at 0 is not MessagePack"),
        (
            message(&[0x92, 0x02]),
            "the value at byte 2 is longer than the message",
        ),
        (
            message(&[0x91; 100]),
            "the container at byte 8 is nested deeper than 8",
        ),
    ] {
        for mut mallory in [
            Client::connect(server.address()),
            Client::enter(server.address(), "mallory"),
        ] {
            mallory.write(&bytes);
            assert_eq!(mallory.bye(), (4200, None, why.to_owned()));
        }
    }
    let mut mallory = Client::enter(server.address(), "mallory");
    mallory.write(&client_header(0x82, limit::CLIENT_MESSAGE_BYTES_MAX + 1));
    let (code, _, why) = mallory.bye();
    assert_eq!(code, 4201);
    assert!(why.contains("65537 bytes, the limit is 65536"), "{why}");
    server.stop();
}

#[test]
fn whoever_is_still_talking_hears_why_it_is_over() {
    let server = Server::start(
        Config::default(),
        with_terms(|terms| terms.hang_up_within = PATIENCE),
    );
    let mut mallory = Client::enter(server.address(), "mallory");
    mallory.write(&client_frame(0x81, b"hello"));
    // A socket that was closed over unread bytes would answer these with a reset.
    for _ in 0..1_000 {
        mallory.write(&[0; 4_000]);
    }
    assert_eq!(mallory.end(), (Some(4200), 4200));
    drop(mallory);
    server.stop();
}

#[test]
fn a_hello_is_needed_first_alone_and_acceptable() {
    let server = Server::in_memory();
    let ping = encode(&ClientFrame::Ping { nonce: 1 });
    let ada = || hello("default", "ada");
    let said = |hello: Hello| message(&encode(&ClientFrame::Hello(hello)));
    let token = Auth::Token("sesame".to_owned());
    let behind = [encode(&ClientFrame::Hello(ada())), ping.clone()].concat();
    for (name, bytes, code) in [
        ("a ping first", message(&ping), 4200),
        ("something behind it", message(&behind), 4200),
        ("one without fields", message(&[0x91, 0x01]), 4200),
        ("an unknown kind first", message(&[0x91, 0x0f]), 4200),
        ("a text", client_frame(0x81, b"hi"), 4200),
        (
            "one that is too long",
            client_header(0x82, limit::HELLO_BYTES_MAX + 1),
            4201,
        ),
        (
            "a token nobody gave out",
            said(Hello {
                auth: token,
                ..ada()
            }),
            4101,
        ),
        ("an unknown tenant", said(hello("nowhere", "ada")), 4203),
        (
            "an older version",
            said(Hello {
                version: 0,
                ..ada()
            }),
            4204,
        ),
    ] {
        let mut client = Client::connect(server.address());
        client.write(&bytes);
        assert_eq!(client.end(), (Some(code), code), "{name}");
    }
    server.stop();
}

#[test]
fn what_comes_behind_the_hello_is_answered_behind_the_welcome() {
    let server = Server::in_memory();
    let request = Request::Watch { users: vec![] };
    let id = RequestId(1);
    let said = [
        ClientFrame::Hello(hello("default", "ada")),
        ClientFrame::Ping { nonce: 7 },
        ClientFrame::Hello(hello("default", "ada")),
        ClientFrame::Request { id, request },
    ];
    let bytes: Vec<_> = said.iter().flat_map(|it| message(&encode(it))).collect();
    // Who is first was a matter of chance: many tries make an early pong all but certain.
    for _ in 0..50 {
        let mut eager = Client::connect(server.address());
        eager.write(&bytes);
        eager.welcome();
        eager.until(|frame| matches!(frame, ServerFrame::Pong { nonce: 7, .. }).then_some(()));
        assert_eq!(refused(&mut eager), (None, 1003));
        eager.until(|frame| matches!(frame, ServerFrame::Watching { .. }).then_some(()));
    }
    server.stop();
}

#[test]
fn where_guests_are_refused_none_comes_in() {
    let server = Server::start(
        Config::default(),
        with_terms(|terms| terms.guests = Terms::default().guests),
    );
    let mut ada = Client::connect(server.address());
    ada.say(&ClientFrame::Hello(hello("default", "ada")));
    assert_eq!(ada.end(), (Some(4101), 4101));
    server.stop();
}

#[test]
fn a_hello_that_never_comes_is_not_waited_for() {
    let server = Server::start(
        Config::default(),
        with_terms(|terms| terms.hello_within = SHORT),
    );
    let mut silent = Client::connect(server.address());
    assert_eq!(silent.end(), (Some(4100), 4100));
    // Pings are no hello.
    let mut pinging = Client::connect(server.address());
    pinging.write(&client_frame(0x89, b"?"));
    assert_eq!(pinging.read(), Got::Pong(b"?".to_vec()));
    assert_eq!(pinging.end(), (Some(4100), 4100));
    server.stop();
}

#[test]
fn whoever_falls_silent_is_let_go() {
    let mut engine = Config::default();
    engine.settings.heartbeat_ms = 100;
    let server = Server::start(engine, config());
    let mut ada = Client::enter(server.address(), "ada");
    assert_eq!(ada.end(), (Some(4002), 4002));
    server.stop();
}

#[test]
fn single_bad_frames_are_answered_and_the_connection_goes_on() {
    let server = Server::in_memory();
    let mut ada = Client::enter(server.address(), "ada");

    ada.say(&ClientFrame::Hello(hello("default", "ada")));
    assert_eq!(refused(&mut ada), (None, 1003));

    // Kind 63, request 9, then a good ping: the frames beside a bad one stand.
    let ping = encode(&ClientFrame::Ping { nonce: 3 });
    ada.write(&message(&[&[0x92, 0x3f, 0x09][..], &ping].concat()));
    assert_eq!(refused(&mut ada), (Some(RequestId(9)), 1001));
    ada.until(|frame| matches!(frame, ServerFrame::Pong { nonce: 3, .. }).then_some(()));

    // A join, request 8, of a room whose id is a number.
    ada.write(&message(&[0x93, 0x11, 0x08, 0x05]));
    assert_eq!(refused(&mut ada), (Some(RequestId(8)), 1002));

    let asked = ada.ask(send(RoomNumber(99), "into the void"));
    assert_eq!(refused(&mut ada), (Some(asked), 4001));
    ada.is_served();
    server.stop();
}

#[test]
fn what_is_not_our_http_is_answered_and_gone() {
    let server = Server::start(
        Config::default(),
        with_terms(|terms| terms.handshake_within = SHORT),
    );
    let upgrade = upgrade_request();
    let huge = format!("X-Padding: {}\r\n\r\n", "x".repeat(2 * REQUEST_BYTES_MAX));
    let many = format!("{}\r\n", "X-One: more\r\n".repeat(100));
    let end = |lines: &str| upgrade.replacen("\r\n\r\n", &format!("\r\n{lines}"), 1);
    for (name, request, status) in [
        ("garbage", "\u{1}\u{2}\u{3}\r\n\r\n".to_owned(), "400"),
        ("huge headers", end(&huge), "431"),
        ("many headers", end(&many), "431"),
        (
            "another subprotocol",
            upgrade.replace("homeroom.v1", "homeroom.v9"),
            "400",
        ),
        (
            "no key",
            upgrade.replace("Sec-WebSocket-Key", "X-Key"),
            "400",
        ),
        (
            "an older WebSocket",
            upgrade.replace("Version: 13", "Version: 8"),
            "400",
        ),
        (
            "no upgrade",
            upgrade.replace("Upgrade: websocket", "X: y"),
            "426",
        ),
        (
            "another path",
            upgrade.replace("/v1/connect", "/v2/connect"),
            "404",
        ),
        (
            "a sign of life",
            upgrade.replace("/v1/connect", "/health/live"),
            "200",
        ),
    ] {
        let mut client = Client::dial(server.address());
        // A server that has seen enough may hang up before all is said.
        let _ = client.stream().write_all(request.as_bytes());
        let answer = client.read_to_end();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{name}: {answer}"
        );
    }
    // Half a request, and nothing more.
    let mut slow = Client::dial(server.address());
    slow.write(b"GET /v1/connect HTTP/1.1\r\nHost:");
    assert_eq!(slow.read_to_end(), "");
    server.stop();
}

#[test]
fn at_the_limit_of_connections_the_next_is_told_to_come_back() {
    let server = Server::start(
        Config::default(),
        HostConfig {
            admission: AdmissionSettings {
                connections_max: 1,
                ..AdmissionSettings::default()
            },
            ..config()
        },
    );
    let mut ada = Client::enter(server.address(), "ada");
    let mut ben = Client::connect(server.address());
    let after = ben.until(|frame| match frame {
        ServerFrame::Bye {
            code: 4004,
            reconnect_after_ms,
            ..
        } => *reconnect_after_ms,
        _ => None,
    });
    assert!(after > 0);
    assert_eq!(ben.end(), (None, 4004));
    let mut probe = Client::dial(server.address());
    probe.write(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(probe.read_to_end().starts_with("HTTP/1.1 200"));
    ada.is_served();
    server.stop();
}

#[test]
fn a_listener_that_never_reads_slows_nobody_and_misses_nothing() {
    const MESSAGES: usize = 400;
    let server = Server::in_memory();
    let mut ada = Client::enter(server.address(), "ada");
    ada.create("class-7b");
    let (room, _) = ada.join("class-7b", None);
    let mut sleeper = Client::enter(server.address(), "sleeper");
    SockRef::from(sleeper.stream())
        .set_recv_buffer_size(256 * 1024)
        .unwrap();
    sleeper.join("class-7b", None);

    // More than the kernel's buffers and the sleeper's outbox hold together.
    let text = |number: usize| format!("{number:>16000}");
    for number in 0..MESSAGES {
        let position = ada.send(room, &text(number));
        assert_eq!(ada.heard(), (position.seq, text(number)));
    }
    // Awake again: everything, once, in order.
    for number in 0..MESSAGES {
        assert_eq!(sleeper.heard().1, text(number));
    }
    sleeper.is_served();
    server.stop();
}

#[test]
fn whoever_does_not_read_replies_is_not_read_and_loses_none() {
    let server = Server::in_memory();
    let mut ada = Client::enter(server.address(), "ada");
    ada.create("class-7b");
    let (room, _) = ada.join("class-7b", None);
    for number in 0..20 {
        ada.send(room, &format!("{number:>16000}"));
    }
    let mut greedy = Client::enter(server.address(), "greedy");
    SockRef::from(greedy.stream())
        .set_recv_buffer_size(256 * 1024)
        .unwrap();
    greedy.join("class-7b", None);

    // Every request is answered by 256 KiB. Once the kernel's buffers are full the server must take no
    // more of them, long before it would hold the answers to all of these.
    const REQUESTS: u64 = 1_000;
    let mut page = Vec::new();
    let mut asked = 0;
    let mut rest: &[u8] = &[];
    greedy.stream().set_nonblocking(true).unwrap();
    let mut tries_in_vain = 0;
    while tries_in_vain < 100 {
        if rest.is_empty() {
            assert!(asked < REQUESTS, "the server took everything");
            asked += 1;
            page = message(&padded_history(room, RequestId(1_000 + asked)));
            rest = &page;
        }
        match greedy.stream().write(rest) {
            Ok(count) => {
                tries_in_vain = 0;
                rest = &page[page.len() - (rest.len() - count)..];
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                // Time for the server to take more, if it would.
                tries_in_vain += 1;
                ada.is_served();
            }
            Err(error) => panic!("{error}"),
        }
    }
    greedy.stream().set_nonblocking(false).unwrap();
    let rest = rest.to_vec();
    let whole = if rest.len() == page.len() {
        asked - 1
    } else {
        asked
    };

    for number in 1..=whole {
        // The last request can only be finished once the server reads again.
        if number == whole && whole == asked {
            greedy.write(&rest);
        }
        let (id, first) = greedy.until(|frame| match frame {
            ServerFrame::Page { id, events, .. } => Some((*id, events[0].body.clone())),
            _ => None,
        });
        assert_eq!(id, RequestId(1_000 + number));
        assert!(matches!(first, EventBody::RoomCreated { .. }), "{first:?}");
    }
    server.stop();
}

/// A history request with a large field of a later version behind the known ones.
fn padded_history(room: RoomNumber, id: RequestId) -> Vec<u8> {
    let mut frame = encode(&ClientFrame::Request {
        id,
        request: Request::History {
            room,
            direction: Direction::After,
            anchor: Seq(0),
            limit: 100,
            thread: None,
        },
    });
    assert_eq!(frame[0], 0x96, "an array of six: the thread is left out");
    frame[0] = 0x98;
    frame.push(0xc0);
    frame.extend([0xc5, 0xea, 0x60]);
    frame.resize(frame.len() + 0xea60, 0);
    frame
}
