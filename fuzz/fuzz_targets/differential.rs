//! Any bytes, read by us and by rmpv, another implementation of MessagePack. What we take, it takes, as the
//! same values; what we refuse of what it takes, we refuse for a limit that we have and it has not, and for
//! the first one that is met.
#![no_main]

#[path = "../../protocol/src/token.rs"]
#[allow(dead_code, reason = "the crate uses the rest")]
mod token;

use homeroom_protocol::{
    ClientFrame, ScanError, decode_client_message, encode_client_frame, limit,
    scan::{Scanned, Sender, scan},
};
use libfuzzer_sys::fuzz_target;
use rmpv::{Value, decode};
use token::{Token, TokenError, Tokens};

fuzz_target!(|message: &[u8]| {
    let theirs = Theirs::read(message);
    same_tokens(message, &theirs);
    for (sender, elements_max) in [
        (Sender::Client, limit::ELEMENTS_MAX),
        (Sender::Server, limit::SERVER_ELEMENTS_MAX),
    ] {
        let ours = scan(message, usize::MAX, sender);
        judge(message, ours, &theirs, elements_max);
    }
    same_meaning(message, &theirs);
});

/// The values of a message, each with where it ends, as far as rmpv can read it.
struct Theirs {
    values: Vec<(Value, usize)>,
    /// Why it could not read on.
    refused: Option<decode::Error>,
}

impl Theirs {
    fn read(message: &[u8]) -> Self {
        let (mut values, mut rest) = (Vec::new(), message);
        while !rest.is_empty() {
            match decode::read_value(&mut rest) {
                Ok(value) => values.push((value, message.len() - rest.len())),
                Err(error) => {
                    let refused = Some(error);
                    return Self { values, refused };
                }
            }
        }
        Self {
            values,
            refused: None,
        }
    }
}

/// Whether the walk is over before its end: 0xc1 is an error for us and nil for rmpv.
type Ended = bool;

/// Token by token.
fn same_tokens(message: &[u8], theirs: &Theirs) {
    let mut tokens = Tokens::new(message);
    for (value, end) in &theirs.values {
        if same(&mut tokens, value) {
            return;
        }
        assert_eq!(tokens.at(), *end);
    }
    match &theirs.refused {
        None => assert!(tokens.is_at_end()),
        // It gives up on nesting that costs us nothing.
        Some(decode::Error::DepthLimitExceeded) => _ = tokens.skip(1),
        Some(error) => assert!(tokens.skip(1).is_err(), "{error}"),
    }
}

fn same(tokens: &mut Tokens<'_>, value: &Value) -> Ended {
    let token = match (tokens.next(), value) {
        (Ok(token), _) => token,
        (Err(TokenError::Reserved), Value::Nil) => return true,
        (Err(error), _) => panic!("{error:?} where rmpv has {value}"),
    };
    match (token, value) {
        (Token::Nil, Value::Nil)
        | (Token::Float, Value::F32(_) | Value::F64(_))
        | (Token::Extension, Value::Ext(..)) => false,
        (Token::Bool(ours), Value::Boolean(theirs)) => {
            assert_eq!(ours, *theirs);
            false
        }
        (Token::Unsigned(ours), Value::Integer(theirs)) => {
            assert_eq!(Some(ours), theirs.as_u64());
            false
        }
        (Token::Negative(ours), Value::Integer(theirs)) => {
            assert!(ours < 0);
            assert_eq!(Some(ours), theirs.as_i64());
            false
        }
        (Token::Text(ours), Value::String(theirs)) => {
            assert_eq!(ours, theirs.as_bytes());
            false
        }
        (Token::Binary(ours), Value::Binary(theirs)) => {
            assert_eq!(ours, theirs);
            false
        }
        (Token::Array(count), Value::Array(values)) => {
            assert_eq!(count as usize, values.len());
            values.iter().any(|value| same(tokens, value))
        }
        (Token::Map(pairs), Value::Map(values)) => {
            assert_eq!(pairs as usize, values.len());
            let mut each = values.iter().flat_map(|(key, value)| [key, value]);
            each.any(|value| same(tokens, value))
        }
        (token, value) => panic!("{token:?} where rmpv has {value}"),
    }
}

/// What is wrong with a message, as the limits of the protocol have it.
#[derive(Debug, PartialEq, Eq)]
enum Fault {
    Empty,
    TooManyFrames,
    NotAnArray,
    TooDeep,
    TooManyElements,
    IntegerTooLarge,
    NotUtf8,
    /// rmpv cannot read it either.
    NotMessagePack,
}

fn judge(
    message: &[u8],
    ours: Result<Scanned<'_>, ScanError>,
    theirs: &Theirs,
    elements_max: usize,
) {
    let fault = match ours {
        Ok(frames) => {
            assert!(theirs.refused.is_none(), "rmpv refuses what we take");
            assert_eq!(fault_of(theirs, elements_max), None);
            let mut at = 0;
            assert_eq!(frames.len(), theirs.values.len());
            for (frame, (_, end)) in frames.zip(&theirs.values) {
                at += frame.len();
                assert_eq!(at, *end);
            }
            return;
        }
        Err(ScanError::Reserved { at }) => {
            assert_eq!(message[at], 0xc1);
            return;
        }
        Err(ScanError::MessageTooBig { .. }) => unreachable!("every size is taken"),
        Err(ScanError::Empty) => Fault::Empty,
        Err(ScanError::TooManyFrames) => Fault::TooManyFrames,
        Err(ScanError::NotAnArray { .. }) => Fault::NotAnArray,
        Err(ScanError::Truncated { .. }) => Fault::NotMessagePack,
        Err(ScanError::TooDeep { .. }) => Fault::TooDeep,
        Err(ScanError::TooManyElements { .. }) => Fault::TooManyElements,
        Err(ScanError::IntegerTooLarge { .. }) => Fault::IntegerTooLarge,
        Err(ScanError::NotUtf8 { .. }) => Fault::NotUtf8,
    };
    match fault_of(theirs, elements_max) {
        // Inside of what it could not read, a limit of ours may have been met before the end.
        Some(Fault::NotMessagePack) => {}
        expected => assert_eq!(Some(fault), expected),
    }
}

/// The first fault in the order of the bytes.
fn fault_of(theirs: &Theirs, elements_max: usize) -> Option<Fault> {
    let values = theirs.values.iter().map(|(value, _)| value);
    for value in values.take(limit::FRAMES_PER_MESSAGE_MAX) {
        let mut left = elements_max;
        let fault = match value {
            Value::Array(_) => fault_in(value, 0, &mut left),
            _ => Some(Fault::NotAnArray),
        };
        if fault.is_some() {
            return fault;
        }
    }
    let whole = theirs.values.len();
    let more = whole + usize::from(theirs.refused.is_some());
    match &theirs.refused {
        _ if more > limit::FRAMES_PER_MESSAGE_MAX => Some(Fault::TooManyFrames),
        Some(_) => Some(Fault::NotMessagePack),
        None => (whole == 0).then_some(Fault::Empty),
    }
}

fn fault_in(value: &Value, depth: usize, left: &mut usize) -> Option<Fault> {
    let mut open = |count: usize| {
        if depth == limit::DEPTH_MAX {
            return Some(Fault::TooDeep);
        }
        match left.checked_sub(count) {
            Some(rest) => {
                *left = rest;
                None
            }
            None => Some(Fault::TooManyElements),
        }
    };
    match value {
        Value::Integer(number) => {
            let size = match (number.as_u64(), number.as_i64()) {
                (Some(size), _) => size,
                (None, negative) => negative.expect("one of the two").unsigned_abs(),
            };
            (size > limit::INTEGER_MAX).then_some(Fault::IntegerTooLarge)
        }
        Value::String(text) => text.is_err().then_some(Fault::NotUtf8),
        Value::Array(values) => open(values.len()).or_else(|| {
            let mut faults = values.iter().map(|value| fault_in(value, depth + 1, left));
            faults.find_map(|fault| fault)
        }),
        Value::Map(pairs) => open(2 * pairs.len()).or_else(|| {
            let each = pairs.iter().flat_map(|(key, value)| [key, value]);
            each.map(|value| fault_in(value, depth + 1, left))
                .find_map(|fault| fault)
        }),
        Value::Nil
        | Value::Boolean(_)
        | Value::F32(_)
        | Value::F64(_)
        | Value::Binary(_)
        | Value::Ext(..) => None,
    }
}

/// A frame that we understood says what the values in its place say.
fn same_meaning(message: &[u8], theirs: &Theirs) {
    let Ok(frames) = decode_client_message(message, usize::MAX) else {
        return;
    };
    for (frame, (value, _)) in frames.zip(&theirs.values) {
        if let Ok(frame) = frame {
            let written = write(&frame);
            assert!(says(&written, value), "{written} is not {value}");
        }
    }
}

fn write(frame: &ClientFrame) -> Value {
    let mut bytes = Vec::new();
    encode_client_frame(frame, &mut bytes);
    let mut rest = &bytes[..];
    let value = decode::read_value(&mut rest).expect("what was written is MessagePack");
    assert!(rest.is_empty());
    value
}

/// Whether what was written says what was read: besides fields of later versions, and what may be said in
/// several ways.
fn says(written: &Value, read: &Value) -> bool {
    match (written, read) {
        (Value::Array(written), Value::Array(read)) => {
            let pairs = written.iter().zip(read);
            let beyond = written.iter().skip(read.len());
            pairs.clone().all(|(written, read)| says(written, read))
                && beyond.clone().all(says_nothing)
        }
        (written, read) => written == read || (says_nothing(written) && says_nothing(read)),
    }
}

/// What is the same as a field that was left out.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Nil | Value::Boolean(false) => true,
        Value::Array(values) => values.is_empty(),
        Value::Binary(bytes) => bytes.is_empty(),
        value => value.as_u64() == Some(0),
    }
}
