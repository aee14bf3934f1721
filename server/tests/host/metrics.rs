//! `/metrics` against what was done, and against the tool that judges such pages.

use std::{
    collections::BTreeMap,
    env,
    io::Write,
    net::SocketAddr,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use homeroom_protocol::Request;

use super::support::{Client, PATIENCE, Server};

/// A page, and each of its samples by its name and labels.
pub(crate) struct Scrape {
    text: String,
    samples: BTreeMap<String, f64>,
}

impl Scrape {
    pub(crate) fn of(address: SocketAddr) -> Self {
        let mut client = Client::dial(address);
        client.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let head = client.read_http_head().to_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        let kind = "content-type: text/plain; version=0.0.4; charset=utf-8\r\n";
        assert!(head.contains(kind), "{head}");
        let text = client.read_to_end();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        });
        Self {
            samples: samples.collect(),
            text,
        }
    }

    /// The first one of which this holds.
    pub(crate) fn until(address: SocketAddr, holds: impl Fn(&Self) -> bool) -> Self {
        let began = Instant::now();
        loop {
            let scrape = Self::of(address);
            if holds(&scrape) {
                return scrape;
            }
            assert!(began.elapsed() < PATIENCE, "never so:\n{}", scrape.text);
        }
    }

    /// A sample; one that is not there yet counts nothing.
    pub(crate) fn get(&self, name: &str) -> f64 {
        self.samples.get(name).copied().unwrap_or(0.0)
    }
}

const EVENTS: &str = "homeroom_deliveries_total{kind=\"event\"}";

#[test]
fn two_scrapes_differ_by_exactly_what_happened_between_them() {
    const LISTENERS: usize = 4;
    const MESSAGES: usize = 25;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::in_folder(folder.path());
    let address = server.address();
    let mut people: Vec<_> = (0..LISTENERS)
        .map(|n| Client::enter(address, &format!("user-{n}")))
        .collect();
    people[0].create("lobby");
    let mut room = None;
    for client in &mut people {
        room = Some(client.join("lobby", None).0);
    }
    let room = room.unwrap();
    people[0].send(room, "before");
    for client in &mut people {
        while client.heard().1 != "before" {}
        // The pong comes in a later turn of its shard: what it did before is counted.
        client.is_served();
    }
    // Each entered, the maker by making the room; a message.
    let events = LISTENERS + 1;
    let settled = |it: &Scrape| {
        it.get("homeroom_events_appended_total") == events as f64
            && it.get("homeroom_fan_out_duration_seconds_count") > 0.0
    };
    let before = Scrape::until(address, settled);

    for n in 0..MESSAGES {
        people[1].send(room, &format!("message {n}"));
    }
    let last = format!("message {}", MESSAGES - 1);
    for client in &mut people {
        while client.heard().1 != last {}
    }
    let refused = people[2].ask(Request::Join {
        room: "nowhere".parse().unwrap(),
        resume: None,
    });
    people[2].until(|frame| match frame {
        homeroom_protocol::ServerFrame::Error { id, .. } if *id == Some(refused) => Some(()),
        _ => None,
    });
    let delivered = before.get(EVENTS) + (MESSAGES * LISTENERS) as f64;
    let refusal = "homeroom_refusals_total{class=\"fix\",code=\"room_not_found\"}";
    let after = Scrape::until(address, |it| {
        it.get(EVENTS) >= delivered && it.get(refusal) > 0.0
    });

    let grown = |name: &str| after.get(name) - before.get(name);
    assert_eq!(grown(EVENTS), (MESSAGES * LISTENERS) as f64);
    assert_eq!(grown("homeroom_events_appended_total"), MESSAGES as f64);
    assert_eq!(grown("homeroom_commits_total"), MESSAGES as f64);
    assert_eq!(
        grown("homeroom_commit_duration_seconds_count"),
        MESSAGES as f64
    );
    assert_eq!(
        grown("homeroom_requests_total{kind=\"send\"}"),
        MESSAGES as f64
    );
    assert_eq!(grown("homeroom_requests_total{kind=\"join\"}"), 1.0);
    assert_eq!(grown(refusal), 1.0);
    assert_eq!(grown("homeroom_handshakes_total"), 0.0);
    assert!(grown("homeroom_fsync_duration_seconds_count") >= MESSAGES as f64);
    // A message of ten letters is more than twenty bytes on the wire, and far less than two hundred.
    let bytes = grown("homeroom_written_bytes_total") / (MESSAGES * LISTENERS) as f64;
    assert!((20.0..200.0).contains(&bytes), "{bytes} bytes each");
    assert_eq!(
        after.get("homeroom_connections{kind=\"socket\"}"),
        LISTENERS as f64
    );
    assert_eq!(after.get("homeroom_rooms"), 1.0);
    assert_eq!(after.get("homeroom_tenants_awake"), 1.0);
    let scrapes = "homeroom_http_requests_total{route=\"metrics\",status=\"2xx\"}";
    assert!(grown(scrapes) >= 1.0);

    let vanished = "homeroom_connections_closed_total{cause=\"vanished\"}";
    assert_eq!(after.get(vanished), 0.0);
    drop(people);
    let gone = Scrape::until(address, |it| it.get(vanished) >= LISTENERS as f64);
    assert_eq!(gone.get("homeroom_connections{kind=\"socket\"}"), 0.0);
    server.stop();
}

/// `PROMTOOL` names the program; without it the page is held to the rules written here alone.
#[test]
fn a_page_taken_under_live_traffic_is_one_that_prometheus_takes() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::in_folder(folder.path());
    let address = server.address();
    let enough = AtomicBool::new(false);
    let page = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut ana = Client::enter(address, "ana");
            ana.create("lobby");
            let (room, _) = ana.join("lobby", None);
            for n in 0.. {
                ana.send(room, &format!("secret {n}"));
                if enough.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        let page = Scrape::until(address, |it| it.get(EVENTS) > 20.0).text;
        enough.store(true, Ordering::Relaxed);
        page
    });
    server.stop();
    for private in ["ana", "lobby", "default", "secret"] {
        assert!(!page.contains(&format!("\"{private}")), "{private}");
    }
    hold_to_the_rules(&page);
    if let Some(promtool) = env::var_os("PROMTOOL") {
        let mut check = Command::new(promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        check
            .stdin
            .take()
            .unwrap()
            .write_all(page.as_bytes())
            .unwrap();
        let said = check.wait_with_output().unwrap();
        let words = [said.stdout, said.stderr].concat();
        let words = String::from_utf8_lossy(&words);
        assert!(said.status.success() && words.is_empty(), "{words}");
    }
}

fn hold_to_the_rules(page: &str) {
    let mut family = String::new();
    let mut seen = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(help.ends_with('.'), "{help}");
            assert!(
                name.starts_with("homeroom_") || name.starts_with("process_"),
                "{name}"
            );
            let kind = lines.next().unwrap();
            let kind = kind.strip_prefix(&format!("# TYPE {name} ")).unwrap();
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name} {kind}");
            family = name.to_owned();
            assert!(!seen.contains(&family), "{family} twice");
            seen.push(family.clone());
        } else {
            assert!(line.starts_with(&family), "{line} is under {family}");
        }
    }
    assert!(seen.len() > 35, "{seen:?}");
}
