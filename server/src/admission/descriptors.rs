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

    /// How they are shared out when so many are reserved: at least half of all go to connections.
    pub(crate) fn share_out(self, reserved: u32) -> Shares {
        let reserved = u64::from(reserved).min(self.granted / 2);
        Shares {
            connections: u32::try_from(self.granted - reserved).unwrap_or(u32::MAX),
            turned_away: u32::try_from(reserved / 4).unwrap_or(u32::MAX),
        }
    }
}

/// What connections may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shares {
    /// Those that are let in.
    pub(crate) connections: u32,
    /// Of the reserved: those that are being told that they are not.
    pub(crate) turned_away: u32,
}
