//! The raw baseline.

fn main() {}
