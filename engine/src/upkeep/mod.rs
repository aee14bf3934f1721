//! What an operator does to tenants as wholes: back them up, restore, repair, export, suspend, delete.
//!
//! One idea carries most of it: a log is copied by reading its records and appending them to a fresh one.
//! A backup is such a copy in another folder, a restore is one out of it, a repair is one of what is still
//! whole. Everything read is verified on the way, every copy is read once more before it counts, and
//! nothing is visible before it is whole. A copy that people are let into says as its last record that
//! it is another life ([`Restarted`]), so every position from before is answered with a reset.
//!
//! All of it goes in bounded steps on the engine's pool, beside whatever the tenants are doing. What was
//! begun ends, even if whoever asked has gone.

mod backup;
mod check;
mod export;
mod job;
mod life;
mod manifest;
mod repair;
mod restore;
mod source;

use std::{io, path::Path, sync::Arc};

use homeroom_protocol::TenantName;

pub use self::{
    backup::{BackedUp, BackupReport, LeftOut},
    export::Exported,
    life::{SUSPENDED_RETRY_MS, WORK_RETRY_MS},
    repair::{LOST_ROOMS_MAX, Lost, LostRoom, Repaired, UNREADABLE_MAX},
    restore::Restored,
};
use crate::{
    domain::DecodeError,
    engine::{Engine, TenantError},
    log::{CopyError, LogPosition, ReadError},
    runtime::{clock, folder::FolderError, wake::WakeError},
    tenant::Restarted,
};

/// How far a piece of work has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The tenant at hand.
    pub tenant: TenantName,
    /// Steps done.
    pub done: u64,
    /// Of how many.
    pub total: u64,
}

/// Is told of progress; called often, must not block.
pub type Watch = Arc<dyn Fn(Progress) + Send + Sync>;

/// A [`Watch`] for those who do not care.
#[must_use]
pub fn unwatched() -> Watch {
    Arc::new(|_| ())
}

/// Why it was not done. Unless it says otherwise, everything is as it was.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// The tenant, its files, or the engine.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// Somebody is at it already.
    #[error("tenant {0} is being worked on by another command; wait for that one")]
    Busy(TenantName),
    /// The engine has no data folder.
    #[error("this engine keeps everything in memory: there are no files to work on")]
    InMemory,
    /// The place for a backup or an export is taken.
    #[error("{place} is there already and not empty; name another, or remove it")]
    Taken {
        /// What was named.
        place: String,
    },
    /// The place for a backup cannot be one.
    #[error("{place} cannot hold a backup: {why}")]
    BadPlace {
        /// What was named.
        place: String,
        /// Why not.
        why: &'static str,
    },
    /// What was named is no finished backup.
    #[error("{place} is no finished backup: {why}")]
    NotABackup {
        /// What was named.
        place: String,
        /// Why not.
        why: String,
    },
    /// A backup does not hold the tenant.
    #[error("the backup {place} holds no tenant {name}")]
    NotInBackup {
        /// The backup.
        place: String,
        /// The tenant.
        name: TenantName,
    },
    /// Several tenants cannot get one name.
    #[error("the backup holds {count} tenants: name the one that shall become {as_name}")]
    WhichOne {
        /// How many it holds.
        count: usize,
        /// The new name.
        as_name: TenantName,
    },
    /// The oldest records were dropped, and a log without its beginning cannot be copied.
    #[error("the log of {name} begins at position {first}: its beginning is no longer kept")]
    Trimmed {
        /// The tenant.
        name: TenantName,
        /// Where it begins.
        first: LogPosition,
    },
    /// A tenant cannot be restored over one that is there.
    #[error(
        "tenant {0} exists already, and is not touched; restore it beside under another name (`--as`), or `homeroom tenant delete {0}` first"
    )]
    InTheWay(TenantName),
    /// A log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A copy cannot be made.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// A record is of a later release, or none.
    #[error("the record at position {at} cannot be read: {cause}")]
    Event {
        /// Where.
        at: LogPosition,
        /// Why.
        cause: DecodeError,
    },
    /// A backup is not what was backed up.
    #[error("the backup of {name} is not what was backed up: {what}; use another backup")]
    Altered {
        /// The tenant.
        name: TenantName,
        /// What differs.
        what: &'static str,
    },
    /// A repair was asked for without a position, or with one that cannot be reached.
    #[error(
        "{name} can be read without a gap up to position {last_good}, and no further; `homeroom repair {name} --drop-after {last_good}` keeps all of that and drops the rest: {lost}"
    )]
    DropAfter {
        /// The tenant.
        name: TenantName,
        /// The last position that can be kept.
        last_good: LogPosition,
        /// What is lost with that.
        lost: Box<Lost>,
    },
    /// Nobody takes the lines of an export any more.
    #[error("the export was given up")]
    GivenUp,
    /// The system refused.
    #[error("cannot {action} {place}: {cause}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// Where.
        place: String,
        /// The system's own words.
        cause: io::Error,
    },
}

impl From<WakeError> for UpkeepError {
    fn from(error: WakeError) -> Self {
        TenantError::from(error).into()
    }
}

impl From<FolderError> for UpkeepError {
    fn from(error: FolderError) -> Self {
        TenantError::from(error).into()
    }
}

fn io_error(action: &'static str, place: &Path) -> impl FnOnce(io::Error) -> UpkeepError {
    let place = place.display().to_string();
    move |cause| UpkeepError::Io {
        action,
        place,
        cause,
    }
}

/// What a copy that people are let into ends with.
fn restarted() -> Restarted {
    Restarted {
        time: clock::now(),
        salt: clock::random_bytes(),
    }
}

impl Engine {
    /// Runs to its end, whatever becomes of whoever waits for it.
    async fn to_the_end<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
        match tokio::spawn(work).await {
            Ok(done) => done,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
}
