//! A disk in memory that knows what a power cut would leave, and fails when it is told to.
//!
//! Each file has what its readers see (the page cache) and what is on the medium; between the two lie writes
//! that were never synced. A power cut keeps any of them, any of those torn; names go the same way, folder by
//! folder. A process that is killed leaves the cache as it is.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use homeroom_engine::log::disk::{Disk, DiskFile, OpenMode, Reserve};

use crate::dice::Dice;

/// How the next call that may fail does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFault {
    /// A sync fails, and what was to be synced is forgotten, though readers still see it.
    Sync,
    /// A write fails after its first half.
    Write,
    /// The process is killed: this call and all later ones fail, a write after its first half.
    Killed,
}

/// The disk; clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    nodes: Vec<Node>,
    names: BTreeMap<PathBuf, usize>,
    synced_names: BTreeMap<PathBuf, usize>,
    unsynced_names: Vec<NameChange>,
    /// Files take no more space than they have.
    full: bool,
    /// What happens after so many further writes and syncs.
    plan: Option<(u64, DiskFault)>,
    dead: bool,
}

#[derive(Debug, Default)]
struct Node {
    cached: Vec<u8>,
    medium: Vec<u8>,
    unsynced: Vec<Change>,
    claimed: u64,
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Size(usize),
}

#[derive(Debug)]
struct NameChange {
    gone: Option<PathBuf>,
    new: Option<(PathBuf, usize)>,
}

impl SimulatedDisk {
    /// Cuts the power: what is left is the medium with whatever happened to reach it.
    pub fn cut_power(&self, dice: &mut Dice) {
        let mut state = self.locked();
        for change in std::mem::take(&mut state.unsynced_names) {
            if dice.chance(1, 2) {
                change.apply(&mut state.synced_names);
            }
        }
        state.names = state.synced_names.clone();
        for node in &mut state.nodes {
            for change in std::mem::take(&mut node.unsynced) {
                match dice.below(4) {
                    0 | 1 => {}
                    2 => change.torn(dice).apply(&mut node.medium),
                    _ => change.apply(&mut node.medium),
                }
            }
            node.cached.clone_from(&node.medium);
        }
        state.revive();
    }

    /// The process that used it is gone, and the machine goes on.
    pub fn process_ended(&self) {
        self.locked().revive();
    }

    /// After `calls` further writes and syncs, the next one fails.
    pub fn plan(&self, calls: u64, fault: DiskFault) {
        self.locked().plan = Some((calls, fault));
    }

    /// Whether files may grow.
    pub fn set_full(&self, full: bool) {
        self.locked().full = full;
    }

    /// Whether the process that used it was killed, and nobody has noticed.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.locked().dead
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn revive(&mut self) {
        self.dead = false;
        self.plan = None;
    }

    fn check_alive(&self) -> io::Result<()> {
        if self.dead {
            return Err(io::Error::other("the process was killed"));
        }
        Ok(())
    }

    /// What goes wrong with this write or sync.
    fn fault(&mut self, sync: bool) -> Option<DiskFault> {
        if self.dead {
            return Some(DiskFault::Killed);
        }
        let (left, fault) = self.plan?;
        if left > 0 {
            self.plan = Some((left - 1, fault));
            return None;
        }
        match fault {
            // It waits for its kind of call.
            DiskFault::Sync if !sync => return None,
            DiskFault::Write if sync => return None,
            DiskFault::Sync | DiskFault::Write => {}
            DiskFault::Killed => self.dead = true,
        }
        self.plan = None;
        Some(fault)
    }

    fn claim(&mut self, node: usize, bytes: u64) -> io::Result<()> {
        let full = self.full;
        let claimed = &mut self.nodes[node].claimed;
        if full && bytes > *claimed {
            return Err(io::ErrorKind::StorageFull.into());
        }
        *claimed = bytes.max(*claimed);
        Ok(())
    }

    fn rename(&mut self, gone: Option<PathBuf>, new: Option<(PathBuf, usize)>) {
        let change = NameChange { gone, new };
        change.apply(&mut self.names);
        self.unsynced_names.push(change);
    }

    fn change(&mut self, node: usize, change: Change) {
        let node = &mut self.nodes[node];
        change.apply(&mut node.cached);
        node.unsynced.push(change);
    }
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
            Self::Write(offset, bytes) => {
                let from = dice.index(bytes.len());
                let to = from + dice.index(bytes.len() - from + 1);
                Self::Write(offset + from, bytes[from..to].to_vec())
            }
            Self::Size(_) => self.clone(),
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

fn planned() -> io::Error {
    io::Error::other("planned by the seed")
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("files of a simulation are small")
}

impl Disk for SimulatedDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.locked();
        state.check_alive()?;
        let known = state.names.get(path).copied();
        let node = match (known, mode) {
            (Some(node), OpenMode::Create) => {
                state.change(node, Change::Size(0));
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
        let disk = self.clone();
        Ok(Arc::new(SimulatedFile { disk, node }))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = self.locked();
        state.check_alive()?;
        let inside = state.names.keys();
        let inside = inside.filter(|path| path.parent() == Some(folder));
        let names = inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned));
        Ok(names.collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.locked();
        state.check_alive()?;
        let node = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        state.rename(Some(from.into()), Some((to.into(), node)));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.locked();
        state.check_alive()?;
        if !state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.rename(Some(path.into()), None);
        Ok(())
    }

    fn create_folder(&self, _folder: &Path) -> io::Result<()> {
        self.locked().check_alive()
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.locked();
        if state.fault(true).is_some() {
            return Err(planned());
        }
        let changes = std::mem::take(&mut state.unsynced_names);
        let (here, elsewhere): (Vec<_>, Vec<_>) = changes
            .into_iter()
            .partition(|change| change.touches(folder));
        state.unsynced_names = elsewhere;
        for change in here {
            change.apply(&mut state.synced_names);
        }
        Ok(())
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    node: usize,
}

impl DiskFile for SimulatedFile {
    fn size(&self) -> io::Result<u64> {
        let state = self.disk.locked();
        state.check_alive()?;
        Ok(state.nodes[self.node].cached.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.locked();
        state.check_alive()?;
        let content = &state.nodes[self.node].cached;
        let from = place(offset).min(content.len());
        let read = buffer.len().min(content.len() - from);
        buffer[..read].copy_from_slice(&content[from..from + read]);
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.locked();
        let was_dead = state.dead;
        if state.fault(false).is_some() {
            // A dead process does not even write half.
            if !was_dead {
                let half = bytes[..bytes.len() / 2].to_vec();
                state.change(self.node, Change::Write(place(offset), half));
            }
            return Err(planned());
        }
        state.claim(self.node, offset + bytes.len() as u64)?;
        state.change(self.node, Change::Write(place(offset), bytes.to_vec()));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.locked();
        match state.fault(true) {
            None => {}
            Some(DiskFault::Sync | DiskFault::Write) => {
                state.nodes[self.node].unsynced.clear();
                return Err(planned());
            }
            Some(DiskFault::Killed) => return Err(planned()),
        }
        let node = &mut state.nodes[self.node];
        for change in std::mem::take(&mut node.unsynced) {
            change.apply(&mut node.medium);
        }
        Ok(())
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.locked();
        state.check_alive()?;
        let claimed = &mut state.nodes[self.node].claimed;
        *claimed = bytes.min(*claimed);
        state.change(self.node, Change::Size(place(bytes)));
        Ok(())
    }

    fn reserve(&self, offset: u64, bytes: u64) -> io::Result<Reserve> {
        let mut state = self.disk.locked();
        state.check_alive()?;
        state.claim(self.node, offset + bytes)?;
        Ok(Reserve::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(disk: &SimulatedDisk, name: &str, bytes: &[u8]) -> Arc<dyn DiskFile> {
        let file = disk.open(Path::new(name), OpenMode::Create).unwrap();
        file.write_at(bytes, 0).unwrap();
        file
    }

    fn content(disk: &SimulatedDisk, name: &str) -> Option<Vec<u8>> {
        let file = disk.open(Path::new(name), OpenMode::Read).ok()?;
        let mut bytes = vec![0; place(file.size().unwrap())];
        file.read_at(&mut bytes, 0).unwrap();
        Some(bytes)
    }

    #[test]
    fn a_power_cut_keeps_what_was_synced_and_may_keep_any_of_the_rest() {
        let mut kept = [0; 2];
        for seed in 0..40 {
            let disk = SimulatedDisk::default();
            let file = write(&disk, "/a/synced", b"one");
            file.sync().unwrap();
            disk.sync_folder(Path::new("/a")).unwrap();
            file.write_at(b"two", 3).unwrap();
            write(&disk, "/a/new", b"three");
            disk.cut_power(&mut Dice::new(seed));
            let synced = content(&disk, "/a/synced").expect("its name was synced");
            assert!(synced.starts_with(b"one"), "{synced:?}");
            kept[0] += usize::from(synced == b"onetwo");
            kept[1] += usize::from(content(&disk, "/a/new").is_some());
        }
        assert!(kept.iter().all(|kept| (5..35).contains(kept)), "{kept:?}");
    }

    #[test]
    fn a_failed_sync_forgets_and_a_kill_leaves_the_cache() {
        let disk = SimulatedDisk::default();
        let file = write(&disk, "/a/file", b"one");
        disk.sync_folder(Path::new("/a")).unwrap();
        disk.plan(0, DiskFault::Sync);
        file.sync().unwrap_err();
        file.sync().unwrap();
        assert_eq!(content(&disk, "/a/file").unwrap(), b"one");
        disk.plan(0, DiskFault::Killed);
        file.write_at(b"four", 3).unwrap_err();
        assert!(file.read_at(&mut [0], 0).is_err());
        disk.process_ended();
        assert_eq!(content(&disk, "/a/file").unwrap(), b"onefo");
        disk.cut_power(&mut Dice::new(1));
        assert!(content(&disk, "/a/file").unwrap().len() < 5);
    }
}
