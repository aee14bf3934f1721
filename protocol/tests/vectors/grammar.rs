//! The fields of what clients send, as a stranger reads them off the tables of `SPEC.md`: which values
//! they take, and so which they must not.

use homeroom_protocol::{Permissions, limit};
use rmpv::Value;

use super::spec::{rows, section};

/// What a field may hold.
#[derive(Debug, Clone)]
pub(crate) enum Type {
    Bool,
    /// From the first to the last.
    Unsigned(u64, u64),
    /// Of so many bytes, from the first to the last.
    Bytes(usize, usize),
    /// The same, all of them `a`, which every text may hold.
    Text(usize, usize),
    /// A text that may not be like this one.
    Name(usize, usize, &'static str),
    /// An array with fields of its own.
    Fields(Vec<Field>),
    /// An array whose first element says which fields follow: one more for each of these.
    Forms(Vec<Vec<Field>>),
    /// At most so many of this type.
    List(Box<Self>, usize),
}

#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) of: Type,
    /// It may be nil, and missing with all that follow it.
    pub(crate) optional: bool,
}

/// A kind of frame that clients send, without its kind.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u64,
    pub(crate) fields: Vec<Field>,
}

/// All of them, in the order of `SPEC.md`.
pub(crate) fn client(spec: &str) -> Vec<Frame> {
    let start = spec.find("\n## What a client sends\n").unwrap();
    let end = spec.find("\n## What a server sends\n").unwrap();
    let headings = spec[start..end]
        .lines()
        .filter_map(|line| line.strip_prefix("### "));
    headings
        .map(|heading| {
            let (_, kind) = heading.trim_end_matches(')').split_once(" (").unwrap();
            let table = section(spec, &format!("### {heading}"));
            Frame {
                kind: kind.parse().unwrap(),
                fields: rows(table).skip(1).map(|row| field(&row)).collect(),
            }
        })
        .collect()
}

/// A row `# | field | type | meaning`.
fn field(row: &[&str]) -> Field {
    let [_, name, told, meaning] = row else {
        panic!("{row:?}");
    };
    let plain = told.trim_end_matches(", trailing");
    let told_type = plain.trim_matches('`');
    let bare = told_type.trim_end_matches('?');
    let of = match *name {
        "auth" => Type::Forms(vec![
            vec![required("name", id())],
            vec![required("token", Type::Text(0, 2048))],
        ]),
        // The others can be said, and nothing can be made that is like them: that is no matter of bytes.
        "room_kind" => Type::Unsigned(1, 6),
        // "1 to 32 bytes, no control characters"
        "name" if meaning.contains("no control characters") => Type::Name(1, 32, "\n"),
        _ => parse(bare, meaning),
    };
    Field {
        name: (*name).to_owned(),
        of,
        optional: plain != *told || bare != told_type,
    }
}

fn parse(told: &str, meaning: &str) -> Type {
    let list = told
        .strip_prefix('[')
        .and_then(|told| told.strip_suffix(']'));
    if let Some(each) = list {
        return Type::List(Box::new(element(each)), most(meaning));
    }
    if let Some(bytes) = sized(told, "str") {
        return Type::Text(0, bytes);
    }
    if let Some(bytes) = sized(told, "bin") {
        return Type::Bytes(0, bytes);
    }
    for between in [" to ", " or "] {
        if let Some((first, last)) = told.split_once(between) {
            return Type::Unsigned(first.parse().unwrap(), last.parse().unwrap());
        }
    }
    named(told)
}

fn element(told: &str) -> Type {
    match told.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        Some(pair) => Type::Fields(
            pair.split(", ")
                .map(|each| required("", named(each)))
                .collect(),
        ),
        None => parse(told, ""),
    }
}

/// `str(256)`
fn sized(told: &str, what: &str) -> Option<usize> {
    let bytes = told.strip_prefix(what)?.strip_prefix('(')?;
    bytes.strip_suffix(')')?.parse().ok()
}

/// "at most 256", or "1 to 8"; an edit has as many attachments as a message.
fn most(meaning: &str) -> usize {
    let behind = ["at most ", "1 to "]
        .iter()
        .find_map(|words| meaning.split_once(words))
        .map_or("16", |(_, behind)| behind);
    let digits = behind.split(|it: char| !it.is_ascii_digit()).next();
    digits.unwrap().parse().unwrap()
}

/// The types that have a name.
fn named(told: &str) -> Type {
    const UINT: Type = Type::Unsigned(0, limit::INTEGER_MAX);
    match told {
        "bool" => Type::Bool,
        "uint" | "time" => UINT,
        "u32" | "role" => Type::Unsigned(0, u32::MAX as u64),
        "level" => Type::Unsigned(1, 3),
        "permissions" => Type::Unsigned(0, Permissions::ALL.0),
        "id" => id(),
        "tenant" => Type::Name(1, 63, "School"),
        "emoji" => Type::Name(1, 40, "\n"),
        "key" => Type::Bytes(16, 16),
        "position" => Type::Fields(vec![
            required("epoch", Type::Unsigned(1, limit::INTEGER_MAX)),
            required("seq", UINT),
        ]),
        "custom" => Type::Fields(vec![
            required("kind", id()),
            required("body", Type::Bytes(0, 16384)),
        ]),
        "allowed" => Type::Fields(vec![
            optional("users", Type::List(Box::new(id()), 32)),
            optional("roles", Type::Bool),
            optional("room", Type::Bool),
        ]),
        "target" => Type::Forms(vec![
            vec![required("role", named("role"))],
            vec![required("user", id())],
        ]),
        "retention" => Type::Forms(vec![
            vec![],
            vec![required("days", Type::Unsigned(1, 36_500))],
            vec![required("messages", Type::Unsigned(1, 10_000_000))],
        ]),
        "change" => Type::Forms(vec![
            vec![required("room_kind", Type::Unsigned(1, 6))],
            vec![optional("title", Type::Text(0, 256))],
            vec![optional("topic", Type::Text(0, 1024))],
            vec![optional("metadata", Type::Bytes(0, 4096))],
            vec![required("retention", named("retention"))],
            vec![required("slow_mode_ms", Type::Unsigned(0, 86_400_000))],
            vec![required("archived", Type::Bool)],
        ]),
        other => panic!("{other} is no type"),
    }
}

const fn id() -> Type {
    Type::Name(1, 64, "\n")
}

fn required(name: &str, of: Type) -> Field {
    Field {
        name: name.to_owned(),
        of,
        optional: false,
    }
}

fn optional(name: &str, of: Type) -> Field {
    Field {
        optional: true,
        ..required(name, of)
    }
}

impl Type {
    /// A value that is allowed.
    pub(crate) fn sample(&self) -> Value {
        match self {
            Self::Bool => true.into(),
            Self::Unsigned(least, _) => (*least).into(),
            Self::Bytes(least, _) => vec![0; *least].into(),
            Self::Text(least, _) | Self::Name(least, ..) => "a".repeat(*least).into(),
            Self::Fields(fields) => Value::Array(samples(fields)),
            Self::Forms(forms) => form(1, samples(&forms[0])),
            Self::List(..) => Value::Array(vec![]),
        }
    }

    /// Values that are not, each with what is wrong.
    pub(crate) fn refused(&self) -> Vec<(String, Value)> {
        let mut all: Vec<_> = one_of_each()
            .into_iter()
            .filter(|value| !self.is_type_of(value))
            .map(|value| (format!("of the type of {value}"), value))
            .collect();
        match self {
            Self::Bool => {}
            Self::Unsigned(least, most) => {
                all.extend(least.checked_sub(1).map(|it| (it.to_string(), it.into())));
                if *most < limit::INTEGER_MAX {
                    all.push(((most + 1).to_string(), (most + 1).into()));
                }
            }
            Self::Bytes(least, most) => {
                let lengths = [least.checked_sub(1), Some(most + 1)];
                let wrong = lengths.into_iter().flatten();
                all.extend(wrong.map(|it| (format!("{it} bytes"), vec![0; it].into())));
            }
            Self::Text(least, most) | Self::Name(least, most, _) => {
                let lengths = [least.checked_sub(1), Some(most + 1)];
                let wrong = lengths.into_iter().flatten();
                all.extend(wrong.map(|it| (format!("{it} letters"), "a".repeat(it).into())));
            }
            Self::Fields(fields) => all.extend(refused_among(fields)),
            Self::Forms(forms) => {
                all.push(("without a form".into(), Value::Array(vec![])));
                all.push(("form 0".into(), form(0, vec![])));
                let unknown = forms.len() as u64 + 1;
                all.push((format!("form {unknown}"), form(unknown, vec![])));
                for (number, fields) in (1..).zip(forms) {
                    for (why, value) in refused_among(fields) {
                        let Value::Array(values) = value else {
                            unreachable!("fields are an array");
                        };
                        all.push((format!("form {number} {why}"), form(number, values)));
                    }
                }
            }
            Self::List(of, most) => {
                let many = vec![of.sample(); most + 1];
                all.push((format!("{} elements", most + 1), Value::Array(many)));
                for (why, value) in of.refused() {
                    all.push((format!("an element {why}"), Value::Array(vec![value])));
                }
            }
        }
        if let Self::Name(_, _, wrong) = self {
            all.push((format!("{wrong:?}"), (*wrong).into()));
        }
        all
    }

    fn is_type_of(&self, value: &Value) -> bool {
        match self {
            Self::Bool => value.is_bool(),
            Self::Unsigned(..) => value.is_u64(),
            Self::Bytes(..) => value.is_bin(),
            Self::Text(..) | Self::Name(..) => value.is_str(),
            Self::Fields(_) | Self::Forms(_) | Self::List(..) => value.is_array(),
        }
    }
}

fn form(number: u64, mut values: Vec<Value>) -> Value {
    values.insert(0, number.into());
    Value::Array(values)
}

fn samples(fields: &[Field]) -> Vec<Value> {
    fields.iter().map(|field| field.of.sample()).collect()
}

/// Arrays in which one field is wrong or missing.
fn refused_among(fields: &[Field]) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        for (why, wrong) in field.refused() {
            let mut values = samples(fields);
            values[index] = wrong;
            let name = &field.name;
            all.push((format!("with {name} {why}"), Value::Array(values)));
        }
        if fields[index..].iter().any(|field| !field.optional) {
            let values = samples(&fields[..index]);
            all.push((format!("cut to {index}"), Value::Array(values)));
        }
    }
    all
}

impl Field {
    /// Values that it may not have.
    pub(crate) fn refused(&self) -> Vec<(String, Value)> {
        let mut all = self.of.refused();
        all.retain(|(_, value)| !(self.optional && value.is_nil()));
        all
    }
}

/// A value of each type that MessagePack has.
pub(crate) fn one_of_each() -> [Value; 11] {
    [
        Value::Nil,
        true.into(),
        1.into(),
        (-1).into(),
        Value::F32(1.0),
        Value::F64(1.0),
        "1".into(),
        vec![1_u8].into(),
        Value::Array(vec![]),
        Value::Map(vec![(Value::Nil, Value::Nil)]),
        Value::Ext(1, vec![0]),
    ]
}
