//! Writes what each target begins with: `cargo run --manifest-path fuzz/Cargo.toml -- FOLDER` makes
//! `FOLDER/TARGET/…` from the vectors of the protocol, the stored forms that are frozen in the engine's
//! tests, the public suite of MessagePack, and some requests and configs.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use homeroom_engine::{
    domain::Domain,
    log::LogPosition,
    tenant::{Entry, Event, Seed, Settings, Tenant},
};
use homeroom_fuzz::requests::KINDS;
use homeroom_protocol::{
    Epoch, EventBody, Position, RoomNumber, Seq, ServerFrame, TenantName, Timestamp, UserId,
    decode_server_message,
};
use homeroom_server::config::Sources;

/// Those that are made of choices begin with bytes of any kind.
const BY_CHOICES: [&str; 2] = ["tenant_inputs", "log_recovery"];

/// By target, by name.
type Seeds = BTreeMap<&'static str, BTreeMap<String, Vec<u8>>>;

fn main() -> io::Result<()> {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other(
            "which folder shall the seeds be written to?",
        ));
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut seeds = Seeds::new();
    let messages = messages(&root)?;
    for target in ["decode", "round_trip", "differential"] {
        seeds.entry(target).or_default().extend(messages.clone());
    }
    seeds.insert("websocket", websocket(&messages));
    seeds.insert("stored_records", stored_records(&root, &messages)?);
    seeds.insert("http", http());
    seeds.insert("config", config());
    for target in BY_CHOICES {
        seeds.insert(target, (0..64).map(any_bytes).collect());
    }
    seeds
        .entry("tenant_inputs")
        .or_default()
        .extend(histories());
    for (target, seeds) in seeds {
        let folder = folder.join(target);
        fs::create_dir_all(&folder)?;
        for (name, bytes) in seeds {
            fs::write(folder.join(format!("seed-{name}")), bytes)?;
        }
    }
    Ok(())
}

/// Messages of either side: the vectors, and all values of MessagePack as frames of their own.
fn messages(root: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut messages = BTreeMap::new();
    for folder in ["protocol/vectors", "protocol/vectors/invalid"] {
        for file in fs::read_dir(root.join(folder))? {
            let path = file?.path();
            if path.extension().is_none_or(|it| it != "txt") {
                continue;
            }
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let text = fs::read_to_string(&path)?;
            let hex = text.lines().find_map(|line| line.strip_prefix("hex: "));
            messages.insert(name.into_owned(), bytes(hex.unwrap_or_default()));
        }
    }
    let suite = root.join("protocol/tests/messagepack_suite/suite.json");
    let suite: serde_json::Value = serde_json::from_str(&fs::read_to_string(suite)?)?;
    let cases = suite.as_object().into_iter().flatten();
    let cases = cases.flat_map(|(_, cases)| cases.as_array().into_iter().flatten());
    let encodings = cases.flat_map(|case| case["msgpack"].as_array().into_iter().flatten());
    for (number, encoding) in encodings.enumerate() {
        let value = bytes(encoding.as_str().unwrap_or_default());
        let message = [&[0x93, 2, 5][..], &value, &[0x92, 2, 7]].concat();
        messages.insert(format!("messagepack-{number:03}"), message);
    }
    Ok(messages)
}

/// Digits with anything between the bytes.
fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks_exact(2);
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).expect("digits");
        u8::from_str_radix(pair, 16).expect("digits")
    };
    pairs.map(byte).collect()
}

/// Conversations in raw bytes, and choices of frames.
fn websocket(messages: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let frame = |first: u8, payload: &[u8]| {
        let mask = [1, 2, 3, 4];
        let mut frame = vec![first];
        match u8::try_from(payload.len()) {
            Ok(length @ 0..=125) => frame.push(0x80 | length),
            _ => {
                frame.push(0x80 | 126);
                let length = u16::try_from(payload.len()).expect("vectors are short");
                frame.extend(length.to_be_bytes());
            }
        }
        frame.extend(mask);
        let masked = payload.iter().zip(mask.iter().cycle());
        frame.extend(masked.map(|(byte, mask)| byte ^ mask));
        frame
    };
    // Up to 64 KiB a message, cut in two places, as it is.
    let raw = |stream: Vec<u8>| [&[5, 3, 4, 9, 1][..], &stream].concat();
    let mut seeds = BTreeMap::new();
    for (name, message) in messages.iter().step_by(16) {
        seeds.insert(format!("one-{name}"), raw(frame(0x82, message)));
        let (front, back) = message.split_at(message.len() / 2);
        let parts = [
            frame(0x02, front),
            frame(0x89, b"are you there"),
            frame(0x00, &[]),
            frame(0x80, back),
            frame(0x8a, b""),
            frame(0x88, b"\x03\xe8bye"),
        ];
        seeds.insert(format!("parts-{name}"), raw(parts.concat()));
    }
    for number in 0..32 {
        let (name, choices) = any_bytes(number);
        seeds.insert(format!("choices-{name}"), choices);
    }
    seeds
}

/// Records by themselves, as histories, and the sections that follow from them.
fn stored_records(
    root: &Path,
    messages: &BTreeMap<String, Vec<u8>>,
) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let frozen = root.join("engine/src/tenant/records/stored_tests.rs");
    let frozen = fs::read_to_string(frozen)?;
    let quoted = frozen.split('"').skip(1).step_by(2);
    let is_record = |it: &&str| it.len() >= 20 && it.bytes().all(|it| it.is_ascii_hexdigit());
    let mut records: Vec<Vec<u8>> = quoted.filter(is_record).map(bytes).collect();
    let mut tenant = Tenant::new(Seed {
        tenant: TenantName::new("school").expect("a valid name"),
        hash_key: [42; 16],
        settings: Settings::default(),
    });
    let mut history = Vec::new();
    let told = messages.values().filter_map(|message| {
        let frames = decode_server_message(message, usize::MAX).ok()?;
        Some(frames.flatten().collect::<Vec<_>>())
    });
    let bodies = told.flatten().filter_map(|frame| match frame {
        ServerFrame::Event { event, .. } => Some(event.body),
        _ => None,
    });
    let is_birth = |body: &EventBody| matches!(body, EventBody::RoomCreated { .. });
    let bodies: Vec<_> = bodies.collect();
    let births = bodies.iter().filter(|body| is_birth(body)).cloned();
    let others = bodies.iter().filter(|body| !is_birth(body)).cloned();
    for (number, body) in births.take(1).chain(others).enumerate() {
        let seq = Seq(number as u64 + 1);
        let event = Event {
            room: RoomNumber(1),
            position: Position {
                epoch: Epoch::from_random(7 << 20),
                seq,
            },
            time: Timestamp(1_700_000_000_000 + seq.0),
            author: UserId::new("ada").expect("a valid id"),
            body,
            keyed: None,
        };
        let entry: Entry = event.into();
        let record = Tenant::encode(&entry).to_vec();
        if matches!(&entry, Entry::Event(event) if is_of_a_log(&event.body)) {
            tenant.apply(LogPosition(seq.0), &entry);
            history.push(record.clone());
        }
        records.push(record);
    }
    let mut seeds = BTreeMap::new();
    for (number, record) in records.iter().enumerate() {
        seeds.insert(format!("record-{number:03}"), [&[0][..], record].concat());
    }
    for (number, records) in history.chunks(8).enumerate() {
        let mut seed = vec![1];
        for record in history[..1].iter().chain(records) {
            if let Ok(length) = u8::try_from(record.len()) {
                seed.push(length);
                seed.extend(record);
            }
        }
        seeds.insert(format!("history-{number:03}"), seed);
    }
    for section in tenant.sections() {
        let place = [0, 1 << 32, (1 << 32) + 1, 1]
            .iter()
            .position(|it| *it == section.0);
        if let (Some(place), Some(bytes)) = (place, tenant.save_section(section)) {
            let place = u8::try_from(place).expect("one of four");
            seeds.insert(
                format!("section-{place}"),
                [&[2, place][..], &bytes].concat(),
            );
        }
    }
    Ok(seeds)
}

/// Whether it is in a log at all, and not in pages alone.
const fn is_of_a_log(body: &EventBody) -> bool {
    !matches!(
        body,
        EventBody::Tombstone { .. } | EventBody::Unknown { .. }
    )
}

/// Requests of strangers, from a machine elsewhere and from this one, whole and in pieces.
fn http() -> BTreeMap<String, Vec<u8>> {
    let key = "hrk_01010101010101010101010101010101010101010101010101010101010101011b8a641d";
    let upgrade = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: homeroom.v1.msgpack\r\n";
    let connect = format!("GET /v1/connect HTTP/1.1\r\nHost: chat.example:7400\r\n{upgrade}");
    let call = |method: &str, path: &str, body: &str| {
        format!(
            "{method} /v1/tenants/north/{path} HTTP/1.1\r\nHost: localhost\r\n\
             Authorization: Bearer {key}\r\nContent-Type: application/json\r\n\
             Idempotency-Key: 000102030405060708090a0b0c0d0e0f\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let create = call(
        "POST",
        "rooms",
        r#"{"room":"math","title":"Maths","members":["ada"]}"#,
    );
    let requests = [
        format!("{connect}\r\nearly"),
        format!("{connect}Origin: http://chat.example:7400\r\n\r\n"),
        format!("{connect}Origin: https://app.example\r\nCookie: session=1\r\n\r\n"),
        format!("{connect}Origin: null\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n"),
        format!("{connect}Origin: https://evil.example\r\n\r\n"),
        format!("{connect}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("{connect}Content-Length: 3\r\n\r\nabc"),
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
        "GET /metrics HTTP/1.1\r\nHost: [::1]:7400\r\nForwarded: for=192.0.2.9\r\n\r\n".to_owned(),
        "GET /health/ready HTTP/1.1\r\nHost: a\r\n\r\nGET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"
            .to_owned(),
        "HEAD / HTTP/1.0\r\nIf-None-Match: \"x\"\r\n\r\n".to_owned(),
        "OPTIONS * HTTP/1.1\r\nHost: a\r\nVia: 1.1 b\r\nX-Real-IP: ::1\r\n\r\n".to_owned(),
        create.clone(),
        format!(
            "{create}{}",
            call("POST", "rooms/math/messages", r#"{"text":"hi <@ada>"}"#)
        ),
        format!(
            "{create}{}",
            call("GET", "rooms/math/messages?limit=2&as=ada", "")
        ),
        format!("{create}{}", call("PUT", "rooms/math/members/b%2Fb", "")),
        call("GET", "presence?user=ada&user=bob", ""),
        call("PATCH", "rooms/math", r#"{"topic":null,"archived":true}"#),
        call(
            "PUT",
            "roles/1",
            r#"{"name":"staff","rank":3,"allow":["send"],"prohibit":[]}"#,
        ),
        call("DELETE", "users/ada/sessions", ""),
    ];
    let mut seeds = BTreeMap::new();
    for (number, request) in requests.iter().enumerate() {
        for (flags, piece) in [(0, 255), (2, 20), (7, 0)] {
            let seed = [&[flags, piece][..], request.as_bytes()].concat();
            seeds.insert(format!("request-{number:02}-{flags}"), seed);
        }
    }
    seeds
}

/// The defaults section by section, each layer, and what was said wrong before.
fn config() -> BTreeMap<String, Vec<u8>> {
    let in_force = Sources::default().settle().expect("the defaults are right");
    let printed = in_force.to_string();
    let mut lines = Vec::new();
    for line in printed.lines().filter(|line| !line.starts_with('#')) {
        let line = line.split("  # ").next().unwrap_or_default();
        lines.extend((!line.is_empty()).then(|| format!("{line}\n")));
    }
    let mut seeds = BTreeMap::new();
    let whole = lines.concat();
    let sections = whole.split_inclusive('\n').collect::<Vec<_>>();
    let sections = sections.chunk_by(|_, next| !next.starts_with('['));
    for (number, section) in sections.enumerate() {
        let seed = [&[0][..], section.concat().as_bytes()].concat();
        seeds.insert(format!("section-{number:02}"), seed);
    }
    let short = |text: &str| {
        let length = u8::try_from(text.len()).expect("short");
        [&[length][..], text.as_bytes()].concat()
    };
    let said = [
        ("HOMEROOM_RULES__ROOMS_MAX", "100", "rules.rooms_max=7"),
        ("HOMEROOM_LISTEN", "[::1]:0", "listen=0.0.0.0:80"),
        (
            "HOMEROOM_ORIGINS__ALLOWED",
            "https://a.example,null",
            "guests=refused",
        ),
        ("RUST_LOG", "debug,hyper=warn", "log.filter=off"),
        ("HOMEROOM_PORT_80_TCP", "tcp://10.0.0.1:80", "data=/tmp/x"),
        ("HOMEROOM_STORAGE__SHARDS", "2", "tls.certificate=cert.pem"),
    ];
    for (number, (name, value, flag)) in said.into_iter().enumerate() {
        let layers = [short(name), short(value), short(flag)].concat();
        let seed = [&[0b0101][..], &layers, b"[rules]\nrooms_max = 9\n"].concat();
        seeds.insert(format!("layers-{number:02}"), seed);
    }
    seeds
}

/// Ordinary days of a tenant, as the choices of `tenant_inputs`: two come, make and join a room, and then each
/// kind of request is asked there once, after something was said and once more after a crash.
fn histories() -> BTreeMap<String, Vec<u8>> {
    const CRASH: [u8; 2] = [19, 5];
    let mut seeds = BTreeMap::new();
    for room in 1..4 {
        // Wide bounds, all keys in memory, each event durable at once; ada's phone and bob's desk come.
        let mut begun = vec![0, 2, 1];
        begun.extend([[0, 0, 0, 0, 0], [0, 1, 1, 0, 0]].concat());
        // Ada makes a room and joins it, bob joins it.
        begun.extend([3, 0, 0, 0, room, 1, 0, 1, 0, 1]);
        begun.extend([[3, 1, 0, 0, room, 0, 0, 1], [3, 1, 0, 0, room, 0, 0, 0]].concat());
        for key in 2..5 {
            begun.extend([3, 3, 0, 0, room, key, 0, 2, key % 2]);
        }
        for kind in 0..KINDS {
            let kind = u8::try_from(kind).expect("few kinds");
            let asked = [3, kind, 2, 0, room, 9, 3, 1, 1, 1, 1, 1, 1, 1];
            let mut seed = begun.clone();
            for part in [&asked[..], &CRASH, &[0, 0, 0, 0, 0], &asked] {
                seed.extend(part);
            }
            seeds.insert(format!("day-{room}-{kind:02}"), seed);
        }
    }
    seeds
}

/// Bytes that look random and are the same each time (SplitMix64).
fn any_bytes(number: u64) -> (String, Vec<u8>) {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut roll = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let words = 8 + number % 56;
    let bytes = (0..words).flat_map(|_| roll().to_le_bytes()).collect();
    (format!("any-{number:02}"), bytes)
}
