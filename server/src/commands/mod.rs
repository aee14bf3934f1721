//! What each command does.

pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod serve;
pub(crate) mod tenant;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use homeroom_engine::{FolderError, TenantError};

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

/// Asks about a folder that has to be there.
async fn ask_existing(folder: &Path, asked: Ask) -> Result<Answer, CommandError> {
    if !folder.is_dir() {
        return Err(CommandError::NoFolder {
            folder: folder.to_path_buf(),
        });
    }
    Ok(ask(folder, asked).await?)
}

/// An answer that does not fit what was asked is a refusal, or comes from another release.
fn refusal(answer: Answer) -> CommandError {
    CommandError::Refused {
        why: match answer {
            Answer::Refused { why } => why,
            Answer::Created { .. } | Answer::Tenants { .. } | Answer::Checked { .. } => {
                "the running host answered something else; is it of another release?".to_owned()
            }
        },
    }
}

fn print(line: &str) -> Result<(), CommandError> {
    writeln!(io::stdout().lock(), "{line}").map_err(|cause| CommandError::Io {
        action: "write to the standard output",
        cause,
    })
}
