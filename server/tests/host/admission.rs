//! Who is let in: limits by place, by memory, by open files.

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpStream},
    process::{Child, Stdio},
};

use homeroom_engine::Config;
use homeroom_protocol::{ClientFrame, ServerFrame};
use homeroom_server::{AdmissionSettings, HostConfig, MemorySettings};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    environment::{HOMEROOM, program},
    support::{Client, Server, config, hello, upgrade_request},
};

/// What a client is told that is not let in: when to come back.
fn turned_away(address: SocketAddr) -> u64 {
    let mut client = Client::connect(address);
    let after = client.until(|frame| match frame {
        ServerFrame::Bye {
            code: 4004,
            reconnect_after_ms,
            ..
        } => *reconnect_after_ms,
        _ => None,
    });
    assert_eq!(client.end(), (None, 4004));
    after
}

fn is_alive(address: SocketAddr) {
    let mut probe = Client::dial(address);
    probe.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(probe.read_to_end().starts_with("HTTP/1.1 200"));
}

#[test]
fn one_address_cannot_take_the_whole_house() {
    let admission = AdmissionSettings {
        connections_per_prefix_max: 1,
        uncounted_prefixes: Vec::new(),
        ..AdmissionSettings::default()
    };
    let host = HostConfig {
        admission,
        ..config()
    };
    let server = Server::start(Config::default(), host);
    let mut ada = Client::enter(server.address(), "ada");
    let after = [(); 3].map(|()| turned_away(server.address()));
    assert!(after.iter().all(|after| (5_000..10_000).contains(after)));
    assert!(after[0] != after[1] || after[1] != after[2], "{after:?}");
    is_alive(server.address());
    ada.is_served();
    server.stop();
}

#[test]
fn before_memory_runs_out_nobody_new_comes_in() {
    let host = HostConfig {
        memory: MemorySettings {
            limit_bytes: Some(1),
            headroom_bytes: Some(1),
        },
        ..config()
    };
    let server = Server::start(Config::default(), host);
    turned_away(server.address());
    is_alive(server.address());
    server.stop();
}

/// The real host, which may have this many open files.
struct Short {
    child: Child,
    address: SocketAddr,
}

impl Short {
    fn start(folder: &std::path::Path, files_max: u32) -> Self {
        let mut child = program("sh")
            .args(["-c", "ulimit -n $1; shift; exec \"$@\"", "sh"])
            .arg(files_max.to_string())
            .arg(HOMEROOM)
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--segment-bytes",
                "4096",
            ])
            .arg("--data")
            .arg(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let mut lines = BufReader::new(stdout).lines();
        let address = lines.find_map(|line| {
            let line = line.unwrap();
            let address = line.strip_prefix("ws://")?.strip_suffix("/v1/connect")?;
            address.parse().ok()
        });
        Self {
            child,
            address: address.unwrap(),
        }
    }
}

impl Drop for Short {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that was let in; `None` when it was turned away, or dropped unanswered.
fn come_in(address: SocketAddr, user: &str) -> Option<Client> {
    let mut client = Client::dial(address);
    client.write(upgrade_request().as_bytes());
    let answered = client.stream().peek(&mut [0]);
    if !answered.is_ok_and(|count| count > 0) {
        return None;
    }
    client.read_http_head();
    client.say(&ClientFrame::Hello(hello("default", user)));
    let came_in = client.until(|frame| match frame {
        ServerFrame::Welcome(_) => Some(true),
        ServerFrame::Bye { code: 4004, .. } => Some(false),
        _ => None,
    });
    came_in.then_some(client)
}

#[test]
fn when_connections_take_all_they_may_the_log_still_finds_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Short::start(folder.path(), 128);
    let mut ada = Client::enter(host.address, "ada");
    ada.create("class-7b");
    let (room, _) = ada.join("class-7b", None);
    let crowd: Vec<TcpStream> = (0..300)
        .map_while(|_| TcpStream::connect(host.address).ok())
        .collect();
    assert_eq!(crowd.len(), 300);
    // Two are longer than a segment: every other one needs a new file.
    for number in 0..20 {
        ada.send(room, &format!("{number}{}", "x".repeat(3000)));
    }
    let segments = std::fs::read_dir(folder.path().join("tenants/default/log")).unwrap();
    let segments = segments.count();
    assert!(segments >= 8, "{segments} files were opened meanwhile");

    drop(crowd);
    // Their seats are given back as the host sees them go.
    let mut ben = loop {
        if let Some(ben) = come_in(host.address, "ben") {
            break ben;
        }
    };
    ben.is_served();
    ada.is_served();
    kill_process(Pid::from_child(&host.child), Signal::TERM).unwrap();
    drop((ada, ben));
    assert_eq!(host.child.wait().unwrap().code(), Some(0));
}
