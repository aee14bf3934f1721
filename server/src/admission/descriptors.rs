//! Open files: each client is one, and so is each file of a tenant.
//!
//! Connections alone could take every descriptor, and the next log segment would find none. So their
//! number is bounded below what the system grants, and the rest stays with the data folder.

use rustix::process::{Resource, getrlimit, setrlimit};

/// What the system grants, and a system without a limit.
const UNLIMITED: u64 = 1 << 30;

/// How many files this process may have open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Descriptors {
    granted: u64,
}

impl Descriptors {
    /// Asks for as many as the system would give: the usual soft limit is 1,024.
    pub(crate) fn raise() -> Self {
        let mut limit = getrlimit(Resource::Nofile);
        let soft = limit.current;
        limit.current = limit.maximum;
        match setrlimit(Resource::Nofile, limit) {
            Ok(()) => Self::granted(limit.maximum.unwrap_or(UNLIMITED)),
            Err(error) => {
                tracing::warn!(%error, "cannot raise the limit of open files");
                Self::granted(soft.unwrap_or(UNLIMITED))
            }
        }
    }

    pub(crate) const fn granted(granted: u64) -> Self {
        Self { granted }
    }

    /// How many of them connections may take when so many are reserved: at least half of all.
    pub(crate) fn for_connections(self, reserved: u32) -> u32 {
        let reserved = u64::from(reserved).min(self.granted / 2);
        u32::try_from(self.granted - reserved).unwrap_or(u32::MAX)
    }
}
