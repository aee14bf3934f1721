//! What is wrong with a config, for the operator who has to mend it: where, which key, and what instead.

use std::{fmt, io};

use super::{FILE_BYTES_MAX, Origin};

/// All that is wrong with a config, and never nothing.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    /// One by one, in the order they were found.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problems[..] {
            [problem] => write!(f, "{problem}"),
            problems => {
                write!(f, "{} things are wrong with the config", problems.len())?;
                problems.iter().try_for_each(|it| write!(f, "\n  {it}"))
            }
        }
    }
}

/// One thing that is wrong.
#[derive(Debug)]
pub struct Problem {
    /// Where it was said.
    pub origin: Origin,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.fault)
    }
}

/// What can be wrong.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// There is no such key.
    #[error("there is no key {key:?}{}", meant(nearest.as_deref()))]
    UnknownKey {
        /// As it was written.
        key: String,
        /// The one that may have been meant, as it would be written there.
        nearest: Option<String>,
    },
    /// There is no such variable.
    #[error("it sets nothing{}", meant(nearest.as_deref()))]
    UnknownVariable {
        /// The one that may have been meant.
        nearest: Option<String>,
    },
    /// There is no such table.
    #[error("there is no table [{name}]{}", meant(nearest.as_ref().map(|it| format!("[{it}]")).as_deref()))]
    UnknownTable {
        /// As it was written.
        name: String,
        /// The one that may have been meant.
        nearest: Option<String>,
    },
    /// A value stands where a table is.
    #[error("{name} is a table: write [{name}] and its keys below")]
    NotATable {
        /// Its name.
        name: String,
    },
    /// There is no value to this key.
    #[error("a key and its value are wanted, as in rules.rooms_max=100")]
    NoValue,
    /// The value is none that this key can take.
    #[error("{key} cannot be {value}: {why}; {}", whats_default(default.as_deref()))]
    WrongValue {
        /// The key.
        key: String,
        /// What was said.
        value: String,
        /// Why not.
        why: String,
        /// What it is by default.
        default: Option<String>,
    },
    /// The value is out of bounds.
    #[error("{key} cannot be {value}: it goes from {min} to {max}, {why}")]
    OutOfBounds {
        /// The key.
        key: String,
        /// What was said.
        value: i64,
        /// The lowest it can be.
        min: i64,
        /// The highest.
        max: i64,
        /// Why there is a bound.
        why: &'static str,
    },
    /// Two values do not go together.
    #[error("{why}")]
    Contradiction {
        /// Which, and what to do.
        why: String,
    },
    /// It is not TOML.
    #[error("this is not TOML: {why}")]
    NotToml {
        /// What the parser says.
        why: String,
    },
    /// It is not UTF-8.
    #[error("the value is not UTF-8")]
    NotUtf8,
    /// The file is not there or cannot be read.
    #[error("it cannot be read: {cause}")]
    Unreadable {
        /// The system's own words.
        cause: io::Error,
    },
    /// The file is too large to be a config.
    #[error("a config has at most {FILE_BYTES_MAX} bytes")]
    TooLong,
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(
        || "; homeroom config prints what there is".to_owned(),
        |nearest| format!("; did you mean {nearest}?"),
    )
}

fn whats_default(default: Option<&str>) -> String {
    default.map_or_else(
        || "by default it is not set".to_owned(),
        |default| format!("the default is {default}"),
    )
}
