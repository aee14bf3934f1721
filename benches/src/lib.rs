//! Benchmarks of Homeroom: criterion benches and the load generator.
