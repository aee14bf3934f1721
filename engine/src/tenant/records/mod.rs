//! What is written down: events, what they are about, and keys in memory; their stored form, and what a
//! restart reads.

pub(crate) mod concern;
pub(crate) mod event;
pub(crate) mod glance;
pub(crate) mod hashing;
pub(crate) mod keys;
pub(crate) mod old_keys;
pub(crate) mod restart;
pub(crate) mod sections;
mod sieve;
pub(crate) mod stored;
