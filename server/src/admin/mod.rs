//! Commands against a data folder: carried out here when nobody has it open, else by the host that
//! has, through its admin socket.
//!
//! The socket is `admin.sock` in the data folder, for the folder's owner alone. Each line is one
//! [`Ask`] or [`Answer`] in JSON; each ask gets one answer.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use homeroom_engine::{Config, Engine, FolderError, TenantError};
use homeroom_protocol::{CloseCode, InvalidId, TenantName};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Semaphore,
    task::JoinHandle,
    time::{sleep, timeout},
};

/// Longest ask, in bytes.
const ASK_BYTES_MAX: u64 = 4 * 1024;
/// Longest answer, in bytes: the list of as many tenants as a folder may hold.
const ANSWER_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Commands served at once; further ones wait.
const COMMANDS_MAX: usize = 8;
/// How long a command may think before its next ask.
const ASK_WITHIN: Duration = Duration::from_secs(10);
/// After a failed accept.
const BACKOFF: Duration = Duration::from_millis(100);

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
}

/// What a command gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
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
    /// What was found.
    Checked {
        /// Each tenant that was looked at.
        tenants: Vec<Checked>,
    },
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

/// Why a command got no answer.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The data folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A running host has the folder, and does not answer.
    #[error("a running host has the folder, but its admin socket {} does not answer: {cause}", place.display())]
    Socket {
        /// The socket.
        place: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

/// Where the admin socket of a data folder is.
#[must_use]
pub fn socket_path(folder: &Path) -> PathBuf {
    folder.join("admin.sock")
}

/// Carries out a command on a data folder that is there.
///
/// # Errors
/// [`AdminError`]; what the command itself refuses is an [`Answer::Refused`].
pub async fn ask(folder: &Path, ask: Ask) -> Result<Answer, AdminError> {
    match Engine::open(Config::in_folder(folder)).await {
        Ok(engine) => {
            let answer = carry_out(&engine, ask).await;
            engine.shut_down(CloseCode::ShuttingDown, None).await;
            Ok(answer)
        }
        Err(FolderError::Locked { .. }) => {
            let place = socket_path(folder);
            ask_host(&place, &ask)
                .await
                .map_err(|cause| AdminError::Socket { place, cause })
        }
        Err(error) => Err(error.into()),
    }
}

async fn ask_host(place: &Path, ask: &Ask) -> io::Result<Answer> {
    let (read, mut write) = UnixStream::connect(place).await?.into_split();
    write.write_all(&line(ask)).await?;
    let mut read = BufReader::new(read);
    match next_line(&mut read, ANSWER_BYTES_MAX).await? {
        Some(answer) => Ok(serde_json::from_str(&answer)?),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Serves the admin socket until dropped.
#[derive(Debug)]
pub struct AdminSocket {
    place: PathBuf,
    serving: JoinHandle<()>,
}

impl AdminSocket {
    /// Opens the socket in the engine's data folder, in place of one that a killed host left behind.
    ///
    /// # Errors
    /// The system's.
    pub fn open(folder: &Path, engine: Engine) -> io::Result<Self> {
        let place = socket_path(folder);
        // The folder's lock is held, so nobody listens on it any more.
        match fs::remove_file(&place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&place)?;
        fs::set_permissions(&place, Permissions::from_mode(0o600))?;
        let serving = tokio::spawn(serve(listener, engine));
        Ok(Self { place, serving })
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        self.serving.abort();
        // What stays behind is removed by the next host.
        let _ = fs::remove_file(&self.place);
    }
}

async fn serve(listener: UnixListener, engine: Engine) {
    let seats = Arc::new(Semaphore::new(COMMANDS_MAX));
    loop {
        let seat = Arc::clone(&seats).acquire_owned().await;
        let seat = seat.expect("never closed");
        match listener.accept().await {
            Ok((stream, _)) => {
                let engine = engine.clone();
                tokio::spawn(async move {
                    // A command that went away needs no answer.
                    let _ = converse(stream, &engine).await;
                    drop(seat);
                });
            }
            Err(error) => {
                tracing::error!(%error, "cannot accept admin commands");
                sleep(BACKOFF).await;
            }
        }
    }
}

async fn converse(stream: UnixStream, engine: &Engine) -> io::Result<()> {
    let (read, mut write): (OwnedReadHalf, OwnedWriteHalf) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let asked = timeout(ASK_WITHIN, next_line(&mut read, ASK_BYTES_MAX)).await;
        let ask = match asked {
            Ok(Ok(Some(ask))) => ask,
            Ok(Ok(None)) | Err(_) => return Ok(()),
            Ok(Err(error)) => {
                return write.write_all(&line(&refused(error))).await;
            }
        };
        let answer = match serde_json::from_str(&ask) {
            Ok(ask) => carry_out(engine, ask).await,
            Err(error) => refused(error),
        };
        write.write_all(&line(&answer)).await?;
    }
}

/// The next line, without more than `bytes_max` of it in memory; `None` at the end.
async fn next_line(
    read: &mut BufReader<OwnedReadHalf>,
    bytes_max: u64,
) -> io::Result<Option<String>> {
    let mut line = String::new();
    let count = read.take(bytes_max).read_line(&mut line).await?;
    if count == 0 {
        return Ok(None);
    }
    if !line.ends_with('\n') {
        let why = format!("a line ends after at most {bytes_max} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(Some(line))
}

fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("plain fields always serialise");
    line.push(b'\n');
    line
}

async fn carry_out(engine: &Engine, ask: Ask) -> Answer {
    let done = match ask {
        Ask::CreateTenant { name } => create(engine, &name).await,
        Ask::ListTenants => list(engine).await,
        Ask::Check { name } => check(engine, name.as_deref()).await,
    };
    done.unwrap_or_else(refused)
}

fn refused(error: impl std::fmt::Display) -> Answer {
    Answer::Refused {
        why: error.to_string(),
    }
}

/// Why a command was refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{name:?} names no tenant: it {cause}")]
    Name { name: String, cause: InvalidId },
    #[error("there is no tenant {name}")]
    NotFound { name: TenantName },
    #[error(transparent)]
    Tenant(#[from] TenantError),
}

async fn create(engine: &Engine, name: &str) -> Result<Answer, Refusal> {
    let made = engine.create_tenant(&tenant_name(name)?).await?;
    Ok(Answer::Created {
        name: made.name().to_string(),
    })
}

async fn list(engine: &Engine) -> Result<Answer, Refusal> {
    let listed = engine.tenants().await?.into_iter().map(|tenant| Listed {
        name: tenant.name.to_string(),
        awake: tenant.awake,
    });
    Ok(Answer::Tenants {
        tenants: listed.collect(),
    })
}

async fn check(engine: &Engine, name: Option<&str>) -> Result<Answer, Refusal> {
    let names = match name {
        Some(name) => vec![tenant_name(name)?],
        None => (engine.tenants().await?.into_iter())
            .map(|tenant| tenant.name)
            .collect(),
    };
    let mut tenants = Vec::with_capacity(names.len());
    for name in names {
        let found = match engine.find_tenant(&name).await {
            Ok(None) => return Err(Refusal::NotFound { name }),
            Ok(Some(_)) => engine.check_tenant(&name).await,
            Err(error) => Err(error),
        };
        tenants.push(match found {
            Ok(verified) => Checked {
                name: name.to_string(),
                whole: verified.map(|it| Whole {
                    last: it.last.0,
                    segments: it.segments,
                    bytes: it.bytes,
                }),
                damage: None,
            },
            Err(error) => Checked {
                name: name.to_string(),
                whole: None,
                damage: Some(error.to_string()),
            },
        });
    }
    Ok(Answer::Checked { tenants })
}

fn tenant_name(name: &str) -> Result<TenantName, Refusal> {
    name.parse().map_err(|cause| Refusal::Name {
        name: name.to_owned(),
        cause,
    })
}
