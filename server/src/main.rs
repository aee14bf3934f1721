//! The `homeroom` binary.

fn main() {}
