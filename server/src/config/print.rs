//! The config in force, as a file that makes the same config: every key with its reason and where its value
//! comes from.

use std::fmt::{self, Write};

use super::{
    InForce, Origin, keys,
    layers::{look_up, table_of},
    text::{plain, wrapped},
};

/// Columns of a comment.
const WIDTH: usize = 96;

impl fmt::Display for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = table_of(&self.config);
        for section in keys::sections() {
            match section.name {
                Some(name) => write!(f, "\n{}[{name}]\n", Comment(section.about))?,
                None => f.write_str(HEAD)?,
            }
            for (key, about) in section.keys() {
                let (_, name) = keys::parted(&key);
                write!(f, "\n{}", Comment(about))?;
                match look_up(&table, &key) {
                    Some(value) => {
                        let value = one_line(value);
                        let origin = Provenance(self.origin(&key));
                        writeln!(f, "{name} = {value}  # {origin}")?;
                    }
                    None => writeln!(f, "# {name} is not set")?,
                }
            }
        }
        Ok(())
    }
}

const HEAD: &str = "\
# The config in force. It can be fed back as a file: a value that is removed is the default again.
# Each key can be set by a variable too (rules.rooms_max by HOMEROOM_RULES__ROOMS_MAX), and on the
# command line (--set rules.rooms_max=100); the command line wins over variables, they over the file.
";

/// Documentation as lines of comment.
struct Comment(&'static str);

impl fmt::Display for Comment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = wrapped(&plain(self.0), WIDTH);
        lines.iter().try_for_each(|line| writeln!(f, "# {line}"))
    }
}

struct Provenance(Origin);

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Origin::Default => write!(f, "default"),
            said @ (Origin::File { .. } | Origin::Variable { .. } | Origin::Flag { .. }) => {
                write!(f, "from {said}")
            }
        }
    }
}

/// A value without line breaks, so that a comment can stand behind it.
fn one_line(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => {
            let mut quoted = String::from('"');
            for letter in text.chars() {
                match letter {
                    '"' => quoted.push_str("\\\""),
                    '\\' => quoted.push_str("\\\\"),
                    control if control.is_control() => {
                        // Writing to a string cannot fail.
                        let _ = write!(quoted, "\\u{:04X}", u32::from(control));
                    }
                    plain => quoted.push(plain),
                }
            }
            quoted.push('"');
            quoted
        }
        toml::Value::Array(values) => {
            let values: Vec<_> = values.iter().map(one_line).collect();
            format!("[{}]", values.join(", "))
        }
        other => other.to_string(),
    }
}
