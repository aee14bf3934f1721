//! Leaving: in which order, within which time, and who takes over.

use std::{
    io::{ErrorKind, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use homeroom_engine::Config;
use homeroom_protocol::ClientFrame;
use homeroom_server::{DrainSettings, HostConfig};
use socket2::SockRef;

use crate::{
    api::Keys,
    http::two_doors,
    support::{Client, PATIENCE, Server, client_header, encode, hello, message, upgrade_request},
};

/// Longer than any test waits.
const HOURS: u64 = 3_600_000;

fn leaving_with(drain: DrainSettings) -> Server {
    let config = HostConfig {
        drain,
        ..two_doors()
    };
    Server::start(Config::default(), config)
}

/// Asks anew until this is the status; the answer's body.
fn until_status(address: std::net::SocketAddr, wanted: u16) -> String {
    let asking = Instant::now();
    loop {
        assert!(asking.elapsed() < PATIENCE, "it never was {wanted}");
        let (status, head, body) = Client::dial(address).get("/health/ready");
        if status == wanted {
            assert_eq!(status == 503, head.contains("\r\nconnection: close\r\n"));
            return body;
        }
    }
}

#[test]
fn readiness_drops_first_while_everybody_is_still_served() {
    let server = leaving_with(DrainSettings {
        notice_ms: HOURS,
        ..DrainSettings::default()
    });
    let (address, operations) = (server.address(), server.operations());
    let mut ada = Client::enter(address, "ada");
    let mut probe = Client::dial(address);
    assert_eq!(probe.get("/health/live").0, 200);
    let _leaving = server.begin_to_leave();

    assert!(until_status(operations, 503).starts_with(r#"{"status":"draining""#));
    ada.is_served();
    Client::enter(address, "ben").is_served();
    // Who is led here by a pool of connections is asked to make a new one, elsewhere.
    let (status, head, _) = probe.get("/health/live");
    assert_eq!(status, 200);
    assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
    assert_eq!(probe.read_to_end(), "");
}

#[test]
fn the_door_for_operations_is_open_until_the_end() {
    let server = leaving_with(DrainSettings {
        within_ms: HOURS,
        ..DrainSettings::default()
    });
    let (address, operations) = (server.address(), server.operations());
    let mut idle = Client::dial(address);
    assert_eq!(idle.get("/health/live").0, 200);
    let mut ada = Client::enter(address, "ada");
    let leaving = server.begin_to_leave();
    let (code, after, _) = ada.bye();
    assert_eq!(code, 4000);
    assert!(after.is_some_and(|after| after >= 500), "{after:?}");
    until_status(operations, 503);
    let refused = TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(idle.read_to_end(), "", "nothing is promised to it");
    drop(ada);

    let gone = leaving.gone();
    until_status(operations, 503);
    gone.seal();
    let refused = TcpStream::connect(operations).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn those_who_are_sent_away_together_come_back_one_by_one() {
    let server = Server::in_memory();
    let mut clients: Vec<Client> = (0..30)
        .map(|number| Client::enter(server.address(), &format!("user-{number}")))
        .collect();
    let leaving = server.begin_to_leave();
    let mut times: Vec<u64> = clients
        .iter_mut()
        .map(|client| client.bye().1.expect("all shall come back"))
        .collect();
    drop(clients);
    times.sort_unstable();
    assert!(times[0] >= 500, "the successor needs a moment: {times:?}");
    let crowd = times.iter().map(|&from| {
        times
            .iter()
            .filter(|&&it| (from..from + 100).contains(&it))
            .count()
    });
    // By chance three in a tenth of a second; fifteen once in many million runs.
    assert!(crowd.max() < Some(15), "{times:?}");
    leaving.gone().seal();
}

/// One of every kind that could be waited for.
#[test]
fn nobody_who_is_stuck_keeps_a_host_that_leaves() {
    let keys = Keys::new();
    let drain = DrainSettings {
        within_ms: HOURS,
        ..DrainSettings::default()
    };
    let server = Server::start(
        Config::default(),
        HostConfig {
            drain,
            ..keys.host()
        },
    );
    let address = server.address();
    let saying = |bytes: &[u8]| {
        let mut client = Client::dial(address);
        client.write(bytes);
        client
    };
    let call = format!(
        "POST /v1/tenants/default/rooms HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
         Idempotency-Key: {}\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{{",
        keys.service,
        "0".repeat(32)
    );
    let head = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let greeting = message(&encode(&ClientFrame::Hello(hello("default", "cleo"))));
    let mut idle = Client::dial(address);
    assert_eq!(idle.get("/health/live").0, 200);
    let mut begun = Client::enter(address, "ben");
    begun.write(&client_header(0x82, 1_000));
    let mut ada = Client::enter(address, "ada");
    ada.create("class-7b");
    let (room, _) = ada.join("class-7b", None);
    let mut deaf = Client::enter(address, "deaf");
    SockRef::from(deaf.stream())
        .set_recv_buffer_size(64 * 1024)
        .unwrap();
    deaf.join("class-7b", None);
    // More than the kernel's buffers and its outbox hold.
    for number in 0..400 {
        ada.send(room, &format!("{number:>16000}"));
    }
    let stuck = [
        saying(b""),
        saying(b"GET /health/live HTTP/1.1\r\nHost"),
        saying(call.as_bytes()),
        saying(&upgrade_request().as_bytes()[..60]),
        Client::connect(address),
        Client::connect_saying(address, &greeting[..9]),
        idle,
        begun,
        deaf,
    ];
    // It reads no answer.
    let asking = Client::dial(address);
    asking.stream().set_nonblocking(true).unwrap();
    while asking.stream().write(&head.repeat(1_000)).is_ok() {}
    drop(ada);

    let signalled = Instant::now();
    let gone = server.begin_to_leave().gone();
    let took = signalled.elapsed();
    assert!(took < PATIENCE / 4, "{took:?}");
    drop((stuck, asking));
    gone.seal();
}

#[test]
fn a_drain_has_a_bound_and_parts_it() {
    let drain = DrainSettings {
        notice_ms: 1_000,
        within_ms: 9_000,
    };
    let seconds = |count| Duration::from_secs(count);
    // Clients had until second five; half a second is kept for the exit.
    assert_eq!(drain.seal_within(seconds(5)), Duration::from_millis(3_500));
    assert_eq!(drain.seal_within(seconds(20)), Duration::ZERO);
    let own = DrainSettings::default();
    assert!(seconds(10) > Duration::from_millis(own.within_ms));
    assert!(PATIENCE > Duration::from_millis(own.within_ms));
}
