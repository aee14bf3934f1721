//! Whole runs, small and bounded by messages: against the baseline, and against a host in this process.

mod losing;

use std::{net::SocketAddr, thread, time::Duration};

use homeroom_engine::{Config, Engine};
use homeroom_protocol::CloseCode;
use homeroom_server::{
    Guests, Host, HostConfig, Terms,
    tls::{Tls, TlsSettings},
};
use tokio::runtime::Runtime;

use super::{
    Act, Dialect, Door, Driver, Entered, Entry, Errand, Fleet, Habits, Homeroom, LARGE_BYTES,
    Measured, Note, Outgoing, Pace, Role, Seat, Seating, Until, Window,
    comers::say_something_large, crowd::Crowd, fleet::PATIENCE,
};
use crate::{
    host::tenant,
    raw::{self, Mode},
    secure::Papers,
};

const LISTENERS: u32 = 20;
const MESSAGES: u64 = 100;

/// A host in this process, which leaves in order at the end.
struct InProcess {
    runtime: Runtime,
    engine: Engine,
    host: Option<Host>,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl InProcess {
    fn start() -> Self {
        Self::start_with(None)
    }

    fn start_with(tls: Option<&TlsSettings>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let (engine, host) = runtime.block_on(async {
            let mut config = Config::in_folder(folder.path());
            config.settings = config.settings.without_budgets();
            let engine = Engine::open(config).await.unwrap();
            engine.tenant(&tenant("default")).await.unwrap();
            let terms = Terms {
                guests: Guests::Allowed,
                tls: tls.and_then(|settings| Tls::load(settings).unwrap()),
                ..Terms::default()
            };
            let config = HostConfig {
                listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                terms,
                ..HostConfig::default()
            };
            let host = Host::start(engine.clone(), config).await.unwrap();
            (engine, host)
        });
        Self {
            runtime,
            engine,
            address: host.local_addr(),
            host: Some(host),
            _folder: folder,
        }
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        let host = self.host.take().expect("taken only here");
        self.runtime.block_on(async {
            host.shut_down().await;
            self.engine.shut_down(CloseCode::ShuttingDown, None).await;
        });
    }
}

/// The baseline in a thread of this process, which ends with it.
fn baseline(mode: Mode) -> SocketAddr {
    serve(raw::Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), mode).unwrap())
}

fn serve(server: raw::Server) -> SocketAddr {
    let address = server.address().unwrap();
    thread::spawn(move || server.serve());
    address
}

/// A run of so many messages: rooms, listeners in each, and the rest.
struct Tiny {
    rooms: u32,
    listeners: u32,
    durable: bool,
    until: Until,
    pace: Pace,
    text_bytes: usize,
}

const FAN_OUT: Tiny = Tiny {
    rooms: 1,
    listeners: LISTENERS,
    durable: false,
    until: Until::Delivered,
    pace: Pace::InFlight(16),
    text_bytes: 128,
};

fn run(dialect: &dyn Dialect, address: SocketAddr, tiny: &Tiny) -> Result<Measured, String> {
    run_in(Fleet::new(dialect, address).unwrap(), tiny)
}

fn run_in(mut fleet: Fleet<'_>, tiny: &Tiny) -> Result<Measured, String> {
    let seating = Seating::new(tiny.rooms, tiny.listeners, Entry::Room, tiny.durable);
    fleet.gather(seating.speakers())?;
    fleet.gather(seating.listeners(Role::Listener, Entry::Room))?;
    let driver = Driver::new(&mut fleet, None, tiny.until, tiny.text_bytes);
    driver.run(tiny.pace, Window::Messages(MESSAGES))
}

fn each_server(mode: Mode, check: impl Fn(&dyn Dialect, SocketAddr)) {
    check(&raw::Raw, baseline(mode));
    let host = InProcess::start();
    check(&Homeroom, host.address);
}

#[test]
fn every_listener_is_delivered_every_message_once() {
    each_server(Mode::Plain, |dialect, address| {
        let measured = run(dialect, address, &FAN_OUT).unwrap();
        assert_eq!(measured.count, MESSAGES * u64::from(LISTENERS));
        assert_eq!(measured.latency.count(), measured.count);
    });
}

#[test]
fn rooms_take_turns_and_hear_only_their_own() {
    let rooms = Tiny {
        rooms: 5,
        listeners: 4,
        ..FAN_OUT
    };
    each_server(Mode::Plain, |dialect, address| {
        let measured = run(dialect, address, &rooms).unwrap();
        assert_eq!(measured.count, MESSAGES * 4);
    });
}

#[test]
fn a_schedule_is_kept_to_its_last_message() {
    let paced = Tiny {
        pace: Pace::PerSecond(2000.0),
        ..FAN_OUT
    };
    each_server(Mode::Plain, |dialect, address| {
        let measured = run(dialect, address, &paced).unwrap();
        assert_eq!(measured.count, MESSAGES * u64::from(LISTENERS));
    });
}

#[test]
fn a_baseline_that_answers_answers_what_it_delivers() {
    let at = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = raw::Server::bind(at, Mode::Plain).unwrap().answering();
    let mut fleet = Fleet::new(&raw::Raw, serve(server)).unwrap();
    let seating = Seating::new(2, LISTENERS, Entry::Room, false);
    fleet.gather(seating.speakers()).unwrap();
    fleet
        .gather(seating.listeners(Role::Listener, Entry::Room))
        .unwrap();
    let driver = Driver::new(&mut fleet, None, Until::Delivered, 128);
    let measured = driver.run(Pace::InFlight(16), Window::Messages(MESSAGES));
    assert_eq!(measured.unwrap().count, MESSAGES * u64::from(LISTENERS));
    assert_eq!(fleet.received.acknowledged, MESSAGES);
}

#[test]
fn acknowledgements_are_counted_where_nobody_listens() {
    let acknowledged = Tiny {
        rooms: 2,
        listeners: 0,
        durable: true,
        until: Until::Acknowledged,
        ..FAN_OUT
    };
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    each_server(Mode::Durable(journal.clone()), |dialect, address| {
        let measured = run(dialect, address, &acknowledged).unwrap();
        assert_eq!(measured.count, MESSAGES);
    });
    // It wrote down what it acknowledged: each text of 128 bytes, with its frame.
    assert!(std::fs::metadata(journal).unwrap().len() > MESSAGES * 128);
}

#[test]
fn messages_larger_than_a_read_are_counted_whole() {
    let long = Tiny {
        text_bytes: 16_000,
        pace: Pace::InFlight(64),
        ..FAN_OUT
    };
    each_server(Mode::Plain, |dialect, address| {
        let measured = run(dialect, address, &long).unwrap();
        assert_eq!(measured.count, MESSAGES * u64::from(LISTENERS));
    });
}

#[test]
fn listeners_of_three_rooms_come_in_and_are_told_who_is_there() {
    each_server(Mode::Plain, |dialect, address| {
        let mut fleet = Fleet::new(dialect, address).unwrap();
        let entry = Entry::ThreeRooms { rooms: 4 };
        let seating = Seating::new(4, 6, entry, false);
        fleet.gather(seating.speakers()).unwrap();
        fleet
            .gather(seating.listeners(Role::Listener, entry))
            .unwrap();
        let before = fleet.received.bytes;
        fleet.send_on(Errand::Watch(seating), 4..12).unwrap();
        assert!(fleet.lines.len() == 12 && fleet.lines.iter().all(|line| line.is_in()));
        // Each is told of six people, by name.
        let knows = dialect.knows(Errand::Watch(seating));
        assert_eq!(fleet.received.bytes - before >= 8 * 6 * 4, knows);
        // What is said in a room comes to all in it, whichever of their rooms it is.
        say_something_large(&mut fleet, &seating).unwrap();
        assert!(fleet.lines[4..].iter().all(|line| line.delivered == 3 * 4));
    });
}

#[test]
fn who_left_comes_back_and_hears_again() {
    each_server(Mode::Plain, |dialect, address| {
        let mut fleet = Fleet::new(dialect, address).unwrap();
        let seating = Seating::new(2, 3, Entry::Room, false);
        fleet.gather(seating.speakers()).unwrap();
        fleet
            .gather(seating.listeners(Role::Listener, Entry::Room))
            .unwrap();
        for politely in [false, true] {
            let seats = fleet.part(2, politely);
            assert_eq!((seats.len(), fleet.lines.len()), (6, 2));
            fleet.gather(seats).unwrap();
        }
        assert_eq!(fleet.arrivals.count(), 2 + 3 * 6);
        let driver = Driver::new(&mut fleet, None, Until::Delivered, 128);
        let measured = driver.run(Pace::InFlight(4), Window::Messages(MESSAGES));
        assert_eq!(measured.unwrap().count, MESSAGES * 3);
    });
}

#[test]
fn large_messages_go_each_way() {
    each_server(Mode::Plain, |dialect, address| {
        let mut fleet = Fleet::new(dialect, address).unwrap();
        let seating = Seating::new(2, 3, Entry::Room, false);
        fleet.gather(seating.speakers()).unwrap();
        fleet
            .gather(seating.listeners(Role::Listener, Entry::Room))
            .unwrap();
        assert!(dialect.knows(Errand::Large));
        fleet.send_on(Errand::Large, 2..8).unwrap();
        say_something_large(&mut fleet, &seating).unwrap();
        assert!(fleet.lines[2..].iter().all(|line| line.delivered == 4));
        assert!(fleet.received.bytes > 6 * LARGE_BYTES as u64);
    });
}

#[test]
fn everything_goes_under_tls_too() {
    let folder = tempfile::tempdir().unwrap();
    let papers = Papers::within(folder.path());
    papers.issue().unwrap();
    let settings = TlsSettings {
        certificate: Some(papers.certificate.clone()),
        key: Some(papers.key.clone()),
        ..TlsSettings::default()
    };
    // Messages below a record of TLS; and many at once, of which TLS holds only some.
    for text_bytes in [128, 16_000] {
        let server = raw::Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), Mode::Plain).unwrap();
        let baseline = serve(server.showing(papers.proof().unwrap()));
        let host = InProcess::start_with(Some(&settings));
        let servers: [(&dyn Dialect, _); 2] = [(&raw::Raw, baseline), (&Homeroom, host.address)];
        for (dialect, address) in servers {
            let fleet = Fleet::new(dialect, address).unwrap();
            let fleet = fleet.trusting(Some(papers.trust().unwrap()));
            let tiny = Tiny {
                text_bytes,
                ..FAN_OUT
            };
            let measured = run_in(fleet, &tiny).unwrap();
            assert_eq!(measured.count, MESSAGES * u64::from(LISTENERS));
            let strangers = Fleet::new(dialect, address).unwrap();
            assert!(run_in(strangers, &FAN_OUT).is_err(), "not without TLS");
        }
    }
}

#[test]
fn a_presence_storm_is_over_when_all_were_told_of_all() {
    let host = InProcess::start();
    let mut fleet = Fleet::new(&Homeroom, host.address).unwrap().closely();
    let seating = Seating::new(2, 4, Entry::Room, false);
    fleet.gather(seating.speakers()).unwrap();
    let crowd = Crowd::gather(&mut fleet, None, seating, 128).unwrap();
    let measured = crowd.storm(2).unwrap();
    // Two rounds, two rooms, four who are told of four.
    assert_eq!(measured.count, 2 * 2 * 4 * 4);
    assert_eq!(measured.latency.count(), measured.count);
    assert!(measured.messages > 0);
}

/// Of eight in two rooms, who do everything equally often.
fn live(dialect: &dyn Dialect, window: Window, patience: Duration) -> Result<Measured, String> {
    let host = InProcess::start();
    let mut fleet = Fleet::new(dialect, host.address).unwrap().closely();
    fleet.patience = patience;
    let seating = Seating::new(2, 4, Entry::Room, true);
    fleet.gather(seating.speakers()).unwrap();
    let crowd = Crowd::gather(&mut fleet, None, seating, 128).unwrap();
    let habits = Habits {
        types: 10.0,
        turns: 10.0,
        says: 10.0,
        looks_back: 10.0,
        reacts: 10.0,
        reads: 10.0,
    };
    crowd.live(habits, 10_000.0, window)
}

#[test]
fn all_that_people_do_is_answered() {
    let measured = live(&Homeroom, Window::Messages(300), PATIENCE).unwrap();
    assert_eq!(measured.latency.count(), 300);
    // A message or a reaction is told to the four of its room, and they are a third of it all.
    assert!(measured.count > 300, "{}", measured.count);
    assert!(measured.lived_s.unwrap() > 0.0);
}

#[test]
fn who_knows_no_presence_is_no_crowd() {
    let mut fleet = Fleet::new(&raw::Raw, baseline(Mode::Plain))
        .unwrap()
        .closely();
    let seating = Seating::new(1, 1, Entry::Room, false);
    fleet.gather(seating.speakers()).unwrap();
    let refused = Crowd::gather(&mut fleet, None, seating, 128).unwrap_err();
    assert!(refused.contains("presence"), "{refused}");
}

#[test]
fn what_a_server_refuses_ends_the_run_with_its_reason() {
    let too_long = Tiny {
        text_bytes: 20_000,
        ..FAN_OUT
    };
    let host = InProcess::start();
    let refused = run(&Homeroom, host.address, &too_long).unwrap_err();
    assert!(refused.contains("1002"), "{refused}");
}

#[test]
fn a_server_that_is_not_there_ends_the_run() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    assert!(run(&raw::Raw, address, &FAN_OUT).is_err());
}
