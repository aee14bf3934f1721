//! `homeroom export`: a tenant as lines of JSON, to the standard output or into a file.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::{CommandError, existing, progress::Bar, refusal};
use crate::admin::{Answer, Ask, ask};

pub(crate) async fn run(
    folder: &Path,
    name: String,
    to: Option<PathBuf>,
) -> Result<(), CommandError> {
    existing(folder)?;
    let mut into = Into::open(to)?;
    let (mut written, mut bar) = (Ok(()), Bar::new());
    let mut told = |said: Answer| match said {
        Answer::Lines { text } if written.is_ok() => written = into.write(text.as_bytes()),
        said => bar.tell(&said),
    };
    let answer = ask(folder, Ask::Export { name }, &mut told).await;
    drop(bar);
    let done = match (answer, written) {
        (Ok(Answer::Exported { .. }), Ok(())) => return into.finish(),
        (Ok(Answer::Exported { .. }), Err(cause)) => Err(CommandError::Io {
            action: "write the export",
            cause,
        }),
        (Ok(other), _) => Err(refusal(other)),
        (Err(error), _) => Err(error.into()),
    };
    into.give_up();
    done
}

/// Where the lines go.
enum Into {
    Output,
    /// Written beside its name, which it gets when it is whole.
    File {
        place: PathBuf,
        aside: PathBuf,
        file: BufWriter<File>,
    },
}

impl Into {
    fn open(to: Option<PathBuf>) -> Result<Self, CommandError> {
        let Some(place) = to else {
            return Ok(Self::Output);
        };
        if place.exists() {
            return Err(CommandError::Taken { place });
        }
        let mut aside = place.clone().into_os_string();
        aside.push(".unfinished");
        let aside = PathBuf::from(aside);
        let mut private = OpenOptions::new();
        let file = private.write(true).create(true).truncate(true).mode(0o600);
        let file = file.open(&aside).map_err(failed("open the export"))?;
        let file = BufWriter::new(file);
        Ok(Self::File { place, aside, file })
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        match self {
            Self::Output => io::stdout().lock().write_all(text),
            Self::File { file, .. } => file.write_all(text),
        }
    }

    fn finish(self) -> Result<(), CommandError> {
        match self {
            Self::Output => io::stdout().lock().flush().map_err(failed("write")),
            Self::File { place, aside, file } => {
                let file = file.into_inner().map_err(io::IntoInnerError::into_error);
                let kept = file.and_then(|file| file.sync_all());
                kept.and_then(|()| std::fs::rename(&aside, &place))
                    .map_err(failed("keep the export"))
            }
        }
    }

    fn give_up(self) {
        if let Self::File { aside, .. } = self {
            // What stays behind is written over by the next.
            let _ = std::fs::remove_file(aside);
        }
    }
}

fn failed(action: &'static str) -> impl FnOnce(io::Error) -> CommandError {
    move |cause| CommandError::Io { action, cause }
}
