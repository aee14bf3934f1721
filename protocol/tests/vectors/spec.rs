//! `SPEC.md` is what strangers build from, so it is held to the code: fields, codes, limits, session.

use std::fs;

use homeroom_protocol::{
    CloseCode, ErrorCode, decode_client_message, decode_server_message, encode_client_frame,
    encode_server_frame, limit,
};

use super::{describe, examples, render};

fn spec() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/SPEC.md")).unwrap()
}

/// The cells of each table row in a text, without headings.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| # "))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
}

/// The text between a heading and the next.
fn section<'s>(spec: &'s str, heading: &str) -> &'s str {
    let start = spec
        .find(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("no {heading}"));
    let text = &spec[start + heading.len() + 2..];
    let end = ["\n## ", "\n### "]
        .iter()
        .filter_map(|next| text.find(next))
        .min();
    &text[..end.unwrap_or(text.len())]
}

/// The kind's number, and the JSON that names kind and fields.
fn check_fields(spec: &str, bytes: &[u8], json: &str) {
    let kind = bytes[1];
    let name = json.split('"').nth(3).unwrap();
    let table: Vec<_> = rows(section(spec, &format!("### {name} ({kind})"))).collect();
    let fields: Vec<_> = table.iter().map(|row| row[1].to_owned()).collect();
    assert_eq!(fields, render::names(json), "{name}");
    for (index, row) in table.iter().enumerate() {
        assert_eq!(row[0], index.to_string(), "{name}");
    }
    assert_eq!(table[0][2], kind.to_string(), "{name}");
}

#[test]
fn the_tables_of_all_frames_name_their_fields_in_order() {
    let spec = spec();
    for (_, _, frame) in examples::client() {
        let mut bytes = Vec::new();
        encode_client_frame(&frame, &mut bytes);
        check_fields(&spec, &bytes, &describe::client(&frame));
    }
    for (_, _, frame) in examples::server() {
        let mut bytes = Vec::new();
        encode_server_frame(&frame, &mut bytes);
        check_fields(&spec, &bytes, &describe::server(&frame));
    }
}

#[test]
fn the_tables_of_codes_are_complete() {
    let spec = spec();
    let codes = |section: &str| -> Vec<String> {
        rows(section)
            .filter(|row| row[0].parse::<u16>().is_ok())
            .map(|row| row.join(" "))
            .collect()
    };
    let errors: Vec<_> = ErrorCode::ALL
        .iter()
        .map(|code| format!("{} {code:?} {}", code.number(), code.meaning()))
        .collect();
    assert_eq!(codes(section(&spec, "## Errors")), errors);
    let closes: Vec<_> = CloseCode::ALL
        .iter()
        .map(|code| format!("{} {code:?} {}", code.number(), code.meaning()))
        .collect();
    assert_eq!(codes(section(&spec, "## Closing")), closes);
}

#[test]
fn the_table_of_limits_has_the_numbers_of_the_code() {
    let spec = spec();
    let values: Vec<u64> = rows(section(&spec, "## Limits"))
        .filter_map(|row| row[1].split(',').next()?.parse().ok())
        .collect();
    let limits = [
        limit::HELLO_BYTES_MAX,
        limit::CLIENT_MESSAGE_BYTES_MAX,
        limit::SERVER_MESSAGE_BYTES_MAX,
        usize::from(limit::FRAGMENTS_PER_MESSAGE_MAX),
        limit::FRAMES_PER_MESSAGE_MAX,
        limit::DEPTH_MAX,
        limit::ELEMENTS_MAX,
        usize::try_from(limit::INTEGER_MAX).unwrap(),
        limit::TENANT_NAME_BYTES_MAX,
        limit::USER_ID_BYTES_MAX,
        limit::ROOM_ID_BYTES_MAX,
        limit::DEVICE_ID_BYTES_MAX,
        limit::ROOM_TITLE_BYTES_MAX,
        limit::MESSAGE_TEXT_BYTES_MAX,
        limit::TOKEN_BYTES_MAX,
        limit::CAPABILITY_BYTES_MAX,
        limit::CAPABILITIES_MAX,
        limit::EXPLANATION_BYTES_MAX,
        limit::PAGE_EVENTS_MAX,
        limit::PAGE_BYTES_MAX,
        limit::WATCHED_USERS_MAX,
        limit::MEMBERS_PAGE_MAX,
        limit::TYPING_USERS_MAX,
    ];
    assert_eq!(values, limits.map(|limit| limit as u64));
}

/// Each line of the session is one frame in its one form.
#[test]
fn the_session_is_real() {
    let spec = spec();
    let session = spec
        .split("```session\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let (mut clients, mut servers) = (0, 0);
    for line in session.lines().filter(|line| !line.starts_with('#')) {
        let (direction, hex) = line.split_once(": ").unwrap();
        let bytes = render::bytes(hex);
        let mut again = Vec::new();
        if direction == "client" {
            let mut frames = decode_client_message(&bytes, limit::HELLO_BYTES_MAX).unwrap();
            encode_client_frame(&frames.next().unwrap().unwrap(), &mut again);
            clients += 1;
        } else {
            assert_eq!(direction, "server");
            let mut frames = decode_server_message(&bytes, limit::HELLO_BYTES_MAX).unwrap();
            encode_server_frame(&frames.next().unwrap().unwrap(), &mut again);
            servers += 1;
        }
        assert_eq!(again, bytes, "{line}");
    }
    assert_eq!((clients, servers), (7, 10));
}

#[test]
fn the_masked_example_is_the_first_message_of_the_session() {
    let spec = spec();
    let hex = |fence: &str| {
        spec.split(fence)
            .nth(1)
            .unwrap()
            .split("\n```")
            .next()
            .unwrap()
    };
    let masked = render::bytes(hex("```text\n82").trim());
    let first = render::bytes(render::line(hex("```session\n"), "client"));
    assert_eq!(usize::from(masked[0]), 0x80 + first.len());
    let (key, payload) = masked[1..].split_at(4);
    let unmasked: Vec<_> = payload
        .iter()
        .zip(key.iter().cycle())
        .map(|(a, b)| a ^ b)
        .collect();
    assert_eq!(unmasked, first);
}
