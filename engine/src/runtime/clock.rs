//! The one reader of time and entropy.
//!
//! The system's clock may be set while we serve. Forward is followed at once. Backward is not: every
//! deadline is a point of time, and an hour back would keep those who typed typing, and those who left
//! present, for an hour. Time then goes on from where it was, as fast as it does, until the process ends
//! or the clock has caught up. The time of a room does the same across restarts.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

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

/// A clock that is never set back.
#[derive(Debug, Default)]
struct Steady {
    /// The most that the system's clock was ahead of the time since the process began, in microseconds: in
    /// milliseconds two of them rounded apart would drift.
    ahead_us: AtomicU64,
}

impl Steady {
    /// The time when the system's clock says `wall`, so long after the process began.
    fn at(&self, wall: Duration, since_start: Duration) -> Timestamp {
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let (wall, since_start) = (us(wall), us(since_start));
        let ahead = wall.saturating_sub(since_start);
        let most = self.ahead_us.fetch_max(ahead, Ordering::Relaxed).max(ahead);
        Timestamp(most.saturating_add(since_start) / 1000)
    }
}

/// The system's clock, but never set back; one set before 1970 reads as 1970.
pub(crate) fn now() -> Timestamp {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    static STEADY: Steady = Steady {
        ahead_us: AtomicU64::new(0),
    };
    // In this order: a pause between the two makes the clock look late, which the most is not touched by.
    let wall = SystemTime::now().duration_since(UNIX_EPOCH);
    STEADY.at(wall.unwrap_or(Duration::ZERO), BEGAN.elapsed())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_forward_is_followed_and_one_set_back_is_not_but_time_goes_on() {
        let steady = Steady::default();
        let at = |wall_ms, ms| {
            let (wall, since) = (Duration::from_millis(wall_ms), Duration::from_millis(ms));
            steady.at(wall, since).0
        };
        assert_eq!(at(1_000_000, 0), 1_000_000);
        assert_eq!(at(1_000_010, 10), 1_000_010);
        assert_eq!(at(5_000_000, 20), 5_000_000, "forward");
        assert_eq!(
            at(1_000_030, 30),
            5_000_010,
            "back, and ten milliseconds on"
        );
        assert_eq!(at(1_000_530, 530), 5_000_510);
        assert_eq!(at(5_000_600, 540), 5_000_600, "caught up");
    }
}
