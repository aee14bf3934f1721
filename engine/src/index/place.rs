//! Where a tenant's index is kept, and what becomes of one that cannot be trusted.

use std::{
    fmt, fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use super::{Index, IndexError, IndexFault, IndexIdentity, MemoryIndex, SledIndex};

/// Opens an index, as often as it is needed.
pub trait IndexPlace: Send + Sync + fmt::Debug {
    /// What errors call it.
    fn name(&self) -> String;

    /// Opens what is there, or creates an empty one.
    ///
    /// # Errors
    /// [`IndexError`]; when damaged, the next step is [`set_aside`](Self::set_aside).
    fn open(&self) -> Result<Box<dyn Index>, IndexError>;

    /// Moves what is there out of the way, so that the next [`open`](Self::open) creates an empty one.
    /// The index must not be open.
    ///
    /// # Errors
    /// [`IndexError`] when it can neither be moved nor removed.
    fn set_aside(&self) -> Result<(), IndexError>;
}

/// In memory: a closed index is gone and rebuilt when it is next needed.
#[derive(Debug, Clone, Copy, Default)]
pub struct MemoryPlace;

impl IndexPlace for MemoryPlace {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn open(&self) -> Result<Box<dyn Index>, IndexError> {
        Ok(Box::new(MemoryIndex::new()))
    }

    fn set_aside(&self) -> Result<(), IndexError> {
        Ok(())
    }
}

/// Most damaged indexes kept for a look at them; with one more the oldest is removed.
pub const DAMAGED_KEPT_MAX: usize = 2;

const FOLDER: &str = "index";
const DAMAGED: &str = "index.damaged-";

/// The folder `index` in a tenant's folder; damaged ones beside it as `index.damaged-1`, `-2` …
#[derive(Debug, Clone)]
pub struct SledPlace {
    tenant_folder: PathBuf,
    identity: IndexIdentity,
}

impl SledPlace {
    /// An index in `tenant_folder`, which may hold other things too.
    #[must_use]
    pub fn new(tenant_folder: &Path, identity: IndexIdentity) -> Self {
        Self {
            tenant_folder: tenant_folder.to_owned(),
            identity,
        }
    }

    fn folder(&self) -> PathBuf {
        self.tenant_folder.join(FOLDER)
    }

    /// The numbers of the damaged indexes kept, ascending.
    fn damaged(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.tenant_folder)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(DAMAGED));
            numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn damaged_folder(&self, number: u64) -> PathBuf {
        self.tenant_folder.join(format!("{DAMAGED}{number}"))
    }

    fn keep_aside(&self) -> io::Result<()> {
        let mut kept = self.damaged()?;
        let number = kept.last().map_or(1, |last| last.saturating_add(1));
        while kept.len() >= DAMAGED_KEPT_MAX {
            remove(&self.damaged_folder(kept.remove(0)))?;
        }
        fs::rename(self.folder(), self.damaged_folder(number))
    }
}

impl IndexPlace for SledPlace {
    fn name(&self) -> String {
        self.folder().display().to_string()
    }

    fn open(&self) -> Result<Box<dyn Index>, IndexError> {
        Ok(Box::new(SledIndex::open(&self.folder(), self.identity)?))
    }

    fn set_aside(&self) -> Result<(), IndexError> {
        if matches!(self.folder().symlink_metadata(), Err(error) if error.kind() == ErrorKind::NotFound)
        {
            return Ok(());
        }
        self.keep_aside()
            .or_else(|_| remove(&self.folder()))
            .map_err(|error| IndexError {
                place: self.name(),
                cause: format!("cannot be set aside: {error}"),
                fault: IndexFault::Unavailable,
            })
    }
}

/// Removes a folder with all it holds, or whatever lies in its place.
fn remove(path: &Path) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}
