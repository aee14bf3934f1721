//! Every file operation of the snapshot store, and nothing else.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// What a test sees of the operations, and where it makes them fail.
#[cfg(test)]
#[derive(Default)]
pub(super) struct Watch {
    /// Is called before each change.
    pub(super) before_change: Option<Box<dyn FnMut() -> io::Result<()> + Send>>,
    /// The names of the files that were read.
    pub(super) reads: std::sync::Mutex<Vec<String>>,
}

/// One folder, its files by name.
pub(super) struct Files {
    folder: PathBuf,
    #[cfg(test)]
    pub(super) watch: Watch,
}

impl Files {
    /// Opens `folder`, creating it.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        if let Some(parent) = folder.parent().filter(|parent| parent.is_dir()) {
            sync_folder(parent)?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            #[cfg(test)]
            watch: Watch::default(),
        })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The names of all files; those that are not text are not ours.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    /// The whole file; one larger than `bytes_max` is refused before memory is taken for it.
    pub(super) fn read(&self, name: &str, bytes_max: u64) -> io::Result<Vec<u8>> {
        #[cfg(test)]
        self.watch.reads.lock().unwrap().push(name.to_owned());
        let file = File::open(self.folder.join(name))?;
        let length = file.metadata()?.len();
        if length > bytes_max {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        // It may have grown meanwhile.
        file.take(bytes_max).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Creates the file or replaces its content, and syncs it.
    pub(super) fn write_synced(&mut self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        self.changing()?;
        let file = File::create(self.folder.join(name))?;
        let mut writer = io::BufWriter::with_capacity(256 * 1024, file);
        self.changing()?;
        for part in parts {
            writer.write_all(part)?;
        }
        let file = writer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        self.changing()?;
        file.sync_all()
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.changing()?;
        fs::rename(self.folder.join(from), self.folder.join(to))
    }

    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        self.changing()?;
        fs::remove_file(self.folder.join(name))
    }

    /// Makes renames and removals last.
    pub(super) fn sync_folder(&mut self) -> io::Result<()> {
        self.changing()?;
        sync_folder(&self.folder)
    }

    #[cfg(test)]
    fn changing(&mut self) -> io::Result<()> {
        self.watch
            .before_change
            .as_mut()
            .map_or(Ok(()), |before| before())
    }

    #[cfg(not(test))]
    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "tests make it fail"
    )]
    fn changing(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    // Elsewhere a folder cannot be opened as a file, and renames are journalled.
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
