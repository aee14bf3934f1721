//! A disk in memory that knows what a power cut would leave.
//!
//! Every file has what its readers see (the page cache) and what is on the medium; between the two lie
//! writes that were never synced. A cut keeps any subset of them, any of those torn. Names work the
//! same way, per folder. Killing a process is nothing here: the cache stays.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use homeroom_engine::log::disk::{Disk, DiskFile, OpenMode, Reserve};

use super::Dice;

/// The disk; clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct ModelDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    nodes: Vec<Node>,
    names: BTreeMap<PathBuf, usize>,
    synced_names: BTreeMap<PathBuf, usize>,
    unsynced_names: Vec<NameChange>,
    /// Bytes that no file claims; `None` for a disk that is never full.
    free: Option<u64>,
}

#[derive(Debug, Default)]
struct Node {
    cached: Vec<u8>,
    medium: Vec<u8>,
    unsynced: Vec<Change>,
    /// Bytes of the disk that belong to the file, written or set aside.
    claimed: u64,
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Size(usize),
}

#[derive(Debug, Clone)]
struct NameChange {
    gone: Option<PathBuf>,
    new: Option<(PathBuf, usize)>,
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write(offset, bytes) => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(bytes);
            }
            Self::Size(bytes) => content.resize(*bytes, 0),
        }
    }

    /// Any part of a write; a change of size happens or not.
    fn torn(&self, dice: &mut Dice) -> Self {
        match self {
            Self::Write(offset, bytes) if dice.below(2) == 0 => {
                let from = if dice.below(2) == 0 {
                    0
                } else {
                    dice.below(bytes.len())
                };
                let to = from + dice.below(bytes.len() - from + 1);
                Self::Write(offset + from, bytes[from..to].to_vec())
            }
            Self::Write(..) | Self::Size(_) => self.clone(),
        }
    }
}

impl NameChange {
    fn touches(&self, folder: &Path) -> bool {
        let new = self.new.as_ref().map(|(path, _)| path);
        let mut paths = self.gone.iter().chain(new);
        paths.any(|path| path.parent() == Some(folder))
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        if let Some(path) = &self.gone {
            names.remove(path);
        }
        if let Some((path, node)) = &self.new {
            names.insert(path.clone(), *node);
        }
    }
}

impl ModelDisk {
    fn locked(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Cuts the power: what is left is the medium with whatever happened to reach it.
    pub fn cut_power(&self, dice: &mut Dice) {
        let mut state = self.locked();
        for change in std::mem::take(&mut state.unsynced_names) {
            if dice.below(2) == 0 {
                change.apply(&mut state.synced_names);
            }
        }
        state.names = state.synced_names.clone();
        for node in &mut state.nodes {
            for change in std::mem::take(&mut node.unsynced) {
                if dice.below(3) > 0 {
                    change.torn(dice).apply(&mut node.medium);
                }
            }
            node.cached = node.medium.clone();
        }
    }

    /// How much more the disk takes.
    pub fn set_free(&self, bytes: Option<u64>) {
        self.locked().free = bytes;
    }

    /// A failed fsync of a file: what was to be written is forgotten, though readers still see it, and
    /// the next fsync succeeds.
    pub fn forget_unsynced(&self, node: usize) {
        self.locked().nodes[node].unsynced.clear();
    }

    /// Names a file through renames.
    pub fn node(&self, path: &Path) -> usize {
        self.locked().names[path]
    }

    /// The name a file has now.
    pub fn name(&self, node: usize) -> Option<PathBuf> {
        let state = self.locked();
        let mut names = state.names.iter();
        names
            .find(|(_, named)| **named == node)
            .map(|(path, _)| path.clone())
    }

    /// What readers see of a file.
    pub fn content(&self, path: &Path) -> Vec<u8> {
        let state = self.locked();
        state.nodes[state.names[path]].cached.clone()
    }
}

impl Disk for ModelDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.locked();
        let known = state.names.get(path).copied();
        let node = match (known, mode) {
            (Some(node), OpenMode::Create) => {
                state.nodes[node].cached.clear();
                state.nodes[node].unsynced.push(Change::Size(0));
                node
            }
            (Some(node), OpenMode::Read | OpenMode::Write) => node,
            (None, OpenMode::Create) => {
                state.nodes.push(Node::default());
                let node = state.nodes.len() - 1;
                state.rename(None, Some((path.into(), node)));
                node
            }
            (None, OpenMode::Read | OpenMode::Write) => {
                return Err(io::ErrorKind::NotFound.into());
            }
        };
        Ok(Arc::new(ModelFile {
            disk: self.clone(),
            node,
        }))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = self.locked();
        let inside = state
            .names
            .keys()
            .filter(|path| path.parent() == Some(folder));
        Ok(inside
            .map(|path| path.file_name().unwrap().to_str().unwrap().into())
            .collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.locked();
        let node = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        if let Some(&replaced) = state.names.get(to) {
            state.release(replaced, 0);
        }
        state.rename(Some(from.into()), Some((to.into(), node)));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.locked();
        let node = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        state.release(node, 0);
        state.rename(Some(path.into()), None);
        Ok(())
    }

    fn create_folder(&self, _folder: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.locked();
        let changes = std::mem::take(&mut state.unsynced_names);
        let (here, elsewhere) = changes
            .into_iter()
            .partition(|change| change.touches(folder));
        state.unsynced_names = elsewhere;
        for change in Vec::<NameChange>::into_iter(here) {
            change.apply(&mut state.synced_names);
        }
        Ok(())
    }
}

impl State {
    /// Makes the first `bytes` of a file the file's own.
    fn claim(&mut self, node: usize, bytes: u64) -> io::Result<()> {
        let claimed = &mut self.nodes[node].claimed;
        if let Some(free) = &mut self.free {
            let more = bytes.saturating_sub(*claimed);
            *free = free.checked_sub(more).ok_or(io::ErrorKind::StorageFull)?;
        }
        *claimed = bytes.max(*claimed);
        Ok(())
    }

    /// Gives back what a file has beyond `bytes`.
    fn release(&mut self, node: usize, bytes: u64) {
        let claimed = &mut self.nodes[node].claimed;
        if let Some(free) = &mut self.free {
            *free += claimed.saturating_sub(bytes);
        }
        *claimed = bytes.min(*claimed);
    }

    fn rename(&mut self, gone: Option<PathBuf>, new: Option<(PathBuf, usize)>) {
        let change = NameChange { gone, new };
        change.apply(&mut self.names);
        self.unsynced_names.push(change);
    }
}

#[derive(Debug)]
struct ModelFile {
    disk: ModelDisk,
    node: usize,
}

impl ModelFile {
    fn change(&self, change: Change) {
        let mut state = self.disk.locked();
        let node = &mut state.nodes[self.node];
        change.apply(&mut node.cached);
        node.unsynced.push(change);
    }
}

impl DiskFile for ModelFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.locked().nodes[self.node].cached.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.locked();
        let content = &state.nodes[self.node].cached;
        let from = usize::try_from(offset).unwrap().min(content.len());
        let read = buffer.len().min(content.len() - from);
        buffer[..read].copy_from_slice(&content[from..from + read]);
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk
            .locked()
            .claim(self.node, offset + bytes.len() as u64)?;
        self.change(Change::Write(
            usize::try_from(offset).unwrap(),
            bytes.to_vec(),
        ));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.locked();
        let node = &mut state.nodes[self.node];
        for change in std::mem::take(&mut node.unsynced) {
            change.apply(&mut node.medium);
        }
        Ok(())
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.disk.locked().release(self.node, bytes);
        self.change(Change::Size(usize::try_from(bytes).unwrap()));
        Ok(())
    }

    fn reserve(&self, offset: u64, bytes: u64) -> io::Result<Reserve> {
        self.disk.locked().claim(self.node, offset + bytes)?;
        Ok(Reserve::Done)
    }
}
