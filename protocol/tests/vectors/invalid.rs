//! Bytes that must be refused, and how.

use homeroom_protocol::{CloseCode, ErrorCode, FrameError, ScanError, decode::FrameProblem, limit};

use super::render::{bytes, hex};

/// What a reader must say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nothing of the message is used; a server closes with this code.
    Message { close: u16 },
    /// The hello is refused: a server closes with this code, for the field by index and name.
    Hello {
        close: u16,
        field: (u32, &'static str),
    },
    /// One frame is refused with this error; a field by index and name where one is at fault.
    Frame {
        error: u16,
        id: Option<u64>,
        field: Option<(u32, &'static str)>,
    },
}

impl Refusal {
    pub(crate) fn of_message(error: ScanError) -> Self {
        assert_eq!(error.error_code(), ErrorCode::Malformed);
        Self::Message {
            close: error.close_code().number(),
        }
    }

    /// `close` is what a server does whatever the error is.
    pub(crate) fn of_hello(error: &FrameError) -> Self {
        let FrameProblem::Field { name, index, .. } = error.problem else {
            panic!("no field is at fault: {error}");
        };
        assert_eq!(error.id, None);
        Self::Hello {
            close: CloseCode::Protocol.number(),
            field: (index, name),
        }
    }

    pub(crate) fn of_frame(error: &FrameError) -> Self {
        Self::Frame {
            error: error.error_code().number(),
            id: error.id.map(|id| id.0),
            field: match error.problem {
                FrameProblem::Field {
                    name,
                    index,
                    error: _,
                } => Some((index, name)),
                FrameProblem::NoKind | FrameProblem::UnknownKind { .. } => None,
            },
        }
    }

    /// The lines that say so in a file.
    pub(crate) fn lines(&self) -> String {
        match self {
            Self::Message { close } => format!("refused: message\nclose: {close}\n"),
            Self::Hello { close, field } => {
                let (index, name) = field;
                format!("refused: hello\nclose: {close}\nfield: {index} {name}\n")
            }
            Self::Frame { error, id, field } => {
                let id = id.map_or_else(|| "none".to_owned(), |id| id.to_string());
                let field = field.map_or_else(
                    || "none".to_owned(),
                    |(index, name)| format!("{index} {name}"),
                );
                format!("refused: frame\nerror: {error}\nid: {id}\nfield: {field}\n")
            }
        }
    }
}

/// File name, direction, meaning, bytes, and how they are refused.
pub(crate) type Invalid = (&'static str, &'static str, &'static str, Vec<u8>, Refusal);

fn message(name: &'static str, about: &'static str, hex: &str) -> Invalid {
    (
        name,
        "client",
        about,
        bytes(hex),
        Refusal::Message { close: 4200 },
    )
}

fn field(
    name: &'static str,
    about: &'static str,
    hex: &str,
    id: impl Into<Option<u64>>,
    field: (u32, &'static str),
) -> Invalid {
    let refusal = Refusal::Frame {
        error: 1002,
        id: id.into(),
        field: Some(field),
    };
    (name, "client", about, bytes(hex), refusal)
}

fn hello(
    name: &'static str,
    about: &'static str,
    hex: &str,
    field: (u32, &'static str),
) -> Invalid {
    let refusal = Refusal::Hello { close: 4200, field };
    (name, "client", about, bytes(hex), refusal)
}

fn kind(
    name: &'static str,
    direction: &'static str,
    about: &'static str,
    hex: &str,
    error: u16,
    id: impl Into<Option<u64>>,
) -> Invalid {
    let refusal = Refusal::Frame {
        error,
        id: id.into(),
        field: None,
    };
    (name, direction, about, bytes(hex), refusal)
}

fn messages() -> Vec<Invalid> {
    let too_many_frames = "91 02 ".repeat(limit::FRAMES_PER_MESSAGE_MAX + 1);
    let too_deep = format!("92 02 {} 00", "91 ".repeat(limit::DEPTH_MAX));
    vec![
        message("message_empty", "No frame at all.", ""),
        message(
            "message_not_array",
            "A map where a frame should be.",
            "81 01 02",
        ),
        message("message_truncated", "A ping without its nonce.", "92 02"),
        message(
            "message_trailing_garbage",
            "A ping, then half a frame.",
            "92 02 07 92",
        ),
        message("message_reserved_byte", "The byte 0xc1.", "92 02 c1"),
        message("message_too_many_frames", "257 frames.", &too_many_frames),
        message("message_too_deep", "Nine arrays in each other.", &too_deep),
        message(
            "message_claims_elements",
            "Claims 4 294 967 295 elements.",
            "dd ff ff ff ff 02",
        ),
        message(
            "message_claims_text",
            "Claims a text of 4 GiB.",
            "92 02 db ff ff ff ff 61",
        ),
        message(
            "message_claims_binary",
            "Claims 4 GiB of bytes.",
            "92 02 c6 ff ff ff ff 61",
        ),
        message(
            "message_integer_too_large",
            "2^53.",
            "92 02 cf 00 20 00 00 00 00 00 00",
        ),
        message(
            "message_integer_too_low",
            "-2^53, unused.",
            "93 02 07 d3 ff e0 00 00 00 00 00 00",
        ),
        message(
            "message_not_utf8",
            "A text that is not UTF-8.",
            "93 02 07 a1 ff",
        ),
    ]
}

fn kinds() -> Vec<Invalid> {
    vec![
        kind(
            "kind_missing",
            "client",
            "An array of nothing.",
            "90",
            1000,
            None,
        ),
        kind(
            "kind_not_integer",
            "client",
            "A kind that is a text.",
            "92 a1 61 07",
            1000,
            None,
        ),
        kind(
            "kind_unknown",
            "client",
            "A request of a later version.",
            "93 3f 07 01",
            1001,
            7,
        ),
        kind(
            "kind_unknown_no_id",
            "client",
            "An unknown kind without id.",
            "92 3f c0",
            1001,
            None,
        ),
        kind(
            "kind_of_reply",
            "client",
            "A client sends a reply: what follows the kind is no request id.",
            "92 40 07",
            1001,
            None,
        ),
        kind(
            "kind_of_bye",
            "client",
            "A client sends a bye: its code is no request id.",
            "93 05 cd 0f a0 01",
            1001,
            None,
        ),
        kind(
            "kind_of_push",
            "client",
            "A client sends a push: its room is no request id.",
            "92 60 07",
            1001,
            None,
        ),
        kind(
            "kind_out_of_range",
            "client",
            "A kind that is in no range.",
            "92 cc c8 07",
            1001,
            None,
        ),
        kind(
            "kind_below_requests",
            "client",
            "The last kind below the requests.",
            "92 0f 07",
            1001,
            None,
        ),
        kind(
            "reply_unknown",
            "server",
            "A reply of a later version: its request is over.",
            "93 5f 07 01",
            1001,
            7,
        ),
        kind(
            "push_unknown",
            "server",
            "A push of a later version: pass over it.",
            "93 7f 07 01",
            1001,
            None,
        ),
    ]
}

#[expect(
    clippy::too_many_lines,
    reason = "a list of examples, one after another"
)]
fn fields() -> Vec<Invalid> {
    let key = "c4 10 01 9b 76 da a8 00 70 00 80 01 02 03 04 05 06 07";
    let long_title = format!("95 10 01 {key} a1 72 da 01 01 {}", "61 ".repeat(257));
    let long_room = format!("94 11 03 d9 41 {} c0", "72 ".repeat(65));
    let long_name = format!("95 01 01 a1 74 92 01 d9 41 {} a1 64", "75 ".repeat(65));
    let watch_twice_nobody = "93 17 0d 92 a3 62 65 6e a0";
    vec![
        field(
            "field_missing",
            "A leave without its room.",
            "92 12 05",
            5,
            (2, "room"),
        ),
        field(
            "field_nil",
            "A leave of nil.",
            "93 12 05 c0",
            5,
            (2, "room"),
        ),
        field(
            "field_wrong_type",
            "A leave of a text.",
            "93 12 05 a1 37",
            5,
            (2, "room"),
        ),
        field(
            "field_float",
            "A leave of 7.0.",
            "93 12 05 ca 40 e0 00 00",
            5,
            (2, "room"),
        ),
        field(
            "field_negative",
            "A leave of -1.",
            "93 12 05 ff",
            5,
            (2, "room"),
        ),
        field(
            "field_extension",
            "A leave of an extension.",
            "93 12 05 d4 00 07",
            5,
            (2, "room"),
        ),
        field(
            "field_too_large",
            "A room of 2^32.",
            "93 12 05 cf 00 00 00 01 00 00 00 00",
            5,
            (2, "room"),
        ),
        field(
            "id_missing",
            "A leave without its id.",
            "91 12",
            None,
            (1, "id"),
        ),
        field(
            "id_nil",
            "A leave whose id is nil.",
            "93 12 c0 07",
            None,
            (1, "id"),
        ),
        field(
            "key_short",
            "A key of 15 bytes.",
            &format!("95 13 06 c4 0f {} 07 a1 61", "00 ".repeat(15)),
            6,
            (2, "key"),
        ),
        field(
            "key_text",
            "A key that is a text.",
            &format!("95 13 06 b0 {} 07 a1 61", "61 ".repeat(16)),
            6,
            (2, "key"),
        ),
        field(
            "title_too_long",
            "A title of 257 bytes.",
            &long_title,
            1,
            (4, "title"),
        ),
        field(
            "room_id_empty",
            "A room id of no bytes.",
            "94 11 03 a0 c0",
            3,
            (2, "room"),
        ),
        field(
            "room_id_too_long",
            "A room id of 65 bytes.",
            &long_room,
            3,
            (2, "room"),
        ),
        field(
            "room_id_control",
            "A room id with a line feed.",
            "94 11 03 a2 61 0a c0",
            3,
            (2, "room"),
        ),
        field(
            "resume_epoch_zero",
            "An epoch of 0.",
            "94 11 03 a1 72 92 00 01",
            3,
            (3, "resume.epoch"),
        ),
        field(
            "resume_seq_missing",
            "A resume without seq.",
            "94 11 03 a1 72 91 01",
            3,
            (3, "resume.seq"),
        ),
        field(
            "history_limit_zero",
            "A page of nothing.",
            "96 14 07 07 01 00 00",
            7,
            (5, "limit"),
        ),
        field(
            "history_limit_too_large",
            "A page of 101.",
            "96 14 07 07 01 00 65",
            7,
            (5, "limit"),
        ),
        field(
            "history_direction",
            "No such direction.",
            "96 14 07 07 63 00 01",
            7,
            (3, "direction"),
        ),
        field(
            "presence_offline",
            "A device cannot say that it is offline.",
            "93 16 0b 00",
            11,
            (2, "state"),
        ),
        field(
            "watch_empty_user",
            "The second user has no name.",
            watch_twice_nobody,
            13,
            (2, "users.user"),
        ),
        field(
            "members_limit_too_large",
            "A page of 257.",
            "95 18 0f 07 cd 01 01 c0",
            15,
            (3, "limit"),
        ),
        hello(
            "hello_tenant_upper_case",
            "Tenant names are lower case.",
            "95 01 01 a1 54 92 01 a1 75 a1 64",
            (2, "tenant"),
        ),
        hello(
            "hello_auth_unknown",
            "No such way to authenticate.",
            "95 01 01 a1 74 92 03 a1 75 a1 64",
            (3, "auth.kind"),
        ),
        hello(
            "hello_name_too_long",
            "A guest name of 65 bytes.",
            &long_name,
            (3, "auth.name"),
        ),
    ]
}

/// Fields of requests that came after the first ones.
#[expect(
    clippy::too_many_lines,
    reason = "a list of examples, one after another"
)]
fn later_fields() -> Vec<Invalid> {
    let key = "c4 10 01 9b 76 da a8 00 70 00 80 01 02 03 04 05 06 07";
    // A send, and the fields behind its text.
    let send = |count: u8, rest: &str| format!("{:02x} 13 06 {key} 07 a1 61 {rest}", 0x90 | count);
    // A create without a title, and the fields behind that.
    let create =
        |count: u8, rest: &str| format!("{:02x} 10 01 {key} a1 72 c0 {rest}", 0x90 | count);
    let attachments = format!("c0 c0 c0 c0 dc 00 11 {}", "a1 66 ".repeat(17));
    let changes = format!("95 23 08 {key} 07 99 {}", "92 07 c3 ".repeat(9));
    vec![
        field(
            "send_thread_text",
            "A thread that is a text.",
            &send(6, "a1 37"),
            6,
            (5, "thread"),
        ),
        field(
            "send_allowed_mentions_user",
            "An allowed mention of nobody.",
            &send(8, "c0 c0 91 91 a0"),
            6,
            (7, "allowed_mentions.user"),
        ),
        field(
            "send_custom_kind",
            "A custom part without a kind.",
            &send(9, "c0 c0 c0 92 a0 c4 00"),
            6,
            (8, "custom.kind"),
        ),
        field(
            "send_custom_body_text",
            "A custom part whose body is a text.",
            &send(9, "c0 c0 c0 92 a1 61 a1 62"),
            6,
            (8, "custom.body"),
        ),
        field(
            "send_too_many_attachments",
            "Seventeen attachments.",
            &send(10, &attachments),
            6,
            (9, "attachments"),
        ),
        field(
            "send_quiet_number",
            "Neither quiet nor not.",
            &send(11, "c0 c0 c0 c0 90 01"),
            6,
            (10, "quiet"),
        ),
        field(
            "create_kind",
            "No such kind of room.",
            &create(6, "63"),
            1,
            (5, "room_kind"),
        ),
        field(
            "create_retention",
            "No such way to keep.",
            &create(9, "01 c0 c4 00 91 63"),
            1,
            (8, "retention.kind"),
        ),
        field(
            "create_retention_no_days",
            "Days to keep, but not how many.",
            &create(9, "01 c0 c4 00 91 02"),
            1,
            (8, "retention.days"),
        ),
        field(
            "create_retention_zero_days",
            "Nothing is kept for no days.",
            &create(9, "01 c0 c4 00 92 02 00"),
            1,
            (8, "retention.days"),
        ),
        field(
            "create_slow_mode",
            "A slow mode of more than a day.",
            &create(11, "01 c0 c4 00 c0 01 ce 05 26 5c 01"),
            1,
            (10, "slow_mode_ms"),
        ),
        field(
            "create_member_empty",
            "A first member without a name.",
            &create(13, "01 c0 c4 00 c0 01 00 c2 91 a0"),
            1,
            (12, "members.user"),
        ),
        field(
            "edit_target_missing",
            "An edit of nothing.",
            &format!("94 19 07 {key} 07"),
            7,
            (4, "target"),
        ),
        field(
            "react_emoji_empty",
            "A reaction with nothing.",
            &format!("97 1b 07 {key} 07 2a a0 c3"),
            7,
            (5, "emoji"),
        ),
        field(
            "mark_seq_missing",
            "A mark that says not how far.",
            "95 1e 09 07 c0 00",
            9,
            (5, "seq"),
        ),
        field(
            "mark_all_room",
            "The second room is a text.",
            "93 1f 09 92 07 a1 38",
            9,
            (2, "rooms.room"),
        ),
        field(
            "list_rooms_limit",
            "A page of 513 rooms.",
            "93 22 09 cd 02 01",
            9,
            (2, "limit"),
        ),
        field(
            "change_room_unknown",
            "No such thing can be changed.",
            &format!("95 23 08 {key} 07 91 92 63 c3"),
            8,
            (4, "changes.kind"),
        ),
        field(
            "change_room_too_many",
            "Nine changes.",
            &changes,
            8,
            (4, "changes"),
        ),
        field(
            "moderate_measure",
            "No such measure.",
            &format!("96 24 08 {key} 07 a1 75 63"),
            8,
            (5, "measure"),
        ),
        field(
            "overwrite_target",
            "An overwrite for something that is no role and no user.",
            &format!("97 25 08 {key} 07 92 63 01 00 00"),
            8,
            (4, "target.kind"),
        ),
        field(
            "overwrite_permissions",
            "A permission that is not known.",
            &format!("97 25 08 {key} 07 92 01 01 ce 80 00 00 00 00"),
            8,
            (5, "deny"),
        ),
        field(
            "level_zero",
            "No such level.",
            "94 27 08 07 00",
            8,
            (3, "level"),
        ),
        field(
            "stream_unknown",
            "No such stream.",
            "93 29 08 63",
            8,
            (2, "stream"),
        ),
        field(
            "status_availability",
            "No such availability.",
            "93 2b 08 63",
            8,
            (2, "availability"),
        ),
        field(
            "policy_pair_half",
            "A role that is kept apart from nothing.",
            "93 31 08 91 91 03",
            8,
            (2, "apart.to"),
        ),
        field(
            "explain_permission",
            "No such permission.",
            "95 32 08 c0 c0 63",
            8,
            (4, "permission"),
        ),
        field(
            "signal_name_empty",
            "A signal without a name carries no id.",
            "94 06 07 a0 c4 00",
            None,
            (2, "name"),
        ),
    ]
}

pub(crate) fn all() -> Vec<Invalid> {
    [messages(), kinds(), fields(), later_fields()]
        .into_iter()
        .flatten()
        .collect()
}

pub(crate) fn file((_, direction, about, bytes, refusal): &Invalid) -> String {
    let hex = hex(bytes);
    let space = if hex.is_empty() { "" } else { " " };
    format!(
        "# {about}\ndirection: {direction}\nhex:{space}{hex}\n{}",
        refusal.lines()
    )
}
