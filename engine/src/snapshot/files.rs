//! Every file operation of the snapshot store, and nothing else.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::log::disk::{Disk, OpenMode};

/// What is written at once: many small sections are one call of the system.
const WRITE_BYTES: usize = 256 * 1024;

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
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    #[cfg(test)]
    pub(super) watch: Watch,
}

impl Files {
    /// Opens `folder`, creating it.
    pub(super) fn open(disk: Arc<dyn Disk>, folder: &Path) -> io::Result<Self> {
        disk.create_folder(folder)?;
        Ok(Self {
            disk,
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
        self.disk.list(&self.folder)
    }

    /// The whole file; one larger than `bytes_max` is refused before memory is taken for it.
    pub(super) fn read(&self, name: &str, bytes_max: u64) -> io::Result<Vec<u8>> {
        #[cfg(test)]
        self.watch.reads.lock().unwrap().push(name.to_owned());
        let file = self.disk.open(&self.folder.join(name), OpenMode::Read)?;
        let length = file.size()?;
        if length > bytes_max {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        let read = file.read_at(&mut bytes, 0)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Creates the file or replaces its content, and syncs it.
    pub(super) fn write_synced(&mut self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        self.changing()?;
        let file = self.disk.open(&self.folder.join(name), OpenMode::Create)?;
        self.changing()?;
        let (mut gathered, mut written) = (Vec::new(), 0);
        for part in parts {
            if gathered.len() + part.len() > WRITE_BYTES {
                file.write_at(&gathered, written)?;
                written += gathered.len() as u64;
                gathered.clear();
            }
            if part.len() > WRITE_BYTES {
                file.write_at(part, written)?;
                written += part.len() as u64;
            } else {
                gathered.extend_from_slice(part);
            }
        }
        file.write_at(&gathered, written)?;
        self.changing()?;
        file.sync()
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.changing()?;
        self.disk
            .rename(&self.folder.join(from), &self.folder.join(to))
    }

    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        self.changing()?;
        self.disk.remove(&self.folder.join(name))
    }

    /// Makes renames and removals last.
    pub(super) fn sync_folder(&mut self) -> io::Result<()> {
        self.changing()?;
        self.disk.sync_folder(&self.folder)
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
