//! Commands against a data folder: carried out here when nobody has it open, else by the host that
//! has, through its admin socket.
//!
//! The socket is `admin.sock` in the data folder, for the folder's owner alone. Each line is one
//! [`Ask`] or [`Answer`] in JSON; each ask gets one answer, and perhaps others on the way to it.

mod carry;
mod words;

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use homeroom_engine::{Config, Engine, FolderError};
use homeroom_protocol::CloseCode;
use serde::Serialize;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Semaphore, mpsc},
    task::JoinHandle,
    time::{sleep, timeout},
};

use self::carry::{carry_out, refused};
pub use self::words::{Answer, Ask, Checked, Held, Listed, Whole};

/// Longest ask, in bytes: two paths.
const ASK_BYTES_MAX: u64 = 16 * 1024;
/// What is said before an answer and not yet written.
const TOLD_MAX: usize = 16;
/// How long a command may take to read what it is told.
const READ_WITHIN: Duration = Duration::from_secs(60);
/// Longest answer, in bytes: the list of as many tenants as a folder may hold.
const ANSWER_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Commands served at once; further ones wait.
const COMMANDS_MAX: usize = 8;
/// How long a command may think before its next ask.
const ASK_WITHIN: Duration = Duration::from_secs(10);
/// After a failed accept.
const BACKOFF: Duration = Duration::from_millis(100);

/// Why a command got no answer.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The data folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Somebody else has the folder, and does not answer.
    #[error(
        "another process has the folder, and does not answer at {}: {cause}; a command that is at work there, or a host that comes or goes: try again when it is done",
        place.display()
    )]
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

/// Carries out a command on a data folder. `told` is called with whatever is said before the answer.
///
/// # Errors
/// [`AdminError`]; what the command itself refuses is an [`Answer::Refused`].
pub async fn ask(
    folder: &Path,
    ask: Ask,
    told: &mut (dyn FnMut(Answer) + Send),
) -> Result<Answer, AdminError> {
    match Engine::open(Config::in_folder(folder)).await {
        Ok(engine) => {
            let (teller, mut tells) = mpsc::channel(TOLD_MAX);
            let listen = async {
                while let Some(said) = tells.recv().await {
                    told(said);
                }
            };
            let (answer, ()) = tokio::join!(carry_out(&engine, ask, teller), listen);
            engine.shut_down(CloseCode::ShuttingDown, None).await;
            Ok(answer)
        }
        Err(FolderError::Locked { .. }) => {
            let place = socket_path(folder);
            ask_host(&place, &ask, told)
                .await
                .map_err(|cause| AdminError::Socket { place, cause })
        }
        Err(error) => Err(error.into()),
    }
}

async fn ask_host(
    place: &Path,
    ask: &Ask,
    told: &mut (dyn FnMut(Answer) + Send),
) -> io::Result<Answer> {
    let (read, mut write) = UnixStream::connect(place).await?.into_split();
    write.write_all(&line(ask)).await?;
    let mut read = BufReader::new(read);
    loop {
        let Some(said) = next_line(&mut read, ANSWER_BYTES_MAX).await? else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        match serde_json::from_str(&said)? {
            said @ (Answer::Progress { .. } | Answer::Lines { .. }) => told(said),
            answer => return Ok(answer),
        }
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
            Ok(ask) => tell(&mut write, engine, ask).await?,
            Err(error) => refused(error),
        };
        say(&mut write, &answer).await?;
    }
}

/// Carries out a command, and writes what is said on the way.
async fn tell(write: &mut OwnedWriteHalf, engine: &Engine, ask: Ask) -> io::Result<Answer> {
    let (teller, mut tells) = mpsc::channel(TOLD_MAX);
    let mut work = std::pin::pin!(carry_out(engine, ask, teller));
    let answer = loop {
        tokio::select! {
            answer = &mut work => break answer,
            Some(said) = tells.recv() => say(write, &said).await?,
        }
    };
    while let Ok(said) = tells.try_recv() {
        say(write, &said).await?;
    }
    Ok(answer)
}

async fn say(write: &mut OwnedWriteHalf, answer: &Answer) -> io::Result<()> {
    let written = timeout(READ_WITHIN, write.write_all(&line(answer))).await;
    written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
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
