//! JSON by hand, on one line.

/// A field of an object: its name, its value, and what it is where it is left out, if it may be.
pub(crate) type Field = (&'static str, String, Option<&'static str>);

/// A field that is always there.
pub(crate) fn always(name: &'static str, value: String) -> Field {
    (name, value, None)
}

/// A field that is left out where all from it on have their defaults.
pub(crate) fn unless(default: &'static str, name: &'static str, value: String) -> Field {
    (name, value, Some(default))
}

pub(crate) fn object(kind: &str, rest: Vec<Field>) -> String {
    fields([vec![always("kind", text(kind))], rest].concat())
}

pub(crate) fn fields(mut fields: Vec<Field>) -> String {
    while fields
        .pop_if(|(_, value, default)| *default == Some(value.as_str()))
        .is_some()
    {}
    let all: Vec<_> = fields
        .iter()
        .map(|(name, value, _)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", all.join(","))
}

pub(crate) fn list<T>(items: &[T], describe: impl Fn(&T) -> String) -> String {
    let all: Vec<_> = items.iter().map(describe).collect();
    format!("[{}]", all.join(","))
}

pub(crate) fn optional<T>(value: Option<&T>, describe: impl Fn(&T) -> String) -> String {
    value.map_or_else(|| "null".to_owned(), describe)
}

pub(crate) fn number(number: impl Into<u64>) -> String {
    number.into().to_string()
}

/// The examples hold no text that JSON would need more escapes for.
pub(crate) fn text(text: &(impl AsRef<str> + ?Sized)) -> String {
    let text = text.as_ref();
    assert!(!text.contains(|c: char| c == '"' || c == '\\' || c.is_control()));
    format!("\"{text}\"")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let all: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text(&all.concat())
}
