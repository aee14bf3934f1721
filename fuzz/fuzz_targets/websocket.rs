//! Any bytes as a client's side of a WebSocket, in any pieces. Where they are cut never changes what is
//! read; what is read is what a reader for whole streams reads, written here from RFC 6455 alone; and memory
//! follows the bytes that came.
#![no_main]

use homeroom_fuzz::Choices;
use homeroom_protocol::limit::FRAGMENTS_PER_MESSAGE_MAX;
use homeroom_server::websocket::{Bounds, Item, Reader, Violation};
use libfuzzer_sys::fuzz_target;

static BOUNDS: [Bounds; 6] = [
    Bounds::binary(0),
    Bounds::binary(1),
    Bounds::binary(125),
    Bounds::binary(126),
    Bounds::binary(4_096),
    Bounds::binary(64 * 1024),
];

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::new(bytes);
    let bounds = &BOUNDS[choices.below(6)];
    let cuts: Vec<usize> = match choices.below(8) {
        0 => (0..4_096).collect(),
        count => (1..count).map(|_| usize::from(choices.byte())).collect(),
    };
    let stream = if choices.flag() {
        choices.rest().to_vec()
    } else {
        frames(&mut choices)
    };
    let whole = read(&stream, bounds, &[]);
    let pieces = read(&stream, bounds, &cuts);
    assert_eq!(whole, pieces, "cut at {cuts:?}");
    let expected = Expected::of(&stream, bounds.message_bytes_max);
    assert_eq!(whole.items, expected.items);
    assert_eq!(whole.violation.is_some(), expected.is_broken);
    if !expected.is_broken && !expected.is_unfinished {
        assert_eq!(whole.heap_bytes, 0, "between messages nothing is held");
    }
    if let Some(violation) = whole.violation {
        assert!(!violation.to_string().is_empty());
        _ = violation.close_code();
    }
});

/// An item that borrows nothing.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Message(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
}

#[derive(Debug)]
struct Conversation {
    items: Vec<Told>,
    violation: Option<Violation>,
    /// On the heap at the end.
    heap_bytes: usize,
}

impl PartialEq for Conversation {
    /// How much room was made for what is unfinished depends on how it came.
    fn eq(&self, other: &Self) -> bool {
        self.items == other.items
            && self.violation == other.violation
            && (self.heap_bytes == 0) == (other.heap_bytes == 0)
    }
}

/// Each cut is a distance from the one before.
fn read(stream: &[u8], bounds: &'static Bounds, cuts: &[usize]) -> Conversation {
    let mut reader = Reader::new(bounds);
    let mut items = Vec::new();
    let (mut rest, mut received) = (stream, 0);
    let mut lengths = cuts
        .iter()
        .map(|cut| if cuts.len() == 4_096 { 1 } else { *cut });
    loop {
        let length = lengths.next().unwrap_or(rest.len()).min(rest.len());
        let (piece, later) = rest.split_at(length);
        (rest, received) = (later, received + length);
        let mut piece = piece.to_vec();
        let mut input = &mut piece[..];
        let violation = loop {
            match reader.next(&mut input) {
                Ok(Some(item)) => items.push(told(item)),
                Ok(None) => break None,
                Err(violation) => break Some(violation),
            }
            if let Some(Told::Close(_)) = items.last() {
                break None;
            }
        };
        let heap_bytes = reader.heap_bytes();
        let held_max = received.min(bounds.message_bytes_max + 125);
        assert!(
            heap_bytes <= 2 * held_max + 16,
            "{heap_bytes} of {received}"
        );
        let is_over = violation.is_some() || matches!(items.last(), Some(Told::Close(_)));
        assert!(is_over || input.is_empty(), "all of a piece is taken in");
        if is_over || rest.is_empty() {
            return Conversation {
                items,
                violation,
                heap_bytes,
            };
        }
    }
}

fn told(item: Item<'_>) -> Told {
    match item {
        Item::Message(bytes) => Told::Message(bytes.into_owned()),
        Item::Ping(bytes) => Told::Ping(bytes.into_owned()),
        Item::Pong => Told::Pong,
        Item::Close { code } => Told::Close(code),
        Item::Text(_) => unreachable!("no text is let in"),
    }
}

/// What a reader should read that has the whole stream before it.
struct Expected {
    items: Vec<Told>,
    is_broken: bool,
    /// The stream ends within a message or a frame of which some payload came.
    is_unfinished: bool,
}

impl Expected {
    fn of(stream: &[u8], message_bytes_max: usize) -> Self {
        let mut expected = Self {
            items: Vec::new(),
            is_broken: false,
            is_unfinished: false,
        };
        let mut message: Option<(Vec<u8>, u16)> = None;
        let mut rest = stream;
        loop {
            expected.is_unfinished = message.is_some() || !rest.is_empty();
            let &[first, second, ref behind @ ..] = rest else {
                return expected;
            };
            let (last, opcode, short) = (first & 0x80 != 0, first & 0x0f, second & 0x7f);
            let is_control = opcode & 0x8 != 0;
            let is_known = matches!(opcode, 0 | 2 | 8 | 9 | 10);
            if first & 0x70 != 0 || !is_known || second & 0x80 == 0 {
                return expected.broken();
            }
            if is_control && (!last || short > 125) {
                return expected.broken();
            }
            let bytes = match short {
                126 => 2,
                127 => 8,
                _ => 0,
            };
            let Some((length, behind)) = behind.split_at_checked(bytes) else {
                return expected;
            };
            let Some((mask, behind)) = behind.split_first_chunk::<4>() else {
                return expected;
            };
            let length = match length {
                [] => u64::from(short),
                long => long
                    .iter()
                    .fold(0, |sum, &byte| sum * 256 + u64::from(byte)),
            };
            let is_shortest = match short {
                126 => length >= 126,
                127 => (65_536..1 << 63).contains(&length),
                _ => true,
            };
            if !is_shortest {
                return expected.broken();
            }
            if !is_control {
                if (opcode == 0) != message.is_some() {
                    return expected.broken();
                }
                let (held, fragments) = message.get_or_insert_default();
                let grown = length.saturating_add(held.len() as u64);
                if grown > message_bytes_max as u64 || *fragments == FRAGMENTS_PER_MESSAGE_MAX {
                    return expected.broken();
                }
                *fragments += 1;
            }
            let here = usize::try_from(length).unwrap_or(usize::MAX);
            let Some((payload, behind)) = behind.split_at_checked(here) else {
                return expected;
            };
            rest = behind;
            let clear = payload.iter().zip(mask.iter().cycle());
            let clear = clear.map(|(byte, mask)| byte ^ mask).collect::<Vec<u8>>();
            match opcode {
                9 => expected.items.push(Told::Ping(clear)),
                10 => expected.items.push(Told::Pong),
                8 => match close_code(&clear) {
                    Some(code) => {
                        expected.items.push(Told::Close(code));
                        return expected;
                    }
                    None => return expected.broken(),
                },
                _ => {
                    let (mut held, fragments) = message.take().expect("just put there");
                    held.extend(clear);
                    if last {
                        expected.items.push(Told::Message(held));
                    } else {
                        message = Some((held, fragments));
                    }
                }
            }
        }
    }

    fn broken(self) -> Self {
        Self {
            is_broken: true,
            ..self
        }
    }
}

/// The code of a close frame; `None` when that is malformed.
fn close_code(payload: &[u8]) -> Option<Option<u16>> {
    let (code, reason) = match payload {
        [] => return Some(None),
        [_] => return None,
        [high, low, reason @ ..] => (u16::from(*high) * 256 + u16::from(*low), reason),
    };
    let may_be_sent = match code {
        1004..=1006 => false,
        1000..=1014 | 3000..=4999 => true,
        _ => false,
    };
    (may_be_sent && std::str::from_utf8(reason).is_ok()).then_some(Some(code))
}

/// Frames that are right as a rule.
fn frames(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut stream = Vec::new();
    while !choices.is_empty() && stream.len() < 256 * 1024 {
        let odd = choices.byte();
        let opcode = [2, 2, 0, 0, 9, 10, 8, 1][choices.below(8)];
        let flags = if odd & 1 == 0 { 0x80 } else { 0 };
        let flags = if odd == 255 {
            choices.byte() & 0xf0
        } else {
            flags
        };
        let payload = match odd {
            // Past what fits the shorter forms.
            250 => vec![7; 125 + usize::from(choices.byte() % 4)],
            251 => vec![7; 65_534 + usize::from(choices.byte() % 4)],
            // What many fragments are made of.
            252 => Vec::new(),
            _ => choices.bytes().to_vec(),
        };
        let mask = if odd & 2 == 0 { [0; 4] } else { [1, 2, 4, 128] };
        let times = if odd == 252 {
            usize::from(choices.byte())
        } else {
            1
        };
        for _ in 0..times {
            stream.push(flags | opcode);
            head(&mut stream, payload.len(), odd == 254);
            stream.extend(mask);
            let masked = payload.iter().zip(mask.iter().cycle());
            stream.extend(masked.map(|(byte, mask)| byte ^ mask));
        }
    }
    stream
}

/// The length in its shortest form, or in the longest.
fn head(stream: &mut Vec<u8>, length: usize, longest: bool) {
    match (length, u16::try_from(length)) {
        (0..=125, Ok(short)) if !longest => stream.push(0x80 | short.to_be_bytes()[1]),
        (_, Ok(middle)) if !longest => {
            stream.push(0x80 | 126);
            stream.extend(middle.to_be_bytes());
        }
        _ => {
            stream.push(0x80 | 127);
            stream.extend((length as u64).to_be_bytes());
        }
    }
}
