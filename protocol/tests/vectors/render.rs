//! The text of a vector file. Small and line by line, so that every language reads it in ten lines.

use std::fmt::Write as _;

/// A frame that both sides must agree on.
pub(crate) fn valid(direction: &str, about: &str, bytes: &[u8], expect: &str) -> String {
    let mut out = String::new();
    writeln!(out, "# {about}").unwrap();
    writeln!(out, "direction: {direction}").unwrap();
    writeln!(out, "hex: {}", hex(bytes)).unwrap();
    writeln!(out, "expect: {expect}").unwrap();
    writeln!(
        out,
        "\n# {:02x}: an array of {} fields",
        bytes[0],
        bytes[0] & 0x0f
    )
    .unwrap();
    let names = names(expect);
    assert_eq!(
        bytes[0],
        0x90 | u8::try_from(names.len()).unwrap(),
        "{about}"
    );
    let mut at = 1;
    for (index, name) in names.iter().enumerate() {
        let (length, text) = value(&bytes[at..]);
        let value = hex(&bytes[at..at + length]);
        writeln!(out, "# {value}: field {index}, {name}, {text}").unwrap();
        at += length;
    }
    assert_eq!(at, bytes.len(), "{about}");
    out
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let all: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    all.join(" ")
}

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect()
}

/// The rest of the line that begins with `name: `.
pub(crate) fn line<'f>(file: &'f str, name: &str) -> &'f str {
    file.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .unwrap_or_else(|| panic!("no line {name} in\n{file}"))
}

/// The names of the outermost fields of a line of JSON, in their order.
pub(crate) fn names(json: &str) -> Vec<String> {
    let (mut names, mut depth, mut last) = (Vec::new(), 0, "");
    for (index, part) in json.split('"').enumerate() {
        if index % 2 == 1 {
            last = part;
            continue;
        }
        if depth == 1 && part.starts_with(':') {
            names.push(last.to_owned());
        }
        for c in part.chars() {
            match c {
                '{' | '[' => depth += 1,
                '}' | ']' => depth -= 1,
                _ => {}
            }
        }
    }
    names
}

/// One value: how many bytes it has, and what it says. Knows the types that version 1 writes.
fn value(bytes: &[u8]) -> (usize, String) {
    let unsigned = |length: usize| {
        let number = bytes[1..=length]
            .iter()
            .fold(0, |n, byte| n << 8 | u64::from(*byte));
        (1 + length, number.to_string())
    };
    let text = |from: usize, length: usize| {
        let text = std::str::from_utf8(&bytes[from..from + length]).unwrap();
        (from + length, format!("\"{text}\""))
    };
    match bytes[0] {
        number @ 0x00..=0x7f => (1, number.to_string()),
        0xc0 => (1, "nil".to_owned()),
        0xc2 => (1, "false".to_owned()),
        0xc3 => (1, "true".to_owned()),
        0xcc => unsigned(1),
        0xcd => unsigned(2),
        0xce => unsigned(4),
        0xcf => unsigned(8),
        head @ 0xa0..=0xbf => text(1, usize::from(head & 0x1f)),
        0xd9 => text(2, usize::from(bytes[1])),
        0xc4 => (2 + usize::from(bytes[1]), format!("{} bytes", bytes[1])),
        head @ 0x90..=0x9f => {
            let (mut at, mut items) = (1, Vec::new());
            for _ in 0..head & 0x0f {
                let (length, item) = value(&bytes[at..]);
                items.push(item);
                at += length;
            }
            (at, format!("[{}]", items.join(", ")))
        }
        other => panic!("no field of version 1 begins with {other:02x}"),
    }
}
