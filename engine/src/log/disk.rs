//! What the engine asks of a file system, so that the same code runs on real files, on a counting
//! disk, and on one that fails or loses power when a test says so.
//!
//! The vocabulary is small on purpose: bytes at an offset, "now it is on the medium", names in a
//! folder. A write counts as kept only after [`DiskFile::sync`], a created, renamed or removed name
//! only after [`Disk::sync_folder`]. All calls block.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
};

use super::LogFailure;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, to be read.
    Read,
    /// An existing file, to be read and written.
    Write,
    /// A new, empty file; one of that name is emptied.
    Create,
}

/// What became of a wish for space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserve {
    /// The space is set aside.
    Done,
    /// This file system cannot set space aside.
    Unsupported,
}

/// Folders and names.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Opens a file.
    ///
    /// # Errors
    /// The system's; `NotFound` for a file that is not there.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;

    /// The names in a folder, in no order.
    ///
    /// # Errors
    /// The system's; `NotFound` for a folder that is not there.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// Gives a file another name; a file of that name is replaced, at once or not at all.
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// The system's.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes a folder and its parents, durably; fine if it is there.
    ///
    /// # Errors
    /// The system's.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;

    /// Returns when every name created, renamed or removed in the folder is on the medium.
    ///
    /// # Errors
    /// The system's. A second call proves nothing about what the first one failed to keep.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// An open file. All offsets and lengths are bytes.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// The file's length.
    ///
    /// # Errors
    /// The system's.
    fn size(&self) -> io::Result<u64>;

    /// Fills `buffer` from `offset` on; the answer is smaller than the buffer only at the end of the file.
    ///
    /// # Errors
    /// The system's.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// The system's; any part of the bytes may then have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Returns when the content and the length are on the medium (`fdatasync`).
    ///
    /// # Errors
    /// The system's. A second call proves nothing about what the first one failed to keep.
    fn sync(&self) -> io::Result<()>;

    /// Cuts or extends (with zeros) the file, and gives back space reserved beyond.
    ///
    /// # Errors
    /// The system's.
    fn set_size(&self, bytes: u64) -> io::Result<()>;

    /// Sets space aside for `bytes` from `offset` on, without changing the length.
    ///
    /// # Errors
    /// The system's, `StorageFull` above all.
    fn reserve(&self, offset: u64, bytes: u64) -> io::Result<Reserve>;
}

/// The file system of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => {}
            OpenMode::Write => {
                options.write(true);
            }
            OpenMode::Create => {
                // What is written here is a tenant's own: nobody else on the machine needs to read it.
                options.write(true).create(true).truncate(true).mode(0o600);
            }
        }
        Ok(Arc::new(RealFile(options.open(path)?)))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            // A name that is not Unicode is none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        if folder.as_os_str().is_empty() || folder.is_dir() {
            return Ok(());
        }
        let parent = folder.parent().unwrap_or(Path::new(""));
        self.create_folder(parent)?;
        match fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            Ok(()) | Err(_) => self.sync_folder(parent),
        }
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        File::open(folder)?.sync_all()
    }
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self
                .0
                .read_at(&mut buffer[filled..], offset + filled as u64)
            {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    #[cfg(target_os = "linux")]
    fn reserve(&self, offset: u64, bytes: u64) -> io::Result<Reserve> {
        use rustix::{
            fs::{FallocateFlags, fallocate},
            io::Errno,
        };
        match fallocate(&self.0, FallocateFlags::KEEP_SIZE, offset, bytes) {
            Ok(()) => Ok(Reserve::Done),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(Reserve::Unsupported),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn reserve(&self, _offset: u64, _bytes: u64) -> io::Result<Reserve> {
        Ok(Reserve::Unsupported)
    }
}

/// Whether the disk (or this user's part of it) is full.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

impl LogFailure {
    /// What the system said, where, and to what.
    #[must_use]
    pub fn new(action: &'static str, place: &Path, cause: &io::Error) -> Self {
        Self {
            action,
            place: place.display().to_string(),
            cause: cause.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_space_leaves_the_length_alone_and_missing_files_say_so() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        RealDisk.create_folder(&deep).unwrap();
        RealDisk.create_folder(&deep).unwrap();
        let path = deep.join("x");
        let file = RealDisk.open(&path, OpenMode::Create).unwrap();
        file.write_at(b"hello", 0).unwrap();
        file.reserve(5, 4096).unwrap();
        assert_eq!(file.size().unwrap(), 5);
        let mut buffer = [0; 8];
        assert_eq!(file.read_at(&mut buffer, 1).unwrap(), 4);
        assert_eq!(&buffer[..4], b"ello");
        assert_eq!(RealDisk.list(&deep).unwrap(), ["x"]);
        RealDisk.remove(&path).unwrap();
        let missing = RealDisk.open(&path, OpenMode::Write).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
