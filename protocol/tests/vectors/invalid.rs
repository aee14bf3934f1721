//! Bytes that must be refused, and how.

mod fields;
mod later_fields;

use fields::fields;
use homeroom_protocol::{CloseCode, ErrorCode, FrameError, ScanError, decode::FrameProblem, limit};
use later_fields::later_fields;

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

pub(super) fn field(
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

pub(super) fn hello(
    name: &'static str,
    about: &'static str,
    hex: &str,
    field: (u32, &'static str),
) -> Invalid {
    let refusal = Refusal::Hello { close: 4200, field };
    (name, "client", about, bytes(hex), refusal)
}

pub(super) fn kind(
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
