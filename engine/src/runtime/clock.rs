//! The one reader of time and entropy.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use homeroom_protocol::{IdempotencyKey, Timestamp};

use super::core::Environment;

/// Random bytes fetched from the system at once: a system call per decision would show.
const POOL_BYTES: usize = 1024;

/// The system's clock and randomness.
pub(crate) struct SystemEnvironment {
    pool: [u8; POOL_BYTES],
    used: usize,
    /// What is decided in one go happens at one time: to ask for it costs as much as a hundred instructions.
    held: Option<Timestamp>,
}

impl SystemEnvironment {
    /// Until it is [let go](Self::let_clock_go) the time is that of now.
    pub(crate) fn hold_clock(&mut self) {
        self.held = Some(now());
    }

    pub(crate) const fn let_clock_go(&mut self) {
        self.held = None;
    }
}

impl Default for SystemEnvironment {
    fn default() -> Self {
        Self {
            pool: [0; POOL_BYTES],
            used: POOL_BYTES,
            held: None,
        }
    }
}

impl std::fmt::Debug for SystemEnvironment {
    /// What it will hand out next is secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SystemEnvironment")
    }
}

impl Environment for SystemEnvironment {
    fn now(&mut self) -> Timestamp {
        self.held.unwrap_or_else(now)
    }

    fn entropy(&mut self) -> u128 {
        if self.used == POOL_BYTES {
            getrandom::fill(&mut self.pool).expect("the system has a source of randomness");
            self.used = 0;
        }
        let (taken, _) = self.pool[self.used..].split_at(16);
        self.used += 16;
        u128::from_le_bytes(taken.try_into().expect("16 bytes were taken"))
    }
}

/// The system's clock; a clock set before 1970 reads as 1970.
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    Timestamp(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// A key that nothing else was ever done under.
pub(crate) fn fresh_key() -> IdempotencyKey {
    IdempotencyKey(random_bytes())
}

/// Bytes nobody can guess.
pub(crate) fn random_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has a source of randomness");
    bytes
}

/// How long until `deadline`.
pub(crate) fn until(deadline: Timestamp) -> Duration {
    Duration::from_millis(deadline.since_ms(now()))
}
