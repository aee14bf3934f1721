//! The environment that hosts under test are started in.

use std::{ffi::OsStr, process::Command};

/// The binary under test.
pub(crate) const HOMEROOM: &str = env!("CARGO_BIN_EXE_homeroom");

/// A program to start, without what the tests' own environment would say to a host: variables of the
/// tests themselves are no keys of its config.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.env_remove("RUST_LOG");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HOMEROOM_") {
            command.env_remove(name);
        }
    }
    command
}
