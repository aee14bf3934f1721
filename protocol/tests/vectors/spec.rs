//! `SPEC.md` is what strangers build from, so it is held to the code: fields, codes, limits, session.

use std::{collections::BTreeMap, fs};

use homeroom_protocol::{
    CloseCode, ErrorCode, EventBody, Permission, ServerFrame, decode_client_message,
    decode_server_message, encode_client_frame, encode_event_body, encode_server_frame, limit,
};

use super::{describe, examples, render};

pub(crate) fn spec() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/SPEC.md")).unwrap()
}

/// The cells of each table row in a text, without headings.
pub(crate) fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| # "))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
}

/// The text between a heading and the next.
pub(crate) fn section<'s>(spec: &'s str, heading: &str) -> &'s str {
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

/// Kind and name of a frame, and the most fields an example of it has.
type Longest = BTreeMap<(u8, String), Vec<String>>;

/// The kind's number, and the JSON that names kind and fields.
fn note_fields(longest: &mut Longest, bytes: &[u8], json: &str) {
    let name = json.split('"').nth(3).unwrap().to_owned();
    let fields = render::names(json);
    let seen = longest.entry((bytes[1], name)).or_default();
    let shared = seen.len().min(fields.len());
    assert_eq!(seen[..shared], fields[..shared], "{json}");
    if fields.len() > seen.len() {
        *seen = fields;
    }
}

/// Fields that are left out at the end of one example are there in another.
#[test]
fn the_tables_of_all_frames_name_their_fields_in_order() {
    let spec = spec();
    let mut longest = Longest::new();
    for (_, _, frame) in examples::client() {
        let mut bytes = Vec::new();
        encode_client_frame(&frame, &mut bytes);
        note_fields(&mut longest, &bytes, &describe::client(&frame));
    }
    for (_, _, frame) in examples::server() {
        let mut bytes = Vec::new();
        encode_server_frame(&frame, &mut bytes);
        note_fields(&mut longest, &bytes, &describe::server(&frame));
    }
    for ((kind, name), fields) in longest {
        let table: Vec<_> = rows(section(&spec, &format!("### {name} ({kind})"))).collect();
        let named: Vec<_> = table.iter().map(|row| row[1].to_owned()).collect();
        assert_eq!(named, fields, "{name}");
        for (index, row) in table.iter().enumerate() {
            assert_eq!(row[0], index.to_string(), "{name}");
        }
        assert_eq!(table[0][2], kind.to_string(), "{name}");
    }
}

/// A row for each body: `[number, field, field]`, what the fields are, and its name first in the meaning.
#[test]
fn the_tables_of_events_name_their_fields_in_order() {
    let spec = spec();
    let mut longest = Longest::new();
    for (_, _, frame) in examples::server() {
        let ServerFrame::Event { event, .. } = &frame else {
            continue;
        };
        let bytes = encode_event_body(&event.body);
        let json = describe::body(&event.body);
        if !matches!(event.body, EventBody::Unknown { .. }) {
            note_fields(&mut longest, &bytes, &json);
        }
    }
    let told: BTreeMap<(u8, String), Vec<String>> = rows(section(&spec, "## Events"))
        .filter_map(|row| {
            let cells = row[0].strip_prefix("`[")?.strip_suffix("]`")?;
            let (number, fields) = cells.split_once(", ").unwrap_or((cells, ""));
            let fields = fields.split(", ").filter(|field| !field.is_empty());
            let name = row[2].split(':').next()?.to_owned();
            let fields = ["kind"].into_iter().chain(fields).map(str::to_owned);
            Some(((number.parse().ok()?, name), fields.collect()))
        })
        .collect();
    assert_eq!(told, longest);
}

#[test]
fn the_table_of_permissions_is_complete() {
    let spec = spec();
    let told: Vec<_> = rows(section(&spec, "## Permissions"))
        .filter(|row| row[0].parse::<u8>().is_ok())
        .map(|row| format!("{} {}", row[0], row[1].trim_matches('`')))
        .collect();
    let all: Vec<_> = describe::choice::PERMISSIONS
        .iter()
        .zip(Permission::ALL)
        .map(|(name, permission)| format!("{} {name}", permission.number()))
        .collect();
    assert_eq!(told, all);
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
        limit::SERVER_ELEMENTS_MAX,
        usize::try_from(limit::INTEGER_MAX).unwrap(),
        limit::TENANT_NAME_BYTES_MAX,
        limit::USER_ID_BYTES_MAX,
        limit::ROOM_ID_BYTES_MAX,
        limit::DEVICE_ID_BYTES_MAX,
        limit::ROOM_TITLE_BYTES_MAX,
        limit::ROOM_TOPIC_BYTES_MAX,
        limit::ROOM_METADATA_BYTES_MAX,
        limit::MESSAGE_TEXT_BYTES_MAX,
        limit::CUSTOM_BYTES_MAX,
        limit::CUSTOM_KIND_BYTES_MAX,
        limit::ATTACHMENTS_MAX,
        limit::ATTACHMENT_BYTES_MAX,
        limit::MENTIONED_USERS_MAX,
        limit::MENTIONED_ROLES_MAX,
        limit::ALLOWED_MENTIONS_MAX,
        limit::EMOJI_BYTES_MAX,
        limit::REACTIONS_PER_MESSAGE_MAX,
        limit::REACTION_USERS_MAX,
        limit::VERSIONS_PER_MESSAGE_MAX as usize,
        limit::PINS_PER_ROOM_MAX,
        limit::ROOM_CHANGES_MAX,
        limit::FIRST_MEMBERS_MAX,
        limit::RETENTION_DAYS_MAX as usize,
        limit::RETENTION_MESSAGES_MAX as usize,
        limit::SLOW_MODE_MS_MAX as usize,
        limit::MARKED_ROOMS_MAX,
        limit::STATUS_BYTES_MAX,
        limit::SIGNAL_NAME_BYTES_MAX,
        limit::SIGNAL_BYTES_MAX,
        limit::ROLE_NAME_BYTES_MAX,
        limit::ROLES_MAX,
        limit::ROLES_PER_USER_MAX,
        limit::POLICY_PAIRS_MAX,
        limit::REASON_BYTES_MAX,
        limit::TOKEN_BYTES_MAX,
        limit::CAPABILITY_BYTES_MAX,
        limit::CAPABILITIES_MAX,
        limit::EXPLANATION_BYTES_MAX,
        limit::PAGE_EVENTS_MAX,
        limit::PAGE_BYTES_MAX,
        limit::WATCHED_USERS_MAX,
        limit::MEMBERS_PAGE_MAX,
        limit::ROOMS_PAGE_MAX,
        limit::TYPING_USERS_MAX,
        limit::SIGNALS_PER_PUSH_MAX,
        limit::OCCUPANCY_USERS_MAX,
        limit::REASONS_MAX,
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
