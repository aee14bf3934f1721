//! What the crash test and the power-cut test share: the real binary, a load, and a ledger that knows
//! what was promised and what was seen.

pub(crate) mod audit;
pub(crate) mod clients;
pub(crate) mod dice;
#[path = "../environment/mod.rs"]
mod environment;
pub(crate) mod host;
pub(crate) mod ledger;
pub(crate) mod load;

use std::{env, str::FromStr};

/// A number an operator of the test may choose.
pub(crate) fn from_env<T: FromStr>(name: &str, otherwise: T) -> T {
    match env::var(name) {
        Ok(text) => match text.parse() {
            Ok(number) => number,
            Err(_) => panic!("{name} is {text:?}, which is no number"),
        },
        Err(_) => otherwise,
    }
}
