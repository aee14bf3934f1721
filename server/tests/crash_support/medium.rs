//! A disk that is done what a trace tells, and knows what a power cut may leave of it.
//!
//! Each file has what its readers see and what is on the medium; between the two lie writes and sizes that
//! no sync has covered. Names work the same way, folder by folder. A cut keeps any of what lies between: a
//! write whole, or some of its sectors, or nothing; a size without its data; a name or not. What a failed
//! sync had to cover is never kept: the system may have dropped it, and no later sync brings it back.
//!
//! No file system loses more than this. Most lose less: they bring names to the disk in their order, and a
//! new file's name with its content.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use super::{crash_support::dice::Dice, image::Image, trace::Deed};

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// See the module.
#[derive(Debug)]
pub(crate) struct Medium {
    root: PathBuf,
    /// Files and folders share their numbers.
    count: usize,
    files: HashMap<usize, File>,
    /// The names that readers see, and those on the medium.
    seen: Folders,
    kept: Folders,
    /// Changes of names that no sync of a folder has covered.
    between: Vec<(u64, NameChange)>,
    open: HashMap<i32, usize>,
    /// Of each sync under way: what it syncs, and which deeds came before it.
    syncing: HashMap<u64, (usize, u64)>,
    deeds: u64,
}

/// By folder and name, what is called so.
type Folders = HashMap<usize, BTreeMap<String, usize>>;

#[derive(Debug, Default)]
struct File {
    seen: Vec<u8>,
    kept: Vec<u8>,
    between: Vec<(u64, Change)>,
}

#[derive(Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Size(usize),
}

/// A name in a folder.
type Name = (usize, String);

#[derive(Debug)]
struct NameChange {
    gone: Option<Name>,
    new: Option<(Name, usize)>,
}

/// How much a cut takes. One image is not a good mix of all: some faults show only where nothing is kept,
/// others only where all of it is but one thing.
#[derive(Debug, Clone, Copy)]
enum Mood {
    Nothing,
    Everything,
    AllButFew,
    Any,
}

const ROOT: usize = 0;

impl Medium {
    /// A disk on which all of this is kept, seen at `root`.
    pub(crate) fn of(root: &Path, image: &Image) -> Self {
        let mut medium = Self {
            root: root.to_owned(),
            count: 1,
            files: HashMap::new(),
            seen: Folders::from([(ROOT, BTreeMap::new())]),
            kept: Folders::from([(ROOT, BTreeMap::new())]),
            between: Vec::new(),
            open: HashMap::new(),
            syncing: HashMap::new(),
            deeds: 0,
        };
        for (path, content) in &image.0 {
            let place = medium.place(path).expect("folders come first");
            let node = match content {
                None => medium.new_folder(),
                Some(content) => medium.new_file(File {
                    seen: content.clone(),
                    kept: content.clone(),
                    between: Vec::new(),
                }),
            };
            medium.rename(None, Some((place, node)));
        }
        medium.between.clear();
        medium.kept = medium.seen.clone();
        medium
    }

    fn new_file(&mut self, file: File) -> usize {
        self.count += 1;
        self.files.insert(self.count, file);
        self.count
    }

    fn new_folder(&mut self) -> usize {
        self.count += 1;
        self.seen.insert(self.count, BTreeMap::new());
        self.kept.insert(self.count, BTreeMap::new());
        self.count
    }

    /// The folder and the name of a path from the root.
    fn place(&self, path: &Path) -> Option<Name> {
        let name = path.file_name()?.to_str()?.to_owned();
        let mut at = ROOT;
        for part in path.parent()? {
            at = *self.seen.get(&at)?.get(part.to_str()?)?;
        }
        Some((at, name))
    }

    /// What a path of the trace stands for: its name, and what has that name.
    fn find(&self, path: &Path) -> (Option<Name>, Option<usize>) {
        let path = path.strip_prefix(&self.root).expect("it is watched");
        if path.as_os_str().is_empty() {
            return (None, Some(ROOT));
        }
        let place = self.place(path);
        let node = place.as_ref();
        let node = node.and_then(|(folder, name)| self.seen[folder].get(name).copied());
        (place, node)
    }

    /// One more deed.
    pub(crate) fn does(&mut self, deed: &Deed) {
        self.deeds += 1;
        match deed {
            Deed::Opened {
                fd,
                path,
                created,
                truncated,
                folder,
            } => {
                let (place, found) = self.find(path);
                let node = found.unwrap_or_else(|| {
                    assert!(*created && !*folder, "{} was not seen made", path.display());
                    let node = self.new_file(File::default());
                    self.rename(None, Some((place.expect("its folder is there"), node)));
                    node
                });
                if *truncated {
                    self.change(node, Change::Size(0));
                }
                self.open.insert(*fd, node);
            }
            Deed::Closed { fd } => {
                self.open.remove(fd);
            }
            Deed::Copied { fd, to } => {
                let node = self.open[fd];
                self.open.insert(*to, node);
            }
            Deed::Written { fd, offset, bytes } => {
                let offset = usize::try_from(*offset).unwrap();
                self.change(self.open[fd], Change::Write(offset, bytes.clone()));
            }
            Deed::Sized { fd, bytes } => {
                let bytes = usize::try_from(*bytes).unwrap();
                self.change(self.open[fd], Change::Size(bytes));
            }
            Deed::SyncBegan { fd, token } => {
                self.syncing.insert(*token, (self.open[fd], self.deeds));
            }
            Deed::SyncEnded { token, failed } => {
                let (node, before) = self.syncing.remove(token).expect("it began");
                self.synced(node, before, *failed);
            }
            Deed::Renamed { from, to } => {
                let ((gone, node), (new, _)) = (self.find(from), self.find(to));
                let node = node.expect("it was renamed");
                self.rename(gone, Some((new.expect("its folder is there"), node)));
            }
            Deed::Removed { path } => {
                // What was never seen made is a socket.
                if let (gone, Some(_)) = self.find(path) {
                    self.rename(gone, None);
                }
            }
            Deed::FolderMade { path } => {
                let place = self.find(path).0.expect("its folder is there");
                let node = self.new_folder();
                self.rename(None, Some((place, node)));
            }
        }
    }

    fn rename(&mut self, gone: Option<Name>, new: Option<(Name, usize)>) {
        let change = NameChange { gone, new };
        change.apply(&mut self.seen);
        self.between.push((self.deeds, change));
    }

    fn change(&mut self, node: usize, change: Change) {
        let file = self
            .files
            .get_mut(&node)
            .expect("nobody writes to a folder");
        change.apply(&mut file.seen);
        file.between.push((self.deeds, change));
    }

    /// A sync ended; it covers what was done before it began.
    fn synced(&mut self, node: usize, before: u64, failed: bool) {
        if let Some(file) = self.files.get_mut(&node) {
            let (covered, later) = std::mem::take(&mut file.between)
                .into_iter()
                .partition(|(deed, _)| *deed < before);
            file.between = later;
            for (_, change) in Vec::<(u64, Change)>::into_iter(covered) {
                if !failed {
                    change.apply(&mut file.kept);
                }
            }
            return;
        }
        let (covered, later) = std::mem::take(&mut self.between)
            .into_iter()
            .partition(|(deed, change)| *deed < before && change.touches(node));
        self.between = later;
        for (_, change) in Vec::<(u64, NameChange)>::into_iter(covered) {
            if !failed {
                change.apply(&mut self.kept);
            }
        }
    }

    /// What a reader sees just now.
    pub(crate) fn seen_by_readers(&self) -> Image {
        let mut image = Image::default();
        let content = &mut |file: &File| file.seen.clone();
        self.walk(ROOT, Path::new(""), &self.seen, content, &mut image);
        image
    }

    /// What is left when the power is cut just now, by chance.
    pub(crate) fn after_cut(&self, dice: &mut Dice) -> Image {
        let (of_names, of_content) = (Mood::of(dice), Mood::of(dice));
        let mut folders = self.kept.clone();
        for (_, change) in &self.between {
            if of_names.keeps(dice) {
                change.apply(&mut folders);
            }
        }
        let mut image = Image::default();
        let content = &mut |file: &File| file.after_cut(of_content, dice);
        self.walk(ROOT, Path::new(""), &folders, content, &mut image);
        image
    }

    fn walk(
        &self,
        folder: usize,
        path: &Path,
        folders: &Folders,
        content: &mut dyn FnMut(&File) -> Vec<u8>,
        image: &mut Image,
    ) {
        for (name, node) in &folders[&folder] {
            let path = path.join(name);
            if let Some(file) = self.files.get(node) {
                image.0.insert(path, Some(content(file)));
            } else {
                self.walk(*node, &path, folders, content, image);
                image.0.insert(path, None);
            }
        }
    }
}

impl File {
    fn after_cut(&self, mood: Mood, dice: &mut Dice) -> Vec<u8> {
        let mut content = self.kept.clone();
        for (_, change) in &self.between {
            match change {
                Change::Size(_) => {
                    if mood.keeps(dice) {
                        change.apply(&mut content);
                    }
                }
                Change::Write(offset, bytes) => {
                    let torn = matches!(mood, Mood::Any | Mood::AllButFew) && dice.once_in(2);
                    if torn {
                        tear(*offset, bytes, &mut content, mood, dice);
                    } else if mood.keeps(dice) {
                        change.apply(&mut content);
                    }
                }
            }
        }
        // The length came to the disk, the data did not.
        if content.len() < self.seen.len() && matches!(mood, Mood::Any) && dice.once_in(2) {
            content.resize(self.seen.len(), 0);
        }
        content
    }
}

/// Keeps some sectors of a write.
fn tear(offset: usize, bytes: &[u8], content: &mut Vec<u8>, mood: Mood, dice: &mut Dice) {
    let mut from = 0;
    while from < bytes.len() {
        let to = (from + SECTOR_BYTES - (offset + from) % SECTOR_BYTES).min(bytes.len());
        if mood.keeps(dice) {
            Change::Write(offset + from, bytes[from..to].to_vec()).apply(content);
        }
        from = to;
    }
}

impl Mood {
    const fn of(dice: &mut Dice) -> Self {
        match dice.below(8) {
            0 | 1 => Self::Nothing,
            2 => Self::Everything,
            3 | 4 => Self::AllButFew,
            _ => Self::Any,
        }
    }

    const fn keeps(self, dice: &mut Dice) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::AllButFew => !dice.once_in(5),
            Self::Any => dice.once_in(2),
        }
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
}

impl NameChange {
    fn touches(&self, folder: usize) -> bool {
        let gone = self.gone.as_ref().map(|(at, _)| *at);
        let new = self.new.as_ref().map(|((at, _), _)| *at);
        gone == Some(folder) || new == Some(folder)
    }

    fn apply(&self, folders: &mut Folders) {
        if let Some((folder, name)) = &self.gone {
            folders.get_mut(folder).expect("a folder").remove(name);
        }
        if let Some(((folder, name), node)) = &self.new {
            let names = folders.get_mut(folder).expect("a folder");
            names.insert(name.clone(), *node);
        }
    }
}
