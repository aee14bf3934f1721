//! A promise that did not hold.

use std::fmt;

/// Which promise, and what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The promise, in a few words.
    pub law: &'static str,
    /// What was seen instead.
    pub seen: String,
}

impl Broken {
    pub(crate) fn new(law: &'static str, seen: impl fmt::Display) -> Self {
        let seen = seen.to_string();
        Self { law, seen }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken: {}\n  {}", self.law, self.seen)
    }
}

pub(crate) type Checked = Result<(), Broken>;

/// Says which promise is broken unless a condition holds.
macro_rules! ensure {
    ($holds:expr, $law:literal, $($seen:tt)+) => {
        if !$holds {
            return Err($crate::broken::Broken::new($law, format!($($seen)+)));
        }
    };
}
pub(crate) use ensure;
