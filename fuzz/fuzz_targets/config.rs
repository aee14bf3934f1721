//! Any text as what an operator says: a file, variables of the environment and flags of the command line.
//! Reading never panics. What is taken is printed as a file that makes the same config; what is refused is
//! told, on lines of its own and without control characters.
#![no_main]

use std::{ffi::OsString, os::unix::ffi::OsStringExt, path::PathBuf};

use homeroom_fuzz::Choices;
use homeroom_server::config::{Flag, Sources};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Choices::new(bytes);
    let said = Said::new(&mut choices);
    match said.sources().settle() {
        Ok(in_force) => {
            let printed = in_force.to_string();
            let again = Sources {
                file: Some((PathBuf::from("printed.toml"), printed.clone().into_bytes())),
                ..Sources::default()
            };
            let again = again.settle().unwrap_or_else(|error| {
                panic!("what is printed is no config: {error}\n{printed}");
            });
            assert_eq!(again.config, in_force.config);
            _ = (in_force.config.engine(), in_force.config.host());
        }
        Err(error) => {
            assert!(!error.problems.is_empty());
            let told = error.to_string();
            for problem in &error.problems {
                let line = problem.to_string();
                assert!(!line.contains(|it: char| it.is_control()), "{line:?}");
            }
            let again = said.sources().settle().expect_err("it was refused before");
            assert_eq!(again.to_string(), told, "the same is told the same");
        }
    }
});

/// What was said, in every layer.
struct Said<'a> {
    file: Option<&'a [u8]>,
    variables: Vec<(&'a [u8], &'a [u8])>,
    flags: Vec<String>,
}

impl<'a> Said<'a> {
    fn new(choices: &mut Choices<'a>) -> Self {
        let layers = choices.byte();
        let count = |shift: u8| usize::from((layers >> shift) % 4);
        let variables = (0..count(0)).map(|_| (choices.bytes(), choices.bytes()));
        let variables = variables.collect();
        let flags = (0..count(2)).map(|_| String::from_utf8_lossy(choices.bytes()).into_owned());
        Self {
            variables,
            flags: flags.collect(),
            file: (layers & 16 == 0).then(|| choices.rest()),
        }
    }

    fn sources(&self) -> Sources {
        let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        let variables = self.variables.iter();
        Sources {
            file: (self.file).map(|bytes| (PathBuf::from("homeroom.toml"), bytes.to_vec())),
            variables: variables
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
            flags: self.flags.iter().map(|said| Flag::set(said)).collect(),
        }
    }
}
