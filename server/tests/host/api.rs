//! An app's own back end over HTTP, beside live clients.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
};

use homeroom_engine::Config;
use homeroom_protocol::{
    ClientFrame, CloseCode, ErrorCode, EventBody, RemovedReason, Request, Seq, ServerFrame,
};
use homeroom_server::{ApiSettings, BODY_BYTES_MAX, HostConfig, ServiceKey, Terms};
use serde_json::{Value, json};

use crate::{
    environment::{HOMEROOM, program},
    support::{Client, Got, PATIENCE, Server, config},
};

/// A key, made by the command that makes keys, and the hash it names for the config.
fn make_key(arguments: &[&str]) -> (String, String) {
    let mut command = program(HOMEROOM);
    let made = command.args(["key", "create"]).args(arguments).output();
    let made = made.unwrap();
    assert!(made.status.success(), "{made:?}");
    let key = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let config = String::from_utf8(made.stderr).unwrap();
    let hash = config.split('"').find(|part| part.len() == 64);
    (key, hash.expect("a hash in the config's lines").to_owned())
}

/// A host for an operator, and a service that may enter `default`.
pub(crate) struct Keys {
    operator: String,
    pub(crate) service: String,
    settings: ApiSettings,
}

impl Keys {
    pub(crate) fn new() -> Self {
        let (operator, operator_hash) = make_key(&[]);
        let (service, service_hash) = make_key(&[
            "--service",
            "timetable",
            "--tenant",
            "default",
            "--tenant",
            "gone",
        ]);
        let service_key = json!({
            "name": "timetable", "tenants": ["default", "gone"], "key_sha256": service_hash
        });
        let settings = ApiSettings {
            operator_key_sha256: serde_json::from_value(operator_hash.into()).unwrap(),
            service_keys: vec![serde_json::from_value::<ServiceKey>(service_key).unwrap()],
            ..ApiSettings::default()
        };
        Self {
            operator,
            service,
            settings,
        }
    }

    pub(crate) fn host(&self) -> HostConfig {
        let config = config();
        HostConfig {
            terms: Terms {
                api: self.settings.clone(),
                ..config.terms
            },
            ..config
        }
    }
}

/// An answer over HTTP.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl Answer {
    fn code(&self) -> Option<u64> {
        self.body["code"].as_u64()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value)
    }
}

/// One request as it stands, and its answer.
fn raw(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Who is answered before all was read may find the socket closed.
    let _ = stream.write_all(request);
    read_answer(&mut stream)
}

fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = serde_json::from_str(body).unwrap_or(Value::Null);
    Answer {
        status,
        head: head.to_owned(),
        body,
    }
}

fn key_header(number: u8) -> String {
    format!("Idempotency-Key: {}", format!("{number:02x}").repeat(16))
}

/// A place to call from.
struct Caller<'a> {
    address: SocketAddr,
    key: &'a str,
}

impl Caller<'_> {
    fn call(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let Self { address, key } = self;
        let mut request = format!(
            "{method} /v1/tenants/{path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
             Authorization: Bearer {key}\r\nContent-Length: {}\r\n",
            body.len()
        );
        for header in headers {
            request += &format!("{header}\r\n");
        }
        raw(*address, format!("{request}\r\n{body}").as_bytes())
    }

    fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], "")
    }

    fn post(&self, path: &str, key: u8, body: &Value) -> Answer {
        let headers = ["Content-Type: application/json", &key_header(key)];
        self.call("POST", path, &headers, &body.to_string())
    }
}

/// All that came up to the answer of a ping.
fn all_until_pong(client: &mut Client) -> Vec<ServerFrame> {
    client.say(&ClientFrame::Ping { nonce: 5 });
    let mut frames = Vec::new();
    loop {
        match client.read() {
            Got::Frame(ServerFrame::Pong { nonce: 5, .. }) => return frames,
            Got::Frame(frame) => frames.push(frame),
            other => panic!("ended: {other:?}"),
        }
    }
}

#[test]
fn clients_hear_what_a_back_end_publishes_under_the_right_author() {
    let keys = Keys::new();
    let server = Server::start(Config::default(), keys.host());
    let service = Caller {
        address: server.address(),
        key: &keys.service,
    };
    let made = service.post("default/rooms", 1, &json!({"room": "7b/é", "title": "7b"}));
    assert_eq!((made.status, &made.body["room"]), (201, &json!("7b/é")));
    let mut ada = Client::enter(server.address(), "ada");
    let (room, _) = ada.join("7b/é", None);
    let path = "default/rooms/7b%2F%C3%A9/messages";
    let own = service.post(path, 2, &json!({"text": "The bell"}));
    assert_eq!((own.status, &own.body["already"]), (201, &json!(false)));
    let again = service.post(path, 2, &json!({"text": "The bell"}));
    assert_eq!((again.status, &again.body["already"]), (200, &json!(true)));
    assert_eq!(again.body["position"], own.body["position"]);
    let other = service.post(path, 2, &json!({"text": "Another"}));
    assert_eq!((other.status, other.code()), (422, Some(1102)));
    let stranger = service.post(&format!("{path}?as=ben"), 2, &json!({"text": "Hi"}));
    assert_eq!((stranger.status, stranger.code()), (403, Some(4001)));
    let hers = service.post(&format!("{path}?as=ada"), 2, &json!({"text": "I am late"}));
    assert_eq!(hers.status, 201, "{hers:?}");
    let mut heard = Vec::new();
    while heard.len() < 2 {
        heard.push(ada.until(|frame| match frame {
            ServerFrame::Event {
                event, room: of, ..
            } if *of == room => match &event.body {
                EventBody::Message(said) => Some((event.author.to_string(), said.text.clone())),
                _ => None,
            },
            _ => None,
        }));
    }
    let expected = [("service:timetable", "The bell"), ("ada", "I am late")];
    assert_eq!(heard, expected.map(|(who, what)| (who.into(), what.into())));
    let page = service.get(&format!("{path}?after=1&limit=2"));
    assert_eq!(page.body["events"][1]["body"]["text"], "The bell");
    assert_eq!(page.body["more"], true);
    assert_eq!(page.body["epoch"], own.body["position"]["epoch"]);
    let seen = service.get("default/presence?user=ada&user=ben");
    let states =
        json!([{"user": "ada", "presence": "active"}, {"user": "ben", "presence": "offline"}]);
    assert_eq!(seen.body["users"], states);
    server.stop();
}

#[test]
fn who_is_removed_is_out_at_once_on_the_wire() {
    let keys = Keys::new();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(Config::in_folder(folder.path()), keys.host());
    let service = Caller {
        address: server.address(),
        key: &keys.service,
    };
    let mut ada = Client::enter(server.address(), "ada");
    ada.create("class-7b");
    let (room, _) = ada.join("class-7b", None);
    let added = service.call("PUT", "default/rooms/class-7b/members/ben", &[], "");
    assert_eq!(added.status, 201);
    let mut ben = Client::enter(server.address(), "ben");
    ben.join("class-7b", None);
    let removed = service.call("DELETE", "default/rooms/class-7b/members/ben", &[], "");
    assert_eq!(
        (removed.status, &removed.body["already"]),
        (200, &json!(false))
    );
    ada.send(room, "he is gone");
    let mut told = all_until_pong(&mut ben);
    told.retain(|frame| !matches!(frame, ServerFrame::Occupancy { .. }));
    let reason = RemovedReason::Removed;
    assert_eq!(told, [ServerFrame::Removed { room, reason }]);
    let listed = service.get("default/rooms/class-7b/members");
    assert_eq!(listed.body, json!({"users": ["ada"], "more": false}));
    let asked = ben.ask(Request::History {
        room,
        direction: homeroom_protocol::Direction::Before,
        anchor: Seq(99),
        limit: 10,
        thread: None,
    });
    // Nothing of the room came before this, and this is refused.
    match ben.read() {
        Got::Frame(ServerFrame::Error { id, code, .. }) => {
            assert_eq!((id, code), (Some(asked), ErrorCode::NotMember.number()));
        }
        other => panic!("not refused: {other:?}"),
    }
    let again = service.call("DELETE", "default/rooms/class-7b/members/ben", &[], "");
    assert_eq!(
        (again.status, &again.body),
        (200, &json!({"already": true}))
    );
    ben.join("class-7b", None);
    let ended = service.call("DELETE", "default/users/ben/sessions", &[], "");
    assert_eq!(ended.status, 204);
    assert_eq!(ben.bye().0, CloseCode::Revoked.number());
    server.stop();
}

#[test]
fn a_key_is_still_known_after_a_restart() {
    let keys = Keys::new();
    let folder = tempfile::tempdir().unwrap();
    let start = || Server::start(Config::in_folder(folder.path()), keys.host());
    let said = |server: &Server| {
        let service = Caller {
            address: server.address(),
            key: &keys.service,
        };
        service.post("default/rooms", 1, &json!({"room": "a"}));
        service.post("default/rooms/a/messages", 2, &json!({"text": "once"}))
    };
    let server = start();
    let first = said(&server);
    server.stop();
    let server = start();
    let again = said(&server);
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(again.body["position"], first.body["position"]);
    assert_eq!(again.body["already"], true);
    server.stop();
}

#[test]
fn a_key_opens_its_tenants_and_tells_nothing_of_others() {
    let keys = Keys::new();
    let server = Server::start(Config::default(), keys.host());
    server.make_tenant("south");
    let [service, operator] = [&keys.service, &keys.operator].map(|key| Caller {
        address: server.address(),
        key,
    });
    for (method, rest) in [
        ("GET", "rooms/a"),
        ("GET", "presence?user=ada"),
        ("PUT", "rooms/a/members/ada"),
        ("DELETE", "users/ada/sessions"),
    ] {
        // There, not there, its own but not there, no name at all.
        let answers = ["south", "nowhere", "gone", "No%20Name"].map(|tenant| {
            let mut answer = service.call(method, &format!("{tenant}/{rest}"), &[], "");
            let lines = answer.head.lines().filter(|line| !line.starts_with("date"));
            answer.head = lines.collect::<Vec<_>>().join("\n");
            answer
        });
        assert_eq!((answers[0].status, answers[0].code()), (404, Some(1103)));
        for answer in &answers {
            assert_eq!(answer, &answers[0]);
        }
    }
    let opened = operator.post("south/rooms", 1, &json!({"room": "a"}));
    assert_eq!(opened.status, 201);
    let elsewhere = operator.get("default/rooms/a");
    assert_eq!(elsewhere.code(), Some(1100), "tenants share nothing");
    server.stop();
}

#[test]
fn without_a_valid_key_nothing_is_answered() {
    let keys = Keys::new();
    let server = Server::start(Config::default(), keys.host());
    let mut mistyped = keys.service.clone();
    let last = mistyped.pop().unwrap();
    mistyped.push(if last == '0' { '1' } else { '0' });
    let (foreign, _) = make_key(&[]);
    let bearer = |key: &str| format!("Authorization: Bearer {key}\r\n");
    for header in [
        String::new(),
        bearer(&mistyped),
        bearer(&foreign),
        bearer(""),
        format!("Authorization: Basic {}\r\n", keys.service),
        format!("Authorization: {}\r\n", keys.service),
        bearer(&keys.service).repeat(2),
        bearer(&"x".repeat(8_000)),
        "Authorization: Bearer \u{e9}\r\n".to_owned(),
    ] {
        for path in ["default/rooms/a", "nowhere/rooms/a", "x", "default/rooms/%"] {
            let request = format!(
                "GET /v1/tenants/{path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{header}\r\n"
            );
            let answer = raw(server.address(), request.as_bytes());
            assert_eq!(
                (answer.status, answer.code()),
                (401, Some(3000)),
                "{request}"
            );
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.starts_with("Bearer "), "{challenge}");
        }
    }
    server.stop();

    let closed = Server::in_memory();
    let caller = Caller {
        address: closed.address(),
        key: &keys.operator,
    };
    assert_eq!(
        caller.get("default/rooms/a").status,
        404,
        "no key is configured"
    );
    closed.stop();
}

/// A call that is refused: method, path, headers, body.
type Wrong<'a> = (&'a str, &'a str, &'a [&'a str], &'a str);

const MESSAGES: &str = "default/rooms/a/messages";
const JSON: &str = "Content-Type: application/json";

impl Caller<'_> {
    fn is_refused(&self, wrong: &Wrong<'_>, status: u16, code: Option<u64>) {
        let (method, path, headers, body) = wrong;
        let answer = self.call(method, path, headers, body);
        let shown = format!("{method} {path} {body:.60}: {answer:?}");
        assert_eq!((answer.status, answer.code()), (status, code), "{shown}");
        let content_type = answer.header("content-type");
        assert_eq!(content_type, Some("application/problem+json"), "{shown}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
        assert_eq!(answer.body["status"], json!(status));
        let allow = (status == 405).then_some("GET, POST");
        assert_eq!(answer.header("allow"), allow, "{shown}");
    }
}

#[test]
fn a_body_that_is_none_writes_nothing() {
    let keys = Keys::new();
    let server = Server::start(Config::default(), keys.host());
    let service = Caller {
        address: server.address(),
        key: &keys.service,
    };
    service.post("default/rooms", 1, &json!({"room": "a"}));
    let key = key_header(9);
    let both = [JSON, key.as_str()];
    let named = [JSON, "Idempotency-Key: order-17"];
    let hello = "{\"text\": \"a\"}";
    let deep = "[".repeat(100_000);
    let long = json!({"text": "x".repeat(16 * 1024 + 1)}).to_string();
    let huge = json!({"text": "x".repeat(BODY_BYTES_MAX)}).to_string();
    for body in [
        "",
        "{\"text\": 7}",
        "{\"text\": \"a\", \"txt\": 1}",
        "{\"text\": \"a\"} {}",
        "{\"text\": \"\\ud800\"}",
        &deep,
    ] {
        service.is_refused(&("POST", MESSAGES, &both, body), 400, Some(1000));
    }
    let refused: [(Wrong<'_>, u16, Option<u64>); 7] = [
        (("POST", MESSAGES, &both, &long), 400, Some(1002)),
        (("POST", MESSAGES, &both, &huge), 413, None),
        (("POST", MESSAGES, &both[..1], hello), 400, Some(1002)),
        (("POST", MESSAGES, &both[1..], hello), 415, None),
        (("POST", MESSAGES, &named, hello), 400, Some(1002)),
        (
            ("POST", "default/rooms", &both, "{\"room\": \"\"}"),
            400,
            Some(1002),
        ),
        (
            ("POST", "default/rooms", &both, "{\"room\": \"a\"}"),
            409,
            Some(1101),
        ),
    ];
    for (wrong, status, code) in &refused {
        service.is_refused(wrong, *status, *code);
    }
    // The same without a length: it is the bytes that count.
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x1_0000)).repeat(3);
    let chunked = format!(
        "POST /v1/tenants/{MESSAGES} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{JSON}\r\n{key}\r\n\
         Authorization: Bearer {}\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n",
        keys.service
    );
    assert_eq!(raw(server.address(), chunked.as_bytes()).status, 413);
    let page = service.get(MESSAGES);
    let events = page.body["events"].as_array().unwrap();
    assert_eq!(events.len(), 1, "nothing was written");
    server.stop();
}

#[test]
fn whatever_is_wrong_with_a_path_or_a_header_is_said_plainly() {
    let keys = Keys::new();
    let server = Server::start(Config::default(), keys.host());
    let service = Caller {
        address: server.address(),
        key: &keys.service,
    };
    service.post("default/rooms", 1, &json!({"room": "a"}));
    let key = key_header(9);
    let (page, null) = (
        ["Origin: https://example.org", JSON, &key],
        ["Origin: null"],
    );
    let hello = "{\"text\": \"a\"}";
    let refused: [(Wrong<'_>, u16, Option<u64>); 11] = [
        (("POST", MESSAGES, &page, hello), 403, None),
        (("GET", MESSAGES, &null, ""), 403, None),
        (
            ("POST", "default/rooms/b/messages", &page[1..], hello),
            404,
            Some(1100),
        ),
        (
            ("PUT", "default/rooms/a/members/service%3Ax", &[], ""),
            400,
            Some(1002),
        ),
        (
            ("GET", "default/rooms/a?as=service%3Aother", &[], ""),
            400,
            Some(1002),
        ),
        (("GET", "default/rooms/%ff", &[], ""), 400, Some(1000)),
        (
            ("GET", "default/rooms/a/messages?limit=101", &[], ""),
            400,
            Some(1002),
        ),
        (
            ("GET", "default/rooms/a/messages?befor=1", &[], ""),
            400,
            Some(1002),
        ),
        (("GET", "default//rooms/a", &[], ""), 404, None),
        (("GET", "default/rooms/a/../b", &[], ""), 404, None),
        (("DELETE", MESSAGES, &[], ""), 405, None),
    ];
    for (wrong, status, code) in &refused {
        service.is_refused(wrong, *status, *code);
    }
    server.stop();
}

#[test]
fn a_key_has_so_many_calls_under_way_and_each_so_much_time() {
    let mut keys = Keys::new();
    keys.settings.calls_in_flight_max = 1;
    keys.settings.call_within_ms = 1_000;
    let server = Server::start(Config::default(), keys.host());
    let [service, operator] = [&keys.service, &keys.operator].map(|key| Caller {
        address: server.address(),
        key,
    });
    service.post("default/rooms", 1, &json!({"room": "a"}));
    let mut slow = TcpStream::connect(server.address()).unwrap();
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!(
        "POST /v1/tenants/default/rooms/a/messages HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
         Content-Type: application/json\r\n{}\r\nAuthorization: Bearer {}\r\n\
         Content-Length: 15\r\nExpect: 100-continue\r\n\r\n",
        key_header(2),
        keys.service
    );
    slow.write_all(request.as_bytes()).unwrap();
    let mut goes_on = [0; 25];
    slow.read_exact(&mut goes_on).unwrap();
    assert!(
        goes_on.starts_with(b"HTTP/1.1 100 "),
        "its body is being read"
    );
    let second = service.get("default/rooms/a");
    assert_eq!((second.status, second.code()), (429, Some(2000)));
    assert_eq!(second.header("retry-after"), Some("1"));
    assert_eq!(operator.get("default/rooms/a").status, 200, "another key");
    for (path, status) in [
        ("default/rooms/a/members/ben", 200),
        ("default/users/ben/sessions", 204),
    ] {
        let shut_out = service.call("DELETE", path, &[], "");
        assert_eq!(
            shut_out.status, status,
            "{path} does not wait for the others"
        );
    }
    let overtime = read_answer(&mut slow);
    assert_eq!((overtime.status, overtime.code()), (503, Some(2000)));
    assert_eq!(service.get("default/rooms/a").status, 200, "free again");
    server.stop();
}

#[test]
fn clients_see_at_once_what_a_back_end_changes_deletes_and_bans() {
    let keys = Keys::new();
    let server = Server::start(Config::default(), keys.host());
    let service = Caller {
        address: server.address(),
        key: &keys.service,
    };
    service.post(
        "default/rooms",
        1,
        &json!({"room": "a", "members": ["ada"]}),
    );
    let mut ada = Client::enter(server.address(), "ada");
    let (room, _) = ada.join("a", None);
    let path = "default/rooms/a/messages";
    let said = service.post(&format!("{path}?as=ada"), 2, &json!({"text": "oh"}));
    let target = &said.body["position"]["seq"];
    let headers = ["Content-Type: application/json", &key_header(3)];
    let changed = service.call("PATCH", "default/rooms/a", &headers, "{\"topic\": \"b\"}");
    assert_eq!(changed.status, 200, "{changed:?}");
    let delete = format!("{path}/{target}");
    let keyless = service.call("DELETE", &delete, &[], "");
    assert_eq!((keyless.status, keyless.code()), (400, Some(1002)));
    let deleted = service.call("DELETE", &delete, &[&key_header(4)], "");
    assert_eq!(deleted.status, 200, "{deleted:?}");
    let deletion = ada.until(|frame| match frame {
        ServerFrame::Event { event, .. } => match event.body {
            EventBody::MessageDeleted { by_moderator, .. } => Some(by_moderator),
            _ => None,
        },
        _ => None,
    });
    assert!(deletion, "it was a moderator's doing");
    let banned = service.call("PUT", "default/rooms/a/bans/ada", &headers[..1], "{}");
    assert_eq!(banned.body["already"], json!(false));
    let reason = ada.until(|frame| match frame {
        ServerFrame::Removed { room: of, reason } if *of == room => Some(*reason),
        _ => None,
    });
    assert_eq!(reason, RemovedReason::Banned);
    server.stop();
}

/// Equal, but for what is different each time.
fn assert_alike(found: &Value, expected: &Value, key: &str) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let names = |object: &serde_json::Map<String, Value>| {
                let mut names: Vec<_> = object.keys().cloned().collect();
                names.sort();
                names
            };
            assert_eq!(names(found), names(expected));
            for (name, value) in expected {
                assert_alike(&found[name], value, name);
            }
        }
        (Value::Array(found), Value::Array(expected)) => {
            assert_eq!(found.len(), expected.len(), "{key}");
            for (found, expected) in found.iter().zip(expected) {
                assert_alike(found, expected, key);
            }
        }
        (Value::String(found), Value::String(expected)) if key == "epoch" => {
            assert_eq!(found.len(), expected.len());
        }
        (Value::Number(_), Value::Number(_)) if key == "time" => {}
        (found, expected) => assert_eq!(found, expected, "{key}"),
    }
}

fn values(text: &str) -> Vec<Value> {
    let values = serde_json::Deserializer::from_str(text).into_iter();
    values.map(Result::unwrap).collect()
}

#[test]
fn the_examples_of_the_manual_run_as_they_stand() {
    let manual = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/API.md"));
    let keys = Keys::new();
    let server = Server::start(Config::default(), keys.host());
    server.make_tenant("north-school");
    let host = format!("http://{}", server.address());
    let mut examples = 0;
    for example in manual.split("```sh\n").skip(1) {
        let (script, rest) = example.split_once("```").unwrap();
        let expected = rest.trim_start().strip_prefix("```json\n").unwrap();
        let expected = expected.split("```").next().unwrap();
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", script]);
        let run = shell.env("HOST", &host).env("KEY", &keys.operator).output();
        let run = run.unwrap();
        assert!(run.status.success(), "is curl installed? {run:?}");
        let (found, expected) = (
            values(&String::from_utf8(run.stdout).unwrap()),
            values(expected),
        );
        assert_eq!(found.len(), expected.len(), "{script}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_alike(found, expected, "");
        }
        examples += 1;
    }
    assert_eq!(examples, 9);
    server.stop();
}
