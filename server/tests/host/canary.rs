//! What people write, how they are called and what they prove themselves with is in no log.
//!
//! Everything that a client can say carries a canary here, in good requests, in refused ones and in garbage,
//! and the real binary says everything it can say. The ids of tenants, rooms and connections may be told.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Stdio,
};

use homeroom_protocol::{
    Auth, ClientFrame, DeviceState, Direction, Hello, IdempotencyKey, Request, RequestId, RoomInfo,
    RoomNumber, Seq, ServerFrame,
};
use rustix::process::Signal;

use crate::{
    binary::{Running, homeroom},
    support::{Client, client_frame, encode, hello, message, upgrade_request},
};

const CANARY: &str = "canary";
/// As an idempotency key.
const KEY: IdempotencyKey = IdempotencyKey(*b"canarycanarycana");
/// How it would look in other clothes: a list of bytes, hexadecimal, and base64 at each offset.
const PLUMAGE: [&str; 7] = [
    CANARY,
    "99, 97, 110, 97, 114, 121",
    "63616e617279",
    "63, 61, 6e, 61, 72, 79",
    "Y2FuYXJ5",
    "NhbmFye",
    "jYW5hcn",
];

fn with_log(folder: &Path, format: &str, filter: &str, log: &Path) -> Running {
    let mut command = homeroom(folder, &["serve", "--listen", "127.0.0.1:0"]);
    command
        .env("HOMEROOM_LOG__FORMAT", format)
        .env("HOMEROOM_LOG__FILTER", filter);
    let file = File::options().create(true).append(true).open(log).unwrap();
    let child = command.stdout(Stdio::piped()).stderr(file).spawn();
    Running::ready(child.unwrap())
}

fn stopped(host: Running) {
    host.signal(Signal::TERM);
    assert_eq!(host.end().0, Some(0));
}

/// Everything that is answered with what was asked for.
fn work(host: &Running) {
    let mut ada = Client::enter(host.address, "canary ada");
    let info = RoomInfo {
        title: Some("canary title".to_owned()),
        topic: Some("canary topic".to_owned()),
        ..RoomInfo::default()
    };
    let room = || "class-7b".parse().unwrap();
    ada.ask(Request::Create {
        key: KEY,
        room: room(),
        info,
        members: vec![],
    });
    let (number, joined) = ada.join("class-7b", None);
    let mut ben = Client::enter(host.address, "canary ben");
    ben.join("class-7b", None);
    ada.ask(Request::Presence {
        state: DeviceState::Active,
    });
    ada.ask(Request::Watch {
        users: vec!["canary ben".parse().unwrap()],
    });
    ben.ask(Request::Typing {
        room: number,
        active: true,
        thread: None,
    });
    ada.send(number, "a canary sings");
    ben.heard();
    let key = IdempotencyKey(*b"canary in a cage");
    let sent = |text: &str| Request::Send {
        key,
        room: number,
        draft: text.into(),
    };
    ada.ask(sent("canary one"));
    ada.ask(sent("canary two, under the same key"));
    ada.ask(Request::History {
        room: number,
        direction: Direction::After,
        anchor: Seq(0),
        limit: 10,
        thread: None,
    });
    ada.until(|frame| matches!(frame, ServerFrame::Page { .. }).then_some(()));
    drop(ada);
    let mut ada = Client::enter(host.address, "canary ada");
    ada.join("class-7b", Some(joined));
    assert!(ada.heard().1.contains(CANARY));
}

/// What is refused, answered with an error, or broken off.
fn mischief(host: &Running) {
    let canary = |tenant: &str| Hello {
        ..hello(tenant, "canary mallory")
    };
    let said = |hello: Hello| message(&encode(&ClientFrame::Hello(hello)));
    let token = Auth::Token("canary token".to_owned());
    let mut garbage = vec![0x92, 0x01, 0xa6];
    garbage.extend(CANARY.bytes());
    let text = client_frame(0x81, b"canary text");
    let mut close = vec![0x03, 0xe8];
    close.extend(b"canary reason");
    let close = client_frame(0x88, &close);
    let ping = client_frame(0x89, b"canary ping");
    // A request, its id, and a canary where a room belongs: as text where text is wanted, as bytes where not.
    let mut odd = vec![0x94, 0x11, 0x08, 0xc4, 0x06];
    odd.extend(CANARY.bytes());
    odd.push(0xc0);

    for bytes in [
        said(Hello {
            auth: token,
            ..canary("default")
        }),
        said(Hello {
            version: 0,
            ..canary("default")
        }),
        said(Hello {
            capabilities: vec!["canary capability".to_owned()],
            ..canary("nowhere")
        }),
        message(&garbage),
        text.clone(),
        close.clone(),
        CANARY.as_bytes().to_vec(),
    ] {
        let mut mallory = Client::connect(host.address);
        mallory.write(&bytes);
        mallory.read_to_end();
    }
    for bytes in [
        message(&garbage),
        message(&odd),
        ping,
        text,
        close,
        b"canary!".to_vec(),
    ] {
        let mut mallory = Client::enter(host.address, "canary mallory");
        mallory.ask(Request::Send {
            key: KEY,
            room: RoomNumber(99),
            draft: "canary into the void".into(),
        });
        mallory.say(&ClientFrame::Request {
            id: RequestId(77),
            request: Request::Join {
                room: "no-such-room".parse().unwrap(),
                resume: None,
            },
        });
        mallory.write(&bytes);
        mallory
            .stream()
            .shutdown(std::net::Shutdown::Write)
            .unwrap();
        mallory.read_to_end();
    }
    let upgrade = upgrade_request();
    for request in [
        "canary\r\n\r\n".to_owned(),
        "GET /canary?token=canary HTTP/1.1\r\nHost: canary\r\n\r\n".to_owned(),
        "GET /v1/tenants/default/canary HTTP/1.1\r\nAuthorization: Bearer canary\r\n\r\n"
            .to_owned(),
        "POST /health/live HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\ncanary".to_owned(),
        upgrade.replace(
            "Host:",
            "Origin: https://canary.example\r\nCookie: canary\r\nHost:",
        ),
        upgrade.replace("dGhlIHNhbXBsZSBub25jZQ==", "canary"),
        upgrade.replace("homeroom.v1", "canary.v1"),
        format!("GET /{} HTTP/1.1\r\n", "canary".repeat(10_000)),
    ] {
        let mut client = Client::dial(host.address);
        // A host that has seen enough may hang up before all is said.
        let _ = client.stream().write_all(request.as_bytes());
        let _ = client.stream().shutdown(std::net::Shutdown::Write);
        client.read_to_end();
    }
}

fn admin_mischief(folder: &Path) {
    let mut socket = UnixStream::connect(folder.join("admin.sock")).unwrap();
    socket.write_all(b"canary\n{\"ask\":\"canary\"}\n").unwrap();
    let mut answers = BufReader::new(socket);
    for _ in 0..2 {
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        assert!(answer.contains("refused"));
    }
}

/// Nothing vouches for the log any more.
fn lose_the_mark(folder: &Path) {
    let marks: Vec<_> = fs::read_dir(folder.join("marks")).unwrap().collect();
    assert!(!marks.is_empty());
    for mark in marks {
        fs::remove_file(mark.unwrap().path()).unwrap();
    }
}

/// Changes one byte of each file of the log that holds a message.
fn damage(folder: &Path) {
    let mut places: Vec<PathBuf> = fs::read_dir(folder.join("tenants/default/log"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    places.retain(|place| {
        let mut bytes = fs::read(place).unwrap();
        let found = bytes.windows(6).position(|it| it == CANARY.as_bytes());
        if let Some(at) = found {
            bytes[at + 5] ^= 1;
            fs::write(place, bytes).unwrap();
        }
        found.is_some()
    });
    assert!(!places.is_empty(), "bodies are not yet sealed");
}

fn everything_is_said_but_the_canary(format: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("said");
    let data = folder.path().join("data");
    let host = with_log(&data, format, "trace", &log);
    work(&host);
    mischief(&host);
    admin_mischief(&data);
    // Without a farewell, then with one.
    drop(host);
    let host = with_log(&data, format, "trace", &log);
    Client::enter(host.address, "canary ada").join("class-7b", None);
    stopped(host);
    damage(&data);
    let host = with_log(&data, format, "trace", &log);
    let mut ada = Client::enter(host.address, "canary ada");
    let (room, _) = ada.join("class-7b", None);
    ada.ask(Request::History {
        room,
        direction: Direction::After,
        anchor: Seq(0),
        limit: 10,
        thread: None,
    });
    ada.until(|frame| matches!(frame, ServerFrame::Error { .. }).then_some(()));
    stopped(host);
    lose_the_mark(&data);
    let host = with_log(&data, format, "trace", &log);
    let mut ada = Client::connect(host.address);
    ada.say(&ClientFrame::Hello(hello("default", "canary ada")));
    assert_eq!(ada.end(), (Some(4006), 4006));
    stopped(host);

    let said = fs::read_to_string(&log).unwrap();
    for canary in PLUMAGE {
        let sung = said
            .lines()
            .find(|line| line.to_lowercase().contains(&canary.to_lowercase()));
        assert_eq!(sung, None, "{canary}");
    }
    // It was not silent either.
    for words in [
        "let in",
        "refused",
        "garbled",
        "recovered after a crash",
        "history cannot be read",
        "a tenant cannot be entered",
    ] {
        assert!(said.contains(words), "nothing of {words:?} in:\n{said}");
    }
    said
}

#[test]
fn no_line_of_text_holds_what_clients_said() {
    let said = everything_is_said_but_the_canary("text");
    assert!(
        said.contains("connection{tenant=default connection="),
        "{said}"
    );
}

#[test]
fn no_line_of_json_holds_what_clients_said() {
    let said = everything_is_said_but_the_canary("json");
    let mut in_a_span = 0;
    for line in said.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        for key in ["timestamp", "level", "message", "target"] {
            assert!(line[key].is_string(), "no {key} in {line}");
        }
        in_a_span += u32::from(line["spans"][0]["tenant"] == "default");
    }
    assert!(in_a_span > 0, "{said}");
}

#[test]
fn nobody_floods_the_log_of_a_host_that_says_the_usual() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("said");
    let data = folder.path().join("data");
    let host = with_log(&data, "text", "info", &log);
    work(&host);
    for _ in 0..10 {
        mischief(&host);
    }
    stopped(host);
    let quiet = fs::read_to_string(&log).unwrap();
    assert!(
        !quiet.contains("WARN") && !quiet.contains("ERROR"),
        "{quiet}"
    );
    assert!(quiet.lines().count() < 10, "{quiet}");

    lose_the_mark(&data);
    let host = with_log(&data, "text", "info", &log);
    for _ in 0..200 {
        let mut ada = Client::connect(host.address);
        ada.say(&ClientFrame::Hello(hello("default", "ada")));
        ada.end();
    }
    stopped(host);
    let loud = fs::read_to_string(&log).unwrap();
    let lines = loud
        .lines()
        .filter(|it| it.contains("a tenant cannot be entered"))
        .count();
    assert!((1..60).contains(&lines), "{lines} lines:\n{loud}");
    assert!(loud.contains("are held back"), "{loud}");
}
