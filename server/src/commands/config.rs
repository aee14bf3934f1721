//! `homeroom config`: what is in force, and why; and whether a host could start with it.

use super::{CommandError, print as print_line};
use crate::{
    config::{Config, InForce},
    tls::Tls,
};

pub(crate) fn print(in_force: &InForce) -> Result<(), CommandError> {
    print_line(in_force.to_string().trim_end())
}

/// Looks at the files that the config names, as `homeroom serve` would before it serves.
pub(crate) fn check(config: &Config) -> Result<(), CommandError> {
    Tls::load(&config.tls)?;
    Ok(())
}
