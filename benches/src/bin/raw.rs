//! The baseline of the benches as a program of its own.

use std::io;

use clap::Parser;
use homeroom_benches::serve::RawArguments;

fn main() -> io::Result<()> {
    RawArguments::parse().serve()
}
