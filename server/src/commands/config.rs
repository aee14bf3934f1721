//! `homeroom config`: what is in force, and why.

use super::{CommandError, print as print_line};
use crate::config::InForce;

pub(crate) fn print(in_force: &InForce) -> Result<(), CommandError> {
    print_line(in_force.to_string().trim_end())
}
