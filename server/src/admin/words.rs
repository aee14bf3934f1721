//! What commands and a running host say to each other, one line of JSON each.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a command wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// Make a tenant.
    CreateTenant {
        /// Its name.
        name: String,
    },
    /// List all tenants.
    ListTenants,
    /// Read every byte of a tenant's log, or of all tenants' logs.
    Check {
        /// Which; `None`: all.
        name: Option<String>,
    },
    /// Back up a tenant, or all.
    Backup {
        /// Where to, an absolute path.
        to: PathBuf,
        /// Which; `None`: all.
        name: Option<String>,
    },
    /// Restore a tenant, or all of a backup.
    Restore {
        /// The backup, an absolute path.
        from: PathBuf,
        /// Which; `None`: all.
        name: Option<String>,
        /// Under another name.
        as_name: Option<String>,
    },
    /// Keep what is whole of a damaged tenant.
    Repair {
        /// Which.
        name: String,
        /// The last position to keep; `None`: only say which one can be.
        drop_after: Option<u64>,
    },
    /// Say a tenant as lines of JSON.
    Export {
        /// Which.
        name: String,
    },
    /// Close a tenant to everybody.
    SuspendTenant {
        /// Which.
        name: String,
    },
    /// Let people in again.
    ResumeTenant {
        /// Which.
        name: String,
    },
    /// Delete a tenant with all it holds.
    DeleteTenant {
        /// Which.
        name: String,
    },
}

/// What a command gets: first any number of [`Progress`](Self::Progress) and [`Lines`](Self::Lines), then
/// one of the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// It is being done. Not every step is told.
    Progress {
        /// The tenant at hand.
        tenant: String,
        /// Steps done.
        done: u64,
        /// Of how many; 0 when nobody knows.
        total: u64,
    },
    /// Some of the lines that were asked for, whole ones.
    Lines {
        /// The lines.
        text: String,
    },
    /// The tenant was made.
    Created {
        /// Its name.
        name: String,
    },
    /// The tenants there are, by name.
    Tenants {
        /// Each of them.
        tenants: Vec<Listed>,
    },
    /// What was found; of a tenant that was to be repaired and is whole, too.
    Checked {
        /// Each tenant that was looked at.
        tenants: Vec<Checked>,
    },
    /// The backup is there.
    BackedUp {
        /// Where.
        folder: PathBuf,
        /// What it holds.
        tenants: Vec<Held>,
        /// What it should hold and does not.
        left_out: Vec<Checked>,
    },
    /// The tenants are there.
    Restored {
        /// Each of them.
        tenants: Vec<Held>,
    },
    /// The tenant goes on.
    Repaired {
        /// The last position that was kept.
        kept: u64,
        /// What was lost, a line for each room and each place, for a person.
        lost: Vec<String>,
        /// Where the old files are.
        aside: Option<PathBuf>,
    },
    /// All lines were said.
    Exported {
        /// It holds everything up to here.
        position: u64,
        /// Number of events.
        events: u64,
    },
    /// The tenant was suspended, resumed or deleted.
    Done,
    /// It was not done.
    Refused {
        /// Why, and what to do, for a person.
        why: String,
    },
}

/// A tenant in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Whether it is in memory now.
    pub awake: bool,
    /// Whether an operator suspended it.
    #[serde(default)]
    pub suspended: bool,
}

/// A tenant in a backup, or out of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Its name.
    pub name: String,
    /// Everything up to this position.
    pub position: u64,
    /// Bytes of records.
    pub bytes: u64,
}

/// A tenant that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Its name.
    pub name: String,
    /// What was found whole; `None` where nothing was.
    pub whole: Option<Whole>,
    /// Where it is damaged and what to do, for a person; `None`: it is healthy.
    pub damage: Option<String>,
}

/// A log that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whole {
    /// The newest position that a crash cannot have torn.
    pub last: u64,
    /// Files.
    pub segments: usize,
    /// Bytes read.
    pub bytes: u64,
}
