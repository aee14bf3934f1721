//! How much memory is left, looked up as connections come, and not more often than it can matter.

use std::{
    fmt, fs,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use homeroom_engine::described;
use serde::{Deserialize, Serialize};

/// A reading holds this long: in it a storm brings some thousand connections, a few MiB.
const READING_HOLDS: Duration = Duration::from_millis(100);
/// Headroom unless told otherwise: so much, or an eighth of what there is if that is less.
const HEADROOM_BYTES: u64 = 256 * 1024 * 1024;

described! {
    /// When new connections are refused for want of memory. Every default has its reason on its field.
    #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    pub struct MemorySettings {
        /// What this process may use, in bytes. Default: what its control group allows, else what the
        /// machine has.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub limit_bytes: Option<u64>,
        /// New connections are refused while less than this is left. Default 256 MiB, or an eighth of the
        /// limit if that is less: the queues of those who are in may still grow, and files need caches.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub headroom_bytes: Option<u64>,
    }
}

/// Tells whether memory is short.
pub(crate) struct Memory {
    source: Box<dyn Source>,
    headroom_bytes: u64,
    short: AtomicBool,
    /// When the reading was made, in nanoseconds since `born`; 0: never.
    read_at_ns: AtomicU64,
    born: Instant,
    holds: Duration,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("headroom_bytes", &self.headroom_bytes)
            .field("short", &self.short)
            .finish_non_exhaustive()
    }
}

/// Where readings come from.
trait Source: Send + Sync {
    /// Bytes left to this process; `None` when nobody knows.
    fn left_bytes(&self) -> Option<u64>;
}

impl Memory {
    /// What the system says. Where it says nothing, memory is never short.
    pub(crate) fn of_system(settings: &MemorySettings) -> Self {
        let limit_bytes = settings.limit_bytes.or_else(|| {
            [control_group_limit(), machine("MemTotal:")]
                .into_iter()
                .flatten()
                .min()
        });
        let eighth = limit_bytes.map_or(u64::MAX, |limit| limit / 8);
        let headroom_bytes = settings
            .headroom_bytes
            .unwrap_or(HEADROOM_BYTES.min(eighth));
        Self::new(
            Box::new(System { limit_bytes }),
            headroom_bytes,
            READING_HOLDS,
        )
    }

    /// One that is never short.
    pub(crate) fn boundless() -> Self {
        Self::new(Box::new(Boundless), 0, Duration::MAX)
    }

    fn new(source: Box<dyn Source>, headroom_bytes: u64, holds: Duration) -> Self {
        Self {
            source,
            headroom_bytes,
            short: AtomicBool::new(false),
            read_at_ns: AtomicU64::new(0),
            born: Instant::now(),
            holds,
        }
    }

    /// Whether new connections are to be refused.
    pub(crate) fn is_short(&self) -> bool {
        let now = u64::try_from(self.born.elapsed().as_nanos())
            .unwrap_or(u64::MAX)
            .max(1);
        let read_at = self.read_at_ns.load(Ordering::Relaxed);
        let holds = u64::try_from(self.holds.as_nanos()).unwrap_or(u64::MAX);
        let is_old = read_at == 0 || now.saturating_sub(read_at) >= holds;
        // Of several who find it old one reads; the others go by the reading before.
        let mine = is_old
            && (self.read_at_ns)
                .compare_exchange(read_at, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if !mine {
            return self.short.load(Ordering::Relaxed);
        }
        let left = self.source.left_bytes();
        let short = left.is_some_and(|left| left < self.headroom_bytes);
        if short != self.short.swap(short, Ordering::Relaxed) {
            let headroom = self.headroom_bytes;
            if short {
                tracing::error!(
                    left,
                    headroom,
                    "memory is short: new connections are refused"
                );
            } else {
                tracing::info!(
                    left,
                    headroom,
                    "there is memory again: connections are let in"
                );
            }
        }
        short
    }
}

/// Nobody looks.
struct Boundless;

impl Source for Boundless {
    fn left_bytes(&self) -> Option<u64> {
        None
    }
}

/// This process in its control group on its machine.
struct System {
    limit_bytes: Option<u64>,
}

impl Source for System {
    fn left_bytes(&self) -> Option<u64> {
        let own = match (self.limit_bytes, resident_bytes()) {
            (Some(limit), Some(used)) => Some(limit.saturating_sub(used)),
            (None, _) | (_, None) => None,
        };
        // Others on the machine may have taken it.
        [own, machine("MemAvailable:")].into_iter().flatten().min()
    }
}

/// Memory of this process that is in RAM, in bytes (proc_pid_statm(5)).
pub(crate) fn resident_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// A line of proc_meminfo(5), in bytes.
fn machine(field: &str) -> Option<u64> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

/// What the control group allows; `None` when nothing is set.
fn control_group_limit() -> Option<u64> {
    let group = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = group.lines().find_map(|line| line.strip_prefix("0::"))?;
    // A limit of any group above holds too; inside a container its own is the root.
    let mut path = std::path::Path::new("/sys/fs/cgroup").join(path.trim_start_matches('/'));
    let mut lowest = None;
    while path.starts_with("/sys/fs/cgroup") {
        let limit = fs::read_to_string(path.join("memory.max")).ok();
        let limit = limit.and_then(|it| it.trim().parse::<u64>().ok());
        lowest = [lowest, limit].into_iter().flatten().min();
        path.pop();
    }
    lowest
}

#[cfg(test)]
mod script {
    use std::sync::Arc;

    use super::*;

    /// Sets what a scripted memory has left.
    #[derive(Debug, Clone)]
    pub(in crate::admission) struct Headroom(Arc<AtomicU64>);

    impl Headroom {
        pub(in crate::admission) fn set(&self, bytes: u64) {
            self.0.store(bytes, Ordering::Relaxed);
        }
    }

    struct Scripted {
        left: Arc<AtomicU64>,
        readings: Arc<AtomicU64>,
    }

    impl Source for Scripted {
        fn left_bytes(&self) -> Option<u64> {
            self.readings.fetch_add(1, Ordering::Relaxed);
            Some(self.left.load(Ordering::Relaxed))
        }
    }

    impl Memory {
        /// One with exactly the headroom it needs, read anew every time.
        pub(in crate::admission) fn scripted(headroom_bytes: u64) -> (Self, Headroom) {
            let (memory, headroom, _) = Self::counted(headroom_bytes, Duration::ZERO);
            (memory, headroom)
        }

        pub(super) fn counted(
            headroom_bytes: u64,
            holds: Duration,
        ) -> (Self, Headroom, Arc<AtomicU64>) {
            let left = Arc::new(AtomicU64::new(headroom_bytes));
            let readings = Arc::new(AtomicU64::new(0));
            let source = Scripted {
                left: Arc::clone(&left),
                readings: Arc::clone(&readings),
            };
            let memory = Self::new(Box::new(source), headroom_bytes, holds);
            (memory, Headroom(left), readings)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_what_this_process_uses() {
        let before = resident_bytes().unwrap();
        let block = vec![1_u8; 64 * 1024 * 1024];
        let after = resident_bytes().unwrap();
        assert!(after >= before + block.len() as u64 / 2, "{before} {after}");
        let total = machine("MemTotal:").unwrap();
        let available = machine("MemAvailable:").unwrap();
        assert!(
            available < total && after < total,
            "{total} {available} {after}"
        );
    }

    #[test]
    fn a_limit_that_this_process_has_reached_is_short() {
        let settings = |limit_bytes, headroom_bytes| MemorySettings {
            limit_bytes: Some(limit_bytes),
            headroom_bytes,
        };
        assert!(Memory::of_system(&settings(1, Some(1))).is_short());
        assert!(!Memory::of_system(&settings(1 << 50, None)).is_short());
        assert_eq!(Memory::of_system(&settings(80, None)).headroom_bytes, 10);
    }

    #[test]
    fn a_storm_is_answered_from_one_reading() {
        let (memory, headroom, readings) = Memory::counted(10, Duration::from_secs(3600));
        headroom.set(9);
        for _ in 0..1000 {
            assert!(memory.is_short());
        }
        assert_eq!(readings.load(Ordering::Relaxed), 1);
    }
}
