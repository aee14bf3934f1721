//! What each command does.

pub(crate) mod backup;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod export;
pub(crate) mod key;
mod notify;
mod progress;
pub(crate) mod repair;
pub(crate) mod restore;
pub(crate) mod serve;
pub(crate) mod tenant;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use homeroom_engine::{FolderError, TenantError};

use self::progress::Bar;
use crate::{
    admin::{AdminError, Answer, Ask, ask},
    host::ListenError,
    tls::TlsError,
};

/// Why a command failed, for the person at the terminal.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The data folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Options of `serve` were given to another command.
    #[error(
        "only --data and --config may stand before this command: the other options say how to serve, and nothing is served here"
    )]
    NotServing,
    /// There is no data folder.
    #[error("there is no data folder {}; name it with --data", folder.display())]
    NoFolder {
        /// What was named.
        folder: PathBuf,
    },
    /// The data folder is a file.
    #[error("{} is a file and no folder; name the data folder with --data", place.display())]
    NotAFolder {
        /// What was named.
        place: PathBuf,
    },
    /// The default tenant.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// The address.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A running host.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The system.
    #[error("cannot {action}: {cause}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The system's own words.
        cause: io::Error,
    },
    /// Nobody confirmed that a tenant shall be deleted.
    #[error(
        "deleting {name} removes everything it holds, for good; type its name when asked, or say --yes"
    )]
    NotConfirmed {
        /// The tenant.
        name: String,
    },
    /// A file is there already.
    #[error("{} is there already; name another, or remove it", place.display())]
    Taken {
        /// The file.
        place: PathBuf,
    },
    /// The command was understood and not done.
    #[error("{why}")]
    Refused {
        /// Why, and what to do.
        why: String,
    },
    /// Some tenants are damaged; which and how was printed.
    #[error("{count} of the tenants cannot be used as they are")]
    Damaged {
        /// How many.
        count: usize,
    },
    /// The end did not come in time; what was acknowledged is on disk nevertheless.
    #[error("shutting down took too long; what was acknowledged is on disk")]
    Overtime,
}

/// Refuses what is there and no folder; whether there is one.
fn is_there(folder: &Path) -> Result<bool, CommandError> {
    match std::fs::metadata(folder) {
        Ok(found) if !found.is_dir() => Err(CommandError::NotAFolder {
            place: folder.to_path_buf(),
        }),
        found => Ok(found.is_ok()),
    }
}

/// Refuses a folder that is not there.
fn existing(folder: &Path) -> Result<(), CommandError> {
    if is_there(folder)? {
        return Ok(());
    }
    Err(CommandError::NoFolder {
        folder: folder.to_path_buf(),
    })
}

/// Asks about a folder that has to be there.
async fn ask_existing(folder: &Path, asked: Ask) -> Result<Answer, CommandError> {
    existing(folder)?;
    let mut bar = Bar::new();
    Ok(ask(folder, asked, &mut |said| bar.tell(&said)).await?)
}

/// A path as whoever carries the command out must hear it: it may stand elsewhere.
fn absolute(path: &Path) -> Result<PathBuf, CommandError> {
    std::path::absolute(path).map_err(|cause| CommandError::Io {
        action: "find the current folder",
        cause,
    })
}

/// An answer that does not fit what was asked is a refusal, or comes from another release.
fn refusal(answer: Answer) -> CommandError {
    CommandError::Refused {
        why: match answer {
            Answer::Refused { why } => why,
            Answer::Progress { .. }
            | Answer::Lines { .. }
            | Answer::Created { .. }
            | Answer::Tenants { .. }
            | Answer::Checked { .. }
            | Answer::BackedUp { .. }
            | Answer::Restored { .. }
            | Answer::Repaired { .. }
            | Answer::Exported { .. }
            | Answer::Done => {
                "the running host answered something else; is it of another release?".to_owned()
            }
        },
    }
}

fn print(line: &str) -> Result<(), CommandError> {
    // At once: whoever reads the first line of several may then hang up.
    let line = format!("{line}\n");
    let printed = io::stdout().lock().write_all(line.as_bytes());
    printed.map_err(|cause| CommandError::Io {
        action: "write to the standard output",
        cause,
    })
}
